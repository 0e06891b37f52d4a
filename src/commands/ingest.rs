//! `larder ingest FORMAT PATH`.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::ProgressBar;
use larder_cached::BucketSettings;
use larder_model::{AttributionRules, Clock as _, SystemClock};
use larder_whitelist::logs::{IngestReport, Log, LogReader, Place, Places, ingest_log, logs_below};
use serde_json::json;
use tempfile::NamedTempFile;

use super::{Context, table};
use crate::cli::IngestArgs;
use crate::config::Config;

/// This path means standard input.
const STANDARD_INPUT: &str = "-";

pub(super) async fn run(context: &Context, args: &IngestArgs) -> Result<()> {
    let config = context.config()?;
    let places = places(&config, args.catalog.as_deref());
    if let Some(metastore) = crate::serve::metastore_of(&config, places.clone())
        && let Err(problem) = metastore.learn().await
    {
        tracing::warn!(problem, "the metastore cannot be asked where tables lie; their paths count");
    }
    let mut reader = LogReader::new(args.format, places, SystemClock.now())
        .map_err(|problem| anyhow!("{problem} with --catalog NAME"))?;
    // Kept until the end: the file goes with it.
    let input = (args.path == Path::new(STANDARD_INPUT)).then(standard_input).transpose()?;
    let found = match &input {
        Some(input) => vec![vec![input.path().to_owned()]],
        None => files(&args.path)?,
    };
    let mut reports = Vec::new();
    let mut broken = 0;
    for log in found {
        let (parts, logs) = (log.clone(), config.logs.path.clone());
        let (read_on, of_log) = tokio::task::spawn_blocking(move || ingest(reader, &parts, &logs)).await?;
        reader = read_on;
        for (file, report) in log.iter().zip(of_log?) {
            let shown = if input.is_some() { &args.path } else { file };
            broken += report.rest.broken;
            if !args.json {
                say(shown, &report);
            }
            reports.push(json!({ "file": shown, "report": report }));
        }
    }
    if args.json {
        table::json(&reports)?;
    }
    if broken > 0 {
        tracing::warn!(broken, "broken entries were left out, the rest is taken");
    }
    Ok(())
}

fn say(file: &Path, report: &IngestReport) {
    let (name, rest) = (file.display(), &report.rest);
    let again = if rest.duplicates > 0 { format!(", {} told before", rest.duplicates) } else { String::new() };
    table::say(format!("{name}: {} events taken{again}, {} broken lines", report.events, rest.broken));
    for entry in &rest.broken_entries {
        table::say(format!("  {name}:{}: {}", entry.line, entry.problem));
    }
}

/// Where the tables of the configuration's buckets are.
fn places(config: &Config, catalog: Option<&str>) -> Places {
    let place = |bucket: &BucketSettings| {
        let catalog = bucket.catalog.as_ref().unwrap_or(&bucket.name);
        Place {
            bucket: bucket.name.clone(),
            origin: bucket.origin.clone(),
            catalog: catalog.clone(),
            rules: AttributionRules::new(catalog, bucket.tables.clone()),
        }
    };
    Places::new(config.buckets.iter().map(place).collect(), catalog)
}

/// Reads a log; the reader, which knows what it read, comes back.
fn ingest(mut reader: LogReader, log: &Log, logs: &Path) -> (LogReader, Result<Vec<IngestReport>>) {
    let bytes = log.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|metadata| metadata.len()).sum();
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(bytes) } else { ProgressBar::hidden() };
    let reports = ingest_log(&mut reader, log, logs, |read| bar.set_position(read));
    bar.finish_and_clear();
    (reader, reports.map_err(Into::into))
}

/// All of standard input, in a file, because a log may be one array as well as a line for each event.
fn standard_input() -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new().context("cannot make a temporary file")?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).context("cannot keep standard input")?;
    Ok(file)
}

/// The log, or those in a folder.
fn files(path: &Path) -> Result<Vec<Log>> {
    let logs = logs_below(path).with_context(|| format!("cannot read {}", path.display()))?;
    if logs.is_empty() {
        bail!("there are no files in {}", path.display());
    }
    Ok(logs)
}
