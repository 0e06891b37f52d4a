//! Origins: the storage of record behind each bucket.
//!
//! The seam is `object_store`'s trait. An [`Origin`] adds what the S3 endpoint needs on top of it: keys relative to the
//! bucket's URL prefix, listings in S3's order, and errors that name the caller's next step.

mod demand;
mod error;
mod hdfs;
mod listing;
mod open;
mod pace;
pub mod simulated;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use larder_model::{AttributionRules, Version};
use object_store::list::PaginatedListStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{Attributes, GetOptions, GetResult, ObjectStore, ObjectStoreExt};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use self::demand::Readers;
pub use self::error::OriginError;
use self::hdfs::Hdfs;
pub(crate) use self::listing::cut_page;
pub use self::listing::{ListEntry, ListPage, ListRequest};
pub use self::open::OpenError;
pub(crate) use self::pace::Pace;
use crate::metrics::Cause;
use crate::settings::{BucketSettings, Consistency};

/// How long [`Origins::check`] waits for one origin.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Every bucket's origin, by the bucket's name.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    by_bucket: BTreeMap<String, Arc<Origin>>,
}

impl Origins {
    /// Makes the clients. Nothing is asked of the origins yet: see [`check`](Self::check).
    pub fn open(buckets: &[BucketSettings]) -> Result<Self, OpenError> {
        let mut by_bucket = BTreeMap::new();
        for settings in buckets {
            by_bucket.insert(settings.name.clone(), Arc::new(Origin::open(settings)?));
        }
        Ok(Self { by_bucket })
    }

    /// Puts another store in the place of a bucket's own, such as a wrapper around it. Listings then go through the
    /// store's own `list`. A bucket that is not configured is left out.
    pub fn replace_store(&mut self, bucket: &str, store: Arc<dyn ObjectStore>) {
        if let Some(origin) = self.by_bucket.get_mut(bucket) {
            let origin = Arc::make_mut(origin);
            origin.store = store;
            origin.paginated = None;
            origin.signer = None;
            origin.folder = None;
        }
    }

    /// The origin behind `bucket`.
    pub fn get(&self, bucket: &str) -> Option<&Arc<Origin>> {
        self.by_bucket.get(bucket)
    }

    /// All of them, in the order of their buckets' names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Origin>> {
        self.by_bucket.values()
    }

    /// Asks every origin for one listing entry, all at once, for a few seconds at most: is it there, does it let us in,
    /// does it have the bucket?
    pub async fn check(&self) -> Vec<(String, Result<(), OriginError>)> {
        let checks = self.iter().map(|origin| async move {
            let asked = tokio::time::timeout(CHECK_TIMEOUT, origin.check()).await;
            (origin.name.clone(), asked.unwrap_or_else(|_| Err(OriginError::TimedOut { waited: CHECK_TIMEOUT })))
        });
        join_all(checks).await
    }
}

/// The storage of record behind one bucket.
#[derive(Clone)]
pub struct Origin {
    name: String,
    url: String,
    store: Arc<dyn ObjectStore>,
    /// Present where the storage itself lists in pages; else listings are made from a walk.
    paginated: Option<Arc<dyn PaginatedListStore>>,
    prefix: Path,
    rules: AttributionRules,
    consistency: Consistency,
    list_cache: Duration,
    /// How long it may send nothing of an answer.
    stall: Duration,
    keeps_attributes: bool,
    /// Makes presigned URLs, where the storage has them and the bucket redirects.
    signer: Option<Arc<dyn Signer>>,
    /// The engines that are redirected; `*` is all.
    redirect: Vec<String>,
    /// Whether listings give ETags without the quotes that `If-Match` needs.
    lists_bare_etags: bool,
    pace: Arc<Pace>,
    readers: Arc<Readers>,
    /// Requests of fills that may be under way at once.
    turns: Arc<Semaphore>,
    /// Where the origin has folders: the bucket's own, which a listing cannot tell from an empty one when it is absent.
    folder: Option<Folder>,
}

/// Who knows whether the bucket's own folder is there.
#[derive(Clone)]
enum Folder {
    Local(PathBuf),
    Hdfs(Arc<Hdfs>),
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

/// One object's state at the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectState {
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: Option<String>,
    /// Its ETag as the origin gives it, which is what the origin understands in `If-Match`.
    pub(crate) etag_verbatim: Option<String>,
    /// When it was last written.
    pub modified: chrono::DateTime<chrono::Utc>,
    /// What tells this state from others.
    pub version: Version,
}

impl ObjectState {
    pub(crate) fn new(meta: &object_store::ObjectMeta) -> Self {
        let etag = meta.e_tag.as_deref().map(|etag| etag.trim_matches('"').to_owned());
        let version = Version::new(etag.as_deref(), meta.size, meta.last_modified);
        let etag_verbatim = meta.e_tag.clone();
        Self { size: meta.size, etag, etag_verbatim, modified: meta.last_modified, version }
    }
}

impl Origin {
    /// The bucket's name on the S3 endpoint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL prefix it stands for.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The storage's client.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The path inside the storage that the bucket's keys are below.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// How this bucket's keys map to tables.
    pub fn rules(&self) -> &AttributionRules {
        &self.rules
    }

    pub(crate) fn consistency(&self) -> Consistency {
        self.consistency
    }

    /// How fast its last answers were.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// How those fare who read from it.
    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Waits until one more fill may ask.
    pub(crate) async fn turn(&self, cause: Cause) -> SemaphorePermit<'_> {
        if let Ok(turn) = self.turns.try_acquire() {
            return turn;
        }
        let _waiting = (cause == Cause::Demand).then(|| self.readers.waiting());
        self.turns.acquire().await.expect("the semaphore is never closed")
    }

    pub(crate) fn list_cache(&self) -> Duration {
        self.list_cache
    }

    /// Whether the storage keeps content types and user metadata. A local directory does not.
    pub(crate) fn keeps_attributes(&self) -> bool {
        self.keeps_attributes
    }

    /// Whether direct reads of this engine are sent to the origin itself.
    pub(crate) fn redirects(&self, engine: &str) -> bool {
        self.signer.is_some() && self.redirect.iter().any(|name| name == "*" || name == engine)
    }

    /// A URL by which anybody may GET this object from the origin, for so long. `None` when it cannot be signed now: its
    /// reads then go through Larder.
    pub(crate) async fn signed_url(&self, key: &str, expires_in: Duration) -> Result<Option<Url>, OriginError> {
        let path = self.path(key)?;
        let Some(signer) = &self.signer else { return Ok(None) };
        match signer.signed_url(http::Method::GET, &path, expires_in).await {
            Ok(signed) => Ok(Some(signed)),
            Err(error) => {
                let error = OriginError::from(error);
                tracing::warn!(
                    bucket = self.name,
                    error = error.detail(),
                    "no URL could be signed, so nothing is redirected"
                );
                Ok(None)
            }
        }
    }

    /// Where a key is in the storage. Keys that the storage's paths cannot express (an empty segment, `.` or `..`, a
    /// trailing slash, control characters) are refused, because another object would be meant.
    pub fn path(&self, key: &str) -> Result<Path, OriginError> {
        let plain = Path::parse(key).ok().filter(|path| path.as_ref() == key && !key.is_empty());
        let Some(path) = plain else {
            return Err(OriginError::InvalidKey { key: key.to_owned() });
        };
        if self.prefix.as_ref().is_empty() {
            return Ok(path);
        }
        Path::parse(format!("{}/{key}", self.prefix)).map_err(|_| OriginError::InvalidKey { key: key.to_owned() })
    }

    /// An object's state, and its content type, user metadata and their like.
    pub(crate) async fn head(&self, key: &str) -> Result<(ObjectState, Attributes), OriginError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.store.get_opts(&self.path(key)?, options).await?;
        Ok((ObjectState::new(&found.meta), found.attributes))
    }

    pub(crate) async fn get(&self, key: &str, options: GetOptions) -> Result<GetResult, OriginError> {
        Ok(self.store.get_opts(&self.path(key)?, options).await?)
    }

    /// What `next` waits for of an answer, unless the origin sends nothing for too long.
    pub(crate) async fn in_time<T>(&self, next: impl Future<Output = T>) -> Result<T, OriginError> {
        let waited = self.stall;
        tokio::time::timeout(waited, next).await.map_err(|_| OriginError::TimedOut { waited })
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), OriginError> {
        match self.store.delete(&self.path(key)?).await.map_err(OriginError::from) {
            // S3 answers the deletion of what is not there with success.
            Err(OriginError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    async fn check(&self) -> Result<(), OriginError> {
        let absent = |folder: String| OriginError::NotFound { source: format!("there is no folder {folder}").into() };
        match &self.folder {
            Some(Folder::Hdfs(files)) if files.has_folder(&self.prefix).await? => return Ok(()),
            Some(Folder::Hdfs(_)) => return Err(absent(format!("/{}", self.prefix))),
            Some(Folder::Local(folder)) if !tokio::fs::try_exists(folder).await.unwrap_or(false) => {
                return Err(absent(folder.display().to_string()));
            }
            Some(Folder::Local(_)) | None => {}
        }
        match &self.paginated {
            Some(_) => self.list(&ListRequest { keys_max: 1, ..ListRequest::default() }).await.map(drop),
            None => {
                use futures::StreamExt;
                let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
                self.store.list(prefix).next().await.transpose().map(drop).map_err(OriginError::from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_absent_local_folder_is_no_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = async |path: &std::path::Path| {
            let settings = open::tests::bucket(&format!("file://{}", path.display()));
            Origins::open(&[settings]).expect("an origin").check().await.remove(0).1
        };
        assert!(check(folder.path()).await.is_ok());
        let absent = folder.path().join("absent");
        assert!(check(&absent).await.expect_err("absent").detail().contains("absent"));
    }

    #[test]
    fn keys_that_would_name_another_object_are_refused() {
        let settings = open::tests::bucket("file:///tmp/larder-test-no-such-folder");
        let origin = Origin::open(&settings).expect("an origin");
        for key in ["", "a//b", "a/", "/a", "../a", "a/./b", "a\u{1}"] {
            assert!(matches!(origin.path(key), Err(OriginError::InvalidKey { .. })), "{key}");
        }
        for key in ["a", "dt=2026-01-01/a b%20.parquet", "ünï/c#?"] {
            assert!(origin.path(key).expect("a path").as_ref().ends_with(key), "{key}");
        }
    }
}
