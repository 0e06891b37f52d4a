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

/// NetEase Yanxuan's value before LRFU: each night the tables whose reads took longest per byte are whitelisted, twice what
/// fits, and what is read of them is held on demand.
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

    fn is_whitelisted(&self, item: u32) -> bool {
        self.held.contains(&item)
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

#[cfg(test)]
mod tests {
    use larder_model::IoSpeed;

    use super::super::replay::Prices;
    use super::super::test_support::{MB, PRICES, replay, trace};
    use super::super::trace::{DAY_SECONDS, day_of};
    use super::*;

    /// A second for each request, and a second for 8 MB.
    const SLOW: Prices = Prices { origin: IoSpeed { overhead_seconds: 1.0, bytes_per_second: 8e6 }, ..PRICES };

    #[test]
    fn yanxuan_whitelists_the_table_whose_reads_took_longest_and_lrfu_chooses_within_it() {
        // Two tables of four items of 8 MB. Day 0 reads each item once: those of table 0 in one block, those of table 1 in two
        // of 4 MB.
        let mut trace = trace(&[&[0, 1, 2, 3, 4, 5, 6, 7], &[0, 0, 4, 4, 4, 5, 6, 4]]);
        for (item, known) in (0..).zip(&mut trace.items) {
            (known.table, known.files) = if item < 4 { (0, 1) } else { (1, 2) };
        }
        for read in &mut trace.reads {
            read.requests = if read.item < 4 { 1 } else { 2 };
        }
        let replay = Replay { prices: SLOW, ..replay(&trace, 16 * MB) };
        // Yanxuan's value is the sum over blocks of (block size / IO speed + overhead) x reads: 4 x (8/8 + 1) = 8 s for table 0,
        // 8 x (4/8 + 1) = 12 s for table 1. Both have 32 MB, so table 1 is the denser one, and twice the capacity is full.
        let mut lfu = Yanxuan::new(&replay, 0.0);
        let report = replay.run("yanxuan", &mut lfu);
        assert_eq!(lfu.history.sums[&0], 8.0 + 2.0 * 2.0);
        assert_eq!(lfu.history.sums[&1], 12.0 + 6.0 * 3.0);
        assert_eq!(lfu.whitelist, HashSet::from([1]));
        // On day 1 item 0 misses twice, being of table 0. Of table 1 there is room for two items. LFU keeps 4, which had three
        // references, when 6 comes, and gives up 5: 4 hits three times, for 2 x 1 + 8/8 = 3 s each.
        assert_eq!((report.io_time_saved, report.written_bytes), (9.0, 24 * MB));
        assert_eq!((report.byte_hit_ratio, report.origin_bytes), (3.0 / 8.0, 40 * MB));
        // LRU gives up 4, and has to read it again.
        let report = replay.run("yanxuan", &mut Yanxuan::new(&replay, 1.0));
        assert_eq!((report.io_time_saved, report.written_bytes), (6.0, 32 * MB));
    }

    #[test]
    fn yanxuan_forgets_what_was_read_more_than_thirty_days_ago() {
        // Each item is a table. Room for one, and for two on the list.
        const NOTHING: &[u32] = &[];
        let mut days = vec![NOTHING; 34];
        days[0] = &[0];
        days[31] = &[1];
        days[32] = &[0, 0];
        days[33] = &[1];
        let trace = trace(&days);
        let replay = replay(&trace, 8 * MB);
        let mut policy = Yanxuan::new(&replay, 1.0);
        let nights: Vec<Vec<u32>> = (0..34)
            .map(|day| {
                policy.night(day);
                let listed = (0..2).filter(|table| policy.whitelist.contains(table)).collect();
                for read in trace.reads.iter().filter(|read| day_of(read.at) == day) {
                    policy.read(read);
                }
                listed
            })
            .collect();
        assert!(nights[0].is_empty());
        assert!(nights[1..31].iter().all(|listed| *listed == [0]), "{nights:?}");
        assert_eq!(nights[31..], [Vec::<u32>::new(), vec![1], vec![0, 1]]);
    }

    #[test]
    fn top_k_loads_what_was_read_most_and_fits() {
        // Room for 16 MB. Item 0 was read three times; 1 twice, but its 12 MB do not fit beside it; 2 once.
        let mut trace = trace(&[&[0, 0, 0, 1, 1, 2], &[1, 0, 2]]);
        trace.items[1].bytes = 12 * MB;
        trace.reads.iter_mut().filter(|read| read.item == 1).for_each(|read| read.bytes = 12 * MB);
        trace.reads[6].at = DAY_SECONDS + 60;
        let replay = replay(&trace, 16 * MB);
        let report = replay.run("top-k", &mut TopK::new(&replay));
        // Two hits of a second, and two loads for a fifth.
        assert!((report.io_time_saved - 1.6).abs() < 1e-9, "{report:?}");
        assert_eq!((report.preload_bytes, report.preload_wasted, report.origin_bytes), (16 * MB, Some(0.0), 28 * MB));
        // Both loads, and the read of 1 that waits, are in the first hour after the night.
        assert_eq!((report.peak_hour_bytes, report.origin_peak_hour_bytes), (12 * MB, 28 * MB));
        assert_eq!((report.churn_per_night, report.drive_writes_per_day), (Some(1.0), 1.0));
        assert_eq!((report.days_worse_than_none, report.first_day_hit_ratio), (0, None));
    }

    #[test]
    fn what_is_loaded_for_nobody_costs_more_than_no_cache() {
        let trace = trace(&[&[0], &[1], &[1]]);
        let replay = replay(&trace, 8 * MB);
        let report = replay.run("top-k", &mut TopK::new(&replay));
        // Item 0 is loaded on the first measured night, in vain. On the second both were read once, so the first by number stays.
        assert_eq!((report.saved_by_day.len(), report.saved_by_day[1]), (2, 0.0));
        assert!((report.saved_by_day[0] + 0.2).abs() < 1e-9, "{report:?}");
        assert_eq!((report.days_worse_than_none, report.preload_wasted), (1, Some(1.0)));
    }

    #[test]
    fn the_second_hit_within_a_day_is_held() {
        let trace = trace(&[&[0, 1]]);
        let replay = replay(&trace, 8 * MB);
        let mut cache = SecondHit::new(&replay);
        let mut read = |item: u32, at: u32| cache.read(&Read { at, item, requests: 1, bytes: 8 * MB, is_storm: false });
        assert_eq!(read(0, 0), Answer::Miss);
        assert_eq!(read(0, DAY_SECONDS + 1), Answer::Miss, "a day and a second after the first");
        assert_eq!(read(0, 2 * DAY_SECONDS + 1), Answer::Admitted, "a day after the second");
        assert_eq!(read(1, 2 * DAY_SECONDS + 2), Answer::Miss);
        assert_eq!(read(0, 2 * DAY_SECONDS + 3), Answer::Hit, "one read of 1 pushes nothing out");
        assert_eq!(read(1, 2 * DAY_SECONDS + 4), Answer::Admitted);
        assert_eq!(read(0, 2 * DAY_SECONDS + 5), Answer::Admitted, "seen within a day, but pushed out");
    }
}
