//! The decision: a path, and where to read it.

use larder_model::{AttributionRules, ItemName, LocationIndex, Route, TableName, Whitelist};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// A bucket that Larder serves.
#[derive(Debug, Clone)]
pub struct ResolveBucket {
    /// Its name on the S3 endpoint.
    pub name: String,
    /// The URL prefix at the origin that it stands for.
    pub origin: String,
    /// How its keys map to tables.
    pub rules: AttributionRules,
}

/// Where a path is to be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resolution {
    /// The path that was asked for.
    pub path: String,
    /// The bucket on Larder's S3 endpoint.
    pub bucket: String,
    /// The key in it.
    pub key: String,
    /// The table it belongs to, where attribution knows it.
    pub table: Option<TableName>,
    /// Its partition; empty where there is none.
    pub partition: String,
    /// `cached`: read it through `endpoint`. `direct`: read it where it is.
    pub route: Route,
    /// Larder's S3 endpoint; absent for `direct`.
    pub endpoint: Option<String>,
    /// The whitelist in force; zero for none.
    pub whitelist_version: u64,
    /// The whitelisted item that holds it.
    pub item: Option<ItemName>,
    /// Why, in words.
    pub reason: String,
}

/// A path that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// It is no URL of an object or folder: fix the request.
    #[error("`{0}` is not a path: write s3://bucket/key, or a URL below a bucket's origin")]
    Malformed(String),
    /// No bucket stands for it: read it where it is.
    #[error("`{0}` is in no bucket that Larder serves")]
    NotServed(String),
}

/// What decisions are made from.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    pub(crate) buckets: &'a [ResolveBucket],
    pub(crate) endpoint: &'a str,
    pub(crate) admits_all: bool,
    pub(crate) healthy: bool,
    pub(crate) in_force: Option<(&'a Whitelist, &'a LocationIndex)>,
}

impl Table<'_> {
    /// Where to read `path`.
    pub(crate) fn resolve(&self, path: &str) -> Result<Resolution, ResolveError> {
        let (bucket, key) = self.locate(path)?;
        let attribution = bucket.rules.attribute(&key);
        let found = self.in_force.and_then(|(whitelist, index)| {
            // A folder is asked for with or without the slash that its location has.
            let at = index.find(&bucket.name, &key).or_else(|| index.find(&bucket.name, &format!("{key}/")))?;
            whitelist.items.get(at)
        });
        let (route, reason) = match (self.healthy, self.admits_all, self.in_force, found) {
            (false, ..) => (Route::Direct, "the cache is not healthy".to_owned()),
            (_, true, ..) => (Route::Cached, "everything is admitted".to_owned()),
            (_, _, None, _) => (Route::Cached, "there is no whitelist yet".to_owned()),
            (_, _, _, Some(item)) => (Route::Cached, item.reason.clone()),
            (_, _, _, None) => (Route::Direct, "not on the whitelist".to_owned()),
        };
        let (table, partition) = attribution.map_or((None, String::new()), |a| (Some(a.table), a.partition));
        Ok(Resolution {
            path: path.to_owned(),
            bucket: bucket.name.clone(),
            key,
            table,
            partition,
            route,
            endpoint: (route == Route::Cached).then(|| self.endpoint.to_owned()),
            whitelist_version: self.in_force.map_or(0, |(whitelist, _)| whitelist.version),
            item: found.map(|item| item.item.clone()),
            reason,
        })
    }

    /// The bucket and key of a path. A URL below an origin wins over a bucket of the same name: it is the longer match.
    fn locate(&self, path: &str) -> Result<(&ResolveBucket, String), ResolveError> {
        let malformed = || ResolveError::Malformed(path.to_owned());
        let (scheme, rest) = split_url(path).ok_or_else(malformed)?;
        if let Some((bucket, key)) = below_origin(self.buckets, scheme, rest) {
            return Ok((bucket, key.to_owned()));
        }
        let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
        let named = self.buckets.iter().find(|bucket| is_s3(scheme) && bucket.name == name);
        named.map(|bucket| (bucket, key.to_owned())).ok_or_else(|| ResolveError::NotServed(path.to_owned()))
    }
}

/// A URL's scheme, and what follows `://`; `None` for what is no URL.
pub(crate) fn split_url(path: &str) -> Option<(&str, &str)> {
    path.split_once("://").filter(|(_, rest)| !rest.is_empty() && !path.chars().any(char::is_control))
}

/// Whether URLs of this scheme name S3 buckets: engines use three names for one thing.
pub(crate) fn is_s3(scheme: &str) -> bool {
    matches!(scheme, "s3" | "s3a" | "s3n")
}

/// The bucket whose origin a URL is below, and the key in it; of several the one whose origin is the longest.
pub(crate) fn below_origin<'b, 'p>(
    buckets: &'b [ResolveBucket],
    scheme: &str,
    rest: &'p str,
) -> Option<(&'b ResolveBucket, &'p str)> {
    let below = |bucket: &ResolveBucket| {
        let (origin_scheme, origin) = bucket.origin.split_once("://")?;
        let same = scheme == origin_scheme || (is_s3(scheme) && is_s3(origin_scheme));
        let key = rest.strip_prefix(origin.trim_end_matches('/')).filter(|_| same)?;
        // `hive2` is not below `hive`.
        (key.is_empty() || key.starts_with('/')).then(|| (origin.len(), key.trim_start_matches('/')))
    };
    buckets
        .iter()
        .filter_map(|bucket| below(bucket).map(|(length, key)| (length, bucket, key)))
        .max_by_key(|(length, ..)| *length)
        .map(|(_, bucket, key)| (bucket, key))
}

#[cfg(test)]
pub(crate) mod tests {
    use larder_model::{IoSpeed, Location, WhitelistItem};

    use super::*;

    pub(crate) fn buckets() -> Vec<ResolveBucket> {
        let bucket = |name: &str, origin: &str| ResolveBucket {
            name: name.into(),
            origin: origin.into(),
            rules: AttributionRules::new("hive", Vec::new()),
        };
        vec![bucket("warehouse", "s3://raw/hive"), bucket("logs", "hdfs://nn:8020/logs/")]
    }

    pub(crate) fn whitelist() -> Whitelist {
        let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
        Whitelist {
            format: larder_model::whitelist::FORMAT,
            version: 7,
            created: Default::default(),
            night: Default::default(),
            budget_bytes: 1,
            horizon_days: 30,
            cut_density: 0.0,
            origin: speed,
            ssd: speed,
            reason: String::new(),
            cause: None,
            columns: Default::default(),
            items: vec![WhitelistItem {
                item: "hive.db.t/dt=1".parse().expect("an item"),
                locations: vec![Location { bucket: "warehouse".into(), prefix: "db/t/dt=1/".into() }],
                bytes: 1,
                objects: 1,
                value_seconds: 1.0,
                reason: "rank 1".into(),
            }],
        }
    }

    fn resolve(path: &str, admits_all: bool, healthy: bool, listed: bool) -> Result<Resolution, ResolveError> {
        let (buckets, whitelist) = (buckets(), whitelist());
        let index = LocationIndex::new(&whitelist);
        let in_force = listed.then_some((&whitelist, &index));
        Table { buckets: &buckets, endpoint: "http://127.0.0.1:9000", admits_all, healthy, in_force }.resolve(path)
    }

    #[test]
    fn a_whitelisted_path_is_read_through_larder_by_whatever_name() {
        for path in [
            "s3://warehouse/db/t/dt=1/f.parquet",
            "s3a://warehouse/db/t/dt=1/",
            "s3n://raw/hive/db/t/dt=1/f.parquet",
            "s3://raw/hive/db/t/dt=1",
        ] {
            let found = resolve(path, false, true, true).expect(path);
            assert_eq!((found.route, found.bucket.as_str()), (Route::Cached, "warehouse"), "{path}");
            assert_eq!(found.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
            assert_eq!((found.reason.as_str(), found.whitelist_version), ("rank 1", 7));
            assert_eq!(found.item.map(|item| item.to_string()).as_deref(), Some("hive.db.t/dt=1"));
        }
    }

    #[test]
    fn other_paths_are_read_where_they_are() {
        for path in ["s3://warehouse/db/t/dt=2/f", "hdfs://nn:8020/logs/a/b", "s3://raw/hive/db/t2/dt=1/f"] {
            let found = resolve(path, false, true, true).expect(path);
            assert_eq!((found.route, found.endpoint, found.item), (Route::Direct, None, None), "{path}");
        }
    }

    #[test]
    fn an_unhealthy_cache_means_the_original_answer() {
        for (admits_all, listed) in [(true, true), (false, true), (false, false)] {
            let found = resolve("s3://warehouse/db/t/dt=1/f", admits_all, false, listed).expect("a resolution");
            assert_eq!((found.route, found.endpoint), (Route::Direct, None));
        }
    }

    #[test]
    fn everything_is_cached_while_nothing_is_known_to_be_cold() {
        assert_eq!(resolve("s3://warehouse/x", false, true, false).map(|r| r.route), Ok(Route::Cached));
        assert_eq!(resolve("s3://warehouse/x", true, true, true).map(|r| r.route), Ok(Route::Cached));
    }

    #[test]
    fn paths_that_are_none_or_not_ours_are_refused() {
        for path in ["", "warehouse/x", "s3://", "s3:/x", "s3://warehouse/\u{7}"] {
            assert!(matches!(resolve(path, false, true, true), Err(ResolveError::Malformed(_))), "{path}");
        }
        for path in ["s3://other/x", "s3://raw/hive2/x", "hdfs://warehouse/x", "hdfs://nn:8020/logs2/x"] {
            assert!(matches!(resolve(path, false, true, true), Err(ResolveError::NotServed(_))), "{path}");
        }
    }
}
