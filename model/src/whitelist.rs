//! The whitelist: a numbered document that says which items to hold, with the value, size and reason of each.

mod index;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

pub use self::index::LocationIndex;
use crate::io_time::IoSpeed;
use crate::table::ItemName;

/// The form this code reads and writes. A document of another form is refused, never guessed at.
pub const FORMAT: u32 = 1;

/// A document with more items than this is refused.
pub const ITEMS_MAX: usize = 1_000_000;

/// The items to hold, as one night chose them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Whitelist {
    /// [`FORMAT`].
    pub format: u32,
    /// Counts up from 1; the newest is in force.
    pub version: u64,
    /// When it was published.
    pub created: DateTime<Utc>,
    /// The last day of logs it was computed from.
    pub night: NaiveDate,
    /// The days to come that values stand for.
    #[serde(default = "horizon_days_default", alias = "history_days")]
    pub horizon_days: u64,
    /// The bytes the items may take together.
    pub budget_bytes: u64,
    /// Value per byte of the last item taken by its value: the price of space. Zero when everything of value fitted.
    pub cut_density: f64,
    /// What a read from the origin was taken to cost.
    pub origin: IoSpeed,
    /// What a read from the SSD was taken to cost.
    pub ssd: IoSpeed,
    /// Why this version exists, in words: a night, a rollback and to what, an approval and by whom.
    pub reason: String,
    /// The items, the densest first.
    pub items: Vec<WhitelistItem>,
}

/// Of documents that do not say.
fn horizon_days_default() -> u64 {
    30
}

/// One item to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhitelistItem {
    /// The table and partition.
    pub item: ItemName,
    /// The folders that hold it.
    pub locations: Vec<Location>,
    /// Its size when it was chosen.
    pub bytes: u64,
    /// Its objects when it was chosen.
    pub objects: u64,
    /// Expected IO time saved over the horizon, in seconds.
    pub value_seconds: f64,
    /// Why it is in, in words.
    pub reason: String,
}

impl WhitelistItem {
    /// Value per byte, in seconds per byte. An empty item has none.
    pub fn density(&self) -> f64 {
        if self.bytes == 0 { 0.0 } else { self.value_seconds / self.bytes as f64 }
    }
}

/// A folder of objects: every key in `bucket` that starts with `prefix`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The bucket on the S3 endpoint.
    pub bucket: String,
    /// Ends with `/`, or is one object's whole key.
    pub prefix: String,
}

/// A document that cannot be used. Fix the place it names; the one before it stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("whitelist: {problem} at {at}")]
pub struct WhitelistError {
    /// Where in the document, as a path such as `items[3].locations[0].prefix`.
    pub at: String,
    /// What is wrong there.
    pub problem: String,
}

impl WhitelistError {
    fn new(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { at: at.into(), problem: problem.into() }
    }
}

impl Whitelist {
    /// Reads and checks a document. Nothing of a document with one wrong entry is used.
    pub fn parse(json: &[u8]) -> Result<Self, WhitelistError> {
        let format = serde_json::from_slice::<FormatOnly>(json)
            .map_err(|error| WhitelistError::new(format!("line {}", error.line()), error.to_string()))?
            .format;
        if format != FORMAT {
            return Err(WhitelistError::new("format", format!("{format} is not known (this version reads {FORMAT})")));
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        let document: Self = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| WhitelistError::new(error.path().to_string(), error.inner().to_string()))?;
        reader.end().map_err(|error| WhitelistError::new("the end", error.to_string()))?;
        document.validate()?;
        Ok(document)
    }

    /// The document as JSON, as [`parse`](Self::parse) reads it.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain data with text keys always serialises")
    }

    /// The bytes of all items together.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }

    /// Checks what the types cannot say: numbers that are numbers, locations that are folders, each item once.
    pub fn validate(&self) -> Result<(), WhitelistError> {
        if self.version == 0 {
            return Err(WhitelistError::new("version", "versions count from 1"));
        }
        if self.items.len() > ITEMS_MAX {
            return Err(WhitelistError::new("items", format!("more than {ITEMS_MAX} items")));
        }
        if !(self.cut_density.is_finite() && self.cut_density >= 0.0) {
            return Err(WhitelistError::new("cut_density", "not a finite number >= 0"));
        }
        let mut seen = std::collections::HashSet::with_capacity(self.items.len());
        let mut bytes: u64 = 0;
        for (i, item) in self.items.iter().enumerate() {
            item.validate(i)?;
            bytes = bytes
                .checked_add(item.bytes)
                .ok_or_else(|| WhitelistError::new(format!("items[{i}].bytes"), "the sum overflows"))?;
            if !seen.insert(&item.item) {
                return Err(WhitelistError::new(format!("items[{i}].item"), format!("`{}` stands twice", item.item)));
            }
        }
        Ok(())
    }
}

impl WhitelistItem {
    fn validate(&self, i: usize) -> Result<(), WhitelistError> {
        if !self.value_seconds.is_finite() {
            return Err(WhitelistError::new(format!("items[{i}].value_seconds"), "not a finite number"));
        }
        for (j, location) in self.locations.iter().enumerate() {
            // An empty prefix would send a whole bucket through the cache: no item is ever that.
            if location.bucket.is_empty() || location.prefix.is_empty() || location.prefix.starts_with('/') {
                let at = format!("items[{i}].locations[{j}]");
                return Err(WhitelistError::new(at, "bucket and prefix must be given, and no prefix begins with `/`"));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn document(items: &[(&str, &str)]) -> Whitelist {
        let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
        Whitelist {
            format: FORMAT,
            version: 1,
            created: DateTime::UNIX_EPOCH,
            night: NaiveDate::MIN,
            budget_bytes: 1 << 30,
            horizon_days: 30,
            cut_density: 0.0,
            origin: speed,
            ssd: speed,
            reason: "a test".into(),
            items: items
                .iter()
                .map(|(name, prefix)| WhitelistItem {
                    item: name.parse().expect("an item"),
                    locations: vec![Location { bucket: "wh".into(), prefix: (*prefix).to_owned() }],
                    bytes: 10,
                    objects: 1,
                    value_seconds: 1.0,
                    reason: String::new(),
                })
                .collect(),
        }
    }

    fn broken(change: impl FnOnce(&mut serde_json::Value)) -> WhitelistError {
        let mut document = document(&[("a.b.c/d=1", "c/d=1/")]);
        document.night = NaiveDate::from_ymd_opt(2026, 11, 19).expect("a date");
        let mut json: serde_json::Value = serde_json::from_slice(&document.to_json()).expect("json");
        assert!(Whitelist::parse(&serde_json::to_vec(&json).expect("json")).is_ok());
        change(&mut json);
        Whitelist::parse(&serde_json::to_vec(&json).expect("json")).expect_err("a broken document")
    }

    #[test]
    fn a_broken_document_is_refused_with_the_place() {
        assert_eq!(broken(|d| d["format"] = 9.into()).at, "format");
        assert_eq!(broken(|d| d["items"][0]["item"] = "nonsense".into()).at, "items[0].item");
        assert_eq!(broken(|d| d["items"][0]["bytes"] = (-1).into()).at, "items[0].bytes");
        assert_eq!(broken(|d| d["items"][0]["surprise"] = 1.into()).at, "items[0].surprise");
        assert_eq!(broken(|d| d["items"][0]["locations"][0]["prefix"] = "".into()).at, "items[0].locations[0]");
        let twice = broken(|d| {
            let item = d["items"][0].clone();
            d["items"].as_array_mut().expect("items").push(item);
        });
        assert_eq!(twice.at, "items[1].item");
    }

    #[test]
    fn text_that_is_no_document_is_refused() {
        for text in ["", "[]", "{", "{\"format\": \"one\"}", "null"] {
            assert!(Whitelist::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
