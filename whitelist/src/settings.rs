//! What the operator configures of the control path. Plain data: reading it is all that is done here.

use std::time::Duration;

use larder_model::{ByteRate, ByteSize, duration_text};
use serde::{Deserialize, Serialize};

use crate::accesses::{LogEngine, Trino, TrinoError, TrinoSettings};
use crate::choice::{Cap, CapOf, Caps, TablePattern};

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreSettings {
    /// `sqlite://path/to/file` (made when it is absent) or `postgres://user:password@host/database`.
    pub url: String,
    /// `BUCKET/KEY` of an object at a bucket's origin that is to hold the whitelist in force, for workers without this store.
    pub whitelist_to: Option<String>,
    /// `BUCKET/KEY` of such an object, which the whitelist comes from. Then nothing is published in this store.
    pub whitelist_from: Option<String>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { url: "sqlite://data/larder.db".into(), whitelist_to: None, whitelist_from: None }
    }
}

impl StoreSettings {
    /// A bucket, and a key in it.
    pub fn bucket_and_key(place: &str) -> Option<(&str, &str)> {
        place.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
    }
}

/// `[nightly]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NightlySettings {
    /// When the daemon runs a night, as a cron pattern in UTC. Empty: never; cron or a person runs `larder nightly`.
    pub schedule: String,
    /// How far back reads count.
    #[serde(with = "duration_text")]
    pub history: Duration,
    /// The bytes that the whitelist's items may take together.
    pub budget: ByteSize,
    /// How long a preload may take; what is left then waits for the next night.
    #[serde(with = "duration_text")]
    pub window: Duration,
    /// How fast a preload may read from the origin.
    pub rate: ByteRate,
    /// Whether a night proposes a version for a person to approve, in the place of publishing it.
    pub approval: bool,
    /// How often the folders of whitelisted tables are looked at for partitions that landed; zero for never.
    #[serde(with = "duration_text")]
    pub landing_poll: Duration,
    /// What preloads may write to an SSD in a day, as a multiple of its capacity.
    pub wear: f64,
    /// What may be held of tables.
    pub caps: Vec<TableCap>,
    /// What may be held for whom.
    pub owners: Vec<Owner>,
    /// What aggregates the logs.
    pub engine: EngineName,
    /// The cluster, for `engine = "trino"`.
    pub trino: Option<TrinoSettings>,
}

/// What aggregates the logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// DataFusion, within Larder.
    #[default]
    Embedded,
    /// A Trino cluster.
    Trino,
}

/// `[[nightly.caps]]`: what may be held of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCap {
    /// The table; with a `*` at its end, each table whose name begins so.
    pub table: TablePattern,
    /// The bytes of it, or of each of them, that may be held.
    pub bytes: ByteSize,
}

/// `[[nightly.owners]]`: what may be held of somebody's tables together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Who.
    pub name: String,
    /// The tables, as in [`TableCap`].
    pub tables: Vec<TablePattern>,
    /// The bytes of them that may be held.
    pub cap: ByteSize,
}

impl Default for NightlySettings {
    fn default() -> Self {
        Self {
            schedule: "30 2 * * *".into(),
            history: Duration::from_secs(30 * SECONDS_PER_DAY),
            budget: ByteSize::gib(70),
            window: Duration::from_secs(3 * 3600),
            rate: ByteRate::new(200 << 20).expect("the default rate is above zero"),
            approval: false,
            landing_poll: Duration::from_secs(300),
            wear: 1.0,
            caps: Vec::new(),
            owners: Vec::new(),
            engine: EngineName::Embedded,
            trino: None,
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
        if !self.landing_poll.is_zero() && self.landing_poll < LANDING_POLL_MIN {
            return Err(format!("nightly.landing_poll must be 0s, for never, or at least {LANDING_POLL_MIN:?}"));
        }
        if !(self.wear.is_finite() && self.wear > 0.0 && self.wear <= WEAR_MAX) {
            return Err(format!(
                "nightly.wear must be above 0 and at most {WEAR_MAX}, in writes of the whole SSD a day"
            ));
        }
        if self.engine == EngineName::Trino && self.trino.is_none() {
            return Err("nightly.engine is \"trino\": say where it is in [nightly.trino]".into());
        }
        if let Some(trino) = &self.trino {
            trino.validate()?;
        }
        if self.caps.len() + self.owners.len() > CAPS_MAX {
            return Err(format!("nightly.caps and nightly.owners must be at most {CAPS_MAX} together"));
        }
        for (i, cap) in self.caps.iter().enumerate() {
            if self.caps[..i].iter().any(|other| other.table == cap.table) {
                return Err(format!("nightly.caps.{i}.table: `{}` stands twice", cap.table));
            }
        }
        for (i, owner) in self.owners.iter().enumerate() {
            if owner.name.trim().is_empty() {
                return Err(format!("nightly.owners.{i}.name: an owner has a name"));
            }
            if self.owners[..i].iter().any(|other| other.name == owner.name) {
                return Err(format!("nightly.owners.{i}.name: `{}` stands twice", owner.name));
            }
            if owner.tables.is_empty() {
                return Err(format!("nightly.owners.{i}.tables: `{}` owns no table", owner.name));
            }
        }
        Ok(())
    }

    /// What aggregates the logs.
    pub fn log_engine(&self) -> Result<LogEngine, TrinoError> {
        match &self.trino {
            Some(trino) if self.engine == EngineName::Trino => Ok(LogEngine::Trino(Trino::new(trino)?)),
            Some(_) | None => Ok(LogEngine::Embedded),
        }
    }

    /// What may be held of tables and for owners.
    pub fn caps(&self) -> Caps {
        let tables =
            |cap: &TableCap| Cap { of: CapOf::Table, tables: vec![cap.table.clone()], bytes: cap.bytes.as_u64() };
        let owners = |owner: &Owner| Cap {
            of: CapOf::Owner(owner.name.clone()),
            tables: owner.tables.clone(),
            bytes: owner.cap.as_u64(),
        };
        Caps(self.caps.iter().map(tables).chain(self.owners.iter().map(owners)).collect())
    }

    /// What preloads may write to an SSD of this capacity in a day, in bytes.
    pub fn wear_bytes(&self, capacity: ByteSize) -> u64 {
        // Beyond what a number can hold, a float saturates.
        (capacity.as_u64() as f64 * self.wear) as u64
    }

    /// The history in whole days.
    pub fn history_days(&self) -> u64 {
        self.history.as_secs() / SECONDS_PER_DAY
    }
}

const SECONDS_PER_DAY: u64 = 86_400;
const HISTORY_DAYS_MAX: u64 = 400;
/// Listings cost the origin something: a shorter poll is not the way to see a partition sooner, events are.
const LANDING_POLL_MIN: Duration = Duration::from_secs(1);
const WEAR_MAX: f64 = 100.0;
const CAPS_MAX: usize = 10_000;

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
            (r#"{"landing_poll": "10ms"}"#, "nightly.landing_poll"),
            (r#"{"engine": "trino"}"#, "[nightly.trino]"),
            (r#"{"trino": {"url": "http://t:8080", "access": "access_log"}}"#, "nightly.trino.access"),
            (r#"{"wear": 0}"#, "nightly.wear"),
            (r#"{"wear": 1e9}"#, "nightly.wear"),
            (
                r#"{"caps": [{"table": "a.b.c", "bytes": "1GiB"}, {"table": "a.b.c", "bytes": "2GiB"}]}"#,
                "nightly.caps.1.table: `a.b.c`",
            ),
            (r#"{"owners": [{"name": " ", "tables": ["a.b.*"], "cap": "1GiB"}]}"#, "nightly.owners.0.name"),
            (r#"{"owners": [{"name": "web", "tables": [], "cap": "1GiB"}]}"#, "nightly.owners.0.tables: `web`"),
        ] {
            let settings: NightlySettings = serde_json::from_str(text).unwrap();
            assert!(settings.validate().unwrap_err().contains(names), "{text}");
        }
        let error = serde_json::from_str::<NightlySettings>(r#"{"history": "soon"}"#).unwrap_err();
        assert!(error.to_string().contains("`soon` is not a duration"), "{error}");
        let text = r#"{"caps": [{"table": "clicks", "bytes": "1GiB"}]}"#;
        let error = serde_json::from_str::<NightlySettings>(text).unwrap_err();
        assert!(error.to_string().contains("`clicks` is no table"), "{error}");
    }

    #[test]
    fn caps_are_read_as_people_write_them() {
        let text = r#"{"caps": [{"table": "hive.web.*", "bytes": "10GiB"}],
                       "owners": [{"name": "growth", "tables": ["hive.ads.*", "hive.web.clicks"], "cap": "20GiB"}]}"#;
        let settings: NightlySettings = serde_json::from_str(text).unwrap();
        settings.validate().unwrap();
        let shown: Vec<String> = settings.caps().0.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["its table's cap of 10.0 GiB", "the cap of 20.0 GiB of its owner growth"]);
        assert_eq!(settings.wear_bytes(ByteSize(100)), 100);
    }
}
