//! `larder ingest FORMAT PATH`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use larder_whitelist::{Format, ingest_file};
use serde_json::json;
use tempfile::NamedTempFile;

use super::{Context, table};
use crate::cli::IngestArgs;

/// This path means standard input.
const STANDARD_INPUT: &str = "-";

pub(super) async fn run(context: &Context, args: &IngestArgs) -> Result<()> {
    let (logs, format) = (context.config()?.logs.path, args.format);
    // Kept until the end: the file goes with it.
    let input = (args.path == Path::new(STANDARD_INPUT)).then(standard_input).transpose()?;
    let files = match &input {
        Some(input) => vec![input.path().to_owned()],
        None => files(&args.path)?,
    };
    let mut reports = Vec::new();
    let mut broken = 0;
    for file in files {
        let (path, logs) = (file.clone(), logs.clone());
        let report = tokio::task::spawn_blocking(move || ingest(format, &path, &logs)).await??;
        broken += report.rest.broken;
        let shown = if input.is_some() { &args.path } else { &file };
        if !args.json {
            let (name, rest) = (shown.display(), &report.rest);
            table::say(format!("{name}: {} events taken, {} broken lines", report.events, rest.broken));
            for entry in &rest.broken_entries {
                table::say(format!("  {name}:{}: {}", entry.line, entry.problem));
            }
        }
        reports.push(json!({ "file": shown, "report": report }));
    }
    if args.json {
        table::json(&reports)?;
    }
    if broken > 0 {
        tracing::warn!(broken, "broken lines were left out, the rest is taken");
    }
    Ok(())
}

fn ingest(format: Format, path: &Path, logs: &Path) -> Result<larder_whitelist::logs::IngestReport> {
    let bytes = std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or(0);
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(bytes) } else { ProgressBar::hidden() };
    let report = ingest_file(format, path, logs, |read| bar.set_position(read));
    bar.finish_and_clear();
    Ok(report?)
}

/// All of standard input, in a file, because a log may be one array as well as a line for each event.
fn standard_input() -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new().context("cannot make a temporary file")?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).context("cannot keep standard input")?;
    Ok(file)
}

/// The file, or a folder's files by name.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    if files.is_empty() {
        bail!("there are no files in {}", path.display());
    }
    Ok(files)
}
