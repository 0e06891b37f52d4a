//! The access log: what was read goes into a bounded list in memory and comes out as Parquet files, one folder a day.
//!
//! The read path never waits for it: when the list is full, an access is dropped and counted. Nobody is woken for an
//! access, because at 4 KiB a read that would cost more than all else here. A file is written under a temporary name and
//! renamed when it is whole, so a reader sees all of it or nothing. Here, off the read path, accesses are also summed up
//! by table for `larder top`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder};
use chrono::{DateTime, NaiveDate, Utc};
use larder_model::access::columns;
use larder_model::admin::TableStat;
use larder_model::{AccessKind, ByteRange, Route, TableName};
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::metadata::ObjectMeta;
use crate::metrics::Metrics;

/// Accesses that may wait to be written.
const WAITING_MAX: usize = 65_536;
/// A file is written when this many wait, or after [`FLUSH_EVERY`].
const FILE_ACCESSES_MAX: usize = 50_000;
/// No access waits longer than this; it is what a crash can lose.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// How often accesses are taken from the list and summed up: at 50,000 a second it never fills up.
const TAKE_EVERY: Duration = Duration::from_millis(500);
/// Tables that are summed up; others are not shown by `larder top`.
const TABLES_MAX: usize = 100_000;

/// One row of the access log.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    /// When it began.
    pub(crate) time: DateTime<Utc>,
    /// Why bytes moved.
    pub(crate) kind: AccessKind,
    /// Of what: name, version, table and partition.
    pub(crate) object: Arc<ObjectMeta>,
    /// The bytes asked for.
    pub(crate) range: ByteRange,
    /// How the read travelled.
    pub(crate) route: Route,
    /// Bytes sent that came from memory.
    pub(crate) bytes_memory: u64,
    /// Bytes sent that came from the SSD.
    pub(crate) bytes_ssd: u64,
    /// Bytes sent that came from the peer that owns the block.
    pub(crate) bytes_peer: u64,
    /// Bytes sent that came from the origin.
    pub(crate) bytes_origin: u64,
    /// From the request's arrival to the last byte, in seconds.
    pub(crate) seconds: f64,
    /// The access key that signed the request; empty for fills and preloads.
    pub(crate) principal: String,
    /// The engine, from the client's user agent; empty for fills and preloads.
    pub(crate) engine: Cow<'static, str>,
}

impl AccessRecord {
    /// One of which nothing was sent yet.
    pub(crate) fn new(kind: AccessKind, object: &Arc<ObjectMeta>, range: ByteRange, time: DateTime<Utc>) -> Self {
        Self {
            time,
            kind,
            object: Arc::clone(object),
            range,
            route: Route::Cached,
            bytes_memory: 0,
            bytes_ssd: 0,
            bytes_peer: 0,
            bytes_origin: 0,
            seconds: 0.0,
            principal: String::new(),
            engine: Cow::Borrowed(""),
        }
    }

    fn table(&self) -> Option<&TableName> {
        self.object.attribution.as_ref().map(|attribution| &attribution.table)
    }

    fn partition(&self) -> &str {
        self.object.attribution.as_ref().map_or("", |attribution| &attribution.partition)
    }
}

/// Takes accesses and writes them in the background.
#[derive(Debug)]
pub(crate) struct AccessLog {
    waiting: Arc<Mutex<Vec<AccessRecord>>>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    metrics: Arc<Metrics>,
    tables: Arc<Mutex<HashMap<TableName, TableStat>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    on: bool,
}

impl AccessLog {
    /// Takes nothing.
    pub(crate) fn off(metrics: Arc<Metrics>) -> Self {
        let (flushes, _) = mpsc::channel(1);
        let (waiting, tables, writer) = (Arc::default(), Arc::default(), Mutex::default());
        Self { waiting, flushes, metrics, tables, writer, on: false }
    }

    /// Starts the writer. `worker` names this machine in the log and keeps its files apart from others'.
    pub(crate) fn start(folder: PathBuf, worker: String, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let (flushes, asked) = mpsc::channel(1);
        let (waiting, tables) = (Arc::<Mutex<_>>::default(), Arc::<Mutex<_>>::default());
        let writer = Writer {
            folder,
            worker,
            waiting: Arc::clone(&waiting),
            tables: Arc::clone(&tables),
            spare: Vec::new(),
            taken: Vec::new(),
            written: Instant::now(),
            files: 0,
        };
        let task = tokio::spawn(writer.run(asked));
        Ok(Self { waiting, flushes, metrics, tables, writer: Mutex::new(Some(task)), on: true })
    }

    /// Takes an access, or drops and counts it when the writer cannot keep up.
    pub(crate) fn record(&self, access: AccessRecord) {
        if !self.on {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() < WAITING_MAX {
            waiting.push(access);
        } else {
            self.metrics.access_records_dropped.inc();
        }
    }

    /// Waits until every access taken so far is in a file.
    pub(crate) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.flushes.send(done).await.is_ok() {
            // The writer answers or is gone; either way there is nothing more to wait for.
            wait.await.ok();
        }
    }

    /// Writes what waits. Accesses that come later are lost.
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
    waiting: Arc<Mutex<Vec<AccessRecord>>>,
    tables: Arc<Mutex<HashMap<TableName, TableStat>>>,
    /// Empty; takes the place of the list that is taken.
    spare: Vec<AccessRecord>,
    /// Summed up, and not written yet.
    taken: Vec<AccessRecord>,
    /// When a file was written last.
    written: Instant,
    files: u64,
}

impl Writer {
    async fn run(mut self, mut flushes: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut every = tokio::time::interval(TAKE_EVERY);
        loop {
            let flush = tokio::select! {
                flush = flushes.recv() => match flush {
                    Some(flush) => Some(flush),
                    None => break,
                },
                _ = every.tick() => None,
            };
            self.take();
            if flush.is_some() || self.taken.len() >= FILE_ACCESSES_MAX || self.written.elapsed() >= FLUSH_EVERY {
                self.write_taken().await;
            }
            if let Some(flush) = flush {
                // Whoever asked may have gone.
                flush.send(()).ok();
            }
        }
        self.take();
        self.write_taken().await;
    }

    /// Takes what waits, and sums it up.
    fn take(&mut self) {
        let from = self.taken.len();
        // The read path waits for an exchange at most, and goes on with a list that has grown already.
        std::mem::swap(&mut *self.waiting.lock(), &mut self.spare);
        self.taken.append(&mut self.spare);
        let mut tables = self.tables.lock();
        for access in &self.taken[from..] {
            sum_up(&mut tables, access);
        }
    }

    async fn write_taken(&mut self) {
        self.written = Instant::now();
        let mut days: HashMap<NaiveDate, Vec<AccessRecord>> = HashMap::new();
        for access in self.taken.drain(..) {
            days.entry(access.time.date_naive()).or_default().push(access);
        }
        for (day, accesses) in days {
            self.files += 1;
            // The time makes names unique across restarts, the count within one process.
            let stamp = accesses[0].time.timestamp_micros();
            let name = format!("{}-{stamp}-{}-{}.parquet", self.worker, std::process::id(), self.files);
            let path = self.folder.join(format!("day={day}")).join(name);
            let worker = self.worker.clone();
            let written = tokio::task::spawn_blocking(move || write_file(&path, &worker, &accesses)).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "access log is not written, these accesses are lost"),
                Err(error) => tracing::error!(%error, "access log writer failed, these accesses are lost"),
            }
        }
    }
}

/// Adds an access to its table's sums.
fn sum_up(tables: &mut HashMap<TableName, TableStat>, access: &AccessRecord) {
    let (AccessKind::Get, Some(table)) = (access.kind, access.table()) else { return };
    if !tables.contains_key(table) {
        if tables.len() >= TABLES_MAX {
            return;
        }
        let stat = TableStat { table: table.clone(), requests: 0, bytes: 0, bytes_hit: 0, seconds: 0.0 };
        tables.insert(table.clone(), stat);
    }
    let stat = tables.get_mut(table).expect("it was inserted");
    let hit = access.bytes_memory + access.bytes_ssd;
    stat.requests += 1;
    stat.bytes += hit + access.bytes_peer + access.bytes_origin;
    stat.bytes_hit += hit;
    stat.seconds += access.seconds;
}

fn write_file(path: &Path, worker: &str, accesses: &[AccessRecord]) -> Result<(), parquet::errors::ParquetError> {
    let folder = path.parent().expect("the path has a day's folder");
    std::fs::create_dir_all(folder)?;
    let temporary = path.with_extension("tmp");
    let batch = to_batch(worker, accesses)?;
    // What hardly ever repeats is not worth looking up for every row.
    let unlike = [columns::TIME, columns::OFFSET, columns::SECONDS];
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default()));
    let properties = unlike
        .into_iter()
        .fold(properties, |properties, column| properties.set_column_dictionary_enabled(column.into(), false));
    let properties = properties.build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&temporary)?, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.into_inner()?.sync_all()?;
    Ok(std::fs::rename(&temporary, path)?)
}

fn to_batch(worker: &str, accesses: &[AccessRecord]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let text = |value: &dyn Fn(&AccessRecord) -> &str| -> ArrayRef {
        let mut column = StringBuilder::new();
        accesses.iter().for_each(|access| column.append_value(value(access)));
        Arc::new(column.finish())
    };
    let number = |value: &dyn Fn(&AccessRecord) -> u64| -> ArrayRef {
        let mut column = UInt64Builder::with_capacity(accesses.len());
        accesses.iter().for_each(|access| column.append_value(value(access)));
        Arc::new(column.finish())
    };
    let mut time = TimestampMicrosecondBuilder::with_capacity(accesses.len()).with_timezone("UTC");
    let mut seconds = Float64Builder::with_capacity(accesses.len());
    let (mut workers, mut tables) = (StringBuilder::new(), StringBuilder::new());
    for access in accesses {
        time.append_value(access.time.timestamp_micros());
        seconds.append_value(access.seconds);
        workers.append_value(worker);
        match access.table() {
            // What is written goes before what is appended.
            Some(table) => write!(tables, "{table}").map(|()| tables.append_value("")).expect("memory takes it"),
            None => tables.append_null(),
        }
    }
    RecordBatch::try_from_iter_with_nullable([
        (columns::TIME, Arc::new(time.finish()) as ArrayRef, false),
        (columns::WORKER, Arc::new(workers.finish()) as ArrayRef, false),
        (columns::KIND, text(&|a| a.kind.as_str()), false),
        (columns::BUCKET, text(&|a| &a.object.name.bucket), false),
        (columns::KEY, text(&|a| &a.object.name.key), false),
        (columns::VERSION, text(&|a| a.object.state.version.as_str()), false),
        (columns::OFFSET, number(&|a| a.range.start), false),
        (columns::LENGTH, number(&|a| a.range.len()), false),
        (columns::TABLE, Arc::new(tables.finish()) as ArrayRef, true),
        (columns::PARTITION, text(&AccessRecord::partition), false),
        (columns::ROUTE, text(&|a| a.route.as_str()), false),
        (columns::BYTES_MEMORY, number(&|a| a.bytes_memory), false),
        (columns::BYTES_SSD, number(&|a| a.bytes_ssd), false),
        (columns::BYTES_PEER, number(&|a| a.bytes_peer), false),
        (columns::BYTES_ORIGIN, number(&|a| a.bytes_origin), false),
        (columns::SECONDS, Arc::new(seconds.finish()) as ArrayRef, false),
        (columns::PRINCIPAL, text(&|a| &a.principal), false),
        (columns::ENGINE, text(&|a| &a.engine), false),
    ])
}
