//! The guard of Trino's mapping file: a process of its own, which takes the mapping back when Larder cannot.
//!
//! Larder holds the other end of the guard's standard input. When that closes, however Larder ended, the guard writes the
//! mapping that sends everything to the storage, so that the next query that Trino plans does not look for Larder. The same
//! while Larder exists and its S3 endpoint does not answer: a process that is stopped, or on a machine that swaps, does not
//! notice that by itself. A lock on a file beside it lets one Larder at a time have the mapping, and the next one wait until
//! the guard is done.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use larder_planner_hook::Mapping;
use tokio::io::AsyncReadExt;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::file;
use super::probe::Probe;

/// What a guard says once it holds the lock.
const READY: &str = "guarding";

/// A guard that does not hold the lock after this time waits for more than the last one's end.
const LOCKED_OUT: Duration = Duration::from_secs(10);

/// `larder guard-mapping FILE ENDPOINT`: returns when standard input ends, with the file saying "straight to the storage".
pub(crate) async fn run(file: &Path, s3_url: String) -> Result<()> {
    let lock = beside(file, "lock");
    let held = OpenOptions::new().create(true).append(true).open(&lock);
    let held = held.with_context(|| format!("cannot open {}", lock.display()))?;
    held.lock().with_context(|| format!("cannot lock {}", lock.display()))?;
    let mut out = std::io::stdout();
    // Nobody hears it if Larder is gone already, and then there is the more reason to go on.
    _ = writeln!(out, "{READY}").and_then(|()| out.flush());
    let (healthy, is_healthy) = watch::channel(true);
    tokio::spawn(Probe::new(s3_url, healthy)?.run(CancellationToken::new()));
    let (mut input, mut said) = (tokio::io::stdin(), Vec::new());
    tokio::select! {
        // Larder says nothing: this returns when it is gone.
        _ = input.read_to_end(&mut said) => {}
        taken = take_back_while_silent(file, is_healthy) => taken?,
    }
    write(file, &Mapping::unmapped().json)
}

/// Takes the mapping back while the endpoint does not answer. Larder itself does so too if it can, and knows best what to
/// say afterwards: what it wrote meanwhile stays.
async fn take_back_while_silent(file: &Path, mut is_healthy: watch::Receiver<bool>) -> Result<()> {
    let mut taken = None;
    while is_healthy.changed().await.is_ok() {
        let unmapped = Mapping::unmapped();
        let now = std::fs::read(file).unwrap_or_default();
        match taken.take() {
            None if !*is_healthy.borrow() && now != unmapped.json => {
                write(file, &unmapped.json)?;
                taken = Some(now);
            }
            Some(before) if *is_healthy.borrow() && now == unmapped.json => write(file, &before)?,
            _ => {}
        }
    }
    Ok(())
}

/// Larder may write at the same time.
fn write(file: &Path, mapping: &[u8]) -> Result<()> {
    file::write_bytes(file, "guarded", mapping)
}

/// The path of a file's companion.
pub(super) fn beside(file: &Path, kind: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".");
    name.push(kind);
    PathBuf::from(name)
}

/// A guard that runs. Dropping it lets it do its work and end.
pub(super) struct Guard {
    _until: ChildStdin,
    lost: oneshot::Receiver<()>,
}

impl Guard {
    /// Starts a guard, and waits until it holds the lock: until the guard of a Larder that ended before has written, or
    /// for as long as another Larder has the file.
    pub(super) async fn start(file: PathBuf, s3_url: &str) -> Result<Self> {
        let program = std::env::current_exe().context("cannot name the program that runs")?;
        let mut process = Command::new(program)
            .arg("guard-mapping")
            .arg(&file)
            .arg(s3_url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C reaches all of a terminal's processes, and the guard must outlive this one.
            .process_group(0)
            .spawn()
            .context("cannot start the guard of Trino's mapping file")?;
        let until = process.stdin.take().context("the guard has no standard input")?;
        let out = process.stdout.take().context("the guard has no standard output")?;
        let (began, mut has_begun) = oneshot::channel();
        let (gone, lost) = oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let is_ready = BufReader::new(out).read_line(&mut line).is_ok() && line.trim_end() == READY;
            _ = began.send(is_ready);
            _ = process.wait();
            _ = gone.send(());
        });
        let has_begun = match tokio::time::timeout(LOCKED_OUT, &mut has_begun).await {
            Ok(has_begun) => has_begun,
            Err(_) => {
                tracing::warn!(file = %file.display(), "another Larder has Trino's mapping file; this one waits for it");
                has_begun.await
            }
        };
        if !has_begun.unwrap_or(false) {
            bail!("the guard of {} did not start; its own message stands above", file.display());
        }
        Ok(Self { _until: until, lost })
    }

    /// Resolves when the guard is gone.
    pub(super) async fn lost(&mut self) {
        _ = (&mut self.lost).await;
    }
}
