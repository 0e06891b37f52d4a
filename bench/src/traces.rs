//! The planner on traces that are not the simulator's own workload: `larder simulate --trace` over generated files of other
//! shapes, beside LRU, the best that decides at each read, and the clairvoyant nightly choice.

mod shapes;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;

use self::shapes::{Shape, write};
use crate::client::larder_binary;
use crate::policies::{Interval, Report, Run, percent, simulate_all};
use crate::record::show;

/// Compares the whitelist with online policies and the clairvoyant nightly choice, on traces of other shapes.
#[derive(Args)]
pub(crate) struct Settings {
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// Seeds of the traces; nothing was tuned on them.
const SEEDS: std::ops::Range<u64> = 301..311;
/// Fractions of the bytes touched in 30 days.
const CAPACITIES: [f64; 3] = [0.05, 0.1, 0.2];
/// What decides at each read.
const ONLINE: [&str; 8] = ["lru", "fifo", "s3fifo", "sieve", "lfu", "lrfu", "gdsf", "second-hit"];

/// A figure of one trace, in percent of the IO time that there was to be saved.
type Figure = fn(&Report) -> anyhow::Result<f64>;

/// What the whitelist is held against, in the order of the columns.
const RIVALS: [Figure; 3] = [|report| saved(report, "lru"), best_online, |report| saved(report, "b0")];

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let larder = larder_binary(settings.larder.as_deref())?;
    let folder = TempDir::new()?;
    let mut runs = Vec::new();
    for (position, (shape, _)) in Shape::ALL.into_iter().enumerate() {
        let mut traces = Vec::new();
        for seed in SEEDS {
            let path = folder.path().join(format!("{position}-{seed}.csv"));
            write(&path, shape, seed)?;
            traces.push((seed, path.into_os_string().into_string().ok().context("the folder's name is no text")?));
        }
        for capacity in CAPACITIES {
            let run = |(seed, trace): &(u64, String)| Run {
                capacity,
                seed: *seed,
                more: vec!["--trace".to_owned(), trace.clone()],
            };
            runs.extend(traces.iter().map(run));
        }
    }
    let reports = simulate_all(&larder, &runs)?;
    let mut groups = reports.chunks(SEEDS.count());
    let mut text = format!("{HEAD}{COLUMNS}");
    for (_, name) in Shape::ALL {
        for capacity in CAPACITIES {
            text += &row(name, capacity, groups.next().context("a group for each shape and capacity")?)?;
        }
    }
    let how = format!("seeds {} to {} of each shape at each capacity", SEEDS.start, SEEDS.end - 1);
    show(&text, "traces", "## Traces of other shapes", settings.record.then_some(how.as_str()))
}

const COLUMNS: &str = "\
| shape | capacity | whitelist | LRU | best online | b0 | against LRU | against the best online | against b0 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

const HEAD: &str = "\
IO time saved, loading ahead deducted, in percent of all that there was to be saved, on 60 days of reads that the simulator's
own workload has nothing of; the second half is measured. Then the points by which the whitelist (with an adaptive share on
demand) saves more or less than LRU, than whichever online policy did best on that very trace, which nobody knows beforehand,
and than the clairvoyant nightly choice. Means with 95% confidence intervals, paired by seed.

- *Zipf*: objects without dates, read by Zipf's law, always the same ones the most.
- *Zipf, weekly anew*: the same, but each week others are read the most, and nothing before tells which.
- *loop*: all objects one after the other, twice a day: more than any of the caches holds.
- *rolling window*: tables of daily partitions; each day a job reads the last seven, people the newest, and somebody an old one.
- *mixture*: the first, the third and the fourth at once.

";

/// What a policy saved.
fn saved(report: &Report, name: &str) -> anyhow::Result<f64> {
    Ok(100.0 * report.policy(name)?.io_time_saved / report.io_time_possible)
}

/// What the online policy saved that did best on this trace.
fn best_online(report: &Report) -> anyhow::Result<f64> {
    let online = ONLINE.iter().map(|name| saved(report, name)).collect::<anyhow::Result<Vec<f64>>>()?;
    Ok(online.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

fn row(shape: &str, capacity: f64, reports: &[Report]) -> anyhow::Result<String> {
    let over = |figure: &dyn Fn(&Report) -> anyhow::Result<f64>| {
        let figures = reports.iter().map(figure).collect::<anyhow::Result<Vec<f64>>>()?;
        anyhow::Ok(Interval::of(&figures))
    };
    let ours = |report: &Report| saved(report, "whitelist");
    let mut text = format!("| {shape} | {} | {:.1}% |", percent(capacity), over(&ours)?.mean);
    for rival in RIVALS {
        write!(text, " {:.1}% |", over(&rival)?.mean)?;
    }
    for rival in RIVALS {
        let ahead = over(&|report: &Report| Ok(ours(report)? - rival(report)?))?;
        write!(text, " {:+.1} ± {:.1} |", ahead.mean, ahead.half)?;
    }
    text.push('\n');
    Ok(text)
}
