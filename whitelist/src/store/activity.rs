//! What people did with the whitelist and the tiers, and why.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::{Store, StoreError, bad_data, failed_to, time_of, time_text};

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub who: String,
    /// What.
    pub what: Deed,
    /// The item, or the version.
    pub target: String,
    /// Why, in their own words; may be empty.
    pub because: String,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// An item or a table is to be held whatever it is worth.
    Pin,
    /// It is never to be held.
    Deny,
    /// Its value decides again.
    Undecide,
    /// A proposed version was put in force.
    Approve,
    /// An earlier version was put in force again.
    Rollback,
    /// A version was proposed.
    Plan,
    /// A night was run out of turn.
    Night,
}

impl Store {
    /// Records what somebody did.
    pub async fn record(&self, activity: &Activity) -> Result<(), StoreError> {
        let what = serde_json::to_value(activity.what).expect("a plain word always serialises");
        sqlx::query(
            "INSERT INTO activity (id, at, who, what, target, because) \
             SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5 FROM activity",
        )
        .bind(time_text(activity.at))
        .bind(&activity.who)
        .bind(what.as_str().expect("a word").to_owned())
        .bind(&activity.target)
        .bind(&activity.because)
        .execute(&self.pool)
        .await
        .map_err(failed_to("record what was done"))?;
        Ok(())
    }

    /// The newest deeds, the newest first.
    pub async fn activity(&self, limit: u32) -> Result<Vec<Activity>, StoreError> {
        let read = failed_to("read what was done");
        let rows = sqlx::query("SELECT at, who, what, target, because FROM activity ORDER BY id DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let what: String = row.try_get(2).map_err(&read)?;
                Ok(Activity {
                    at: time_of(&row.try_get::<String, _>(0).map_err(&read)?, "a deed")?,
                    who: row.try_get(1).map_err(&read)?,
                    what: serde_json::from_value(what.into()).map_err(|error| bad_data("a deed", error))?,
                    target: row.try_get(3).map_err(&read)?,
                    because: row.try_get(4).map_err(&read)?,
                })
            })
            .collect()
    }
}
