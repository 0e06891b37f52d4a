//! What the operator configures of the control path. Plain data: reading it is all that is done here.

use std::time::Duration;

use larder_model::{ByteRate, ByteSize};
use serde::{Deserialize, Serialize};

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreSettings {
    /// `sqlite://path/to/file` (made when it is absent) or `postgres://user:password@host/database`.
    pub url: String,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { url: "sqlite://data/larder.db".into() }
    }
}

/// `[nightly]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NightlySettings {
    /// When the daemon runs a night, as a cron pattern in UTC. Empty: never; cron or a person runs `larder nightly`.
    pub schedule: String,
    /// How far back reads count.
    #[serde(with = "humantime_text")]
    pub history: Duration,
    /// The bytes that the whitelist's items may take together.
    pub budget: ByteSize,
    /// How long a preload may take; what is left then waits for the next night.
    #[serde(with = "humantime_text")]
    pub window: Duration,
    /// How fast a preload may read from the origin.
    pub rate: ByteRate,
}

impl Default for NightlySettings {
    fn default() -> Self {
        Self {
            schedule: "30 2 * * *".into(),
            history: Duration::from_secs(30 * SECONDS_PER_DAY),
            budget: ByteSize::gib(70),
            window: Duration::from_secs(3 * 3600),
            rate: ByteRate::new(200 << 20).expect("the default rate is above zero"),
        }
    }
}

impl NightlySettings {
    /// Checks what the types cannot say; the message names the key and what it allows.
    pub fn validate(&self) -> Result<(), String> {
        if !self.schedule.is_empty() {
            crate::schedule::parse(&self.schedule).map_err(|error| error.to_string())?;
        }
        if self.history_days() < 1 || self.history_days() > HISTORY_DAYS_MAX {
            return Err(format!("nightly.history must lie between 1d and {HISTORY_DAYS_MAX}d"));
        }
        if self.window.is_zero() {
            return Err("nightly.window must be longer than zero".into());
        }
        Ok(())
    }

    /// The history in whole days.
    pub fn history_days(&self) -> u64 {
        self.history.as_secs() / SECONDS_PER_DAY
    }
}

const SECONDS_PER_DAY: u64 = 86_400;
const HISTORY_DAYS_MAX: u64 = 400;

/// Durations as people write them: `30d`, `3h`.
mod humantime_text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|error| {
            serde::de::Error::custom(format!("`{text}` is not a duration ({error}): write for example `30d` or `3h`"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_people_write_them() {
        let text = r#"{"history": "14d", "budget": "10GiB", "rate": "50MiB/s"}"#;
        let settings: NightlySettings = serde_json::from_str(text).unwrap();
        assert_eq!((settings.history_days(), settings.budget), (14, ByteSize::gib(10)));
        assert_eq!(settings.window, NightlySettings::default().window);
        settings.validate().unwrap();
    }

    #[test]
    fn impossible_settings_are_named() {
        for (text, names) in [
            (r#"{"history": "1h"}"#, "nightly.history"),
            (r#"{"window": "0s"}"#, "nightly.window"),
            (r#"{"schedule": "every night"}"#, "nightly.schedule"),
        ] {
            let settings: NightlySettings = serde_json::from_str(text).unwrap();
            assert!(settings.validate().unwrap_err().contains(names), "{text}");
        }
        let error = serde_json::from_str::<NightlySettings>(r#"{"history": "soon"}"#).unwrap_err();
        assert!(error.to_string().contains("`soon` is not a duration"), "{error}");
    }
}
