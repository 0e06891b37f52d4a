//! Publishing: versions that come, go back and are compared, and how workers follow.

mod shared;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use larder_model::whitelist::Cause;
use larder_model::{Clock, ItemName, Whitelist, WhitelistItem};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

pub use self::shared::{SharedError, SharedWhitelist, Taker};
use crate::store::versions::DOCUMENTS_MAX;
use crate::store::{Store, StoreError, VersionStatus};

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhitelistDiff {
    /// The version compared from; zero for none.
    pub from: u64,
    /// The version compared to.
    pub to: u64,
    /// Items that only `to` holds, in its order.
    pub added: Vec<WhitelistItem>,
    /// Items that only `from` holds, in its order.
    pub removed: Vec<WhitelistItem>,
    /// Items of both whose bytes or locations differ, as `to` has them.
    pub changed: Vec<WhitelistItem>,
    /// How many items are the same in both.
    pub unchanged: u64,
}

/// What differs between two versions. A missing `from` is an empty one.
pub fn diff(from: Option<&Whitelist>, to: &Whitelist) -> WhitelistDiff {
    let old: HashMap<&ItemName, &WhitelistItem> =
        from.iter().flat_map(|from| &from.items).map(|item| (&item.item, item)).collect();
    let new: HashSet<&ItemName> = to.items.iter().map(|item| &item.item).collect();
    let mut diff = WhitelistDiff {
        from: from.map_or(0, |from| from.version),
        to: to.version,
        added: Vec::new(),
        removed: Vec::new(),
        changed: Vec::new(),
        unchanged: 0,
    };
    for item in &to.items {
        match old.get(&item.item) {
            None => diff.added.push(item.clone()),
            Some(old) if old.bytes != item.bytes || old.locations != item.locations => diff.changed.push(item.clone()),
            Some(_) => diff.unchanged += 1,
        }
    }
    let left = from.iter().flat_map(|from| &from.items).filter(|item| !new.contains(&item.item));
    diff.removed = left.cloned().collect();
    diff
}

/// Publishes the items of an earlier version again, as a new version: history only grows.
pub async fn rollback(store: &Store, clock: &dyn Clock, to: u64, by: &str) -> Result<Whitelist, StoreError> {
    let refused = |problem: String| StoreError::Refused(format!("cannot roll back to version {to}: {problem}"));
    let row = store.version(to).await?.ok_or_else(|| refused("there is no such version".into()))?;
    if row.status != VersionStatus::Published {
        return Err(refused("it was proposed and never published; approve it instead".into()));
    }
    if store.version_in_force().await? == Some(to) {
        return Err(refused("it is in force".into()));
    }
    let gone = || refused(format!("its items were let go, as those of all but the newest {DOCUMENTS_MAX} versions"));
    let document = store.whitelist(to).await?.ok_or_else(gone)?;
    let document = Whitelist { created: clock.now(), ..document };
    let document = document.because(Cause::RollBack { to, by: by.to_owned() });
    store.add_version(document, VersionStatus::Published, None).await
}

/// Puts a proposed version in force. One that a newer version has overtaken is refused.
pub async fn approve(store: &Store, clock: &dyn Clock, version: u64, by: &str) -> Result<Whitelist, StoreError> {
    let refused = |problem: &str| StoreError::Refused(format!("cannot approve version {version}: {problem}"));
    let row = store.version(version).await?.ok_or_else(|| refused("there is no such version"))?;
    if row.status != VersionStatus::Proposed {
        return Err(refused("it was published before"));
    }
    let document = store.whitelist(version).await?.ok_or_else(|| refused("its items were let go since; plan again"))?;
    let of = document.cause.clone().map(Box::new);
    let document = Whitelist { created: clock.now(), ..document };
    let document = document.because(Cause::Approval { by: by.to_owned(), of });
    if store.publish_proposal(&document).await? {
        Ok(document)
    } else {
        Err(refused("a newer version was published since; plan again"))
    }
}

/// Published versions that are tried, the newest first, until one can be read.
const OLDER_VERSIONS_MAX: u32 = 20;

/// Follows the whitelist in force: looks every so often, and keeps the last good one while the store is down or the
/// newest document is broken. Returns after the first look, so that a worker does not begin with nothing when there is
/// something. Each new problem is logged once, with its place in the document.
pub async fn follow(
    store: Store,
    every: Duration,
    shutdown: CancellationToken,
) -> watch::Receiver<Option<Arc<Whitelist>>> {
    let mut follower = Follower { store, seen: None, problem: None };
    let first = follower.look().await.map(Arc::new);
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                () = tokio::time::sleep(every) => {}
            }
            if let Some(whitelist) = follower.look().await {
                tracing::info!(
                    version = whitelist.version,
                    items = whitelist.items.len(),
                    "a new whitelist is in force"
                );
                sender.send_replace(Some(Arc::new(whitelist)));
            }
        }
    });
    receiver
}

#[derive(Debug)]
struct Follower {
    store: Store,
    /// The newest version looked at, good or broken.
    seen: Option<u64>,
    /// The problem that was last logged.
    problem: Option<String>,
}

impl Follower {
    /// A whitelist that is new since the last look.
    async fn look(&mut self) -> Option<Whitelist> {
        match self.try_look().await {
            Ok(found) => found,
            Err(error) => {
                self.log_once(&error);
                None
            }
        }
    }

    async fn try_look(&mut self) -> Result<Option<Whitelist>, StoreError> {
        let Some(version) = self.store.version_in_force().await? else { return Ok(None) };
        if self.seen == Some(version) {
            return Ok(None);
        }
        let is_first = self.seen.is_none();
        match self.store.whitelist(version).await {
            Ok(found) => {
                self.seen = Some(version);
                self.problem = None;
                return Ok(found);
            }
            Err(broken @ StoreError::Data { .. }) => {
                self.seen = Some(version);
                self.log_once(&broken);
            }
            Err(unreachable) => return Err(unreachable),
        }
        if is_first { self.older(version).await } else { Ok(None) }
    }

    /// After a restart the last good whitelist is not in memory; it is the newest before the broken one that can be read.
    async fn older(&self, than: u64) -> Result<Option<Whitelist>, StoreError> {
        for row in self.store.versions(OLDER_VERSIONS_MAX).await? {
            if row.status == VersionStatus::Published
                && row.version < than
                && let Ok(Some(whitelist)) = self.store.whitelist(row.version).await
            {
                return Ok(Some(whitelist));
            }
        }
        Ok(None)
    }

    fn log_once(&mut self, error: &StoreError) {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {source}");
        if self.problem.as_ref() != Some(&text) {
            tracing::warn!(%error, source, "the whitelist cannot be read; the last good one stays in force");
            self.problem = Some(text);
        }
    }
}

#[cfg(test)]
mod tests;
