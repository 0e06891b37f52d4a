//! A generated access log, and the lake that it tells of.
//!
//! Days of reads by Zipf's law over tables and over the partitions' ages, in the columns of the data path. Every row is a
//! function of its day and number, so that the same settings make the same files.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use larder_model::AccessKind;
use larder_model::access::columns as c;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(super) const BUCKET: &str = "lake";
pub(super) const TABLES: usize = 1000;
/// Of each table, by day.
pub(super) const PARTITIONS: usize = 100;
/// The last day of logs, and the date of the newest partition.
pub(super) const NIGHT: &str = "2026-06-30";
/// Rows of a log file, as a worker that is busy for some minutes would write it.
const FILE_ROWS: u64 = 1_000_000;
const BATCH_ROWS: u64 = 65_536;
const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// 2026-06-30, in days since 1970.
const NIGHT_DAY: i64 = 20_634;

/// Names that come again and again, made once.
struct Names {
    tables: Vec<String>,
    partitions: Vec<String>,
    keys: Vec<String>,
    versions: Vec<String>,
}

impl Names {
    fn new() -> Self {
        let partitions: Vec<String> =
            (0..PARTITIONS).map(|age| format!("dt={}", date(NIGHT_DAY - age as i64))).collect();
        let folders = (0..TABLES).flat_map(|table| partitions.iter().map(move |dt| format!("bench.db/t{table}/{dt}")));
        Self {
            tables: (0..TABLES).map(|table| format!("{BUCKET}.bench.t{table}")).collect(),
            keys: folders.map(|folder| format!("{folder}/0.parquet")).collect(),
            versions: (0..TABLES * PARTITIONS).map(|item| format!("\"{item:032x}\"")).collect(),
            partitions,
        }
    }
}

/// A date by its days since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
pub(crate) fn date(days: i64) -> String {
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Makes an empty file of each partition's size: listings tell sizes, and nobody reads the lake.
pub(super) fn write_lake(lake: &Path) -> anyhow::Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for key in Names::new().keys {
        let path = lake.join(key);
        fs::create_dir_all(path.parent().context("a key has a folder")?)?;
        File::create(&path)?.set_len(rng.random_range(1 << 20..1 << 30))?;
    }
    Ok(())
}

/// Writes so many rows of each of the last `days` days, a thread a core.
pub(super) fn write_log(logs: &Path, days: u64, rows_a_day: u64) -> anyhow::Result<()> {
    let names = Names::new();
    let files: Vec<(u64, u64)> =
        (0..days).flat_map(|age| (0..rows_a_day).step_by(FILE_ROWS as usize).map(move |first| (age, first))).collect();
    let threads = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let write = |chunk: &[(u64, u64)]| -> anyhow::Result<()> {
            for (age, first) in chunk {
                let folder = logs.join("access").join(format!("day={}", date(NIGHT_DAY - *age as i64)));
                fs::create_dir_all(&folder)?;
                let path = folder.join(format!("{first:012}.parquet"));
                write_file(&path, &names, *age, rows_a_day, *first..rows_a_day.min(first + FILE_ROWS))?;
            }
            Ok(())
        };
        let chunks: Vec<_> = files.chunks(files.len().div_ceil(threads).max(1)).collect();
        let started: Vec<_> = chunks.into_iter().map(|chunk| scope.spawn(move || write(chunk))).collect();
        started.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })
}

fn write_file(path: &Path, names: &Names, age: u64, rows_a_day: u64, rows: std::ops::Range<u64>) -> anyhow::Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(age << 40 | rows.start);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut first = rows.start;
    while first < rows.end {
        let end = rows.end.min(first + BATCH_ROWS);
        let batch = batch(&mut rng, names, age, rows_a_day, first..end)?;
        if writer.is_none() {
            writer = Some(ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties.clone()))?);
        }
        if let Some(writer) = &mut writer {
            writer.write(&batch)?;
        }
        first = end;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(())
}

/// What one row is of.
struct Row {
    item: usize,
    table: usize,
    age: usize,
    kind: AccessKind,
    is_hit: bool,
    chunk: u64,
    seconds: f64,
}

impl Row {
    fn any(rng: &mut ChaCha8Rng, age: u64) -> Self {
        // The logarithm of a rank under Zipf's law with exponent 1 is uniform.
        let zipf = |rng: &mut ChaCha8Rng, n: usize| ((n as f64).powf(rng.random::<f64>()) as usize - 1).min(n - 1);
        let table = zipf(rng, TABLES);
        // Relative to its own day; partitions older than the oldest are not read.
        let age = age as usize + zipf(rng, PARTITIONS - age as usize);
        let (kind, is_hit) = match rng.random_range(0..10) {
            0..5 => (AccessKind::Get, true),
            5..8 => (AccessKind::Get, false),
            8 => (AccessKind::Fill, false),
            _ => (AccessKind::Preload, false),
        };
        let chunk = rng.random_range(0..16);
        let bytes = Self::length(chunk) as f64;
        let ideal = if is_hit { 0.0005 + bytes / 1e9 } else { 0.03 + bytes / 80e6 };
        // As fine as a clock that counts microseconds.
        let seconds = (ideal * rng.random_range(0.8..1.4) * 1e6_f64).round() / 1e6;
        Self { item: table * PARTITIONS + age, table, age, kind, is_hit, chunk, seconds }
    }

    /// Each of a file's 16 column chunks has a length of its own, from 64 KiB to 4 MiB.
    fn length(chunk: u64) -> u64 {
        (64 << 10) << (chunk % 7)
    }
}

fn batch(
    rng: &mut ChaCha8Rng,
    names: &Names,
    age: u64,
    rows_a_day: u64,
    rows: std::ops::Range<u64>,
) -> anyhow::Result<RecordBatch> {
    let midnight = (NIGHT_DAY - age as i64) * DAY_MICROS;
    let step = DAY_MICROS as f64 / rows_a_day as f64;
    let times: TimestampMicrosecondArray =
        rows.clone().map(|row| Some(midnight + (row as f64 * step) as i64)).collect();
    let rows: Vec<Row> = rows.map(|_| Row::any(rng, age)).collect();
    fn text<'a>(rows: &[Row], of: impl Fn(&Row) -> &'a str) -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    }
    let count = |of: &dyn Fn(&Row) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<UInt64Array>())
    };
    let if_hit = |row: &Row, is: bool| if row.is_hit == is { Row::length(row.chunk) } else { 0 };
    let fields: Vec<(&str, ArrayRef)> = vec![
        (c::TIME, Arc::new(times.with_timezone("UTC"))),
        (c::WORKER, text(&rows, |_| "w1")),
        (c::KIND, text(&rows, |row| row.kind.as_str())),
        (c::BUCKET, text(&rows, |_| BUCKET)),
        (c::KEY, text(&rows, |row| &names.keys[row.item])),
        (c::VERSION, text(&rows, |row| &names.versions[row.item])),
        (c::OFFSET, count(&|row| row.chunk << 22)),
        (c::LENGTH, count(&|row| Row::length(row.chunk))),
        (c::TABLE, text(&rows, |row| &names.tables[row.table])),
        (c::PARTITION, text(&rows, |row| &names.partitions[row.age])),
        (c::ROUTE, text(&rows, |row| if row.is_hit || row.kind != AccessKind::Get { "cached" } else { "direct" })),
        (c::BYTES_MEMORY, count(&|_| 0)),
        (c::BYTES_SSD, count(&|row| if_hit(row, true))),
        (c::BYTES_PEER, count(&|_| 0)),
        (c::BYTES_ORIGIN, count(&|row| if_hit(row, false))),
        (c::SECONDS, Arc::new(rows.iter().map(|row| Some(row.seconds)).collect::<Float64Array>())),
        (c::PRINCIPAL, text(&rows, |row| ["ana", "ben", "cho", "dee"][row.chunk as usize % 4])),
        (c::ENGINE, text(&rows, |_| "trino")),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(fields.into_iter().map(|(name, array)| (name, array, true)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!((date(0), date(NIGHT_DAY), date(11_016)), ("1970-01-01".into(), NIGHT.into(), "2000-02-29".into()));
    }

    #[test]
    fn the_same_day_and_number_are_the_same_row() {
        let names = Names::new();
        let make = || batch(&mut ChaCha8Rng::seed_from_u64(3), &names, 29, 1000, 0..1000).unwrap();
        assert_eq!(make(), make());
        assert_eq!(make().num_rows(), 1000);
    }
}
