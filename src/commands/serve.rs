//! `larder serve`.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use larder_model::ByteSize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Context, table};
use crate::cli::ServeArgs;
use crate::config::{Config, failed, load_or_make_key_pair};
use crate::serve::{Daemon, Parts, start};

/// How often the store is asked for a new whitelist.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);

/// Where the key pair is that the daemon makes for itself.
const KEY_PAIR: &str = "data/s3-key.toml";

pub(super) async fn run(context: &Context, args: &ServeArgs) -> Result<()> {
    let mut signals = Signals::new()?;
    let loaded = Config::load(context.path.as_deref())?;
    if !loaded.unreadable.is_empty() {
        return Err(failed(context.path.as_deref(), &loaded.unreadable));
    }
    for problem in loaded.unknown.iter().chain(&loaded.warnings) {
        tracing::warn!("{problem}");
    }
    let mut config = loaded.config;
    let metastore = config.metastore.listen.map(|address| listen("[metastore] listen", address)).transpose()?;
    let iceberg = config.iceberg.listen.map(|address| listen("[iceberg] listen", address)).transpose()?;
    let s3 = listen("[s3] listen", config.s3.listen)?;
    let admin = listen("[admin] listen", config.admin.listen)?;
    if config.s3.keys.is_empty() {
        let (key, made) = load_or_make_key_pair(Path::new(KEY_PAIR))?;
        if made {
            table::say(format!(
                "made a key pair, kept in {KEY_PAIR}\n  access key id      {}\n  secret access key  {}",
                key.id,
                key.secret.as_deref().unwrap_or_default()
            ));
        }
        config.s3.keys.push(key);
    }
    if context.path.is_none() {
        std::fs::create_dir_all("data/objects").context("cannot make data/objects")?;
        fit_disk(&mut config)?;
        table::say(defaults(&config));
    }
    let origins = Context::origins(&config)?;
    let parts = Parts {
        file: context.path.clone(),
        config,
        origins,
        clock: Context::clock(),
        s3,
        admin,
        metastore,
        iceberg,
        follow_every: FOLLOW_EVERY,
        runs_nights: true,
        grace: Duration::from_secs(args.grace),
    };
    let daemon = tokio::select! {
        daemon = check_and_start(parts) => daemon?,
        // Nobody has been answered yet, so there is nothing to finish.
        () = signals.next() => return Ok(()),
    };
    tracing::info!(s3 = %daemon.s3, admin = %daemon.admin, "ready");
    let broken = tokio::select! {
        () = signals.next() => false,
        () = daemon.failed() => true,
    };
    tracing::info!("shutting down, a second signal ends at once");
    tokio::select! {
        () = daemon.stop() => {}
        () = signals.next() => bail!("ended at once by a second signal"),
    }
    if broken {
        bail!("a part of the daemon does not serve, see the log");
    }
    Ok(())
}

async fn check_and_start(parts: Parts) -> Result<Daemon> {
    for (bucket, result) in parts.origins.check().await {
        match result {
            Ok(()) => tracing::info!(bucket, "the origin answers"),
            Err(error) => tracing::error!(bucket, error = error.detail(), "the origin does not serve, see /readyz"),
        }
    }
    start(parts).await
}

/// What asks the daemon to end. From the first moment on: whoever starts a process may also stop it at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Without a file nobody has said how much of this disk is Larder's: at most half of what is free, and whitelists that
/// fit into it.
fn fit_disk(config: &mut Config) -> Result<()> {
    let free = fs4::available_space("data").context("cannot ask the disk for its free space")?;
    let fits = |size: ByteSize, limit: u64| ByteSize(size.as_u64().min(limit));
    config.cache.ssd.capacity = fits(config.cache.ssd.capacity, free / 2);
    config.nightly.budget = fits(config.nightly.budget, config.cache.ssd.capacity.as_u64() / 10 * 7);
    Ok(())
}

fn listen(key: &str, address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address} ({key})"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn defaults(config: &Config) -> String {
    format!(
        "\
no configuration file: embedded defaults hold
  s3        http://{s3}, bucket `demo` over the folder data/objects
  admin     http://{admin}/
  memory    {memory}
  ssd       {ssd} in {path}
  store     {store}
  logs      {logs}
  nightly   {schedule} (UTC), budget {budget}",
        s3 = config.s3.listen,
        admin = config.admin.listen,
        memory = config.cache.memory,
        ssd = config.cache.ssd.capacity,
        path = config.cache.ssd.path.display(),
        store = config.store.url,
        logs = config.logs.path.display(),
        schedule = config.nightly.schedule,
        budget = config.nightly.budget,
    )
}
