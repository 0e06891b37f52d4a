//! Durations as people write them in the configuration: `60s`, `3h`, `30d`. For `#[serde(with = "duration_text")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Reads one; the error names what stands there instead.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!("`{text}` is not a duration ({error}): write for example `60s` or `3h`"))
    })
}

/// Writes one, so that it is read back as the same.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}
