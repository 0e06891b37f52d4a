//! Larder itself: nights as they are ([`Rehearsal`]), and between them what a worker does with their list. Items of the list are
//! loaded and stay; what the list leaves of the space is the adaptive share's, which admits what the routes send through it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Days, NaiveDate, Utc};
use larder_model::heat::Heat;
use larder_model::{HeldColumns, ItemName, TableName};

use super::online::{Online, OnlinePolicy};
use super::policy::{Answer, Policy};
use super::read_columns::{ReadColumns, slots};
use super::replay::{Replay, reads_of};
use super::trace::{DAY_SECONDS, Read};
use crate::forecast::ForecastSettings;
use crate::night::Demand;
use crate::night::rehearsal::{Rehearsal, RehearsalSettings};
use crate::store::DayItem;
use crate::value::Reads;

/// How a worker's cache is set: the keys of `[cache]` that decide what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Whatever is read is admitted (`admit = "all"`); else what is on the whitelist, and what is cold by its price.
    pub admits_all: bool,
    /// Percent of the space that the whitelist leaves to the adaptive share (`ssd.adaptive`), at most 100.
    pub adaptive_percent: u8,
    /// What goes first from the adaptive share (`ssd.policy`).
    pub policy: OnlinePolicy,
}

impl CacheSettings {
    /// As a worker is that nobody has configured: what is cold goes straight to the storage.
    pub const ROUTED: Self = Self { admits_all: false, adaptive_percent: 10, policy: OnlinePolicy::S3Fifo };
    /// A worker that all reads go through, as they do through the caches that it is compared with.
    pub const FILLED: Self = Self { admits_all: true, adaptive_percent: 80, policy: OnlinePolicy::Lru };
}

/// What of Larder is in use: all of it, but for ablations.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlannerSettings {
    pub(super) cache: CacheSettings,
    pub(super) forecast: ForecastSettings,
    /// Of wide tables only those columns are held that are worth it.
    pub(super) columns: bool,
    /// An item that is not held must gain what loading it costs.
    pub(super) load_price: f64,
    /// What leaves the whitelist stays for as long as the adaptive share leaves it the room; else it goes at once.
    pub(super) demoted: bool,
    /// Items are loaded ahead that are expected to begin so many bursts on the day to come: all of the list at 0, none at
    /// infinity. What is listed and not loaded is held from its first read on.
    pub(super) loaded_from: f64,
}

impl PlannerSettings {
    /// All of Larder.
    pub(super) fn new(cache: CacheSettings) -> Self {
        let forecast = ForecastSettings::default();
        Self { cache, forecast, columns: true, load_price: 1.0, demoted: true, loaded_from: 0.0 }
    }
}

/// People come back to an item in another half-hour, or it is the same burst; as the logs are read.
const BURST_SECONDS: u32 = 30 * 60;

/// A partition of a table: what nights choose.
struct Partition {
    name: ItemName,
    items: Vec<u32>,
    bytes: u64,
    objects: u64,
    lands: i64,
    /// A sample leaves out the others, which only teach.
    is_sampled: bool,
    /// Whether nights know of it.
    is_known: bool,
    is_listed: bool,
    heat: Option<Heat>,
    last_half_hour: Option<u32>,
}

#[derive(Default)]
struct Today {
    /// By partition; the order must not be a hash map's, because sums of floats depend on it.
    reads: BTreeMap<u32, DayReads>,
    rewritten: BTreeSet<u32>,
}

#[derive(Default)]
struct DayReads {
    all: Reads,
    hits: Reads,
    bursts: u64,
}

pub(super) struct Planner<'a> {
    replay: &'a Replay<'a>,
    settings: PlannerSettings,
    partitions: Vec<Partition>,
    partition_of: Vec<u32>,
    by_name: HashMap<ItemName, u32>,
    rehearsal: Rehearsal,
    columns: ReadColumns,
    today: Today,
    day: i32,
    /// By item: whether the list names it and its column, and whether it is resident for that.
    wanted: Vec<bool>,
    resident: Vec<bool>,
    resident_bytes: u64,
    share: Online<'a>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(replay: &'a Replay<'a>, settings: PlannerSettings) -> Self {
        let (items, cache) = (&replay.trace.items, settings.cache);
        let (partitions, partition_of) = partitions(replay);
        let rehearsal = Rehearsal::new(RehearsalSettings {
            demand: Demand { fills: cache.admits_all, ssd_bytes: replay.capacity_bytes },
            forecast: settings.forecast,
            origin: replay.prices.origin,
            ssd: replay.prices.ssd,
            budget_bytes: budget(replay.capacity_bytes, cache.adaptive_percent),
            // The default of `[nightly] wear`: all of the SSD once a day.
            write_bytes_max: replay.capacity_bytes,
            load_price: settings.load_price,
        });
        Self {
            replay,
            settings,
            by_name: (0..).zip(&partitions).map(|(at, partition)| (partition.name.clone(), at)).collect(),
            rehearsal,
            columns: ReadColumns::default(),
            today: Today::default(),
            day: 0,
            wanted: vec![false; items.len()],
            resident: vec![false; items.len()],
            resident_bytes: 0,
            share: Online::new(cache.policy, items, replay.capacity_bytes),
            partitions,
            partition_of,
        }
    }

    fn bytes(&self, item: u32) -> u64 {
        self.replay.trace.items[item as usize].bytes
    }

    fn knows_columns(&self) -> bool {
        self.settings.columns && self.replay.trace.slots_are_columns
    }

    fn learn(&mut self, yesterday: i32) {
        let today = std::mem::take(&mut self.today);
        let name = |at: &u32| self.partitions[*at as usize].name.clone();
        let rewritten: Vec<ItemName> = today.rewritten.iter().map(name).collect();
        let item = |(at, reads): (&u32, &DayReads)| DayItem {
            item: name(at),
            reads: reads.all,
            queries: 0,
            hit_requests: reads.hits.requests,
            hit_bytes: reads.hits.bytes,
            hit_seconds: 0.0,
            bursts: reads.bursts,
        };
        let items: Vec<DayItem> = today.reads.iter().map(item).collect();
        self.rehearsal.learn(date(yesterday), &items, &rewritten);
        self.columns.next_day();
    }

    /// What has landed by now, nights know.
    fn add_landed(&mut self, now: i64) {
        for at in 0..self.partitions.len() {
            let partition = &mut self.partitions[at];
            if partition.is_known || partition.lands >= now {
                continue;
            }
            partition.is_known = true;
            self.rehearsal.add(partition.name.clone(), partition.objects, partition.bytes, partition.is_sampled);
            for item in &partition.items {
                let item = &self.replay.trace.items[*item as usize];
                self.columns.add_bytes(item.table, item.slot, item.bytes);
            }
        }
    }

    /// Takes the list in force up: what it names no more leaves, what it names is wanted. Returns what is wanted and not
    /// resident, in the list's order.
    fn take_up(&mut self) -> Vec<u32> {
        self.wanted.fill(false);
        self.partitions.iter_mut().for_each(|partition| partition.is_listed = false);
        let list = self.rehearsal.in_force();
        let columns = list.iter().flat_map(|list| &list.columns);
        let columns: HashMap<&TableName, (&HeldColumns, BTreeSet<u32>)> =
            columns.map(|(table, held)| (table, (held, slots(held)))).collect();
        let items = &self.replay.trace.items;
        let mut missing = Vec::new();
        for listed in list.iter().flat_map(|list| &list.items) {
            let partition = &mut self.partitions[self.by_name[&listed.item] as usize];
            partition.is_listed = true;
            let narrow = columns
                .get(&listed.item.table)
                .filter(|(held, _)| held.shares_of(partition.objects, partition.bytes).0 < 1.0);
            let is_held = |item: &&u32| narrow.is_none_or(|(_, slots)| slots.contains(&items[**item as usize].slot));
            for item in partition.items.iter().filter(is_held) {
                self.wanted[*item as usize] = true;
                if !self.resident[*item as usize] {
                    missing.push(*item);
                }
            }
        }
        let has_left = |item: &u32| self.resident[*item as usize] && !self.wanted[*item as usize];
        let left: Vec<u32> = (0..).take(items.len()).filter(has_left).collect();
        for item in &left {
            self.resident[*item as usize] = false;
            self.resident_bytes -= self.bytes(*item);
        }
        self.share.resize(self.replay.capacity_bytes - self.resident_bytes);
        if self.settings.demoted {
            left.into_iter().for_each(|item| _ = self.share.admit(item));
        }
        missing
    }

    /// Loads what is missing, as far as there is room and it has landed.
    fn load(&mut self, missing: Vec<u32>) -> Vec<u32> {
        let mut loaded = Vec::new();
        for item in missing {
            if !self.fits(item) {
                continue;
            }
            if self.share.touch(item) {
                // It is there already, and only changes its place.
                self.hold(item);
            } else if self.is_loaded_ahead(item) {
                self.hold(item);
                loaded.push(item);
            }
        }
        loaded
    }

    fn is_loaded_ahead(&self, item: u32) -> bool {
        let from = self.settings.loaded_from;
        let name = &self.partitions[self.partition_of[item as usize] as usize].name;
        from <= 0.0 || self.rehearsal.expected_bursts(name, date(self.day)) >= from
    }

    fn fits(&self, item: u32) -> bool {
        let budget = budget(self.replay.capacity_bytes, self.settings.cache.adaptive_percent);
        self.resident_bytes + self.bytes(item) <= budget
    }

    fn hold(&mut self, item: u32) {
        self.resident[item as usize] = true;
        self.resident_bytes += self.bytes(item);
        self.share.forget(item);
        self.share.resize(self.replay.capacity_bytes - self.resident_bytes);
    }

    /// Takes a read down for the coming night, as the logs would.
    fn log(&mut self, read: &Read, is_hit: bool) {
        let at = self.partition_of[read.item as usize];
        let partition = &mut self.partitions[at as usize];
        let half_hour = read.at / BURST_SECONDS;
        let is_burst = partition.last_half_hour.replace(half_hour) != Some(half_hour);
        let sums = self.today.reads.entry(at).or_default();
        sums.all += reads_of(read);
        if is_hit {
            sums.hits += reads_of(read);
        }
        sums.bursts += u64::from(is_burst);
        if self.knows_columns() {
            let item = &self.replay.trace.items[read.item as usize];
            let seconds = self.replay.prices.origin.seconds(u64::from(read.requests), read.bytes);
            self.columns.add_read(item.table, item.slot, read.at, seconds);
        }
    }

    /// Whether the routes send a read straight to the origin: one of what is cold, and not worth a place in the adaptive share.
    fn goes_direct(&mut self, read: &Read) -> bool {
        let partition = &mut self.partitions[self.partition_of[read.item as usize] as usize];
        let Some(whitelist) = self.rehearsal.in_force() else { return false };
        if self.settings.cache.admits_all || partition.is_listed {
            return false;
        }
        let now = time(read.at);
        let is_worth_it = partition.heat.is_some_and(|heat| heat.is_worth_admitting(whitelist, now));
        let saved = self.replay.prices.saved_seconds(reads_of(read));
        partition.heat =
            Some(partition.heat.unwrap_or_else(|| Heat::new(now)).record(read.bytes, partition.bytes, saved, now));
        self.settings.cache.adaptive_percent == 0 || !is_worth_it
    }

    fn answer(&mut self, read: &Read) -> Answer {
        if self.resident[read.item as usize] {
            Answer::Hit
        } else if self.goes_direct(read) {
            Answer::Miss
        } else if self.share.touch(read.item) {
            Answer::Hit
        } else if self.wanted[read.item as usize] && self.fits(read.item) {
            self.hold(read.item);
            Answer::Admitted
        } else if self.share.admit(read.item) {
            Answer::Admitted
        } else {
            Answer::Miss
        }
    }
}

impl Policy for Planner<'_> {
    fn night(&mut self, day: i32) -> Vec<u32> {
        self.learn(day - 1);
        self.add_landed(i64::from(day) * i64::from(DAY_SECONDS));
        let columns = if self.knows_columns() { self.columns.shares(table) } else { BTreeMap::new() };
        self.rehearsal.choose(date(day - 1), &columns);
        self.day = day;
        let missing = self.take_up();
        self.load(missing)
    }

    fn landed(&mut self, items: &[u32]) -> Vec<u32> {
        let mut landed: BTreeSet<u32> = items.iter().map(|item| self.partition_of[*item as usize]).collect();
        landed.retain(|at| {
            let partition = &self.partitions[*at as usize];
            partition.is_sampled && !partition.is_known
        });
        let found = landed.iter().map(|at| &self.partitions[*at as usize]);
        let found: Vec<(ItemName, u64, u64)> =
            found.map(|partition| (partition.name.clone(), partition.objects, partition.bytes)).collect();
        let now = items.iter().map(|item| self.replay.trace.items[*item as usize].lands).max();
        let now = time(now.and_then(|lands| u32::try_from(lands).ok()).unwrap_or(0));
        if !self.rehearsal.land(&found, now) {
            return Vec::new();
        }
        let missing = self.take_up();
        self.load(missing)
    }

    fn rewritten(&mut self, item: u32) -> bool {
        self.share.forget(item);
        self.today.rewritten.insert(self.partition_of[item as usize]);
        self.resident[item as usize]
    }

    fn is_whitelisted(&self, item: u32) -> bool {
        self.wanted[item as usize]
    }

    fn overheard(&mut self, read: &Read) {
        self.log(read, false);
    }

    fn read(&mut self, read: &Read) -> Answer {
        let answer = self.answer(read);
        self.log(read, answer == Answer::Hit);
        answer
    }
}

/// What preloads may fill.
fn budget(capacity_bytes: u64, adaptive_percent: u8) -> u64 {
    (u128::from(capacity_bytes) * u128::from(100 - adaptive_percent.min(100)) / 100) as u64
}

/// The partitions of a trace, and the partition of each item.
fn partitions(replay: &Replay<'_>) -> (Vec<Partition>, Vec<u32>) {
    let trace = replay.trace;
    let mut partitions: Vec<Partition> = Vec::new();
    let mut known: HashMap<(u32, u32, Option<i32>), u32> = HashMap::new();
    let mut partition_of = Vec::with_capacity(trace.items.len());
    for (position, item) in (0..).zip(&trace.items) {
        let slot = if trace.slots_are_columns { 0 } else { item.slot };
        let next = u32::try_from(partitions.len()).expect("no more partitions than items");
        let at = *known.entry((item.table, slot, item.date)).or_insert(next);
        if at == next {
            let day = item.date.map(|day| format!("dt={}", date(day)));
            let other = (!trace.slots_are_columns).then(|| format!("slot={slot}"));
            let partition = other.into_iter().chain(day).collect::<Vec<_>>().join("/");
            partitions.push(Partition {
                name: ItemName { table: table(item.table), partition },
                items: Vec::new(),
                bytes: 0,
                objects: 0,
                lands: item.lands,
                is_sampled: trace.is_sampled(position),
                is_known: false,
                is_listed: false,
                heat: None,
                last_half_hour: None,
            });
        }
        let partition = &mut partitions[at as usize];
        partition.items.push(position);
        partition.bytes += item.bytes;
        // Each of its files has a part of every column.
        partition.objects = partition.objects.max(u64::from(item.files));
        partition_of.push(at);
    }
    (partitions, partition_of)
}

fn table(number: u32) -> TableName {
    TableName::new("replay", "trace", &format!("t{number}")).expect("a name of three parts")
}

/// A day of the replay, counted from any one day.
fn date(day: i32) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(2001, 1, 1).expect("a date");
    let days = Days::new(u64::from(day.unsigned_abs()));
    if day < 0 { first - days } else { first + days }
}

fn time(at: u32) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(i64::from(at))
}
