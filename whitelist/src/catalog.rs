//! The catalog: what the buckets hold of each item, and where.
//!
//! A night lists every bucket. An origin that cannot be listed is reported, and what it held when it last could be
//! listed goes on counting: a night must not empty the whitelist because a storage had a bad hour.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::TryStreamExt;
use larder_model::{AttributionRules, ItemName, Version};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::CatalogItem;

/// A bucket to list.
#[derive(Debug, Clone)]
pub struct CatalogBucket {
    /// Its name on the S3 endpoint.
    pub name: String,
    /// The origin behind it.
    pub store: Arc<dyn ObjectStore>,
    /// Where in the origin it begins; keys are relative to this.
    pub prefix: Path,
    /// How its keys map to tables.
    pub rules: AttributionRules,
}

/// What listing a bucket found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BucketReport {
    /// The bucket.
    pub bucket: String,
    /// Items found, or last known where listing failed.
    pub items: u64,
    /// Objects of those.
    pub objects: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Bytes of objects that belong to no table.
    pub unattributed_bytes: u64,
    /// Why it could not be listed, in words.
    pub problem: Option<String>,
}

/// A bucket that holds more objects than this is not listed to its end, and is reported.
const OBJECTS_MAX: u64 = 50_000_000;

/// Items of one bucket.
const ITEMS_MAX: usize = larder_model::whitelist::ITEMS_MAX;

/// Whole keys that stand for one item; see [`Listing::finish`].
const KEYS_PER_ITEM_MAX: usize = 1000;

/// Lists a bucket.
pub async fn list(bucket: &CatalogBucket) -> Result<(Vec<CatalogItem>, BucketReport), String> {
    let mut listing = Listing::default();
    let mut objects = bucket.store.list(Some(&bucket.prefix));
    while let Some(object) = objects.try_next().await.map_err(|error| error.to_string())? {
        let Some(parts) = object.location.prefix_match(&bucket.prefix) else { continue };
        let key = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
        listing.add(&bucket.rules, &key, &object)?;
    }
    Ok(listing.finish(&bucket.name))
}

/// A listing in the making.
#[derive(Debug, Default)]
struct Listing {
    items: HashMap<ItemName, Found>,
    objects: u64,
    unattributed_bytes: u64,
}

/// What was found of one item.
#[derive(Debug, Default)]
struct Found {
    bytes: u64,
    objects: u64,
    prefixes: BTreeMap<String, u64>,
    /// Of all its objects' names and versions, in whatever order they come.
    fingerprint: u64,
    /// Its objects' keys; more than [`KEYS_PER_ITEM_MAX`] are not kept.
    keys: Vec<String>,
}

impl Listing {
    fn add(&mut self, rules: &AttributionRules, key: &str, object: &ObjectMeta) -> Result<(), String> {
        let size = object.size;
        self.objects += 1;
        if self.objects > OBJECTS_MAX {
            return Err(format!("it holds more than {OBJECTS_MAX} objects"));
        }
        let Some(attribution) = rules.attribute(key) else {
            self.unattributed_bytes += size;
            return Ok(());
        };
        let item = ItemName { table: attribution.table, partition: attribution.partition };
        let found = self.items.entry(item).or_default();
        found.bytes += size;
        found.objects += 1;
        found.fingerprint = found.fingerprint.wrapping_add(fingerprint(key, object));
        *found.prefixes.entry(attribution.location).or_default() += 1;
        if found.keys.len() <= KEYS_PER_ITEM_MAX {
            found.keys.push(key.to_owned());
        }
        if self.items.len() > ITEMS_MAX { Err(format!("it holds more than {ITEMS_MAX} items")) } else { Ok(()) }
    }

    /// The items, by name.
    ///
    /// Some items lie around others: the loose files of a partitioned table (a format's metadata) in the folder that
    /// holds its partitions. Their folder would take those partitions along, uncounted, so the item stands by its
    /// objects' whole keys. One with too many keys for that is left without a location, which keeps it out.
    fn finish(self, bucket: &str) -> (Vec<CatalogItem>, BucketReport) {
        let mut report = BucketReport {
            bucket: bucket.to_owned(),
            unattributed_bytes: self.unattributed_bytes,
            ..BucketReport::default()
        };
        let mut all: Vec<String> = self.items.values().flat_map(|found| found.prefixes.keys().cloned()).collect();
        all.sort();
        // A folder's successor in order begins with it exactly when anything does.
        let holds_another = |prefix: &String| {
            let next = all.partition_point(|other| other <= prefix);
            prefix.ends_with('/') && all.get(next).is_some_and(|other| other.starts_with(prefix.as_str()))
        };
        let mut items: Vec<CatalogItem> = Vec::with_capacity(self.items.len());
        for (item, found) in self.items {
            let prefixes = if !found.prefixes.keys().any(holds_another) {
                found.prefixes.into_keys().collect()
            } else if found.keys.len() <= KEYS_PER_ITEM_MAX {
                found.keys
            } else {
                tracing::warn!(bucket, %item, objects = found.objects, "too many loose files among partitions to hold");
                Vec::new()
            };
            report.items += 1;
            report.objects += found.objects;
            report.bytes += found.bytes;
            items.push(CatalogItem {
                item,
                bucket: bucket.to_owned(),
                bytes: found.bytes,
                objects: found.objects,
                prefixes,
                // Zero is for what is not known.
                fingerprint: found.fingerprint.max(1),
            });
        }
        items.sort_by(|a, b| a.item.cmp(&b.item));
        (items, report)
    }
}

fn fingerprint(key: &str, object: &ObjectMeta) -> u64 {
    let version = Version::new(object.e_tag.as_deref(), object.size, object.last_modified);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes()).update(version.as_str().as_bytes());
    u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("a BLAKE3 hash has 32 bytes"))
}

/// The items that were written anew between two listings of a bucket. One that has only grown, in bytes and in objects, was
/// added to: what is held of it stays good.
pub(crate) fn rewritten<'b>(before: impl IntoIterator<Item = &'b CatalogItem>, now: &[CatalogItem]) -> Vec<ItemName> {
    let before: HashMap<&ItemName, &CatalogItem> = before.into_iter().map(|item| (&item.item, item)).collect();
    let is_rewritten = |item: &&CatalogItem| {
        before.get(&item.item).is_some_and(|was| {
            let has_grown = item.bytes > was.bytes && item.objects > was.objects;
            was.fingerprint != 0 && was.fingerprint != item.fingerprint && !has_grown
        })
    };
    now.iter().filter(is_rewritten).map(|item| item.item.clone()).collect()
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    async fn bucket(keys: &[(&str, usize)]) -> CatalogBucket {
        let store = InMemory::new();
        for (key, bytes) in keys {
            store.put(&Path::from(*key), vec![0_u8; *bytes].into()).await.unwrap();
        }
        let rules = AttributionRules::new("hive", vec![]);
        CatalogBucket { name: "wh".into(), store: Arc::new(store), prefix: Path::from("lake/raw"), rules }
    }

    #[tokio::test]
    async fn sizes_and_locations_are_summed_by_item_below_the_prefix() {
        let keys = [
            ("lake/raw/db/t/d=1/a", 10),
            ("lake/raw/db/t/d=1/b", 5),
            ("lake/raw/db/t/d=2/a", 7),
            ("lake/raw/db/t/metadata/v1.json", 3),
            ("lake/raw/db/u/a", 2),
            ("lake/raw2/db/t/d=1/a", 1000),
            ("other", 1000),
        ];
        let (items, report) = list(&bucket(&keys).await).await.unwrap();
        let shown: Vec<(String, u64, Vec<&str>)> = items
            .iter()
            .map(|item| (item.item.to_string(), item.bytes, item.prefixes.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            shown,
            [
                ("hive.db.t".into(), 3, vec!["db/t/metadata/v1.json"]),
                ("hive.db.t/d=1".into(), 15, vec!["db/t/d=1/"]),
                ("hive.db.t/d=2".into(), 7, vec!["db/t/d=2/"]),
                ("hive.db.u".into(), 2, vec!["db/u/"]),
            ]
        );
        assert_eq!((report.items, report.objects, report.bytes), (4, 5, 27));
    }

    #[tokio::test]
    async fn what_was_written_anew_is_told_from_what_has_grown_and_from_what_stayed() {
        let bucket = bucket(&[
            ("lake/raw/db/t/d=1/a", 10),
            ("lake/raw/db/t/d=2/a", 10),
            ("lake/raw/db/t/d=3/a", 10),
            ("lake/raw/db/t/d=4/a", 10),
        ])
        .await;
        let (before, _) = list(&bucket).await.unwrap();
        assert_eq!(rewritten(&before, &before), []);
        for (key, bytes) in [("d=2/a", 10), ("d=3/b", 5), ("d=5/a", 7)] {
            let path = Path::from(format!("lake/raw/db/t/{key}"));
            bucket.store.put(&path, vec![1_u8; bytes].into()).await.unwrap();
        }
        bucket.store.delete(&Path::from("lake/raw/db/t/d=4/a")).await.unwrap();
        let (now, _) = list(&bucket).await.unwrap();
        assert_eq!(rewritten(&before, &now), ["hive.db.t/d=2".parse().unwrap()]);
        let unknown: Vec<CatalogItem> = before.into_iter().map(|item| CatalogItem { fingerprint: 0, ..item }).collect();
        assert_eq!(rewritten(&unknown, &now), []);
    }
}
