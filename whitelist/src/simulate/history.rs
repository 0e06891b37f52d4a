//! What the store knows of the last days, as a trace.
//!
//! The store holds sums by item and day, so the order of reads within a day is not known. It is made up, always in the same
//! way: a day's reads of an item come in as many half-hours as it was read in (its bursts), at even distances around the
//! clock from one that a hash of its name and the day gives, and those of one half-hour follow each other by a minute. There
//! are as many reads as queries named the item, as bursts, or as would have read it whole, whichever is most.
//!
//! Sizes are those of the catalog. What was dropped since has none, and is taken for as large as the most that one read of
//! it can have read. Rewrites are not known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{Datelike, NaiveDate};
use larder_model::io_time::{ASSUMED_ORIGIN, ASSUMED_SSD};
use larder_model::{IoSpeed, ItemName, TableName};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;
use utoipa::ToSchema;

use super::SimulateError;
use super::replay::Prices;
use super::trace::{DAY_SECONDS, Item, Read, Trace};
use crate::accesses::WHOLE_TABLE;
use crate::partition_time::PartitionTime;
use crate::store::{DayItem, Store};
use crate::value::Reads;

/// Fewer days are no history: half of them warm up.
pub const DAYS_MIN: i32 = 5;
/// Days longer ago than the longest history that can be configured are not looked at.
const DAYS_MAX: i64 = 400;
const HALF_HOUR_SECONDS: u64 = 1800;
const HALF_HOURS: u64 = 48;
/// More reads of one item on one day are joined.
const READS_MAX: u64 = 480;
/// A petabyte: what is said to be larger, or to have been read more in a day, is taken for that.
const BYTES_MAX: u64 = 1 << 50;

/// Days of the store, ready to be replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    pub(super) trace: Trace,
    pub(super) prices: Prices,
    pub(super) span: HistorySpan,
}

/// What a history spans, and what it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistorySpan {
    /// Its first day, in UTC.
    pub first: NaiveDate,
    /// Its last.
    pub last: NaiveDate,
    /// Days that warm caches and forecasts up and are not measured.
    pub days_warm_up: u32,
    /// Days between these of which no log was read.
    pub days_without_logs: u32,
    /// Tables and partitions that were read.
    pub items_read: u64,
    /// Those of them that the catalog no longer holds: their sizes are guessed.
    pub items_gone: u64,
    /// The origin's speed that IO time is reckoned by.
    pub origin: IoSpeed,
    /// The SSD's.
    pub ssd: IoSpeed,
    /// Whether both were measured; else one of them is an assumption.
    pub measured: bool,
}

impl History {
    /// Reads all days that the store holds.
    pub async fn load(store: &Store) -> Result<Self, SimulateError> {
        let mut known: BTreeSet<NaiveDate> = store.day_fingerprints().await?.into_keys().collect();
        let last = known.last().copied().unwrap_or_default();
        known.retain(|day| (last - *day).num_days() < DAYS_MAX);
        let mut days = Vec::new();
        for day in &known {
            days.push((*day, store.day_items(*day).await?));
        }
        let mut sizes: BTreeMap<ItemName, Size> = BTreeMap::new();
        for held in store.catalog().await? {
            let size = sizes.entry(held.item).or_default();
            size.bytes = size.bytes.saturating_add(held.bytes);
            size.objects = size.objects.saturating_add(held.objects);
        }
        let (origin, ssd) = (store.last_speed("origin", last).await?, store.last_speed("ssd", last).await?);
        let measured = origin.is_some() && ssd.is_some();
        let prices = Prices {
            origin: origin.map_or(ASSUMED_ORIGIN, |(_, measured)| measured.speed),
            ssd: ssd.map_or(ASSUMED_SSD, |(_, measured)| measured.speed),
        };
        Self::of(&days, &sizes, prices, measured)
    }

    /// Bytes of room as a share of those that were read in the last 30 days, held to what can be replayed.
    pub fn fraction_of(&self, bytes: u64) -> f64 {
        let touched = self.trace.touched_bytes().max(1);
        (bytes as f64 / touched as f64).clamp(0.001, 10.0)
    }

    /// A history of days in order.
    fn of(
        days: &[(NaiveDate, Vec<DayItem>)],
        sizes: &BTreeMap<ItemName, Size>,
        prices: Prices,
        measured: bool,
    ) -> Result<Self, SimulateError> {
        // A day on which nothing was read neither begins nor ends a history.
        let mut read = days.iter().filter(|(_, items)| !items.is_empty()).map(|(day, _)| *day);
        let first = read.next().ok_or(SimulateError::HistoryTooShort { days: 0, least: DAYS_MIN })?;
        let last = read.next_back().unwrap_or(first);
        let count = last.num_days_from_ce() - first.num_days_from_ce() + 1;
        if count < DAYS_MIN {
            return Err(SimulateError::HistoryTooShort { days: count, least: DAYS_MIN });
        }
        let days: Vec<&(NaiveDate, Vec<DayItem>)> =
            days.iter().filter(|(day, _)| (first..=last).contains(day)).collect();
        let (items, items_read, items_gone) = Items::of(&days, sizes);
        let trace = items.trace(&days, first.num_days_from_ce(), count);
        let span = HistorySpan {
            first,
            last,
            days_warm_up: trace.measured_from().unsigned_abs(),
            days_without_logs: count.unsigned_abs() - u32::try_from(days.len()).expect("no more than the span's days"),
            items_read,
            items_gone,
            origin: prices.origin,
            ssd: prices.ssd,
            measured,
        };
        Ok(Self { trace, prices, span })
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    bytes: u64,
    objects: u64,
}

/// The tables that were read: all that is known of their partitions, read or not, because a policy may choose any of them.
struct Items<'a> {
    /// In the order of their names, which is that of a trace's items.
    sizes: BTreeMap<&'a ItemName, Size>,
    numbers: HashMap<&'a ItemName, u32>,
    members: HashMap<&'a TableName, Vec<&'a ItemName>>,
}

impl<'a> Items<'a> {
    /// Also the number of items that were read, and of those that the catalog does not know.
    fn of(days: &[&'a (NaiveDate, Vec<DayItem>)], catalog: &'a BTreeMap<ItemName, Size>) -> (Self, u64, u64) {
        let read = || days.iter().flat_map(|(_, items)| items);
        let tables: BTreeSet<&TableName> = read().map(|item| &item.item.table).collect();
        let mut sizes: BTreeMap<&ItemName, Size> =
            catalog.iter().filter(|(item, _)| tables.contains(&item.table)).map(|(item, size)| (item, *size)).collect();
        let mut members: HashMap<&TableName, Vec<&ItemName>> = HashMap::new();
        for item in sizes.keys() {
            members.entry(&item.table).or_default().push(item);
        }
        let (mut gone, mut known): (BTreeSet<&ItemName>, BTreeSet<&ItemName>) = Default::default();
        for day in read() {
            if day.item.partition == WHOLE_TABLE && members.contains_key(&day.item.table) {
                known.extend(&members[&day.item.table]);
            } else if catalog.contains_key(&day.item) {
                known.insert(&day.item);
            } else {
                gone.insert(&day.item);
                let size = sizes.entry(&day.item).or_insert(Size { bytes: 0, objects: 1 });
                size.bytes = size.bytes.max(day.reads.bytes / count_of(day, 0));
            }
        }
        let numbers = (0..).zip(sizes.keys()).map(|(number, item)| (*item, number)).collect();
        (Self { sizes, numbers, members }, (known.len() + gone.len()) as u64, gone.len() as u64)
    }

    fn trace(&self, days: &[&(NaiveDate, Vec<DayItem>)], first_day: i32, count: i32) -> Trace {
        let (mut tables, mut slots): (HashMap<&TableName, u32>, HashMap<String, u32>) = Default::default();
        let mut items: Vec<Item> = Vec::with_capacity(self.sizes.len());
        for (name, size) in &self.sizes {
            let next = tables.len() as u32;
            let table = *tables.entry(&name.table).or_insert(next);
            let time = PartitionTime::of(&name.partition);
            let slot = time.as_ref().map_or_else(|| name.partition.clone(), PartitionTime::slot);
            let next = slots.len() as u32;
            let slot = *slots.entry(slot).or_insert(next);
            let date = time.map(|time| time.day() - first_day);
            // A partition is there from the end of its date on, if it is not read before; anything else, from its first read.
            let lands = date.map_or(i64::MAX, |date| (i64::from(date) + 1) * i64::from(DAY_SECONDS));
            items.push(Item {
                table,
                slot,
                date,
                bytes: size.bytes.min(BYTES_MAX),
                files: u32::try_from(size.objects).unwrap_or(u32::MAX).max(1),
                lands,
            });
        }
        let mut reads: Vec<Read> = Vec::new();
        for (day, of_day) in days {
            let day = (day.num_days_from_ce() - first_day).unsigned_abs();
            for read in of_day {
                self.spread(day, read, &mut reads);
            }
        }
        // Reads of one moment keep the order of their items' names.
        reads.sort_by_key(|read| read.at);
        for read in &reads {
            let lands = &mut items[read.item as usize].lands;
            *lands = (*lands).min(i64::from(read.at) - 1);
        }
        Trace { items, reads, rewrites: Vec::new(), days: count, slots_are_columns: false, sample: None }
    }

    /// One day's reads of an item. Where an engine named no partitions they went, for all that is known, to all of the table's
    /// in proportion to their sizes.
    fn spread(&self, day: u32, of_day: &DayItem, reads: &mut Vec<Read>) {
        let members = self.members.get(&of_day.item.table);
        let Some(members) = members.filter(|_| of_day.item.partition == WHOLE_TABLE) else {
            self.spread_one(day, &of_day.item, of_day, reads);
            return;
        };
        let all = members.iter().fold(0_u64, |all, member| all.saturating_add(self.sizes[member].bytes));
        for member in members {
            let part = |of: u64| share(of, self.sizes[member].bytes.min(all), all.max(1));
            let of_member = Reads { requests: part(of_day.reads.requests).max(1), bytes: part(of_day.reads.bytes) };
            self.spread_one(day, member, &DayItem { reads: of_member, ..of_day.clone() }, reads);
        }
    }

    fn spread_one(&self, day: u32, item: &ItemName, of_day: &DayItem, reads: &mut Vec<Read>) {
        let count = count_of(of_day, self.sizes[item].bytes);
        let bursts = of_day.bursts.clamp(1, HALF_HOURS).min(count);
        let begin = XxHash3_64::oneshot_with_seed(u64::from(day), item.to_string().as_bytes()) % HALF_HOURS;
        for burst in 0..bursts {
            let half_hour = (begin + burst * HALF_HOURS / bursts) % HALF_HOURS;
            let of_burst = burst * count / bursts..(burst + 1) * count / bursts;
            let apart = (HALF_HOUR_SECONDS / (of_burst.end - of_burst.start).max(1)).clamp(1, 60);
            for (position, read) in (0..).zip(of_burst) {
                let until = |of: u64, read: u64| share(of.min(BYTES_MAX), read, count);
                let part = |of: u64| until(of, read + 1) - until(of, read);
                let second = half_hour * HALF_HOUR_SECONDS + position * apart;
                reads.push(Read {
                    at: day * DAY_SECONDS + u32::try_from(second).expect("within a day"),
                    item: self.numbers[item],
                    requests: u32::try_from(part(of_day.reads.requests)).unwrap_or(u32::MAX).max(1),
                    bytes: part(of_day.reads.bytes),
                    is_storm: false,
                });
            }
        }
    }
}

/// How many reads a day's sums are taken for, of an item of so many bytes.
fn count_of(of_day: &DayItem, bytes: u64) -> u64 {
    let whole = if bytes > 0 { of_day.reads.bytes.div_ceil(bytes) } else { 0 };
    whole.max(of_day.queries).max(of_day.bursts).min(of_day.reads.requests).clamp(1, READS_MAX)
}

/// `of x part / all`, rounded down, for a `part` of at most `all`.
fn share(of: u64, part: u64, all: u64) -> u64 {
    u64::try_from(u128::from(of) * u128::from(part) / u128::from(all)).expect("no more than all of it")
}

#[cfg(test)]
mod tests;
