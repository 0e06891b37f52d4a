//! What the last choice weighed, and how it decided.

use larder_model::{ItemName, TableName};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::{INSERT_ROWS_MAX, Store, StoreError, bad_data, count_of, failed_to, placeholders, to_sql};
use crate::choice::{Candidate, Caps, Factor, Ruling, RulingKind};
use crate::value::Reads;

/// What the last choice weighed, and how it decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateRow {
    /// The table and partition.
    pub item: ItemName,
    /// What holding it takes: its size at the origin, or that of the columns that are worth it.
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
    /// What loading it costs, in seconds.
    #[serde(default)]
    pub load_seconds: f64,
    /// Whether the version in force then held it, so that it need not be loaded.
    #[serde(default)]
    pub held: bool,
    /// What its value is made of.
    #[serde(default)]
    pub factors: Vec<Factor>,
    /// Whether it was taken.
    pub taken: bool,
    /// Its place by density, from 1; zero of an item in force that was not weighed.
    pub rank: u64,
    /// Why it was taken or not, in words.
    pub reason: String,
    /// What people decided about it.
    pub ruling: Option<RulingKind>,
}

/// A choice as it was made: what it kept to, and what became of each candidate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdicts {
    /// The bytes that items might take together.
    pub budget_bytes: u64,
    /// The price of space, in seconds per byte.
    pub cut_density: f64,
    /// What might be held of tables and for owners.
    pub caps: Caps,
    /// Every candidate.
    pub rows: Vec<CandidateRow>,
}

/// What the last choice kept to.
#[derive(Debug, Clone, PartialEq)]
pub struct LastChoice {
    /// The version that came of it, or that it left in force.
    pub version: u64,
    /// The bytes that items might take together.
    pub budget_bytes: u64,
    /// The price of space, in seconds per byte.
    pub cut_density: f64,
    /// What might be held of tables and for owners.
    pub caps: Caps,
}

/// The candidates of one table together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableRow {
    /// The table.
    pub table: TableName,
    /// Its partitions, or 1.
    pub items: u64,
    /// What holding all of it takes.
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

impl Store {
    /// Keeps a choice that changed nothing: `version` stays in force.
    pub async fn set_verdicts(&self, verdicts: &Verdicts, version: u64) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        replace_verdicts(&mut transaction, verdicts, version).await?;
        transaction.commit().await.map_err(failed_to("keep the verdicts"))
    }

    /// What the last choice kept to.
    pub async fn last_choice(&self) -> Result<Option<LastChoice>, StoreError> {
        let read = failed_to("read the last choice");
        let row = sqlx::query("SELECT version, budget_bytes, cut_density, caps FROM choice")
            .fetch_optional(&self.pool)
            .await
            .map_err(&read)?;
        let Some(row) = row else { return Ok(None) };
        let caps: String = row.try_get("caps").map_err(&read)?;
        Ok(Some(LastChoice {
            version: count_of(&row, "version").map_err(&read)?,
            budget_bytes: count_of(&row, "budget_bytes").map_err(&read)?,
            cut_density: row.try_get("cut_density").map_err(&read)?,
            caps: serde_json::from_str(&caps).map_err(|error| bad_data("the last choice's caps", error))?,
        }))
    }

    /// The candidates of the last choice as it saw them, but for who decided what. The densest come first.
    pub async fn weighed(&self) -> Result<Vec<Candidate>, StoreError> {
        let read = failed_to("read the candidates");
        let rows = sqlx::query(
            "SELECT table_name, partition_name, bytes, value_seconds, load_seconds, held, ruling FROM candidate \
             ORDER BY place",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                let ruling = ruling_of(row)?.map(|kind| Ruling { kind, by: String::new(), because: String::new() });
                Ok(Candidate {
                    item: super::catalog::item_of(row)?,
                    bytes: count_of(row, "bytes").map_err(&read)?,
                    value_seconds: row.try_get("value_seconds").map_err(&read)?,
                    load_seconds: row.try_get("load_seconds").map_err(&read)?,
                    held: count_of(row, "held").map_err(&read)? > 0,
                    ruling,
                })
            })
            .collect()
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

pub(super) async fn replace_verdicts(
    transaction: &mut sqlx::Transaction<'static, sqlx::Any>,
    verdicts: &Verdicts,
    version: u64,
) -> Result<(), StoreError> {
    let failed = failed_to("keep the verdicts");
    sqlx::query("DELETE FROM choice").execute(&mut **transaction).await.map_err(&failed)?;
    sqlx::query("INSERT INTO choice (id, version, budget_bytes, cut_density, caps) VALUES (1, $1, $2, $3, $4)")
        .bind(to_sql(version))
        .bind(to_sql(verdicts.budget_bytes))
        .bind(verdicts.cut_density)
        .bind(serde_json::to_string(&verdicts.caps).expect("plain data always serialises"))
        .execute(&mut **transaction)
        .await
        .map_err(&failed)?;
    sqlx::query("DELETE FROM candidate").execute(&mut **transaction).await.map_err(&failed)?;
    for chunk in verdicts.rows.chunks(INSERT_ROWS_MAX) {
        let statement = format!(
            "INSERT INTO candidate (table_name, partition_name, bytes, objects, requests, read_bytes, queries, \
             value_seconds, taken, place, reason, ruling, held, load_seconds, factors) VALUES {}",
            placeholders(chunk.len(), 15)
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
                .bind(row.ruling.map(|ruling| ruling.as_str().to_owned()))
                .bind(i64::from(row.held))
                .bind(row.load_seconds)
                .bind(factors_text(&row.factors));
        }
        insert.execute(&mut **transaction).await.map_err(&failed)?;
    }
    Ok(())
}

pub(super) fn candidate_row(row: &AnyRow) -> Result<CandidateRow, StoreError> {
    let read = failed_to("read a verdict");
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
        load_seconds: row.try_get("load_seconds").map_err(&read)?,
        held: count_of(row, "held").map_err(&read)? > 0,
        factors: match row.try_get::<Option<String>, _>("factors").map_err(&read)? {
            Some(text) => serde_json::from_str(&text).map_err(|error| bad_data("an item's factors", error))?,
            None => Vec::new(),
        },
        taken: count_of(row, "taken").map_err(&read)? > 0,
        rank: count_of(row, "place").map_err(&read)?,
        reason: row.try_get("reason").map_err(&read)?,
        ruling: ruling_of(row)?,
    })
}

/// Most items of a catalog were not read, and have none.
fn factors_text(factors: &[Factor]) -> Option<String> {
    (!factors.is_empty()).then(|| serde_json::to_string(factors).expect("plain data always serialises"))
}

fn ruling_of(row: &AnyRow) -> Result<Option<RulingKind>, StoreError> {
    let ruling: Option<String> = row.try_get("ruling").map_err(failed_to("read a verdict"))?;
    Ok(match ruling.as_deref() {
        Some("pin") => Some(RulingKind::Pin),
        Some("deny") => Some(RulingKind::Deny),
        _ => None,
    })
}
