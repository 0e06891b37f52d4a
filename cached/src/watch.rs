//! Reads as somebody outside may follow them, one by one: for traces. Off until somebody does, and then a sample.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use larder_model::{Attribution, ByteRange, ObjectName, Route};
use tokio::sync::mpsc;

use crate::access_log::AccessRecord;
use crate::engine::Engine;

/// Reads that wait to be taken; what comes when so many wait is left out.
const WAITING_MAX: usize = 4096;

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
    /// The bytes asked for.
    pub range: ByteRange,
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
}

/// Who follows.
#[derive(Debug)]
pub(crate) struct Watch {
    reads: mpsc::Sender<WatchedRead>,
    one_in: u64,
    seen: AtomicU64,
}

impl Watch {
    /// Passes a read on, if it is one of the sample.
    pub(crate) fn saw(&self, access: &AccessRecord) {
        if !self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_in) {
            return;
        }
        // Looked at before the read is copied.
        let Ok(place) = self.reads.try_reserve() else { return };
        let client = access.client.as_deref();
        place.send(WatchedRead {
            begun: access.time,
            seconds: access.seconds,
            object: access.object.name.clone(),
            attribution: access.object.attribution.clone(),
            range: access.range,
            route: access.route,
            bytes_memory: access.bytes_memory,
            bytes_ssd: access.bytes_ssd,
            bytes_origin: access.bytes_origin,
            principal: client.map(|client| client.principal.clone()).unwrap_or_default(),
            engine: client.map(|client| client.engine.to_string()).unwrap_or_default(),
        });
    }
}

impl Engine {
    /// Follows one GET in `one_in` from here on. `None` where somebody does already.
    pub fn watch_reads(&self, one_in: u64) -> Option<mpsc::Receiver<WatchedRead>> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let watch = Watch { reads: sender, one_in: one_in.max(1), seen: AtomicU64::new(0) };
        self.watch.set(watch).ok().map(|()| receiver)
    }
}
