//! DuckDB as the clients of a job: a script in Python, on packages that are installed once, outside the clone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::client::cache_home;

/// The DuckDB that is measured, as the requirements pin it.
pub(crate) fn version() -> &'static str {
    let lines = include_str!("../../requirements.txt").lines();
    lines.filter_map(|line| line.strip_prefix("duckdb==")).next().unwrap_or("of an unknown version")
}

/// The script.
pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("duckdb_client.py")
}

/// A Python that has DuckDB: that of a virtual environment below `LARDER_HOME`, made now if it is not there.
pub(crate) fn python() -> anyhow::Result<PathBuf> {
    let venv = cache_home()?.join(format!("bench-duckdb-{}", version()));
    let python = venv.join("bin").join("python");
    if venv.join("complete").exists() {
        return Ok(python);
    }
    eprintln!("installing DuckDB {} into {}", version(), venv.display());
    fs::create_dir_all(&venv)?;
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements.txt");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements))?;
    fs::write(venv.join("complete"), "")?;
    Ok(python)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
