//! Reports of nights, and of the preloads that they asked for.

use chrono::{DateTime, NaiveDate, Utc};
use larder_model::admin::PreloadStatus;
use serde::{Deserialize, Serialize};
use sqlx::Row;
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
    /// What it answered.
    pub status: PreloadStatus,
}

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

    /// Keeps how far a preload is.
    pub async fn put_preload_run(&self, run: &PreloadRun) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO preload_run (night_id, worker_url, version, updated, status) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (night_id, worker_url) DO UPDATE SET updated = excluded.updated, status = excluded.status",
        )
        .bind(&run.night_id)
        .bind(&run.worker_url)
        .bind(to_sql(run.version))
        .bind(time_text(run.updated))
        .bind(serde_json::to_string(&run.status).expect("plain data always serialises"))
        .execute(&self.pool)
        .await
        .map_err(failed_to("keep a preload's state"))?;
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

    /// The newest preloads, the newest first.
    pub async fn preload_runs(&self, limit: u32) -> Result<Vec<PreloadRun>, StoreError> {
        let read = failed_to("read the preloads");
        let rows = sqlx::query(
            "SELECT night_id, worker_url, version, updated, status FROM preload_run ORDER BY updated DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let night_id: String = row.try_get(0).map_err(&read)?;
                let what = format!("the preload of night {night_id}");
                let status: String = row.try_get(4).map_err(&read)?;
                Ok(PreloadRun {
                    worker_url: row.try_get(1).map_err(&read)?,
                    version: count_of(row, "version").map_err(&read)?,
                    updated: time_of(&row.try_get::<String, _>(3).map_err(&read)?, &what)?,
                    status: serde_json::from_str(&status).map_err(|error| bad_data(&what, error))?,
                    night_id,
                })
            })
            .collect()
    }
}
