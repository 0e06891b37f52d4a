//! Accesses: one day's logs, aggregated by table and partition.
//!
//! Two streams tell of the same reads: the access log of each worker, and the query events of each engine. Each is
//! aggregated by SQL, on DataFusion over the day's Parquet files or on a Trino cluster ([`LogEngine`]); [`streams`] joins
//! the two so that nothing counts twice.
//!
//! A file that cannot be read costs its own rows and nothing else: it is found, named, and left out.

mod files;
mod named;
mod queries;
mod statements;
mod streams;
mod trino;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::future::BoxFuture;
use larder_model::io_time::{ASSUMED_ORIGIN, ASSUMED_SSD};
use larder_model::{ByteRange, ObjectName, TableName};
use thiserror::Error;

pub use self::files::{DayFiles, LogFile};
pub use self::named::Named;
use self::named::named_of;
pub(crate) use self::queries::KEPT as QUERIES_KEPT;
use self::queries::QueryAnswers;
use self::statements::{Grain, HALF_HOURS_MAX};
pub(crate) use self::streams::WHOLE_TABLE;
use self::streams::{AccessRow, Bounds, EventRow, join};
use self::trino::Log;
pub use self::trino::{Trino, TrinoError, TrinoSettings};
use crate::speed::{Measured, SizeBin, fit};
use crate::store::{DayItem, DayQuery, DaySummary, QueryGroup, SkippedFile};

/// Memory that aggregating a day may take; beyond it, DataFusion spills to the disk.
const MEMORY_BYTES_MAX: usize = 512 << 20;

/// Cores that aggregating a day takes: the night shares the machine with the data path.
const PARTITIONS: usize = 2;

/// Why a day could not be aggregated. What was known of the day stays.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The logs' folder cannot be listed: see to the disk, or fix `[logs] path`.
    #[error("cannot list the logs in {path}")]
    List {
        /// The folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The SQL engine failed for a reason that lies in no file.
    #[error("cannot aggregate the {stream} of {day}")]
    Engine {
        /// Which log.
        stream: &'static str,
        /// Which day.
        day: NaiveDate,
        /// What the engine said.
        #[source]
        source: Box<DataFusionError>,
    },
    /// The cluster failed: see to it, or fix `[nightly.trino]`.
    #[error("Trino cannot aggregate the logs")]
    Trino(#[from] TrinoError),
}

/// What runs the statements.
#[derive(Debug, Clone, Default)]
pub enum LogEngine {
    /// DataFusion, here, over the files of this machine.
    #[default]
    Embedded,
    /// A cluster, over tables of the logs of all workers.
    Trino(Trino),
}

impl LogEngine {
    /// The days from `first` to `last` that have logs, in order; `logs` is the folder of this machine's.
    pub async fn days(&self, logs: &Path, first: NaiveDate, last: NaiveDate) -> Result<Vec<DayFiles>, AccessError> {
        match self {
            Self::Embedded => {
                let logs = logs.to_owned();
                let listed = tokio::task::spawn_blocking(move || DayFiles::list(&logs, first, last)).await;
                listed.expect("listing folders does not panic")
            }
            Self::Trino(trino) => Ok(trino.days(first, last).await?),
        }
    }
}

/// A day's logs, aggregated.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// The day as a whole.
    pub summary: DaySummary,
    /// Rows of the access log that lie in the future. They are left out, and the day's fingerprint is none, so that it is
    /// aggregated again until they have come.
    pub rows_ahead: u64,
    /// What was read of each item, by name.
    pub items: Vec<DayItem>,
    /// The origin's speed, where the day's reads were enough to measure it.
    pub origin: Option<Measured>,
    /// The SSD's speed, likewise.
    pub ssd: Option<Measured>,
    /// The ranges that were read of some objects, the busiest of each table.
    pub ranges: Vec<RangeRead>,
    /// The columns of each table that queries named.
    pub named: BTreeMap<TableName, Named>,
    /// The longest and the largest queries.
    pub queries: Vec<DayQuery>,
    /// Who ran how many.
    pub query_groups: Vec<QueryGroup>,
}

/// How often one range of an object was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRead {
    /// The object's table.
    pub table: TableName,
    /// The object.
    pub object: ObjectName,
    /// Its version, as the access log has it.
    pub version: String,
    /// The range.
    pub range: ByteRange,
    /// Requests for it.
    pub requests: u64,
}

/// Aggregates the files of one day, as it is `now`.
pub async fn aggregate(engine: &LogEngine, files: &DayFiles, now: DateTime<Utc>) -> Result<Day, AccessError> {
    let day = files.day;
    let bounds = Bounds::new(day, now);
    let mut skipped = Vec::new();
    let schema = Arc::new(statements::access_schema());
    let access = Stream { engine, log: Log::Access, name: "access log", day, schema };
    let schema = Arc::new(crate::logs::event_schema());
    let events = Stream { engine, log: Log::Events, name: "query events", day, schema };
    let ReadAnswers { access_files, access_rows, event_files, event_rows } =
        ask_for_reads(&access, &events, files, bounds.future, &mut skipped).await?;
    let (_, origin_bins) = access.run(&access_files, statements::ORIGIN_SPEED, &mut skipped).await?;
    let (_, ssd_bins) = access.run(&access_files, statements::SSD_SPEED, &mut skipped).await?;
    // What of objects was read says which columns are worth their room. A night can do without that.
    let ranges = access.run(&access_files, &statements::ranges(), &mut skipped).await;
    let (_, ranges) = ranges.unwrap_or_else(|error| {
        tracing::warn!(?error, "the columns that were read are not known");
        Default::default()
    });
    let (event_files, named) = events.run(&event_files, statements::NAMED_COLUMNS, &mut skipped).await?;
    let (origin, ssd) = (fit(&bins_of(&origin_bins)), fit(&bins_of(&ssd_bins)));
    let speed = |measured: Option<Measured>, assumed| measured.map_or(assumed, |measured| measured.speed);
    // Nothing is decided by who asked for what. A night can do without that.
    let asked = ask_for_queries(&access, &access_files, &events, &event_files, &mut skipped).await;
    let asked = asked.unwrap_or_else(|error| {
        tracing::warn!(?error, "the day's queries are not known");
        QueryAnswers::default()
    });

    // A batch at a time, for by half-hour they are many.
    let access_rows = access_rows.into_iter().flat_map(|batch| access_rows_of(&batch));
    let event_rows = event_rows.into_iter().flat_map(|batch| event_rows_of(&batch));
    let joined = join(access_rows, event_rows, bounds);
    Ok(Day {
        summary: DaySummary {
            day,
            fingerprint: if joined.rows_ahead > 0 { String::new() } else { files.fingerprint() },
            log_rows: joined.log_rows,
            unattributed_requests: joined.unattributed.requests,
            unattributed_bytes: joined.unattributed.bytes,
            skipped_files: skipped,
        },
        rows_ahead: joined.rows_ahead,
        items: joined.items,
        queries: asked.queries(speed(origin, ASSUMED_ORIGIN), speed(ssd, ASSUMED_SSD)),
        query_groups: asked.groups(),
        origin,
        ssd,
        ranges: ranges.iter().flat_map(ranges_of).collect(),
        named: named_of(&named),
    })
}

/// What was read, by either stream, and the files that say so.
struct ReadAnswers {
    access_files: Vec<LogFile>,
    access_rows: Vec<RecordBatch>,
    event_files: Vec<LogFile>,
    event_rows: Vec<RecordBatch>,
}

/// Asks by half-hours where there are two streams to join, unless these are too many to take into the memory. Then the day
/// is joined as if all of it were one half-hour: what is read around Larder and through it on one day may count once.
async fn ask_for_reads(
    access: &Stream<'_>,
    events: &Stream<'_>,
    files: &DayFiles,
    future: u64,
    skipped: &mut Vec<SkippedFile>,
) -> Result<ReadAnswers, AccessError> {
    let (mut access_files, mut event_files) = (files.access.clone(), files.events.clone());
    let both = !access_files.is_empty() && !event_files.is_empty();
    let mut grain = if both { Grain::HalfHour } else { Grain::Day };
    loop {
        let (sound, access_rows) = access.run(&access_files, &statements::accesses(grain, future), skipped).await?;
        access_files = sound;
        let (sound, event_rows) = events.run(&event_files, &statements::events(grain), skipped).await?;
        event_files = sound;
        let fits = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>() <= HALF_HOURS_MAX;
        if grain == Grain::Day || (fits(&access_rows) && fits(&event_rows)) {
            return Ok(ReadAnswers { access_files, access_rows, event_files, event_rows });
        }
        tracing::warn!(day = %files.day, "too many tables and partitions were read to join the logs by half-hours");
        grain = Grain::Day;
    }
}

async fn ask_for_queries(
    access: &Stream<'_>,
    access_files: &[LogFile],
    events: &Stream<'_>,
    event_files: &[LogFile],
    skipped: &mut Vec<SkippedFile>,
) -> Result<QueryAnswers, AccessError> {
    if event_files.is_empty() {
        return Ok(QueryAnswers::default());
    }
    Ok(QueryAnswers {
        kept: events.run(event_files, &queries::kept(), skipped).await?.1,
        users: events.run(event_files, &queries::by_user(), skipped).await?.1,
        tables: events.run(event_files, &queries::by_table(), skipped).await?.1,
        minutes: access.run(access_files, queries::MINUTES, skipped).await?.1,
    })
}

/// One of the two logs of a day.
struct Stream<'e> {
    engine: &'e LogEngine,
    log: Log,
    name: &'static str,
    day: NaiveDate,
    schema: datafusion::arrow::datatypes::SchemaRef,
}

impl Stream<'_> {
    /// Runs a statement over files, leaving out those that break it; a cluster's are its own to judge, all or none. Returns
    /// the files that were read, and the answer.
    async fn run(
        &self,
        files: &[LogFile],
        statement: &str,
        skipped: &mut Vec<SkippedFile>,
    ) -> Result<(Vec<LogFile>, Vec<RecordBatch>), AccessError> {
        if let LogEngine::Trino(trino) = self.engine {
            let answer = if files.is_empty() { Vec::new() } else { trino.run(self.log, self.day, statement).await? };
            return Ok((files.to_vec(), answer));
        }
        let mut good: Vec<LogFile> = Vec::with_capacity(files.len());
        for file in files {
            match files::check(file, &self.schema) {
                Ok(()) => good.push(file.clone()),
                Err(problem) => skipped.push(self.skip(file, problem)),
            }
        }
        match self.query(&good, statement).await {
            Ok(answer) => return Ok((good, answer)),
            Err(error) if is_file_free(&error) => return Err(self.engine_error(error)),
            Err(_) => {}
        }
        // Some file breaks in its pages, behind a sound footer. Halving finds it in a few queries among thousands.
        let mut sound = Vec::with_capacity(good.len());
        self.find_sound(&good, statement, &mut sound, skipped).await?;
        let answer = self.query(&sound, statement).await.map_err(|error| self.engine_error(error))?;
        Ok((sound, answer))
    }

    fn find_sound<'s>(
        &'s self,
        files: &'s [LogFile],
        statement: &'s str,
        sound: &'s mut Vec<LogFile>,
        skipped: &'s mut Vec<SkippedFile>,
    ) -> BoxFuture<'s, Result<(), AccessError>> {
        Box::pin(async move {
            match self.query(files, statement).await {
                Ok(_) => sound.extend_from_slice(files),
                Err(error) if is_file_free(&error) => return Err(self.engine_error(error)),
                Err(error) if files.len() == 1 => skipped.push(self.skip(&files[0], error.to_string())),
                Err(_) => {
                    let (left, right) = files.split_at(files.len() / 2);
                    self.find_sound(left, statement, sound, skipped).await?;
                    self.find_sound(right, statement, sound, skipped).await?;
                }
            }
            Ok(())
        })
    }

    async fn query(&self, files: &[LogFile], statement: &str) -> Result<Vec<RecordBatch>, DataFusionError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let urls = files
            .iter()
            .map(|file| {
                let url = url::Url::from_file_path(&file.path);
                ListingTableUrl::try_new(url.expect("listed files have absolute paths"), None)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (schema, statement) = (self.schema.clone(), statement.to_owned());
        // Decoding a hostile file may panic; in a task of its own that is an error like any other.
        let task = tokio::spawn(async move {
            let context = session()?;
            // Plain Utf8 as written: the statements and the code that reads their answers know one kind of text.
            let format = ParquetFormat::default().with_force_view_types(false);
            let options = ListingOptions::new(Arc::new(format)).with_file_extension("");
            let config =
                ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
            context.register_table("log", Arc::new(ListingTable::try_new(config)?))?;
            context.sql(&statement).await?.collect().await
        });
        match task.await {
            Ok(answer) => answer,
            Err(panicked) => Err(DataFusionError::Execution(format!("reading it failed badly: {panicked}"))),
        }
    }

    fn skip(&self, file: &LogFile, problem: String) -> SkippedFile {
        // `access/day=2026-11-19/name.parquet`: what lies above is the same for all.
        let below_logs: Vec<_> = file.path.iter().rev().take(3).collect();
        let shown = below_logs.into_iter().rev().collect::<std::path::PathBuf>().display().to_string();
        tracing::warn!(file = shown, problem, "a log file cannot be read and is left out");
        SkippedFile { file: shown, problem }
    }

    fn engine_error(&self, source: DataFusionError) -> AccessError {
        AccessError::Engine { stream: self.name, day: self.day, source: Box::new(source) }
    }
}

fn session() -> Result<SessionContext, DataFusionError> {
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(MEMORY_BYTES_MAX))).build_arc()?;
    let config = SessionConfig::new().with_target_partitions(PARTITIONS).with_information_schema(false);
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// Whether an error would come again whatever files were left out.
fn is_file_free(error: &DataFusionError) -> bool {
    use DataFusionError as E;
    matches!(
        error.find_root(),
        E::ResourcesExhausted(_) | E::Plan(_) | E::SQL(..) | E::SchemaError(..) | E::NotImplemented(_)
    )
}

fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column).as_string::<i32>();
    array.is_valid(row).then(|| array.value(row).to_owned())
}

fn double(batch: &RecordBatch, column: usize, row: usize) -> f64 {
    let array = batch.column(column).as_primitive::<Float64Type>();
    if array.is_valid(row) && array.value(row).is_finite() { array.value(row) } else { 0.0 }
}

fn integer(batch: &RecordBatch, column: usize, row: usize) -> u64 {
    let array = batch.column(column).as_primitive::<Int64Type>();
    if array.is_valid(row) { u64::try_from(array.value(row)).unwrap_or(0) } else { 0 }
}

fn access_rows_of(batch: &RecordBatch) -> Vec<AccessRow> {
    let row_of = |row| AccessRow {
        table: text(batch, 0, row),
        partition: text(batch, 1, row).unwrap_or_default(),
        half_hour: integer(batch, 2, row),
        log_rows: integer(batch, 3, row),
        requests: integer(batch, 4, row),
        bytes: double(batch, 5, row),
        hit_requests: integer(batch, 6, row),
        hit_bytes: double(batch, 7, row),
        hit_seconds: double(batch, 8, row),
        bursts: integer(batch, 9, row),
    };
    (0..batch.num_rows()).map(row_of).collect()
}

fn event_rows_of(batch: &RecordBatch) -> Vec<EventRow> {
    let row_of = |row| EventRow {
        table: text(batch, 0, row),
        partition: text(batch, 1, row).unwrap_or_default(),
        first_half_hour: integer(batch, 2, row),
        last_half_hour: integer(batch, 3, row),
        log_rows: integer(batch, 4, row),
        queries: integer(batch, 5, row),
        bytes: double(batch, 6, row),
        bursts: integer(batch, 7, row),
    };
    (0..batch.num_rows()).map(row_of).collect()
}

/// The ranges of a batch, less those whose names or lengths cannot be.
fn ranges_of(batch: &RecordBatch) -> Vec<RangeRead> {
    let range_of = |row| {
        let (start, length) = (integer(batch, 4, row), integer(batch, 5, row));
        Some(RangeRead {
            table: text(batch, 0, row)?.parse().ok()?,
            object: ObjectName { bucket: text(batch, 1, row)?, key: text(batch, 2, row)? },
            version: text(batch, 3, row)?,
            range: ByteRange::new(start, start.checked_add(length)?),
            requests: integer(batch, 6, row),
        })
    };
    (0..batch.num_rows()).filter_map(range_of).collect()
}

fn bins_of(batches: &[RecordBatch]) -> Vec<SizeBin> {
    let bin = |batch: &RecordBatch, row| SizeBin {
        samples: integer(batch, 0, row),
        bytes: double(batch, 1, row),
        seconds: double(batch, 2, row),
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| bin(batch, row)).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests;
