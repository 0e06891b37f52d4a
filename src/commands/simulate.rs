//! `larder simulate`.

use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use larder_whitelist::simulate::{SimulateSettings, run as replay};

use super::table;
use crate::cli::SimulateArgs;

pub(super) async fn run(args: SimulateArgs) -> Result<()> {
    let settings = SimulateSettings {
        seed: args.seed,
        scenario: args.scenario,
        capacity_fraction: args.capacity,
        ablations: args.ablations,
        trace: args.trace,
    };
    // Nothing is drawn where nobody looks.
    let spinner = ProgressBar::new_spinner().with_message("replaying with each policy");
    spinner.enable_steady_tick(Duration::from_millis(100));
    let replayed = tokio::task::spawn_blocking(move || replay(&settings)).await;
    spinner.finish_and_clear();
    let report = replayed??;
    if args.json {
        return table::json(&report);
    }
    table::say(format!(
        "capacity {}; {} of IO time to be saved\n",
        table::size(report.capacity_bytes),
        table::seconds(report.io_time_possible)
    ));
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let rows = report.policies.iter().map(|policy| {
        vec![
            policy.lambda.map_or_else(|| policy.name.clone(), |lambda| format!("{} (lambda {lambda})", policy.name)),
            table::seconds(policy.io_time_saved),
            percent(policy.io_time_saved / report.io_time_possible),
            percent(policy.byte_hit_ratio),
            percent(policy.request_hit_ratio),
            table::size(policy.origin_bytes),
            table::size(policy.written_bytes),
            percent(policy.preload_wasted),
            percent(policy.regret_b0),
            percent(policy.regret_b2),
        ]
    });
    table::print(
        &[
            "POLICY",
            ">IO TIME SAVED",
            ">OF ALL",
            ">BYTE HITS",
            ">REQUEST HITS",
            ">ORIGIN",
            ">WRITTEN",
            ">WASTED",
            ">REGRET B0",
            ">REGRET B2",
        ],
        rows,
    );
    let bound = |saved: f64| format!("{} ({})", table::seconds(saved), percent(saved / report.io_time_possible));
    table::say(format!(
        "\nNo cache that fills on demand saves more than {}, none that loads ahead more than {}.",
        bound(report.bounds.b1),
        bound(report.bounds.b2)
    ));
    Ok(())
}
