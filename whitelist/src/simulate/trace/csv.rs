//! Traces from files.

use std::collections::HashMap;
use std::path::Path;

use chrono::DateTime;
use larder_model::AttributionRules;

use super::{DAY_SECONDS, Item, Read, Rewrite, Trace};
use crate::partition_time::PartitionTime;
use crate::simulate::SimulateError;

/// The planner runs at this hour: a day of the replay begins with its night.
const NIGHT_SECONDS: i64 = 2 * 3600;
/// Longer traces are refused: a wrong unit of time looks like this.
const DAYS_MAX: i64 = 3660;
/// 1 January 1970, from 1 January of the year 1, as [`PartitionTime::day`] counts.
const EPOCH_DAY: i32 = 719_163;
/// The largest request of an engine to storage.
const REQUEST_BYTES: u64 = 8 << 20;

/// Reads a CSV file; see [`SimulateSettings::trace`](crate::simulate::SimulateSettings::trace).
///
/// A partition is there from the end of its date on, if it is not read before; anything else, from its first read on. An
/// object whose size changes was written anew.
pub(in crate::simulate) fn read_csv(path: &Path) -> Result<Trace, SimulateError> {
    let read_error = |source| SimulateError::Read { path: path.to_owned(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(read_error)?;
    let wrong = |line, problem: String| SimulateError::Line { path: path.to_owned(), line, problem };
    let header = reader.headers().map_err(read_error)?.clone();
    if header.iter().ne(["time", "object", "bytes", "size"]) {
        return Err(wrong(1, "the header must be `time,object,bytes,size`".to_owned()));
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut names = Names::new();
    for record in reader.records() {
        let record = record.map_err(read_error)?;
        let line = record.position().map_or(0, csv::Position::line);
        let (seconds, bytes, size) = parse(&record).map_err(|problem| wrong(line, problem))?;
        rows.push(Row { seconds, object: names.object(&record[1]), bytes, size });
    }
    let empty = |problem| SimulateError::Empty { path: path.to_owned(), problem };
    rows.sort_by_key(|row| row.seconds);
    let (first, last) = match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => (first.seconds, last.seconds),
        _ => return Err(empty("holds no reads")),
    };
    let first_day = (first - NIGHT_SECONDS).div_euclid(i64::from(DAY_SECONDS));
    let days = (last - NIGHT_SECONDS).div_euclid(i64::from(DAY_SECONDS)) - first_day + 1;
    if days > DAYS_MAX {
        return Err(empty("spans more than 10 years"));
    }
    if days < 2 {
        return Err(empty("spans less than two days: nothing can be chosen from one day for the next"));
    }
    Ok(names.trace(&rows, first_day, i32::try_from(days).expect("at most ten years")))
}

struct Row {
    seconds: i64,
    object: usize,
    bytes: u64,
    size: u64,
}

/// Objects, the items that they are part of, and those items' tables and slots.
struct Names {
    rules: AttributionRules,
    objects: HashMap<String, usize>,
    /// Each object's item.
    item_of: Vec<u32>,
    items: HashMap<String, u32>,
    tables: HashMap<String, u32>,
    slots: HashMap<String, u32>,
    /// Each item's table, slot, and date in days since 1970.
    known: Vec<(u32, u32, Option<i32>)>,
}

fn number<T: std::hash::Hash + Eq>(of: &mut HashMap<T, u32>, name: T) -> u32 {
    let next = u32::try_from(of.len()).expect("fewer names than that fit into memory");
    *of.entry(name).or_insert(next)
}

impl Names {
    fn new() -> Self {
        Self {
            rules: AttributionRules::new("trace", Vec::new()),
            objects: HashMap::new(),
            item_of: Vec::new(),
            items: HashMap::new(),
            tables: HashMap::new(),
            slots: HashMap::new(),
            known: Vec::new(),
        }
    }

    fn object(&mut self, name: &str) -> usize {
        if let Some(object) = self.objects.get(name) {
            return *object;
        }
        let attribution = self.rules.attribute(name);
        let table = attribution.as_ref().map_or_else(|| name.to_owned(), |found| found.table.to_string());
        // A partition's folder is one item, any other object one of its own.
        let (item, slot, date) = match attribution.filter(|found| !found.partition.is_empty()) {
            Some(found) => {
                let time = PartitionTime::of(&found.partition);
                let slot = time.as_ref().map_or_else(|| found.partition.clone(), PartitionTime::slot);
                (found.location, slot, time.map(|time| time.day() - EPOCH_DAY))
            }
            None => (name.to_owned(), name.to_owned(), None),
        };
        let known = self.items.len();
        let item = number(&mut self.items, item);
        if item as usize == known {
            let (table, slot) = (number(&mut self.tables, table), number(&mut self.slots, slot));
            self.known.push((table, slot, date));
        }
        let object = self.item_of.len();
        self.item_of.push(item);
        self.objects.insert(name.to_owned(), object);
        object
    }

    fn trace(self, rows: &[Row], first_day: i64, days: i32) -> Trace {
        let start = first_day * i64::from(DAY_SECONDS) + NIGHT_SECONDS;
        let mut sizes: Vec<u64> = vec![0; self.item_of.len()];
        let mut largest = sizes.clone();
        let mut items: Vec<Item> = self
            .known
            .iter()
            .map(|(table, slot, date)| {
                let date = date.map(|day| (i64::from(day) - first_day) as i32);
                let lands =
                    date.map_or(i64::MAX, |date| (i64::from(date) + 1) * i64::from(DAY_SECONDS) - NIGHT_SECONDS);
                Item { table: *table, slot: *slot, date, bytes: 0, files: 0, lands }
            })
            .collect();
        let mut reads = Vec::with_capacity(rows.len());
        let mut rewrites = Vec::new();
        for row in rows {
            let at = u32::try_from(row.seconds - start).expect("ten years of seconds fit");
            let item = self.item_of[row.object];
            let known = &mut items[item as usize];
            known.lands = known.lands.min(i64::from(at) - 1);
            if sizes[row.object] == 0 {
                known.files += 1;
            } else if sizes[row.object] != row.size {
                rewrites.push(Rewrite { at, item });
            }
            sizes[row.object] = row.size;
            known.bytes += row.size.saturating_sub(largest[row.object]);
            largest[row.object] = largest[row.object].max(row.size);
            let requests = u32::try_from(row.bytes.div_ceil(REQUEST_BYTES)).expect("a petabyte at most").max(1);
            reads.push(Read { at, item, requests, bytes: row.bytes, is_storm: false });
        }
        Trace { items, reads, rewrites, days, slots_are_columns: false, sample: None }
    }
}
fn parse(record: &csv::StringRecord) -> Result<(i64, u64, u64), String> {
    let (time, object, bytes, size) = (&record[0], &record[1], &record[2], &record[3]);
    let seconds = match time.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && (0.0..1e11).contains(&seconds) => seconds as i64,
        _ => DateTime::parse_from_rfc3339(time)
            .map_err(|_| format!("time `{time}` is neither RFC 3339 nor seconds since 1970"))?
            .timestamp(),
    };
    if object.is_empty() {
        return Err("object is empty".to_owned());
    }
    let number = |name: &str, text: &str| {
        text.parse::<u64>().map_err(|_| format!("{name} `{text}` is not a whole number of bytes"))
    };
    let (bytes, size) = (number("bytes", bytes)?, number("size", size)?);
    if size > 1 << 50 {
        return Err(format!("size {size} is more than a petabyte"));
    }
    if bytes > size {
        return Err(format!("bytes {bytes} is more than the object's size {size}"));
    }
    Ok((seconds, bytes, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Trace, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.csv");
        std::fs::write(&path, text).unwrap();
        read_csv(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_are_sorted_into_days_and_partitions() {
        let trace = read(
            "time,object,bytes,size\n\
             2026-01-02T12:00:00Z,db/t/dt=1/b,5,10\n\
             2026-01-01T12:00:00Z,db/t/dt=1/a,10,20\n\
             2026-01-03T01:59:00Z,other,7,7\n\
             1767448800,other,7,7\n",
        )
        .unwrap();
        assert_eq!(trace.days, 3);
        // Before two in the morning it is still the day before.
        assert_eq!(trace.reads.iter().map(|read| super::super::day_of(read.at)).collect::<Vec<_>>(), [0, 1, 1, 2]);
        assert_eq!(trace.items.iter().map(|item| (item.bytes, item.files)).collect::<Vec<_>>(), [(30, 2), (7, 1)]);
        assert_eq!(trace.touched_bytes(), 37);
        assert_eq!(trace.rewrites, []);
    }

    #[test]
    fn partitions_know_their_dates_and_are_there_when_those_end() {
        let trace = read(
            "time,object,bytes,size\n\
             2026-01-01T12:00:00Z,db/t/dt=2025-12-31/a,5,5\n\
             2026-01-02T12:00:00Z,db/t/dt=2026-01-01/a,5,5\n\
             2026-01-03T12:00:00Z,db/t/region=eu/dt=2026-01-03/a,5,5\n\
             2026-01-03T13:00:00Z,db/t/dt=2026-01-01/a,5,8\n",
        )
        .unwrap();
        let known: Vec<_> = trace.items.iter().map(|item| (item.date, item.lands)).collect();
        // Counted from two in the morning of the first day; what is read before its date ends is there just before.
        assert_eq!(known, [(Some(-1), -7200), (Some(0), 79_200), (Some(2), 2 * 86_400 + 36_000 - 1)]);
        assert_eq!(trace.items[0].slot, trace.items[1].slot);
        assert_ne!(trace.items[0].slot, trace.items[2].slot, "another region");
        assert_eq!(trace.rewrites, [Rewrite { at: 2 * 86_400 + 39_600, item: 1 }]);
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, names) in [
            ("a,b\n1,2\n", "line 1: the header"),
            ("time,object,bytes,size\n1,o,5,10\nyesterday,o,5,10\n", "line 3: time `yesterday`"),
            ("time,object,bytes,size\n1,o,-5,10\n", "line 2: bytes `-5`"),
            ("time,object,bytes,size\n1,o,NaN,10\n", "line 2: bytes `NaN`"),
            ("time,object,bytes,size\n1,o,11,10\n", "more than the object's size"),
            ("time,object,bytes,size\n1,,1,10\n", "object is empty"),
            ("time,object,bytes,size\n", "holds no reads"),
            ("time,object,bytes,size\n1,o,1,1\n", "less than two days"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(names), "{problem}");
        }
    }
}
