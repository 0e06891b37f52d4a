//! Cold and warm TPC-H scans by DuckDB and DataFusion through Larder and the caches that it is compared with, from a
//! simulated far origin: the same queries, one server at a time, in interleaved rounds.

mod data;
mod datafusion;
mod duckdb;
mod job;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use clap::Args;

pub(crate) use self::datafusion::{Settings as DataFusionSettings, run as run_datafusion};
use self::job::{Answered, Dialect, Job, TURNS};
use self::report::{Cell, Measurement, Pass, Setting};
use crate::client::{Bench, larder_binary, progress};
use crate::origin::{bucket, describe_far};
use crate::peers::{DISK, MEMORY, cachey_binary};
use crate::record::{Machine, record_section};
use crate::servers::{BUCKET, Launcher, Server, pinned};

/// Compares cold and warm TPC-H scans through Larder, nginx, Varnish and cachey.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Clients at once, each with one query under way.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16, 64])]
    clients: Vec<usize>,
    /// TPC-H's scale factor.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Files that lineitem is cut into.
    #[arg(long, default_value_t = 12)]
    files: usize,
    /// The folder of data and caches; the system's temporary folder by default.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The larder binary; by default the one beside this program.
    #[arg(long)]
    larder: Option<PathBuf>,
    /// cachey's server; by default the one that `cargo install --root` put below LARDER_HOME/cachey.
    #[arg(long)]
    cachey: Option<PathBuf>,
    /// Leave a server or an engine out.
    #[arg(long, value_delimiter = ',', value_parser = ["larder", "nginx", "varnish", "cachey", "duckdb", "datafusion"])]
    without: Vec<String>,
    /// Write the result to bench/RESULTS.md, and the plots to bench/plots/.
    #[arg(long)]
    record: bool,
}

/// The servers, in the order in which the tables have them. The origin itself comes first: what its clients pull is what
/// was asked for.
pub(crate) const SERVERS: [&str; 5] = ["direct", "larder", "nginx", "varnish", "cachey"];
/// The engines.
pub(crate) const ENGINES: [&str; 2] = ["duckdb", "datafusion"];
/// A warm pass has at least this many queries: few are over too soon to be measured.
const WARM_QUERIES_MIN: usize = 24;

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let bench = Bench::new(settings.folder.as_deref(), 0)?;
    let objects = bench.folder().join("objects");
    progress("generating lineitem");
    let (files, bytes) = data::write(&objects, settings.scale, settings.files)?;
    let wanted = |name: &&str| !settings.without.iter().any(|without| without == name);
    let comparison = Comparison {
        launcher: bench.launcher(),
        client_core: bench.client_core,
        larder: larder_binary(settings.larder.as_deref())?,
        cachey: match wanted(&"cachey") {
            true => cachey_binary(settings.cachey.as_deref())?,
            false => PathBuf::new(),
        },
        python: if wanted(&"duckdb") { duckdb::python()? } else { PathBuf::new() },
        origin: bench.launcher().origin(bench.client_core, false).await?,
        keys: files.iter().map(|file| format!("tpch/lineitem/{file}")).collect(),
    };
    let mut cells: Vec<Cell> = Vec::new();
    for engine in ENGINES.into_iter().filter(|engine| wanted(engine)) {
        for clients in &settings.clients {
            let setting = |server| Setting { engine, server, clients: *clients };
            cells.extend(SERVERS.into_iter().filter(|server| wanted(server)).map(|server| Cell::new(setting(server))));
        }
    }
    for round in 0..settings.rounds {
        for cell in &mut cells {
            let Setting { engine, server, clients } = cell.setting;
            progress(&format!(
                "round {} of {}: {engine} through {server}, {clients} clients",
                round + 1,
                settings.rounds
            ));
            match comparison.measure(cell.setting).await {
                Ok(measurement) => cell.samples.push(measurement),
                Err(error) => cell.error = Some(format!("{error:#}")),
            }
        }
    }
    progress("");
    report::ensure_equal_answers(&cells)?;
    let text = report::text(&cells);
    println!("{text}");
    if settings.record {
        let how = format!(
            "{} interleaved rounds; the server on one core, clients and origin on the other; medians",
            settings.rounds
        );
        let machine = Machine::this("scans", None, &how)?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let plots = report::plots(&cells, &folder.join("plots"))?;
        let text = format!("{}\n\n{plots}\n{text}", comparison.describe(&settings, bytes)?);
        record_section(&folder.join("RESULTS.md"), "## Scans beside other caches", &machine, &text)?;
        println!("recorded in {}", folder.join("RESULTS.md").display());
    }
    Ok(())
}

/// What all measurements share.
struct Comparison<'a> {
    launcher: Launcher<'a>,
    client_core: Option<usize>,
    larder: PathBuf,
    cachey: PathBuf,
    python: PathBuf,
    origin: Server,
    keys: Vec<String>,
}

impl Comparison<'_> {
    /// A cold and a warm pass, through a server that was just started with nothing in it.
    async fn measure(&self, setting: Setting) -> anyhow::Result<Measurement> {
        let Setting { engine, server: name, clients } = setting;
        let server = self.start(name).await?;
        let dialect = if name == "cachey" { Dialect::Fetch } else { Dialect::S3 };
        let endpoint = server.as_ref().map_or(&self.origin.endpoint, |server| &server.endpoint);
        let job = |turns| Job::new(&self.keys, clients, turns).at(endpoint, dialect);
        let memory_before = server.as_ref().map_or(Ok(0), |server| server.memory_bytes())?;
        let cold = self.pass(engine, &job(TURNS), server.as_ref()).await?;
        let warm_turns = TURNS * WARM_QUERIES_MIN.div_ceil(TURNS * clients);
        if server.is_some() {
            // The warm pass has more queries than the cold one, and none of them may be the first of its kind.
            self.pass(engine, &job(warm_turns), server.as_ref()).await?;
        }
        let warm = self.pass(engine, &job(warm_turns), server.as_ref()).await?;
        let memory_bytes = server.as_ref().map_or(Ok(0), |server| server.memory_bytes())?.saturating_sub(memory_before);
        let page_cache_bytes = page_cache_bytes(&self.launcher.folder.join(name))?;
        if let Some(server) = server {
            server.stop()?;
            std::fs::remove_dir_all(self.launcher.folder.join(name))?;
        }
        Ok(Measurement { cold, warm, memory_bytes, page_cache_bytes })
    }

    /// The server of this name with an empty cache; none for the origin itself.
    async fn start(&self, name: &str) -> anyhow::Result<Option<Server>> {
        let home = self.launcher.folder.join(name);
        if home.exists() {
            std::fs::remove_dir_all(&home)?;
        }
        Ok(match name {
            "larder" => {
                let cache = format!(
                    "memory = \"{MEMORY}\"\nssd = {{ path = \"{}/cache\", capacity = \"{DISK}\" }}\nadmit = \"all\"\n",
                    home.display()
                );
                Some(self.launcher.larder_with(&self.larder, &cache, &bucket(&self.origin, BUCKET)).await?)
            }
            "nginx" => Some(self.launcher.nginx_slices(&self.origin).await?),
            "varnish" => Some(self.launcher.varnish(&self.origin).await?),
            "cachey" => Some(self.launcher.cachey(&self.cachey, &self.origin).await?),
            _ => None,
        })
    }

    /// Runs the clients, and takes the difference that they make.
    async fn pass(&self, engine: &str, job: &Job, server: Option<&Server>) -> anyhow::Result<Pass> {
        let mut command = match engine {
            "duckdb" => {
                let mut command = pinned(self.client_core, &self.python);
                command.arg(duckdb::script());
                command
            }
            _ => {
                let mut command = pinned(self.client_core, std::env::current_exe()?);
                command.arg("datafusion");
                command
            }
        };
        command.arg(serde_json::to_string(job)?);
        let cpu = || server.map_or(Ok(0.0), Server::cpu_seconds);
        let (traffic, cpu_before) = (self.origin.traffic().await?, cpu()?);
        let answered = answer(&mut command)?;
        let cpu_seconds = cpu()? - cpu_before;
        let after = self.origin.traffic().await?;
        if let Some(error) = &answered.error {
            bail!("{error}");
        }
        let queries = job.clients * job.turns;
        ensure!(answered.latencies_ms.len() == queries, "{} answers of {queries}", answered.latencies_ms.len());
        Ok(Pass {
            answered,
            cpu_seconds,
            pulled_bytes: after.bytes - traffic.bytes,
            origin_requests: after.requests - traffic.requests,
        })
    }

    /// What was compared, and how each was set up, in words.
    fn describe(&self, settings: &Settings, bytes: u64) -> anyhow::Result<String> {
        Ok(format!(
            "The origin, simulated: {}. TPC-H lineitem at scale {} in {} Parquet files, {} MiB together. Each client runs \
             three statements (Q1 and Q6 without joins, a sum over 3 of 16 columns), each over one file, one after the \
             other, and starts elsewhere than its neighbour. Cold: the server was just started, with nothing in it. Warm: \
             the same queries again, at least {WARM_QUERIES_MIN} of them. One thread a query; the engines remember nothing between two: DuckDB's \
             file and metadata caches are off, DataFusion has a session per query. All of it fits the budgets, \
             {MEMORY} of memory and {DISK} of disk, so a warm read comes from memory.\n\n\
             - DuckDB {} (httpfs), DataFusion {}; both speak S3, signed, but HTTP with cachey.\n\
             - larder: defaults but for the budgets and `admit = \"all\"`; the bucket is immutable.\n\
             - {}: proxy_cache with `slice 1m` and `proxy_cache_lock`, one worker, files on disk; its memory is the page cache.\n\
             - {}: has no slicer, so each range that is asked for is an object of its own; HEADs are passed on. Memory only.\n\
             - cachey {}: its own form of address; it answers nothing without a range. Memory and disk.\n\
             - direct: the clients read the origin.\n\n\
             Bytes asked are those that the same queries pull from the origin when they read it directly.",
            describe_far(),
            settings.scale,
            settings.files,
            bytes >> 20,
            duckdb::version(),
            ::datafusion::DATAFUSION_VERSION,
            crate::record::output("nginx", &["-v"])?.trim_start_matches("nginx version: "),
            crate::record::output("varnishd", &["-V"])?
                .split(" revision")
                .next()
                .unwrap_or_default()
                .replace("varnishd (varnish-", "Varnish "),
            crate::peers::CACHEY_VERSION,
        ))
    }
}

fn answer(command: &mut Command) -> anyhow::Result<Answered> {
    let output = command.output().with_context(|| format!("running {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("the clients failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Bytes of the files below a folder that the page cache holds.
fn page_cache_bytes(folder: &Path) -> anyhow::Result<u64> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.is_file() => files.push(path),
                _ => {}
            }
        }
    }
    let mut bytes = 0;
    for files in files.chunks(200) {
        // A file that is gone by now is complained of; the others are counted all the same.
        let output = Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).args(files).output();
        let output = output.context("running fincore (Debian: util-linux)")?;
        bytes += String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.trim().parse::<u64>().ok())
            .sum::<u64>();
    }
    Ok(bytes)
}
