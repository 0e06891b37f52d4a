//! Living through a trace with one policy.
//!
//! What is counted the same way for all: a read that is answered from the cache saves the origin's time less the SSD's;
//! what is loaded ahead costs the origin's time, discounted because it is off-peak, and is never a hit. Policies that fill
//! on demand are given the benefit of the doubt: after a miss the whole item is held, though only what was asked for was
//! read.

use std::iter::Peekable;

use larder_model::IoSpeed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::policy::{Answer, Policy};
use super::trace::{DAY_SECONDS, Item, Read, Rewrite, Trace, day_of};
use crate::choice::load::OFF_PEAK;
use crate::value::{Reads, value_seconds};

/// What one policy came to over the measured days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyReport {
    /// See [`super::SimulationReport::policies`].
    pub name: String,
    /// IO time saved against no cache at all, in seconds; loading ahead is deducted.
    pub io_time_saved: f64,
    /// The same of each measured day.
    pub saved_by_day: Vec<f64>,
    /// Of `io_time_saved`, what hits on the scans of a `scan-storm` saved: the rest is the everyday's. `None` where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_on_storm: Option<f64>,
    /// The share of bytes read that came from the cache.
    pub byte_hit_ratio: f64,
    /// The share of requests answered from the cache.
    pub request_hit_ratio: f64,
    /// Bytes read from the origin, loading ahead included.
    pub origin_bytes: u64,
    /// Of these, the bytes that were loaded ahead.
    pub preload_bytes: u64,
    /// Of the bytes loaded ahead, the share that was not read before it left, or before the end; `None` where nothing was.
    pub preload_wasted: Option<f64>,
    /// Bytes that clients waited for the origin to send, in the hour with most of them.
    pub peak_hour_bytes: u64,
    /// All bytes that the origin sent, in the hour with most of them: what was loaded ahead counts in the first hour of the day
    /// if a night chose it, else in the hour in which it landed or was written anew.
    pub origin_peak_hour_bytes: u64,
    /// Bytes written to the SSD.
    pub written_bytes: u64,
    /// Those over the capacity, per day.
    pub drive_writes_per_day: f64,
    /// Bytes of the items that a night put on its list or took off it, over the capacity, in the mean of the nights: 2 if all of
    /// a full list is replaced each night. What is on the list need not be held yet. `None` for policies that list no items.
    pub churn_per_night: Option<f64>,
    /// Of the items that were whitelisted before any log held a read of them, the share of their first day's requests that
    /// the cache answered; `None` where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_day_hit_ratio: Option<f64>,
    /// Days on which less than nothing was saved: loading ahead cost more than hits brought.
    pub days_worse_than_none: u32,
    /// 1 - saved / saved by the clairvoyant nightly choice. Policies that change within a day may do better: below zero.
    pub regret_b0: f64,
    /// The same against `b2`, what no policy can beat.
    pub regret_b2: f64,
    /// Of `lrfu` and `yanxuan` only: the lambda that saved most, per reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
}

/// What reading and loading cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prices {
    pub(super) origin: IoSpeed,
    pub(super) ssd: IoSpeed,
}

impl Prices {
    pub(super) fn saved_seconds(&self, reads: Reads) -> f64 {
        value_seconds(reads, self.origin, self.ssd)
    }

    /// What loading costs, where one read of everything is `whole`.
    pub(super) fn load_seconds(&self, whole: Reads) -> f64 {
        OFF_PEAK * self.origin.seconds(whole.requests, whole.bytes)
    }
}

/// A trace, the space to replay it in, and what things cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replay<'a> {
    pub(super) trace: &'a Trace,
    pub(super) capacity_bytes: u64,
    pub(super) prices: Prices,
}

/// What a read of so much is.
pub(super) fn reads_of(read: &Read) -> Reads {
    Reads { requests: u64::from(read.requests), bytes: read.bytes }
}

/// What one read of a whole item is.
pub(super) fn whole(item: &Item) -> Reads {
    const REQUEST_BYTES: u64 = 8 << 20;
    Reads { requests: item.bytes.div_ceil(REQUEST_BYTES).max(u64::from(item.files)).max(1), bytes: item.bytes }
}

impl Replay<'_> {
    /// Lives through the trace.
    pub(super) fn run(&self, name: &str, policy: &mut dyn Policy) -> PolicyReport {
        let trace = self.trace;
        let mut sums = Sums::new(self);
        let mut changes = Changes::of(self);
        let mut reads = trace.reads.iter().peekable();
        let mut overheard = trace.overheard().iter().peekable();
        for day in 0..trace.days {
            let night = day as u32 * DAY_SECONDS;
            let end = night + DAY_SECONDS;
            sums.day = day;
            for item in policy.night(day) {
                sums.load(item, night);
            }
            sums.choose(policy);
            while let Some(read) = reads.next_if(|read| read.at < end) {
                changes.tell(read.at, policy, &mut sums);
                let is_whitelisted = policy.is_whitelisted(read.item);
                sums.read(read, is_whitelisted, policy.read(read));
            }
            changes.tell(end - 1, policy, &mut sums);
            // Nothing but the next night learns of these, so the day's end is early enough.
            while let Some(read) = overheard.next_if(|read| read.at < end) {
                policy.overheard(read);
            }
        }
        sums.report(name)
    }

    fn lands(&self, item: u32) -> i64 {
        self.trace.items[item as usize].lands
    }

    /// What there is to be saved on each measured day: all reads from a cache that has everything.
    pub(super) fn possible_by_day(&self) -> Vec<f64> {
        let from = self.trace.measured_from();
        let mut days = vec![0.0; (self.trace.days - from) as usize];
        for read in self.trace.reads.iter().filter(|read| day_of(read.at) >= from) {
            days[(day_of(read.at) - from) as usize] += self.prices.saved_seconds(reads_of(read));
        }
        days
    }

    /// The same of all of them.
    pub(super) fn possible_seconds(&self) -> f64 {
        self.possible_by_day().iter().sum()
    }
}

/// How often policies hear of what has landed. A daemon looks every 5 minutes; replaying as many looks would take most of the
/// time, and people read little at the hours in which partitions land.
const LANDING_POLL_SECONDS: u32 = 30 * 60;

/// What is there to be read changes as time goes on: items land, and are written anew.
struct Changes<'a> {
    replay: &'a Replay<'a>,
    landings: Peekable<std::vec::IntoIter<u32>>,
    rewrites: Peekable<std::slice::Iter<'a, Rewrite>>,
}

impl<'a> Changes<'a> {
    fn of(replay: &'a Replay<'a>) -> Self {
        let items = replay.trace.items.len() as u32;
        let mut landings: Vec<u32> = (0..items).filter(|item| replay.lands(*item) >= 0).collect();
        landings.sort_by_key(|item| replay.lands(*item));
        Self { replay, landings: landings.into_iter().peekable(), rewrites: replay.trace.rewrites.iter().peekable() }
    }

    /// Tells the policy what has changed up to this second, and counts what it loads for that.
    fn tell(&mut self, until: u32, policy: &mut dyn Policy, sums: &mut Sums<'_>) {
        let replay = self.replay;
        let looked = until - until % LANDING_POLL_SECONDS;
        let mut next = || self.landings.next_if(|item| replay.lands(*item) <= i64::from(looked));
        let landed: Vec<u32> = std::iter::from_fn(&mut next).collect();
        if !landed.is_empty() {
            for item in policy.landed(&landed) {
                sums.load(item, replay.lands(item) as u32);
            }
        }
        while let Some(rewrite) = self.rewrites.next_if(|rewrite| rewrite.at <= until) {
            if policy.rewritten(rewrite.item) {
                sums.load(rewrite.item, rewrite.at);
            }
        }
    }
}

/// Figures as they add up.
struct Sums<'a> {
    replay: &'a Replay<'a>,
    day: i32,
    saved_by_day: Vec<f64>,
    saved_on_storm: Option<f64>,
    hits: Reads,
    all: Reads,
    loaded_bytes: u64,
    wasted_bytes: u64,
    written_bytes: u64,
    /// Bytes that clients waited for, by hour, and bytes that were loaded ahead.
    waited_by_hour: Vec<u64>,
    loaded_by_hour: Vec<u64>,
    /// Whether the last night listed each item, and any night any.
    listed: Vec<bool>,
    lists: bool,
    churned_bytes: u64,
    /// Bytes of each item that were loaded ahead and not read since.
    unread: Vec<u64>,
    /// The day of each item's first read, and whether it was whitelisted before that.
    first_read: Vec<Option<(i32, bool)>>,
    first_day: Reads,
    first_day_hits: Reads,
}

impl<'a> Sums<'a> {
    fn new(replay: &'a Replay<'a>) -> Self {
        let (items, days) = (replay.trace.items.len(), replay.trace.days as usize);
        Self {
            replay,
            day: 0,
            saved_by_day: vec![0.0; days],
            saved_on_storm: None,
            hits: Reads::default(),
            all: Reads::default(),
            loaded_bytes: 0,
            wasted_bytes: 0,
            written_bytes: 0,
            waited_by_hour: vec![0; days * 24],
            loaded_by_hour: vec![0; days * 24],
            listed: vec![false; items],
            lists: false,
            churned_bytes: 0,
            unread: vec![0; items],
            first_read: vec![None; items],
            first_day: Reads::default(),
            first_day_hits: Reads::default(),
        }
    }

    fn is_measured(&self) -> bool {
        self.day >= self.replay.trace.measured_from()
    }

    /// A night has chosen: what it put on the list, and what it took off it.
    fn choose(&mut self, policy: &dyn Policy) {
        for (item, known) in (0..).zip(&self.replay.trace.items) {
            let is_listed = policy.is_whitelisted(item);
            let was_listed = std::mem::replace(&mut self.listed[item as usize], is_listed);
            self.lists |= is_listed;
            if is_listed != was_listed && self.is_measured() {
                self.churned_bytes += known.bytes;
            }
        }
    }

    fn load(&mut self, item: u32, at: u32) {
        let known = &self.replay.trace.items[item as usize];
        if self.is_measured() {
            self.loaded_bytes += known.bytes;
            self.loaded_by_hour[(at / 3600) as usize] += known.bytes;
            self.written_bytes += known.bytes;
            self.saved_by_day[self.day as usize] -= self.replay.prices.load_seconds(whole(known));
            // What was loaded before and not read since is loaded in vain.
            self.wasted_bytes += std::mem::replace(&mut self.unread[item as usize], known.bytes);
        } else {
            self.unread[item as usize] = 0;
        }
    }

    fn read(&mut self, read: &Read, is_whitelisted: bool, answer: Answer) {
        let item = read.item as usize;
        let reads = reads_of(read);
        let (first_day, was_whitelisted) = *self.first_read[item].get_or_insert((self.day, is_whitelisted));
        let unread = std::mem::take(&mut self.unread[item]);
        if !self.is_measured() {
            return;
        }
        let saved = if answer == Answer::Hit { self.replay.prices.saved_seconds(reads) } else { 0.0 };
        self.saved_by_day[self.day as usize] += saved;
        if read.is_storm {
            *self.saved_on_storm.get_or_insert(0.0) += saved;
        }
        if answer == Answer::Hit {
            self.hits += reads;
        } else {
            // A load that went before it was read.
            self.wasted_bytes += unread;
            self.waited_by_hour[(read.at / 3600) as usize] += read.bytes;
        }
        if first_day == self.day && was_whitelisted {
            self.first_day += reads;
            if answer == Answer::Hit {
                self.first_day_hits += reads;
            }
        }
        if answer == Answer::Admitted {
            self.written_bytes += self.replay.trace.items[item].bytes;
        }
        self.all += reads;
    }

    fn report(self, name: &str) -> PolicyReport {
        let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        let measured = &self.saved_by_day[self.replay.trace.measured_from() as usize..];
        let wasted_bytes = self.wasted_bytes + self.unread.iter().sum::<u64>();
        let by_hour = self.waited_by_hour.iter().zip(&self.loaded_by_hour);
        PolicyReport {
            name: name.to_owned(),
            io_time_saved: measured.iter().sum(),
            saved_by_day: measured.to_vec(),
            saved_on_storm: self.saved_on_storm,
            byte_hit_ratio: share(self.hits.bytes, self.all.bytes),
            request_hit_ratio: share(self.hits.requests, self.all.requests),
            origin_bytes: self.all.bytes - self.hits.bytes + self.loaded_bytes,
            preload_bytes: self.loaded_bytes,
            preload_wasted: (self.loaded_bytes > 0)
                .then(|| share(wasted_bytes.min(self.loaded_bytes), self.loaded_bytes)),
            peak_hour_bytes: self.waited_by_hour.iter().copied().max().unwrap_or(0),
            origin_peak_hour_bytes: by_hour.map(|(waited, loaded)| waited + loaded).max().unwrap_or(0),
            written_bytes: self.written_bytes,
            drive_writes_per_day: share(self.written_bytes, self.replay.capacity_bytes) / measured.len() as f64,
            churn_per_night: self
                .lists
                .then(|| share(self.churned_bytes, self.replay.capacity_bytes) / measured.len() as f64),
            first_day_hit_ratio: (self.first_day.requests > 0)
                .then(|| share(self.first_day_hits.requests, self.first_day.requests)),
            days_worse_than_none: measured.iter().filter(|saved| **saved < 0.0).count() as u32,
            regret_b0: 0.0,
            regret_b2: 0.0,
            lambda: None,
        }
    }
}
