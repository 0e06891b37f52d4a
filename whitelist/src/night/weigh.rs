//! Weighing: from what was read and what the buckets hold to candidates with a size and a value. Pure.

use std::collections::{BTreeMap, HashMap};

use larder_model::{ItemName, Location, TableName};

use super::foresee::{Expectation, Foresight};
use crate::accesses::WHOLE_TABLE;
use crate::choice::{Candidate, Factor};
use crate::store::decisions::Rulings;
use crate::store::{CatalogItem, ItemHistory};
use crate::value::Reads;

/// Candidates, and what is known of each beyond what the choice needs, in the same order.
#[derive(Debug, Default)]
pub(super) struct Weighed {
    pub(super) candidates: Vec<Candidate>,
    pub(super) facts: Vec<Facts>,
}

/// What is known of a candidate beyond what the choice needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) bytes: u64,
    pub(super) objects: u64,
    pub(super) locations: Vec<Location>,
    pub(super) reads: Reads,
    pub(super) queries: u64,
    /// What the value is made of, for whoever asks why.
    pub(super) factors: Vec<Factor>,
}

/// Every item that was read, is held by a bucket or is named by a decision, by name.
pub(super) fn weigh(
    history: Vec<ItemHistory>,
    catalog: Vec<CatalogItem>,
    rulings: &Rulings,
    foresight: &Foresight,
) -> Weighed {
    let mut items: BTreeMap<ItemName, Facts> = BTreeMap::new();
    for held in catalog {
        let facts = items.entry(held.item).or_default();
        // An item without a location cannot be held; see the catalog.
        if !held.prefixes.is_empty() {
            facts.bytes += held.bytes;
            facts.objects += held.objects;
        }
        let location = |prefix| Location { bucket: held.bucket.clone(), prefix };
        facts.locations.extend(held.prefixes.into_iter().map(location));
    }
    let tables = members(&items);
    let (whole_tables, rest): (Vec<_>, Vec<_>) = history.into_iter().partition(|row| row.item.partition == WHOLE_TABLE);
    for row in rest {
        let facts = items.entry(row.item).or_default();
        facts.reads += row.reads;
        facts.queries += row.queries;
    }
    for row in whole_tables {
        spread(row, &tables, &mut items);
    }
    for target in rulings.items() {
        if !target.partition.is_empty() || !tables.contains_key(&target.table) {
            items.entry(target.clone()).or_default();
        }
    }
    let mut weighed = Weighed::default();
    for (item, mut facts) in items {
        let ruling = rulings.of(&item).cloned();
        let Expectation { value_seconds, mut factors } = foresight.expect(&item);
        if !factors.is_empty() {
            factors.push(Factor::new(
                "requests",
                facts.reads.requests as f64,
                "requests",
                "reads of it over the history",
            ));
            factors.push(Factor::new("read_bytes", facts.reads.bytes as f64, "bytes", "what these reads asked for"));
        }
        facts.factors = factors;
        let bytes = facts.bytes;
        // What is held, and what loading costs, the choice is told separately.
        weighed.candidates.push(Candidate { item, bytes, value_seconds, load_seconds: 0.0, held: false, ruling });
        weighed.facts.push(facts);
    }
    weighed
}

/// The items of each table, as the catalog knows them.
fn members(items: &BTreeMap<ItemName, Facts>) -> HashMap<TableName, Vec<ItemName>> {
    let mut tables: HashMap<TableName, Vec<ItemName>> = HashMap::new();
    for item in items.keys() {
        tables.entry(item.table.clone()).or_default().push(item.clone());
    }
    tables
}

/// Reads of a table whose engine names no partitions went, for all that is known, to each in proportion to its size.
fn spread(row: ItemHistory, tables: &HashMap<TableName, Vec<ItemName>>, items: &mut BTreeMap<ItemName, Facts>) {
    let Some(members) = tables.get(&row.item.table) else {
        let whole = ItemName { partition: String::new(), ..row.item };
        let facts = items.entry(whole).or_default();
        facts.reads += row.reads;
        facts.queries += row.queries;
        return;
    };
    let bytes: u128 = members.iter().map(|item| u128::from(items[item].bytes)).sum();
    for item in members {
        let facts = items.get_mut(item).expect("members are taken from the items");
        let share = |count: u64| match bytes {
            0 => count / members.len() as u64,
            // A share of a count is no more than the count.
            bytes => u64::try_from(u128::from(count) * u128::from(facts.bytes) / bytes).unwrap_or(count),
        };
        let reads = Reads { requests: share(row.reads.requests), bytes: share(row.reads.bytes) };
        facts.reads += reads;
        facts.queries += row.queries;
    }
}

#[cfg(test)]
mod tests {
    use larder_model::IoSpeed;

    use super::super::Demand;
    use super::*;
    use crate::choice::{Ruling, RulingKind};
    use crate::store::Decision;

    fn nothing_foreseen() -> Foresight {
        let speed = IoSpeed { overhead_seconds: 1.0, bytes_per_second: 100.0 };
        Foresight::new([], speed, speed, Demand { fills: false, ssd_bytes: 0 })
    }

    fn read(item: &str, partition: &str, requests: u64, bytes: u64) -> ItemHistory {
        let item = ItemName { table: item.parse().unwrap(), partition: partition.into() };
        ItemHistory { item, reads: Reads { requests, bytes }, queries: 1 }
    }

    fn held(item: &str, bytes: u64) -> CatalogItem {
        let prefixes = vec![format!("{}/", item.replace('.', "/"))];
        CatalogItem { item: item.parse().unwrap(), bucket: "wh".into(), bytes, objects: 1, prefixes, fingerprint: 1 }
    }

    /// Each item with its size and the requests to it.
    fn shown(weighed: &Weighed) -> Vec<(String, u64, u64)> {
        let items = weighed.candidates.iter().zip(&weighed.facts);
        items.map(|(candidate, facts)| (candidate.item.to_string(), candidate.bytes, facts.reads.requests)).collect()
    }

    #[test]
    fn reads_meet_sizes_by_item() {
        let history = vec![read("a.b.t", "d=1", 5, 1000), read("a.b.gone", "", 1, 100)];
        let catalog = vec![held("a.b.t/d=1", 70), held("a.b.t/d=2", 30)];
        let weighed = weigh(history, catalog, &Rulings::default(), &nothing_foreseen());
        assert_eq!(
            shown(&weighed),
            [("a.b.gone".into(), 0, 1), ("a.b.t/d=1".into(), 70, 5), ("a.b.t/d=2".into(), 30, 0)]
        );
        assert_eq!(weighed.facts[1].locations[0].prefix, "a/b/t/d=1/");
    }

    #[test]
    fn reads_of_a_table_as_a_whole_are_spread_by_size() {
        let history = vec![read("a.b.t", WHOLE_TABLE, 10, 1000), read("a.b.new", WHOLE_TABLE, 3, 300)];
        let catalog = vec![held("a.b.t/d=1", 70), held("a.b.t/d=2", 30)];
        let weighed = weigh(history, catalog, &Rulings::default(), &nothing_foreseen());
        assert_eq!(
            shown(&weighed),
            [("a.b.new".into(), 0, 3), ("a.b.t/d=1".into(), 70, 7), ("a.b.t/d=2".into(), 30, 3)]
        );
    }

    #[test]
    fn decisions_reach_items_and_whole_tables() {
        let decide = |target: &str, kind| Decision {
            target: target.parse().unwrap(),
            ruling: Ruling { kind, by: "ana".into(), because: "so".into() },
            decided: chrono::DateTime::UNIX_EPOCH,
        };
        let rulings = Rulings::new(vec![
            decide("a.b.t", RulingKind::Pin),
            decide("a.b.t/d=2", RulingKind::Deny),
            decide("a.b.none/d=9", RulingKind::Pin),
        ]);
        let weighed = weigh(vec![], vec![held("a.b.t/d=1", 70), held("a.b.t/d=2", 30)], &rulings, &nothing_foreseen());
        let kinds: Vec<_> = weighed
            .candidates
            .iter()
            .map(|candidate| (candidate.item.to_string(), candidate.ruling.as_ref().map(|ruling| ruling.kind)))
            .collect();
        assert_eq!(
            kinds,
            [
                ("a.b.none/d=9".into(), Some(RulingKind::Pin)),
                ("a.b.t/d=1".into(), Some(RulingKind::Pin)),
                ("a.b.t/d=2".into(), Some(RulingKind::Deny)),
            ]
        );
    }
}
