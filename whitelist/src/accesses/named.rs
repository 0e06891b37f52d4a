//! The columns that queries named: how many queries each of them, and how many both of two.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::record_batch::RecordBatch;
use larder_model::TableName;

use super::{integer, text};
use crate::logs::split_columns;

/// Columns of a table of which pairs are counted, those that most of a day's queries named: at most 190 pairs, however wide
/// the table and long its queries. Of the others no pair is known, and no group.
const PAIRED_COLUMNS_MAX: usize = 20;

/// The columns of one table that a day's queries named, by their paths' first parts in small letters. A query that reads
/// the table twice, other columns each time, is two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Queries that named each column.
    pub queries: BTreeMap<String, u64>,
    /// Queries that named both columns of a pair, whose names stand in order: of the columns that were named most, and where
    /// more than half of the queries that named either named both. Most pairs of a table meet now and then; what is as often
    /// apart as together makes no group, and is not worth keeping.
    pub both: BTreeMap<(String, String), u64>,
}

/// How many queries named just these columns.
type Sets = BTreeMap<BTreeSet<String>, u64>;

impl Named {
    fn of(sets: &Sets) -> Self {
        let mut queries: BTreeMap<String, u64> = BTreeMap::new();
        for (columns, count) in sets {
            for column in columns {
                *queries.entry(column.clone()).or_default() += count;
            }
        }
        let mut by_queries: Vec<(&String, u64)> = queries.iter().map(|(column, count)| (column, *count)).collect();
        // Of columns that equally many named, the first by name.
        by_queries.sort_by_key(|(_, count)| Reverse(*count));
        let paired: BTreeSet<&String> = by_queries.iter().take(PAIRED_COLUMNS_MAX).map(|(column, _)| *column).collect();
        let mut both: BTreeMap<(&String, &String), u64> = BTreeMap::new();
        for (columns, count) in sets {
            let columns: Vec<&String> = columns.iter().filter(|column| paired.contains(column)).collect();
            for (at, first) in columns.iter().copied().enumerate() {
                for second in columns[at + 1..].iter().copied() {
                    *both.entry((first, second)).or_default() += count;
                }
            }
        }
        let both = both
            .into_iter()
            .filter(|((first, second), both)| 2 * *both > queries[*first] + queries[*second] - *both)
            .map(|((first, second), both)| ((first.clone(), second.clone()), both))
            .collect();
        Self { queries, both }
    }
}

/// What the answer of the statement says of each table.
pub(super) fn named_of(batches: &[RecordBatch]) -> BTreeMap<TableName, Named> {
    let mut tables: BTreeMap<TableName, Sets> = BTreeMap::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let (Some(table), Some(columns)) = (text(batch, 0, row), text(batch, 1, row)) else { continue };
            let Ok(table) = table.parse::<TableName>() else { continue };
            // A query that reads two fields of one struct reads one column.
            let tops = split_columns(&columns).map(|path| match path.split_once('.') {
                Some((top, _)) => top.to_lowercase(),
                None => path.to_lowercase(),
            });
            *tables.entry(table).or_default().entry(tops.collect()).or_default() += integer(batch, 2, row);
        }
    }
    tables.into_iter().map(|(table, sets)| (table, Named::of(&sets))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(sets: &[(&[&str], u64)]) -> Sets {
        sets.iter().map(|(names, count)| (names.iter().map(|name| (*name).to_owned()).collect(), *count)).collect()
    }

    fn pairs(named: &Named) -> Vec<(&str, &str, u64)> {
        named.both.iter().map(|((first, second), both)| (first.as_str(), second.as_str(), *both)).collect()
    }

    #[test]
    fn queries_count_by_column_and_by_pair_where_most_of_them_named_both() {
        let named = Named::of(&sets(&[(&["b", "a"], 6), (&["a", "b", "c"], 3), (&["c"], 1), (&["a"], 2)]));
        let queries: Vec<(&str, u64)> = named.queries.iter().map(|(column, count)| (column.as_str(), *count)).collect();
        assert_eq!(queries, [("a", 11), ("b", 9), ("c", 4)]);
        // 9 of 11 named both `a` and `b`. Of `a` and `c` it was 3 of 12, of `b` and `c` 3 of 10.
        assert_eq!(pairs(&named), [("a", "b", 9)]);
        let half = Named::of(&sets(&[(&["a", "b"], 2), (&["a"], 2)]));
        assert_eq!(pairs(&half), [], "as often apart as together");
    }

    #[test]
    fn of_a_wide_table_the_columns_that_are_named_most_are_paired() {
        let names: Vec<String> = (0..100).map(|n| format!("c{n:02}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let named = Named::of(&sets(&[(&all, 5), (&["c98", "c99"], 1)]));
        assert_eq!((named.queries.len(), named.both.len()), (100, PAIRED_COLUMNS_MAX * (PAIRED_COLUMNS_MAX - 1) / 2));
        let found = pairs(&named);
        assert_eq!(found[0], ("c00", "c01", 5));
        assert_eq!(found[found.len() - 1], ("c98", "c99", 6), "and the first by name of those that are named alike");
        assert!(found.iter().all(|(first, _, _)| *first < "c18" || *first == "c98"), "{found:?}");
    }
}
