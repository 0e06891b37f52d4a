//! What preloads wrote to the SSD within the last day, kept in a file so that a restart does not forget the wear.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

/// A day in the ledger's steps, which are hours.
const HOURS: i64 = 24;

/// Bytes by the hour they were written in. What is older than a day is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ledger(BTreeMap<i64, u64>);

impl Ledger {
    /// As [`Self::text`] wrote it; lines that cannot be read are passed over.
    fn read(text: &str) -> Self {
        let line = |line: &str| {
            let (hour, bytes) = line.split_once(' ')?;
            Some((hour.parse().ok()?, bytes.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    fn text(&self) -> String {
        self.0.iter().map(|(hour, bytes)| format!("{hour} {bytes}\n")).collect()
    }

    fn add(&mut self, now: DateTime<Utc>, bytes: u64) {
        let hour = now.timestamp() / 3600;
        // An hour from the future comes of a clock that was wrong: it would never be forgotten.
        self.0.retain(|other, _| (hour - HOURS + 1..=hour).contains(other));
        *self.0.entry(hour).or_default() += bytes;
    }

    fn within_a_day(&self, now: DateTime<Utc>) -> u64 {
        let hour = now.timestamp() / 3600;
        self.0.range(hour - HOURS + 1..=hour).map(|(_, bytes)| bytes).sum()
    }
}

/// The ledger and its file.
#[derive(Debug)]
pub(crate) struct Written {
    path: PathBuf,
    ledger: Mutex<Ledger>,
}

impl Written {
    /// What an earlier process left at `path`, if anything.
    pub(crate) fn open(path: PathBuf) -> Self {
        let ledger = std::fs::read_to_string(&path).map(|text| Ledger::read(&text)).unwrap_or_default();
        Self { path, ledger: Mutex::new(ledger) }
    }

    /// Counts bytes that are about to be written, if that makes no more than `limit` within a day, to the hour. Else
    /// tells how many were.
    pub(crate) fn reserve(&self, now: DateTime<Utc>, bytes: u64, limit: u64) -> Result<(), u64> {
        let mut ledger = self.ledger.lock();
        let written = ledger.within_a_day(now);
        if written.saturating_add(bytes) > limit {
            return Err(written);
        }
        ledger.add(now, bytes);
        Ok(())
    }

    /// Counts bytes that were written before it was known how many they would be.
    pub(crate) fn add(&self, now: DateTime<Utc>, bytes: u64) {
        self.ledger.lock().add(now, bytes);
    }

    /// Keeps the count for the next process. Without, that one would allow more wear than it should, and no more.
    pub(crate) fn keep(&self) {
        let text = self.ledger.lock().text();
        let beside = self.path.with_extension("new");
        if let Err(error) = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &self.path)) {
            tracing::warn!(%error, path = %self.path.display(), "what preloads wrote today cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_after_they_were_written_bytes_count_no_more_also_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("written");
        let written = Written::open(path.clone());
        for (time, bytes) in [("02:10", 70), ("02:50", 30), ("09:00", 5)] {
            written.reserve(at(&format!("2026-11-20T{time}:00Z")), bytes, 105).unwrap();
        }
        written.keep();
        let again = Written::open(path);
        assert_eq!(again.reserve(at("2026-11-20T23:00:00Z"), 1, 105), Err(105));
        assert_eq!(again.reserve(at("2026-11-21T02:00:00Z"), 101, 105), Err(5));
        assert_eq!(again.reserve(at("2026-11-21T02:00:00Z"), 100, 105), Ok(()));
        again.add(at("2026-11-21T02:00:00Z"), 7);
        assert_eq!(again.reserve(at("2026-11-21T02:00:00Z"), 0, 105), Err(112));
    }

    #[test]
    fn a_broken_file_counts_for_nothing_and_a_wrong_clock_is_forgotten() {
        let mut ledger = Ledger::read("nonsense\n5 x\n\n999999999 7\n");
        assert_eq!(ledger, Ledger([(999_999_999, 7)].into()));
        ledger.add(at("2026-11-20T02:10:00Z"), 1);
        assert_eq!((ledger.0.len(), ledger.within_a_day(at("2026-11-20T02:10:00Z"))), (1, 1));
    }
}
