//! `larder demo`: the whole story on one machine, with nothing to set up.
//!
//! It makes a lake of TPC-H tables, puts it behind a simulated remote, starts the daemon in this process, lives through
//! a month of an ad-hoc analyst's queries with a night after each day, and measures at the end. Reading order: [`lake`]
//! and [`templates`] are what is queried, [`engine`] and [`daemon`] with what, [`days`] is the month, [`measure`] the
//! measurement, [`report`] what is printed.

mod daemon;
mod days;
mod engine;
mod events;
mod figures;
mod lake;
mod measure;
mod month;
mod report;
mod screen;
mod templates;
mod tiers;
mod workload;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use chrono::{NaiveDate, NaiveTime};
use larder_cached::origin::simulated::{SimulatedRemote, SimulatedRemoteSettings};
use larder_model::{ByteSize, ManualClock};
use larder_whitelist::simulate;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use self::daemon::{BUCKET, Daemon, KEY_ID, KEY_SECRET, LIST_CACHE};
use self::engine::Engine;
use self::lake::Lake;
use self::measure::Engines;
use self::report::Report;
use self::screen::Screen;
use self::templates::Period;
use crate::admin::Admin;

/// The share of the lake that the whitelist may hold, in percent: little enough that most partitions stay out.
const BUDGET_PERCENT: u64 = 25;

/// How long ago the past is that the older partitions' templates look back at when they are measured, in months.
const MEASURED_BACK: u32 = 2;

/// What a person can choose.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// TPC-H scale factor: 1 is about 300 MB of Parquet.
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// The folder for the data and the daemon's state. Data of the same scale is used again.
    #[arg(long, default_value = "data/demo")]
    dir: PathBuf,
    /// Simulated days, each with a night after it.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..=365))]
    days: u16,
    /// Queries on each day.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    queries: u32,
    /// Runs of each template and each way in the measurement at the end; the medians are shown.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// The seed of the queries and of the remote's waits.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave at the end instead of serving until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Print the figures as one JSON object on standard output; all else goes to standard error.
    #[arg(long)]
    json: bool,
}

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    ensure!(args.scale > 0.0 && args.scale <= 100.0, "--scale {} must lie above 0 and be at most 100", args.scale);
    let screen = Screen::new(args.json);
    let lake = make_lake(&args, &screen).await?;
    let settings = SimulatedRemoteSettings { seed: args.seed, ..SimulatedRemoteSettings::default() };
    let local: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(&lake.root)?);
    // Direct has a link of its own, as good as Larder's and as lucky: the same settings, the same seed.
    let direct = SimulatedRemote::new(Arc::clone(&local), settings);

    let month = days::Plan {
        first: NaiveDate::from_ymd_opt(1998, 6, 17).expect("a date of the calendar"),
        days: args.days.into(),
        queries: args.queries as usize,
        seed: args.seed,
    };
    let clock = Arc::new(ManualClock::new(month.first.and_time(NaiveTime::MIN).and_utc()));
    let budget = ByteSize(lake.bytes / 100 * BUDGET_PERCENT);
    let state = args.dir.join("state");
    let daemon = Daemon::start(&lake, settings, &state, budget, Arc::clone(&clock) as _).await?;
    let admin = Admin::new(daemon.admin_url(), None)?;
    screen.say(introduction(&lake, &direct, &daemon, month, budget, args.rounds));

    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let engines = Engines {
        local: Engine::new(local, &lake.tables, threads),
        direct: Engine::new(Arc::new(direct), &lake.tables, threads),
        larder: Engine::new(daemon.s3_client()?, &lake.tables, threads),
    };
    let lived = days::live(month, &engines.larder, &daemon, &admin, &clock, &screen).await?;
    let period = Period { latest: month::Month::of(month.last()), back: MEASURED_BACK };
    let templates = measure::measure(&engines, &admin, period, args.rounds.into(), &screen).await?;
    let report = Report { templates, month: lived, whitelist: admin.whitelist().await? };

    screen.say(format!("\n{}\n", report.text()));
    if args.json {
        screen.object(&report.json());
    }
    if !args.exit {
        // It takes a moment, in which the page is there already. Fewer days are no history.
        if i32::from(args.days) >= simulate::DAYS_MIN {
            admin.replay_history().await?;
        }
        screen.say(format!("The dashboard is at {}/ . Ctrl-C ends the demo.", daemon.admin_url()));
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for Ctrl-C")?,
            () = daemon.failed() => bail!("the daemon ended by itself"),
        }
    }
    daemon.stop().await;
    Ok(())
}

async fn make_lake(args: &DemoArgs, screen: &Screen) -> Result<Lake> {
    let (root, scale) = (args.dir.join("origin"), args.scale);
    if Lake::open(&root, scale).is_none() {
        screen.say(format!("Making TPC-H tables of scale {scale} in {} ...", root.display()));
    }
    let bar = screen.bar("tpch", 0);
    let progress = bar.clone();
    let made = tokio::task::spawn_blocking(move || Lake::open_or_make(&root, scale, &progress)).await?;
    bar.finish_and_clear();
    made
}

/// What will happen, and at what distance, before anything is measured.
fn introduction(
    lake: &Lake,
    remote: &SimulatedRemote,
    daemon: &Daemon,
    month: days::Plan,
    budget: ByteSize,
    rounds: u16,
) -> String {
    format!(
        "\
The lake: TPC-H in {files} Parquet files, {bytes}, in {root}; lineitem and orders partitioned by month.
The origin is simulated: {remote}. Seeded, the same for direct reads and for Larder's.
Larder: S3 at {s3} (bucket {BUCKET}, key {KEY_ID}, secret {KEY_SECRET}), admin and dashboard at {admin}/ .{ports}
  Its memory tier holds {memory}, its SSD tier {ssd}.
  Files of the lake never change, and listings are reused for {list} hours, as the bucket's settings say.
The engine is DataFusion, with a session and caches of its own for every query, the same settings everywhere.
The month: {days} days from {first}, {queries} queries a day, {analysts} at a time, dates relative to the day;
  until the first night everything is admitted; after each day a night chooses anew what the whitelist holds,
  at most {budget} ({BUDGET_PERCENT}% of the lake), and the rest is read straight from the origin.
Then each template is measured, medians of {rounds} interleaved runs or more: on local files; direct (the simulated
  origin inside the engine, without HTTP, which favours direct); cold through Larder; through Larder after a preload.
",
        files = lake.files,
        bytes = ByteSize(lake.bytes),
        root = Path::new(&lake.root).display(),
        remote = remote.describe(),
        s3 = daemon.s3_url(),
        admin = daemon.admin_url(),
        ports = if daemon.has_usual_ports() {
            ""
        } else {
            "\n  Ports 9000 and 9001 are the usual ones; what is taken was replaced."
        },
        memory = daemon.cache().memory,
        ssd = daemon.cache().ssd.capacity,
        list = LIST_CACHE.as_secs() / 3600,
        days = month.days,
        first = month.first,
        queries = month.queries,
        analysts = days::ANALYSTS,
    )
}
