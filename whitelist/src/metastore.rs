//! A Hive Metastore as a source: which tables there are and where they and their partitions lie, whatever their folders are
//! called.
//!
//! What it says becomes part of the buckets' rules, so that reads, listings and logs are told apart by it ([`Metastore::learn`]).
//! Of partitions only those are kept that do not lie where Hive's names say, below their table's folder: the others need no
//! telling. Between two nights only partitions that were not there before are asked for; a night asks for all.
//!
//! A metastore that cannot be asked takes nothing away: what was known before counts.

mod client;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use larder_model::{DeclaredFolder, DeclaredFolders, ItemName, Location, TableName};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub use self::client::MetastoreAddresses;
use self::client::{Client, DescribedTable};
use crate::logs::Places;

/// Tables or partitions asked for in one call.
const BATCH: usize = 500;

/// Partitions that do not lie where Hive's names say; those beyond are left to their paths.
const ODD_PARTITIONS_MAX: usize = 1_000_000;

/// Learns from a metastore.
#[derive(Debug)]
pub struct Metastore {
    addresses: MetastoreAddresses,
    places: Places,
    known: Mutex<Arc<Known>>,
}

/// What a metastore has said.
#[derive(Debug, Default, Clone)]
struct Known {
    tables: BTreeMap<TableName, Table>,
    /// Where partitions lie that are not where Hive's names say.
    odd: BTreeMap<ItemName, Location>,
    /// Hashes of the partitions whose place was asked for.
    asked: HashSet<u64>,
}

/// A table in one of the buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    /// As the metastore names it.
    database: String,
    name: String,
    location: Location,
}

impl Metastore {
    /// One that speaks of tables in these buckets.
    pub fn new(addresses: MetastoreAddresses, places: Places) -> Arc<Self> {
        Arc::new(Self { addresses, places, known: Mutex::default() })
    }

    /// Asks for tables, and for the partitions that are new; the buckets' rules know then. Errors are words.
    pub async fn learn(self: &Arc<Self>) -> Result<(), String> {
        let known = Arc::clone(&self.known.lock());
        let this = Arc::clone(self);
        let learnt = blocking(move || this.ask_for_all(&known)).await?;
        self.take(learnt);
        Ok(())
    }

    /// Asks for everything: places that were changed are seen too.
    pub async fn learn_anew(self: &Arc<Self>) -> Result<(), String> {
        let this = Arc::clone(self);
        let learnt = blocking(move || this.ask_for_all(&Known::default())).await?;
        self.take(learnt);
        Ok(())
    }

    /// Learns every so often, until `shutdown`.
    pub async fn run(self: Arc<Self>, every: Duration, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_problem = None;
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(learnt) = shutdown.run_until_cancelled(self.learn()).await else { return };
            let problem = learnt.err();
            match &problem {
                // It is said once, not every so often.
                Some(problem) if last_problem.is_none() => {
                    tracing::warn!(
                        problem,
                        "the metastore cannot be asked where tables lie; what was known before counts"
                    );
                }
                None if last_problem.is_some() => tracing::info!("the metastore says where tables lie again"),
                Some(_) | None => {}
            }
            last_problem = problem;
        }
    }

    /// The names of a table's partitions; none of a table that the metastore does not have.
    pub(crate) async fn partition_names(self: &Arc<Self>, table: &TableName) -> Result<Vec<String>, String> {
        let Some(table) = self.known.lock().tables.get(table).cloned() else { return Ok(Vec::new()) };
        let this = Arc::clone(self);
        blocking(move || Client::connect(&this.addresses)?.partition_names(&table.database, &table.name)).await
    }

    /// Where some partitions of a table lie; those that are gone, or in no bucket, are left out.
    pub(crate) async fn locations(
        self: &Arc<Self>,
        table: &TableName,
        names: Vec<String>,
    ) -> Result<Vec<(String, Location)>, String> {
        let Some(of) = self.known.lock().tables.get(table).cloned() else { return Ok(Vec::new()) };
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let this = Arc::clone(self);
        let asked = of.clone();
        let found = blocking(move || this.partitions(&mut Client::connect(&this.addresses)?, &asked, &names)).await?;
        let mut known = Known::clone(&self.known.lock());
        known.keep(table, &of, &found);
        self.take(known);
        Ok(found)
    }

    fn ask_for_all(&self, before: &Known) -> thrift::Result<Known> {
        let mut client = Client::connect(&self.addresses)?;
        let mut known = Known::default();
        for database in client.databases()? {
            let names = client.tables(&database)?;
            for names in names.chunks(BATCH) {
                for described in client.describe(&database, names)? {
                    let Some((table, place)) = self.table(&database, &described) else { continue };
                    if described.is_partitioned {
                        self.ask_for_partitions(&mut client, &table, &place, before, &mut known)?;
                    }
                    known.tables.insert(table, place);
                }
            }
        }
        Ok(known)
    }

    /// What a table is called here, and its place; `None` for what is in no bucket.
    fn table(&self, database: &str, described: &DescribedTable) -> Option<(TableName, Table)> {
        let (place, key) = self.places.locate(described.location.as_deref()?)?;
        let table = TableName::new(&place.catalog.replace('.', "_"), database, &described.name).ok()?;
        // A table that is all of a bucket says nothing that tells its objects from others.
        let location = Location { bucket: place.bucket.clone(), prefix: folder(&key)? };
        Some((table, Table { database: database.to_owned(), name: described.name.clone(), location }))
    }

    fn ask_for_partitions(
        &self,
        client: &mut Client,
        table: &TableName,
        place: &Table,
        before: &Known,
        known: &mut Known,
    ) -> thrift::Result<()> {
        let names = client.partition_names(&place.database, &place.name)?;
        let moved = before.tables.get(table).is_some_and(|was| was.location != place.location);
        let (old, new): (Vec<String>, Vec<String>) =
            names.into_iter().partition(|name| !moved && before.asked.contains(&hash(table, name)));
        for partition in old {
            known.asked.insert(hash(table, &partition));
            let item = ItemName { table: table.clone(), partition };
            if let Some(location) = before.odd.get(&item) {
                known.odd.insert(item, location.clone());
            }
        }
        for names in new.chunks(BATCH) {
            let found = self.partitions(client, place, names)?;
            known.keep(table, place, &found);
            // Those in no bucket need not be asked for again either.
            known.asked.extend(names.iter().map(|name| hash(table, name)));
        }
        Ok(())
    }

    fn partitions(&self, client: &mut Client, of: &Table, names: &[String]) -> thrift::Result<Vec<(String, Location)>> {
        // The answer names partitions by their values.
        let by_values: HashMap<Vec<String>, &String> = names.iter().map(|name| (values(name), name)).collect();
        let mut found = Vec::with_capacity(names.len());
        for names in names.chunks(BATCH) {
            for partition in client.partitions(&of.database, &of.name, names)? {
                let Some(name) = by_values.get(&partition.values) else { continue };
                let Some((place, key)) = partition.location.as_deref().and_then(|url| self.places.locate(url)) else {
                    continue;
                };
                let Some(prefix) = folder(&key) else { continue };
                found.push(((*name).clone(), Location { bucket: place.bucket.clone(), prefix }));
            }
        }
        Ok(found)
    }

    fn take(&self, learnt: Known) {
        for place in self.places.iter() {
            place.rules.declare(learnt.folders(&place.bucket));
        }
        *self.known.lock() = Arc::new(learnt);
    }
}

impl Known {
    /// Keeps where some partitions lie.
    fn keep(&mut self, table: &TableName, place: &Table, found: &[(String, Location)]) {
        for (partition, location) in found {
            self.asked.insert(hash(table, partition));
            let is_usual = location.bucket == place.location.bucket
                && location.prefix.strip_prefix(&place.location.prefix) == Some(&format!("{partition}/"));
            if !is_usual && self.odd.len() < ODD_PARTITIONS_MAX {
                self.odd.insert(ItemName { table: table.clone(), partition: partition.clone() }, location.clone());
            }
        }
    }

    /// What it comes to for one bucket. Of several tables or partitions in one folder the first by name has it.
    fn folders(&self, bucket: &str) -> DeclaredFolders {
        let mut folders = DeclaredFolders::new();
        for (table, place) in self.tables.iter().filter(|(_, place)| place.location.bucket == bucket) {
            let folder = DeclaredFolder { table: table.clone(), partition: None };
            folders.entry(place.location.prefix.clone()).or_insert(folder);
        }
        for (item, location) in self.odd.iter().filter(|(_, location)| location.bucket == bucket) {
            let folder = DeclaredFolder { table: item.table.clone(), partition: Some(item.partition.clone()) };
            folders.entry(location.prefix.clone()).or_insert(folder);
        }
        folders
    }
}

async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> thrift::Result<T> + Send + 'static) -> Result<T, String> {
    let asked = tokio::task::spawn_blocking(ask).await.expect("asking a metastore does not panic");
    asked.map_err(|error| match error {
        // What the library adds in front says nothing more.
        thrift::Error::Application(refusal) => refusal.message,
        error => error.to_string(),
    })
}

/// A folder's key prefix; `None` for a whole bucket.
fn folder(key: &str) -> Option<String> {
    let key = key.trim_matches('/');
    (!key.is_empty()).then(|| format!("{key}/"))
}

/// The values in a partition's name, without Hive's escapes.
fn values(partition: &str) -> Vec<String> {
    let value = |part: &str| unescape(part.split_once('=').map_or(part, |(_, value)| value));
    partition.split('/').map(value).collect()
}

/// Hive escapes a byte of a name as `%` and two hexadecimal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = (first == b'%').then(|| behind.get(..2)).flatten();
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hash(table: &TableName, partition: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (table, partition).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_names() {
        assert_eq!(values("dt=2024-01-01/h=2"), ["2024-01-01", "2"]);
        assert_eq!(values("t=a%2Fb%3Dc/u=%E4%B8%AD"), ["a/b=c", "中"]);
        assert_eq!(values("t=100%/u=%zz"), ["100%", "%zz"]);
        assert_eq!(values("t=__HIVE_DEFAULT_PARTITION__"), ["__HIVE_DEFAULT_PARTITION__"]);
    }

    #[test]
    fn only_partitions_in_other_places_are_kept() {
        let location = |bucket: &str, prefix: &str| Location { bucket: bucket.into(), prefix: prefix.into() };
        let table: TableName = "hive.db.t".parse().unwrap();
        let place = Table { database: "db".into(), name: "t".into(), location: location("wh", "0a1b/") };
        let found = [
            ("dt=1".to_owned(), location("wh", "0a1b/dt=1/")),
            ("dt=2".to_owned(), location("wh", "old/2/")),
            ("dt=3".to_owned(), location("other", "0a1b/dt=3/")),
            ("dt=4".to_owned(), location("wh", "0a1b/")),
        ];
        let mut known = Known::default();
        known.keep(&table, &place, &found);
        known.tables.insert(table.clone(), place);
        let folders = |bucket: &str| {
            let mut folders: Vec<_> = known.folders(bucket).into_iter().map(|(key, of)| (key, of.partition)).collect();
            folders.sort();
            folders
        };
        assert_eq!(folders("wh"), [("0a1b/".to_owned(), None), ("old/2/".to_owned(), Some("dt=2".to_owned()))]);
        assert_eq!(folders("other"), [("0a1b/dt=3/".to_owned(), Some("dt=3".to_owned()))]);
        assert_eq!(known.asked.len(), 4);
    }
}
