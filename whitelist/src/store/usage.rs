//! What the workers did, hour by hour.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, DurationRound, TimeDelta, Utc};
use larder_model::Usage;
use sqlx::Row;

use super::{Store, StoreError, bad_data, failed_to, time_of, time_text};

/// How long it is remembered what was done, in days: a year beside the one before it.
const KEPT_DAYS: u64 = 800;

impl Store {
    /// Adds what a worker did since it last said so to the hour of `now`.
    pub async fn add_usage(&self, worker: &str, now: DateTime<Utc>, done: &Usage) -> Result<(), StoreError> {
        let failed = failed_to("note what was done");
        let hour = time_text(hour_of(now));
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT done FROM usage_hour WHERE hour = $1 AND worker = $2")
            .bind(hour.clone())
            .bind(worker.to_owned())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(&failed)?;
        // Nobody else writes this worker's row. One that cannot be read is begun anew.
        let before: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(&failed)?;
        let before = before.and_then(|text| serde_json::from_str::<Usage>(&text).ok()).unwrap_or_default();
        sqlx::query(
            "INSERT INTO usage_hour (hour, worker, done) VALUES ($1, $2, $3) \
             ON CONFLICT (hour, worker) DO UPDATE SET done = excluded.done",
        )
        .bind(hour)
        .bind(worker.to_owned())
        .bind(serde_json::to_string(&before.plus(done)).expect("plain data always serialises"))
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// What all workers did in each hour from `from` on and before `to`, the hours without reads left out.
    pub async fn usage(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<BTreeMap<DateTime<Utc>, Usage>, StoreError> {
        let read = failed_to("read what was done");
        let rows = sqlx::query("SELECT hour, done FROM usage_hour WHERE hour >= $1 AND hour < $2")
            .bind(time_text(from))
            .bind(time_text(to))
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        let mut hours: BTreeMap<DateTime<Utc>, Usage> = BTreeMap::new();
        for row in &rows {
            let hour: String = row.try_get(0).map_err(&read)?;
            let done: String = row.try_get(1).map_err(&read)?;
            let done = serde_json::from_str(&done).map_err(|error| bad_data(format!("the usage of {hour}"), error))?;
            let sum = hours.entry(time_of(&hour, "an hour of usage")?).or_default();
            *sum = sum.plus(&done);
        }
        Ok(hours)
    }

    /// Forgets what was done too long ago.
    pub(crate) async fn forget_old_usage(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let failed = failed_to("forget old usage");
        let first = time_text(now - Days::new(KEPT_DAYS));
        for statement in ["DELETE FROM usage_hour WHERE hour < $1", "DELETE FROM activity WHERE at < $1"] {
            sqlx::query(statement).bind(first.clone()).execute(&self.pool).await.map_err(&failed)?;
        }
        Ok(())
    }
}

/// The beginning of the hour.
fn hour_of(time: DateTime<Utc>) -> DateTime<Utc> {
    // Only a time centuries away cannot be cut.
    time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time)
}
