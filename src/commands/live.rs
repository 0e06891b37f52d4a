//! `larder stat` and `larder top`: the running daemon, or all of the fleet, one look every so often.
//!
//! Only the first look may end them. Whoever is silent later has a line that says so, and is looked at again: a restart of
//! the daemon is what they are watched for.

use std::time::Duration;

use anyhow::{Result, anyhow};
use chrono::{DateTime, Utc};
use futures::future::join_all;
use larder_model::admin::{StatReport, TableStat};
use serde_json::{Value, json};

use super::{Context, table};
use crate::admin::Admin;
use crate::cli::{LiveArgs, StatArgs};

/// The heading of `stat` comes again after at least so many lines.
const LINES_PER_HEADING: u64 = 20;
/// Tables that `top` shows.
const TABLES_MAX: usize = 20;
/// A look waits for its answer as long as one look is after the other, but at least and at most this long.
const PATIENCE_MIN: Duration = Duration::from_secs(2);
const PATIENCE_MAX: Duration = Duration::from_secs(10);

const HEADING: &str = "   get/s   err   memory/s      ssd/s   origin/s   direct/s   hit  preload/s  fills     memory        ssd  \
                       list      time";

/// A line for each worker: of this configuration's daemon, or of all that it knows.
pub(super) async fn stat(context: &Context, args: &StatArgs) -> Result<()> {
    let mut workers: Vec<Watched> = if args.all {
        let fleet = within(PATIENCE_MAX, context.fleet()).await?;
        fleet.into_iter().map(|(name, daemon)| Watched::new(name, daemon)).collect()
    } else {
        vec![Watched::new(String::new(), context.daemon()?)]
    };
    let width = workers.iter().map(|worker| worker.name.len()).max().unwrap_or(0).max("worker".len());
    let named = |name: &str| if args.all { format!("{name:width$} ") } else { String::new() };
    let patience = patience(&args.live);
    let first: Result<Vec<_>> = look_at_all(&mut workers, patience).await.into_iter().collect();
    if !args.all {
        first?;
    }
    let (mut every, clock) = (looks(&args.live), Context::clock());
    for look in 0..args.live.count.unwrap_or(u64::MAX) {
        every.tick().await;
        let seen = look_at_all(&mut workers, patience).await;
        let at = clock.now();
        if !args.live.json && !args.no_headings && heading_comes(look, workers.len() as u64) {
            table::say(format!("{}{HEADING}", named("worker")));
        }
        for (worker, seen) in workers.iter().zip(&seen) {
            if args.live.json {
                let mut line = stat_json(seen, at);
                if args.all {
                    line["worker"] = json!(worker.name);
                }
                table::say(line.to_string());
            } else {
                table::say(format!("{}{}", named(&worker.name), stat_line(seen, at)));
            }
        }
    }
    Ok(())
}

/// Whether the heading comes before the lines of this look, the first being 0: looks are never torn by it.
fn heading_comes(look: u64, lines_per_look: u64) -> bool {
    look.is_multiple_of(LINES_PER_HEADING.div_ceil(lines_per_look.max(1)))
}

/// A daemon that is looked at again and again.
struct Watched {
    name: String,
    daemon: Admin,
    /// What it said at the last look; `None` if it said nothing then.
    before: Option<StatReport>,
}

impl Watched {
    fn new(name: String, daemon: Admin) -> Self {
        Self { name, daemon, before: None }
    }

    /// What happened since the last look; `None` if there was no answer then.
    async fn look(&mut self, patience: Duration) -> Look {
        let answer = within(patience, self.daemon.stat()).await;
        let before = std::mem::replace(&mut self.before, answer.as_ref().ok().cloned());
        let now = answer?;
        Ok(before.map(|before| Between { before: counted_from(before, &now), now }))
    }
}

type Look = Result<Option<Between>>;

/// What a daemon said at two looks.
struct Between {
    before: StatReport,
    now: StatReport,
}

/// What `now` is counted from: the last look, or nothing if the daemon has started since.
fn counted_from(before: StatReport, now: &StatReport) -> StatReport {
    if now.uptime_seconds < before.uptime_seconds { StatReport::default() } else { before }
}

/// All at once: who is silent costs the others `patience`, however many are.
async fn look_at_all(workers: &mut [Watched], patience: Duration) -> Vec<Look> {
    join_all(workers.iter_mut().map(|worker| worker.look(patience))).await
}

fn patience(args: &LiveArgs) -> Duration {
    Duration::from_secs(args.seconds).clamp(PATIENCE_MIN, PATIENCE_MAX)
}

async fn within<T>(patience: Duration, asked: impl Future<Output = Result<T>>) -> Result<T> {
    let answer = tokio::time::timeout(patience, asked).await;
    answer.unwrap_or_else(|_| Err(anyhow!("no answer within {} s", patience.as_secs())))
}

fn looks(args: &LiveArgs) -> tokio::time::Interval {
    let period = Duration::from_secs(args.seconds);
    let mut every = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    every
}

/// What a script reads of a look, rates only where two looks after each other were answered.
fn stat_json(seen: &Look, at: DateTime<Utc>) -> Value {
    let mut line = match seen {
        Ok(Some(Between { before, now })) => rates(before, now),
        Ok(None) | Err(_) => json!({}),
    };
    line["time"] = json!(at);
    line["problem"] = problem(seen);
    line
}

/// Why there is no answer; `null` if there is one.
fn problem(seen: &Look) -> Value {
    json!(seen.as_ref().err().map(|error| format!("{error:#}")))
}

fn stat_line(seen: &Look, at: DateTime<Utc>) -> String {
    match seen {
        Ok(Some(Between { before, now })) => figures(before, now, at),
        Ok(None) | Err(_) => format!("   {}  {}", without_figures(seen), at.format("%H:%M:%S")),
    }
}

/// What is said where there are no figures.
fn without_figures(seen: &Look) -> String {
    match seen {
        Ok(_) => "it is back".to_owned(),
        Err(error) => format!("no data: {error}"),
    }
}

/// What happened between two looks, a second.
fn rates(before: &StatReport, now: &StatReport) -> Value {
    let seconds = (now.uptime_seconds - before.uptime_seconds).max(0.001);
    let rate = |field: fn(&StatReport) -> u64| field(now).saturating_sub(field(before)) as f64 / seconds;
    json!({
        "get_per_second": rate(|s| s.get_requests),
        "errors_per_second": rate(|s| s.get_errors),
        "memory_bytes_per_second": rate(|s| s.bytes_memory),
        "ssd_bytes_per_second": rate(|s| s.bytes_ssd),
        "origin_bytes_per_second": rate(|s| s.bytes_origin),
        "direct_bytes_per_second": rate(|s| s.bytes_direct),
        "preload_bytes_per_second": rate(|s| s.origin_bytes_preload),
        "byte_hit_ratio": hit_ratio(before, now),
        "fills_in_flight": now.fills_in_flight,
        "memory_used_bytes": now.memory_used_bytes,
        "ssd_used_bytes": now.ssd_used_bytes,
        "whitelist_version": now.whitelist_version,
        "tier_errors": tier_errors(before, now),
    })
}

/// How often something went wrong within the tiers between two looks.
fn tier_errors(before: &StatReport, now: &StatReport) -> u64 {
    now.tier_errors.saturating_sub(before.tier_errors)
}

/// The share of bytes sent that came from memory or SSD; `None` when nothing was sent.
fn hit_ratio(before: &StatReport, now: &StatReport) -> Option<f64> {
    let hits = |s: &StatReport| s.bytes_memory + s.bytes_ssd;
    let all = |s: &StatReport| hits(s) + s.bytes_origin + s.bytes_direct;
    let sent = all(now).saturating_sub(all(before));
    (sent > 0).then(|| hits(now).saturating_sub(hits(before)) as f64 / sent as f64)
}

fn figures(before: &StatReport, now: &StatReport, at: DateTime<Utc>) -> String {
    let rates = rates(before, now);
    let number = |name: &str| rates[name].as_f64().unwrap_or(0.0);
    let bytes = |name: &str| table::size(number(name) as u64);
    let hit = hit_ratio(before, now).map_or_else(|| "-".to_owned(), |ratio| format!("{:.0}%", ratio * 100.0));
    let wrong = match tier_errors(before, now) {
        0 => String::new(),
        errors => format!("  tier errors: {errors}"),
    };
    format!(
        "{:>8.0} {:>5.0} {:>10} {:>10} {:>10} {:>10} {:>5} {:>10} {:>6} {:>10} {:>10} {:>5}  {}{}",
        number("get_per_second"),
        number("errors_per_second"),
        bytes("memory_bytes_per_second"),
        bytes("ssd_bytes_per_second"),
        bytes("origin_bytes_per_second"),
        bytes("direct_bytes_per_second"),
        hit,
        bytes("preload_bytes_per_second"),
        now.fills_in_flight,
        table::size(now.memory_used_bytes),
        table::size(now.ssd_used_bytes),
        format!("v{}", now.whitelist_version),
        at.format("%H:%M:%S"),
        wrong,
    )
}

/// The tables that were read since the look before, of this configuration's daemon.
pub(super) async fn top(context: &Context, args: &LiveArgs) -> Result<()> {
    let mut daemon = Watched::new(String::new(), context.daemon()?);
    daemon.look(patience(args)).await?;
    let (mut every, clock) = (looks(args), Context::clock());
    for _ in 0..args.count.unwrap_or(u64::MAX) {
        every.tick().await;
        let seen = daemon.look(patience(args)).await;
        let at = clock.now();
        let tables = match &seen {
            Ok(Some(Between { before, now })) => busiest(before, now),
            Ok(None) | Err(_) => Vec::new(),
        };
        if args.json {
            let line = json!({ "time": at, "problem": problem(&seen), "tables": tables });
            table::say(line.to_string());
            continue;
        }
        table::say(at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
        if matches!(seen, Ok(Some(_))) {
            let rows = tables.iter().take(TABLES_MAX).map(|stat| {
                vec![
                    stat.table.to_string(),
                    stat.requests.to_string(),
                    table::size(stat.bytes),
                    format!("{:.0}%", stat.bytes_hit as f64 / stat.bytes.max(1) as f64 * 100.0),
                    table::seconds(stat.seconds),
                ]
            });
            table::print(&["TABLE", ">GETS", ">BYTES", ">HIT", ">TIME"], rows);
        } else {
            table::say(without_figures(&seen));
        }
        table::say("");
    }
    Ok(())
}

/// What was read of each table between two looks, the most bytes first.
fn busiest(before: &StatReport, now: &StatReport) -> Vec<TableStat> {
    let earlier = |stat: &TableStat| before.tables.iter().find(|known| known.table == stat.table);
    let mut tables: Vec<TableStat> = now
        .tables
        .iter()
        .map(|stat| {
            let known = earlier(stat);
            let since = |field: fn(&TableStat) -> u64| field(stat).saturating_sub(known.map_or(0, field));
            TableStat {
                table: stat.table.clone(),
                requests: since(|s| s.requests),
                bytes: since(|s| s.bytes),
                bytes_hit: since(|s| s.bytes_hit),
                seconds: stat.seconds - known.map_or(0.0, |known| known.seconds),
            }
        })
        .filter(|stat| stat.requests > 0)
        .collect();
    tables.sort_by_key(|stat| std::cmp::Reverse(stat.bytes));
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heading_comes_when_twenty_lines_or_more_have_passed() {
        let lines_between = |workers: u64| {
            let headings: Vec<u64> = (0..100).filter(|look| heading_comes(*look, workers)).take(3).collect();
            assert_eq!(headings[0], 0, "before the first line of {workers} workers");
            assert_eq!(headings[2], 2 * headings[1]);
            headings[1] * workers
        };
        assert_eq!([1, 3, 7, 20, 30].map(lines_between), [20, 21, 21, 20, 30]);
        assert!(heading_comes(0, 0));
    }

    #[test]
    fn a_daemon_that_started_anew_is_counted_from_its_start() {
        let before = StatReport { uptime_seconds: 500.0, get_requests: 40, ..StatReport::default() };
        let now = StatReport { uptime_seconds: 2.0, get_requests: 60, ..StatReport::default() };
        assert_eq!(rates(&counted_from(before.clone(), &now), &now)["get_per_second"], 30.0);
        let later = StatReport { uptime_seconds: 501.0, ..before.clone() };
        assert_eq!(counted_from(before.clone(), &later), before);
    }

    #[test]
    fn a_look_without_an_answer_says_why_in_every_form() {
        let (silent, at) = (Err(anyhow!("no answer within 2 s")), DateTime::UNIX_EPOCH);
        assert_eq!(stat_line(&silent, at), "   no data: no answer within 2 s  00:00:00");
        let line = stat_json(&silent, at);
        assert_eq!((&line["problem"], &line["time"]), (&json!("no answer within 2 s"), &json!(at)));
        assert_eq!(stat_line(&Ok(None), at), "   it is back  00:00:00");
        assert!(stat_json(&Ok(None), at)["problem"].is_null());
    }

    #[test]
    fn two_looks_make_rates() {
        let before = StatReport { uptime_seconds: 10.0, get_requests: 5, bytes_memory: 100, ..StatReport::default() };
        let now = StatReport {
            uptime_seconds: 12.0,
            get_requests: 25,
            bytes_memory: 400,
            bytes_origin: 100,
            ..StatReport::default()
        };
        assert_eq!(rates(&before, &now)["get_per_second"], 10.0);
        assert_eq!(hit_ratio(&before, &now), Some(0.75));
        assert_eq!(hit_ratio(&now, &now), None);
    }

    #[test]
    fn a_line_ends_with_what_went_wrong_within_the_tiers_since_the_look_before() {
        let told = |tier_errors| StatReport { tier_errors, ..StatReport::default() };
        let line = |before, now| figures(&told(before), &told(now), DateTime::UNIX_EPOCH);
        assert!(line(4, 12).ends_with("  00:00:00  tier errors: 8"), "{}", line(4, 12));
        assert!(line(4, 4).ends_with("  00:00:00"), "most lines have nothing there");
        assert_eq!(rates(&told(4), &told(12))["tier_errors"], 8);
    }

    #[test]
    fn top_shows_what_was_read_since_the_last_look() {
        let stat = |bytes| TableStat {
            table: "a.b.c".parse().expect("a name"),
            requests: bytes / 10,
            bytes,
            bytes_hit: bytes / 2,
            seconds: 1.0,
        };
        let before = StatReport { tables: vec![stat(100)], ..StatReport::default() };
        let now = StatReport { tables: vec![stat(300)], ..StatReport::default() };
        assert_eq!((busiest(&before, &now)[0].bytes, busiest(&before, &now)[0].requests), (200, 20));
        assert!(busiest(&now, &now).is_empty());
    }
}
