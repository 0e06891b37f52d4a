//! What a person should know of a night, and what it came to.

use std::fmt;

use chrono::NaiveDate;
use larder_model::admin::NotLoaded;
use larder_model::{ByteSize, ItemName, Said, TableName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a night has nothing to base a whitelist on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No bucket could be listed, now or before.
    NothingListed,
    /// There are no reads in the history and no pins.
    NothingRead,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingListed => "no bucket could be listed, now or before",
            Self::NothingRead => "there are no reads in the history and no pins",
        })
    }
}

/// What a night came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum NightOutcome {
    /// A version is in force.
    Published {
        /// Which.
        version: u64,
    },
    /// A version waits to be approved.
    Proposed {
        /// Which.
        version: u64,
    },
    /// What waits already is what it would propose.
    StillProposed {
        /// The version that waits.
        version: u64,
    },
    /// What is in force is what it would publish.
    Unchanged,
    /// There was nothing to go by.
    NotPublished {
        /// What was missing.
        refusal: Refusal,
    },
}

impl fmt::Display for NightOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published { version } => write!(f, "published version {version}"),
            Self::Proposed { version } => write!(f, "proposed version {version}; approve it to put it in force"),
            Self::StillProposed { version } => {
                write!(f, "version {version} proposes the same, and still waits to be approved")
            }
            Self::Unchanged => write!(f, "nothing published: the items and the budget are those in force"),
            Self::NotPublished { refusal } => write!(f, "nothing published: {refusal}"),
        }
    }
}

/// How the budget compares with the bytes of all that is worth holding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetSize {
    /// All of it fits.
    HoldsAll,
    /// More of it fits than is advised.
    Large,
    /// Less of it fits than is advised.
    Small,
}

/// What a person should know of a night.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Warning {
    /// Nobody was told what to hold.
    NoWorker,
    /// A worker could not be told, or did not do as told.
    Worker {
        /// Its admin URL.
        worker: String,
        /// What went wrong.
        problem: String,
    },
    /// A worker's preload did not bring all.
    NotResident {
        /// Its admin URL.
        worker: String,
        /// How many items are not resident as a whole.
        items: u64,
        /// The first of them.
        first: ItemName,
        /// Why that is not.
        why: Said<NotLoaded>,
    },
    /// The day's whitelist cannot be read, so that what it realised is not known.
    RealisedUnknown {
        /// What is wrong with it.
        problem: String,
    },
    /// A bucket's last known sizes count.
    BucketNotListed {
        /// The bucket.
        bucket: String,
        /// Why it cannot be listed.
        problem: String,
    },
    /// What the metastore said last of where tables lie counts, or if it said nothing yet, their paths.
    MetastoreUnread {
        /// Why it cannot be asked.
        problem: String,
    },
    /// The whitelist in force cannot be read, and is replaced.
    ListBroken {
        /// What is wrong with it.
        problem: String,
    },
    /// There was nothing to go by.
    NotPublished {
        /// What was missing.
        refusal: Refusal,
    },
    /// Log files could not be read and were left out.
    SkippedFiles {
        /// How many.
        files: u64,
    },
    /// Days between days with logs have none, or lie after the last that has. Nothing is known of them.
    DaysMissing {
        /// How many.
        days: u64,
        /// The first of them.
        first: Vec<NaiveDate>,
    },
    /// The access log has days that lie in the future. They are left out until they have come.
    DaysAhead {
        /// How many.
        days: u64,
        /// The first of them.
        first: Vec<NaiveDate>,
    },
    /// The access log has rows that lie in the future. They are left out until their time has come.
    RowsAhead {
        /// How many.
        rows: u64,
        /// In the logs of how many days.
        days: u64,
        /// The first of these days.
        first: Vec<NaiveDate>,
    },
    /// More is worth loading than the SSD may be written in a day.
    Worn {
        /// What may be written, in bytes.
        limit_bytes: u64,
    },
    /// Pinned items do not fit into the budget.
    PinsDoNotFit {
        /// How many.
        items: u64,
    },
    /// A tier's speed is not measured: the history holds too few reads of different sizes.
    SpeedAssumed {
        /// `origin` or `ssd`.
        tier: String,
    },
    /// The budget is zero.
    NoBudget,
    /// The budget is not what is advised.
    Budget {
        /// In which way.
        size: BudgetSize,
        /// The budget, in bytes.
        budget_bytes: u64,
        /// All that is worth holding, in bytes.
        wanted_bytes: u64,
        /// The least share of it that a budget is advised to hold, in percent.
        advised_percent_min: u64,
        /// The largest.
        advised_percent_max: u64,
    },
    /// Tables were read, and no bucket holds them now: dropped or renamed.
    TablesGone {
        /// How many.
        tables: u64,
        /// The first of them.
        names: Vec<TableName>,
    },
    /// Partitions were read, and no bucket holds them now.
    ItemsGone {
        /// How many.
        items: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorker => write!(f, "no worker is known: nothing was dropped or preloaded"),
            Self::Worker { worker, problem } => write!(f, "worker {worker}: {problem}"),
            Self::NotResident { worker, items, first, why } => write!(
                f,
                "worker {worker}: {items} items are not resident as a whole, the first of them {first}: {why}"
            ),
            Self::RealisedUnknown { problem } => write!(f, "{problem}; what it realised is not known"),
            Self::BucketNotListed { bucket, problem } => {
                write!(f, "bucket `{bucket}` cannot be listed, its last known sizes count: {problem}")
            }
            Self::MetastoreUnread { problem } => {
                write!(f, "the metastore cannot be asked where tables lie, what was known before counts: {problem}")
            }
            Self::ListBroken { problem } => write!(f, "{problem}; it is replaced"),
            Self::NotPublished { refusal } => write!(f, "nothing was published: {refusal}"),
            Self::SkippedFiles { files } => write!(f, "{files} log files could not be read and were left out"),
            Self::DaysMissing { days, first } => write!(
                f,
                "{days} days have no logs and are taken for unknown, not for days without reads: {}",
                named(*days, first)
            ),
            Self::DaysAhead { days, first } => write!(
                f,
                "{days} days of the access log lie in the future and are left out until they have come, see to the \
                 workers' clocks: {}",
                named(*days, first)
            ),
            Self::RowsAhead { rows, days, first } => write!(
                f,
                "{rows} rows of the access log lie in the future and are left out until their time has come, see to the \
                 workers' clocks: in the logs of {}",
                named(*days, first)
            ),
            Self::Worn { limit_bytes } => write!(
                f,
                "what is worth loading is more than the SSD may be written in a day ({})",
                ByteSize(*limit_bytes)
            ),
            Self::PinsDoNotFit { items } => write!(f, "{items} pinned items do not fit into the budget"),
            Self::SpeedAssumed { tier } => write!(
                f,
                "the speed of the {tier} is assumed: the history holds too few reads of different sizes to measure it"
            ),
            Self::NoBudget => write!(f, "the budget is zero: nothing can be held"),
            Self::Budget { size, budget_bytes, wanted_bytes, advised_percent_min, advised_percent_max } => {
                let (budget, wanted) = (ByteSize(*budget_bytes), ByteSize(*wanted_bytes));
                let share = *budget_bytes as f64 / *wanted_bytes as f64;
                let end = match size {
                    BudgetSize::HoldsAll => {
                        return write!(
                            f,
                            "the budget of {budget} holds all that is worth holding ({wanted}): less would do"
                        );
                    }
                    BudgetSize::Large => "the last of it earns little",
                    BudgetSize::Small => "more would pay",
                };
                write!(
                    f,
                    "the budget of {budget} holds {:.0}% of what is worth holding ({wanted}), {advised_percent_min} to \
                     {advised_percent_max}% is advised: {end}",
                    share * 100.0
                )
            }
            Self::TablesGone { tables, names } => {
                let names: Vec<String> = names.iter().map(|table| format!("`{table}`")).collect();
                write!(
                    f,
                    "{tables} tables were read but no bucket holds them now, dropped or renamed: {}",
                    named(*tables, &names)
                )
            }
            Self::ItemsGone { items } => write!(f, "{items} items were read but no bucket holds them now"),
        }
    }
}

/// The first of so many names.
fn named(of: u64, first: &[impl fmt::Display]) -> String {
    let mut names: Vec<String> = first.iter().map(ToString::to_string).collect();
    if of > first.len() as u64 {
        names.push("...".to_owned());
    }
    names.join(", ")
}
