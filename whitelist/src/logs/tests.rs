//! Events as engines send them, and what is made of them.

use std::io::Write;

use super::*;

/// What Trino 476 posts, less what is not read here.
const TRINO: &str = r#"{
  "metadata": {"queryId": "20261119_070000_00001_abcde", "transactionId": "t", "query": "SELECT 1", "queryState": "FINISHED",
    "tables": [{"catalog": "hive", "schema": "tpch", "table": "lineitem", "columns": [], "directlyReferenced": true}], "uri": "http://x"},
  "statistics": {"cpuTime": 0.012, "wallTime": 1.5, "physicalInputBytes": 3000, "physicalInputRows": 10, "peakUserMemoryBytes": 1},
  "context": {"user": "ana", "principal": null, "source": "trino-cli", "clientTags": [], "catalog": "hive", "schema": "tpch"},
  "ioMetadata": {"inputs": [
    {"connectorName": "hive", "catalogName": "hive", "schema": "tpch", "table": "lineitem", "columns": ["l_orderkey", {"name": "l_tax"}, 7],
     "connectorInfo": {"partitionIds": ["l_shipmonth=1998-08", "l_shipmonth=1998-09"], "truncated": false, "partitioned": true},
     "physicalInputBytes": 2001, "physicalInputRows": 9},
    {"catalogName": "hive", "schema": "tpch", "table": "nation", "columns": ["n_name"],
     "connectorInfo": {"partitionIds": ["<UNPARTITIONED>"]}, "physicalInputBytes": 999},
    {"catalogName": "lake", "schema": "web", "table": "clicks", "connectorInfo": {"snapshotId": 7}, "physicalInputBytes": null}
  ], "output": null},
  "failureInfo": null, "warnings": [], "createTime": 1795071600.250000000, "executionStartTime": 1795071600.5,
  "endTime": "2026-11-19T07:00:02.250Z", "aFieldOfTomorrow": {"x": [1]}}"#;

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[test]
fn a_trino_event_is_read_as_it_is_posted() {
    let parsed = parse(Format::Trino, TRINO.as_bytes());
    assert_eq!(parsed.rest, Rest::default());
    let [event] = parsed.events.as_slice() else { panic!("one event: {parsed:?}") };
    assert_eq!(
        (event.query_id.as_str(), event.user.as_str(), event.succeeded),
        ("20261119_070000_00001_abcde", "ana", true)
    );
    assert_eq!(event.created.to_rfc3339(), "2026-11-19T07:00:00.250+00:00");
    assert_eq!((event.ended - event.created).num_milliseconds(), 2000);
    let reads: Vec<_> =
        event.reads.iter().map(|read| (read.table.to_string(), read.partitions.len(), read.bytes)).collect();
    assert_eq!(
        reads,
        [("hive.tpch.lineitem".into(), 2, 2001), ("hive.tpch.nation".into(), 0, 999), ("lake.web.clicks".into(), 0, 0)]
    );
    assert_eq!(event.reads[0].columns, ["l_orderkey", "l_tax"]);
}

#[test]
fn optionals_may_be_missing_and_other_events_are_ignored() {
    let bare = r#"{"metadata": {"queryId": "q"}, "endTime": 1795071600}"#;
    let created = r#"{"metadata": {"queryId": "q"}, "createTime": 1795071600}"#;
    let parsed = parse(Format::Trino, format!("{bare}\n{created}\n").as_bytes());
    assert_eq!((parsed.events.len(), parsed.rest.ignored, parsed.rest.broken), (1, 1, 0));
    assert!(!parsed.events[0].succeeded, "what is not said to have finished has not");
}

#[test]
fn arrays_lines_and_single_events_are_told_apart() {
    let line = one_line(TRINO);
    for (text, events) in [
        (format!("[{TRINO}, {TRINO}]"), 2),
        (format!("{line}\n\n{line}\r\n{line}"), 3),
        (format!("\n  {TRINO}\n"), 1),
        (String::new(), 0),
        ("[]".into(), 0),
    ] {
        let parsed = parse(Format::Trino, text.as_bytes());
        assert_eq!((parsed.events.len(), parsed.rest.broken), (events, 0), "{text}");
    }
}

#[test]
fn broken_lines_are_named_and_the_rest_taken() {
    let good =
        r#"{"query_id": "q", "engine": "spark", "created": "2026-11-19T07:00:00Z", "ended": "2026-11-19T07:00:01Z"}"#;
    let no_time = r#"{"query_id": "q", "engine": "spark", "created": "yesterday", "ended": "2026-11-19T07:00:01Z"}"#;
    let no_table = good.replace("\"engine\"", "\"reads\": [{\"table\": \"nonsense\"}], \"engine\"");
    let no_id = good.replace("\"q\"", "\"\"");
    let far = good.replace("2026-11-19T07:00:00Z", "9026-11-19T07:00:00Z");
    let text = [good, "{", no_time, "", &no_table, &no_id, &far, "\u{0}\u{ff}", good].join("\n");
    let parsed = parse(Format::Generic, text.as_bytes());
    assert_eq!(parsed.events.len(), 2);
    assert_eq!(parsed.rest.broken, 6);
    let lines: Vec<u64> = parsed.rest.broken_entries.iter().map(|entry| entry.line).collect();
    assert_eq!(lines, [2, 3, 5, 6, 7, 8]);
    let problems: Vec<&str> = parsed.rest.broken_entries.iter().map(|entry| entry.problem.as_str()).collect();
    assert!(problems[1].starts_with("created: "), "{problems:?}");
    assert!(problems[2].starts_with("reads[0].table: `nonsense` is not a table name"), "{problems:?}");
    let many = parse(Format::Generic, "{\n".repeat(1000).as_bytes());
    assert_eq!((many.rest.broken, many.rest.broken_entries.len()), (1000, BROKEN_ENTRIES_MAX));
}

#[test]
fn a_table_read_twice_by_one_query_stands_once() {
    let text = r#"{"query_id": "q", "engine": "x", "created": "2026-11-19T07:00:00Z", "ended": "2026-11-19T07:00:01Z", "reads": [
        {"table": "a.b.t", "partitions": ["d=1"], "bytes": 10}, {"table": "a.b.t", "partitions": ["d=2", "d=1"], "bytes": 5}]}"#;
    let parsed = parse(Format::Generic, text.as_bytes());
    let reads = &parsed.events[0].reads;
    assert_eq!((reads.len(), reads[0].bytes, reads[0].partitions.len()), (1, 15, 2));
}

#[test]
fn a_file_is_ingested_and_its_broken_lines_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trino.json");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "{}\nnonsense\n{}", one_line(TRINO), one_line(TRINO)).unwrap();
    let logs = folder.path().join("logs");
    let mut told = 0;
    let report = ingest_file(Format::Trino, &path, &logs, |bytes| told = bytes).unwrap();
    assert_eq!((report.events, report.rows, report.rest.broken), (2, 8, 1));
    assert_eq!(report.rest.broken_entries[0].line, 2);
    assert_eq!(told, file.metadata().unwrap().len());
    let day = logs.join("queries/day=2026-11-19");
    let names: Vec<_> = std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() == 1 && names[0].to_string_lossy().ends_with(".parquet"), "{names:?}");
    let error = ingest_file(Format::Trino, &folder.path().join("absent"), &logs, |_| ()).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}

#[tokio::test]
async fn the_spool_writes_what_it_took_and_says_when_it_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let event = parse(Format::Trino, TRINO.as_bytes()).events.remove(0);
    let spool = Spool::start(folder.path().to_owned());
    spool.accept(vec![event.clone()]).unwrap();
    spool.close().await.unwrap();
    let count = || std::fs::read_dir(folder.path().join("queries/day=2026-11-19")).unwrap().count();
    assert_eq!(count(), 1);
    // Closed, it still takes events and keeps them in memory; nothing writes them until it is closed again.
    let long = QueryEvent { query: Some("x".repeat(8000)), ..event.clone() };
    spool.accept(vec![long; 9_000]).unwrap();
    assert_eq!(spool.accept(vec![event]), Err(SpoolFull));
    spool.close().await.unwrap();
    assert_eq!(count(), 2);
}

#[tokio::test]
async fn events_wait_on_while_the_disk_fails() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::write(&logs, "a file where a folder should be").unwrap();
    let spool = Spool::start(logs.clone());
    spool.accept(parse(Format::Trino, TRINO.as_bytes()).events).unwrap();
    assert!(spool.flush().await.is_err());
    std::fs::remove_file(&logs).unwrap();
    spool.close().await.unwrap();
    assert_eq!(std::fs::read_dir(logs.join("queries/day=2026-11-19")).unwrap().count(), 1);
}
