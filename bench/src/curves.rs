//! Capacity curves drawn from samples of the partitions, beside those of all: `larder simulate --curve` over seeds.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use larder_plot::{Figure, Line, Panel, Scale, Series, Ticks};
use serde::Deserialize;

use crate::client::{larder_binary, progress};
use crate::policies::percent;
use crate::record::{results, show};

/// Compares capacity curves drawn from samples with exact ones.
#[derive(Args)]
pub(crate) struct Settings {
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md, and the plot to bench/plots/.
    #[arg(long)]
    record: bool,
}

/// Seeds of the workloads; no test uses them, and nothing was tuned on them. The first is drawn.
const SEEDS: std::ops::Range<u64> = 301..306;
/// Shares of the partitions.
const SAMPLES: [f64; 3] = [0.01, 0.1, 0.3];
/// How far off a curve of the smallest sample may be, as a share of the IO time there is to be saved.
const ERROR_MAX: f64 = 0.02;
/// What has a panel of its own.
const DRAWN: [&str; 4] = ["whitelist", "s3fifo", "yanxuan", "b0"];

/// What `larder simulate --curve --json` prints, as far as it is needed here.
#[derive(Deserialize)]
struct Curve {
    reads: u64,
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    capacity_fraction: f64,
    b1: f64,
    b2: f64,
    policies: Vec<Saved>,
}

#[derive(Deserialize)]
struct Saved {
    name: String,
    saved: f64,
}

impl Point {
    /// What a policy saves, or a bound, as a share of what there is to be saved.
    fn saved(&self, name: &str) -> anyhow::Result<f64> {
        match name {
            "b1" => Ok(self.b1),
            "b2" => Ok(self.b2),
            _ => {
                let policy = self.policies.iter().find(|policy| policy.name == name);
                Ok(policy.with_context(|| format!("no policy `{name}`"))?.saved)
            }
        }
    }
}

/// A curve, and how long it took.
struct Timed {
    curve: Curve,
    seconds: f64,
}

/// The curves of one seed.
struct OfSeed {
    exact: Timed,
    /// In the order of [`SAMPLES`].
    sampled: Vec<Timed>,
}

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let larder = larder_binary(settings.larder.as_deref())?;
    let mut seeds = Vec::new();
    for seed in SEEDS {
        let drawn = |sample: f64| {
            progress(&format!("seed {seed}, {} of the partitions", percent(sample)));
            draw(&larder, seed, sample)
        };
        let exact = drawn(1.0)?;
        let sampled = SAMPLES.into_iter().map(drawn).collect::<anyhow::Result<Vec<Timed>>>()?;
        seeds.push(OfSeed { exact, sampled });
    }
    progress("");
    let text = describe(&seeds)?;
    if settings.record {
        fs::write(results().join("plots/curves.svg"), figure(&seeds)?.svg())?;
    }
    let how = format!("seeds {} to {}, a dozen capacities each", SEEDS.start, SEEDS.end - 1);
    show(&text, "curves", "## Capacity curves from samples", settings.record.then_some(how.as_str()))
}

fn draw(larder: &Path, seed: u64, sample: f64) -> anyhow::Result<Timed> {
    let mut command = Command::new(larder);
    command.args(["simulate", "--curve", "--json", "--seed", &seed.to_string(), "--sample", &sample.to_string()]);
    let began = Instant::now();
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let curve = serde_json::from_slice(&output.stdout).with_context(|| format!("what {command:?} printed"))?;
    Ok(Timed { curve, seconds: began.elapsed().as_secs_f64() })
}

/// How far off a sample's curves are, over all seeds and capacities.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Error {
    mean: f64,
    largest: f64,
}

fn error(seeds: &[OfSeed], sample: usize, name: &str) -> anyhow::Result<Error> {
    let mut apart = Vec::new();
    for seed in seeds {
        for (exact, sampled) in seed.exact.curve.points.iter().zip(&seed.sampled[sample].curve.points) {
            apart.push((sampled.saved(name)? - exact.saved(name)?).abs());
        }
    }
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    Ok(Error { mean, largest: apart.into_iter().fold(0.0, f64::max) })
}

fn describe(seeds: &[OfSeed]) -> anyhow::Result<String> {
    let first = seeds.first().and_then(|seed| seed.exact.curve.points.first()).context("nothing was drawn")?;
    let names: Vec<&str> = first.policies.iter().map(|policy| policy.name.as_str()).chain(["b1", "b2"]).collect();
    let columns = SAMPLES.map(|sample| format!(" {} |", percent(sample))).concat();
    let mut text = format!(
        "How far curves of a sample of the partitions lie from those of all of them, in shares of the IO time there is to be \
         saved: the\nmean over all seeds and capacities, and the largest.\n\n\
         | curve |{columns}\n| --- |{}\n",
        " ---: |".repeat(SAMPLES.len())
    );
    for name in &names {
        write!(text, "| {name} |")?;
        for sample in 0..SAMPLES.len() {
            let Error { mean, largest } = error(seeds, sample, name)?;
            write!(text, " {mean:.3} ({largest:.3}) |")?;
        }
        text.push('\n');
    }
    let of_exact = |figure: fn(&Timed) -> f64, sample: usize| {
        let (sampled, exact) = seeds.iter().fold((0.0_f64, 0.0_f64), |(sampled, exact), seed| {
            (sampled + figure(&seed.sampled[sample]), exact + figure(&seed.exact))
        });
        format!(" {:.1}% |", 100.0 * sampled / exact)
    };
    let mut row = |called: &str, figure: fn(&Timed) -> f64| {
        let cells: String = (0..SAMPLES.len()).map(|sample| of_exact(figure, sample)).collect();
        writeln!(text, "| {called} |{cells}")
    };
    row("reads, of all", |timed| timed.curve.reads as f64)?;
    row("time, of an exact curve's", |timed| timed.seconds)?;
    let smallest = names.iter().map(|name| error(seeds, 0, name)).collect::<anyhow::Result<Vec<Error>>>()?;
    let within = |of: fn(&Error) -> f64| smallest.iter().filter(|error| of(error) <= ERROR_MAX).count();
    let (in_the_mean, everywhere) = (within(|error| error.mean), within(|error| error.largest));
    write!(
        text,
        "\n- To reach: within {ERROR_MAX} of exact at a sample of {}: {}; {in_the_mean} of {} curves are so in the mean, \
         {everywhere} at each capacity of each seed\n\n\
         ![Curves of seed {} from samples and from all](plots/curves.svg)\n",
        percent(SAMPLES[0]),
        if everywhere == names.len() { "reached" } else { "**missed**" },
        names.len(),
        SEEDS.start
    )?;
    Ok(text)
}

/// The first seed's curves.
fn figure(seeds: &[OfSeed]) -> anyhow::Result<Figure> {
    let seed = seeds.first().context("nothing was drawn")?;
    let [first, others @ ..] = Line::COLOURS;
    let mut lines = vec![("all partitions".to_owned(), Line::bold(first), &seed.exact.curve)];
    for ((sample, colour), sampled) in SAMPLES.into_iter().zip(others).zip(&seed.sampled) {
        lines.push((percent(sample), Line::plain(colour), &sampled.curve));
    }
    let panel = |policy: &str| {
        let series = lines.iter().map(|(name, line, curve)| {
            let mut points = Vec::new();
            for point in &curve.points {
                points.push((100.0 * point.capacity_fraction, 100.0 * point.saved(policy)?));
            }
            anyhow::Ok(Series { name: name.clone(), line: *line, points })
        });
        anyhow::Ok(Panel { title: policy.to_owned(), series: series.collect::<anyhow::Result<Vec<Series>>>()? })
    };
    Ok(Figure {
        title: format!("IO time saved by capacity, from samples of the partitions (seed {})", SEEDS.start),
        x_label: "capacity, % of the bytes touched in 30 days".to_owned(),
        x_ticks: Ticks::Round,
        y_label: "IO time saved, %".to_owned(),
        y_scale: Scale::Linear,
        panels: DRAWN.into_iter().map(panel).collect::<anyhow::Result<Vec<Panel>>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two capacities, at which every policy saves so much.
    fn timed(reads: u64, saved: [f64; 2]) -> Timed {
        let point = |capacity_fraction: f64, saved: f64| Point {
            capacity_fraction,
            b1: saved,
            b2: 1.0,
            policies: DRAWN.map(|name| Saved { name: name.to_owned(), saved }).into(),
        };
        Timed { curve: Curve { reads, points: vec![point(0.1, saved[0]), point(0.5, saved[1])] }, seconds: 2.0 }
    }

    fn of_seed(one_percent: [f64; 2]) -> OfSeed {
        let sampled = vec![timed(2, one_percent), timed(20, [0.5, 0.7]), timed(60, [0.5, 0.75])];
        OfSeed { exact: timed(200, [0.5, 0.75]), sampled }
    }

    #[test]
    fn errors_are_told_in_the_mean_and_at_worst() {
        let text = describe(&[of_seed([0.5, 0.75]), of_seed([0.4, 0.85])]).unwrap();
        // At 1%: exact in the first, off by 0.1 in the second. At 10%: by 0.05 at one of two capacities.
        assert!(text.contains("| whitelist | 0.050 (0.100) | 0.025 (0.050) | 0.000 (0.000) |\n"), "{text}");
        assert!(text.contains("| b2 | 0.000 (0.000) | 0.000 (0.000) | 0.000 (0.000) |\n"), "{text}");
        assert!(text.contains("| reads, of all | 1.0% | 10.0% | 30.0% |\n"), "{text}");
        assert!(text.contains("| time, of an exact curve's | 100.0% | 100.0% | 100.0% |\n"), "{text}");
        assert!(text.contains("sample of 1%: **missed**; 1 of 6 curves are so in the mean, 1 at each"), "{text}");
        let text = describe(&[of_seed([0.51, 0.76])]).unwrap();
        assert!(text.contains("sample of 1%: reached; 6 of 6 curves"), "{text}");
    }

    #[test]
    fn each_policy_has_a_panel_with_a_line_for_each_sample() {
        let svg = figure(&[of_seed([0.4, 0.6])]).unwrap().svg();
        assert_eq!(svg.matches("<polyline").count(), DRAWN.len() * (SAMPLES.len() + 1));
        assert!(svg.contains(">all partitions<") && svg.contains(">1%<"), "{svg}");
    }
}
