//! `larder simulate`.

use anyhow::Result;
use larder_whitelist::simulate::{SimulateSettings, run as replay};

use super::table;
use crate::cli::SimulateArgs;

pub(super) async fn run(args: SimulateArgs) -> Result<()> {
    let settings = SimulateSettings { seed: args.seed, capacity_fraction: args.capacity, trace: args.trace };
    let report = tokio::task::spawn_blocking(move || replay(&settings)).await??;
    if args.json {
        return table::json(&report);
    }
    table::say(format!("capacity {}\n", table::size(report.capacity_bytes)));
    let rows = report.policies.iter().map(|policy| {
        vec![
            policy.lambda.map_or_else(|| policy.name.to_owned(), |lambda| format!("{} (lambda {lambda})", policy.name)),
            table::seconds(policy.io_time_saved),
            format!("{:.1}%", policy.byte_hit_ratio * 100.0),
            format!("{:.1}%", policy.request_hit_ratio * 100.0),
            table::size(policy.origin_bytes),
            table::size(policy.written_bytes),
            format!("{:.1}%", policy.regret_b0 * 100.0),
        ]
    });
    table::print(&["POLICY", ">IO TIME SAVED", ">BYTE HITS", ">REQUEST HITS", ">ORIGIN", ">WRITTEN", ">REGRET"], rows);
    Ok(())
}
