//! Items that were written anew, by the night that found it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use larder_model::ItemName;
use sqlx::{AssertSqlSafe, Row};

use super::{INSERT_ROWS_MAX, Store, StoreError, day_of, failed_to, placeholders};

impl Store {
    /// Adds items to those that the night of `day` found written anew. A night that is run again finds fewer, because it
    /// compares with its own listing, so nothing is taken away.
    pub async fn add_rewrites(&self, day: NaiveDate, items: &[ItemName]) -> Result<(), StoreError> {
        let failed = failed_to("keep what was written anew");
        let mut transaction = self.begin().await?;
        for chunk in items.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO rewrite (day, table_name, partition_name) VALUES {} ON CONFLICT DO NOTHING",
                placeholders(chunk.len(), 3)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for item in chunk {
                insert = insert.bind(day.to_string()).bind(item.table.to_string()).bind(&item.partition);
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// The items that were written anew from `first` to `last`, by day.
    pub async fn rewrites(
        &self,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<BTreeMap<NaiveDate, Vec<ItemName>>, StoreError> {
        let read = failed_to("read what was written anew");
        let rows = sqlx::query(
            "SELECT day, table_name, partition_name FROM rewrite WHERE day >= $1 AND day <= $2 \
             ORDER BY day, table_name, partition_name",
        )
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        let mut days: BTreeMap<NaiveDate, Vec<ItemName>> = BTreeMap::new();
        for row in &rows {
            let day: String = row.try_get("day").map_err(&read)?;
            days.entry(day_of(&day, "rewrite")?).or_default().push(super::catalog::item_of(row)?);
        }
        Ok(days)
    }
}
