//! What Larder adds to, or takes from, reads that end at the origin: the first read of an object through the cache, and
//! reads by the direct route, each beside the same read of the origin itself.

mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;

pub(crate) use self::server::{Settings as ServerSettings, Traffic, describe_far, serve};
use crate::client::{Bench, Client, larder_binary, progress};
use crate::load::Measured;
use crate::record::{Machine, median, record_section};
use crate::servers::{BUCKET, Launcher, Server};

/// Compares first reads and the direct route with reads of the origin itself.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds per measurement of the direct route.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// The object, and the length of a first read: all of it.
const OBJECT_BYTES: u64 = 64 << 20;
/// Bytes per GET on the direct route.
const SIZES: [(u64, &str); 2] = [(4 << 10, "4 KiB"), (1 << 20, "1 MiB")];
/// Connections for throughput; latency is measured with one.
const CONNECTIONS: usize = 8;
/// What the direct route must keep of the origin's throughput, and may add at the median.
const THROUGHPUT_TO_REACH: f64 = 0.95;
const ADDED_MS_MAX: f64 = 0.3;

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let bench = Bench::new(None, OBJECT_BYTES)?;
    let binary = larder_binary(settings.larder.as_deref())?;
    let client =
        Client { core: bench.client_core, object_bytes: OBJECT_BYTES, connections: 1, seconds: settings.seconds };
    let launcher = bench.launcher();
    let far = launcher.origin(bench.client_core, false).await?;
    let near = launcher.origin(bench.client_core, true).await?;

    let mut text =
        format!("The far origin, simulated: {}. The near one answers from memory, at once.\n\n", describe_far());
    text.push_str(&first_reads(&settings, &launcher, &client, &binary, &far).await?);
    text.push_str(&direct_route(&settings, &launcher, &client, &binary, [&far, &near]).await?);
    progress("");
    println!("{text}");
    if settings.record {
        let how = format!(
            "{} interleaved rounds, of {} s for the direct route; Larder on one core, client and origin on the other; medians",
            settings.rounds, settings.seconds
        );
        let machine = Machine::this("origin", None, &how)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        record_section(&path, "## Origin: first reads and the direct route", &machine, &text)?;
        println!("recorded in {}", path.display());
    }
    Ok(())
}

/// A bucket of Larder's whose origin this is.
pub(crate) fn bucket(origin: &Server, name: &str) -> String {
    format!(
        "[[bucket]]\nname = \"{name}\"\norigin = \"s3://{BUCKET}/{name}\"\nconsistency = \"immutable\"\n\
         options = {{ endpoint = \"{}\", region = \"us-east-1\", allow_http = \"true\", access_key_id = \"any\", \
         secret_access_key = \"any\" }}\n",
        origin.endpoint
    )
}

/// Whole GETs of an object that nobody read before, by one client.
async fn first_reads(
    settings: &Settings,
    launcher: &Launcher<'_>,
    client: &Client,
    binary: &Path,
    far: &Server,
) -> anyhow::Result<String> {
    let home = launcher.folder.join("larder");
    let cache = format!(
        "memory = \"1GiB\"\nssd = {{ path = \"{}/cache\", capacity = \"4GiB\" }}\nadmit = \"all\"\n",
        home.display()
    );
    let larder = launcher.larder_with(binary, &cache, &bucket(far, BUCKET)).await?;
    // Over before the first answer is, so that one GET is sent.
    let once = Client { seconds: 0.05, ..*client };
    let (mut direct, mut cold) = (Vec::new(), Vec::new());
    for round in 0..settings.rounds {
        progress(&format!("first reads, round {} of {}", round + 1, settings.rounds));
        // The origin serves its files below any prefix: each round reads an object that is new to the cache.
        let fresh = |server: &Server| format!("{}/{BUCKET}/round-{round}/{}", server.endpoint, launcher.object);
        for (server, seconds) in [(far, &mut direct), (&larder, &mut cold)] {
            let before = far.traffic().await?.bytes;
            let measured = once.measure_url(&fresh(server), server.signed, OBJECT_BYTES)?;
            ensure!(measured.requests == 1, "{}: {} reads instead of one", server.name, measured.requests);
            let pulled = far.traffic().await?.bytes - before;
            ensure!(pulled >= OBJECT_BYTES, "{}: the read was not cold, {pulled} bytes left the origin", server.name);
            seconds.push(measured.median_us / 1e6);
        }
    }
    larder.kill()?;
    std::fs::remove_dir_all(home)?;
    let (direct, cold) = (median(direct), median(cold));
    Ok(format!(
        "| 64 MiB in one GET, far origin | seconds | MiB/s |\n| --- | ---: | ---: |\n\
         | the origin itself | {direct:.2} | {:.0} |\n| larder, nothing cached | {cold:.2} | {:.0} |\n\n\
         - The first read through the cache takes {:.2}x the time of a direct GET; to reach: faster, {}\n\n",
        64.0 / direct,
        64.0 / cold,
        cold / direct,
        verdict(cold < direct)
    ))
}

/// What was measured of one size at one origin, in each round.
#[derive(Default)]
struct Samples {
    direct_ms: Vec<f64>,
    larder_ms: Vec<f64>,
    direct_mib: Vec<f64>,
    larder_mib: Vec<f64>,
}

/// GETs of what the whitelist in force does not name.
async fn direct_route(
    settings: &Settings,
    launcher: &Launcher<'_>,
    client: &Client,
    binary: &Path,
    origins: [&Server; 2],
) -> anyhow::Result<String> {
    let mut text = String::from(
        "The direct route: ranged GETs of what the whitelist does not name; median latency with 1 connection, throughput \
         with 8.\n\n\
         | GET | origin | itself, ms | through larder, ms | itself, MiB/s | through larder, MiB/s |\n\
         | --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    let mut verdicts = String::new();
    for (origin, distance) in origins.into_iter().zip(["far", "near"]) {
        let larder = with_a_whitelist(launcher, binary, origin).await?;
        for (size, size_text) in SIZES {
            let mut samples = Samples::default();
            for round in 0..settings.rounds {
                progress(&format!("direct route, {distance}, {size_text}: round {} of {}", round + 1, settings.rounds));
                for (server, ms, mib) in [
                    (origin, &mut samples.direct_ms, &mut samples.direct_mib),
                    (&larder, &mut samples.larder_ms, &mut samples.larder_mib),
                ] {
                    let before = larder.stat("bytes_direct").await?;
                    let one = client.measure(server, size)?;
                    let many = Client { connections: CONNECTIONS, ..*client }.measure(server, size)?;
                    let passed = larder.stat("bytes_direct").await? - before;
                    if server.signed {
                        ensure!(passed >= one.bytes + many.bytes, "only {passed} bytes went by the direct route");
                    }
                    ms.push(one.median_us / 1e3);
                    mib.push(mib_per_second(&many));
                }
            }
            let Samples { direct_ms, larder_ms, direct_mib, larder_mib } = samples;
            let (direct_ms, larder_ms) = (median(direct_ms), median(larder_ms));
            let (direct_mib, larder_mib) = (median(direct_mib), median(larder_mib));
            text.push_str(&format!(
                "| {size_text} | {distance} | {direct_ms:.3} | {larder_ms:.3} | {direct_mib:.0} | {larder_mib:.0} |\n"
            ));
            let (added, kept) = (larder_ms - direct_ms, larder_mib / direct_mib);
            // The far origin's waits are drawn anew for each request, too unevenly to see a tenth of a millisecond in.
            let latency = match distance {
                "near" => {
                    format!("; {added:.2} ms added, to reach: {ADDED_MS_MAX}, {}", verdict(added <= ADDED_MS_MAX))
                }
                _ => String::new(),
            };
            verdicts.push_str(&format!(
                "- {size_text}, {distance}: {kept:.2}x of the origin's throughput, to reach: {THROUGHPUT_TO_REACH}, {}{latency}\n",
                verdict(kept >= THROUGHPUT_TO_REACH)
            ));
        }
        larder.kill()?;
        std::fs::remove_dir_all(launcher.folder.join("larder"))?;
    }
    Ok(format!("{text}\n{verdicts}"))
}

/// Larder with a whitelist in force that names one small object and nothing of the origin's.
async fn with_a_whitelist(launcher: &Launcher<'_>, binary: &Path, origin: &Server) -> anyhow::Result<Server> {
    let home = launcher.folder.join("larder");
    let folder = home.join("pinned").join("small.db").join("table");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("object.bin"), [0; 4096])?;
    // Without an adaptive share no reuse earns an object a place: all that is not on the list stays direct.
    let cache = format!(
        "memory = \"64MiB\"\nssd = {{ path = \"{}/cache\", capacity = \"256MiB\", adaptive = 0 }}\nadmit = \"whitelist\"\n",
        home.display()
    );
    let pinned = format!(
        "[[bucket]]\nname = \"pinned\"\norigin = \"file://{}/pinned\"\n{}[nightly]\nschedule = \"\"\nbudget = \"64MiB\"\n",
        home.display(),
        bucket(origin, BUCKET)
    );
    let larder = launcher.larder_with(binary, &cache, &pinned).await?;
    for arguments in [&["whitelist", "pin", "pinned.small.table"][..], &["nightly"]] {
        let output = Command::new(binary)
            .args(arguments)
            .arg("--config")
            .arg(home.join("larder.toml"))
            .current_dir(&home)
            .output()
            .context("running larder")?;
        if !output.status.success() {
            bail!("larder {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while larder.stat("whitelist_version").await.unwrap_or(0) == 0 {
        ensure!(Instant::now() < deadline, "no whitelist came into force");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(larder)
}

fn mib_per_second(measured: &Measured) -> f64 {
    measured.bytes as f64 / f64::from(1 << 20) / measured.seconds
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "**missed**" }
}
