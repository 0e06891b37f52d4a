//! The control path: query logs to accesses, value, choice, whitelist and preload, every night.
//!
//! Reading order: [`value`] says what an item is worth, [`choice`] which items are taken and why.

pub mod choice;
pub mod value;

pub use choice::{Candidate, Choice, Outcome, Ranking, Reason, Ruling, RulingKind, Verdict, choose};
pub use value::{Reads, value_seconds};
