//! Listing what lies in the folders of tables: which partitions there are, and what one holds.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use futures::TryStreamExt;
use larder_model::{ItemName, Location, Whitelist, WhitelistItem};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::wanted::{Found, KnownPartitions};
use crate::catalog::CatalogBucket;

/// Folders listed for one table in one look.
const FOLDERS_MAX: usize = 1_000;

/// Objects of one item.
const OBJECTS_MAX: u64 = 1_000_000;

/// Where to look, and what for.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) item: ItemName,
    pub(super) locations: Vec<Location>,
    /// The value per byte that a new partition is expected to have; `None` for an item that is held.
    pub(super) expected_density: Option<f64>,
}

impl Place {
    /// An item that is held.
    pub(super) fn held(item: &WhitelistItem) -> Self {
        Self { item: item.item.clone(), locations: item.locations.clone(), expected_density: None }
    }

    pub(super) fn found(&self, listed: Listed, in_force: &Whitelist) -> Found {
        let Listed { locations, bytes, objects, .. } = listed;
        let bytes = in_force.held_bytes(&self.item.table, objects, bytes);
        Found { locations, bytes, objects, expected_density: self.expected_density }
    }
}

/// What lies in some locations.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// Those that hold anything.
    pub(super) locations: Vec<Location>,
    pub(super) bytes: u64,
    pub(super) objects: u64,
    /// Differs where any object came, went or is another version.
    pub(super) fingerprint: u64,
}

/// Lists the buckets.
#[derive(Debug)]
pub(super) struct Lister {
    buckets: HashMap<String, (Arc<dyn ObjectStore>, Path)>,
}

impl Lister {
    pub(super) fn new(buckets: &[CatalogBucket]) -> Self {
        let bucket = |bucket: &CatalogBucket| (bucket.name.clone(), (bucket.store.clone(), bucket.prefix.clone()));
        Self { buckets: buckets.iter().map(bucket).collect() }
    }

    /// What lies in these locations together.
    pub(super) async fn list(&self, locations: &[Location]) -> Result<Listed, String> {
        let mut listed = Listed::default();
        for location in locations {
            let (store, path) = self.path(&location.bucket, &location.prefix)?;
            let before = listed.objects;
            let mut add = |object: object_store::ObjectMeta| {
                listed.bytes += object.size;
                listed.objects += 1;
                // The order of a listing says nothing.
                listed.fingerprint = listed.fingerprint.wrapping_add(hash(&object));
                if listed.objects > OBJECTS_MAX { Err(format!("more than {OBJECTS_MAX} objects")) } else { Ok(()) }
            };
            if location.prefix.ends_with('/') {
                let mut objects = store.list(Some(&path));
                while let Some(object) = objects.try_next().await.map_err(|error| error.to_string())? {
                    add(object)?;
                }
            } else {
                match store.head(&path).await {
                    Ok(object) => add(object)?,
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            if listed.objects > before {
                listed.locations.push(location.clone());
            }
        }
        Ok(listed)
    }

    /// The partitions below a table's folder that may be new: all of a folder that no known partition lies in, and what
    /// lies beside the newest known one. Folders of the past are not gone through.
    pub(super) async fn partitions(
        &self,
        bucket: &str,
        root: &str,
        levels: usize,
        known: &KnownPartitions,
    ) -> Result<Vec<String>, String> {
        let newest = known.newest().unwrap_or_default().to_owned();
        let (mut folders, mut listed) = (vec![String::new()], 0);
        for level in 1..=levels {
            let mut below = Vec::new();
            for folder in folders {
                listed += 1;
                if listed > FOLDERS_MAX {
                    return Err(format!("more than {FOLDERS_MAX} folders to look at"));
                }
                let (store, path) = self.path(bucket, &format!("{root}{folder}"))?;
                let found = store.list_with_delimiter(Some(&path)).await.map_err(|error| error.to_string())?;
                for prefix in found.common_prefixes {
                    let Some(name) = prefix.parts().next_back().map(|part| part.as_ref().to_owned()) else { continue };
                    if name.split_once('=').is_none_or(|(key, _)| key.is_empty()) {
                        continue;
                    }
                    let child = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                    let holds_newest = newest.starts_with(&format!("{child}/"));
                    let is_new = if level == levels { !known.contains(&child) } else { !known.has_below(&child) };
                    if is_new || holds_newest {
                        below.push(child);
                    }
                }
            }
            folders = below;
        }
        Ok(folders)
    }

    fn path(&self, bucket: &str, key: &str) -> Result<(&Arc<dyn ObjectStore>, Path), String> {
        let (store, prefix) = self.buckets.get(bucket).ok_or_else(|| format!("bucket `{bucket}` is not served"))?;
        let key = key.trim_end_matches('/');
        let whole = if prefix.as_ref().is_empty() { key.to_owned() } else { format!("{prefix}/{key}") };
        // Keys stand as the storage has them, percent signs included.
        let path = Path::parse(whole.trim_matches('/')).map_err(|error| error.to_string())?;
        Ok((store, path))
    }
}

fn hash(object: &object_store::ObjectMeta) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (object.location.as_ref(), object.size, &object.e_tag).hash(&mut hasher);
    if object.e_tag.is_none() {
        object.last_modified.hash(&mut hasher);
    }
    hasher.finish()
}
