//! Benchmarks of Larder beside other servers, on one machine, in one run. Results are ratios, recorded in RESULTS.md.
//!
//! `cargo run --release -p larder-bench` compares ranged GETs answered from memory: Larder, nginx serving the same file
//! statically, and a bare hyper server; with `ssd` behind `--`, reads from the SSD tier with fio; with `overload`,
//! goodput as load grows; with `origin`, first reads and the direct route beside the origin itself; with `scans`, TPC-H
//! scans by DuckDB and DataFusion beside other caches; with `log`, what the access log costs; with `policies`, the policies
//! of the adaptive share with LRFU; with `planner`, the whitelist with what came before and with what nobody can beat; with
//! `traces`, the whitelist on traces of other shapes; with `curves`, capacity curves from samples with exact ones; with
//! `nights`, time and memory of nights over logs of up to a billion rows; with `lookups`, finding a key's item; with
//! `metastore`, what the metastore proxy adds to calls. `./test trino-bench` compares engines' queries. This one program
//! plays several parts, each a process of its own, so that each can be pinned to a core and have its CPU time measured: the
//! comparison, the bare server, the simulated origin, and the clients.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports to the terminal")]

mod bare;
mod client;
mod compare;
mod curves;
mod distance;
mod load;
mod log;
mod lookups;
mod metastore;
mod nights;
mod origin;
mod overload;
mod peers;
mod planner;
mod policies;
mod record;
mod scans;
mod servers;
mod ssd;
mod traces;
mod trino;

use clap::{Parser, Subcommand};

/// Benchmarks of Larder beside other servers.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    compare: compare::Settings,
}

#[derive(Subcommand)]
enum Part {
    /// Compares reads from the SSD tier with fio, and measures a restart and the memory per block.
    Ssd(ssd::Settings),
    /// Measures goodput under more load than the server can answer.
    Overload(overload::Settings),
    /// Compares the policies of the adaptive share with LRFU, on the simulator's workloads.
    Policies(policies::Settings),
    /// Compares the whitelist with published choices, online policies and offline bounds.
    Planner(planner::Settings),
    /// Compares the whitelist with online policies and the clairvoyant nightly choice, on traces of other shapes.
    Traces(traces::Settings),
    /// Compares capacity curves drawn from samples with exact ones.
    Curves(curves::Settings),
    /// Measures lookups of keys in large whitelists.
    Lookups(lookups::Settings),
    /// Measures what the metastore proxy adds to a metastore's calls.
    Metastore(metastore::Settings),
    /// Measures nights over generated access logs.
    Nights(nights::Settings),
    /// Measures what the access log costs small reads.
    Log(log::Settings),
    /// Compares first reads and the direct route with reads of the origin itself.
    Origin(origin::Settings),
    /// Compares cold and warm TPC-H scans through Larder, nginx, Varnish and cachey.
    Scans(scans::Settings),
    /// Runs queries by DataFusion, and prints what it measured as JSON (started by the comparison of scans).
    Datafusion(scans::DataFusionSettings),
    /// Plays an S3 server at a simulated distance (started by the comparisons).
    ServeOrigin(origin::ServerSettings),
    /// Puts a simulated distance before an HTTP server (started by `./test trino-bench`).
    Distance(distance::Settings),
    /// Makes the report of what `./test trino-bench` measured.
    Trino(trino::Settings),
    /// Serves one file from memory, and does nothing else (started by the comparison).
    Bare(bare::Settings),
    /// Sends GETs as fast as they are answered, and prints what it measured as JSON (started by the comparison).
    Load(load::Settings),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // The bare server, the origin, the distance and the load generator have one core each: a second thread would only add hand-overs.
    let mut runtime = match arguments.part {
        Some(Part::Bare(_) | Part::Load(_) | Part::ServeOrigin(_) | Part::Distance(_) | Part::Datafusion(_)) => {
            tokio::runtime::Builder::new_current_thread()
        }
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    match arguments.part {
        Some(Part::Bare(settings)) => runtime.block_on(bare::serve(settings)),
        Some(Part::Load(settings)) => runtime.block_on(load::run(settings)),
        Some(Part::Ssd(settings)) => runtime.block_on(ssd::run(settings)),
        Some(Part::Overload(settings)) => runtime.block_on(overload::run(settings)),
        Some(Part::Log(settings)) => runtime.block_on(log::run(settings)),
        Some(Part::Lookups(settings)) => lookups::run(&settings),
        Some(Part::Metastore(settings)) => runtime.block_on(metastore::run(settings)),
        Some(Part::Nights(settings)) => runtime.block_on(nights::run(settings)),
        Some(Part::Policies(settings)) => policies::run(&settings),
        Some(Part::Planner(settings)) => planner::run(&settings),
        Some(Part::Traces(settings)) => traces::run(&settings),
        Some(Part::Curves(settings)) => curves::run(&settings),
        Some(Part::Origin(settings)) => runtime.block_on(origin::run(settings)),
        Some(Part::ServeOrigin(settings)) => runtime.block_on(origin::serve(settings)),
        Some(Part::Distance(settings)) => runtime.block_on(distance::serve(settings)),
        Some(Part::Trino(settings)) => trino::report(&settings),
        Some(Part::Scans(settings)) => runtime.block_on(scans::run(settings)),
        Some(Part::Datafusion(settings)) => runtime.block_on(scans::run_datafusion(settings)),
        None => runtime.block_on(compare::run(arguments.compare)),
    }
}
