//! `larder ingest`: reads a query log that an engine left in files, of any length, packed or not.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::compressed::unpack;
use super::{Log, LogReader, Parsed, Rest, WriteError, write_events};

/// What was read of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestReport {
    /// Events that were kept.
    pub events: u64,
    /// Rows they make in the log.
    pub rows: u64,
    /// What else there was.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Why a log could not be ingested.
#[derive(Debug, Error)]
pub enum IngestError {
    /// It cannot be read: fix the path, or the disk.
    #[error("cannot read the query log {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is packed in a form that is not read: unpack it, or have the engine write another.
    #[error("the query log {path} is packed with {form}: gzip, zstd and LZ4 are read, and text")]
    Packed {
        /// The file.
        path: PathBuf,
        /// The form's name.
        form: &'static str,
    },
    /// It can be read but not kept.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Events that are written together.
const CHUNK_EVENTS: usize = 20_000;

/// Reads a query log into `<logs>/queries/`, and reports of each of its files. It blocks: call it where that does no harm.
/// `progress` is told the bytes read of a file so far. Reading a log twice does no harm: each query counts once.
pub fn ingest_log(
    reader: &mut LogReader,
    log: &Log,
    logs: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Vec<IngestReport>, IngestError> {
    reader.begin_log();
    log.iter().map(|file| ingest_file(reader, file, logs, &mut progress)).collect()
}

/// Why reading a file stopped.
enum Stop {
    Read(std::io::Error),
    Write(WriteError),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

fn ingest_file(
    reader: &mut LogReader,
    path: &Path,
    logs: &Path,
    progress: &mut impl FnMut(u64),
) -> Result<IngestReport, IngestError> {
    let failed = |source| IngestError::Read { path: path.to_owned(), source };
    let (read, fault) = (Cell::new(0), Cell::new(None));
    let file = Watched { file: File::open(path).map_err(failed)?, read: &read, fault: &fault };
    let (text, packed) = match unpack(BufReader::new(file)).map_err(failed)? {
        Ok(unpacked) => unpacked,
        Err(form) => return Err(IngestError::Packed { path: path.to_owned(), form }),
    };
    let mut report = IngestReport::default();
    let mut parsed = Parsed::default();
    let result = reader.read(text, &mut parsed, |parsed| {
        if parsed.events.len() >= CHUNK_EVENTS {
            keep(std::mem::take(parsed), logs, &mut report).map_err(Stop::Write)?;
            progress(read.get());
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(Stop::Write(error)) => return Err(error.into()),
        Err(Stop::Read(error)) => {
            // A file that reads well and does not unpack was cut, or is damaged: what came before is taken.
            if !packed || fault.take().is_some() {
                return Err(failed(error));
            }
            parsed.rest.add_broken(0, format!("the file is damaged or cut, and what follows is lost: {error}"));
        }
    }
    keep(parsed, logs, &mut report)?;
    progress(read.get());
    Ok(report)
}

fn keep(parsed: Parsed, logs: &Path, report: &mut IngestReport) -> Result<(), WriteError> {
    if !parsed.events.is_empty() {
        report.rows += write_events(logs, &parsed.events)?;
        report.events += parsed.events.len() as u64;
    }
    report.rest.add(parsed.rest);
    Ok(())
}

/// A file, what was read of it, and the kind of its own error: one that is not of what unpacks it.
struct Watched<'a> {
    file: File,
    read: &'a Cell<u64>,
    fault: &'a Cell<Option<std::io::ErrorKind>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(into).inspect_err(|error| self.fault.set(Some(error.kind())));
        self.read.set(self.read.get() + *read.as_ref().unwrap_or(&0) as u64);
        read
    }
}
