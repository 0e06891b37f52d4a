//! Caps: how many bytes of a table, or of all tables of an owner, may be held at once.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use larder_model::{ByteSize, TableName};
use serde::{Deserialize, Serialize};

use super::Candidate;

/// The caps of a choice. All that match a table hold for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps(pub Vec<Cap>);

/// One cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// Whether it holds for each table by itself or for several together.
    pub of: CapOf,
    /// The tables it holds for.
    pub tables: Vec<TablePattern>,
    /// The bytes that may be held.
    pub bytes: u64,
}

/// Whom a cap is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapOf {
    /// Each table that matches, by itself.
    Table,
    /// The owner of this name: all tables that match, together.
    Owner(String),
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = ByteSize(self.bytes);
        match &self.of {
            CapOf::Table => write!(f, "its table's cap of {bytes}"),
            CapOf::Owner(name) => write!(f, "the cap of {bytes} of its owner {name}"),
        }
    }
}

/// A table, or with a `*` at its end all tables whose names begin so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TablePattern {
    /// One table.
    One(TableName),
    /// All whose `catalog.schema.table` begins with this.
    Beginning(String),
}

impl TablePattern {
    /// Whether a table is meant.
    pub fn matches(&self, table: &TableName) -> bool {
        match self {
            Self::One(one) => one == table,
            Self::Beginning(beginning) => table.to_string().starts_with(beginning.as_str()),
        }
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(table) => table.fmt(f),
            Self::Beginning(beginning) => write!(f, "{beginning}*"),
        }
    }
}

impl FromStr for TablePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no table: write catalog.schema.table, or the beginning of it and a `*`");
        match text.strip_suffix('*') {
            Some(beginning) if beginning.contains('*') || beginning.contains('/') => Err(wrong()),
            Some(beginning) => Ok(Self::Beginning(beginning.to_owned())),
            None if text.contains('*') || text.contains('/') => Err(wrong()),
            None => text.parse().map(Self::One).map_err(|_| wrong()),
        }
    }
}

impl TryFrom<String> for TablePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TablePattern> for String {
    fn from(pattern: TablePattern) -> Self {
        pattern.to_string()
    }
}

/// What there is to count for some candidates: one slot for each cap and table, or for each owner.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    /// Each slot's cap and bytes.
    slots: Vec<(usize, u64)>,
    /// The slots of each table that has any.
    of: HashMap<&'a TableName, Vec<usize>>,
}

impl<'a> Slots<'a> {
    pub(super) fn new(candidates: &'a [Candidate], caps: &Caps) -> Self {
        let mut slots: Vec<(usize, u64)> = Vec::new();
        let mut of: HashMap<&'a TableName, Vec<usize>> = HashMap::new();
        let mut owners: HashMap<usize, usize> = HashMap::new();
        let tables = candidates.iter().map(|candidate| &candidate.item.table).filter(|_| !caps.0.is_empty());
        for table in tables {
            of.entry(table).or_insert_with(|| {
                let matching = caps.0.iter().enumerate();
                let matching = matching.filter(|(_, cap)| cap.tables.iter().any(|pattern| pattern.matches(table)));
                let mut of_table = Vec::new();
                for (at, cap) in matching {
                    let mut add = || {
                        slots.push((at, cap.bytes));
                        slots.len() - 1
                    };
                    of_table.push(match cap.of {
                        CapOf::Table => add(),
                        CapOf::Owner(_) => *owners.entry(at).or_insert_with(add),
                    });
                }
                of_table
            });
        }
        Self { slots, of }
    }

    /// The slots that a candidate counts towards.
    pub(super) fn of(&self, candidate: &Candidate) -> &[usize] {
        if self.slots.is_empty() {
            return &[];
        }
        self.of.get(&candidate.item.table).map_or(&[], Vec::as_slice)
    }

    /// The cap that a slot counts for.
    pub(super) fn cap(&self, slot: usize) -> usize {
        self.slots[slot].0
    }

    /// What each slot may hold.
    pub(super) fn bytes(&self) -> Vec<u64> {
        self.slots.iter().map(|(_, bytes)| *bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_table_or_a_beginning() {
        let matches = |pattern: &str, table: &str| {
            let pattern: TablePattern = pattern.parse().unwrap();
            pattern.matches(&table.parse().unwrap())
        };
        assert!(matches("hive.web.clicks", "hive.web.clicks") && !matches("hive.web.clicks", "hive.web.clicks2"));
        assert!(matches("hive.web.*", "hive.web.clicks") && !matches("hive.web.*", "hive.website.clicks"));
        assert!(matches("hive.web.cl*", "hive.web.clicks") && matches("*", "a.b.c"));
        for wrong in
            ["clicks", "hive.web", "hive.*.clicks", "hive.w*b*", "hive.web.clicks/d=1", "hive.web.clicks/*", ""]
        {
            let error = wrong.parse::<TablePattern>().unwrap_err();
            assert!(error.contains(&format!("`{wrong}`")) && error.contains("catalog.schema.table"), "{error}");
        }
    }
}
