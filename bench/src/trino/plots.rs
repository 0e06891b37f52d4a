//! Plots of Trino over a far origin.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use larder_plot::{Figure, Line, Panel, Scale, Series, Ticks};

use super::{CONTENDERS, LOCAL, Measured, SUITES, WAYS};

/// Draws them into a folder, and returns the lines that show them.
pub(super) fn draw(measured: &Measured, folder: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(folder)?;
    let mut lines = String::from("\n");
    for (name, what, figure) in [
        ("trino-queries", "Warm queries beside local files", queries(measured)),
        ("trino-morning", "Answers in the quiet and the busy hour", mornings(measured)),
    ] {
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, figure.svg()).with_context(|| path.display().to_string())?;
        let _ = writeln!(lines, "![{what}](plots/{name}.svg)");
    }
    Ok(lines)
}

/// Each query's time beside local files, from the one that is furthest behind on.
fn queries(measured: &Measured) -> Figure {
    let counted = measured.counted();
    let panel = |(suite, title): (&str, &str)| {
        let of_suite = counted.iter().filter(|query| query.starts_with(&format!("{suite} "))).copied().collect();
        let series = WAYS.into_iter().filter(|way| way.temperature == "warm" && *way != LOCAL).map(|way| {
            let mut ratios: Vec<f64> =
                measured.query_ratios(way, LOCAL, &of_suite).into_iter().map(|(ratio, _)| ratio).collect();
            ratios.sort_by(|a, b| b.total_cmp(a));
            let points = ratios.into_iter().enumerate().map(|(rank, ratio)| (rank as f64 + 1.0, ratio)).collect();
            Series { name: way.name(), line: line_of(way.contender), points }
        });
        Panel { title: title.to_owned(), series: series.collect() }
    };
    Figure {
        title: "Trino over a far origin: warm queries beside local files".into(),
        x_label: "queries, from the slowest beside local files on".into(),
        x_ticks: Ticks::Round,
        y_label: "time, local files are 1".into(),
        y_scale: Scale::Linear,
        panels: SUITES.into_iter().map(panel).collect(),
    }
}

/// Which share of a morning's queries was answered within which time.
fn mornings(measured: &Measured) -> Figure {
    let panel = |hour: &str| {
        let series = CONTENDERS.into_iter().map(|contender| {
            let of_hour =
                measured.mornings.iter().filter(|morning| morning.contender == contender && morning.hour == hour);
            let mut seconds: Vec<f64> = of_hour.flat_map(|morning| morning.seconds.iter().flatten().copied()).collect();
            seconds.sort_by(f64::total_cmp);
            let share = |rank: usize| 100.0 * (rank as f64 + 1.0) / seconds.len() as f64;
            let points = seconds.iter().enumerate().map(|(rank, seconds)| (*seconds, share(rank))).collect();
            Series { name: contender.to_owned(), line: line_of(contender), points }
        });
        Panel { title: format!("{hour} hour"), series: series.collect() }
    };
    Figure {
        title: "Trino over a far origin: a morning of 8 analysts".into(),
        x_label: "seconds".into(),
        x_ticks: Ticks::Round,
        y_label: "% of queries answered".into(),
        y_scale: Scale::Linear,
        panels: ["quiet", "busy"].map(panel).into(),
    }
}

fn line_of(contender: &str) -> Line {
    let [larder, fs_cache, alluxio, ..] = Line::COLOURS;
    match contender {
        "larder" => Line::bold(larder),
        "fs.cache" => Line::plain(fs_cache),
        "alluxio" => Line::plain(alluxio),
        "direct" => Line::dashed("2 3"),
        _ => Line::dashed("8 4"),
    }
}
