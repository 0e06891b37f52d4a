//! What the last replay of the history came to.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::{Store, StoreError, failed_to, time_of, time_text};
use crate::simulate::SimulationReport;

/// A replay that was done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredSimulation {
    /// When it began.
    pub(crate) started: DateTime<Utc>,
    /// What it came to.
    pub(crate) report: SimulationReport,
}

impl Store {
    /// Keeps a replay, in the place of the last.
    pub(crate) async fn put_simulation(&self, done: &StoredSimulation) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO simulation (id, started, report) VALUES (1, $1, $2) \
             ON CONFLICT (id) DO UPDATE SET started = excluded.started, report = excluded.report",
        )
        .bind(time_text(done.started))
        .bind(serde_json::to_string(&done.report).expect("plain data always serialises"))
        .execute(&self.pool)
        .await
        .map_err(failed_to("keep a replay"))?;
        Ok(())
    }

    /// The last replay.
    pub(crate) async fn simulation(&self) -> Result<Option<StoredSimulation>, StoreError> {
        let read = failed_to("read the last replay");
        let row = sqlx::query("SELECT started, report FROM simulation").fetch_optional(&self.pool).await;
        let Some(row) = row.map_err(&read)? else { return Ok(None) };
        let started = time_of(&row.try_get::<String, _>(0).map_err(&read)?, "the last replay")?;
        let report: String = row.try_get(1).map_err(&read)?;
        match serde_json::from_str(&report) {
            Ok(report) => Ok(Some(StoredSimulation { started, report })),
            // Another version of Larder reports otherwise. It costs a replay to have it again, and no night is lost.
            Err(error) => {
                tracing::debug!(%error, "the last replay cannot be read");
                Ok(None)
            }
        }
    }
}
