//! Tables, partitions and items by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A name that does not have the form it should have. Fix the text it quotes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

/// `catalog.schema.table`. The table part may hold dots; catalog and schema may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    catalog: String,
    schema: String,
    table: String,
}

impl TableName {
    /// A name of its three parts, none of which may be empty; the first two hold no dot.
    pub fn new(catalog: &str, schema: &str, table: &str) -> Result<Self, NameError> {
        let text = format!("{catalog}.{schema}.{table}");
        if [catalog, schema, table].iter().any(|part| part.is_empty()) || catalog.contains('.') || schema.contains('.')
        {
            return Err(NameError { text, expected: "a table name: write catalog.schema.table" });
        }
        Ok(Self { catalog: catalog.to_owned(), schema: schema.to_owned(), table: table.to_owned() })
    }

    /// The first part.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// The second part.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The last part.
    pub fn table(&self) -> &str {
        &self.table
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.table)
    }
}

impl FromStr for TableName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(catalog), Some(schema), Some(table)) => Self::new(catalog, schema, table),
            _ => Err(NameError { text: text.to_owned(), expected: "a table name: write catalog.schema.table" }),
        }
    }
}

impl TryFrom<String> for TableName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

/// What the planner decides about, by name: a table's partition. Written `catalog.schema.table` for a table without
/// partitions, else `catalog.schema.table/k=v/k=v`.
///
/// A partition is kept as it stands in paths, with Hive's percent escapes, because that is how engines report it too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ItemName {
    /// The table.
    pub table: TableName,
    /// `k=v/k=v`; empty for a table without partitions.
    pub partition: String,
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        if !self.partition.is_empty() {
            write!(f, "/{}", self.partition)?;
        }
        Ok(())
    }
}

impl FromStr for ItemName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (table, partition) = text.split_once('/').unwrap_or((text, ""));
        let partition = partition.trim_end_matches('/');
        if !partition.is_empty() && !partition.split('/').all(is_partition_segment) {
            return Err(NameError { text: text.to_owned(), expected: "an item: write catalog.schema.table/key=value" });
        }
        Ok(Self { table: table.parse()?, partition: partition.to_owned() })
    }
}

impl TryFrom<String> for ItemName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ItemName> for String {
    fn from(name: ItemName) -> Self {
        name.to_string()
    }
}

impl PartialSchema for TableName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).examples(["hive.tpch.lineitem"]).into()
    }
}

impl ToSchema for TableName {}

impl PartialSchema for ItemName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).examples(["hive.tpch.lineitem/l_shipmonth=1998-08"]).into()
    }
}

impl ToSchema for ItemName {}

/// Whether a path segment is one level of a Hive partition, `key=value`.
pub(crate) fn is_partition_segment(segment: &str) -> bool {
    segment.split_once('=').is_some_and(|(key, _)| !key.is_empty() && !key.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_being_written_and_read() {
        for text in ["hive.tpch.lineitem", "hive.tpch.odd.table", "hive.tpch.lineitem/dt=2026-11-19/hour=07"] {
            let item: ItemName = text.parse().expect("a valid item");
            assert_eq!(item.to_string(), text);
        }
    }

    #[test]
    fn wrong_names_say_what_is_expected() {
        for text in ["", "lineitem", "tpch.lineitem", "..", "a..c", "hive.tpch.lineitem/nokey", "a.b.c/=v"] {
            let error = text.parse::<ItemName>().expect_err(text);
            assert!(error.to_string().contains("write catalog.schema.table"), "{error}");
        }
    }
}
