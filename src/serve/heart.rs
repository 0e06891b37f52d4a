//! The heartbeat: tells the store every so often that this worker lives, how it fares, and what it did since. By the way it
//! asks when the last night ended, so that this is known when the store cannot be asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use larder_cached::Engine;
use larder_model::{Clock, Usage};
use larder_whitelist::Store;
use larder_whitelist::store::{StoreError, Worker};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// How often a worker says that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(30);

/// What beats.
#[derive(Debug)]
pub(super) struct Heart {
    store: Store,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    worker: String,
    admin_url: String,
    started: DateTime<Utc>,
    /// When the last night ended, as last seen: milliseconds since 1970, zero for none.
    night_finished: Arc<AtomicI64>,
    /// What the store knows of. One beat at a time, so that nothing is told twice.
    told: Mutex<Usage>,
}

impl Heart {
    pub(super) fn new(
        store: Store,
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        worker: String,
        admin_url: String,
        night_finished: Arc<AtomicI64>,
    ) -> Self {
        let started = clock.now();
        Self { store, engine, clock, worker, admin_url, started, night_finished, told: Mutex::default() }
    }

    /// Beats once. What the store does not take now it is told with the next beat.
    pub(super) async fn beat(&self) -> Result<(), StoreError> {
        let mut told = self.told.lock().await;
        let now = self.clock.now();
        let worker = Worker {
            id: self.worker.clone(),
            admin_url: self.admin_url.clone(),
            last_seen: now,
            status: Some(self.engine.worker_status(env!("CARGO_PKG_VERSION"), self.started)),
        };
        self.store.heartbeat(&worker).await?;
        let usage = self.engine.usage();
        let done = usage.since(&told);
        if !done.is_nothing() {
            self.store.add_usage(&self.worker, now, &done).await?;
            *told = usage;
        }
        if let Some(finished) = self.store.last_night_finished().await? {
            self.night_finished.store(finished.timestamp_millis(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Beats until `stop`, and a last time then.
    pub(super) async fn beat_on(self: Arc<Self>, stop: CancellationToken) {
        loop {
            // A store that hangs must not hold up the end.
            match stop.run_until_cancelled(self.beat()).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(%error, "the store does not take the heartbeat; reads go on"),
                None => return,
            }
            if stop.run_until_cancelled(tokio::time::sleep(BEAT_EVERY)).await.is_none() {
                return;
            }
        }
    }
}
