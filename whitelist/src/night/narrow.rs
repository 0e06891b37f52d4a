//! Narrowing: items of tables whose columns are known are weighed with those columns alone that earn the price of space.
//! Pure.
//!
//! Which columns those are depends on the price, and the price on what the items take with them. So both are settled in
//! turns: a table begins with its densest columns, and takes more as the choice finds room. A few turns are enough, because
//! a column more or less of one table hardly moves the price of all.

use std::collections::{BTreeMap, HashMap, HashSet};

use larder_model::{HeldColumns, IoSpeed, ItemName, TableName, Whitelist};

use super::decide::Limits;
use super::weigh::Weighed;
use crate::choice::load::{choose_within_wear, load_seconds};
use crate::choice::{Candidate, Choice, Factor, RulingKind};
use crate::columns::{ColumnShare, TableColumns, held};

/// Turns at most. What the last one chose is what is held, settled or not.
const TURNS_MAX: usize = 5;

/// A choice of items and of their columns.
#[derive(Debug)]
pub(super) struct Narrowed {
    pub(super) choice: Choice,
    /// The price of a written byte that kept the loading within its limit, in seconds.
    pub(super) wear_price: f64,
    /// Of the other tables, all columns are held.
    pub(super) columns: BTreeMap<TableName, HeldColumns>,
}

/// Chooses among the candidates, which are left as they were weighed in the end. What is in force need not be loaded;
/// anything else is charged the time of reading it from `origin`.
pub(super) fn choose(
    weighed: &mut Weighed,
    columns: &TableColumns,
    in_force: Option<&Whitelist>,
    origin: IoSpeed,
    limits: &Limits,
) -> Narrowed {
    let listed: HashSet<&ItemName> = in_force.iter().flat_map(|list| &list.items).map(|item| &item.item).collect();
    weighed.candidates.iter_mut().for_each(|candidate| candidate.held = listed.contains(&candidate.item));
    let whole: Vec<Whole> = weighed.candidates.iter().map(Whole::of).collect();
    let pinned: HashSet<TableName> = weighed.candidates.iter().filter(is_pinned).map(table).collect();
    // Whoever pins an item wants all of it.
    let known: TableColumns = columns
        .iter()
        .filter(|(table, _)| !pinned.contains(*table))
        .map(|(t, shares)| (t.clone(), shares.clone()))
        .collect();
    let before = |table: &TableName| in_force.and_then(|list| list.columns.get(table));
    let mut narrow: BTreeMap<TableName, HeldColumns> = known
        .iter()
        .filter_map(|(table, shares)| Some((table.clone(), held(shares, 0.0, f64::INFINITY, before(table))?)))
        .collect();
    for turn in 1.. {
        weigh_with(weighed, &whole, &narrow, origin);
        let Limits { budget_bytes, write_bytes_max, caps } = limits;
        let (choice, wear_price) = choose_within_wear(&mut weighed.candidates, caps, *budget_bytes, *write_bytes_max);
        let densities = densities(weighed, &whole, &choice);
        let of_table = |(table, shares): (&TableName, &Vec<ColumnShare>)| {
            // A table that nothing is taken of stays as narrow as it can be: so it has its best chance.
            let density = densities.get(table).copied().unwrap_or(0.0);
            let price = if densities.contains_key(table) { choice.cut_density } else { f64::INFINITY };
            Some((table.clone(), held(shares, density, price, before(table))?))
        };
        let next: BTreeMap<TableName, HeldColumns> = known.iter().filter_map(of_table).collect();
        if turn == TURNS_MAX || next == narrow {
            explain(weighed, &whole, &narrow);
            return Narrowed { choice, wear_price, columns: narrow };
        }
        narrow = next;
    }
    unreachable!("the last turn returns")
}

/// A candidate with all its columns.
#[derive(Debug, Clone, Copy)]
struct Whole {
    bytes: u64,
    value_seconds: f64,
}

impl Whole {
    fn of(candidate: &Candidate) -> Self {
        Self { bytes: candidate.bytes, value_seconds: candidate.value_seconds }
    }
}

fn table(candidate: &Candidate) -> TableName {
    candidate.item.table.clone()
}

fn is_pinned(candidate: &&Candidate) -> bool {
    candidate.ruling.as_ref().is_some_and(|ruling| ruling.kind == RulingKind::Pin)
}

/// Gives each candidate the size and value of the columns that are held of its table.
fn weigh_with(weighed: &mut Weighed, whole: &[Whole], narrow: &BTreeMap<TableName, HeldColumns>, origin: IoSpeed) {
    for ((candidate, facts), whole) in weighed.candidates.iter_mut().zip(&weighed.facts).zip(whole) {
        let held = narrow.get(&candidate.item.table);
        candidate.bytes = held.map_or(whole.bytes, |held| held.bytes_of(facts.objects, whole.bytes));
        let share = held.map_or(1.0, |held| held.shares_of(facts.objects, whole.bytes).1);
        candidate.value_seconds = whole.value_seconds * share;
        candidate.load_seconds = load_seconds(facts.objects, candidate.bytes, origin);
    }
}

/// What the items taken of each table earn per byte, with all their columns.
fn densities<'w>(weighed: &'w Weighed, whole: &[Whole], choice: &Choice) -> HashMap<&'w TableName, f64> {
    let mut sums: HashMap<&TableName, (f64, f64)> = HashMap::new();
    for at in &choice.taken {
        let sum = sums.entry(&weighed.candidates[*at].item.table).or_default();
        sum.0 += whole[*at].value_seconds;
        sum.1 += whole[*at].bytes as f64;
    }
    sums.into_iter()
        .filter(|(_, (_, bytes))| *bytes > 0.0)
        .map(|(table, (value, bytes))| (table, value / bytes))
        .collect()
}

/// Says of each item which part of it is weighed.
fn explain(weighed: &mut Weighed, whole: &[Whole], narrow: &BTreeMap<TableName, HeldColumns>) {
    for ((candidate, facts), whole) in weighed.candidates.iter().zip(&mut weighed.facts).zip(whole) {
        let Some(held) = narrow.get(&candidate.item.table).filter(|_| !facts.factors.is_empty()) else { continue };
        let (byte_share, value_share) = held.shares_of(facts.objects, whole.bytes);
        if byte_share < 1.0 {
            let columns = held.columns.len() as f64;
            facts.factors.extend([
                Factor::new("columns", columns, "columns", "so many of its table's are worth their room"),
                Factor::new("columns_byte_share", byte_share, "", "what these are of its bytes"),
                Factor::new("columns_value_share", value_share, "", "what these are of its value"),
            ]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::weigh::Facts;
    use super::*;
    use crate::choice::{Caps, Ruling};

    const MB: u64 = 1_000_000;
    const ORIGIN: IoSpeed = IoSpeed { overhead_seconds: 0.0, bytes_per_second: f64::INFINITY };

    fn weighed(items: &[(&str, u64, f64)]) -> Weighed {
        let candidate = |(item, bytes, value_seconds): &(&str, u64, f64)| Candidate {
            item: item.parse().unwrap(),
            bytes: *bytes * MB,
            value_seconds: *value_seconds,
            load_seconds: 0.0,
            held: false,
            ruling: None,
        };
        let facts =
            |_: &_| Facts { objects: 1, factors: vec![Factor::new("requests", 1.0, "", "")], ..Facts::default() };
        Weighed { candidates: items.iter().map(candidate).collect(), facts: items.iter().map(facts).collect() }
    }

    /// Of `a.b.wide`: a tenth of the bytes has 9 tenths of the value, another two tenths the rest of it.
    fn columns() -> TableColumns {
        let share = |column: &str, byte_share, value_share| ColumnShare {
            column: column.into(),
            byte_share,
            value_share,
            group: None,
        };
        let wide = vec![share("hot", 0.1, 0.9), share("cool", 0.2, 0.1), share("never", 0.7, 0.0)];
        [("a.b.wide".parse().unwrap(), wide)].into()
    }

    fn limits(budget: u64) -> Limits {
        Limits { budget_bytes: budget * MB, write_bytes_max: u64::MAX, caps: Caps::default() }
    }

    fn taken(weighed: &Weighed, narrowed: &Narrowed) -> Vec<String> {
        let mut names: Vec<String> =
            narrowed.choice.taken.iter().map(|at| weighed.candidates[*at].item.to_string()).collect();
        names.sort();
        names
    }

    fn held_of(narrowed: &Narrowed) -> Vec<String> {
        narrowed.columns.get(&"a.b.wide".parse().unwrap()).map_or_else(Vec::new, |held| held.columns.clone())
    }

    #[test]
    fn a_budget_holds_more_partitions_of_fewer_columns() {
        let mut items = weighed(&[("a.b.wide/d=1", 1000, 10.0), ("a.b.wide/d=2", 1000, 9.0), ("a.b.t", 100, 0.5)]);
        let narrowed = choose(&mut items, &columns(), None, ORIGIN, &limits(210));
        assert_eq!(taken(&items, &narrowed), ["a.b.wide/d=1", "a.b.wide/d=2"]);
        assert_eq!(held_of(&narrowed), ["hot"]);
        assert_eq!(narrowed.choice.taken_bytes, 200 * MB);
        assert!((narrowed.choice.taken_value_seconds - 0.9 * 19.0).abs() < 1e-9);
        let factors: Vec<&str> = items.facts[0].factors.iter().map(|factor| factor.name.as_str()).collect();
        assert!(factors.contains(&"columns_value_share"), "{factors:?}");
        assert_eq!(items.facts[2].factors.len(), 1, "of other tables there is nothing to say");
    }

    #[test]
    fn where_everything_fits_all_columns_that_are_read_are_held() {
        let mut items = weighed(&[("a.b.wide/d=1", 1000, 10.0), ("a.b.t", 100, 0.5)]);
        let narrowed = choose(&mut items, &columns(), None, ORIGIN, &limits(10_000));
        assert_eq!(held_of(&narrowed), ["cool", "hot"]);
        assert_eq!(narrowed.choice.taken_bytes, (300 + 100) * MB);
    }

    #[test]
    fn an_item_of_small_objects_is_held_as_a_whole() {
        let mut items = weighed(&[("a.b.wide/d=1", 1000, 10.0), ("a.b.wide/d=2", 1000, 9.0)]);
        items.facts[1].objects = 1000;
        let narrowed = choose(&mut items, &columns(), None, ORIGIN, &limits(1100));
        assert_eq!((held_of(&narrowed), narrowed.choice.taken_bytes), (vec!["hot".to_owned()], 1100 * MB));
        assert!((narrowed.choice.taken_value_seconds - (0.9 * 10.0 + 9.0)).abs() < 1e-9);
    }

    #[test]
    fn an_item_that_is_pinned_is_held_with_all_its_columns() {
        let mut items = weighed(&[("a.b.wide/d=1", 1000, 10.0), ("a.b.wide/d=2", 1000, 9.0)]);
        items.candidates[1].ruling =
            Some(Ruling { kind: RulingKind::Pin, by: "ana".into(), because: "the board".into() });
        let narrowed = choose(&mut items, &columns(), None, ORIGIN, &limits(2000));
        assert_eq!((held_of(&narrowed).len(), narrowed.choice.taken_bytes), (0, 2000 * MB));
    }

    #[test]
    fn a_choice_made_again_over_its_own_list_is_the_same() {
        let fresh = || weighed(&[("a.b.wide/d=1", 1000, 10.0), ("a.b.wide/d=2", 1000, 0.2), ("a.b.t", 100, 0.5)]);
        for budget in [50, 150, 250, 450, 900, 5000] {
            let mut items = fresh();
            let first = choose(&mut items, &columns(), None, ORIGIN, &limits(budget));
            let list = Whitelist {
                columns: first.columns.clone(),
                ..crate::store::tests::document(&taken(&items, &first).iter().map(String::as_str).collect::<Vec<_>>())
            };
            let mut again = fresh();
            let second = choose(&mut again, &columns(), Some(&list), ORIGIN, &limits(budget));
            assert_eq!((taken(&again, &second), second.columns), (taken(&items, &first), first.columns), "{budget}");
        }
    }
}
