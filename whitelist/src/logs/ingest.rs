//! `larder ingest`: reads a query log that an engine left in a file, of any length.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::{Format, Parsed, Rest, WriteError, parse, parse_line, write_events};

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
    /// It can be read but not kept.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Files up to this size are read at once, and may hold an array or one event over several lines.
const WHOLE_BYTES_MAX: u64 = 256 << 20;

/// A line that is longer is broken.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Events that are written together.
const CHUNK_EVENTS: usize = 20_000;

/// Reads a query log into `<logs>/queries/`. It blocks: call it where that does no harm. `progress` is told the bytes
/// read so far. Reading a file twice does no harm: each query counts once.
pub fn ingest_file(
    format: Format,
    path: &Path,
    logs: &Path,
    mut progress: impl FnMut(u64),
) -> Result<IngestReport, IngestError> {
    let failed = |source| IngestError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut report = IngestReport::default();
    if file.metadata().map_err(failed)?.len() <= WHOLE_BYTES_MAX {
        let text = std::fs::read(path).map_err(failed)?;
        progress(text.len() as u64);
        keep(parse(format, &text), logs, &mut report)?;
        return Ok(report);
    }
    let mut reader = BufReader::new(file);
    let (mut parsed, mut line, mut number, mut bytes) = (Parsed::default(), Vec::new(), 0, 0);
    loop {
        line.clear();
        let length = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            break;
        }
        (number, bytes) = (number + 1, bytes + length as u64);
        if length as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            parsed.rest.add_broken(number, format!("the line is longer than {LINE_BYTES_MAX} bytes"));
            bytes += reader.skip_until(b'\n').map_err(failed)? as u64;
        } else {
            parse_line(format, &line, number, &mut parsed);
        }
        if parsed.events.len() >= CHUNK_EVENTS {
            keep(std::mem::take(&mut parsed), logs, &mut report)?;
            progress(bytes);
        }
    }
    keep(parsed, logs, &mut report)?;
    progress(bytes);
    Ok(report)
}

fn keep(parsed: Parsed, logs: &Path, report: &mut IngestReport) -> Result<(), WriteError> {
    for events in parsed.events.chunks(CHUNK_EVENTS) {
        report.rows += write_events(logs, events)?;
        report.events += events.len() as u64;
    }
    report.rest.ignored += parsed.rest.ignored;
    let listed = parsed.rest.broken_entries.len() as u64;
    for entry in parsed.rest.broken_entries {
        report.rest.add_broken(entry.line, entry.problem);
    }
    report.rest.broken += parsed.rest.broken - listed;
    Ok(())
}
