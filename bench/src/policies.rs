//! The policies that the SSD's adaptive share can be given, beside one of them, LRFU, at its best: `larder simulate` over seeds and capacities.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Deserialize;

use crate::client::{larder_binary, progress};
use crate::record::show;

/// Compares the policies of the adaptive share with LRFU, on the simulator's workloads.
#[derive(Args)]
pub(crate) struct Settings {
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// Seeds of the workloads; no test uses them, and nothing was tuned on them.
const SEEDS: std::ops::Range<u64> = 101..121;
/// Student's t for a two-sided interval of 95%, by the number of samples: one degree of freedom less.
fn students_t(samples: usize) -> f64 {
    match samples {
        20.. => 2.093,
        10.. => 2.262,
        4.. => 3.182,
        _ => 12.706,
    }
}

/// Fractions of the bytes touched in 30 days. The first three are what an adaptive share may come to.
const CAPACITIES: [f64; 8] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5];
/// What else `[cache] ssd.policy` may be; the first is its default.
const POLICIES: [&str; 5] = ["s3fifo", "lru", "fifo", "sieve", "lfu"];
const BASELINE: &str = "lrfu";

/// What `larder simulate --json` prints, as far as it is needed here.
#[derive(Default, Deserialize)]
pub(crate) struct Report {
    pub(crate) io_time_possible: f64,
    pub(crate) bounds: Bounds,
    pub(crate) policies: Vec<Policy>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Bounds {
    pub(crate) b2: f64,
}

#[derive(Clone, Default, Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) io_time_saved: f64,
    pub(crate) saved_by_day: Vec<f64>,
    pub(crate) saved_on_storm: Option<f64>,
    pub(crate) origin_bytes: u64,
    pub(crate) origin_peak_hour_bytes: u64,
    pub(crate) preload_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) drive_writes_per_day: f64,
    pub(crate) churn_per_night: Option<f64>,
    pub(crate) days_worse_than_none: u32,
    pub(crate) preload_wasted: Option<f64>,
    pub(crate) first_day_hit_ratio: Option<f64>,
    pub(crate) regret_b0: f64,
    pub(crate) regret_b2: f64,
    pub(crate) lambda: Option<f64>,
}

/// One run of the simulator.
pub(crate) struct Run {
    pub(crate) capacity: f64,
    pub(crate) seed: u64,
    /// What else it is told.
    pub(crate) more: Vec<String>,
}

impl Report {
    pub(crate) fn policy(&self, name: &str) -> anyhow::Result<&Policy> {
        self.policies.iter().find(|policy| policy.name == name).with_context(|| format!("no policy `{name}`"))
    }
}

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let larder = larder_binary(settings.larder.as_deref())?;
    let of_capacity = |capacity| SEEDS.map(move |seed| Run { capacity, seed, more: Vec::new() });
    let runs: Vec<Run> = CAPACITIES.into_iter().flat_map(of_capacity).collect();
    let reports = simulate_all(&larder, &runs)?;
    let rows: Vec<Row> = CAPACITIES
        .into_iter()
        .zip(reports.chunks(SEEDS.count()))
        .map(|(capacity, reports)| Row::new(capacity, reports))
        .collect::<anyhow::Result<_>>()?;
    let text = describe(&rows);
    let how = format!("seeds {} to {} at each capacity", SEEDS.start, SEEDS.end - 1);
    show(&text, "policies", "## Policies of the adaptive share", settings.record.then_some(how.as_str()))
}

/// Replays each run, as many at once as there are cores; reports come in the order of the runs.
pub(crate) fn simulate_all(larder: &Path, runs: &[Run]) -> anyhow::Result<Vec<Report>> {
    let threads = thread::available_parallelism()?.get();
    let done = AtomicUsize::new(0);
    let chunks = thread::scope(|scope| {
        let work = |chunk: &[Run]| -> anyhow::Result<Vec<Report>> {
            let mut reports = Vec::new();
            for run in chunk {
                reports.push(simulate(larder, run)?);
                progress(&format!("{} of {} replayed", done.fetch_add(1, Ordering::Relaxed) + 1, runs.len()));
            }
            Ok(reports)
        };
        let started: Vec<_> =
            runs.chunks(runs.len().div_ceil(threads)).map(|chunk| scope.spawn(move || work(chunk))).collect();
        started.into_iter().map(|thread| thread.join().expect("it does not panic")).collect::<anyhow::Result<Vec<_>>>()
    });
    progress("");
    Ok(chunks?.into_iter().flatten().collect())
}

fn simulate(larder: &Path, run: &Run) -> anyhow::Result<Report> {
    let mut command = Command::new(larder);
    command.args(["simulate", "--json", "--capacity", &run.capacity.to_string(), "--seed", &run.seed.to_string()]);
    command.args(&run.more);
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {command:?} printed"))
}

/// One capacity: what each policy saved against LRFU, paired by seed.
struct Row {
    capacity: f64,
    /// In the order of [`POLICIES`].
    differences: Vec<Interval>,
    /// LRFU's best lambdas, with the number of seeds each was best for, the largest lambda first.
    lambdas: Vec<(f64, usize)>,
}

impl Row {
    fn new(capacity: f64, reports: &[Report]) -> anyhow::Result<Self> {
        let differences = POLICIES.map(|name| {
            let paired = reports.iter().map(|report| {
                let baseline = report.policy(BASELINE)?.io_time_saved;
                ensure!(baseline > 0.0, "{BASELINE} saves nothing at capacity {capacity}");
                Ok(100.0 * (report.policy(name)?.io_time_saved / baseline - 1.0))
            });
            Ok(Interval::of(&paired.collect::<anyhow::Result<Vec<_>>>()?))
        });
        let mut best: Vec<f64> = reports
            .iter()
            .map(|report| report.policy(BASELINE)?.lambda.context("lrfu tells no lambda"))
            .collect::<anyhow::Result<_>>()?;
        best.sort_by(|a, b| b.total_cmp(a));
        let lambdas = best.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).collect();
        Ok(Self { capacity, differences: differences.into_iter().collect::<anyhow::Result<_>>()?, lambdas })
    }
}

/// A mean in percent, with half of its 95% confidence interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) half: f64,
}

impl Interval {
    pub(crate) fn of(samples: &[f64]) -> Self {
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let variance = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { mean, half: students_t(samples.len()) * (variance / n).sqrt() }
    }

    fn is_above_zero(self) -> bool {
        self.mean - self.half > 0.0
    }

    fn is_below_zero(self) -> bool {
        self.mean + self.half < 0.0
    }
}

/// The table, and what it says of each policy.
fn describe(rows: &[Row]) -> String {
    let mut text = format!(
        "IO time saved, in percent more or less than by LRFU with the best lambda of its run, which nobody knows beforehand: \
         means with\n95% confidence intervals, paired by seed. Capacities are fractions of the bytes touched in 30 days; \
         each policy has all of it\nto itself and sees every read.\n\n\
         | capacity | {} | best lambdas (seeds) |\n| ---: |{} --- |\n",
        POLICIES.join(" | "),
        " ---: |".repeat(POLICIES.len())
    );
    for row in rows {
        let _ = write!(text, "| {} |", percent(row.capacity));
        for difference in &row.differences {
            let _ = write!(text, " {:+.2} ± {:.2} |", difference.mean, difference.half);
        }
        let lambdas: Vec<String> = row.lambdas.iter().map(|(lambda, seeds)| format!("{lambda} ({seeds})")).collect();
        let _ = writeln!(text, " {} |", lambdas.join(", "));
    }
    text.push('\n');
    for (at, name) in POLICIES.into_iter().enumerate() {
        let where_it = |is: fn(Interval) -> bool| {
            let found: Vec<String> =
                rows.iter().filter(|row| is(row.differences[at])).map(|row| percent(row.capacity)).collect();
            if found.is_empty() { "no capacity".to_owned() } else { found.join(", ") }
        };
        let _ = writeln!(
            text,
            "- `{name}` saves more than LRFU at {}, less at {}",
            where_it(Interval::is_above_zero),
            where_it(Interval::is_below_zero)
        );
    }
    text
}

pub(crate) fn percent(fraction: f64) -> String {
    format!("{}%", (fraction * 1e4).round() / 1e2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        let interval = Interval::of(&[1.0, 2.0, 3.0, 4.0]);
        // The standard deviation is the root of 5/3, the mean's half of that.
        assert!((interval.mean - 2.5).abs() < 1e-12);
        assert!((interval.half - 3.182 * (5.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
        assert!(interval.is_above_zero() && !interval.is_below_zero());
        let wide = Interval::of(&[-3.0, 4.0]);
        assert!(!wide.is_above_zero() && !wide.is_below_zero());
        assert_eq!((students_t(SEEDS.count()), students_t(10)), (2.093, 2.262));
    }

    fn report(s3fifo: f64) -> Report {
        let policy = |name: &str, io_time_saved, lambda| Policy {
            name: name.to_owned(),
            io_time_saved,
            lambda,
            ..Policy::default()
        };
        let mut policies: Vec<Policy> = POLICIES[1..].iter().map(|name| policy(name, 90.0, None)).collect();
        policies.extend([policy("s3fifo", s3fifo, None), policy(BASELINE, 100.0, Some(0.1))]);
        Report { io_time_possible: 200.0, policies, ..Report::default() }
    }

    #[test]
    fn each_policy_is_told_where_it_saves_more() {
        let row = |s3fifo| Row::new(0.005, &[report(s3fifo), report(s3fifo + 1.0)]).unwrap();
        let text = describe(&[row(150.0)]);
        assert!(text.contains("| 0.5% | +50.50 ± "), "{text}");
        assert!(text.contains(" | -10.00 ± 0.00 | 0.1 (2) |"), "{text}");
        assert!(text.contains("- `lru` saves more than LRFU at no capacity, less at 0.5%"), "{text}");
        assert!(text.contains("- `s3fifo` saves more than LRFU at 0.5%, less at no capacity"), "{text}");
    }
}
