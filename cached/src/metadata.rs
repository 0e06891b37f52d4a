//! What is known of objects without asking the origin: size, version, attributes, attribution.
//!
//! Reads, HEADs and listings all add to it. A bucket's consistency rule says how old that knowledge may be; a write
//! through Larder ends it at once. What is known of objects that never change is also kept on the SSD, so that a restart
//! serves them while the origin is away.

mod overwritten;
mod stored;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use larder_model::{Attribution, ObjectName};
use moka::future::Cache;
use object_store::Attributes;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use self::overwritten::Overwritten;
use crate::block::{BlockKey, BlockMap, ColumnId, ObjectId, name_id, object_id};
use crate::origin::{ListEntry, ObjectState, Origin, OriginError};
use crate::read::Scans;
use crate::settings::Consistency;
use crate::tiers::Tiers;

/// Objects that were asked for and are not there: so many are remembered, and for so long at most. Engines probe for
/// files that never were, but also wait for files that others write.
const ABSENT_MAX: u64 = 100_000;
const ABSENT_FOR: Duration = Duration::from_secs(10);

/// One version of an object, as last seen at the origin.
#[derive(Debug)]
pub(crate) struct ObjectMeta {
    pub(crate) name: ObjectName,
    pub(crate) state: ObjectState,
    pub(crate) id: ObjectId,
    pub(crate) attribution: Option<Attribution>,
    /// How it is cut into blocks, once that is decided.
    pub(crate) map: OnceCell<Arc<BlockMap>>,
    /// Who reads it from front to back now.
    pub(crate) scans: Mutex<Scans>,
    attributes: OnceLock<Attributes>,
    /// When the origin was last asked and said that this is the object's state.
    checked: Mutex<Instant>,
    /// Whether the SSD has its note.
    noted: AtomicBool,
}

impl ObjectMeta {
    /// A state that the origin was asked for at `checked`; without attributes when a listing gave it.
    pub(crate) fn new(
        origin: &Origin,
        key: &str,
        state: ObjectState,
        attributes: Option<Attributes>,
        checked: Instant,
    ) -> Self {
        let name = ObjectName { bucket: origin.name().to_owned(), key: key.to_owned() };
        let id = object_id(&name.bucket, key, &state.version);
        let attributes = attributes.or_else(|| (!origin.keeps_attributes()).then(Attributes::default));
        Self {
            id,
            attribution: origin.rules().attribute(key),
            name,
            state,
            map: OnceCell::new(),
            scans: Mutex::default(),
            attributes: attributes.map_or_else(OnceLock::new, OnceLock::from),
            checked: Mutex::new(checked),
            noted: AtomicBool::new(false),
        }
    }

    /// Content type, user metadata and their like; `None` until an answer for the object itself has brought them.
    pub(crate) fn attributes(&self) -> Option<&Attributes> {
        self.attributes.get()
    }
}

/// The cache of [`ObjectMeta`], bounded by its number of objects.
#[derive(Debug)]
pub(crate) struct Metadata {
    objects: Cache<ObjectName, Arc<ObjectMeta>>,
    /// When the origin said that there is no such object.
    absent: Cache<ObjectName, Instant>,
    tiers: Arc<Tiers>,
    overwritten: Arc<Overwritten>,
    /// The objects whose notes were written since the start.
    noted: Mutex<HashSet<ObjectId>>,
    /// Counts invalidations. What was asked of the origin before one of them is not remembered after it.
    epoch: AtomicU64,
}

impl Metadata {
    /// Remembers at most so many objects in memory, and notes on the SSD beside the tier below `folder`.
    pub(crate) fn open(objects_max: u64, tiers: Arc<Tiers>, folder: &Path) -> std::io::Result<Self> {
        let overwritten = Arc::new(Overwritten::open(&folder.join("overwritten"))?);
        Ok(Self {
            objects: Cache::new(objects_max),
            absent: Cache::new(ABSENT_MAX),
            tiers,
            overwritten,
            noted: Mutex::default(),
            epoch: AtomicU64::new(0),
        })
    }

    /// The object's metadata, as fresh as the bucket's rule demands.
    pub(crate) async fn get(&self, origin: &Origin, key: &str) -> Result<Arc<ObjectMeta>, OriginError> {
        let epoch = self.epoch();
        if origin.consistency() != Consistency::Strict {
            let name = ObjectName { bucket: origin.name().to_owned(), key: key.to_owned() };
            if let Some(known) = self.objects.get(&name).await
                && origin.consistency().allows(known.checked.lock().elapsed())
            {
                return Ok(known);
            }
            if let Consistency::Revalidate(limit) = origin.consistency()
                && let Some(asked) = self.absent.get(&name).await
                && asked.elapsed() <= limit.min(ABSENT_FOR)
            {
                return Err(OriginError::NotFound { source: "it was not there moments ago".into() });
            }
            if origin.consistency() == Consistency::Immutable
                && let Some((state, attributes)) = self.read_note(&name).await
            {
                let known = ObjectMeta::new(origin, key, state, Some(attributes), Instant::now());
                known.noted.store(true, Ordering::Relaxed);
                let known = Arc::new(known);
                self.remember(&known, epoch).await;
                return Ok(known);
            }
        }
        self.ask(origin, key).await
    }

    /// The same, with attributes.
    pub(crate) async fn described(&self, origin: &Origin, key: &str) -> Result<Arc<ObjectMeta>, OriginError> {
        let known = self.get(origin, key).await?;
        if known.attributes().is_some() { Ok(known) } else { self.ask(origin, key).await }
    }

    /// The object's metadata, with attributes, from the origin, whatever is known.
    pub(crate) async fn ask(&self, origin: &Origin, key: &str) -> Result<Arc<ObjectMeta>, OriginError> {
        let epoch = self.epoch();
        let checked = Instant::now();
        let found = match origin.head(key).await {
            Ok((state, attributes)) => ObjectMeta::new(origin, key, state, Some(attributes), checked),
            Err(error) => {
                let name = ObjectName { bucket: origin.name().to_owned(), key: key.to_owned() };
                // Engines probe for files that never were: those must not disturb what is being learnt of others.
                let known = self.objects.contains_key(&name) || self.may_be_noted(&note_key(&name));
                if matches!(error, OriginError::NotFound { .. }) {
                    if known {
                        self.forget(&name).await;
                    } else {
                        self.remember_absent(origin, name, checked, epoch).await;
                    }
                }
                return Err(error);
            }
        };
        // The same version is the same object, with its block map.
        if let Some(known) = self.objects.get(&found.name).await
            && known.id == found.id
        {
            *known.checked.lock() = checked;
            let attributes = found.attributes.get().cloned().unwrap_or_default();
            self.describe(origin, &known, &attributes, epoch).await;
            return Ok(known);
        }
        let found = Arc::new(found);
        self.remember(&found, epoch).await;
        self.note(origin, &found, epoch).await;
        Ok(found)
    }

    /// What is known of an object, however old.
    pub(crate) async fn known(&self, name: &ObjectName) -> Option<Arc<ObjectMeta>> {
        self.objects.get(name).await
    }

    /// The count to pass to what remembers, taken before the origin is asked.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Keeps what a listing that was asked for at `asked` says of objects, unless a write went through Larder since
    /// `epoch`, something newer is known, or every read of the bucket asks for itself anyway.
    pub(crate) async fn learn(
        &self,
        origin: &Origin,
        entries: impl IntoIterator<Item = &ListEntry>,
        asked: Instant,
        epoch: u64,
    ) {
        if origin.consistency() == Consistency::Strict {
            return;
        }
        // Without an ETag, a listing and a HEAD may differ in the time's precision, and so in the version.
        for entry in entries.into_iter().filter(|entry| entry.state.etag.is_some()) {
            let name = ObjectName { bucket: origin.name().to_owned(), key: entry.key.clone() };
            if let Some(known) = self.objects.get(&name).await {
                let mut checked = known.checked.lock();
                if *checked >= asked {
                    continue;
                }
                if known.state.version == entry.state.version {
                    *checked = asked;
                    continue;
                }
            }
            let found = ObjectMeta::new(origin, &entry.key, entry.state.clone(), None, asked);
            self.remember(&Arc::new(found), epoch).await;
        }
    }

    /// Keeps the attributes that an answer for the object's bytes, asked for after `epoch`, has brought.
    pub(crate) async fn describe(&self, origin: &Origin, meta: &ObjectMeta, attributes: &Attributes, epoch: u64) {
        if meta.attributes().is_none() {
            meta.attributes.get_or_init(|| attributes.clone());
        }
        self.note(origin, meta, epoch).await;
    }

    /// Keeps what the origin said, unless a write went through Larder since `epoch`.
    async fn remember(&self, meta: &Arc<ObjectMeta>, epoch: u64) {
        if self.epoch() != epoch {
            return;
        }
        self.objects.insert(meta.name.clone(), Arc::clone(meta)).await;
        self.absent.invalidate(&meta.name).await;
        if self.epoch() != epoch {
            self.objects.invalidate(&meta.name).await;
        }
    }

    /// Keeps that an object is not there, unless a write went through Larder since `epoch`, or the rule has no use for it.
    async fn remember_absent(&self, origin: &Origin, name: ObjectName, asked: Instant, epoch: u64) {
        if matches!(origin.consistency(), Consistency::Revalidate(_)) && self.epoch() == epoch {
            self.absent.insert(name.clone(), asked).await;
            if self.epoch() != epoch {
                self.absent.invalidate(&name).await;
            }
        }
    }

    /// Ends what is known of an object: it was written, or found to be another version.
    pub(crate) async fn forget(&self, name: &ObjectName) {
        self.forget_all(std::slice::from_ref(name)).await;
    }

    /// The same for many objects.
    pub(crate) async fn forget_all(&self, names: &[ObjectName]) {
        // Before the notes, so that none is written with what was known before; and after them, so that what was read
        // from one in the meantime is not remembered.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.disbelieve_notes(names).await;
        self.epoch.fetch_add(1, Ordering::SeqCst);
        for name in names {
            self.objects.invalidate(name).await;
            self.absent.invalidate(name).await;
        }
    }

    /// Keeps an object that never changes on the SSD as well.
    async fn note(&self, origin: &Origin, meta: &ObjectMeta, epoch: u64) {
        let Some(attributes) = meta.attributes() else { return };
        if origin.consistency() != Consistency::Immutable
            || self.epoch() != epoch
            || meta.noted.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let key = note_key(&meta.name);
        let Some(overwrites) = self.overwritten.count(key.object) else { return };
        self.noted.lock().insert(key.object);
        self.tiers.insert(&meta.name, key, ColumnId::NONE, stored::write(&meta.state, attributes, overwrites));
        if self.epoch() != epoch {
            self.disbelieve_notes(std::slice::from_ref(&meta.name)).await;
        }
    }

    async fn read_note(&self, name: &ObjectName) -> Option<(ObjectState, Attributes)> {
        let key = note_key(name);
        let overwrites = self.overwritten.count(key.object)?;
        stored::read(&self.tiers.get_note(&key).await?, overwrites)
    }

    /// Whether there may be a note of an object. One that the SSD does not hold any more, or cannot be asked for now, counts as
    /// well: damage, or a disk that heals, can bring it back.
    fn may_be_noted(&self, note: &BlockKey) -> bool {
        self.noted.lock().contains(&{ note.object }) || self.tiers.ssd().may_have_found(note)
    }

    /// Ends the notes of those objects that have one. Removing them would not do: the SSD engine may still be writing
    /// them, and forgets removals when it restarts.
    async fn disbelieve_notes(&self, names: &[ObjectName]) {
        let noted = names.iter().map(note_key).filter(|key| self.may_be_noted(key));
        let noted: Vec<ObjectId> = noted.map(|key| key.object).collect();
        if !noted.is_empty() {
            let overwritten = Arc::clone(&self.overwritten);
            tokio::task::spawn_blocking(move || overwritten.add(&noted)).await.expect("counting does not panic");
        }
    }
}

/// Where the note of an object is among the blocks, whatever its version.
pub(crate) fn note_key(name: &ObjectName) -> BlockKey {
    BlockKey::note(name_id(&name.bucket, &name.key))
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use larder_model::admin::TierState;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;
    use crate::origin::Origins;
    use crate::route::RouteTable;
    use crate::settings::{Admit, BucketSettings, CacheSettings, SsdSettings};

    async fn origin(consistency: Consistency) -> (Arc<Origin>, Arc<InMemory>) {
        let store = Arc::new(InMemory::new());
        let settings = BucketSettings { consistency, ..BucketSettings::new("wh", "file:///") };
        let mut origins = Origins::open(&[settings]).expect("an origin");
        origins.replace_store("wh", store.clone());
        store.put(&"k".into(), "one".into()).await.expect("a write");
        (origins.get("wh").expect("the bucket").clone(), store)
    }

    async fn metadata(folder: &std::path::Path) -> Metadata {
        std::fs::create_dir_all(folder).expect("a folder");
        let ssd =
            SsdSettings { path: folder.to_owned(), capacity: SsdSettings::CAPACITY_MIN, ..SsdSettings::default() };
        let settings = CacheSettings { memory: larder_model::ByteSize::mib(16), ssd, ..CacheSettings::default() };
        let routes = Arc::new(ArcSwap::from_pointee(RouteTable::new(Admit::All, None)));
        let metrics = Arc::new(crate::metrics::Metrics::new());
        let tiers = Tiers::open(&settings, routes, metrics, |disk| disk).expect("tiers");
        Metadata::open(10, Arc::new(tiers), folder).expect("metadata")
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
    async fn that_an_object_is_absent_is_remembered_as_the_rule_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let minute = Consistency::Revalidate(Duration::from_secs(60));
        for (rule, remembered) in [(minute, true), (Consistency::Strict, false), (Consistency::Immutable, false)] {
            let (origin, store) = origin(rule).await;
            let metadata = metadata(&folder.path().join(format!("{rule:?}"))).await;
            assert!(metadata.get(&origin, "new").await.is_err());
            store.put(&"new".into(), "one".into()).await.expect("a write");
            assert_eq!(metadata.get(&origin, "new").await.is_err(), remembered, "{rule:?}");
            // A write through Larder, or a listing that shows it, ends that.
            metadata.forget(&ObjectName { bucket: "wh".into(), key: "new".into() }).await;
            assert_eq!(metadata.get(&origin, "new").await.expect("metadata").state.size, 3, "{rule:?}");
        }
    }

    #[tokio::test]
    async fn what_is_overwritten_while_the_ssd_is_left_out_is_not_believed_when_it_is_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let (origin, store) = origin(Consistency::Immutable).await;
        let noting = metadata(folder.path()).await;
        noting.get(&origin, "k").await.expect("metadata");
        noting.tiers.ssd().close().await;
        drop(noting);
        let left_out = metadata(folder.path()).await;
        for _ in 0..64 {
            left_out.tiers.ssd().took(Duration::from_secs(1), Duration::ZERO);
        }
        assert_eq!(left_out.tiers.ssd().state(), TierState::Slow);
        store.put(&"k".into(), "three".into()).await.expect("a write");
        left_out.forget(&ObjectName { bucket: "wh".into(), key: "k".into() }).await;
        left_out.tiers.ssd().close().await;
        drop(left_out);
        let back = metadata(folder.path()).await;
        assert_eq!(back.get(&origin, "k").await.expect("metadata").state.size, 5);
    }

    #[tokio::test]
    async fn what_was_asked_before_a_write_is_not_remembered_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (origin, store) = origin(Consistency::Immutable).await;
        let metadata = metadata(folder.path()).await;
        let epoch = metadata.epoch();
        let (state, _) = origin.head("k").await.expect("state");
        let old = ObjectMeta::new(&origin, "k", state, None, Instant::now());
        store.put(&"k".into(), "three".into()).await.expect("a write");
        metadata.forget(&old.name).await;
        metadata.remember(&Arc::new(old), epoch).await;
        assert_eq!(metadata.get(&origin, "k").await.expect("metadata").state.size, 5);
    }
}
