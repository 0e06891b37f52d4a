//! What goes wrong within a tier. None of it fails a read: each is a miss, or something that is not admitted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::Tier;

/// How often one thing went wrong with a tier since the worker started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TierErrorCount {
    /// The tier.
    pub tier: Tier,
    /// What went wrong.
    pub kind: TierErrorKind,
    /// So many times.
    pub count: u64,
}

/// What went wrong with a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TierErrorKind {
    /// A block could not be read.
    Read,
    /// Blocks could not be written.
    Write,
    /// A block that was read is not what was written.
    Checksum,
    /// A block that was read is of another length than was asked for.
    Length,
    /// The record of what is held could not be written: the next start knows less of it.
    Journal,
    /// The room of blocks that are gone could not be given back.
    Free,
    /// A block was not admitted, because too many waited to be written.
    QueueFull,
    /// Blocks were not admitted, because the tier was not fit to be written.
    NotAdmitted,
}

impl TierErrorKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::Checksum,
        Self::Length,
        Self::Journal,
        Self::Free,
        Self::QueueFull,
        Self::NotAdmitted,
    ];

    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Checksum => "checksum",
            Self::Length => "length",
            Self::Journal => "journal",
            Self::Free => "free",
            Self::QueueFull => "queue_full",
            Self::NotAdmitted => "not_admitted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_word_in_metrics_and_in_the_api() {
        for kind in TierErrorKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
