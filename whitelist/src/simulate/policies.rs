//! The policies side by side.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder_lrfu::Lrfu;
use parking_lot::Mutex;

use super::bounds::{Bounds, Clairvoyant};
use super::gdsf::Gdsf;
use super::online::{Online, OnlinePolicy};
use super::planner::{Planner, PlannerSettings};
use super::policy::{Answer, Policy};
use super::replay::{PolicyReport, Replay};
use super::seeds::{SecondHit, TopK, Yanxuan};
use super::trace::Read;
use crate::forecast::ForecastSettings;

/// LRFU on its own.
struct Fading<'a> {
    replay: &'a Replay<'a>,
    cache: Lrfu<u32, ()>,
}

impl Policy for Fading<'_> {
    fn rewritten(&mut self, item: u32) -> bool {
        self.cache.remove(&item);
        false
    }

    fn read(&mut self, read: &Read) -> Answer {
        let bytes = self.replay.trace.items[read.item as usize].bytes;
        if self.cache.get(&read.item).is_some() {
            return Answer::Hit;
        }
        self.cache.insert(read.item, (), bytes);
        if self.cache.contains(&read.item) { Answer::Admitted } else { Answer::Miss }
    }
}

/// The lambdas tried, per reference: from all but LFU to LRU.
const LAMBDAS: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// A policy with the best of [`LAMBDAS`] for this very trace, which is more than anybody can know beforehand.
fn best_lambda<'a, P: Policy>(replay: &'a Replay<'a>, name: &str, policy: impl Fn(f64) -> P) -> PolicyReport {
    let replayed = LAMBDAS
        .into_iter()
        .map(|lambda| PolicyReport { lambda: Some(lambda), ..replay.run(name, &mut policy(lambda)) });
    replayed.max_by(|a, b| a.io_time_saved.total_cmp(&b.io_time_saved)).expect("there are lambdas")
}

/// Larder's policy without each of its parts.
fn ablations() -> [(&'static str, PlannerSettings); 7] {
    let all = PlannerSettings::default();
    let by_item = ForecastSettings { by_age: false, ..all.forecast };
    [
        ("whitelist without age", PlannerSettings { forecast: by_item, ..all }),
        ("whitelist without columns", PlannerSettings { columns: false, ..all }),
        ("whitelist without bursts", PlannerSettings { bursts: false, ..all }),
        ("whitelist without adaptive floor", PlannerSettings { adaptive_floor: 0.0, ..all }),
        ("whitelist without price", PlannerSettings { priced: false, ..all }),
        ("whitelist without demotion", PlannerSettings { demoted: false, ..all }),
        ("whitelist without preload", PlannerSettings { preload: false, ..all }),
    ]
}

/// Which policies are replayed, beside `b0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    All,
    /// All, and the whitelist without each of its parts.
    WithAblations,
    /// One or two of each kind, few enough to be told apart in a plot.
    ForCurve,
}

impl Chosen {
    fn online(self) -> &'static [OnlinePolicy] {
        match self {
            Self::All | Self::WithAblations => &OnlinePolicy::ALL,
            Self::ForCurve => &[OnlinePolicy::Lru, OnlinePolicy::S3Fifo, OnlinePolicy::Lfu],
        }
    }
}

/// One policy's way through the trace.
type Run<'a> = Box<dyn Fn() -> PolicyReport + Send + Sync + 'a>;

fn runs<'a>(replay: &'a Replay<'a>, chosen: Chosen) -> Vec<Run<'a>> {
    let (items, capacity) = (&replay.trace.items, replay.capacity_bytes);
    let mut runs: Vec<Run<'a>> = Vec::new();
    for policy in chosen.online().iter().copied() {
        runs.push(Box::new(move || replay.run(policy.name(), &mut Online::new(policy, items, capacity))));
    }
    if chosen != Chosen::ForCurve {
        let fading = move |lambda| Fading { replay, cache: Lrfu::new(capacity, lambda) };
        runs.push(Box::new(move || best_lambda(replay, "lrfu", fading)));
        runs.push(Box::new(move || replay.run("plain-lfu", &mut fading(0.0))));
    }
    runs.push(Box::new(|| replay.run("gdsf", &mut Gdsf::new(replay))));
    if chosen != Chosen::ForCurve {
        runs.push(Box::new(|| replay.run("second-hit", &mut SecondHit::new(replay))));
    }
    runs.push(Box::new(|| replay.run("top-k", &mut TopK::new(replay))));
    runs.push(Box::new(|| best_lambda(replay, "yanxuan", |lambda| Yanxuan::new(replay, lambda))));
    runs.push(Box::new(|| replay.run("whitelist", &mut Planner::new(replay, PlannerSettings::default()))));
    if chosen == Chosen::WithAblations {
        for (name, settings) in ablations() {
            runs.push(Box::new(move || replay.run(name, &mut Planner::new(replay, settings))));
        }
    }
    runs.push(Box::new(|| replay.run("b0", &mut Clairvoyant::new(replay))));
    runs
}

/// Runs all policies, as many at once as there are cores; the reports come in the policies' order.
pub(super) fn policies(replay: &Replay<'_>, bounds: Bounds, chosen: Chosen) -> Vec<PolicyReport> {
    let runs = runs(replay, chosen);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![None; runs.len()]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(run) = runs.get(at) else { break };
                    let report = run();
                    done.lock()[at] = Some(report);
                }
            });
        }
    });
    let mut reports: Vec<PolicyReport> = done.into_inner().into_iter().flatten().collect();
    let b0 = reports.last().map_or(0.0, |clairvoyant| clairvoyant.io_time_saved);
    let regret = |saved: f64, bound: f64| if bound > 0.0 { 1.0 - saved / bound } else { 0.0 };
    for report in &mut reports {
        report.regret_b0 = regret(report.io_time_saved, b0);
        report.regret_b2 = regret(report.io_time_saved, bounds.b2);
    }
    reports
}
