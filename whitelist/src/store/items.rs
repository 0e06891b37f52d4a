//! The candidates of the last choice, a page at a time.

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::candidates::candidate_row;
use super::{CandidateRow, Store, StoreError, count_of, failed_to, to_sql};

/// Which candidates, in what order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemQuery {
    /// In the item's name, in capitals or not; empty for all.
    pub search: String,
    /// Only those of this table.
    pub table: Option<String>,
    /// Only those that were taken, or were not.
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

/// What items can be sorted by. Ties are settled by rank.
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

/// A page of candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemPage {
    /// How many the query has on all pages.
    pub total: u64,
    /// The value of all candidates together, in seconds.
    pub all_value_seconds: f64,
    /// The page.
    pub rows: Vec<CandidateRow>,
}

impl Store {
    /// A page of the last choice's candidates, without their factors.
    pub async fn items(&self, query: &ItemQuery) -> Result<ItemPage, StoreError> {
        let read = failed_to("read the items");
        let direction = if query.descending { "DESC" } else { "ASC" };
        let order = match query.order {
            ItemOrder::Rank => format!("place {direction}"),
            ItemOrder::Density => format!("place {}", if query.descending { "ASC" } else { "DESC" }),
            ItemOrder::Item => format!("table_name {direction}, partition_name {direction}"),
            ItemOrder::Bytes => format!("bytes {direction}, place"),
            ItemOrder::Value => format!("value_seconds {direction}, place"),
            ItemOrder::Requests => format!("requests {direction}, place"),
            ItemOrder::Queries => format!("queries {direction}, place"),
        };
        // An empty text or -1 stands for no condition, so that one statement serves all.
        let conditions = "($1 = '' OR LOWER(table_name || '/' || partition_name) LIKE $1 ESCAPE '\\') \
                          AND ($2 = '' OR table_name = $2) AND ($3 = -1 OR taken = $3)";
        let page = format!(
            "SELECT table_name, partition_name, bytes, objects, requests, read_bytes, queries, value_seconds, taken, \
             place, reason, ruling, held, load_seconds, CAST(NULL AS TEXT) AS factors \
             FROM candidate WHERE {conditions} ORDER BY {order} LIMIT $4 OFFSET $5"
        );
        let count = format!("SELECT COUNT(*) AS total FROM candidate WHERE {conditions}");
        let search = if query.search.is_empty() { String::new() } else { pattern(&query.search) };
        let table = query.table.clone().unwrap_or_default();
        let taken = query.taken.map_or(-1_i64, i64::from);
        let total = sqlx::query(AssertSqlSafe(count))
            .bind(search.clone())
            .bind(table.clone())
            .bind(taken)
            .fetch_one(&self.pool)
            .await
            .map_err(&read)?;
        let rows = sqlx::query(AssertSqlSafe(page))
            .bind(search)
            .bind(table)
            .bind(taken)
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
    use crate::store::tests::scratch;
    use crate::value::Reads;

    fn row(item: &str, rank: u64, bytes: u64, value_seconds: f64) -> CandidateRow {
        CandidateRow {
            item: item.parse().unwrap(),
            bytes,
            objects: 1,
            reads: Reads { requests: 10 - rank, bytes },
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
            taken: None,
            order: ItemOrder::Rank,
            descending: false,
            offset: 0,
            limit: 10,
        }
    }

    async fn names(store: &Store, query: ItemQuery) -> (u64, Vec<String>) {
        let page = store.items(&query).await.unwrap();
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
        assert_eq!(names(&store, all()).await, (3, ranked.to_vec()));
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
            assert_eq!(names(&store, query.clone()).await, (total, expected), "{query:?}");
        }
    }
}
