//! Cache value: the IO time that keeping an item near would have saved.
//!
//! NetEase Yanxuan values a block as `(block size / IO speed + overhead per read) x reads` and sums over a table's
//! blocks. Reads of one block cost `reads x overhead + reads x size / speed`, so the sum over blocks has only two
//! figures that depend on the data: how many requests there were in all, and how many bytes they moved in all. That is
//! what the logs tell, so nothing here needs to know blocks.
//!
//! Two things are generalised. Reading from the SSD is not free, so value is what is *saved*: the origin's time less
//! the SSD's. And a request that reads a part of a block is paid for that part, because bytes are counted as they were
//! sent. Yanxuan's formula is the case of an SSD that costs nothing and reads that take whole blocks.
//!
//! The reads of the history stand for the reads of as many days to come.

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
}
