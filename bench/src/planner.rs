//! The planner beside what came before it, the best that decides at each read, and the bounds that nobody beats:
//! `larder simulate` over seeds that nothing was tuned on, capacities and scenarios.

mod plot;
mod settings;
mod tables;
mod upsets;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use self::settings::{routed, settings as set_otherwise};
use self::tables::{ablations, costs, room, saved};
use self::upsets::{drift, storm};
use crate::client::larder_binary;
use crate::policies::{Interval, Policy, Report, Run, percent, simulate_all};
use crate::record::{results, show};

/// Compares the whitelist with published choices, online policies and offline bounds.
#[derive(Args)]
pub(crate) struct Settings {
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md, and the plot to bench/plots/.
    #[arg(long)]
    record: bool,
}

/// Seeds of the workloads; no test uses them, and nothing was tuned on them.
const SEEDS: std::ops::Range<u64> = 201..211;
/// Fractions of the bytes touched in 30 days.
const CAPACITIES: [f64; 8] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7];
/// Where scenarios are looked at.
const CAPACITY: f64 = 0.1;
/// Where the whitelist is also replayed without each of its parts.
const ABLATED: [f64; 3] = [0.02, 0.05, CAPACITY];
/// Places in [`ABLATED`] where it is also shown set otherwise: a small cache and a middling one.
const SET_OTHERWISE: [usize; 2] = [0, 2];
/// What decides at each read.
const ONLINE: [&str; 9] = ["lru", "fifo", "s3fifo", "sieve", "lfu", "lrfu", "plain-lfu", "gdsf", "second-hit"];
/// What upsets a plan, beside the stationary workload.
const SCENARIOS: [&str; 5] = ["drift", "month-end", "burst", "scan-storm", "backfill"];
const STATIONARY: &str = "stationary";
const OURS: &str = "whitelist";
const ROUTED: &str = "whitelist-routed";
const YANXUAN: &str = "yanxuan";
const CLAIRVOYANT: &str = "b0";

/// The reports of all seeds, in their order.
type Seeds<'a> = &'a [Report];

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let larder = larder_binary(settings.larder.as_deref())?;
    let mut runs: Vec<Run> = Vec::new();
    for capacity in CAPACITIES {
        let more: &[&str] = if ABLATED.contains(&capacity) { &["--ablations"] } else { &[] };
        runs.extend(seeds(capacity, more));
    }
    for name in SCENARIOS {
        runs.extend(seeds(CAPACITY, &["--scenario", name]));
    }
    let reports = simulate_all(&larder, &runs)?;
    let groups: Vec<Seeds<'_>> = reports.chunks(SEEDS.count()).collect();
    let (by_capacity, by_scenario) = groups.split_at(CAPACITIES.len());
    let capacities: Vec<(f64, Seeds<'_>)> = CAPACITIES.into_iter().zip(by_capacity.iter().copied()).collect();
    let mut scenarios = vec![(STATIONARY, at(&capacities, CAPACITY)?)];
    scenarios.extend(SCENARIOS.into_iter().zip(by_scenario.iter().copied()));
    let text = describe(&capacities, &scenarios)?;
    if settings.record {
        fs::write(results().join("plots/planner.svg"), plot::figure(&capacities)?.svg())?;
    }
    let how = format!("seeds {} to {} at each capacity and in each scenario", SEEDS.start, SEEDS.end - 1);
    show(&text, "planner", "## The planner", settings.record.then_some(how.as_str()))
}

fn seeds(capacity: f64, more: &[&str]) -> Vec<Run> {
    let more: Vec<String> = more.iter().map(|&word| word.to_owned()).collect();
    SEEDS.map(|seed| Run { capacity, seed, more: more.clone() }).collect()
}

fn describe(capacities: &[(f64, Seeds<'_>)], scenarios: &[(&str, Seeds<'_>)]) -> anyhow::Result<String> {
    let named: Vec<(String, Seeds<'_>)> =
        capacities.iter().map(|(capacity, reports)| (percent(*capacity), *reports)).collect();
    let upset: Vec<(String, Seeds<'_>)> =
        scenarios.iter().map(|(name, reports)| ((*name).to_owned(), *reports)).collect();
    let of = |name: &str| {
        let found = scenarios.iter().find(|(known, _)| *known == name).map(|(_, reports)| *reports);
        found.with_context(|| format!("no scenario `{name}`"))
    };
    let everyday = of(STATIONARY)?;
    let ablated = ABLATED.map(|capacity| at(capacities, capacity).map(|reports| (capacity, reports)));
    let ablated = ablated.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    Ok([
        saved(&named, &upset)?,
        "![IO time saved by capacity](plots/planner.svg)\n".to_owned(),
        routed(capacities)?,
        costs(&named, &upset)?,
        storm(everyday, of("scan-storm")?)?,
        drift(everyday, of("drift")?)?,
        room(capacities)?,
        ablations(&ablated)?,
        set_otherwise(&SET_OTHERWISE.map(|place| ablated[place]))?,
    ]
    .join("\n"))
}

/// The reports of one capacity.
fn at<'a>(capacities: &[(f64, Seeds<'a>)], capacity: f64) -> anyhow::Result<Seeds<'a>> {
    let found = capacities.iter().find(|(known, _)| *known == capacity).map(|(_, reports)| *reports);
    found.with_context(|| format!("nothing was replayed at {}", percent(capacity)))
}

/// A figure of each report, in the mean.
fn mean_of(reports: Seeds<'_>, figure: impl Fn(&Report) -> anyhow::Result<f64>) -> anyhow::Result<Interval> {
    Ok(Interval::of(&reports.iter().map(figure).collect::<anyhow::Result<Vec<f64>>>()?))
}

/// The same of pairs of one seed.
fn mean_of_pairs(
    reports: Seeds<'_>,
    others: Seeds<'_>,
    figure: impl Fn(&Report, &Report) -> anyhow::Result<f64>,
) -> anyhow::Result<Interval> {
    let figures = reports.iter().zip(others).map(|(report, other)| figure(report, other));
    Ok(Interval::of(&figures.collect::<anyhow::Result<Vec<f64>>>()?))
}

/// How much more one figure is than another, in percent.
fn more(a: f64, b: f64) -> f64 {
    100.0 * (a / b - 1.0)
}

/// The policy that did best on that very trace of those that decide at each read.
fn best_online(report: &Report) -> anyhow::Result<&Policy> {
    let online = ONLINE.iter().map(|name| report.policy(name)).collect::<anyhow::Result<Vec<&Policy>>>()?;
    let best = online.into_iter().max_by(|a, b| a.io_time_saved.total_cmp(&b.io_time_saved));
    best.context("there are online policies")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report in which all policies save as much on each of the 30 measured days.
    pub(super) fn report(by_day: impl Fn(&str) -> f64) -> Report {
        let names = ONLINE.into_iter().chain([YANXUAN, OURS, ROUTED, "whitelist without age", CLAIRVOYANT]);
        let policies = names.map(|name| Policy {
            name: name.to_owned(),
            io_time_saved: 30.0 * by_day(name),
            saved_by_day: vec![by_day(name); 30],
            written_bytes: 10,
            origin_bytes: 100,
            origin_peak_hour_bytes: 20,
            ..Policy::default()
        });
        Report { io_time_possible: 300.0, policies: policies.collect(), ..Report::default() }
    }

    #[test]
    fn all_tables_are_made_of_what_was_replayed() {
        let figures = |name: &str| match name {
            OURS => 6.0,
            YANXUAN => 4.0,
            CLAIRVOYANT => 8.0,
            _ => 5.0,
        };
        let reports = [report(figures), report(figures)];
        let mut stormy = [report(figures), report(figures)];
        for policy in stormy.iter_mut().flat_map(|report| &mut report.policies) {
            policy.saved_on_storm = Some(0.0);
        }
        let capacities = CAPACITIES.map(|capacity| (capacity, &reports[..]));
        let scenarios = [(STATIONARY, &reports[..]), ("drift", &reports[..]), ("scan-storm", &stormy[..])];
        let text = describe(&capacities, &scenarios).unwrap();
        // 6 of 10 a day; half as much again as Yanxuan, a fifth more than whatever decides at each read.
        assert!(text.contains("| 10% | 60.0% | +50.0% ± 0.0 | +20.0% ± 0.0 | 1.00 |"), "{text}");
        assert!(text.contains("| scan-storm | 60.0% |"), "{text}");
        let svg = plot::figure(&capacities).unwrap().svg();
        assert_eq!(svg.matches("<polyline").count(), 5, "{svg}");
    }
}
