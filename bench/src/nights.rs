//! How long a night takes and how much memory: `larder nightly` over generated logs of growing size, from nothing.

mod log;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use larder_plot::{Figure, Line, Panel, Scale, Series, Ticks};
use serde::Deserialize;

pub(crate) use self::log::date;
use self::log::{BUCKET, NIGHT, PARTITIONS, TABLES, write_lake, write_log};
use crate::client::{larder_binary, progress};
use crate::record::{results, show};

/// Measures nights over generated access logs.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rows of the largest log, which is of 30 days; 30 GB of disk for each 1,000,000,000.
    #[arg(long, default_value_t = 300_000_000)]
    rows: u64,
    /// Where the logs are written; by default where the system keeps what is temporary.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md, and the plot beside it.
    #[arg(long)]
    record: bool,
}

const MONTH: u64 = 30;
/// Parts of the largest log: how time grows.
const PARTS: [u64; 4] = [30, 10, 3, 1];
/// One night's rows, and what they may take.
const NIGHT_ROWS: u64 = 10_000_000;
const NIGHT_SECONDS_MAX: f64 = 60.0;
const NIGHT_BYTES_MAX: u64 = 2 << 30;
/// What the largest may take.
const REBUILD_BYTES_MAX: u64 = 4 << 30;

/// One night from nothing, and the next one over the same logs.
struct Measured {
    days: u64,
    rows: u64,
    log_bytes: u64,
    seconds: f64,
    peak_bytes: u64,
    again_seconds: f64,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let larder = larder_binary(settings.larder.as_deref())?;
    let folder = match &settings.folder {
        Some(within) => tempfile::tempdir_in(within)?,
        None => tempfile::tempdir()?,
    };
    progress(&format!("making a lake of {} partitions", TABLES * PARTITIONS));
    let lake = folder.path().join("lake");
    write_lake(&lake)?;
    let mut sizes = vec![(1, NIGHT_ROWS)];
    sizes.extend(PARTS.map(|part| (MONTH, settings.rows / part / MONTH)));
    let mut measured = Vec::new();
    for (days, rows_a_day) in sizes {
        ensure!(rows_a_day > 0, "--rows {} are less than one a day", settings.rows);
        let state = folder.path().join("state");
        progress(&format!("writing {days} days of {rows_a_day} rows"));
        write_log(&state.join("logs"), days, rows_a_day)?;
        progress(&format!("a night over {days} days of {rows_a_day} rows"));
        measured.push(measure(&larder, &lake, &state, days, rows_a_day).await?);
        fs::remove_dir_all(&state)?;
    }
    progress("");
    let text = describe(&measured);
    if settings.record {
        fs::write(results().join("nights.svg"), plot(&measured).svg())?;
    }
    let how = format!(
        "{TABLES} tables of {PARTITIONS} partitions, listed anew each night; each row of the table once, from an empty store"
    );
    show(&text, &format!("nights --rows {}", settings.rows), "## Nights", settings.record.then_some(how.as_str()))
}

/// What `larder nightly --json` prints, as far as it is needed here.
#[derive(Deserialize)]
struct Report {
    rows_ingested: u64,
    items: u64,
    candidates: u64,
}

async fn measure(larder: &Path, lake: &Path, state: &Path, days: u64, rows_a_day: u64) -> anyhow::Result<Measured> {
    let config = state.join("larder.toml");
    fs::write(&config, configuration(lake, state))?;
    let (report, seconds, peak_bytes) = night(larder, &config).await?;
    let rows = days * rows_a_day;
    ensure!(report.rows_ingested == rows, "the night read {} rows of {rows}", report.rows_ingested);
    ensure!(report.items > 0 && report.candidates as usize >= TABLES * PARTITIONS, "the night weighed too little");
    let (report, again_seconds, _) = night(larder, &config).await?;
    ensure!(report.rows_ingested == 0, "the second night read what the first had read");
    Ok(Measured { days, rows, log_bytes: folder_bytes(&state.join("logs"))?, seconds, peak_bytes, again_seconds })
}

/// Room for a tenth of the lake.
fn configuration(lake: &Path, state: &Path) -> String {
    let (lake, state) = (lake.display(), state.display());
    format!(
        "[[s3.keys]]\nid = \"bench\"\nsecret = \"bench\"\n\
         [store]\nurl = \"sqlite://{state}/larder.db\"\n[logs]\npath = \"{state}/logs\"\n\
         [cache]\nssd = {{ path = \"{state}/cache\", capacity = \"8TiB\" }}\n\
         [nightly]\nbudget = \"5TiB\"\n\
         [[bucket]]\nname = \"{BUCKET}\"\norigin = \"file://{lake}\"\n"
    )
}

/// Runs a night; returns its report, its seconds, and the most memory that it had.
async fn night(larder: &Path, config: &Path) -> anyhow::Result<(Report, f64, u64)> {
    let began = Instant::now();
    let mut child = Command::new(larder)
        .args(["nightly", "--json", "--date", NIGHT, "--config"])
        .arg(config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let peak_bytes = watch(&mut child).await?;
    let seconds = began.elapsed().as_secs_f64();
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the night failed: {}", String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&output.stdout).context("the night's report")?;
    Ok((report, seconds, peak_bytes))
}

/// Waits until a process has ended. The system keeps its peak for as long as it lives, so the last look has it.
async fn watch(child: &mut Child) -> anyhow::Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak_bytes = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()) {
            peak_bytes = kib << 10;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(peak_bytes)
}

fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

fn describe(measured: &[Measured]) -> String {
    let mut text = String::from(
        "| log | rows | Parquet | night | rows/s | peak memory | the next night |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for one in measured {
        let days = if one.days == 1 { "1 day".to_owned() } else { format!("{} days", one.days) };
        text.push_str(&format!(
            "| {days} | {:.2} M | {:.1} GB | {:.1} s | {:.2} M | {:.0} MiB | {:.1} s |\n",
            one.rows as f64 / 1e6,
            one.log_bytes as f64 / 1e9,
            one.seconds,
            one.rows as f64 / one.seconds / 1e6,
            one.peak_bytes as f64 / f64::from(1 << 20),
            one.again_seconds,
        ));
    }
    text.push('\n');
    let verdict = |holds| if holds { "reached" } else { "**missed**" };
    if let Some(night) = measured.iter().find(|one| one.days == 1) {
        text.push_str(&format!(
            "- To reach: one night of {} M rows in {NIGHT_SECONDS_MAX} s and {} GiB: {}\n",
            NIGHT_ROWS / 1_000_000,
            NIGHT_BYTES_MAX >> 30,
            verdict(night.seconds <= NIGHT_SECONDS_MAX && night.peak_bytes <= NIGHT_BYTES_MAX)
        ));
    }
    let month: Vec<&Measured> = measured.iter().filter(|one| one.days == MONTH).collect();
    if let [.., half, whole] = month[..] {
        text.push_str(&format!(
            "- To reach: a month's rebuild in {} GiB, whatever its rows: {}\n\
             - {:.1} times the rows took {:.1} times as long\n",
            REBUILD_BYTES_MAX >> 30,
            verdict(whole.peak_bytes <= REBUILD_BYTES_MAX),
            whole.rows as f64 / half.rows as f64,
            whole.seconds / half.seconds
        ));
    }
    text.push_str("\n![Time and memory of a night by rows](nights.svg)\n");
    text
}

fn plot(measured: &[Measured]) -> Figure {
    let month = || measured.iter().filter(|one| one.days == MONTH);
    let panel = |title: &str, of: &dyn Fn(&Measured) -> f64| Panel {
        title: title.to_owned(),
        series: vec![Series {
            name: "larder".to_owned(),
            line: Line::bold(Line::COLOURS[0]),
            points: month().map(|one| (one.rows as f64 / 1e6, of(one))).collect(),
        }],
    };
    Figure {
        title: "A month's cold rebuild, by million rows of access log".to_owned(),
        x_label: "million rows".to_owned(),
        x_ticks: Ticks::OfPoints,
        y_label: "seconds; MiB".to_owned(),
        y_scale: Scale::Log,
        panels: vec![
            panel("seconds", &|one| one.seconds),
            panel("peak memory, MiB", &|one| one.peak_bytes as f64 / f64::from(1 << 20)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_reached_is_said_of_the_night_and_of_the_largest() {
        let one = |days, rows, seconds, peak_bytes| Measured {
            days,
            rows,
            log_bytes: 1,
            seconds,
            peak_bytes,
            again_seconds: 1.0,
        };
        let month = [one(1, NIGHT_ROWS, 59.0, 1 << 30), one(30, 100, 1.0, 1), one(30, 200, 1.5, REBUILD_BYTES_MAX + 1)];
        let text = describe(&month);
        assert!(text.contains("10 M rows in 60 s and 2 GiB: reached"), "{text}");
        assert!(text.contains("whatever its rows: **missed**\n- 2.0 times the rows took 1.5 times as long"), "{text}");
        assert!(describe(&[one(1, NIGHT_ROWS, 61.0, 1)]).contains("**missed**"));
    }
}
