//! Heat: by what was read of a cold object since the night, is it worth a place in the adaptive share? Pure.
//!
//! The price is the density at the whitelist's cut: what the least valuable item earns per byte. An object is admitted
//! when it earns more at the rate of its recent reads. One burst of reads, however large, is no evidence of another: a
//! scan that comes once admits nothing.

use chrono::{DateTime, TimeDelta, Utc};

use crate::Whitelist;

/// Reads closer than this to a burst's first belong to it.
const BURST: TimeDelta = TimeDelta::seconds(60);
/// After so many days a read counts half.
const HALF_LIFE_DAYS: f64 = 1.0;

/// What recent reads of one object would have saved, and what of it they read.
#[derive(Debug, Clone, Copy)]
pub struct Heat {
    /// IO time that the reads would have saved, in seconds, decayed to `at`.
    seconds: f64,
    at: DateTime<Utc>,
    burst_begun: DateTime<Utc>,
    bursts: u32,
    /// The bytes of this burst, and of the largest one: what a place for the object takes. Engines read some columns of it,
    /// and the others cost nothing. A burst that reads the same twice counts it twice, but no more than all of the object.
    burst_bytes: u64,
    held_bytes: u64,
}

impl Heat {
    /// Of an object whose first read comes now.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { seconds: 0.0, at: now, burst_begun: now, bursts: 1, burst_bytes: 0, held_bytes: 0 }
    }

    /// With a read of so many bytes of an object of so many, and the IO time that it would have saved.
    #[must_use]
    pub fn record(mut self, read_bytes: u64, object_bytes: u64, saved_seconds: f64, now: DateTime<Utc>) -> Self {
        if now - self.burst_begun > BURST {
            self.burst_begun = now;
            self.bursts += 1;
            self.burst_bytes = 0;
        }
        self.burst_bytes = self.burst_bytes.saturating_add(read_bytes).min(object_bytes);
        self.held_bytes = self.held_bytes.max(self.burst_bytes);
        Self { seconds: self.seconds_at(now) + saved_seconds, at: now, ..self }
    }

    /// Whether the object earns more per byte and day than the whitelist's least valuable item.
    pub fn is_worth_admitting(&self, whitelist: &Whitelist, now: DateTime<Utc>) -> bool {
        let price = whitelist.cut_density / whitelist.horizon_days.max(1) as f64;
        self.seconds_per_day(now) > price * self.held_bytes as f64
    }

    fn seconds_at(&self, now: DateTime<Utc>) -> f64 {
        let days = (now - self.at).as_seconds_f64().max(0.0) / 86_400.0;
        self.seconds * 0.5_f64.powf(days / HALF_LIFE_DAYS)
    }

    /// Seconds a day, if the rate stays: a steady rate has a decayed sum of the rate times the half-life over ln 2.
    fn seconds_per_day(&self, now: DateTime<Utc>) -> f64 {
        if self.bursts < 2 { 0.0 } else { self.seconds_at(now) * std::f64::consts::LN_2 / HALF_LIFE_DAYS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whitelist::tests::document;

    const DAY: TimeDelta = TimeDelta::days(1);

    /// The cut's item earns a second per day and byte.
    fn whitelist() -> Whitelist {
        Whitelist { cut_density: 30.0, horizon_days: 30, ..document(&[]) }
    }

    #[test]
    fn one_burst_admits_nothing_a_second_does_when_it_earns_more_than_the_cut() {
        let (mut list, now) = (whitelist(), DateTime::UNIX_EPOCH);
        let mut heat = Heat::new(now);
        for second in 0..50 {
            heat = heat.record(10, 10, 100.0, now + TimeDelta::seconds(second));
        }
        assert!(!heat.is_worth_admitting(&list, now + TimeDelta::seconds(50)));
        let later = now + TimeDelta::seconds(3600);
        assert!(heat.record(10, 10, 1.0, later).is_worth_admitting(&list, later));
        // Two short reads of a large object earn less.
        let large = Heat::new(now).record(1000, 1000, 1.0, now).record(1000, 1000, 1.0, later);
        assert!(!large.is_worth_admitting(&list, later));
        // What two reads of a few of its columns save, they save in little room.
        let columns = Heat::new(now).record(1, 1000, 1.0, now).record(1, 1000, 1.0, later);
        assert!(columns.is_worth_admitting(&list, later));
        // When everything of value fitted, any reuse is worth it.
        list.cut_density = 0.0;
        assert!(large.is_worth_admitting(&list, later));
    }

    #[test]
    fn what_is_read_no_more_loses_its_place() {
        let (list, now) = (whitelist(), DateTime::UNIX_EPOCH);
        let heat = (0..3).fold(Heat::new(now), |heat, day| heat.record(1, 1, 2.0, now + DAY * day));
        assert!(heat.is_worth_admitting(&list, now + DAY * 2));
        assert!(!heat.is_worth_admitting(&list, now + DAY * 6));
    }
}
