//! What the analysts ask, day by day: sessions of queries drawn from the templates by a seeded generator.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::days::ANALYSTS;
use super::month::Month;
use super::templates::{Period, TEMPLATES};

/// The chance that the next query of a session repeats the one before: two thirds of a cluster's reads follow a read of
/// the same person and the same template within a minute.
const REPEAT_CHANCE: f64 = 0.64;

/// The lengths of sessions, as likely as each other; their median is six queries.
const SESSION_LENGTHS: [usize; 5] = [2, 4, 6, 8, 12];

/// How the chance of looking back falls with age: `age ^ -1.3`.
const AGE_EXPONENT: f64 = 1.3;

/// The oldest month that is looked back at, in months.
const AGE_MAX: u32 = 60;

/// One query and when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The simulated time.
    pub(crate) at: DateTime<Utc>,
    /// The query's text.
    pub(crate) sql: String,
    /// Which analyst asks, from 0.
    pub(crate) analyst: usize,
}

/// Draws days of queries.
#[derive(Debug)]
pub(crate) struct Workload {
    rng: ChaCha8Rng,
    templates: WeightedIndex<u32>,
    ages: WeightedIndex<f64>,
}

impl Workload {
    /// The same generator state draws the same month.
    pub(crate) fn new(rng: ChaCha8Rng) -> Self {
        let templates = WeightedIndex::new(TEMPLATES.iter().map(|template| template.weight))
            .expect("the weights are constants above zero");
        let ages = WeightedIndex::new((1..=AGE_MAX).map(|age| f64::from(age).powf(-AGE_EXPONENT)))
            .expect("the ages are constants above zero");
        Self { rng, templates, ages }
    }

    /// The queries of one day between eight and eight, in the order of their times.
    pub(crate) fn day(&mut self, date: NaiveDate, queries: usize) -> Vec<Asked> {
        let mut asked = Vec::with_capacity(queries);
        let mut sessions = 0;
        while asked.len() < queries {
            let analyst = sessions % ANALYSTS;
            sessions += 1;
            let length = *SESSION_LENGTHS.choose(&mut self.rng).expect("the lengths are not empty");
            let seconds = self.rng.random_range(8 * 3600..20 * 3600);
            let mut at = date.and_time(NaiveTime::MIN).and_utc() + TimeDelta::seconds(seconds);
            let mut sql = self.query(date);
            for _ in 0..length.min(queries - asked.len()) {
                asked.push(Asked { at, sql: sql.clone(), analyst });
                at += TimeDelta::seconds(self.rng.random_range(20..90));
                if !self.rng.random_bool(REPEAT_CHANCE) {
                    sql = self.query(date);
                }
            }
        }
        asked.sort_by_key(|query| query.at);
        asked
    }

    fn query(&mut self, date: NaiveDate) -> String {
        let template = &TEMPLATES[self.templates.sample(&mut self.rng)];
        let back = 1 + self.ages.sample(&mut self.rng) as u32;
        template.sql(&Period { latest: Month::of(date), back })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    fn days(seed: u64) -> Vec<Asked> {
        let mut workload = Workload::new(ChaCha8Rng::seed_from_u64(seed));
        let first = NaiveDate::from_ymd_opt(1998, 7, 1).unwrap();
        first.iter_days().take(20).flat_map(|date| workload.day(date, 50)).collect()
    }

    #[test]
    fn a_day_has_the_stated_number_of_queries_in_order_of_time() {
        let mut workload = Workload::new(ChaCha8Rng::seed_from_u64(1));
        let day = workload.day(NaiveDate::from_ymd_opt(1998, 7, 1).unwrap(), 37);
        assert_eq!(day.len(), 37);
        assert!(day.is_sorted_by_key(|query| query.at));
    }

    #[test]
    fn the_same_seed_asks_the_same() {
        assert_eq!(days(3), days(3));
        assert_ne!(days(3), days(4));
    }

    #[test]
    fn most_queries_are_repeats_and_most_read_the_newest_month() {
        let days = days(1);
        let distinct: HashSet<&str> = days.iter().map(|query| query.sql.as_str()).collect();
        assert!(distinct.len() * 5 < days.len(), "{} distinct of {}", distinct.len(), days.len());
        let newest = days.iter().filter(|query| query.sql.contains("'1998-07'")).count();
        assert!(newest * 10 > days.len() * 7, "{newest} of {} read the newest month", days.len());
    }
}
