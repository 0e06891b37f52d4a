//! The comparison: every size at every server, in interleaved rounds, so that what else the machine does falls on all.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::load::Measured;
use crate::record::{Machine, Row, record, table};
use crate::servers::{KEY, Launcher, Server, pinned};

/// Compares ranged GETs answered from memory: Larder, nginx, and a bare hyper server.
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
    /// Leave a server out.
    #[arg(long, value_parser = ["larder", "nginx", "bare", "s3s"])]
    without: Vec<String>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// Bytes per GET, as engines ask: a footer, a small column chunk, a block, a coalesced read.
const SIZES: [u64; 4] = [4 << 10, 64 << 10, 1 << 20, 8 << 20];

/// The object: larger than any CPU's cache, small enough for the memory of every machine.
const OBJECT_BYTES: u64 = 256 << 20;
const OBJECT: &str = "object.bin";

/// Starts the servers, measures, prints the table.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let object = folder.path().join("objects").join(OBJECT);
    std::fs::create_dir_all(folder.path().join("objects"))?;
    std::fs::write(&object, object_bytes())?;

    let cores = std::thread::available_parallelism()?.get();
    let (server_core, client_core) = if cores > 1 { (Some(0), Some(1)) } else { (None, None) };
    if cores == 1 {
        eprintln!("one core only: server and client share it, so read the figures per core, not the throughput");
    }
    let launcher = Launcher { folder: folder.path(), object: OBJECT, core: server_core };
    let mut servers = Vec::new();
    let wanted = |name: &str| !settings.without.iter().any(|without| without == name);
    if wanted("larder") {
        let binary = larder_binary(settings.larder.as_deref())?;
        servers.push(launcher.larder(&binary, OBJECT_BYTES * 4).await?);
    }
    if wanted("nginx") {
        servers.push(launcher.nginx().await.context("is nginx installed? (Debian: apt-get install nginx-light)")?);
    }
    if wanted("bare") {
        servers.push(launcher.bare().await?);
    }
    if wanted("s3s") {
        servers.push(launcher.bare_s3().await?);
    }

    let client = Client { core: client_core, settings: &settings };
    for server in &servers {
        // The first pass fills the tier, the second checks what comes out of it.
        for size in SIZES.iter().rev().chain(&SIZES) {
            client.verify(server, *size, &object).with_context(|| format!("{}: {size} bytes", server.name))?;
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
        let machine = Machine::this(settings.rounds, settings.seconds, settings.connections)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        record(&path, &machine, &rows)?;
        println!("recorded in {}", path.display());
    }
    Ok(())
}

/// The load generator as a process of its own, so that its CPU time is nobody else's.
struct Client<'a> {
    core: Option<usize>,
    settings: &'a Settings,
}

impl Client<'_> {
    fn verify(&self, server: &Server, size: u64, object: &Path) -> anyhow::Result<Measured> {
        let mut command = self.command(server, size)?;
        self.run(command.arg("--verify").arg(object))
    }

    fn measure(&self, server: &Server, size: u64) -> anyhow::Result<Measured> {
        self.run(&mut self.command(server, size)?)
    }

    fn command(&self, server: &Server, size: u64) -> anyhow::Result<Command> {
        let mut command = pinned(self.core, std::env::current_exe()?);
        command.arg("load").args(["--url", &server.url]);
        command.args(["--object-bytes", &OBJECT_BYTES.to_string(), "--range-bytes", &size.to_string()]);
        command.args(["--connections", &self.settings.connections.to_string()]);
        command.args(["--seconds", &self.settings.seconds.to_string()]);
        if server.signed {
            command.args(["--key", KEY.0, "--secret", KEY.1]);
        }
        Ok(command)
    }

    fn run(&self, command: &mut Command) -> anyhow::Result<Measured> {
        let output = command.output()?;
        if !output.status.success() {
            bail!("the load generator failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Bytes in which every position can be told from every other: each 8 bytes hold their own place, scrambled.
fn object_bytes() -> Vec<u8> {
    (0..OBJECT_BYTES / 8).flat_map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect()
}

fn larder_binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("larder"),
    };
    ensure!(path.exists(), "{} does not exist: cargo build --release --bin larder", path.display());
    Ok(path.canonicalize()?)
}

fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K{line}");
    } else if !line.is_empty() {
        eprintln!("{line}");
    }
}
