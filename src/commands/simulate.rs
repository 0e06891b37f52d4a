//! `larder simulate`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;
use larder_plot::{Figure, Line, Panel, Scale, Series, Ticks};
use larder_whitelist::simulate::{
    CacheSettings, CurveReport, CurveSettings, History, HistorySpan, SimulateError, SimulateSettings, SimulationReport,
    Source, check_capacity, check_sample, curve, run as replay,
};

use super::{Context, table};
use crate::cli::{AdmitArg, SimulateArgs};

pub(super) async fn run(context: &Context, args: SimulateArgs) -> Result<()> {
    // Reading a history and replaying it take long: what cannot be done is found out before.
    check_capacity(args.capacity)?;
    args.sample.map_or(Ok(()), check_sample)?;
    args.svg.as_deref().map_or(Ok(()), check_folder)?;
    let cache =
        CacheSettings { admits_all: args.admit == AdmitArg::All, adaptive_percent: args.adaptive, policy: args.policy };
    let source = match args.trace {
        Some(path) => Source::Trace(path),
        None if args.history => {
            let (_, store) = context.store().await?;
            Source::History(Box::new(History::load(&store).await?))
        }
        None => Source::Workload { seed: args.seed, scenario: args.scenario },
    };
    if !args.curve {
        let settings = SimulateSettings { source, capacity_fraction: args.capacity, cache, ablations: args.ablations };
        let report = with_spinner(move || replay(&settings)).await?;
        return if args.json { table::json(&report) } else { print(&report) };
    }
    let settings = CurveSettings { source, sample: args.sample, cache };
    let report = with_spinner(move || curve(&settings)).await?;
    if let Some(path) = &args.svg {
        std::fs::write(path, figure(&report).svg()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json { table::json(&report) } else { print_curve(&report) }
}

fn check_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "--svg {}: there is no folder {}", path.display(), folder.display());
    ensure!(!path.is_dir(), "--svg {}: that is a folder, not a file", path.display());
    Ok(())
}

async fn with_spinner<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SimulateError> + Send + 'static,
) -> Result<T> {
    // Nothing is drawn where nobody looks.
    let spinner = ProgressBar::new_spinner().with_message("replaying with each policy");
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = tokio::task::spawn_blocking(work).await;
    spinner.finish_and_clear();
    Ok(done??)
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn say_history(span: &HistorySpan) {
    let gaps = match span.days_without_logs {
        0 => String::new(),
        1 => ", one without logs".to_owned(),
        days => format!(", {days} without logs"),
    };
    let gone = match span.items_gone {
        0 => String::new(),
        items => format!(", {items} of them dropped since"),
    };
    table::say(format!(
        "history from {} to {}{gaps}; {} tables and partitions{gone}; the first {} days warm up\n\
         order within a day is not known: reads are spread evenly over as many half-hours as there were; {}\n",
        span.first,
        span.last,
        span.items_read,
        span.days_warm_up,
        if span.measured { "speeds as measured" } else { "speeds in part assumed: too few reads to measure them" }
    ));
}

fn print(report: &SimulationReport) -> Result<()> {
    report.history.iter().for_each(say_history);
    table::say(format!(
        "capacity {}; {} of IO time to be saved\n",
        table::size(report.capacity_bytes),
        table::seconds(report.io_time_possible)
    ));
    let rows = report.policies.iter().map(|policy| {
        vec![
            policy.lambda.map_or_else(|| policy.name.clone(), |lambda| format!("{} (lambda {lambda})", policy.name)),
            table::seconds(policy.io_time_saved),
            percent(policy.io_time_saved / report.io_time_possible),
            percent(policy.byte_hit_ratio),
            percent(policy.request_hit_ratio),
            table::size(policy.origin_bytes),
            table::size(policy.origin_peak_hour_bytes),
            table::size(policy.written_bytes),
            policy.churn_per_night.map_or_else(|| "-".to_owned(), percent),
            policy.preload_wasted.map_or_else(|| "-".to_owned(), percent),
            percent(policy.regret_b0),
            percent(policy.regret_b2),
        ]
    });
    table::print(
        &[
            "POLICY",
            ">IO TIME SAVED",
            ">OF ALL",
            ">BYTE HITS",
            ">REQUEST HITS",
            ">ORIGIN",
            ">PEAK HOUR",
            ">WRITTEN",
            ">CHURN",
            ">WASTED",
            ">REGRET B0",
            ">REGRET B2",
        ],
        rows,
    );
    let bound = |saved: f64| format!("{} ({})", table::seconds(saved), percent(saved / report.io_time_possible));
    table::say(format!(
        "\nNo cache that fills on demand saves more than {}, none that loads ahead more than {}.",
        bound(report.bounds.b1),
        bound(report.bounds.b2)
    ));
    Ok(())
}

fn print_curve(report: &CurveReport) -> Result<()> {
    report.history.iter().for_each(say_history);
    table::say(format!(
        "share of IO time saved, by capacity; {} touched in 30 days; {}\n",
        table::size(report.touched_bytes),
        what_was_replayed(report)
    ));
    let names: Vec<String> =
        report.points[0].policies.iter().map(|policy| format!(">{}", policy.name.to_uppercase())).collect();
    let mut headings = vec![">CAPACITY", ">SIZE"];
    headings.extend(names.iter().map(String::as_str));
    headings.extend([">B1", ">B2"]);
    let rows = report.points.iter().map(|point| {
        let saved = point.policies.iter().map(|policy| policy.saved).chain([point.b1, point.b2]);
        [percent(point.capacity_fraction), table::size(point.capacity_bytes)]
            .into_iter()
            .chain(saved.map(percent))
            .collect()
    });
    table::print(&headings, rows);
    table::say(
        "\nb0 chooses each night knowing the day to come. No cache that fills on demand saves more than b1, none that \
         loads ahead\nmore than b2.",
    );
    Ok(())
}

fn what_was_replayed(report: &CurveReport) -> String {
    if report.sample < 1.0 {
        format!("{} reads, those of a sample of {} of the partitions", report.reads, percent(report.sample))
    } else {
        format!("{} reads", report.reads)
    }
}

/// The curve, one line a policy and the bounds dashed.
fn figure(report: &CurveReport) -> Figure {
    let line = |name: &str, line: Line, value: &dyn Fn(usize) -> f64| Series {
        name: name.to_owned(),
        line,
        points: (0..report.points.len())
            .map(|at| (report.points[at].capacity_fraction * 100.0, value(at) * 100.0))
            .collect(),
    };
    let [first, others @ ..] = Line::COLOURS;
    let mut others = others.into_iter().cycle();
    let mut series = Vec::new();
    for (position, policy) in report.points[0].policies.iter().enumerate() {
        let drawn = match policy.name.as_str() {
            "whitelist" => Line::bold(first),
            "whitelist-routed" => Line::bold(others.next().unwrap_or(first)),
            "b0" => Line::dashed("8 4"),
            _ => Line::plain(others.next().unwrap_or(first)),
        };
        series.push(line(&policy.name, drawn, &|at| report.points[at].policies[position].saved));
    }
    series.push(line("b1 (bound on demand)", Line::dashed("5 4"), &|at| report.points[at].b1));
    series.push(line("b2 (bound on all)", Line::dashed("2 3"), &|at| report.points[at].b2));
    Figure {
        title: format!("IO time saved by capacity ({})", what_was_replayed(report)),
        x_label: "capacity, % of the bytes touched in 30 days".into(),
        x_ticks: Ticks::Round,
        y_label: "IO time saved, % of what there is to save".into(),
        y_scale: Scale::Linear,
        panels: vec![Panel { title: String::new(), series }],
    }
}

#[cfg(test)]
mod tests {
    use larder_whitelist::simulate::{CurvePoint, CurvePolicy};

    use super::*;

    #[test]
    fn a_curve_is_drawn_with_a_line_for_each_policy_and_bound() {
        let point = |capacity_fraction: f64| CurvePoint {
            capacity_fraction,
            capacity_bytes: 1,
            b1: 0.8,
            b2: 0.9,
            policies: ["lru", "whitelist", "b0"].map(|name| CurvePolicy { name: name.into(), saved: 0.5 }).into(),
        };
        let points = vec![point(0.005), point(1.0)];
        let svg = figure(&CurveReport { history: None, sample: 0.1, reads: 5, touched_bytes: 1, points }).svg();
        // Each line in the chart, and in the legend.
        assert_eq!(svg.matches("<polyline").count(), 5);
        assert_eq!(svg.matches("stroke-dasharray").count(), 2 * 3);
        for words in ["lru", "whitelist", "b0", "b1", "b2", "capacity, %", "IO time saved, %", "5 reads", "10.0%"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
    }

    #[test]
    fn a_plot_that_could_not_be_written_is_refused_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_folder(&folder.path().join("curve.svg")).is_ok());
        assert!(check_folder(Path::new("curve.svg")).is_ok());
        let error = check_folder(&folder.path().join("absent/curve.svg")).unwrap_err().to_string();
        assert!(error.contains("there is no folder") && error.contains("absent"), "{error}");
        assert!(check_folder(folder.path()).unwrap_err().to_string().contains("that is a folder"));
    }
}
