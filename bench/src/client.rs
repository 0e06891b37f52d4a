//! What the comparisons share: the load generator as a process, the object, the cores.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::load::Measured;
use crate::servers::{KEY, Launcher, Server, pinned};

/// The load generator as a process of its own, so that its CPU time is nobody else's.
pub(crate) struct Client {
    /// The core it runs on; anywhere when the machine has only one.
    pub(crate) core: Option<usize>,
    /// The object's size.
    pub(crate) object_bytes: u64,
    /// Connections, each with one GET under way.
    pub(crate) connections: usize,
    /// Seconds per measurement.
    pub(crate) seconds: f64,
}

impl Client {
    /// Reads every range once and compares it with the object's file.
    pub(crate) fn verify(&self, server: &Server, size: u64, object: &Path) -> anyhow::Result<Measured> {
        let mut command = self.command_to(server, size)?;
        self.run(command.arg("--verify").arg(object))
    }

    /// Sends for the time that is set.
    pub(crate) fn measure(&self, server: &Server, size: u64) -> anyhow::Result<Measured> {
        self.run(&mut self.command_to(server, size)?)
    }

    /// Sends to this address for the time that is set.
    pub(crate) fn measure_url(&self, url: &str, signed: bool, size: u64) -> anyhow::Result<Measured> {
        self.run(&mut self.command(url, signed, size)?)
    }

    fn command_to(&self, server: &Server, size: u64) -> anyhow::Result<Command> {
        let mut command = self.command(&server.url, server.signed, size)?;
        command.args(server.header.iter().flat_map(|header| ["--header", header]));
        Ok(command)
    }

    fn command(&self, url: &str, signed: bool, size: u64) -> anyhow::Result<Command> {
        let mut command = pinned(self.core, std::env::current_exe()?);
        command.arg("load").args(["--url", url]);
        command.args(["--object-bytes", &self.object_bytes.to_string(), "--range-bytes", &size.to_string()]);
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--seconds", &self.seconds.to_string()]);
        if signed {
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

/// The folder of one comparison, with the object in it, and the cores that server and client run on.
pub(crate) struct Bench {
    folder: TempDir,
    /// The object's file.
    pub(crate) object: PathBuf,
    server_core: Option<usize>,
    /// Where the client runs; anywhere when the machine has only one core.
    pub(crate) client_core: Option<usize>,
}

const OBJECT: &str = "object.bin";

impl Bench {
    /// Makes a folder in this one, or where the system keeps what is temporary, and an object of so many bytes.
    pub(crate) fn new(within: Option<&Path>, object_bytes: u64) -> anyhow::Result<Self> {
        let folder = match within {
            Some(within) => tempfile::tempdir_in(within)?,
            None => tempfile::tempdir()?,
        };
        let object = folder.path().join("objects").join(OBJECT);
        std::fs::create_dir_all(folder.path().join("objects"))?;
        write_object(&object, object_bytes)?;
        let (server_core, client_core) = cores()?;
        Ok(Self { folder, object, server_core, client_core })
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts servers on the object.
    pub(crate) fn launcher(&self) -> Launcher<'_> {
        Launcher {
            folder: self.folder.path(),
            object: OBJECT,
            core: self.server_core,
            access_log: true,
            ssd_io: "threads",
        }
    }
}

/// Writes an object in which every position can be told from every other: each 8 bytes hold their own place, scrambled.
fn write_object(path: &Path, bytes: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for word in 0..bytes / 8 {
        file.write_all(&word.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())?;
    }
    Ok(file.flush()?)
}

/// A core for the server and one for the client, where there are two.
fn cores() -> anyhow::Result<(Option<usize>, Option<usize>)> {
    if std::thread::available_parallelism()?.get() > 1 {
        return Ok((Some(0), Some(1)));
    }
    eprintln!("one core only: server and client share it, so read the figures per core, not the throughput");
    Ok((None, None))
}

/// The binary that is measured: by default the one beside this program.
pub(crate) fn larder_binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("larder"),
    };
    ensure!(path.exists(), "{} does not exist: cargo build --release --bin larder", path.display());
    Ok(path.canonicalize()?)
}

/// Where the tests, too, keep what they install.
pub(crate) fn cache_home() -> anyhow::Result<PathBuf> {
    if let Some(home) = std::env::var_os("LARDER_HOME") {
        return Ok(home.into());
    }
    Ok(std::env::home_dir().context("neither LARDER_HOME nor HOME is set")?.join(".cache").join("larder"))
}

/// Says how far it is: on one line on a terminal, else a line each time.
pub(crate) fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K{line}");
    } else if !line.is_empty() {
        eprintln!("{line}");
    }
}
