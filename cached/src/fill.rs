//! Fills: reading missing blocks from the origin, once for everyone who waits.
//!
//! A fill is single-flight per block: who comes while a block is under way joins the wait. A fill is a task of its own:
//! **a client's departure never cancels it**, because others may be waiting for the same block, and what it has paid
//! for is worth keeping. Neighbouring blocks are read in one request, long stretches in several at once; each block is
//! handed out as soon as it is whole. Every request carries `If-Match`, and a block is admitted only from the version
//! that was asked for.

mod request;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, Shared};
use larder_model::{ByteRange, Clock};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use self::request::FillTask;
use crate::access_log::AccessLog;
use crate::block::{BlockKey, ObjectId};
use crate::metadata::{Metadata, ObjectMeta};
use crate::metrics::{Cause, Metrics};
use crate::origin::{Origin, OriginError};
use crate::settings::CacheSettings;
use crate::tiers::Tiers;

/// The semaphore counts in these.
const PERMIT_BYTES: u64 = 4096;
/// However fast an origin answers, a stretch is not split into shorter requests than this.
const REQUEST_BYTES_MIN: u64 = 1 << 20;

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

impl FillError {
    /// The error in a word, for traces.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::VersionMoved => "version_moved",
            Self::Origin(error) => error.kind(),
        }
    }
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

    /// Whether so many bytes can be read ahead and most of the room is still left to those who wait.
    pub(crate) fn has_room_to_spare(&self, bytes: u64) -> bool {
        let left = self.in_flight.available_permits() as u64;
        left.saturating_sub(bytes.div_ceil(PERMIT_BYTES)) > self.permits_max / 2
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
        let mut runs: Vec<Run> = Vec::new();
        let mut under_way = self.under_way.lock();
        for &block in blocks {
            if let Some(pending) = under_way.get(&(meta.id, block)) {
                waits.push(pending.clone());
                continue;
            }
            // A fill that ended since the caller looked has admitted its block before it left the map.
            let key = BlockKey { object: meta.id, start: block.start };
            if let Some(bytes) = self.tiers.get_from_memory(&key, block) {
                waits.push(futures::future::ready(Ok(bytes)).boxed().shared());
                continue;
            }
            if runs.last().is_none_or(|run| run.range.end != block.start) {
                runs.push(self.new_run(block.start));
            }
            let pending = runs.last_mut().expect("one was pushed").push(meta.id, block);
            under_way.insert((meta.id, block), pending.clone());
            waits.push(pending);
        }
        drop(under_way);
        let request_bytes = match cause {
            // Somebody waits: more requests, each of them shorter, as far as that saves time.
            Cause::Demand => origin.pace().worthwhile_bytes().unwrap_or(u64::MAX),
            Cause::Preload => u64::MAX,
        };
        for run in runs {
            let parts = run.range.len().div_ceil(request_bytes.max(REQUEST_BYTES_MIN).min(self.run_bytes_max));
            let part_bytes = run.range.len().div_ceil(parts);
            for part in run.split(part_bytes) {
                self.spawn(Arc::clone(origin), Arc::clone(meta), part, cause);
            }
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

    /// Runs of about `part_bytes` each, cut between blocks.
    fn split(mut self, part_bytes: u64) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        while let Some((object, block, answer)) = self.blocks.pop_front() {
            // A block goes to the part that holds the most of it, so that parts come out even.
            if parts.last().is_none_or(|part| part.range.len() + block.len() / 2 > part_bytes) {
                parts.push(Self {
                    range: ByteRange::new(block.start, block.start),
                    blocks: VecDeque::new(),
                    admits: self.admits,
                    under_way: Arc::clone(&self.under_way),
                });
            }
            let part = parts.last_mut().expect("one was pushed");
            part.range.end = block.end;
            part.blocks.push_back((object, block, answer));
        }
        parts
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_split_into_even_parts_between_blocks() {
        let under_way = Arc::default();
        let stretch = |blocks: &[u64]| {
            let mut run = Run {
                range: ByteRange::new(7, 7),
                blocks: VecDeque::new(),
                admits: true,
                under_way: Arc::clone(&under_way),
            };
            for length in blocks {
                let _pending = run.push(1, ByteRange::new(run.range.end, run.range.end + length));
            }
            run
        };
        let split = |blocks: &[u64], part_bytes| {
            let parts = stretch(blocks).split(part_bytes);
            assert!(parts.windows(2).all(|pair| pair[0].range.end == pair[1].range.start));
            parts.iter().map(|part| part.range.len()).collect::<Vec<_>>()
        };
        assert_eq!(split(&[10, 10, 10, 10], 20), [20, 20]);
        assert_eq!(split(&[10, 10, 10], 15), [20, 10]);
        assert_eq!(split(&[3, 100, 3], 40), [3, 100, 3]);
        assert_eq!(split(&[5], 1), [5]);
    }
}
