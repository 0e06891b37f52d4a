//! The file that Trino reads its mapping from.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use larder_planner_hook::{InForce, Mapping};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::guard::{self, Guard};

/// How long after a guard was lost, or could not start, the next one is tried.
const GUARD_AGAIN: Duration = Duration::from_secs(1);

/// Writes what is in force to the file until `stop`, and the default entry at the end. The file names Larder only while
/// there is a guard, which asks the S3 endpoint at `s3_url`.
pub(crate) async fn keep(
    file: PathBuf,
    s3_url: String,
    mut in_force: watch::Receiver<InForce>,
    stop: CancellationToken,
) {
    let pause = || stop.run_until_cancelled(tokio::time::sleep(GUARD_AGAIN));
    while !stop.is_cancelled() {
        let mut guard = match stop.run_until_cancelled(Guard::start(file.clone(), &s3_url)).await {
            None => return,
            Some(Ok(guard)) => guard,
            Some(Err(error)) => {
                // Nobody would take back what is written now.
                tracing::error!(error = format!("{error:#}"), "Trino's mapping file is not written");
                pause().await;
                continue;
            }
        };
        in_force.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    // While the guard still keeps another Larder from the file.
                    write_or_log(&file, &Mapping::unmapped());
                    return;
                }
                () = guard.lost() => {
                    tracing::warn!("the guard of Trino's mapping file is gone; another one takes its place");
                    write_or_log(&file, &Mapping::unmapped());
                    pause().await;
                    break;
                }
                Ok(()) = in_force.changed() => {
                    let mapping = in_force.borrow_and_update().mapping.clone();
                    write_or_log(&file, &mapping);
                }
            }
        }
    }
}

fn write_or_log(file: &Path, mapping: &Mapping) {
    if let Err(error) = write(file, mapping) {
        tracing::error!(error = format!("{error:#}"), "Trino's mapping file stays as it was");
    }
}

/// Puts a mapping in the place of what the file held, so that a reader sees the one or the other. It holds a secret:
/// others than its owner and group cannot read it.
pub(super) fn write(file: &Path, mapping: &Mapping) -> Result<()> {
    write_bytes(file, "partial", &mapping.json)
}

/// The same, by way of a companion of this kind: who may write at the same time needs another one.
pub(super) fn write_bytes(file: &Path, partial: &str, mapping: &[u8]) -> Result<()> {
    let partial = guard::beside(file, partial);
    let write = || {
        let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&partial)?;
        out.write_all(mapping)?;
        std::fs::rename(&partial, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_replaced_whole_and_only_owner_and_group_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mapping.json");
        std::fs::write(&file, "{ something longer than the mapping that takes its place, and broken at that }")
            .expect("a file");
        write(&file, &Mapping::unmapped()).expect("written");
        assert_eq!(std::fs::read(&file).expect("a file"), Mapping::unmapped().json);
        let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o007, 0, "{mode:o}");
        let problem = write(&folder.path().join("absent/mapping.json"), &Mapping::unmapped()).expect_err("no folder");
        assert!(problem.to_string().contains("absent/mapping.json"), "{problem:#}");
    }
}
