//! The spool: takes posted events at once, and writes them to the log a little later, many to a file.
//!
//! Engines send an event once and wait for the answer, so taking one must be fast and must not wait for a disk. What
//! was taken is on disk after [`FLUSH_EVERY`] at the latest, and on shutdown. When the disk does not keep up the spool
//! fills, and says so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larder_model::QueryEvent;
use thiserror::Error;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::write_events;

/// How long an event waits for others at most.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// This many events are written without waiting longer.
const FLUSH_EVENTS: usize = 5_000;

/// With this many bytes waiting no more are taken.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// The spool holds as much as it may: send the events again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{} MiB of query events wait to be written; send again later", WAITING_BYTES_MAX >> 20)]
pub struct SpoolFull;

/// Takes events. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    logs: PathBuf,
    waiting: parking_lot::Mutex<Waiting>,
    many: Notify,
    /// One flush at a time, so that `close` returns only when an earlier one is done too.
    flushing: Mutex<()>,
    stop: CancellationToken,
    writer: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<QueryEvent>,
    bytes: usize,
}

impl Spool {
    /// A spool that writes below `<logs>/queries/`. It must be [closed](Self::close) for the last events to be written.
    pub fn start(logs: PathBuf) -> Self {
        let shared = Arc::new(Shared {
            logs,
            waiting: parking_lot::Mutex::default(),
            many: Notify::new(),
            flushing: Mutex::default(),
            stop: CancellationToken::new(),
            writer: parking_lot::Mutex::default(),
        });
        let spool = Self { shared };
        let writer = tokio::spawn(spool.clone().write_on());
        *spool.shared.writer.lock() = Some(writer);
        spool
    }

    /// Takes events, all of them or none.
    pub fn accept(&self, mut events: Vec<QueryEvent>) -> Result<(), SpoolFull> {
        let mut waiting = self.shared.waiting.lock();
        // Judged before these are added, so that a large post is taken whenever there is room at all.
        if waiting.bytes >= WAITING_BYTES_MAX {
            return Err(SpoolFull);
        }
        waiting.bytes += events.iter().map(size_of_event).sum::<usize>();
        waiting.events.append(&mut events);
        if waiting.events.len() >= FLUSH_EVENTS {
            self.shared.many.notify_one();
        }
        Ok(())
    }

    /// Writes what waits now. On failure the events wait on.
    pub async fn flush(&self) -> Result<(), super::WriteError> {
        let _one_at_a_time = self.shared.flushing.lock().await;
        let Waiting { events, bytes } = std::mem::take(&mut *self.shared.waiting.lock());
        if events.is_empty() {
            return Ok(());
        }
        let logs = self.shared.logs.clone();
        let written = tokio::task::spawn_blocking(move || (write_events(&logs, &events), events)).await;
        let (result, mut events) = written.expect("writing events does not panic, and the runtime waits for it");
        if result.is_err() {
            let mut waiting = self.shared.waiting.lock();
            events.append(&mut waiting.events);
            waiting.events = events;
            waiting.bytes += bytes;
        }
        result.map(|_| ())
    }

    /// Stops the writer and writes what waits.
    pub async fn close(&self) -> Result<(), super::WriteError> {
        self.shared.stop.cancel();
        let writer = self.shared.writer.lock().take();
        if let Some(writer) = writer {
            // The writer ends by itself; that it panicked would have been logged by the runtime.
            let _ = writer.await;
        }
        self.flush().await
    }

    async fn write_on(self) {
        while !self.shared.stop.is_cancelled() {
            tokio::select! {
                () = self.shared.stop.cancelled() => {}
                () = self.shared.many.notified() => {}
                () = tokio::time::sleep(FLUSH_EVERY) => {}
            }
            if let Err(error) = self.flush().await {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, "query events could not be written and wait for the next try");
                // Without a pause, a full spool on a full disk would try without end.
                tokio::select! {
                    () = self.shared.stop.cancelled() => {}
                    () = tokio::time::sleep(FLUSH_EVERY) => {}
                }
            }
        }
    }
}

/// About the memory that an event takes.
fn size_of_event(event: &QueryEvent) -> usize {
    let texts = |list: &[String]| list.iter().map(|text| text.len() + size_of::<String>()).sum::<usize>();
    let reads = event.reads.iter().map(|read| size_of_val(read) + texts(&read.partitions) + texts(&read.columns));
    size_of_val(event) + event.query_id.len() + event.query.as_ref().map_or(0, String::len) + reads.sum::<usize>()
}
