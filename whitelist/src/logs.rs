//! Query logs: what engines report of finished queries, read into [`QueryEvent`]s and kept as Parquet by day.
//!
//! Engines send what they send: entries that cannot be read are counted and named, and never cost those around them.
//!
//! Reading order: [`adapter`] is the seam, one file for each engine implements it ([`trino`], [`presto`], [`spark`],
//! [`hive`] and [`impala`] over [`lineage`], [`generic`]). [`lines`] finds the entries of a log, [`compressed`] unpacks
//! it, [`places`] says which table a URL belongs to. [`reader`] strings them together; [`ingest`] reads files,
//! [`spool`] takes posts, [`files`] writes.

mod adapter;
mod compressed;
mod files;
mod folders;
mod generic;
mod hive;
mod impala;
mod ingest;
mod lineage;
mod lines;
mod places;
mod presto;
mod reader;
mod spark;
mod spool;
mod trino;

use std::fmt;
use std::str::FromStr;

use larder_model::QueryEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::adapter::Adapter;
pub use self::files::{WriteError, columns, write_events};
pub(crate) use self::files::{schema as event_schema, split_columns};
pub use self::folders::{Log, logs_below};
pub use self::ingest::{IngestError, IngestReport, ingest_log};
pub use self::places::{Place, Places};
pub(crate) use self::reader::FUTURE_MAX;
pub use self::reader::LogReader;
pub use self::spool::{Spool, SpoolFull};

/// A form that query events come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Trino's `QueryCompletedEvent`, as its HTTP event listener posts it.
    Trino,
    /// PrestoDB's `QueryInfo`, `QueryCompletedEvent`, or OpenLineage `RunEvent`.
    Presto,
    /// Spark's event log.
    Spark,
    /// Impala's lineage log.
    Impala,
    /// What Hive's `LineageLogger` hook writes.
    Hive,
    /// JSON Lines of [`QueryEvent`].
    Generic,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Trino, Self::Presto, Self::Spark, Self::Impala, Self::Hive, Self::Generic];

    /// Those whose engines post events; the others leave files.
    pub const POSTED: [Self; 3] = [Self::Trino, Self::Presto, Self::Generic];

    fn name(self) -> &'static str {
        match self {
            Self::Trino => "trino",
            Self::Presto => "presto",
            Self::Spark => "spark",
            Self::Impala => "impala",
            Self::Hive => "hive",
            Self::Generic => "generic",
        }
    }

    /// The form of this name, among some.
    pub(crate) fn among(choice: &[Self], text: &str) -> Result<Self, String> {
        choice.iter().copied().find(|format| format.name() == text).ok_or_else(|| {
            let names: Vec<&str> = choice.iter().map(|format| format.name()).collect();
            let (last, others) = names.split_last().expect("there are forms to choose from");
            format!("`{text}` is not among the query log formats: write {} or {last}", others.join(", "))
        })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::among(&Self::ALL, text)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
    /// Events of queries that were told of before.
    #[serde(default)]
    pub duplicates: u64,
    /// Entries that could not be read.
    pub broken: u64,
    /// The first of those, at most 100.
    pub broken_entries: Vec<BrokenEntry>,
}

/// An entry of a log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenEntry {
    /// Its line, or its place in an array, from 1; 0 for the file as a whole.
    pub line: u64,
    /// What is wrong, and where in the entry.
    pub problem: String,
}

const BROKEN_ENTRIES_MAX: usize = 100;

impl Rest {
    fn add_broken(&mut self, line: u64, problem: String) {
        self.broken += 1;
        if self.broken_entries.len() < BROKEN_ENTRIES_MAX {
            self.broken_entries.push(BrokenEntry { line, problem });
        }
    }

    fn add(&mut self, other: Self) {
        self.ignored += other.ignored;
        self.duplicates += other.duplicates;
        self.broken += other.broken;
        let room = BROKEN_ENTRIES_MAX - self.broken_entries.len();
        self.broken_entries.extend(other.broken_entries.into_iter().take(room));
    }
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
