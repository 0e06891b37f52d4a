//! A workload as fleets of ad-hoc queries have it: few tables hot, most reads on the newest partitions, sessions of
//! similar queries, quieter weekends, scans and backfills now and then.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf};

use super::trace::{Access, Trace};

const DAYS: usize = 60;
/// Partitions that exist before the first day.
const OLD_PARTITIONS: usize = 90;
const TABLES: usize = 60;
/// Popularity of tables (Facebook 2010, Uber: 0.9).
const TABLE_ZIPF: f64 = 0.9;
const SESSIONS_PER_DAY: f64 = 100.0;
/// Queries of a session (Redset: median 6).
const SESSION_QUERIES_MAX: u32 = 11;
/// The median of a partition's size, and its spread over tables.
const PARTITION_BYTES_MEDIAN: f64 = 64e6;
const PARTITION_SIGMA: f64 = 1.5;
/// Weekends are quieter.
const WEEKEND: f64 = 0.8;
/// Day-to-day noise of volume.
const NOISE_SIGMA: f64 = 0.3;

/// Which partitions a table's queries ask for, with the share of tables that are so.
#[derive(Debug, Clone, Copy)]
enum Class {
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

struct Table {
    class: Class,
    /// The exponent of reads by age, for backfills.
    age_exponent: f64,
    first_item: usize,
}

/// The workload of a seed.
pub(super) fn workload(seed: u64) -> Trace {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut item_bytes = Vec::new();
    let sizes = LogNormal::new(PARTITION_BYTES_MEDIAN.ln(), PARTITION_SIGMA).expect("a finite sigma");
    let daily = LogNormal::new(0.0, NOISE_SIGMA).expect("a finite sigma");
    let tables: Vec<Table> = (0..TABLES)
        .map(|_| {
            let first_item = item_bytes.len();
            let size: f64 = sizes.sample(&mut rng);
            item_bytes.extend((0..OLD_PARTITIONS + DAYS).map(|_| (size * daily.sample(&mut rng)).max(1e5) as u64));
            Table { class: class(rng.random()), age_exponent: rng.random_range(1.2..1.6), first_item }
        })
        .collect();
    let popularity = Zipf::new(TABLES as f64, TABLE_ZIPF).expect("a positive exponent");
    let days = (0..DAYS)
        .map(|day| {
            let weekday = if day % 7 >= 5 { WEEKEND } else { 1.0 };
            let sessions = (SESSIONS_PER_DAY * weekday * daily.sample(&mut rng)) as usize;
            let mut reads = Vec::new();
            for _ in 0..sessions {
                let rank: f64 = popularity.sample(&mut rng);
                let table = &tables[(rank as usize - 1).min(TABLES - 1)];
                // A session's queries are variants of one template: the same partitions and columns.
                let ages = ages(table, day, &mut rng);
                let share: f64 = rng.random_range(0.1..0.6);
                for _ in 0..rng.random_range(1..=SESSION_QUERIES_MAX) {
                    reads.extend(ages.iter().map(|age| {
                        // Yesterday's partition is the newest that is whole.
                        let item = table.first_item + OLD_PARTITIONS + day - 1 - age;
                        Access { item, bytes: (item_bytes[item] as f64 * share) as u64 }
                    }));
                }
            }
            reads
        })
        .collect();
    Trace { item_bytes, days }
}

fn class(mut draw: f64) -> Class {
    for (class, share) in CLASSES {
        if draw < share {
            return class;
        }
        draw -= share;
    }
    Class::LatestDay
}

/// The ages of the partitions that a query asks for; 0 is yesterday's.
fn ages(table: &Table, day: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    match table.class {
        Class::LatestDay => vec![0],
        Class::LastWeek => (0..7).collect(),
        Class::LastMonth => (0..30).collect(),
        Class::Points => vec![0, 7, 14],
        Class::MonthToDate => (0..=day % 30).collect(),
        Class::Backfill => {
            let oldest = (OLD_PARTITIONS - 4) as f64;
            let age: f64 = Zipf::new(oldest, table.age_exponent).expect("a positive exponent").sample(rng);
            (age as usize..age as usize + 3).collect()
        }
        Class::FullScan => (0..OLD_PARTITIONS).collect(),
    }
}
