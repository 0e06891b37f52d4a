//! Overload: how much work gets done as more clients ask at once than the server can answer.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::{Bench, Client, larder_binary, progress};
use crate::record::{Machine, median, record_section};
use crate::servers::Tiers;

/// Measures goodput from one connection to far more than keep the server busy.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

const OBJECT_BYTES: u64 = 256 << 20;
/// Bytes per GET.
const READ_BYTES: u64 = 64 << 10;
/// Connections, each with one GET under way; each step doubles the load.
const CONNECTIONS: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// What goodput must keep of its peak under twice the load that reaches it.
const TO_REACH: f64 = 0.9;

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let bench = Bench::new(None, OBJECT_BYTES)?;
    let launcher = bench.launcher();
    let tiers = Tiers { memory_bytes: OBJECT_BYTES * 4, ssd_bytes: OBJECT_BYTES * 4, block_bytes: 1 << 20 };
    let server = launcher.larder(&larder_binary(settings.larder.as_deref())?, &tiers).await?;
    let client =
        Client { core: bench.client_core, object_bytes: OBJECT_BYTES, connections: 8, seconds: settings.seconds };
    client.verify(&server, 1 << 20, &bench.object)?;

    let mut samples = vec![(Vec::new(), Vec::new()); CONNECTIONS.len()];
    for round in 0..settings.rounds {
        for (connections, (goodput, p99)) in CONNECTIONS.into_iter().zip(&mut samples) {
            progress(&format!("round {} of {}: {connections} connections", round + 1, settings.rounds));
            let measured = Client { connections, ..client }.measure(&server, READ_BYTES)?;
            goodput.push(measured.requests as f64 / measured.seconds);
            p99.push(measured.p99_us / 1e3);
        }
    }
    progress("");
    let rows: Vec<(usize, f64, f64)> = CONNECTIONS
        .into_iter()
        .zip(samples)
        .map(|(connections, (goodput, p99))| (connections, median(goodput), median(p99)))
        .collect();
    let text = report(&rows);
    println!("{text}");
    if settings.record {
        let how = format!(
            "{} interleaved rounds of {} s, server and client on a core each; medians",
            settings.rounds, settings.seconds
        );
        let machine = Machine::this("overload", None, &how)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        record_section(&path, "## Overload", &machine, &text)?;
        println!("recorded in {}", path.display());
    }
    Ok(())
}

/// The table, and what is left of the peak at twice and more of the load that reaches it.
fn report(rows: &[(usize, f64, f64)]) -> String {
    let mut text = String::from("| connections | 64 KiB GETs a second | p99 |\n| ---: | ---: | ---: |\n");
    for (connections, goodput, p99) in rows {
        text.push_str(&format!("| {connections} | {goodput:.0} | {p99:.2} ms |\n"));
    }
    let peak = rows.iter().map(|(_, goodput, _)| *goodput).fold(0.0, f64::max);
    // The least load that comes close to the peak: more than that is overload.
    let knee = rows.iter().find(|(_, goodput, _)| *goodput >= 0.95 * peak).map_or(1, |(connections, ..)| *connections);
    text.push_str(&format!("\nThe peak of {peak:.0} is reached (to 95%) with {knee} connections.\n\n"));
    for (connections, goodput, _) in rows.iter().filter(|(connections, ..)| *connections >= 2 * knee) {
        let kept = goodput / peak;
        let verdict = match (*connections == 2 * knee, kept >= TO_REACH) {
            (true, true) => format!("; to reach: {TO_REACH}, reached"),
            (true, false) => format!("; to reach: {TO_REACH}, **missed**"),
            (false, _) => String::new(),
        };
        text.push_str(&format!("- {}x that load: {kept:.2}x of the peak{verdict}\n", connections / knee));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_begins_where_the_peak_is_reached() {
        let text = report(&[(1, 50.0, 1.0), (2, 97.0, 1.0), (4, 100.0, 2.0), (8, 80.0, 4.0)]);
        assert!(text.contains("(to 95%) with 2 connections"), "{text}");
        assert!(text.contains("- 2x that load: 1.00x of the peak; to reach: 0.9, reached"), "{text}");
        assert!(text.contains("- 4x that load: 0.80x of the peak\n"), "{text}");
    }
}
