//! The date in a partition's name. Pure.

use chrono::{Datelike, NaiveDate};

/// A partition's date, and what else its name holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionDate {
    /// Days since 1970-01-01.
    pub(crate) day: i32,
    /// The keys that are no date, as they stand; hours stay here.
    pub(crate) rest: String,
}

/// Reads a date from `k=v/k=v`: `dt=2026-11-21`, `ds=20261121`, `day=2026-11-21 00%3A00`, or `year=2026/month=11/day=21`.
/// `None` where there is none; a month alone is none, for it is not read by its age in days.
pub(crate) fn partition_date(partition: &str) -> Option<PartitionDate> {
    let pairs: Vec<(&str, &str)> = partition.split('/').filter_map(|segment| segment.split_once('=')).collect();
    let rest = |skip: &dyn Fn(usize) -> bool| {
        let kept = pairs.iter().enumerate().filter(|(at, _)| !skip(*at));
        kept.map(|(_, (key, value))| format!("{key}={value}")).collect::<Vec<_>>().join("/")
    };
    if let Some((at, date)) = pairs.iter().enumerate().find_map(|(at, (_, value))| Some((at, whole_date(value)?))) {
        return Some(PartitionDate { day: days(date), rest: rest(&|other| other == at) });
    }
    let find =
        |names: [&str; 2]| pairs.iter().position(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)));
    let (year, month, day) = (find(["year", "y"])?, find(["month", "m"])?, find(["day", "d"])?);
    let date =
        NaiveDate::from_ymd_opt(pairs[year].1.parse().ok()?, pairs[month].1.parse().ok()?, pairs[day].1.parse().ok()?)?;
    in_range(date).then(|| PartitionDate { day: days(date), rest: rest(&|other| [year, month, day].contains(&other)) })
}

fn whole_date(value: &str) -> Option<NaiveDate> {
    // What follows the date, such as a time, is not looked at, but must be set apart from it.
    let is_apart = |rest: &str| rest.chars().next().is_none_or(|next| !next.is_ascii_alphanumeric() || next == 'T');
    let read = |len: usize, form: &str| {
        let (date, rest) = value.split_at_checked(len)?;
        let date = NaiveDate::parse_from_str(date, form).ok()?;
        (is_apart(rest) && in_range(date)).then_some(date)
    };
    read(10, "%Y-%m-%d").or_else(|| read(8, "%Y%m%d").filter(|_| value.len() == 8)).or_else(|| read(10, "%Y_%m_%d"))
}

/// Numbers that only look like a date are no date of a table.
fn in_range(date: NaiveDate) -> bool {
    (1970..2200).contains(&date.year())
}

fn days(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(partition: &str) -> Option<(String, String)> {
        let PartitionDate { day, rest } = partition_date(partition)?;
        let date = NaiveDate::default() + chrono::Duration::days(i64::from(day));
        Some((date.to_string(), rest))
    }

    #[test]
    fn dates_are_found_as_people_write_them() {
        for (partition, rest) in [
            ("dt=2026-11-21", ""),
            ("ds=20261121", ""),
            ("event=2026_11_21", ""),
            ("year=2026/month=11/day=21", ""),
            ("year=2026/month=11/day=21/hour=03", "hour=03"),
            ("region=eu/dt=2026-11-21", "region=eu"),
            ("dt=2026-11-21/h=05", "h=05"),
            ("ts=2026-11-21 00%3A00%3A00", ""),
            ("ts=2026-11-21T00", ""),
        ] {
            assert_eq!(found(partition), Some(("2026-11-21".into(), rest.into())), "{partition}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for partition in [
            "",
            "id=20261399",
            "id=12345678",
            "region=eu",
            "month=11",
            "year=2026/month=11",
            "dt=__HIVE_DEFAULT_PARTITION__",
            "dt=99990101",
            "n=2026-11-211",
            "k=日本日本日本日",
            "year=2026/month=2/day=30",
        ] {
            assert_eq!(found(partition), None, "{partition}");
        }
    }
}
