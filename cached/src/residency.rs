//! Residency: which share of an item's bytes the SSD holds now.
//!
//! What an item's objects are is learnt from listings of its locations, remembered for [`LISTED_FOR`]; what of them is
//! held is asked of the SSD tier's own index each time, so residency is never an estimate of what should be there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use larder_model::admin::{DropReport, DropRequest, ItemResidency, ResidencyReport, TotalResidency};
use larder_model::{ByteRange, Location, ObjectName, TableName, WhitelistItem};
use parking_lot::Mutex;

use crate::block::{BlockKey, BlockMap, ObjectId, object_id};
use crate::engine::Engine;
use crate::origin::{ListEntry, OriginError};

/// How long a location's listing is used for residency.
const LISTED_FOR: Duration = Duration::from_secs(60);
/// Locations listed at once.
const LISTINGS_AT_ONCE: usize = 16;

/// One version of one object in a location.
#[derive(Debug, Clone)]
pub(crate) struct LocatedObject {
    pub(crate) name: ObjectName,
    pub(crate) id: ObjectId,
    pub(crate) size: u64,
}

impl LocatedObject {
    fn new(bucket: &str, entry: &ListEntry) -> Self {
        let id = object_id(bucket, &entry.key, &entry.state.version);
        Self { name: ObjectName { bucket: bucket.to_owned(), key: entry.key.clone() }, id, size: entry.state.size }
    }

    /// Each block's key and range.
    pub(crate) fn blocks<'a>(&self, map: &'a BlockMap) -> impl Iterator<Item = (BlockKey, ByteRange)> + use<'a> {
        let id = self.id;
        map.blocks(ByteRange::new(0, self.size)).map(move |block| (BlockKey { object: id, start: block.start }, block))
    }
}

/// What of an object is to be held, in bytes, and what of that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) bytes: u64,
    pub(crate) resident_bytes: u64,
}

type Listed = (Instant, Arc<Vec<LocatedObject>>);

/// What is known of locations.
#[derive(Debug, Default)]
pub(crate) struct Residency {
    listed: Mutex<HashMap<Location, Listed>>,
}

impl Residency {
    /// Ends what is known of the locations that hold a key.
    pub(crate) fn forget(&self, bucket: &str, key: &str) {
        self.listed.lock().retain(|location, _| location.bucket != bucket || !key.starts_with(&location.prefix));
    }

    fn known(&self, location: &Location) -> Option<Listed> {
        self.listed.lock().get(location).cloned()
    }
}

impl Engine {
    /// The objects of a location, from a fresh listing.
    pub(crate) async fn list_location(&self, location: &Location) -> Result<Arc<Vec<LocatedObject>>, OriginError> {
        let Some(origin) = self.origins.get(&location.bucket) else {
            return Err(OriginError::NotFound { source: format!("bucket `{}` is not served", location.bucket).into() });
        };
        let begun = Instant::now();
        let whole = self.list_whole(origin, &location.prefix).await?;
        let objects = whole.entries.iter().filter(|entry| holds(location, &entry.key));
        let objects = Arc::new(objects.map(|entry| LocatedObject::new(origin.name(), entry)).collect::<Vec<_>>());
        self.residency.listed.lock().insert(location.clone(), (begun, Arc::clone(&objects)));
        Ok(objects)
    }

    async fn located(&self, location: &Location) -> Arc<Vec<LocatedObject>> {
        let known = self.residency.known(location);
        if let Some((listed, objects)) = &known
            && listed.elapsed() <= LISTED_FOR
        {
            return Arc::clone(objects);
        }
        match self.list_location(location).await {
            Ok(objects) => objects,
            Err(error) => {
                tracing::warn!(
                    bucket = location.bucket,
                    prefix = location.prefix,
                    error = error.detail(),
                    "not listed"
                );
                known.map(|(_, objects)| objects).unwrap_or_default()
            }
        }
    }

    async fn item_residency(&self, item: &WhitelistItem) -> ItemResidency {
        let mut residency = ItemResidency { item: item.item.clone(), bytes: 0, resident_bytes: 0 };
        for location in &item.locations {
            for object in self.located(location).await.iter() {
                let held = self.held(object).await;
                residency.bytes += held.bytes;
                residency.resident_bytes += held.resident_bytes;
            }
        }
        residency
    }

    /// What of an object is to be held, and what of that the SSD holds.
    pub(crate) async fn held(&self, object: &LocatedObject) -> Held {
        let columns = self.columns(&object.name);
        let map = match self.known_map(&object.name, object.id, object.size).await {
            Some(map) => map,
            None if columns.are_all() => Arc::new(self.fixed(object.size)),
            // It was never cut, so nothing of it is held, and what its columns take can only be estimated.
            None => return Held { bytes: columns.bytes_of(object.size), resident_bytes: 0 },
        };
        let mut held = Held::default();
        for (key, block) in object.blocks(&map).filter(|(_, block)| columns.hold(map.column(block.start))) {
            held.bytes += block.len();
            held.resident_bytes += if self.tiers.ssd().holds(&key) { block.len() } else { 0 };
        }
        held
    }

    /// What the tiers hold of each item of the whitelist in force.
    pub async fn residency(&self) -> ResidencyReport {
        self.residency_of(None).await
    }

    /// The same, of one table's items.
    pub(crate) async fn residency_of(&self, table: Option<&TableName>) -> ResidencyReport {
        let whitelist = self.whitelist();
        let items = whitelist.iter().flat_map(|whitelist| &whitelist.items);
        let items: Vec<WhitelistItem> =
            items.filter(|item| table.is_none_or(|table| item.item.table == *table)).cloned().collect();
        let reports = futures::stream::iter(items).map(|item| async move { self.item_residency(&item).await });
        let items: Vec<ItemResidency> = reports.buffered(LISTINGS_AT_ONCE).collect().await;
        ResidencyReport { tiers: self.tier_use(), total: TotalResidency::of(&items), items }
    }

    /// Removes what the tiers hold under some locations, and what is known of the objects there.
    pub async fn drop_locations(&self, request: &DropRequest) -> DropReport {
        let mut report = DropReport::default();
        for location in &request.locations {
            // What was listed before may be versions that the origin has no longer.
            let mut objects = self.residency.known(location).map(|(_, objects)| objects.to_vec()).unwrap_or_default();
            objects.extend(self.located(location).await.iter().cloned());
            for object in &objects {
                let mut held = false;
                let map = self.known_map(&object.name, object.id, object.size).await;
                let map = map.unwrap_or_else(|| Arc::new(self.fixed(object.size)));
                for (key, block) in object.blocks(&map) {
                    if self.tiers.remove(&key) {
                        held = true;
                        report.blocks += 1;
                        report.bytes += block.len();
                    }
                }
                report.objects += u64::from(held);
            }
            let names: Vec<ObjectName> = objects.into_iter().map(|object| object.name).collect();
            self.metadata.forget_all(&names).await;
            self.residency.listed.lock().remove(location);
            self.listings.forget(&location.bucket);
        }
        report
    }
}

/// A location is a folder, or one object's whole key.
fn holds(location: &Location, key: &str) -> bool {
    key == location.prefix || (location.prefix.ends_with('/') && key.starts_with(&location.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_folder_or_a_key() {
        let location = |prefix: &str| Location { bucket: "b".into(), prefix: prefix.into() };
        assert!(holds(&location("t/"), "t/x"));
        assert!(holds(&location("f.parquet"), "f.parquet"));
        assert!(!holds(&location("f.parquet"), "f.parquet2"));
        assert!(!holds(&location("t/"), "t2/x"));
    }
}
