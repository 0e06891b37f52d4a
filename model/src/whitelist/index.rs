//! Finding the item that holds an object: the longest location that is a prefix of its key.

use std::collections::HashMap;

use super::Whitelist;

/// Locations by bucket and prefix. A lookup costs one hash per `/` in the key, whatever the number of items.
#[derive(Debug, Default)]
pub struct LocationIndex {
    buckets: HashMap<String, HashMap<String, u32>>,
}

impl LocationIndex {
    /// The index of a document's locations; values are positions in [`Whitelist::items`].
    pub fn new(whitelist: &Whitelist) -> Self {
        let mut buckets: HashMap<String, HashMap<String, u32>> = HashMap::new();
        for (position, item) in whitelist.items.iter().enumerate() {
            let position = u32::try_from(position).expect("a document holds at most ITEMS_MAX items");
            for location in &item.locations {
                let prefixes = buckets.entry(location.bucket.clone()).or_default();
                prefixes.entry(location.prefix.clone()).or_insert(position);
            }
        }
        Self { buckets }
    }

    /// The position of the item whose location is the longest prefix of `key`. Locations end at a `/` or are whole keys,
    /// so `hot/` never catches `hot2/`.
    pub fn find(&self, bucket: &str, key: &str) -> Option<usize> {
        let prefixes = self.buckets.get(bucket)?;
        if let Some(position) = prefixes.get(key) {
            return Some(*position as usize);
        }
        key.rmatch_indices('/').find_map(|(at, _)| prefixes.get(&key[..=at])).map(|position| *position as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whitelist::tests::document;

    #[test]
    fn the_longest_location_wins() {
        let index = LocationIndex::new(&document(&[("a.b.t", "t/"), ("a.b.t/d=1", "t/d=1/"), ("a.b.f", "f.parquet")]));
        assert_eq!(index.find("wh", "t/d=1/x.parquet"), Some(1));
        assert_eq!(index.find("wh", "t/d=2/x.parquet"), Some(0));
        assert_eq!(index.find("wh", "f.parquet"), Some(2));
    }

    #[test]
    fn locations_end_at_a_folder() {
        let index = LocationIndex::new(&document(&[("a.b.hot", "hot/"), ("a.b.f", "f.parquet")]));
        for key in ["hot2/x", "hot", "f.parquet2", "f.parquet/x", ""] {
            assert_eq!(index.find("wh", key), None, "{key}");
        }
        assert_eq!(index.find("other", "hot/x"), None);
    }
}
