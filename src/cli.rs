//! The command line: every command, flag and help text.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use larder_model::ItemName;
use larder_whitelist::Format;
use larder_whitelist::simulate::{CacheSettings, OnlinePolicy, Scenario};

use crate::demo::DemoArgs;

/// What is recorded where somebody at the command line says nothing.
const NO_REASON: &str = "no reason given";

/// Makes ad-hoc queries over HDFS and S3 answer as if the data lay on the worker's own disk.
#[derive(Debug, Parser)]
#[command(name = "larder", version, after_help = "Exit status: 0 done, 1 failed, 2 usage.")]
pub(crate) struct Cli {
    /// The configuration file. Without one, embedded defaults hold: see `larder serve --help`.
    #[arg(long, global = true, value_name = "FILE", env = "LARDER_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole story on one machine: TPC-H behind a simulated remote, a month of queries, nights, warm mornings.
    Demo(DemoArgs),
    /// The daemon: S3 endpoint, admin API and dashboard, the nightly schedule.
    #[command(after_help = "\
Without a configuration file it listens on loopback only (S3 9000, admin 9001), serves the folder data/objects as
bucket `demo`, and makes a key pair on first start, which it prints once and keeps in data/s3-key.toml.")]
    Serve(ServeArgs),
    /// One night: ingest logs, value items, choose, publish, preload, drop, report. Safe to run twice and to kill.
    #[command(after_help = "\
Examples:
  larder nightly --config larder.toml
  larder nightly --date 2026-11-19 --json
  30 2 * * *  larder nightly --config /etc/larder.toml     (in cron, with schedule = \"\" in the daemon's [nightly])")]
    Nightly(NightlyArgs),
    /// What is worth keeping near, and why.
    #[command(after_help = "\
Examples:
  larder whitelist explain hive.sales.orders
  larder whitelist pin hive.sales.orders --reason 'the board looks at it on Mondays'
  larder whitelist pin hive.sales.orders --remove
  larder whitelist plan
  larder whitelist rollback 12
  larder whitelist snippet trino")]
    Whitelist {
        #[command(subcommand)]
        command: WhitelistCommand,
    },
    /// Fill the running daemon's tiers now: the whole whitelist, or some of its items.
    #[command(after_help = "\
Examples:
  larder preload --dry-run
  larder preload hive.sales.orders hive.sales.clicks/dt=2026-11-19")]
    Preload(PreloadArgs),
    /// Empty the running daemon's tiers of tables, partitions or `s3://bucket/prefix/` folders.
    #[command(after_help = "\
Examples:
  larder drop hive.sales.orders
  larder drop s3://warehouse/sales.db/orders/dt=2026-11-19/")]
    Drop(DropArgs),
    /// Read a query log into the store's logs, for the next night.
    #[command(after_help = "\
Examples:
  larder ingest trino /var/log/trino/events.jsonl
  larder ingest presto query-infos.jsonl.gz
  larder ingest spark /var/log/spark-events/
  larder ingest impala /var/log/impalad/lineage/
  grep -h LineageLogger /var/log/hive/hive.log* | larder ingest hive - --catalog hive
  larder ingest generic events.jsonl

Files may be packed with gzip, zstd or LZ4. How each engine is told to log: docs/query-events.md.
Broken lines are left out, counted and shown with their numbers. A log may be read twice: each query counts once.")]
    Ingest(IngestArgs),
    /// Replay history: policies side by side, or what each saves by capacity.
    #[command(after_help = "\
Policies: what the SSD's adaptive share can be given (lru, fifo, s3fifo, sieve, lfu, which is W-TinyLFU); lrfu with the
best lambda for this history, and plain-lfu, which never forgets; whitelist, chosen each night by the value of the days
before; b0, the same chosen by what the next day reads, which bounds it. Regret is against b0: below zero for a policy that
gains by changing within a day. WASTED is the share of what was loaded ahead and not read, PEAK HOUR all that the origin sent
in its busiest hour, loading ahead included, CHURN what a night puts on its list and takes off it, of the capacity; a dash
where there is none. What was saved on each day, and more, is in --json.

The store (--history) knows what was read of each table and partition on each day, not when: reads are spread over as
many half-hours as there were. A curve (--curve) may replay a sample of the partitions in as much less space: with a tenth of
them it is off by about 5 points in the mean, and too low where the capacity is small.

Examples:
  larder simulate --capacity 0.05
  larder simulate --history --config larder.toml
  larder simulate --history --curve --svg curve.svg
  larder simulate --trace reads.csv --curve --sample 0.1 --json")]
    Simulate(SimulateArgs),
    /// Live figures of the running daemon, a line every second or as often as you say.
    #[command(after_help = "\
Each figure is of the time since the line before, as a mean by the second; bytes are told apart by where they came from. hit
is the share of bytes sent that came from memory or SSD; list is the version of the whitelist in force. A daemon that does
not answer has a line that says so, and is asked again.

Examples:
  larder stat 5 --count 12
  larder stat --all
  larder stat --json")]
    Stat(StatArgs),
    /// The hottest tables of the running daemon, every second or as often as you say.
    #[command(after_help = "\
Each row is a table that was read since the look before, the most bytes first. A daemon that does not answer is asked
again.")]
    Top(LiveArgs),
    /// Read the configuration strictly: unknown keys are errors here, warnings at start-up.
    CheckConfig,
    /// Started by `larder serve`: takes Trino's mapping back when the daemon is gone.
    #[command(hide = true)]
    GuardMapping {
        /// The mapping's file.
        file: PathBuf,
        /// The S3 endpoint's URL.
        endpoint: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// How long requests under way may take to finish at shutdown, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub(crate) grace: u64,
}

#[derive(Debug, Args)]
pub(crate) struct NightlyArgs {
    /// The last day of logs to read, such as 2026-11-19; yesterday when absent.
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<NaiveDate>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WhitelistCommand {
    /// The version in force, or another one.
    Show {
        /// The version.
        version: Option<u64>,
        /// Print the document itself.
        #[arg(long)]
        json: bool,
    },
    /// What differs between two versions; by default the one in force and the one before it.
    Diff {
        /// The older version.
        from: Option<u64>,
        /// The newer version.
        to: Option<u64>,
        #[arg(long, help = "Print JSON")]
        json: bool,
    },
    /// All versions, the newest first.
    History {
        #[arg(long, help = "Print JSON")]
        json: bool,
    },
    /// Why an item, or each partition of a table, is in or out.
    Explain {
        /// `catalog.schema.table` or `catalog.schema.table/key=value`.
        item: ItemName,
        #[arg(long, help = "Print JSON")]
        json: bool,
    },
    /// Compute what a night would publish, and keep it as a proposal.
    Plan {
        /// The last day of logs to read; yesterday when absent.
        #[arg(long, value_name = "DATE")]
        date: Option<NaiveDate>,
        #[arg(long, help = "Print JSON")]
        json: bool,
    },
    /// Put a proposal in force.
    Approve {
        /// The proposed version.
        version: u64,
        /// Why; it is kept with who and when.
        #[arg(long, default_value = NO_REASON, value_parser = NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// Put an earlier version's items in force again, as a new version.
    Rollback {
        /// The earlier version.
        version: u64,
        /// Why; it is kept with who and when.
        #[arg(long, default_value = NO_REASON, value_parser = NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// What to paste into an engine's configuration so that it reads through Larder.
    Snippet {
        /// The engine.
        engine: Engine,
    },
    /// Always hold an item, whatever its value, from the next night on.
    Pin(DecideArgs),
    /// Never hold an item, whatever its value, from the next night on.
    Deny(DecideArgs),
}

/// Engines that `snippet` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Trino,
    Spark,
    Duckdb,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// `catalog.schema.table` (all it holds) or `catalog.schema.table/key=value`.
    pub(crate) item: ItemName,
    /// Why; it is shown wherever the decision shows.
    #[arg(long, default_value = NO_REASON, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
    /// Take the decision back.
    #[arg(long)]
    pub(crate) remove: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PreloadArgs {
    /// Items of the whitelist; all of them when none is named.
    pub(crate) items: Vec<ItemName>,
    /// Only say what would be loaded.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    /// Items of the whitelist, or folders such as `s3://bucket/prefix/`.
    #[arg(required = true)]
    pub(crate) what: Vec<String>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// The log's form: `trino`, `presto`, `spark`, `impala`, `hive` or `generic` (docs/query-events.md).
    pub(crate) format: Format,
    /// A file, a folder of files (and of folders), or `-` for standard input.
    pub(crate) path: PathBuf,
    /// The catalog of tables that the engine names without one (spark, impala, hive). By default the buckets' own, where
    /// all have the same.
    #[arg(long, value_name = "NAME")]
    pub(crate) catalog: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Seed of the generated workload.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Capacity, as a fraction of the bytes touched in 30 days.
    #[arg(long, default_value_t = 0.1, value_name = "FRACTION", conflicts_with = "curve")]
    pub(crate) capacity: f64,
    /// What happens in the generated workload beside the everyday.
    #[arg(long, default_value = "stationary", value_name = "NAME", value_parser = scenario)]
    pub(crate) scenario: Scenario,
    /// How the cache of `whitelist` is set: what it admits, as `[cache] admit` says it.
    #[arg(long, value_enum, default_value_t = AdmitArg::All)]
    pub(crate) admit: AdmitArg,
    /// Percent of the capacity that the whitelist leaves to what is read now, as `[cache] ssd.adaptive`.
    #[arg(long, default_value_t = CacheSettings::FILLED.adaptive_percent, value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) adaptive: u8,
    /// What goes first from there, as `[cache] ssd.policy`.
    #[arg(long, default_value = CacheSettings::FILLED.policy.name(), value_name = "NAME", value_parser = policy)]
    pub(crate) policy: OnlinePolicy,
    /// Also replay the whitelist without each of its parts, and set otherwise.
    #[arg(long, conflicts_with = "curve")]
    pub(crate) ablations: bool,
    /// Replay this trace (time,object,bytes,size) instead of a generated workload.
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) trace: Option<PathBuf>,
    /// Replay what the store knows of the last days instead of a generated workload.
    #[arg(long, conflicts_with_all = ["seed", "scenario", "trace"])]
    pub(crate) history: bool,
    /// Replay at a dozen capacities, from 0.5% to all of the bytes touched in 30 days.
    #[arg(long)]
    pub(crate) curve: bool,
    /// The share of partitions that a curve is made from; by default 1, and 0.1 of traces with over a million reads.
    #[arg(long, value_name = "RATE", requires = "curve")]
    pub(crate) sample: Option<f64>,
    /// Also draw the curve into this file.
    #[arg(long, value_name = "FILE.svg", requires = "curve")]
    pub(crate) svg: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a simulated worker admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AdmitArg {
    /// What is on the whitelist, and what is cold by its price; the rest goes straight to the storage.
    Whitelist,
    /// Whatever is read.
    All,
}

fn policy(name: &str) -> Result<OnlinePolicy, String> {
    let found = OnlinePolicy::ALL.into_iter().find(|policy| policy.name() == name);
    found.ok_or_else(|| format!("there are {}", OnlinePolicy::ALL.map(OnlinePolicy::name).join(", ")))
}

fn scenario(name: &str) -> Result<Scenario, String> {
    let found = Scenario::ALL.into_iter().find(|(_, known)| *known == name);
    found.map(|(scenario, _)| scenario).ok_or_else(|| {
        let names: Vec<&str> = Scenario::ALL.into_iter().map(|(_, name)| name).collect();
        format!("there are {}", names.join(", "))
    })
}

#[derive(Debug, Args)]
pub(crate) struct StatArgs {
    #[command(flatten)]
    pub(crate) live: LiveArgs,
    /// Show every worker of the fleet that was seen within a day, a line each.
    #[arg(long)]
    pub(crate) all: bool,
    /// Leave the headings out.
    #[arg(long)]
    pub(crate) no_headings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    /// Seconds between two looks.
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Stop after so many looks; never when absent.
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Print one JSON object a line, with the time, and the problem where there was no answer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_an_error_that_names_the_argument() {
        for (wrong, names) in [
            (vec!["larder", "ingest", "mystery", "x"], "mystery"),
            (vec!["larder", "whitelist", "explain", "nonsense"], "nonsense"),
            (vec!["larder", "nightly", "--date", "tomorrow"], "tomorrow"),
            (vec!["larder", "whitelist", "approve", "newest"], "newest"),
            (vec!["larder", "whitelist", "pin", "a.b.t", "--reason", ""], "--reason"),
            (vec!["larder", "whitelist", "snippet", "excel"], "duckdb"),
            (vec!["larder", "serve", "--grace", "-1"], "-1"),
            (vec!["larder", "stat", "--count", "few"], "few"),
            (vec!["larder", "simulate", "--history", "--trace", "reads.csv"], "--trace"),
            (vec!["larder", "simulate", "--history", "--seed", "7"], "--seed"),
            (vec!["larder", "simulate", "--curve", "--capacity", "0.1"], "--capacity"),
            (vec!["larder", "simulate", "--svg", "curve.svg"], "--curve"),
        ] {
            let error = Cli::try_parse_from(&wrong).expect_err("wrong usage");
            assert!(error.to_string().contains(names), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn what_is_decided_without_a_reason_says_so() {
        let cli = Cli::try_parse_from(["larder", "whitelist", "deny", "a.b.t"]).expect("a decision");
        let Command::Whitelist { command: WhitelistCommand::Deny(args) } = cli.command else {
            panic!("another command")
        };
        assert_eq!(args.reason, NO_REASON);
    }

    #[test]
    fn every_command_of_the_design_is_read_wherever_the_configuration_stands() {
        for line in [
            "serve",
            "demo --scale 0.1 --exit --json",
            "nightly --date 2026-11-19 --json",
            "whitelist show",
            "whitelist show 3 --json",
            "whitelist diff 2 3",
            "whitelist history",
            "whitelist explain hive.tpch.lineitem/l_shipmonth=1998-08",
            "whitelist plan",
            "whitelist approve 3",
            "whitelist rollback 2",
            "whitelist pin hive.tpch.lineitem --reason board",
            "whitelist deny hive.tpch.lineitem --remove",
            "whitelist snippet trino",
            "preload --dry-run",
            "preload hive.tpch.lineitem",
            "drop s3://bucket/prefix/",
            "ingest trino -",
            "ingest hive lineage.log --catalog hive --json",
            "simulate --seed 7 --capacity 0.1 --trace reads.csv --json",
            "simulate --history --curve --sample 0.1 --svg curve.svg",
            "stat --count 3 --json",
            "top",
            "check-config",
        ] {
            let words = || line.split(' ');
            let before = Cli::try_parse_from(["larder", "--config", "l.toml"].into_iter().chain(words()));
            let after = Cli::try_parse_from(std::iter::once("larder").chain(words()).chain(["--config", "l.toml"]));
            for cli in [before, after] {
                let cli = cli.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(cli.config.as_deref(), Some(std::path::Path::new("l.toml")), "{line}");
            }
        }
    }
}
