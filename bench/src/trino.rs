//! The report on Trino over a far origin, of what `bench/trino_contenders.py` measured: tables, plots, and where Larder is
//! ahead and where it is behind, computed and not chosen.

mod plots;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;

use crate::record::{Machine, median, record_section, results};

/// What was measured, and where the report goes.
#[derive(Args)]
pub(crate) struct Settings {
    /// What was measured, as JSON.
    #[arg(long)]
    measured: PathBuf,
    /// Write the report to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// What preloaded queries may take beside local files, and the 99th percentile of the busy hour beside the quiet one's.
const TOTAL_MAX: f64 = 1.05;
const TAIL_MAX: f64 = 1.3;
/// A query counts as slower than another way's when it takes more than this beside it: the noise of one query is no smaller.
const SLOWER: f64 = 1.1;
/// How many of the queries that are furthest behind are named.
const NAMED: usize = 5;

const SUITES: [(&str, &str); 2] = [("tpch", "TPC-H"), ("tpcds", "TPC-DS")];
const LOCAL: Way = Way { contender: "local files", temperature: "warm" };
const PRELOADED: Way = Way { contender: "larder", temperature: "warm" };
const WAYS: [Way; 8] = [
    LOCAL,
    Way { contender: "direct", temperature: "cold" },
    Way { contender: "fs.cache", temperature: "cold" },
    Way { contender: "alluxio", temperature: "cold" },
    Way { contender: "larder", temperature: "cold" },
    Way { contender: "fs.cache", temperature: "warm" },
    Way { contender: "alluxio", temperature: "warm" },
    PRELOADED,
];
const CONTENDERS: [&str; 5] = ["local files", "direct", "fs.cache", "alluxio", "larder"];

/// A contender in one of the passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    contender: &'static str,
    temperature: &'static str,
}

impl Way {
    fn name(self) -> String {
        match self {
            LOCAL => self.contender.to_owned(),
            PRELOADED => "larder, preloaded".to_owned(),
            Way { contender: "direct", .. } => "direct".to_owned(),
            Way { contender, temperature } => format!("{contender}, {temperature}"),
        }
    }
}

/// All that was measured, as the script tells it.
#[derive(Debug, Deserialize)]
struct Measured {
    scale: f64,
    every: usize,
    clients: usize,
    thinking_seconds: f64,
    memory: String,
    capacity: String,
    distance: BTreeMap<String, String>,
    files_bytes: BTreeMap<String, u64>,
    preload_seconds: Vec<f64>,
    passes: Vec<Pass>,
    mornings: Vec<Morning>,
    failures: Vec<Failure>,
}

/// One round's queries by one contender, one after the other.
#[derive(Debug, Deserialize)]
struct Pass {
    round: usize,
    temperature: String,
    contender: String,
    /// Seconds by suite and name; none where it failed.
    queries: BTreeMap<String, Option<f64>>,
    requests: u64,
    bytes: u64,
    trino_cpu_seconds: f64,
    server_cpu_seconds: f64,
}

/// One round's crowd, at one hour, by one contender.
#[derive(Debug, Deserialize)]
struct Morning {
    round: usize,
    hour: String,
    contender: String,
    /// Of each query, in the order that they were drawn; none where it failed.
    seconds: Vec<Option<f64>>,
    requests: u64,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Failure {
    contender: String,
    query: String,
    why: String,
}

pub(crate) fn report(settings: &Settings) -> anyhow::Result<()> {
    let text = fs::read(&settings.measured).with_context(|| settings.measured.display().to_string())?;
    let measured: Measured = serde_json::from_slice(&text)?;
    let mut text = measured.text()?;
    println!("{text}");
    if settings.record {
        text.push_str(&plots::draw(&measured, &results().join("plots"))?);
        let how = format!(
            "{} interleaved rounds, from empty caches each; all on the same cores; medians",
            measured.preload_seconds.len()
        );
        let path = results().join("RESULTS.md");
        let machine = Machine::by("./test trino-bench --record", None, &how)?;
        record_section(&path, "## Trino over a far origin", &machine, &text)?;
        println!("recorded in {}", path.display());
    }
    Ok(())
}

impl Measured {
    fn text(&self) -> anyhow::Result<String> {
        let counted = self.counted();
        let mut text = self.setting(&counted);
        text.push_str(&self.totals(&counted)?);
        text.push_str(&self.mornings()?);
        text.push_str(&self.verdicts(&counted)?);
        text.push_str(&self.failures());
        Ok(text)
    }

    /// The queries that every way answered in every round: totals are sums of these.
    fn counted(&self) -> BTreeSet<&str> {
        let all: BTreeSet<&str> = self.passes.iter().flat_map(|pass| pass.queries.keys().map(String::as_str)).collect();
        let answered = |query: &&str| self.passes.iter().all(|pass| matches!(pass.queries.get(*query), Some(Some(_))));
        all.into_iter().filter(answered).collect()
    }

    /// What was compared, and how each was set up, in words.
    fn setting(&self, counted: &BTreeSet<&str>) -> String {
        let hour = |name: &str| self.distance.get(name).map_or("", String::as_str);
        let megabytes = |suite: &str| self.files_bytes.get(suite).map_or(f64::NAN, |bytes| *bytes as f64 / 1e6);
        let of = |suite: &str| counted.iter().filter(|query| query.starts_with(suite)).count();
        let every = match self.every {
            1 => "all queries".to_owned(),
            n => format!("queries 1, {}, {} and so on", n + 1, 2 * n + 1),
        };
        format!(
            "The origin, simulated: versitygw behind a distance: {}; at its busy hour: {}. Trino 476, one node, Hive connector; \
             its tables are Parquet, one file each, at scale {}: TPC-H ({} queries counted, {:.0} MB) and TPC-DS ({every}; \
             {} counted, {:.0} MB). All ways read the same files by the same Trino, each by catalogs of its own that differ in \
             the storage only. Trino remembers listings for a minute, in all of them. A pass runs each query by each way, one \
             after the other, in changing order. Cold: caches were emptied. Warm: after one pass of the same queries; Larder's \
             cache was emptied again and preloaded in its place ({:.1} s). Distance, origin and caches share the machine's \
             cores with Trino.\n\n\
             - local files: the same files, read from the origin's own folder by Trino's local file system; the limit.\n\
             - direct: the far origin.\n\
             - fs.cache: Trino's own, {} of disk, defaults; it lists at the origin.\n\
             - alluxio: 2.9.6, its S3 proxy, {} of disk, defaults; it asks the origin only once what is there.\n\
             - larder: by Trino's security mapping, {} of disk and {} of memory; all tables whitelisted; the bucket is \
             immutable, listings are reused for an hour. The others have the page cache for memory.\n\n",
            hour("quiet"),
            hour("busy"),
            self.scale,
            of("tpch "),
            megabytes("tpch"),
            of("tpcds "),
            megabytes("tpcds"),
            median(self.preload_seconds.clone()),
            self.capacity,
            self.capacity,
            self.capacity,
            self.memory,
        )
    }

    fn passes(&self, way: Way) -> impl Iterator<Item = &Pass> {
        let wanted = move |pass: &&Pass| {
            (pass.contender.as_str(), pass.temperature.as_str()) == (way.contender, way.temperature)
        };
        self.passes.iter().filter(wanted)
    }

    /// Seconds of the counted queries of a suite (all where it is empty), by round.
    fn seconds(&self, way: Way, suite: &str, counted: &BTreeSet<&str>) -> BTreeMap<usize, f64> {
        let sum = |pass: &Pass| {
            let queries =
                pass.queries.iter().filter(|(query, _)| counted.contains(query.as_str()) && query.starts_with(suite));
            queries.filter_map(|(_, seconds)| *seconds).sum()
        };
        self.passes(way).map(|pass| (pass.round, sum(pass))).collect()
    }

    /// How long one way takes beside another, the median over rounds.
    fn ratio(&self, one: Way, other: Way, suite: &str, counted: &BTreeSet<&str>) -> f64 {
        let other = self.seconds(other, suite, counted);
        let one = self.seconds(one, suite, counted);
        median(one.iter().filter_map(|(round, seconds)| Some(seconds / other.get(round)?)).collect())
    }

    fn totals(&self, counted: &BTreeSet<&str>) -> anyhow::Result<String> {
        let mut text = String::from(
            "| way | TPC-H s | TPC-DS s | both s | of local files' | Trino's CPU s | the cache's | MB from the origin | requests there |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for way in WAYS {
            let seconds = |suite| median(self.seconds(way, suite, counted).into_values().collect());
            let read = |figure: fn(&Pass) -> f64| median(self.passes(way).map(figure).collect());
            writeln!(
                text,
                "| {} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} | {:.1} | {:.1} | {:.0} |",
                way.name(),
                seconds("tpch "),
                seconds("tpcds "),
                seconds(""),
                self.ratio(way, LOCAL, "", counted),
                read(|pass| pass.trino_cpu_seconds),
                read(|pass| pass.server_cpu_seconds),
                read(|pass| pass.bytes as f64 / 1e6),
                read(|pass| pass.requests as f64),
            )?;
        }
        Ok(text + "\n")
    }

    /// A percentile of each round's mornings, by round.
    fn percentiles(&self, contender: &str, hour: &str, percent: f64) -> BTreeMap<usize, f64> {
        let wanted = self
            .mornings
            .iter()
            .filter(|morning| (morning.contender.as_str(), morning.hour.as_str()) == (contender, hour));
        wanted.filter_map(|morning| Some((morning.round, percentile(&morning.seconds, percent)?))).collect()
    }

    fn busy_beside_quiet(&self, contender: &str, percent: f64) -> f64 {
        let quiet = self.percentiles(contender, "quiet", percent);
        let busy = self.percentiles(contender, "busy", percent);
        median(busy.iter().filter_map(|(round, seconds)| Some(seconds / quiet.get(round)?)).collect())
    }

    fn mornings(&self) -> anyhow::Result<String> {
        let asked = self.mornings.first().map_or(0, |morning| morning.seconds.len());
        let mut text = format!(
            "A morning: {} analysts ask {asked} queries, drawn at random from those above, each analyst the next one after its \
             answer and a pause of {} s in the mean; the same queries and pauses for each way and hour of a round. The caches are \
             as the warm pass left them. The 99th percentile of {asked} is the slowest.\n\n\
             | way | quiet p50 s | quiet p99 s | busy p50 s | busy p99 s | p50 busy / quiet | p99 busy / quiet | MB from the origin, busy | requests |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            self.clients, self.thinking_seconds
        );
        for contender in CONTENDERS {
            let of = |hour, percent| median(self.percentiles(contender, hour, percent).into_values().collect());
            let read = |figure: fn(&Morning) -> f64| {
                let busy =
                    self.mornings.iter().filter(|morning| morning.contender == contender && morning.hour == "busy");
                median(busy.map(figure).collect())
            };
            writeln!(
                text,
                "| {contender} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} |",
                of("quiet", 50.0),
                of("quiet", 99.0),
                of("busy", 50.0),
                of("busy", 99.0),
                self.busy_beside_quiet(contender, 50.0),
                self.busy_beside_quiet(contender, 99.0),
                read(|morning| morning.bytes as f64 / 1e6),
                read(|morning| morning.requests as f64),
            )?;
        }
        Ok(text + "\n")
    }

    fn verdicts(&self, counted: &BTreeSet<&str>) -> anyhow::Result<String> {
        let verdict = |good: bool| if good { "reached" } else { "**missed**" };
        let local = self.ratio(PRELOADED, LOCAL, "", counted);
        let mut text = format!(
            "- Preloaded takes {local:.2}x of local files in all; to reach: {TOTAL_MAX}, {}\n",
            verdict(local <= TOTAL_MAX)
        );
        for peer in WAYS.into_iter().filter(|way| way.temperature == "warm" && ![LOCAL, PRELOADED].contains(way)) {
            let ratio = self.ratio(PRELOADED, peer, "", counted);
            writeln!(
                text,
                "- Preloaded takes {ratio:.2}x of {}; to reach: less than 1, {}",
                peer.name(),
                verdict(ratio < 1.0)
            )?;
        }
        let tail = self.busy_beside_quiet("larder", 99.0);
        let noise = self.busy_beside_quiet("local files", 99.0);
        writeln!(
            text,
            "- The busy hour's p99 is {tail:.2}x of the quiet one's; to reach: {TAIL_MAX}, {}. (Local files, which know no hour: \
             {noise:.2}x; that is the noise.)",
            verdict(tail <= TAIL_MAX)
        )?;
        for temperature in ["cold", "warm"] {
            let ours = Way { contender: "larder", temperature };
            for other in WAYS.into_iter().filter(|way| way.temperature == temperature && way.contender != "larder") {
                text.push_str(&self.behind(ours, other, counted)?);
            }
        }
        Ok(text)
    }

    /// The queries in which one way is behind another.
    fn behind(&self, ours: Way, other: Way, counted: &BTreeSet<&str>) -> anyhow::Result<String> {
        let mut ratios: Vec<(f64, &str)> = self.query_ratios(ours, other, counted);
        let all = ratios.len();
        ratios.retain(|(ratio, _)| *ratio > SLOWER);
        ratios.sort_by(|a, b| b.0.total_cmp(&a.0));
        let named: Vec<String> =
            ratios.iter().take(NAMED).map(|(ratio, query)| format!("{} {ratio:.2}x", title(query))).collect();
        let mut text =
            format!("- {} is more than {:.0}% slower than {} in ", ours.name(), 100.0 * (SLOWER - 1.0), other.name());
        match named.is_empty() {
            true => writeln!(text, "none of {all} queries")?,
            false => writeln!(text, "{} of {all} queries: {}", ratios.len(), named.join(", "))?,
        }
        Ok(text)
    }

    /// How long each query takes by one way beside another: its median over rounds beside the other's.
    fn query_ratios<'a>(&self, one: Way, other: Way, counted: &BTreeSet<&'a str>) -> Vec<(f64, &'a str)> {
        let seconds =
            |way, query: &str| median(self.passes(way).filter_map(|pass| *pass.queries.get(query)?).collect());
        counted.iter().map(|query| (seconds(one, query) / seconds(other, query), *query)).collect()
    }

    /// What did not work, with the reason of the first time.
    fn failures(&self) -> String {
        let mut found: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
        for failure in &self.failures {
            found.entry((&failure.contender, &failure.query)).or_insert((0, &failure.why)).0 += 1;
        }
        let mut text = String::new();
        for ((contender, query), (times, why)) in found {
            let why = why.lines().next().unwrap_or_default();
            let _ = writeln!(text, "- {} by {contender} **failed** {times} times: {why}", title(query));
        }
        if text.is_empty() { "- No query failed, and all ways gave the same rows.\n".to_owned() } else { text }
    }
}

/// A query as people name it.
fn title(query: &str) -> String {
    SUITES.iter().fold(query.to_owned(), |text, (suite, name)| text.replace(&format!("{suite} "), &format!("{name} ")))
}

/// The smallest value that so many percent of the values do not exceed.
fn percentile(seconds: &[Option<f64>], percent: f64) -> Option<f64> {
    let mut values: Vec<f64> = seconds.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests;
