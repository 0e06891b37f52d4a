//! When a partition is of, as its name says. Pure.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

/// The time that a partition stands for, and what else its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionTime {
    /// The beginning of its year, month, day, hour or minute.
    pub(crate) at: NaiveDateTime,
    /// The levels that say no time, such as `country=de`. Only partitions that agree in these follow each other.
    pub(crate) rest: Vec<String>,
}

impl PartitionTime {
    /// What tells it from other partitions of its day: the levels that say no time, and the time of day.
    pub(crate) fn slot(&self) -> String {
        let time = self.at.time();
        let hour = (time != NaiveTime::MIN).then(|| time.to_string());
        self.rest.iter().cloned().chain(hour).collect::<Vec<_>>().join("/")
    }

    /// The day, counted from 1 January of the year 1.
    pub(crate) fn day(&self) -> i32 {
        self.at.date().num_days_from_ce()
    }
}

/// Years that a number of four digits is taken for.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2200;

impl PartitionTime {
    /// The time of a partition such as `dt=2026-11-19`, `dt=20261119/hour=07`, `year=2026/month=11/day=19` or
    /// `month=2026-11/country=de`; `None` where it says no time.
    pub(crate) fn of(partition: &str) -> Option<Self> {
        // Year, month, day, hour, minute.
        let mut fields: Vec<u32> = Vec::new();
        let mut rest = Vec::new();
        for level in partition.split('/') {
            let (key, value) = level.split_once('=')?;
            if fields.is_empty()
                && let Some(read) = date_fields(value)
            {
                fields = read;
                continue;
            }
            let next = match fields.len() {
                1 => &["month", "mon", "mm", "m"][..],
                2 => &["day", "dd", "d"],
                3 => &["hour", "hr", "hh", "h"],
                4 => &["minute", "min"],
                _ => &[],
            };
            let name = key.rsplit('_').next().unwrap_or(key).to_ascii_lowercase();
            match value.parse::<u32>() {
                Ok(number) if next.contains(&name.as_str()) && value.len() <= 2 => fields.push(number),
                _ => rest.push(level.to_owned()),
            }
        }
        let field = |at: usize, least: u32| fields.get(at).copied().unwrap_or(least);
        let year = i32::try_from(*fields.first()?).ok()?;
        let date = NaiveDate::from_ymd_opt(year, field(1, 1), field(2, 1))?;
        Some(Self { at: date.and_hms_opt(field(3, 0), field(4, 0), 0)?, rest })
    }
}

/// Year, month, day, hour and minute, as far as a value gives them. Hive escapes colons as `%3A`.
fn date_fields(value: &str) -> Option<Vec<u32>> {
    let value = value.replace("%3A", ":").replace("%3a", ":").replace("%20", " ");
    let groups: Vec<&str> = value.split(['-', '_', 'T', ' ', ':']).collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !groups.iter().all(|group| digits(group)) {
        return None;
    }
    let run = match groups.as_slice() {
        // One run of digits, such as 20261119 or 2026111907.
        [run] => *run,
        [year, others @ ..] if year.len() == 4 && others.iter().all(|other| other.len() <= 2) => "",
        _ => return None,
    };
    let mut fields: Vec<u32> = if run.is_empty() {
        groups.iter().map(|group| group.parse().ok()).collect::<Option<_>>()?
    } else if matches!(run.len(), 4 | 6 | 8 | 10 | 12 | 14) {
        let pairs = (4..run.len()).step_by(2).map(|at| run[at..at + 2].parse().ok());
        std::iter::once(run[..4].parse().ok()).chain(pairs).collect::<Option<_>>()?
    } else {
        return None;
    };
    fields.truncate(5);
    YEARS.contains(&fields[0]).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_say_their_time_in_many_ways() {
        for (partition, at) in [
            ("dt=2026-11-19", "2026-11-19T00:00:00"),
            ("dt=20261119", "2026-11-19T00:00:00"),
            ("dt=2026-11-19/hour=07", "2026-11-19T07:00:00"),
            ("ts=2026-11-19 07%3A30%3A00", "2026-11-19T07:30:00"),
            ("h=2026111907", "2026-11-19T07:00:00"),
            ("year=2026/month=9/day=1", "2026-09-01T00:00:00"),
            ("event_year=2026/event_month=09", "2026-09-01T00:00:00"),
            ("month=2026-11", "2026-11-01T00:00:00"),
            ("month=202611", "2026-11-01T00:00:00"),
            ("l_year=1997", "1997-01-01T00:00:00"),
        ] {
            let found = PartitionTime::of(partition).unwrap_or_else(|| panic!("{partition}"));
            assert_eq!((found.at, found.rest.len()), (at.parse().unwrap(), 0), "{partition}");
        }
        let found = PartitionTime::of("country=de/dt=2026-11-19/kind=a").unwrap();
        assert_eq!(found.rest, ["country=de", "kind=a"]);
        assert_eq!(found.slot(), "country=de/kind=a");
        let (early, late) =
            (PartitionTime::of("dt=2026-11-19/h=01").unwrap(), PartitionTime::of("dt=2026-11-20/h=01").unwrap());
        assert_eq!(
            (early.slot(), late.day() - early.day()),
            (late.slot(), 1),
            "hours of days are told apart from days"
        );
        assert_eq!(early.slot(), "01:00:00");
    }

    #[test]
    fn what_is_no_time_is_not_taken_for_one() {
        for partition in [
            "country=de",
            "id=17",
            "bucket=0007",
            "dt=__HIVE_DEFAULT_PARTITION__",
            "dt=2026-13-01",
            "dt=2026-02-30",
            "dt=20261340",
            "dt=",
            "no level",
            "dt=2026-11-19/hour=25",
            "phone=26-11-19",
        ] {
            assert_eq!(PartitionTime::of(partition), None, "{partition}");
        }
    }
}
