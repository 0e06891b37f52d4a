//! Nights whose logs lack days, or have some that lie in the future.

use super::*;

fn words(report: &NightReport) -> Vec<&str> {
    report.warnings.iter().map(|warning| warning.words.as_str()).collect()
}

#[tokio::test]
async fn days_whose_logs_are_missing_are_named_and_are_no_days_without_reads() {
    let (gap, whole) = (World::new().await, World::new().await);
    for date in ["2026-11-11", "2026-11-12", "2026-11-18", "2026-11-19"] {
        gap.reads(date, "a.parquet", "d=2", 40);
    }
    for date in ["2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19"] {
        whole.reads(date, "a.parquet", "d=2", 40);
    }
    let (with_gap, without) = (gap.run("2026-11-19").await, whole.run("2026-11-19").await);
    let said = "5 days have no logs and are taken for unknown, not for days without reads: 2026-11-13, 2026-11-14, \
                2026-11-15, 2026-11-16, 2026-11-17";
    assert!(words(&with_gap).contains(&said), "{:?}", words(&with_gap));
    assert!(!words(&without).iter().any(|words| words.contains("no logs")), "{:?}", words(&without));
    assert_eq!((with_gap.history_days, without.history_days), (4, 4));
    assert!((with_gap.value_seconds - without.value_seconds).abs() < 1e-9, "{with_gap:?} {without:?}");
    // A file of which no row can be read says nothing of its day either; the days before the first are not missing.
    let broken = gap.logs.path().join("access/day=2026-11-14");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("a.parquet"), "no Parquet").unwrap();
    let report = gap.run("2026-11-19").await;
    assert!(words(&report).contains(&said), "{:?}", words(&report));
    assert_eq!(report.skipped_files.len(), 1);
}

#[tokio::test]
async fn logs_from_the_future_are_named_and_left_out_until_their_day_is_there() {
    let mut world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.reads("2026-12-24", "a.parquet", "d=3", 90);
    let ahead: Vec<AccessRecord> = (0..90)
        .map(|_| AccessRecord { time: time("2026-11-21T09:00:00Z"), ..get("hive.db.t", "d=3", 500_000) })
        .collect();
    write_access(world.logs.path(), day("2026-11-19"), "ahead.parquet", &ahead);
    let report = world.run("2026-11-19").await;
    let days = "1 days of the access log lie in the future and are left out until they have come, see to the workers' \
                clocks: 2026-12-24";
    let rows = "90 rows of the access log lie in the future and are left out until their time has come, see to the \
                workers' clocks: in the logs of 2026-11-19";
    assert!(words(&report).contains(&days) && words(&report).contains(&rows), "{:?}", words(&report));
    assert_eq!((report.rows_ingested, world.in_force().await), (40, vec!["hive.db.t/d=2".to_owned()]));
    let again = world.run("2026-11-19").await;
    assert!(words(&again).contains(&rows), "each night says so: {:?}", words(&again));
    // Two days later the rows have come.
    world.night.clock = Arc::new(ManualClock::new(time("2026-11-22T02:30:00Z")));
    let come = world.run("2026-11-19").await;
    assert_eq!((come.days_ingested.as_slice(), come.rows_ingested), (&[day("2026-11-19")][..], 130));
    assert!(words(&come).contains(&days) && !words(&come).contains(&rows), "{:?}", words(&come));
    assert_eq!(world.in_force().await, ["hive.db.t/d=3"]);
    assert_eq!(world.run("2026-11-19").await.days_ingested, [], "and the day is known");
}
