//! What the last choice weighed and what is in force, a page at a time.

use larder_model::Whitelist;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::candidates::candidate_row;
use super::{CandidateRow, Store, StoreError, count_of, failed_to, to_sql};

/// Which items, in what order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemQuery {
    /// In the item's name, in capitals or not; empty for all.
    pub search: String,
    /// Only those of this table.
    pub table: Option<String>,
    /// Only those that the whitelist in force holds, or those that it does not.
    pub listed: Option<bool>,
    /// Only those that the last choice took, or that it left out.
    pub taken: Option<bool>,
    /// What they are sorted by.
    pub order: ItemOrder,
    /// The greatest first.
    pub descending: bool,
    /// So many are passed over.
    pub offset: u64,
    /// At most so many.
    pub limit: u32,
}

/// What items can be sorted by. Ties are settled by rank; what was not weighed has none, and comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemOrder {
    /// The place by density: the densest is the first.
    Rank,
    /// What holding a byte of it gains.
    Density,
    /// The name.
    Item,
    /// What holding it takes.
    Bytes,
    /// What holding it saves.
    Value,
    /// How often it was read.
    Requests,
    /// How many queries named it.
    Queries,
}

/// A page of items.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemPage {
    /// How many the query has on all pages.
    pub total: u64,
    /// The value of all candidates together, in seconds.
    pub all_value_seconds: f64,
    /// The page.
    pub rows: Vec<CandidateRow>,
}

/// The candidates, and what is in force besides: that was neither taken nor left out, and has no place.
const ITEMS: &str = "(SELECT table_name, partition_name, bytes, objects, requests, read_bytes, queries, value_seconds, \
                     taken, place, reason, ruling, held, load_seconds, listed, 0 AS unweighed FROM candidate \
                     UNION ALL SELECT table_name, partition_name, bytes, objects, 0, 0, 0, value_seconds, \
                     -1, 0, reason, CAST(NULL AS TEXT), 0, 0.0, 1, 1 FROM unweighed) AS item";

impl Store {
    /// A page of what the last choice weighed and of what is in force, without factors.
    pub async fn items(&self, query: &ItemQuery, in_force: Option<&Whitelist>) -> Result<ItemPage, StoreError> {
        if let Some(in_force) = in_force {
            self.note_listed(in_force).await?;
        }
        let read = failed_to("read the items");
        let direction = if query.descending { "DESC" } else { "ASC" };
        let order = match query.order {
            ItemOrder::Rank => format!("unweighed, place {direction}"),
            ItemOrder::Density => format!("unweighed, place {}", if query.descending { "ASC" } else { "DESC" }),
            ItemOrder::Item => format!("table_name {direction}, partition_name {direction}"),
            ItemOrder::Bytes => format!("bytes {direction}"),
            ItemOrder::Value => format!("value_seconds {direction}"),
            ItemOrder::Requests => format!("requests {direction}"),
            ItemOrder::Queries => format!("queries {direction}"),
        };
        // An empty text or -1 stands for no condition, so that one statement serves all.
        let conditions = "($1 = '' OR LOWER(table_name || '/' || partition_name) LIKE $1 ESCAPE '\\') \
                          AND ($2 = '' OR table_name = $2) AND ($3 = -1 OR taken = $3) \
                          AND ($4 = -1 OR listed = $4)";
        let page = format!(
            "SELECT table_name, partition_name, bytes, objects, requests, read_bytes, queries, value_seconds, taken, \
             place, reason, ruling, held, load_seconds, CAST(NULL AS TEXT) AS factors \
             FROM {ITEMS} WHERE {conditions} ORDER BY {order}, unweighed, place, table_name, partition_name \
             LIMIT $5 OFFSET $6"
        );
        let count = format!("SELECT COUNT(*) AS total FROM {ITEMS} WHERE {conditions}");
        let search = if query.search.is_empty() { String::new() } else { pattern(&query.search) };
        let table = query.table.clone().unwrap_or_default();
        let taken = query.taken.map_or(-1_i64, i64::from);
        let listed = query.listed.map_or(-1_i64, i64::from);
        let total = sqlx::query(AssertSqlSafe(count))
            .bind(search.clone())
            .bind(table.clone())
            .bind(taken)
            .bind(listed)
            .fetch_one(&self.pool)
            .await
            .map_err(&read)?;
        let rows = sqlx::query(AssertSqlSafe(page))
            .bind(search)
            .bind(table)
            .bind(taken)
            .bind(listed)
            .bind(i64::from(query.limit))
            .bind(to_sql(query.offset))
            .fetch_all(&self.pool)
            .await
            .map_err(&read)?;
        let all =
            sqlx::query("SELECT CAST(COALESCE(SUM(value_seconds), 0) AS DOUBLE PRECISION) AS value FROM candidate")
                .fetch_one(&self.pool)
                .await
                .map_err(&read)?;
        Ok(ItemPage {
            total: count_of(&total, "total").map_err(&read)?,
            all_value_seconds: all.try_get("value").map_err(&read)?,
            rows: rows.iter().map(candidate_row).collect::<Result<_, _>>()?,
        })
    }
}

/// Text anywhere in a name, for `LIKE`.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Caps;
    use crate::store::Verdicts;
    use crate::store::tests::{document, scratch};
    use crate::value::Reads;

    fn row(item: &str, rank: u64, bytes: u64, value_seconds: f64) -> CandidateRow {
        CandidateRow {
            item: item.parse().unwrap(),
            bytes,
            objects: 1,
            reads: Reads { requests: 10_u64.saturating_sub(rank), bytes },
            queries: rank,
            value_seconds,
            load_seconds: 1.0,
            held: false,
            factors: Vec::new(),
            taken: rank == 1,
            rank,
            reason: "r".into(),
            ruling: None,
        }
    }

    fn all() -> ItemQuery {
        ItemQuery {
            search: String::new(),
            table: None,
            listed: None,
            taken: None,
            order: ItemOrder::Rank,
            descending: false,
            offset: 0,
            limit: 10,
        }
    }

    async fn names(store: &Store, query: ItemQuery, in_force: Option<&Whitelist>) -> (u64, Vec<String>) {
        let page = store.items(&query, in_force).await.unwrap();
        assert_eq!(page.all_value_seconds, 12.0);
        (page.total, page.rows.iter().map(|row| row.item.to_string()).collect())
    }

    #[tokio::test]
    async fn items_are_searched_sorted_and_paged() {
        let (_folder, store) = scratch().await;
        let rows = vec![row("a.b.t/D=100%", 1, 5, 2.0), row("a.b.t/d=2", 2, 9, 7.0), row("a.c.u/d=1", 3, 7, 3.0)];
        let verdicts = Verdicts { budget_bytes: 10, cut_density: 0.1, caps: Caps::default(), rows };
        store.set_verdicts(&verdicts, 1).await.unwrap();
        let ranked = ["a.b.t/D=100%", "a.b.t/d=2", "a.c.u/d=1"].map(str::to_owned);
        assert_eq!(names(&store, all(), None).await, (3, ranked.to_vec()));
        for (query, total, expected) in [
            (ItemQuery { order: ItemOrder::Bytes, descending: true, limit: 2, ..all() }, 3, vec![1, 2]),
            (ItemQuery { order: ItemOrder::Value, offset: 1, ..all() }, 3, vec![2, 1]),
            (ItemQuery { order: ItemOrder::Item, descending: true, ..all() }, 3, vec![2, 1, 0]),
            (ItemQuery { order: ItemOrder::Requests, ..all() }, 3, vec![2, 1, 0]),
            (ItemQuery { order: ItemOrder::Density, ..all() }, 3, vec![2, 1, 0]),
            (ItemQuery { search: "T/d".into(), ..all() }, 2, vec![0, 1]),
            (ItemQuery { search: "%".into(), ..all() }, 1, vec![0]),
            (ItemQuery { search: "d_1".into(), ..all() }, 0, vec![]),
            (ItemQuery { table: Some("a.c.u".into()), ..all() }, 1, vec![2]),
            (ItemQuery { taken: Some(false), ..all() }, 2, vec![1, 2]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(|at: usize| ranked[at].clone()).collect();
            assert_eq!(names(&store, query.clone(), None).await, (total, expected), "{query:?}");
        }
    }

    fn in_force(version: u64, items: &[&str]) -> Whitelist {
        Whitelist { version, ..document(items) }
    }

    #[tokio::test]
    async fn what_is_in_force_is_told_whatever_the_last_choice_took() {
        let (_folder, store) = scratch().await;
        let rows = vec![row("a.b.t/d=1", 1, 5, 2.0), row("a.b.t/d=2", 2, 9, 7.0), row("a.c.u/d=1", 3, 7, 3.0)];
        let verdicts = Verdicts { budget_bytes: 10, cut_density: 0.1, caps: Caps::default(), rows };
        store.set_verdicts(&verdicts, 1).await.unwrap();
        let (chosen, other) = (in_force(1, &["a.b.t/d=1"]), in_force(2, &["a.b.t/d=2", "a.c.u/d=8", "a.c.u/d=9"]));
        let listed = |listed| ItemQuery { listed: Some(listed), ..all() };
        let of = |names: &[&str]| (names.len() as u64, names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&store, listed(true), None).await, of(&[]), "nothing is in force");
        assert_eq!(names(&store, listed(true), Some(&chosen)).await, of(&["a.b.t/d=1"]));
        assert_eq!(names(&store, listed(false), Some(&chosen)).await, of(&["a.b.t/d=2", "a.c.u/d=1"]));
        let held = of(&["a.b.t/d=2", "a.c.u/d=8", "a.c.u/d=9"]);
        for again in ["another version", "the one before, of a worker that is behind", "another choice"] {
            let whitelist = if again.starts_with("the one before") { &chosen } else { &other };
            if again == "another choice" {
                store.set_verdicts(&verdicts, 2).await.unwrap();
            }
            assert_eq!(names(&store, listed(true), Some(whitelist)).await, held, "{again}");
            assert_eq!(names(&store, listed(false), Some(whitelist)).await, of(&["a.b.t/d=1", "a.c.u/d=1"]), "{again}");
        }
        let largest = ItemQuery { order: ItemOrder::Bytes, descending: true, ..listed(true) };
        assert_eq!(names(&store, largest, Some(&other)).await, of(&["a.c.u/d=8", "a.c.u/d=9", "a.b.t/d=2"]));
        let left_out = ItemQuery { taken: Some(false), ..listed(true) };
        assert_eq!(names(&store, left_out, Some(&other)).await, of(&["a.b.t/d=2"]), "the others were not weighed");
        let last = ItemQuery { offset: 4, descending: true, ..all() };
        let page = store.items(&last, Some(&other)).await.unwrap();
        assert_eq!((page.total, page.rows.len()), (5, 1));
        let last = &page.rows[0];
        assert_eq!((last.item.to_string().as_str(), last.rank, last.taken), ("a.c.u/d=9", 0, false));
        assert_eq!((last.bytes, last.objects, last.value_seconds, last.reason.as_str()), (10, 1, 1.5, "a test"));
    }

    #[tokio::test]
    async fn what_is_in_force_is_told_of_many() {
        let (_folder, store) = scratch().await;
        let rows = (1..=1200).map(|rank| row(&format!("a.b.t/d={rank}"), rank, 5, 0.01)).collect();
        let verdicts = Verdicts { budget_bytes: 10, cut_density: 0.1, caps: Caps::default(), rows };
        store.set_verdicts(&verdicts, 1).await.unwrap();
        let names: Vec<String> = (101..=1260).map(|d| format!("a.b.t/d={d}")).collect();
        let whitelist = in_force(1, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let total = async |listed: Option<bool>, whitelist: &Whitelist| {
            store.items(&ItemQuery { listed, limit: 1, ..all() }, Some(whitelist)).await.unwrap().total
        };
        assert_eq!(total(Some(true), &whitelist).await, 1160);
        assert_eq!((total(Some(false), &whitelist).await, total(None, &whitelist).await), (100, 1260));
        let none = in_force(2, &[]);
        assert_eq!((total(Some(true), &none).await, total(None, &none).await), (0, 1200));
    }
}
