//! Replays a history of reads with several policies side by side: what would each have saved?
//!
//! [`workload`] makes a seeded workload, [`trace`] reads one from a file or [`history`] from the store, [`replay`] lives through
//! it read by read, and [`curve`] does so in many capacities. [`policies`] says with what: those that decide at each read ([`online`], LRFU, [`gdsf`]), what came before ([`seeds`]), Larder's own
//! ([`planner`]), and what nobody can beat ([`bounds`]). The first 30 days warm caches and logs up; the rest is measured.
//! Everything is decided from the trace alone, so that the same settings give the same figures to the bit.

mod bounds;
mod curve;
mod gdsf;
mod history;
mod online;
mod planner;
mod policies;
mod policy;
mod read_columns;
mod replay;
mod seeds;
#[cfg(test)]
mod test_support;
mod trace;
mod workload;

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

pub use self::bounds::Bounds;
pub use self::curve::{CurvePoint, CurvePolicy, CurveReport, CurveSettings, curve};
pub use self::history::{DAYS_MIN, History, HistorySpan};
pub use self::online::OnlinePolicy;
pub use self::planner::CacheSettings;
use self::policies::{Chosen, policies};
pub use self::replay::PolicyReport;
use self::replay::{Prices, Replay};
use self::trace::{Trace, read_csv};
pub use self::workload::Scenario;
use crate::store::StoreError;

/// What is replayed.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A generated workload.
    Workload {
        /// What it is drawn by.
        seed: u64,
        /// What happens in it beside the everyday.
        scenario: Scenario,
    },
    /// CSV with the header `time,object,bytes,size`, one read a line. `time` is RFC 3339 or seconds since 1970, `bytes` what
    /// was read of the object, `size` its length. Objects in a partition's folder (`table/key=value/file`) are one item, every
    /// other object is an item of its own.
    Trace(PathBuf),
    /// What the store knows of the last days.
    History(Box<History>),
}

impl Source {
    fn trace(&self) -> Result<Cow<'_, Trace>, SimulateError> {
        Ok(match self {
            Self::Workload { seed, scenario } => Cow::Owned(workload::workload(*seed, *scenario)),
            Self::Trace(path) => Cow::Owned(read_csv(path)?),
            Self::History(history) => Cow::Borrowed(&history.trace),
        })
    }

    fn prices(&self) -> Prices {
        if let Self::History(history) = self { history.prices } else { PRICES }
    }

    fn span(&self) -> Option<HistorySpan> {
        if let Self::History(history) = self { Some(history.span.clone()) } else { None }
    }
}

/// What is replayed, and in how much space.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateSettings {
    /// What is replayed.
    pub source: Source,
    /// Capacity as a fraction of the bytes of all items touched in the last 30 days, by a scan storm aside.
    pub capacity_fraction: f64,
    /// How the cache of `whitelist` is set.
    pub cache: CacheSettings,
    /// Also replay the whitelist without each of its parts.
    pub ablations: bool,
}

/// What each policy came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimulationReport {
    /// Of a history from the store: what it spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySpan>,
    /// The space that each policy had.
    pub capacity_bytes: u64,
    /// The IO time that a cache with everything in it would have saved, in seconds.
    pub io_time_possible: f64,
    /// The same of each measured day.
    pub io_time_possible_by_day: Vec<f64>,
    /// What no policy can beat.
    pub bounds: Bounds,
    /// The policies. Of the moment: foyer's `lru`, `fifo`, `s3fifo`, `sieve` and `lfu` (W-TinyLFU), `lrfu` with its best
    /// lambda, `plain-lfu` (LRFU with lambda 0: no reference fades), `gdsf` on time, `second-hit` (LRU for what is read twice
    /// a day). Of the night: `top-k` (Beike's choice by frequency), `yanxuan` (NetEase Yanxuan's value by table before LRFU),
    /// `whitelist` (Larder, set as [`SimulateSettings::cache`] says), `whitelist-routed` (Larder as it is where nothing is
    /// configured: what is cold goes straight to the storage), and `b0`, the clairvoyant nightly choice.
    pub policies: Vec<PolicyReport>,
}

/// A simulation that cannot be run. Fix the setting or the line that it names.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// The capacity is no share.
    #[error("--capacity {0} is not above 0 and at most 10")]
    Capacity(f64),
    /// The sample is no share.
    #[error("--sample {0} is not above 0 and at most 1")]
    Sample(f64),
    /// The sample holds nothing that could be saved.
    #[error("--sample {0} leaves no reads to measure: take a larger one")]
    SampleEmpty(f64),
    /// The store knows too few days.
    #[error(
        "the store knows reads of {days} days, and --history needs {least} at least: let some more nights run, or \
         replay a file with --trace"
    )]
    HistoryTooShort {
        /// From the first with reads to the last.
        days: i32,
        /// What is needed.
        least: i32,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The trace cannot be read.
    #[error("cannot read the trace {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reader's own words.
        #[source]
        source: csv::Error,
    },
    /// A line of the trace is not a read.
    #[error("{path}, line {line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The trace holds too little to measure.
    #[error("the trace {path} {problem}")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing.
        problem: &'static str,
    },
}

/// Whether a capacity is a fraction that can be replayed.
pub fn check_capacity(fraction: f64) -> Result<(), SimulateError> {
    // NaN is not above zero either.
    if fraction > 0.0 && fraction <= 10.0 { Ok(()) } else { Err(SimulateError::Capacity(fraction)) }
}

/// Whether a sample is a share that can be taken.
pub fn check_sample(rate: f64) -> Result<(), SimulateError> {
    if rate > 0.0 && rate <= 1.0 { Ok(()) } else { Err(SimulateError::Sample(rate)) }
}

/// Replays a workload with every policy.
pub fn run(settings: &SimulateSettings) -> Result<SimulationReport, SimulateError> {
    check_capacity(settings.capacity_fraction)?;
    let trace = settings.source.trace()?;
    let capacity_bytes = (trace.touched_bytes() as f64 * settings.capacity_fraction) as u64;
    let replay = Replay { trace: &trace, capacity_bytes, prices: settings.source.prices() };
    let bounds = Bounds::of(&replay);
    let chosen = if settings.ablations { Chosen::WithAblations } else { Chosen::All };
    Ok(SimulationReport {
        history: settings.source.span(),
        capacity_bytes,
        io_time_possible: replay.possible_seconds(),
        io_time_possible_by_day: replay.possible_by_day(),
        bounds,
        policies: policies(&replay, settings.cache, bounds, chosen),
    })
}

/// What reading costs where nothing was measured: an origin with 30 ms before the first byte and 80 MB/s, beside a plain NVMe disk.
const PRICES: Prices = Prices {
    origin: larder_model::IoSpeed { overhead_seconds: 0.030, bytes_per_second: 80e6 },
    ssd: larder_model::IoSpeed { overhead_seconds: 0.0001, bytes_per_second: 2e9 },
};

#[cfg(test)]
mod tests;
