//! Nights that compare what the list of the day before was expected to save with what it saved.

use super::*;
use crate::realised::ItemDay;

/// The origin and the SSD as they are assumed to be, for these logs are too few to measure them.
const ORIGIN_SECONDS: f64 = 0.03 + 500_000.0 / 80e6;
const SSD_SECONDS: f64 = 0.0003 + 500_000.0 / 1e9;
/// What a read of half a megabyte saves by that.
const READ_SECONDS: f64 = ORIGIN_SECONDS - SSD_SECONDS;
/// What the SSD took for it in these logs.
const HIT_SECONDS: f64 = 0.0005 + 500_000.0 / 1e9;

fn hits(partition: &str, times: usize) -> Vec<AccessRecord> {
    (0..times).map(|_| hit("hive.db.t", partition, 500_000)).collect()
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[tokio::test]
async fn each_night_compares_what_yesterdays_list_predicted_with_what_it_earned_by_item() {
    let world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    let report = world.run("2026-11-19").await;
    assert_eq!(report.realised, None, "no list was in force");
    // The day after: six reads that hit, two that did not, and five of a partition that is not whitelisted.
    write_access(world.logs.path(), day("2026-11-20"), "hits.parquet", &hits("d=2", 6));
    world.reads("2026-11-20", "missed.parquet", "d=2", 2);
    world.reads("2026-11-20", "others.parquet", "d=3", 5);
    let report = world.run("2026-11-20").await;
    let realised = report.realised.as_ref().unwrap();
    assert_eq!((realised.version, realised.items), (1, 1));
    // Forty reads in the one day that is known, drawn towards none by half a day's worth.
    let predicted = 40.0 * READ_SECONDS / 1.5;
    let saved = 6.0 * (ORIGIN_SECONDS - HIT_SECONDS);
    assert!(is_near(realised.predicted_seconds, predicted), "{realised:?}");
    assert!(is_near(realised.read_seconds, 8.0 * READ_SECONDS), "{realised:?}");
    assert!(is_near(realised.realised_seconds, saved), "{realised:?}");
    assert!(is_near(realised.missed_seconds, 5.0 * READ_SECONDS), "{realised:?}");
    assert!(is_near(report.realised_seconds, saved), "nothing else was hit");
    assert!(is_near(realised.error.unwrap(), (predicted - saved) / saved), "{realised:?}");
    assert!(is_near(realised.bias.unwrap(), predicted / saved), "{realised:?}");
    let [bin] = realised.calibration.as_slice() else { panic!("{realised:?}") };
    assert_eq!((bin.from_seconds, bin.below_seconds, bin.items), (0.1, Some(1.0), 1));
    let item: ItemName = "hive.db.t/d=2".parse().unwrap();
    assert_eq!(realised.worst.iter().map(|day| &day.item).collect::<Vec<_>>(), [&item]);

    // Explaining the item shows the day.
    let store = &world.night.store;
    let in_force = store.whitelist_in_force().await.unwrap();
    let explained = explain(store, in_force.as_ref(), &item).await.unwrap();
    assert_eq!(explained.items[0].days, realised.worst);
    assert_eq!(explained.items[0].days[0].day, day("2026-11-20"));
    let other = explain(store, in_force.as_ref(), &"hive.db.t/d=3".parse().unwrap()).await.unwrap();
    assert_eq!(other.items[0].days, [], "it was not whitelisted");
    let nights = store.nights(10).await.unwrap();
    let kept = nights.iter().find(|night| night.id == report.id).unwrap();
    assert_eq!(kept.report.realised, report.realised);
}

#[tokio::test]
async fn a_night_run_again_replaces_what_its_day_realised() {
    let world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    write_access(world.logs.path(), day("2026-11-20"), "hits.parquet", &hits("d=2", 6));
    let first = world.run("2026-11-20").await.realised.unwrap();
    assert_eq!(world.run("2026-11-20").await.realised.as_ref(), Some(&first), "by the same list");
    write_access(world.logs.path(), day("2026-11-20"), "late.parquet", &hits("d=2", 2));
    let again = world.run("2026-11-20").await.realised.unwrap();
    assert!(is_near(again.realised_seconds, first.realised_seconds * 8.0 / 6.0), "{again:?}");
    assert_eq!(again.predicted_seconds, first.predicted_seconds);
    let item = "hive.db.t/d=2".parse().unwrap();
    let kept: Vec<ItemDay> = world.night.store.realised_of(&item, 7).await.unwrap();
    assert_eq!(kept, again.worst, "one row for the day");
}

#[tokio::test]
async fn a_day_without_logs_and_a_list_that_cannot_be_read_are_not_compared() {
    let world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    assert_eq!(world.run("2026-11-20").await.realised, None, "nothing is known of the day");
    world.reads("2026-11-20", "a.parquet", "d=2", 40);
    world.night.store.break_document(1, "{}").await;
    let report = world.run("2026-11-20").await;
    assert_eq!(report.realised, None);
    let said = report.warnings.iter().any(|warning| warning.words.contains("what it realised is not known"));
    assert!(said, "{:?}", report.warnings);
}

#[tokio::test]
async fn reports_of_nights_before_the_comparison_was_kept_are_still_read() {
    let world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    let report = world.run("2026-11-19").await;
    let mut old = serde_json::to_value(&report).unwrap();
    old.as_object_mut().unwrap().remove("realised").unwrap();
    let read: NightReport = serde_json::from_value(old).unwrap();
    assert_eq!((read.realised, read.version), (None, report.version));
}
