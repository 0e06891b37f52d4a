//! What the whitelist in force holds, noted beside what the last choice weighed, so that the store can find, sort and count
//! by it.
//!
//! The two differ where a version was approved or rolled back to since, where a proposal waits, and where something landed.

use std::collections::HashMap;

use larder_model::{ItemName, Whitelist, WhitelistItem};
use sqlx::AssertSqlSafe;

use super::{INSERT_ROWS_MAX, Store, StoreError, count_of, failed_to, placeholders, to_sql};

/// Candidates that one statement notes. Their places stand in its text: SQLite is slow with many parameters.
const NOTED_AT_ONCE: usize = 500;

impl Store {
    /// Notes what is in force, unless that was done for this version, or a later one, since the last choice. A choice and a
    /// version each cost this once; before the first choice there is nothing to note it beside.
    pub(super) async fn note_listed(&self, in_force: &Whitelist) -> Result<(), StoreError> {
        let failed = failed_to("note what is in force");
        let noted = sqlx::query("SELECT listed FROM choice").fetch_optional(&self.pool).await.map_err(&failed)?;
        let Some(noted) = noted else { return Ok(()) };
        if count_of(&noted, "listed").map_err(&failed)? >= in_force.version {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let begun = sqlx::query("UPDATE choice SET listed = $1 WHERE listed < $1")
            .bind(to_sql(in_force.version))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        // Of several that come here at once, one does it; the others wait, and find it done.
        if begun.rows_affected() == 0 {
            return Ok(());
        }
        let mut unweighed: HashMap<&ItemName, &WhitelistItem> =
            in_force.items.iter().map(|item| (&item.item, item)).collect();
        let rows = sqlx::query("SELECT table_name, partition_name, place, listed FROM candidate")
            .fetch_all(&mut *transaction)
            .await
            .map_err(&failed)?;
        let (mut came, mut left) = (Vec::new(), Vec::new());
        for row in &rows {
            let is_listed = unweighed.remove(&super::catalog::item_of(row)?).is_some();
            let was_listed = count_of(row, "listed").map_err(&failed)? > 0;
            let place = count_of(row, "place").map_err(&failed)?;
            match (was_listed, is_listed) {
                (false, true) => came.push(place),
                (true, false) => left.push(place),
                _ => {}
            }
        }
        for (places, listed) in [(came, 1), (left, 0)] {
            for chunk in places.chunks(NOTED_AT_ONCE) {
                let chunk: Vec<String> = chunk.iter().map(u64::to_string).collect();
                let chunk = chunk.join(", ");
                let statement = format!("UPDATE candidate SET listed = {listed} WHERE place IN ({chunk})");
                // It never comes again in these words: to remember how it is done would push out statements that do.
                let statement = sqlx::query(AssertSqlSafe(statement)).persistent(false);
                statement.execute(&mut *transaction).await.map_err(&failed)?;
            }
        }
        sqlx::query("DELETE FROM unweighed").execute(&mut *transaction).await.map_err(&failed)?;
        let unweighed: Vec<&WhitelistItem> = unweighed.into_values().collect();
        for chunk in unweighed.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO unweighed (table_name, partition_name, bytes, objects, value_seconds, reason) VALUES {}",
                placeholders(chunk.len(), 6)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for item in chunk {
                insert = insert
                    .bind(item.item.table.to_string())
                    .bind(&item.item.partition)
                    .bind(to_sql(item.bytes))
                    .bind(to_sql(item.objects))
                    .bind(item.value_seconds)
                    .bind(&item.reason);
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }
}
