//! Larder's own policy: each night a forecast, the densest items whitelisted, those that are all but sure to be read loaded
//! before they are, and an adaptive share for the rest. Forecast, value and price are the night's own.

use std::collections::HashMap;

use super::online::{Online, OnlinePolicy};
use super::policy::{Answer, Policy};
use super::replay::{Replay, reads_of, whole};
use super::trace::{DAY_SECONDS, Read, day_of};
use crate::forecast::{DayReads, Forecast, ForecastSettings, Key};
use crate::value::{DemandPrice, Reads};

/// An item that is expected to begin so many bursts tomorrow is loaded before it is read. Others that are whitelisted are
/// held from their first read on, in the place of a night's preload of its whole list: loading what may not be read costs the
/// origin and the SSD, and wins one read at most.
const LOADED_AHEAD_FROM: f64 = 0.5;

/// What of the planner is in use: all of it, but for ablations.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlannerSettings {
    pub(super) forecast: ForecastSettings,
    /// Items are columns; else whole partitions.
    pub(super) columns: bool,
    /// Only the first read of a burst counts for an item; else every read.
    pub(super) bursts: bool,
    /// The least part of the capacity that is left to demand.
    pub(super) adaptive_floor: f64,
    /// The whitelist takes only what earns more than demand would in its place.
    pub(super) priced: bool,
    /// What leaves the whitelist stays for as long as demand leaves it the room; else it goes at once.
    pub(super) demoted: bool,
    /// Items are loaded before they are read.
    pub(super) preload: bool,
}

impl Default for PlannerSettings {
    fn default() -> Self {
        Self {
            forecast: ForecastSettings::default(),
            columns: true,
            bursts: true,
            adaptive_floor: 0.3,
            priced: true,
            demoted: true,
            preload: true,
        }
    }
}

/// A burst ends when nothing of an item was read for so long.
const BURST_GAP_SECONDS: u32 = 30 * 60;
/// Units that are expected to be read less often a day are not looked at.
const FIRST_MIN: f64 = 0.02;
/// Partitions this much older than the day, in days, are looked at only if they were read before.
const UNREAD_AGE_MAX: i32 = 70;

/// What is decided about: one item, or all of a partition.
struct Unit {
    key: Key,
    items: Vec<u32>,
    bytes: u64,
    whole: Reads,
    lands: i64,
    /// What a sample leaves out only teaches.
    is_sampled: bool,
    was_read: bool,
    last_read: Option<u32>,
    place: Place,
}

/// What the whitelist says of a unit.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    wanted: bool,
    /// Loaded before it is read.
    ahead: bool,
    held: bool,
}

pub(super) struct Planner<'a> {
    replay: &'a Replay<'a>,
    settings: PlannerSettings,
    units: Vec<Unit>,
    unit_of: Vec<u32>,
    by_key: HashMap<Key, u32>,
    forecast: Forecast,
    /// Whole reads of each unit today, and those of them that began a burst.
    today: HashMap<u32, (f64, f64)>,
    held_bytes: u64,
    share: Online<'a>,
    price: DemandPrice,
    /// Seconds that reads of today would save, those that they saved, and those of them that the share saved.
    seconds: (f64, f64, f64),
}

struct Candidate {
    unit: u32,
    bytes: u64,
    value_seconds: f64,
    ahead: bool,
}

impl Candidate {
    fn density(&self) -> f64 {
        self.value_seconds / self.bytes as f64
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(replay: &'a Replay<'a>, settings: PlannerSettings) -> Self {
        let mut units: Vec<Unit> = Vec::new();
        let mut by_key: HashMap<Key, u32> = HashMap::new();
        let mut unit_of = Vec::with_capacity(replay.trace.items.len());
        for (position, item) in (0..).zip(&replay.trace.items) {
            let slot = if settings.columns { item.slot } else { 0 };
            let key = Key { table: item.table, slot, date: item.date };
            let next = u32::try_from(units.len()).expect("no more units than items");
            let unit = *by_key.entry(key).or_insert(next);
            if unit == next {
                units.push(Unit {
                    key,
                    items: Vec::new(),
                    bytes: 0,
                    whole: Reads::default(),
                    lands: item.lands,
                    is_sampled: replay.trace.is_sampled(position),
                    was_read: false,
                    last_read: None,
                    place: Place::default(),
                });
            }
            let known = &mut units[unit as usize];
            known.items.push(position);
            known.bytes += item.bytes;
            known.whole += whole(item);
            unit_of.push(unit);
        }
        Self {
            replay,
            settings,
            forecast: Forecast::new(settings.forecast),
            today: HashMap::new(),
            held_bytes: 0,
            share: Online::new(OnlinePolicy::Lru, &replay.trace.items, replay.capacity_bytes),
            price: DemandPrice::default(),
            seconds: (0.0, 0.0, 0.0),
            units,
            unit_of,
            by_key,
        }
    }

    fn budget(&self) -> u64 {
        (self.replay.capacity_bytes as f64 * (1.0 - self.settings.adaptive_floor)) as u64
    }

    /// What the whitelist does not hold is the share's.
    fn share_bytes(&self) -> u64 {
        self.replay.capacity_bytes - self.held_bytes
    }

    fn learn(&mut self, yesterday: i32) {
        let mut reads: Vec<DayReads> = self
            .today
            .drain()
            .map(|(unit, (reads, first))| DayReads { key: self.units[unit as usize].key, reads, first })
            .collect();
        // Sums of floats depend on their order, which must not be a hash map's.
        reads.sort_by_key(|reads| reads.key);
        self.forecast.observe(yesterday, &reads);
        let (all, saved, by_share) = std::mem::take(&mut self.seconds);
        self.price.observe(by_share, self.share_bytes(), all - saved, all);
    }

    /// A partition that has not landed is taken for as large as last week's.
    fn expected_bytes(&self, unit: &Unit) -> Option<u64> {
        let date = unit.key.date?;
        let known = |back: i32| self.by_key.get(&Key { date: Some(date - back), ..unit.key });
        [7, 1, 2, 3].into_iter().find_map(known).map(|unit| self.units[*unit as usize].bytes)
    }

    /// Everything that might be read today, the densest first.
    fn candidates(&self, day: i32) -> Vec<Candidate> {
        let now = i64::from(day) * i64::from(DAY_SECONDS);
        let mut candidates = Vec::new();
        for (position, unit) in (0..).zip(&self.units) {
            let age = unit.key.date.map(|date| day - date);
            let has_landed = unit.lands < now;
            let is_due = age.is_some_and(|age| (0..=2).contains(&age));
            let is_old = age.is_none_or(|age| age > UNREAD_AGE_MAX) && !unit.was_read;
            if !unit.is_sampled || is_old || !(has_landed || is_due) {
                continue;
            }
            let bytes = if has_landed { Some(unit.bytes) } else { self.expected_bytes(unit) };
            let expected = self.forecast.factors(unit.key, day).expected();
            let Some(bytes) = bytes.filter(|bytes| *bytes > 0 && expected.first >= FIRST_MIN) else { continue };
            let counted = if self.settings.bursts { expected.first } else { expected.reads };
            candidates.push(Candidate {
                unit: position,
                bytes,
                value_seconds: counted * self.replay.prices.saved_seconds(Reads { bytes, ..unit.whole }),
                ahead: self.settings.preload && expected.first >= LOADED_AHEAD_FROM,
            });
        }
        candidates.sort_by(|a, b| b.density().total_cmp(&a.density()).then(a.unit.cmp(&b.unit)));
        candidates
    }

    /// Takes a read down for the coming night, as the log would.
    fn log(&mut self, read: &Read) {
        let position = self.unit_of[read.item as usize];
        let saved = self.replay.prices.saved_seconds(reads_of(read));
        let unit = &mut self.units[position as usize];
        let each = self.replay.prices.saved_seconds(unit.whole);
        let reads = if each > 0.0 { saved / each } else { 0.0 };
        let is_first =
            unit.last_read.is_none_or(|last| read.at - last > BURST_GAP_SECONDS || day_of(last) < day_of(read.at));
        (unit.last_read, unit.was_read) = (Some(read.at), true);
        let sums = self.today.entry(position).or_default();
        sums.0 += reads;
        sums.1 += if is_first { reads } else { 0.0 };
    }

    fn choose(&mut self, day: i32) {
        let least = if self.settings.priced { self.price.seconds_per_byte() } else { 0.0 };
        let mut left = self.budget();
        for unit in &mut self.units {
            unit.place = Place { held: unit.place.held, ..Place::default() };
        }
        for candidate in self.candidates(day) {
            if candidate.density() <= least {
                break;
            }
            if candidate.bytes <= left {
                left -= candidate.bytes;
                let place = &mut self.units[candidate.unit as usize].place;
                (place.wanted, place.ahead) = (true, candidate.ahead);
            }
        }
    }

    fn hold(&mut self, unit: u32) {
        let known = &mut self.units[unit as usize];
        known.place.held = true;
        self.held_bytes += known.bytes;
        known.items.iter().for_each(|item| self.share.forget(*item));
        self.share.resize(self.share_bytes());
    }

    fn fits(&self, unit: u32) -> bool {
        self.held_bytes + self.units[unit as usize].bytes <= self.budget()
    }

    /// Gives up what left the whitelist.
    fn release(&mut self) {
        let mut released = Vec::new();
        for unit in &mut self.units {
            if unit.place.held && !unit.place.wanted {
                unit.place.held = false;
                self.held_bytes -= unit.bytes;
                released.extend(&unit.items);
            }
        }
        self.share.resize(self.share_bytes());
        if self.settings.demoted {
            released.into_iter().for_each(|item| _ = self.share.admit(item));
        }
    }
}

impl Policy for Planner<'_> {
    fn night(&mut self, day: i32) -> Vec<u32> {
        self.learn(day - 1);
        self.choose(day);
        self.release();
        let now = i64::from(day) * i64::from(DAY_SECONDS);
        let mut loaded = Vec::new();
        for position in 0..u32::try_from(self.units.len()).expect("no more units than items") {
            let Unit { place, lands, items, .. } = &self.units[position as usize];
            if !place.wanted || place.held || *lands >= now || !self.fits(position) {
                continue;
            }
            if items.iter().all(|item| self.share.touch(*item)) {
                // It is there already, and only changes its place.
                self.hold(position);
            } else if place.ahead {
                loaded.extend(items);
                self.hold(position);
            }
        }
        loaded
    }

    fn landed(&mut self, item: u32) -> bool {
        let unit = self.unit_of[item as usize];
        let place = self.units[unit as usize].place;
        if place.held {
            return true;
        }
        let is_loaded = place.wanted && place.ahead && self.fits(unit);
        if is_loaded {
            self.hold(unit);
        }
        is_loaded
    }

    fn rewritten(&mut self, item: u32) -> bool {
        self.share.forget(item);
        self.units[self.unit_of[item as usize] as usize].place.held
    }

    fn is_whitelisted(&self, item: u32) -> bool {
        self.units[self.unit_of[item as usize] as usize].place.wanted
    }

    fn overheard(&mut self, read: &Read) {
        self.log(read);
    }

    fn read(&mut self, read: &Read) -> Answer {
        self.log(read);
        let position = self.unit_of[read.item as usize];
        let saved = self.replay.prices.saved_seconds(reads_of(read));
        let unit = &self.units[position as usize];
        let (place, is_alone) = (unit.place, unit.items.len() == 1);
        self.seconds.0 += saved;
        if place.held {
            self.seconds.1 += saved;
            Answer::Hit
        } else if self.share.touch(read.item) {
            self.seconds.1 += saved;
            self.seconds.2 += saved;
            Answer::Hit
        } else if place.wanted && is_alone && self.fits(position) {
            self.hold(position);
            Answer::Admitted
        } else if self.share.admit(read.item) {
            Answer::Admitted
        } else {
            Answer::Miss
        }
    }
}
