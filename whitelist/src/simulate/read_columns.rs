//! What a replay has read of each table's columns, as the logs and footers would tell a night.

use std::collections::{BTreeMap, BTreeSet};

use larder_model::{HeldColumns, TableName};

use crate::columns::{ColumnReads, ColumnShare, TableColumns, shares};
use crate::store::COLUMN_HALF_LIFE_DAYS;

/// The columns of each table, by their slots.
#[derive(Debug, Default)]
pub(super) struct ReadColumns {
    tables: BTreeMap<u32, Columns>,
}

#[derive(Debug, Default)]
struct Columns {
    columns: BTreeMap<u32, Column>,
    /// Queries that read both of two columns; old days fade.
    pairs: BTreeMap<(u32, u32), f64>,
    /// The query under way: its time, and what it has read.
    query: (u32, BTreeSet<u32>),
}

#[derive(Debug, Default)]
struct Column {
    bytes: f64,
    /// IO time of its reads, and queries that read it; old days fade.
    reads: ColumnReads,
}

impl Columns {
    fn end_query(&mut self) {
        let read = std::mem::take(&mut self.query.1);
        for (at, slot) in read.iter().enumerate() {
            self.columns.entry(*slot).or_default().reads.queries += 1.0;
            for other in read.iter().skip(at + 1) {
                *self.pairs.entry((*slot, *other)).or_default() += 1.0;
            }
        }
    }

    fn fade(&mut self) {
        self.end_query();
        let left = (-1.0 / COLUMN_HALF_LIFE_DAYS).exp2();
        for column in self.columns.values_mut() {
            column.reads.seconds *= left;
            column.reads.queries *= left;
        }
        self.pairs.values_mut().for_each(|queries| *queries *= left);
    }

    fn shares(&self) -> Vec<ColumnShare> {
        let bytes = self.columns.iter().map(|(slot, column)| (column_name(*slot), column.bytes)).collect();
        let reads = self.columns.iter().map(|(slot, column)| (column_name(*slot), column.reads)).collect();
        let named = |(a, b): &(u32, u32)| {
            let (a, b) = (column_name(*a), column_name(*b));
            if a < b { (a, b) } else { (b, a) }
        };
        let pairs = self.pairs.iter().map(|(pair, queries)| (named(pair), *queries)).collect();
        shares(&bytes, &reads, &pairs)
    }
}

impl ReadColumns {
    /// A partition of the table landed.
    pub(super) fn add_bytes(&mut self, table: u32, slot: u32, bytes: u64) {
        self.tables.entry(table).or_default().columns.entry(slot).or_default().bytes += bytes as f64;
    }

    /// The column was read at a time, for so long. Reads of one table at one time are those of one query.
    pub(super) fn add_read(&mut self, table: u32, slot: u32, at: u32, seconds: f64) {
        let table = self.tables.entry(table).or_default();
        if table.query.0 != at {
            table.end_query();
        }
        table.query.0 = at;
        table.query.1.insert(slot);
        table.columns.entry(slot).or_default().reads.seconds += seconds;
    }

    /// A day ended.
    pub(super) fn next_day(&mut self) {
        self.tables.values_mut().for_each(Columns::fade);
    }

    /// What the columns of each table are worth.
    pub(super) fn shares(&self, name: impl Fn(u32) -> TableName) -> TableColumns {
        let of_table = |(table, columns): (&u32, &Columns)| (name(*table), columns.shares());
        self.tables.iter().map(of_table).filter(|(_, shares)| !shares.is_empty()).collect()
    }
}

fn column_name(slot: u32) -> String {
    format!("c{slot}")
}

/// The slots of the columns that are held.
pub(super) fn slots(held: &HeldColumns) -> BTreeSet<u32> {
    held.columns.iter().filter_map(|name| name.strip_prefix('c')?.parse().ok()).collect()
}
