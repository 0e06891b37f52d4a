//! What came before: the published choices of items by their history, and filters before a cache on demand.

use std::collections::{HashMap, HashSet, VecDeque};

use larder_lrfu::Lrfu;

use super::online::{Online, OnlinePolicy};
use super::policy::{Answer, Policy};
use super::replay::{Replay, reads_of};
use super::trace::{HISTORY_DAYS, Read};

/// Reads of the last [`HISTORY_DAYS`], summed by key.
struct History<K> {
    days: VecDeque<HashMap<K, f64>>,
    sums: HashMap<K, f64>,
}

impl<K: Copy + Eq + std::hash::Hash> History<K> {
    fn new() -> Self {
        Self { days: VecDeque::from([HashMap::new()]), sums: HashMap::new() }
    }

    fn add(&mut self, key: K, what: f64) {
        *self.days.back_mut().expect("today").entry(key).or_default() += what;
        *self.sums.entry(key).or_default() += what;
    }

    fn next_day(&mut self) {
        self.days.push_back(HashMap::new());
        if self.days.len() > HISTORY_DAYS as usize {
            for (key, what) in self.days.pop_front().expect("a day") {
                if let Some(sum) = self.sums.get_mut(&key) {
                    *sum -= what;
                }
            }
        }
    }
}

/// NetEase Yanxuan's value before LRFU: each night the tables whose reads took longest per byte are whitelisted, half as
/// much again as fits, and what is read of them is held on demand.
pub(super) struct Yanxuan<'a> {
    replay: &'a Replay<'a>,
    /// Seconds by table.
    history: History<u32>,
    /// The items read of each table, by the day of their last read.
    touched: HashMap<u32, HashMap<u32, i32>>,
    day: i32,
    whitelist: HashSet<u32>,
    cache: Lrfu<u32, ()>,
}

/// The seeds' advice: a cache has room for 30 to 70% of what is whitelisted.
const WHITELISTED_OVER_CAPACITY: f64 = 2.0;

impl<'a> Yanxuan<'a> {
    pub(super) fn new(replay: &'a Replay<'a>, lambda: f64) -> Self {
        Self {
            replay,
            history: History::new(),
            touched: HashMap::new(),
            day: 0,
            whitelist: HashSet::new(),
            cache: Lrfu::new(replay.capacity_bytes, lambda),
        }
    }
}

impl Policy for Yanxuan<'_> {
    fn night(&mut self, day: i32) -> Vec<u32> {
        self.day = day;
        let items = &self.replay.trace.items;
        let mut tables: Vec<(f64, u32, u64)> = Vec::new();
        for (table, seconds) in &self.history.sums {
            let touched = self.touched.entry(*table).or_default();
            touched.retain(|_, last| *last >= day - HISTORY_DAYS);
            let bytes: u64 = touched.keys().map(|item| items[*item as usize].bytes).sum();
            if *seconds > 0.0 && bytes > 0 {
                tables.push((seconds / bytes as f64, *table, bytes));
            }
        }
        tables.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut left = (self.replay.capacity_bytes as f64 * WHITELISTED_OVER_CAPACITY) as u64;
        self.whitelist.clear();
        for (_, table, bytes) in tables {
            // The last one in may exceed it: it is what demand chooses among.
            self.whitelist.insert(table);
            left = left.saturating_sub(bytes);
            if left == 0 {
                break;
            }
        }
        self.history.next_day();
        Vec::new()
    }

    fn rewritten(&mut self, item: u32) -> bool {
        self.cache.remove(&item);
        false
    }

    fn read(&mut self, read: &Read) -> Answer {
        let item = &self.replay.trace.items[read.item as usize];
        let reads = reads_of(read);
        self.history.add(item.table, self.replay.prices.origin.seconds(reads.requests, reads.bytes));
        self.touched.entry(item.table).or_default().insert(read.item, self.day);
        if !self.whitelist.contains(&item.table) || item.bytes > self.replay.capacity_bytes {
            Answer::Miss
        } else if self.cache.get(&read.item).is_some() {
            Answer::Hit
        } else {
            self.cache.insert(read.item, (), item.bytes);
            Answer::Admitted
        }
    }
}

/// Beike's static choice: each night the items that were read most often in 30 days.
pub(super) struct TopK<'a> {
    replay: &'a Replay<'a>,
    history: History<u32>,
    held: HashSet<u32>,
}

impl<'a> TopK<'a> {
    pub(super) fn new(replay: &'a Replay<'a>) -> Self {
        Self { replay, history: History::new(), held: HashSet::new() }
    }
}

impl Policy for TopK<'_> {
    fn night(&mut self, _day: i32) -> Vec<u32> {
        let mut most: Vec<(f64, u32)> =
            self.history.sums.iter().filter(|(_, reads)| **reads > 0.0).map(|(item, reads)| (*reads, *item)).collect();
        most.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut left = self.replay.capacity_bytes;
        let mut next = HashSet::new();
        for (_, item) in most {
            let bytes = self.replay.trace.items[item as usize].bytes;
            if bytes <= left {
                left -= bytes;
                next.insert(item);
            }
        }
        let mut loaded: Vec<u32> = next.difference(&self.held).copied().collect();
        loaded.sort_unstable();
        self.held = next;
        self.history.next_day();
        loaded
    }

    fn rewritten(&mut self, item: u32) -> bool {
        self.held.remove(&item);
        false
    }

    fn read(&mut self, read: &Read) -> Answer {
        self.history.add(read.item, 1.0);
        if self.held.contains(&read.item) { Answer::Hit } else { Answer::Miss }
    }
}

/// LRU for what is read a second time within a day.
pub(super) struct SecondHit<'a> {
    seen: HashMap<u32, u32>,
    cache: Online<'a>,
}

impl<'a> SecondHit<'a> {
    pub(super) fn new(replay: &'a Replay<'a>) -> Self {
        let cache = Online::new(OnlinePolicy::Lru, &replay.trace.items, replay.capacity_bytes);
        Self { seen: HashMap::new(), cache }
    }
}

impl Policy for SecondHit<'_> {
    fn rewritten(&mut self, item: u32) -> bool {
        self.cache.forget(item);
        false
    }

    fn read(&mut self, read: &Read) -> Answer {
        if self.cache.touch(read.item) {
            return Answer::Hit;
        }
        let before = self.seen.insert(read.item, read.at);
        let again = before.is_some_and(|before| read.at - before <= super::trace::DAY_SECONDS);
        if again && self.cache.admit(read.item) { Answer::Admitted } else { Answer::Miss }
    }
}
