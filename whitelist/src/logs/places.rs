//! Where tables are: which bucket, and so which table, a URL in an engine's log belongs to.

use std::sync::Arc;

use larder_model::{Attribution, AttributionRules};

/// A bucket that Larder serves.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name on the S3 endpoint.
    pub bucket: String,
    /// The URL prefix at the origin that it stands for.
    pub origin: String,
    /// The catalog that engines know its tables by.
    pub catalog: String,
    /// How its keys map to tables.
    pub rules: AttributionRules,
}

/// What the tables of a log are named by, so that query events and block reads meet under one name. Clones are cheap.
#[derive(Debug, Clone, Default)]
pub struct Places {
    places: Arc<[Place]>,
    catalog: Option<Arc<str>>,
}

impl Places {
    /// The buckets, and the catalog of tables that an engine names without one. Without that it is the buckets' own, where
    /// they have one and the same.
    pub fn new(places: Vec<Place>, catalog: Option<&str>) -> Self {
        let only = || {
            let first = places.first()?.catalog.as_str();
            places.iter().all(|place| place.catalog == first).then_some(first)
        };
        let catalog = catalog.or_else(only).map(Arc::from);
        Self { places: places.into(), catalog }
    }

    /// The catalog of tables that the engine names without one.
    pub fn catalog(&self) -> Result<Arc<str>, String> {
        self.catalog.clone().ok_or_else(|| {
            let catalogs: Vec<&str> = self.places.iter().map(|place| place.catalog.as_str()).collect();
            let known = if catalogs.is_empty() { "none".to_owned() } else { catalogs.join(", ") };
            format!("the engine names tables without their catalog, and the buckets have several ({known}): state it")
        })
    }

    /// The table and partition that a folder's or an object's URL belongs to; `None` for what no bucket stands for.
    pub(super) fn attribute(&self, url: &str) -> Option<Attribution> {
        let (place, key) = self.locate(url)?;
        place.rules.attribute(&key)
    }

    /// The buckets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// The bucket that a URL is in, and the key there.
    pub(crate) fn locate(&self, url: &str) -> Option<(&Place, String)> {
        let (scheme, rest) = split(url)?;
        let below = |place: &Place| {
            let (origin_scheme, origin) = split(&place.origin)?;
            let key = rest.strip_prefix(origin.trim_end_matches('/')).filter(|_| scheme == origin_scheme)?;
            // `hive2` is not below `hive`.
            key.starts_with('/').then(|| (origin.len(), key.trim_start_matches('/').to_owned()))
        };
        let longest = self.places.iter().filter_map(|place| below(place).map(|(length, key)| (length, place, key)));
        longest.max_by_key(|(length, ..)| *length).map(|(_, place, key)| (place, key)).or_else(|| {
            let (name, key) = rest.split_once('/')?;
            let named = self.places.iter().find(|place| scheme == "s3" && place.bucket == name);
            named.map(|place| (place, key.to_owned()))
        })
    }
}

/// Scheme, one for all of S3's, and the rest. Java writes `file:/x` for `file:///x`.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let scheme = if matches!(scheme, "s3a" | "s3n") { "s3" } else { scheme };
    Some((scheme, rest.strip_prefix("//").unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(bucket: &str, origin: &str, catalog: &str) -> Place {
        Place {
            bucket: bucket.into(),
            origin: origin.into(),
            catalog: catalog.into(),
            rules: AttributionRules::new(catalog, vec![]),
        }
    }

    #[track_caller]
    fn check(places: &Places, url: &str, expected: Option<&str>) {
        let found = places.attribute(url).map(|found| format!("{}/{}", found.table, found.partition));
        assert_eq!(found.as_deref(), expected, "{url}");
    }

    #[test]
    fn a_url_is_named_by_the_bucket_that_stands_for_it() {
        let places = Places::new(
            vec![
                place("wh", "s3://raw/hive", "hive"),
                place("disk", "file:///data", "local"),
                place("nn", "hdfs://nn:8020/", "hive"),
            ],
            None,
        );
        check(&places, "s3a://raw/hive/sales.db/orders/dt=1/", Some("hive.sales.orders/dt=1"));
        check(&places, "s3://wh/sales.db/orders/f.parquet", Some("hive.sales.orders/"));
        check(&places, "file:/data/sales.db/orders/", Some("local.sales.orders/"));
        check(&places, "hdfs://nn:8020/wh/sales.db/orders/", Some("hive.sales.orders/"));
        for url in ["s3://raw/hive2/x/y/", "hdfs://other/x/y/", "gs://raw/hive/x/", "nonsense", ""] {
            check(&places, url, None);
        }
    }

    #[test]
    fn the_catalog_is_stated_or_the_buckets_own() {
        let two = vec![place("a", "s3://a/", "x"), place("b", "s3://b/", "y")];
        assert!(Places::new(two.clone(), None).catalog().unwrap_err().contains("x, y"));
        assert_eq!(&*Places::new(two.clone(), Some("z")).catalog().unwrap(), "z");
        assert_eq!(&*Places::new(two[..1].to_vec(), None).catalog().unwrap(), "x");
    }
}
