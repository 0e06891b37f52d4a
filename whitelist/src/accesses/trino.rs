//! The statements of a night on a Trino cluster, over its REST protocol, where the logs of a fleet are tables.
//!
//! They are the ones that DataFusion runs, each in front of one day of a table. Three words differ, see [`of_day`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use datafusion::arrow::record_batch::RecordBatch;
use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::files::{DayFiles, LogFile};

/// An answer to one request that takes longer is none: Trino itself answers within seconds, if only that it is at work.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// A statement that takes longer is given up.
const DONE_WITHIN: Duration = Duration::from_secs(3600);
/// How long a coordinator that is too busy is left alone.
const PAUSE: Duration = Duration::from_millis(200);

/// `[nightly.trino]`: the cluster that aggregates the logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrinoSettings {
    /// The coordinator's URL.
    pub url: String,
    /// Who asks.
    #[serde(default = "nobody")]
    pub user: String,
    /// A file with the password, for a coordinator that wants one.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The access logs of all workers: `catalog.schema.table`, with a column `day` (`YYYY-MM-DD`).
    pub access: String,
    /// The query events, likewise; without it only the access log counts.
    #[serde(default)]
    pub events: Option<String>,
}

fn nobody() -> String {
    "larder".to_owned()
}

impl TrinoSettings {
    /// What is wrong with it, with the key that it is wrong in.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(format!(
                "nightly.trino.url: `{}` is no URL of a coordinator: write http://host:8080",
                self.url
            ));
        }
        let tables = [("access", Some(&self.access)), ("events", self.events.as_ref())];
        for (key, table) in tables.into_iter().filter_map(|(key, table)| Some((key, table?))) {
            let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if table.split('.').count() != 3 || !table.split('.').all(is_name) {
                return Err(format!("nightly.trino.{key}: `{table}` is no table: write catalog.schema.table"));
            }
        }
        Ok(())
    }
}

/// A statement that Trino did not answer.
#[derive(Debug, Error)]
pub enum TrinoError {
    /// The coordinator cannot be reached, or speaks otherwise.
    #[error("the coordinator does not answer as Trino does")]
    Transport(#[from] reqwest::Error),
    /// It answered something else than a statement's progress.
    #[error("the coordinator answers {0}")]
    Status(StatusCode),
    /// The statement failed there.
    #[error("{0}")]
    Failed(String),
    /// It took too long.
    #[error("no answer within an hour")]
    TooLong,
    /// An answer of other types than the statement has.
    #[error("an answer has a column of type `{0}`")]
    Type(String),
    /// The file with the password cannot be read.
    #[error("the password's file cannot be read")]
    Password(#[from] std::io::Error),
}

/// A cluster. Clones share it.
#[derive(Debug, Clone)]
pub struct Trino(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    settings: TrinoSettings,
    password: Option<String>,
}

/// Which of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    Access,
    Events,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    next_uri: Option<String>,
    columns: Option<Vec<Column>>,
    #[serde(default)]
    data: Vec<Vec<Value>>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Column {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

impl Trino {
    /// A cluster by its settings.
    pub fn new(settings: &TrinoSettings) -> Result<Self, TrinoError> {
        let password = match &settings.password_file {
            Some(file) => Some(std::fs::read_to_string(file)?.trim_end().to_owned()),
            None => None,
        };
        let client = reqwest::Client::builder().timeout(ANSWERS_WITHIN).build()?;
        Ok(Self(Arc::new(Inner { client, settings: settings.clone(), password })))
    }

    /// The days from `first` to `last` that have files, in order.
    pub(super) async fn days(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<DayFiles>, TrinoError> {
        let mut days: BTreeMap<NaiveDate, DayFiles> = BTreeMap::new();
        for log in [Log::Access, Log::Events] {
            let Some(table) = self.table(log) else { continue };
            let statement = format!(
                "SELECT day, \"$path\" AS path, \"$file_size\" AS bytes FROM {table} \
                 WHERE day BETWEEN '{first}' AND '{last}' GROUP BY day, \"$path\", \"$file_size\" ORDER BY day, path"
            );
            for batch in self.ask(&statement).await? {
                for row in 0..batch.num_rows() {
                    let Some(day) = super::text(&batch, 0, row).and_then(|day| day.parse().ok()) else { continue };
                    let Some(path) = super::text(&batch, 1, row) else { continue };
                    let file = LogFile { path: path.into(), bytes: super::integer(&batch, 2, row) };
                    let entry = days.entry(day).or_insert_with(|| DayFiles { day, access: vec![], events: vec![] });
                    match log {
                        Log::Access => entry.access.push(file),
                        Log::Events => entry.events.push(file),
                    }
                }
            }
        }
        Ok(days.into_values().collect())
    }

    /// Runs a statement over one day of a log.
    pub(super) async fn run(&self, log: Log, day: NaiveDate, statement: &str) -> Result<Vec<RecordBatch>, TrinoError> {
        match self.table(log) {
            Some(table) => self.ask(&of_day(statement, table, day)).await,
            None => Ok(Vec::new()),
        }
    }

    fn table(&self, log: Log) -> Option<&str> {
        match log {
            Log::Access => Some(&self.0.settings.access),
            Log::Events => self.0.settings.events.as_deref(),
        }
    }

    async fn ask(&self, statement: &str) -> Result<Vec<RecordBatch>, TrinoError> {
        let Inner { client, settings, .. } = &*self.0;
        let begun = Instant::now();
        let url = format!("{}/v1/statement", settings.url.trim_end_matches('/'));
        let mut progress = self.send(|| client.post(&url).body(statement.to_owned()), begun).await?;
        let mut batches = Vec::new();
        loop {
            if let Some(failure) = progress.error {
                return Err(TrinoError::Failed(failure.message));
            }
            if let Some(columns) = progress.columns.filter(|_| !progress.data.is_empty()) {
                batches.push(batch(&columns, &progress.data)?);
            }
            let Some(next) = progress.next_uri else { return Ok(batches) };
            if begun.elapsed() > DONE_WITHIN {
                // Trino ends what nobody asks for by itself; it may as well do so now.
                client.delete(&next).send().await.ok();
                return Err(TrinoError::TooLong);
            }
            progress = self.send(|| client.get(&next), begun).await?;
        }
    }

    /// Sends a request until the coordinator has time for it.
    async fn send(&self, request: impl Fn() -> RequestBuilder, begun: Instant) -> Result<Progress, TrinoError> {
        loop {
            let mut request =
                request().header("X-Trino-User", &self.0.settings.user).header("X-Trino-Source", "larder");
            if let Some(password) = &self.0.password {
                request = request.basic_auth(&self.0.settings.user, Some(password));
            }
            let answer = request.send().await?;
            match answer.status() {
                StatusCode::OK => return Ok(answer.json().await?),
                // As the protocol has it.
                StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                    if begun.elapsed() <= DONE_WITHIN =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                other => return Err(TrinoError::Status(other)),
            }
        }
    }
}

/// A statement over `log` as Trino takes it, with one day of a table for `log`. Trino has another name for the seconds since
/// 1970 and for the median, and knows no table by the name of `log`.
fn of_day(statement: &str, table: &str, day: NaiveDate) -> String {
    let statement = statement
        .replace("EXTRACT(EPOCH FROM ", "to_unixtime(")
        .replace("APPROX_MEDIAN(bytes)", "approx_percentile(bytes, 0.5)")
        .replace("APPROX_MEDIAN(seconds)", "approx_percentile(seconds, 0.5)");
    let log = format!("WITH log AS (SELECT * FROM {table} WHERE day = '{day}')");
    match statement.trim_start().strip_prefix("WITH ") {
        Some(rest) => format!("{log},\n{rest}"),
        None => format!("{log}\n{statement}"),
    }
}

fn batch(columns: &[Column], rows: &[Vec<Value>]) -> Result<RecordBatch, TrinoError> {
    let cells = |at: usize| rows.iter().map(move |row| row.get(at));
    let column = |(at, column): (usize, &Column)| -> Result<(String, ArrayRef), TrinoError> {
        let kind = column.kind.split('(').next().unwrap_or_default();
        let array: ArrayRef = match kind {
            "varchar" => Arc::new(cells(at).map(|cell| cell?.as_str()).collect::<StringArray>()),
            "bigint" | "integer" => Arc::new(cells(at).map(|cell| cell?.as_i64()).collect::<Int64Array>()),
            // What is not finite comes as text, and counts as nothing.
            "double" => Arc::new(cells(at).map(|cell| cell?.as_f64()).collect::<Float64Array>()),
            other => return Err(TrinoError::Type(other.to_owned())),
        };
        Ok((at.to_string(), array))
    };
    let arrays = columns.iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true)))
        .expect("columns of one length make a batch"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesses::{double, integer, text};

    fn day() -> NaiveDate {
        "2026-11-19".parse().unwrap()
    }

    #[test]
    fn a_statement_reads_one_day_of_the_table_in_trinos_words() {
        let log = "WITH log AS (SELECT * FROM hive.larder.access WHERE day = '2026-11-19')";
        let table = "hive.larder.access";
        assert_eq!(
            of_day("\n SELECT EXTRACT(EPOCH FROM MAX(ended)), APPROX_MEDIAN(bytes) FROM log", table, day()),
            format!("{log}\n\n SELECT to_unixtime(MAX(ended)), approx_percentile(bytes, 0.5) FROM log")
        );
        assert_eq!(
            of_day("\n  WITH parts AS (SELECT 1 FROM log) SELECT * FROM parts", table, day()),
            format!("{log},\nparts AS (SELECT 1 FROM log) SELECT * FROM parts")
        );
    }

    #[test]
    fn answers_are_batches() {
        let columns = ["varchar(7)", "bigint", "double"].map(|kind| Column { kind: kind.to_owned() });
        let rows = serde_json::json!([["a", 1, 0.5], [null, 2, "NaN"], ["c", null, 3]]);
        let rows: Vec<Vec<Value>> = serde_json::from_value(rows).unwrap();
        let found = batch(&columns, &rows).unwrap();
        let shown: Vec<_> =
            (0..3).map(|row| (text(&found, 0, row), integer(&found, 1, row), double(&found, 2, row))).collect();
        assert_eq!(shown, [(Some("a".to_owned()), 1, 0.5), (None, 2, 0.0), (Some("c".to_owned()), 0, 3.0)]);
        let wrong = batch(&[Column { kind: "map(varchar, bigint)".to_owned() }], &[vec![Value::Null]]);
        assert!(wrong.unwrap_err().to_string().contains("`map`"));
    }

    #[test]
    fn tables_are_named_in_full() {
        let settings = |access: &str, url: &str| TrinoSettings {
            url: url.into(),
            user: nobody(),
            password_file: None,
            access: access.into(),
            events: Some("hive.larder.events".into()),
        };
        assert_eq!(settings("hive.larder.access", "http://trino:8080").validate(), Ok(()));
        for access in ["access", "a.b", "a.b.c.d", "a.b.c; DROP TABLE d", "a..c"] {
            assert!(settings(access, "http://trino:8080").validate().unwrap_err().contains("nightly.trino.access"));
        }
        assert!(settings("a.b.c", "trino:8080").validate().unwrap_err().contains("nightly.trino.url"));
    }
}
