//! Events as engines send them, and what is made of them.

use std::io::Write;

use larder_model::AttributionRules;

use super::conformance::reader;
use super::*;

fn parse(format: Format, text: &[u8]) -> Parsed {
    reader(format).parse(text)
}

/// What Trino 476 posted, and what PrestoDB 0.287 answered at `/v1/query/ID`, of the queries of `samples/README.md`.
const TRINO_RECORDED: &[u8] = include_bytes!("samples/trino.jsonl");
const PRESTO_RECORDED: &[u8] = include_bytes!("samples/presto.jsonl");

/// An event in which each version is met: names and objects, times as numbers and text, what is missing and what is null.
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

/// The same of another query.
fn other(id: &str) -> String {
    one_line(TRINO).replace("00001_abcde", id)
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[test]
fn a_trino_event_is_read_whichever_version_wrote_it() {
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
        (format!("[{TRINO}, {}]", other("2")), 2),
        (format!("{line}\n\n{}\r\n{}", other("2"), other("3")), 3),
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
    let text =
        [good, "{", no_time, "", &no_table, &no_id, &far, "\u{0}\u{ff}", &good.replace("\"q\"", "\"r\"")].join("\n");
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
    writeln!(file, "{}\nnonsense\n{}\n{}", one_line(TRINO), other("2"), one_line(TRINO)).unwrap();
    let logs = folder.path().join("logs");
    let mut told = 0;
    let mut reader = reader(Format::Trino);
    let report = ingest_log(&mut reader, &vec![path], &logs, |bytes| told = bytes).unwrap().remove(0);
    assert_eq!((report.events, report.rows, report.rest.broken, report.rest.duplicates), (2, 8, 1, 1));
    assert_eq!(report.rest.broken_entries[0].line, 2);
    assert_eq!(told, file.metadata().unwrap().len());
    let day = logs.join("queries/day=2026-11-19");
    let names: Vec<_> = std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() == 1 && names[0].to_string_lossy().ends_with(".parquet"), "{names:?}");
    let error = ingest_log(&mut reader, &vec![folder.path().join("absent")], &logs, |_| ()).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
    let snappy = folder.path().join("spark.snappy");
    std::fs::write(&snappy, b"\x82SNAPPY\0\0\0\0\x01").unwrap();
    let error = ingest_log(&mut reader, &vec![snappy], &logs, |_| ()).unwrap_err();
    assert!(error.to_string().contains("is packed with snappy"), "{error}");
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

fn tables(event: &QueryEvent) -> Vec<String> {
    event.reads.iter().map(|read| read.table.to_string()).collect()
}

/// `number table [partitions] columns bytes`, for each table that the recorded queries read.
fn numbered_reads(events: &[QueryEvent]) -> Vec<String> {
    let mut shown = Vec::new();
    for event in events {
        for read in &event.reads {
            let (number, partitions, columns) =
                (&event.query_id[16..21], read.partitions.join(" "), read.columns.join(","));
            shown.push(format!("{number} {} [{partitions}] {columns} {}", read.table, read.bytes));
        }
    }
    shown
}

/// The numbers of the recorded queries that failed.
fn failed(events: &[QueryEvent]) -> Vec<&str> {
    events.iter().filter(|event| !event.succeeded).map(|event| &event.query_id[16..21]).collect()
}

#[test]
fn what_trino_posted_is_read_table_by_table() {
    let events = parse(Format::Trino, TRINO_RECORDED).events;
    assert_eq!(
        numbered_reads(&events),
        [
            "00006 hive.sales.orders [dt=2026-11-18/hour=1] total 3403",
            "00007 hive.sales.orders [dt=2026-11-18/hour=0 dt=2026-11-18/hour=1] customer,total 6806",
            "00007 hive.sales.customers [] country,id 517",
            "00008 hive.sales.places [] v 1240",
            "00009 hive.sales.places [place=50%25 place=__HIVE_DEFAULT_PARTITION__ place=a%3Ab%2Fc place=x%3Dy z place=北京] v 1240",
            "00010 hive.sales.orders [dt=2026-11-17/hour=0 dt=2026-11-17/hour=1 dt=2026-11-18/hour=0] id,total 10209",
            "00011 hive.sales.orders [dt=2026-11-17/hour=0 dt=2026-11-18/hour=0] customer 6806",
            "00014 tpch.tiny.nation [] name 0",
            "00015 hive.sales.orders [dt=2026-11-17/hour=0] id,total 0",
        ]
    );
    assert_eq!(failed(&events), ["00015", "00016"]);
    assert!(events.iter().all(|event| event.user == "ann" && event.engine == "trino" && event.unattributed_bytes == 0));
    let join = &events[7];
    assert_eq!(join.query_id, "20261122_171923_00007_9mbvw");
    assert_eq!(join.created.to_rfc3339(), "2026-11-22T17:19:23.872+00:00");
    assert_eq!(join.ended.to_rfc3339(), "2026-11-22T17:19:24.352+00:00");
    assert_eq!(events[13].query.as_deref(), Some("SELECT 1"));
}

#[test]
fn what_presto_answered_is_read_table_by_table() {
    let events = parse(Format::Presto, PRESTO_RECORDED).events;
    let places = "[place=50%25 place=__HIVE_DEFAULT_PARTITION__ place=a%3Ab%2Fc place=x%3Dy z place=北京]";
    assert_eq!(
        numbered_reads(&events),
        [
            // Sizes are of 1024 bytes, and rounded: 4.38kB, 1.69kB, 13.12kB, 7.62kB, 5.20kB, 52.41kB.
            "00006 hive.sales.orders [dt=2026-11-18/hour=1] total 4485".to_owned(),
            // Of two tables, the bytes cannot be told.
            "00007 hive.sales.orders [dt=2026-11-18/hour=0 dt=2026-11-18/hour=1] customer,total 0".to_owned(),
            "00007 hive.sales.customers [] country,id 0".to_owned(),
            format!("00008 hive.sales.places {places} v 1731"),
            format!("00009 hive.sales.places {places} v 1731"),
            // One table that is read twice, and one that is read three times.
            "00010 hive.sales.orders [dt=2026-11-17/hour=0 dt=2026-11-17/hour=1 dt=2026-11-18/hour=0] id,total 13435".to_owned(),
            "00011 hive.sales.orders [dt=2026-11-17/hour=0 dt=2026-11-18/hour=0] customer 7803".to_owned(),
            "00014 hive.sales.orders [dt=2026-11-17/hour=0] id,total 5325".to_owned(),
            "00016 hive.sales.orders [dt=2026-11-17/hour=0 dt=2026-11-17/hour=1 dt=2026-11-18/hour=0 dt=2026-11-18/hour=1] id 53668".to_owned(),
        ]
    );
    assert_eq!(failed(&events), ["00014", "00015", "00016"]);
    assert!(events.iter().all(|event| event.user == "ann" && event.engine == "presto"));
    let join = &events[7];
    assert_eq!(join.query_id, "20261122_172003_00007_ubq2u");
    assert_eq!(join.created.to_rfc3339(), "2026-11-22T17:20:03.328+00:00");
    assert_eq!(join.ended.to_rfc3339(), "2026-11-22T17:20:04.373+00:00");
    assert_eq!(events[15].query.as_deref(), Some("SELECT nothing FROM hive.sales.orders"));

    let (told, larger) = ("\"rawInputDataSize\":\"4.38kB\"", "\"rawInputDataSize\":\"1.50MB\"");
    let text = std::str::from_utf8(PRESTO_RECORDED).unwrap().replace(told, larger);
    assert_eq!(parse(Format::Presto, text.as_bytes()).events[6].reads[0].bytes, 1_572_864, "of 1024 kB");
}

#[test]
fn presto_is_read_in_its_other_forms_too() {
    let events = parse(Format::Presto, include_bytes!("samples/presto-openlineage.jsonl")).events;
    let shown: Vec<_> =
        events.iter().map(|event| (event.query_id.as_str(), event.user.as_str(), event.succeeded)).collect();
    assert_eq!(shown, [("20261119_080000_00004_vwxyz", "ben", true), ("20261119_080000_00005_vwxyz", "ben", false)]);
    assert_eq!((events[0].ended - events[0].created).num_milliseconds(), 5500);
    assert_eq!((events[0].reads[0].bytes, events[0].reads[0].partitions.len()), (4096, 0));
    assert_eq!(events[0].query.as_deref(), Some("SELECT name FROM customers"));
    let completed = parse(Format::Presto, TRINO.replace("physicalInput", "total").as_bytes());
    assert_eq!((completed.events[0].engine.as_str(), completed.events[0].reads.len()), ("presto", 3));
    for (state, read) in [("FINISHED", "0B"), ("FAILED", "5.20kB")] {
        let list = format!(
            r#"{{"queryId": "q", "state": "{state}", "queryStats": {{"endTime": "2026-11-19T07:00:00Z", "rawInputDataSize": "{read}"}}}}"#
        );
        let problem = parse(Format::Presto, list.as_bytes()).rest.broken_entries.remove(0).problem;
        assert!(problem.contains("take /v1/query/ID of each query"), "{problem}");
    }
}

#[test]
fn a_list_of_partitions_that_was_cut_is_a_read_of_the_whole_table() {
    let cut = TRINO.replace("\"truncated\": false", "\"truncated\": true");
    let read = &parse(Format::Trino, cut.as_bytes()).events[0].reads[0];
    assert_eq!((read.table.to_string().as_str(), read.partitions.len(), read.bytes), ("hive.tpch.lineitem", 0, 2001));
}

#[test]
fn lineage_tells_the_tables_and_columns_that_were_read_and_not_those_written() {
    let events = parse(Format::Hive, include_bytes!("samples/hive.log")).events;
    let shown: Vec<String> = events.iter().map(|event| tables(event).join(" ")).collect();
    let orders = "hive.sales.orders";
    assert_eq!(shown, [orders, "hive.sales.customers", "hive.sales.customers", orders, orders, orders, orders]);
    assert_eq!(events[0].reads[0].columns, ["dt", "id", "total"]);
    assert_eq!(events[3].reads[0].columns, ["dt"], "a count names the table itself");
    assert_eq!((events[0].user.as_str(), events[0].engine.as_str()), ("ana", "hive"));
    assert_eq!((events[0].ended - events[0].created).num_milliseconds(), 1463);
    assert_eq!(events[6].query.as_deref(), Some("select id, concat(id, 'a\nb {') from orders"));

    let events = parse(Format::Impala, include_bytes!("samples/impala.jsonl")).events;
    assert_eq!(tables(&events[0]), ["hive.sales.customers", "hive.sales.orders"]);
    assert_eq!(events[0].reads[1].columns, ["customer", "total"]);
    assert_eq!(tables(&events[1]), [orders], "what an insert writes is not read");
    assert_eq!(events[2].reads[0].columns, ["address.city"], "an old version's vertices have no metadata");
    assert_eq!((events[0].ended - events[0].created).num_seconds(), 7);

    let dangling = r#"{"hash": "h", "timestamp": 1795071600, "edges": [{"sources": [7]}], "vertices": []}"#;
    let problem = parse(Format::Impala, dangling.as_bytes()).rest.broken_entries.remove(0).problem;
    assert!(problem.contains("edges[0]: there is no vertex 7"), "{problem}");
    let no_catalog = LogReader::new(Format::Hive, Places::default(), chrono::DateTime::UNIX_EPOCH).err().unwrap();
    assert!(no_catalog.contains("without their catalog"), "{no_catalog}");
}

/// `table partitions bytes`, for each table that the events read.
fn reads(events: &[QueryEvent]) -> Vec<String> {
    let reads = events.iter().flat_map(|event| &event.reads);
    reads.map(|read| format!("{} {} {}", read.table, read.partitions.join(" "), read.bytes)).collect()
}

#[test]
fn spark_names_the_partitions_that_it_read_where_its_log_tells_them() {
    let parsed = parse(Format::Spark, include_bytes!("samples/spark.jsonl"));
    let events = parsed.events;
    assert_eq!(events[0].query_id, "local-1795269113572/11");
    assert_eq!((events[0].user.as_str(), events[0].reads[0].columns.join(" ").as_str()), ("ana", "total"));
    let by_query: Vec<Vec<String>> = events.iter().map(|event| reads(std::slice::from_ref(event))).collect();
    assert_eq!(
        by_query[0],
        ["hive.sales.orders dt=2026-11-18/hour=1 2846"],
        "by its tasks, and not by its files' sizes"
    );
    assert!(by_query[1][0].starts_with("hive.sales.orders  "), "a list of four that was cut: {:?}", by_query[1]);
    assert_eq!(by_query[3].len(), 2, "a join: {:?}", by_query[3]);
    assert!(by_query[4][0].starts_with("hive.sales.places  "), "no filter, so all: {:?}", by_query[4]);
    assert!(by_query[5][0].starts_with("hive.sales.places place=__HIVE_DEFAULT_PARTITION__ place=北京 "));
    assert!(by_query[6][0].starts_with("hive.sales.customers  "));
    assert!(by_query[7][0].starts_with("hive.sales.orders  "), "files by path are named by where they are");
    assert_eq!(by_query[12], Vec::<String>::new(), "a query that is known to be empty reads nothing");
    let failed: Vec<&str> =
        events.iter().filter(|event| !event.succeeded).map(|event| event.query_id.as_str()).collect();
    assert_eq!(failed, ["local-1795269113572/22"]);
    assert!(events.iter().all(|event| event.unattributed_bytes == 0));
    let bytes: Vec<u64> = events.iter().map(|event| event.reads.iter().map(|read| read.bytes).sum()).collect();
    let by_tasks = [2846, 11380, 11406, 15631, 10324, 4130, 3899, 5670, 2716, 42023, 33134, 2856, 0];
    assert_eq!(bytes, by_tasks, "what the tasks of each query read, none lost and none twice");
}

#[test]
fn what_spark_reads_elsewhere_is_counted_and_not_named() {
    let elsewhere = Places::new(vec![], Some("lake"));
    let now = crate::test_support::time(super::conformance::NOW);
    let events =
        LogReader::new(Format::Spark, elsewhere, now).unwrap().parse(include_bytes!("samples/spark.jsonl")).events;
    assert_eq!(events[0].reads[0].table.to_string(), "lake.sales.orders", "by its name");
    assert_eq!(events[0].reads[0].partitions, ["dt=2026-11-18/hour=1"]);
    assert_eq!(events[7].reads, [], "files by path have no name");
    assert!(events[7].unattributed_bytes > 0);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(write_events(folder.path(), &events[7..8]).unwrap(), 1, "and are a row of the log");
}

#[test]
fn the_parts_of_a_rolled_log_are_read_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/logs/samples");
    let [log] = logs_below(&samples.join("eventlog_v2_local-1795269801160")).unwrap().try_into().unwrap();
    let mut reader = reader(Format::Spark);
    let reports = ingest_log(&mut reader, &log, folder.path(), |_| ()).unwrap();
    let events: Vec<u64> = reports.iter().map(|report| report.events).collect();
    assert_eq!(events, [1, 2], "one query began in the first part and ended in the second");
    assert!(reports.iter().all(|report| report.rest.broken == 0), "{reports:?}");
    let alone = ingest_log(&mut reader, &vec![log[1].clone()], folder.path(), |_| ()).unwrap().remove(0);
    assert!(alone.rest.broken_entries[0].problem.contains("give the folder of all its parts"), "{alone:?}");
    // Packed by the library that Spark packs with.
    let packed = ingest_log(
        &mut super::conformance::reader(Format::Spark),
        &vec![samples.join("spark-part.jsonl.lz4")],
        folder.path(),
        |_| (),
    );
    let packed = packed.unwrap().remove(0);
    assert_eq!((packed.events, packed.rest.broken), (1, 0), "{packed:?}");
}

#[test]
fn odd_partitions_have_the_name_that_their_objects_are_attributed_by() {
    let rules = AttributionRules::new("hive", vec![]);
    let mut met = 0;
    for (format, text) in [
        (Format::Trino, TRINO_RECORDED),
        (Format::Presto, PRESTO_RECORDED),
        (Format::Spark, &include_bytes!("samples/spark.jsonl")[..]),
        (Format::Generic, &include_bytes!("samples/generic.jsonl")[..]),
    ] {
        for event in parse(format, text).events {
            for read in event.reads.iter().filter(|read| read.table.table() == "places") {
                for partition in &read.partitions {
                    let object = rules.attribute(&format!("sales.db/places/{partition}/f.parquet")).unwrap();
                    assert_eq!((&object.table, &object.partition), (&read.table, partition), "{format}");
                    met += 1;
                }
            }
        }
    }
    assert_eq!(met, 5 + 10 + 2 + 2);
    let dotted = TRINO.replace("\"schema\": \"web\"", "\"schema\": \"web.eu\"");
    let read = &parse(Format::Trino, dotted.as_bytes()).events[0].reads[2];
    let object = AttributionRules::new("lake", vec![]).attribute("web.eu.db/clicks/f").unwrap();
    assert_eq!(read.table, object.table, "dots in a schema's name");
}

#[test]
fn names_that_no_path_can_hold_are_refused() {
    let good = r#"{"query_id": "q", "engine": "x", "created": "2026-11-19T07:00:00Z", "ended": "2026-11-19T07:00:01Z", "reads": [{"table": "a.b.TABLE", "partitions": ["PARTITION"]}]}"#;
    let read = |table: &str, partition: &str| {
        parse(Format::Generic, good.replace("TABLE", table).replace("PARTITION", partition).as_bytes())
    };
    assert_eq!(read("t", "/d=1/").events[0].reads[0].partitions, ["d=1"]);
    assert_eq!(read("odd.t$\u{2014} x", "d=").events.len(), 1);
    for (table, partition, problem) in [
        ("t/u", "d=1", "reads[0]: the table `a.b.t/u` has a slash"),
        ("t\\n", "d=1", "a control character in its name"),
        ("t", "2026-11-19", "reads[0]: `2026-11-19` is not a partition: write key=value"),
        ("t", "", "is not a partition"),
        ("t", "d=1//h=2", "is not a partition"),
        ("t", "=1", "is not a partition"),
        ("t", "d=\\u0000", "is not a partition"),
    ] {
        let parsed = read(table, partition);
        assert_eq!(parsed.events, [], "{table} {partition}");
        assert!(parsed.rest.broken_entries[0].problem.contains(problem), "{:?}", parsed.rest);
    }
}

#[test]
fn times_that_cannot_be_are_refused_by_name() {
    let event = |created: &str, ended: &str| {
        let text = format!(r#"{{"query_id": "q", "engine": "x", "created": "{created}", "ended": "{ended}"}}"#);
        parse(Format::Generic, text.as_bytes())
    };
    assert_eq!(event("2026-11-22T23:00:00Z", "2026-11-23T00:59:59Z").events.len(), 1, "clocks differ a little");
    assert_eq!(event("1990-01-01T00:00:00Z", "2026-11-23T00:00:00Z").events.len(), 1);
    let swapped = event("2026-11-22T23:00:00Z", "2026-11-22T22:00:00Z").events.remove(0);
    assert_eq!(swapped.ended, swapped.created, "a query does not end before it was created");
    for (created, ended, problem) in [
        (
            "2026-11-23T01:00:01Z",
            "2026-11-23T01:00:01Z",
            "was created at 2026-11-23T01:00:01Z, more than 60 min in the future",
        ),
        (
            "2026-11-23T00:00:00Z",
            "2030-01-01T00:00:00Z",
            "ended at 2030-01-01T00:00:00Z, more than 60 min in the future",
        ),
        ("1989-12-31T23:59:59Z", "2026-11-23T00:00:00Z", "was created in the year 1989, before 1990"),
        ("+262142-12-31T23:59:59Z", "2026-11-23T00:00:00Z", ""),
    ] {
        let parsed = event(created, ended);
        assert_eq!((parsed.events.len(), parsed.rest.broken), (0, 1), "{created}");
        assert!(parsed.rest.broken_entries[0].problem.contains(problem), "{:?}", parsed.rest);
    }
    let milliseconds = TRINO.replace("1795071600.250000000", "1795071600250");
    assert_eq!(parse(Format::Trino, milliseconds.as_bytes()).rest.broken, 1, "milliseconds for seconds");
}

#[test]
fn columns_are_kept_for_each_table_with_their_commas() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"query_id": "q", "engine": "x", "created": "2026-11-19T07:00:00Z", "ended": "2026-11-19T07:00:01Z",
        "reads": [{"table": "a.b.t", "columns": ["z", "a,b", "5%", "z"]}]}"#;
    write_events(folder.path(), &parse(Format::Generic, text.as_bytes()).events).unwrap();
    let day = std::fs::read_dir(folder.path().join("queries/day=2026-11-19")).unwrap().next().unwrap().unwrap();
    let file = std::fs::File::open(day.path()).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batch = reader.map(|batch| batch.unwrap()).next().unwrap();
    let columns: &arrow::array::StringArray = batch[columns::COLUMNS].as_any().downcast_ref().unwrap();
    assert_eq!(columns.value(0), "5%25,a%2Cb,z");
}
