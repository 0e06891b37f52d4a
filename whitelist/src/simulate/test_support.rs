//! Small traces whose outcome can be computed by hand.

use super::replay::{Prices, Replay};
use super::trace::{DAY_SECONDS, Item, Read, Trace};

pub(super) const MB: u64 = 1_000_000;

pub(super) fn item_of(bytes: u64) -> Item {
    Item { table: 0, slot: 0, date: None, bytes, files: 1, lands: -1 }
}

/// Reads of whole items of 8 MB, at noon of each day, a minute apart; each item is a table of its own.
pub(super) fn trace(days: &[&[u32]]) -> Trace {
    let count = days.iter().flat_map(|day| day.iter()).max().map_or(0, |most| most + 1);
    let items = (0..count).map(|table| Item { table, ..item_of(8 * MB) }).collect();
    let mut reads = Vec::new();
    for (day, items) in (0..).zip(days) {
        for (minute, item) in (0..).zip(*items) {
            let at = day * DAY_SECONDS + 12 * 3600 + minute * 60;
            reads.push(Read { at, item: *item, requests: 1, bytes: 8 * MB, is_storm: false });
        }
    }
    let days = i32::try_from(days.len()).expect("a few days");
    Trace { items, reads, rewrites: Vec::new(), days, slots_are_columns: false, sample: None }
}

/// A second for each request and nothing else, and an SSD that costs nothing.
pub(super) const PRICES: Prices = Prices {
    origin: larder_model::IoSpeed { overhead_seconds: 1.0, bytes_per_second: f64::INFINITY },
    ssd: larder_model::IoSpeed { overhead_seconds: 0.0, bytes_per_second: f64::INFINITY },
};

pub(super) fn replay(trace: &Trace, capacity_bytes: u64) -> Replay<'_> {
    Replay { trace, capacity_bytes, prices: PRICES }
}
