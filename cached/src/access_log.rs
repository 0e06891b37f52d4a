//! The access log: what was read goes into a bounded list in memory and comes out as Parquet files, one folder a day.
//!
//! The read path never waits for it: when the list is full, an access is dropped and counted. Nobody is woken for an
//! access, because at 4 KiB a read that would cost more than all else here; and an access owns no memory, because what one
//! thread allocates and another frees costs both. A file is written under a temporary name and renamed when it is whole,
//! so a reader sees all of it or nothing. Here, off the read path, accesses are also summed up by table for `larder top`.

mod batch;
mod repeated;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use larder_model::admin::TableStat;
use larder_model::{AccessKind, ByteRange, Route, TableName};
use parking_lot::Mutex;
use parquet::errors::ParquetError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use self::batch::{Batch, Sums};
use crate::metadata::ObjectMeta;
use crate::metrics::Metrics;

/// Accesses that may wait to be written.
const WAITING_MAX: usize = 65_536;
/// A file is written when this many wait, or after [`FLUSH_EVERY`].
const FILE_ACCESSES_MAX: usize = 50_000;
/// No access waits longer than this; it is what a crash can lose.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// How often accesses are taken from the list, put in columns and summed up: so often that those of a busy worker are in
/// the processor's cache still. A list that fills up in this time takes more than a million of them a second.
const TAKE_EVERY: Duration = Duration::from_millis(50);
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
    /// Who read; nobody in fills and preloads.
    pub(crate) client: Option<Arc<Client>>,
}

/// Who reads. One of these serves all reads of its kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    /// The access key that signs the requests.
    pub(crate) principal: String,
    /// The engine, from the client's user agent.
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
            client: None,
        }
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
            days: BTreeMap::new(),
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
    /// Taken, and not written yet.
    days: BTreeMap<NaiveDate, Batch>,
    /// When a file was written last.
    written: Instant,
    files: u64,
}

impl Writer {
    async fn run(mut self, mut flushes: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut every = tokio::time::interval(TAKE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let flush = tokio::select! {
                flush = flushes.recv() => match flush {
                    Some(flush) => Some(flush),
                    None => break,
                },
                _ = every.tick() => None,
            };
            self.take();
            let taken: usize = self.days.values().map(Batch::len).sum();
            if flush.is_some() || taken >= FILE_ACCESSES_MAX || self.written.elapsed() >= FLUSH_EVERY {
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
        // The read path waits for an exchange at most, and goes on with a list that has grown already.
        std::mem::swap(&mut *self.waiting.lock(), &mut self.spare);
        // One day's accesses follow each other.
        let mut accesses = self.spare.drain(..).peekable();
        while let Some(first) = accesses.next() {
            let day = first.time.date_naive();
            let batch = self.days.entry(day).or_default();
            batch.push(first);
            while let Some(access) = accesses.next_if(|access| access.time.date_naive() == day) {
                batch.push(access);
            }
        }
        drop(accesses);
        let mut tables = self.tables.lock();
        self.days.values_mut().for_each(|batch| batch.take_sums(|table, sums| sum_up(&mut tables, table, sums)));
    }

    async fn write_taken(&mut self) {
        self.written = Instant::now();
        for (day, batch) in std::mem::take(&mut self.days) {
            self.files += 1;
            // The time makes names unique across restarts, the count within one process.
            let stamp = batch.begins_us();
            let name = format!("{}-{stamp}-{}-{}.parquet", self.worker, std::process::id(), self.files);
            let path = self.folder.join(format!("day={day}")).join(name);
            let worker = self.worker.clone();
            let written = tokio::task::spawn_blocking(move || write_file(&path, &worker, &batch)).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "access log is not written, these accesses are lost"),
                Err(error) => tracing::error!(%error, "access log writer failed, these accesses are lost"),
            }
        }
    }
}

/// Adds to a table's sums.
fn sum_up(tables: &mut HashMap<TableName, TableStat>, table: &TableName, sums: Sums) {
    if !tables.contains_key(table) {
        if tables.len() >= TABLES_MAX {
            return;
        }
        let stat = TableStat { table: table.clone(), requests: 0, bytes: 0, bytes_hit: 0, seconds: 0.0 };
        tables.insert(table.clone(), stat);
    }
    let stat = tables.get_mut(table).expect("it was inserted");
    stat.requests += sums.requests;
    stat.bytes += sums.bytes;
    stat.bytes_hit += sums.bytes_hit;
    stat.seconds += sums.seconds;
}

fn write_file(path: &Path, worker: &str, batch: &Batch) -> Result<(), ParquetError> {
    let folder = path.parent().expect("the path has a day's folder");
    std::fs::create_dir_all(folder)?;
    let temporary = path.with_extension("tmp");
    batch.write(std::fs::File::create(&temporary)?, worker)?.sync_all()?;
    Ok(std::fs::rename(&temporary, path)?)
}
