//! Each day's queries: the longest and the largest, and who ran how many.

use chrono::{DateTime, NaiveDate, Utc};
use larder_model::TableName;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::{INSERT_ROWS_MAX, Store, StoreError, bad_data, count_of, failed_to, placeholders, time_text, to_sql};

/// One query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DayQuery {
    /// What ran it.
    pub engine: String,
    /// The engine's own id.
    pub query_id: String,
    /// Who asked.
    pub user: String,
    /// When it was submitted.
    pub created: DateTime<Utc>,
    /// How long it took until it ended.
    pub seconds: f64,
    /// Whether it finished.
    pub succeeded: bool,
    /// The statement's beginning, where the engine tells.
    pub query: Option<String>,
    /// Bytes that it read, by the engine's own count.
    pub read_bytes: u64,
    /// The share from memory and SSD of all bytes that were read of its tables while it ran; absent where none were read
    /// through Larder.
    pub cached_share: Option<f64>,
    /// IO time that it would have taken less, had the SSD answered it, in seconds.
    pub missed_seconds: f64,
    /// The tables that it read.
    pub reads: Vec<QueryRead>,
}

/// What a query read of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueryRead {
    /// The table.
    pub table: TableName,
    /// The partitions, at most 100; empty where the engine does not say or the table has none.
    pub partitions: Vec<String>,
    /// How many there were.
    pub partitions_total: u64,
    /// Bytes read of it.
    pub read_bytes: u64,
}

/// Queries that have something in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueryGroup {
    /// What they have in common.
    pub kind: GroupKind,
    /// Its name.
    pub name: String,
    /// How many.
    pub queries: u64,
    /// How long they took together.
    pub seconds: f64,
    /// Bytes that they read.
    pub read_bytes: u64,
}

/// What queries are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// What ran them.
    Engine,
    /// A table that they read.
    Table,
    /// Who asked.
    User,
}

impl GroupKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Table => "table",
            Self::User => "user",
        }
    }
}

impl Store {
    /// Puts a day's queries in the place of what was known of them, all at once.
    pub async fn replace_queries(
        &self,
        day: NaiveDate,
        queries: &[DayQuery],
        groups: &[QueryGroup],
    ) -> Result<(), StoreError> {
        let failed = failed_to("keep a day's queries");
        let day = day.to_string();
        let mut transaction = self.begin().await?;
        for statement in ["DELETE FROM day_query WHERE day = $1", "DELETE FROM day_query_group WHERE day = $1"] {
            sqlx::query(statement).bind(&day).execute(&mut *transaction).await.map_err(&failed)?;
        }
        for chunk in queries.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO day_query (day, engine, query_id, created, document) VALUES {}",
                placeholders(chunk.len(), 5)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for query in chunk {
                insert = insert
                    .bind(&day)
                    .bind(&query.engine)
                    .bind(&query.query_id)
                    .bind(time_text(query.created))
                    .bind(serde_json::to_string(query).expect("plain data always serialises"));
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        for chunk in groups.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO day_query_group (day, kind, name, queries, seconds, bytes) VALUES {}",
                placeholders(chunk.len(), 6)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for group in chunk {
                insert = insert
                    .bind(&day)
                    .bind(group.kind.as_str())
                    .bind(&group.name)
                    .bind(to_sql(group.queries))
                    .bind(group.seconds)
                    .bind(to_sql(group.read_bytes));
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// The queries that were kept of the days from `first` to `last`, the newest first.
    pub async fn queries(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<DayQuery>, StoreError> {
        let read = failed_to("read the queries");
        let rows = sqlx::query(
            "SELECT query_id, document FROM day_query WHERE day >= $1 AND day <= $2 ORDER BY created DESC, query_id",
        )
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let (id, document): (String, String) = (row.try_get(0).map_err(&read)?, row.try_get(1).map_err(&read)?);
                serde_json::from_str(&document).map_err(|error| bad_data(format!("query `{id}`"), error))
            })
            .collect()
    }

    /// Who ran how many queries from `first` to `last`: those that took longest together first, so many of each kind.
    pub async fn query_groups(
        &self,
        kind: GroupKind,
        first: NaiveDate,
        last: NaiveDate,
        limit: u32,
    ) -> Result<Vec<QueryGroup>, StoreError> {
        let read = failed_to("read who asked");
        let rows = sqlx::query(
            "SELECT name, CAST(SUM(queries) AS BIGINT) AS queries, SUM(seconds) AS seconds, \
             CAST(SUM(bytes) AS BIGINT) AS bytes FROM day_query_group WHERE kind = $1 AND day >= $2 AND day <= $3 \
             GROUP BY name ORDER BY seconds DESC, name LIMIT $4",
        )
        .bind(kind.as_str())
        .bind(first.to_string())
        .bind(last.to_string())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                Ok(QueryGroup {
                    kind,
                    name: row.try_get("name").map_err(&read)?,
                    queries: count_of(row, "queries").map_err(&read)?,
                    seconds: row.try_get("seconds").map_err(&read)?,
                    read_bytes: count_of(row, "bytes").map_err(&read)?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{day, scratch};

    #[tokio::test]
    async fn queries_of_a_day_are_replaced_and_groups_add_up_over_days() {
        let (_folder, store) = scratch().await;
        let query = |id: &str, created: &str| DayQuery {
            engine: "trino".into(),
            query_id: id.into(),
            user: "ana".into(),
            created: created.parse().unwrap(),
            seconds: 1.5,
            succeeded: true,
            query: Some("SELECT 1".into()),
            read_bytes: 10,
            cached_share: Some(0.5),
            missed_seconds: 0.25,
            reads: Vec::new(),
        };
        let group = |name: &str, seconds| QueryGroup {
            kind: GroupKind::User,
            name: name.into(),
            queries: 2,
            seconds,
            read_bytes: 10,
        };
        let (first, second) = (day("2026-11-18"), day("2026-11-19"));
        let (old, new) = (query("1", "2026-11-18T09:00:00Z"), query("2", "2026-11-19T09:00:00Z"));
        store.replace_queries(first, std::slice::from_ref(&new), &[group("ana", 9.0)]).await.unwrap();
        store.replace_queries(first, std::slice::from_ref(&old), &[group("ana", 3.0)]).await.unwrap();
        store
            .replace_queries(second, std::slice::from_ref(&new), &[group("ana", 3.0), group("ben", 4.0)])
            .await
            .unwrap();
        assert_eq!(store.queries(first, second).await.unwrap(), [new.clone(), old]);
        assert_eq!(store.queries(second, second).await.unwrap(), [new]);
        let groups = store.query_groups(GroupKind::User, first, second, 10).await.unwrap();
        let ana = QueryGroup { queries: 4, seconds: 6.0, read_bytes: 20, ..group("ana", 0.0) };
        assert_eq!(groups, [ana, group("ben", 4.0)]);
        assert!(store.query_groups(GroupKind::Table, first, second, 10).await.unwrap().is_empty());
        store.forget_days_before(second).await.unwrap();
        assert_eq!(store.queries(first, second).await.unwrap().len(), 1);
    }
}
