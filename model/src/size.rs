//! Sizes and rates as people write them in the configuration: `100GiB`, `200MiB/s`.

use std::fmt;
use std::str::FromStr;

pub use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes per second, written `200MiB/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate {
    /// Bytes per second; never zero.
    bytes_per_second: u64,
}

impl ByteRate {
    /// A rate; `None` when it is zero, because a rate of zero would wait for ever.
    pub fn new(bytes_per_second: u64) -> Option<Self> {
        (bytes_per_second > 0).then_some(Self { bytes_per_second })
    }

    /// Bytes per second, never zero.
    pub fn bytes_per_second(self) -> u64 {
        self.bytes_per_second
    }
}

impl FromStr for ByteRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a rate: write a size above zero and `/s`, for example `200MiB/s`");
        let size = text.trim().strip_suffix("/s").ok_or_else(wrong)?;
        let size: ByteSize = size.trim().parse().map_err(|_| wrong())?;
        Self::new(size.as_u64()).ok_or_else(wrong)
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.bytes_per_second))
    }
}

impl<'de> Deserialize<'de> for ByteRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ByteRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_size_per_second() {
        assert_eq!("200MiB/s".parse::<ByteRate>().map(ByteRate::bytes_per_second), Ok(200 << 20));
        for wrong in ["200MiB", "0B/s", "/s", "fast/s"] {
            assert!(wrong.parse::<ByteRate>().is_err(), "{wrong}");
        }
    }
}
