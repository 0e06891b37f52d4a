//! The control path: query logs to accesses, value, choice, whitelist and preload, every night.
//!
//! Reading order: [`forecast`] says how often an item will be read, [`value`] what that is worth and [`choice`] which items
//! are taken, all pure. [`logs`] takes
//! query events in, [`accesses`] aggregates the logs of a day, [`speed`] measures, [`catalog`] lists the buckets and [`metastore`] says where tables lie in them;
//! [`night`] strings them together, [`realised`] compares a day with what was expected of it, and [`publish`] looks after the versions, [`explain`] says why. [`landing`]
//! looks for what comes between two nights. [`store`] remembers, [`api`] shows.

pub mod accesses;
pub mod api;
pub mod catalog;
pub mod choice;
pub mod columns;
pub mod explain;
mod footers;
pub mod forecast;
pub mod landing;
pub mod logs;
pub mod metastore;
pub mod night;
mod partition_time;
pub mod people;
pub mod publish;
pub mod realised;
pub mod schedule;
pub mod settings;
pub mod simulate;
pub mod speed;
pub mod store;
#[cfg(test)]
mod test_support;
pub mod value;

pub use api::{ApiState, Simulation, router};
pub use catalog::CatalogBucket;
pub use choice::{
    Candidate, Caps, Change, Choice, Factor, Outcome, Ranking, Reason, Ruling, RulingKind, Verdict, choose,
};
pub use landing::{EventBucket, Landing, LandingReport, TouchedItems};
pub use logs::{Format, Spool};
pub use metastore::Metastore;
pub use night::{BeforeNight, Night, NightError, NightReport, NightRunner, Progress};
pub use publish::{SharedWhitelist, Taker, follow};
pub use settings::{NightlySettings, Owner, StoreSettings, TableCap};
pub use store::{Store, StoreError};
pub use value::{Reads, value_seconds};

/// An error and what caused it: clients of HTTP and of origins name the URL, and leave a refused connection to their sources.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
