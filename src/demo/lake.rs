//! The demo's lake: TPC-H in Parquet under one folder, lineitem and orders partitioned by month as Hive lays tables out.
//!
//! All of TPC-H's dates are there from the start: the months after the simulated day are orders yet to ship, and nobody
//! asks for them. A lake that was made for the same scale is used again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Date32Type, SchemaRef};
use chrono::{Days, NaiveDate};
use indicatif::ProgressBar;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RecordBatchIterator, RegionArrow,
    SupplierArrow,
};

use super::month::Month;

/// Changes when the lake's layout changes, so that an older lake is made anew.
const LAYOUT: u32 = 1;

/// The folder of the tables, which names their schema.
pub(crate) const SCHEMA: &str = "tpch";

/// The file that says what a folder holds; it is written last, so a lake without it is unfinished.
const MANIFEST: &str = "lake.json";

/// Rows that are generated at a time.
const BATCH_ROWS: usize = 64 << 10;

/// One table of the lake.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// The columns in its files.
    pub(crate) schema: SchemaRef,
    /// The column in its paths, for a partitioned table.
    pub(crate) partitioned_by: Option<Partitioning>,
}

/// How a table is cut into partitions: by the month of a date.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partitioning {
    /// The key in `key=1998-07`.
    pub(crate) key: &'static str,
    date_column: &'static str,
}

/// A lake on disk.
#[derive(Debug)]
pub(crate) struct Lake {
    /// The origin's folder.
    pub(crate) root: PathBuf,
    /// Its files together.
    pub(crate) bytes: u64,
    /// How many there are.
    pub(crate) files: u64,
    /// The tables in it.
    pub(crate) tables: Vec<Table>,
}

/// TPC-H's tables in the order in which they are made, and how each is partitioned.
const TABLES: [(&str, Option<Partitioning>); 8] = [
    ("region", None),
    ("nation", None),
    ("supplier", None),
    ("customer", None),
    ("part", None),
    ("partsupp", None),
    ("orders", Some(Partitioning { key: "ordermonth", date_column: "o_orderdate" })),
    ("lineitem", Some(Partitioning { key: "shipmonth", date_column: "l_shipdate" })),
];

/// What a finished lake says of itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    layout: u32,
    scale: f64,
    bytes: u64,
    files: u64,
}

impl Lake {
    /// The lake at `root`, made now unless a whole one of this scale is there. Blocks.
    pub(crate) fn open_or_make(root: &Path, scale: f64, progress: &ProgressBar) -> Result<Self> {
        if let Some(lake) = Self::open(root, scale) {
            return Ok(lake);
        }
        Self::make(root, scale, progress).with_context(|| format!("cannot make TPC-H data in {}", root.display()))?;
        Self::open(root, scale).with_context(|| format!("{} is not as it was just made", root.display()))
    }

    /// The lake that is there, if it is the one that would be made: same scale, same layout, not a file less.
    pub(crate) fn open(root: &Path, scale: f64) -> Option<Self> {
        let manifest: Manifest = serde_json::from_slice(&std::fs::read(root.join(MANIFEST)).ok()?).ok()?;
        let (bytes, files) = parquet_files(&root.join(SCHEMA)).ok()?;
        if manifest != (Manifest { layout: LAYOUT, scale, bytes, files }) {
            return None;
        }
        let tables = TABLES.iter().map(|(name, by)| Table::open(root, name, *by)).collect::<Result<_>>().ok()?;
        Some(Self { root: root.to_owned(), bytes, files, tables })
    }

    fn make(root: &Path, scale: f64, progress: &ProgressBar) -> Result<()> {
        if root.exists() {
            // Only what a demo made is removed: a folder with anything else in it is somebody's.
            let ours = |name: &std::ffi::OsStr| name == MANIFEST || name == SCHEMA;
            let foreign = std::fs::read_dir(root)?.flatten().find(|entry| !ours(&entry.file_name()));
            if let Some(entry) = foreign {
                bail!("the folder holds {}, which the demo did not make", entry.path().display());
            }
            std::fs::remove_dir_all(root)?;
        }
        progress.set_length(rows_about(scale));
        for (name, partitioned_by) in TABLES {
            progress.set_message(name);
            let batches = generator(name, scale);
            let mut writer = TableWriter::new(root.join(SCHEMA).join(name), batches.schema().clone());
            for batch in batches {
                writer.write(&batch, partitioned_by)?;
                progress.inc(batch.num_rows() as u64);
            }
            writer.close()?;
        }
        let (bytes, files) = parquet_files(&root.join(SCHEMA))?;
        let manifest = serde_json::to_vec_pretty(&Manifest { layout: LAYOUT, scale, bytes, files })?;
        Ok(std::fs::write(root.join(MANIFEST), manifest)?)
    }
}

impl Table {
    /// The columns are those of any file: all were written alike.
    fn open(root: &Path, name: &'static str, partitioned_by: Option<Partitioning>) -> Result<Self> {
        let mut path = root.join(SCHEMA).join(name);
        while path.is_dir() {
            let entry = std::fs::read_dir(&path)?.next().with_context(|| format!("{} is empty", path.display()))?;
            path = entry?.path();
        }
        let schema = ParquetRecordBatchReaderBuilder::try_new(File::open(&path)?)?.schema().clone();
        Ok(Self { name, schema, partitioned_by })
    }
}

/// A table's rows as TPC-H has them.
fn generator(table: &str, scale: f64) -> Box<dyn RecordBatchIterator> {
    macro_rules! batches {
        ($arrow:ident, $generator:ident) => {
            Box::new($arrow::new($generator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        };
    }
    match table {
        "region" => batches!(RegionArrow, RegionGenerator),
        "nation" => batches!(NationArrow, NationGenerator),
        "supplier" => batches!(SupplierArrow, SupplierGenerator),
        "customer" => batches!(CustomerArrow, CustomerGenerator),
        "part" => batches!(PartArrow, PartGenerator),
        "partsupp" => batches!(PartSuppArrow, PartSuppGenerator),
        "orders" => batches!(OrderArrow, OrderGenerator),
        "lineitem" => batches!(LineItemArrow, LineItemGenerator),
        other => unreachable!("TPC-H has no table {other}"),
    }
}

/// The rows of all tables together, near enough for a progress bar: TPC-H has 8.66 million at scale 1.
fn rows_about(scale: f64) -> u64 {
    (8_661_245.0 * scale) as u64
}

/// The Parquet files of one table, one a partition, written side by side.
struct TableWriter {
    folder: PathBuf,
    schema: SchemaRef,
    files: BTreeMap<String, ArrowWriter<File>>,
}

impl TableWriter {
    fn new(folder: PathBuf, schema: SchemaRef) -> Self {
        Self { folder, schema, files: BTreeMap::new() }
    }

    fn write(&mut self, batch: &RecordBatch, partitioned_by: Option<Partitioning>) -> Result<()> {
        let Some(partitioning) = partitioned_by else {
            return Ok(self.file("")?.write(batch)?);
        };
        for (month, rows) in rows_by_month(batch, partitioning.date_column)? {
            let part = take_record_batch(batch, &UInt32Array::from(rows))?;
            self.file(&format!("{}={month}", partitioning.key))?.write(&part)?;
        }
        Ok(())
    }

    fn file(&mut self, partition: &str) -> Result<&mut ArrowWriter<File>> {
        if !self.files.contains_key(partition) {
            let folder = self.folder.join(partition);
            std::fs::create_dir_all(&folder)?;
            let path = folder.join("part-00000.parquet");
            let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
            let writer = ArrowWriter::try_new(file, self.schema.clone(), Some(properties))?;
            self.files.insert(partition.to_owned(), writer);
        }
        Ok(self.files.get_mut(partition).expect("it was put in above"))
    }

    fn close(self) -> Result<()> {
        for writer in self.files.into_values() {
            writer.close()?;
        }
        Ok(())
    }
}

/// The positions of the rows of each month.
fn rows_by_month(batch: &RecordBatch, date_column: &str) -> Result<BTreeMap<Month, Vec<u32>>> {
    let dates = batch.column_by_name(date_column).with_context(|| format!("there is no column {date_column}"))?;
    let dates = dates.as_primitive::<Date32Type>();
    let mut month_of_day: HashMap<i32, Month> = HashMap::new();
    let mut rows: BTreeMap<Month, Vec<u32>> = BTreeMap::new();
    for row in 0..dates.len() {
        let days = dates.value(row);
        let month = month_of_day.entry(days).or_insert_with(|| Month::of(date_of(days)));
        rows.entry(*month).or_default().push(row as u32);
    }
    Ok(rows)
}

fn date_of(days_since_1970: i32) -> NaiveDate {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date of the calendar");
    epoch + Days::new(u64::try_from(days_since_1970).unwrap_or(0))
}

/// The bytes and the number of all Parquet files below `folder`.
fn parquet_files(folder: &Path) -> std::io::Result<(u64, u64)> {
    let (mut bytes, mut files) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "parquet") {
                bytes += metadata.len();
                files += 1;
            }
        }
    }
    Ok((bytes, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lake_is_made_once_and_then_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("origin");
        assert!(Lake::open(&root, 0.001).is_none());
        let made = Lake::open_or_make(&root, 0.001, &ProgressBar::hidden()).unwrap();
        let july = root.join("tpch/lineitem/shipmonth=1998-07/part-00000.parquet");
        let written = july.metadata().unwrap().modified().unwrap();

        let again = Lake::open_or_make(&root, 0.001, &ProgressBar::hidden()).unwrap();
        assert_eq!((again.bytes, again.files), (made.bytes, made.files));
        assert_eq!(july.metadata().unwrap().modified().unwrap(), written);

        assert!(Lake::open(&root, 0.002).is_none(), "another scale is another lake");
        std::fs::remove_file(july).unwrap();
        assert!(Lake::open(&root, 0.001).is_none(), "a lake that lost a file is made anew");
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("letter.txt"), "dear").unwrap();
        let error = Lake::open_or_make(folder.path(), 0.001, &ProgressBar::hidden()).unwrap_err();
        assert!(format!("{error:#}").contains("letter.txt"), "{error:#}");
        assert!(folder.path().join("letter.txt").exists());
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(date_of(10_409).to_string(), "1998-07-02");
    }
}
