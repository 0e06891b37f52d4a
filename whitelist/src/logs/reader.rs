//! Reading logs: entries through an adapter, checked, and each query once.

use std::collections::HashSet;
use std::io::BufRead;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use larder_model::{ItemName, QueryEvent, TableRead};

use super::adapter::{Adapter, adapter};
use super::lines::Entries;
use super::{Format, Parsed, Places};

/// Clocks differ; an event may lie this far in the future by ours.
pub(crate) const FUTURE_MAX: TimeDelta = TimeDelta::hours(1);

/// No query is older than the engines are. Before it lie zeros and times in the wrong unit.
const YEAR_MIN: i32 = 1990;

/// Rows that one event may make: one for each partition it names.
pub(super) const ROWS_PER_EVENT_MAX: usize = 100_000;

/// Statements are cut to this length: they are kept to be recognised, not to be run.
const QUERY_BYTES_MAX: usize = 8192;

/// Queries that are remembered, to find those that are told of again.
const SEEN_MAX: usize = 1_000_000;

/// Reads logs of one form: of each query the first event, over all of them.
pub struct LogReader {
    format: Format,
    places: Places,
    now: DateTime<Utc>,
    adapter: Box<dyn Adapter>,
    /// Hashes of engine and query id.
    seen: HashSet<[u8; 16]>,
}

impl LogReader {
    /// A reader at the time `now`. Fails where the engine names no catalog and `places` do not tell it.
    pub fn new(format: Format, places: Places, now: DateTime<Utc>) -> Result<Self, String> {
        let adapter = adapter(format, &places)?;
        Ok(Self { format, places, now, adapter, seen: HashSet::new() })
    }

    /// Forgets what was read of a log, except which queries it told of: another log begins.
    pub fn begin_log(&mut self) {
        self.adapter = adapter(self.format, &self.places).expect("it could be made before, of the same");
    }

    /// Reads a whole log: one event (over one line or several), an array of events, or a line for each.
    pub fn parse(&mut self, text: &[u8]) -> Parsed {
        let mut parsed = Parsed::default();
        let read: Result<(), std::io::Error> = self.read(text, &mut parsed, |_| Ok(()));
        read.expect("memory can be read");
        parsed
    }

    /// Reads a log, and calls `full` after each event that was added to `parsed`.
    pub(super) fn read<E: From<std::io::Error>>(
        &mut self,
        log: impl BufRead,
        parsed: &mut Parsed,
        mut full: impl FnMut(&mut Parsed) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut entries = Entries::new(log);
        while let Some((number, entry)) = entries.next(&*self.adapter)? {
            let event = entry.and_then(|entry| self.adapter.read(entry));
            match event.and_then(|event| event.map(|event| checked(event, self.now)).transpose()) {
                Ok(Some(event)) if self.is_new(&event) => {
                    parsed.events.push(event);
                    full(parsed)?;
                }
                Ok(Some(_)) => parsed.rest.duplicates += 1,
                Ok(None) => parsed.rest.ignored += 1,
                Err(problem) => parsed.rest.add_broken(number, problem),
            }
        }
        Ok(())
    }

    /// Beyond what can be remembered all are new: whoever aggregates the log counts each query once anyway.
    fn is_new(&mut self, event: &QueryEvent) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(event.engine.as_bytes()).update(b"\0").update(event.query_id.as_bytes());
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        !self.seen.contains(&hash) && (self.seen.len() >= SEEN_MAX || self.seen.insert(hash))
    }
}

/// Checks what the types cannot say, and joins reads of one table, so that a table stands once in an event.
fn checked(mut event: QueryEvent, now: DateTime<Utc>) -> Result<QueryEvent, String> {
    if event.query_id.is_empty() {
        return Err("the query id is empty".into());
    }
    for (what, time) in [("was created", event.created), ("ended", event.ended)] {
        if time.year() < YEAR_MIN {
            return Err(format!("the query {what} in the year {}, before {YEAR_MIN}", time.year()));
        }
        if time - now > FUTURE_MAX {
            return Err(format!(
                "the query {what} at {}, more than {} min in the future: set the engine's clock right",
                time.format("%FT%TZ"),
                FUTURE_MAX.num_minutes()
            ));
        }
    }
    event.ended = event.ended.max(event.created);
    let mut reads: Vec<TableRead> = Vec::with_capacity(event.reads.len());
    for (at, mut read) in event.reads.into_iter().enumerate() {
        check_names(&mut read).map_err(|problem| format!("reads[{at}]: {problem}"))?;
        // Bytes read of a table as a whole are none of the partitions that the same query named.
        let same = |known: &&mut TableRead| {
            known.table == read.table && known.partitions.is_empty() == read.partitions.is_empty()
        };
        match reads.iter_mut().find(same) {
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

/// A partition is named as it stands in paths, and so is what attribution makes of an object: `k=v/k=v`, escapes and all.
/// Names that no path can hold would be taken apart in the wrong place later.
fn check_names(read: &mut TableRead) -> Result<(), String> {
    let table = read.table.to_string();
    if table.contains('/') || table.chars().any(char::is_control) {
        return Err(format!("the table `{}` has a slash or a control character in its name", table.escape_debug()));
    }
    for partition in &mut read.partitions {
        let whole = partition.trim_matches('/');
        let item: Result<ItemName, _> = format!("{}/{whole}", read.table).parse();
        if whole.is_empty() || item.is_err() || whole.chars().any(char::is_control) {
            return Err(format!("`{}` is not a partition: write key=value/key=value", partition.escape_debug()));
        }
        if whole.len() < partition.len() {
            *partition = whole.to_owned();
        }
    }
    Ok(())
}
