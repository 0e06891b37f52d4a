//! The workers of the fleet, as they report themselves, and what each has been told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::{Store, StoreError, count_of, failed_to, time_of, time_text, to_sql};

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its name, unique in the fleet.
    pub id: String,
    /// Where its admin API listens, such as `http://10.0.0.7:9001`.
    pub admin_url: String,
    /// When it last said that it lives.
    pub last_seen: DateTime<Utc>,
}

impl Store {
    /// Notes that a worker lives.
    pub async fn heartbeat(&self, worker: &Worker) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO worker (id, admin_url, last_seen) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET admin_url = excluded.admin_url, last_seen = excluded.last_seen",
        )
        .bind(&worker.id)
        .bind(&worker.admin_url)
        .bind(time_text(worker.last_seen))
        .execute(&self.pool)
        .await
        .map_err(failed_to("note a worker"))?;
        Ok(())
    }

    /// The workers that were seen at `since` or later, by id.
    pub async fn workers(&self, since: DateTime<Utc>) -> Result<Vec<Worker>, StoreError> {
        let read = failed_to("read the workers");
        let rows = sqlx::query("SELECT id, admin_url, last_seen FROM worker WHERE last_seen >= $1 ORDER BY id")
            .bind(time_text(since))
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        rows.iter()
            .map(|row| {
                Ok(Worker {
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
