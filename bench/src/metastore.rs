//! What the metastore proxy costs: calls to a metastore directly and through Larder, one after the other in turn.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use self::messages::{add_partitions, create_database, create_table, get_partitions, get_table};
use crate::client::{larder_binary, progress};
use crate::record::{median, show};
use crate::servers::{Launcher, free_port};

mod messages;

/// Measures what the metastore proxy adds to get_table, and to an answer of many partitions.
#[derive(Args)]
pub(crate) struct Settings {
    /// A metastore to measure with, `host:port`, as of `./test part metastore`. It must have no database `bench`, which is made.
    #[arg(long)]
    metastore: String,
    /// Partitions of the large answer.
    #[arg(long, default_value_t = 10_000)]
    partitions: usize,
    /// Calls of get_table each way.
    #[arg(long, default_value_t = 2000)]
    calls: usize,
    /// Large answers each way.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

/// What get_table may be later through the proxy, at the median.
const ADDED_MS_MAX: f64 = 0.3;
/// What a large answer may cost through the proxy, beside what it costs directly.
const RATIO_MAX: f64 = 1.3;
/// Partitions that are added in one call.
const ADDED_AT_ONCE: usize = 1000;
/// Calls before those that are measured.
const WARM_UP: usize = 200;
/// Folders that the partitions lie in: so many that the metastore need not make one for each.
const FOLDERS: usize = 100;

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let binary = larder_binary(settings.larder.as_deref())?;
    let lake = folder.path().join("objects");
    let table = lake.join("bench/whole");
    for at in 0..FOLDERS {
        fs::create_dir_all(table.join(format!("sub{at}")))?;
    }
    fs::write(table.join("f"), [7; 1000])?;
    make_tables(&settings, &lake.display().to_string()).await?;

    let launcher =
        Launcher { folder: folder.path(), object: "bench/whole/f", core: None, access_log: true, ssd_io: "threads" };
    let stub_port = free_port()?;
    let (real_proxy, stub_proxy) = (free_port()?, free_port()?);
    let bucket = |proxy: u16, upstream: &str| {
        format!(
            "[[bucket]]\nname = \"lake\"\norigin = \"file://{}\"\ncatalog = \"hive\"\n[nightly]\nschedule = \"\"\n\
             [metastore]\nlisten = \"127.0.0.1:{proxy}\"\nupstream = [\"thrift://{upstream}\"]\n",
            lake.display()
        )
    };
    let cache = "memory = \"64MiB\"\nssd = { path = \"cache\", capacity = \"512MiB\" }\n";
    let mut text = String::from("| metastore | get_table direct | through the proxy | added |");
    writeln!(text, " {} partitions direct | through the proxy | ratio |", settings.partitions)?;
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    let mut verdicts = String::new();
    for (name, proxy, upstream) in [
        ("Hive 2.3.10", real_proxy, settings.metastore.clone()),
        ("a stub that has the same answers ready", stub_proxy, format!("127.0.0.1:{stub_port}")),
    ] {
        let _stub = match proxy == stub_proxy {
            true => Some(Stub::start(stub_port, &settings).await?),
            false => None,
        };
        let server = launcher.larder_with(&binary, cache, &bucket(proxy, &upstream)).await?;
        let (direct, proxied) = (upstream, format!("127.0.0.1:{proxy}"));
        // It answers when its store is made, which no other command should do beside it.
        whole_answer(&proxied, &get_table()).await?;
        whitelist(&binary, folder.path())?;
        wait_until_rewritten(&proxied).await?;
        progress(&format!("{name}: get_table"));
        let one = measure(&direct, &proxied, &get_table(), settings.calls, WARM_UP).await?;
        progress(&format!("{name}: {} partitions", settings.partitions));
        let many = measure(&direct, &proxied, &get_partitions(), settings.rounds, 2).await?;
        progress("");
        let (added, ratio) = (one.1 - one.0, many.1 / many.0);
        writeln!(
            text,
            "| {name} | {:.3} ms | {:.3} ms | {added:.3} ms | {:.0} ms | {:.0} ms | {ratio:.2} |",
            one.0, one.1, many.0, many.1
        )?;
        if proxy == stub_proxy {
            // It computes nothing, so its row says what the proxy's own work is, and nothing of what users wait for.
            server.stop()?;
            continue;
        }
        let verdict = |good: bool| if good { "reached" } else { "**missed**" };
        writeln!(
            verdicts,
            "- {name}: {added:.3} ms added to get_table at the median; to reach: {ADDED_MS_MAX}, {}. An answer of {} \
             partitions costs {ratio:.2}x; to reach: {RATIO_MAX}, {}",
            verdict(added <= ADDED_MS_MAX),
            settings.partitions,
            verdict(ratio <= RATIO_MAX)
        )?;
        server.stop()?;
    }
    write!(text, "\n{verdicts}")?;
    let how = format!(
        "{} calls of get_table and {} answers of {} partitions each way, in turn on one connection each, every location \
         rewritten; medians. The metastore is that of `./test part metastore`, its address given by `--metastore`",
        settings.calls, settings.rounds, settings.partitions
    );
    show(&text, "metastore", "## The metastore proxy", settings.record.then_some(how.as_str()))
}

/// Makes the table that is asked for.
async fn make_tables(settings: &Settings, lake: &str) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(&settings.metastore).await.context("no metastore there")?;
    let place = |at: usize| format!("file:{lake}/bench/whole/sub{}", at % FOLDERS);
    let calls = [create_database(), create_table(&format!("file:{lake}/bench/whole"))];
    for call in calls {
        ask(&mut connection, &call).await?;
    }
    for begin in (0..settings.partitions).step_by(ADDED_AT_ONCE) {
        progress(&format!("adding partitions {begin} of {}", settings.partitions));
        let end = (begin + ADDED_AT_ONCE).min(settings.partitions);
        let parts: Vec<(String, String)> = (begin..end).map(|at| (format!("{at:06}"), place(at))).collect();
        ask(&mut connection, &add_partitions(&parts)).await?;
    }
    progress("");
    Ok(())
}

/// A call whose answer is short; an answer that is an exception fails.
async fn ask(connection: &mut TcpStream, call: &[u8]) -> anyhow::Result<()> {
    connection.write_all(call).await?;
    let mut answer = vec![0; 64 << 10];
    let received = connection.read(&mut answer).await?;
    ensure!(received > 8, "the metastore closes the connection");
    let name = i32::from_be_bytes(answer[4..8].try_into()?) as usize;
    // Behind the name and the sequence number: field 0 is a result, a stop is a result of no type, all else an exception.
    let result = &answer[8 + name + 4..received];
    let fine = answer[3] == 2 && (result.first() == Some(&0) || result.get(1..3) == Some(&[0, 0]));
    ensure!(fine, "the metastore refuses a call: {}", String::from_utf8_lossy(&answer[..received.min(500)]));
    Ok(())
}

/// Puts the table on the whitelist.
fn whitelist(binary: &std::path::Path, folder: &std::path::Path) -> anyhow::Result<()> {
    let config = folder.join("larder/larder.toml");
    for arguments in [&["whitelist", "pin", "hive.bench.whole"][..], &["nightly"]] {
        let done = std::process::Command::new(binary)
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .current_dir(folder.join("larder"))
            .output()?;
        ensure!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}

async fn wait_until_rewritten(proxied: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = whole_answer(proxied, &get_table()).await?;
        if answer.windows(10).any(|window| window == b"s3a://lake") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the whitelist does not come into force");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The answer to a call, read to the end of its connection.
async fn whole_answer(address: &str, call: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(call).await?;
    connection.shutdown().await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    ensure!(answer.get(3) == Some(&2), "{address} does not answer {} bytes", call.len());
    Ok(answer)
}

/// Milliseconds that a call takes directly and through the proxy, at the median, to the last byte of its answer.
async fn measure(
    direct: &str,
    proxied: &str,
    call: &[u8],
    rounds: usize,
    warm_up: usize,
) -> anyhow::Result<(f64, f64)> {
    let mut ways = Vec::new();
    for address in [direct, proxied] {
        let length = whole_answer(address, call).await?.len();
        let connection = TcpStream::connect(address).await?;
        connection.set_nodelay(true)?;
        ways.push((connection, vec![0; length], Vec::new()));
    }
    for round in 0..rounds + warm_up {
        // Whoever is first has the colder caches: they take turns.
        for at in [round % 2, 1 - round % 2] {
            let (connection, answer, times) = &mut ways[at];
            let began = Instant::now();
            connection.write_all(call).await?;
            connection.read_exact(answer).await?;
            if round >= warm_up {
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let mut medians = ways.into_iter().map(|(_, _, times)| median(times));
    Ok((medians.next().unwrap_or(f64::NAN), medians.next().unwrap_or(f64::NAN)))
}

/// A server that has the metastore's answers ready.
struct Stub(tokio::task::JoinHandle<()>);

impl Stub {
    async fn start(port: u16, settings: &Settings) -> anyhow::Result<Self> {
        let table = whole_answer(&settings.metastore, &get_table()).await?;
        let partitions = whole_answer(&settings.metastore, &get_partitions()).await?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        Ok(Self(tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, table.clone(), partitions.clone()));
            }
        })))
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers each call on a connection. A call is told from the other by its length; both come whole.
async fn answer(mut connection: TcpStream, table: Vec<u8>, partitions: Vec<u8>) {
    connection.set_nodelay(true).ok();
    let mut call = vec![0; 4096];
    while let Ok(received) = connection.read(&mut call).await {
        let answer = match received {
            0 => return,
            length if length == get_table().len() => &table,
            _ => &partitions,
        };
        if connection.write_all(answer).await.is_err() {
            return;
        }
    }
}
