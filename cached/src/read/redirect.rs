//! Direct reads that do not pass through Larder: the client is sent to a presigned URL of the origin.

use std::sync::Arc;
use std::time::Duration;

use larder_model::{AccessKind, Route};
use url::Url;

use super::{ReadError, ReadRequest, resolve};
use crate::access_log::AccessRecord;
use crate::engine::Engine;
use crate::metadata::ObjectMeta;
use crate::origin::Origin;
use crate::watch::{ReadOutcome, WatchedRead};

/// How long a presigned URL is good for. Clients follow at once, and begin anew at Larder for their next read.
const EXPIRES_IN: Duration = Duration::from_secs(60);

impl Engine {
    /// Where to send a client instead of answering its read: a URL that is good for this object alone, for a short time.
    /// `None` when the read is answered here: its engine is not one that the bucket redirects, or its object is cached.
    ///
    /// What the URL gives is between client and origin: whether the object is there, whether conditions hold, what of it
    /// the range names. Larder asks for size and version only to log the read, by the bucket's freshness rule.
    pub(crate) async fn redirect(&self, origin: &Arc<Origin>, request: &ReadRequest) -> Result<Option<Url>, ReadError> {
        if !origin.redirects(&request.client.engine) || self.route(origin.name(), &request.key) == Route::Cached {
            return Ok(None);
        }
        let Some(signed) = origin.signed_url(&request.key, EXPIRES_IN).await? else { return Ok(None) };
        self.metrics.gets.inc();
        self.metrics.redirects.inc();
        match self.metadata.get(origin, &request.key).await {
            Ok(object) => self.log_redirect(&object, request),
            Err(error) => tracing::debug!(key = request.key, error = error.detail(), "a redirected read is not logged"),
        }
        Ok(Some(signed))
    }

    /// The planner learns of the read as if all of its range had been sent. Without seconds, because nobody here sees how
    /// long it takes, it is no measurement of the origin's speed.
    fn log_redirect(&self, object: &Arc<ObjectMeta>, request: &ReadRequest) {
        // A range that holds no byte moves none.
        let Ok(range) = resolve(request.range, object.state.size) else { return };
        let access = AccessRecord {
            route: Route::Direct,
            bytes_origin: range.len(),
            client: Some(Arc::clone(&request.client)),
            ..AccessRecord::new(AccessKind::Get, object, range, self.clock.now())
        };
        self.remember_cold(&access);
        if let Some(watch) = self.watch.get() {
            watch.saw(|| WatchedRead::new(&access, ReadOutcome::Redirected));
        }
        self.log.record(access);
    }
}
