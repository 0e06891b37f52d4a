//! The simulated month: analysts query by day through the S3 endpoint, and every night chooses anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, Timelike};
use larder_model::admin::StatReport;
use larder_model::{ByteSize, Clock, ManualClock};
use larder_whitelist::{Night, NightReport};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::daemon::Daemon;
use super::engine::Engine;
use super::events;
use super::figures::{hit_ratio, median};
use super::screen::Screen;
use super::workload::{Asked, Workload};
use crate::admin::Admin;

/// Queries that run at the same time.
pub(crate) const ANALYSTS: usize = 4;

/// When a night begins, in hours after midnight.
const NIGHT_HOUR: i64 = 2;

/// How long a published whitelist may take to come into force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(10);

/// How long and how busy the month is, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The first day.
    pub(crate) first: NaiveDate,
    /// How many days follow each other.
    pub(crate) days: usize,
    /// Queries on each.
    pub(crate) queries: usize,
    /// The seed of what is asked.
    pub(crate) seed: u64,
}

impl Plan {
    /// The last day.
    pub(crate) fn last(&self) -> NaiveDate {
        self.first + Days::new(self.days.saturating_sub(1) as u64)
    }
}

/// The daemon's counters at the month's turning points.
#[derive(Debug, Default)]
pub(crate) struct MonthReport {
    /// When half of the days were over.
    pub(crate) half: StatReport,
    /// After the last day.
    pub(crate) end: StatReport,
}

/// Lives through the month. The last day is followed by a night, so that the morning after can be measured.
pub(crate) async fn live(
    month: Plan,
    engine: &Engine,
    daemon: &Daemon,
    admin: &Admin,
    clock: &Arc<ManualClock>,
    screen: &Screen,
) -> Result<MonthReport> {
    let mut workload = Workload::new(ChaCha8Rng::seed_from_u64(month.seed));
    let bar = screen.bar("month", month.days as u64);
    let mut report = MonthReport { half: admin.stat().await?, ..MonthReport::default() };
    let mut before = report.half.clone();
    for (i, date) in month.first.iter_days().take(month.days).enumerate() {
        bar.set_message(date.to_string());
        let times = run_day(engine, daemon, admin, clock, workload.day(date, month.queries)).await?;
        let stat = admin.stat().await?;
        let night = run_night(daemon, clock, date).await?;
        screen.say(format!(
            "  {date}  {} queries, {:>4.0} ms at the median, {:>3.0}% of bytes from memory and SSD; night: {}",
            times.len(),
            median(times) * 1e3,
            hit_ratio(&before, &stat) * 100.0,
            describe(&night),
        ));
        if i + 1 == month.days / 2 {
            report.half = stat.clone();
        }
        before = stat;
        bar.inc(1);
    }
    bar.finish_and_clear();
    report.end = admin.stat().await?;
    Ok(report)
}

/// Runs a day's queries, as many at a time as there are analysts, and tells how many seconds each took. What the engine says
/// of them goes into the query log, as engines in the field send it.
async fn run_day(
    engine: &Engine,
    daemon: &Daemon,
    admin: &Admin,
    clock: &ManualClock,
    asked: Vec<Asked>,
) -> Result<Vec<f64>> {
    let (mut times, mut events) = (Vec::with_capacity(asked.len()), Vec::with_capacity(asked.len()));
    // Those that run together share one moment of the simulated day, because there is one clock.
    for together in asked.chunks(ANALYSTS) {
        let at = together[0].at;
        if at.hour() != clock.now().hour() {
            daemon.beat().await?;
        }
        clock.set(at);
        let run = async |asked: &Asked| {
            let begun = Instant::now();
            let answer = engine.query(&asked.sql).await?;
            Ok::<_, anyhow::Error>((begun.elapsed().as_secs_f64(), answer))
        };
        let answers = futures::future::try_join_all(together.iter().map(run)).await?;
        for (asked, (seconds, answer)) in together.iter().zip(answers) {
            let reads = events::reads_of(answer.plan(), daemon.rules());
            events.push(events::event(events.len(), asked, at, seconds, reads));
            times.push(seconds);
        }
    }
    admin.send_events(&events).await?;
    daemon.beat().await?;
    Ok(times)
}

/// Runs the night after `date` and waits until what it published is in force.
async fn run_night(daemon: &Daemon, clock: &Arc<ManualClock>, date: NaiveDate) -> Result<NightReport> {
    let midnight = (date + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    clock.set(midnight + TimeDelta::hours(NIGHT_HOUR));
    daemon.flush_logs().await;
    let night: &Night = daemon.night();
    let report =
        night.run(Some(date), None, &|_| {}).await.with_context(|| format!("the night after {date} failed"))?;
    for worker in &report.workers {
        ensure!(worker.problem.is_none(), "the night after {date}: {}", worker.problem.as_deref().unwrap_or_default());
    }
    let deadline = Instant::now() + IN_FORCE_WITHIN;
    while daemon.engine().whitelist().map_or(0, |whitelist| whitelist.version) < report.version {
        ensure!(Instant::now() < deadline, "whitelist version {} does not come into force", report.version);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(report)
}

fn describe(night: &NightReport) -> String {
    let loaded: u64 = night.workers.iter().filter_map(|worker| worker.preload.as_ref()).map(|p| p.bytes_loaded).sum();
    format!(
        "v{}, {} items, {} (+{} -{}), {} preloaded",
        night.version,
        night.items,
        ByteSize(night.bytes),
        night.added_count,
        night.removed_count,
        ByteSize(loaded)
    )
}
