//! Online admission: is a cold object, by what was read of it since the night, worth a place in the adaptive share?
//!
//! The price is the density at the whitelist's cut: what the least valuable item earns per byte. An object is admitted
//! when it earns more at the rate of its recent reads. One burst of reads, however large, is no evidence of another: a
//! scan that comes once admits nothing.

use chrono::{DateTime, TimeDelta, Utc};
use larder_model::Whitelist;
use moka::sync::Cache;

use crate::block::ObjectId;

/// Objects whose reads are remembered; beyond it, those read least.
const OBJECTS_MAX: u64 = 100_000;
/// Reads closer than this to a burst's first belong to it.
const BURST: TimeDelta = TimeDelta::seconds(60);
/// After so many days a read counts half.
const HALF_LIFE_DAYS: f64 = 1.0;

/// What recent reads of cold objects would have saved.
#[derive(Debug)]
pub(crate) struct ColdReads {
    objects: Cache<ObjectId, Heat>,
}

#[derive(Debug, Clone, Copy)]
struct Heat {
    /// IO time that the reads would have saved, per byte of the object, decayed to `at`.
    seconds: f64,
    at: DateTime<Utc>,
    burst_begun: DateTime<Utc>,
    bursts: u32,
}

impl Heat {
    fn new(now: DateTime<Utc>) -> Self {
        Self { seconds: 0.0, at: now, burst_begun: now, bursts: 1 }
    }

    fn seconds_at(&self, now: DateTime<Utc>) -> f64 {
        let days = (now - self.at).as_seconds_f64().max(0.0) / 86_400.0;
        self.seconds * 0.5_f64.powf(days / HALF_LIFE_DAYS)
    }

    fn record(mut self, saved_seconds: f64, now: DateTime<Utc>) -> Self {
        if now - self.burst_begun > BURST {
            self.burst_begun = now;
            self.bursts += 1;
        }
        Self { seconds: self.seconds_at(now) + saved_seconds, at: now, ..self }
    }

    /// Seconds a day and byte, if the rate stays: a steady rate has a decayed sum of the rate times the half-life over ln 2.
    fn seconds_per_day(&self, now: DateTime<Utc>) -> f64 {
        if self.bursts < 2 { 0.0 } else { self.seconds_at(now) * std::f64::consts::LN_2 / HALF_LIFE_DAYS }
    }
}

impl ColdReads {
    pub(crate) fn new() -> Self {
        Self { objects: Cache::new(OBJECTS_MAX) }
    }

    /// Remembers a read of an object of so many bytes, and the IO time that it would have saved.
    pub(crate) fn record(&self, name: ObjectId, object_bytes: u64, saved_seconds: f64, now: DateTime<Utc>) {
        let heat = self.objects.get(&name).unwrap_or_else(|| Heat::new(now));
        self.objects.insert(name, heat.record(saved_seconds / object_bytes.max(1) as f64, now));
    }

    /// Whether an object earns more per byte and day than the whitelist's least valuable item.
    pub(crate) fn worth_admitting(&self, name: ObjectId, whitelist: &Whitelist, now: DateTime<Utc>) -> bool {
        let price = whitelist.cut_density / whitelist.horizon_days.max(1) as f64;
        self.objects.get(&name).is_some_and(|heat| heat.seconds_per_day(now) > price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::tests::whitelist;

    const DAY: TimeDelta = TimeDelta::days(1);

    #[test]
    fn one_burst_admits_nothing_a_second_does_when_it_earns_more_than_the_cut() {
        let (reads, now) = (ColdReads::new(), DateTime::UNIX_EPOCH);
        let mut list = whitelist();
        // The cut's item earns a second per day and byte.
        (list.cut_density, list.horizon_days) = (30.0, 30);
        for second in 0..50 {
            reads.record(1, 10, 100.0, now + TimeDelta::seconds(second));
        }
        assert!(!reads.worth_admitting(1, &list, now + TimeDelta::seconds(50)));
        let later = now + TimeDelta::seconds(3600);
        reads.record(1, 10, 1.0, later);
        assert!(reads.worth_admitting(1, &list, later));
        // Two short reads of a large object earn less.
        reads.record(2, 1000, 1.0, now);
        reads.record(2, 1000, 1.0, later);
        assert!(!reads.worth_admitting(2, &list, later));
        // When everything of value fitted, any reuse is worth it.
        list.cut_density = 0.0;
        assert!(reads.worth_admitting(2, &list, later));
        assert!(!reads.worth_admitting(3, &list, later));
    }

    #[test]
    fn what_is_read_no_more_loses_its_place() {
        let (reads, now) = (ColdReads::new(), DateTime::UNIX_EPOCH);
        let mut list = whitelist();
        (list.cut_density, list.horizon_days) = (30.0, 30);
        for day in 0..3 {
            reads.record(1, 1, 2.0, now + DAY * day);
        }
        assert!(reads.worth_admitting(1, &list, now + DAY * 2));
        assert!(!reads.worth_admitting(1, &list, now + DAY * 6));
    }
}
