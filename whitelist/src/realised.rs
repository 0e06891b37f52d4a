//! Realised value: what the whitelist was expected to save on a day beside what it saved, item by item. Pure.
//!
//! Three figures, all in seconds of IO time, tell a forecast that was wrong from a cache that was cold: what was *predicted*,
//! what the reads that came were worth (had memory and SSD answered them all), and what was *realised*. Where the first two
//! differ, people read something else than expected; where the last two do, what they read was not near.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use larder_model::{IoSpeed, ItemName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::value::Reads;

/// One item of the whitelist on one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemDay {
    /// The day.
    pub day: NaiveDate,
    /// The item.
    pub item: ItemName,
    /// What its expected reads of that day would save if memory and SSD answered them all, in seconds.
    pub predicted_seconds: f64,
    /// What the reads that came would have saved so, in seconds.
    pub read_seconds: f64,
    /// What the reads that memory and SSD did answer saved, in seconds; below zero where these were slower than the origin.
    pub realised_seconds: f64,
}

impl ItemDay {
    fn off_seconds(&self) -> f64 {
        (self.predicted_seconds - self.realised_seconds).abs()
    }
}

/// What reads of one item came to on a day, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Earned {
    /// What they would have saved if memory and SSD had answered them all.
    pub read_seconds: f64,
    /// What they saved.
    pub realised_seconds: f64,
}

/// A day's list beside what it earned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Realised {
    /// The version that was in force on the day.
    pub version: u64,
    /// Its items.
    pub items: u64,
    /// What they were expected to save, in seconds.
    pub predicted_seconds: f64,
    /// What the reads of them that came would have saved if memory and SSD had answered them all, in seconds.
    pub read_seconds: f64,
    /// What they saved, in seconds.
    pub realised_seconds: f64,
    /// What reads of other items that the buckets hold would have saved beyond what they did, in seconds.
    pub missed_seconds: f64,
    /// The forecast error: how far off the predictions of all items were, over what was saved. `None` where nothing was.
    pub error: Option<f64>,
    /// What was predicted over what was saved: above 1 where too much was promised. `None` where nothing was saved.
    pub bias: Option<f64>,
    /// Items by what was predicted of them, the least first; bins without items are left out.
    pub calibration: Vec<CalibrationBin>,
    /// The items that were furthest off, at most 20, the furthest first.
    pub worst: Vec<ItemDay>,
}

/// Items of which about as much was predicted. Of a calibrated forecast both means are alike in every bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CalibrationBin {
    /// At least so much was predicted of each, in seconds.
    pub from_seconds: f64,
    /// And less than this; `None` in the last bin.
    pub below_seconds: Option<f64>,
    /// How many items.
    pub items: u64,
    /// What was predicted of them on average, in seconds.
    pub predicted_seconds: f64,
    /// What they saved on average, in seconds.
    pub realised_seconds: f64,
}

/// Where bins begin, in seconds: always the same, so that days can be compared.
const BINS_FROM_SECONDS: [f64; 6] = [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0];

/// Items that a report names.
const WORST_MAX: usize = 20;

/// What hits saved: the origin's time for them, less the time they took, in seconds.
pub fn saved_seconds(hits: Reads, hit_seconds: f64, origin: IoSpeed) -> f64 {
    finite(origin.seconds(hits.requests, hits.bytes) - hit_seconds)
}

/// Sets what was predicted of each item of the list beside what it earned, by name.
pub fn item_days(
    day: NaiveDate,
    predicted: impl IntoIterator<Item = (ItemName, f64)>,
    earned: &HashMap<ItemName, Earned>,
) -> Vec<ItemDay> {
    let item_day = |(item, predicted): (ItemName, f64)| {
        let Earned { read_seconds, realised_seconds } = earned.get(&item).copied().unwrap_or_default();
        ItemDay { day, item, predicted_seconds: finite(predicted), read_seconds, realised_seconds }
    };
    let mut days: Vec<ItemDay> = predicted.into_iter().map(item_day).collect();
    days.sort_by(|a, b| a.item.cmp(&b.item));
    days
}

/// What reads of items that are not among `listed` would have saved beyond what they did, in seconds.
pub fn missed_seconds<'a>(listed: &[ItemDay], earned: impl IntoIterator<Item = (&'a ItemName, &'a Earned)>) -> f64 {
    let listed: BTreeSet<&ItemName> = listed.iter().map(|day| &day.item).collect();
    let others = earned.into_iter().filter(|(item, _)| !listed.contains(item));
    let mut missed: Vec<f64> =
        others.map(|(_, other)| (other.read_seconds - other.realised_seconds).max(0.0)).collect();
    // Sums of floats depend on their order, which must not be a hash map's.
    missed.sort_by(f64::total_cmp);
    missed.iter().sum()
}

impl Realised {
    /// Sums up a day of the items of a version.
    pub fn new(version: u64, days: &[ItemDay], missed_seconds: f64) -> Self {
        let sum = |of: fn(&ItemDay) -> f64| days.iter().map(of).sum::<f64>();
        let predicted_seconds = sum(|day| day.predicted_seconds);
        let realised_seconds = sum(|day| day.realised_seconds);
        let over_realised = |seconds: f64| {
            let ratio = seconds / realised_seconds;
            (realised_seconds > 0.0 && ratio.is_finite()).then_some(ratio)
        };
        let mut worst: Vec<&ItemDay> = days.iter().filter(|day| day.off_seconds() > 0.0).collect();
        worst.sort_by(|a, b| b.off_seconds().total_cmp(&a.off_seconds()).then_with(|| a.item.cmp(&b.item)));
        Self {
            version,
            items: days.len() as u64,
            predicted_seconds,
            read_seconds: sum(|day| day.read_seconds),
            realised_seconds,
            missed_seconds,
            error: over_realised(sum(ItemDay::off_seconds)),
            bias: over_realised(predicted_seconds),
            calibration: calibration(days),
            worst: worst.into_iter().take(WORST_MAX).cloned().collect(),
        }
    }
}

fn calibration(days: &[ItemDay]) -> Vec<CalibrationBin> {
    let bin = |(at, from_seconds): (usize, &f64)| {
        let below_seconds = BINS_FROM_SECONDS.get(at + 1).copied();
        let is_in = |day: &&ItemDay| {
            day.predicted_seconds >= *from_seconds && below_seconds.is_none_or(|below| day.predicted_seconds < below)
        };
        let days: Vec<&ItemDay> = days.iter().filter(is_in).collect();
        let mean = |of: fn(&ItemDay) -> f64| days.iter().map(|day| of(day)).sum::<f64>() / days.len() as f64;
        (!days.is_empty()).then(|| CalibrationBin {
            from_seconds: *from_seconds,
            below_seconds,
            items: days.len() as u64,
            predicted_seconds: mean(|day| day.predicted_seconds),
            realised_seconds: mean(|day| day.realised_seconds),
        })
    };
    BINS_FROM_SECONDS.iter().enumerate().filter_map(bin).collect()
}

/// Neither the store nor JSON can hold what is no number.
fn finite(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 19).unwrap()
    }

    fn item(partition: &str) -> ItemName {
        format!("a.b.t/d={partition}").parse().unwrap()
    }

    fn item_day(partition: &str, predicted_seconds: f64, realised_seconds: f64) -> ItemDay {
        ItemDay { day: day(), item: item(partition), predicted_seconds, read_seconds: 5.0, realised_seconds }
    }

    #[test]
    fn hits_save_the_origins_time_less_their_own() {
        let origin = IoSpeed { overhead_seconds: 0.5, bytes_per_second: 100.0 };
        let hits = Reads { requests: 4, bytes: 300 };
        assert_eq!(saved_seconds(hits, 1.0, origin), 4.0);
        assert_eq!(saved_seconds(hits, 6.0, origin), -1.0, "slower than the origin");
        assert_eq!(saved_seconds(hits, f64::NAN, origin), 0.0);
    }

    #[test]
    fn items_stand_beside_what_they_earned_and_others_are_missed() {
        let earned = |read_seconds, realised_seconds| Earned { read_seconds, realised_seconds };
        let all = HashMap::from([
            (item("1"), earned(5.0, 4.0)),
            (item("3"), earned(7.0, 1.0)),
            // Faster than the SSD was taken to be: nothing was missed.
            (item("4"), earned(2.0, 3.0)),
        ]);
        let days = item_days(day(), [(item("2"), 0.5), (item("1"), 6.0)], &all);
        assert_eq!(days, [item_day("1", 6.0, 4.0), ItemDay { read_seconds: 0.0, ..item_day("2", 0.5, 0.0) }]);
        assert_eq!(missed_seconds(&days, &all), 6.0);
    }

    #[test]
    fn error_and_bias_are_over_what_was_saved() {
        let days = [item_day("1", 6.0, 4.0), item_day("2", 1.0, 4.0), item_day("3", 0.0, 0.0)];
        let realised = Realised::new(9, &days, 2.0);
        assert_eq!((realised.version, realised.items, realised.missed_seconds), (9, 3, 2.0));
        assert_eq!((realised.predicted_seconds, realised.read_seconds, realised.realised_seconds), (7.0, 15.0, 8.0));
        // (2 + 3) / 8, and 7 / 8.
        assert_eq!((realised.error, realised.bias), (Some(0.625), Some(0.875)));
        let named: Vec<&str> = realised.worst.iter().map(|day| day.item.partition.as_str()).collect();
        assert_eq!(named, ["d=2", "d=1"], "what was right is not among the worst");
    }

    #[test]
    fn a_day_that_saved_nothing_has_no_error_to_speak_of() {
        for realised in [0.0, -1.0, 1e-320] {
            let realised = Realised::new(1, &[item_day("1", 6.0, realised)], 0.0);
            assert_eq!((realised.error, realised.bias), (None, None), "{realised:?}");
            assert_eq!(realised.worst.len(), 1);
        }
        let nothing = Realised::new(1, &[], 0.0);
        assert_eq!((nothing.items, nothing.error, nothing.calibration.len()), (0, None, 0));
    }

    #[test]
    fn bins_hold_items_by_what_was_predicted() {
        let days = [
            item_day("1", 0.0, 0.5),
            item_day("2", 0.05, 0.0),
            item_day("3", 1.0, 2.0),
            item_day("4", 3.0, 4.0),
            item_day("5", 5000.0, 1000.0),
        ];
        let bin = |from_seconds, below_seconds, items, predicted_seconds, realised_seconds| CalibrationBin {
            from_seconds,
            below_seconds,
            items,
            predicted_seconds,
            realised_seconds,
        };
        assert_eq!(
            Realised::new(1, &days, 0.0).calibration,
            [
                bin(0.0, Some(0.1), 2, 0.025, 0.25),
                bin(1.0, Some(10.0), 2, 2.0, 3.0),
                bin(1000.0, None, 1, 5000.0, 1000.0)
            ]
        );
    }

    #[test]
    fn of_many_items_the_furthest_off_are_named() {
        let days: Vec<ItemDay> = (0..50).map(|i| item_day(&format!("{i:02}"), f64::from(i), 0.0)).collect();
        let worst = Realised::new(1, &days, 0.0).worst;
        assert_eq!((worst.len(), worst[0].item.partition.as_str(), worst[19].predicted_seconds), (20, "d=49", 30.0));
    }
}
