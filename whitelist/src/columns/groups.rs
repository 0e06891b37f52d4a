//! Groups: columns of a table that queries read together. Pure.
//!
//! A query that finds some of its columns near and waits for the others saves bytes, and rarely time. So columns that are
//! read together are one group, which is held or left as a whole. Two are read together where over four fifths of the
//! queries that read either read both; groups are what such pairs connect.
//!
//! The share is of the queries that read either of the two, not of all queries of the table: else a table that is read by
//! two dashboards, each with columns of its own, would have no groups, however surely each reads all of its columns.

use std::collections::BTreeMap;

use larder_model::HeldColumns;

use super::{ColumnReads, ColumnShare, density};

/// How many queries named both columns of a pair, whose names stand in order. A pair that is not there makes no group.
pub type Pairs = BTreeMap<(String, String), f64>;

/// The share of the queries that read either column of a pair, above which the two are read together.
const TOGETHER_ABOVE: f64 = 0.8;

/// Names the group of each column that is in one. What is never read is in none, whatever queries name it: it would take
/// room and save nothing.
pub(super) fn name_groups(shares: &mut [ColumnShare], reads: &BTreeMap<String, ColumnReads>, pairs: &Pairs) {
    let read = shares.iter().filter(|share| share.value_share > 0.0);
    let mut names: Vec<String> = read.map(|share| share.column.clone()).collect();
    names.sort();
    let queries = |column: &str| reads.get(column).map_or(0.0, |reads| reads.queries);
    let mut parents: Vec<usize> = (0..names.len()).collect();
    for ((a, b), both) in pairs {
        let (Ok(first), Ok(second)) = (names.binary_search(a), names.binary_search(b)) else { continue };
        let either = queries(a) + queries(b) - both;
        if *both > TOGETHER_ABOVE * either {
            let (first, second) = (root(&parents, first), root(&parents, second));
            parents[first.max(second)] = first.min(second);
        }
    }
    let roots: Vec<usize> = (0..names.len()).map(|at| root(&parents, at)).collect();
    let mut members = vec![0_usize; names.len()];
    for root in &roots {
        members[*root] += 1;
    }
    for share in shares {
        let Ok(at) = names.binary_search(&share.column) else { continue };
        let root = roots[at];
        share.group = (members[root] > 1).then(|| names[root].clone());
    }
}

/// The first column that pairs connect with the one at `at`.
fn root(parents: &[usize], mut at: usize) -> usize {
    while parents[at] != at {
        at = parents[at];
    }
    at
}

/// Columns that are held or left together, and what they come to. A column without a group is one by itself.
#[derive(Debug, Default)]
pub(super) struct Group<'s> {
    pub(super) columns: Vec<&'s ColumnShare>,
    byte_share: f64,
    pub(super) value_share: f64,
}

impl Group<'_> {
    /// Its value per byte, over the table's.
    pub(super) fn density(&self) -> f64 {
        density(self.byte_share, self.value_share)
    }

    /// Whether most of its bytes are held: a small column that joins a group must not make it fall out.
    pub(super) fn is_in(&self, held: &HeldColumns) -> bool {
        let there = self.columns.iter().filter(|share| held.columns.contains(&share.column));
        2.0 * there.map(|share| share.byte_share).sum::<f64>() > self.byte_share
    }
}

/// A table's columns by their groups.
pub(super) fn groups_of(shares: &[ColumnShare]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for share in shares {
        let name = share.group.as_deref().unwrap_or(share.column.as_str());
        let group = groups.entry(name).or_default();
        group.columns.push(share);
        group.byte_share += share.byte_share;
        group.value_share += share.value_share;
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(column: &str, value_share: f64) -> ColumnShare {
        ColumnShare { column: column.into(), byte_share: 0.2, value_share, group: None }
    }

    /// The groups of columns that are all read, by how many queries named each, and each pair.
    fn groups(queries: &[(&str, f64)], pairs: &[(&str, &str, f64)]) -> Vec<(String, Option<String>)> {
        let mut shares: Vec<ColumnShare> = queries.iter().map(|(column, _)| share(column, 0.1)).collect();
        name_groups(&mut shares, &reads(queries), &pairs_of(pairs));
        shares.into_iter().map(|share| (share.column, share.group)).collect()
    }

    fn reads(queries: &[(&str, f64)]) -> BTreeMap<String, ColumnReads> {
        let named =
            |(column, queries): &(&str, f64)| ((*column).to_owned(), ColumnReads { seconds: 0.0, queries: *queries });
        queries.iter().map(named).collect()
    }

    fn pairs_of(pairs: &[(&str, &str, f64)]) -> Pairs {
        pairs.iter().map(|(a, b, queries)| (((*a).to_owned(), (*b).to_owned()), *queries)).collect()
    }

    fn named(column: &str, group: Option<&str>) -> (String, Option<String>) {
        (column.to_owned(), group.map(str::to_owned))
    }

    #[test]
    fn columns_are_a_group_above_four_fifths_of_the_queries_that_read_either() {
        // Of ten queries that read `a` or `b` nine read both; of ten that read `c` or `d` eight, which is not above.
        let queries = [("a", 10.0), ("b", 9.0), ("c", 9.0), ("d", 9.0)];
        let found = groups(&queries, &[("a", "b", 9.0), ("c", "d", 8.0)]);
        assert_eq!(found, [named("a", Some("a")), named("b", Some("a")), named("c", None), named("d", None)]);
    }

    #[test]
    fn two_groups_share_a_table_and_pairs_connect_more_than_two() {
        // `e` goes with `d`, and `d` with `c`; of `a` and `b` each query named both.
        let queries = [("e", 100.0), ("b", 3.0), ("a", 3.0), ("d", 90.0), ("c", 80.0), ("x", 100.0)];
        let pairs = [("a", "b", 3.0), ("c", "d", 79.0), ("c", "e", 78.0), ("d", "e", 88.0), ("e", "x", 60.0)];
        let found = groups(&queries, &pairs);
        let expected = [("e", Some("c")), ("b", Some("a")), ("a", Some("a")), ("d", Some("c")), ("c", Some("c"))];
        assert_eq!(found[..5], expected.map(|(column, group)| named(column, group)));
        assert_eq!(found[5], named("x", None));
    }

    #[test]
    fn what_is_never_read_is_in_no_group_and_without_queries_there_is_none() {
        let mut shares = [share("a", 0.5), share("b", 0.0), share("c", 0.5)];
        let reads = reads(&[("a", 5.0), ("b", 5.0)]);
        name_groups(&mut shares, &reads, &pairs_of(&[("a", "b", 5.0), ("a", "gone", 5.0)]));
        assert!(shares.iter().all(|share| share.group.is_none()), "{shares:?}");
        name_groups(&mut shares, &BTreeMap::new(), &Pairs::new());
        assert!(shares.iter().all(|share| share.group.is_none()), "{shares:?}");
    }

    #[test]
    fn a_group_comes_to_what_its_columns_do_and_is_held_by_most_of_its_bytes() {
        let of = |column: &str, byte_share, group: Option<&str>| ColumnShare {
            column: column.into(),
            byte_share,
            value_share: 0.25,
            group: group.map(str::to_owned),
        };
        let shares = [of("small", 0.25, Some("large")), of("other", 0.125, None), of("large", 0.5, Some("large"))];
        let groups = groups_of(&shares);
        let found: Vec<(usize, f64, f64)> =
            groups.iter().map(|group| (group.columns.len(), group.value_share, group.density())).collect();
        assert_eq!(found, [(2, 0.5, 0.5 / 0.75), (1, 0.25, 2.0)]);
        let held = |column: &str| HeldColumns { columns: vec![column.into()], byte_share: 0.5, value_share: 0.5 };
        assert!(groups[0].is_in(&held("large")) && !groups[0].is_in(&held("small")));
        assert!(groups[1].is_in(&held("other")) && !groups[1].is_in(&held("large")));
    }
}
