//! Objects at the origin, their versions, byte ranges, and where bytes came from.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An object as clients name it: a bucket served by Larder, and a key in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct ObjectName {
    /// The bucket on the S3 endpoint.
    pub bucket: String,
    /// The key, without a leading `/`.
    pub key: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// What tells two states of one object apart: its ETag, else its size and modification time.
///
/// It is part of every block's key, so bytes of two versions can never be served as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version(String);

impl Version {
    /// The version of an object with this ETag (quotes do not matter), or with this size and time where it has none.
    pub fn new(etag: Option<&str>, size: u64, modified: DateTime<Utc>) -> Self {
        match etag {
            Some(etag) => Self(etag.trim_matches('"').to_owned()),
            None => Self(format!("{size}-{}", modified.timestamp_micros())),
        }
    }

    /// The version as text, stable across restarts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A range of bytes, end exclusive, never empty unless the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// A range; `start` must not lie behind `end`.
    pub fn new(start: u64, end: u64) -> Self {
        assert!(start <= end, "range {start}..{end} runs backwards");
        Self { start, end }
    }

    /// How many bytes it holds.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes that both ranges hold; `None` when there are none.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }
}

impl From<ByteRange> for std::ops::Range<u64> {
    fn from(range: ByteRange) -> Self {
        range.start..range.end
    }
}

/// Where bytes were when they were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// This worker's memory.
    Memory,
    /// This worker's SSD.
    Ssd,
    /// The worker that owns the block.
    Peer,
    /// The storage of record.
    Origin,
}

impl Tier {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Ssd => "ssd",
            Self::Peer => "peer",
            Self::Origin => "origin",
        }
    }
}

/// How a read travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Through the tiers.
    Cached,
    /// Straight to the origin, nothing admitted.
    Direct,
}

impl Route {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Direct => "direct",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_the_version_with_or_without_quotes() {
        let time = DateTime::UNIX_EPOCH;
        assert_eq!(Version::new(Some("\"abc\""), 1, time), Version::new(Some("abc"), 2, time));
        assert_ne!(Version::new(None, 1, time), Version::new(None, 2, time));
    }

    #[test]
    fn ranges_intersect_where_both_have_bytes() {
        let range = ByteRange::new(10, 20);
        assert_eq!(range.intersect(ByteRange::new(15, 30)), Some(ByteRange::new(15, 20)));
        assert_eq!(range.intersect(ByteRange::new(20, 30)), None);
    }
}
