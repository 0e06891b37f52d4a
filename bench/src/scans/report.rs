//! What the scans found: tables, plots, and where Larder is ahead and where it is behind, computed and not chosen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use larder_plot::{Figure, Line, Panel, Scale, Series, Ticks};

use super::job::Answered;
use super::{ENGINES, SERVERS};
use crate::record::median;

/// What is measured together: an engine's clients, so many, through one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) engine: &'static str,
    pub(crate) server: &'static str,
    pub(crate) clients: usize,
}

/// One pass of all clients.
pub(crate) struct Pass {
    pub(crate) answered: Answered,
    /// CPU time of the server, user and system.
    pub(crate) cpu_seconds: f64,
    /// Bytes that left the origin.
    pub(crate) pulled_bytes: u64,
    /// Requests that the origin answered.
    pub(crate) origin_requests: u64,
}

/// A cold pass and a warm one through a server that began empty.
pub(crate) struct Measurement {
    pub(crate) cold: Pass,
    pub(crate) warm: Pass,
    /// Memory of the server's processes after both, less what it had at the start.
    pub(crate) memory_bytes: u64,
    /// Bytes of its files that the page cache holds after both.
    pub(crate) page_cache_bytes: u64,
}

/// A setting with what each round measured, or why one could not.
pub(crate) struct Cell {
    pub(crate) setting: Setting,
    pub(crate) samples: Vec<Measurement>,
    pub(crate) error: Option<String>,
}

/// Which of the two passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Temperature {
    Cold,
    Warm,
}

const TEMPERATURES: [(Temperature, &str); 2] = [(Temperature::Cold, "cold"), (Temperature::Warm, "warm")];
/// Two throughputs this close are called level: the machine's noise is no smaller.
const LEVEL: f64 = 0.05;

impl Cell {
    pub(crate) fn new(setting: Setting) -> Self {
        Self { setting, samples: Vec::new(), error: None }
    }

    fn median(&self, temperature: Temperature, figure: impl Fn(&Pass) -> f64) -> f64 {
        let passes = self.samples.iter().map(|sample| match temperature {
            Temperature::Cold => &sample.cold,
            Temperature::Warm => &sample.warm,
        });
        median(passes.map(figure).collect())
    }
}

/// Every server gave the answers that the origin itself gave.
pub(crate) fn ensure_equal_answers(cells: &[Cell]) -> anyhow::Result<()> {
    let mut known: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for cell in cells {
        for pass in cell.samples.iter().flat_map(|sample| [&sample.cold, &sample.warm]) {
            for (query, answer) in &pass.answered.answers {
                let first = *known.entry((cell.setting.engine, query)).or_insert(answer);
                ensure!(first == answer, "{:?}, query {query}: {answer} instead of {first}", cell.setting);
            }
        }
    }
    Ok(())
}

/// The cells with what was asked of each.
struct Table<'a>(&'a [Cell]);

impl Table<'_> {
    fn cell(&self, engine: &str, server: &str, clients: usize) -> Option<&Cell> {
        let found = self
            .0
            .iter()
            .find(|cell| (cell.setting.engine, cell.setting.server, cell.setting.clients) == (engine, server, clients));
        found.filter(|cell| !cell.samples.is_empty())
    }

    fn clients(&self) -> Vec<usize> {
        let mut clients: Vec<usize> = self.0.iter().map(|cell| cell.setting.clients).collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    /// Bytes that the queries ask for: what they pull when nothing is in between.
    fn asked_bytes(&self, cell: &Cell, temperature: Temperature) -> f64 {
        let direct = self.cell(cell.setting.engine, "direct", cell.setting.clients);
        direct.map_or(f64::NAN, |direct| direct.median(temperature, |pass| pass.pulled_bytes as f64))
    }

    fn mib_per_second(&self, cell: &Cell, temperature: Temperature) -> f64 {
        self.asked_bytes(cell, temperature)
            / f64::from(1 << 20)
            / cell.median(temperature, |pass| pass.answered.seconds)
    }

    fn latency_ms(&self, cell: &Cell, temperature: Temperature) -> f64 {
        cell.median(temperature, |pass| median(pass.answered.latencies_ms.clone()))
    }

    fn cpu_seconds_per_gb(&self, cell: &Cell, temperature: Temperature) -> f64 {
        cell.median(temperature, |pass| pass.cpu_seconds) / (self.asked_bytes(cell, temperature) / 1e9)
    }

    fn pulled_per_asked(&self, cell: &Cell, temperature: Temperature) -> f64 {
        cell.median(temperature, |pass| pass.pulled_bytes as f64) / self.asked_bytes(cell, temperature)
    }
}

/// Tables and verdicts.
pub(crate) fn text(cells: &[Cell]) -> String {
    let table = Table(cells);
    let mut text = String::new();
    for engine in ENGINES {
        let rows = rows(&table, engine);
        if rows.is_empty() {
            continue;
        }
        let _ = write!(
            text,
            "{}:\n\n| clients | server | cold s | MiB/s | query ms | pulled | requests | CPU s/GB | warm s | MiB/s | query ms \
             | pulled | CPU s/GB | clients' core |\n| ---: | --- |{}\n{rows}\n",
            title(engine),
            " ---: |".repeat(12)
        );
    }
    text.push_str(
        "MiB/s and GB are of bytes asked; query ms is the median; pulled: bytes that left the origin for each byte asked; \
         requests: those that the origin answered; CPU: of the server; clients' core: how busy the clients keep theirs in the \
         warm pass: where it is near 100%, the server waits for the clients.\n\n",
    );
    text.push_str(&memory(&table));
    text.push_str(&failures(cells));
    text.push_str(&verdicts(&table));
    text
}

fn title(engine: &str) -> &str {
    if engine == "duckdb" { "DuckDB" } else { "DataFusion" }
}

fn rows(table: &Table<'_>, engine: &str) -> String {
    use Temperature::{Cold, Warm};
    let mut text = String::new();
    for clients in table.clients() {
        for server in SERVERS {
            let Some(cell) = table.cell(engine, server, clients) else { continue };
            let cpu = |temperature| match server {
                "direct" => String::new(),
                _ => format!("{:.2}", table.cpu_seconds_per_gb(cell, temperature)),
            };
            let _ = writeln!(
                text,
                "| {clients} | {server} | {:.2} | {:.0} | {:.0} | {:.2} | {:.0} | {} | {:.2} | {:.0} | {:.0} | {:.2} | {} | {:.0}% |",
                cell.median(Cold, |pass| pass.answered.seconds),
                table.mib_per_second(cell, Cold),
                table.latency_ms(cell, Cold),
                table.pulled_per_asked(cell, Cold),
                cell.median(Cold, |pass| pass.origin_requests as f64),
                cpu(Cold),
                cell.median(Warm, |pass| pass.answered.seconds),
                table.mib_per_second(cell, Warm),
                table.latency_ms(cell, Warm),
                table.pulled_per_asked(cell, Warm),
                cpu(Warm),
                cell.median(Warm, |pass| pass.answered.cpu_seconds / pass.answered.seconds) * 100.0,
            );
        }
    }
    text
}

/// What each server holds its bytes in, where the most was cached.
fn memory(table: &Table<'_>) -> String {
    let Some(most) = table.clients().last().copied() else { return String::new() };
    let mut text = format!(
        "Memory after {most} clients' scans:\n\n| server | engine | cached MB | process MB per cached GB | page cache MB per cached GB |\n\
         | --- | --- | ---: | ---: | ---: |\n"
    );
    for server in SERVERS.into_iter().filter(|server| *server != "direct") {
        for engine in ENGINES {
            let Some(cell) = table.cell(engine, server, most) else { continue };
            let figure = |figure: fn(&Measurement) -> f64| median(cell.samples.iter().map(figure).collect());
            let cached = figure(|sample| (sample.cold.pulled_bytes + sample.warm.pulled_bytes) as f64);
            let _ = writeln!(
                text,
                "| {server} | {engine} | {:.0} | {:.0} | {:.0} |",
                cached / 1e6,
                figure(|sample| sample.memory_bytes as f64) / cached * 1e3,
                figure(|sample| sample.page_cache_bytes as f64) / cached * 1e3,
            );
        }
    }
    text.push('\n');
    text
}

/// Each engine and server that did not get along, with the reason of the first time.
fn failures(cells: &[Cell]) -> String {
    let mut reasons: BTreeMap<(&str, &str), (Vec<String>, &str)> = BTreeMap::new();
    for cell in cells {
        if let Some(error) = &cell.error {
            let entry = reasons.entry((cell.setting.engine, cell.setting.server)).or_insert((Vec::new(), error));
            entry.0.push(cell.setting.clients.to_string());
        }
    }
    let mut text = String::new();
    for ((engine, server), (clients, error)) in &reasons {
        let line = error.lines().next().unwrap_or_default();
        let _ = writeln!(
            text,
            "- {} through {server} **failed** with {} clients: {line}",
            title(engine),
            clients.join(", ")
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// How Larder stands to the best of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Ahead,
    Level,
    Behind,
}

fn standing(ratio: f64) -> Standing {
    if ratio > 1.0 + LEVEL {
        Standing::Ahead
    } else if ratio >= 1.0 - LEVEL {
        Standing::Level
    } else {
        Standing::Behind
    }
}

fn verdicts(table: &Table<'_>) -> String {
    let (mut lines, mut counts) = (String::new(), [0; 3]);
    for (temperature, word) in TEMPERATURES {
        for engine in ENGINES {
            for clients in table.clients() {
                let Some(larder) = table.cell(engine, "larder", clients) else { continue };
                let others = others(table, engine, clients, |cell| table.mib_per_second(cell, temperature));
                let Some((best, speed)) = others.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
                let own = table.mib_per_second(larder, temperature);
                let standing = standing(own / speed);
                counts[standing as usize] += 1;
                let direct = table
                    .cell(engine, "direct", clients)
                    .map_or(f64::NAN, |direct| own / table.mib_per_second(direct, temperature));
                let _ = writeln!(
                    lines,
                    "- {}, {word}, {clients} clients: larder does {:.2}x of {best}, the fastest other cache{}; {direct:.2}x of direct",
                    title(engine),
                    own / speed,
                    if standing == Standing::Behind { ": **slower**" } else { "" },
                );
            }
        }
    }
    let mut text = format!(
        "Of {} settings, Larder is the fastest cache in {}, level with the fastest (within {:.0}%) in {}, and **slower** in {}.\n\n{lines}\n",
        counts.iter().sum::<i32>(),
        counts[Standing::Ahead as usize],
        LEVEL * 100.0,
        counts[Standing::Level as usize],
        counts[Standing::Behind as usize]
    );
    let Some((fewest, most)) = table.clients().first().copied().zip(table.clients().last().copied()) else {
        return text;
    };
    for engine in ENGINES {
        let cpu = |cell: &Cell| table.cpu_seconds_per_gb(cell, Temperature::Warm);
        text.push_str(&least(table, engine, most, "warm, CPU seconds per GB", cpu));
        let pulled = |cell: &Cell| table.pulled_per_asked(cell, Temperature::Cold);
        for clients in [fewest, most] {
            text.push_str(&least(table, engine, clients, "cold, bytes pulled per byte asked", pulled));
        }
    }
    text
}

/// Larder's figure, of which less is better, beside the least of the other caches.
fn least(table: &Table<'_>, engine: &str, clients: usize, what: &str, figure: impl Fn(&Cell) -> f64) -> String {
    let Some(larder) = table.cell(engine, "larder", clients) else { return String::new() };
    let own = figure(larder);
    let others = others(table, engine, clients, figure);
    let Some((best, least)) = others.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)) else { return String::new() };
    let more = if own > least * (1.0 + LEVEL) { ", **more**" } else { "" };
    format!(
        "- {}, {clients} clients, {what}: larder {own:.2}{more}; least of the others: {best}, {least:.2}\n",
        title(engine)
    )
}

/// The other caches' figures.
fn others(table: &Table<'_>, engine: &str, clients: usize, figure: impl Fn(&Cell) -> f64) -> Vec<(&'static str, f64)> {
    let names = SERVERS.into_iter().filter(|server| !matches!(*server, "larder" | "direct"));
    names.filter_map(|server| Some((server, figure(table.cell(engine, server, clients)?)))).collect()
}

/// Draws the figures into a folder, and returns the lines that show them.
pub(crate) fn plots(cells: &[Cell], folder: &Path) -> anyhow::Result<String> {
    let table = Table(cells);
    type Value = fn(&Table<'_>, &Cell, Temperature) -> f64;
    let figures: [(&str, &str, &str, Scale, Value); 4] = [
        ("throughput", "Throughput", "MiB/s of bytes asked", Scale::Linear, |t, c, pass| t.mib_per_second(c, pass)),
        ("latency", "Median query latency", "ms", Scale::Log, |t, c, pass| t.latency_ms(c, pass)),
        ("cpu", "CPU time of the server", "CPU seconds per GB asked", Scale::Linear, |t, c, pass| {
            t.cpu_seconds_per_gb(c, pass)
        }),
        ("pulled", "Bytes pulled from the origin", "bytes per byte asked", Scale::Linear, |t, c, pass| {
            t.pulled_per_asked(c, pass)
        }),
    ];
    fs::create_dir_all(folder)?;
    let mut lines = String::new();
    for (name, what, y_label, y_scale, value) in figures {
        let mut panels = Vec::new();
        for engine in ENGINES {
            for (temperature, word) in TEMPERATURES {
                let line = |server: &&'static str| {
                    let point = |clients: usize| {
                        let y = value(&table, table.cell(engine, server, clients)?, temperature);
                        y.is_finite().then_some((clients as f64, y))
                    };
                    let points: Vec<_> = table.clients().into_iter().filter_map(point).collect();
                    (!points.is_empty()).then(|| Series { name: (*server).to_owned(), line: line_of(server), points })
                };
                // The origin is no cache: it spends no CPU time that a worker would have to.
                let shown = SERVERS.iter().filter(|server| name != "cpu" || **server != "direct");
                panels.push(Panel {
                    title: format!("{}, {word}", title(engine)),
                    series: shown.filter_map(line).collect(),
                });
            }
        }
        let figure = Figure {
            title: format!("TPC-H scans: {}", what.to_lowercase()),
            x_label: "clients".into(),
            x_ticks: Ticks::OfPoints,
            y_label: y_label.into(),
            y_scale,
            panels,
        };
        let path = folder.join(format!("scans-{name}.svg"));
        fs::write(&path, figure.svg()).with_context(|| format!("writing {}", path.display()))?;
        let _ = writeln!(lines, "![{what}](plots/scans-{name}.svg)");
    }
    Ok(lines)
}

fn line_of(server: &str) -> Line {
    let [larder, nginx, varnish, cachey, ..] = Line::COLOURS;
    match server {
        "larder" => Line::bold(larder),
        "nginx" => Line::plain(nginx),
        "varnish" => Line::plain(varnish),
        "cachey" => Line::plain(cachey),
        _ => Line::dashed("5 4"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(server: &'static str, seconds: f64, pulled_bytes: u64) -> Cell {
        let pass = || Pass {
            answered: Answered {
                seconds,
                cpu_seconds: 0.0,
                latencies_ms: vec![seconds * 1e3],
                answers: BTreeMap::from([("0/0".to_owned(), "1".to_owned())]),
                error: None,
            },
            cpu_seconds: seconds,
            pulled_bytes,
            origin_requests: 1,
        };
        let sample = Measurement { cold: pass(), warm: pass(), memory_bytes: 0, page_cache_bytes: 0 };
        Cell { samples: vec![sample], ..Cell::new(Setting { engine: "duckdb", server, clients: 4 }) }
    }

    #[test]
    fn the_verdict_names_the_best_of_the_others_whoever_wins() {
        let cells = [cell("direct", 4.0, 1 << 30), cell("larder", 1.0, 1 << 29), cell("nginx", 2.0, 1 << 30)];
        let text = text(&cells);
        assert!(
            text.contains(
                "DuckDB, cold, 4 clients: larder does 2.00x of nginx, the fastest other cache; 4.00x of direct"
            ),
            "{text}"
        );
        assert!(
            text.contains("fastest cache in 2, level with the fastest (within 5%) in 0, and **slower** in 0."),
            "{text}"
        );
        assert!(text.contains("bytes pulled per byte asked: larder 0.50; least of the others: nginx, 1.00"), "{text}");

        let slower = [cell("direct", 4.0, 1 << 30), cell("larder", 2.0, 1 << 30), cell("varnish", 1.0, 1 << 29)];
        let text = super::text(&slower);
        assert!(text.contains("larder does 0.50x of varnish, the fastest other cache: **slower**"), "{text}");
        assert!(text.contains("larder 1.00, **more**; least of the others: varnish, 0.50"), "{text}");
    }

    #[test]
    fn close_is_level() {
        assert_eq!(
            [1.2, 1.04, 0.96, 0.9].map(standing),
            [Standing::Ahead, Standing::Level, Standing::Level, Standing::Behind]
        );
    }

    #[test]
    fn a_wrong_answer_is_found() {
        let mut cells = [cell("direct", 1.0, 1), cell("larder", 1.0, 1)];
        assert!(ensure_equal_answers(&cells).is_ok());
        cells[1].samples[0].warm.answered.answers.insert("0/0".into(), "2".into());
        assert!(ensure_equal_answers(&cells).is_err());
    }

    #[test]
    fn a_failure_is_told_with_its_reason() {
        let mut failed = cell("cachey", 1.0, 1);
        failed.samples.clear();
        failed.error = Some("Range header is required\nmore".into());
        assert_eq!(
            failures(&[failed]),
            "- DuckDB through cachey **failed** with 4 clients: Range header is required\n\n"
        );
    }
}
