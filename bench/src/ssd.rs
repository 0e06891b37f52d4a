//! The SSD tier: reads by threads and through io_uring beside fio on the same disk, the first hit after a crash with many
//! blocks, memory per block.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use crate::client::{Bench, Client, larder_binary, progress};
use crate::record::{Machine, median, record_section};
use crate::servers::{Launcher, Server, Tiers, pinned};

/// Compares reads from the SSD tier with fio; measures a restart with 100,000 blocks.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Reads under way at once, for both.
    #[arg(long, default_value_t = 8)]
    depth: usize,
    /// The folder whose disk is measured; the system's temporary folder by default.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// Far more than the memory tier holds.
const OBJECT_BYTES: u64 = 1 << 30;
/// Bytes per read when the tier is filled.
const FILL_BYTES: u64 = 1 << 20;
/// Bytes per read that is measured; blocks are as long.
const READS_BYTES: [u64; 2] = [256 << 10, 1 << 20];
/// The ways to read from the disk.
const WAYS: [&str; 2] = ["threads", "uring"];
/// With this block length the object has 131,072 of them.
const SMALL_BLOCKS: Tiers = Tiers { memory_bytes: 16 << 20, ssd_bytes: 3 << 30, block_bytes: 8 << 10 };

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let bench = Bench::new(settings.folder.as_deref(), OBJECT_BYTES)?;
    let launcher = bench.launcher();
    let client = Client {
        core: bench.client_core,
        object_bytes: OBJECT_BYTES,
        connections: settings.depth,
        seconds: settings.seconds,
    };
    let binary = larder_binary(settings.larder.as_deref())?;

    let other = Bench::new(settings.folder.as_deref(), OBJECT_BYTES)?;
    let mut text = beside_fio(&settings, [&bench, &other], &client, &binary).await?;
    drop(other);
    text.push_str(&restart(&settings, &launcher, &client, &binary, &bench.object).await?);
    progress("");
    println!("{text}");
    if settings.record {
        let how = format!(
            "{} rounds of {} s, {} reads at once, pinned to a core; medians",
            settings.rounds, settings.seconds, settings.depth
        );
        let machine = Machine::this("ssd", Some(("fio", "--version")), &how)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        record_section(&path, "## The SSD tier", &machine, &text)?;
        println!("recorded in {}", path.display());
    }
    Ok(())
}

async fn beside_fio(
    settings: &Settings,
    benches: [&Bench; 2],
    client: &Client,
    binary: &Path,
) -> anyhow::Result<String> {
    let mut text = "| reads of | by | MiB/s | reads/s | CPU time each | of threads' reads/s | of threads' CPU time |\n\
                    | --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let mut verdict = String::new();
    for read_bytes in READS_BYTES {
        // The client asks for 1024 different ranges: at least sixteen times what the memory tier holds.
        let tiers = Tiers { memory_bytes: 16 << 20, ssd_bytes: 3 << 30, block_bytes: read_bytes };
        let mut servers = Vec::new();
        for (bench, ssd_io) in benches.iter().zip(WAYS) {
            let server = Launcher { ssd_io, ..bench.launcher() }.larder(binary, &tiers).await?;
            fill(&server, client, &bench.object).await?;
            servers.push(server);
        }
        let (mut samples, mut fio) = ([Vec::new(), Vec::new()], Vec::new());
        for round in 0..settings.rounds {
            progress(&format!("{read_bytes} bytes, round {} of {}", round + 1, settings.rounds));
            fio.push(fio_mib_per_second(settings, &benches[0].launcher(), read_bytes)?);
            for at in [round % 2, 1 - round % 2] {
                samples[at].push(measure(&servers[at], client, read_bytes).await?);
            }
        }
        for server in servers {
            server.kill()?;
        }
        let size = if read_bytes >> 20 > 0 { "1 MiB".to_owned() } else { format!("{} KiB", read_bytes >> 10) };
        let ratio = |of: fn(&(f64, f64)) -> f64| {
            median(samples[1].iter().zip(&samples[0]).map(|(uring, threads)| of(uring) / of(threads)).collect())
        };
        let mib = |reads: f64| reads * read_bytes as f64 / f64::from(1 << 20);
        for (way, samples) in WAYS.iter().zip(&samples) {
            let reads = median(samples.iter().map(|sample| sample.0).collect());
            let cpu = median(samples.iter().map(|sample| sample.1).collect());
            let ratios = if *way == "uring" {
                format!("{:.2} | {:.2}", ratio(|sample| sample.0), ratio(|sample| sample.1))
            } else {
                " | ".to_owned()
            };
            let _ =
                writeln!(text, "| {size} | larder, {way} | {:.0} | {reads:.0} | {cpu:.0} us | {ratios} |", mib(reads));
        }
        let fio = median(fio);
        let _ = writeln!(text, "| {size} | fio, io_uring | {fio:.0} | {:.0} | | | |", fio / mib(1.0));
        if read_bytes == 1 << 20 {
            let larder = median(samples[0].iter().map(|sample| sample.0).collect());
            let ratio = mib(larder) / fio;
            let reached = if ratio >= 0.85 { "reached" } else { "**missed**" };
            verdict = format!("\n- Larder's SSD tier does {ratio:.2}x of fio at 1 MiB; to reach: 0.85, {reached}\n");
        }
    }
    Ok(text + &verdict)
}

/// Reads a second, and microseconds of the server's CPU time for each, of reads that the SSD answers.
async fn measure(server: &Server, client: &Client, read_bytes: u64) -> anyhow::Result<(f64, f64)> {
    let (before, origin) = (server.stat("bytes_ssd").await?, server.stat("bytes_origin").await?);
    let cpu = server.cpu_seconds()?;
    let measured = client.measure(server, read_bytes)?;
    let cpu = server.cpu_seconds()? - cpu;
    let from_ssd = server.stat("bytes_ssd").await? - before;
    ensure!(from_ssd > measured.bytes / 10 * 9, "only {from_ssd} of {} bytes came from the SSD", measured.bytes);
    ensure!(server.stat("bytes_origin").await? == origin, "the origin was read");
    Ok((measured.requests as f64 / measured.seconds, cpu * 1e6 / measured.requests as f64))
}

fn fio_mib_per_second(settings: &Settings, launcher: &Launcher<'_>, read_bytes: u64) -> anyhow::Result<f64> {
    let mut command = pinned(launcher.core, "fio");
    command.args(["--name=read", "--rw=randread", "--direct=1", "--ioengine=io_uring", "--output-format=json"]);
    command.arg(format!("--filename={}", launcher.folder.join("fio.bin").display()));
    command.args([
        format!("--size={OBJECT_BYTES}"),
        format!("--bs={read_bytes}"),
        format!("--iodepth={}", settings.depth),
    ]);
    command.args(["--time_based".to_owned(), format!("--runtime={}", settings.seconds)]);
    let output = command.output().context("is fio installed? (Debian: apt-get install fio)")?;
    ensure!(output.status.success(), "fio failed: {}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let bytes = report["jobs"][0]["read"]["bw_bytes"].as_f64().context("fio reports no bandwidth")?;
    Ok(bytes / f64::from(1 << 20))
}

/// Kills the server when it holds many blocks, and waits for the first hit of the next.
async fn restart(
    settings: &Settings,
    launcher: &Launcher<'_>,
    client: &Client,
    binary: &Path,
    object: &Path,
) -> anyhow::Result<String> {
    let server = launcher.larder(binary, &SMALL_BLOCKS).await?;
    let first = Client { seconds: 0.001, connections: 1, ..*client };
    first.measure(&server, SMALL_BLOCKS.block_bytes)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let empty = server.resident_bytes()?;
    fill(&server, client, object).await?;
    server.kill()?;
    let blocks = OBJECT_BYTES / SMALL_BLOCKS.block_bytes;
    let (mut seconds, mut bytes_per_block) = (Vec::new(), Vec::new());
    for round in 0..settings.rounds {
        progress(&format!("restart {} of {}", round + 1, settings.rounds));
        let began = Instant::now();
        let server = launcher.larder(binary, &SMALL_BLOCKS).await?;
        first.measure(&server, SMALL_BLOCKS.block_bytes)?;
        seconds.push(began.elapsed().as_secs_f64());
        ensure!(server.stat("bytes_ssd").await? > 0, "the first read was no hit");
        tokio::time::sleep(Duration::from_secs(1)).await;
        bytes_per_block.push((server.resident_bytes()? - empty) as f64 / blocks as f64);
        server.kill()?;
    }
    let (seconds, bytes_per_block) = (median(seconds), median(bytes_per_block));
    let verdict = |reached: bool| if reached { "reached" } else { "**missed**" };
    Ok(format!(
        "- `kill -9` with {blocks} blocks on the SSD: the first hit comes {seconds:.2} s after the next start; to reach: 3, {}\n\
         - The process then has {bytes_per_block:.0} bytes of memory more per block than an empty one; to reach: 150, {}\n",
        verdict(seconds <= 3.0),
        verdict(bytes_per_block <= 150.0)
    ))
}

/// Reads the whole object, and waits until the SSD has it.
async fn fill(server: &Server, client: &Client, object: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while server.stat("ssd_used_bytes").await? < OBJECT_BYTES {
        ensure!(Instant::now() < deadline, "the SSD holds {} bytes only", server.stat("ssd_used_bytes").await?);
        client.verify(server, FILL_BYTES, object)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}
