//! Fills: reading missing blocks from the origin, once for everyone who waits.
//!
//! A fill is single-flight per block: who comes while a block is under way joins the wait. A fill is a task of its own:
//! **a client's departure never cancels it**, because others may be waiting for the same block, and what it has paid
//! for is worth keeping. Neighbouring blocks are read in one request; each is handed out as soon as it is whole. Every
//! request carries `If-Match`, and a block is admitted only from the version that was asked for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, Shared};
use larder_model::{AccessKind, AccessRecord, ByteRange, Clock, Route};
use object_store::{GetOptions, GetRange};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use crate::access_log::AccessLog;
use crate::block::{BlockKey, ObjectId};
use crate::metadata::{Metadata, ObjectMeta};
use crate::metrics::{Cause, Metrics};
use crate::origin::{ObjectState, Origin, OriginError};
use crate::settings::CacheSettings;
use crate::tiers::Tiers;

/// A request that breaks off is tried this often in all, going on where it broke.
const TRIES_MAX: u32 = 3;
/// The wait before the second try; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(50);
/// An origin that sends nothing for this long has failed.
const STALL_MAX: Duration = Duration::from_secs(30);
/// The semaphore counts in these.
const PERMIT_BYTES: u64 = 4096;

/// Why a block did not arrive. Everyone who waits for it gets the same.
#[derive(Debug, Clone, Error)]
pub(crate) enum FillError {
    /// The object is another version now, or gone: read its metadata again.
    #[error("the object changed at the origin")]
    VersionMoved,
    /// The origin failed, also after retries.
    #[error("{0}")]
    Origin(Arc<OriginError>),
}

/// Resolves when the block is there.
pub(crate) type Pending = Shared<BoxFuture<'static, Result<Bytes, FillError>>>;

/// What is being read. The range is part of the name because objects are read in part before their block map is known.
type UnderWay = HashMap<(ObjectId, ByteRange), Pending>;

/// Where a block goes to when it is whole.
type Answer = oneshot::Sender<Result<Bytes, FillError>>;

/// All fills of this worker.
#[derive(Debug)]
pub(crate) struct Fills {
    tiers: Arc<Tiers>,
    metadata: Arc<Metadata>,
    metrics: Arc<Metrics>,
    log: Arc<AccessLog>,
    clock: Arc<dyn Clock>,
    under_way: Arc<Mutex<UnderWay>>,
    in_flight: Arc<Semaphore>,
    permits_max: u64,
    run_bytes_max: u64,
    tasks: TaskTracker,
}

impl Fills {
    pub(crate) fn new(
        settings: &CacheSettings,
        tiers: Arc<Tiers>,
        metadata: Arc<Metadata>,
        metrics: Arc<Metrics>,
        log: Arc<AccessLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let run_bytes_max = settings.fill.as_u64().max(settings.block.as_u64());
        let permits_max = (settings.fills_in_flight.as_u64().max(run_bytes_max)).div_ceil(PERMIT_BYTES);
        Self {
            tiers,
            metadata,
            metrics,
            log,
            clock,
            under_way: Arc::default(),
            in_flight: Arc::new(Semaphore::new(permits_max as usize)),
            permits_max,
            run_bytes_max,
            tasks: TaskTracker::new(),
        }
    }

    /// The most bytes that one request to the origin reads.
    pub(crate) fn run_bytes_max(&self) -> u64 {
        self.run_bytes_max
    }

    /// Waits until no fill is under way, at most for `grace`.
    pub(crate) async fn close(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(fills = self.tasks.len(), "fills are still under way at the end of the grace period");
        }
    }

    /// Reads a range that is no block and admits nothing.
    pub(crate) async fn read(
        &self,
        origin: &Arc<Origin>,
        meta: &Arc<ObjectMeta>,
        range: ByteRange,
        cause: Cause,
    ) -> Result<Bytes, FillError> {
        let mut run = self.new_run(range.start);
        let pending = run.push(meta.id, range);
        run.admits = false;
        self.spawn(Arc::clone(origin), Arc::clone(meta), run, cause);
        pending.await
    }

    /// Makes sure that each of these blocks is under way, and returns the wait for each, in order. The blocks are of one
    /// object and follow each other.
    pub(crate) fn start(
        &self,
        origin: &Arc<Origin>,
        meta: &Arc<ObjectMeta>,
        blocks: &[ByteRange],
        cause: Cause,
    ) -> Vec<Pending> {
        let mut waits = Vec::with_capacity(blocks.len());
        let mut run: Option<Run> = None;
        let mut runs = Vec::new();
        let mut under_way = self.under_way.lock();
        for &block in blocks {
            if let Some(pending) = under_way.get(&(meta.id, block)) {
                waits.push(pending.clone());
                runs.extend(run.take());
                continue;
            }
            // A fill that ended since the caller looked has admitted its block before it left the map.
            let key = BlockKey { object: meta.id, start: block.start };
            if let Some(bytes) = self.tiers.get_from_memory(&key, block) {
                waits.push(futures::future::ready(Ok(bytes)).boxed().shared());
                runs.extend(run.take());
                continue;
            }
            let mut open = match run.take() {
                Some(open) if open.range.len() + block.len() > self.run_bytes_max => {
                    runs.push(open);
                    self.new_run(block.start)
                }
                Some(open) => open,
                None => self.new_run(block.start),
            };
            let pending = open.push(meta.id, block);
            under_way.insert((meta.id, block), pending.clone());
            waits.push(pending);
            run = Some(open);
        }
        drop(under_way);
        runs.extend(run);
        for run in runs {
            self.spawn(Arc::clone(origin), Arc::clone(meta), run, cause);
        }
        waits
    }

    fn new_run(&self, start: u64) -> Run {
        Run {
            range: ByteRange::new(start, start),
            blocks: VecDeque::new(),
            admits: true,
            under_way: Arc::clone(&self.under_way),
        }
    }

    fn spawn(&self, origin: Arc<Origin>, meta: Arc<ObjectMeta>, run: Run, cause: Cause) {
        let permits = run.range.len().div_ceil(PERMIT_BYTES).clamp(1, self.permits_max);
        let in_flight = Arc::clone(&self.in_flight);
        let task = FillTask {
            tiers: Arc::clone(&self.tiers),
            metadata: Arc::clone(&self.metadata),
            metrics: Arc::clone(&self.metrics),
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            origin,
            meta,
            cause,
        };
        self.tasks.spawn(async move {
            let permits = u32::try_from(permits).expect("a run is far below 16 TiB");
            let _room = in_flight.acquire_many_owned(permits).await.expect("the semaphore is never closed");
            task.metrics.fills_in_flight.inc();
            task.run(run).await;
            task.metrics.fills_in_flight.dec();
        });
    }
}

/// Neighbouring blocks that one request reads, and who waits for them. Dropping it gives up what is left of it.
struct Run {
    range: ByteRange,
    blocks: VecDeque<(ObjectId, ByteRange, Answer)>,
    admits: bool,
    under_way: Arc<Mutex<UnderWay>>,
}

impl Run {
    /// Adds the block that follows, and returns the wait for it.
    fn push(&mut self, object: ObjectId, block: ByteRange) -> Pending {
        let (answer, wait) = oneshot::channel();
        self.range.end = block.end;
        self.blocks.push_back((object, block, answer));
        let given_up = || FillError::Origin(Arc::new(OriginError::unavailable("the fill was given up")));
        wait.map(move |answer| answer.unwrap_or_else(|_| Err(given_up()))).boxed().shared()
    }

    fn finish_first(&mut self, result: Result<Bytes, FillError>) {
        if let Some((object, block, answer)) = self.blocks.pop_front() {
            self.under_way.lock().remove(&(object, block));
            // Nobody need be waiting any more.
            answer.send(result).ok();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock();
        for (object, block, _) in &self.blocks {
            under_way.remove(&(*object, *block));
        }
    }
}

struct FillTask {
    tiers: Arc<Tiers>,
    metadata: Arc<Metadata>,
    metrics: Arc<Metrics>,
    log: Arc<AccessLog>,
    clock: Arc<dyn Clock>,
    origin: Arc<Origin>,
    meta: Arc<ObjectMeta>,
    cause: Cause,
}

impl FillTask {
    async fn run(&self, mut run: Run) {
        let mut backoff = BACKOFF;
        for attempt in 1..=TRIES_MAX {
            let error = match self.read(&mut run).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let again =
                matches!(error, FillError::Origin(ref cause) if matches!(**cause, OriginError::Unavailable { .. }));
            if again && attempt < TRIES_MAX {
                tracing::debug!(object = %self.meta.name, attempt, %error, "fill broke off, trying again");
                tokio::time::sleep(backoff).await;
                backoff *= 2;
                continue;
            }
            if let FillError::Origin(cause) = &error {
                tracing::warn!(object = %self.meta.name, attempt, error = cause.detail(), "fill failed");
            }
            while !run.blocks.is_empty() {
                run.finish_first(Err(error.clone()));
            }
            return;
        }
    }

    /// Reads what is left of a run in one request.
    async fn read(&self, run: &mut Run) -> Result<(), FillError> {
        let range =
            ByteRange::new(run.blocks.front().map_or(run.range.end, |(_, block, _)| block.start), run.range.end);
        let (time, begun, epoch) = (self.clock.now(), Instant::now(), self.metadata.epoch());
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.into())),
            if_match: self.meta.state.etag_verbatim.clone(),
            ..GetOptions::default()
        };
        self.metrics.origin_requests.inc();
        let answer = stalled(self.origin.get(&self.meta.name.key, options)).await?.map_err(moved_or_failed)?;
        let found = ObjectState::new(&answer.meta);
        if found.version != self.meta.state.version || found.size != self.meta.state.size {
            return Err(FillError::VersionMoved);
        }
        if answer.range != range.into() {
            return Err(failed(format!("the origin sent bytes {:?} instead of {range:?}", answer.range)));
        }
        self.metadata.describe(&self.origin, &self.meta, &answer.attributes, epoch);
        let mut chunks = answer.into_stream();
        let mut received = 0;
        let mut gathered = BytesMut::new();
        while let Some(chunk) = stalled(chunks.next()).await? {
            let mut chunk = chunk.map_err(|error| moved_or_failed(error.into()))?;
            self.metrics.origin_bytes(self.cause).inc_by(chunk.len() as u64);
            received += chunk.len() as u64;
            while let Some((object, block, _)) = run.blocks.front() {
                let key = BlockKey { object: *object, start: block.start };
                let length = block.len() as usize;
                if gathered.capacity() == 0 {
                    gathered.reserve(length);
                }
                let take = chunk.len().min(length - gathered.len());
                gathered.extend_from_slice(&chunk.split_to(take));
                if gathered.len() < length {
                    break;
                }
                let bytes = std::mem::take(&mut gathered).freeze();
                if run.admits {
                    self.tiers.insert(key, bytes.clone());
                }
                run.finish_first(Ok(bytes));
            }
        }
        if !run.blocks.is_empty() {
            return Err(failed(format!("the origin sent {received} bytes instead of {}", range.len())));
        }
        self.log.record(self.access_record(time, range, begun.elapsed()));
        Ok(())
    }

    fn access_record(&self, time: chrono::DateTime<chrono::Utc>, range: ByteRange, took: Duration) -> AccessRecord {
        AccessRecord {
            time,
            kind: match self.cause {
                Cause::Demand => AccessKind::Fill,
                Cause::Preload => AccessKind::Preload,
            },
            bucket: self.meta.name.bucket.clone(),
            key: self.meta.name.key.clone(),
            version: self.meta.state.version.as_str().to_owned(),
            offset: range.start,
            length: range.len(),
            table: self.meta.attribution.as_ref().map(|a| a.table.clone()),
            partition: self.meta.attribution.as_ref().map_or_else(String::new, |a| a.partition.clone()),
            route: Route::Cached,
            bytes_memory: 0,
            bytes_ssd: 0,
            bytes_peer: 0,
            bytes_origin: range.len(),
            seconds: took.as_secs_f64(),
            principal: String::new(),
            engine: String::new(),
        }
    }
}

async fn stalled<T>(future: impl Future<Output = T>) -> Result<T, FillError> {
    tokio::time::timeout(STALL_MAX, future)
        .await
        .map_err(|_| FillError::Origin(Arc::new(OriginError::timeout("nothing came from the origin", STALL_MAX))))
}

fn failed(what: String) -> FillError {
    FillError::Origin(Arc::new(OriginError::unavailable(what)))
}

fn moved_or_failed(error: OriginError) -> FillError {
    match error {
        OriginError::Precondition { .. } | OriginError::NotFound { .. } => FillError::VersionMoved,
        error => FillError::Origin(Arc::new(error)),
    }
}
