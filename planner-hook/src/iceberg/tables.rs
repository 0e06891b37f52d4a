//! Which tables engines are to read through Larder, from what a catalog says of them.

use std::collections::HashSet;

use larder_model::{Location, Whitelist};

use crate::resolve::{is_s3, split_url};

/// What is decided of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// It is read through Larder.
    Cached,
    /// Nothing of it is whitelisted, or the cache is not to be used now.
    Unlisted,
    /// Files of it are where Larder does not serve them by the URLs that stand in its metadata.
    Elsewhere,
    /// The catalog gave out credentials that are not Larder's.
    Vended,
    /// The answer holds no table that is understood.
    NotUnderstood,
    /// The answer is too large to be looked at.
    TooLarge,
}

/// The buckets that Larder serves by the storage's own URLs, and that its key opens.
#[derive(Debug, Clone)]
pub(crate) struct Served(pub(crate) HashSet<String>);

impl Served {
    /// The folder that a URL names; `None` where Larder does not serve it.
    fn folder(&self, url: &str) -> Option<Location> {
        let (scheme, rest) = split_url(url)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let folder = key.trim_end_matches('/');
        let is_served = is_s3(scheme) && self.0.contains(bucket) && !folder.is_empty();
        is_served.then(|| Location { bucket: bucket.to_owned(), prefix: format!("{folder}/") })
    }

    /// What is decided of a table in this folder, which also keeps files at `others`: metadata, manifests, and where writers
    /// are told to put data.
    pub(crate) fn verdict<'a>(
        &self,
        listed: &Listed,
        location: &str,
        mut others: impl Iterator<Item = &'a str>,
    ) -> Verdict {
        let Some(folder) = self.folder(location) else { return Verdict::Elsewhere };
        if others.any(|url| self.folder(url).is_none()) {
            return Verdict::Elsewhere;
        }
        // One endpoint is told for the whole table, so one whitelisted partition is enough: Larder passes on what is cold.
        if listed.touches(&folder) { Verdict::Cached } else { Verdict::Unlisted }
    }
}

/// The locations of a whitelist, in order.
#[derive(Debug, Default)]
pub(crate) struct Listed(Vec<Location>);

impl Listed {
    pub(crate) fn new(whitelist: &Whitelist) -> Self {
        let mut locations: Vec<Location> = whitelist.items.iter().flat_map(|item| item.locations.clone()).collect();
        locations.sort_unstable();
        Self(locations)
    }

    /// Whether something at, below or above this folder is listed.
    fn touches(&self, folder: &Location) -> bool {
        let first = self.0.partition_point(|listed| listed < folder);
        let is_below = |listed: &Location| listed.bucket == folder.bucket && listed.prefix.starts_with(&folder.prefix);
        self.0.get(first).is_some_and(is_below) || self.is_below_one(folder)
    }

    fn is_below_one(&self, folder: &Location) -> bool {
        folder.prefix.match_indices('/').any(|(at, _)| {
            let above = Location { bucket: folder.bucket.clone(), prefix: folder.prefix[..=at].to_owned() };
            self.0.binary_search(&above).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(locations: &[(&str, &str)]) -> Listed {
        let mut locations: Vec<Location> = locations
            .iter()
            .map(|(bucket, prefix)| Location { bucket: (*bucket).into(), prefix: (*prefix).into() })
            .collect();
        locations.sort();
        Listed(locations)
    }

    fn verdict(location: &str, others: &[&str]) -> Verdict {
        let served = Served(HashSet::from(["raw".to_owned(), "more".to_owned()]));
        let listed = listed(&[
            ("raw", "wh/db/t/data/dt=2/"),
            ("raw", "wh/db/t/data/dt=1/"),
            ("raw", "wh/db/u/"),
            ("raw", "all/"),
            ("other", "wh/db/v/"),
        ]);
        served.verdict(&listed, location, others.iter().copied())
    }

    #[test]
    fn a_table_of_which_something_is_whitelisted_is_cached() {
        for location in [
            "s3://raw/wh/db/t",
            "s3://raw/wh/db/t/",
            "s3a://raw/wh/db/u",
            "s3n://raw/wh/db/u",
            "s3://raw/all/of/it",
            "s3://raw/wh/db/t/data",
        ] {
            assert_eq!(verdict(location, &[]), Verdict::Cached, "{location}");
        }
    }

    #[test]
    fn a_namesake_is_another_table() {
        for location in
            ["s3://raw/wh/db/t2", "s3://raw/wh/db/uu", "s3://raw/wh/d", "s3://more/wh/db/t", "s3://raw/wh/db/v"]
        {
            assert_eq!(verdict(location, &[]), Verdict::Unlisted, "{location}");
        }
    }

    #[test]
    fn a_table_with_files_that_larder_does_not_serve_is_left_alone() {
        for location in ["s3://other/wh/db/v", "hdfs://raw/wh/db/t", "wh/db/t", "", "s3://raw", "s3://raw/"] {
            assert_eq!(verdict(location, &[]), Verdict::Elsewhere, "{location}");
        }
        let manifest = "s3://more/wh/db/t/metadata/snap-1.avro";
        assert_eq!(verdict("s3://raw/wh/db/t", &[manifest]), Verdict::Cached);
        assert_eq!(verdict("s3://raw/wh/db/t", &[manifest, "s3://other/x/snap-2.avro"]), Verdict::Elsewhere);
    }

    #[test]
    fn without_a_whitelist_nothing_is_cached() {
        let served = Served(HashSet::from(["raw".to_owned()]));
        let verdict = served.verdict(&Listed::default(), "s3://raw/wh/db/t", std::iter::empty());
        assert_eq!(verdict, Verdict::Unlisted);
    }
}
