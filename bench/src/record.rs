//! What a comparison found: medians over rounds, as a table for people and as a section of RESULTS.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};

use crate::load::Measured;

/// One server at one size: a sample a round, of what the client saw and the CPU seconds that the server spent.
pub(crate) struct Row {
    pub(crate) size: u64,
    pub(crate) server: &'static str,
    pub(crate) samples: Vec<(Measured, f64)>,
}

impl Row {
    pub(crate) fn new(size: u64, server: &'static str) -> Self {
        Self { size, server, samples: Vec::new() }
    }

    fn median(&self, figure: impl Fn(&Measured, f64) -> f64) -> f64 {
        median(self.samples.iter().map(|(measured, cpu)| figure(measured, *cpu)).collect())
    }

    fn requests_per_second(&self) -> f64 {
        self.median(|measured, _| measured.requests as f64 / measured.seconds)
    }

    fn mib_per_second(&self) -> f64 {
        self.median(|measured, _| mib(measured.bytes) / measured.seconds)
    }

    fn requests_per_core(&self) -> f64 {
        self.median(|measured, cpu| measured.requests as f64 / cpu)
    }

    fn mib_per_core(&self) -> f64 {
        self.median(|measured, cpu| mib(measured.bytes) / cpu)
    }
}

/// The one in the middle; not a number when there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const COLUMNS: [&str; 8] =
    ["GET", "server", "requests/s", "MiB/s", "requests per core second", "MiB per core second", "median", "p99"];

/// The table for the terminal, with the ratios below.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(COLUMNS);
    for row in rows {
        table.add_row(cells(row));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n\n{}", ratios(rows))
}

fn cells(row: &Row) -> [String; 8] {
    [
        size_text(row.size),
        row.server.to_owned(),
        format!("{:.0}", row.requests_per_second()),
        format!("{:.0}", row.mib_per_second()),
        format!("{:.0}", row.requests_per_core()),
        format!("{:.0}", row.mib_per_core()),
        format!("{:.2} ms", row.median(|measured, _| measured.median_us) / 1e3),
        format!("{:.2} ms", row.median(|measured, _| measured.p99_us) / 1e3),
    ]
}

fn size_text(size: u64) -> String {
    if size >= 1 << 20 { format!("{} MiB", size >> 20) } else { format!("{} KiB", size >> 10) }
}

/// Larder's work per core beside each other server's, and what design section 9 wants of it.
fn ratios(rows: &[Row]) -> String {
    let goals: [(u64, &str, f64); 6] = [
        (1 << 20, "nginx", 2.0),
        (1 << 20, "bare hyper", 0.9),
        (1 << 20, "varnish", 1.0),
        (1 << 20, "cachey", 1.0),
        (4 << 10, "bare hyper", 0.8),
        (4 << 10, "cachey", 1.0),
    ];
    let mut text = String::new();
    for larder in rows.iter().filter(|row| row.server == "larder") {
        for other in rows.iter().filter(|row| row.size == larder.size && row.server != "larder") {
            let per_core = larder.requests_per_core() / other.requests_per_core();
            let goal = goals.iter().find(|(size, server, _)| (*size, *server) == (larder.size, other.server));
            let verdict = match goal {
                Some((_, _, goal)) if per_core >= *goal => format!("; to reach: {goal}, reached"),
                Some((_, _, goal)) => format!("; to reach: {goal}, **missed**"),
                None => String::new(),
            };
            let throughput = larder.requests_per_second() / other.requests_per_second();
            let _ = writeln!(
                text,
                "- {}: larder does {per_core:.2}x the work of {} per core, at {throughput:.2}x its throughput{verdict}",
                size_text(larder.size),
                other.server,
            );
        }
    }
    text
}

/// What the figures were measured on and how, in words.
pub(crate) struct Machine {
    lines: Vec<String>,
}

impl Machine {
    /// This machine and this run: which comparison it was, its peer and the option that tells the peer's version, and how
    /// it was made.
    pub(crate) fn this(part: &str, peer: Option<(&str, &str)>, how: &str) -> anyhow::Result<Self> {
        let command = format!("cargo run --release -p larder-bench -- {part} --record").replace("--  ", "-- ");
        Self::by(&command, peer, how)
    }

    /// The same of a run by another command.
    pub(crate) fn by(command: &str, peer: Option<(&str, &str)>, how: &str) -> anyhow::Result<Self> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let memory = fs::read_to_string("/proc/meminfo")?;
        let kib: f64 = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .context("no MemTotal")?;
        let mut lines = vec![
            format!(
                "Commit {}.",
                output("git", &["-C", env!("CARGO_MANIFEST_DIR"), "log", "-1", "--format=%h of %cs"])?
            ),
            format!(
                "Machine: {} cores of {}, {:.0} GiB, Linux {}.",
                std::thread::available_parallelism()?,
                model.trim_start_matches([' ', '\t', ':']),
                kib / f64::from(1 << 20),
                // The version alone: what follows it is the builder's own name for it.
                output("uname", &["-r"])?.split('-').next().unwrap_or_default(),
            ),
            format!("Command: `{command}`: {how}."),
        ];
        if let Some((program, option)) = peer {
            lines.push(format!("Beside {}.", output(program, &[option])?.trim_start_matches("nginx version: ")));
        }
        Ok(Self { lines })
    }
}

const SECTION: &str = "## Ranged GETs from memory";

/// Replaces this comparison's section of the file, or adds it at the end.
pub(crate) fn record(path: &Path, machine: &Machine, rows: &[Row]) -> anyhow::Result<()> {
    let mut section = format!("| {} |\n|", COLUMNS.join(" | "));
    section.push_str(" --- | --- |");
    section.push_str(&" ---: |".repeat(COLUMNS.len() - 2));
    for row in rows {
        let _ = write!(section, "\n| {} |", cells(row).join(" | "));
    }
    let _ = write!(
        section,
        "\n\nPer core means per second of the server's CPU time (user and system).\n\n{}",
        ratios(rows)
    );
    record_section(path, SECTION, machine, &section)
}

/// Shows what a part of the benchmarks that has no peer found and, where that is wanted, replaces its section of the
/// recorded results.
pub(crate) fn show(text: &str, part: &str, title: &str, how: Option<&str>) -> anyhow::Result<()> {
    println!("{text}");
    if let Some(how) = how {
        let path = results().join("RESULTS.md");
        record_section(&path, title, &Machine::this(part, None, how)?, text)?;
        println!("recorded in {}", path.display());
    }
    Ok(())
}

/// The folder of the recorded results.
pub(crate) fn results() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Replaces the section of this title, or adds it at the end.
pub(crate) fn record_section(path: &Path, title: &str, machine: &Machine, text: &str) -> anyhow::Result<()> {
    let section = format!("{title}\n\n{}\n\n{text}", machine.lines.join("\n"));
    let old = fs::read_to_string(path).unwrap_or_else(|_| "# Recorded results\n".into());
    fs::write(path, replace_section(&old, title, &section)).with_context(|| format!("writing {}", path.display()))
}

fn replace_section(text: &str, title: &str, section: &str) -> String {
    match text.split_once(title) {
        None => format!("{}\n\n{section}", text.trim_end()),
        Some((before, after)) => {
            let rest = after.find("\n## ").map_or("", |at| &after[at..]);
            format!("{before}{section}{rest}")
        }
    }
}

/// What a command says, on either stream, in one line.
pub(crate) fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("running {program}"))?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_its_neighbours_stay() {
        let text = format!("# R\n\n{SECTION}\n\nold\n\n## Other\n\nkept\n");
        let replaced = replace_section(&text, SECTION, &format!("{SECTION}\n\nnew\n"));
        assert_eq!(replaced, format!("# R\n\n{SECTION}\n\nnew\n\n## Other\n\nkept\n"));
        assert_eq!(replace_section("# R\n", "## A", "## A\n"), "# R\n\n## A\n");
    }
}
