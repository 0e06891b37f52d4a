//! Days of real Parquet files, sound and broken, through the SQL.

use std::fs;
use std::path::PathBuf;

use larder_model::AccessKind;

use super::*;
use crate::logs::{Format, LogReader, Places, write_events};
use crate::store::tests::day;
use crate::test_support::{AccessRecord, fill, get, hit, measurable, time, write_access};
use crate::value::Reads;

const DAY: &str = "2026-11-19";

async fn day_of(logs: &std::path::Path) -> Day {
    let [files] = DayFiles::list(logs, day(DAY), day(DAY)).unwrap().try_into().unwrap();
    aggregate(&LogEngine::Embedded, &files, time("2026-11-20T02:30:00Z")).await.unwrap()
}

fn reads(day: &Day) -> Vec<(String, u64, u64)> {
    day.items.iter().map(|item| (item.item.to_string(), item.reads.requests, item.reads.bytes)).collect()
}

#[tokio::test]
async fn only_reads_by_clients_count_and_hits_are_told_apart() {
    let logs = tempfile::tempdir().unwrap();
    let records = [
        get("hive.db.t", "d=1", 100),
        hit("hive.db.t", "d=1", 50),
        AccessRecord { bytes_origin: 10, ..hit("hive.db.t", "d=1", 20) },
        get("hive.db.u", "", 7),
        get("", "", 1000),
        fill(AccessKind::Fill, 5000),
        fill(AccessKind::Preload, 6000),
    ];
    write_access(logs.path(), day(DAY), "a.parquet", &records);
    let day = day_of(logs.path()).await;
    assert_eq!(reads(&day), [("hive.db.t/d=1".into(), 3, 180), ("hive.db.u".into(), 1, 7)]);
    let t = &day.items[0];
    assert_eq!((t.hit_requests, t.hit_bytes), (1, 50), "a read that the origin helped with is no hit");
    assert!((t.hit_seconds - 0.00050005).abs() < 1e-9);
    assert_eq!((day.summary.unattributed_requests, day.summary.unattributed_bytes), (1, 1000));
    assert_eq!((day.summary.log_rows, day.summary.skipped_files.len()), (7, 0));
    assert_eq!((day.origin, day.ssd), (None, None), "too few to measure");
}

#[tokio::test]
async fn the_origin_is_measured_through_its_tail() {
    let logs = tempfile::tempdir().unwrap();
    write_access(logs.path(), day(DAY), "a.parquet", &measurable());
    let hits: Vec<AccessRecord> =
        [10_000, 1_000_000, 8_000_000].iter().flat_map(|bytes| (0..20).map(|_| hit("a.b.t", "", *bytes))).collect();
    write_access(logs.path(), day(DAY), "b.parquet", &hits);
    let day = day_of(logs.path()).await;
    let origin = day.origin.unwrap();
    assert!((0.028..0.032).contains(&origin.speed.overhead_seconds), "{origin:?}");
    assert!((76e6..84e6).contains(&origin.speed.bytes_per_second), "{origin:?}");
    let ssd = day.ssd.unwrap();
    assert!((0.0004..0.0006).contains(&ssd.speed.overhead_seconds) && ssd.samples == 60, "{ssd:?}");
}

#[tokio::test]
async fn query_events_count_once_however_often_they_come() {
    let logs = tempfile::tempdir().unwrap();
    let line = |id: &str, bytes: u64| {
        format!(
            r#"{{"query_id": "{id}", "engine": "spark", "created": "{DAY}T07:00:00Z", "ended": "{DAY}T07:00:01Z",
            "reads": [{{"table": "a.b.t", "partitions": ["d=1", "d=2"], "bytes": {bytes}}}]}}"#
        )
        .replace('\n', "")
    };
    let mut reader = LogReader::new(Format::Generic, Places::default(), time("2026-11-20T00:00:00Z")).unwrap();
    let events = reader.parse(format!("{}\n{}", line("q1", 101), line("q2", 40)).as_bytes()).events;
    for _ in 0..3 {
        write_events(logs.path(), &events).unwrap();
    }
    let day = day_of(logs.path()).await;
    assert_eq!(reads(&day), [("a.b.t/d=1".into(), 2, 71), ("a.b.t/d=2".into(), 2, 70)]);
    assert_eq!(day.items[0].queries, 2);
    assert_eq!(day.summary.log_rows, 12);
}

/// Writes queries of partition `d=1` of `a.b.t`: each by its name, when it began and ended, and its bytes.
fn write_queries(logs: &std::path::Path, queries: &[(&str, &str, &str, u64)]) {
    let line = |(id, began, ended, bytes): &(&str, &str, &str, u64)| {
        format!(
            r#"{{"query_id": "{id}", "engine": "spark", "created": "{DAY}T{began}Z", "ended": "{DAY}T{ended}Z",
            "reads": [{{"table": "a.b.t", "partitions": ["d=1"], "bytes": {bytes}}}]}}"#
        )
        .replace('\n', "")
    };
    let lines: Vec<String> = queries.iter().map(line).collect();
    let mut reader = LogReader::new(Format::Generic, Places::default(), time("2026-11-20T00:00:00Z")).unwrap();
    write_events(logs, &reader.parse(lines.join("\n").as_bytes()).events).unwrap();
}

fn read_at(at: &str, bytes: u64) -> AccessRecord {
    AccessRecord { time: time(&format!("{DAY}T{at}Z")), ..get("a.b.t", "d=1", bytes) }
}

#[tokio::test]
async fn one_engine_around_larder_and_one_through_it_count_both_at_different_times_of_a_day() {
    let logs = tempfile::tempdir().unwrap();
    write_access(logs.path(), day(DAY), "a.parquet", &[read_at("15:10:00", 600), read_at("15:10:01", 400)]);
    write_queries(logs.path(), &[("around", "09:10:00", "09:11:00", 1000)]);
    let day_then = day_of(logs.path()).await;
    assert_eq!(reads(&day_then), [("a.b.t/d=1".into(), 3, 2000)]);
    assert_eq!((day_then.items[0].queries, day_then.items[0].bursts), (1, 2));
    // The event of the one that read through Larder comes late, and the same reads count no second time.
    write_queries(logs.path(), &[("through", "15:09:50", "15:10:05", 1000)]);
    let corrected = day_of(logs.path()).await;
    assert_eq!(reads(&corrected), [("a.b.t/d=1".into(), 3, 2000)]);
    assert_eq!((corrected.items[0].queries, corrected.items[0].bursts), (2, 2));
    // Late too: what another worker served to the first of them, which did not read around Larder after all.
    write_access(logs.path(), day(DAY), "late.parquet", &[read_at("09:10:30", 1000)]);
    assert_eq!(reads(&day_of(logs.path()).await), [("a.b.t/d=1".into(), 3, 2000)]);
}

#[tokio::test]
async fn a_query_over_the_edge_of_a_half_hour_counts_once() {
    let logs = tempfile::tempdir().unwrap();
    let records = [read_at("09:29:50", 900), read_at("09:30:10", 100), read_at("10:00:20", 50)];
    write_access(logs.path(), day(DAY), "a.parquet", &records);
    // The second one's engine has a clock that is half a minute slow.
    write_queries(logs.path(), &[("edge", "09:29:45", "09:30:15", 1000), ("slow", "09:59:50", "09:59:55", 50)]);
    let day = day_of(logs.path()).await;
    assert_eq!(reads(&day), [("a.b.t/d=1".into(), 3, 1050)]);
    assert_eq!((day.items[0].queries, day.items[0].bursts), (2, 3));
}

#[tokio::test]
async fn reads_that_lie_in_the_future_are_left_out_until_they_have_come() {
    let logs = tempfile::tempdir().unwrap();
    let ahead = AccessRecord { time: time("2027-01-01T00:00:00Z"), ..get("a.b.t", "d=1", 7) };
    write_access(logs.path(), day(DAY), "a.parquet", &[get("a.b.t", "d=1", 100), ahead.clone(), ahead]);
    let found = day_of(logs.path()).await;
    assert_eq!((reads(&found), found.rows_ahead), (vec![("a.b.t/d=1".into(), 1, 100)], 2));
    assert_eq!((found.summary.log_rows, found.summary.fingerprint.as_str()), (1, ""), "it is read again");
    // With events beside it, which are joined by half-hours.
    write_queries(logs.path(), &[("q", "09:00:00", "09:00:01", 100)]);
    let found = day_of(logs.path()).await;
    assert_eq!((reads(&found), found.rows_ahead), (vec![("a.b.t/d=1".into(), 1, 100)], 2));
    let [files] = DayFiles::list(logs.path(), day(DAY), day(DAY)).unwrap().try_into().unwrap();
    let come = aggregate(&LogEngine::Embedded, &files, time("2027-01-02T00:00:00Z")).await.unwrap();
    assert_eq!((reads(&come), come.rows_ahead), (vec![("a.b.t/d=1".into(), 3, 114)], 0));
    assert_eq!(come.summary.fingerprint, files.fingerprint());
}

#[tokio::test]
async fn broken_files_cost_their_own_rows_only() {
    let logs = tempfile::tempdir().unwrap();
    let many: Vec<AccessRecord> = (0..5000).map(|i| get("hive.db.t", "d=1", i)).collect();
    for name in ["a.parquet", "b.parquet", "c.parquet", "page.parquet", "short.parquet"] {
        write_access(logs.path(), day(DAY), name, &many);
    }
    let folder = logs.path().join("access").join(format!("day={DAY}"));
    // A page that is not what its header says, behind a sound footer.
    let mut bytes = fs::read(folder.join("page.parquet")).unwrap();
    let end = bytes.len() / 2;
    bytes[4..end].fill(0xff);
    fs::write(folder.join("page.parquet"), bytes).unwrap();
    let bytes = fs::read(folder.join("short.parquet")).unwrap();
    fs::write(folder.join("short.parquet"), &bytes[..bytes.len() - 100]).unwrap();
    fs::write(folder.join("text.parquet"), "this is no Parquet file").unwrap();
    fs::write(folder.join("empty.parquet"), "").unwrap();
    fs::write(folder.join(".half.tmp"), "still being written").unwrap();
    let events: PathBuf = logs.path().join("queries").join(format!("day={DAY}"));
    fs::create_dir_all(&events).unwrap();
    fs::copy(folder.join("a.parquet"), events.join("other.parquet")).unwrap();

    let day = day_of(logs.path()).await;
    let bytes: u64 = (0..5000).sum();
    assert_eq!(day.items[0].reads, Reads { requests: 15_000, bytes: 3 * bytes });
    let mut skipped: Vec<&str> = day.summary.skipped_files.iter().map(|file| file.file.as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            "access/day=2026-11-19/empty.parquet",
            "access/day=2026-11-19/page.parquet",
            "access/day=2026-11-19/short.parquet",
            "access/day=2026-11-19/text.parquet",
            "queries/day=2026-11-19/other.parquet",
        ]
    );
    let other = day.summary.skipped_files.iter().find(|file| file.file.contains("other")).unwrap();
    assert_eq!(other.problem, "it has no column `query_id`");
}

#[tokio::test]
async fn a_fingerprint_changes_with_the_files() {
    let logs = tempfile::tempdir().unwrap();
    assert_eq!(DayFiles::list(logs.path(), day(DAY), day(DAY)).unwrap(), []);
    write_access(logs.path(), day(DAY), "a.parquet", &[get("a.b.t", "", 1)]);
    let print = || DayFiles::list(logs.path(), day(DAY), day(DAY)).unwrap()[0].fingerprint();
    let before = print();
    assert_eq!(before, print());
    write_access(logs.path(), day(DAY), "b.parquet", &[get("a.b.t", "", 1)]);
    assert_ne!(before, print());
    let outside = DayFiles::list(logs.path(), day("2026-11-20"), day("2026-11-21")).unwrap();
    assert_eq!(outside, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_rows_in_many_files_are_all_counted() {
    let logs = tempfile::tempdir().unwrap();
    for file in 0..10 {
        let row = |i: u64| get("hive.db.t", &format!("d={}", (i * 7 + file) % 20_000), 4096 + (i % 1000) * 1000);
        let records: Vec<AccessRecord> = (0..100_000).map(row).collect();
        write_access(logs.path(), day(DAY), &format!("{file}.parquet"), &records);
    }
    let day = day_of(logs.path()).await;
    assert_eq!((day.summary.log_rows, day.items.len()), (1_000_000, 20_000));
    assert!(day.origin.is_some());
}

#[tokio::test]
async fn queries_are_kept_with_what_their_tables_had_from_the_cache_meanwhile() {
    let logs = tempfile::tempdir().unwrap();
    let line = |id: &str, user: &str, at: &str, table: &str, bytes: u64| {
        format!(
            r#"{{"query_id": "{id}", "engine": "spark", "user": "{user}", "created": "{DAY}T{at}:10Z", "ended": "{DAY}T{at}:12Z",
            "query": "SELECT '{id}'", "reads": [{{"table": "{table}", "partitions": ["d=1", "d=2"], "bytes": {bytes}}}]}}"#
        )
        .replace('\n', "")
    };
    let lines = [
        line("warm", "ana", "09:00", "a.b.t", 300),
        line("cold", "ana", "09:30", "a.b.t", 100),
        line("elsewhere", "ben", "09:00", "a.b.u", 50),
    ];
    let mut reader = LogReader::new(Format::Generic, Places::default(), time("2026-11-20T00:00:00Z")).unwrap();
    let events = reader.parse(lines.join("\n").as_bytes()).events;
    write_events(logs.path(), &events).unwrap();
    write_events(logs.path(), &events).unwrap();
    let at = |record: AccessRecord, at: &str| AccessRecord { time: time(&format!("{DAY}T{at}:11Z")), ..record };
    let records = [
        at(hit("a.b.t", "d=1", 300), "09:00"),
        at(hit("a.b.t", "d=1", 25), "09:30"),
        at(get("a.b.t", "d=2", 75), "09:30"),
        at(fill(AccessKind::Fill, 5000), "09:00"),
    ];
    write_access(logs.path(), day(DAY), "a.parquet", &records);
    let day = day_of(logs.path()).await;
    let ids: Vec<&str> = day.queries.iter().map(|query| query.query_id.as_str()).collect();
    assert_eq!(ids, ["cold", "elsewhere", "warm"]);
    let shares: Vec<Option<f64>> = day.queries.iter().map(|query| query.cached_share).collect();
    assert_eq!(shares, [Some(0.25), None, Some(1.0)]);
    let cold = &day.queries[0];
    assert_eq!((cold.seconds, cold.user.as_str(), cold.query.as_deref()), (2.0, "ana", Some("SELECT 'cold'")));
    assert_eq!((cold.reads[0].partitions.len(), cold.reads[0].read_bytes, cold.read_bytes), (2, 100, 100));
    assert!(cold.missed_seconds > 0.0 && day.queries[2].missed_seconds == 0.0, "{:?}", day.queries);
    let groups: Vec<(&str, u64, u64)> =
        day.query_groups.iter().map(|group| (group.name.as_str(), group.queries, group.read_bytes)).collect();
    assert_eq!(groups, [("spark", 3, 450), ("a.b.t", 2, 400), ("a.b.u", 1, 50), ("ana", 2, 400), ("ben", 1, 50)]);
}
