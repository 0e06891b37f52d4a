//! The whitelist: a numbered document that says which items to hold, with the value, size and reason of each.

mod cause;
mod index;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

pub use self::cause::{Cause, Several};
pub use self::index::LocationIndex;
use crate::io_time::IoSpeed;
use crate::table::{ItemName, TableName};

/// The form this code reads and writes. A document of another form is refused, never guessed at.
pub const FORMAT: u32 = 1;

/// A document with more items than this is refused.
pub const ITEMS_MAX: usize = 1_000_000;

/// A document that names more columns than this for one table is refused.
pub const COLUMNS_MAX: usize = 100_000;

/// Engines read an object of at most this many bytes as a whole, whatever columns they want (Trino: up to 3 MB), so it is held
/// as a whole.
pub const WHOLE_OBJECT_BYTES: u64 = 4 << 20;

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
    /// The same as it is. `None` in documents from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Tables of whose items only some columns are held. Of all others, everything is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<TableName, HeldColumns>,
    /// The items, the densest first.
    pub items: Vec<WhitelistItem>,
}

/// The columns that are held of a table's items. What is no column's alone, such as the footer, is held besides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldColumns {
    /// Their names: those at the top of the table's schema, in order.
    pub columns: Vec<String>,
    /// What they are of the table's bytes, above 0 and at most 1.
    pub byte_share: f64,
    /// What they are of the table's value, above 0 and at most 1.
    pub value_share: f64,
}

impl HeldColumns {
    /// What is held of so many objects of the table, and so many bytes together: the share of bytes, and of value. Small
    /// objects are held as a whole; whether these are is told by their mean.
    pub fn shares_of(&self, objects: u64, bytes: u64) -> (f64, f64) {
        if bytes <= objects.saturating_mul(WHOLE_OBJECT_BYTES) {
            (1.0, 1.0)
        } else {
            (self.byte_share, self.value_share)
        }
    }

    /// The bytes that are held of so many objects of the table.
    pub fn bytes_of(&self, objects: u64, bytes: u64) -> u64 {
        (bytes as f64 * self.shares_of(objects, bytes).0).round() as u64
    }
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
    /// What is held of it, in bytes, by its size when it was chosen.
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
    /// The same, for another reason.
    pub fn because(self, cause: Cause) -> Self {
        Self { reason: cause.to_string(), cause: Some(cause), ..self }
    }

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

    /// What is held of one of a table's items that has so many objects and bytes.
    pub fn held_bytes(&self, table: &TableName, objects: u64, bytes: u64) -> u64 {
        self.columns.get(table).map_or(bytes, |held| held.bytes_of(objects, bytes))
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
        for (table, held) in &self.columns {
            held.validate(table)?;
        }
        let mut seen = HashSet::with_capacity(self.items.len());
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

impl HeldColumns {
    fn validate(&self, table: &TableName) -> Result<(), WhitelistError> {
        let wrong = |what: &str, problem: String| Err(WhitelistError::new(format!("columns.{table}.{what}"), problem));
        if self.columns.is_empty() || self.columns.len() > COLUMNS_MAX {
            return wrong("columns", format!("from 1 to {COLUMNS_MAX} are possible"));
        }
        let mut seen = HashSet::with_capacity(self.columns.len());
        if let Some(twice) = self.columns.iter().find(|column| !seen.insert(*column)) {
            return wrong("columns", format!("`{twice}` stands twice"));
        }
        for (what, share) in [("byte_share", self.byte_share), ("value_share", self.value_share)] {
            // The comparison is false for what is no number.
            if !(share > 0.0 && share <= 1.0) {
                return wrong(what, "not above 0 and at most 1".to_owned());
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
            cause: None,
            columns: BTreeMap::new(),
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
    fn columns_that_cannot_be_are_refused_with_the_place() {
        let with = |columns: serde_json::Value| broken(|d| d["columns"] = serde_json::json!({ "a.b.c": columns })).at;
        let held = |columns: &[&str], byte_share: f64| {
            serde_json::json!({
                "columns": columns, "byte_share": byte_share, "value_share": 0.5,
            })
        };
        assert_eq!(with(held(&[], 0.5)), "columns.a.b.c.columns");
        assert_eq!(with(held(&["x", "y", "x"], 0.5)), "columns.a.b.c.columns");
        assert_eq!(with(held(&["x"], 0.0)), "columns.a.b.c.byte_share");
        assert_eq!(with(held(&["x"], 1.5)), "columns.a.b.c.byte_share");
    }

    #[test]
    fn of_a_table_with_held_columns_only_their_share_is_held() {
        let mut document = document(&[("a.b.c/d=1", "c/d=1/")]);
        let held = HeldColumns { columns: vec!["x".into()], byte_share: 0.25, value_share: 0.9 };
        document.columns.insert("a.b.c".parse().expect("a table"), held);
        document.night = NaiveDate::from_ymd_opt(2026, 11, 19).expect("a date");
        let read = Whitelist::parse(&document.to_json()).expect("a sound document");
        assert_eq!(read, document);
        let held = |table: &str, objects, bytes| read.held_bytes(&table.parse().expect("a table"), objects, bytes);
        assert_eq!(held("a.b.c", 2, 100 << 20), 25 << 20);
        assert_eq!(held("a.b.other", 2, 100 << 20), 100 << 20);
        assert_eq!(held("a.b.c", 50, 100 << 20), 100 << 20, "small objects are held whole");
    }

    #[test]
    fn text_that_is_no_document_is_refused() {
        for text in ["", "[]", "{", "{\"format\": \"one\"}", "null"] {
            assert!(Whitelist::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
