//! What a scan's node says of itself: table, location, partitions and columns. Spark cuts long lists, by default at 100
//! characters (`spark.sql.maxMetadataStringLength`); what is cut is never guessed.

use larder_model::{AttributionRules, TableName, TableRead};

use super::entries::Node;
use crate::logs::Places;
use crate::logs::adapter::table_name;

/// A scan, and what was reported of it.
pub(super) struct Scan {
    /// As the node's name holds it, where it does.
    table: Option<String>,
    location: Option<Location>,
    filters: Option<String>,
    columns: Vec<String>,
    files_bytes: Gauge,
    partitions: Gauge,
    ran: bool,
    task_bytes: u64,
}

/// A figure that the driver reports under an accumulator.
#[derive(Default)]
struct Gauge {
    accumulator: Option<i64>,
    value: Option<u64>,
}

/// `InMemoryFileIndex(2 paths)[PATH, PATH]`.
struct Location {
    /// The paths that are there in full.
    paths: Vec<String>,
    /// Whether that is all of them.
    complete: bool,
}

impl Scan {
    /// The scan that a node is; `None` for other nodes, and for scans that read no files.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let (kind, rest) = node.node_name.split_once(' ')?;
        let table = match kind {
            // `Scan parquet spark_catalog.sales.orders`, and nothing behind the format for files by path.
            "Scan" => rest.split_once(' ').filter(|(format, _)| is_word(format)).map(|(_, table)| table),
            // `BatchScan lake.sales.orders`, of connectors of version 2.
            "BatchScan" => rest.split([' ', '[']).next(),
            _ => return None,
        };
        let location = node.metadata.get("Location").and_then(|text| Location::read(text));
        let table = table.filter(|name| name.contains('.')).map(str::to_owned);
        if location.is_none() && table.is_none() {
            return None;
        }
        let gauge = |name: &str| Gauge {
            accumulator: node.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.accumulator_id),
            value: None,
        };
        Some(Self {
            table,
            location,
            filters: node.metadata.get("PartitionFilters").cloned(),
            columns: node.metadata.get("ReadSchema").map(|schema| columns(schema)).unwrap_or_default(),
            files_bytes: gauge("size of files read"),
            partitions: gauge("number of partitions read"),
            ran: false,
            task_bytes: 0,
        })
    }

    pub(super) fn driver_says(&mut self, accumulator: i64, value: i64) {
        self.ran = true;
        for gauge in [&mut self.files_bytes, &mut self.partitions] {
            if gauge.accumulator == Some(accumulator) {
                gauge.value = u64::try_from(value).ok();
            }
        }
    }

    pub(super) fn task_says(&mut self, bytes: u64) {
        self.ran = true;
        self.task_bytes = self.task_bytes.saturating_add(bytes);
    }

    pub(super) fn was_run(&self) -> bool {
        self.ran
    }

    pub(super) fn files_bytes(&self) -> u64 {
        self.files_bytes.value.unwrap_or(0)
    }

    /// What its tasks read; where they do not tell, all of the files.
    pub(super) fn bytes(&self) -> u64 {
        if self.task_bytes > 0 { self.task_bytes } else { self.files_bytes() }
    }

    /// The read; `None` where no table is known by the scan's location or name.
    pub(super) fn table_read(&self, places: &Places) -> Option<TableRead> {
        let table = match self.attributed(places) {
            Some(table) => table,
            None => named(self.table.as_deref()?, places)?,
        };
        Some(TableRead {
            table,
            partitions: self.partition_names().unwrap_or_default(),
            columns: self.columns.clone(),
            bytes: self.bytes(),
        })
    }

    /// The table that all of the paths belong to.
    fn attributed(&self, places: &Places) -> Option<TableName> {
        let mut tables = self.location.as_ref()?.paths.iter().map(|path| places.attribute(&format!("{path}/")));
        let first = tables.next()??.table;
        tables.all(|found| found.is_some_and(|found| found.table == first)).then_some(first)
    }

    /// The partitions, where they are known in full. The driver's count of them tells whether a list is the right one:
    /// pruning at run time reads fewer than the paths say, and a filter may hold what is not understood here.
    fn partition_names(&self) -> Option<Vec<String>> {
        let location = self.location.as_ref()?;
        let by_path: Vec<String> = location.paths.iter().map(|path| partition_of(path)).collect();
        let counted = |names: &[String]| self.partitions.value.is_none_or(|count| count == names.len() as u64);
        if location.complete && by_path.iter().all(|name| !name.is_empty()) && counted(&by_path) {
            return Some(by_path);
        }
        let keys: Vec<&str> = by_path.first()?.split('/').filter_map(|level| level.split('=').next()).collect();
        let count = self.partitions.value?;
        names_of_filters(self.filters.as_deref()?, &keys, count).filter(|names| names.len() as u64 == count)
    }
}

/// Formats are words; the names of other sources hold parentheses and whatever is in them.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A table as Spark names it; its own catalog is the one that others know by another name.
fn named(name: &str, places: &Places) -> Option<TableName> {
    let parts: Vec<&str> = name.splitn(3, '.').collect();
    let own = || places.catalog().ok();
    match parts[..] {
        [schema, table] => table_name(&own()?, schema, table).ok(),
        ["spark_catalog", schema, table] => table_name(&own()?, schema, table).ok(),
        [catalog, schema, table] => table_name(catalog, schema, table).ok(),
        _ => None,
    }
}

impl Location {
    /// Reads `KIND(N paths)[PATH, PATH, ...]`; a list that was cut ends in `...`.
    fn read(text: &str) -> Option<Self> {
        let (head, list) = text.split_once('[')?;
        let count = head.split_once('(').and_then(|(_, count)| count.split(' ').next()?.parse::<usize>().ok());
        let list = list.strip_suffix(']').unwrap_or(list);
        // Where the list was cut, so was the path before the dots, unless it ends in a comma.
        let (list, cut) = match list.strip_suffix("...") {
            Some(list) => (list.rsplit_once(", ").map_or("", |(whole, _)| whole), true),
            None => (list, false),
        };
        let paths: Vec<String> = list.split(", ").filter(|path| !path.is_empty()).map(str::to_owned).collect();
        // A path that holds a comma itself makes the count differ.
        let complete = !cut && count.is_none_or(|count| count == paths.len());
        Some(Self { paths, complete })
    }
}

/// The partition in a folder's path, as attribution has it.
fn partition_of(path: &str) -> String {
    let found = AttributionRules::new("any", Vec::new()).attribute(&format!("{path}/"));
    found.map(|found| found.partition).unwrap_or_default()
}

/// The partitions that filters determine: each key has one or some exact values. At most `max`.
fn names_of_filters(filters: &str, keys: &[&str], max: u64) -> Option<Vec<String>> {
    let list = filters.strip_prefix('[')?.strip_suffix(']')?;
    let mut values: Vec<Option<Vec<String>>> = vec![None; keys.len()];
    for filter in split_at_top(list) {
        if filter.starts_with("isnotnull(") {
            continue;
        }
        let (column, exact) = exact_values(filter)?;
        let key = keys.iter().position(|key| *key == column)?;
        if values[key].replace(exact).is_some() {
            return None;
        }
    }
    let mut names = vec![String::new()];
    for (key, values) in keys.iter().zip(values) {
        let values = values?;
        if (names.len() * values.len()) as u64 > max {
            return None;
        }
        let with = |name: &String, value: &String| {
            let slash = if name.is_empty() { "" } else { "/" };
            format!("{name}{slash}{key}={}", escaped(value))
        };
        names = names.iter().flat_map(|name| values.iter().map(move |value| with(name, value))).collect();
    }
    Some(names)
}

/// `(dt#54 = 2026-11-18)` or `dt#54 IN (2026-11-17,2026-11-19)`: the column and its values.
fn exact_values(filter: &str) -> Option<(&str, Vec<String>)> {
    let (column, values) = if let Some((column, values)) = filter.split_once(" IN (") {
        (column, values.strip_suffix(')')?.split(',').map(str::to_owned).collect())
    } else {
        let (column, value) = filter.strip_prefix('(')?.strip_suffix(')')?.split_once(" = ")?;
        (column, vec![value.to_owned()])
    };
    let (name, number) = column.split_once('#')?;
    let number = number.strip_suffix('L').unwrap_or(number);
    let plain = !name.contains(['(', ' ']) && number.bytes().all(|byte| byte.is_ascii_digit());
    plain.then_some((name, values))
}

/// The parts between commas that no parenthesis encloses.
fn split_at_top(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_i64, 0);
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// A value as it stands in paths: Hive's escapes, which Spark writes too.
fn escaped(value: &str) -> String {
    let mut path = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            path.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            path.push(c);
        }
    }
    path
}

/// The columns of `struct<a:int,b:struct<c:int,d:map<int,int>>>`: `a`, `b.c`, `b.d`. A column that was cut is left out.
fn columns(schema: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(fields) = schema.strip_prefix("struct<") {
        add_fields(fields, "", STRUCTS_MAX, &mut found);
    }
    found
}

/// Structs within structs; columns below are left out.
const STRUCTS_MAX: usize = 32;

/// Takes fields up to the `>` that ends them; what is behind it.
fn add_fields<'a>(mut text: &'a str, above: &str, depth: usize, found: &mut Vec<String>) -> Option<&'a str> {
    let below = depth.checked_sub(1)?;
    loop {
        if let Some(rest) = text.strip_prefix('>') {
            return Some(rest);
        }
        let (name, kind) = text.split_once(':')?;
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
        let rest = match kind.strip_prefix("struct<") {
            Some(fields) => add_fields(fields, &path, below, found)?,
            None => {
                let end = end_of_type(kind)?;
                found.push(path);
                &kind[end..]
            }
        };
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Where a type ends: before the comma or `>` that nothing in it encloses.
fn end_of_type(text: &str) -> Option<usize> {
    let mut depth = 0_i64;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '<' | '(' => depth += 1,
            '>' | ',' if depth == 0 => return Some(at),
            '>' | ')' => depth -= 1,
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_by_path_and_none_is_guessed() {
        assert_eq!(columns("struct<id:bigint,name:string>"), ["id", "name"]);
        assert_eq!(
            columns("struct<a:decimal(10,2),b:struct<c:int,d:map<int,array<int>>>,e:date>"),
            ["a", "b.c", "b.d", "e"]
        );
        assert_eq!(columns("struct<id:bigint,na..."), ["id"], "cut within a name");
        assert_eq!(columns("struct<id:bigint,name:str..."), ["id"], "cut within a type");
        for text in ["struct<>", "", "nonsense", "struct<", "struct<a"] {
            assert!(columns(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn locations_say_whether_they_are_complete() {
        let of = |text: &str| Location::read(text).map(|found| (found.paths.len(), found.complete));
        assert_eq!(of("InMemoryFileIndex(2 paths)[file:/a/d=1, file:/a/d=2]"), Some((2, true)));
        assert_eq!(of("InMemoryFileIndex(4 paths)[file:/a/d=1, file:/a/d=2, ...]"), Some((2, false)));
        assert_eq!(of("InMemoryFileIndex(4 paths)[file:/a/d=1, file:/a/d..."), Some((1, false)));
        assert_eq!(of("InMemoryFileIndex(1 paths)[file:/a/d=x, y]"), Some((2, false)), "a comma in a path");
        assert_eq!(of("nothing"), None);
    }

    #[track_caller]
    fn check(filters: &str, max: u64, expected: Option<&[&str]>) {
        let names = names_of_filters(filters, &["dt", "hour"], max);
        assert_eq!(
            names.as_deref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(),
            expected,
            "{filters}"
        );
    }

    #[test]
    fn filters_name_partitions_only_where_they_determine_them() {
        check("[isnotnull(dt#5), (dt#5 = 2026-11-18), (hour#6L = 1)]", 9, Some(&["dt=2026-11-18/hour=1"]));
        check("[dt#5 IN (a,b), (hour#6 = x:y)]", 9, Some(&["dt=a/hour=x%3Ay", "dt=b/hour=x%3Ay"]));
        for undetermined in [
            "[(dt#5 = 2026-11-18)]",
            "[(dt#5 >= 2026-11-18), (hour#6 = 1)]",
            "[(cast(dt#5 as date) = 2026-11-18), (hour#6 = 1)]",
            "[(dt#5 = a), (dt#5 = b), (hour#6 = 1)]",
            "[(dt#5 = a), (hour#6 = 1), (other#7 = 1)]",
            "[(dt#5 = 2026-11-18), (hour#6 ...",
            "[]",
            "",
        ] {
            check(undetermined, 9, None);
        }
        check("[dt#5 IN (a,b,c), hour#6 IN (1,2,3)]", 8, None);
    }
}
