use super::*;
use crate::simulate::trace::day_of;
use crate::simulate::{CacheSettings, SimulateSettings, Source, run};
use crate::speed::Measured;
use crate::store::tests::{day, scratch};
use crate::store::{CatalogItem, DaySummary};

const MB: u64 = 1_000_000;

fn settings(source: Source, capacity_fraction: f64) -> SimulateSettings {
    SimulateSettings { source, capacity_fraction, cache: CacheSettings::FILLED, ablations: false }
}

fn item(name: &str) -> ItemName {
    name.parse().unwrap()
}

fn read(name: &str, requests: u64, bytes: u64, queries: u64, bursts: u64) -> DayItem {
    let reads = Reads { requests, bytes };
    DayItem { item: item(name), reads, queries, hit_requests: 0, hit_bytes: 0, hit_seconds: 0.0, bursts }
}

fn whole_table(table: &str, requests: u64, bytes: u64) -> DayItem {
    let item = ItemName { table: table.parse().unwrap(), partition: WHOLE_TABLE.into() };
    DayItem { item, ..read("a.b.c", requests, bytes, 1, 1) }
}

fn held(name: &str, bytes: u64) -> CatalogItem {
    CatalogItem {
        item: item(name),
        bucket: "wh".into(),
        bytes,
        objects: 1,
        prefixes: vec!["p/".into()],
        fingerprint: 1,
    }
}

async fn store_of(days: &[(&str, Vec<DayItem>)], catalog: &[CatalogItem]) -> (tempfile::TempDir, Store) {
    let (folder, store) = scratch().await;
    for (of, items) in days {
        let summary = DaySummary {
            day: day(of),
            fingerprint: "f".into(),
            log_rows: 1,
            unattributed_requests: 0,
            unattributed_bytes: 0,
            skipped_files: Vec::new(),
        };
        let speed = IoSpeed { overhead_seconds: 0.5, bytes_per_second: 1e7 };
        store.replace_day(&summary, items, &[("origin", Measured { speed, samples: 100 })]).await.unwrap();
    }
    store.replace_catalog("wh", catalog).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn days_of_the_store_are_replayed_at_the_speed_that_was_measured() {
    let days: Vec<(String, Vec<DayItem>)> = (1..=8)
        .filter(|of| *of != 4)
        .map(|of| (format!("2026-11-{of:02}"), vec![read("a.b.t/dt=2026-10-31", 6, 30 * MB, 3, 2)]))
        .collect();
    let days: Vec<(&str, Vec<DayItem>)> = days.iter().map(|(of, items)| (of.as_str(), items.clone())).collect();
    let (_folder, store) = store_of(&days, &[held("a.b.t/dt=2026-10-31", 10 * MB), held("a.b.unread", MB)]).await;
    let history = History::load(&store).await.unwrap();
    assert_eq!(history, History::load(&store).await.unwrap(), "always in the same way");
    let span = &history.span;
    assert_eq!((span.first, span.last), (day("2026-11-01"), day("2026-11-08")));
    assert_eq!((span.days_warm_up, span.days_without_logs), (4, 1));
    assert_eq!((span.items_read, span.items_gone, span.measured), (1, 0, false), "the SSD was not measured");
    let trace = &history.trace;
    assert_eq!((trace.days, trace.items.len()), (8, 1), "a table that nobody reads is left out");
    assert_eq!((trace.items[0].date, trace.items[0].lands), (Some(-1), 0));
    assert_eq!(trace.reads.len(), 7 * 3);
    let report = run(&settings(Source::History(Box::new(history)), 1.0)).unwrap();
    // Four measured days of six requests, and of 30 MB.
    let saved = 4.0 * (6.0 * (0.5 - 0.0003) + 30e6 * (1e-7 - 1e-9));
    assert!((report.io_time_possible - saved).abs() < 1e-6, "{} {saved}", report.io_time_possible);
    let lru = &report.policies[0];
    assert!((lru.io_time_saved - saved).abs() < 1e-6, "held since the first day: {lru:?}");
    assert_eq!(serde_json::to_value(&report).unwrap()["history"]["first"], "2026-11-01");
}

#[tokio::test]
async fn too_short_a_history_is_refused() {
    let (_folder, store) = store_of(&[], &[]).await;
    let error = History::load(&store).await.unwrap_err().to_string();
    assert!(error.contains("reads of 0 days") && error.contains("needs 5"), "{error}");
    let day_of = |of| (of, vec![read("a.b.t", 1, MB, 1, 1)]);
    let days = [day_of("2026-11-01"), day_of("2026-11-04"), ("2026-11-09", Vec::new())];
    let (_folder, store) = store_of(&days, &[held("a.b.t", MB)]).await;
    let error = History::load(&store).await.unwrap_err().to_string();
    assert!(error.contains("reads of 4 days"), "a day on which nothing was read counts for nothing: {error}");
}

/// Ten days from the first of November, of which the first has these reads.
fn history(first: Vec<DayItem>, sizes: &[(&str, u64)]) -> History {
    let days: Vec<(NaiveDate, Vec<DayItem>)> = (1..=10)
        .map(|of| {
            (day(&format!("2026-11-{of:02}")), if of == 1 { first.clone() } else { vec![read("z.z.z", 1, 1, 1, 1)] })
        })
        .collect();
    let sizes = sizes.iter().map(|(name, bytes)| (item(name), Size { bytes: *bytes, objects: 2 })).collect();
    History::of(&days, &sizes, super::super::PRICES, true).unwrap()
}

fn first_day(history: &History) -> Vec<&Read> {
    history.trace.reads.iter().filter(|read| day_of(read.at) == 0).collect()
}

#[test]
fn a_days_reads_are_spread_over_as_many_half_hours_as_it_had_and_none_is_lost() {
    let history = history(vec![read("a.b.t", 100, 55 * MB + 7, 10, 4)], &[("a.b.t", 20 * MB)]);
    let reads = first_day(&history);
    assert_eq!(reads.len(), 10, "as many as queries");
    assert_eq!(reads.iter().map(|read| read.requests).sum::<u32>(), 100);
    assert_eq!(reads.iter().map(|read| read.bytes).sum::<u64>(), 55 * MB + 7);
    let half_hours: BTreeSet<u32> = reads.iter().map(|read| read.at / 1800).collect();
    assert_eq!(half_hours.len(), 4);
    let apart: Vec<u32> = half_hours.iter().zip(half_hours.iter().skip(1)).map(|(a, b)| b - a).collect();
    assert_eq!(apart, [12, 12, 12], "six hours");
    let gaps = reads.windows(2).filter(|pair| pair[1].at - pair[0].at == 60).count();
    assert_eq!(gaps, 6, "the others follow by a minute");
}

#[test]
fn an_item_is_read_as_often_as_its_bytes_say_if_no_query_does() {
    let history = history(vec![read("a.b.t", 100, 55 * MB, 0, 1)], &[("a.b.t", 20 * MB)]);
    assert_eq!(first_day(&history).len(), 3);
    assert!(first_day(&history).iter().all(|read| read.bytes <= 20 * MB));
}

#[test]
fn reads_of_a_table_as_a_whole_go_to_its_partitions_by_size() {
    let sizes = [("a.b.t/k=1", 10 * MB), ("a.b.t/k=2", 30 * MB)];
    let history = history(vec![whole_table("a.b.t", 8, 40 * MB)], &sizes);
    let bytes: Vec<u64> = {
        let mut reads = first_day(&history);
        reads.sort_by_key(|read| read.item);
        reads.iter().map(|read| read.bytes).collect()
    };
    assert_eq!(bytes, [10 * MB, 30 * MB]);
    assert_eq!(history.span.items_read, 3);
}

#[test]
fn what_the_catalog_no_longer_holds_is_as_large_as_what_was_read_of_it_at_once() {
    let history = history(vec![read("a.b.gone", 10, 50 * MB, 5, 1)], &[("z.z.z", MB)]);
    assert_eq!((history.span.items_read, history.span.items_gone), (2, 1));
    assert_eq!(history.trace.items[0].bytes, 10 * MB);
    assert_eq!(first_day(&history).len(), 5);
}

#[test]
fn hostile_counts_are_taken_for_the_largest_that_can_be() {
    let reads = vec![read("a.b.t", u64::MAX, u64::MAX, u64::MAX, u64::MAX), whole_table("a.b.u", u64::MAX, u64::MAX)];
    let source =
        Source::History(Box::new(history(reads, &[("a.b.t", u64::MAX), ("a.b.u/k=1", u64::MAX), ("a.b.u/k=2", 0)])));
    let report = run(&settings(source, 0.1)).unwrap();
    assert!(report.io_time_possible.is_finite());
}

#[test]
fn partitions_know_their_dates_and_are_there_when_those_end() {
    let reads = vec![read("a.b.t/dt=2026-11-01", 1, MB, 1, 1)];
    let history = history(reads, &[("a.b.t/dt=2026-11-01", MB), ("a.b.t/dt=2026-11-03", MB)]);
    let [early, late] = &history.trace.items[..2] else { panic!("{:?}", history.trace.items) };
    assert_eq!((early.date, late.date), (Some(0), Some(2)));
    assert!(early.lands < i64::from(DAY_SECONDS), "it was read on its own day");
    assert_eq!(late.lands, 3 * i64::from(DAY_SECONDS), "nobody read it, but a policy may choose it");
    assert_eq!((early.slot, early.files), (late.slot, 2));
}
