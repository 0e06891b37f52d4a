//! Deciding: from what items are worth to a draft of the whitelist and a verdict for each. Pure.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use larder_model::whitelist::{Cause, FORMAT};
use larder_model::{HeldColumns, IoSpeed, TableName, Whitelist, WhitelistItem};

use super::NightReport;
use super::narrow::{self, Narrowed};
use super::weigh::Weighed;
use crate::choice::{Caps, Choice, Outcome, Reason, RulingKind};
use crate::columns::TableColumns;
use crate::store::decisions::Rulings;
use crate::store::{CandidateRow, Verdicts};
use crate::value::HORIZON_DAYS;

/// What a choice has to keep to.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// The bytes that items may take together.
    pub(super) budget_bytes: u64,
    /// The bytes that may be loaded.
    pub(super) write_bytes_max: u64,
    /// What may be held of tables and for owners.
    pub(super) caps: Caps,
}

/// What was weighed, and what became of it.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) weighed: Weighed,
    pub(super) choice: Choice,
    /// Tables of whose items only some columns are held.
    pub(super) columns: BTreeMap<TableName, HeldColumns>,
    pub(super) limits: Limits,
    /// The price of a written byte that kept the loading within its limit, in seconds.
    pub(super) wear_price: f64,
}

impl Decided {
    /// Chooses items, and of which columns of their tables. What is in force need not be loaded; anything else is charged the
    /// time of reading it from `origin`.
    pub(super) fn new(
        mut weighed: Weighed,
        in_force: Option<&Whitelist>,
        origin: IoSpeed,
        limits: Limits,
        columns: &TableColumns,
    ) -> Self {
        let Narrowed { choice, wear_price, columns } = narrow::choose(&mut weighed, columns, in_force, origin, &limits);
        Self { weighed, choice, columns, limits, wear_price }
    }

    /// The bytes of all that is worth holding: what is pinned, and what is not denied and gains by being held.
    pub(super) fn wanted_bytes(&self) -> u64 {
        let verdicts = self.weighed.candidates.iter().zip(&self.choice.verdicts);
        let wanted = verdicts.filter(|(candidate, verdict)| match verdict.outcome {
            Outcome::Denied => false,
            _ if candidate.ruling.as_ref().is_some_and(|ruling| ruling.kind == RulingKind::Pin) => true,
            _ => candidate.gain_seconds() > 0.0,
        });
        wanted.map(|(candidate, _)| candidate.bytes).fold(0, u64::saturating_add)
    }

    /// The columns that are held of tables that any item was taken of, where these are not all.
    pub(super) fn held_columns(&self) -> impl Iterator<Item = (&TableName, &HeldColumns)> {
        let taken = self.choice.taken.iter().map(|at| &self.weighed.candidates[*at].item.table);
        let taken: HashSet<&TableName> = taken.collect();
        self.columns.iter().filter(move |(table, _)| taken.contains(table))
    }

    /// The document, still without its number. Its items stand by value per byte: what is held goes, when room is short,
    /// by what it saves and not by what it once cost to load.
    pub(super) fn draft(&self, report: &NightReport, created: DateTime<Utc>) -> Whitelist {
        let item = |at: &usize| WhitelistItem {
            item: self.weighed.candidates[*at].item.clone(),
            locations: self.weighed.facts[*at].locations.clone(),
            bytes: self.weighed.candidates[*at].bytes,
            objects: self.weighed.facts[*at].objects,
            value_seconds: self.weighed.candidates[*at].value_seconds,
            reason: self.reason(*at),
        };
        let mut items: Vec<WhitelistItem> = self.choice.taken.iter().map(item).collect();
        items.sort_by(|a, b| b.density().total_cmp(&a.density()));
        let cause = Cause::Night { night: report.night };
        Whitelist {
            format: FORMAT,
            version: 1,
            created,
            night: report.night,
            horizon_days: u64::from(HORIZON_DAYS.unsigned_abs()),
            budget_bytes: self.limits.budget_bytes,
            cut_density: self.choice.cut_density,
            origin: report.origin.speed,
            ssd: report.ssd.speed,
            reason: cause.to_string(),
            cause: Some(cause),
            columns: self.held_columns().map(|(table, held)| (table.clone(), held.clone())).collect(),
            items,
        }
    }

    /// What became of each candidate, for the store.
    pub(super) fn verdicts(&self) -> Verdicts {
        let row = |at: usize| {
            let (candidate, facts) = (&self.weighed.candidates[at], &self.weighed.facts[at]);
            let verdict = &self.choice.verdicts[at];
            CandidateRow {
                item: candidate.item.clone(),
                bytes: candidate.bytes,
                objects: facts.objects,
                reads: facts.reads,
                queries: facts.queries,
                value_seconds: candidate.value_seconds,
                load_seconds: candidate.load_seconds,
                held: candidate.held,
                factors: facts.factors.clone(),
                taken: verdict.is_taken(),
                rank: verdict.rank as u64,
                reason: self.reason(at),
                ruling: candidate.ruling.as_ref().map(|ruling| ruling.kind),
            }
        };
        Verdicts {
            budget_bytes: self.limits.budget_bytes,
            cut_density: self.choice.cut_density,
            caps: self.limits.caps.clone(),
            rows: (0..self.weighed.candidates.len()).map(row).collect(),
        }
    }

    fn reason(&self, at: usize) -> String {
        let (candidate, verdict) = (&self.weighed.candidates[at], &self.choice.verdicts[at]);
        let of = self.weighed.candidates.len();
        Reason { candidate, verdict, caps: &self.limits.caps, of }.to_string()
    }
}

/// The list in force without what somebody has denied since; `None` where nothing of it is denied.
pub(super) fn without_denied(in_force: &Whitelist, rulings: &Rulings, report: &NightReport) -> Option<Whitelist> {
    let is_denied =
        |item: &&WhitelistItem| rulings.of(&item.item).is_some_and(|ruling| ruling.kind == RulingKind::Deny);
    let items: Vec<WhitelistItem> = in_force.items.iter().filter(|item| !is_denied(item)).cloned().collect();
    let left = Whitelist { created: report.started, night: report.night, items, ..in_force.clone() };
    let left = left.because(Cause::Denied { night: report.night });
    (left.items.len() < in_force.items.len()).then_some(left)
}
