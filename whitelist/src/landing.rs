//! Landings: partitions that come between two nights, and those that are rewritten.
//!
//! The daemon looks at the folders of whitelisted tables every so often, asks the metastore for their partitions if there is
//! one, and looks at once at what the storage's events name.
//! A new partition of a table whose newest partitions are held is taken to be worth what they are (`wanted` says when);
//! if there is room for it, or it is worth more than what is least dense, a version of the whitelist with it comes into
//! force, and the workers are told to load it before anybody reads it. A held partition that has changed is loaded anew.
//!
//! Nothing is kept between looks but what the listings last showed, so a daemon may stop anywhere. Several daemons may
//! look at once: a version is published only over the one that it was made from.

mod list;
mod objects;
pub(crate) mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use larder_model::{ItemName, Location, Whitelist, WhitelistItem};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::list::{Listed, Lister, Place};
#[cfg(test)]
pub(crate) use self::objects::tests as objects_tests;
pub use self::objects::{EventBucket, TouchedItems};
pub(crate) use self::objects::{ObjectEvents, Refused};
use self::wanted::{Fitted, Found, KnownPartitions, fit, tables_of};
use crate::night::{Night, WorkerReport};
use crate::store::StoreError;
use crate::store::decisions::Rulings;

/// Folders listed at a time.
const LISTINGS_AT_ONCE: usize = 8;

/// Items listed in one look; the tables that are left come first in the next.
const LISTINGS_MAX: usize = 2_000;

/// Of a table with partitions, so many of the newest held ones are looked at for rewrites: those that are rewritten are
/// mostly new, and the night sees the others.
const REWRITES_LOOKED_AT: usize = 8;

/// Events of one partition come file by file: so long after the first, they are looked at together.
const SETTLE: Duration = Duration::from_secs(2);

/// The interval of polls that nobody wants.
const UNUSED: Duration = Duration::from_secs(86_400);

/// What a look came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LandingReport {
    /// The version it published; zero for none.
    pub version: u64,
    /// Partitions that landed and are held now.
    pub came: Vec<ItemName>,
    /// Held items that were rewritten, and are loaded anew.
    pub rewritten: Vec<ItemName>,
    /// Held items that had to make room.
    pub displaced: Vec<ItemName>,
    /// Partitions that landed and found no place, and why.
    pub left_out: Vec<(ItemName, String)>,
    /// What each worker was told.
    pub workers: Vec<WorkerReport>,
    /// Listings that failed, in words.
    pub problems: Vec<String>,
}

/// Looks for what landed.
#[derive(Debug)]
pub struct Landing {
    night: Night,
    lister: Lister,
    touched: TouchedItems,
    seen: Mutex<Seen>,
}

/// What is remembered between looks.
#[derive(Debug, Default)]
struct Seen {
    /// What each held item's listing last came to.
    fingerprints: HashMap<ItemName, u64>,
    /// What landed and found no place: its listing and the version then, so that it is weighed anew only when one of them
    /// has changed.
    left_out: HashMap<ItemName, (u64, u64)>,
    /// The table that the next look begins with.
    next_table: usize,
}

impl Landing {
    /// Looks in the buckets of a night, tells its workers, and keeps to its budget.
    pub fn new(night: Night, touched: TouchedItems) -> Self {
        let lister = Lister::new(&night.catalog);
        Self { night, lister, touched, seen: Mutex::default() }
    }

    /// Looks until `shutdown`: every `landing_poll`, and when events arrive.
    pub async fn run(self, shutdown: CancellationToken) {
        let every = self.night.settings.landing_poll;
        let polls = !every.is_zero();
        // However many events come, the polls go on beside them.
        let mut ticks = tokio::time::interval(if polls { every } else { UNUSED });
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let looked = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick(), if polls => shutdown.run_until_cancelled(self.poll()).await,
                () = self.touched.arrived() => {
                    if shutdown.run_until_cancelled(tokio::time::sleep(SETTLE)).await.is_none() {
                        return;
                    }
                    shutdown.run_until_cancelled(self.look_at_touched()).await
                }
            };
            match looked {
                None => return,
                Some(Ok(report)) => log(&report),
                Some(Err(error)) => tracing::warn!(%error, "what landed could not be looked at; the next look will"),
            }
        }
    }

    /// Looks at the folders of whitelisted tables.
    pub async fn poll(&self) -> Result<LandingReport, StoreError> {
        let Some(in_force) = self.night.store.whitelist_in_force().await? else { return Ok(LandingReport::default()) };
        let mut report = LandingReport::default();
        let mut places = Vec::new();
        let mut tables: Vec<_> = tables_of(&in_force).into_iter().collect();
        tables.sort_by_key(|(table, _)| *table);
        let begin = self.seen.lock().next_table % tables.len().max(1);
        tables.rotate_left(begin);
        let mut looked_at = 0;
        for (table, items) in &tables {
            if places.len() >= LISTINGS_MAX {
                break;
            }
            looked_at += 1;
            places.extend(items.iter().filter(|item| item.item.partition.is_empty()).map(|item| Place::held(item)));
            if items.iter().any(|item| !item.item.partition.is_empty()) {
                let known = self.known(table, items).await?;
                let declared = self.declared(table, &known).await.unwrap_or_else(|problem| {
                    report.problems.push(format!("{table}: the metastore: {problem}"));
                    BTreeMap::new()
                });
                match self.partitions(&known, items, declared).await {
                    Ok(found) => places.extend(found),
                    Err(problem) => report.problems.push(format!("{table}: {problem}")),
                }
            }
        }
        self.seen.lock().next_table = if looked_at == tables.len() { 0 } else { begin + looked_at };
        self.take(&in_force, places, &BTreeSet::new(), report).await
    }

    /// Looks at what events have named since the last time.
    pub async fn look_at_touched(&self) -> Result<LandingReport, StoreError> {
        let touched = self.touched.drain();
        let Some(in_force) = self.night.store.whitelist_in_force().await? else { return Ok(LandingReport::default()) };
        let tables = tables_of(&in_force);
        let mut places = Vec::new();
        for name in &touched {
            let Some(items) = tables.get(&name.table) else { continue };
            if let Some(held) = items.iter().find(|item| item.item == *name) {
                places.push(Place::held(held));
            } else if !name.partition.is_empty() {
                let known = self.known(&name.table, items).await?;
                places.extend(self.wanted(&known, items, &name.partition));
            }
        }
        self.take(&in_force, places, &touched, LandingReport::default()).await
    }

    /// A table's partitions: those that the buckets held in the last night, and those that are whitelisted.
    async fn known(
        &self,
        table: &larder_model::TableName,
        items: &[&WhitelistItem],
    ) -> Result<KnownPartitions, StoreError> {
        let mut known = KnownPartitions::default();
        for item in self.night.store.catalog_of(table).await? {
            known.add(&item.item.partition);
        }
        for item in items {
            known.add_held(&item.item.partition, item.density());
        }
        Ok(known)
    }

    /// Where to look for a partition that is wanted.
    fn wanted(&self, known: &KnownPartitions, items: &[&WhitelistItem], partition: &str) -> Option<Place> {
        let density = known.expected_density(partition)?;
        let locations =
            roots(items).into_iter().map(|(bucket, root)| Location { bucket, prefix: format!("{root}{partition}/") });
        let item = ItemName { table: items.first()?.item.table.clone(), partition: partition.to_owned() };
        Some(Place { item, locations: locations.collect(), expected_density: Some(density) })
    }

    /// The partitions that the metastore has and that are wanted, and where they lie.
    async fn declared(
        &self,
        table: &larder_model::TableName,
        known: &KnownPartitions,
    ) -> Result<BTreeMap<String, Location>, String> {
        let Some(metastore) = &self.night.metastore else { return Ok(BTreeMap::new()) };
        let mut names = metastore.partition_names(table).await?;
        names.retain(|name| known.expected_density(name).is_some());
        Ok(metastore.locations(table, names).await?.into_iter().collect())
    }

    /// The places of a table to look at: the partitions that are wanted, those of them that a metastore has declared where it
    /// says, and the newest held ones.
    async fn partitions(
        &self,
        known: &KnownPartitions,
        items: &[&WhitelistItem],
        declared: BTreeMap<String, Location>,
    ) -> Result<Vec<Place>, String> {
        let levels = items.iter().map(|item| item.item.partition.split('/').count()).max().unwrap_or(1);
        let mut names = BTreeSet::new();
        for (bucket, root) in roots(items) {
            names.extend(self.lister.partitions(&bucket, &root, levels, known).await?);
        }
        names.retain(|partition| !declared.contains_key(partition));
        let wanted = names.iter().filter_map(|partition| self.wanted(known, items, partition));
        let declared = declared.into_iter().filter_map(|(partition, location)| {
            let place = self.wanted(known, items, &partition)?;
            Some(Place { locations: vec![location], ..place })
        });
        let by_name: HashMap<&str, &&WhitelistItem> =
            items.iter().map(|item| (item.item.partition.as_str(), item)).collect();
        let newest = known.held_newest_first();
        let newest = newest.into_iter().filter(|name| !name.is_empty()).take(REWRITES_LOOKED_AT);
        Ok(wanted
            .chain(declared)
            .chain(newest.filter_map(|name| by_name.get(name)).map(|item| Place::held(item)))
            .collect())
    }

    /// Lists the places, publishes what is to be held of them, and tells the workers.
    async fn take(
        &self,
        in_force: &Whitelist,
        places: Vec<Place>,
        touched: &BTreeSet<ItemName>,
        mut report: LandingReport,
    ) -> Result<LandingReport, StoreError> {
        let listings: Vec<BoxFuture<'_, _>> = places
            .into_iter()
            .map(|place| async move { (self.lister.list(&place.locations).await, place) }.boxed())
            .collect();
        let mut listings = futures::stream::iter(listings).buffered(LISTINGS_AT_ONCE);
        let mut found: BTreeMap<ItemName, Found> = BTreeMap::new();
        let mut fingerprints = Vec::new();
        while let Some((listed, place)) = listings.next().await {
            match listed {
                Ok(listed) if place.expected_density.is_none() => {
                    let is_new = self.has_changed(in_force, &place, &listed, touched.contains(&place.item));
                    fingerprints.push((place.item.clone(), listed.fingerprint));
                    if is_new {
                        report.rewritten.push(place.item.clone());
                        found.insert(place.item.clone(), place.found(listed, in_force));
                    }
                }
                Ok(listed) if listed.objects > 0 && !self.night.settings.approval => {
                    if self.seen.lock().left_out.get(&place.item) == Some(&(listed.fingerprint, in_force.version)) {
                        continue;
                    }
                    fingerprints.push((place.item.clone(), listed.fingerprint));
                    found.insert(place.item.clone(), place.found(listed, in_force));
                }
                // Nothing has landed there, or whatever lands waits for the next night's proposal.
                Ok(_) => {}
                Err(problem) => report.problems.push(format!("{}: {problem}", place.item)),
            }
        }
        drop(listings);
        if found.is_empty() {
            self.seen.lock().fingerprints.extend(fingerprints);
            return Ok(report);
        }
        let rulings = Rulings::new(self.night.store.decisions().await?);
        let (caps, budget) = (self.night.settings.caps(), self.night.settings.budget.as_u64());
        let fitted = fit(in_force, &found, &rulings, &caps, budget, self.night.clock.now());
        let Fitted { document, came, changed, left, left_out } = fitted;
        if self.seen.lock().left_out.len() > LISTINGS_MAX {
            self.seen.lock().left_out.clear();
        }
        for (item, fingerprint) in &fingerprints {
            if left_out.iter().any(|(out, _)| out == item) {
                self.seen.lock().left_out.insert(item.clone(), (*fingerprint, in_force.version));
            }
        }
        report.left_out = left_out;
        let publishes = !came.is_empty() || !changed.is_empty();
        let whitelist = if publishes && !self.night.settings.approval {
            let Some(published) = self.night.store.publish_over(in_force.version, document).await? else {
                // A night or another daemon was quicker: the next look begins with what that published.
                return Ok(LandingReport { problems: report.problems, ..LandingReport::default() });
            };
            (report.version, report.came, report.displaced) = (published.version, came, left);
            published
        } else {
            in_force.clone()
        };
        let loads: BTreeSet<ItemName> = report.came.iter().chain(&report.rewritten).cloned().collect();
        if !loads.is_empty() {
            report.workers = self.night.tell_workers_of(&whitelist, &loads).await?;
        }
        let told = report.workers.iter().all(|worker| worker.problem.is_none());
        let mut seen = self.seen.lock();
        // What a worker was not told is told again: the next look finds another fingerprint than this.
        let seen_as = |(item, fingerprint): (ItemName, u64)| {
            let is_told = told || !loads.contains(&item);
            (item, if is_told { fingerprint } else { !fingerprint })
        };
        seen.fingerprints.extend(fingerprints.into_iter().map(seen_as));
        let held: BTreeSet<&ItemName> = whitelist.items.iter().map(|item| &item.item).collect();
        seen.fingerprints.retain(|item, _| held.contains(item));
        Ok(report)
    }

    /// Whether a held item is another than it was: by its last listing, else by its size in the whitelist. What an event
    /// has named has changed unless its listing says that it was seen so.
    fn has_changed(&self, in_force: &Whitelist, place: &Place, listed: &Listed, touched: bool) -> bool {
        match self.seen.lock().fingerprints.get(&place.item) {
            Some(seen) => *seen != listed.fingerprint,
            None => {
                let held = in_force.items.iter().find(|item| item.item == place.item);
                let bytes = in_force.held_bytes(&place.item.table, listed.objects, listed.bytes);
                touched || held.is_some_and(|item| (item.bytes, item.objects) != (bytes, listed.objects))
            }
        }
    }
}

/// The folders that hold a table's partitions, each with its bucket: `db/t/` where a partition lies in `db/t/dt=1/`.
fn roots(items: &[&WhitelistItem]) -> BTreeSet<(String, String)> {
    let of = |item: &&WhitelistItem| {
        let below = format!("{}/", item.item.partition);
        let roots = item.locations.iter().filter_map(move |location| {
            Some((location.bucket.clone(), location.prefix.strip_suffix(&below)?.to_owned()))
        });
        roots.collect::<Vec<_>>()
    };
    items.iter().filter(|item| !item.item.partition.is_empty()).flat_map(of).collect()
}

fn log(report: &LandingReport) {
    for problem in &report.problems {
        tracing::warn!(problem, "a folder could not be looked at for what landed");
    }
    for (item, reason) in &report.left_out {
        tracing::info!(%item, reason, "a partition landed and is not held");
    }
    for worker in &report.workers {
        if let Some(problem) = &worker.problem {
            tracing::warn!(worker = worker.worker, problem, "a worker was not told what landed");
        }
    }
    if report.version > 0 || !report.rewritten.is_empty() {
        tracing::info!(
            version = report.version,
            came = report.came.len(),
            rewritten = report.rewritten.len(),
            displaced = report.displaced.len(),
            "partitions landed"
        );
    }
}

#[cfg(test)]
mod tests;
