//! What every adapter keeps, whatever its engine: the suite runs over all of them and their samples. A new adapter is added
//! to [`SAMPLES`], and keeps the same promises.

use std::collections::HashSet;
use std::io::{Read, Write};

use larder_model::AttributionRules;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::lines::ENTRY_BYTES_MAX;
use super::*;
use crate::test_support::time;

/// A log as its engine writes it, and how many finished queries it tells of.
struct Sample {
    format: Format,
    text: &'static [u8],
    queries: usize,
}

const SAMPLES: [Sample; 8] = [
    Sample { format: Format::Trino, text: include_bytes!("samples/trino.jsonl"), queries: 17 },
    Sample { format: Format::Presto, text: include_bytes!("samples/presto.jsonl"), queries: 17 },
    Sample { format: Format::Presto, text: include_bytes!("samples/presto-openlineage.jsonl"), queries: 2 },
    Sample { format: Format::Spark, text: include_bytes!("samples/spark.jsonl"), queries: 13 },
    Sample {
        format: Format::Spark,
        text: include_bytes!("samples/eventlog_v2_local-1795269801160/events_1_local-1795269801160"),
        queries: 1,
    },
    Sample { format: Format::Impala, text: include_bytes!("samples/impala.jsonl"), queries: 3 },
    Sample { format: Format::Hive, text: include_bytes!("samples/hive.log"), queries: 7 },
    Sample { format: Format::Generic, text: include_bytes!("samples/generic.jsonl"), queries: 3 },
];

/// A little after the samples.
pub(super) const NOW: &str = "2026-11-23T00:00:00Z";

/// The places of the samples: Spark's were recorded on a local disk.
pub(super) fn places() -> Places {
    let rules = AttributionRules::new("hive", vec![]);
    let origin = "file:///srv/warehouse".to_owned();
    Places::new(vec![Place { bucket: "warehouse".into(), origin, catalog: "hive".into(), rules }], None)
}

pub(super) fn reader(format: Format) -> LogReader {
    LogReader::new(format, places(), time(NOW)).unwrap()
}

fn parse(format: Format, text: &[u8]) -> Parsed {
    reader(format).parse(text)
}

impl Sample {
    fn lines(&self) -> Vec<&'static [u8]> {
        self.text.trim_ascii().split(|byte| *byte == b'\n').collect()
    }

    /// The entries alone, without what a logger put before them.
    fn entries(&self) -> Vec<serde_json::Value> {
        let adapter = adapter::adapter(self.format, &places()).unwrap();
        self.lines().into_iter().map(|line| serde_json::from_slice(adapter.payload(line)).unwrap()).collect()
    }

    fn events(&self) -> Vec<QueryEvent> {
        parse(self.format, self.text).events
    }

    #[track_caller]
    fn check(&self, text: &[u8], what: &str) {
        let parsed = parse(self.format, text);
        assert_eq!(parsed.rest.broken, 0, "{} {what}: {:?}", self.format, parsed.rest.broken_entries.first());
        assert_eq!(parsed.events, self.events(), "{} {what}", self.format);
    }
}

#[test]
fn every_form_has_a_sample_and_every_good_entry_is_read() {
    for format in Format::ALL {
        assert!(SAMPLES.iter().any(|sample| sample.format == format), "{format}");
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    for sample in &SAMPLES {
        let parsed = parse(sample.format, sample.text);
        assert_eq!(parsed.rest.broken_entries, [], "{}", sample.format);
        assert_eq!((parsed.events.len(), parsed.rest.duplicates), (sample.queries, 0), "{}", sample.format);
        let entries = sample.lines().len() as u64;
        assert_eq!(parsed.events.len() as u64 + parsed.rest.ignored, entries, "{}: each entry counts", sample.format);
        assert!(parsed.events.iter().any(|event| !event.reads.is_empty()), "{}", sample.format);
    }
}

#[test]
fn what_is_broken_costs_nothing_around_it_and_is_named_with_its_place() {
    let broken: [&[u8]; 6] = [b"nonsense", b"{", b"{\"a\": \"b", b"\x00\xff", b"null", b"\"text\""];
    for sample in &SAMPLES {
        let lines = sample.lines();
        let mut text = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            text.extend_from_slice(&[line, &b"\n"[..], broken[at % broken.len()], &b"\n"[..]].concat());
        }
        let parsed = parse(sample.format, &text);
        assert_eq!(parsed.events, sample.events(), "{}", sample.format);
        assert_eq!(parsed.rest.broken, lines.len() as u64, "{}", sample.format);
        let places: Vec<u64> = parsed.rest.broken_entries.iter().map(|entry| entry.line).collect();
        let expected: Vec<u64> = (1..=lines.len() as u64).map(|line| line * 2).take(BROKEN_ENTRIES_MAX).collect();
        assert_eq!(places, expected, "{}", sample.format);
        assert!(parsed.rest.broken_entries.iter().all(|entry| !entry.problem.is_empty()));
    }
}

#[test]
fn a_cut_last_line_costs_that_line() {
    for sample in &SAMPLES {
        let whole = sample.text.trim_ascii_end();
        let last = sample.lines().pop().unwrap();
        for cut in [1, 2, last.len() / 2] {
            let parsed = parse(sample.format, &whole[..whole.len() - cut]);
            assert_eq!(parsed.rest.broken, 1, "{} less {cut} bytes", sample.format);
            assert_eq!(parsed.rest.broken_entries[0].line, sample.lines().len() as u64);
            let all = sample.events();
            assert!(all.starts_with(&parsed.events) && parsed.events.len() + 1 >= all.len(), "{}", sample.format);
        }
    }
}

#[test]
fn line_ends_marks_arrays_and_objects_over_several_lines_make_no_difference() {
    for sample in &SAMPLES {
        let text = std::str::from_utf8(sample.text).unwrap();
        sample.check(text.replace('\n', "\r\n").as_bytes(), "with carriage returns");
        sample.check(text.replace('\n', "\n\n \n").as_bytes(), "with empty lines");
        sample.check(format!("\u{feff}{text}").as_bytes(), "with a byte order mark");
        sample.check(text.trim_end().as_bytes(), "without its last line end");
        let entries = sample.entries();
        let pretty: Vec<String> = entries.iter().map(|entry| serde_json::to_string_pretty(entry).unwrap()).collect();
        sample.check(pretty.join("\n").as_bytes(), "over several lines");
        sample.check(format!("[{}]", pretty.join(",\n")).as_bytes(), "as an array");
        sample.check(serde_json::to_string(&entries).unwrap().as_bytes(), "as an array on one line");
        sample.check(serde_json::to_string_pretty(&entries).unwrap().as_bytes(), "as an array over several lines");
    }
}

#[test]
fn a_broken_array_gives_what_comes_before() {
    for sample in &SAMPLES {
        let text = serde_json::to_string(&sample.entries()).unwrap();
        let parsed = parse(sample.format, &text.as_bytes()[..text.len() - 3]);
        let all = sample.events();
        assert!(all.starts_with(&parsed.events) && parsed.events.len() + 1 >= all.len(), "{}", sample.format);
        assert_eq!(parsed.rest.broken_entries[0].line, sample.entries().len() as u64, "{}", sample.format);
        let parsed = parse(sample.format, format!("{text} {text}").as_bytes());
        assert_eq!(
            (parsed.events, parsed.rest.broken),
            (all, 1),
            "{}: one array, and something after it",
            sample.format
        );
    }
}

#[test]
fn empty_logs_are_in_order() {
    for format in Format::ALL {
        for text in ["", "\n\r\n  \n", "\u{feff}", "[]", " [ ] "] {
            let parsed = parse(format, text.as_bytes());
            assert_eq!((parsed.events.len(), parsed.rest), (0, Rest::default()), "{format} {text:?}");
        }
    }
}

#[test]
fn a_query_counts_once_within_a_log_and_over_several() {
    for sample in &SAMPLES {
        let twice = [sample.text, sample.text].concat();
        let parsed = parse(sample.format, &twice);
        assert_eq!(parsed.events, sample.events(), "{}", sample.format);
        assert_eq!(parsed.rest.duplicates, sample.queries as u64, "{}", sample.format);
        let mut reader = reader(sample.format);
        reader.parse(sample.text);
        reader.begin_log();
        let again = reader.parse(sample.text);
        assert_eq!((again.events.len(), again.rest.duplicates), (0, sample.queries as u64), "{}", sample.format);
    }
}

#[test]
fn fields_that_nobody_knows_are_ignored() {
    for sample in &SAMPLES {
        let mut entries = sample.entries();
        for entry in &mut entries {
            entry["aFieldOfTomorrow"] = serde_json::json!({ "x": [1, null, {"deep": [[[]]]}] });
        }
        let lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
        sample.check(lines.join("\n").as_bytes(), "with a field of tomorrow");
    }
}

#[test]
fn events_of_the_future_are_refused_by_name() {
    for sample in &SAMPLES {
        let mut reader = LogReader::new(sample.format, places(), time("2026-11-01T00:00:00Z")).unwrap();
        let parsed = reader.parse(sample.text);
        assert_eq!((parsed.events.len(), parsed.rest.broken), (0, sample.queries as u64), "{}", sample.format);
        let problem = &parsed.rest.broken_entries[0].problem;
        assert!(problem.contains("in the future"), "{problem}");
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_with_the_limit() {
    for sample in &SAMPLES[..1] {
        let long = std::io::repeat(b'x').take(ENTRY_BYTES_MAX as u64 + 10);
        let log = std::io::BufReader::new(sample.text.chain(long).chain(&b"\n"[..]).chain(sample.text));
        let mut parsed = Parsed::default();
        reader(sample.format).read(log, &mut parsed, |_| Ok::<_, std::io::Error>(())).unwrap();
        assert_eq!((parsed.events, parsed.rest.broken), (sample.events(), 1));
        let problem = &parsed.rest.broken_entries[0];
        assert_eq!(
            (problem.line, problem.problem.as_str()),
            (sample.lines().len() as u64 + 1, "the line is longer than 64 MiB")
        );
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

fn lz4(text: &[u8]) -> Vec<u8> {
    let mut packed = lz4_flex::frame::FrameEncoder::new(Vec::new());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

#[test]
fn packed_logs_are_unpacked_and_cut_ones_give_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (path, logs) = (folder.path().join("log"), folder.path().join("logs"));
    for sample in &SAMPLES {
        let zstd = zstd::encode_all(sample.text, 1).unwrap();
        for (name, packed) in [("gzip", gzip(sample.text)), ("zstd", zstd), ("lz4", lz4(sample.text))] {
            std::fs::write(&path, &packed).unwrap();
            let mut told = 0;
            let log = vec![path.clone()];
            let reports = ingest_log(&mut reader(sample.format), &log, &logs, |bytes| told = bytes).unwrap();
            assert_eq!(
                (reports[0].events, reports[0].rest.broken),
                (sample.queries as u64, 0),
                "{} {name}",
                sample.format
            );
            assert_eq!(told, packed.len() as u64, "progress counts the file's bytes");
            std::fs::write(&path, &packed[..packed.len() - 9]).unwrap();
            let report = &ingest_log(&mut reader(sample.format), &log, &logs, |_| ()).unwrap()[0];
            assert!(report.rest.broken > 0, "{} {name}", sample.format);
            let last = report.rest.broken_entries.last().unwrap();
            assert!(last.problem.contains("damaged or cut"), "{} {name}: {last:?}", sample.format);
        }
    }
}

/// Values of every kind, put in the place of others.
fn odd_value(random: &mut ChaCha8Rng) -> serde_json::Value {
    let values = [
        serde_json::json!(null),
        serde_json::json!(-1),
        serde_json::json!(1e300),
        serde_json::json!(i64::MIN),
        serde_json::json!(u64::MAX),
        serde_json::json!(""),
        serde_json::json!("../..//\u{0}北京%zz,=[](struct<"),
        serde_json::json!([[], {}]),
        serde_json::json!({"a": {}}),
        serde_json::json!(true),
    ];
    values[random.random_range(0..values.len())].clone()
}

fn mutate(value: &mut serde_json::Value, random: &mut ChaCha8Rng) {
    match value {
        _ if random.random_ratio(1, 40) => *value = odd_value(random),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| mutate(value, random)),
        serde_json::Value::Object(values) => values.values_mut().for_each(|value| mutate(value, random)),
        _ => {}
    }
}

/// What holds of all events, however they came about.
#[track_caller]
fn check_sound(parsed: &Parsed, seed: u64) {
    let mut ids = HashSet::new();
    for event in &parsed.events {
        assert!(ids.insert((&event.engine, &event.query_id)) && !event.query_id.is_empty(), "seed {seed}: {event:?}");
        assert!(
            event.created <= event.ended && event.created >= time("1990-01-01T00:00:00Z"),
            "seed {seed}: {event:?}"
        );
        for read in &event.reads {
            let items = read.partitions.iter().map(|partition| format!("{}/{partition}", read.table));
            for item in items.chain([read.table.to_string()]) {
                let parsed: larder_model::ItemName = item.parse().unwrap();
                assert_eq!((parsed.to_string(), &parsed.table), (item, &read.table), "seed {seed}");
            }
        }
    }
    assert!(parsed.rest.broken_entries.len() as u64 == parsed.rest.broken.min(BROKEN_ENTRIES_MAX as u64));
}

#[test]
fn arbitrary_bytes_and_values_are_survived() {
    for seed in 0..60 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let noise: Vec<u8> = (0..random.random_range(0..3000)).map(|_| random.random()).collect();
        let braces: Vec<u8> = (0..3000).map(|_| b"{}[]\",:\\\n a1"[random.random_range(0..12)]).collect();
        for sample in SAMPLES.iter().filter(|sample| sample.text.len() < 100_000) {
            check_sound(&parse(sample.format, &noise), seed);
            check_sound(&parse(sample.format, &braces), seed);
            // Bytes of a sound log, changed, lost and doubled.
            let mut text = sample.text.to_vec();
            for _ in 0..random.random_range(1..50) {
                let at = random.random_range(0..text.len());
                let some = at..(at + random.random_range(1..200)).min(text.len());
                match random.random_range(0..3) {
                    0 => text[at] = random.random(),
                    1 => drop(text.drain(some)),
                    _ => text.extend_from_within(some),
                }
                if text.is_empty() {
                    break;
                }
            }
            check_sound(&parse(sample.format, &text), seed);
            // Sound JSON with values that have no place where they are.
            let mut entries = sample.entries();
            entries.iter_mut().for_each(|entry| mutate(entry, &mut random));
            check_sound(&parse(sample.format, serde_json::to_string(&entries).unwrap().as_bytes()), seed);
        }
    }
}
