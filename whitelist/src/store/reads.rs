//! What was read, summed up for those who look: of one table day by day, of all tables over some days.

use chrono::NaiveDate;
use larder_model::{ItemName, TableName};
use sqlx::Row;

use super::{Store, StoreError, bad_data, count_of, day_of, failed_to};
use crate::value::Reads;

/// Reads, and what memory and SSD answered of them alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReadsAndHits {
    /// All of them.
    pub reads: Reads,
    /// The hits.
    pub hits: Reads,
    /// What the hits took, in seconds.
    pub hit_seconds: f64,
    /// Queries, by the query events.
    pub queries: u64,
}

/// What was read of one item on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemReads {
    /// The day.
    pub day: NaiveDate,
    /// The partition's name.
    pub partition: String,
    /// What was read.
    pub reads: ReadsAndHits,
}

/// What a table's listed items were expected to save on a day, and what they saved, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TableDay {
    /// The day.
    pub day: NaiveDate,
    /// What was expected.
    pub predicted_seconds: f64,
    /// What the reads that came were worth.
    pub read_seconds: f64,
    /// What was saved.
    pub realised_seconds: f64,
}

const SUMS: &str = "CAST(SUM(requests) AS BIGINT) AS requests, CAST(SUM(bytes) AS BIGINT) AS bytes, \
    CAST(SUM(hit_requests) AS BIGINT) AS hit_requests, CAST(SUM(hit_bytes) AS BIGINT) AS hit_bytes, \
    CAST(SUM(hit_seconds) AS DOUBLE PRECISION) AS hit_seconds, CAST(SUM(queries) AS BIGINT) AS queries";

impl Store {
    /// The newest day whose logs were aggregated.
    pub async fn last_day(&self) -> Result<Option<NaiveDate>, StoreError> {
        let read = failed_to("read the days");
        let row = sqlx::query("SELECT MAX(day) AS day FROM day").fetch_one(&self.pool).await.map_err(&read)?;
        let day: Option<String> = row.try_get("day").map_err(&read)?;
        day.map(|day| day_of(&day, "a day")).transpose()
    }

    /// What was read of a table's items from `first` to `last`, by day and partition.
    pub async fn table_reads(
        &self,
        table: &TableName,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<ItemReads>, StoreError> {
        let read = failed_to("read what was read of a table");
        let rows = sqlx::query(
            "SELECT day, partition_name, requests, bytes, hit_requests, hit_bytes, hit_seconds, queries FROM day_item \
             WHERE table_name = $1 AND day >= $2 AND day <= $3 ORDER BY day, partition_name",
        )
        .bind(table.to_string())
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                Ok(ItemReads {
                    day: day_of(&row.try_get::<String, _>("day").map_err(&read)?, "a day")?,
                    partition: row.try_get("partition_name").map_err(&read)?,
                    reads: sums_of(row).map_err(&read)?,
                })
            })
            .collect()
    }

    /// What was read of each table from `first` to `last`.
    pub async fn reads_by_table(
        &self,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<(TableName, ReadsAndHits)>, StoreError> {
        let read = failed_to("read what was read of each table");
        let statement = format!(
            "SELECT table_name, {SUMS} FROM day_item WHERE day >= $1 AND day <= $2 GROUP BY table_name \
             ORDER BY table_name"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(first.to_string())
            .bind(last.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let name: String = row.try_get("table_name").map_err(&read)?;
                let table = name.parse().map_err(|error| bad_data(format!("table `{name}`"), error))?;
                Ok((table, sums_of(row).map_err(&read)?))
            })
            .collect()
    }

    /// What a table's listed items were expected to save and did, from `first` to `last`, by day.
    pub async fn realised_of_table(
        &self,
        table: &TableName,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<TableDay>, StoreError> {
        let read = failed_to("read what a table realised");
        let rows = sqlx::query(
            "SELECT day, SUM(predicted_seconds) AS predicted, SUM(read_seconds) AS reading, \
             SUM(realised_seconds) AS realised FROM realised \
             WHERE table_name = $1 AND day >= $2 AND day <= $3 GROUP BY day ORDER BY day",
        )
        .bind(table.to_string())
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                Ok(TableDay {
                    day: day_of(&row.try_get::<String, _>("day").map_err(&read)?, "a day")?,
                    predicted_seconds: row.try_get("predicted").map_err(&read)?,
                    read_seconds: row.try_get("reading").map_err(&read)?,
                    realised_seconds: row.try_get("realised").map_err(&read)?,
                })
            })
            .collect()
    }

    /// What each item of a table holds at the origin, by the last listing.
    pub async fn sizes_of(&self, table: &TableName) -> Result<Vec<(ItemName, u64)>, StoreError> {
        let read = failed_to("read a table's sizes");
        let rows = sqlx::query(
            "SELECT table_name, partition_name, CAST(SUM(bytes) AS BIGINT) AS bytes FROM catalog_item \
             WHERE table_name = $1 GROUP BY table_name, partition_name",
        )
        .bind(table.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter().map(|row| Ok((super::catalog::item_of(row)?, count_of(row, "bytes").map_err(&read)?))).collect()
    }
}

fn sums_of(row: &sqlx::any::AnyRow) -> Result<ReadsAndHits, sqlx::Error> {
    Ok(ReadsAndHits {
        reads: Reads { requests: count_of(row, "requests")?, bytes: count_of(row, "bytes")? },
        hits: Reads { requests: count_of(row, "hit_requests")?, bytes: count_of(row, "hit_bytes")? },
        hit_seconds: row.try_get("hit_seconds")?,
        queries: count_of(row, "queries")?,
    })
}
