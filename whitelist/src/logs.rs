//! Query logs: what engines report of finished queries, read into [`QueryEvent`]s and kept as Parquet by day.
//!
//! Engines send what they send: lines that cannot be read are counted and named, and never cost the lines around them.

mod files;
mod generic;
mod ingest;
mod spool;
mod trino;

use std::fmt;
use std::str::FromStr;

use larder_model::{QueryEvent, TableRead};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::files::schema as event_schema;
pub use self::files::{WriteError, columns, write_events};
pub use self::ingest::{IngestError, IngestReport, ingest_file};
pub use self::spool::{Spool, SpoolFull};

/// A form that query events come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Trino's `QueryCompletedEvent`, as its HTTP event listener posts it.
    Trino,
    /// JSON Lines of [`QueryEvent`].
    Generic,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trino" => Ok(Self::Trino),
            "generic" => Ok(Self::Generic),
            _ => Err(format!("`{text}` is not a query log format: write trino or generic")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trino => "trino",
            Self::Generic => "generic",
        })
    }
}

/// What was read of a log.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The events that could be read.
    pub events: Vec<QueryEvent>,
    /// What else there was.
    pub rest: Rest,
}

/// What a log held besides events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rest {
    /// Entries that are in order but tell of no finished query.
    pub ignored: u64,
    /// Entries that could not be read.
    pub broken: u64,
    /// The first of those, at most 100.
    pub broken_entries: Vec<BrokenEntry>,
}

/// An entry of a log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenEntry {
    /// Its line, or its place in an array, from 1.
    pub line: u64,
    /// What is wrong, and where in the entry.
    pub problem: String,
}

const BROKEN_ENTRIES_MAX: usize = 100;

/// Rows that one event may make: one for each partition it names.
const ROWS_PER_EVENT_MAX: usize = 100_000;

/// Statements are cut to this length: they are kept to be recognised, not to be run.
const QUERY_BYTES_MAX: usize = 8192;

impl Rest {
    fn add_broken(&mut self, line: u64, problem: String) {
        self.broken += 1;
        if self.broken_entries.len() < BROKEN_ENTRIES_MAX {
            self.broken_entries.push(BrokenEntry { line, problem });
        }
    }
}

/// Reads a whole log: one event (over one line or several), an array of events, or a line for each.
pub fn parse(format: Format, text: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let first = text.iter().position(|byte| !byte.is_ascii_whitespace());
    match first.map(|at| text[at]) {
        Some(b'[') => parse_array(format, text, &mut parsed),
        Some(b'{') if is_one_value(text) => parse_entry(format, text, 1, &mut parsed),
        _ => {
            for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
                parse_line(format, line, at as u64 + 1, &mut parsed);
            }
        }
    }
    parsed
}

/// Whether the text is one JSON value and not a line for each of several.
fn is_one_value(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

fn parse_array(format: Format, text: &[u8], parsed: &mut Parsed) {
    match serde_json::from_slice::<Vec<serde_json::Value>>(text) {
        Ok(entries) => {
            for (at, entry) in entries.into_iter().enumerate() {
                let entry = serde_json::to_vec(&entry).expect("a JSON value always serialises");
                parse_entry(format, &entry, at as u64 + 1, parsed);
            }
        }
        Err(error) => parsed.rest.add_broken(error.line() as u64, error.to_string()),
    }
}

fn parse_line(format: Format, line: &[u8], number: u64, parsed: &mut Parsed) {
    if !line.trim_ascii().is_empty() {
        parse_entry(format, line, number, parsed);
    }
}

fn parse_entry(format: Format, text: &[u8], line: u64, parsed: &mut Parsed) {
    let event = match format {
        Format::Trino => trino::parse(text),
        Format::Generic => generic::parse(text).map(Some),
    };
    match event.and_then(|event| event.map(checked).transpose()) {
        Ok(Some(event)) => parsed.events.push(event),
        Ok(None) => parsed.rest.ignored += 1,
        Err(problem) => parsed.rest.add_broken(line, problem),
    }
}

/// Checks what the types cannot say, and joins reads of one table, so that a table stands once in an event.
fn checked(mut event: QueryEvent) -> Result<QueryEvent, String> {
    use chrono::Datelike;
    if event.query_id.is_empty() {
        return Err("the query id is empty".into());
    }
    if !(1970..=2999).contains(&event.created.year()) {
        return Err(format!("the query was created in the year {}", event.created.year()));
    }
    let mut reads: Vec<TableRead> = Vec::with_capacity(event.reads.len());
    for mut read in event.reads {
        match reads.iter_mut().find(|known| known.table == read.table) {
            Some(known) => {
                known.partitions.append(&mut read.partitions);
                known.columns.append(&mut read.columns);
                known.bytes = known.bytes.saturating_add(read.bytes);
            }
            None => reads.push(read),
        }
    }
    for read in &mut reads {
        for list in [&mut read.partitions, &mut read.columns] {
            list.sort();
            list.dedup();
        }
    }
    let rows: usize = reads.iter().map(|read| read.partitions.len().max(1)).sum();
    if rows > ROWS_PER_EVENT_MAX {
        return Err(format!("it names {rows} partitions; at most {ROWS_PER_EVENT_MAX} are taken"));
    }
    event.reads = reads;
    if let Some(query) = &mut event.query {
        query.truncate(query.floor_char_boundary(QUERY_BYTES_MAX));
    }
    Ok(event)
}

/// Reads a value, and says where in it something is wrong.
fn from_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        })?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[cfg(test)]
mod tests;
