//! What people decided: pins and denies, of an item or of a whole table.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use larder_model::ItemName;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::{Store, StoreError, bad_data, failed_to, time_of, time_text};
use crate::choice::{Ruling, RulingKind};

/// A decision and when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// What it is about. A name without a partition means all that the table holds.
    pub target: ItemName,
    /// What was decided, by whom, why.
    #[serde(flatten)]
    pub ruling: Ruling,
    /// When.
    pub decided: DateTime<Utc>,
}

impl Store {
    /// Records a decision, in the place of an earlier one about the same target.
    pub async fn decide(&self, decision: &Decision) -> Result<(), StoreError> {
        self.may_publish()?;
        sqlx::query(
            "INSERT INTO decision (target, kind, who, because, decided) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (target) DO UPDATE SET kind = excluded.kind, who = excluded.who, because = excluded.because, \
             decided = excluded.decided",
        )
        .bind(decision.target.to_string())
        .bind(decision.ruling.kind.as_str())
        .bind(&decision.ruling.by)
        .bind(&decision.ruling.because)
        .bind(time_text(decision.decided))
        .execute(&self.pool)
        .await
        .map_err(failed_to("record a decision"))?;
        Ok(())
    }

    /// Takes a decision back; says whether there was one.
    pub async fn undecide(&self, target: &ItemName) -> Result<bool, StoreError> {
        self.may_publish()?;
        let done = sqlx::query("DELETE FROM decision WHERE target = $1")
            .bind(target.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed_to("take back a decision"))?;
        Ok(done.rows_affected() > 0)
    }

    /// All decisions, by target.
    pub async fn decisions(&self) -> Result<Vec<Decision>, StoreError> {
        let read = failed_to("read the decisions");
        let rows = sqlx::query("SELECT target, kind, who, because, decided FROM decision ORDER BY target")
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let target: String = row.try_get(0).map_err(&read)?;
                let what = format!("the decision about `{target}`");
                let kind = match row.try_get::<String, _>(1).map_err(&read)?.as_str() {
                    "pin" => RulingKind::Pin,
                    "deny" => RulingKind::Deny,
                    other => return Err(bad_data(what, format!("`{other}` is neither pin nor deny"))),
                };
                let by = row.try_get(2).map_err(&read)?;
                let because = row.try_get(3).map_err(&read)?;
                let decided = time_of(&row.try_get::<String, _>(4).map_err(&read)?, &what)?;
                let target = target.parse().map_err(|error| bad_data(what, error))?;
                Ok(Decision { target, ruling: Ruling { kind, by, because }, decided })
            })
            .collect()
    }
}

/// Decisions by target, for finding the one that governs an item.
#[derive(Debug, Default)]
pub(crate) struct Rulings(HashMap<ItemName, Ruling>);

impl Rulings {
    pub(crate) fn new(decisions: Vec<Decision>) -> Self {
        Self(decisions.into_iter().map(|decision| (decision.target, decision.ruling)).collect())
    }

    /// The ruling about an item: its own, else its table's.
    pub(crate) fn of(&self, item: &ItemName) -> Option<&Ruling> {
        let own = self.0.get(item);
        own.or_else(|| self.0.get(&ItemName { table: item.table.clone(), partition: String::new() }))
    }

    /// Everything that was decided about.
    pub(crate) fn items(&self) -> impl Iterator<Item = &ItemName> {
        self.0.keys()
    }

    pub(crate) fn has_pin(&self) -> bool {
        self.0.values().any(|ruling| ruling.kind == RulingKind::Pin)
    }
}
