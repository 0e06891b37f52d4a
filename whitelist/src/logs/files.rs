//! The query log's files: Parquet, one folder a day, a row for each table and partition that a query read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::NaiveDate;
use larder_model::QueryEvent;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use thiserror::Error;

/// Column names of the query log, in order.
pub mod columns {
    #![expect(missing_docs, reason = "the ones that are not a field of QueryEvent or TableRead are explained")]
    pub const QUERY_ID: &str = "query_id";
    pub const ENGINE: &str = "engine";
    pub const USER: &str = "user_name";
    pub const CREATED: &str = "created";
    pub const ENDED: &str = "ended";
    pub const SUCCEEDED: &str = "succeeded";
    pub const QUERY: &str = "query";
    /// Null for what a query read of no known table, and for a query that read nothing.
    pub const TABLE: &str = "table_name";
    /// Empty where the engine names none.
    pub const PARTITION: &str = "partition";
    /// Separated by commas; a comma in a name is `%2C`, a percent sign `%25`.
    pub const COLUMNS: &str = "column_names";
    /// The bytes read of the table over the number of its partitions that the event names.
    pub const BYTES: &str = "bytes";
}

/// A file of the log could not be written: see to the disk, then send the events again.
#[derive(Debug, Error)]
#[error("cannot write the query log {path}")]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Writes events below `<logs>/queries/day=YYYY-MM-DD/`, by the day they were created, and says how many rows they make.
/// A file appears whole or not at all. Events that were written before do no harm: readers count each query once.
pub fn write_events(logs: &Path, events: &[QueryEvent]) -> Result<u64, WriteError> {
    let mut by_day: BTreeMap<NaiveDate, Vec<&QueryEvent>> = BTreeMap::new();
    for event in events {
        by_day.entry(event.created.date_naive()).or_default().push(event);
    }
    let mut rows = 0;
    for (day, events) in by_day {
        let folder = logs.join("queries").join(format!("day={day}"));
        let name = uuid::Uuid::new_v4();
        let (written, whole) = (folder.join(format!(".{name}.tmp")), folder.join(format!("{name}.parquet")));
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| WriteError { path: whole.clone(), source };
        let batch = batch_of(&events);
        std::fs::create_dir_all(&folder).map_err(|error| failed(error.into()))?;
        write_batch(&written, &batch).map_err(failed)?;
        std::fs::rename(&written, &whole).map_err(|error| failed(error.into()))?;
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}

fn write_batch(path: &Path, batch: &RecordBatch) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
    let file = File::create(path)?;
    let mut writer = ArrowWriter::try_new(file.try_clone()?, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    // Without this, power loss could leave a file that has its name but not its bytes.
    file.sync_all()?;
    Ok(())
}

pub(crate) fn schema() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Schema::new(vec![
        Field::new(columns::QUERY_ID, DataType::Utf8, false),
        Field::new(columns::ENGINE, DataType::Utf8, false),
        Field::new(columns::USER, DataType::Utf8, false),
        Field::new(columns::CREATED, time(), false),
        Field::new(columns::ENDED, time(), false),
        Field::new(columns::SUCCEEDED, DataType::Boolean, false),
        Field::new(columns::QUERY, DataType::Utf8, true),
        Field::new(columns::TABLE, DataType::Utf8, true),
        Field::new(columns::PARTITION, DataType::Utf8, false),
        Field::new(columns::COLUMNS, DataType::Utf8, false),
        Field::new(columns::BYTES, DataType::UInt64, false),
    ])
}

/// The names in a value of [`columns::COLUMNS`].
pub(crate) fn split_columns(names: &str) -> impl Iterator<Item = String> {
    names.split(',').map(|name| name.replace("%2C", ",").replace("%25", "%"))
}

/// A row of the log: one table and partition that one query read.
struct LogRow<'a> {
    event: &'a QueryEvent,
    table: Option<String>,
    partition: &'a str,
    columns: String,
    bytes: u64,
}

fn rows_of(event: &QueryEvent) -> Vec<LogRow<'_>> {
    let mut rows = Vec::new();
    for read in &event.reads {
        let partitions: Vec<&str> =
            if read.partitions.is_empty() { vec![""] } else { read.partitions.iter().map(String::as_str).collect() };
        let columns = read.columns.iter().map(|name| name.replace('%', "%25").replace(',', "%2C"));
        let columns = columns.collect::<Vec<_>>().join(",");
        let (share, rest) = (read.bytes / partitions.len() as u64, read.bytes % partitions.len() as u64);
        for (at, partition) in partitions.into_iter().enumerate() {
            rows.push(LogRow {
                event,
                table: Some(read.table.to_string()),
                partition,
                columns: columns.clone(),
                bytes: share + u64::from((at as u64) < rest),
            });
        }
    }
    if rows.is_empty() || event.unattributed_bytes > 0 {
        let bytes = event.unattributed_bytes;
        rows.push(LogRow { event, table: None, partition: "", columns: String::new(), bytes });
    }
    rows
}

fn batch_of(events: &[&QueryEvent]) -> RecordBatch {
    let rows: Vec<LogRow<'_>> = events.iter().flat_map(|event| rows_of(event)).collect();
    let text = |of: &dyn Fn(&LogRow<'_>) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let time = |of: &dyn Fn(&QueryEvent) -> i64| -> ArrayRef {
        let times: TimestampMicrosecondArray = rows.iter().map(|row| Some(of(row.event))).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let arrays: Vec<ArrayRef> = vec![
        text(&|row| row.event.query_id.clone()),
        text(&|row| row.event.engine.clone()),
        text(&|row| row.event.user.clone()),
        time(&|event| event.created.timestamp_micros()),
        time(&|event| event.ended.timestamp_micros()),
        Arc::new(rows.iter().map(|row| Some(row.event.succeeded)).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.event.query.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.table.as_deref()).collect::<StringArray>()),
        text(&|row| row.partition.to_owned()),
        text(&|row| row.columns.clone()),
        Arc::new(rows.iter().map(|row| Some(row.bytes)).collect::<UInt64Array>()),
    ];
    RecordBatch::try_new(Arc::new(schema()), arrays).expect("the arrays are made in the schema's order and length")
}
