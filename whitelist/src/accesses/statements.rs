//! The SQL of a night. Each statement reads one table, `log`, and is plain enough to run on other engines too.
//!
//! Sums are taken as doubles: exact up to 9 PB, and a broken count cannot overflow them.

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use larder_model::access::columns as c;

/// How finely an answer tells times apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// By half-hour, for two streams that are joined by it; at most [`HALF_HOURS_MAX`] rows and one more.
    HalfHour,
    /// Not at all: what there is of a day is of its half-hour zero.
    Day,
}

/// Rows by half-hour that a night takes into its memory, of either stream: some 250 MB of them. An item that is read has
/// dozens of requests in a half-hour, so these are of a day of a hundred million rows.
pub(super) const HALF_HOURS_MAX: usize = 2_000_000;

/// Reads by clients, by table, partition and half-hour. A read that memory and SSD answered alone is a hit; its seconds
/// tell what it really took. Half-hours with reads stand for bursts.
const ACCESS_HALF_HOURS: &str = "
    SELECT
        table_name,
        partition,
        half_hour,
        COUNT(*) AS log_rows,
        SUM(CASE WHEN kind = 'get' THEN 1 ELSE 0 END) AS requests,
        SUM(CASE WHEN kind = 'get' THEN sent ELSE 0 END) AS bytes,
        SUM(CASE WHEN kind = 'get' AND hit = sent AND sent > 0 THEN 1 ELSE 0 END) AS hit_requests,
        SUM(CASE WHEN kind = 'get' AND hit = sent THEN sent ELSE 0 END) AS hit_bytes,
        SUM(CASE WHEN kind = 'get' AND hit = sent AND sent > 0 THEN seconds ELSE 0 END) AS hit_seconds,
        MAX(CASE WHEN kind = 'get' THEN 1 ELSE 0 END) AS bursts
    FROM (
        SELECT
            CAST(FLOOR(EXTRACT(EPOCH FROM time) / 1800) AS BIGINT) AS half_hour,
            table_name,
            partition,
            kind,
            seconds,
            CAST(bytes_memory AS DOUBLE) + CAST(bytes_ssd AS DOUBLE) AS hit,
            CAST(bytes_memory AS DOUBLE) + CAST(bytes_ssd AS DOUBLE)
                + CAST(bytes_peer AS DOUBLE) + CAST(bytes_origin AS DOUBLE) AS sent
        FROM log
    )
    GROUP BY table_name, partition, half_hour";

/// Reads by clients. Those from the half-hour `future` on, which have not happened yet, are told apart in any case.
pub(super) fn accesses(grain: Grain, future: u64) -> String {
    match grain {
        Grain::HalfHour => format!("{ACCESS_HALF_HOURS}\n    LIMIT {}", HALF_HOURS_MAX + 1),
        Grain::Day => format!(
            "
    SELECT
        table_name,
        partition,
        CASE WHEN half_hour >= {future} THEN half_hour ELSE 0 END AS of_half_hour,
        SUM(log_rows) AS log_rows,
        SUM(requests) AS requests,
        SUM(bytes) AS bytes,
        SUM(hit_requests) AS hit_requests,
        SUM(hit_bytes) AS hit_bytes,
        SUM(hit_seconds) AS hit_seconds,
        SUM(bursts) AS bursts
    FROM ({ACCESS_HALF_HOURS}
    )
    GROUP BY table_name, partition, CASE WHEN half_hour >= {future} THEN half_hour ELSE 0 END"
        ),
    }
}

/// What the origin took, by size: every request to it, for whatever reason.
pub(super) const ORIGIN_SPEED: &str = "
    SELECT COUNT(*) AS samples, APPROX_MEDIAN(bytes) AS bytes, APPROX_MEDIAN(seconds) AS seconds
    FROM (
        SELECT CAST(bytes_origin AS DOUBLE) AS bytes, seconds
        FROM log
        WHERE (kind IN ('fill', 'preload') OR (kind = 'get' AND route = 'direct')) AND bytes_origin > 0 AND seconds > 0
    )
    GROUP BY FLOOR(LOG2(bytes) * 2)";

/// What the SSD took, by size: reads that it answered alone.
pub(super) const SSD_SPEED: &str = "
    SELECT COUNT(*) AS samples, APPROX_MEDIAN(bytes) AS bytes, APPROX_MEDIAN(seconds) AS seconds
    FROM (
        SELECT CAST(bytes_ssd AS DOUBLE) AS bytes, seconds
        FROM log
        WHERE kind = 'get' AND bytes_ssd > 0 AND bytes_memory = 0 AND bytes_peer = 0 AND bytes_origin = 0 AND seconds > 0
    )
    GROUP BY FLOOR(LOG2(bytes) * 2)";

/// What queries read, by table, partition, and the half-hours in which they began and ended, give or take a minute: the
/// clocks of engines and workers differ. An event that was sent or ingested twice counts once: rows of one query, table and
/// partition are one.
const EVENT_HALF_HOURS: &str = "
    SELECT
        table_name,
        partition,
        first_half_hour,
        last_half_hour,
        SUM(log_rows) AS log_rows,
        COUNT(*) AS queries,
        SUM(bytes) AS bytes,
        1 AS bursts
    FROM (
        SELECT
            table_name,
            partition,
            CAST(FLOOR((EXTRACT(EPOCH FROM created) - 60) / 1800) AS BIGINT) AS first_half_hour,
            CAST(FLOOR((EXTRACT(EPOCH FROM ended) + 60) / 1800) AS BIGINT) AS last_half_hour,
            log_rows,
            bytes
        FROM (
            SELECT
                engine,
                query_id,
                table_name,
                partition,
                COUNT(*) AS log_rows,
                MIN(created) AS created,
                MAX(ended) AS ended,
                MAX(CAST(bytes AS DOUBLE)) AS bytes
            FROM log
            GROUP BY engine, query_id, table_name, partition
        )
    )
    GROUP BY table_name, partition, first_half_hour, last_half_hour";

/// What queries read.
pub(super) fn events(grain: Grain) -> String {
    match grain {
        Grain::HalfHour => format!("{EVENT_HALF_HOURS}\n    LIMIT {}", HALF_HOURS_MAX + 1),
        Grain::Day => format!(
            "
    SELECT
        table_name,
        partition,
        0 AS first_half_hour,
        0 AS last_half_hour,
        SUM(log_rows) AS log_rows,
        SUM(queries) AS queries,
        SUM(bytes) AS bytes,
        COUNT(DISTINCT half_hour) AS bursts
    FROM (
        SELECT table_name, partition, first_half_hour AS half_hour, log_rows, queries, bytes
        FROM ({EVENT_HALF_HOURS}
        )
    )
    GROUP BY table_name, partition"
        ),
    }
}

/// The ranges that were read of a table's busiest objects, from which footers tell the columns: of few objects, because
/// those of a table are alike.
pub(super) fn ranges() -> String {
    format!(
        "
    WITH objects AS (
        SELECT table_name, bucket, key, version, COUNT(*) AS requests
        FROM log
        WHERE kind = 'get' AND table_name IS NOT NULL
        GROUP BY table_name, bucket, key, version
    ),
    places AS (
        SELECT
            bucket,
            key,
            version,
            requests,
            ROW_NUMBER() OVER (PARTITION BY table_name ORDER BY requests DESC, bucket, key, version) AS place
        FROM objects
    ),
    busiest AS (
        SELECT bucket, key, version FROM places WHERE place <= {OBJECTS_PER_TABLE}
        ORDER BY requests DESC, bucket, key, version LIMIT {OBJECTS_MAX}
    )
    SELECT
        log.table_name,
        log.bucket,
        log.key,
        log.version,
        CAST(log.\"offset\" AS BIGINT) AS first_byte,
        CAST(log.length AS BIGINT) AS length,
        COUNT(*) AS requests
    FROM log
    JOIN busiest ON log.bucket = busiest.bucket AND log.key = busiest.key AND log.version = busiest.version
    WHERE log.kind = 'get' AND log.table_name IS NOT NULL
    GROUP BY log.table_name, log.bucket, log.key, log.version, log.\"offset\", log.length
    ORDER BY requests DESC, log.bucket, log.key, log.version, first_byte, length
    LIMIT {RANGES_MAX}"
    )
}

/// Objects of a table whose footers a night reads.
const OBJECTS_PER_TABLE: u32 = 4;
/// Objects of all tables together: reading their footers must not take a night.
const OBJECTS_MAX: u32 = 1000;
/// Ranges of all of them, the most read first.
const RANGES_MAX: u32 = 200_000;

/// Queries by the columns that they named.
pub(super) const NAMED_COLUMNS: &str = "
    SELECT table_name, column_names, COUNT(*) AS queries
    FROM (
        SELECT engine, query_id, table_name, column_names
        FROM log
        WHERE table_name IS NOT NULL AND column_names <> ''
        GROUP BY engine, query_id, table_name, column_names
    )
    GROUP BY table_name, column_names";

/// The columns of the access log that the statements read.
pub(super) fn access_schema() -> Schema {
    Schema::new(vec![
        Field::new(c::TIME, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new(c::KIND, DataType::Utf8, true),
        Field::new(c::BUCKET, DataType::Utf8, true),
        Field::new(c::KEY, DataType::Utf8, true),
        Field::new(c::VERSION, DataType::Utf8, true),
        Field::new(c::OFFSET, DataType::UInt64, true),
        Field::new(c::LENGTH, DataType::UInt64, true),
        Field::new(c::TABLE, DataType::Utf8, true),
        Field::new(c::PARTITION, DataType::Utf8, true),
        Field::new(c::ROUTE, DataType::Utf8, true),
        Field::new(c::BYTES_MEMORY, DataType::UInt64, true),
        Field::new(c::BYTES_SSD, DataType::UInt64, true),
        Field::new(c::BYTES_PEER, DataType::UInt64, true),
        Field::new(c::BYTES_ORIGIN, DataType::UInt64, true),
        Field::new(c::SECONDS, DataType::Float64, true),
    ])
}
