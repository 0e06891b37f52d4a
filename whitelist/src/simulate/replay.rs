//! Living through a trace with each policy, at equal capacity.
//!
//! What is counted the same way for all: a read that is answered from the cache saves the origin's time less the SSD's;
//! what a night loads ahead costs the origin's time, discounted because it is off-peak, and is never a hit. Online policies
//! are given the benefit of the doubt: after a miss the whole item is held, though only what was asked for was read.

use std::collections::BTreeMap;

use larder_model::{IoSpeed, ItemName};
use serde::Serialize;

use super::lrfu::{LAMBDAS, Lrfu};
use super::online::{Online, OnlinePolicy};
use super::trace::{HISTORY_DAYS, Trace};
use crate::choice::{Candidate, choose};
use crate::value::{Reads, value_seconds};

/// The origin: 30 ms before the first byte, then 80 MB/s.
const ORIGIN: IoSpeed = IoSpeed { overhead_seconds: 0.030, bytes_per_second: 80e6 };
/// A plain NVMe disk.
const SSD: IoSpeed = IoSpeed { overhead_seconds: 0.0001, bytes_per_second: 2e9 };
/// What off-peak loading costs in the place of a second of the origin's time.
const OFF_PEAK: f64 = 0.2;
/// Engines read a file in requests of this size at most.
const REQUEST_BYTES: u64 = 8 << 20;

/// What one policy came to over the measured days.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyReport {
    /// `lru`, `fifo`, `s3fifo`, `sieve`, `lfu`, `lrfu`, `whitelist` or `b0`.
    pub name: &'static str,
    /// IO time saved against no cache at all, in seconds; loading ahead is deducted.
    pub io_time_saved: f64,
    /// The share of bytes read that came from the cache.
    pub byte_hit_ratio: f64,
    /// The share of requests answered from the cache.
    pub request_hit_ratio: f64,
    /// Bytes read from the origin, loading ahead included.
    pub origin_bytes: u64,
    /// Bytes written to the SSD.
    pub written_bytes: u64,
    /// 1 - saved / saved by the clairvoyant nightly choice. Online policies change within a day and may do better than
    /// that: below zero.
    pub regret_b0: f64,
    /// Of `lrfu` only: the lambda that saved most, per reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
}

/// A trace and the space to replay it in.
pub(super) struct Replay<'a> {
    trace: &'a Trace,
    capacity_bytes: u64,
    /// Days before this one warm up and are not measured.
    measured_from: usize,
}

impl<'a> Replay<'a> {
    pub(super) fn new(trace: &'a Trace, capacity_bytes: u64) -> Self {
        // A short trace is measured in its second half.
        let measured_from = HISTORY_DAYS.min(trace.days.len() / 2).max(1);
        Self { trace, capacity_bytes, measured_from }
    }
}

/// All policies over one replay.
pub(super) fn policies(replay: &Replay<'_>) -> Vec<PolicyReport> {
    let mut reports: Vec<PolicyReport> = OnlinePolicy::ALL
        .into_iter()
        .map(|policy| {
            let cache = Online::new(policy, replay.capacity_bytes);
            replay.online(policy.name(), |item, bytes| cache.touch(item, bytes))
        })
        .collect();
    reports.push(replay.lrfu());
    reports.push(replay.nightly("whitelist", |replay, day, _| replay.history(day)));
    let clairvoyant = replay.nightly("b0", |replay, day, held| replay.tomorrow(day, held));
    let bound = clairvoyant.io_time_saved;
    reports.push(clairvoyant);
    for report in &mut reports {
        report.regret_b0 = if bound > 0.0 { 1.0 - report.io_time_saved / bound } else { 0.0 };
    }
    reports
}

fn reads_of(bytes: u64) -> Reads {
    Reads { requests: bytes.div_ceil(REQUEST_BYTES).max(1), bytes }
}

/// Figures as they add up.
#[derive(Debug, Default)]
struct Sums {
    saved_seconds: f64,
    hits: Reads,
    all: Reads,
    loaded_bytes: u64,
    written_bytes: u64,
}

impl Sums {
    fn read(&mut self, bytes: u64, hit: bool) {
        let reads = reads_of(bytes);
        self.all += reads;
        if hit {
            self.hits += reads;
            self.saved_seconds += value_seconds(reads, ORIGIN, SSD);
        }
    }

    fn load(&mut self, bytes: u64) {
        self.loaded_bytes += bytes;
        self.written_bytes += bytes;
        self.saved_seconds -= load_seconds(bytes);
    }

    fn report(self, name: &'static str) -> PolicyReport {
        let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        PolicyReport {
            name,
            io_time_saved: self.saved_seconds,
            byte_hit_ratio: share(self.hits.bytes, self.all.bytes),
            request_hit_ratio: share(self.hits.requests, self.all.requests),
            origin_bytes: self.all.bytes - self.hits.bytes + self.loaded_bytes,
            written_bytes: self.written_bytes,
            regret_b0: 0.0,
            lambda: None,
        }
    }
}

fn load_seconds(bytes: u64) -> f64 {
    let reads = reads_of(bytes);
    OFF_PEAK * ORIGIN.seconds(reads.requests, reads.bytes)
}

impl Replay<'_> {
    /// A policy of the moment: `touch` reads an item of so many bytes, holds it from then on if it can, and tells whether
    /// it was held.
    fn online(&self, name: &'static str, mut touch: impl FnMut(usize, u64) -> bool) -> PolicyReport {
        let mut sums = Sums::default();
        for (day, reads) in self.trace.days.iter().enumerate() {
            let measured = day >= self.measured_from;
            for read in reads {
                let item_bytes = self.trace.item_bytes[read.item];
                let hit = touch(read.item, item_bytes);
                if measured {
                    sums.read(read.bytes, hit);
                    if !hit && item_bytes <= self.capacity_bytes {
                        sums.written_bytes += read.bytes;
                    }
                }
            }
        }
        sums.report(name)
    }

    /// LRFU with the best of [`LAMBDAS`] for this very history, which is more than anybody can know beforehand.
    fn lrfu(&self) -> PolicyReport {
        let replayed = LAMBDAS.into_iter().map(|lambda| {
            let mut cache = Lrfu::new(self.capacity_bytes, lambda);
            PolicyReport { lambda: Some(lambda), ..self.online("lrfu", |item, bytes| cache.touch(item, bytes)) }
        });
        replayed.max_by(|a, b| a.io_time_saved.total_cmp(&b.io_time_saved)).expect("there are lambdas")
    }

    /// A policy that chooses once a night among what `value` says, and holds that for a day.
    fn nightly(
        &self,
        name: &'static str,
        value: impl Fn(&Self, usize, &[bool]) -> BTreeMap<usize, f64>,
    ) -> PolicyReport {
        let mut held = vec![false; self.trace.item_bytes.len()];
        let mut sums = Sums::default();
        for (day, reads) in self.trace.days.iter().enumerate() {
            let values = value(self, day, &held);
            let measured = day >= self.measured_from;
            let mut next = vec![false; held.len()];
            for item in self.choose(&values) {
                next[item] = true;
                if !held[item] && measured {
                    sums.load(self.trace.item_bytes[item]);
                }
            }
            held = next;
            if measured {
                reads.iter().for_each(|read| sums.read(read.bytes, held[read.item]));
            }
        }
        sums.report(name)
    }

    fn choose(&self, values: &BTreeMap<usize, f64>) -> Vec<usize> {
        let items: Vec<usize> = values.keys().copied().collect();
        let candidates: Vec<Candidate> = values
            .iter()
            .map(|(item, value)| Candidate {
                item: name_of(*item),
                bytes: self.trace.item_bytes[*item],
                value_seconds: *value,
                load_seconds: 0.0,
                held: false,
                ruling: None,
            })
            .collect();
        choose(&candidates, self.capacity_bytes).taken.into_iter().map(|at| items[at]).collect()
    }

    /// The seed's value: what holding each item would have saved over the days before.
    fn history(&self, day: usize) -> BTreeMap<usize, f64> {
        self.value_of(day.saturating_sub(HISTORY_DAYS)..day)
    }

    /// What holding each item will save tomorrow, less what it costs to load it. Knowing the future is the bound.
    fn tomorrow(&self, day: usize, held: &[bool]) -> BTreeMap<usize, f64> {
        let mut values = self.value_of(day..day + 1);
        for (item, value) in &mut values {
            if !held[*item] {
                *value -= load_seconds(self.trace.item_bytes[*item]);
            }
        }
        values
    }

    fn value_of(&self, days: std::ops::Range<usize>) -> BTreeMap<usize, f64> {
        let mut reads: BTreeMap<usize, Reads> = BTreeMap::new();
        for access in self.trace.days[days].iter().flatten() {
            *reads.entry(access.item).or_default() += reads_of(access.bytes);
        }
        reads.into_iter().map(|(item, reads)| (item, value_seconds(reads, ORIGIN, SSD))).collect()
    }
}

fn name_of(item: usize) -> ItemName {
    format!("trace.replay.items/item={item:09}").parse().expect("the form of an item's name")
}

#[cfg(test)]
mod tests {
    use super::super::trace::Access;
    use super::*;

    const MB: u64 = 1_000_000;

    /// Items of 10 MB; each day's reads are of whole items.
    fn trace(days: &[&[usize]]) -> Trace {
        let items = days.iter().flat_map(|day| day.iter()).max().map_or(0, |most| most + 1);
        let day = |reads: &&[usize]| reads.iter().map(|item| Access { item: *item, bytes: 10 * MB }).collect();
        Trace { item_bytes: vec![10 * MB; items], days: days.iter().map(day).collect() }
    }

    fn read_saves() -> f64 {
        // Two requests of at most 8 MiB each.
        2.0 * (0.030 - 0.0001) + 10e6 * (1.0 / 80e6 - 1.0 / 2e9)
    }

    fn load_costs() -> f64 {
        OFF_PEAK * (2.0 * 0.030 + 10e6 / 80e6)
    }

    fn replayed(days: &[&[usize]], capacity_bytes: u64) -> Vec<PolicyReport> {
        let trace = trace(days);
        policies(&Replay::new(&trace, capacity_bytes))
    }

    #[test]
    fn each_policy_saves_what_was_computed_by_hand() {
        // Room for one item. Measured from day 2 on: item 0 is the hot one of the history, item 1 that of the last day.
        let reports = replayed(&[&[0, 0, 0], &[0, 0, 0], &[0, 1, 1], &[1, 1, 1, 1]], 10 * MB);
        let of = |name: &str| reports.iter().find(|report| report.name == name).unwrap();
        let (whitelist, b0) = (of("whitelist"), of("b0"));
        // Each online policy, whatever goes first: 0 hit, 1 miss, 1 hit, then four hits.
        for name in ["lru", "fifo", "s3fifo", "sieve", "lfu", "lrfu"] {
            let online = of(name);
            assert!((online.io_time_saved - 6.0 * read_saves()).abs() < 1e-9, "{online:?}");
            assert_eq!((online.request_hit_ratio, online.written_bytes), (6.0 / 7.0, 10 * MB), "{name}");
        }
        // The history holds item 0 on both days, loaded before anything was measured: one hit.
        assert!((whitelist.io_time_saved - read_saves()).abs() < 1e-9, "{whitelist:?}");
        assert_eq!(whitelist.origin_bytes, 60 * MB);
        // The future: on day 2 item 1 is worth two reads less its loading, more than item 0's one; it stays on day 3.
        assert!((b0.io_time_saved - (6.0 * read_saves() - load_costs())).abs() < 1e-9, "{b0:?}");
        assert_eq!((b0.origin_bytes, b0.written_bytes), (10 * MB + 10 * MB, 10 * MB));
        assert_eq!(b0.regret_b0, 0.0);
        assert!((whitelist.regret_b0 - (1.0 - whitelist.io_time_saved / b0.io_time_saved)).abs() < 1e-12);
    }

    #[test]
    fn without_room_nothing_is_saved() {
        for report in replayed(&[&[0], &[0], &[0], &[0]], 5 * MB) {
            assert_eq!((report.io_time_saved, report.byte_hit_ratio, report.written_bytes), (0.0, 0.0, 0));
            assert_eq!(report.origin_bytes, 20 * MB);
        }
    }
}
