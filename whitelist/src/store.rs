//! The store: what the control path remembers between nights.
//!
//! SQLite in a file by default, PostgreSQL by URL for a fleet. One set of statements serves both, so they are written
//! in what the two have in common: `$1` parameters, `ON CONFLICT`, text, integers and doubles.

mod activity;
pub(crate) mod candidates;
mod catalog;
mod columns;
mod days;
pub(crate) mod decisions;
mod items;
mod lease;
mod listed;
mod nights;
mod queries;
mod reads;
mod realised;
mod rewrites;
mod simulation;
mod usage;
pub(crate) mod versions;
mod workers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyPool, Row, Transaction};
use thiserror::Error;

pub use self::activity::{Activity, Deed};
pub use self::candidates::{CandidateRow, LastChoice, TableRow, Verdicts};
pub use self::catalog::CatalogItem;
pub(crate) use self::columns::COLUMN_HALF_LIFE_DAYS;
pub use self::columns::{DayColumn, DayPair};
pub use self::days::{DayItem, DaySummary, ItemHistory, SkippedFile};
pub use self::decisions::Decision;
pub use self::items::{ItemOrder, ItemPage, ItemQuery};
pub use self::lease::Lease;
pub use self::nights::{PreloadRun, StoredNight};
pub use self::queries::{DayQuery, GroupKind, QueryGroup, QueryRead};
pub use self::reads::{ItemReads, ReadsAndHits, TableDay};
pub(crate) use self::simulation::StoredSimulation;
pub use self::versions::{VersionRow, VersionStatus};
pub use self::workers::Worker;
use crate::settings::StoreSettings;

/// Why the store could not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It cannot be opened: fix `[store] url`, or what stands behind it.
    #[error("cannot open the store {url}: {problem}")]
    Open {
        /// The URL, without its password.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// A statement failed: try again; if it fails again, see to the database.
    #[error("the store failed to {doing}")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// Something stored cannot be read back: fix the row that is named.
    #[error("the store holds {what} that cannot be used: {problem}")]
    Data {
        /// Which row.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What was asked for does not fit what is stored: ask for something else.
    #[error("{0}")]
    Refused(String),
    /// Another night is under way: wait for it.
    #[error("{holder} is at work on the {lease} now; wait until it is done")]
    Busy {
        /// What is held.
        lease: String,
        /// Who holds it.
        holder: String,
    },
}

/// The store. Clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    embedded: bool,
    /// Where the whitelist comes from, if not from here.
    whitelist_from: Option<Arc<str>>,
}

impl Store {
    /// Opens the store, makes the file where there is none, and brings its tables up to date.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let shown = without_password(&settings.url);
        let failed = |problem: String| StoreError::Open { url: shown.clone(), problem };
        let embedded = settings.url.starts_with("sqlite:");
        if !embedded && !settings.url.starts_with("postgres:") && !settings.url.starts_with("postgresql:") {
            return Err(failed("the URL must begin with sqlite:// or postgres://".into()));
        }
        let mut url = settings.url.clone();
        if embedded {
            make_folder(&url).map_err(|error| failed(format!("its folder cannot be made: {error}")))?;
            if !url.contains("mode=") {
                url.push_str(if url.contains('?') { "&mode=rwc" } else { "?mode=rwc" });
            }
        }
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if embedded {
                        // Readers go on while a night writes; what a power cut may take is the last night, which is rerun.
                        for pragma in
                            ["PRAGMA busy_timeout = 10000", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"]
                        {
                            sqlx::query(pragma).execute(&mut *connection).await?;
                        }
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await
            .map_err(|error| failed(error.to_string()))?;
        sqlx::migrate!("./migrations").run(&pool).await.map_err(|error| failed(error.to_string()))?;
        Ok(Self { pool, embedded, whitelist_from: settings.whitelist_from.as_deref().map(Arc::from) })
    }

    /// Closes the connections once what is under way is done.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map_err(failed_to("answer"))?;
        Ok(())
    }

    /// Begins a transaction that will write. SQLite takes the write lock at once: one that began by reading and then
    /// found another writer ahead of it could only fail.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = if self.embedded { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.pool.begin_with(begin).await.map_err(failed_to("begin a transaction"))
    }
}

const CONNECTIONS_MAX: u32 = 8;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Rows of one `INSERT`. Few, because SQLite looks each parameter up among those before it: statements of 500 rows took
/// eight tenths of a night over a large log.
const INSERT_ROWS_MAX: usize = 25;

fn make_folder(url: &str) -> std::io::Result<()> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//").split('?').next().unwrap_or_default();
    match Path::new(path).parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !path.starts_with(":memory:") => {
            std::fs::create_dir_all(folder)
        }
        _ => Ok(()),
    }
}

fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            // A URL that has a password has a host, which is all that this can fail for.
            let _ = parsed.set_password(Some("***"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

fn failed_to(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Statement { doing, source }
}

fn bad_data(what: impl Into<String>, problem: impl ToString) -> StoreError {
    StoreError::Data { what: what.into(), problem: problem.to_string() }
}

/// `($1, $2), ($3, $4)`, for an `INSERT` of several rows.
fn placeholders(rows: usize, columns: usize) -> String {
    let row = |at: usize| {
        let fields: Vec<String> = (1..=columns).map(|column| format!("${}", at * columns + column)).collect();
        format!("({})", fields.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// Counts above this (9 PB) come from broken logs; held to it, no sum over days and items can overflow.
const COUNT_MAX: u64 = 1 << 53;

fn to_sql(count: u64) -> i64 {
    i64::try_from(count.min(COUNT_MAX)).expect("the greatest count fits")
}

fn count_of(row: &AnyRow, column: &str) -> Result<u64, sqlx::Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn time_of(text: &str, what: &str) -> Result<DateTime<Utc>, StoreError> {
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(|error| bad_data(what, error))
}

fn day_of(text: &str, what: &str) -> Result<NaiveDate, StoreError> {
    text.parse().map_err(|error| bad_data(format!("{what} `{text}`"), error))
}

#[cfg(test)]
pub(crate) mod tests;
