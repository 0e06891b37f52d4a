//! What a night says about itself.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use larder_model::admin::{DropReport, NotLoaded, PreloadItemStatus, PreloadState, PreloadStatus, PreloadStop};
use larder_model::io_time::{ASSUMED_ORIGIN, ASSUMED_SSD};
use larder_model::{HeldColumns, ItemName, Said, TableName, Whitelist};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decide::Decided;
use super::runner::NightAsked;
use super::warning::{BudgetSize, NightOutcome, Refusal, Warning};
use super::weigh::Weighed;
use crate::catalog::BucketReport;
use crate::choice::Outcome;
use crate::columns::TableColumns;
use crate::publish::diff;
use crate::realised::Realised;
use crate::speed::SpeedReport;
use crate::store::SkippedFile;

/// What a night did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NightReport {
    /// Unique.
    pub id: String,
    /// The last day of logs it read.
    pub night: NaiveDate,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended, or last kept this report.
    pub finished: DateTime<Utc>,
    /// Who asked for it out of turn; `None` where the schedule or the command line ran it.
    #[serde(default)]
    pub asked: Option<NightAsked>,
    /// What it came to; `None` until then.
    pub outcome: Option<Said<NightOutcome>>,
    /// What a person should know.
    pub warnings: Vec<Said<Warning>>,

    /// Days whose logs were new or had changed.
    pub days_ingested: Vec<NaiveDate>,
    /// Their rows.
    pub rows_ingested: u64,
    /// Days of the history that have reads.
    pub history_days: u64,
    /// Requests of the history that belong to no known table.
    pub unattributed_requests: u64,
    /// Their bytes.
    pub unattributed_bytes: u64,
    /// Log files of the history that could not be read.
    pub skipped_files: Vec<SkippedFile>,
    /// What a read from the origin is taken to cost.
    pub origin: SpeedReport,
    /// What a read from the SSD is taken to cost.
    pub ssd: SpeedReport,
    /// What each bucket holds.
    pub buckets: Vec<BucketReport>,

    /// Items weighed.
    pub candidates: u64,
    /// The bytes that items may take together.
    pub budget_bytes: u64,
    /// The version in force after the night, or the one proposed; zero for none.
    pub version: u64,
    /// Whether the night published it.
    pub published: bool,
    /// Items chosen.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their value: the IO time that they are expected to save over the horizon, in seconds.
    pub value_seconds: f64,
    /// Value per byte of the last item taken, in seconds per byte.
    pub cut_density: f64,
    /// Tables of whose items only some columns are held, at most 1000 by name.
    #[serde(default)]
    pub columns: Vec<ColumnsReport>,
    /// Items that a cap on their table or owner kept out.
    #[serde(default)]
    pub capped: u64,
    /// The bytes of all that is worth holding: what is pinned, and what is not denied and saves more than loading it
    /// costs.
    #[serde(default)]
    pub wanted_bytes: u64,
    /// The budget as a share of those; 0.3 to 0.7 is advised. `None` where nothing is worth holding.
    #[serde(default)]
    pub budget_share: Option<f64>,
    /// Tables that were read or are whitelisted and that no bucket holds now, at most 1000 by name.
    #[serde(default)]
    pub vanished_tables: Vec<TableName>,
    /// Items that came, at most 1000 by name.
    pub added: Vec<ItemName>,
    /// How many came.
    pub added_count: u64,
    /// Items that left, at most 1000 by name.
    pub removed: Vec<ItemName>,
    /// How many left.
    pub removed_count: u64,

    /// IO time that memory and SSD saved on the night's day, in seconds: what the origin would have taken for the reads
    /// that they answered, less what these took.
    pub realised_seconds: f64,
    /// What the items that were whitelisted on the night's day were expected to save, beside what they saved. `None` where
    /// no version that was made before was in force, or where the day has no logs.
    #[serde(default)]
    pub realised: Option<Realised>,
    /// What each worker did.
    pub workers: Vec<WorkerReport>,

    /// Why there is nothing to base a whitelist on.
    #[serde(skip)]
    pub(super) refusal: Option<Refusal>,
}

/// The columns that are held of a table's items, in figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnsReport {
    /// The table.
    pub table: TableName,
    /// How many are held.
    pub columns: u64,
    /// Of so many.
    pub of: u64,
    /// What they are of the table's bytes.
    pub byte_share: f64,
    /// What they are of its value.
    pub value_share: f64,
}

/// What one worker did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerReport {
    /// Its admin URL.
    pub worker: String,
    /// What it dropped of what left the whitelist; `None` where nothing had left.
    pub dropped: Option<DropReport>,
    /// What it loaded.
    pub preload: Option<PreloadSummary>,
    /// What went wrong, in words.
    pub problem: Option<String>,
}

/// An item that a preload did not load as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemNotLoaded {
    /// The item.
    pub item: ItemName,
    /// Why.
    pub why: Said<NotLoaded>,
}

/// A preload in figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreloadSummary {
    /// Bytes of all its items that were listed.
    pub bytes_total: u64,
    /// Bytes read from the origin.
    pub bytes_loaded: u64,
    /// Bytes that were resident before.
    pub bytes_resident: u64,
    /// Items of which every block is resident.
    pub items_done: u64,
    /// Items of which some blocks could not be read.
    pub items_failed: u64,
    /// Items for which there was no room or no time.
    pub items_left_out: u64,
    /// The items that are not resident as a whole, and why; at most 1000 of them.
    #[serde(default)]
    pub not_loaded: Vec<ItemNotLoaded>,
    /// How long it held back for the sake of those who read, in seconds.
    #[serde(default)]
    pub held_back_seconds: f64,
    /// Why it ended before its last item.
    pub stopped: Option<Said<PreloadStop>>,
}

impl From<&PreloadStatus> for PreloadSummary {
    fn from(status: &PreloadStatus) -> Self {
        let count = |state| status.items.iter().filter(|item| item.state == state).count() as u64;
        let not_loaded = status.items.iter().filter(|item| item.state != PreloadState::Done).take(NAMES_MAX);
        let why = |item: &PreloadItemStatus| item.why.clone().unwrap_or_else(|| NotLoaded::RunEnded.into());
        Self {
            not_loaded: not_loaded.map(|item| ItemNotLoaded { item: item.item.clone(), why: why(item) }).collect(),
            held_back_seconds: status.held_back_seconds,
            bytes_total: status.bytes_total,
            bytes_loaded: status.bytes_loaded,
            bytes_resident: status.bytes_resident,
            items_done: count(PreloadState::Done),
            items_failed: count(PreloadState::Failed),
            items_left_out: count(PreloadState::LeftOut),
            stopped: status.stopped.clone(),
        }
    }
}

const NAMES_MAX: usize = 1000;

/// Names that a warning spells out.
pub(super) const NAMED_MAX: usize = 10;

/// The budget as a share of what is worth holding: below, more space would pay; above, the last of it earns little. The
/// span is what those advise who run such caches: see docs/configuration.md.
const ADVISED_SHARE: (f64, f64) = (0.3, 0.7);

impl NightReport {
    pub(super) fn new(id: String, night: NaiveDate, started: DateTime<Utc>, budget_bytes: u64) -> Self {
        let unknown = |speed| SpeedReport { speed, measured: false, basis: String::new() };
        Self {
            id,
            night,
            started,
            finished: started,
            asked: None,
            outcome: None,
            warnings: Vec::new(),
            days_ingested: Vec::new(),
            rows_ingested: 0,
            history_days: 0,
            unattributed_requests: 0,
            unattributed_bytes: 0,
            skipped_files: Vec::new(),
            origin: unknown(ASSUMED_ORIGIN),
            ssd: unknown(ASSUMED_SSD),
            buckets: Vec::new(),
            candidates: 0,
            budget_bytes,
            version: 0,
            published: false,
            items: 0,
            bytes: 0,
            value_seconds: 0.0,
            cut_density: 0.0,
            capped: 0,
            columns: Vec::new(),
            wanted_bytes: 0,
            budget_share: None,
            vanished_tables: Vec::new(),
            added: Vec::new(),
            added_count: 0,
            removed: Vec::new(),
            removed_count: 0,
            realised_seconds: 0.0,
            realised: None,
            workers: Vec::new(),
            refusal: None,
        }
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning.into());
    }

    /// Notes what was chosen, and warns of what a person may not have meant.
    pub(super) fn count(&mut self, decided: &Decided, in_force: Option<&Whitelist>) {
        let (candidates, choice) = (&decided.weighed.candidates, &decided.choice);
        self.candidates = candidates.len() as u64;
        self.items = choice.taken.len() as u64;
        self.bytes = choice.taken_bytes;
        self.value_seconds = choice.taken_value_seconds;
        self.cut_density = choice.cut_density;
        self.count_wanted(decided.wanted_bytes());
        self.count_vanished(&decided.weighed, in_force);
        if decided.wear_price > 0.0 {
            self.warn(Warning::Worn { limit_bytes: decided.limits.write_bytes_max });
        }
        let out = |is: fn(&Outcome) -> bool| choice.verdicts.iter().filter(|verdict| is(&verdict.outcome)).count();
        let pinned_out = out(|outcome| matches!(outcome, Outcome::PinnedNoRoom(_)));
        if pinned_out > 0 {
            self.warn(Warning::PinsDoNotFit { items: pinned_out as u64 });
        }
        self.capped = out(|outcome| matches!(outcome, Outcome::Capped { .. })) as u64;
        for (tier, measured) in [("origin", self.origin.measured), ("ssd", self.ssd.measured)] {
            if !measured {
                self.warn(Warning::SpeedAssumed { tier: tier.to_owned() });
            }
        }
    }

    /// Notes the tables of which only some columns are held, of those that are known.
    pub(super) fn count_columns(&mut self, decided: &Decided, known: &TableColumns) {
        let report = |(table, held): (&TableName, &HeldColumns)| ColumnsReport {
            table: table.clone(),
            columns: held.columns.len() as u64,
            of: known.get(table).map_or(0, Vec::len) as u64,
            byte_share: held.byte_share,
            value_share: held.value_share,
        };
        self.columns = decided.held_columns().take(NAMES_MAX).map(report).collect();
    }

    /// Notes which part of what is worth holding the budget holds, and warns outside of what is advised.
    fn count_wanted(&mut self, wanted_bytes: u64) {
        self.wanted_bytes = wanted_bytes;
        if self.budget_bytes == 0 {
            self.warn(Warning::NoBudget);
        }
        if wanted_bytes == 0 {
            return;
        }
        let share = self.budget_bytes as f64 / wanted_bytes as f64;
        self.budget_share = Some(share);
        let size = match share {
            1.0.. => BudgetSize::HoldsAll,
            _ if share > ADVISED_SHARE.1 => BudgetSize::Large,
            _ if share < ADVISED_SHARE.0 && self.budget_bytes > 0 => BudgetSize::Small,
            _ => return,
        };
        self.warn(Warning::Budget {
            size,
            budget_bytes: self.budget_bytes,
            wanted_bytes,
            advised_percent_min: (ADVISED_SHARE.0 * 100.0).round() as u64,
            advised_percent_max: (ADVISED_SHARE.1 * 100.0).round() as u64,
        });
    }

    /// Names the tables that were read or are held, and that no bucket holds now.
    fn count_vanished(&mut self, weighed: &Weighed, in_force: Option<&Whitelist>) {
        let candidates = &weighed.candidates;
        let was_read = |at: usize| weighed.facts[at].reads.requests > 0;
        let held = in_force.iter().flat_map(|whitelist| &whitelist.items).map(|item| &item.item.table);
        let read = (0..candidates.len()).filter(|at| was_read(*at)).map(|at| &candidates[at].item.table);
        let known: BTreeSet<&TableName> = held.chain(read).collect();
        let there: HashSet<&TableName> =
            candidates.iter().filter(|candidate| candidate.bytes > 0).map(|candidate| &candidate.item.table).collect();
        let vanished: Vec<&TableName> = known.into_iter().filter(|table| !there.contains(table)).collect();
        self.vanished_tables = vanished.iter().take(NAMES_MAX).map(|table| (*table).clone()).collect();
        if !vanished.is_empty() {
            let names = vanished.iter().take(NAMED_MAX).map(|table| (*table).clone()).collect();
            self.warn(Warning::TablesGone { tables: vanished.len() as u64, names });
        }
        let is_gone = |at: &usize| {
            let candidate = &candidates[*at];
            was_read(*at) && candidate.bytes == 0 && there.contains(&candidate.item.table)
        };
        let gone = (0..candidates.len()).filter(is_gone).count();
        if gone > 0 {
            self.warn(Warning::ItemsGone { items: gone as u64 });
        }
    }

    /// Notes what comes and leaves.
    pub(super) fn compare(&mut self, in_force: Option<&Whitelist>, draft: &Whitelist) {
        let diff = diff(in_force, draft);
        self.added_count = diff.added.len() as u64;
        self.removed_count = diff.removed.len() as u64;
        self.added = diff.added.into_iter().take(NAMES_MAX).map(|item| item.item).collect();
        self.removed = diff.removed.into_iter().take(NAMES_MAX).map(|item| item.item).collect();
    }
}
