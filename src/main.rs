//! The `larder` binary: the command line and the wiring, nothing else.
//!
//! Reading order: [`cli`] is what can be said, [`config`] what is configured, [`serve`] wires the daemon, [`commands`]
//! are the others, [`hook`] tells engines where to read, [`demo`] is the whole story on one machine.

mod admin;
mod cli;
mod commands;
mod config;
mod demo;
mod hook;
mod serve;
mod traces;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    // Usage errors end here with status 2, `--help` with 0.
    let cli = Cli::parse();
    start_log(&cli.command);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error)),
    };
    let done = runtime.block_on(commands::run(cli));
    // What is still at work on a blocking thread must not hold up the end: all that must be finished has been awaited.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the command's last word")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("larder: {error:#}");
    ExitCode::FAILURE
}

/// Logs to standard error. `RUST_LOG` chooses what; commands that print for people are quiet unless something is wrong.
fn start_log(command: &Command) {
    let default = match command {
        Command::Serve(_) => "info",
        _ => "warn",
    };
    // s3s logs every client's mistake as an error; Larder logs what a person must look at, where it is handled.
    let default = format!("{default},s3s=off,object_store=warn,foyer_storage=error,foyer_memory=error,foyer=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // Colours are for people; a log in a file has none.
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
