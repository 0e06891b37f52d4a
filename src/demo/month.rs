//! Months, the unit by which the demo's lake is partitioned.

use std::fmt;

use chrono::{Datelike, NaiveDate};

/// A month of the calendar; written `1998-07`, as partitions are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month {
    /// Months since the beginning of year 0.
    number: i32,
}

impl Month {
    /// The month that `date` lies in.
    pub(crate) fn of(date: NaiveDate) -> Self {
        Self { number: date.year() * 12 + date.month0() as i32 }
    }

    /// The month `months` earlier.
    pub(crate) fn back(self, months: u32) -> Self {
        Self { number: self.number - i32::try_from(months).unwrap_or(i32::MAX) }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.number.div_euclid(12), self.number.rem_euclid(12) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_across_years() {
        let july = Month::of(NaiveDate::from_ymd_opt(1998, 7, 31).unwrap());
        assert_eq!(july.to_string(), "1998-07");
        assert_eq!(july.back(7).to_string(), "1997-12");
        assert_eq!(july.back(6).to_string(), "1998-01");
    }
}
