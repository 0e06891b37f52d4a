//! From a location at an origin to the cache's, and back.
//!
//! The way there is for folders that the whitelist in force names; the way back is for every location in one of the cache's
//! buckets, whatever the whitelist says by now. There and back again is the same text, so that nothing of the cache stays in the
//! metastore.

use std::sync::Arc;

use larder_model::{LocationIndex, Whitelist};

use crate::resolve::{ResolveBucket, below_origin, is_s3, split_url};

/// A whitelist and the index of its locations.
pub(crate) type InForce = Arc<(Arc<Whitelist>, LocationIndex)>;

/// The buckets, as locations name them.
#[derive(Debug)]
pub(crate) struct Places {
    buckets: Vec<ResolveBucket>,
    /// The names of those that are left alone, see [`is_ambiguous`].
    ambiguous: Vec<String>,
    /// Of the locations in the cache, where the origin's own is none of S3's.
    scheme: String,
}

/// Which way a message's locations go.
#[derive(Debug, Clone)]
pub(crate) enum Rewrite {
    /// To the cache: what this whitelist names.
    ToCache(Arc<Places>, InForce),
    /// To the cache: what this whitelist names and is of a table that lies there as a whole.
    WithTable(Arc<Places>, InForce),
    /// To the origins.
    ToOrigin(Arc<Places>),
}

impl Rewrite {
    /// The location in the place of this one; `None` where this one stays.
    pub(crate) fn apply(&self, location: &str) -> Option<String> {
        match self {
            Self::ToCache(places, in_force) => Some(places.to_cache(location, &in_force.1)?.0),
            Self::WithTable(places, in_force) => {
                let (cached, item) = places.to_cache(location, &in_force.1)?;
                in_force.0.items[item].item.partition.is_empty().then_some(cached)
            }
            Self::ToOrigin(places) => places.to_origin(location),
        }
    }

    /// The same, but a partition goes no other way than its table.
    pub(crate) fn with_table(self) -> Self {
        match self {
            Self::ToCache(places, in_force) => Self::WithTable(places, in_force),
            other => other,
        }
    }
}

impl Places {
    pub(crate) fn new(buckets: &[ResolveBucket], scheme: &str) -> Self {
        let origins = || buckets.iter().map(|bucket| bucket.origin.as_str());
        let ambiguous = buckets.iter().filter(|bucket| is_ambiguous(&bucket.name, origins()));
        let ambiguous = ambiguous.map(|bucket| bucket.name.clone()).collect();
        Self { buckets: buckets.to_vec(), ambiguous, scheme: scheme.to_owned() }
    }

    /// Where the cache serves a whitelisted folder, `SCHEME://BUCKET/KEY`, and the position of the item that names it. A location at
    /// S3 keeps its own scheme, which is the one that the engines of this table know to read.
    fn to_cache(&self, location: &str, index: &LocationIndex) -> Option<(String, usize)> {
        let (scheme, rest) = split_location(location)?;
        if !is_servable(rest) {
            return None;
        }
        let (bucket, key) = below_origin(&self.buckets, scheme, rest)?;
        let folder = key.trim_end_matches('/');
        if folder.is_empty() || self.ambiguous.contains(&bucket.name) {
            return None;
        }
        let item = index.find(&bucket.name, &format!("{folder}/"))?;
        let scheme = if is_s3(scheme) { scheme } else { &self.scheme };
        Some((format!("{scheme}://{}/{key}", bucket.name), item))
    }

    /// The place at the origin that a location in one of the cache's buckets stands for.
    fn to_origin(&self, location: &str) -> Option<String> {
        let (scheme, rest) = split_url(location).filter(|(scheme, _)| is_s3(scheme))?;
        let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
        let bucket = self.buckets.iter().find(|bucket| bucket.name == name)?;
        if self.ambiguous.contains(&bucket.name) {
            return None;
        }
        let (origin_scheme, origin) = bucket.origin.split_once("://")?;
        let before = match origin_scheme {
            "file" => "file:".to_owned(),
            _ if is_s3(origin_scheme) => format!("{scheme}://"),
            _ => format!("{origin_scheme}://"),
        };
        let slash = if rest.contains('/') { "/" } else { "" };
        Some(format!("{before}{}{slash}{key}", origin.trim_end_matches('/')))
    }
}

/// Whether a bucket at one of these origins has the name of a bucket of the cache's. Nobody could tell which of the two a
/// location `s3a://name/...` means, so the proxy leaves them alone.
pub fn is_ambiguous<'a>(bucket: &str, origins: impl IntoIterator<Item = &'a str>) -> bool {
    origins.into_iter().any(|origin| {
        let (scheme, path) = origin.split_once("://").unwrap_or_default();
        is_s3(scheme) && path.split('/').next() == Some(bucket)
    })
}

/// A location's scheme, and what follows it. Hadoop writes `file:/folder`, with one slash, and so does every metastore:
/// taking files in no other form lets the way back know which it was.
fn split_location(location: &str) -> Option<(&str, &str)> {
    match location.strip_prefix("file:") {
        Some(path) => (path.starts_with('/') && !path.starts_with("//")).then_some(("file", path)),
        None => split_url(location),
    }
}

/// Whether the cache's keys can say this path: no empty folders, none called `.` or `..`, no control characters.
fn is_servable(path: &str) -> bool {
    // A URL without a host has a slash of its own.
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    !path.chars().any(char::is_control) && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use larder_model::{AttributionRules, Location};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::resolve::tests::whitelist;

    fn places() -> Places {
        let bucket = |name: &str, origin: &str| ResolveBucket {
            name: name.into(),
            origin: origin.into(),
            rules: AttributionRules::new("hive", Vec::new()),
        };
        let buckets = [
            bucket("warehouse", "s3://raw/hive"),
            bucket("logs", "hdfs://nn:8020/logs/"),
            bucket("disk", "file:///mnt/disk"),
            bucket("same", "s3://same"),
        ];
        Places::new(&buckets, "s3a")
    }

    fn index(folders: &[(&str, &str)]) -> LocationIndex {
        let mut whitelist = whitelist();
        let place = |(bucket, prefix): &(&str, &str)| Location { bucket: (*bucket).into(), prefix: (*prefix).into() };
        whitelist.items[0].locations = folders.iter().map(place).collect();
        LocationIndex::new(&whitelist)
    }

    fn listed() -> LocationIndex {
        index(&[
            ("warehouse", "db/t/dt=1/"),
            ("warehouse", "db/whole/"),
            ("logs", "a/"),
            ("disk", "x y/"),
            ("same", "db/"),
            ("warehouse", "odd.db/k=a%3Ab c\u{e9}/"),
        ])
    }

    #[test]
    fn whitelisted_folders_become_the_caches_and_keep_what_scheme_and_slash_they_had() {
        for (at_origin, cached) in [
            ("s3a://raw/hive/db/t/dt=1", "s3a://warehouse/db/t/dt=1"),
            ("s3://raw/hive/db/t/dt=1/", "s3://warehouse/db/t/dt=1/"),
            ("s3n://raw/hive/db/whole", "s3n://warehouse/db/whole"),
            ("s3a://raw/hive/db/whole/any/where", "s3a://warehouse/db/whole/any/where"),
            ("hdfs://nn:8020/logs/a", "s3a://logs/a"),
            ("file:/mnt/disk/x y/z", "s3a://disk/x y/z"),
            ("s3a://raw/hive/odd.db/k=a%3Ab c\u{e9}", "s3a://warehouse/odd.db/k=a%3Ab c\u{e9}"),
        ] {
            assert_eq!(places().to_cache(at_origin, &listed()), Some((cached.to_owned(), 0)));
            assert_eq!(places().to_origin(cached).as_deref(), Some(at_origin));
        }
    }

    #[test]
    fn other_locations_stay() {
        for location in [
            "s3a://raw/hive/db/t",
            "s3a://raw/hive/db/t/dt=2",
            "s3a://raw/hive/db/t/dt=10",
            "s3a://raw/hive",
            "s3a://raw/hive/",
            "s3a://raw/hive2/db/t/dt=1",
            "s3a://warehouse/db/t/dt=1",
            "hdfs://nn/logs/a",
            "hdfs:///logs/a",
            "/logs/a",
            "file:///mnt/disk/x y/z",
            "file:mnt/disk/x y/z",
            "",
            "s3a://",
            "s3a://raw/hive/db//whole",
            "s3a://raw/hive//db/whole",
            "s3a://raw/hive/db/whole//",
            "s3a://raw/hive/x/../db/whole",
            "s3a://raw/hive/db/whole/./y",
            "s3a://raw/hive/db/whole/\u{7}",
            "s3a://same/db/t",
        ] {
            assert_eq!(places().to_cache(location, &listed()), None, "{location}");
        }
    }

    #[test]
    fn every_location_in_a_bucket_of_the_cache_goes_back_to_its_origin() {
        for (cached, at_origin) in [
            ("s3a://warehouse/never/listed", "s3a://raw/hive/never/listed"),
            ("s3://logs/b/", "hdfs://nn:8020/logs/b/"),
            ("s3a://warehouse", "s3a://raw/hive"),
            ("s3a://warehouse/", "s3a://raw/hive/"),
            ("s3a://warehouse/a//b", "s3a://raw/hive/a//b"),
        ] {
            assert_eq!(places().to_origin(cached).as_deref(), Some(at_origin));
        }
        for location in ["s3a://raw/hive/db", "s3a://same/db", "s3a://ware/x", "gs://warehouse/x", "warehouse/x", ""] {
            assert_eq!(places().to_origin(location), None, "{location}");
        }
    }

    #[test]
    fn there_and_back_again_is_the_same_text_whatever_it_was() {
        let places = places();
        let index = index(&[("warehouse", "a/"), ("logs", "a/"), ("disk", "a/"), ("same", "a/")]);
        let mut there = 0;
        for seed in 0..20_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let starts = ["s3a://raw/hive/", "s3://raw/hive/", "hdfs://nn:8020/logs/", "file:/mnt/disk/", "s3://same/"];
            let mut location = starts[rng.random_range(0..starts.len())].to_owned();
            for _ in 0..rng.random_range(0..5) {
                location.push_str(["a", "/", "//", "%2F", " ", "\u{e9}", "=", ".", "a/"][rng.random_range(0..9)]);
            }
            if let Some((cached, _)) = places.to_cache(&location, &index) {
                there += 1;
                assert_eq!(places.to_origin(&cached).as_deref(), Some(location.as_str()), "seed {seed}");
            }
        }
        assert!(there > 1000, "only {there} were rewritten");
    }
}
