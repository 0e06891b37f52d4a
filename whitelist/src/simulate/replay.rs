//! Living through a trace with each policy, at equal capacity.
//!
//! What is counted the same way for all: a read that is answered from the cache saves the origin's time less the SSD's;
//! what a night loads ahead costs the origin's time, discounted because it is off-peak, and is never a hit. LRU is given
//! the benefit of the doubt: after a miss the whole item is held, though only what was asked for was read.

use std::collections::{BTreeMap, HashMap};

use larder_model::{IoSpeed, ItemName};
use serde::Serialize;

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
    /// `lru`, `whitelist` or `b0`.
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
    /// 1 - saved / saved by the clairvoyant nightly choice.
    pub regret_b0: f64,
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
    let clairvoyant = replay.nightly("b0", |replay, day, held| replay.tomorrow(day, held));
    let mut reports =
        vec![replay.lru(), replay.nightly("whitelist", |replay, day, _| replay.history(day)), clairvoyant];
    let bound = reports[2].io_time_saved;
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
        }
    }
}

fn load_seconds(bytes: u64) -> f64 {
    let reads = reads_of(bytes);
    OFF_PEAK * ORIGIN.seconds(reads.requests, reads.bytes)
}

impl Replay<'_> {
    fn lru(&self) -> PolicyReport {
        let mut cache = Lru::new(self.capacity_bytes);
        let mut sums = Sums::default();
        for (day, reads) in self.trace.days.iter().enumerate() {
            let measured = day >= self.measured_from;
            for read in reads {
                let item_bytes = self.trace.item_bytes[read.item];
                let hit = cache.touch(read.item, item_bytes);
                if measured {
                    sums.read(read.bytes, hit);
                    if !hit && item_bytes <= self.capacity_bytes {
                        sums.written_bytes += read.bytes;
                    }
                }
            }
        }
        sums.report("lru")
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

/// Least recently used, by bytes.
struct Lru {
    capacity_bytes: u64,
    used_bytes: u64,
    clock: u64,
    /// Each held item's last touch, and the items by last touch, the oldest first.
    touched: HashMap<usize, (u64, u64)>,
    oldest: BTreeMap<u64, usize>,
}

impl Lru {
    fn new(capacity_bytes: u64) -> Self {
        Self { capacity_bytes, used_bytes: 0, clock: 0, touched: HashMap::new(), oldest: BTreeMap::new() }
    }

    /// Reads an item, and holds it from then on; tells whether it was held. One larger than everything is not held.
    fn touch(&mut self, item: usize, bytes: u64) -> bool {
        self.clock += 1;
        let held = self.touched.remove(&item);
        if let Some((at, bytes)) = held {
            self.oldest.remove(&at);
            self.used_bytes -= bytes;
        }
        if bytes > self.capacity_bytes {
            return held.is_some();
        }
        while self.used_bytes + bytes > self.capacity_bytes {
            let (_, evicted) = self.oldest.pop_first().expect("what is used is held");
            let (_, freed) = self.touched.remove(&evicted).expect("both maps hold the same items");
            self.used_bytes -= freed;
        }
        self.touched.insert(item, (self.clock, bytes));
        self.oldest.insert(self.clock, item);
        self.used_bytes += bytes;
        held.is_some()
    }
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

    fn replayed(days: &[&[usize]], capacity_bytes: u64) -> [PolicyReport; 3] {
        let trace = trace(days);
        policies(&Replay::new(&trace, capacity_bytes)).try_into().expect("three policies")
    }

    #[test]
    fn lru_hits_what_was_touched_last() {
        let mut cache = Lru::new(20);
        let touches = [(1, false), (2, false), (1, true), (3, false), (2, false), (3, true), (1, false)];
        for (item, hit) in touches {
            assert_eq!(cache.touch(item, 10), hit, "{item}");
        }
        assert!(!cache.touch(9, 21) && !cache.touch(9, 21), "what is larger than everything is never held");
    }

    #[test]
    fn each_policy_saves_what_was_computed_by_hand() {
        // Room for one item. Measured from day 2 on: item 0 is the hot one of the history, item 1 that of the last day.
        let [lru, whitelist, b0] = replayed(&[&[0, 0, 0], &[0, 0, 0], &[0, 1, 1], &[1, 1, 1, 1]], 10 * MB);
        // LRU: 0 hit, 1 miss, 1 hit, then four hits.
        assert!((lru.io_time_saved - 6.0 * read_saves()).abs() < 1e-9, "{lru:?}");
        assert_eq!((lru.request_hit_ratio, lru.written_bytes), (6.0 / 7.0, 10 * MB));
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
