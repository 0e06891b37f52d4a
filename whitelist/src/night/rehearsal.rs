//! Nights without their inputs and outputs, for the simulator: what is forecast, valued, chosen and taken up when it lands is
//! said by the very code of a night and of a landing. Pure.
//!
//! One thing is done another way, to the same end: a night learns its 30 days of history anew, a rehearsal learns each day
//! once and lets it fade.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use larder_model::{IoSpeed, ItemName, Location, TableName, Whitelist};

use super::decide::{Decided, Limits};
use super::foresee::Foresight;
use super::weigh::weigh;
use super::{Demand, NightReport};
use crate::choice::Caps;
use crate::columns::TableColumns;
use crate::forecast::ForecastSettings;
use crate::landing::wanted::{Found, KnownPartitions, fit};
use crate::store::decisions::Rulings;
use crate::store::{CatalogItem, DayItem};

/// What the nights of a replay go by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RehearsalSettings {
    /// What the room that the whitelist leaves is used for.
    pub(crate) demand: Demand,
    /// How the forecast learns.
    pub(crate) forecast: ForecastSettings,
    /// What a read from the origin costs.
    pub(crate) origin: IoSpeed,
    /// What a read from the SSD costs.
    pub(crate) ssd: IoSpeed,
    /// The bytes that items may take together.
    pub(crate) budget_bytes: u64,
    /// The bytes that a night may load.
    pub(crate) write_bytes_max: u64,
    /// What loading is charged, of what it costs: 1, but for ablations.
    pub(crate) load_price: f64,
}

/// Nights that follow each other.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    settings: RehearsalSettings,
    foresight: Foresight,
    catalog: Vec<CatalogItem>,
    /// The partitions of each table in the catalog.
    partitions: HashMap<TableName, Vec<String>>,
    in_force: Option<Whitelist>,
    has_learned: bool,
}

const BUCKET: &str = "replay";

impl Rehearsal {
    /// Nothing known yet.
    pub(crate) fn new(settings: RehearsalSettings) -> Self {
        let foresight = Foresight::new([], settings.origin, settings.ssd, settings.demand);
        Self {
            settings,
            foresight: foresight.with_forecast(settings.forecast),
            catalog: Vec::new(),
            partitions: HashMap::new(),
            in_force: None,
            has_learned: false,
        }
    }

    /// Nights know of an item from now on. One that may not be held only teaches.
    pub(crate) fn add(&mut self, item: ItemName, objects: u64, bytes: u64, may_be_held: bool) {
        self.foresight.add_size(item.clone(), objects, bytes);
        if !may_be_held {
            return;
        }
        self.partitions.entry(item.table.clone()).or_default().push(item.partition.clone());
        let prefixes = vec![prefix(&item)];
        self.catalog.push(CatalogItem { item, bucket: BUCKET.to_owned(), bytes, objects, prefixes, fingerprint: 0 });
    }

    /// Learns a day: what was read, and what was written anew. Days come in order.
    pub(crate) fn learn(&mut self, day: NaiveDate, items: &[DayItem], rewritten: &[ItemName]) {
        self.foresight.observe_rewrites(day, rewritten);
        self.foresight.observe(day, items, self.in_force.as_ref());
        self.has_learned |= !items.is_empty();
    }

    /// Chooses at the end of a day. Before anything was read nothing is chosen.
    pub(crate) fn choose(&mut self, day: NaiveDate, columns: &TableColumns) -> Option<&Whitelist> {
        if !self.has_learned {
            return None;
        }
        let RehearsalSettings { origin, ssd, budget_bytes, write_bytes_max, load_price, .. } = self.settings;
        let weighed = weigh(Vec::new(), self.catalog.clone(), &Rulings::default(), &self.foresight);
        let limits = Limits { budget_bytes, write_bytes_max, caps: Caps::default() };
        let charged = IoSpeed {
            overhead_seconds: load_price * origin.overhead_seconds,
            bytes_per_second: origin.bytes_per_second / load_price,
        };
        let decided = Decided::new(weighed, self.in_force.as_ref(), charged, limits, columns);
        let mut report = NightReport::new(String::new(), day, DateTime::UNIX_EPOCH, budget_bytes);
        (report.origin.speed, report.ssd.speed) = (origin, ssd);
        self.in_force = Some(decided.draft(&report, DateTime::UNIX_EPOCH));
        self.in_force.as_ref()
    }

    /// Partitions landed that no night knows of yet, with their objects and bytes. Tells whether the list has changed.
    pub(crate) fn land(&mut self, landed: &[(ItemName, u64, u64)], now: DateTime<Utc>) -> bool {
        let Some(in_force) = &self.in_force else { return false };
        let mut known: HashMap<&TableName, KnownPartitions> = HashMap::new();
        for (item, _, _) in landed {
            let of_table = || {
                let mut known = KnownPartitions::default();
                self.partitions.get(&item.table).into_iter().flatten().for_each(|partition| known.add(partition));
                known
            };
            known.entry(&item.table).or_insert_with(of_table);
        }
        for held in &in_force.items {
            if let Some(known) = known.get_mut(&held.item.table) {
                known.add_held(&held.item.partition, held.density());
            }
        }
        let found = landed.iter().filter_map(|(item, objects, bytes)| {
            let found = Found {
                locations: vec![Location { bucket: BUCKET.to_owned(), prefix: prefix(item) }],
                bytes: in_force.held_bytes(&item.table, *objects, *bytes),
                objects: *objects,
                expected_density: Some(known[&item.table].expected_density(&item.partition)?),
            };
            Some((item.clone(), found))
        });
        let found: BTreeMap<ItemName, Found> = found.collect();
        if found.is_empty() {
            return false;
        }
        let budget_bytes = self.settings.budget_bytes;
        let fitted = fit(in_force, &found, &Rulings::default(), &Caps::default(), budget_bytes, now);
        let changed = !fitted.came.is_empty();
        if changed {
            self.in_force = Some(fitted.document);
        }
        changed
    }

    /// How many bursts of reads an item is expected to begin on a day after the last that was learned.
    pub(crate) fn expected_bursts(&self, item: &ItemName, day: NaiveDate) -> f64 {
        self.foresight.expected_bursts(item, day)
    }

    /// The list in force.
    pub(crate) fn in_force(&self) -> Option<&Whitelist> {
        self.in_force.as_ref()
    }
}

fn prefix(item: &ItemName) -> String {
    format!("{}/{}/", item.table, item.partition)
}
