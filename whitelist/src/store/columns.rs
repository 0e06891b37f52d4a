//! Columns: what was read of them on each day, which of them together, and what they take.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures::TryStreamExt;
use larder_model::TableName;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{INSERT_ROWS_MAX, Store, StoreError, bad_data, day_of, failed_to, placeholders};
use crate::columns::{ColumnReads, Pairs, TableColumns, shares};

/// What was read of one column of a table on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayColumn {
    /// The table.
    pub table: TableName,
    /// The column, one at the top of the schema, in small letters.
    pub column: String,
    /// What was read of it.
    pub reads: ColumnReads,
}

/// How many queries of one day named both of two columns of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct DayPair {
    /// The table.
    pub table: TableName,
    /// The columns, whose names stand in order.
    pub columns: (String, String),
    /// Queries that named both.
    pub queries: f64,
}

/// After so many days, reads of a column count half.
pub(crate) const COLUMN_HALF_LIFE_DAYS: f64 = 5.0;

impl Store {
    /// Puts what was read of columns on a day, and of which together, in the place of what was known of it.
    pub async fn replace_day_columns(
        &self,
        day: NaiveDate,
        columns: &[DayColumn],
        pairs: &[DayPair],
    ) -> Result<(), StoreError> {
        let failed = failed_to("replace a day's columns");
        let day = day.to_string();
        let mut transaction = self.begin().await?;
        for statement in ["DELETE FROM day_column WHERE day = $1", "DELETE FROM day_column_pair WHERE day = $1"] {
            sqlx::query(statement).bind(&day).execute(&mut *transaction).await.map_err(&failed)?;
        }
        for chunk in columns.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO day_column (day, table_name, column_name, seconds, queries) VALUES {}",
                placeholders(chunk.len(), 5)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for row in chunk {
                insert = insert
                    .bind(&day)
                    .bind(row.table.to_string())
                    .bind(&row.column)
                    .bind(row.reads.seconds)
                    .bind(row.reads.queries);
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        for chunk in pairs.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO day_column_pair (day, table_name, first_column, second_column, queries) VALUES {}",
                placeholders(chunk.len(), 5)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for row in chunk {
                insert = insert
                    .bind(&day)
                    .bind(row.table.to_string())
                    .bind(&row.columns.0)
                    .bind(&row.columns.1)
                    .bind(row.queries);
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// What each column of each table is worth, and its group, by the reads from `first` to `last`; and the tables of which
    /// columns were read, but not what they take.
    pub async fn column_shares(
        &self,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<(TableColumns, Vec<TableName>), StoreError> {
        let bytes = self.column_bytes().await?;
        let mut pairs = self.column_pairs(first, last).await?;
        let mut columns = TableColumns::new();
        let mut unknown = Vec::new();
        for (table, reads) in self.column_reads(first, last).await? {
            match bytes.get(&table) {
                Some(bytes) => {
                    let pairs = pairs.remove(&table).unwrap_or_default();
                    let shares = shares(bytes, &reads, &pairs);
                    if !shares.is_empty() {
                        columns.insert(table, shares);
                    }
                }
                None => unknown.push(table),
            }
        }
        Ok((columns, unknown))
    }

    /// What was read of columns from `first` to `last`, days before the last counting less and less.
    async fn column_reads(
        &self,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<BTreeMap<TableName, BTreeMap<String, ColumnReads>>, StoreError> {
        let read = failed_to("read the days' columns");
        let rows = sqlx::query(
            "SELECT day, table_name, column_name, seconds, queries FROM day_column WHERE day >= $1 AND day <= $2 \
             ORDER BY day, table_name, column_name",
        )
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        let mut tables: BTreeMap<TableName, BTreeMap<String, ColumnReads>> = BTreeMap::new();
        for row in &rows {
            let day: String = row.try_get("day").map_err(&read)?;
            let weight = weight_of(day_of(&day, "day_column")?, last);
            let (seconds, queries) = (row.try_get("seconds").map_err(&read)?, row.try_get("queries").map_err(&read)?);
            let columns = tables.entry(table_of(row)?).or_default();
            let column = columns.entry(row.try_get("column_name").map_err(&read)?).or_default();
            column.add(ColumnReads { seconds, queries }, weight);
        }
        Ok(tables)
    }

    /// Queries that named two columns from `first` to `last`, days before the last counting as for the columns themselves.
    async fn column_pairs(&self, first: NaiveDate, last: NaiveDate) -> Result<BTreeMap<TableName, Pairs>, StoreError> {
        let read = failed_to("read the days' pairs of columns");
        let mut rows = sqlx::query(
            "SELECT day, table_name, first_column, second_column, queries FROM day_column_pair \
             WHERE day >= $1 AND day <= $2 ORDER BY day, table_name, first_column, second_column",
        )
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch(&self.pool);
        let mut tables: BTreeMap<TableName, Pairs> = BTreeMap::new();
        // Row by row: over a month of many wide tables these are millions.
        while let Some(row) = rows.try_next().await.map_err(&read)? {
            let day: String = row.try_get("day").map_err(&read)?;
            let queries: f64 = row.try_get("queries").map_err(&read)?;
            let columns = (row.try_get("first_column").map_err(&read)?, row.try_get("second_column").map_err(&read)?);
            let weight = weight_of(day_of(&day, "day_column_pair")?, last);
            *tables.entry(table_of(&row)?).or_default().entry(columns).or_default() += weight * queries;
        }
        Ok(tables)
    }

    /// Puts what a table's columns take in the place of what was known of it.
    pub async fn replace_column_bytes(
        &self,
        table: &TableName,
        bytes: &BTreeMap<String, f64>,
    ) -> Result<(), StoreError> {
        let failed = failed_to("replace a table's columns");
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM table_column WHERE table_name = $1")
            .bind(table.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        let columns: Vec<(&String, &f64)> = bytes.iter().collect();
        for chunk in columns.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO table_column (table_name, column_name, bytes) VALUES {}",
                placeholders(chunk.len(), 3)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for (column, bytes) in chunk {
                insert = insert.bind(table.to_string()).bind(*column).bind(**bytes);
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// What the columns of all tables take, as far as that is known.
    async fn column_bytes(&self) -> Result<BTreeMap<TableName, BTreeMap<String, f64>>, StoreError> {
        let read = failed_to("read the tables' columns");
        let rows = sqlx::query("SELECT table_name, column_name, bytes FROM table_column")
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        let mut tables: BTreeMap<TableName, BTreeMap<String, f64>> = BTreeMap::new();
        for row in &rows {
            let column = row.try_get("column_name").map_err(&read)?;
            let bytes = row.try_get("bytes").map_err(&read)?;
            tables.entry(table_of(row)?).or_default().insert(column, bytes);
        }
        Ok(tables)
    }
}

/// What reads of a day count for on the last one.
fn weight_of(day: NaiveDate, last: NaiveDate) -> f64 {
    (-((last - day).num_days() as f64) / COLUMN_HALF_LIFE_DAYS).exp2()
}

fn table_of(row: &AnyRow) -> Result<TableName, StoreError> {
    let table: String = row.try_get("table_name").map_err(failed_to("read a table's name"))?;
    table.parse().map_err(|error| bad_data("a table", error))
}
