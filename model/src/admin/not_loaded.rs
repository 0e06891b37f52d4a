//! Why a preload did not load all that it was asked for.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::size::ByteSize;

/// Why an item is not resident as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum NotLoaded {
    /// The run ended before it came to the item.
    RunEnded,
    /// The run ended before all of the item was read.
    RunEndedWithin,
    /// The SSD has no room for it.
    NoRoom {
        /// The item's bytes.
        bytes: u64,
        /// The bytes that were left.
        left: u64,
    },
    /// It was read, and did not stay.
    NotKept {
        /// The bytes that did not.
        bytes: u64,
    },
    /// It could not be read.
    Failed {
        /// What the origin, or reading it, came to.
        problem: String,
    },
}

impl fmt::Display for NotLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunEnded => write!(f, "the run ended before"),
            Self::RunEndedWithin => write!(f, "the run ended before all of it was read"),
            Self::NoRoom { bytes, left } => {
                write!(f, "no room: it has {}, {} are left", ByteSize(*bytes), ByteSize(*left))
            }
            Self::NotKept { bytes } => write!(f, "{} did not stay in a tier", ByteSize(*bytes)),
            Self::Failed { problem } => write!(f, "{problem}"),
        }
    }
}

/// Why a preload ended before its last item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum PreloadStop {
    /// Another one took its place.
    Replaced,
    /// The daemon shut down.
    Shutdown,
    /// Its time was over.
    WindowClosed,
    /// The SSD may not be written more today.
    Worn {
        /// What preloads wrote within a day, in bytes.
        written_bytes: u64,
        /// What they may write, in bytes.
        limit_bytes: u64,
    },
}

impl fmt::Display for PreloadStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced => write!(f, "another preload was asked for"),
            Self::Shutdown => write!(f, "the daemon is shutting down"),
            Self::WindowClosed => write!(f, "its window has closed"),
            Self::Worn { written_bytes, limit_bytes } => write!(
                f,
                "preloads wrote {} within a day, and {} is the limit for the SSD's sake",
                ByteSize(*written_bytes),
                ByteSize(*limit_bytes)
            ),
        }
    }
}
