//! The policies side by side.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder_lrfu::Lrfu;
use parking_lot::Mutex;

use super::bounds::{Bounds, Clairvoyant};
use super::gdsf::Gdsf;
use super::online::{Online, OnlinePolicy};
use super::planner::{CacheSettings, Planner, PlannerSettings};
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

/// Other caches than [`CacheSettings::FILLED`] and [`CacheSettings::ROUTED`]: whether everything is admitted, the adaptive share
/// in percent, and its policy.
const SET_OTHERWISE: [(bool, u8, OnlinePolicy); 6] = [
    (false, 0, OnlinePolicy::S3Fifo),
    (false, 10, OnlinePolicy::Lru),
    (false, 30, OnlinePolicy::S3Fifo),
    (true, 30, OnlinePolicy::Lru),
    (true, 60, OnlinePolicy::Lru),
    (true, 80, OnlinePolicy::S3Fifo),
];

/// Larder without each of its parts, and set otherwise.
fn ablations(cache: CacheSettings) -> Vec<(String, PlannerSettings)> {
    let all = PlannerSettings::new(cache);
    let by_item = ForecastSettings { by_age: false, ..all.forecast };
    let without = [
        ("age", PlannerSettings { forecast: by_item, ..all }),
        ("columns", PlannerSettings { columns: false, ..all }),
        ("load price", PlannerSettings { load_price: 0.0, ..all }),
        ("demotion", PlannerSettings { demoted: false, ..all }),
        ("preload", PlannerSettings { loaded_from: f64::INFINITY, ..all }),
    ];
    let without = without.into_iter().map(|(name, settings)| (format!("whitelist without {name}"), settings));
    let loading = |from: f64| (format!("whitelist loading from {from}"), PlannerSettings { loaded_from: from, ..all });
    let mut settings: Vec<(String, PlannerSettings)> = without.chain([0.5, 1.0, 2.0].map(loading)).collect();
    for (admits_all, adaptive_percent, policy) in SET_OTHERWISE {
        let admit = if admits_all { "all" } else { "whitelist" };
        let name = format!("whitelist with {admit}, {adaptive_percent}, {}", policy.name());
        settings.push((name, PlannerSettings::new(CacheSettings { admits_all, adaptive_percent, policy })));
    }
    settings
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

fn runs<'a>(replay: &'a Replay<'a>, cache: CacheSettings, chosen: Chosen) -> Vec<Run<'a>> {
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
    let larder = |name: String, settings: PlannerSettings| -> Run<'a> {
        Box::new(move || replay.run(&name, &mut Planner::new(replay, settings)))
    };
    runs.push(larder("whitelist".to_owned(), PlannerSettings::new(cache)));
    runs.push(larder("whitelist-routed".to_owned(), PlannerSettings::new(CacheSettings::ROUTED)));
    if chosen == Chosen::WithAblations {
        runs.extend(ablations(cache).into_iter().map(|(name, settings)| larder(name, settings)));
    }
    runs.push(Box::new(|| replay.run("b0", &mut Clairvoyant::new(replay))));
    runs
}

/// Runs all policies, as many at once as there are cores; the reports come in the policies' order.
pub(super) fn policies(replay: &Replay<'_>, cache: CacheSettings, bounds: Bounds, chosen: Chosen) -> Vec<PolicyReport> {
    let runs = runs(replay, cache, chosen);
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
