//! The workers of the fleet, as they report themselves, and what each has been told.

use chrono::{DateTime, Utc};
use larder_model::admin::WorkerStatus;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::{Store, StoreError, bad_data, count_of, failed_to, time_of, time_text, to_sql};

/// A worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its name, unique in the fleet.
    pub id: String,
    /// Where its admin API listens, such as `http://10.0.0.7:9001`.
    pub admin_url: String,
    /// When it last said that it lives.
    pub last_seen: DateTime<Utc>,
    /// How it fared then.
    #[serde(default)]
    pub status: Option<WorkerStatus>,
}

impl Store {
    /// Notes that a worker lives.
    pub async fn heartbeat(&self, worker: &Worker) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO worker (id, admin_url, last_seen, status) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO UPDATE SET admin_url = excluded.admin_url, last_seen = excluded.last_seen, \
             status = excluded.status",
        )
        .bind(&worker.id)
        .bind(&worker.admin_url)
        .bind(time_text(worker.last_seen))
        .bind(worker.status.as_ref().map(|status| serde_json::to_string(status).expect("plain data always serialises")))
        .execute(&self.pool)
        .await
        .map_err(failed_to("note a worker"))?;
        Ok(())
    }

    /// The workers that were seen at `since` or later, by id.
    pub async fn workers(&self, since: DateTime<Utc>) -> Result<Vec<Worker>, StoreError> {
        let read = failed_to("read the workers");
        let rows = sqlx::query("SELECT id, admin_url, last_seen, status FROM worker WHERE last_seen >= $1 ORDER BY id")
            .bind(time_text(since))
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let status: Option<String> = row.try_get(3).map_err(&read)?;
                let status = status.map(|text| serde_json::from_str(&text)).transpose();
                Ok(Worker {
                    status: status.map_err(|error| bad_data("a worker's status", error))?,
                    id: row.try_get(0).map_err(&read)?,
                    admin_url: row.try_get(1).map_err(&read)?,
                    last_seen: time_of(&row.try_get::<String, _>(2).map_err(&read)?, "a worker")?,
                })
            })
            .collect()
    }

    /// The version up to which a worker has dropped what left the whitelist; zero when it was never told.
    pub(crate) async fn delivered(&self, worker_url: &str) -> Result<u64, StoreError> {
        let read = failed_to("read what a worker was told");
        let row = sqlx::query("SELECT version FROM delivery WHERE worker_url = $1")
            .bind(worker_url.to_owned())
            .fetch_optional(&self.pool)
            .await
            .map_err(&read)?;
        row.map_or(Ok(0), |row| count_of(&row, "version").map_err(&read))
    }

    /// Notes that a worker has dropped what left the whitelist up to `version`.
    pub(crate) async fn set_delivered(&self, worker_url: &str, version: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO delivery (worker_url, version) VALUES ($1, $2) \
             ON CONFLICT (worker_url) DO UPDATE SET version = excluded.version",
        )
        .bind(worker_url.to_owned())
        .bind(to_sql(version))
        .execute(&self.pool)
        .await
        .map_err(failed_to("note what a worker was told"))?;
        Ok(())
    }
}
