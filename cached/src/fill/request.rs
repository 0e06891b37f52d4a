//! One run's request to the origin: tries, hedges, and the checks that what came is what was asked for.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::StreamExt;
use futures::future::{Either, select};
use larder_model::{AccessKind, ByteRange, Clock};
use object_store::{GetOptions, GetRange, GetResult};

use super::{FillError, Run};
use crate::access_log::{AccessLog, AccessRecord};
use crate::block::{BlockKey, ColumnId};
use crate::metadata::{Metadata, ObjectMeta};
use crate::metrics::{Cause, Metrics};
use crate::origin::{ObjectState, Origin, OriginError};
use crate::tiers::Tiers;

/// A request that breaks off is tried this often in all, going on where it broke.
const TRIES_MAX: u32 = 3;
/// The longest wait before the second try; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(100);

/// Reads one run.
pub(super) struct FillTask {
    pub(super) tiers: Arc<Tiers>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) log: Arc<AccessLog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) origin: Arc<Origin>,
    pub(super) meta: Arc<ObjectMeta>,
    pub(super) cause: Cause,
}

impl FillTask {
    /// Reads all of a run, or tells everyone who waits for it why not.
    pub(super) async fn run(&self, mut run: Run) {
        let _turn = self.origin.turn(self.cause).await;
        let mut backoff = BACKOFF;
        for attempt in 1..=TRIES_MAX {
            let error = match self.read(&mut run).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let again = matches!(&error, FillError::Origin(cause) if cause.is_transient());
            if again && attempt < TRIES_MAX {
                tracing::debug!(object = %self.meta.name, attempt, %error, "fill broke off, trying again");
                self.metrics.fill_retries.inc();
                tokio::time::sleep(self.origin.pace().jitter(backoff)).await;
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
        let answer = self.in_time(self.ask(options)).await?.map_err(moved_or_failed)?;
        let answered = Instant::now();
        if self.cause == Cause::Demand {
            self.origin.readers().answered(answered - begun, answered);
        }
        let found = ObjectState::new(&answer.meta);
        if found.version != self.meta.state.version || found.size != self.meta.state.size {
            return Err(FillError::VersionMoved);
        }
        if answer.range != range.into() {
            return Err(failed(format!("the origin sent bytes {:?} instead of {range:?}", answer.range)));
        }
        self.metadata.describe(&self.origin, &self.meta, &answer.attributes, epoch).await;
        let mut chunks = answer.into_stream();
        let mut received = 0;
        let mut gathered = BytesMut::new();
        while let Some(chunk) = self.in_time(chunks.next()).await? {
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
                    let column = self.meta.map.get().map_or(ColumnId::NONE, |map| map.column(block.start));
                    self.tiers.admit(&self.meta.name, key, column, &bytes, self.cause).await;
                }
                run.finish_first(Ok(bytes));
            }
        }
        if !run.blocks.is_empty() {
            return Err(failed(format!("the origin sent {received} bytes instead of {}", range.len())));
        }
        self.origin.pace().record(answered - begun, range.len(), answered.elapsed());
        let kind = match self.cause {
            Cause::Demand => AccessKind::Fill,
            Cause::Preload => AccessKind::Preload,
        };
        let access = AccessRecord::new(kind, &self.meta, range, time);
        self.log.record(AccessRecord { bytes_origin: range.len(), seconds: begun.elapsed().as_secs_f64(), ..access });
        Ok(())
    }

    async fn in_time<T>(&self, next: impl Future<Output = T>) -> Result<T, FillError> {
        self.origin.in_time(next).await.map_err(|error| FillError::Origin(Arc::new(error)))
    }

    /// The origin's answer. When it takes longer than almost all before it, the same is asked once more, if the budget
    /// for that allows, and the first good answer counts.
    async fn ask(&self, options: GetOptions) -> Result<GetResult, OriginError> {
        let get = || {
            self.metrics.origin_requests.inc();
            self.origin.get(&self.meta.name.key, options.clone())
        };
        let (pace, mut first) = (self.origin.pace(), pin!(get()));
        pace.earn_hedge();
        let Some(patience) = pace.patience().filter(|_| self.cause == Cause::Demand) else {
            return first.await;
        };
        if let Ok(answer) = tokio::time::timeout(patience, &mut first).await {
            return answer;
        }
        if !pace.spend_hedge() {
            return first.await;
        }
        self.metrics.fill_hedges.inc();
        match select(first, pin!(get())).await {
            Either::Left((Err(_), second)) => second.await,
            Either::Right((Err(_), first)) => first.await,
            Either::Left((answer, _)) | Either::Right((answer, _)) => answer,
        }
    }
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
