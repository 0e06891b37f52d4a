//! Replays a history of reads with several policies side by side: what would each have saved?
//!
//! [`workload`] makes a seeded workload or [`trace`] reads one, [`replay`] lives through it read by read, [`policies`] says
//! with what: those that decide at each read ([`online`], LRFU, [`gdsf`]), what came before ([`seeds`]), Larder's own
//! ([`planner`]), and what nobody can beat ([`bounds`]). The first 30 days warm caches and logs up; the rest is measured.
//! Everything is decided from the trace alone, so that the same settings give the same figures to the bit.

mod bounds;
mod gdsf;
mod online;
mod planner;
mod policies;
mod policy;
mod replay;
mod seeds;
#[cfg(test)]
mod test_support;
mod trace;
mod workload;

use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

pub use self::bounds::Bounds;
use self::policies::policies;
pub use self::replay::PolicyReport;
use self::replay::{Prices, Replay};
use self::trace::{Trace, read_csv};
pub use self::workload::Scenario;

/// What is replayed, and in how much space.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateSettings {
    /// Seed of the generated workload.
    pub seed: u64,
    /// What happens in it beside the everyday.
    pub scenario: Scenario,
    /// Capacity as a fraction of the bytes of all items touched in the last 30 days.
    pub capacity_fraction: f64,
    /// Also replay the whitelist without each of its parts.
    pub ablations: bool,
    /// A trace in the place of a generated workload: CSV with the header `time,object,bytes,size`, one read a line.
    /// `time` is RFC 3339 or seconds since 1970, `bytes` what was read of the object, `size` its length. Objects in a
    /// partition's folder (`table/key=value/file`) are one item, every other object is an item of its own.
    pub trace: Option<PathBuf>,
}

/// What each policy came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationReport {
    /// The space that each policy had.
    pub capacity_bytes: u64,
    /// The IO time that a cache with everything in it would have saved, in seconds.
    pub io_time_possible: f64,
    /// What no policy can beat.
    pub bounds: Bounds,
    /// The policies. Of the moment: foyer's `lru`, `fifo`, `s3fifo`, `sieve` and `lfu` (W-TinyLFU), `lrfu` with its best
    /// lambda, `gdsf` on time, `second-hit` (LRU for what is read twice a day). Of the night: `top-k` (Beike's choice by
    /// frequency), `yanxuan` (NetEase Yanxuan's value by table before LRFU), `whitelist` (Larder's own), and `b0`, the
    /// clairvoyant nightly choice.
    pub policies: Vec<PolicyReport>,
}

/// A simulation that cannot be run. Fix the setting or the line that it names.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// The capacity is no share.
    #[error("--capacity {0} is not above 0 and at most 10")]
    Capacity(f64),
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

/// Replays a workload with every policy.
pub fn run(settings: &SimulateSettings) -> Result<SimulationReport, SimulateError> {
    let fraction = settings.capacity_fraction;
    // NaN is not above zero either.
    if !(fraction > 0.0 && fraction <= 10.0) {
        return Err(SimulateError::Capacity(fraction));
    }
    let trace = match &settings.trace {
        Some(path) => read_csv(path)?,
        None => workload::workload(settings.seed, settings.scenario),
    };
    Ok(report(&trace, fraction, settings.ablations))
}

fn report(trace: &Trace, fraction: f64, ablations: bool) -> SimulationReport {
    let capacity_bytes = (trace.touched_bytes() as f64 * fraction) as u64;
    let replay = Replay { trace, capacity_bytes, prices: PRICES };
    let bounds = Bounds::of(&replay);
    SimulationReport {
        capacity_bytes,
        io_time_possible: replay.possible_seconds(),
        bounds,
        policies: policies(&replay, bounds, ablations),
    }
}

/// An origin with 30 ms before the first byte and 80 MB/s, beside a plain NVMe disk.
const PRICES: Prices = Prices {
    origin: larder_model::IoSpeed { overhead_seconds: 0.030, bytes_per_second: 80e6 },
    ssd: larder_model::IoSpeed { overhead_seconds: 0.0001, bytes_per_second: 2e9 },
};

#[cfg(test)]
mod tests;
