//! Foreseeing: from the days that were read to what each item is expected to save. Pure.

use std::collections::{HashMap, HashSet};

use chrono::{Datelike, NaiveDate};
use larder_model::{IoSpeed, ItemName, TableName, Whitelist, WhitelistItem};

use crate::accesses::WHOLE_TABLE;
use crate::choice::Factor;
use crate::choice::load::load_seconds;
use crate::forecast::{DayReads, Forecast, ForecastSettings, Key};
use crate::partition_time::PartitionTime;
use crate::store::DayItem;
use crate::value::{DemandPrice, HORIZON_DAYS, Reads, value_seconds};

/// An engine reads files in requests of at most this many bytes.
const REQUEST_BYTES: u64 = 8 << 20;

/// What one read of an item is, all of it.
pub(super) fn whole(objects: u64, bytes: u64) -> Reads {
    Reads { requests: bytes.div_ceil(REQUEST_BYTES).max(objects).max(1), bytes }
}

/// What the room that the whitelist leaves is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Whether whatever is read is admitted (`[cache] admit = "all"`). Then an item is worth the first reads of bursts,
    /// because demand wins the rest by itself, and its place has a price. Else every read counts.
    pub fills: bool,
    /// What a worker's SSD holds.
    pub ssd_bytes: u64,
}

/// What items are expected to save.
#[derive(Debug)]
pub(super) struct Foresight {
    forecast: Forecast,
    /// Of rewrites: how often an item is written anew depends on its age as reads of it do.
    rewrites: Forecast,
    tables: HashMap<TableName, u32>,
    slots: HashMap<String, u32>,
    /// What one read of each item is, as the catalog knows them.
    whole: HashMap<ItemName, Reads>,
    /// The items of each table that the catalog knows.
    members: HashMap<TableName, Vec<ItemName>>,
    origin: IoSpeed,
    ssd: IoSpeed,
    demand: Demand,
    price: DemandPrice,
    last: i32,
}

/// What is expected of one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Expectation {
    /// Over the horizon, beyond what demand would save in its place.
    pub(super) value_seconds: f64,
    /// What that is made of.
    pub(super) factors: Vec<Factor>,
}

impl Foresight {
    /// Nothing learned yet. `sizes` are the objects and bytes of each item.
    pub(super) fn new(
        sizes: impl IntoIterator<Item = (ItemName, u64, u64)>,
        origin: IoSpeed,
        ssd: IoSpeed,
        demand: Demand,
    ) -> Self {
        let mut foresight = Self {
            forecast: Forecast::new(ForecastSettings::default()),
            rewrites: Forecast::new(ForecastSettings::default()),
            tables: HashMap::new(),
            slots: HashMap::new(),
            whole: HashMap::new(),
            members: HashMap::new(),
            origin,
            ssd,
            demand,
            price: DemandPrice::default(),
            last: i32::MIN,
        };
        sizes.into_iter().for_each(|(item, objects, bytes)| foresight.add_size(item, objects, bytes));
        foresight
    }

    /// The same, with a forecast that learns otherwise. Only before anything is learned.
    pub(super) fn with_forecast(self, settings: ForecastSettings) -> Self {
        Self { forecast: Forecast::new(settings), ..self }
    }

    /// So many objects and bytes more are of an item.
    pub(super) fn add_size(&mut self, item: ItemName, objects: u64, bytes: u64) {
        if !self.whole.contains_key(&item) {
            self.members.entry(item.table.clone()).or_default().push(item.clone());
        }
        *self.whole.entry(item).or_default() += whole(objects, bytes);
    }

    /// Learns a day. Days come in order; those whose logs are missing are left out.
    pub(super) fn observe(&mut self, day: NaiveDate, items: &[DayItem], in_force: Option<&Whitelist>) {
        let mut by_key: HashMap<Key, DayReads> = HashMap::new();
        for item in items {
            for (member, reads) in self.reads_of(item) {
                let key = self.key(&member);
                let sums = by_key.entry(key).or_insert(DayReads { key, reads: 0.0, first: 0.0 });
                sums.reads += reads;
                sums.first += reads.min(item.bursts.max(1) as f64);
            }
        }
        let mut reads: Vec<DayReads> = by_key.into_values().collect();
        // Sums of floats depend on their order, which must not be a hash map's.
        reads.sort_by_key(|reads| reads.key);
        self.last = day.num_days_from_ce();
        self.forecast.observe(self.last, &reads);
        self.learn_price(items, in_force);
    }

    /// Looks ahead from a day, whether or not it was learned.
    pub(super) fn look_from(&mut self, day: NaiveDate) {
        self.last = day.num_days_from_ce();
    }

    /// Learns what was written anew on a day, before [`observe`](Self::observe) learns what was read on it.
    pub(super) fn observe_rewrites(&mut self, day: NaiveDate, items: &[ItemName]) {
        let mut rewrites: Vec<DayReads> =
            items.iter().map(|item| DayReads { key: self.key(item), reads: 1.0, first: 1.0 }).collect();
        rewrites.sort_by_key(|rewrite| rewrite.key);
        self.rewrites.observe(day.num_days_from_ce(), &rewrites);
    }

    /// How often an item is expected to be written anew in the week to come.
    fn expected_rewrites(&self, key: Key) -> f64 {
        let on = |ahead| self.rewrites.factors(key, self.last + ahead).expected().reads.clamp(0.0, 1.0);
        (1..=HORIZON_DAYS).map(on).sum()
    }

    /// What the room outside the whitelist earned on a day. It is taken for as large as it is now.
    fn learn_price(&mut self, items: &[DayItem], in_force: Option<&Whitelist>) {
        let list = in_force.map_or(&[][..], |list| &list.items);
        let whitelisted: HashSet<&ItemName> = list.iter().map(|item| &item.item).collect();
        let held: u64 = list.iter().filter(|item| self.is_held(&item.item)).map(|item| item.bytes).sum();
        let (mut all, mut saved, mut by_demand) = (0.0, 0.0, 0.0);
        for item in items {
            all += value_seconds(item.reads, self.origin, self.ssd);
            let hits = Reads { requests: item.hit_requests, bytes: item.hit_bytes };
            let by_hits = value_seconds(hits, self.origin, self.ssd);
            saved += by_hits;
            by_demand += if whitelisted.contains(&item.item) { 0.0 } else { by_hits };
        }
        self.price.observe(by_demand, self.demand.ssd_bytes.saturating_sub(held), all - saved, all);
    }

    /// Reads of a whole item that a day's reads of it are worth. Where an engine names no partitions, they went, for all that
    /// is known, to all of the table's in proportion to their sizes: each was read equally often.
    fn reads_of(&self, item: &DayItem) -> Vec<(ItemName, f64)> {
        let members = match self.members.get(&item.item.table) {
            Some(members) if item.item.partition == WHOLE_TABLE => members.clone(),
            _ if item.item.partition == WHOLE_TABLE => {
                vec![ItemName { table: item.item.table.clone(), partition: String::new() }]
            }
            _ => vec![item.item.clone()],
        };
        let bytes: u64 = members.iter().filter_map(|member| self.whole.get(member)).map(|whole| whole.bytes).sum();
        let requests: u64 =
            members.iter().filter_map(|member| self.whole.get(member)).map(|whole| whole.requests).sum();
        let each = value_seconds(Reads { requests, bytes }, self.origin, self.ssd);
        // What the catalog no longer knows was read once in each burst, for all that is known.
        let reads = match each {
            each if each > 0.0 => value_seconds(item.reads, self.origin, self.ssd) / each,
            _ => item.bursts.max(1) as f64,
        };
        members.into_iter().map(|member| (member, reads)).collect()
    }

    /// What a day's reads of an item would have saved if memory and SSD had answered them all, in seconds: of a table as a
    /// whole, by its items.
    pub(super) fn read_seconds(&self, item: &DayItem) -> Vec<(ItemName, f64)> {
        if item.item.partition != WHOLE_TABLE {
            return vec![(item.item.clone(), value_seconds(item.reads, self.origin, self.ssd))];
        }
        let one = |member: &ItemName| {
            self.whole.get(member).map_or(0.0, |whole| value_seconds(*whole, self.origin, self.ssd))
        };
        let seconds = |(member, reads): (ItemName, f64)| (member.clone(), reads * one(&member));
        self.reads_of(item).into_iter().map(seconds).collect()
    }

    /// What an item of a list is expected to save on a day after the last, in seconds, if memory and SSD answer all its
    /// reads. One that the catalog no longer knows has the size that it was listed with.
    pub(super) fn seconds_on(&self, day: NaiveDate, item: &WhitelistItem) -> f64 {
        let Some(key) = self.known_key(&item.item) else { return 0.0 };
        let one = self.whole.get(&item.item).copied().unwrap_or_else(|| whole(item.objects, item.bytes));
        let reads = self.forecast.factors(key, day.num_days_from_ce()).expected().reads;
        reads * value_seconds(one, self.origin, self.ssd)
    }

    /// How many bursts of reads an item is expected to begin on a day after the last.
    pub(super) fn expected_bursts(&self, item: &ItemName, day: NaiveDate) -> f64 {
        self.known_key(item).map_or(0.0, |key| self.forecast.factors(key, day.num_days_from_ce()).expected().first)
    }

    /// The share of an item's value that a list holds, by the columns that it names.
    pub(super) fn held_share(&self, list: &Whitelist, item: &ItemName) -> f64 {
        let sizes = self.whole.get(item).map(|whole| (whole.requests, whole.bytes));
        match (list.columns.get(&item.table), sizes) {
            (Some(held), Some((requests, bytes))) => {
                held.shares_of(requests.min(bytes.div_ceil(REQUEST_BYTES)), bytes).1
            }
            _ => 1.0,
        }
    }

    /// Whether a bucket holds an item.
    pub(super) fn is_held(&self, item: &ItemName) -> bool {
        self.whole.contains_key(item)
    }

    fn key(&mut self, item: &ItemName) -> Key {
        let (date, slot) = date_and_slot(item);
        let next = u32::try_from(self.tables.len()).expect("fewer tables than that");
        let table = *self.tables.entry(item.table.clone()).or_insert(next);
        let next = u32::try_from(self.slots.len()).expect("fewer partitions than that");
        Key { table, slot: *self.slots.entry(slot).or_insert(next), date }
    }

    /// What an item is known by; `None` where its table was never read.
    fn known_key(&self, item: &ItemName) -> Option<Key> {
        let (date, slot) = date_and_slot(item);
        // A slot that was never read has no number, and nothing that was learned of it.
        let slot = self.slots.get(&slot).copied().unwrap_or(u32::MAX);
        Some(Key { table: *self.tables.get(&item.table)?, slot, date })
    }

    /// What an item is expected to save from the day after the last on.
    pub(super) fn expect(&self, item: &ItemName) -> Expectation {
        let (Some(key), Some(whole)) = (self.known_key(item), self.whole.get(item)) else {
            return Expectation::default();
        };
        let each = value_seconds(*whole, self.origin, self.ssd);
        let days: Vec<_> = (1..=HORIZON_DAYS).map(|ahead| self.forecast.factors(key, self.last + ahead)).collect();
        let counted =
            |expected: crate::forecast::Expected| if self.demand.fills { expected.first } else { expected.reads };
        let reads: f64 = days.iter().map(|factors| counted(factors.expected())).sum();
        let place = if self.demand.fills {
            self.price.seconds_per_byte() * whole.bytes as f64 * f64::from(HORIZON_DAYS)
        } else {
            0.0
        };
        // A held item that is written anew is loaded anew.
        let rewrites = self.expected_rewrites(key);
        let reload = rewrites * load_seconds(whole.requests, whole.bytes, self.origin);
        let tomorrow = days[0];
        if reads <= 0.0 {
            return Expectation::default();
        }
        let mut factors = vec![
            Factor::new("expected_reads", reads, "reads", "of the whole item, in the week to come"),
            Factor::new(
                "seconds_per_read",
                each,
                "seconds",
                "what one of them saves: the origin's time less the SSD's",
            ),
            Factor::new("by_age", tomorrow.by_age.reads, "reads", "tomorrow, by what is read of partitions of its age"),
            Factor::new("by_item", tomorrow.by_item.reads, "reads", "tomorrow, by what was read of it itself"),
            Factor::new("age_share", tomorrow.age_share, "", "weight of the first of these two, as it proved right"),
            Factor::new("weekday", tomorrow.weekday, "", "what its table reads on such a day over its mean"),
            Factor::new("trust", tomorrow.trust, "", "what its table read lately over what was forecast"),
        ];
        if rewrites > 0.0 {
            factors.push(Factor::new("rewrites", rewrites, "times", "it is written anew in the week to come"));
            factors.push(Factor::new("reload_seconds", reload, "seconds", "what loading it anew costs then"));
        }
        if self.demand.fills {
            factors.push(Factor::new("place_seconds", place, "seconds", "what demand would save in its place"));
        }
        Expectation { value_seconds: (each * reads - place - reload).max(0.0), factors }
    }
}

/// The date that a partition is of, in days, and what else its name says.
fn date_and_slot(item: &ItemName) -> (Option<i32>, String) {
    match PartitionTime::of(&item.partition) {
        Some(time) => (Some(time.day()), time.slot()),
        None => (None, item.partition.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;
    const ORIGIN: IoSpeed = IoSpeed { overhead_seconds: 1.0, bytes_per_second: f64::INFINITY };
    const SSD: IoSpeed = IoSpeed { overhead_seconds: 0.0, bytes_per_second: f64::INFINITY };
    const DIRECT: Demand = Demand { fills: false, ssd_bytes: 100 * MB };

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
    }

    fn item(name: &str) -> ItemName {
        name.parse().unwrap()
    }

    fn read(name: ItemName, requests: u64, bursts: u64) -> DayItem {
        DayItem {
            item: name,
            reads: Reads { requests, bytes: requests },
            queries: 0,
            hit_requests: 0,
            hit_bytes: 0,
            hit_seconds: 0.0,
            bursts,
        }
    }

    /// A table of a partition a day, of one object each, from the first of November to the twentieth.
    fn daily() -> Vec<(ItemName, u64, u64)> {
        (1..=20).map(|day| (item(&format!("a.b.t/dt=2026-11-{day:02}")), 1, MB)).collect()
    }

    fn learned(demand: Demand, days: u32, reads: impl Fn(u32) -> Vec<DayItem>) -> Foresight {
        let mut foresight = Foresight::new(daily(), ORIGIN, SSD, demand);
        (2..=days).for_each(|of| foresight.observe(day(of), &reads(of), None));
        foresight
    }

    fn newest(of: u32) -> ItemName {
        item(&format!("a.b.t/dt=2026-11-{:02}", of - 1))
    }

    #[test]
    fn a_partition_that_nobody_has_read_is_worth_what_those_of_its_age_were() {
        let foresight = learned(DIRECT, 19, |of| vec![read(newest(of), 10, 2)]);
        // The one of the 19th, read on the 20th: ten reads of a second each, and few on the days after.
        let expected = foresight.expect(&newest(20));
        assert!((8.0..14.0).contains(&expected.value_seconds), "{expected:?}");
        assert!(expected.factors.iter().any(|factor| factor.name == "age_share" && factor.value > 0.9), "{expected:?}");
        let old = foresight.expect(&item("a.b.t/dt=2026-11-05"));
        assert!(old.value_seconds < 2.0, "{old:?}");
        // The one of the 20th is not there tomorrow, but is read the day after.
        assert!(foresight.expect(&newest(21)).value_seconds > 8.0);
        assert_eq!(foresight.expect(&item("a.b.unknown/dt=2026-11-19")), Expectation::default());
    }

    #[test]
    fn where_demand_fills_an_item_is_worth_the_first_reads_of_bursts_and_its_place_has_a_price() {
        let reads = |of| vec![read(newest(of), 10, 2)];
        let all = learned(DIRECT, 19, reads).expect(&newest(20)).value_seconds;
        let filling = Demand { fills: true, ..DIRECT };
        let first = learned(filling, 19, reads).expect(&newest(20)).value_seconds;
        assert!((first / all - 0.2).abs() < 0.02, "two of ten: {first} of {all}");
        // Half of all reads hit what demand brought in.
        let hits = |of| vec![DayItem { hit_requests: 5, hit_bytes: 5, ..read(newest(of), 10, 2) }];
        let foresight = learned(filling, 19, hits);
        let priced = foresight.expect(&newest(20)).value_seconds;
        // 5 s of 100 MB a day, half of all was missed: 0.025 s a day for each MB.
        assert!((first - priced - 7.0 * 0.025).abs() < 1e-6, "{first} {priced}");
    }

    #[test]
    fn an_item_that_is_written_anew_again_and_again_is_worth_less() {
        let learned = |rewritten: &dyn Fn(u32) -> Vec<ItemName>| {
            let mut foresight = Foresight::new(daily(), ORIGIN, SSD, DIRECT);
            for of in 2..=19 {
                foresight.observe_rewrites(day(of), &rewritten(of));
                foresight.observe(day(of), &[read(newest(of), 10, 2), read(item("a.b.t/dt=2026-11-05"), 10, 2)], None);
            }
            foresight
        };
        // Late data changes the newest partition each day, and no other.
        let (quiet, late) = (learned(&|_| vec![]), learned(&|of| vec![newest(of)]));
        let value = |foresight: &Foresight, name: &ItemName| foresight.expect(name).value_seconds;
        let (newest, old) = (newest(20), item("a.b.t/dt=2026-11-05"));
        let loss = value(&quiet, &newest) - value(&late, &newest);
        let once = load_seconds(1, MB, ORIGIN);
        assert!((0.8 * once..2.0 * once).contains(&loss), "about once it is loaded anew: {loss}");
        assert!((value(&quiet, &old) - value(&late, &old)).abs() < 0.2 * once);
        let factors = late.expect(&newest).factors;
        assert!(factors.iter().any(|factor| factor.name == "rewrites" && factor.value > 0.8), "{factors:?}");
    }

    #[test]
    fn reads_of_a_table_as_a_whole_are_reads_of_each_of_its_items() {
        let mut foresight =
            Foresight::new([(item("a.b.u/k=1"), 1, MB), (item("a.b.u/k=2"), 3, 3 * MB)], ORIGIN, SSD, DIRECT);
        let whole = ItemName { table: "a.b.u".parse().unwrap(), partition: WHOLE_TABLE.into() };
        for of in 2..10 {
            foresight.observe(day(of), &[read(whole.clone(), 8, 1)], None);
        }
        let value = |name: &str| foresight.expect(&item(name)).value_seconds;
        assert!(value("a.b.u/k=1") > 1.0);
        assert!((value("a.b.u/k=2") / value("a.b.u/k=1") - 3.0).abs() < 1e-9, "three requests to one");
    }

    #[test]
    fn a_day_is_foretold_in_seconds_and_its_reads_are_worth_seconds_too() {
        let foresight = learned(DIRECT, 19, |of| vec![read(newest(of), 10, 2)]);
        let listed = |item: ItemName, objects| WhitelistItem {
            item,
            locations: Vec::new(),
            bytes: MB,
            objects,
            value_seconds: 0.0,
            reason: String::new(),
        };
        // Ten reads of a second each; demand would win eight of them, but holding the item earns all.
        let foretold = foresight.seconds_on(day(20), &listed(newest(20), 1));
        assert!((8.0..12.0).contains(&foretold), "{foretold}");
        let filling = learned(Demand { fills: true, ..DIRECT }, 19, |of| vec![read(newest(of), 10, 2)]);
        assert_eq!(filling.seconds_on(day(20), &listed(newest(20), 1)), foretold);
        assert!(foresight.seconds_on(day(21), &listed(newest(20), 1)) < 2.0, "the day after it is old");
        // A partition of its age that is not in the catalog, of two objects: two requests each time.
        let gone = foresight.seconds_on(day(26), &listed(newest(26), 2));
        let there = foresight.seconds_on(day(26), &listed(newest(26), 1));
        assert!(gone > 0.0 && (gone / there - 2.0).abs() < 1e-9, "{gone} {there}");
        assert_eq!(foresight.seconds_on(day(20), &listed(item("a.b.unknown/dt=2026-11-19"), 1)), 0.0);

        assert_eq!(foresight.read_seconds(&read(newest(20), 7, 1)), [(newest(20), 7.0)]);
        let whole = ItemName { table: "a.b.t".parse().unwrap(), partition: WHOLE_TABLE.into() };
        let spread = foresight.read_seconds(&read(whole, 40, 1));
        assert_eq!((spread.len(), spread.iter().all(|(_, seconds)| (seconds - 2.0).abs() < 1e-9)), (20, true));
        assert!(foresight.is_held(&newest(20)) && !foresight.is_held(&newest(26)));
    }

    #[test]
    fn what_the_origin_holds_no_more_is_worth_nothing_and_teaches_all_the_same() {
        let gone = item("a.b.t/dt=2026-10-01");
        let foresight = learned(DIRECT, 19, |of| vec![read(newest(of), 10, 2), read(gone.clone(), 4, 4)]);
        assert_eq!(foresight.expect(&gone), Expectation::default());
        assert!(foresight.expect(&newest(20)).value_seconds > 5.0);
    }
}
