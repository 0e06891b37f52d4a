//! What is known of objects without asking the origin: size, version, attributes, attribution.
//!
//! A bucket's consistency rule says how old that knowledge may be. A write through Larder ends it at once. What is known
//! of objects that never change is also kept on the SSD, so that a restart serves them while the origin is away.

mod stored;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use chrono::DateTime;
use larder_model::{Attribution, ObjectName, Version};
use moka::future::Cache;

use crate::block::{BlockKey, BlockMap, ObjectId, object_id};
use crate::origin::{ObjectState, Origin, OriginError};
use crate::settings::Consistency;
use crate::tiers::Tiers;

/// One version of an object, as last seen at the origin.
#[derive(Debug)]
pub(crate) struct ObjectMeta {
    pub(crate) name: ObjectName,
    pub(crate) state: ObjectState,
    pub(crate) id: ObjectId,
    pub(crate) attribution: Option<Attribution>,
    checked: Instant,
}

impl ObjectMeta {
    pub(crate) fn new(origin: &Origin, key: &str, state: ObjectState, checked: Instant) -> Self {
        let name = ObjectName { bucket: origin.name().to_owned(), key: key.to_owned() };
        let id = object_id(&name.bucket, key, &state.version);
        Self { id, attribution: origin.rules().attribute(key), name, state, checked }
    }

    pub(crate) fn block_map(&self, block_len: u64) -> BlockMap {
        BlockMap { object_size: self.state.size, block_len }
    }
}

/// The cache of [`ObjectMeta`], bounded by its number of objects.
#[derive(Debug)]
pub(crate) struct Metadata {
    objects: Cache<ObjectName, Arc<ObjectMeta>>,
    tiers: Arc<Tiers>,
    /// Counts invalidations. What was asked of the origin before one of them is not remembered after it.
    epoch: AtomicU64,
}

impl Metadata {
    pub(crate) fn new(objects_max: u64, tiers: Arc<Tiers>) -> Self {
        Self { objects: Cache::new(objects_max), tiers, epoch: AtomicU64::new(0) }
    }

    /// The object's metadata, as fresh as the bucket's rule demands.
    pub(crate) async fn get(&self, origin: &Origin, key: &str) -> Result<Arc<ObjectMeta>, OriginError> {
        if origin.consistency() != Consistency::Strict {
            let name = ObjectName { bucket: origin.name().to_owned(), key: key.to_owned() };
            if let Some(known) = self.objects.get(&name).await
                && origin.consistency().allows(known.checked.elapsed())
            {
                return Ok(known);
            }
            if origin.consistency() == Consistency::Immutable
                && let Some(stored) = self.tiers.get_note(&note_key(&name)).await
                && let Some(state) = stored::read(&stored)
            {
                let known = Arc::new(ObjectMeta::new(origin, key, state, Instant::now()));
                self.objects.insert(name, Arc::clone(&known)).await;
                return Ok(known);
            }
        }
        self.ask(origin, key).await
    }

    /// The object's metadata from the origin, whatever is known.
    pub(crate) async fn ask(&self, origin: &Origin, key: &str) -> Result<Arc<ObjectMeta>, OriginError> {
        let epoch = self.epoch();
        let checked = Instant::now();
        let found = match origin.head(key).await {
            Ok(state) => Arc::new(ObjectMeta::new(origin, key, state, checked)),
            Err(error) => {
                if matches!(error, OriginError::NotFound { .. }) {
                    self.forget(&ObjectName { bucket: origin.name().to_owned(), key: key.to_owned() }).await;
                }
                return Err(error);
            }
        };
        self.remember(Arc::clone(&found), epoch).await;
        if origin.consistency() == Consistency::Immutable && self.epoch() == epoch {
            self.tiers.insert(note_key(&found.name), stored::write(&found.state));
            if self.epoch() != epoch {
                self.blank_note(&found.name);
            }
        }
        Ok(found)
    }

    /// The count to pass to [`remember`](Self::remember), taken before the origin is asked.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Keeps what the origin said, unless a write went through Larder since `epoch`.
    pub(crate) async fn remember(&self, meta: Arc<ObjectMeta>, epoch: u64) {
        if self.epoch() != epoch {
            return;
        }
        self.objects.insert(meta.name.clone(), Arc::clone(&meta)).await;
        if self.epoch() != epoch {
            self.objects.invalidate(&meta.name).await;
        }
    }

    /// Ends what is known of an object: it was written, or found to be another version.
    pub(crate) async fn forget(&self, name: &ObjectName) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.objects.invalidate(name).await;
        self.blank_note(name);
    }

    /// Overwrites an object's note with an empty one. Removing it would not do: the SSD engine may still be writing it,
    /// and forgets removals when it restarts, while the newest of two writes always wins.
    fn blank_note(&self, name: &ObjectName) {
        let key = note_key(name);
        if self.tiers.contains(&key) {
            self.tiers.insert(key, Bytes::new());
        }
    }
}

/// Where the note of an object is among the blocks: no block begins there.
fn note_key(name: &ObjectName) -> BlockKey {
    let object = object_id(&name.bucket, &name.key, &Version::new(Some("note"), 0, DateTime::UNIX_EPOCH));
    BlockKey { object, start: u64::MAX }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;
    use crate::origin::Origins;
    use crate::settings::{BucketSettings, CacheSettings, SsdSettings};

    async fn origin(consistency: Consistency) -> (Arc<Origin>, Arc<InMemory>) {
        let store = Arc::new(InMemory::new());
        let settings = BucketSettings {
            name: "wh".into(),
            origin: "file:///".into(),
            consistency,
            options: Default::default(),
            catalog: None,
            tables: Vec::new(),
            list_cache: Duration::ZERO,
        };
        let mut origins = Origins::open(&[settings]).expect("an origin");
        origins.replace_store("wh", store.clone());
        store.put(&"k".into(), "one".into()).await.expect("a write");
        (origins.get("wh").expect("the bucket").clone(), store)
    }

    async fn metadata(folder: &std::path::Path) -> Metadata {
        let ssd = SsdSettings { path: folder.to_owned(), capacity: SsdSettings::CAPACITY_MIN };
        let settings = CacheSettings { memory: larder_model::ByteSize::mib(16), ssd, ..CacheSettings::default() };
        let tiers = Tiers::open(&settings, Arc::new(crate::metrics::Metrics::new())).await.expect("tiers");
        Metadata::new(10, Arc::new(tiers))
    }

    async fn size_after_overwrite(consistency: Consistency) -> u64 {
        let folder = tempfile::tempdir().expect("a folder");
        let (origin, store) = origin(consistency).await;
        let metadata = metadata(folder.path()).await;
        metadata.get(&origin, "k").await.expect("metadata");
        store.put(&"k".into(), "three".into()).await.expect("a write");
        metadata.get(&origin, "k").await.expect("metadata").state.size
    }

    #[tokio::test]
    async fn an_overwrite_is_seen_as_the_rule_says() {
        assert_eq!(size_after_overwrite(Consistency::Strict).await, 5);
        assert_eq!(size_after_overwrite(Consistency::Revalidate(Duration::ZERO)).await, 5);
        assert_eq!(size_after_overwrite(Consistency::Revalidate(Duration::from_secs(3600))).await, 3);
        assert_eq!(size_after_overwrite(Consistency::Immutable).await, 3);
    }

    #[tokio::test]
    async fn what_was_asked_before_a_write_is_not_remembered_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (origin, store) = origin(Consistency::Immutable).await;
        let metadata = metadata(folder.path()).await;
        let epoch = metadata.epoch();
        let old = ObjectMeta::new(&origin, "k", origin.head("k").await.expect("state"), Instant::now());
        store.put(&"k".into(), "three".into()).await.expect("a write");
        metadata.forget(&old.name).await;
        metadata.remember(Arc::new(old), epoch).await;
        assert_eq!(metadata.get(&origin, "k").await.expect("metadata").state.size, 5);
    }
}
