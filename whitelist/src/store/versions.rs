//! Whitelist versions.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use larder_model::Whitelist;
use larder_model::whitelist::Cause;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};
use utoipa::ToSchema;

use super::candidates::{Verdicts, replace_verdicts};
use super::{Store, StoreError, bad_data, count_of, day_of, failed_to, time_of, time_text, to_sql};

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
    /// Why it exists, in words.
    pub reason: String,
    /// The same as it is.
    pub cause: Option<Cause>,
    /// How many items it holds.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their value, in seconds.
    pub value_seconds: f64,
}

/// Versions whose items are kept, so that they can be compared and rolled back to. Of older ones the history is kept.
pub(crate) const DOCUMENTS_MAX: u64 = 100;

const VERSION_COLUMNS: &str = "version, status, created, night, reason, cause, items, bytes, value_seconds";

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

    /// The whitelist in force as a day ended, if it was made from the logs of days before: the one that foretold the day.
    pub async fn whitelist_of_day(&self, day: NaiveDate) -> Result<Option<Whitelist>, StoreError> {
        let read = failed_to("read a day's whitelist");
        let end = (day + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
        let row = sqlx::query(
            "SELECT MAX(version) AS version FROM whitelist WHERE status = 'published' AND night < $1 AND created < $2",
        )
        .bind(day.to_string())
        .bind(time_text(end))
        .fetch_one(&self.pool)
        .await
        .map_err(&read)?;
        let version: Option<i64> = row.try_get("version").map_err(&read)?;
        match version.and_then(|version| u64::try_from(version).ok()) {
            Some(version) => self.whitelist(version).await,
            None => Ok(None),
        }
    }

    /// A version's document; `None` where there is no such version, or it is so old that its items were let go.
    pub async fn whitelist(&self, version: u64) -> Result<Option<Whitelist>, StoreError> {
        let read = failed_to("read a whitelist");
        let row = sqlx::query("SELECT document FROM whitelist WHERE version = $1")
            .bind(to_sql(version))
            .fetch_optional(&self.pool)
            .await
            .map_err(&read)?;
        let Some(row) = row else { return Ok(None) };
        let text: String = row.try_get(0).map_err(&read)?;
        if text.is_empty() {
            return Ok(None);
        }
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

    /// The published version before this one.
    pub async fn published_before(&self, version: u64) -> Result<Option<u64>, StoreError> {
        let read = failed_to("read the whitelist's history");
        let row =
            sqlx::query("SELECT MAX(version) AS version FROM whitelist WHERE status = 'published' AND version < $1")
                .bind(to_sql(version))
                .fetch_one(&self.pool)
                .await
                .map_err(&read)?;
        let before: Option<i64> = row.try_get("version").map_err(&read)?;
        Ok(before.and_then(|before| u64::try_from(before).ok()))
    }

    /// Numbers a document one above the highest version, and keeps it. Together with a night's document its verdicts
    /// are kept, all at once.
    pub async fn add_version(
        &self,
        document: Whitelist,
        status: VersionStatus,
        verdicts: Option<&Verdicts>,
    ) -> Result<Whitelist, StoreError> {
        self.may_publish()?;
        let mut transaction = self.begin().await?;
        let document = insert_next_version(&mut transaction, document, status, verdicts).await?;
        transaction.commit().await.map_err(failed_to("add a whitelist version"))?;
        Ok(document)
    }

    /// Publishes a document from elsewhere under the number that it has. Says whether it is new here; one that is older than
    /// what is here, or another of the same number, is refused.
    pub(crate) async fn adopt(&self, document: &Whitelist) -> Result<bool, StoreError> {
        let failed = failed_to("take a whitelist from elsewhere");
        let mut transaction = self.begin().await?;
        let newest = newest_version(&mut transaction).await?;
        if document.version > newest {
            insert_version(&mut transaction, document, VersionStatus::Published).await?;
            transaction.commit().await.map_err(&failed)?;
            return Ok(true);
        }
        transaction.rollback().await.map_err(&failed)?;
        if document.version == newest && self.whitelist(newest).await?.as_ref() == Some(document) {
            return Ok(false);
        }
        let number = document.version;
        Err(StoreError::Refused(format!("it is version {number}, and version {newest} is in this store already")))
    }

    /// Only one place decides and numbers versions.
    pub(crate) fn may_publish(&self) -> Result<(), StoreError> {
        match &self.whitelist_from {
            None => Ok(()),
            Some(place) => Err(StoreError::Refused(format!(
                "the whitelist comes from {place} ([store] whitelist_from): decide and publish where that is written"
            ))),
        }
    }

    /// Publishes a document if the version that it was made from is still in force; `None` if another is.
    pub(crate) async fn publish_over(&self, over: u64, document: Whitelist) -> Result<Option<Whitelist>, StoreError> {
        let failed = failed_to("add a whitelist version");
        self.may_publish()?;
        let mut transaction = self.begin().await?;
        let row = sqlx::query(
            "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) AS version FROM whitelist WHERE status = 'published'",
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(&failed)?;
        if count_of(&row, "version").map_err(&failed)? != over {
            return Ok(None);
        }
        // Two that pass this at once want the same number, which only one of them gets.
        let document = insert_next_version(&mut transaction, document, VersionStatus::Published, None).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Some(document))
    }

    /// Puts a proposal in force, with the reason and time of its approval. Says whether it was still a proposal.
    pub(crate) async fn publish_proposal(&self, document: &Whitelist) -> Result<bool, StoreError> {
        self.may_publish()?;
        let done = sqlx::query(
            "UPDATE whitelist SET status = 'published', created = $1, reason = $2, cause = $3, document = $4 \
             WHERE version = $5 AND status = 'proposed' \
             AND NOT EXISTS (SELECT 1 FROM whitelist newer WHERE newer.version > $5 AND newer.status = 'published')",
        )
        .bind(time_text(document.created))
        .bind(&document.reason)
        .bind(cause_text(document))
        .bind(String::from_utf8(document.to_json()).expect("JSON is UTF-8"))
        .bind(to_sql(document.version))
        .execute(&self.pool)
        .await
        .map_err(failed_to("publish a proposal"))?;
        Ok(done.rows_affected() > 0)
    }
}

/// The highest number that a version has; zero for none.
async fn newest_version(transaction: &mut Transaction<'static, Any>) -> Result<u64, StoreError> {
    let read = failed_to("read the whitelist's version");
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM whitelist")
        .fetch_one(&mut **transaction)
        .await
        .map_err(&read)?;
    count_of(&row, "version").map_err(&read)
}

async fn insert_next_version(
    transaction: &mut Transaction<'static, Any>,
    mut document: Whitelist,
    status: VersionStatus,
    verdicts: Option<&Verdicts>,
) -> Result<Whitelist, StoreError> {
    document.version = newest_version(transaction).await? + 1;
    document.validate().map_err(|error| bad_data("a document about to be published", error))?;
    insert_version(transaction, &document, status).await?;
    if let Some(verdicts) = verdicts {
        replace_verdicts(transaction, verdicts, document.version).await?;
    }
    Ok(document)
}

async fn insert_version(
    transaction: &mut Transaction<'static, Any>,
    document: &Whitelist,
    status: VersionStatus,
) -> Result<(), StoreError> {
    let failed = failed_to("add a whitelist version");
    sqlx::query(
        "INSERT INTO whitelist (version, status, created, night, reason, cause, items, bytes, value_seconds, document) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(to_sql(document.version))
    .bind(status.as_str())
    .bind(time_text(document.created))
    .bind(document.night.to_string())
    .bind(&document.reason)
    .bind(cause_text(document))
    .bind(to_sql(document.items.len() as u64))
    .bind(to_sql(document.bytes()))
    .bind(document.items.iter().map(|item| item.value_seconds).sum::<f64>())
    .bind(String::from_utf8(document.to_json()).expect("JSON is UTF-8"))
    .execute(&mut **transaction)
    .await
    .map_err(&failed)?;
    // What is in force stays, however many were proposed since.
    sqlx::query(
        "UPDATE whitelist SET document = '' WHERE version <= $1 AND document <> '' \
         AND version < (SELECT MAX(version) FROM whitelist WHERE status = 'published')",
    )
    .bind(to_sql(document.version.saturating_sub(DOCUMENTS_MAX)))
    .execute(&mut **transaction)
    .await
    .map_err(&failed)?;
    Ok(())
}

fn cause_text(document: &Whitelist) -> String {
    serde_json::to_string(&document.cause).expect("plain data always serialises")
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
    let cause: String = row.try_get("cause").map_err(&read)?;
    Ok(VersionRow {
        version,
        status,
        created: time_of(&row.try_get::<String, _>("created").map_err(&read)?, &what)?,
        night: day_of(&row.try_get::<String, _>("night").map_err(&read)?, &what)?,
        reason: row.try_get("reason").map_err(&read)?,
        cause: serde_json::from_str(&cause).map_err(|error| bad_data(&what, error))?,
        items: count_of(row, "items").map_err(&read)?,
        bytes: count_of(row, "bytes").map_err(&read)?,
        value_seconds: row.try_get("value_seconds").map_err(&read)?,
    })
}
