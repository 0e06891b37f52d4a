//! Joining what the access log saw with what the query events say, so that nothing counts twice.
//!
//! The access log knows each read exactly, but only of reads that came through Larder. Events know of all reads of an
//! engine, but give one figure a table, which is spread over the partitions that the query named. So per table and day:
//!
//! - its total is the larger of the two streams' totals;
//! - what the access log saw stays as it is;
//! - what the events say beyond that goes to the partitions for which they say more than the access log.
//!
//! Where each partition's larger figure adds up to the larger total, that is what every partition gets.

use std::collections::{BTreeMap, HashMap};

use larder_model::{ItemName, TableName};

use crate::store::DayItem;
use crate::value::Reads;

/// Engines merge neighbouring reads up to about this size, so a query that read more must have sent more requests.
const REQUEST_BYTES_MAX: f64 = 8.0 * 1024.0 * 1024.0;

/// Events come without their times of day, so queries stand for bursts; there are no more half-hours than these.
const BURSTS_PER_DAY_MAX: u64 = 48;

/// Stands for a partition in the aggregates where engines named a table and the access log was silent about it.
pub(crate) const WHOLE_TABLE: &str = "*";

/// One row of the access log's answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AccessRow {
    pub(super) table: Option<String>,
    pub(super) partition: String,
    pub(super) log_rows: u64,
    pub(super) requests: u64,
    pub(super) bytes: f64,
    pub(super) hit_requests: u64,
    pub(super) hit_bytes: f64,
    pub(super) hit_seconds: f64,
    pub(super) bursts: u64,
}

/// One row of the query events' answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EventRow {
    pub(super) table: Option<String>,
    pub(super) partition: String,
    pub(super) log_rows: u64,
    pub(super) queries: u64,
    pub(super) bytes: f64,
}

impl AccessRow {
    fn add(&mut self, row: &Self) {
        self.requests += row.requests;
        self.bytes += row.bytes;
        self.hit_requests += row.hit_requests;
        self.hit_bytes += row.hit_bytes;
        self.hit_seconds += row.hit_seconds;
        self.bursts = self.bursts.max(row.bursts);
    }
}

impl EventRow {
    fn add(&mut self, row: &Self) {
        self.queries += row.queries;
        self.bytes += row.bytes;
    }

    /// Events do not count requests; these there must have been.
    fn requests(&self) -> f64 {
        (self.bytes / REQUEST_BYTES_MAX).ceil().max(self.queries as f64)
    }
}

/// Both streams as one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Joined {
    /// By name.
    pub(super) items: Vec<DayItem>,
    /// Reads of no known table.
    pub(super) unattributed: Reads,
}

/// What the two streams say of one item.
#[derive(Default)]
struct Both {
    access: AccessRow,
    event: EventRow,
}

pub(super) fn join(access: Vec<AccessRow>, events: Vec<EventRow>) -> Joined {
    let mut joined = Joined::default();
    let mut tables: HashMap<TableName, BTreeMap<String, Both>> = HashMap::new();
    for row in access {
        match item_of(row.table.as_deref(), &row.partition) {
            Some(item) => tables.entry(item.table).or_default().entry(item.partition).or_default().access.add(&row),
            None => joined.unattributed += Reads { requests: row.requests, bytes: row.bytes as u64 },
        }
    }
    for row in events {
        match item_of(row.table.as_deref(), &row.partition) {
            Some(item) => tables.entry(item.table).or_default().entry(item.partition).or_default().event.add(&row),
            None => joined.unattributed += Reads { requests: 0, bytes: row.bytes as u64 },
        }
    }
    for (table, mut partitions) in tables {
        set_whole_table_apart(&mut partitions);
        joined.items.extend(join_table(&table, partitions));
    }
    joined.items.sort_by(|a, b| a.item.cmp(&b.item));
    joined
}

/// The item a row names, if the name has the form of one.
fn item_of(table: Option<&str>, partition: &str) -> Option<ItemName> {
    let table = table?;
    if partition.is_empty() { table.parse().ok() } else { format!("{table}/{partition}").parse().ok() }
}

/// An event that names a table without its partitions says nothing that the access log does not say better, once that
/// has seen the table's partitions. Where the log is silent about the table, the event's figure is kept apart, and the
/// night spreads it over what the catalog knows of the table.
fn set_whole_table_apart(partitions: &mut BTreeMap<String, Both>) {
    let log_saw_table = partitions.values().any(|both| both.access.requests > 0);
    let log_saw_partitions = partitions.iter().any(|(name, both)| !name.is_empty() && both.access.requests > 0);
    let Some(whole) = partitions.get_mut("") else { return };
    if log_saw_partitions {
        whole.event = EventRow::default();
    } else if !log_saw_table {
        let event = std::mem::take(&mut whole.event);
        partitions.remove("");
        partitions.insert(WHOLE_TABLE.to_owned(), Both { access: AccessRow::default(), event });
    }
}

fn join_table(table: &TableName, partitions: BTreeMap<String, Both>) -> impl Iterator<Item = DayItem> {
    let bytes = Shares::of(partitions.values().map(|both| (both.access.bytes, both.event.bytes)));
    let requests = Shares::of(partitions.values().map(|both| (both.access.requests as f64, both.event.requests())));
    let table = table.clone();
    partitions.into_iter().map(move |(partition, Both { access, event })| DayItem {
        item: ItemName { table: table.clone(), partition },
        reads: Reads {
            requests: requests.share(access.requests as f64, event.requests()).round() as u64,
            bytes: bytes.share(access.bytes, event.bytes).round() as u64,
        },
        queries: event.queries,
        hit_requests: access.hit_requests,
        hit_bytes: access.hit_bytes as u64,
        hit_seconds: access.hit_seconds,
        bursts: access.bursts.max(event.queries.min(BURSTS_PER_DAY_MAX)),
    })
}

/// How much of what the events say beyond the access log is real.
struct Shares {
    real: f64,
}

impl Shares {
    fn of(figures: impl Iterator<Item = (f64, f64)>) -> Self {
        let (mut access, mut event, mut beyond) = (0.0, 0.0, 0.0);
        for (a, e) in figures {
            access += a;
            event += e;
            beyond += (e - a).max(0.0);
        }
        let missed: f64 = f64::max(event - access, 0.0);
        Self { real: if beyond > 0.0 { (missed / beyond).min(1.0) } else { 0.0 } }
    }

    fn share(&self, access: f64, event: f64) -> f64 {
        access + (event - access).max(0.0) * self.real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(partition: &str, requests: u64, bytes: f64) -> AccessRow {
        AccessRow { table: Some("a.b.t".into()), partition: partition.into(), requests, bytes, ..Default::default() }
    }

    fn event(partition: &str, queries: u64, bytes: f64) -> EventRow {
        EventRow { table: Some("a.b.t".into()), partition: partition.into(), queries, bytes, ..Default::default() }
    }

    fn bytes(joined: &Joined) -> Vec<(&str, u64)> {
        joined.items.iter().map(|item| (item.item.partition.as_str(), item.reads.bytes)).collect()
    }

    #[test]
    fn one_stream_alone_counts_as_it_is() {
        let joined = join(vec![access("d=1", 7, 100.0)], vec![]);
        assert_eq!(joined.items[0].reads, Reads { requests: 7, bytes: 100 });
        let joined = join(vec![], vec![event("d=1", 3, 40e6)]);
        assert_eq!(joined.items[0].reads, Reads { requests: 5, bytes: 40_000_000 }, "40 MB in reads of 8 MiB at most");
        assert_eq!(joined.items[0].queries, 3);
    }

    #[test]
    fn the_same_reads_in_both_streams_count_once() {
        let joined = join(
            vec![access("d=1", 9, 90.0), access("d=2", 1, 10.0)],
            vec![event("d=1", 1, 50.0), event("d=2", 1, 50.0)],
        );
        assert_eq!(bytes(&joined), [("d=1", 90), ("d=2", 10)], "the spread figure of an event moves nothing");
        let total: u64 = joined.items.iter().map(|item| item.reads.requests).sum();
        assert_eq!(total, 10);
    }

    #[test]
    fn reads_that_bypassed_larder_are_added_where_they_went() {
        let joined = join(vec![access("d=1", 9, 100.0)], vec![event("d=1", 1, 100.0), event("d=2", 1, 50.0)]);
        assert_eq!(bytes(&joined), [("d=1", 100), ("d=2", 50)]);
        let joined = join(
            vec![access("d=1", 9, 90.0), access("d=2", 1, 10.0)],
            vec![event("d=1", 1, 55.0), event("d=2", 1, 55.0)],
        );
        assert_eq!(bytes(&joined), [("d=1", 90), ("d=2", 20)], "the total is the larger of the two totals");
    }

    #[test]
    fn a_table_named_as_a_whole_counts_only_where_the_log_is_silent() {
        let joined = join(vec![access("d=1", 1, 10.0), access("", 1, 5.0)], vec![event("", 1, 1000.0)]);
        assert_eq!(bytes(&joined), [("", 5), ("d=1", 10)]);
        let joined = join(vec![], vec![event("", 1, 1000.0)]);
        assert_eq!(bytes(&joined), [(WHOLE_TABLE, 1000)]);
        let joined = join(vec![access("", 4, 300.0)], vec![event("", 1, 1000.0)]);
        assert_eq!(bytes(&joined), [("", 1000)], "a table without partitions is joined like a partition");
    }

    #[test]
    fn reads_of_no_known_table_are_kept_apart() {
        let nameless = AccessRow { table: None, ..access("", 3, 7.0) };
        let misnamed = AccessRow { table: Some("nonsense".into()), ..access("", 1, 1.0) };
        let no_partition = access("nokey", 1, 2.0);
        let joined = join(vec![nameless, misnamed, no_partition], vec![]);
        assert_eq!(joined, Joined { items: vec![], unattributed: Reads { requests: 5, bytes: 10 } });
    }
}
