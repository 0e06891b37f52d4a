//! Capacity curves: what each policy saves in how much space, by replaying a sample of the items; see
//! [`sample`](super::trace).
//!
//! Both axes are shares: of the bytes touched in 30 days, and of the IO time there is to be saved. Those of the sample stand
//! for those of all. The sample's cache is the same share of the bytes that the *sample* touched, in the place of SHARDS'
//! `rate x capacity`: partitions differ in size by orders of magnitude, and a sample with a few large ones more than its due
//! would otherwise be given a smaller cache than it stands for. (SHARDS corrects its counts for the same reason.)

use serde::Serialize;

use super::bounds::Bounds;
use super::planner::CacheSettings;
use super::policies::{Chosen, policies};
use super::replay::Replay;
use super::{HistorySpan, SimulateError, Source, check_sample};

/// What a curve is drawn of.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveSettings {
    /// What is replayed.
    pub source: Source,
    /// The share of items that is replayed, above 0; 1 for all. By default all, and of traces with more than a million
    /// reads a tenth.
    pub sample: Option<f64>,
    /// How the cache of `whitelist` is set.
    pub cache: CacheSettings,
}

/// What each policy saves in how much space.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveReport {
    /// Of a history from the store: what it spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySpan>,
    /// The share of items that was replayed.
    pub sample: f64,
    /// Reads of them.
    pub reads: u64,
    /// The bytes of all items touched in the last 30 days, in the sample or not.
    pub touched_bytes: u64,
    /// From the smallest capacity to the largest.
    pub points: Vec<CurvePoint>,
}

/// One capacity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurvePoint {
    /// As a fraction of the bytes touched in 30 days.
    pub capacity_fraction: f64,
    /// The same of all items, in bytes.
    pub capacity_bytes: u64,
    /// What no policy that fills on demand saves more of than this share; see [`Bounds`].
    pub b1: f64,
    /// What none that loads ahead either.
    pub b2: f64,
    /// The policies, in the same order at each capacity.
    pub policies: Vec<CurvePolicy>,
}

/// One policy at one capacity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurvePolicy {
    /// See [`super::SimulationReport::policies`].
    pub name: String,
    /// IO time saved, as a share of what there is to be saved; below zero where loading ahead cost more than it brought.
    pub saved: f64,
}

/// A dozen, each as many times the one before: from half a percent to all.
const POINTS: u32 = 12;
const SMALLEST: f64 = 0.005;
/// Above so many reads, a tenth of the items says the same in a tenth of the time.
const READS_UNSAMPLED_MAX: usize = 1_000_000;
const SAMPLE_OF_LARGE: f64 = 0.1;

fn fractions() -> impl Iterator<Item = f64> {
    (0..POINTS).map(|point| SMALLEST.powf(1.0 - f64::from(point) / f64::from(POINTS - 1)))
}

/// Replays a workload at each of a dozen capacities.
pub fn curve(settings: &CurveSettings) -> Result<CurveReport, SimulateError> {
    curve_at(settings, fractions())
}

fn curve_at(settings: &CurveSettings, fractions: impl IntoIterator<Item = f64>) -> Result<CurveReport, SimulateError> {
    settings.sample.map_or(Ok(()), check_sample)?;
    let trace = settings.source.trace()?;
    let large = trace.reads.len() > READS_UNSAMPLED_MAX;
    let sample = settings.sample.unwrap_or(if large { SAMPLE_OF_LARGE } else { 1.0 });
    let replayed = if sample < 1.0 { trace.sampled(sample) } else { trace.clone().into_owned() };
    let prices = settings.source.prices();
    let possible = Replay { trace: &replayed, capacity_bytes: 0, prices }.possible_seconds();
    if possible <= 0.0 {
        return Err(SimulateError::SampleEmpty(sample));
    }
    let points = fractions.into_iter().map(|fraction| {
        let capacity_bytes = |touched: u64| (touched as f64 * fraction) as u64;
        let replay = Replay { trace: &replayed, capacity_bytes: capacity_bytes(replayed.touched_bytes()), prices };
        let bounds = Bounds::of(&replay);
        let reports = policies(&replay, settings.cache, bounds, Chosen::ForCurve).into_iter();
        CurvePoint {
            capacity_fraction: fraction,
            capacity_bytes: capacity_bytes(trace.touched_bytes()),
            b1: bounds.b1 / possible,
            b2: bounds.b2 / possible,
            policies: reports
                .map(|report| CurvePolicy { saved: report.io_time_saved / possible, name: report.name })
                .collect(),
        }
    });
    Ok(CurveReport {
        history: settings.source.span(),
        sample,
        reads: replayed.reads.len() as u64,
        touched_bytes: trace.touched_bytes(),
        points: points.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, SimulateSettings, run};
    use super::*;

    fn of_workload(sample: f64, fractions: &[f64]) -> CurveReport {
        let source = Source::Workload { seed: 7, scenario: Scenario::Stationary };
        curve_at(
            &CurveSettings { source, sample: Some(sample), cache: CacheSettings::FILLED },
            fractions.iter().copied(),
        )
        .unwrap()
    }

    /// The mean of what two curves differ by, for each policy.
    fn apart(a: &CurveReport, b: &CurveReport) -> Vec<(String, f64)> {
        let names = a.points[0].policies.iter().map(|policy| policy.name.clone());
        names
            .enumerate()
            .map(|(at, name)| {
                let differences =
                    a.points.iter().zip(&b.points).map(|(a, b)| (a.policies[at].saved - b.policies[at].saved).abs());
                (name, differences.sum::<f64>() / a.points.len() as f64)
            })
            .collect()
    }

    #[test]
    fn a_sampled_curve_is_near_the_full_one() {
        // Fewer points than a whole curve has, because the workload is replayed at each.
        let fractions = [0.01, 0.05, 0.2, 0.6];
        let (all, sample) = (of_workload(1.0, &fractions), of_workload(0.3, &fractions));
        assert!(sample.reads < all.reads * 2 / 5, "{} of {}", sample.reads, all.reads);
        assert_eq!(sample.touched_bytes, all.touched_bytes);
        for (name, apart) in apart(&all, &sample) {
            assert!(apart < 0.05, "{name} is off by {:.1} points: {all:#?} {sample:#?}", apart * 100.0);
        }
    }

    #[test]
    fn without_sampling_a_curve_goes_through_what_a_simulation_saves() {
        let source = Source::Workload { seed: 7, scenario: Scenario::Stationary };
        let capacity_fraction = 0.05;
        let all = of_workload(1.0, &[capacity_fraction]);
        let report =
            run(&SimulateSettings { source, capacity_fraction, cache: CacheSettings::FILLED, ablations: false })
                .unwrap();
        let [point] = &all.points[..] else { panic!("one point: {all:?}") };
        assert_eq!(point.capacity_bytes, report.capacity_bytes);
        assert_eq!(point.b2, report.bounds.b2 / report.io_time_possible);
        for policy in &point.policies {
            let whole = report.policies.iter().find(|whole| whole.name == policy.name).unwrap();
            assert_eq!(policy.saved, whole.io_time_saved / report.io_time_possible, "{}", policy.name);
        }
    }

    #[test]
    fn impossible_samples_are_refused() {
        for sample in [0.0, -0.1, 1.1, f64::NAN] {
            // The trace is not looked for.
            let settings = CurveSettings {
                source: Source::Trace("absent.csv".into()),
                sample: Some(sample),
                cache: CacheSettings::FILLED,
            };
            assert!(curve(&settings).unwrap_err().to_string().contains("--sample"), "{sample}");
        }
        let source = Source::Workload { seed: 1, scenario: Scenario::Stationary };
        let error = curve(&CurveSettings { source, sample: Some(1e-9), cache: CacheSettings::FILLED }).unwrap_err();
        assert!(error.to_string().contains("take a larger one"), "{error}");
    }

    #[test]
    fn capacities_are_spaced_evenly_from_half_a_percent_to_all() {
        let all: Vec<f64> = fractions().collect();
        assert_eq!((all.len(), all[11]), (12, 1.0));
        assert!((all[0] - 0.005).abs() < 1e-12);
        assert!(all.windows(3).all(|of| (of[1] / of[0] - of[2] / of[1]).abs() < 1e-9));
    }
}
