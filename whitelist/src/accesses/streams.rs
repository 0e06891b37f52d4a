//! Joining what the access log saw with what the query events say, so that nothing counts twice.
//!
//! The access log knows each read exactly, and when it began, but only of reads that came through Larder. Events know of
//! all reads of an engine, but give one figure a table, which is spread over the partitions that the query named; and of
//! its time they know that the reads lie between its creation and its end. So both come by half-hours, and:
//!
//! - what the access log saw stays as it is;
//! - what it saw of a table while a query ran accounts for what the event says that the query read of it, once: the reads
//!   of one half-hour account for as many bytes of events, however many queries ran then;
//! - what of a table's events is not accounted for went around Larder, and is added. It goes to the partitions whose own
//!   reads do not account for their own events.
//!
//! A query may run through many half-hours, and nobody knows how its reads lie in them. To spread them evenly would count
//! those of one half-hour twice and miss those of the next. To join all half-hours that some query ran through would make
//! one day of a busy table's, for some query runs over each edge. So queries are given reads in the order in which they end,
//! the earliest reads first. No other way accounts for more, so that what is added is the least that both streams can mean.
//! It is too low where a query reads around Larder what another one, of which no event tells, reads through it at the same
//! time.
//!
//! A query that ran past midnight may have read on through Larder on the day after, whose log is not looked at here. Where
//! the access log saw its table on the day, such a query adds nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use larder_model::{ItemName, TableName};

use crate::logs::FUTURE_MAX;
use crate::store::DayItem;
use crate::value::Reads;

/// Engines merge neighbouring reads up to about this size, so a query that read more must have sent more requests.
const REQUEST_BYTES_MAX: f64 = 8.0 * 1024.0 * 1024.0;

const HALF_HOUR_SECONDS: i64 = 1800;
const HALF_HOURS_PER_DAY: u64 = 48;

/// Stands for a partition in the aggregates where engines named a table and the access log was silent about it.
pub(crate) const WHOLE_TABLE: &str = "*";

/// One row of the access log's answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AccessRow {
    pub(super) table: Option<String>,
    pub(super) partition: String,
    /// Since 1970. Where only the day is told apart, zero for all that is not in the future.
    pub(super) half_hour: u64,
    pub(super) log_rows: u64,
    pub(super) requests: u64,
    pub(super) bytes: f64,
    pub(super) hit_requests: u64,
    pub(super) hit_bytes: f64,
    pub(super) hit_seconds: f64,
    /// Half-hours with reads.
    pub(super) bursts: u64,
}

/// One row of the query events' answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EventRow {
    pub(super) table: Option<String>,
    pub(super) partition: String,
    /// In which the queries began, since 1970; zero where only the day is told apart.
    pub(super) first_half_hour: u64,
    /// In which they ended, likewise.
    pub(super) last_half_hour: u64,
    pub(super) log_rows: u64,
    pub(super) queries: u64,
    pub(super) bytes: f64,
    /// Half-hours in which some of them began.
    pub(super) bursts: u64,
}

impl EventRow {
    /// Events do not count requests; these there must have been.
    fn requests(&self) -> f64 {
        (self.bytes / REQUEST_BYTES_MAX).ceil().max(self.queries as f64)
    }
}

/// Where a day ends and the future begins, in half-hours since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The first of the day after.
    pub(super) midnight: u64,
    /// The first that lies in the future, further than clocks may differ.
    pub(super) future: u64,
}

impl Bounds {
    pub(super) fn new(day: NaiveDate, now: DateTime<Utc>) -> Self {
        let half_hour = |time: DateTime<Utc>| u64::try_from(time.timestamp() / HALF_HOUR_SECONDS).unwrap_or(0);
        Self {
            midnight: half_hour(day.and_time(NaiveTime::MIN).and_utc()) + HALF_HOURS_PER_DAY,
            future: half_hour(now + FUTURE_MAX) + 1,
        }
    }
}

/// Both streams as one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Joined {
    /// By name.
    pub(super) items: Vec<DayItem>,
    /// Reads of no known table.
    pub(super) unattributed: Reads,
    /// Rows of both streams that count.
    pub(super) log_rows: u64,
    /// Rows of the access log that lie in the future, and do not.
    pub(super) rows_ahead: u64,
}

/// The half-hours that a query ran in. The last comes first, because those that end first are the first to be given reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    last: u64,
    first: u64,
}

impl Span {
    fn contains(self, half_hour: u64) -> bool {
        (self.first..=self.last).contains(&half_hour)
    }
}

/// How much was read.
#[derive(Debug, Clone, Copy)]
struct Amount {
    requests: f64,
    bytes: f64,
}

/// What events say of queries of one span.
#[derive(Debug, Clone, Copy)]
struct Told {
    span: Span,
    amount: Amount,
    queries: u64,
    bursts: u64,
}

/// What the two streams say of one item.
#[derive(Debug, Default)]
struct Both {
    /// Summed up over the day.
    access: AccessRow,
    /// The same by half-hour, where anything was read.
    seen: Vec<(u64, Amount)>,
    told: Vec<Told>,
    queries: u64,
}

impl Both {
    fn see(&mut self, row: &AccessRow) {
        self.access.requests += row.requests;
        self.access.bytes += row.bytes;
        self.access.hit_requests += row.hit_requests;
        self.access.hit_bytes += row.hit_bytes;
        self.access.hit_seconds += row.hit_seconds;
        self.access.bursts += row.bursts;
        if row.requests > 0 {
            self.seen.push((row.half_hour, Amount { requests: row.requests as f64, bytes: row.bytes }));
        }
    }

    fn tell(&mut self, row: &EventRow) {
        let span = Span { first: row.first_half_hour, last: row.last_half_hour.max(row.first_half_hour) };
        let amount = Amount { requests: row.requests(), bytes: row.bytes };
        self.told.push(Told { span, amount, queries: row.queries, bursts: row.bursts });
        self.queries += row.queries;
    }

    fn forget_past(&mut self, midnight: u64) {
        self.told.retain(|told| told.span.last < midnight);
    }

    /// What is told of it beyond what was seen of it.
    fn beyond(&self, of: impl Fn(&Amount) -> f64) -> f64 {
        beyond(
            self.seen.iter().map(|(half_hour, amount)| (*half_hour, of(amount))).collect(),
            self.told.iter().map(|told| (told.span, of(&told.amount))).collect(),
        )
    }

    /// Half-hours with reads: those that the log saw, and those in which queries began while it saw none.
    fn bursts(&self) -> u64 {
        let is_unseen = |told: &&Told| !self.seen.iter().any(|(half_hour, _)| told.span.contains(*half_hour));
        let mut begun: BTreeMap<u64, u64> = BTreeMap::new();
        for told in self.told.iter().filter(is_unseen) {
            let bursts = begun.entry(told.span.first).or_default();
            *bursts = told.bursts.max(*bursts);
        }
        (self.access.bursts + begun.values().sum::<u64>()).min(HALF_HOURS_PER_DAY)
    }
}

/// How much is told beyond what was seen while it may have been read.
fn beyond(mut seen: Vec<(u64, f64)>, mut told: Vec<(Span, f64)>) -> f64 {
    seen.sort_unstable_by_key(|(half_hour, _)| *half_hour);
    told.sort_unstable_by_key(|(span, _)| *span);
    let mut beyond = 0.0;
    for (span, mut missing) in told {
        let from = seen.partition_point(|(half_hour, _)| *half_hour < span.first);
        for (_, left) in seen[from..].iter_mut().take_while(|(half_hour, _)| *half_hour <= span.last) {
            let taken = missing.min(*left);
            *left -= taken;
            missing -= taken;
        }
        beyond += missing;
    }
    beyond
}

/// Joins a day's streams. What of the access log lies in the future is left out, and counted.
pub(super) fn join(
    access: impl IntoIterator<Item = AccessRow>,
    events: impl IntoIterator<Item = EventRow>,
    bounds: Bounds,
) -> Joined {
    let mut joined = Joined::default();
    let mut tables: HashMap<TableName, BTreeMap<String, Both>> = HashMap::new();
    let mut unattributed = Both::default();
    for row in access {
        if row.half_hour >= bounds.future {
            joined.rows_ahead += row.log_rows;
            continue;
        }
        joined.log_rows += row.log_rows;
        match item_of(row.table.as_deref(), &row.partition) {
            Some(item) => tables.entry(item.table).or_default().entry(item.partition).or_default().see(&row),
            None => unattributed.see(&row),
        }
    }
    for row in events {
        joined.log_rows += row.log_rows;
        match item_of(row.table.as_deref(), &row.partition) {
            Some(item) => tables.entry(item.table).or_default().entry(item.partition).or_default().tell(&row),
            None => unattributed.tell(&row),
        }
    }
    for (table, mut partitions) in tables {
        if partitions.values().any(|both| both.access.requests > 0) {
            partitions.values_mut().for_each(|both| both.forget_past(bounds.midnight));
        }
        set_whole_table_apart(&mut partitions);
        joined.items.extend(join_table(&table, &partitions));
    }
    joined.items.sort_by(|a, b| a.item.cmp(&b.item));
    if unattributed.access.requests > 0 {
        unattributed.forget_past(bounds.midnight);
    }
    // Of what they read of no known table engines say the bytes alone.
    let bytes = unattributed.access.bytes + unattributed.beyond(|amount| amount.bytes);
    joined.unattributed = Reads { requests: unattributed.access.requests, bytes: bytes.round() as u64 };
    joined
}

/// The item a row names, if the name has the form of one.
fn item_of(table: Option<&str>, partition: &str) -> Option<ItemName> {
    let table = table?;
    if partition.is_empty() { table.parse().ok() } else { format!("{table}/{partition}").parse().ok() }
}

/// An event that names a table without its partitions says nothing that the access log does not say better, if that saw
/// partitions of the table while the query ran. Else the event's figure is kept apart, and the night spreads it over what
/// the catalog knows of the table; but where the log saw reads of the table as one without partitions, it is joined with
/// those.
fn set_whole_table_apart(partitions: &mut BTreeMap<String, Both>) {
    if partitions.get("").is_none_or(|whole| whole.queries == 0) {
        return;
    }
    let named = partitions.iter().filter(|(name, _)| !name.is_empty());
    let seen: BTreeSet<u64> = named.flat_map(|(_, both)| both.seen.iter().map(|(half_hour, _)| *half_hour)).collect();
    let Some(whole) = partitions.get_mut("") else { return };
    let is_seen = |told: &Told| seen.range(told.span.first..=told.span.last).next().is_some();
    let known: u64 = whole.told.iter().filter(|told| is_seen(told)).map(|told| told.queries).sum();
    whole.queries -= known;
    whole.told.retain(|told| !is_seen(told));
    if whole.access.requests == 0
        && let Some(apart) = partitions.remove("").filter(|both| !both.told.is_empty())
    {
        partitions.insert(WHOLE_TABLE.to_owned(), apart);
    }
}

fn join_table(table: &TableName, partitions: &BTreeMap<String, Both>) -> Vec<DayItem> {
    let (bytes, requests) = (added(partitions, |amount| amount.bytes), added(partitions, |amount| amount.requests));
    let item = |((partition, both), (bytes, requests)): ((&String, &Both), (f64, f64))| DayItem {
        item: ItemName { table: table.clone(), partition: partition.clone() },
        reads: Reads {
            requests: (both.access.requests as f64 + requests).round() as u64,
            bytes: (both.access.bytes + bytes).round() as u64,
        },
        queries: both.queries,
        hit_requests: both.access.hit_requests,
        hit_bytes: both.access.hit_bytes as u64,
        hit_seconds: both.access.hit_seconds,
        bursts: both.bursts(),
    };
    partitions.iter().zip(bytes.into_iter().zip(requests)).map(item).collect()
}

/// What each partition of a table gets beyond what the access log saw of it: together, what the table's events tell beyond
/// what was seen of the table. By partition they tell more than that, because their figures are spread.
fn added(partitions: &BTreeMap<String, Both>, of: impl Fn(&Amount) -> f64) -> Vec<f64> {
    let mut seen: BTreeMap<u64, f64> = BTreeMap::new();
    let mut told: BTreeMap<Span, f64> = BTreeMap::new();
    for both in partitions.values() {
        both.seen.iter().for_each(|(half_hour, amount)| *seen.entry(*half_hour).or_default() += of(amount));
        both.told.iter().for_each(|told_of| *told.entry(told_of.span).or_default() += of(&told_of.amount));
    }
    let of_table = beyond(seen.into_iter().collect(), told.into_iter().collect());
    let of_each: Vec<f64> = partitions.values().map(|both| both.beyond(&of)).collect();
    let all: f64 = of_each.iter().sum();
    let real = if all > 0.0 { (of_table / all).min(1.0) } else { 0.0 };
    of_each.into_iter().map(|beyond| beyond * real).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first day of 1970, seen from a few days later.
    const BOUNDS: Bounds = Bounds { midnight: 48, future: 200 };

    fn access(partition: &str, requests: u64, bytes: f64) -> AccessRow {
        let (table, partition) = (Some("a.b.t".into()), partition.into());
        AccessRow { table, partition, requests, bytes, bursts: 1, ..Default::default() }
    }

    fn event(partition: &str, queries: u64, bytes: f64) -> EventRow {
        let (table, partition) = (Some("a.b.t".into()), partition.into());
        EventRow { table, partition, queries, bytes, bursts: 1, ..Default::default() }
    }

    fn seen(half_hour: u64, row: AccessRow) -> AccessRow {
        AccessRow { half_hour, ..row }
    }

    fn told(first_half_hour: u64, last_half_hour: u64, row: EventRow) -> EventRow {
        EventRow { first_half_hour, last_half_hour, ..row }
    }

    fn join(access: Vec<AccessRow>, events: Vec<EventRow>) -> Joined {
        super::join(access, events, BOUNDS)
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
        let unattributed = Reads { requests: 5, bytes: 10 };
        assert_eq!(joined, Joined { unattributed, ..Joined::default() });
        // The same bytes in both streams count once, others beside them.
        let nameless = |row: EventRow| EventRow { table: None, ..row };
        let joined = join(
            vec![seen(20, AccessRow { table: None, ..access("", 3, 100.0) })],
            vec![nameless(told(20, 20, event("", 1, 100.0))), nameless(told(30, 30, event("", 1, 50.0)))],
        );
        assert_eq!(joined.unattributed, Reads { requests: 3, bytes: 150 });
    }

    #[test]
    fn what_is_read_around_larder_and_through_it_at_different_times_counts_both() {
        let through = || seen(20, access("d=1", 4, 100.0));
        let around = || told(18, 18, event("d=1", 1, 100.0));
        // Whether or not an event tells of the reads through Larder too.
        for events in [vec![around()], vec![around(), told(20, 20, event("d=1", 1, 100.0))]] {
            let joined = join(vec![through()], events);
            assert_eq!(joined.items[0].reads, Reads { requests: 5, bytes: 200 });
            assert_eq!(joined.items[0].bursts, 2);
        }
        // At the same time nobody could tell them from one.
        let joined = join(vec![through()], vec![told(20, 20, event("d=1", 1, 100.0))]);
        assert_eq!((joined.items[0].reads, joined.items[0].bursts), (Reads { requests: 4, bytes: 100 }, 1));
    }

    #[test]
    fn a_query_that_runs_over_half_hours_counts_once_however_its_reads_lie_in_them() {
        for (before, after) in [(10.0, 90.0), (90.0, 10.0), (0.0, 100.0), (100.0, 0.0)] {
            let log = vec![seen(18, access("d=1", 2, before)), seen(19, access("d=1", 2, after))];
            let joined = join(log, vec![told(18, 19, event("d=1", 1, 100.0))]);
            assert_eq!(joined.items[0].reads, Reads { requests: 4, bytes: 100 });
        }
        // Of two, the one that ends first has the reads that no other half-hour has for it.
        let log = vec![seen(18, access("d=1", 2, 100.0)), seen(20, access("d=1", 2, 100.0))];
        let long = told(18, 20, event("d=1", 1, 100.0));
        let short = told(18, 18, event("d=1", 1, 100.0));
        assert_eq!(bytes(&join(log.clone(), vec![long.clone(), short.clone()])), [("d=1", 200)]);
        assert_eq!(bytes(&join(log, vec![short.clone(), long, short])), [("d=1", 300)], "one more than was seen");
    }

    #[test]
    fn a_query_that_ran_past_midnight_adds_nothing_to_what_the_log_saw() {
        let past = told(47, 48, event("d=1", 1, 100.0));
        let joined = join(vec![seen(47, access("d=1", 1, 10.0))], vec![past.clone()]);
        assert_eq!((bytes(&joined), joined.items[0].queries), (vec![("d=1", 10)], 1));
        assert_eq!(bytes(&join(vec![], vec![past])), [("d=1", 100)], "no log knows the table");
    }

    #[test]
    fn a_table_named_as_a_whole_counts_while_the_log_is_silent() {
        let events = vec![told(20, 21, event("", 2, 1000.0)), told(30, 30, event("", 1, 500.0))];
        let joined = join(vec![seen(21, access("d=1", 1, 10.0))], events);
        assert_eq!(bytes(&joined), [(WHOLE_TABLE, 500), ("d=1", 10)]);
        assert_eq!(joined.items[0].queries, 1);
    }

    #[test]
    fn bursts_are_half_hours_of_either_stream() {
        let events = vec![told(18, 18, event("d=1", 7, 1.0)), told(18, 19, event("d=1", 7, 1.0))];
        assert_eq!(join(vec![], events).items[0].bursts, 1, "both begin in one");
        let of_day = EventRow { bursts: 70, ..event("d=1", 99, 1.0) };
        assert_eq!(join(vec![], vec![of_day]).items[0].bursts, 48);
    }

    #[test]
    fn what_lies_in_the_future_is_left_out_and_counted() {
        let row = |half_hour| AccessRow { log_rows: 3, ..seen(half_hour, access("d=1", 3, 10.0)) };
        let joined = join(vec![row(199), row(200)], vec![]);
        assert_eq!((bytes(&joined), joined.log_rows, joined.rows_ahead), (vec![("d=1", 10)], 3, 3));
        // Four days and seven half-hours, of which the hour that clocks may differ is two: the last one is number 199.
        assert_eq!(Bounds::new("1970-01-01".parse().unwrap(), "1970-01-05T02:30:00Z".parse().unwrap()), BOUNDS);
    }
}
