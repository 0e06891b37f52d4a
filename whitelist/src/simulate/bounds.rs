//! What no policy can beat, and what none that chooses by night can.
//!
//! - `b0`, the clairvoyant nightly choice: the same items as the planner's, tomorrow's reads known, loading charged.
//! - `b1`, PFOO-L on time (D. Berger, N. Beckmann, M. Harchol-Balter, "Practical Bounds on Optimal Caching with Variable
//!   Object Sizes", SIGMETRICS 2018): every stretch from one read of an item to its next takes bytes times time of the
//!   cache and earns one hit; the stretches that earn most for what they take are chosen until the space-time of the whole
//!   trace is spent, wherever in time that was. No cache that fills on demand does better.
//! - `b2`, the same with loading ahead: a read may also be earned by a stretch from the night before it, or from the item's
//!   landing if that is later, at the price of loading.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::policy::{Answer, Policy};
use super::replay::{Replay, reads_of, whole};
use super::trace::{DAY_SECONDS, Read, day_of};

/// IO time that no policy can save more than, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bounds {
    /// None that fills on demand.
    pub b1: f64,
    /// None that loads ahead either.
    pub b2: f64,
}

impl Bounds {
    pub(super) fn of(replay: &Replay<'_>) -> Self {
        Self { b1: pfoo(replay, false), b2: pfoo(replay, true) }
    }
}

/// Chooses each night, knowing the reads of the day to come.
pub(super) struct Clairvoyant<'a> {
    replay: &'a Replay<'a>,
    /// Position of the first read of each day.
    days: Vec<usize>,
    wanted: Vec<bool>,
    held: Vec<bool>,
}

impl<'a> Clairvoyant<'a> {
    pub(super) fn new(replay: &'a Replay<'a>) -> Self {
        let reads = &replay.trace.reads;
        let days = (0..=replay.trace.days).map(|day| reads.partition_point(|read| day_of(read.at) < day)).collect();
        let items = replay.trace.items.len();
        Self { replay, days, wanted: vec![false; items], held: vec![false; items] }
    }
}

impl Policy for Clairvoyant<'_> {
    fn night(&mut self, day: i32) -> Vec<u32> {
        let (trace, prices) = (self.replay.trace, &self.replay.prices);
        let mut saved: HashMap<u32, f64> = HashMap::new();
        for read in &trace.reads[self.days[day as usize]..self.days[day as usize + 1]] {
            *saved.entry(read.item).or_default() += prices.saved_seconds(reads_of(read));
        }
        let mut ranked: Vec<(f64, u32)> = saved
            .into_iter()
            .map(|(item, saved)| {
                let known = &trace.items[item as usize];
                let load = if self.held[item as usize] { 0.0 } else { prices.load_seconds(whole(known)) };
                ((saved - load) / known.bytes.max(1) as f64, item)
            })
            .filter(|(density, _)| *density > 0.0)
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.wanted.fill(false);
        let mut left = self.replay.capacity_bytes;
        for (_, item) in ranked {
            let bytes = trace.items[item as usize].bytes;
            if bytes <= left {
                left -= bytes;
                self.wanted[item as usize] = true;
            }
        }
        let now = i64::from(day) * i64::from(DAY_SECONDS);
        let mut loaded = Vec::new();
        for (position, item) in trace.items.iter().enumerate() {
            let holds = self.wanted[position] && item.lands < now;
            if holds && !self.held[position] {
                loaded.push(position as u32);
            }
            self.held[position] = holds;
        }
        loaded
    }

    fn landed(&mut self, items: &[u32]) -> Vec<u32> {
        let is_new = |item: &u32| self.wanted[*item as usize] && !self.held[*item as usize];
        let loaded: Vec<u32> = items.iter().copied().filter(is_new).collect();
        loaded.iter().for_each(|item| self.held[*item as usize] = true);
        loaded
    }

    fn rewritten(&mut self, item: u32) -> bool {
        self.held[item as usize]
    }

    fn is_whitelisted(&self, item: u32) -> bool {
        self.wanted[item as usize]
    }

    fn read(&mut self, read: &Read) -> Answer {
        if self.held[read.item as usize] { Answer::Hit } else { Answer::Miss }
    }
}

/// One way to earn one read.
struct Stretch {
    /// What it takes, in bytes times seconds.
    space_time: f64,
    /// What it earns, in seconds.
    saved: f64,
}

impl Stretch {
    fn density(&self) -> f64 {
        self.saved / self.space_time.max(1e-9)
    }
}

/// The IO time that `b1` saves, and `b2` if `loads_ahead`.
fn pfoo(replay: &Replay<'_>, loads_ahead: bool) -> f64 {
    let trace = replay.trace;
    let start = trace.measured_from() as u32 * DAY_SECONDS;
    let span = f64::from(trace.days as u32 * DAY_SECONDS - start);
    let mut rewrites: HashMap<u32, Vec<u32>> = HashMap::new();
    for rewrite in &trace.rewrites {
        rewrites.entry(rewrite.item).or_default().push(rewrite.at);
    }
    let mut last: Vec<Option<u32>> = vec![None; trace.items.len()];
    let mut stretches: Vec<Stretch> = Vec::new();
    for read in &trace.reads {
        let before = last[read.item as usize].replace(read.at);
        let item = &trace.items[read.item as usize];
        if read.at < start || item.bytes > replay.capacity_bytes {
            continue;
        }
        let saved = replay.prices.saved_seconds(reads_of(read));
        let space_time = |from: u32| item.bytes as f64 * f64::from(read.at - from.max(start).min(read.at));
        let is_rewritten = |from: u32| {
            rewrites.get(&read.item).is_some_and(|times| times.iter().any(|at| from < *at && *at <= read.at))
        };
        let kept = before
            .filter(|before| !is_rewritten(*before))
            .map(|before| Stretch { space_time: space_time(before), saved });
        let ahead = loads_ahead.then(|| {
            let night = read.at - read.at % DAY_SECONDS;
            let from = night.max(u32::try_from(item.lands).unwrap_or(0)).min(read.at);
            let cost = replay.prices.load_seconds(whole(item));
            Stretch { space_time: space_time(from), saved: saved - cost }
        });
        push(&mut stretches, kept, ahead.filter(|ahead| ahead.saved > 0.0));
    }
    stretches.sort_by(|a, b| b.density().total_cmp(&a.density()));
    let mut left = replay.capacity_bytes as f64 * span;
    let mut all = 0.0;
    for stretch in stretches {
        if stretch.space_time > left {
            // The last one in part: a bound may not be too low.
            all += stretch.saved * left / stretch.space_time.max(1e-9);
            break;
        }
        left -= stretch.space_time;
        all += stretch.saved;
    }
    all
}

/// A read is earned once. Where one way takes less and the other earns more, the second counts as a step up from the first:
/// the linear relaxation of choosing one of both.
fn push(stretches: &mut Vec<Stretch>, kept: Option<Stretch>, ahead: Option<Stretch>) {
    match (kept, ahead) {
        (Some(kept), Some(ahead)) if ahead.space_time < kept.space_time && ahead.saved < kept.saved => {
            let step = Stretch { space_time: kept.space_time - ahead.space_time, saved: kept.saved - ahead.saved };
            if step.density() < ahead.density() {
                stretches.extend([ahead, step]);
            } else {
                stretches.push(kept);
            }
        }
        (Some(kept), _) => stretches.push(kept),
        (None, Some(ahead)) => stretches.push(ahead),
        (None, None) => {}
    }
}
