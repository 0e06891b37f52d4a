//! Reports of nights, and of the preloads that they asked for.

use chrono::{DateTime, NaiveDate, Utc};
use larder_model::admin::{PreloadStatus, PreloadTotal};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::{Store, StoreError, bad_data, count_of, day_of, failed_to, time_of, time_text, to_sql};
use crate::night::NightReport;

/// A night as it was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredNight {
    /// Unique.
    pub id: String,
    /// The last day of logs it read.
    pub night: NaiveDate,
    /// When it began.
    pub started: DateTime<Utc>,
    /// What it did.
    pub report: NightReport,
}

/// A preload that one worker was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreloadRun {
    /// The night that asked; `version N` where the whitelist came from an origin.
    pub night_id: String,
    /// The worker's admin URL.
    pub worker_url: String,
    /// The whitelist version it fulfils.
    pub version: u64,
    /// When the worker last answered.
    pub updated: DateTime<Utc>,
    /// What it answered. Its items are kept of preloads that ended, the newest few of each worker.
    pub status: PreloadStatus,
    /// The items together, which is always kept.
    pub total: PreloadTotal,
}

/// Preloads of a worker whose items are kept. Of older ones it is kept how they went, and what their items came to.
const PRELOADS_WITH_ITEMS_MAX: u32 = 3;

impl Store {
    /// Keeps a night's report, in the place of an earlier one of the same id.
    pub async fn put_night(&self, night: &StoredNight) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO night (id, night, started, finished, report) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET finished = excluded.finished, report = excluded.report",
        )
        .bind(&night.id)
        .bind(night.night.to_string())
        .bind(time_text(night.started))
        .bind(time_text(night.report.finished))
        .bind(serde_json::to_string(&night.report).expect("plain data always serialises"))
        .execute(&self.pool)
        .await
        .map_err(failed_to("keep a night's report"))?;
        Ok(())
    }

    /// When the last night ended.
    pub async fn last_night_finished(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let read = failed_to("read when the last night ended");
        let row =
            sqlx::query("SELECT MAX(finished) AS finished FROM night").fetch_one(&self.pool).await.map_err(&read)?;
        let finished: Option<String> = row.try_get("finished").map_err(&read)?;
        finished.map(|text| time_of(&text, "a night's end")).transpose()
    }

    /// The newest nights, the newest first.
    pub async fn nights(&self, limit: u32) -> Result<Vec<StoredNight>, StoreError> {
        let read = failed_to("read the nights");
        let rows = sqlx::query("SELECT id, night, started, report FROM night ORDER BY started DESC, id DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get(0).map_err(&read)?;
                let what = format!("night {id}");
                let report: String = row.try_get(3).map_err(&read)?;
                Ok(StoredNight {
                    night: day_of(&row.try_get::<String, _>(1).map_err(&read)?, &what)?,
                    started: time_of(&row.try_get::<String, _>(2).map_err(&read)?, &what)?,
                    report: serde_json::from_str(&report).map_err(|error| bad_data(&what, error))?,
                    id,
                })
            })
            .collect()
    }

    /// Keeps how far a preload is; its items once it ended, and lets go those of old ones. While it goes on the worker tells
    /// them, and to write all of them every few seconds would be no small thing.
    pub async fn put_preload_run(&self, run: &PreloadRun) -> Result<(), StoreError> {
        let failed = failed_to("keep a preload's state");
        let items = if run.status.running {
            String::new()
        } else {
            serde_json::to_string(&run.status.items).expect("plain data always serialises")
        };
        sqlx::query(
            "INSERT INTO preload_run (night_id, worker_url, version, updated, status, total, items) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (night_id, worker_url) DO UPDATE SET \
             updated = excluded.updated, status = excluded.status, total = excluded.total, items = excluded.items",
        )
        .bind(&run.night_id)
        .bind(&run.worker_url)
        .bind(to_sql(run.version))
        .bind(time_text(run.updated))
        .bind(serde_json::to_string(&run.status.without_items()).expect("plain data always serialises"))
        .bind(serde_json::to_string(&run.total).expect("plain data always serialises"))
        .bind(items)
        .execute(&self.pool)
        .await
        .map_err(&failed)?;
        if run.status.running {
            return Ok(());
        }
        sqlx::query(
            "UPDATE preload_run SET items = '' WHERE worker_url = $1 AND items <> '' AND night_id NOT IN \
             (SELECT newest.night_id FROM preload_run newest WHERE newest.worker_url = $1 AND newest.items <> '' \
             ORDER BY newest.updated DESC, newest.night_id DESC LIMIT $2)",
        )
        .bind(&run.worker_url)
        .bind(i64::from(PRELOADS_WITH_ITEMS_MAX))
        .execute(&self.pool)
        .await
        .map_err(&failed)?;
        Ok(())
    }

    /// Whether the last that was heard of a worker's newest preload is that it goes on.
    pub(crate) async fn has_unfinished_preload(&self, worker_url: &str) -> Result<bool, StoreError> {
        let read = failed_to("read a worker's preload");
        let row =
            sqlx::query("SELECT status FROM preload_run WHERE worker_url = $1 ORDER BY updated DESC, night_id LIMIT 1")
                .bind(worker_url.to_owned())
                .fetch_optional(&self.pool)
                .await
                .map_err(&read)?;
        let Some(row) = row else { return Ok(false) };
        let status: String = row.try_get(0).map_err(&read)?;
        let status: PreloadStatus = serde_json::from_str(&status)
            .map_err(|error| bad_data(format!("the preload of worker {worker_url}"), error))?;
        Ok(status.running)
    }

    /// The newest preloads, the newest first; with the items that are kept of them, or without any.
    pub async fn preload_runs(&self, limit: u32, items: bool) -> Result<Vec<PreloadRun>, StoreError> {
        let read = failed_to("read the preloads");
        let items = if items { "items" } else { "'' AS items" };
        let statement = format!(
            "SELECT night_id, worker_url, version, updated, status, total, {items} FROM preload_run \
             ORDER BY updated DESC LIMIT $1"
        );
        let rows =
            sqlx::query(AssertSqlSafe(statement)).bind(i64::from(limit)).fetch_all(&self.pool).await.map_err(&read)?;
        rows.iter()
            .map(|row| {
                let night_id: String = row.try_get(0).map_err(&read)?;
                let what = format!("the preload of night {night_id}");
                let [status, total, items]: [String; 3] =
                    [row.try_get(4).map_err(&read)?, row.try_get(5).map_err(&read)?, row.try_get(6).map_err(&read)?];
                let mut status: PreloadStatus =
                    serde_json::from_str(&status).map_err(|error| bad_data(&what, error))?;
                if !items.is_empty() {
                    status.items = serde_json::from_str(&items).map_err(|error| bad_data(&what, error))?;
                }
                Ok(PreloadRun {
                    worker_url: row.try_get(1).map_err(&read)?,
                    version: count_of(row, "version").map_err(&read)?,
                    updated: time_of(&row.try_get::<String, _>(3).map_err(&read)?, &what)?,
                    total: serde_json::from_str(&total).map_err(|error| bad_data(&what, error))?,
                    status,
                    night_id,
                })
            })
            .collect()
    }
}
