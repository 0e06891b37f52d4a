//! The forecast: how often each item will be read on the days to come.
//!
//! What is forecast is *reads of the whole item*, a number without a unit: a day's bytes of an item, as far as they save
//! time, over what one read of all of it would save. So partitions of different sizes teach each other.
//!
//! Two views of one table are kept, and mixed by how well each of them has done:
//!
//! - **By age.** Ad-hoc queries name dates that move with the day: yesterday, the last week. How often a partition is read
//!   then depends on its age on the day of the query, not on its date, and a partition that is not written yet has a
//!   forecast before it exists. Per table and slot (its columns, and its other partition keys) a decayed mean by age is
//!   kept, drawn towards what the table reads of that age times the slot's share, where it has few reads of its own, and
//!   the table's towards `age^-1.3` (`value.md`'s fit to fleets).
//! - **By item.** What is not read by its date (tables without dates, one incident's day, a backfill under way) is read
//!   tomorrow as it was lately: a decayed mean of its own.
//!
//! The share of the first view is, per table, the least-squares mix of what both said the night before of each day since,
//! old days fading. A table that reads by date comes out near 1, one that does not near 0, and nobody has to say which.
//!
//! Sums fade by a factor a day. They are kept as if nothing faded and new days weighed more, so that a day costs only the
//! items that it reads; see [`Faded`]. Days that were not learned, because their logs are missing, fade nothing and count as
//! no days; see [`Days`].

use std::collections::HashMap;

/// What is forecast: one slot of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The table.
    pub table: u32,
    /// Its columns, and its partition keys that are no date.
    pub slot: u32,
    /// The partition's date, in days since any one day; `None` where it has none.
    pub date: Option<i32>,
}

/// Reads of one item on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayReads {
    /// The item.
    pub key: Key,
    /// Reads of the whole item that these are worth.
    pub reads: f64,
    /// How many of those were the first of a burst.
    pub first: f64,
}

/// Reads expected on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Expected {
    /// All reads.
    pub reads: f64,
    /// Those that are the first of a burst: what only loading ahead can win.
    pub first: f64,
}

/// What an expectation is made of, for whoever asks why.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Factors {
    /// By the partition's age on that day.
    pub by_age: Expected,
    /// By what was read of this very item.
    pub by_item: Expected,
    /// The share of the first in the mix, from 0 to 1.
    pub age_share: f64,
    /// What this table reads on that day of the week, over its mean.
    pub weekday: f64,
    /// What was read of the table over what was forecast, lately: below 1 where the forecast promised too much.
    pub trust: f64,
}

impl Factors {
    /// All of them together.
    pub fn expected(&self) -> Expected {
        let scale = self.weekday * self.trust;
        let mix = |by_age: f64, by_item: f64| scale * (self.age_share * by_age + (1.0 - self.age_share) * by_item);
        Expected {
            reads: mix(self.by_age.reads, self.by_item.reads),
            first: mix(self.by_age.first, self.by_item.first),
        }
    }
}

/// How the forecast learns. Tuned on the simulator's seeds 1 to 3; see `bench/RESULTS.md`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastSettings {
    /// Days until a day counts half.
    pub half_life_days: f64,
    /// Whether partitions are forecast by age at all; without, by their own history alone.
    pub by_age: bool,
}

impl Default for ForecastSettings {
    fn default() -> Self {
        Self { half_life_days: 5.0, by_age: true }
    }
}

/// As many days' worth the prior counts: a table's reads by age against `age^-1.3`.
const AGE_PRIOR_DAYS: f64 = 0.5;
/// A slot's reads by age against its table's.
const CELL_PRIOR_DAYS: f64 = 1.5;
/// An item's own reads against none.
const ITEM_PRIOR_DAYS: f64 = 0.5;
/// Weekdays against no difference.
const WEEKDAY_PRIOR_DAYS: f64 = 4.0;
/// Weekdays come once a week, so they fade more slowly.
const WEEKDAY_HALF_LIFE_DAYS: f64 = 28.0;
/// The mix before anything was learned: by age.
const MIX_PRIOR: f64 = 0.8;
/// In squares of reads.
const MIX_PRIOR_WEIGHT: f64 = 1.0;
/// A week wrong is what it takes.
const TRUST_HALF_LIFE_DAYS: f64 = 3.5;
/// In reads.
const TRUST_PRIOR_READS: f64 = 3.0;
const TRUST_RANGE: (f64, f64) = (0.25, 1.5);
/// An item whose own reads have faded to less is forgotten.
const FORGOTTEN_BELOW: f64 = 1e-2;

/// What was learned of all tables.
#[derive(Debug, Clone)]
pub struct Forecast {
    settings: ForecastSettings,
    days: Days,
    tables: HashMap<u32, Table>,
}

/// The days that were learned, in order.
#[derive(Debug, Clone, Default)]
struct Days(Vec<i32>);

/// A day by the calendar, and by its place among the days that were learned.
#[derive(Debug, Clone, Copy)]
struct Day {
    date: i32,
    place: i32,
}

impl Days {
    /// One that was not learned has the place of the next; those to come follow the last, one after the other.
    fn place(&self, date: i32) -> i32 {
        let before = i32::try_from(self.0.partition_point(|learned| *learned < date)).expect("fewer days than that");
        before + self.0.last().map_or(1, |last| date.saturating_sub(*last).max(1))
    }

    fn day(&self, date: i32) -> Day {
        Day { date, place: self.place(date) }
    }
}

#[derive(Debug, Clone)]
struct Table {
    /// The place of the first day that it was read on.
    since: i32,
    /// Over all slots.
    all: ByAge,
    slots: HashMap<u32, ByAge>,
    items: HashMap<(u32, Option<i32>), Own>,
    weekdays: [Faded; 7],
    /// Squares and products of what both views said and what came: numerator and denominator of the mix.
    mix: Faded,
    /// Reads that came, and that were forecast.
    trust: Faded,
}

/// Reads of a table or of one of its slots: of all ages, and by bin of age.
#[derive(Debug, Clone, Default)]
struct ByAge {
    all: Faded,
    bins: Vec<Faded>,
}

impl ByAge {
    fn bin(&self, bin: usize) -> Faded {
        self.bins.get(bin).copied().unwrap_or_default()
    }

    fn add(&mut self, bin: Option<usize>, day: i32, half_life_days: f64, reads: f64, first: f64) {
        self.all.add(day, half_life_days, reads, first);
        if let Some(bin) = bin {
            if self.bins.len() <= bin {
                self.bins.resize(bin + 1, Faded::default());
            }
            self.bins[bin].add(day, half_life_days, reads, first);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Own {
    /// The place of the first day that it can have been read on.
    since: i32,
    reads: Faded,
}

/// Two sums that fade with the days that are learned.
#[derive(Debug, Clone, Copy, Default)]
struct Faded {
    a: f64,
    b: f64,
    /// The place of the last day that was added.
    day: i32,
}

impl Faded {
    fn at(&self, day: i32, half_life_days: f64) -> (f64, f64) {
        let left = (-f64::from(day - self.day) / half_life_days).exp2();
        (self.a * left, self.b * left)
    }

    fn add(&mut self, day: i32, half_life_days: f64, a: f64, b: f64) {
        let (old_a, old_b) = self.at(day, half_life_days);
        *self = Self { a: old_a + a, b: old_b + b, day };
    }
}

/// The sum of the weights of so many days, the last of which weighs 1.
fn days_weight(days: i32, half_life_days: f64) -> f64 {
    let fade = (-1.0 / half_life_days).exp2();
    (1.0 - fade.powi(days.max(0))) / (1.0 - fade)
}

/// The bin of an age in days, and how many ages share it: each of the first 32 has its own, then they widen.
fn bin(age: i32) -> (usize, f64) {
    const EXACT: i32 = 32;
    let age = age.max(0);
    if age < EXACT {
        return (age as usize, 1.0);
    }
    // Half an octave each.
    let step = (f64::from(age) / f64::from(EXACT)).log2() * 2.0;
    let from = f64::from(EXACT) * (step.floor() / 2.0).exp2();
    let to = f64::from(EXACT) * ((step.floor() + 1.0) / 2.0).exp2();
    (EXACT as usize + step.floor() as usize, (to.ceil() - from.ceil()).max(1.0))
}

/// The share of a table's reads that a partition of this age gets where nothing is known of the table.
fn prior_share(age: i32) -> f64 {
    /// The sum of `a^-1.3` over a year.
    const SUM: f64 = 3.36;
    f64::from(age.max(1)).powf(-1.3) / SUM
}

impl Forecast {
    /// Nothing learned yet.
    pub fn new(settings: ForecastSettings) -> Self {
        Self { settings, days: Days::default(), tables: HashMap::new() }
    }

    /// Learns one day. Days come in order; a day without reads teaches as well, one that is left out does not. Items stand
    /// once each.
    pub fn observe(&mut self, day: i32, reads: &[DayReads]) {
        self.days.0.push(day);
        let day = self.days.day(day);
        let mut by_table: HashMap<u32, Vec<&DayReads>> = HashMap::new();
        for read in reads {
            by_table.entry(read.key.table).or_default().push(read);
        }
        let settings = self.settings;
        for (table, known) in &mut self.tables {
            known.judge(*table, settings, day, by_table.get(table).map_or(&[], Vec::as_slice));
        }
        for (table, reads) in by_table {
            let known = self.tables.entry(table).or_insert_with(|| Table::new(day.place));
            known.learn(settings, &self.days, day, &reads);
        }
    }

    /// What is expected of an item on a day after the last one observed.
    pub fn factors(&self, key: Key, day: i32) -> Factors {
        match self.tables.get(&key.table) {
            Some(table) => table.factors(self.settings, key, self.days.day(day)),
            None => Factors { weekday: 1.0, trust: 1.0, ..Factors::default() },
        }
    }
}

impl Table {
    fn new(since: i32) -> Self {
        Self {
            since,
            all: ByAge::default(),
            slots: HashMap::new(),
            items: HashMap::new(),
            weekdays: [Faded::default(); 7],
            mix: Faded::default(),
            trust: Faded::default(),
        }
    }

    fn factors(&self, settings: ForecastSettings, key: Key, day: Day) -> Factors {
        let (by_age, by_item) = (self.by_age(settings, key, day.date), self.by_item(settings, key));
        let age_share = if key.date.is_some() && settings.by_age { self.age_share(settings, day.place) } else { 0.0 };
        Factors { by_age, by_item, age_share, weekday: self.weekday(settings, day.date), trust: self.trust(day.place) }
    }

    fn by_age(&self, settings: ForecastSettings, key: Key, on: i32) -> Expected {
        let half_life = settings.half_life_days;
        // Sums fade until the day before: the days between are not known yet, and are no days without reads.
        let known = self.last_day();
        let (all, all_first) = self.all.all.at(known, half_life);
        let (Some(date), Some(slot)) = (key.date, self.slots.get(&key.slot)) else { return Expected::default() };
        if all <= 0.0 {
            return Expected::default();
        }
        let days = days_weight(known - self.since + 1, half_life);
        let age = on - date;
        let (bin, width) = bin(age);
        let slot_share = slot.all.at(known, half_life).0 / all;
        let drawn = |sum: f64, prior: f64, prior_days: f64| (sum / width + prior * prior_days) / (days + prior_days);
        let (table, table_first) = self.all.bin(bin).at(known, half_life);
        let (prior, prior_first) = (all / days * prior_share(age), all_first / days * prior_share(age));
        let reads = drawn(table, prior, AGE_PRIOR_DAYS) * slot_share;
        let first = drawn(table_first, prior_first, AGE_PRIOR_DAYS) * slot_share;
        let (cell, cell_first) = slot.bin(bin).at(known, half_life);
        Expected { reads: drawn(cell, reads, CELL_PRIOR_DAYS), first: drawn(cell_first, first, CELL_PRIOR_DAYS) }
    }

    fn by_item(&self, settings: ForecastSettings, key: Key) -> Expected {
        let Some(own) = self.items.get(&(key.slot, key.date)) else { return Expected::default() };
        let known = self.last_day();
        let days = days_weight(known - own.since + 1, settings.half_life_days) + ITEM_PRIOR_DAYS;
        let (reads, first) = own.reads.at(known, settings.half_life_days);
        Expected { reads: reads / days, first: first / days }
    }

    /// The place of the last day that was judged or learned.
    fn last_day(&self) -> i32 {
        self.trust.day.max(self.all.all.day)
    }

    fn age_share(&self, settings: ForecastSettings, place: i32) -> f64 {
        let (product, square) = self.mix.at(place, settings.half_life_days);
        ((product + MIX_PRIOR * MIX_PRIOR_WEIGHT) / (square + MIX_PRIOR_WEIGHT)).clamp(0.0, 1.0)
    }

    fn weekday(&self, settings: ForecastSettings, on: i32) -> f64 {
        let known = self.last_day();
        let days = known - self.since + 1;
        let (all, _) = self.all.all.at(known, settings.half_life_days);
        let mean = all / days_weight(days, settings.half_life_days);
        if days < 14 || mean <= 0.0 {
            return 1.0;
        }
        let slow = |sums: &Faded| sums.at(known, WEEKDAY_HALF_LIFE_DAYS);
        let (reads, seen) = slow(&self.weekdays[on.rem_euclid(7) as usize]);
        let (all_reads, all_seen) =
            self.weekdays.iter().map(slow).fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if all_reads <= 0.0 {
            return 1.0;
        }
        let usual = all_reads / all_seen;
        (reads / usual + WEEKDAY_PRIOR_DAYS) / (seen + WEEKDAY_PRIOR_DAYS)
    }

    fn trust(&self, place: i32) -> f64 {
        let (came, forecast) = self.trust.at(place, TRUST_HALF_LIFE_DAYS);
        ((came + TRUST_PRIOR_READS) / (forecast + TRUST_PRIOR_READS)).clamp(TRUST_RANGE.0, TRUST_RANGE.1)
    }

    /// Compares what the night before would have said with what came, before learning it.
    fn judge(&mut self, table: u32, settings: ForecastSettings, day: Day, reads: &[&DayReads]) {
        let half_life = settings.half_life_days;
        let came: HashMap<(u32, Option<i32>), f64> =
            reads.iter().map(|read| ((read.key.slot, read.key.date), read.reads)).collect();
        let (mut product, mut square, mut forecast) = (0.0, 0.0, 0.0);
        let mut compare = |(slot, date): (u32, Option<i32>), came: f64| {
            let factors = self.factors(settings, Key { table, slot, date }, day);
            let apart = factors.by_age.reads - factors.by_item.reads;
            if date.is_some() {
                product += apart * (came - factors.by_item.reads);
                square += apart * apart;
            }
            forecast += Factors { trust: 1.0, ..factors }.expected().reads;
        };
        for key in self.items.keys() {
            compare(*key, came.get(key).copied().unwrap_or(0.0));
        }
        for (key, came) in came.iter().filter(|(key, _)| !self.items.contains_key(*key)) {
            compare(*key, *came);
        }
        let all: f64 = came.values().sum();
        let Day { date, place } = day;
        self.mix.add(place, half_life, product, square);
        self.trust.add(place, TRUST_HALF_LIFE_DAYS, all, forecast);
        self.weekdays[date.rem_euclid(7) as usize].add(place, WEEKDAY_HALF_LIFE_DAYS, all, 1.0);
        self.items.retain(|_, own| own.reads.at(place, half_life).0 >= FORGOTTEN_BELOW);
    }

    fn learn(&mut self, settings: ForecastSettings, days: &Days, day: Day, reads: &[&DayReads]) {
        let half_life = settings.half_life_days;
        let Day { date: on, place } = day;
        for DayReads { key, reads, first } in reads {
            let bin = key.date.map(|date| bin(on - date).0);
            self.all.add(bin, place, half_life, *reads, *first);
            self.slots.entry(key.slot).or_default().add(bin, place, half_life, *reads, *first);
            let since = key.date.map_or(self.since, |date| days.place(date).max(self.since));
            let own = self.items.entry((key.slot, key.date)).or_insert(Own { since, reads: Faded::default() });
            own.reads.add(place, half_life, *reads, *first);
        }
    }
}

#[cfg(test)]
mod tests;
