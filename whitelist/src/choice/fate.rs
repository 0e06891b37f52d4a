//! What became of a candidate, for whoever reads it elsewhere.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CapOf, Caps, Outcome};

/// What became of a candidate. [`Outcome`] is the same among the caps that it was chosen by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Fate {
    /// In, because somebody pinned it.
    Pinned,
    /// Out, because somebody denied it.
    Denied,
    /// In, by its value.
    Taken,
    /// Out: it did not fit into what was left.
    NoRoom {
        /// What was left, in bytes.
        left_bytes: u64,
    },
    /// Pinned, and it did not fit into what was left.
    PinnedNoRoom {
        /// What was left, in bytes.
        left_bytes: u64,
    },
    /// Out: a cap was full.
    Capped {
        /// The cap, in bytes.
        cap_bytes: u64,
        /// Whose cap; `None` where it is its table's.
        owner: Option<String>,
        /// What was left of it, in bytes.
        left_bytes: u64,
    },
    /// Out: it is larger than the whole budget.
    TooLarge,
    /// Out: it saves less than loading it costs.
    NotWorthLoading,
    /// Out: holding it saves nothing.
    NoValue,
    /// Out: the origin holds no bytes of it.
    Empty,
}

impl Fate {
    /// What an outcome is among these caps.
    pub fn of(outcome: Outcome, caps: &Caps) -> Self {
        match outcome {
            Outcome::Pinned => Self::Pinned,
            Outcome::Denied => Self::Denied,
            Outcome::Taken => Self::Taken,
            Outcome::NoRoom(left_bytes) => Self::NoRoom { left_bytes },
            Outcome::PinnedNoRoom(left_bytes) => Self::PinnedNoRoom { left_bytes },
            Outcome::Capped { cap, left } => {
                let cap = &caps.0[cap];
                let owner = match &cap.of {
                    CapOf::Owner(name) => Some(name.clone()),
                    CapOf::Table => None,
                };
                Self::Capped { cap_bytes: cap.bytes, owner, left_bytes: left }
            }
            Outcome::TooLarge => Self::TooLarge,
            Outcome::NotWorthLoading => Self::NotWorthLoading,
            Outcome::NoValue => Self::NoValue,
            Outcome::Empty => Self::Empty,
        }
    }
}
