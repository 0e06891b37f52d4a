//! Replays a history of reads with several policies side by side: what would each have saved?
//!
//! [`generate`] makes a seeded workload or [`trace`] reads one, [`replay`] lives through it day by day, [`online`] and
//! [`lrfu`] are the policies that decide at each read. The first 30 days warm caches and logs up; the rest is measured.
//! Everything is decided from the trace alone, so that the same settings give the same figures to the bit.

mod generate;
mod lrfu;
mod online;
mod replay;
mod trace;

use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

pub use self::replay::PolicyReport;
use self::replay::{Replay, policies};
use self::trace::Trace;

/// What is replayed, and in how much space.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateSettings {
    /// Seed of the generated workload.
    pub seed: u64,
    /// Capacity as a fraction of the bytes of all items touched in the last 30 days.
    pub capacity_fraction: f64,
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
    /// The policies: of the moment, foyer's `lru`, `fifo`, `s3fifo`, `sieve` and `lfu` (W-TinyLFU), and `lrfu` with its
    /// best lambda; of the night, `whitelist`, and `b0`, the bound.
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
        Some(path) => Trace::read(path)?,
        None => generate::workload(settings.seed),
    };
    Ok(report(&trace, fraction))
}

fn report(trace: &Trace, fraction: f64) -> SimulationReport {
    let capacity_bytes = (trace.touched_bytes() as f64 * fraction) as u64;
    SimulationReport { capacity_bytes, policies: policies(&Replay::new(trace, capacity_bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(seed: u64, capacity_fraction: f64) -> SimulateSettings {
        SimulateSettings { seed, capacity_fraction, trace: None }
    }

    #[test]
    fn the_same_seed_gives_the_same_figures() {
        assert_eq!(run(&settings(7, 0.1)).unwrap(), run(&settings(7, 0.1)).unwrap());
        assert_ne!(run(&settings(7, 0.1)).unwrap(), run(&settings(8, 0.1)).unwrap());
    }

    #[test]
    fn no_choice_by_history_beats_the_clairvoyant_one() {
        for seed in 1..6 {
            let report = run(&settings(seed, 0.1)).unwrap();
            let saved = |name: &str| report.policies.iter().find(|p| p.name == name).unwrap().io_time_saved;
            assert!(saved("b0") >= saved("whitelist"), "seed {seed}: {report:?}");
            assert!(saved("whitelist") > 0.0 && saved("lru") > 0.0, "seed {seed}: {report:?}");
        }
    }

    #[test]
    fn impossible_capacities_are_refused() {
        for capacity in [0.0, -1.0, f64::NAN, 11.0] {
            assert!(run(&settings(1, capacity)).unwrap_err().to_string().contains("--capacity"));
        }
    }

    #[test]
    fn the_report_has_the_documented_fields() {
        let json = serde_json::to_value(run(&settings(1, 0.1)).unwrap()).unwrap();
        assert!(json["capacity_bytes"].as_u64().unwrap() > 0);
        let names: Vec<&str> = json["policies"][0].as_object().unwrap().keys().map(String::as_str).collect();
        for field in [
            "name",
            "io_time_saved",
            "byte_hit_ratio",
            "request_hit_ratio",
            "origin_bytes",
            "written_bytes",
            "regret_b0",
        ] {
            assert!(names.contains(&field), "{field}");
        }
    }
}
