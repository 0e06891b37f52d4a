//! Reads as somebody outside may follow them, one by one: for traces. Off until somebody does, and then a sample.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};
use larder_model::{Attribution, ByteRange, ObjectName, Route};
use tokio::sync::mpsc;

use crate::access_log::AccessRecord;
use crate::engine::Engine;
use crate::origin::Origin;
use crate::read::ReadRequest;

/// Reads that wait to be taken; what comes when so many wait is left out.
const WAITING_MAX: usize = 4096;

/// How a GET ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOutcome {
    /// With its bytes, or as many as the client took; with none where a condition of the client's says so.
    Answered,
    /// The client was sent to the origin, for bytes that nobody here sees.
    Redirected,
    /// With an error, before the first byte or after it.
    Failed {
        /// One of a few words, such as `not_found`.
        kind: &'static str,
        /// What a client may be told of it.
        what: String,
    },
}

impl ReadOutcome {
    pub(crate) fn failed(kind: &'static str, error: &impl std::fmt::Display) -> Self {
        Self::Failed { kind, what: error.to_string() }
    }
}

/// One GET that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedRead {
    /// When it began.
    pub begun: DateTime<Utc>,
    /// From the request's arrival to the last byte, in seconds.
    pub seconds: f64,
    /// Of what.
    pub object: ObjectName,
    /// The table and partition that it belongs to, where its path says one.
    pub attribution: Option<Attribution>,
    /// The bytes asked for; `None` where the read ended before the object's size was known.
    pub range: Option<ByteRange>,
    /// How it travelled.
    pub route: Route,
    /// Bytes sent that came from memory.
    pub bytes_memory: u64,
    /// Bytes sent that came from the SSD.
    pub bytes_ssd: u64,
    /// Bytes sent that came from the origin.
    pub bytes_origin: u64,
    /// The access key that signed the request.
    pub principal: String,
    /// The engine, from the client's user agent.
    pub engine: String,
    /// How it ended.
    pub outcome: ReadOutcome,
}

impl WatchedRead {
    /// A read as the access log has it.
    pub(crate) fn new(access: &AccessRecord, outcome: ReadOutcome) -> Self {
        let client = access.client.as_deref();
        Self {
            begun: access.time,
            seconds: access.seconds,
            object: access.object.name.clone(),
            attribution: access.object.attribution.clone(),
            range: Some(access.range),
            route: access.route,
            bytes_memory: access.bytes_memory,
            bytes_ssd: access.bytes_ssd,
            bytes_origin: access.bytes_origin,
            principal: client.map(|client| client.principal.clone()).unwrap_or_default(),
            engine: client.map(|client| client.engine.to_string()).unwrap_or_default(),
            outcome,
        }
    }
}

/// Who follows.
#[derive(Debug)]
pub(crate) struct Watch {
    reads: mpsc::Sender<WatchedRead>,
    one_in: u64,
    seen: AtomicU64,
}

impl Watch {
    /// Passes a read on, if it is one of the sample. What is none, or finds no place, is not even put together.
    pub(crate) fn saw(&self, read: impl FnOnce() -> WatchedRead) {
        if !self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_in) {
            return;
        }
        if let Ok(place) = self.reads.try_reserve() {
            place.send(read());
        }
    }
}

impl Engine {
    /// Follows one GET in `one_in` from here on. `None` where somebody does already.
    pub fn watch_reads(&self, one_in: u64) -> Option<mpsc::Receiver<WatchedRead>> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let watch = Watch { reads: sender, one_in: one_in.max(1), seen: AtomicU64::new(0) };
        self.watch.set(watch).ok().map(|()| receiver)
    }

    /// Tells of a read that ended before its first byte, of which there is no access record.
    pub(crate) fn tell_unread(
        &self,
        origin: &Origin,
        request: &ReadRequest,
        route: Route,
        begun: Instant,
        outcome: ReadOutcome,
    ) {
        let Some(watch) = self.watch.get() else { return };
        let took = begun.elapsed();
        watch.saw(|| WatchedRead {
            begun: self.clock.now() - took,
            seconds: took.as_secs_f64(),
            object: ObjectName { bucket: origin.name().to_owned(), key: request.key.clone() },
            attribution: origin.rules().attribute(&request.key),
            range: None,
            route,
            bytes_memory: 0,
            bytes_ssd: 0,
            bytes_origin: 0,
            principal: request.client.principal.clone(),
            engine: request.client.engine.to_string(),
            outcome,
        });
    }
}
