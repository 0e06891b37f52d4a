//! Builds the page with Vite, outside the source tree. Without Node the build goes on, and the page says what is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let sources = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("ui");
    let out = PathBuf::from(env("OUT_DIR"));
    for watched in
        ["src", "index.html", "api.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json"]
    {
        println!("cargo:rerun-if-changed={}", sources.join(watched).display());
    }
    let dist = out.join("dist");
    if let Err(problem) = build(&sources, &out.join("ui"), &dist) {
        println!("cargo:warning=the dashboard is not built: {problem}");
        std::fs::create_dir_all(&dist).expect("OUT_DIR is writable");
        for page in ["index.html", "api.html"] {
            std::fs::write(dist.join(page), placeholder(&problem)).expect("OUT_DIR is writable");
        }
    }
}

fn env(name: &str) -> String {
    std::env::var(name).expect("cargo sets it for build scripts")
}

fn build(sources: &Path, work: &Path, dist: &Path) -> Result<(), String> {
    copy(sources, work).map_err(|error| format!("copying {}: {error}", sources.display()))?;
    // `install`, not `ci`: lock files leave out the optional packages of other platforms, which `ci` takes for a mistake.
    npm(work, &["install", "--no-audit", "--no-fund", "--loglevel=error"])?;
    npm(work, &["run", "build", "--", "--emptyOutDir", "--outDir", &dist.display().to_string()])
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let done = Command::new("npm").args(arguments).current_dir(folder).output();
    let done = done.map_err(|error| format!("npm does not start ({error}); install Node.js 20 or newer"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(if done.stderr.is_empty() { &done.stdout } else { &done.stderr }).into_owned();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    Err(format!("npm {} failed: {}", arguments[0], last.into_iter().rev().collect::<Vec<_>>().join(" | ")))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "node_modules" || name == "dist" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

fn placeholder(problem: &str) -> String {
    let problem = problem.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Larder</title><h1>The dashboard was not built</h1><p>{problem}</p>\
         <p>Everything else works; the API is at <a href=\"/api/openapi.json\">/api/openapi.json</a>. Install Node.js, \
         touch web/build.rs and build again.</p>"
    )
}
