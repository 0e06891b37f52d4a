//! A day's queries: the longest and the largest of them, with what the caches answered meanwhile, and who ran how many.
//!
//! Engines do not say in their reads which query wants them. So a query's share from the cache is that of all reads of its
//! tables in the minutes in which it ran: exact where one query reads a table at a time, and what its neighbours got too
//! where several do.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use datafusion::arrow::record_batch::RecordBatch;
use larder_model::{IoSpeed, TableName};

use super::{double, integer, text};
use crate::store::{DayQuery, GroupKind, QueryGroup, QueryRead};

/// So many of the longest queries of a day are kept, and so many of the largest.
pub(crate) const KEPT: u32 = 200;
/// Rows of partitions that these may have together.
const ROWS_MAX: u32 = 200_000;
/// Of a statement so many characters are kept.
const TEXT_MAX: u32 = 4000;
/// Partitions of a table that a query is kept with.
const PARTITIONS_MAX: usize = 100;

/// An event that was sent twice counts once.
const QUERIES: &str = "
    WITH parts AS (
        SELECT
            engine,
            query_id,
            table_name,
            partition,
            MIN(user_name) AS user_name,
            MIN(created) AS created,
            MAX(ended) AS ended,
            MAX(CASE WHEN succeeded THEN 1 ELSE 0 END) AS succeeded,
            MIN(query) AS query,
            MAX(CAST(bytes AS DOUBLE)) AS bytes
        FROM log
        GROUP BY engine, query_id, table_name, partition
    ),
    queries AS (
        SELECT
            engine,
            query_id,
            MIN(user_name) AS user_name,
            CAST(EXTRACT(EPOCH FROM MIN(created)) AS DOUBLE) AS began,
            CAST(EXTRACT(EPOCH FROM MAX(ended)) - EXTRACT(EPOCH FROM MIN(created)) AS DOUBLE) AS seconds,
            MAX(succeeded) AS succeeded,
            MIN(query) AS query,
            SUM(bytes) AS bytes
        FROM parts
        GROUP BY engine, query_id
    )";

/// The longest and the largest queries, a row for each table and partition of theirs.
pub(super) fn kept() -> String {
    format!(
        "{QUERIES},
    placed AS (
        SELECT
            *,
            ROW_NUMBER() OVER (ORDER BY seconds DESC, engine, query_id) AS by_seconds,
            ROW_NUMBER() OVER (ORDER BY bytes DESC, engine, query_id) AS by_bytes
        FROM queries
    )
    SELECT
        placed.engine,
        placed.query_id,
        placed.user_name,
        placed.began,
        placed.seconds,
        CAST(placed.succeeded AS BIGINT) AS succeeded,
        SUBSTR(placed.query, 1, {TEXT_MAX}) AS query,
        placed.bytes,
        parts.table_name,
        parts.partition,
        parts.bytes AS part_bytes
    FROM placed
    JOIN parts ON placed.engine = parts.engine AND placed.query_id = parts.query_id
    WHERE placed.by_seconds <= {KEPT} OR placed.by_bytes <= {KEPT}
    ORDER BY placed.engine, placed.query_id, parts.table_name, parts.partition
    LIMIT {ROWS_MAX}"
    )
}

/// Who ran how many queries with which engine.
pub(super) fn by_user() -> String {
    format!(
        "{QUERIES}
    SELECT engine, user_name, COUNT(*) AS queries, SUM(seconds) AS seconds, SUM(bytes) AS bytes
    FROM queries
    GROUP BY engine, user_name"
    )
}

/// How many queries read each table.
pub(super) fn by_table() -> String {
    format!(
        "{QUERIES}
    SELECT '' AS engine, table_name, COUNT(*) AS queries, SUM(seconds) AS seconds, SUM(bytes) AS bytes
    FROM (
        SELECT
            parts.table_name,
            MAX(queries.seconds) AS seconds,
            SUM(parts.bytes) AS bytes
        FROM parts
        JOIN queries ON parts.engine = queries.engine AND parts.query_id = queries.query_id
        WHERE parts.table_name IS NOT NULL
        GROUP BY parts.engine, parts.query_id, parts.table_name
    )
    GROUP BY table_name"
    )
}

/// What was read of each table in each minute, and what of that came from the origin.
pub(super) const MINUTES: &str = "
    SELECT
        table_name,
        CAST(FLOOR(EXTRACT(EPOCH FROM time) / 60) AS BIGINT) AS at,
        SUM(sent) AS sent,
        SUM(sent - hit) AS missed,
        SUM(CASE WHEN hit < sent THEN 1 ELSE 0 END) AS missed_requests
    FROM (
        SELECT
            time,
            table_name,
            CAST(bytes_memory AS DOUBLE) + CAST(bytes_ssd AS DOUBLE) AS hit,
            CAST(bytes_memory AS DOUBLE) + CAST(bytes_ssd AS DOUBLE)
                + CAST(bytes_peer AS DOUBLE) + CAST(bytes_origin AS DOUBLE) AS sent
        FROM log
        WHERE kind = 'get' AND table_name IS NOT NULL
    )
    GROUP BY table_name, FLOOR(EXTRACT(EPOCH FROM time) / 60)";

/// The answers to the statements.
#[derive(Debug, Default)]
pub(super) struct QueryAnswers {
    /// To [`kept`].
    pub(super) kept: Vec<RecordBatch>,
    /// To [`by_user`].
    pub(super) users: Vec<RecordBatch>,
    /// To [`by_table`].
    pub(super) tables: Vec<RecordBatch>,
    /// To [`MINUTES`].
    pub(super) minutes: Vec<RecordBatch>,
}

/// Reads of a table within some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Window {
    sent: f64,
    missed: f64,
    missed_requests: u64,
}

/// Reads of each table, minute by minute.
#[derive(Debug, Default)]
struct Minutes(HashMap<String, BTreeMap<u64, Window>>);

impl Minutes {
    fn of(batches: &[RecordBatch]) -> Self {
        let mut tables: HashMap<String, BTreeMap<u64, Window>> = HashMap::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let Some(table) = text(batch, 0, row) else { continue };
                let window = Window {
                    sent: double(batch, 2, row),
                    missed: double(batch, 3, row),
                    missed_requests: integer(batch, 4, row),
                };
                tables.entry(table).or_default().insert(integer(batch, 1, row), window);
            }
        }
        Self(tables)
    }

    /// The reads of a table in the minutes that a query of `seconds` from `began` ran in.
    fn window(&self, table: &str, began: f64, seconds: f64) -> Window {
        let minute = |at: f64| (at / 60.0).floor().max(0.0) as u64;
        let mut sum = Window::default();
        if let Some(minutes) = self.0.get(table) {
            for window in minutes.range(minute(began)..=minute(began + seconds.max(0.0))).map(|(_, window)| window) {
                sum.sent += window.sent;
                sum.missed += window.missed;
                sum.missed_requests += window.missed_requests;
            }
        }
        sum
    }
}

impl QueryAnswers {
    /// The longest and the largest queries, with what the caches answered meanwhile.
    pub(super) fn queries(&self, origin: IoSpeed, ssd: IoSpeed) -> Vec<DayQuery> {
        let minutes = Minutes::of(&self.minutes);
        let mut queries = queries_of(&self.kept);
        queries.iter_mut().for_each(|query| measure(query, &minutes, origin, ssd));
        queries
    }

    /// Who ran how many.
    pub(super) fn groups(&self) -> Vec<QueryGroup> {
        groups_of(&self.users, &self.tables)
    }
}

fn queries_of(batches: &[RecordBatch]) -> Vec<DayQuery> {
    let mut queries: Vec<DayQuery> = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let (Some(engine), Some(query_id)) = (text(batch, 0, row), text(batch, 1, row)) else { continue };
            let is_next = queries.last().is_none_or(|last| last.engine != engine || last.query_id != query_id);
            if is_next {
                queries.push(DayQuery {
                    engine,
                    query_id,
                    user: text(batch, 2, row).unwrap_or_default(),
                    created: time_of(double(batch, 3, row)),
                    seconds: double(batch, 4, row).max(0.0),
                    succeeded: integer(batch, 5, row) > 0,
                    query: text(batch, 6, row),
                    read_bytes: double(batch, 7, row) as u64,
                    cached_share: None,
                    missed_seconds: 0.0,
                    reads: Vec::new(),
                });
            }
            let query = queries.last_mut().expect("one was just pushed, or was there");
            let table = text(batch, 8, row).and_then(|name| name.parse::<TableName>().ok());
            let Some(table) = table else { continue };
            if query.reads.last().is_none_or(|read| read.table != table) {
                query.reads.push(QueryRead { table, partitions: Vec::new(), partitions_total: 0, read_bytes: 0 });
            }
            let read = query.reads.last_mut().expect("one was just pushed, or was there");
            read.read_bytes += double(batch, 10, row) as u64;
            if let Some(partition) = text(batch, 9, row).filter(|name| !name.is_empty()) {
                read.partitions_total += 1;
                if read.partitions.len() < PARTITIONS_MAX {
                    read.partitions.push(partition);
                }
            }
        }
    }
    queries
}

fn measure(query: &mut DayQuery, minutes: &Minutes, origin: IoSpeed, ssd: IoSpeed) {
    let began = query.created.timestamp_micros() as f64 / 1e6;
    let (mut sent, mut missed) = (0.0, 0.0);
    for read in &query.reads {
        let window = minutes.window(&read.table.to_string(), began, query.seconds);
        if window.sent <= 0.0 {
            continue;
        }
        sent += window.sent;
        missed += window.missed;
        let bytes = window.missed as u64;
        let saved = origin.seconds(window.missed_requests, bytes) - ssd.seconds(window.missed_requests, bytes);
        // Of what all that ran in these minutes missed, the query's part is that of its bytes.
        query.missed_seconds += saved.max(0.0) * (read.read_bytes as f64 / window.sent).min(1.0);
    }
    query.cached_share = (sent > 0.0).then(|| 1.0 - missed / sent);
}

fn groups_of(users: &[RecordBatch], tables: &[RecordBatch]) -> Vec<QueryGroup> {
    let mut groups: BTreeMap<(GroupKind, String), QueryGroup> = BTreeMap::new();
    let mut add = |kind: GroupKind, name: String, batch: &RecordBatch, row: usize| {
        let empty = QueryGroup { kind, name: name.clone(), queries: 0, seconds: 0.0, read_bytes: 0 };
        let group = groups.entry((kind, name)).or_insert(empty);
        group.queries += integer(batch, 2, row);
        group.seconds += double(batch, 3, row).max(0.0);
        group.read_bytes += double(batch, 4, row) as u64;
    };
    for batch in users {
        for row in 0..batch.num_rows() {
            add(GroupKind::Engine, text(batch, 0, row).unwrap_or_default(), batch, row);
            add(GroupKind::User, text(batch, 1, row).unwrap_or_default(), batch, row);
        }
    }
    for batch in tables {
        for row in 0..batch.num_rows() {
            add(GroupKind::Table, text(batch, 1, row).unwrap_or_default(), batch, row);
        }
    }
    groups.into_values().collect()
}

fn time_of(seconds: f64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros((seconds * 1e6) as i64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: IoSpeed = IoSpeed { overhead_seconds: 1.0, bytes_per_second: 10.0 };
    const SSD: IoSpeed = IoSpeed { overhead_seconds: 0.0, bytes_per_second: 100.0 };

    fn query(seconds: f64, read_bytes: u64) -> DayQuery {
        let table = "a.b.t".parse().unwrap();
        DayQuery {
            engine: "trino".into(),
            query_id: "q".into(),
            user: String::new(),
            created: "2026-11-19T09:00:30Z".parse().unwrap(),
            seconds,
            succeeded: true,
            query: None,
            read_bytes,
            cached_share: None,
            missed_seconds: 0.0,
            reads: vec![QueryRead { table, partitions: vec![], partitions_total: 0, read_bytes }],
        }
    }

    fn minutes() -> Minutes {
        let at = 1_795_078_800 / 60;
        assert_eq!(at * 60, "2026-11-19T09:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp() as u64);
        let window = |sent, missed, missed_requests| Window { sent, missed, missed_requests };
        let read = BTreeMap::from([(at, window(100.0, 0.0, 0)), (at + 1, window(100.0, 100.0, 2))]);
        Minutes(HashMap::from([("a.b.t".to_owned(), read)]))
    }

    #[test]
    fn a_query_has_the_share_of_its_tables_minutes() {
        let mut short = query(10.0, 100);
        measure(&mut short, &minutes(), ORIGIN, SSD);
        assert_eq!((short.cached_share, short.missed_seconds), (Some(1.0), 0.0));
        let mut long = query(40.0, 100);
        measure(&mut long, &minutes(), ORIGIN, SSD);
        // Two requests and 100 bytes: 12 s from the origin, 1 s from the SSD; half of the bytes were this query's.
        assert_eq!((long.cached_share, long.missed_seconds), (Some(0.5), 5.5));
    }

    #[test]
    fn nothing_is_said_of_reads_that_larder_did_not_see() {
        let mut other = query(10.0, 100);
        other.reads[0].table = "a.b.u".parse().unwrap();
        measure(&mut other, &minutes(), ORIGIN, SSD);
        assert_eq!((other.cached_share, other.missed_seconds), (None, 0.0));
    }
}
