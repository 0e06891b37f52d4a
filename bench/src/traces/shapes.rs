//! Traces as `larder simulate --trace` takes them, of shapes that are easily told: every read is of a whole object.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::nights::date;

/// What is read when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Objects without dates, by Zipf's law.
    Zipf,
    /// The same, with other objects at its head each week.
    Moving,
    /// One object after the other, over and over.
    Loop,
    /// The last days' partitions of tables, and now and then an old one.
    Rolling,
    /// [`Shape::Zipf`], [`Shape::Loop`] and [`Shape::Rolling`] at once.
    Mixture,
}

impl Shape {
    /// All of them, with their names.
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Zipf, "Zipf"),
        (Self::Moving, "Zipf, weekly anew"),
        (Self::Loop, "loop"),
        (Self::Rolling, "rolling window"),
        (Self::Mixture, "mixture"),
    ];
}

const DAYS: u64 = 60;
const DAY_SECONDS: u64 = 86_400;
/// 2026-01-01, in days since 1970.
const FIRST_DAY: u64 = 20_454;
/// Two in the morning, when a day of a replay begins.
const START: u64 = FIRST_DAY * DAY_SECONDS + 2 * 3600;

/// Objects that Zipf's law is over, and reads of them a day.
const HEAP: usize = 4000;
const HEAP_READS: u64 = 800;
/// Objects of the loop, and how often it goes around in a day.
const LOOP: u64 = 400;
const LOOP_PASSES: u64 = 2;
/// Tables with daily partitions of two files; days of them that are there before the first read.
const TABLES: u64 = 20;
const OLD_DAYS: u64 = 60;
/// Partitions that a table's job reads each day, and reads of the newest besides.
const WINDOW_DAYS: u64 = 7;
const REFRESHES: u64 = 3;

/// One read of a whole object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    /// In seconds since 1970.
    at: u64,
    object: String,
    bytes: u64,
}

/// Writes the trace that a seed makes.
pub(super) fn write(path: &Path, shape: Shape, seed: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "time,object,bytes,size")?;
    for Read { at, object, bytes } in reads(shape, seed) {
        writeln!(file, "{at},{object},{bytes},{bytes}")?;
    }
    file.flush().with_context(|| format!("writing {}", path.display()))
}

/// In the order of time.
fn reads(shape: Shape, seed: u64) -> Vec<Read> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut reads = match shape {
        Shape::Zipf => heap(&mut rng, false),
        Shape::Moving => heap(&mut rng, true),
        Shape::Loop => scans(&mut rng),
        Shape::Rolling => windows(&mut rng),
        Shape::Mixture => [heap(&mut rng, false), scans(&mut rng), windows(&mut rng)].concat(),
    };
    reads.sort_by_key(|read| read.at);
    reads
}

fn heap(rng: &mut ChaCha8Rng, moves: bool) -> Vec<Read> {
    // From 1 to 256 MiB, as many between 1 and 2 as between 128 and 256.
    let sizes: Vec<u64> = (0..HEAP).map(|_| 2_f64.powf(rng.random_range(20.0..28.0)) as u64).collect();
    let mut by_rank: Vec<usize> = (0..HEAP).collect();
    let mut reads = Vec::new();
    for day in 0..DAYS {
        if day == 0 || (moves && day % 7 == 0) {
            by_rank.shuffle(rng);
        }
        for _ in 0..HEAP_READS {
            // The logarithm of a rank under Zipf's law with exponent 1 is uniform.
            let rank = (HEAP as f64).powf(rng.random::<f64>()) as usize;
            let object = by_rank[rank.clamp(1, HEAP) - 1];
            let at = START + day * DAY_SECONDS + rng.random_range(0..DAY_SECONDS);
            reads.push(Read { at, object: format!("heap/{object}.bin"), bytes: sizes[object] });
        }
    }
    reads
}

fn scans(rng: &mut ChaCha8Rng) -> Vec<Read> {
    let sizes: Vec<u64> = (0..LOOP).map(|_| rng.random_range(32..96_u64) << 20).collect();
    let step = DAY_SECONDS / (LOOP * LOOP_PASSES);
    let read = |turn: u64| {
        let object = turn % LOOP;
        Read { at: START + turn * step, object: format!("scan/{object}.bin"), bytes: sizes[object as usize] }
    };
    (0..DAYS * LOOP * LOOP_PASSES).map(read).collect()
}

fn windows(rng: &mut ChaCha8Rng) -> Vec<Read> {
    let mut reads = Vec::new();
    for table in 0..TABLES {
        // From 16 to 512 MiB a file.
        let usual = 2_f64.powf(rng.random_range(24.0..29.0));
        let job_hour = rng.random_range(2..16_u64);
        // The sizes of each partition's files, from the oldest on.
        let mut size = || (usual * rng.random_range(0.8_f64..1.2)) as u64;
        let files: Vec<[u64; 2]> = (0..OLD_DAYS + DAYS).map(|_| [size(), size()]).collect();
        for day in 0..DAYS {
            let today = START + day * DAY_SECONDS;
            // Yesterday's: today's is not there yet.
            let newest = OLD_DAYS + day - 1;
            let job = today + job_hour * 3600;
            let mut visits: Vec<(u64, u64)> = Vec::new();
            visits.extend((0..WINDOW_DAYS).map(|age| (job + rng.random_range(0..1800_u64), newest - age)));
            visits.extend((0..REFRESHES).map(|_| (today + rng.random_range(4 * 3600..17 * 3600_u64), newest)));
            visits.push((today + rng.random_range(0..DAY_SECONDS), newest - rng.random_range(0..OLD_DAYS)));
            for (at, partition) in visits {
                let folder = format!("lake/t{table}/dt={}", date((FIRST_DAY + partition - OLD_DAYS) as i64));
                for (file, bytes) in files[partition as usize].iter().enumerate() {
                    reads.push(Read { at, object: format!("{folder}/{file}.parquet"), bytes: *bytes });
                }
            }
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn a_seed_makes_the_same_trace_again_in_the_order_of_time_over_all_days() {
        for (shape, name) in Shape::ALL {
            let made = reads(shape, 1);
            assert_eq!(made, reads(shape, 1), "{name}");
            assert_ne!(made, reads(shape, 2), "{name}");
            assert!(made.is_sorted_by_key(|read| read.at), "{name}");
            let days: HashSet<u64> = made.iter().map(|read| (read.at - START) / DAY_SECONDS).collect();
            assert_eq!(days, (0..DAYS).collect::<HashSet<u64>>(), "{name}");
            // An object whose size changes would have been written anew.
            let mut sizes: HashMap<&str, u64> = HashMap::new();
            for read in &made {
                assert_eq!(*sizes.entry(&read.object).or_insert(read.bytes), read.bytes, "{name}: {}", read.object);
            }
        }
    }

    #[test]
    fn each_shape_has_as_many_reads_as_its_figures_say() {
        let counts = Shape::ALL.map(|(shape, _)| reads(shape, 3).len());
        assert_eq!(counts, [48_000, 48_000, 48_000, 26_400, 48_000 + 48_000 + 26_400]);
    }

    #[test]
    fn a_loop_reads_everything_else_before_it_comes_back() {
        let made = reads(Shape::Loop, 4);
        for around in made.windows(LOOP as usize + 1).step_by(997) {
            assert_eq!(around.first().map(|read| &read.object), around.last().map(|read| &read.object));
            let others: HashSet<&str> = around[1..].iter().map(|read| read.object.as_str()).collect();
            assert_eq!(others.len(), LOOP as usize);
        }
    }

    #[test]
    fn what_is_read_most_moves_each_week_only_where_it_shall() {
        let most = |reads: &[Read], week: u64| {
            let mut counts: HashMap<String, u64> = HashMap::new();
            for read in reads.iter().filter(|read| (read.at - START) / (7 * DAY_SECONDS) == week) {
                *counts.entry(read.object.clone()).or_default() += 1;
            }
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(object, _)| object)
        };
        let (still, moving) = (reads(Shape::Zipf, 5), reads(Shape::Moving, 5));
        for week in 1..8 {
            assert_eq!(most(&still, week), most(&still, 0), "week {week}");
            assert_ne!(most(&moving, week), most(&moving, week - 1), "week {week}");
        }
    }

    #[test]
    fn a_window_rolls_on_with_the_days_and_reads_no_partition_before_its_day_is_over() {
        let made = reads(Shape::Rolling, 6);
        let of_day = |day: u64| made.iter().filter(move |read| (read.at - START) / DAY_SECONDS == day);
        for (day, newest, next) in [(0, "dt=2025-12-31", "dt=2026-01-01"), (59, "dt=2026-02-28", "dt=2026-03-01")] {
            // By the job once and by people three times, two files each, and by chance once more.
            let of_newest = of_day(day).filter(|read| read.object.starts_with(&format!("lake/t7/{newest}/"))).count();
            assert!([8, 10].contains(&of_newest), "{newest}: {of_newest}");
            assert!(of_day(day).all(|read| !read.object.contains(next)), "{next}");
        }
    }
}
