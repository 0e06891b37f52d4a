//! The tables of a workload: how large, how cut, and what is asked of them.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf};

use super::{DAYS, NEW_TABLES, OLD_DAYS, RETIRED_TABLES, TABLES};
use crate::simulate::trace::{DAY_SECONDS, Item};

/// Which dates a query asks for, with the share of tables that are so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Class {
    LatestDay,
    LastWeek,
    LastMonth,
    /// A week-on-week comparison: 1, 8 and 15 days back.
    Points,
    MonthToDate,
    /// A few days anywhere in the past, the older the rarer.
    Backfill,
    FullScan,
}

const CLASSES: [(Class, f64); 7] = [
    (Class::LatestDay, 0.45),
    (Class::LastWeek, 0.25),
    (Class::LastMonth, 0.10),
    (Class::Points, 0.08),
    (Class::MonthToDate, 0.05),
    (Class::Backfill, 0.05),
    (Class::FullScan, 0.02),
];

impl Class {
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut draw: f64 = rng.random();
        for (class, share) in CLASSES {
            if draw < share {
                return class;
            }
            draw -= share;
        }
        Self::LatestDay
    }
}

/// What a person asks again and again.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) class: Class,
    pub(super) columns: Vec<u32>,
}

pub(super) struct Table {
    pub(super) templates: Vec<Template>,
    column_count: u32,
    /// The exponent of reads by age (fitted to "Big Data is Dead": 1.2 to 1.6).
    age_exponent: f64,
    /// Position of the first item; an item is (date, column).
    first_item: u32,
    first_date: i32,
    /// The days that it is read on.
    pub(super) lives: Range<i32>,
    /// How likely each of its young partitions is written anew on a day.
    pub(super) rewritten: f64,
    /// One of those that a burst reads, and nobody else.
    pub(super) unforeseen: bool,
}

/// Bytes of one partition: median and spread over tables, chosen so that scans spread as widely as they do (Fivetran,
/// BigQuery: sigma 2.6).
const PARTITION_BYTES_MEDIAN: f64 = 100e6;
const PARTITION_SIGMA: f64 = 1.8;
/// Of one table's partitions from day to day.
const DAILY_SIGMA: f64 = 0.2;
/// Of one partition's columns.
const COLUMN_SIGMA: f64 = 1.0;
/// Popularity of columns (ClickBench: 2 to 6 a query, Zipf 1.1).
const COLUMN_ZIPF: f64 = 1.1;
const TEMPLATES: Range<usize> = 2..12;
/// Popularity of a table's templates (Redset: the top 10 of all hold a third).
const TEMPLATE_ZIPF: f64 = 1.0;
/// Tables with many small files, and how many to a partition.
const SMALL_FILES: f64 = 0.15;
const FILE_BYTES: u64 = 128 << 20;
/// Partitions that come hours late.
const LATE: f64 = 0.05;
/// Tables whose young partitions are written anew.
const REWRITTEN_TABLES: f64 = 0.1;
const UNFORESEEN: usize = 10;

pub(super) fn tables(rng: &mut ChaCha8Rng, items: &mut Vec<Item>) -> Vec<Table> {
    let partition_bytes = LogNormal::new(PARTITION_BYTES_MEDIAN.ln(), PARTITION_SIGMA).expect("a finite sigma");
    // Ranks at even distances, so that every seed has hot and cold tables among the new and the retired.
    let every = |count: usize, offset: usize, rank: usize| rank % (TABLES / count) == offset;
    (0..TABLES)
        .map(|rank| {
            let lives = if every(NEW_TABLES, 3, rank) {
                rng.random_range(5..DAYS - 5)..DAYS
            } else if every(RETIRED_TABLES, 7, rank) {
                0..rng.random_range(5..DAYS - 5)
            } else {
                0..DAYS
            };
            let first_date = if lives.start > 0 { lives.start - 1 } else { -OLD_DAYS };
            let column_count: u32 = rng.random_range(6..30);
            let class = Class::draw(rng);
            let template = |rng: &mut ChaCha8Rng| Template {
                class: if rng.random_bool(0.8) { class } else { Class::draw(rng) },
                columns: columns(column_count, rng),
            };
            let templates = (0..rng.random_range(TEMPLATES)).map(|_| template(rng)).collect();
            let first_item = u32::try_from(items.len()).expect("far less");
            let bytes = partition_bytes.sample(rng);
            lay_out(u32::try_from(rank).expect("far less"), bytes, column_count, first_date, rng, items);
            Table {
                templates,
                column_count,
                age_exponent: rng.random_range(1.2..1.6),
                first_item,
                first_date,
                lives,
                rewritten: if rng.random_bool(REWRITTEN_TABLES) { 0.2 } else { 0.0 },
                unforeseen: rank >= TABLES - UNFORESEEN,
            }
        })
        .collect()
}

/// The partitions of a table: one a day, each with all columns.
fn lay_out(table: u32, bytes: f64, columns: u32, first_date: i32, rng: &mut ChaCha8Rng, items: &mut Vec<Item>) {
    let daily = LogNormal::new(0.0, DAILY_SIGMA).expect("a finite sigma");
    let wide = LogNormal::new(0.0, COLUMN_SIGMA).expect("a finite sigma");
    let widths: Vec<f64> = (0..columns).map(|_| wide.sample(rng)).collect();
    let all: f64 = widths.iter().sum();
    let small_files: u32 = if rng.random_bool(SMALL_FILES) { rng.random_range(8..64) } else { 1 };
    for date in first_date..DAYS {
        let bytes = bytes * daily.sample(rng) * super::weekend(date);
        let files = small_files.max(u32::try_from(bytes as u64 / FILE_BYTES).expect("far less") + 1);
        // A day's partition is whole in the small hours of the next, counted from two in the morning.
        let hours = if rng.random_bool(LATE) { rng.random_range(4.0..10.0) } else { rng.random_range(-1.5..3.0) };
        let lands = i64::from(date + 1) * i64::from(DAY_SECONDS) + (hours * 3600.0) as i64;
        items.extend((0..columns).map(|slot| Item {
            table,
            slot,
            date: Some(date),
            bytes: ((bytes * widths[slot as usize] / all) as u64).max(1000),
            files,
            lands,
        }));
    }
}

fn columns(count: u32, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let wanted = rng.random_range(2..=6);
    let mut columns: Vec<u32> = (0..wanted).map(|_| draw_column(count, rng)).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn draw_column(count: u32, rng: &mut ChaCha8Rng) -> u32 {
    let rank: f64 = Zipf::new(f64::from(count), COLUMN_ZIPF).expect("a positive exponent").sample(rng);
    (rank as u32 - 1).min(count - 1)
}

impl Table {
    pub(super) fn first_date(&self) -> i32 {
        self.first_date
    }

    pub(super) fn columns(&self) -> u32 {
        self.column_count
    }

    pub(super) fn column(&self, rng: &mut ChaCha8Rng) -> u32 {
        draw_column(self.column_count, rng)
    }

    pub(super) fn template(&self, rng: &mut ChaCha8Rng) -> &Template {
        &self.templates[self.draw_template(rng)]
    }

    pub(super) fn draw_template(&self, rng: &mut ChaCha8Rng) -> usize {
        let count = self.templates.len();
        let rank: f64 = Zipf::new(count as f64, TEMPLATE_ZIPF).expect("a positive exponent").sample(rng);
        (rank as usize - 1).min(count - 1)
    }

    pub(super) fn item(&self, date: i32, column: u32) -> u32 {
        self.first_item
            + u32::try_from(date - self.first_date).expect("dates of the table") * self.column_count
            + column
    }

    /// The dates that a query of a class asks for at `at`, of those that have landed. "Yesterday" is the newest that has.
    pub(super) fn dates(&self, class: Class, day: i32, at: f64, rng: &mut ChaCha8Rng, items: &[Item]) -> Vec<i32> {
        let landed = |date: &i32| {
            *date >= self.first_date && *date < DAYS && items[self.item(*date, 0) as usize].lands < at as i64
        };
        let Some(newest) = (self.first_date..day).rev().find(landed) else { return Vec::new() };
        let wanted: Vec<i32> = match class {
            Class::LatestDay => vec![newest],
            Class::LastWeek => (newest - 6..=newest).collect(),
            Class::LastMonth => (newest - 29..=newest).collect(),
            Class::Points => vec![newest, newest - 7, newest - 14],
            Class::MonthToDate => (day - day.rem_euclid(30)..=newest).collect(),
            Class::Backfill => {
                let age: f64 = Zipf::new(110.0, self.age_exponent).expect("a positive exponent").sample(rng);
                (0..3).map(|more| newest + 1 - age as i32 - more).collect()
            }
            Class::FullScan => (self.first_date..=newest).collect(),
        };
        wanted.into_iter().filter(landed).collect()
    }
}
