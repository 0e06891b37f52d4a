//! Which partitions that landed are wanted, and whether there is room for them. Pure.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use larder_model::whitelist::{Cause, Several};
use larder_model::{ItemName, Location, Whitelist, WhitelistItem};

use crate::choice::load::load_seconds;
use crate::choice::{Candidate, Caps, Ranking, Reason};
use crate::partition_time::PartitionTime;
use crate::store::decisions::Rulings;

/// A partition is worth, byte for byte, what the newest held ones before it are: so many of them.
const NEWEST: usize = 3;

/// What is known of a table's partitions.
#[derive(Debug, Default)]
pub(crate) struct KnownPartitions(BTreeMap<String, Known>);

#[derive(Debug)]
struct Known {
    time: Option<PartitionTime>,
    /// Its value per byte, where the whitelist holds it.
    held_density: Option<f64>,
}

impl KnownPartitions {
    /// A partition that a bucket holds.
    pub(crate) fn add(&mut self, partition: &str) {
        let known = || Known { time: PartitionTime::of(partition), held_density: None };
        self.0.entry(partition.to_owned()).or_insert_with(known);
    }

    /// A partition that the whitelist holds.
    pub(crate) fn add_held(&mut self, partition: &str, density: f64) {
        let known = Known { time: PartitionTime::of(partition), held_density: Some(density) };
        self.0.insert(partition.to_owned(), known);
    }

    /// Whether some known partition lies in this folder.
    pub(super) fn has_below(&self, folder: &str) -> bool {
        let folder = format!("{folder}/");
        self.0.range(folder.clone()..).next().is_some_and(|(name, _)| name.starts_with(&folder))
    }

    /// The partition of the latest time.
    pub(super) fn newest(&self) -> Option<&str> {
        let times = self.0.iter().filter_map(|(name, known)| Some((known.time.as_ref()?.at, name)));
        times.max().map(|(_, name)| name.as_str())
    }

    /// The held partitions, the latest first; those that say no time come last.
    pub(super) fn held_newest_first(&self) -> Vec<&str> {
        let held = self.0.iter().filter(|(_, known)| known.held_density.is_some());
        let mut held: Vec<_> = held.map(|(name, known)| (known.time.as_ref().map(|time| time.at), name)).collect();
        held.sort_by(|a, b| b.cmp(a));
        held.into_iter().map(|(_, name)| name.as_str()).collect()
    }

    /// Whether a night has seen the partition, or the whitelist holds it.
    pub(super) fn contains(&self, partition: &str) -> bool {
        self.0.contains_key(partition)
    }

    /// The value per byte that a partition is expected to have, where it is wanted: where it is new, and the one right
    /// before it by its time is held. What a night has seen is the night's to choose.
    pub(crate) fn expected_density(&self, partition: &str) -> Option<f64> {
        if self.contains(partition) {
            return None;
        }
        let landed = PartitionTime::of(partition)?;
        let others = self.0.values().filter_map(|other| Some((other.time.as_ref()?, other.held_density)));
        let mut before: Vec<_> = others.filter(|(time, _)| time.rest == landed.rest && time.at < landed.at).collect();
        before.sort_by_key(|(time, _)| std::cmp::Reverse(time.at));
        before.first().filter(|(_, held)| held.is_some())?;
        let newest: Vec<f64> = before.iter().filter_map(|(_, held)| *held).take(NEWEST).collect();
        Some(newest.iter().sum::<f64>() / newest.len() as f64)
    }
}

/// What was found of an item that landed or was rewritten.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) locations: Vec<Location>,
    /// What is to be held of it.
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
    /// The value per byte that it is expected to have; `None` for one that is held and has changed.
    pub(crate) expected_density: Option<f64>,
}

/// A whitelist with what landed, and what that changed.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) document: Whitelist,
    pub(crate) came: Vec<ItemName>,
    pub(super) changed: Vec<ItemName>,
    pub(super) left: Vec<ItemName>,
    /// What landed and found no place, and why.
    pub(super) left_out: Vec<(ItemName, String)>,
}

/// Chooses among what is held and what landed, under the budget and the caps: what landed takes free room, or that of what
/// is less dense by more than its loading costs.
pub(crate) fn fit(
    in_force: &Whitelist,
    found: &BTreeMap<ItemName, Found>,
    rulings: &Rulings,
    caps: &Caps,
    budget_bytes: u64,
    now: DateTime<Utc>,
) -> Fitted {
    let mut items: Vec<WhitelistItem> = in_force.items.clone();
    let mut changed = Vec::new();
    for item in &mut items {
        if let Some(found) = found.get(&item.item)
            && (item.bytes, item.objects) != (found.bytes, found.objects)
        {
            (item.bytes, item.objects) = (found.bytes, found.objects);
            changed.push(item.item.clone());
        }
    }
    let held = items.len();
    let landed = found.iter().filter_map(|(item, found)| Some((item, found, found.expected_density?)));
    items.extend(landed.map(|(item, found, density)| WhitelistItem {
        item: item.clone(),
        locations: found.locations.clone(),
        bytes: found.bytes,
        objects: found.objects,
        value_seconds: density * found.bytes as f64,
        reason: String::new(),
    }));
    let candidate = |(at, item): (usize, &WhitelistItem)| Candidate {
        item: item.item.clone(),
        bytes: item.bytes,
        value_seconds: item.value_seconds,
        load_seconds: load_seconds(item.objects, item.bytes, in_force.origin),
        held: at < held,
        ruling: rulings.of(&item.item).cloned(),
    };
    let candidates: Vec<Candidate> = items.iter().enumerate().map(candidate).collect();
    let choice = Ranking::with_caps(&candidates, caps).choose(budget_bytes);
    let (mut came, mut left, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut kept: Vec<WhitelistItem> = Vec::with_capacity(items.len());
    for (at, mut item) in items.into_iter().enumerate() {
        let (candidate, verdict) = (&candidates[at], &choice.verdicts[at]);
        let reason = Reason { candidate, verdict, caps, of: candidates.len() };
        if at >= held {
            item.reason = format!("landed, worth what its table's newest partitions are: {reason}");
        }
        match (at < held, verdict.is_taken()) {
            (true, true) => kept.push(item),
            (true, false) => left.push(item.item),
            (false, true) => {
                came.push(item.item.clone());
                kept.push(item);
            }
            (false, false) => left_out.push((item.item, item.reason)),
        }
    }
    kept.sort_by(|a, b| b.density().total_cmp(&a.density()));
    // The choice was among few: what it left out says less of the price of space than the night's did, and never that
    // space has become cheaper.
    let cut_density = in_force.cut_density.max(choice.cut_density);
    let document = Whitelist { version: 1, created: now, budget_bytes, cut_density, items: kept, ..in_force.clone() };
    let cause =
        Cause::Landing { landed: Several::of(&came), rewritten: Several::of(&changed), displaced: Several::of(&left) };
    let document = document.because(cause);
    Fitted { document, came, changed, left, left_out }
}

/// The tables of a whitelist: their items.
pub(super) fn tables_of(whitelist: &Whitelist) -> HashMap<&larder_model::TableName, Vec<&WhitelistItem>> {
    let mut tables: HashMap<_, Vec<&WhitelistItem>> = HashMap::new();
    for item in &whitelist.items {
        tables.entry(&item.item.table).or_default().push(item);
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::{Cap, CapOf, Ruling, RulingKind};
    use crate::store::Decision;
    use crate::store::tests::document;
    use crate::test_support::time;

    fn known(held: &[(&str, f64)], others: &[&str]) -> KnownPartitions {
        let mut known = KnownPartitions::default();
        others.iter().for_each(|name| known.add(name));
        held.iter().for_each(|(name, density)| known.add_held(name, *density));
        known
    }

    #[test]
    fn a_partition_is_wanted_when_the_one_right_before_it_is_held() {
        let days = known(&[("dt=2026-11-17", 4.0), ("dt=2026-11-18", 2.0)], &["dt=2026-11-10"]);
        assert_eq!(days.expected_density("dt=2026-11-19"), Some(3.0), "worth what the newest held ones are");
        assert_eq!(days.expected_density("dt=2026-11-18"), None, "it is held");
        assert_eq!(days.expected_density("dt=2026-11-12"), None, "the one before it, of the 10th, is not");
        assert_eq!(days.expected_density("country=de"), None, "it says no time");
        let gap = known(&[("dt=2026-11-17", 4.0)], &["dt=2026-11-18"]);
        assert_eq!(gap.expected_density("dt=2026-11-19"), None, "the one before it was left out");
        assert_eq!(gap.expected_density("dt=2026-11-18"), None, "a night saw it and left it out");
        let late = known(&[("dt=2026-11-16", 4.0), ("dt=2026-11-18", 8.0)], &[]);
        assert_eq!(late.expected_density("dt=2026-11-17"), Some(4.0), "no night has seen it");
    }

    #[test]
    fn partitions_follow_those_that_agree_in_all_but_the_time() {
        let hours = known(
            &[("dt=2026-11-19/country=de", 4.0), ("dt=2026-11-19/country=fr", 8.0), ("dt=2026-11-18/country=fr", 6.0)],
            &["dt=2026-11-19/country=us"],
        );
        assert_eq!(hours.expected_density("dt=2026-11-20/country=de"), Some(4.0));
        assert_eq!(hours.expected_density("dt=2026-11-20/country=fr"), Some(7.0));
        assert_eq!(hours.expected_density("dt=2026-11-20/country=us"), None);
        assert_eq!(hours.expected_density("dt=2026-11-20/country=at"), None);
        assert!(hours.has_below("dt=2026-11-19") && !hours.has_below("dt=2026-11-1") && !hours.has_below("dt=2026"));
        assert_eq!(hours.held_newest_first()[2], "dt=2026-11-18/country=fr");
    }

    fn found(bytes: u64, expected_density: Option<f64>) -> Found {
        let location = Location { bucket: "wh".into(), prefix: "t/d/".into() };
        Found { locations: vec![location], bytes, objects: 1, expected_density }
    }

    fn fitted(items: &[(&str, Found)], decisions: Vec<Decision>, caps: &Caps, budget: u64) -> Fitted {
        let mut in_force = document(&["a.b.t/dt=2026-11-18", "a.b.u"]);
        for (item, value) in in_force.items.iter_mut().zip([30.0, 10.0]) {
            (item.bytes, item.value_seconds) = (10, value);
        }
        in_force.cut_density = 0.5;
        in_force.origin = larder_model::IoSpeed { overhead_seconds: 1.0, bytes_per_second: 1e9 };
        let found = items.iter().map(|(name, found)| (name.parse().unwrap(), found.clone())).collect();
        let now = time("2026-11-20T06:00:00Z");
        fit(&in_force, &found, &Rulings::new(decisions), caps, budget, now)
    }

    const LANDED: &str = "a.b.t/dt=2026-11-19";

    #[test]
    fn what_landed_takes_free_room_or_displaces_the_least_dense() {
        let free = fitted(&[(LANDED, found(10, Some(3.0)))], vec![], &Caps::default(), 30);
        assert_eq!((free.came.len(), free.left.len(), free.document.items.len()), (1, 0, 3));
        assert_eq!((free.document.reason.as_str(), free.document.cut_density), ("landed: a.b.t/dt=2026-11-19", 0.5));
        let reason = &free.document.items.iter().find(|item| item.item.to_string() == LANDED).unwrap().reason;
        assert!(reason.starts_with("landed, worth what its table's newest partitions are: saves 30.0 s"), "{reason}");

        let full = fitted(&[(LANDED, found(10, Some(3.0)))], vec![], &Caps::default(), 20);
        let left: Vec<String> = full.left.iter().map(ToString::to_string).collect();
        assert_eq!((full.came.len(), left), (1, vec!["a.b.u".to_owned()]));
        assert_eq!(full.document.reason, "landed: a.b.t/dt=2026-11-19; displaced: a.b.u");
        assert!(full.document.cut_density > 0.5);
        // One that gains no more than its loading costs displaces nothing.
        let dear = fitted(&[(LANDED, found(10, Some(1.01)))], vec![], &Caps::default(), 20);
        assert_eq!((dear.came.len(), dear.left.len(), dear.left_out.len()), (0, 0, 1));
        assert!(dear.left_out[0].1.contains("below the cut"), "{:?}", dear.left_out);
    }

    #[test]
    fn people_and_caps_stand_above_what_landed() {
        let deny = Decision {
            target: LANDED.parse().unwrap(),
            ruling: Ruling { kind: RulingKind::Deny, by: "ana".into(), because: "so".into() },
            decided: time("2026-11-20T06:00:00Z"),
        };
        let denied = fitted(&[(LANDED, found(10, Some(9.0)))], vec![deny], &Caps::default(), 100);
        assert!(denied.came.is_empty() && denied.left_out[0].1.contains("denied by ana"), "{denied:?}");
        let caps = Caps(vec![Cap { of: CapOf::Table, tables: vec!["a.b.t".parse().unwrap()], bytes: 15 }]);
        let capped = fitted(&[(LANDED, found(10, Some(2.0)))], vec![], &caps, 100);
        assert!(capped.came.is_empty() && capped.left_out[0].1.contains("its table's cap of 15 B"), "{capped:?}");
    }

    #[test]
    fn a_rewritten_partition_has_its_new_size() {
        let grown = fitted(&[("a.b.u", found(12, None))], vec![], &Caps::default(), 30);
        assert_eq!((grown.changed.len(), grown.document.bytes()), (1, 22));
        assert_eq!(grown.document.reason, "rewritten: a.b.u");
        let beyond = fitted(&[("a.b.u", found(25, None))], vec![], &Caps::default(), 30);
        assert_eq!((beyond.left.len(), beyond.document.bytes()), (1, 10), "it has outgrown the budget");
        let gone = fitted(&[("a.b.u", found(0, None))], vec![], &Caps::default(), 30);
        assert_eq!(gone.left.len(), 1);
        let same = fitted(&[("a.b.u", found(10, None))], vec![], &Caps::default(), 30);
        assert!(same.changed.is_empty() && same.document.reason.is_empty());
    }
}
