//! The planner beside what came before it, the best that decides at each read, and the bounds that nobody beats:
//! `larder simulate` over seeds that nothing was tuned on, capacities and scenarios.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::client::larder_binary;
use crate::policies::{Interval, Policy, Report, Run, percent, simulate_all};
use crate::record::show;

/// Compares the whitelist with published choices, online policies and offline bounds.
#[derive(Args)]
pub(crate) struct Settings {
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// Seeds of the workloads; no test uses them, and nothing was tuned on them.
const SEEDS: std::ops::Range<u64> = 201..211;
/// Fractions of the bytes touched in 30 days.
const CAPACITIES: [f64; 8] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7];
/// Where ablations and scenarios are looked at.
const CAPACITY: f64 = 0.1;
/// What decides at each read.
const ONLINE: [&str; 8] = ["lru", "fifo", "s3fifo", "sieve", "lfu", "lrfu", "gdsf", "second-hit"];
const SCENARIOS: [&str; 6] = ["stationary", "drift", "month-end", "burst", "scan-storm", "backfill"];
const OURS: &str = "whitelist";

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let larder = larder_binary(settings.larder.as_deref())?;
    let seeds = |capacity: f64, more: &[&str]| {
        let more: Vec<String> = more.iter().map(|&word| word.to_owned()).collect();
        SEEDS.map(move |seed| Run { capacity, seed, more: more.clone() }).collect::<Vec<Run>>()
    };
    let mut runs: Vec<Run> = CAPACITIES.into_iter().flat_map(|capacity| seeds(capacity, &[])).collect();
    runs.extend(SCENARIOS.into_iter().flat_map(|name| seeds(CAPACITY, &["--scenario", name])));
    runs.extend(seeds(CAPACITY, &["--ablations"]));
    let reports = simulate_all(&larder, &runs)?;
    let mut groups = reports.chunks(SEEDS.count());
    let mut text = format!("{HEAD}{COLUMNS}");
    for capacity in CAPACITIES {
        text += &row(&percent(capacity), groups.next().context("a group for each capacity")?)?;
    }
    text += "\nAt 10%, with what upsets a plan (the whole of the 30 days counts):\n\n";
    text += COLUMNS.replace("| capacity", "| scenario").as_str();
    for name in SCENARIOS {
        text += &row(name, groups.next().context("a group for each scenario")?)?;
    }
    text += &ablations(groups.next().context("a group of ablations")?)?;
    let how = format!("seeds {} to {} at each capacity and in each scenario", SEEDS.start, SEEDS.end - 1);
    show(&text, "planner", "## The planner", settings.record.then_some(how.as_str()))
}

const COLUMNS: &str = "\
| capacity | saved of all | against Yanxuan + LRFU | against the best online | writes over its | regret b0 | regret b2 | wasted | first day |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

const HEAD: &str = "\
IO time saved by the whitelist (with an adaptive share on demand), loading ahead deducted: the share of all that there was to
be saved; in percent more or less than by NetEase Yanxuan's value before LRFU with its best lambda, and than by whichever online
policy did best on that very trace, which nobody knows beforehand; bytes written to the SSD over that policy's; regret against
the clairvoyant nightly choice and against the offline bound with loading ahead; the share of bytes loaded ahead in vain; hits on
the first day of whitelisted items that no log had seen. Means with 95% confidence intervals, paired by seed.

";

fn row(name: &str, reports: &[Report]) -> anyhow::Result<String> {
    let over = |figure: &dyn Fn(&Report, &Policy) -> anyhow::Result<f64>| {
        let figures = reports.iter().map(|report| figure(report, report.policy(OURS)?));
        anyhow::Ok(Interval::of(&figures.collect::<anyhow::Result<Vec<_>>>()?))
    };
    let best = |report: &Report| {
        let online = ONLINE.iter().map(|name| report.policy(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let best = online.into_iter().max_by(|a, b| a.io_time_saved.total_cmp(&b.io_time_saved));
        best.cloned().context("there are online policies")
    };
    let more = |a: f64, b: f64| 100.0 * (a / b - 1.0);
    let saved = over(&|report, ours| Ok(100.0 * ours.io_time_saved / report.io_time_possible))?;
    let yanxuan = over(&|report, ours| Ok(more(ours.io_time_saved, report.policy("yanxuan")?.io_time_saved)))?;
    let online = over(&|report, ours| Ok(more(ours.io_time_saved, best(report)?.io_time_saved)))?;
    let writes = over(&|report, ours| Ok(ours.written_bytes as f64 / best(report)?.written_bytes.max(1) as f64))?;
    let b0 = over(&|_, ours| Ok(100.0 * ours.regret_b0))?;
    let b2 = over(&|_, ours| Ok(100.0 * ours.regret_b2))?;
    let wasted = over(&|_, ours| Ok(100.0 * ours.preload_wasted.unwrap_or(0.0)))?;
    let first_day: Vec<f64> =
        reports.iter().filter_map(|report| report.policy(OURS).ok()?.first_day_hit_ratio).collect();
    let first_day = if first_day.is_empty() {
        "-".to_owned()
    } else {
        format!("{:.0}%", 100.0 * first_day.iter().sum::<f64>() / first_day.len() as f64)
    };
    Ok(format!(
        "| {name} | {:.1}% | {:+.1}% ± {:.1} | {:+.1}% ± {:.1} | {:.2} | {:.1}% | {:.1}% | {:.0}% | {first_day} |\n",
        saved.mean, yanxuan.mean, yanxuan.half, online.mean, online.half, writes.mean, b0.mean, b2.mean, wasted.mean
    ))
}

/// What each part of the planner brings.
fn ablations(reports: &[Report]) -> anyhow::Result<String> {
    let mut text = String::from(
        "\nAt 10%, what the whitelist loses without each of its parts, in percent of IO time saved (below zero: it loses):\n\n\
         | without | IO time saved |\n| --- | ---: |\n",
    );
    let names = reports[0].policies.iter().filter_map(|policy| policy.name.strip_prefix("whitelist without "));
    for name in names {
        let change = |report: &Report| {
            let without = report.policy(&format!("whitelist without {name}"))?.io_time_saved;
            anyhow::Ok(100.0 * (without / report.policy(OURS)?.io_time_saved - 1.0))
        };
        let change = Interval::of(&reports.iter().map(change).collect::<anyhow::Result<Vec<_>>>()?);
        writeln!(text, "| {name} | {:+.2}% ± {:.2} |", change.mean, change.half)?;
    }
    Ok(text)
}
