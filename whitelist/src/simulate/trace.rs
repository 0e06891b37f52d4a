//! A history of reads, by day.

use std::collections::HashMap;
use std::path::Path;

use chrono::DateTime;
use larder_model::AttributionRules;

use super::SimulateError;

/// Days at the end of a trace whose bytes the capacity is a fraction of; also the history that a planner sees.
pub(super) const HISTORY_DAYS: usize = 30;

const SECONDS_PER_DAY: i64 = 86_400;
/// The planner runs at this hour: a day of the replay begins with its night.
const NIGHT_HOUR: i64 = 2;

/// One read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    /// Position of the item in [`Trace::item_bytes`].
    pub(super) item: usize,
    /// Bytes read of it.
    pub(super) bytes: u64,
}

/// Reads in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    /// Each item's size.
    pub(super) item_bytes: Vec<u64>,
    /// The reads of each day; days without reads are empty.
    pub(super) days: Vec<Vec<Access>>,
}

impl Trace {
    /// The bytes of all items read in the last [`HISTORY_DAYS`].
    pub(super) fn touched_bytes(&self) -> u64 {
        let mut touched = vec![false; self.item_bytes.len()];
        for access in self.days.iter().rev().take(HISTORY_DAYS).flatten() {
            touched[access.item] = true;
        }
        touched.iter().zip(&self.item_bytes).filter(|(touched, _)| **touched).map(|(_, bytes)| bytes).sum()
    }

    /// Reads a CSV file; see [`SimulateSettings::trace`](super::SimulateSettings::trace).
    pub(super) fn read(path: &Path) -> Result<Self, SimulateError> {
        let read_error = |source| SimulateError::Read { path: path.to_owned(), source };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(read_error)?;
        let wrong = |line, problem: String| SimulateError::Line { path: path.to_owned(), line, problem };
        let header = reader.headers().map_err(read_error)?.clone();
        if header.iter().ne(["time", "object", "bytes", "size"]) {
            return Err(wrong(1, "the header must be `time,object,bytes,size`".to_owned()));
        }
        let rules = AttributionRules::new("trace", Vec::new());
        let mut items: HashMap<String, usize> = HashMap::new();
        let mut objects: HashMap<String, (usize, u64)> = HashMap::new();
        let mut reads: Vec<(i64, Access)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(read_error)?;
            let line = record.position().map_or(0, csv::Position::line);
            let (seconds, bytes, size) = parse(&record).map_err(|problem| wrong(line, problem))?;
            let object = &record[1];
            let known = items.len();
            let item = *items.entry(item_of(&rules, object)).or_insert(known);
            let (_, largest) = objects.entry(object.to_owned()).or_insert((item, 0));
            *largest = size.max(*largest);
            reads.push((seconds, Access { item, bytes }));
        }
        let empty = |problem| SimulateError::Empty { path: path.to_owned(), problem };
        let first = reads.iter().map(|(seconds, _)| *seconds).min().ok_or_else(|| empty("holds no reads"))?;
        reads.sort_by_key(|(seconds, _)| *seconds);
        let day_of = |seconds: i64| (seconds - NIGHT_HOUR * 3600).div_euclid(SECONDS_PER_DAY);
        let mut days: Vec<Vec<Access>> = Vec::new();
        for (seconds, access) in reads {
            let day = usize::try_from(day_of(seconds) - day_of(first)).expect("no read is before the first");
            if day >= DAYS_MAX {
                return Err(empty("spans more than 10 years"));
            }
            if days.len() <= day {
                days.resize_with(day + 1, Vec::new);
            }
            days[day].push(access);
        }
        if days.len() < 2 {
            return Err(empty("spans less than two days: nothing can be chosen from one day for the next"));
        }
        let mut item_bytes = vec![0; items.len()];
        for (item, size) in objects.into_values() {
            item_bytes[item] += size;
        }
        Ok(Self { item_bytes, days })
    }
}

/// Longer traces are refused: a wrong unit of time looks like this.
const DAYS_MAX: usize = 3660;

/// A partition's folder is one item, any other object one of its own.
fn item_of(rules: &AttributionRules, object: &str) -> String {
    let attribution = rules.attribute(object).filter(|attribution| !attribution.partition.is_empty());
    attribution.map_or_else(|| object.to_owned(), |attribution| attribution.location)
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
        Trace::read(&path).map_err(|error| error.to_string())
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
        // Before two in the morning it is still the day before.
        assert_eq!(trace.days.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
        assert_eq!(trace.item_bytes, [30, 7]);
        assert_eq!(trace.touched_bytes(), 37);
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
