//! A lease: at most one night is at work at a time, and one that was killed does not block the next.
//!
//! The holder moves a counter while it lives. Who finds the lease held watches the counter for a while, by its own
//! timer: a counter that stands still belongs to the dead, and is taken over. No two machines' clocks are compared.

use std::time::Duration;

use sqlx::Row;
use tokio::task::JoinHandle;

use super::{Store, StoreError, failed_to};

/// How often the holder moves its counter.
const BEAT: Duration = Duration::from_secs(2);

/// How long a counter must stand still until its holder is taken for dead.
const PATIENCE: Duration = Duration::from_secs(15);

/// A lease that is held until it is released. One that is only dropped runs out by itself.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    name: String,
    holder: String,
    beating: JoinHandle<()>,
}

impl Store {
    /// Takes the lease `name` for `holder`. Waits as long as it takes to tell whether another holder lives; if so, says
    /// who.
    pub async fn lease(&self, name: &str, holder: &str) -> Result<Lease, StoreError> {
        self.lease_with(name, holder, BEAT, PATIENCE).await
    }

    async fn lease_with(
        &self,
        name: &str,
        holder: &str,
        beat: Duration,
        patience: Duration,
    ) -> Result<Lease, StoreError> {
        let failed = failed_to("take a lease");
        let inserted =
            sqlx::query("INSERT INTO lease (name, holder, beat) VALUES ($1, $2, 0) ON CONFLICT (name) DO NOTHING")
                .bind(name.to_owned())
                .bind(holder.to_owned())
                .execute(&self.pool)
                .await
                .map_err(&failed)?;
        if inserted.rows_affected() == 0 {
            let Some((other, seen)) = self.lease_beat(name).await? else {
                return Err(StoreError::Busy { lease: name.to_owned(), holder: "another, just done,".into() });
            };
            tracing::info!(lease = name, holder = other, "the lease is held; watching whether its holder lives");
            tokio::time::sleep(patience).await;
            let taken =
                sqlx::query("UPDATE lease SET holder = $1, beat = 0 WHERE name = $2 AND holder = $3 AND beat = $4")
                    .bind(holder.to_owned())
                    .bind(name.to_owned())
                    .bind(&other)
                    .bind(seen)
                    .execute(&self.pool)
                    .await
                    .map_err(&failed)?;
            if taken.rows_affected() == 0 {
                return Err(StoreError::Busy { lease: name.to_owned(), holder: other });
            }
            tracing::warn!(lease = name, holder = other, "took the lease over from a holder that stopped");
        }
        let beating = tokio::spawn(beat_on(self.clone(), name.to_owned(), holder.to_owned(), beat));
        Ok(Lease { store: self.clone(), name: name.to_owned(), holder: holder.to_owned(), beating })
    }

    async fn lease_beat(&self, name: &str) -> Result<Option<(String, i64)>, StoreError> {
        let read = failed_to("read a lease");
        let row = sqlx::query("SELECT holder, beat FROM lease WHERE name = $1")
            .bind(name.to_owned())
            .fetch_optional(&self.pool)
            .await
            .map_err(&read)?;
        row.map(|row| Ok((row.try_get(0).map_err(&read)?, row.try_get(1).map_err(&read)?))).transpose()
    }
}

impl Lease {
    /// Whether the lease is still held; one whose holder was taken for dead is not.
    pub async fn is_held(&self) -> Result<bool, StoreError> {
        Ok(self.store.lease_beat(&self.name).await?.is_some_and(|(holder, _)| holder == self.holder))
    }

    /// Gives the lease back.
    pub async fn release(self) -> Result<(), StoreError> {
        self.beating.abort();
        sqlx::query("DELETE FROM lease WHERE name = $1 AND holder = $2")
            .bind(&self.name)
            .bind(&self.holder)
            .execute(&self.store.pool)
            .await
            .map_err(failed_to("release a lease"))?;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

async fn beat_on(store: Store, name: String, holder: String, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let moved = sqlx::query("UPDATE lease SET beat = beat + 1 WHERE name = $1 AND holder = $2")
            .bind(&name)
            .bind(&holder)
            .execute(&store.pool)
            .await;
        if let Err(error) = moved {
            tracing::warn!(%error, lease = name, "could not renew the lease; trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::scratch;

    #[tokio::test]
    async fn a_living_holder_is_respected_and_a_dead_one_replaced() {
        let (_folder, store) = scratch().await;
        let (beat, patience) = (Duration::from_millis(20), Duration::from_millis(400));
        let first = store.lease_with("night", "first", beat, patience).await.unwrap();
        let busy = store.lease_with("night", "second", beat, patience).await.unwrap_err();
        assert!(busy.to_string().contains("first is at work"), "{busy}");
        drop(first);
        let second = store.lease_with("night", "second", beat, patience).await.unwrap();
        assert!(second.is_held().await.unwrap());
        second.release().await.unwrap();
        store.lease_with("night", "third", beat, patience).await.unwrap().release().await.unwrap();
    }
}
