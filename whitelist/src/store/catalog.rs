//! What each bucket held when it could last be listed.

use larder_model::{ItemName, TableName};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{INSERT_ROWS_MAX, Store, StoreError, bad_data, count_of, failed_to, placeholders, to_sql};

/// What one bucket holds of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogItem {
    /// The table and partition.
    pub item: ItemName,
    /// The bucket on the S3 endpoint.
    pub bucket: String,
    /// Bytes of its objects.
    pub bytes: u64,
    /// Its objects.
    pub objects: u64,
    /// The folders (or whole keys) that hold it, in order.
    pub prefixes: Vec<String>,
    /// Differs where any object came, went or is another version; 0 where that is not known.
    pub fingerprint: u64,
}

impl Store {
    /// Puts a bucket's listing in the place of what was known of it, all at once.
    pub async fn replace_catalog(&self, bucket: &str, items: &[CatalogItem]) -> Result<(), StoreError> {
        let failed = failed_to("replace a bucket's catalog");
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM catalog_item WHERE bucket = $1")
            .bind(bucket.to_owned())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        for chunk in items.chunks(INSERT_ROWS_MAX) {
            let statement = format!(
                "INSERT INTO catalog_item (bucket, table_name, partition_name, bytes, objects, prefixes, fingerprint) \
                 VALUES {}",
                placeholders(chunk.len(), 7)
            );
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for item in chunk {
                insert = insert
                    .bind(bucket.to_owned())
                    .bind(item.item.table.to_string())
                    .bind(&item.item.partition)
                    .bind(to_sql(item.bytes))
                    .bind(to_sql(item.objects))
                    .bind(serde_json::to_string(&item.prefixes).expect("a list of texts always serialises"))
                    .bind(item.fingerprint.cast_signed());
            }
            insert.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// Forgets buckets that are no longer configured.
    pub async fn keep_only_buckets(&self, buckets: &[&str]) -> Result<(), StoreError> {
        let failed = failed_to("forget buckets");
        let known =
            sqlx::query("SELECT DISTINCT bucket FROM catalog_item").fetch_all(&self.pool).await.map_err(&failed)?;
        for row in known {
            let bucket: String = row.try_get(0).map_err(&failed)?;
            if !buckets.contains(&bucket.as_str()) {
                self.replace_catalog(&bucket, &[]).await?;
            }
        }
        Ok(())
    }

    /// All that the buckets hold, by item.
    pub async fn catalog(&self) -> Result<Vec<CatalogItem>, StoreError> {
        let rows = sqlx::query(
            "SELECT bucket, table_name, partition_name, bytes, objects, prefixes, fingerprint FROM catalog_item \
             ORDER BY table_name, partition_name, bucket",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed_to("read the catalog"))?;
        rows.iter().map(catalog_item).collect()
    }

    /// What the buckets held of one table, by item.
    pub(crate) async fn catalog_of(&self, table: &TableName) -> Result<Vec<CatalogItem>, StoreError> {
        let rows = sqlx::query(
            "SELECT bucket, table_name, partition_name, bytes, objects, prefixes, fingerprint FROM catalog_item \
             WHERE table_name = $1 ORDER BY partition_name, bucket",
        )
        .bind(table.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(failed_to("read a table's catalog"))?;
        rows.iter().map(catalog_item).collect()
    }
}

fn catalog_item(row: &AnyRow) -> Result<CatalogItem, StoreError> {
    let read = failed_to("read the catalog");
    let item = item_of(row)?;
    let prefixes: String = row.try_get("prefixes").map_err(&read)?;
    let prefixes =
        serde_json::from_str(&prefixes).map_err(|error| bad_data(format!("the catalog's item `{item}`"), error))?;
    Ok(CatalogItem {
        item,
        bucket: row.try_get("bucket").map_err(&read)?,
        bytes: count_of(row, "bytes").map_err(&read)?,
        objects: count_of(row, "objects").map_err(&read)?,
        prefixes,
        fingerprint: row.try_get::<i64, _>("fingerprint").map_err(&read)?.cast_unsigned(),
    })
}

/// The item that a row's `table_name` and `partition_name` spell.
pub(super) fn item_of(row: &AnyRow) -> Result<ItemName, StoreError> {
    let read = failed_to("read an item's name");
    let table: String = row.try_get("table_name").map_err(&read)?;
    let table: TableName = table.parse().map_err(|error| bad_data("an item", error))?;
    Ok(ItemName { table, partition: row.try_get("partition_name").map_err(&read)? })
}
