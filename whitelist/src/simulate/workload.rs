//! A seeded workload as fleets of ad-hoc queries have it: few tables hot, most reads on the newest partitions, sessions of
//! repeated queries over a few columns, quiet nights and weekends, and all that upsets a plan: new and retired tables, late
//! and rewritten partitions, month ends, scans that nobody repeats.
//!
//! The constants are those of the studies that are named beside them; what has no name beside it is a choice.

mod tables;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Poisson, Zipf};

use self::tables::{Class, Table, Template, tables};
use super::trace::{DAY_SECONDS, Item, Read, Rewrite, Trace};

/// What happens beside the everyday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scenario {
    /// Nothing.
    #[default]
    Stationary,
    /// On day 45 a fifth of the heat moves to other tables.
    Drift,
    /// The last days of each month see three times the sessions, over the whole month.
    MonthEnd,
    /// On day 45 ten tables that nobody read before are read a lot, for three days.
    Burst,
    /// From day 45 on, for three days, tables are scanned from end to end all day, beside the reads of the stationary workload.
    ScanStorm,
    /// On day 45 the last 30 partitions of the hottest tables are written anew.
    Backfill,
}

impl Scenario {
    /// All of them, and their names on the command line.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Stationary, "stationary"),
        (Self::Drift, "drift"),
        (Self::MonthEnd, "month-end"),
        (Self::Burst, "burst"),
        (Self::ScanStorm, "scan-storm"),
        (Self::Backfill, "backfill"),
    ];
}

pub(super) const DAYS: i32 = 60;
/// When the scenarios begin.
const EVENT_DAY: i32 = 45;
/// Partitions that exist before the first day.
const OLD_DAYS: i32 = 120;
const TABLES: usize = 80;
/// Of these, tables that begin or end within the 60 days.
const NEW_TABLES: usize = 8;
const RETIRED_TABLES: usize = 8;
/// Popularity of tables (Facebook 2010, Uber: 0.9).
const TABLE_ZIPF: f64 = 0.9;
const SESSIONS_PER_DAY: f64 = 80.0;
/// The share of sessions that come back every day at their hour: dashboards, reports, people's mornings. What makes four of
/// five queries repeats of older ones (Redset).
const RECURRING: f64 = 0.5;
/// How likely one of those comes on a day.
const RECURS: f64 = 0.95;
/// Queries of a session: median 6 (Redset).
const SESSION_QUERIES_MEAN: f64 = 7.0;
/// Between the queries of a session: about 280 s for six (Redset).
const QUERY_GAP_SECONDS: f64 = 50.0;
/// A query that repeats the one before it (Redset: at least 80% in half of the clusters).
const REPEAT: f64 = 0.8;
/// Queries answered by a result cache never reach the storage (Redset).
const RESULT_CACHED: f64 = 0.13;
/// Sat / Sun over the mean (Snowflake).
const WEEKEND: f64 = 0.8;
/// Day-to-day noise of volume (Redset: 0.1 to 0.4 by cluster).
const NOISE_SIGMA: (f64, f64) = (0.1, 0.4);
/// Scans of whole tables that nobody repeats, per day.
const ONE_OFF_SCANS_PER_DAY: f64 = 1.0;
/// The same in a storm, beside those.
const STORM_SCANS_PER_DAY: f64 = 40.0;
/// Sessions that ask for other dates than their table's usual ones.
const UNUSUAL_DATES: f64 = 0.1;
/// The largest request of an engine to storage.
const REQUEST_BYTES: u64 = 8 << 20;

/// The workload of a seed.
pub(super) fn workload(seed: u64, scenario: Scenario) -> Trace {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Drawn apart, so that the everyday is the same with a storm and without.
    let mut storm = ChaCha8Rng::seed_from_u64(seed);
    storm.set_stream(1);
    let mut items = Vec::new();
    let tables = tables(&mut rng, &mut items);
    let mut writer = Writer { items: &items, reads: Vec::new() };
    let sigma = rng.random_range(NOISE_SIGMA.0..NOISE_SIGMA.1);
    let noise = LogNormal::new(0.0, sigma).expect("a finite sigma");
    let recurring = recurring(&tables, &mut rng);
    for day in 0..DAYS {
        let volume = SESSIONS_PER_DAY * weekend(day) * noise.sample(&mut rng) * month_end(scenario, day);
        for _ in 0..poisson(volume * (1.0 - RECURRING), &mut rng) {
            let Some(table) = pick(&tables, scenario, day, &mut rng) else { continue };
            let (template, at) = (table.template(&mut rng), time_of_day(&mut rng));
            writer.session(table, template, day, at, scenario, &mut rng);
        }
        for Recurring { rank, template, at } in &recurring {
            let table = &tables[moved(*rank, scenario, day)];
            if table.lives.contains(&day) && rng.random_bool(RECURS * weekend(day)) {
                let template = &table.templates[template % table.templates.len()];
                writer.session(table, template, day, at + rng.random_range(0.0..600.0), scenario, &mut rng);
            }
        }
        for _ in 0..poisson(ONE_OFF_SCANS_PER_DAY, &mut rng) {
            let table = tables.choose(&mut rng).expect("there are tables");
            writer.scan(table, day, &mut rng);
        }
        if scenario == Scenario::ScanStorm && in_event(day) {
            let everyday = writer.reads.len();
            for _ in 0..poisson(STORM_SCANS_PER_DAY, &mut storm) {
                let table = tables.choose(&mut storm).expect("there are tables");
                writer.scan(table, day, &mut storm);
            }
            writer.reads[everyday..].iter_mut().for_each(|read| read.is_storm = true);
        }
    }
    let mut reads = writer.reads;
    reads.sort_by_key(|read| read.at);
    let rewrites = rewrites(&tables, &items, scenario, &mut rng);
    Trace { items, reads, rewrites, days: DAYS, slots_are_columns: true, sample: None }
}

struct Recurring {
    rank: usize,
    template: usize,
    /// Seconds after the night.
    at: f64,
}

fn recurring(tables: &[Table], rng: &mut ChaCha8Rng) -> Vec<Recurring> {
    (0..(SESSIONS_PER_DAY * RECURRING) as usize)
        .map(|_| {
            let rank = draw_rank(rng);
            Recurring { rank, template: tables[rank].draw_template(rng), at: time_of_day(rng) }
        })
        .collect()
}

fn in_event(day: i32) -> bool {
    (EVENT_DAY..EVENT_DAY + 3).contains(&day)
}

fn weekend(day: i32) -> f64 {
    if day.rem_euclid(7) >= 5 { WEEKEND } else { 1.0 }
}

fn is_month_end(day: i32) -> bool {
    day.rem_euclid(30) >= 28
}

fn month_end(scenario: Scenario, day: i32) -> f64 {
    match (is_month_end(day), scenario) {
        (false, _) => 1.0,
        (true, Scenario::MonthEnd) => 3.0,
        (true, _) => 1.3,
    }
}

fn poisson(mean: f64, rng: &mut ChaCha8Rng) -> u64 {
    let draw: f64 = Poisson::new(mean.max(1e-9)).expect("a positive mean").sample(rng);
    draw as u64
}

/// A table by its popularity on that day; `None` if the one drawn is not read on it.
fn pick<'a>(tables: &'a [Table], scenario: Scenario, day: i32, rng: &mut ChaCha8Rng) -> Option<&'a Table> {
    if scenario == Scenario::Burst && in_event(day) && rng.random_bool(0.3) {
        return tables.iter().filter(|table| table.unforeseen).collect::<Vec<_>>().choose(rng).copied();
    }
    let rank = moved(draw_rank(rng), scenario, day);
    let table = &tables[rank];
    (table.lives.contains(&day) && !(scenario == Scenario::Burst && table.unforeseen)).then_some(table)
}

fn draw_rank(rng: &mut ChaCha8Rng) -> usize {
    let rank: f64 = Zipf::new(TABLES as f64, TABLE_ZIPF).expect("a positive exponent").sample(rng);
    (rank as usize - 1).min(TABLES - 1)
}

/// Moves the heat of every fifth rank to a table far behind it, and theirs here.
fn moved(rank: usize, scenario: Scenario, day: i32) -> usize {
    let moves = scenario == Scenario::Drift && day >= EVENT_DAY && rank.is_multiple_of(5);
    if moves { (rank + TABLES / 2) % TABLES } else { rank }
}

struct Writer<'a> {
    items: &'a [Item],
    reads: Vec<Read>,
}

impl Writer<'_> {
    /// One person's queries: variations of one template.
    fn session(
        &mut self,
        table: &Table,
        template: &Template,
        day: i32,
        at: f64,
        scenario: Scenario,
        rng: &mut ChaCha8Rng,
    ) {
        let class = match (scenario, is_month_end(day)) {
            (Scenario::MonthEnd, true) => Class::MonthToDate,
            (_, true) if rng.random_bool(0.2) => Class::MonthToDate,
            _ if rng.random_bool(UNUSUAL_DATES) => Class::draw(rng),
            _ => template.class,
        };
        let mut at = f64::from(day) * f64::from(DAY_SECONDS) + at;
        let queries = 1 + poisson(SESSION_QUERIES_MEAN - 1.0, rng);
        let mut columns = template.columns.clone();
        let mut dates = table.dates(class, day, at, rng, self.items);
        for query in 0..queries {
            if query > 0 && !rng.random_bool(REPEAT) {
                // Another column of the same rows, or other rows of the same columns.
                if rng.random_bool(0.5) {
                    columns.push(table.column(rng));
                    columns.sort_unstable();
                    columns.dedup();
                } else {
                    dates = table.dates(Class::draw(rng), day, at, rng, self.items);
                }
            }
            if !rng.random_bool(RESULT_CACHED) {
                self.query(table, &dates, &columns, at);
            }
            at += rng.random_range(0.2..1.8) * QUERY_GAP_SECONDS;
        }
    }

    fn scan(&mut self, table: &Table, day: i32, rng: &mut ChaCha8Rng) {
        let at = f64::from(day) * f64::from(DAY_SECONDS) + time_of_day(rng);
        let dates = table.dates(Class::FullScan, day, at, rng, self.items);
        self.query(table, &dates, &table.template(rng).columns.clone(), at);
    }

    fn query(&mut self, table: &Table, dates: &[i32], columns: &[u32], at: f64) {
        if at >= f64::from(DAYS) * f64::from(DAY_SECONDS) {
            return;
        }
        for date in dates {
            for column in columns {
                let item = table.item(*date, *column);
                let Item { bytes, files, .. } = self.items[item as usize];
                let requests = u32::try_from(bytes.div_ceil(REQUEST_BYTES)).expect("far less").max(files);
                self.reads.push(Read { at: at as u32, item, requests, bytes, is_storm: false });
            }
        }
    }
}

/// Seconds since two in the morning: people read three times as much by day as by night (Snowflake).
fn time_of_day(rng: &mut ChaCha8Rng) -> f64 {
    let hour =
        if rng.random_bool(0.75) { rng.random_range(6.0..18.0) } else { (rng.random_range(18.0..30.0_f64)) % 24.0 };
    hour * 3600.0
}

fn rewrites(tables: &[Table], items: &[Item], scenario: Scenario, rng: &mut ChaCha8Rng) -> Vec<Rewrite> {
    let mut rewrites = Vec::new();
    let mut rewrite = |table: &Table, date: i32, at: u32| {
        for column in (0..table.columns()).filter(|_| date >= table.first_date()) {
            let item = table.item(date, column);
            if items[item as usize].lands < i64::from(at) {
                rewrites.push(Rewrite { at, item });
            }
        }
    };
    for day in 1..DAYS {
        let at = day as u32 * DAY_SECONDS + rng.random_range(0..6 * 3600);
        for table in tables.iter().filter(|table| table.rewritten > 0.0 && table.lives.contains(&day)) {
            for age in 2..5 {
                if rng.random_bool(table.rewritten) {
                    rewrite(table, day - age, at);
                }
            }
        }
        if scenario == Scenario::Backfill && day == EVENT_DAY {
            for table in tables.iter().take(TABLES / 10) {
                (1..=30).for_each(|age| rewrite(table, day - age, at));
            }
        }
    }
    rewrites.sort_by_key(|rewrite| rewrite.at);
    rewrites
}
