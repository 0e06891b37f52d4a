//! Trino's security mapping: which prefixes Trino reads through Larder, as a pure function of the whitelist.
//!
//! Trino asks for the first entry whose prefix begins a location, and takes endpoint and keys from it; the table's URI
//! stays the storage's own. So an entry is made only where bucket and key are the same at Larder as at the storage.
//! The form is Trino's: <https://trino.io/docs/current/object-storage/file-system-s3.html#security-mapping>.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use larder_model::{Location, Whitelist, WhitelistItem};
use serde::Serialize;

use crate::access::S3Access;

/// Who answers Trino at Larder's S3 endpoint, and how much it is told.
#[derive(Debug, Clone)]
pub struct MappingOptions {
    /// The endpoint, and what Trino signs with there.
    pub access: S3Access,
    /// At most so many prefixes, the most valuable: Trino tries one after the other whenever it opens a file.
    pub entries_max: usize,
}

/// A mapping as Trino reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The document.
    pub json: Bytes,
    /// Prefixes in it.
    pub prefixes: usize,
    /// Prefixes that were beyond `entries_max`: the least valuable.
    pub left_out: usize,
}

#[derive(Serialize)]
struct Document<'a> {
    mappings: Vec<Entry<'a>>,
}

/// One entry: with keys, or with `useClusterDefault`, never both.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_cluster_default: Option<bool>,
}

impl Mapping {
    /// What holds without a whitelist, and while the cache is not healthy: all goes where it went before.
    pub fn unmapped() -> Self {
        Self::render(&[], 0, None)
    }

    /// The mapping of a whitelist. `buckets` are those that [keep the storage's URLs](crate::keeps_urls). `known` are the
    /// folders that the storage is known to hold: a table that is whitelisted in each of its folders becomes one prefix.
    pub fn of(whitelist: &Whitelist, known: &[Location], buckets: &HashSet<String>, options: &MappingOptions) -> Self {
        let (prefixes, left_out) = prefixes(whitelist, known, buckets, options.entries_max);
        Self::render(&prefixes, left_out, Some(options))
    }

    fn render(prefixes: &[String], left_out: usize, options: Option<&MappingOptions>) -> Self {
        let entry = |prefix| Entry {
            prefix: Some(prefix),
            endpoint: options.map(|options| options.access.endpoint.as_str()),
            access_key: options.map(|options| options.access.key.as_str()),
            secret_key: options.map(|options| options.access.secret.as_str()),
            use_cluster_default: None,
        };
        // Without an entry that matches everything, Trino denies access to all that no other matches.
        let rest = Entry { use_cluster_default: Some(true), ..Entry::default() };
        let mappings = prefixes.iter().map(|prefix| entry(prefix.as_str())).chain([rest]).collect();
        let json = serde_json::to_vec(&Document { mappings }).expect("plain data always serialises").into();
        Self { json, prefixes: prefixes.len(), left_out }
    }
}

/// The URLs of whitelisted folders, most specific first, and how many more there were than `max`: the least valuable.
pub(crate) fn prefixes(
    whitelist: &Whitelist,
    known: &[Location],
    buckets: &HashSet<String>,
    max: usize,
) -> (Vec<String>, usize) {
    let mut prefixes = valued_prefixes(whitelist, buckets);
    for table in whole_tables(whitelist, known) {
        if buckets.contains(&table.bucket) {
            prefixes.entry(url(&table)).or_default();
        }
    }
    let mut prefixes = merged(prefixes);
    let left_out = prefixes.len().saturating_sub(max);
    // What is left out is read from the storage: the least seconds saved are lost.
    prefixes.sort_by(|(a, a_value), (b, b_value)| b_value.total_cmp(a_value).then_with(|| a.cmp(b)));
    prefixes.truncate(max);
    let mut prefixes: Vec<String> = prefixes.into_iter().map(|(prefix, _)| prefix).collect();
    prefixes.sort_by(|a, b| Reverse(a.len()).cmp(&Reverse(b.len())).then_with(|| a.cmp(b)));
    (prefixes, left_out)
}

/// Each folder that a whitelisted item lies in, as the storage's URL, with the seconds that holding it saves. Whole keys
/// are left out: a prefix that does not end with `/` would catch its longer namesakes.
fn valued_prefixes(whitelist: &Whitelist, buckets: &HashSet<String>) -> HashMap<String, f64> {
    let mut prefixes: HashMap<String, f64> = HashMap::new();
    for item in &whitelist.items {
        let folders = item.locations.iter().filter(|at| at.prefix.ends_with('/') && buckets.contains(&at.bucket));
        let share = item.value_seconds / item.locations.len().max(1) as f64;
        for folder in folders {
            *prefixes.entry(url(folder)).or_default() += share;
        }
    }
    prefixes
}

fn url(folder: &Location) -> String {
    format!("s3://{}/{}", folder.bucket, folder.prefix)
}

/// The folders of partitioned tables below which every folder that is known is whitelisted. Loose files among the
/// partitions and hidden folders do not count: they hold no rows, and Larder passes them through.
fn whole_tables(whitelist: &Whitelist, known: &[Location]) -> Vec<Location> {
    let mut known: Vec<&Location> = known.iter().filter(|folder| folder.prefix.ends_with('/')).collect();
    known.sort();
    let whitelisted: HashSet<&Location> = whitelist.items.iter().flat_map(|item| &item.locations).collect();
    let tables: HashSet<Location> = whitelist.items.iter().flat_map(table_folders).collect();
    let is_whole = |table: &Location| {
        let first = known.partition_point(|folder| *folder < table);
        let below = known[first..]
            .iter()
            .take_while(|folder| folder.bucket == table.bucket && folder.prefix.starts_with(&table.prefix));
        let is_hidden = |folder: &str| folder.split('/').any(|part| part.starts_with(['.', '_']));
        let below = below.filter(|folder| !is_hidden(&folder.prefix[table.prefix.len()..]));
        let mut below = below.peekable();
        below.peek().is_some() && below.all(|folder| whitelisted.contains(folder))
    };
    tables.into_iter().filter(is_whole).collect()
}

/// The table's folder for each folder of a partition: what is left without the partition's own part.
fn table_folders(item: &WhitelistItem) -> impl Iterator<Item = Location> {
    let partition = (!item.item.partition.is_empty()).then(|| format!("{}/", item.item.partition));
    item.locations.iter().filter_map(move |folder| {
        let table = folder.prefix.strip_suffix(partition.as_deref()?)?;
        let is_folder = table.len() > 1 && table.ends_with('/');
        is_folder.then(|| Location { bucket: folder.bucket.clone(), prefix: table.to_owned() })
    })
}

/// Folders below another one of the list add nothing to it but their value.
fn merged(prefixes: HashMap<String, f64>) -> Vec<(String, f64)> {
    let mut sorted: Vec<(String, f64)> = prefixes.into_iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut kept: Vec<(String, f64)> = Vec::with_capacity(sorted.len());
    for (prefix, value) in sorted {
        match kept.last_mut().filter(|(above, _)| prefix.starts_with(above.as_str())) {
            Some((_, sum)) => *sum += value,
            None => kept.push((prefix, value)),
        }
    }
    kept
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn options(entries_max: usize) -> MappingOptions {
        let access = S3Access { endpoint: "http://127.0.0.1:9000".into(), key: "K".into(), secret: "S\"".into() };
        MappingOptions { access, entries_max }
    }

    fn whitelist(items: &[(&str, &[&str], f64)]) -> Whitelist {
        let item = |(name, prefixes, value_seconds): &(&str, &[&str], f64)| WhitelistItem {
            item: name.parse().expect("an item"),
            locations: prefixes
                .iter()
                .map(|url| url.split_once('/').expect("bucket/prefix"))
                .map(|(bucket, prefix)| Location { bucket: bucket.into(), prefix: prefix.into() })
                .collect(),
            bytes: 1,
            objects: 1,
            value_seconds: *value_seconds,
            reason: String::new(),
        };
        Whitelist { items: items.iter().map(item).collect(), ..crate::resolve::tests::whitelist() }
    }

    fn prefixes(mapping: &Mapping) -> Vec<String> {
        let document: Value = serde_json::from_slice(&mapping.json).expect("JSON");
        let mut entries = document["mappings"].as_array().expect("mappings").clone();
        let last = entries.pop().expect("at least one entry");
        assert_eq!(last, json!({"useClusterDefault": true}), "the default entry is always last");
        entries
            .iter()
            .map(|entry| {
                let prefix = entry["prefix"].as_str().expect("a prefix").to_owned();
                let whole = json!({"prefix": prefix, "endpoint": "http://127.0.0.1:9000", "accessKey": "K", "secretKey": "S\""});
                assert_eq!(*entry, whole);
                prefix
            })
            .collect()
    }

    fn map(items: &[(&str, &[&str], f64)], entries_max: usize) -> Mapping {
        map_knowing(items, &[], entries_max)
    }

    fn map_knowing(items: &[(&str, &[&str], f64)], known: &[&str], entries_max: usize) -> Mapping {
        let folder = |url: &&str| url.split_once('/').map(|(b, p)| Location { bucket: b.into(), prefix: p.into() });
        let known: Vec<Location> = known.iter().filter_map(folder).collect();
        Mapping::of(&whitelist(items), &known, &HashSet::from(["raw".to_owned()]), &options(entries_max))
    }

    #[test]
    fn whitelisted_folders_come_most_specific_first_and_the_default_last() {
        let mapping = map(
            &[
                ("hive.db.t/dt=1", &["raw/hive/db/t/dt=1/"], 1.0),
                ("hive.db.u/dt=1/h=01", &["raw/hive/db/u/dt=1/h=01/"], 1.0),
                ("hive.db.n", &["raw/hive/db/n/"], 9.0),
            ],
            10,
        );
        let expected = ["s3://raw/hive/db/u/dt=1/h=01/", "s3://raw/hive/db/t/dt=1/", "s3://raw/hive/db/n/"];
        assert_eq!(prefixes(&mapping), expected);
        assert_eq!((mapping.prefixes, mapping.left_out), (3, 0));
    }

    #[test]
    fn partitions_of_a_table_that_is_in_as_a_whole_are_merged_into_it() {
        let mapping = map(
            &[
                ("hive.db.t/dt=1", &["raw/db/t/dt=1/"], 1.0),
                ("hive.db.t", &["raw/db/t/"], 1.0),
                ("hive.db.t/dt=2", &["raw/db/t/dt=2/"], 1.0),
                ("hive.db.t2/dt=2", &["raw/db/t2/dt=2/"], 1.0),
            ],
            10,
        );
        assert_eq!(prefixes(&mapping), ["s3://raw/db/t2/dt=2/", "s3://raw/db/t/"]);
    }

    #[test]
    fn a_table_of_which_every_partition_is_in_becomes_one_prefix() {
        let items: [(&str, &[&str], f64); 2] = [
            ("hive.db.t/dt=1/h=2", &["raw/db/t/dt=1/h=2/"], 1.0),
            ("hive.db.t/dt=2/h=1", &["raw/db/t/dt=2/h=1/"], 1.0),
        ];
        let partitions = ["s3://raw/db/t/dt=1/h=2/", "s3://raw/db/t/dt=2/h=1/"];
        let whole =
            ["raw/db/t/dt=1/h=2/", "raw/db/t/dt=2/h=1/", "raw/db/t2/dt=1/", "raw/db/t/_SUCCESS", "raw/db/t/.hidden/"];
        assert_eq!(prefixes(&map_knowing(&items, &whole, 1)), ["s3://raw/db/t/"]);
        let with_another = [&whole[..], &["raw/db/t/dt=3/h=1/"]].concat();
        assert_eq!(prefixes(&map_knowing(&items, &with_another, 9)), partitions);
        assert_eq!(prefixes(&map_knowing(&items, &[], 9)), partitions, "nothing is known of the table");
    }

    #[test]
    fn partitions_at_the_top_of_a_bucket_never_become_the_bucket() {
        let items: [(&str, &[&str], f64); 1] = [("hive.db.t/dt=1", &["raw/dt=1/"], 1.0)];
        assert_eq!(prefixes(&map_knowing(&items, &["raw/dt=1/"], 9)), ["s3://raw/dt=1/"]);
    }

    #[test]
    fn beyond_the_limit_the_least_valuable_are_left_out() {
        let items: [(&str, &[&str], f64); 3] = [
            ("hive.db.t/dt=1", &["raw/db/t/dt=1/"], 1.0),
            ("hive.db.t/dt=2", &["raw/db/t/dt=2/"], 3.0),
            ("hive.db.t/dt=3", &["raw/db/t/dt=3/"], 2.0),
        ];
        let mapping = map(&items, 2);
        assert_eq!(prefixes(&mapping), ["s3://raw/db/t/dt=2/", "s3://raw/db/t/dt=3/"]);
        assert_eq!((mapping.prefixes, mapping.left_out), (2, 1));
    }

    #[test]
    fn no_prefix_catches_a_namesake_or_another_bucket() {
        let mapping =
            map(&[("hive.default.n", &["raw/n.parquet"], 1.0), ("hive.db.t", &["other/db/t/", "raw/db/t/"], 1.0)], 10);
        assert_eq!(prefixes(&mapping), ["s3://raw/db/t/"]);
    }

    #[test]
    fn without_a_whitelist_everything_goes_where_it_went_before() {
        assert_eq!(Mapping::unmapped().json, r#"{"mappings":[{"useClusterDefault":true}]}"#);
        assert_eq!(map(&[], 10), Mapping::unmapped());
    }
}
