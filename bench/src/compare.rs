//! The comparison of ranged GETs from memory: every size at every server, in interleaved rounds, so that what else the
//! machine does falls on all.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use crate::client::{Bench, Client, larder_binary, progress};
use crate::peers::cachey_binary;
use crate::record::{Machine, Row, record, table};
use crate::servers::Tiers;

/// Compares ranged GETs answered from memory: Larder, nginx, Varnish, cachey, and bare servers.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rounds; each asks every server once for every size, and medians are taken over them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections, each with one GET under way.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// cachey's server; by default the one that `cargo install --root` put below LARDER_HOME/cachey.
    #[arg(long)]
    cachey: Option<PathBuf>,
    /// Leave a server out.
    #[arg(long, value_parser = ["larder", "nginx", "varnish", "cachey", "bare", "s3s"])]
    without: Vec<String>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// Bytes per GET, as engines ask: a footer, a small column chunk, a block, a coalesced read.
const SIZES: [u64; 4] = [4 << 10, 64 << 10, 1 << 20, 8 << 20];

/// The object: larger than any CPU's cache, small enough for the memory of every machine.
const OBJECT_BYTES: u64 = 256 << 20;

/// Starts the servers, measures, prints the table.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let bench = Bench::new(None, OBJECT_BYTES)?;
    let launcher = bench.launcher();
    let mut servers = Vec::new();
    let wanted = |name: &str| !settings.without.iter().any(|without| without == name);
    if wanted("larder") {
        let binary = larder_binary(settings.larder.as_deref())?;
        let tiers = Tiers { memory_bytes: OBJECT_BYTES * 4, ssd_bytes: OBJECT_BYTES * 4, block_bytes: 1 << 20 };
        servers.push(launcher.larder(&binary, &tiers).await?);
    }
    if wanted("nginx") {
        servers.push(launcher.nginx().await.context("is nginx installed? (Debian: apt-get install nginx-light)")?);
    }
    // Caches hold what they once read: the object comes from an origin beside the client, which is then not asked again.
    let origin = launcher.origin(bench.client_core, true).await?;
    if wanted("varnish") {
        servers.push(launcher.varnish(&origin).await?);
    }
    if wanted("cachey") {
        let binary = cachey_binary(settings.cachey.as_deref())?;
        servers.push(launcher.cachey(&binary, &origin).await?);
    }
    if wanted("bare") {
        servers.push(launcher.bare().await?);
    }
    if wanted("s3s") {
        servers.push(launcher.bare_s3().await?);
    }

    let client = Client {
        core: bench.client_core,
        object_bytes: OBJECT_BYTES,
        connections: settings.connections,
        seconds: settings.seconds,
    };
    for server in &servers {
        // The first pass fills the tier, the second checks what comes out of it.
        for size in SIZES.iter().rev().chain(&SIZES) {
            client.verify(server, *size, &bench.object).with_context(|| format!("{}: {size} bytes", server.name))?;
        }
    }
    let mut rows: Vec<Row> =
        SIZES.iter().flat_map(|size| servers.iter().map(|server| Row::new(*size, server.name))).collect();
    for round in 0..settings.rounds {
        for (i, row) in rows.iter_mut().enumerate() {
            let server = &servers[i % servers.len()];
            progress(&format!("round {} of {}: {} at {} bytes", round + 1, settings.rounds, server.name, row.size));
            let before = server.cpu_seconds()?;
            let measured = client.measure(server, row.size)?;
            let cpu_seconds = server.cpu_seconds()? - before;
            ensure!(cpu_seconds > 0.0, "{} used no CPU time: it is not the process that answers", server.name);
            row.samples.push((measured, cpu_seconds));
        }
    }
    progress("");
    println!("{}", table(&rows));
    if settings.record {
        let how = format!(
            "{} interleaved rounds of {} s, {} connections, server and client on a core each; medians",
            settings.rounds, settings.seconds, settings.connections
        );
        let machine = Machine::this("", Some(("nginx", "-v")), &how)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        record(&path, &machine, &rows)?;
        println!("recorded in {}", path.display());
    }
    Ok(())
}
