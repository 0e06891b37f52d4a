//! Day aggregates: what was read of each item on each day, and how fast.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use larder_model::{IoSpeed, ItemName};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::{INSERT_ROWS_MAX, Store, StoreError, bad_data, count_of, day_of, failed_to, placeholders, to_sql};
use crate::speed::Measured;
use crate::value::Reads;

/// What was read of one item on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayItem {
    /// The table and partition.
    pub item: ItemName,
    /// Requests and bytes, from whichever stream saw more.
    pub reads: Reads,
    /// Queries that named it, by the query events.
    pub queries: u64,
    /// Requests that memory and SSD answered without anyone's help.
    pub hit_requests: u64,
    /// Their bytes.
    pub hit_bytes: u64,
    /// The time they took, in seconds.
    pub hit_seconds: f64,
    /// How often people came back to it: half-hours with reads.
    pub bursts: u64,
}

/// A day as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct DaySummary {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// Changes whenever the day's files do.
    pub fingerprint: String,
    /// Rows read, of both streams.
    pub log_rows: u64,
    /// Requests of no known table.
    pub unattributed_requests: u64,
    /// Their bytes.
    pub unattributed_bytes: u64,
    /// Files that could not be read.
    pub skipped_files: Vec<SkippedFile>,
}

/// A log file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkippedFile {
    /// Its path below the logs' folder.
    pub file: String,
    /// Why, in words.
    pub problem: String,
}

/// What was read of one item over several days.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemHistory {
    /// The table and partition.
    pub item: ItemName,
    /// Requests and bytes.
    pub reads: Reads,
    /// Queries that named it.
    pub queries: u64,
}

impl Store {
    /// The fingerprints of the days that are aggregated.
    pub async fn day_fingerprints(&self) -> Result<BTreeMap<NaiveDate, String>, StoreError> {
        let rows = sqlx::query("SELECT day, fingerprint FROM day")
            .fetch_all(&self.pool)
            .await
            .map_err(failed_to("read the days"))?;
        rows.iter()
            .map(|row| {
                let read = failed_to("read the days");
                Ok((day_of(&row.try_get::<String, _>(0).map_err(&read)?, "day")?, row.try_get(1).map_err(&read)?))
            })
            .collect()
    }

    /// Puts a day in the place of what was known of it, all at once.
    pub async fn replace_day(
        &self,
        summary: &DaySummary,
        items: &[DayItem],
        speeds: &[(&'static str, Measured)],
    ) -> Result<(), StoreError> {
        let failed = failed_to("replace a day");
        let day = summary.day.to_string();
        let mut transaction = self.begin().await?;
        for statement in [
            "DELETE FROM day WHERE day = $1",
            "DELETE FROM day_item WHERE day = $1",
            "DELETE FROM day_speed WHERE day = $1",
        ] {
            sqlx::query(statement).bind(&day).execute(&mut *transaction).await.map_err(&failed)?;
        }
        for chunk in items.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO day_item (day, table_name, partition_name, requests, bytes, queries, hit_requests, hit_bytes, \
                 hit_seconds, bursts) VALUES {}",
                placeholders(chunk.len(), 10)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for item in chunk {
                insert = insert
                    .bind(&day)
                    .bind(item.item.table.to_string())
                    .bind(&item.item.partition)
                    .bind(to_sql(item.reads.requests))
                    .bind(to_sql(item.reads.bytes))
                    .bind(to_sql(item.queries))
                    .bind(to_sql(item.hit_requests))
                    .bind(to_sql(item.hit_bytes))
                    .bind(item.hit_seconds)
                    .bind(to_sql(item.bursts));
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        for (tier, measured) in speeds {
            sqlx::query(
                "INSERT INTO day_speed (day, tier, overhead_seconds, bytes_per_second, samples) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(&day)
            .bind(*tier)
            .bind(measured.speed.overhead_seconds)
            .bind(measured.speed.bytes_per_second)
            .bind(to_sql(measured.samples))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        }
        let skipped = serde_json::to_string(&summary.skipped_files).expect("plain data always serialises");
        sqlx::query(
            "INSERT INTO day (day, fingerprint, log_rows, unattributed_requests, unattributed_bytes, skipped_files) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&day)
        .bind(&summary.fingerprint)
        .bind(to_sql(summary.log_rows))
        .bind(to_sql(summary.unattributed_requests))
        .bind(to_sql(summary.unattributed_bytes))
        .bind(skipped)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// Forgets the days before `first`.
    pub async fn forget_days_before(&self, first: NaiveDate) -> Result<(), StoreError> {
        let failed = failed_to("forget old days");
        let mut transaction = self.begin().await?;
        for statement in [
            "DELETE FROM day WHERE day < $1",
            "DELETE FROM day_item WHERE day < $1",
            "DELETE FROM day_speed WHERE day < $1",
            "DELETE FROM realised WHERE day < $1",
            "DELETE FROM day_column WHERE day < $1",
            "DELETE FROM day_column_pair WHERE day < $1",
            "DELETE FROM rewrite WHERE day < $1",
            "DELETE FROM day_query WHERE day < $1",
            "DELETE FROM day_query_group WHERE day < $1",
        ] {
            sqlx::query(statement).bind(first.to_string()).execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// The days from `first` to `last` that are aggregated, in order.
    pub async fn days(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<DaySummary>, StoreError> {
        let read = failed_to("read the days");
        let rows = sqlx::query(
            "SELECT day, fingerprint, log_rows, unattributed_requests, unattributed_bytes, skipped_files FROM day \
             WHERE day >= $1 AND day <= $2 ORDER BY day",
        )
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let day: String = row.try_get(0).map_err(&read)?;
                let skipped: String = row.try_get(5).map_err(&read)?;
                Ok(DaySummary {
                    fingerprint: row.try_get(1).map_err(&read)?,
                    log_rows: count_of(row, "log_rows").map_err(&read)?,
                    unattributed_requests: count_of(row, "unattributed_requests").map_err(&read)?,
                    unattributed_bytes: count_of(row, "unattributed_bytes").map_err(&read)?,
                    skipped_files: serde_json::from_str(&skipped)
                        .map_err(|error| bad_data(format!("day {day}"), error))?,
                    day: day_of(&day, "day")?,
                })
            })
            .collect()
    }

    /// What was read of each item from `first` to `last`.
    pub async fn history(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<ItemHistory>, StoreError> {
        let read = failed_to("read the history");
        let rows = sqlx::query(
            "SELECT table_name, partition_name, CAST(SUM(requests) AS BIGINT) AS requests, \
             CAST(SUM(bytes) AS BIGINT) AS bytes, CAST(SUM(queries) AS BIGINT) AS queries \
             FROM day_item WHERE day >= $1 AND day <= $2 \
             GROUP BY table_name, partition_name ORDER BY table_name, partition_name",
        )
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                Ok(ItemHistory {
                    item: super::catalog::item_of(row)?,
                    reads: Reads {
                        requests: count_of(row, "requests").map_err(&read)?,
                        bytes: count_of(row, "bytes").map_err(&read)?,
                    },
                    queries: count_of(row, "queries").map_err(&read)?,
                })
            })
            .collect()
    }

    /// What was read of each item on a day, by name.
    pub async fn day_items(&self, day: NaiveDate) -> Result<Vec<DayItem>, StoreError> {
        let read = failed_to("read a day's items");
        let rows = sqlx::query(
            "SELECT table_name, partition_name, requests, bytes, queries, hit_requests, hit_bytes, hit_seconds, bursts \
             FROM day_item WHERE day = $1 ORDER BY table_name, partition_name",
        )
        .bind(day.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let count = |name: &'static str| count_of(row, name).map_err(&read);
                Ok(DayItem {
                    item: super::catalog::item_of(row)?,
                    reads: Reads { requests: count("requests")?, bytes: count("bytes")? },
                    queries: count("queries")?,
                    hit_requests: count("hit_requests")?,
                    hit_bytes: count("hit_bytes")?,
                    hit_seconds: row.try_get("hit_seconds").map_err(&read)?,
                    bursts: count("bursts")?,
                })
            })
            .collect()
    }

    /// Requests, bytes and seconds of the reads that memory and SSD answered on a day.
    pub async fn hits_on(&self, day: NaiveDate) -> Result<(Reads, f64), StoreError> {
        let read = failed_to("read a day's hits");
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(hit_requests), 0) AS BIGINT) AS requests, \
             CAST(COALESCE(SUM(hit_bytes), 0) AS BIGINT) AS bytes, \
             CAST(COALESCE(SUM(hit_seconds), 0) AS DOUBLE PRECISION) AS seconds FROM day_item WHERE day = $1",
        )
        .bind(day.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(&read)?;
        let reads = Reads {
            requests: count_of(&row, "requests").map_err(&read)?,
            bytes: count_of(&row, "bytes").map_err(&read)?,
        };
        Ok((reads, row.try_get("seconds").map_err(&read)?))
    }

    /// The speed of a tier as it was last measured, on `last` or before, and on which day.
    pub async fn last_speed(&self, tier: &str, last: NaiveDate) -> Result<Option<(NaiveDate, Measured)>, StoreError> {
        let read = failed_to("read the speeds");
        let row = sqlx::query(
            "SELECT day, overhead_seconds, bytes_per_second, samples FROM day_speed WHERE tier = $1 AND day <= $2 \
             ORDER BY day DESC LIMIT 1",
        )
        .bind(tier.to_owned())
        .bind(last.to_string())
        .fetch_optional(&self.pool)
        .await
        .map_err(&read)?;
        let Some(row) = row else { return Ok(None) };
        let speed = IoSpeed {
            overhead_seconds: row.try_get("overhead_seconds").map_err(&read)?,
            bytes_per_second: row.try_get("bytes_per_second").map_err(&read)?,
        };
        let day = day_of(&row.try_get::<String, _>("day").map_err(&read)?, "day")?;
        Ok(Some((day, Measured { speed, samples: count_of(&row, "samples").map_err(&read)? })))
    }
}
