//! What each whitelisted item was expected to save on a day, and what it saved.

use chrono::NaiveDate;
use larder_model::ItemName;
use sqlx::{AssertSqlSafe, Row};

use super::{INSERT_ROWS_MAX, Store, StoreError, day_of, failed_to, placeholders};
use crate::realised::ItemDay;

impl Store {
    /// Puts the items of a day in the place of what was known of it, all at once.
    pub async fn replace_realised(&self, day: NaiveDate, items: &[ItemDay]) -> Result<(), StoreError> {
        let failed = failed_to("keep what a day realised");
        let day = day.to_string();
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM realised WHERE day = $1")
            .bind(&day)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        for chunk in items.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO realised (day, table_name, partition_name, predicted_seconds, read_seconds, \
                 realised_seconds) VALUES {}",
                placeholders(chunk.len(), 6)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for item in chunk {
                insert = insert
                    .bind(&day)
                    .bind(item.item.table.to_string())
                    .bind(&item.item.partition)
                    .bind(item.predicted_seconds)
                    .bind(item.read_seconds)
                    .bind(item.realised_seconds);
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// The newest days on which an item was whitelisted, the newest first.
    pub async fn realised_of(&self, item: &ItemName, limit: u32) -> Result<Vec<ItemDay>, StoreError> {
        let read = failed_to("read what an item realised");
        let rows = sqlx::query(
            "SELECT day, predicted_seconds, read_seconds, realised_seconds FROM realised \
             WHERE table_name = $1 AND partition_name = $2 ORDER BY day DESC LIMIT $3",
        )
        .bind(item.table.to_string())
        .bind(&item.partition)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(&read)?;
        rows.iter()
            .map(|row| {
                Ok(ItemDay {
                    day: day_of(&row.try_get::<String, _>("day").map_err(&read)?, "day")?,
                    item: item.clone(),
                    predicted_seconds: row.try_get("predicted_seconds").map_err(&read)?,
                    read_seconds: row.try_get("read_seconds").map_err(&read)?,
                    realised_seconds: row.try_get("realised_seconds").map_err(&read)?,
                })
            })
            .collect()
    }
}
