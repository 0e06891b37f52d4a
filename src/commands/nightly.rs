//! `larder nightly`, and the report of a night as people read it.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use larder_whitelist::realised::Realised;
use larder_whitelist::{NightReport, Progress};

use super::{Context, table};
use crate::cli::NightlyArgs;

pub(super) async fn run(context: &Context, args: &NightlyArgs) -> Result<()> {
    let (config, store) = context.store().await?;
    let origins = Context::origins(&config)?;
    let night =
        crate::serve::night(&config, &store, &origins, &Context::clock(), None, Context::metastore(&config, &origins))?;
    let shown = Shown::new();
    let report = night.run(args.date, None, &|progress| shown.show(progress)).await;
    shown.clear();
    let report = report?;
    if args.json { table::json(&report) } else { print(&report) }?;
    Context::share(&config, &store).await
}

/// A night's progress on a terminal; nothing elsewhere.
pub(super) struct Shown {
    bar: Mutex<ProgressBar>,
}

impl Shown {
    pub(super) fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar: Mutex::new(bar) }
    }

    pub(super) fn show(&self, progress: Progress) {
        let bar = self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match progress {
            Progress::Step(step) => bar.set_message(step.as_str()),
            Progress::Day { day, done, total } => bar.set_message(format!("ingest {day} ({done} of {total} days)")),
            Progress::Preload { worker, bytes_done, bytes_total, items_done, items_total } => {
                let style = "{spinner} preload {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
                bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_message(format!("{worker} ({items_done} of {items_total} items)"));
                bar.set_length(bytes_total);
                bar.set_position(bytes_done);
            }
        }
    }

    pub(super) fn clear(&self) {
        self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).finish_and_clear();
    }
}

/// Tables whose columns are named here; the JSON names more.
const COLUMNS_SHOWN: usize = 10;

/// What a night did, for people.
pub(super) fn print(report: &NightReport) -> Result<()> {
    let basis = |measured| if measured { "measured" } else { "assumed" };
    let speed = |speed: &larder_model::IoSpeed| {
        format!(
            "{} + bytes at {}/s",
            table::seconds(speed.overhead_seconds),
            table::size(speed.bytes_per_second as u64)
        )
    };
    let outcome = report.outcome.as_ref().map(ToString::to_string).unwrap_or_default();
    table::say(format!("night of {}: {outcome}", report.night));
    let rows = [
        ("logs", format!("{} days read anew, {} rows", report.days_ingested.len(), report.rows_ingested)),
        ("history", format!("{} days with reads", report.history_days)),
        (
            "unattributed",
            format!("{} in {} requests", table::size(report.unattributed_bytes), report.unattributed_requests),
        ),
        ("origin", format!("{} ({})", speed(&report.origin.speed), basis(report.origin.measured))),
        ("ssd", format!("{} ({})", speed(&report.ssd.speed), basis(report.ssd.measured))),
        (
            "whitelist",
            format!(
                "version {}: {} of {} items, {} of {}",
                report.version,
                report.items,
                report.candidates,
                table::size(report.bytes),
                table::size(report.budget_bytes)
            ),
        ),
        ("value", format!("{} of IO time over the history", table::seconds(report.value_seconds))),
        ("cut", table::density(report.cut_density)),
        (
            "worth holding",
            match report.budget_share {
                Some(share) => {
                    format!("{}; the budget is {:.0}% of it", table::size(report.wanted_bytes), share * 100.0)
                }
                None => "nothing".to_owned(),
            },
        ),
        ("changes", format!("{} items came, {} left", report.added_count, report.removed_count)),
        ("realised", format!("{} of IO time saved on {}", table::seconds(report.realised_seconds), report.night)),
    ];
    table::print(&["", ""], rows.map(|(name, text)| vec![format!("  {name}"), text]));
    for held in report.columns.iter().take(COLUMNS_SHOWN) {
        table::say(format!(
            "  of {} {} of {} columns are held: {:.0}% of its bytes, {:.0}% of its value",
            held.table,
            held.columns,
            held.of,
            held.byte_share * 100.0,
            held.value_share * 100.0
        ));
    }
    if let Some(more) = report.columns.len().checked_sub(COLUMNS_SHOWN).filter(|more| *more > 0) {
        table::say(format!("  and of {more} more tables some columns"));
    }
    if let Some(realised) = &report.realised {
        print_realised(realised);
    }
    for worker in &report.workers {
        let mut text = format!("  worker {}:", worker.worker);
        if let Some(preload) = &worker.preload {
            text += &format!(
                " {} loaded, {} were there; {} items done, {} failed, {} left out.",
                table::size(preload.bytes_loaded),
                table::size(preload.bytes_resident),
                preload.items_done,
                preload.items_failed,
                preload.items_left_out
            );
        }
        if let Some(dropped) = &worker.dropped {
            text += &format!(" {} dropped.", table::size(dropped.bytes));
        }
        if let Some(problem) = &worker.problem {
            text += &format!(" {problem}");
        }
        table::say(text);
    }
    for file in &report.skipped_files {
        table::say(format!("  skipped {}: {}", file.file, file.problem));
    }
    for warning in &report.warnings {
        table::say(format!("  warning: {warning}"));
    }
    Ok(())
}

/// Items that were furthest off and are named here; the JSON names more.
const WORST_SHOWN: usize = 5;

/// What the day's list was expected to save, beside what it saved.
fn print_realised(realised: &Realised) {
    let error = match (realised.error, realised.bias) {
        (Some(error), Some(bias)) => {
            format!("off by {:.0}% of what was saved; {bias:.2} times that was predicted", error * 100.0)
        }
        _ => "the list saved nothing to compare it with".to_owned(),
    };
    let rows = [
        ("predicted", format!("{} by version {}", table::seconds(realised.predicted_seconds), realised.version)),
        ("read", format!("{} worth, had all of it been near", table::seconds(realised.read_seconds))),
        ("saved", format!("{} by its {} items", table::seconds(realised.realised_seconds), realised.items)),
        ("forecast", error),
        ("missed", format!("{} by reads of other items", table::seconds(realised.missed_seconds))),
    ];
    table::say("\n  the day's list:");
    table::print(&["", ""], rows.map(|(name, text)| vec![format!("    {name}"), text]));
    let bins = realised.calibration.iter().map(|bin| {
        let from = table::seconds(bin.from_seconds);
        let range = match bin.below_seconds {
            Some(below) if bin.from_seconds > 0.0 => format!("{from} to {}", table::seconds(below)),
            Some(below) => format!("below {}", table::seconds(below)),
            None => format!("{from} or more"),
        };
        let (predicted, saved) = (table::seconds(bin.predicted_seconds), table::seconds(bin.realised_seconds));
        vec![format!("    {range}"), bin.items.to_string(), predicted, saved]
    });
    table::print(&["    PREDICTED", ">ITEMS", ">ON AVERAGE", ">SAVED"], bins);
    let worst = realised.worst.iter().take(WORST_SHOWN).map(|day| {
        let seconds = [day.predicted_seconds, day.read_seconds, day.realised_seconds].map(table::seconds);
        [vec![format!("    {}", day.item)], seconds.to_vec()].concat()
    });
    table::print(&["    FURTHEST OFF", ">PREDICTED", ">READ", ">SAVED"], worst);
}
