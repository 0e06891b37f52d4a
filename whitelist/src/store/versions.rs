//! Whitelist versions, and the verdicts of the last choice.

use chrono::{DateTime, NaiveDate, Utc};
use larder_model::{ItemName, TableName, Whitelist};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::{
    INSERT_ROWS_MAX, Store, StoreError, bad_data, count_of, day_of, failed_to, placeholders, time_of, time_text, to_sql,
};
use crate::choice::RulingKind;
use crate::value::Reads;

/// How far a version has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VersionStatus {
    /// It waits for approval.
    Proposed,
    /// It is, or was, in force.
    Published,
}

impl VersionStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Published => "published",
        }
    }
}

/// A version without its items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VersionRow {
    /// Its number.
    pub version: u64,
    /// How far it has come.
    pub status: VersionStatus,
    /// When it was published, or proposed.
    pub created: DateTime<Utc>,
    /// The last day of logs it was computed from.
    pub night: NaiveDate,
    /// Why it exists.
    pub reason: String,
    /// How many items it holds.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their value, in seconds.
    pub value_seconds: f64,
}

/// What the last choice weighed, and how it decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateRow {
    /// The table and partition.
    pub item: ItemName,
    /// Its size at the origin.
    pub bytes: u64,
    /// Its objects.
    pub objects: u64,
    /// Requests and bytes read over the history.
    #[serde(flatten)]
    pub reads: Reads,
    /// Queries that named it over the history.
    pub queries: u64,
    /// What holding it saves, in seconds.
    pub value_seconds: f64,
    /// Whether it was taken.
    pub taken: bool,
    /// Its place by density, from 1.
    pub rank: u64,
    /// Why it was taken or not, in words.
    pub reason: String,
    /// What people decided about it.
    pub ruling: Option<RulingKind>,
}

/// The candidates of one table together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableRow {
    /// The table.
    pub table: TableName,
    /// Its partitions, or 1.
    pub items: u64,
    /// Its size at the origin.
    pub bytes: u64,
    /// Its objects.
    pub objects: u64,
    /// Requests and bytes read over the history.
    #[serde(flatten)]
    pub reads: Reads,
    /// The most queries that named any one of its items over the history.
    pub queries: u64,
    /// What holding all of it saves, in seconds.
    pub value_seconds: f64,
}

const VERSION_COLUMNS: &str = "version, status, created, night, reason, items, bytes, value_seconds";

impl Store {
    /// The number of the version in force.
    pub async fn version_in_force(&self) -> Result<Option<u64>, StoreError> {
        let read = failed_to("read the whitelist's version");
        let row = sqlx::query("SELECT MAX(version) AS version FROM whitelist WHERE status = 'published'")
            .fetch_one(&self.pool)
            .await
            .map_err(&read)?;
        let version: Option<i64> = row.try_get("version").map_err(&read)?;
        Ok(version.and_then(|version| u64::try_from(version).ok()))
    }

    /// The whitelist in force.
    pub async fn whitelist_in_force(&self) -> Result<Option<Whitelist>, StoreError> {
        match self.version_in_force().await? {
            Some(version) => self.whitelist(version).await,
            None => Ok(None),
        }
    }

    /// A version's document.
    pub async fn whitelist(&self, version: u64) -> Result<Option<Whitelist>, StoreError> {
        let read = failed_to("read a whitelist");
        let row = sqlx::query("SELECT document FROM whitelist WHERE version = $1")
            .bind(to_sql(version))
            .fetch_optional(&self.pool)
            .await
            .map_err(&read)?;
        let Some(row) = row else { return Ok(None) };
        let text: String = row.try_get(0).map_err(&read)?;
        let document = Whitelist::parse(text.as_bytes());
        document.map(Some).map_err(|error| bad_data(format!("whitelist version {version}"), error))
    }

    /// The newest versions, the newest first.
    pub async fn versions(&self, limit: u32) -> Result<Vec<VersionRow>, StoreError> {
        let statement = format!("SELECT {VERSION_COLUMNS} FROM whitelist ORDER BY version DESC LIMIT $1");
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed_to("read the whitelist's history"))?;
        rows.iter().map(version_row).collect()
    }

    /// One version without its items.
    pub async fn version(&self, version: u64) -> Result<Option<VersionRow>, StoreError> {
        let statement = format!("SELECT {VERSION_COLUMNS} FROM whitelist WHERE version = $1");
        let row = sqlx::query(AssertSqlSafe(statement))
            .bind(to_sql(version))
            .fetch_optional(&self.pool)
            .await
            .map_err(failed_to("read a version"))?;
        row.as_ref().map(version_row).transpose()
    }

    /// Numbers a document one above the highest version, and keeps it. Together with a night's document its verdicts
    /// are kept, all at once.
    pub async fn add_version(
        &self,
        mut document: Whitelist,
        status: VersionStatus,
        candidates: Option<&[CandidateRow]>,
    ) -> Result<Whitelist, StoreError> {
        let failed = failed_to("add a whitelist version");
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM whitelist")
            .fetch_one(&mut *transaction)
            .await
            .map_err(&failed)?;
        document.version = count_of(&row, "version").map_err(&failed)? + 1;
        document.validate().map_err(|error| bad_data("a document about to be published", error))?;
        sqlx::query(
            "INSERT INTO whitelist (version, status, created, night, reason, items, bytes, value_seconds, document) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(to_sql(document.version))
        .bind(status.as_str())
        .bind(time_text(document.created))
        .bind(document.night.to_string())
        .bind(&document.reason)
        .bind(to_sql(document.items.len() as u64))
        .bind(to_sql(document.bytes()))
        .bind(document.items.iter().map(|item| item.value_seconds).sum::<f64>())
        .bind(String::from_utf8(document.to_json()).expect("JSON is UTF-8"))
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        if let Some(candidates) = candidates {
            replace_candidates(&mut transaction, candidates).await?;
        }
        transaction.commit().await.map_err(&failed)?;
        Ok(document)
    }

    /// Keeps the verdicts of a choice that changed nothing.
    pub async fn set_candidates(&self, candidates: &[CandidateRow]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        replace_candidates(&mut transaction, candidates).await?;
        transaction.commit().await.map_err(failed_to("keep the verdicts"))
    }

    /// Puts a proposal in force, with the reason and time of its approval. Says whether it was still a proposal.
    pub(crate) async fn publish_proposal(&self, document: &Whitelist) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE whitelist SET status = 'published', created = $1, reason = $2, document = $3 \
             WHERE version = $4 AND status = 'proposed' \
             AND NOT EXISTS (SELECT 1 FROM whitelist newer WHERE newer.version > $4 AND newer.status = 'published')",
        )
        .bind(time_text(document.created))
        .bind(&document.reason)
        .bind(String::from_utf8(document.to_json()).expect("JSON is UTF-8"))
        .bind(to_sql(document.version))
        .execute(&self.pool)
        .await
        .map_err(failed_to("publish a proposal"))?;
        Ok(done.rows_affected() > 0)
    }

    /// All verdicts of the last choice, the densest first.
    pub async fn candidates(&self) -> Result<Vec<CandidateRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM candidate ORDER BY place")
            .fetch_all(&self.pool)
            .await
            .map_err(failed_to("read the verdicts"))?;
        rows.iter().map(candidate_row).collect()
    }

    /// The verdicts about one table's items, the densest first.
    pub async fn candidates_of(&self, table: &TableName, limit: u32) -> Result<Vec<CandidateRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM candidate WHERE table_name = $1 ORDER BY place LIMIT $2")
            .bind(table.to_string())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed_to("read a table's verdicts"))?;
        rows.iter().map(candidate_row).collect()
    }

    /// The verdict about one item.
    pub async fn candidate(&self, item: &ItemName) -> Result<Option<CandidateRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM candidate WHERE table_name = $1 AND partition_name = $2")
            .bind(item.table.to_string())
            .bind(item.partition.clone())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed_to("read an item's verdict"))?;
        row.as_ref().map(candidate_row).transpose()
    }

    /// The candidates by table, the most valuable first.
    pub async fn tables(&self, limit: u32) -> Result<Vec<TableRow>, StoreError> {
        let read = failed_to("read the tables");
        let rows = sqlx::query(
            "SELECT table_name, '' AS partition_name, COUNT(*) AS items, CAST(SUM(bytes) AS BIGINT) AS bytes, \
             CAST(SUM(objects) AS BIGINT) AS objects, SUM(CAST(requests AS DOUBLE PRECISION)) AS requests, \
             SUM(CAST(read_bytes AS DOUBLE PRECISION)) AS read_bytes, MAX(queries) AS queries, \
             SUM(value_seconds) AS value_seconds FROM candidate GROUP BY table_name \
             ORDER BY value_seconds DESC, table_name LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                Ok(TableRow {
                    table: super::catalog::item_of(row)?.table,
                    items: count_of(row, "items").map_err(&read)?,
                    bytes: count_of(row, "bytes").map_err(&read)?,
                    objects: count_of(row, "objects").map_err(&read)?,
                    // Summed as doubles: broken logs may hold counts whose sum no integer can.
                    reads: Reads {
                        requests: row.try_get::<f64, _>("requests").map_err(&read)? as u64,
                        bytes: row.try_get::<f64, _>("read_bytes").map_err(&read)? as u64,
                    },
                    queries: count_of(row, "queries").map_err(&read)?,
                    value_seconds: row.try_get("value_seconds").map_err(&read)?,
                })
            })
            .collect()
    }
}

async fn replace_candidates(
    transaction: &mut sqlx::Transaction<'static, sqlx::Any>,
    candidates: &[CandidateRow],
) -> Result<(), StoreError> {
    let failed = failed_to("keep the verdicts");
    sqlx::query("DELETE FROM candidate").execute(&mut **transaction).await.map_err(&failed)?;
    for chunk in candidates.chunks(INSERT_ROWS_MAX) {
        let statement = format!(
            "INSERT INTO candidate (table_name, partition_name, bytes, objects, requests, read_bytes, queries, \
             value_seconds, taken, place, reason, ruling) VALUES {}",
            placeholders(chunk.len(), 12)
        );
        let mut insert = sqlx::query(AssertSqlSafe(statement));
        for row in chunk {
            insert = insert
                .bind(row.item.table.to_string())
                .bind(&row.item.partition)
                .bind(to_sql(row.bytes))
                .bind(to_sql(row.objects))
                .bind(to_sql(row.reads.requests))
                .bind(to_sql(row.reads.bytes))
                .bind(to_sql(row.queries))
                .bind(row.value_seconds)
                .bind(i64::from(row.taken))
                .bind(to_sql(row.rank))
                .bind(&row.reason)
                .bind(row.ruling.map(|ruling| ruling.as_str().to_owned()));
        }
        insert.execute(&mut **transaction).await.map_err(&failed)?;
    }
    Ok(())
}

fn version_row(row: &AnyRow) -> Result<VersionRow, StoreError> {
    let read = failed_to("read a version");
    let version = count_of(row, "version").map_err(&read)?;
    let what = format!("whitelist version {version}");
    let status = match row.try_get::<String, _>("status").map_err(&read)?.as_str() {
        "proposed" => VersionStatus::Proposed,
        "published" => VersionStatus::Published,
        other => return Err(bad_data(what, format!("`{other}` is no status"))),
    };
    Ok(VersionRow {
        version,
        status,
        created: time_of(&row.try_get::<String, _>("created").map_err(&read)?, &what)?,
        night: day_of(&row.try_get::<String, _>("night").map_err(&read)?, &what)?,
        reason: row.try_get("reason").map_err(&read)?,
        items: count_of(row, "items").map_err(&read)?,
        bytes: count_of(row, "bytes").map_err(&read)?,
        value_seconds: row.try_get("value_seconds").map_err(&read)?,
    })
}

fn candidate_row(row: &AnyRow) -> Result<CandidateRow, StoreError> {
    let read = failed_to("read a verdict");
    let ruling: Option<String> = row.try_get("ruling").map_err(&read)?;
    Ok(CandidateRow {
        item: super::catalog::item_of(row)?,
        bytes: count_of(row, "bytes").map_err(&read)?,
        objects: count_of(row, "objects").map_err(&read)?,
        reads: Reads {
            requests: count_of(row, "requests").map_err(&read)?,
            bytes: count_of(row, "read_bytes").map_err(&read)?,
        },
        queries: count_of(row, "queries").map_err(&read)?,
        value_seconds: row.try_get("value_seconds").map_err(&read)?,
        taken: count_of(row, "taken").map_err(&read)? > 0,
        rank: count_of(row, "place").map_err(&read)?,
        reason: row.try_get("reason").map_err(&read)?,
        ruling: match ruling.as_deref() {
            Some("pin") => Some(RulingKind::Pin),
            Some("deny") => Some(RulingKind::Deny),
            _ => None,
        },
    })
}
