//! What the access log costs: small reads by two workers that differ in `[logs] access` alone, in turns.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::client::{Bench, Client, larder_binary, progress};
use crate::record::{median, show};
use crate::servers::{Launcher, Tiers};

/// Measures the CPU time of a small GET with and without the access log.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rounds; each measures both workers, and medians are taken over them.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds per measurement: long enough for the log to be written several times.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

const OBJECT_BYTES: u64 = 64 << 20;
/// Bytes per GET.
const READ_BYTES: u64 = 4 << 10;
/// What the log may cost of a GET's CPU time.
const TO_REACH: f64 = 0.02;

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let binary = larder_binary(settings.larder.as_deref())?;
    let benches = [Bench::new(None, OBJECT_BYTES)?, Bench::new(None, OBJECT_BYTES)?];
    let tiers = Tiers { memory_bytes: OBJECT_BYTES * 4, ssd_bytes: OBJECT_BYTES * 4, block_bytes: 1 << 20 };
    let mut servers = Vec::new();
    for (bench, access) in benches.iter().zip([true, false]) {
        let launcher = Launcher { access_log: access, ..bench.launcher() };
        servers.push(launcher.larder(&binary, &tiers).await?);
    }
    let client =
        Client { core: benches[0].client_core, object_bytes: OBJECT_BYTES, connections: 8, seconds: settings.seconds };
    for (server, bench) in servers.iter().zip(&benches) {
        client.verify(server, 1 << 20, &bench.object)?;
    }
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..settings.rounds {
        progress(&format!("round {} of {}", round + 1, settings.rounds));
        // The one that goes first changes, so that what drifts falls on both.
        for at in [round % 2, 1 - round % 2] {
            let before = servers[at].cpu_seconds()?;
            let measured = client.measure(&servers[at], READ_BYTES)?;
            costs[at].push((servers[at].cpu_seconds()? - before) * 1e6 / measured.requests as f64);
        }
    }
    progress("");
    ensure!(logged(&benches[0])? > 0, "nothing was logged");
    ensure!(logged(&benches[1])? == 0, "the worker without a log has logged");
    let text = report(costs);
    let how = format!(
        "{} rounds of {} s in turns, 8 connections, server and client on a core each; medians",
        settings.rounds, settings.seconds
    );
    show(&text, "log", "## The access log", settings.record.then_some(how.as_str()))
}

/// How many files the log has.
fn logged(bench: &Bench) -> anyhow::Result<usize> {
    let folder = bench.folder().join("larder/logs/access");
    if !folder.exists() {
        return Ok(0);
    }
    let mut files = 0;
    for day in std::fs::read_dir(folder)? {
        files += std::fs::read_dir(day?.path())?.count();
    }
    Ok(files)
}

/// The medians, and the median of the rounds' own ratios, of the microseconds of CPU time that a GET took.
fn report([with, without]: [Vec<f64>; 2]) -> String {
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    let (with, without, cost) = (median(with), median(without), ratio - 1.0);
    let verdict = if cost <= TO_REACH { "reached" } else { "**missed**" };
    format!(
        "| 4 KiB GETs from memory | CPU time each |\n| --- | ---: |\n| with the access log | {with:.2} us |\n\
         | without | {without:.2} us |\n\n\
         - The access log costs {:.1}% of a GET's CPU time; to reach: at most {}%, {verdict}\n",
        cost * 100.0,
        TO_REACH * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_the_rounds_median_ratio() {
        let text = report([vec![20.2, 30.3, 10.1], vec![20.0, 30.0, 10.0]]);
        assert!(text.contains("costs 1.0% of") && text.contains("reached"), "{text}");
        assert!(
            report([vec![21.0], vec![20.0]]).contains("5.0% of a GET's CPU time; to reach: at most 2%, **missed**")
        );
    }
}
