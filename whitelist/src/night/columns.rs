//! Columns: what a night learns of them. From the ranges that were read and the footers of a few objects, or from the queries
//! that named them, to what each column of a table is worth; and from these queries alone to which are read together.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use larder_model::TableName;

use super::{Night, NightError, NightReport, at};
use crate::accesses::Day;
use crate::columns::{ColumnReads, Layout, TableColumns};
use crate::footers::{Footers, objects_below};
use crate::store::{CatalogItem, DayColumn, DayPair};

/// Objects of a table whose footers are read where the access log names none.
const OBJECTS_PER_TABLE: usize = 2;

/// Tables that are looked at for that in one night.
const TABLES_MAX: usize = 500;

impl Night {
    /// Keeps what a day's logs say of columns, and what the columns take in the objects that were read.
    pub(super) async fn keep_columns(&self, day: &Day, footers: &mut Footers<'_>) -> Result<(), NightError> {
        footers.read(day.ranges.iter().map(|read| read.object.clone())).await;
        let mut reads: BTreeMap<(TableName, String), ColumnReads> = BTreeMap::new();
        let mut pairs = Vec::new();
        for (table, named) in &day.named {
            for (column, queries) in &named.queries {
                reads.entry((table.clone(), column.clone())).or_default().queries = *queries as f64;
            }
            for (columns, queries) in &named.both {
                pairs.push(DayPair { table: table.clone(), columns: columns.clone(), queries: *queries as f64 });
            }
        }
        for read in &day.ranges {
            // Ranges of another version than the one that is there now are in other columns.
            let footer = footers.get(&read.object).filter(|footer| footer.version.as_str() == read.version);
            for (column, seconds) in footer.iter().flat_map(|footer| footer.layout.seconds(read.range)) {
                reads.entry((read.table.clone(), column.to_owned())).or_default().seconds +=
                    seconds * read.requests as f64;
            }
        }
        let rows: Vec<DayColumn> =
            reads.into_iter().map(|((table, column), reads)| DayColumn { table, column, reads }).collect();
        let kept = self.store.replace_day_columns(day.summary.day, &rows, &pairs).await;
        kept.map_err(at("keep a day's columns"))?;
        let objects: BTreeSet<_> = day.ranges.iter().map(|read| (&read.table, &read.object)).collect();
        let layouts = objects.into_iter().filter_map(|(table, object)| Some((table, &footers.get(object)?.layout)));
        self.keep_layouts(layouts).await
    }

    async fn keep_layouts<'l>(
        &self,
        layouts: impl Iterator<Item = (&'l TableName, &'l Layout)>,
    ) -> Result<(), NightError> {
        let mut bytes: BTreeMap<&TableName, BTreeMap<String, f64>> = BTreeMap::new();
        for (table, layout) in layouts {
            let columns = bytes.entry(table).or_default();
            for (column, bytes) in layout.bytes() {
                *columns.entry(column.to_owned()).or_default() += bytes as f64;
            }
        }
        for (table, columns) in bytes {
            self.store.replace_column_bytes(table, &columns).await.map_err(at("keep a table's columns"))?;
        }
        Ok(())
    }

    /// What the columns of each table are worth, by the history up to the night's day. Tables of which only queries are
    /// known are looked at in their buckets for what their columns take.
    pub(super) async fn table_columns(
        &self,
        report: &NightReport,
        first: NaiveDate,
        catalog: &[CatalogItem],
        footers: &mut Footers<'_>,
    ) -> Result<TableColumns, NightError> {
        let read = || self.store.column_shares(first, report.night);
        let (columns, unknown) = read().await.map_err(at("read the columns"))?;
        if unknown.is_empty() {
            return Ok(columns);
        }
        self.look_at(unknown.iter().take(TABLES_MAX).collect(), catalog, footers).await?;
        Ok(read().await.map_err(at("read the columns"))?.0)
    }

    /// Reads the footers of a few objects of tables, from one of their folders each: the last one, which is the newest where
    /// folders are named by their date.
    async fn look_at(
        &self,
        tables: BTreeSet<&TableName>,
        catalog: &[CatalogItem],
        footers: &mut Footers<'_>,
    ) -> Result<(), NightError> {
        let mut folders: BTreeMap<&TableName, (&str, &str)> = BTreeMap::new();
        for item in catalog.iter().filter(|item| tables.contains(&item.item.table)) {
            if let Some(prefix) = item.prefixes.first() {
                folders.insert(&item.item.table, (&item.bucket, prefix));
            }
        }
        let mut objects = Vec::new();
        for (table, (bucket, prefix)) in folders {
            let found = objects_below(&self.catalog, bucket, prefix, OBJECTS_PER_TABLE).await;
            objects.extend(found.into_iter().map(|object| (table, object)));
        }
        footers.read(objects.iter().map(|(_, object)| object.clone())).await;
        let layouts = objects.iter().filter_map(|(table, object)| Some((*table, &footers.get(object)?.layout)));
        self.keep_layouts(layouts).await
    }
}
