//! Publishing: versions that come, go back and are compared, why an item is in or out, and how workers follow.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use larder_model::{Clock, ItemName, Whitelist, WhitelistItem};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::choice::Ruling;
use crate::store::decisions::Rulings;
use crate::store::{CandidateRow, Store, StoreError, VersionStatus};

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

/// Why an item, or each item of a table, is in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The name that was asked for.
    pub asked: ItemName,
    /// The version in force; zero for none.
    pub version: u64,
    /// Why that version exists.
    pub version_reason: String,
    /// The item; or, for a table with partitions, each of them, the densest first.
    pub items: Vec<ItemExplanation>,
}

/// Why one item is in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemExplanation {
    /// The item.
    pub item: ItemName,
    /// Whether the version in force holds it.
    pub whitelisted: bool,
    /// Why, in words: from the version in force where that holds it, else from the last night's verdict.
    pub reason: String,
    /// What the last night weighed, and how it decided.
    pub verdict: Option<CandidateRow>,
    /// What people decided by now; the next night obeys it.
    pub ruling: Option<Ruling>,
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
    let document = store.whitelist(to).await?.ok_or_else(|| refused("its document is gone".into()))?;
    let document =
        Whitelist { created: clock.now(), reason: format!("rolled back to version {to} by {by}"), ..document };
    store.add_version(document, VersionStatus::Published, None).await
}

/// Puts a proposed version in force. One that a newer version has overtaken is refused.
pub async fn approve(store: &Store, clock: &dyn Clock, version: u64, by: &str) -> Result<Whitelist, StoreError> {
    let refused = |problem: &str| StoreError::Refused(format!("cannot approve version {version}: {problem}"));
    let row = store.version(version).await?.ok_or_else(|| refused("there is no such version"))?;
    if row.status != VersionStatus::Proposed {
        return Err(refused("it was published before"));
    }
    let document = store.whitelist(version).await?.ok_or_else(|| refused("its document is gone"))?;
    let reason = format!("{}, approved by {by}", document.reason);
    let document = Whitelist { created: clock.now(), reason, ..document };
    if store.publish_proposal(&document).await? {
        Ok(document)
    } else {
        Err(refused("a newer version was published since; plan again"))
    }
}

/// Items of one table that are explained at once.
const EXPLAINED_MAX: u32 = 10_000;

/// Why an item, or each item of a table, is in or out of the whitelist `in_force`.
pub async fn explain(store: &Store, in_force: Option<&Whitelist>, asked: &ItemName) -> Result<Explanation, StoreError> {
    let is_item = |item: &ItemName| item == asked || (asked.partition.is_empty() && item.table == asked.table);
    let verdicts = if asked.partition.is_empty() {
        store.candidates_of(&asked.table, EXPLAINED_MAX).await?
    } else {
        store.candidate(asked).await?.into_iter().collect()
    };
    let held: HashMap<&ItemName, &WhitelistItem> = in_force
        .iter()
        .flat_map(|whitelist| &whitelist.items)
        .filter(|item| is_item(&item.item))
        .map(|item| (&item.item, item))
        .collect();
    let version = in_force.map_or(0, |whitelist| whitelist.version);
    let rulings = Rulings::new(store.decisions().await?);
    let mut items: Vec<ItemExplanation> = Vec::with_capacity(verdicts.len());
    for verdict in verdicts {
        let held = held.get(&verdict.item);
        let reason = match (held, verdict.taken) {
            (Some(held), _) => held.reason.clone(),
            (None, false) => verdict.reason.clone(),
            (None, true) => {
                format!("the last night chose it ({}), but version {version} does not hold it", verdict.reason)
            }
        };
        items.push(ItemExplanation {
            item: verdict.item.clone(),
            whitelisted: held.is_some(),
            reason,
            ruling: rulings.of(&verdict.item).cloned(),
            verdict: Some(verdict),
        });
    }
    let explained: HashSet<ItemName> = items.iter().map(|known| known.item.clone()).collect();
    for (name, held) in held {
        if !explained.contains(name) && items.len() < EXPLAINED_MAX as usize {
            let reason = held.reason.clone();
            let ruling = rulings.of(name).cloned();
            items.push(ItemExplanation { item: name.clone(), whitelisted: true, reason, verdict: None, ruling });
        }
    }
    Ok(Explanation {
        asked: asked.clone(),
        version,
        version_reason: in_force.map(|whitelist| whitelist.reason.clone()).unwrap_or_default(),
        items,
    })
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
