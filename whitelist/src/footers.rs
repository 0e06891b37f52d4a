//! Footers: where the columns are in some objects of a table, read from the objects themselves.
//!
//! Objects of one table are alike, so a few of them speak for all. What cannot be read, or is no Parquet, says nothing: the
//! night goes on without, and the table is held with all its columns. So do small objects, which engines read whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use larder_model::whitelist::WHOLE_OBJECT_BYTES;
use larder_model::{ObjectName, Version};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::catalog::CatalogBucket;
use crate::columns::Layout;

/// Read of an object's end at first: most footers are shorter.
const TAIL_BYTES: u64 = 64 << 10;
/// Longer footers are not read: a hostile one must not cost much.
const FOOTER_BYTES_MAX: u64 = 16 << 20;
/// Footers read at a time.
const READS_AT_ONCE: usize = 16;
/// How long one may take.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// An object's layout, and the version that has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Footer {
    pub(crate) layout: Layout,
    pub(crate) version: Version,
}

/// Reads footers, each once.
#[derive(Debug)]
pub(crate) struct Footers<'a> {
    buckets: &'a [CatalogBucket],
    read: HashMap<ObjectName, Option<Arc<Footer>>>,
}

impl<'a> Footers<'a> {
    pub(crate) fn new(buckets: &'a [CatalogBucket]) -> Self {
        Self { buckets, read: HashMap::new() }
    }

    /// Reads the footers of objects that were not read before.
    pub(crate) async fn read(&mut self, objects: impl IntoIterator<Item = ObjectName>) {
        let mut unread: Vec<ObjectName> =
            objects.into_iter().filter(|object| !self.read.contains_key(object)).collect();
        unread.sort();
        unread.dedup();
        let buckets = self.buckets;
        let read = |object: ObjectName| {
            async move {
                let footer = tokio::time::timeout(READ_TIMEOUT, footer_of(buckets, &object)).await;
                let footer = footer.unwrap_or_else(|_| Err("its storage does not answer".to_owned()));
                if let Err(problem) = &footer {
                    tracing::debug!(%object, problem, "an object's footer says nothing of columns");
                }
                (object, footer.ok().map(Arc::new))
            }
            .boxed()
        };
        let reads: Vec<BoxFuture<'_, _>> = unread.into_iter().map(read).collect();
        self.read.extend(futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE).collect::<Vec<_>>().await);
    }

    /// A footer that was read, if it could be.
    pub(crate) fn get(&self, object: &ObjectName) -> Option<&Arc<Footer>> {
        self.read.get(object)?.as_ref()
    }
}

/// Some objects of a folder.
pub(crate) async fn objects_below(
    buckets: &[CatalogBucket],
    bucket: &str,
    prefix: &str,
    max: usize,
) -> Vec<ObjectName> {
    let Some(bucket) = buckets.iter().find(|known| known.name == bucket) else { return Vec::new() };
    let Ok(below) = path_of(bucket, prefix.trim_end_matches('/')) else { return Vec::new() };
    if !prefix.ends_with('/') {
        return vec![ObjectName { bucket: bucket.name.clone(), key: prefix.to_owned() }];
    }
    let key_of = |path: &Path| {
        let parts = path.prefix_match(&bucket.prefix)?;
        Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
    };
    let listed = bucket.store.list(Some(&below)).take(max).try_collect::<Vec<_>>();
    let listed = tokio::time::timeout(READ_TIMEOUT, listed).await.ok().and_then(Result::ok).unwrap_or_default();
    let keys = listed.iter().filter_map(|object| key_of(&object.location));
    keys.map(|key| ObjectName { bucket: bucket.name.clone(), key }).collect()
}

fn path_of(bucket: &CatalogBucket, key: &str) -> Result<Path, String> {
    let prefix = bucket.prefix.as_ref();
    let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}/{key}") };
    Path::parse(path).map_err(|error| error.to_string())
}

async fn footer_of(buckets: &[CatalogBucket], object: &ObjectName) -> Result<Footer, String> {
    let bucket = buckets.iter().find(|bucket| bucket.name == object.bucket).ok_or("its bucket is not configured")?;
    let path = path_of(bucket, &object.key)?;
    let meta = bucket.store.head(&path).await.map_err(|error| error.to_string())?;
    if meta.size <= WHOLE_OBJECT_BYTES {
        return Err("it is small, and so is read and held as a whole".to_owned());
    }
    let version = Version::new(meta.e_tag.as_deref(), meta.size, meta.last_modified);
    let mut wanted = TAIL_BYTES.min(meta.size);
    loop {
        let range = meta.size - wanted..meta.size;
        let tail = bucket.store.get_range(&path, range).await.map_err(|error| error.to_string())?;
        if tail.len() as u64 != wanted {
            return Err("it changed while it was read".to_owned());
        }
        match parse(tail, meta.size).await? {
            Parsed::Layout(layout) => return Ok(Footer { layout, version }),
            Parsed::Longer(bytes) if bytes > wanted && bytes <= FOOTER_BYTES_MAX.min(meta.size) => wanted = bytes,
            Parsed::Longer(bytes) => return Err(format!("its footer would have {bytes} bytes")),
        }
    }
}

enum Parsed {
    Layout(Layout),
    /// So many bytes of the end are needed.
    Longer(u64),
}

/// The parser gets a thread of its own, where hostile input may also make it panic.
async fn parse(tail: Bytes, size: u64) -> Result<Parsed, String> {
    let parse = move || {
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&tail, size) {
            Ok(()) => {
                let metadata = reader.finish().map_err(|error| error.to_string())?;
                Ok(Parsed::Layout(Layout::new(&metadata)))
            }
            Err(ParquetError::NeedMoreData(bytes)) => Ok(Parsed::Longer(bytes as u64)),
            Err(error) => Err(error.to_string()),
        }
    };
    tokio::task::spawn_blocking(parse).await.unwrap_or_else(|_| Err("its footer cannot be decoded".to_owned()))
}

#[cfg(test)]
mod tests {
    use larder_model::{AttributionRules, ByteRange};
    use object_store::memory::InMemory;

    use super::*;
    use crate::test_support::parquet_of;

    async fn bucket(objects: &[(&str, Vec<u8>)]) -> [CatalogBucket; 1] {
        let store = InMemory::new();
        for (key, bytes) in objects {
            store.put(&Path::parse(key).unwrap(), bytes.clone().into()).await.unwrap();
        }
        let rules = AttributionRules::new("hive", vec![]);
        [CatalogBucket { name: "wh".into(), store: Arc::new(store), prefix: Path::from("lake"), rules }]
    }

    fn object(key: &str) -> ObjectName {
        ObjectName { bucket: "wh".into(), key: key.into() }
    }

    #[tokio::test]
    async fn footers_say_where_columns_are() {
        let narrow = parquet_of(["Id", "price"], 300_000);
        // Its footer is longer than what is read at first.
        let wide = parquet_of((0..2000).map(|n| format!("c{n:04}")), 400);
        let objects =
            [("lake/t/dt=%20x/a.parquet", narrow.clone()), ("lake/t/b", wide), ("lake/t/c", vec![7; 5 << 20])];
        let buckets = bucket(&objects).await;
        let mut footers = Footers::new(&buckets);
        footers.read([object("t/dt=%20x/a.parquet"), object("t/b"), object("t/c"), object("t/gone")]).await;
        let layout = &footers.get(&object("t/dt=%20x/a.parquet")).unwrap().layout;
        let names: Vec<&str> = layout.bytes().map(|(name, _)| name).collect();
        assert_eq!(names, ["id", "price"]);
        assert!(layout.bytes().all(|(_, bytes)| bytes > 2_000_000), "{layout:?}");
        assert_eq!(layout.seconds(ByteRange::new(0, narrow.len() as u64)).len(), 2);
        assert_eq!(footers.get(&object("t/b")).unwrap().layout.bytes().count(), 2000);
        assert_eq!(footers.get(&object("t/c")), None);
        assert_eq!(footers.get(&object("t/gone")), None);
    }

    #[tokio::test]
    async fn objects_of_a_folder_are_found_by_their_keys() {
        let buckets = bucket(&[("lake/t/d=1/a", vec![1]), ("lake/t/d=1/b", vec![1]), ("lake/t/d=2/a", vec![1])]).await;
        assert_eq!(objects_below(&buckets, "wh", "t/d=1/", 9).await, [object("t/d=1/a"), object("t/d=1/b")]);
        assert_eq!(objects_below(&buckets, "wh", "t/d=1/", 1).await.len(), 1);
        assert_eq!(objects_below(&buckets, "wh", "f.parquet", 9).await, [object("f.parquet")]);
        assert_eq!(objects_below(&buckets, "elsewhere", "t/", 9).await, []);
    }
}
