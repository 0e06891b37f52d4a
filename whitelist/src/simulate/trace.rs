//! A history of reads, and of what was there to be read.
//!
//! Times count in seconds from the first night; a day goes from night to night. That is two in the morning, but for histories
//! from the store, whose days are the calendar's.

mod csv;
mod sample;

pub(super) use self::csv::read_csv;
use self::sample::Sample;

/// Days at the end of a trace whose bytes the capacity is a fraction of; also the history that a planner sees.
pub(super) const HISTORY_DAYS: i32 = 30;

pub(super) const DAY_SECONDS: u32 = 86_400;

/// What policies hold or do not: a column of a partition, or whatever a trace tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) table: u32,
    /// Columns, and partition keys that are no date.
    pub(super) slot: u32,
    /// The partition's date, in days from the first.
    pub(super) date: Option<i32>,
    pub(super) bytes: u64,
    /// Each costs a request at least.
    pub(super) files: u32,
    /// When it is there to be read; below zero, before the first night.
    pub(super) lands: i64,
}

/// One read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) at: u32,
    /// Position in [`Trace::items`].
    pub(super) item: u32,
    pub(super) requests: u32,
    pub(super) bytes: u64,
    /// One of a scan storm's, beside what people read every day.
    pub(super) is_storm: bool,
}

/// From then on the item has other bytes; what was held of it is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rewrite {
    pub(super) at: u32,
    pub(super) item: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) items: Vec<Item>,
    /// In the order of time.
    pub(super) reads: Vec<Read>,
    /// In the order of time.
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) days: i32,
    /// Whether slots are columns; else they are partition keys.
    pub(super) slots_are_columns: bool,
    /// What was left out, if this is a sample.
    pub(super) sample: Option<Sample>,
}

impl Trace {
    /// The bytes of all items read in the last [`HISTORY_DAYS`]. What a storm scans does not count: nobody buys a larger cache
    /// for what passes, and a storm can be compared with the same days without it only in the same space.
    pub(super) fn touched_bytes(&self) -> u64 {
        let from = u32::try_from(self.days - HISTORY_DAYS).unwrap_or(0) * DAY_SECONDS;
        let mut touched = vec![false; self.items.len()];
        for read in self.reads.iter().filter(|read| read.at >= from && !read.is_storm) {
            touched[read.item as usize] = true;
        }
        touched.iter().zip(&self.items).filter(|(touched, _)| **touched).map(|(_, item)| item.bytes).sum()
    }

    /// Days before this one warm up and are not measured: 30, or half of a shorter trace.
    pub(super) fn measured_from(&self) -> i32 {
        HISTORY_DAYS.min(self.days / 2).max(1)
    }
}

pub(super) fn day_of(at: u32) -> i32 {
    (at / DAY_SECONDS) as i32
}
