//! Usage: what workers did in a stretch of time, in figures that add up over workers and hours.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Upper bounds of the latency buckets, in seconds; what takes longer than the last falls into one more.
pub const LATENCY_BOUNDS_SECONDS: [f64; 17] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets of a [`Latency`].
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_SECONDS.len() + 1;

/// What was done: counters of one worker since its start, their growth within an hour, or sums of such.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Usage {
    /// GET requests served.
    pub requests: u64,
    /// GET requests that failed.
    pub errors: u64,
    /// Bytes sent from memory.
    pub bytes_memory: u64,
    /// Bytes sent from the SSD.
    pub bytes_ssd: u64,
    /// Bytes sent that had to come from the origin, on the cached route.
    pub bytes_origin: u64,
    /// Bytes sent on the direct route.
    pub bytes_direct: u64,
    /// Bytes read from the origin by fills.
    pub origin_bytes_demand: u64,
    /// Bytes read from the origin by preloads.
    pub origin_bytes_preload: u64,
    /// IO time that reads from memory and SSD saved, in seconds.
    pub saved_seconds: f64,
    /// IO time that reads from the origin would have saved besides, had they been answered by the SSD, in seconds.
    pub missed_seconds: f64,
    /// What GETs took whose slowest bytes came from memory.
    pub memory: Latency,
    /// The same for the SSD.
    pub ssd: Latency,
    /// The same for the origin.
    pub origin: Latency,
}

impl Usage {
    /// What was done since `earlier`, a state of the same counters. Counters that went back began anew.
    pub fn since(&self, earlier: &Self) -> Self {
        let count = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let seconds = |now: f64, before: f64| if now >= before { now - before } else { now };
        Self {
            requests: count(self.requests, earlier.requests),
            errors: count(self.errors, earlier.errors),
            bytes_memory: count(self.bytes_memory, earlier.bytes_memory),
            bytes_ssd: count(self.bytes_ssd, earlier.bytes_ssd),
            bytes_origin: count(self.bytes_origin, earlier.bytes_origin),
            bytes_direct: count(self.bytes_direct, earlier.bytes_direct),
            origin_bytes_demand: count(self.origin_bytes_demand, earlier.origin_bytes_demand),
            origin_bytes_preload: count(self.origin_bytes_preload, earlier.origin_bytes_preload),
            saved_seconds: seconds(self.saved_seconds, earlier.saved_seconds),
            missed_seconds: seconds(self.missed_seconds, earlier.missed_seconds),
            memory: self.memory.each(&earlier.memory, count),
            ssd: self.ssd.each(&earlier.ssd, count),
            origin: self.origin.each(&earlier.origin, count),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let count = u64::saturating_add;
        Self {
            requests: count(self.requests, other.requests),
            errors: count(self.errors, other.errors),
            bytes_memory: count(self.bytes_memory, other.bytes_memory),
            bytes_ssd: count(self.bytes_ssd, other.bytes_ssd),
            bytes_origin: count(self.bytes_origin, other.bytes_origin),
            bytes_direct: count(self.bytes_direct, other.bytes_direct),
            origin_bytes_demand: count(self.origin_bytes_demand, other.origin_bytes_demand),
            origin_bytes_preload: count(self.origin_bytes_preload, other.origin_bytes_preload),
            saved_seconds: self.saved_seconds + other.saved_seconds,
            missed_seconds: self.missed_seconds + other.missed_seconds,
            memory: self.memory.each(&other.memory, count),
            ssd: self.ssd.each(&other.ssd, count),
            origin: self.origin.each(&other.origin, count),
        }
    }

    /// Whether nothing was done.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How many GETs took how long: counts by [`LATENCY_BOUNDS_SECONDS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Latency(pub [u64; LATENCY_BUCKETS]);

impl Latency {
    /// The bucket of a GET that took so many seconds.
    pub fn bucket(seconds: f64) -> usize {
        LATENCY_BOUNDS_SECONDS.partition_point(|bound| *bound < seconds)
    }

    /// How many GETs.
    pub fn requests(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What a share `quantile` of the GETs took at most, in seconds: spread evenly within a bucket, as Prometheus takes it.
    /// `None` without GETs. What took longer than the last bound is taken for that.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let requests = self.requests();
        if requests == 0 {
            return None;
        }
        let wanted = quantile.clamp(0.0, 1.0) * requests as f64;
        let (mut below, mut from) = (0.0, 0.0);
        for (count, to) in self.0.iter().zip(LATENCY_BOUNDS_SECONDS) {
            let count = *count as f64;
            if count > 0.0 && below + count >= wanted {
                return Some(from + (to - from) * (wanted - below) / count);
            }
            below += count;
            from = to;
        }
        Some(from)
    }

    fn each(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|at| of(self.0[at], other.0[at])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(seconds: &[f64]) -> Latency {
        let mut latency = Latency::default();
        seconds.iter().for_each(|seconds| latency.0[Latency::bucket(*seconds)] += 1);
        latency
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        assert_eq!(Latency::bucket(0.0), 0);
        assert_eq!(Latency::bucket(0.0001), 0);
        assert_eq!(Latency::bucket(0.00011), 1);
        assert_eq!(Latency::bucket(31.0), LATENCY_BUCKETS - 1);
        assert_eq!(Latency::bucket(f64::NAN), 0, "a clock that went back");
    }

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let latency = latency(&[0.0003, 0.0004, 0.002, 0.002]);
        assert_eq!(latency.quantile(0.5), Some(0.0005), "all of the first bucket");
        assert_eq!(latency.quantile(0.75), Some(0.001 + 0.0015 / 2.0), "half of the second");
        assert_eq!(latency.quantile(1.0), Some(0.0025));
        assert_eq!(Latency::default().quantile(0.5), None);
    }

    #[test]
    fn what_took_longer_than_the_last_bound_is_taken_for_that() {
        assert_eq!(latency(&[0.0003, 99.0]).quantile(0.99), Some(30.0));
    }

    #[test]
    fn growth_and_sum_undo_each_other() {
        let before = Usage { requests: 3, saved_seconds: 1.5, memory: latency(&[0.1]), ..Usage::default() };
        let now = Usage { requests: 10, saved_seconds: 4.0, memory: latency(&[0.1, 0.2]), ..Usage::default() };
        let growth = now.since(&before);
        assert_eq!((growth.requests, growth.saved_seconds, growth.memory), (7, 2.5, latency(&[0.2])));
        assert_eq!(before.plus(&growth), now);
        assert!(now.since(&now).is_nothing());
    }

    #[test]
    fn counters_that_went_back_began_anew() {
        let before = Usage { requests: 10, saved_seconds: 4.0, ..Usage::default() };
        let now = Usage { requests: 2, saved_seconds: 0.5, ..Usage::default() };
        assert_eq!(now.since(&before), now);
    }
}
