//! Cache value: the IO time that keeping an item near saves.
//!
//! NetEase Yanxuan values a block as `(block size / IO speed + overhead per read) x reads` and sums over a table's
//! blocks. Reads of one block cost `reads x overhead + reads x size / speed`, so the sum over blocks has only two
//! figures that depend on the data: how many requests there were in all, and how many bytes they moved in all. That is
//! what the logs tell, so nothing here needs to know blocks.
//!
//! Three things are added. Reading from the SSD is not free, so value is what is *saved*: the origin's time less the SSD's. A
//! request that reads a part of a block is paid for that part, because bytes are counted as they were sent. Reads are those
//! that are expected ([`crate::forecast`]), not those that were. And a cache that fills on demand wins every read but the first
//! of a burst by itself, so an item is worth the first ones, and its place must earn more than demand would in it
//! ([`DemandPrice`]). Yanxuan's formula is the case of an SSD that costs nothing, reads that take whole blocks, a future that
//! repeats the past, and no demand.

use larder_model::IoSpeed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was read of one item over the history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reads {
    /// Requests by clients.
    pub requests: u64,
    /// Bytes sent to them.
    #[serde(rename = "read_bytes")]
    pub bytes: u64,
}

impl std::ops::AddAssign for Reads {
    fn add_assign(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The IO time that these reads save when the SSD answers them instead of the origin, in seconds. Never negative: an
/// item that the SSD serves slower than the origin is worth nothing, and is not held.
pub fn value_seconds(reads: Reads, origin: IoSpeed, ssd: IoSpeed) -> f64 {
    let saved = origin.seconds(reads.requests, reads.bytes) - ssd.seconds(reads.requests, reads.bytes);
    // Speeds that are not numbers would make a document that nobody can read; `max` also turns NaN into zero.
    if saved.is_finite() { saved.max(0.0) } else { 0.0 }
}

/// The days to come that a value stands for: a week.
pub const HORIZON_DAYS: i32 = 7;

/// The price of space: what a byte earns if it is left to demand.
///
/// A share of the cache that is filled on demand earns by itself every read but the first of a burst, and often that. An item
/// is whitelisted for what its place earns beyond. The share's last byte earns less than its average one, and the less, the
/// less is still missed: where everything is hit, more room is worth nothing. So the price is the share's earnings per byte
/// times the part of all IO time that was missed. (Measured against a ghost list of what lay just beyond the share, this was
/// the steadier figure; see `bench/RESULTS.md`.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DemandPrice {
    seconds_per_byte: Option<f64>,
}

/// What a day's price keeps of the one before: prices that jump make whitelists that jump.
const PRICE_KEPT: f64 = 0.9;

impl DemandPrice {
    /// Learns one day: what the share saved, its size, what reads that missed would have saved, and what all would have.
    pub fn observe(&mut self, share_seconds: f64, share_bytes: u64, missed_seconds: f64, all_seconds: f64) {
        if !(all_seconds > 0.0 && share_bytes > 0) {
            return;
        }
        let price = share_seconds / share_bytes as f64 * (missed_seconds / all_seconds).clamp(0.0, 1.0);
        if price.is_finite() {
            let before = self.seconds_per_byte.unwrap_or(price);
            self.seconds_per_byte = Some(PRICE_KEPT * before + (1.0 - PRICE_KEPT) * price);
        }
    }

    /// Seconds a day that a byte earns if it is left to demand.
    pub fn seconds_per_byte(&self) -> f64 {
        self.seconds_per_byte.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: IoSpeed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
    const SSD: IoSpeed = IoSpeed { overhead_seconds: 0.0001, bytes_per_second: 2e9 };
    const FREE: IoSpeed = IoSpeed { overhead_seconds: 0.0, bytes_per_second: f64::INFINITY };

    #[test]
    fn with_a_free_ssd_the_sum_over_blocks_is_yanxuans_formula() {
        let block_bytes = 1_000_000_u64;
        let reads_per_block = [3_u64, 0, 10];
        let yanxuan: f64 = reads_per_block
            .iter()
            .map(|reads| (block_bytes as f64 / ORIGIN.bytes_per_second + ORIGIN.overhead_seconds) * *reads as f64)
            .sum();
        let reads = Reads { requests: 13, bytes: 13 * block_bytes };
        assert!((value_seconds(reads, ORIGIN, FREE) - yanxuan).abs() < 1e-9);
    }

    #[test]
    fn value_is_what_is_saved() {
        let reads = Reads { requests: 10, bytes: 160_000_000 };
        let expected = 10.0 * (0.03 - 0.0001) + 160e6 * (1.0 / 80e6 - 1.0 / 2e9);
        assert!((value_seconds(reads, ORIGIN, SSD) - expected).abs() < 1e-9);
    }

    #[test]
    fn value_is_never_negative_nor_anything_but_a_number() {
        let reads = Reads { requests: 10, bytes: 1000 };
        assert_eq!(value_seconds(reads, SSD, ORIGIN), 0.0);
        assert_eq!(value_seconds(Reads::default(), ORIGIN, SSD), 0.0);
        let broken = IoSpeed { overhead_seconds: f64::NAN, bytes_per_second: 0.0 };
        assert_eq!(value_seconds(reads, broken, SSD), 0.0);
    }

    #[test]
    fn the_price_of_space_is_what_demand_earns_by_it_where_something_is_missed() {
        let mut price = DemandPrice::default();
        assert_eq!(price.seconds_per_byte(), 0.0, "nothing is known, so nothing is refused");
        price.observe(100.0, 1000, 50.0, 200.0);
        assert!((price.seconds_per_byte() - 0.025).abs() < 1e-12);
        price.observe(100.0, 1000, 0.0, 200.0);
        assert!(
            (price.seconds_per_byte() - 0.9 * 0.025).abs() < 1e-12,
            "where nothing is missed, room is worth nothing"
        );
        let before = price;
        price.observe(0.0, 0, 0.0, 0.0);
        price.observe(f64::NAN, 10, 1.0, 1.0);
        assert_eq!(price, before, "a day without reads teaches nothing");
    }
}
