//! The seam between the engines' logs and Larder: an adapter reads entries, one after the other, into query events.
//!
//! What all logs share is outside of it: files and folders, compression, lines and arrays, broken entries, duplicates,
//! impossible times (see [`reader`](super::reader)). Every adapter must pass the suite in `conformance.rs`, with a sample.

use chrono::{DateTime, Utc};
use larder_model::{QueryEvent, TableName};
use serde::Deserialize;

use super::{Format, Places, generic, hive, impala, presto, spark, trino};

/// Reads one log of one engine. It may remember what earlier entries said, within limits; a new log has a new adapter.
pub trait Adapter: Send {
    /// The entry in a line, or where in the line one begins: loggers put time and class before it.
    fn payload<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line
    }

    /// Reads the next entry, a JSON value. `None` for one that is in order but completes no query. An error says what is
    /// wrong and where in the entry; the adapter goes on as if the entry had not been there. It never panics.
    fn read(&mut self, entry: &[u8]) -> Result<Option<QueryEvent>, String>;
}

/// The adapter of a form. Fails where the engine names no catalog and `places` do not tell it.
pub(super) fn adapter(format: Format, places: &Places) -> Result<Box<dyn Adapter>, String> {
    Ok(match format {
        Format::Trino => Box::new(trino::Trino),
        Format::Presto => Box::new(presto::Presto),
        Format::Spark => Box::new(spark::Spark::new(places.clone())),
        Format::Impala => Box::new(impala::Impala::new(places.catalog()?)),
        Format::Hive => Box::new(hive::Hive::new(places.catalog()?)),
        Format::Generic => Box::new(generic::Generic),
    })
}

/// Reads a value, and says where in it something is wrong.
pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        })?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A table's name, as attribution makes it of a path: no dots in catalog and schema.
pub(super) fn table_name(catalog: &str, schema: &str, table: &str) -> Result<TableName, String> {
    TableName::new(&catalog.replace('.', "_"), &schema.replace('.', "_"), table).map_err(|error| error.to_string())
}

/// Seconds since 1970, or ISO 8601.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Time {
    Seconds(f64),
    Text(String),
}

impl Time {
    /// The time that `field` holds.
    pub(super) fn read(&self, field: &str) -> Result<DateTime<Utc>, String> {
        match self {
            Self::Seconds(seconds) => DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
                .ok_or_else(|| format!("{field}: {seconds} is not a time in seconds since 1970")),
            Self::Text(text) => DateTime::parse_from_rfc3339(text)
                .map(|time| time.to_utc())
                .map_err(|error| format!("{field}: `{text}` is not a time: {error}")),
        }
    }
}

/// Counts come as JSON numbers of any form; what is negative or no number counts as none.
pub(super) fn bytes_of(count: Option<f64>) -> u64 {
    count.unwrap_or(0.0) as u64
}
