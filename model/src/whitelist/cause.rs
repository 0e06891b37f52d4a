//! Why a version of the whitelist exists.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::table::ItemName;

/// Why a version exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one in a document")]
pub enum Cause {
    /// A night chose it.
    Night {
        /// The last day of logs that it read.
        night: NaiveDate,
    },
    /// A night took out what was denied, and did not know enough to choose anew.
    Denied {
        /// The last day of logs that it read.
        night: NaiveDate,
    },
    /// Between two nights, items came or changed at the origin.
    Landing {
        /// What came, and was taken in.
        landed: Option<Several>,
        /// What was held, and was written anew.
        rewritten: Option<Several>,
        /// What had to leave for these.
        displaced: Option<Several>,
    },
    /// Somebody put an earlier version in force again.
    RollBack {
        /// Which.
        to: u64,
        /// Who.
        by: String,
    },
    /// Somebody asked for a plan.
    Plan {
        /// Who.
        by: String,
    },
    /// Somebody approved a proposal.
    Approval {
        /// Who.
        by: String,
        /// Why it had been proposed.
        #[schema(no_recursion)]
        of: Option<Box<Cause>>,
    },
}

/// One item or more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Several {
    /// The first of them.
    pub first: ItemName,
    /// How many more there are.
    pub more: u64,
}

impl Several {
    /// These; `None` for none.
    pub fn of(items: &[ItemName]) -> Option<Self> {
        let (first, more) = items.split_first()?;
        Some(Self { first: first.clone(), more: more.len() as u64 })
    }
}

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.more {
            0 => write!(f, "{}", self.first),
            more => write!(f, "{} and {more} more", self.first),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Night { night } => write!(f, "the night of {night}"),
            Self::Denied { night } => write!(f, "the night of {night}, which only took out what was denied"),
            Self::Landing { landed, rewritten, displaced } => {
                let parts = [("landed", landed), ("rewritten", rewritten), ("displaced", displaced)];
                let said = parts.iter().filter_map(|(word, items)| Some(format!("{word}: {}", items.as_ref()?)));
                f.write_str(&said.collect::<Vec<_>>().join("; "))
            }
            Self::RollBack { to, by } => write!(f, "rolled back to version {to} by {by}"),
            Self::Plan { by } => write!(f, "planned by {by}"),
            Self::Approval { by, of: Some(of) } => write!(f, "{of}, approved by {by}"),
            Self::Approval { by, of: None } => write!(f, "approved by {by}"),
        }
    }
}
