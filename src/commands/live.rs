//! `larder stat` and `larder top`: the running daemon, or all of the fleet, one look every so often.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use larder_model::admin::{StatReport, TableStat};
use serde_json::json;

use super::{Context, table};
use crate::admin::Admin;
use crate::cli::{LiveArgs, StatArgs};

/// The heading of `stat` comes again after so many lines.
const LINES_PER_HEADING: u64 = 20;
/// Tables that `top` shows.
const TABLES_MAX: usize = 20;

const HEADING: &str = "   get/s   err   memory/s      ssd/s   origin/s   direct/s   hit  preload/s  fills     memory        ssd  \
                       list      time";

pub(super) async fn stat(context: &Context, args: &StatArgs) -> Result<()> {
    if args.all {
        return stat_of_all(context, args).await;
    }
    let daemon = context.daemon()?;
    let mut before = daemon.stat().await?;
    let mut every = looks(&args.live);
    for look in 0..args.live.count.unwrap_or(u64::MAX) {
        every.tick().await;
        let now = daemon.stat().await?;
        if args.live.json {
            table::say(serde_json::to_string(&rates(&before, &now))?);
        } else {
            if look % LINES_PER_HEADING == 0 && !args.no_headings {
                table::say(HEADING);
            }
            table::say(stat_line(&before, &now, Context::clock().now()));
        }
        before = now;
    }
    Ok(())
}

/// A line for each worker. One that does not answer says so in its line, and the others go on.
async fn stat_of_all(context: &Context, args: &StatArgs) -> Result<()> {
    let fleet = context.fleet().await?;
    let width = fleet.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("worker".len());
    let look = async || join_all(fleet.iter().map(|(_, daemon): &(String, Admin)| daemon.stat())).await;
    let mut before: Vec<Option<StatReport>> = look().await.into_iter().map(Result::ok).collect();
    let mut every = looks(&args.live);
    let (mut lines, clock) = (0, Context::clock());
    for _ in 0..args.live.count.unwrap_or(u64::MAX) {
        every.tick().await;
        let now = look().await;
        if !args.live.json && !args.no_headings && lines == 0 {
            table::say(format!("{:width$} {HEADING}", "worker"));
        }
        lines = (lines + fleet.len() as u64) % LINES_PER_HEADING.max(fleet.len() as u64);
        for (((name, _), before), now) in fleet.iter().zip(&mut before).zip(now) {
            let both = before.as_ref().zip(now.as_ref().ok());
            if args.live.json {
                let mut line = both.map_or_else(|| json!({}), |(before, now)| rates(before, now));
                line["worker"] = json!(name);
                line["problem"] = json!(now.as_ref().err().map(|error| format!("{error:#}")));
                table::say(serde_json::to_string(&line)?);
            } else {
                let line = match (both, &now) {
                    (Some((before, now)), _) => stat_line(before, now, clock.now()),
                    (None, Ok(_)) => "   it is back".to_owned(),
                    (None, Err(error)) => format!("   no data: {error}"),
                };
                table::say(format!("{name:width$} {line}"));
            }
            *before = now.ok();
        }
    }
    Ok(())
}

fn looks(args: &LiveArgs) -> tokio::time::Interval {
    let period = Duration::from_secs(args.seconds);
    let mut every = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    every
}

/// What happened between two looks, a second.
fn rates(before: &StatReport, now: &StatReport) -> serde_json::Value {
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
    })
}

/// The share of bytes sent that came from memory or SSD; `None` when nothing was sent.
fn hit_ratio(before: &StatReport, now: &StatReport) -> Option<f64> {
    let hits = |s: &StatReport| s.bytes_memory + s.bytes_ssd;
    let all = |s: &StatReport| hits(s) + s.bytes_origin + s.bytes_direct;
    let sent = all(now).saturating_sub(all(before));
    (sent > 0).then(|| hits(now).saturating_sub(hits(before)) as f64 / sent as f64)
}

fn stat_line(before: &StatReport, now: &StatReport, at: DateTime<Utc>) -> String {
    let rates = rates(before, now);
    let number = |name: &str| rates[name].as_f64().unwrap_or(0.0);
    let bytes = |name: &str| table::size(number(name) as u64);
    let hit = hit_ratio(before, now).map_or_else(|| "-".to_owned(), |ratio| format!("{:.0}%", ratio * 100.0));
    format!(
        "{:>8.0} {:>5.0} {:>10} {:>10} {:>10} {:>10} {:>5} {:>10} {:>6} {:>10} {:>10} {:>5}  {}",
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
    )
}

pub(super) async fn top(context: &Context, args: &LiveArgs) -> Result<()> {
    let daemon = context.daemon()?;
    let mut before = daemon.stat().await?;
    let mut every = looks(args);
    for _ in 0..args.count.unwrap_or(u64::MAX) {
        every.tick().await;
        let now = daemon.stat().await?;
        let tables = busiest(&before, &now);
        if args.json {
            table::say(serde_json::to_string(&tables)?);
        } else {
            let rows = tables.iter().take(TABLES_MAX).map(|stat| {
                vec![
                    stat.table.to_string(),
                    stat.requests.to_string(),
                    table::size(stat.bytes),
                    format!("{:.0}%", stat.bytes_hit as f64 / stat.bytes.max(1) as f64 * 100.0),
                    table::seconds(stat.seconds),
                ]
            });
            table::say(Context::clock().now().format("%Y-%m-%d %H:%M:%S UTC").to_string());
            table::print(&["TABLE", ">GETS", ">BYTES", ">HIT", ">TIME"], rows);
            table::say("");
        }
        before = now;
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
