//! The whitelist as an object at an origin: written where nights run, taken by workers that do not share their store.
//!
//! A worker takes each new document into its own store, under the number that it has. So what it holds outlives restarts, a broken
//! document and an origin that is down, and it is followed and compared like any other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_model::{Whitelist, WhitelistError};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::night::Night;
use crate::store::{Store, StoreError};
use crate::with_causes;

/// A larger document is refused. One of a million items has some 300 MB.
const DOCUMENT_BYTES_MAX: u64 = 1 << 30;

/// An origin that does not answer for this long is asked again at the next look.
const LOOK_TIME: Duration = Duration::from_secs(60);

/// After a failure to write.
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The object.
#[derive(Debug, Clone)]
pub struct SharedWhitelist {
    /// `BUCKET/KEY`, as it is configured.
    pub place: String,
    /// The bucket's origin.
    pub store: Arc<dyn ObjectStore>,
    /// Where it is there.
    pub path: Path,
}

/// Why a whitelist could not be written or taken. The last good one stays in force.
#[derive(Debug, Error)]
pub enum SharedError {
    /// The origin does not give it out, or has none: write it there, or see to the origin.
    #[error("the whitelist at {place} cannot be read")]
    Read {
        /// `BUCKET/KEY`.
        place: String,
        /// What the origin said.
        #[source]
        source: object_store::Error,
    },
    /// The origin does not take it: see to what may be written there.
    #[error("the whitelist cannot be written to {place}")]
    Write {
        /// `BUCKET/KEY`.
        place: String,
        /// What the origin said.
        #[source]
        source: object_store::Error,
    },
    /// The origin does not answer.
    #[error("the origin of the whitelist at {place} did not answer within {LOOK_TIME:?}")]
    Late {
        /// `BUCKET/KEY`.
        place: String,
    },
    /// It is too large to be one.
    #[error("the whitelist at {place} has {bytes} bytes: at most {DOCUMENT_BYTES_MAX} are taken")]
    TooLarge {
        /// `BUCKET/KEY`.
        place: String,
        /// Its size.
        bytes: u64,
    },
    /// It is broken: fix what is named.
    #[error("the whitelist at {place} is broken")]
    Document {
        /// `BUCKET/KEY`.
        place: String,
        /// Where, and how.
        #[source]
        source: WhitelistError,
    },
    /// The worker's own store does not take it.
    #[error("the whitelist at {place} is not taken")]
    Store {
        /// `BUCKET/KEY`.
        place: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl SharedWhitelist {
    /// Writes it.
    pub async fn put(&self, whitelist: &Whitelist) -> Result<(), SharedError> {
        let written = self.store.put(&self.path, Bytes::from(whitelist.to_json()).into()).await;
        written.map(drop).map_err(|source| SharedError::Write { place: self.place.clone(), source })
    }

    /// Writes each whitelist that comes in force, until `stop`. What the origin does not take is tried again.
    pub async fn keep(self, mut whitelist: watch::Receiver<Option<Arc<Whitelist>>>, stop: CancellationToken) {
        whitelist.mark_changed();
        let mut said = SaidOnce::default();
        while let Some(Ok(())) = stop.run_until_cancelled(whitelist.changed()).await {
            loop {
                let Some(newest) = whitelist.borrow_and_update().clone() else { break };
                match stop.run_until_cancelled(self.put(&newest)).await {
                    Some(Ok(())) => {
                        said = SaidOnce::default();
                        tracing::info!(version = newest.version, place = self.place, "the whitelist is written");
                        break;
                    }
                    Some(Err(error)) => said.warn("the whitelist is not written, and tried again", error),
                    None => return,
                }
                if stop.run_until_cancelled(tokio::time::sleep(WRITE_AGAIN_AFTER)).await.is_none() {
                    return;
                }
            }
        }
    }

    /// What it holds, and what tells this state from others, if it is not `known`.
    async fn read(&self, known: Option<&ObjectMeta>) -> Result<Option<(ObjectMeta, Bytes)>, SharedError> {
        let failed = |source| SharedError::Read { place: self.place.clone(), source };
        let found = self.store.head(&self.path).await.map_err(failed)?;
        if known == Some(&found) {
            return Ok(None);
        }
        let read = self.store.get(&self.path).await.map_err(failed)?;
        // It may have been written anew since.
        let found = read.meta.clone();
        if found.size > DOCUMENT_BYTES_MAX {
            return Err(SharedError::TooLarge { place: self.place.clone(), bytes: found.size });
        }
        Ok(Some((found, read.bytes().await.map_err(failed)?)))
    }
}

/// Takes whitelists from an origin into the store of a worker.
#[derive(Debug)]
pub struct Taker {
    shared: SharedWhitelist,
    store: Store,
    /// What was looked at last, good or broken.
    known: Option<ObjectMeta>,
    /// Taken, and not told to the worker.
    taken: Option<Whitelist>,
    said: SaidOnce,
}

impl Taker {
    /// One that has not looked yet.
    pub fn new(shared: SharedWhitelist, store: Store) -> Self {
        Self { shared, store, known: None, taken: None, said: SaidOnce::default() }
    }

    /// Looks once: what is new and good is in the store then. Says what else there was in the log.
    pub async fn look(&mut self) {
        let late = SharedError::Late { place: self.shared.place.clone() };
        match tokio::time::timeout(LOOK_TIME, self.try_look()).await.unwrap_or(Err(late)) {
            Ok(()) => self.said = SaidOnce::default(),
            Err(error) => self.said.warn("the last good whitelist stays in force", error),
        }
    }

    async fn try_look(&mut self) -> Result<(), SharedError> {
        let Some((found, bytes)) = self.shared.read(self.known.as_ref()).await? else { return Ok(()) };
        let place = || self.shared.place.clone();
        let document = Whitelist::parse(&bytes);
        // A broken one is not read again and again.
        self.known = Some(found);
        let document = document.map_err(|source| SharedError::Document { place: place(), source })?;
        match self.store.adopt(&document).await {
            Ok(true) => self.taken = Some(document),
            Ok(false) => {}
            Err(source) => {
                if !matches!(source, StoreError::Refused(_)) {
                    self.known = None;
                }
                return Err(SharedError::Store { place: place(), source });
            }
        }
        Ok(())
    }

    /// Looks every so often until `stop`, and has the worker drop what left and load what came, as a night would.
    pub async fn run(mut self, night: Night, worker_url: String, every: Duration, stop: CancellationToken) {
        // A preload of an older whitelist ends where a newer one is told.
        let mut telling = JoinSet::new();
        loop {
            if let Some(whitelist) = self.taken.take() {
                telling.abort_all();
                let (night, worker_url) = (night.clone(), worker_url.clone());
                telling.spawn(async move { night.tell_worker(&worker_url, &whitelist).await });
            }
            if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none()
                || stop.run_until_cancelled(self.look()).await.is_none()
            {
                return;
            }
        }
    }
}

/// Says a problem once, until another one comes.
#[derive(Debug, Default)]
struct SaidOnce(Option<String>);

impl SaidOnce {
    fn warn(&mut self, so: &str, error: SharedError) {
        let problem = with_causes(&error);
        if self.0.as_ref() != Some(&problem) {
            tracing::warn!(problem, "{so}");
            self.0 = Some(problem);
        }
    }
}

#[cfg(test)]
mod tests;
