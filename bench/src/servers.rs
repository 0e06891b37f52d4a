//! The servers that are compared: each started on the same object, pinned to a core, watched for its CPU time, and
//! killed when it is dropped.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::origin::Traffic;

/// The access key that Larder is given and the load generator signs with.
pub(crate) const KEY: (&str, &str) = ("bench", "bench-secret-0123456789");

/// The bucket in front of the object, and its name at the origin.
pub(crate) const BUCKET: &str = "bench";

/// A running server.
pub(crate) struct Server {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// The object's address.
    pub(crate) url: String,
    /// The server's own address: `http://host:port`.
    pub(crate) endpoint: String,
    /// Whether requests to it are signed.
    pub(crate) signed: bool,
    /// A header that it wants of every request.
    pub(crate) header: Option<&'static str>,
    /// The port of its admin API, if it is Larder.
    admin: u16,
    child: Child,
}

/// What Larder has to hold blocks in.
pub(crate) struct Tiers {
    pub(crate) memory_bytes: u64,
    pub(crate) ssd_bytes: u64,
    pub(crate) block_bytes: u64,
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may end by itself in this moment; there is nobody left to tell either way.
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

/// Starts servers in one folder, pinned to one core.
pub(crate) struct Launcher<'a> {
    /// A folder for configurations, logs and tiers; `objects/` in it holds the object.
    pub(crate) folder: &'a Path,
    /// The object's name in `objects/`.
    pub(crate) object: &'a str,
    /// The core they run on; anywhere when the machine has only one.
    pub(crate) core: Option<usize>,
    /// Whether Larder logs what is read.
    pub(crate) access_log: bool,
    /// `[cache] ssd = { io }` of Larder.
    pub(crate) ssd_io: &'static str,
}

impl Launcher<'_> {
    /// Hyper and nothing else.
    pub(crate) async fn bare(&self) -> anyhow::Result<Server> {
        let port = free_port()?;
        let mut command = pinned(self.core, std::env::current_exe()?);
        command.arg("bare").args(["--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--file").arg(self.folder.join("objects").join(self.object));
        self.start("bare hyper", command, port, format!("http://127.0.0.1:{port}/{}", self.object), false).await
    }

    /// s3s over hyper and nothing else: what parsing S3 and verifying signatures costs.
    pub(crate) async fn bare_s3(&self) -> anyhow::Result<Server> {
        let port = free_port()?;
        let mut command = pinned(self.core, std::env::current_exe()?);
        command.arg("bare").args(["--listen", &format!("127.0.0.1:{port}"), "--key", KEY.0, "--secret", KEY.1]);
        command.arg("--file").arg(self.folder.join("objects").join(self.object));
        self.start("bare s3s", command, port, format!("http://127.0.0.1:{port}/{BUCKET}/{}", self.object), true).await
    }

    /// nginx as one would set it up to serve static files fast.
    pub(crate) async fn nginx(&self) -> anyhow::Result<Server> {
        let port = free_port()?;
        let folder = self.folder.join("nginx");
        fs::create_dir_all(&folder)?;
        let (home, objects) = (folder.display(), self.folder.join("objects"));
        // Started by root, nginx would read the files as another user, who may not enter the folder.
        let user = if is_root() { "user root;" } else { "" };
        let configuration = format!(
            "daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log; {user}\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n\
               access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
               keepalive_timeout 600; keepalive_requests 1000000000;\n\
               open_file_cache max=16; open_file_cache_valid 600s;\n\
               client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;\n\
               uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;\n\
               server {{ listen 127.0.0.1:{port}; root {}; }}\n\
             }}\n",
            objects.display()
        );
        fs::write(folder.join("nginx.conf"), configuration)?;
        let mut command = pinned(self.core, "nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf"));
        self.start("nginx", command, port, format!("http://127.0.0.1:{port}/{}", self.object), false).await
    }

    /// Larder in front of the folder. What it held when it last ran here with the same block length, it holds again.
    pub(crate) async fn larder(&self, binary: &Path, tiers: &Tiers) -> anyhow::Result<Server> {
        let home = self.folder.join("larder");
        let cache = format!(
            "memory = \"{}B\"\nssd = {{ path = \"{}/cache\", capacity = \"{}B\", io = \"{}\" }}\nblock = \"{}B\"\nadmit = \"all\"\n",
            tiers.memory_bytes,
            home.display(),
            tiers.ssd_bytes,
            self.ssd_io,
            tiers.block_bytes
        );
        let bucket = format!(
            "[[bucket]]\nname = \"{BUCKET}\"\norigin = \"file://{}\"\nconsistency = \"immutable\"\n",
            self.folder.join("objects").display()
        );
        self.larder_with(binary, &cache, &bucket).await
    }

    /// Larder in `larder/` of the folder, with these lines in `[cache]`, and these buckets.
    pub(crate) async fn larder_with(&self, binary: &Path, cache: &str, buckets: &str) -> anyhow::Result<Server> {
        let (port, admin) = (free_port()?, free_port()?);
        let folder = self.folder.join("larder");
        fs::create_dir_all(&folder)?;
        let home = folder.display();
        let (key, secret) = KEY;
        let configuration = format!(
            "[s3]\nlisten = \"127.0.0.1:{port}\"\n\
             [[s3.keys]]\nid = \"{key}\"\nsecret = \"{secret}\"\nbuckets = [\"*\"]\naccess = \"read\"\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n\
             [store]\nurl = \"sqlite://{home}/larder.db\"\n\
             [logs]\npath = \"{home}/logs\"\naccess = {}\n\
             [cache]\n{cache}{buckets}",
            self.access_log
        );
        fs::write(folder.join("larder.toml"), configuration)?;
        let mut command = pinned(self.core, binary);
        command.arg("serve").arg("--config").arg(folder.join("larder.toml")).current_dir(&folder);
        let url = format!("http://127.0.0.1:{port}/{BUCKET}/{}", self.object);
        let mut server = self.start("larder", command, port, url, true).await?;
        server.admin = admin;
        Ok(server)
    }

    /// The files of `objects/` behind the simulated distance, or with none. It runs on `core`: not where the servers do,
    /// for what a far origin computes costs a cache nothing.
    pub(crate) async fn origin(&self, core: Option<usize>, near: bool) -> anyhow::Result<Server> {
        let port = free_port()?;
        let mut command = pinned(core, std::env::current_exe()?);
        command.arg("serve-origin").args(["--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--folder").arg(self.folder.join("objects"));
        if near {
            command.arg("--near");
        }
        let name = if near { "origin, near" } else { "origin" };
        self.start(name, command, port, format!("http://127.0.0.1:{port}/{BUCKET}/{}", self.object), false).await
    }

    pub(crate) async fn start(
        &self,
        name: &'static str,
        mut command: Command,
        port: u16,
        url: String,
        signed: bool,
    ) -> anyhow::Result<Server> {
        let log = self.folder.join(format!("{}.log", name.replace(' ', "-")));
        let output = fs::File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("starting {name} ({:?})", command.get_program()))?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut server = Server { name, url, endpoint, signed, header: None, admin: 0, child };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("{name} does not listen:\n{}", fs::read_to_string(&log)?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }
}

impl Server {
    /// A figure of Larder's `GET /api/v1/stat`.
    pub(crate) async fn stat(&self, figure: &str) -> anyhow::Result<u64> {
        let stat: serde_json::Value = get_json(self.admin, "/api/v1/stat").await?;
        stat[figure].as_u64().with_context(|| format!("no {figure} in {stat}"))
    }

    /// What the origin was asked for so far.
    pub(crate) async fn traffic(&self) -> anyhow::Result<Traffic> {
        let port = self.endpoint.rsplit(':').next().context("the endpoint names no port")?;
        get_json(port.parse()?, "/_traffic").await
    }

    /// Bytes of memory that the process has resident.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    /// Bytes of memory of the process and its children; what they share with others, they have a share of.
    pub(crate) fn memory_bytes(&self) -> anyhow::Result<u64> {
        proportional_bytes(self.child.id())
    }

    /// Ends it, in order, and waits for it.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// CPU time spent so far by the process and its children, in seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.child.id())
    }
}

async fn get_json<T: DeserializeOwned>(port: u16, path: &str) -> anyhow::Result<T> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, "localhost").body(Empty::<Bytes>::new())?;
    let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&body)?)
}

/// A command that runs on this core only.
pub(crate) fn pinned(core: Option<usize>, program: impl AsRef<std::ffi::OsStr>) -> Command {
    match core {
        None => Command::new(program),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]).arg(program);
            command
        }
    }
}

/// CPU time that a process and its children spent so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} has ended"))?;
    // The command's name, in parentheses, may hold spaces; what follows it is numbers.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).context("no CPU time in stat");
    // utime and stime are fields 14 and 15 of proc(5), 11 and 12 behind the name; a tick is 10 ms on every Linux.
    let mut seconds = (ticks(11)? + ticks(12)?) / 100.0;
    for child in children(pid)? {
        seconds += cpu_seconds(child)?;
    }
    Ok(seconds)
}

fn proportional_bytes(pid: u32) -> anyhow::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    let mut bytes = line.trim().trim_end_matches(" kB").parse::<u64>()? << 10;
    for child in children(pid)? {
        bytes += proportional_bytes(child)?;
    }
    Ok(bytes)
}

fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}
