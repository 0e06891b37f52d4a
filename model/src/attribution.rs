//! Attribution: which table and partition an object belongs to.
//!
//! Configured prefixes win, the longest first; then what a metastore declares, the deepest folder first. Else the path is read
//! the way Hive lays tables out: `.../schema.db/table/key=value/key=value/file`. The folders that table formats put below a table (`data`, `metadata`,
//! `_delta_log`) are not taken for tables. A file at the top of a bucket is a table of its own, named by its stem.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::table::{TableName, is_partition_segment};

/// A table, stated by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TablePrefix {
    /// Keys that start with this belong to the table; a prefix is a folder and is taken with a `/` at its end.
    pub prefix: String,
    /// `catalog.schema.table`.
    pub name: TableName,
}

/// What a metastore says lies in a folder of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredFolder {
    /// The table.
    pub table: TableName,
    /// The partition that all of the folder is; `None` for a whole table, whose partitions are in folders named `k=v`.
    pub partition: Option<String>,
}

/// What a metastore says of a bucket, by key prefix with `/` at its end.
pub type DeclaredFolders = HashMap<String, DeclaredFolder>;

/// How one bucket's keys map to tables. What is declared to one is declared to all of its clones.
#[derive(Debug, Clone)]
pub struct AttributionRules {
    catalog: String,
    /// Sorted by length, the longest first.
    prefixes: Vec<TablePrefix>,
    declared: Arc<ArcSwap<DeclaredFolders>>,
}

/// The table and partition an object belongs to, and the folder that holds that partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The table.
    pub table: TableName,
    /// `k=v/k=v`, as it stands in the path; empty where there is none.
    pub partition: String,
    /// The key prefix of the partition (or of the table), with `/` at its end; a whole key for a file at the top.
    pub location: String,
}

/// Folders inside a table that Iceberg, Delta Lake and Hudi make.
const FORMAT_FOLDERS: [&str; 4] = ["data", "metadata", "_delta_log", ".hoodie"];

impl AttributionRules {
    /// Rules for a bucket whose tables live in `catalog` (the name engines know it by; it holds no dot).
    pub fn new(catalog: &str, prefixes: Vec<TablePrefix>) -> Self {
        let mut prefixes: Vec<TablePrefix> = prefixes
            .into_iter()
            .map(|entry| TablePrefix { prefix: format!("{}/", entry.prefix.trim_matches('/')), ..entry })
            .collect();
        prefixes.sort_by_key(|entry| std::cmp::Reverse(entry.prefix.len()));
        Self { catalog: catalog.replace('.', "_"), prefixes, declared: Arc::default() }
    }

    /// Takes what a metastore says, in the place of what it said before.
    pub fn declare(&self, folders: DeclaredFolders) {
        self.declared.store(Arc::new(folders));
    }

    /// The attribution of `key`; `None` for an empty key and for folders that name no table.
    pub fn attribute(&self, key: &str) -> Option<Attribution> {
        if let Some(entry) = self.prefixes.iter().find(|entry| key.starts_with(&entry.prefix)) {
            let (partition, location_len) = partition_below(key, entry.prefix.len());
            return Some(Attribution {
                table: entry.name.clone(),
                partition,
                location: key[..location_len].to_owned(),
            });
        }
        self.attribute_as_declared(key).or_else(|| self.attribute_by_path(key))
    }

    fn attribute_as_declared(&self, key: &str) -> Option<Attribution> {
        let declared = self.declared.load();
        if declared.is_empty() {
            return None;
        }
        let folders = key.rmatch_indices('/').map(|(end, _)| &key[..=end]);
        let (folder, found) = folders.filter_map(|folder| Some((folder, declared.get(folder)?))).next()?;
        let (partition, location_len) = match &found.partition {
            Some(partition) => (partition.clone(), folder.len()),
            None => partition_below(key, folder.len()),
        };
        Some(Attribution { table: found.table.clone(), partition, location: key[..location_len].to_owned() })
    }

    fn attribute_by_path(&self, key: &str) -> Option<Attribution> {
        let Some(folder_end) = key.rfind('/') else {
            let stem = key.split('.').next().filter(|stem| !stem.is_empty())?;
            let table = TableName::new(&self.catalog, "default", stem).ok()?;
            return Some(Attribution { table, partition: String::new(), location: key.to_owned() });
        };
        let mut table_folders: Vec<(&str, usize)> = Vec::new();
        let mut start = 0;
        for segment in key[..folder_end].split('/') {
            if is_partition_segment(segment) {
                break;
            }
            start += segment.len() + 1;
            table_folders.push((segment, start));
        }
        let first_partition_at = start;
        while table_folders.len() > 1 && table_folders.last().is_some_and(|(name, _)| FORMAT_FOLDERS.contains(name)) {
            table_folders.pop();
        }
        let (table, table_end) = table_folders.pop()?;
        let schema = table_folders.last().map_or("default", |(name, _)| name.strip_suffix(".db").unwrap_or(name));
        let table = TableName::new(&self.catalog, &schema.replace('.', "_"), table).ok()?;
        let (partition, partition_end) = partition_below(key, first_partition_at);
        let location_len = if partition.is_empty() { table_end } else { partition_end };
        Some(Attribution { table, partition, location: key[..location_len].to_owned() })
    }
}

/// The first run of `k=v` folders at or below `from`, and where the folder they make ends. Without one, `from`.
fn partition_below(key: &str, from: usize) -> (String, usize) {
    let folders = key[from..].rfind('/').map_or("", |end| &key[from..from + end]);
    let (mut begin, mut end, mut at) = (None, from, from);
    for segment in folders.split('/') {
        let next = at + segment.len() + 1;
        if is_partition_segment(segment) {
            begin.get_or_insert(at);
            end = next;
        } else if begin.is_some() {
            break;
        }
        at = next;
    }
    match begin {
        Some(begin) => (key[begin..end - 1].to_owned(), end),
        None => (String::new(), from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AttributionRules {
        let stated = TablePrefix { prefix: "raw/clicks".into(), name: "hive.web.clicks".parse().expect("a name") };
        AttributionRules::new("hive", vec![stated])
    }

    #[track_caller]
    fn check(key: &str, table: &str, partition: &str, location: &str) {
        let found = rules().attribute(key).expect("an attribution");
        assert_eq!((found.table.to_string().as_str(), found.partition.as_str()), (table, partition), "{key}");
        assert_eq!(found.location, location, "{key}");
    }

    #[test]
    fn hive_paths_name_schema_table_and_partition() {
        check(
            "wh/tpch.db/lineitem/dt=1/h=2/f.parquet",
            "hive.tpch.lineitem",
            "dt=1/h=2",
            "wh/tpch.db/lineitem/dt=1/h=2/",
        );
        check("tpch/nation/f.parquet", "hive.tpch.nation", "", "tpch/nation/");
        check("lineitem/dt=1/f.parquet", "hive.default.lineitem", "dt=1", "lineitem/dt=1/");
        check("nation.parquet", "hive.default.nation", "", "nation.parquet");
    }

    #[test]
    fn table_formats_keep_their_folders_inside_the_table() {
        check("db/t/data/dt=1/f.parquet", "hive.db.t", "dt=1", "db/t/data/dt=1/");
        check("db/t/metadata/v1.json", "hive.db.t", "", "db/t/");
        check("db/t/_delta_log/0.json", "hive.db.t", "", "db/t/");
        check("data/dt=1/f.parquet", "hive.default.data", "dt=1", "data/dt=1/");
    }

    #[test]
    fn stated_prefixes_win_and_end_at_a_folder() {
        check("raw/clicks/dt=1/f", "hive.web.clicks", "dt=1", "raw/clicks/dt=1/");
        check("raw/clicks/x/f", "hive.web.clicks", "", "raw/clicks/");
        check("raw/clicks2/f", "hive.raw.clicks2", "", "raw/clicks2/");
    }

    #[test]
    fn what_is_declared_wins_over_the_path_and_not_over_what_is_stated() {
        let rules = rules();
        let folder = |table: &str, partition: Option<&str>| DeclaredFolder {
            table: table.parse().expect("a name"),
            partition: partition.map(str::to_owned),
        };
        let declared = [
            ("wh/0a1b/", folder("hive.sales.orders", None)),
            ("wh/0a1b/old/", folder("hive.sales.orders", Some("dt=1"))),
            ("archive/2019/", folder("hive.sales.orders", Some("dt=2019"))),
            ("raw/clicks/", folder("hive.other.name", None)),
        ];
        let before = rules.clone();
        rules.declare(declared.map(|(key, folder)| (key.to_owned(), folder)).into());
        let shown = |key: &str| {
            let found = before.attribute(key).expect("an attribution");
            (format!("{}/{}", found.table, found.partition), found.location)
        };
        for (key, item, location) in [
            ("wh/0a1b/dt=2/f", "hive.sales.orders/dt=2", "wh/0a1b/dt=2/"),
            ("wh/0a1b/f", "hive.sales.orders/", "wh/0a1b/"),
            ("wh/0a1b/old/f", "hive.sales.orders/dt=1", "wh/0a1b/old/"),
            ("archive/2019/a/f", "hive.sales.orders/dt=2019", "archive/2019/"),
            ("archive/2020/f", "hive.archive.2020/", "archive/2020/"),
            ("raw/clicks/dt=1/f", "hive.web.clicks/dt=1", "raw/clicks/dt=1/"),
        ] {
            assert_eq!(shown(key), (item.to_owned(), location.to_owned()), "{key}");
        }
    }

    #[test]
    fn keys_without_a_table_are_not_attributed() {
        for key in ["", ".hidden", "dt=1/f", "/f"] {
            assert_eq!(rules().attribute(key), None, "{key}");
        }
    }
}
