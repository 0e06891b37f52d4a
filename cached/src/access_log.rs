//! The access log: records go into a bounded queue and come out as Parquet files, one folder a day.
//!
//! The read path never waits for it: when the queue is full, a record is dropped and counted. A file is written under a
//! temporary name and renamed when it is whole, so a reader sees all of it or nothing. Here, off the read path, records
//! are also summed up by table for `larder top`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder};
use chrono::NaiveDate;
use larder_model::access::columns;
use larder_model::admin::TableStat;
use larder_model::{AccessKind, AccessRecord, TableName};
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::metrics::Metrics;

/// Records that may wait to be written.
const QUEUE_RECORDS_MAX: usize = 65_536;
/// A file is written when this many records wait, or after [`FLUSH_EVERY`].
const FILE_RECORDS_MAX: usize = 50_000;
/// No record waits longer than this; it is what a crash can lose.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// Tables that are summed up; others are not shown by `larder top`.
const TABLES_MAX: usize = 100_000;

enum Message {
    Record(Box<AccessRecord>),
    Flush(oneshot::Sender<()>),
}

/// Takes access records and writes them in the background.
#[derive(Debug)]
pub(crate) struct AccessLog {
    queue: mpsc::Sender<Message>,
    metrics: Arc<Metrics>,
    tables: Arc<Mutex<HashMap<TableName, TableStat>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl AccessLog {
    /// Starts the writer. `worker` names this machine in the records and keeps its files apart from others'.
    pub(crate) fn start(folder: PathBuf, worker: String, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let (queue, records) = mpsc::channel(QUEUE_RECORDS_MAX);
        let tables = Arc::new(Mutex::new(HashMap::new()));
        let writer = Writer { folder, worker, tables: Arc::clone(&tables), waiting: Vec::new(), files: 0 };
        let task = tokio::spawn(writer.run(records));
        Ok(Self { queue, metrics, tables, writer: Mutex::new(Some(task)) })
    }

    /// Takes a record, or drops and counts it when the writer cannot keep up.
    pub(crate) fn record(&self, record: AccessRecord) {
        if self.queue.try_send(Message::Record(Box::new(record))).is_err() {
            self.metrics.access_records_dropped.inc();
        }
    }

    /// Waits until every record taken so far is in a file.
    pub(crate) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // The writer answers or is gone; either way there is nothing more to wait for.
            wait.await.ok();
        }
    }

    /// Writes what waits. Records that come later are lost.
    pub(crate) async fn close(&self) {
        self.flush().await;
        if let Some(writer) = self.writer.lock().take() {
            writer.abort();
        }
    }

    /// The tables that most bytes were sent of, at most `limit`.
    pub(crate) fn hottest(&self, limit: usize) -> Vec<TableStat> {
        let mut tables: Vec<TableStat> = self.tables.lock().values().cloned().collect();
        tables.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.table.cmp(&b.table)));
        tables.truncate(limit);
        tables
    }
}

struct Writer {
    folder: PathBuf,
    worker: String,
    tables: Arc<Mutex<HashMap<TableName, TableStat>>>,
    waiting: Vec<AccessRecord>,
    files: u64,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut every = tokio::time::interval(FLUSH_EVERY);
        loop {
            let answer = tokio::select! {
                message = queue.recv() => match message {
                    Some(Message::Record(record)) => {
                        self.sum_up(&record);
                        self.waiting.push(*record);
                        if self.waiting.len() < FILE_RECORDS_MAX {
                            continue;
                        }
                        None
                    }
                    Some(Message::Flush(answer)) => Some(answer),
                    None => break,
                },
                _ = every.tick() => None,
            };
            self.write_waiting().await;
            if let Some(answer) = answer {
                answer.send(()).ok();
            }
        }
        self.write_waiting().await;
    }

    fn sum_up(&self, record: &AccessRecord) {
        let (AccessKind::Get, Some(table)) = (record.kind, &record.table) else { return };
        let mut tables = self.tables.lock();
        if tables.len() >= TABLES_MAX && !tables.contains_key(table) {
            return;
        }
        let stat = tables.entry(table.clone()).or_insert_with(|| TableStat {
            table: table.clone(),
            requests: 0,
            bytes: 0,
            bytes_hit: 0,
            seconds: 0.0,
        });
        let hit = record.bytes_memory + record.bytes_ssd;
        stat.requests += 1;
        stat.bytes += hit + record.bytes_peer + record.bytes_origin;
        stat.bytes_hit += hit;
        stat.seconds += record.seconds;
    }

    async fn write_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut days: HashMap<NaiveDate, Vec<AccessRecord>> = HashMap::new();
        for record in self.waiting.drain(..) {
            days.entry(record.time.date_naive()).or_default().push(record);
        }
        for (day, records) in days {
            self.files += 1;
            // The time makes names unique across restarts, the count within one process.
            let stamp = records[0].time.timestamp_micros();
            let name = format!("{}-{stamp}-{}-{}.parquet", self.worker, std::process::id(), self.files);
            let path = self.folder.join(format!("day={day}")).join(name);
            let worker = self.worker.clone();
            let written = tokio::task::spawn_blocking(move || write_file(&path, &worker, &records)).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "access log is not written, these records are lost"),
                Err(error) => tracing::error!(%error, "access log writer failed, these records are lost"),
            }
        }
    }
}

fn write_file(path: &Path, worker: &str, records: &[AccessRecord]) -> Result<(), parquet::errors::ParquetError> {
    let folder = path.parent().expect("the path has a day's folder");
    std::fs::create_dir_all(folder)?;
    let temporary = path.with_extension("tmp");
    let batch = to_batch(worker, records)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&temporary)?, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.into_inner()?.sync_all()?;
    Ok(std::fs::rename(&temporary, path)?)
}

fn to_batch(worker: &str, records: &[AccessRecord]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let text = |value: &dyn Fn(&AccessRecord) -> Option<String>| -> ArrayRef {
        let mut column = StringBuilder::new();
        records.iter().for_each(|record| column.append_option(value(record)));
        Arc::new(column.finish())
    };
    let number = |value: &dyn Fn(&AccessRecord) -> u64| -> ArrayRef {
        let mut column = UInt64Builder::new();
        records.iter().for_each(|record| column.append_value(value(record)));
        Arc::new(column.finish())
    };
    let mut time = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let mut seconds = Float64Builder::new();
    for record in records {
        time.append_value(record.time.timestamp_micros());
        seconds.append_value(record.seconds);
    }
    RecordBatch::try_from_iter_with_nullable([
        (columns::TIME, Arc::new(time.finish()) as ArrayRef, false),
        (columns::WORKER, text(&|_| Some(worker.to_owned())), false),
        (columns::KIND, text(&|r| Some(r.kind.as_str().to_owned())), false),
        (columns::BUCKET, text(&|r| Some(r.bucket.clone())), false),
        (columns::KEY, text(&|r| Some(r.key.clone())), false),
        (columns::VERSION, text(&|r| Some(r.version.clone())), false),
        (columns::OFFSET, number(&|r| r.offset), false),
        (columns::LENGTH, number(&|r| r.length), false),
        (columns::TABLE, text(&|r| r.table.as_ref().map(TableName::to_string)), true),
        (columns::PARTITION, text(&|r| Some(r.partition.clone())), false),
        (columns::ROUTE, text(&|r| Some(r.route.as_str().to_owned())), false),
        (columns::BYTES_MEMORY, number(&|r| r.bytes_memory), false),
        (columns::BYTES_SSD, number(&|r| r.bytes_ssd), false),
        (columns::BYTES_PEER, number(&|r| r.bytes_peer), false),
        (columns::BYTES_ORIGIN, number(&|r| r.bytes_origin), false),
        (columns::SECONDS, Arc::new(seconds.finish()) as ArrayRef, false),
        (columns::PRINCIPAL, text(&|r| Some(r.principal.clone())), false),
        (columns::ENGINE, text(&|r| Some(r.engine.clone())), false),
    ])
}
