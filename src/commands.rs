//! The commands, one file a subject, and what they share.

mod check_config;
mod ingest;
mod live;
mod nightly;
mod preload;
mod serve;
mod simulate;
mod table;
mod whitelist;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use larder_cached::Origins;
use larder_model::{Clock, SystemClock};
use larder_whitelist::{Metastore, Store};

use crate::admin::Admin;
use crate::cli::{Cli, Command};
use crate::config::Config;

/// Runs one command.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    let context = Context { path: cli.config };
    match cli.command {
        Command::Demo(args) => crate::demo::run(args).await,
        Command::Serve(args) => serve::run(&context, &args).await,
        Command::Nightly(args) => nightly::run(&context, &args).await,
        Command::Whitelist { command } => whitelist::run(&context, command).await,
        Command::Preload(args) => preload::run(&context, &args).await,
        Command::Drop(args) => preload::drop_items(&context, &args).await,
        Command::Ingest(args) => ingest::run(&context, &args).await,
        Command::Simulate(args) => simulate::run(&context, args).await,
        Command::Stat(args) => live::stat(&context, &args).await,
        Command::Top(args) => live::top(&context, &args).await,
        Command::CheckConfig => check_config::run(&context),
        Command::GuardMapping { file, endpoint } => crate::hook::guard::run(&file, endpoint).await,
    }
}

/// What a command starts from.
struct Context {
    path: Option<PathBuf>,
}

impl Context {
    /// The configuration. What is odd about it is said by `serve` and `check-config`, not by every command.
    fn config(&self) -> Result<Config> {
        Ok(Config::load(self.path.as_deref())?.config)
    }

    /// Every worker that the daemon of this configuration knows of, by name.
    async fn fleet(&self) -> Result<Vec<(String, Admin)>> {
        let token = self.config()?.admin.own_token()?;
        let workers = self.daemon()?.workers().await?;
        workers.into_iter().map(|worker| Ok((worker.id, Admin::new(worker.admin_url, token.clone())?))).collect()
    }

    /// The daemon of this configuration.
    fn daemon(&self) -> Result<Admin> {
        let admin = self.config()?.admin;
        let mut address = admin.listen;
        if address.ip().is_unspecified() {
            // Who listens everywhere is reached on the same machine.
            address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        Admin::new(format!("http://{address}"), admin.own_token()?)
    }

    async fn store(&self) -> Result<(Config, Store)> {
        let config = self.config()?;
        let store = Store::open(&config.store).await?;
        Ok((config, store))
    }

    /// Writes the whitelist in force where workers without this store take it from: for commands that may have changed it.
    async fn share(config: &Config, store: &Store) -> Result<()> {
        let Some(place) = config.store.whitelist_to.as_deref() else { return Ok(()) };
        let Some(whitelist) = store.whitelist_in_force().await? else { return Ok(()) };
        let shared = crate::serve::shared_whitelist(place, &Self::origins(config)?)?;
        Ok(shared.put(&whitelist).await?)
    }

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    fn origins(config: &Config) -> Result<Origins> {
        Ok(Origins::open(&config.buckets)?)
    }

    fn metastore(config: &Config, origins: &Origins) -> Option<Arc<Metastore>> {
        crate::serve::metastore_of(config, crate::serve::places(config, origins))
    }
}

/// Who is at the keyboard, for the record of decisions.
fn user() -> String {
    std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "unknown".to_owned())
}
