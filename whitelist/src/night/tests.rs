//! Whole nights over real Parquet logs, an in-memory origin, SQLite, and a worker that notes what it is told.

mod columns;
mod days;
mod people;
mod realised;

use std::sync::atomic::{AtomicUsize, Ordering};

use larder_model::{AttributionRules, ByteSize, ManualClock};
use object_store::aws::AmazonS3Builder;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt, RetryConfig};
use tempfile::TempDir;

use super::*;
use crate::choice::{Ruling, RulingKind};
use crate::explain::explain;
use crate::publish::{approve, rollback};
use crate::store::Decision;
use crate::store::tests::{day, scratch};
use crate::test_support::{AccessRecord, NotingWorker, get, hit, measurable, time, write_access};

struct World {
    _folder: TempDir,
    logs: TempDir,
    origin: Arc<InMemory>,
    worker: NotingWorker,
    night: Night,
}

impl World {
    /// Three partitions of 1 MB each and room for one.
    async fn new() -> Self {
        let (folder, store) = scratch().await;
        let logs = tempfile::tempdir().unwrap();
        let origin = Arc::new(InMemory::new());
        for d in 1..=3 {
            let path = ObjectPath::from(format!("raw/db/t/d={d}/f.parquet"));
            origin.put(&path, vec![0_u8; 1_000_000].into()).await.unwrap();
        }
        let worker = NotingWorker::default();
        let night = Night {
            engine: Default::default(),
            metastore: None,
            store,
            clock: Arc::new(ManualClock::new(time("2026-11-20T02:30:00Z"))),
            logs: logs.path().to_owned(),
            catalog: vec![CatalogBucket {
                name: "wh".into(),
                store: origin.clone(),
                prefix: ObjectPath::from("raw"),
                rules: AttributionRules::new("hive", vec![]),
            }],
            settings: NightlySettings { budget: ByteSize(1_500_000), ..NightlySettings::default() },
            write_bytes_max: u64::MAX,
            demand: Demand { fills: false, ssd_bytes: 100_000_000 },
            workers: Some(vec![worker.listen().await]),
            worker_token: None,
        };
        Self { _folder: folder, logs, origin, worker, night }
    }

    fn reads(&self, date: &str, name: &str, partition: &str, times: usize) {
        let records: Vec<AccessRecord> = (0..times).map(|_| get("hive.db.t", partition, 500_000)).collect();
        write_access(self.logs.path(), day(date), name, &records);
    }

    async fn run(&self, date: &str) -> NightReport {
        self.night.run(Some(day(date)), None, &|_| ()).await.unwrap()
    }

    async fn in_force(&self) -> Vec<String> {
        let whitelist = self.night.store.whitelist_in_force().await.unwrap();
        whitelist.iter().flat_map(|whitelist| &whitelist.items).map(|item| item.item.to_string()).collect()
    }
}

#[tokio::test]
async fn a_night_publishes_what_is_worth_holding_and_tells_the_worker() {
    let world = World::new().await;
    world.reads("2026-11-18", "a.parquet", "d=1", 5);
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    write_access(world.logs.path(), day("2026-11-19"), "fills.parquet", &measurable());
    let steps = std::sync::Mutex::new(Vec::new());
    let report = world.night.run(None, None, &|step| steps.lock().unwrap().push(step)).await.unwrap();

    assert_eq!(report.night, day("2026-11-19"), "yesterday, by the clock");
    assert_eq!(report.days_ingested, [day("2026-11-18"), day("2026-11-19")]);
    assert_eq!((report.rows_ingested, report.version, report.published, report.items), (165, 1, true, 1));
    assert!(report.origin.measured && !report.ssd.measured, "{report:?}");
    assert_eq!(world.in_force().await, ["hive.db.t/d=2"]);
    let whitelist = world.night.store.whitelist_in_force().await.unwrap().unwrap();
    let item = &whitelist.items[0];
    assert_eq!((item.bytes, item.objects, item.locations[0].prefix.as_str()), (1_000_000, 1, "db/t/d=2/"));
    assert!(item.reason.contains("rank 1 of 3"), "{}", item.reason);
    // 40 reads of 36 ms in two days, and a week of such days to come, drawn down a little for so short a history.
    assert!((5.0..7.0).contains(&item.value_seconds), "{}", item.value_seconds);
    assert_eq!(world.worker.preloaded_last(), ["hive.db.t/d=2"]);
    assert_eq!(report.workers[0].preload.as_ref().unwrap().items_done, 1);
    assert!(report.workers[0].problem.is_none() && world.worker.dropped().is_empty());
    let request = world.worker.preloads.lock()[0].clone();
    assert_eq!((request.rate_bytes_per_second, request.window_seconds), (Some(200 << 20), Some(10_800)));
    assert_eq!((request.version, request.written_bytes_per_day), (1, Some(u64::MAX)));
    assert!(steps.lock().unwrap().iter().any(|step| matches!(step, Progress::Preload { items_done: 1, .. })));
    let stored = world.night.store.nights(10).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].report.workers, report.workers);
    assert_eq!(world.night.store.preload_runs(10, true).await.unwrap()[0].night_id, report.id);
}

#[tokio::test]
async fn a_night_run_twice_changes_nothing_the_second_time() {
    let world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    let again = world.run("2026-11-19").await;
    assert_eq!((again.days_ingested.len(), again.version, again.published), (0, 1, false));
    assert_eq!(again.outcome, Some(NightOutcome::Unchanged.into()));
    assert_eq!((again.items, again.added_count, again.removed_count), (1, 0, 0));
    assert_eq!(world.night.store.versions(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_late_file_corrects_its_day_and_what_leaves_is_dropped() {
    let world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    world.reads("2026-11-19", "late.parquet", "d=3", 90);
    world.reads("2026-11-20", "a.parquet", "d=2", 1);
    let report = world.run("2026-11-20").await;
    assert_eq!(report.days_ingested, [day("2026-11-19"), day("2026-11-20")]);
    assert_eq!((report.version, report.added_count, report.removed_count), (2, 1, 1));
    assert_eq!(report.removed[0].to_string(), "hive.db.t/d=2");
    assert_eq!(world.in_force().await, ["hive.db.t/d=3"]);
    assert_eq!(world.worker.dropped(), ["db/t/d=2/"]);
    assert!(report.workers[0].dropped.is_some());
    assert!(world.run("2026-11-20").await.workers[0].dropped.is_none(), "it was told once");
}

#[tokio::test]
async fn value_realised_is_what_hits_saved() {
    let world = World::new().await;
    let hits: Vec<AccessRecord> = (0..100).map(|_| hit("hive.db.t", "d=1", 800_000)).collect();
    write_access(world.logs.path(), day("2026-11-19"), "a.parquet", &hits);
    let report = world.run("2026-11-19").await;
    let expected = 100.0 * (0.03 + 0.01) - 100.0 * (0.0005 + 0.0008);
    assert!((report.realised_seconds - expected).abs() < 0.01, "{}", report.realised_seconds);
}

#[tokio::test]
async fn without_history_nothing_is_published_and_a_zero_budget_is_warned_of() {
    let mut world = World::new().await;
    let report = world.run("2026-11-19").await;
    assert_eq!((report.version, report.published, report.history_days), (0, false, 0));
    assert!(
        report.warnings.iter().any(|warning| warning.words.contains("there are no reads in the history")),
        "{report:?}"
    );
    assert!(world.worker.preloads.lock().is_empty());

    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.night.settings.budget = ByteSize(0);
    let report = world.run("2026-11-19").await;
    assert!(report.warnings.iter().any(|warning| warning.words.contains("budget is zero")), "{report:?}");
    assert_eq!((report.version, report.items), (1, 0));
    assert!(report.cut_density > 0.0);
    world.night.settings.budget = ByteSize::gib(1);
    let report = world.run("2026-11-19").await;
    assert!(report.warnings.iter().any(|warning| warning.words.contains("less would do")), "{report:?}");
}

#[tokio::test]
async fn a_worker_that_is_down_is_reported_and_told_the_next_night() {
    let mut world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    let up = world.night.workers.clone();
    let store = &world.night.store;
    let down = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    // The worker of the first night, at an address where nobody listens now.
    store.set_delivered(&down, 1).await.unwrap();
    world.night.workers = Some(vec![down.clone()]);
    world.reads("2026-11-20", "a.parquet", "d=3", 90);
    let report = world.run("2026-11-20").await;
    assert!(report.published);
    let problem = report.workers[0].problem.as_ref().unwrap();
    assert!(problem.contains("dropping what left failed") && problem.contains("refused"), "{problem}");
    assert_eq!(world.night.store.delivered(&down).await.unwrap(), 1);
    world.night.workers = up;
    world.run("2026-11-20").await;
    assert_eq!(world.worker.dropped(), ["db/t/d=2/"]);
}

#[tokio::test]
async fn an_origin_that_cannot_be_listed_keeps_its_last_known_sizes() {
    let mut world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    world.night.catalog[0].store = unreachable_origin();
    let report = world.run("2026-11-19").await;
    assert!(report.buckets[0].problem.is_some());
    assert_eq!((report.version, report.items), (1, 1), "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.words.contains("bucket `wh` cannot be listed")), "{report:?}");
}

#[tokio::test]
async fn an_origin_that_was_never_listed_publishes_nothing() {
    let mut world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.night.catalog[0].store = unreachable_origin();
    let report = world.run("2026-11-19").await;
    assert_eq!((report.version, report.published), (0, false));
    assert_eq!(report.outcome, Some(NightOutcome::NotPublished { refusal: Refusal::NothingListed }.into()));
}

fn unreachable_origin() -> Arc<dyn object_store::ObjectStore> {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = AmazonS3Builder::new()
        .with_bucket_name("absent")
        .with_endpoint(format!("http://{nobody}"))
        .with_allow_http(true)
        .with_skip_signature(true)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
    Arc::new(absent.build().unwrap())
}

#[tokio::test]
async fn a_night_can_run_in_a_task_of_its_own() {
    let world = World::new().await;
    let night = world.night.clone();
    let report = tokio::spawn(async move { night.run(None, None, &|_| ()).await }).await.unwrap();
    assert!(report.is_ok());
    let night = world.night.clone();
    let plan = tokio::spawn(async move { night.plan(None, "ana", &|_| ()).await }).await.unwrap();
    assert!(plan.is_ok());
}

#[tokio::test]
async fn a_night_killed_anywhere_is_finished_by_the_next() {
    let world = World::new().await;
    world.reads("2026-11-18", "a.parquet", "d=1", 5);
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    let steps = AtomicUsize::new(0);
    for kill_at in 1..20 {
        steps.store(0, Ordering::SeqCst);
        let killed = tokio::sync::Notify::new();
        let count_steps = |_| {
            if steps.fetch_add(1, Ordering::SeqCst) + 1 == kill_at {
                killed.notify_one();
            }
        };
        let run = world.night.run(None, None, &count_steps);
        let finished = tokio::select! {
            biased;
            () = killed.notified() => false,
            report = run => report.is_ok(),
        };
        if finished {
            break;
        }
        world.night.store.break_lease().await;
    }
    let report = world.run("2026-11-19").await;
    assert_eq!((report.version, report.items), (1, 1), "killed nights left one version");
    assert_eq!(world.in_force().await, ["hive.db.t/d=2"]);
    assert_eq!(world.worker.preloaded_last(), ["hive.db.t/d=2"]);
}

#[tokio::test]
async fn a_partition_that_grew_is_published_with_its_new_size() {
    let world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    let path = ObjectPath::from("raw/db/t/d=2/g.parquet");
    world.origin.put(&path, vec![0_u8; 100].into()).await.unwrap();
    let report = world.run("2026-11-19").await;
    assert_eq!((report.version, report.bytes, report.added_count), (2, 1_000_100, 0));
    world.origin.delete(&path).await.unwrap();
    let gone = ObjectPath::from("raw/db/t/d=2/f.parquet");
    world.origin.delete(&gone).await.unwrap();
    let report = world.run("2026-11-19").await;
    assert_eq!((report.items, report.removed_count), (0, 1));
    assert!(report.warnings.iter().any(|warning| warning.words.contains("no bucket holds them")), "{report:?}");
}

#[tokio::test]
async fn with_approval_a_night_proposes_once_and_changes_nothing_until_somebody_approves() {
    let mut world = World::new().await;
    world.night.settings.approval = true;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    let report = world.run("2026-11-19").await;
    assert_eq!((report.version, report.published), (1, false));
    assert_eq!(report.outcome, Some(NightOutcome::Proposed { version: 1 }.into()));
    assert!(world.in_force().await.is_empty() && world.worker.preloads.lock().is_empty());
    let store = &world.night.store;
    let explained = explain(store, None, &"hive.db.t/d=2".parse().unwrap()).await.unwrap();
    let reason = &explained.items[0].reason;
    assert!(reason.starts_with("version 1 proposes it") && reason.ends_with("waits to be approved"), "{reason}");

    let again = world.run("2026-11-19").await;
    assert_eq!(again.outcome, Some(NightOutcome::StillProposed { version: 1 }.into()));
    assert_eq!(store.versions(10).await.unwrap().len(), 1);
    approve(store, &*world.night.clock, 1, "bo").await.unwrap();
    let after = world.run("2026-11-19").await;
    assert_eq!((after.version, world.in_force().await), (1, vec!["hive.db.t/d=2".to_owned()]));
    assert_eq!(world.worker.preloaded_last(), ["hive.db.t/d=2"], "what was approved is preloaded the night after");
}

#[tokio::test]
async fn a_preload_that_a_worker_did_not_survive_is_resumed_when_it_starts() {
    let world = World::new().await;
    let url = world.night.workers.as_ref().unwrap()[0].clone();
    assert_eq!(world.night.resume_preload(&url).await, Ok(false), "there was none");
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    assert_eq!(world.night.resume_preload(&url).await, Ok(false), "it came to its end");
    let mut run = world.night.store.preload_runs(1, true).await.unwrap().remove(0);
    run.status.running = true;
    world.night.store.put_preload_run(&run).await.unwrap();
    assert_eq!(world.night.resume_preload("http://another").await, Ok(false));
    assert_eq!(world.night.resume_preload(&url).await, Ok(true));
    assert_eq!(world.worker.preloaded_last(), ["hive.db.t/d=2"]);
    assert_eq!(world.worker.preloads.lock().len(), 2);
}

#[tokio::test]
async fn of_two_proposals_the_newer_may_follow_the_older_and_not_the_other_way() {
    let mut world = World::new().await;
    world.night.settings.approval = true;
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    world.reads("2026-11-20", "a.parquet", "d=3", 90);
    assert_eq!(world.run("2026-11-20").await.version, 2);
    let (store, clock) = (&world.night.store, &*world.night.clock);
    approve(store, clock, 2, "bo").await.unwrap();
    let stale = approve(store, clock, 1, "bo").await.unwrap_err().to_string();
    assert!(stale.contains("a newer version was published since"), "{stale}");
    let twice = approve(store, clock, 2, "bo").await.unwrap_err().to_string();
    assert!(twice.contains("published before"), "{twice}");
    assert_eq!(world.in_force().await, ["hive.db.t/d=3"]);
}

#[tokio::test]
async fn a_rollback_can_be_rolled_back_and_a_proposal_cannot() {
    let world = World::new().await;
    let (store, clock) = (&world.night.store, &*world.night.clock);
    world.reads("2026-11-19", "a.parquet", "d=2", 40);
    world.run("2026-11-19").await;
    world.reads("2026-11-20", "a.parquet", "d=3", 90);
    world.run("2026-11-20").await;
    assert_eq!(world.in_force().await, ["hive.db.t/d=3"]);
    rollback(store, clock, 1, "bo").await.unwrap();
    assert_eq!(world.in_force().await, ["hive.db.t/d=2"]);
    let back = rollback(store, clock, 2, "bo").await.unwrap();
    assert_eq!((back.version, world.in_force().await), (4, vec!["hive.db.t/d=3".to_owned()]));
    let in_force = rollback(store, clock, 4, "bo").await.unwrap_err().to_string();
    assert!(in_force.contains("it is in force"), "{in_force}");
    world.night.plan(Some(day("2026-11-20")), "ana", &|_| ()).await.unwrap();
    let proposal = rollback(store, clock, 5, "bo").await.unwrap_err().to_string();
    assert!(proposal.contains("never published; approve it instead"), "{proposal}");
}

#[tokio::test]
async fn a_held_partition_is_not_replaced_for_a_gain_that_the_reload_eats() {
    let mut world = World::new().await;
    world.reads("2026-11-19", "a.parquet", "d=3", 40);
    world.run("2026-11-19").await;
    // As many reads do not pay for reading a megabyte again, though its name comes first; the night says so.
    world.reads("2026-11-19", "late.parquet", "d=2", 40);
    let report = world.run("2026-11-19").await;
    assert_eq!((report.version, world.in_force().await), (1, vec!["hive.db.t/d=3".to_owned()]));
    let store = &world.night.store;
    let explained = explain(store, None, &"hive.db.t/d=2".parse().unwrap()).await.unwrap();
    let verdict = explained.items[0].verdict.as_ref().unwrap();
    assert!(!verdict.held && verdict.load_seconds > 0.0 && verdict.reason.contains("of loading"), "{verdict:?}");
    assert!(verdict.factors.iter().any(|factor| factor.name == "expected_reads" && factor.value > 40.0), "{verdict:?}");
    // With room for both, both are held.
    world.night.settings.budget = ByteSize(2_500_000);
    assert_eq!(world.run("2026-11-19").await.items, 2);
}

#[tokio::test]
async fn caps_hold_for_a_night_and_are_named() {
    let mut world = World::new().await;
    world.night.settings.budget = ByteSize::gib(1);
    world.night.settings.caps =
        vec![crate::TableCap { table: "hive.db.*".parse().unwrap(), bytes: ByteSize(2_000_000) }];
    for (partition, times) in [("d=1", 40), ("d=2", 30), ("d=3", 20)] {
        world.reads("2026-11-19", &format!("{partition}.parquet"), partition, times);
    }
    let report = world.run("2026-11-19").await;
    assert_eq!((report.items, report.capped), (2, 1));
    let store = &world.night.store;
    let explained = explain(store, None, &"hive.db.t/d=3".parse().unwrap()).await.unwrap();
    let reason = &explained.items[0].reason;
    assert!(reason.contains("its table's cap of 1.9 MiB is full"), "{reason}");
    assert_eq!(explained.items[0].changes[0].words, "would be taken if its cap were 976.6 KiB higher");
}

#[tokio::test]
async fn the_budget_is_compared_with_what_is_worth_holding() {
    let mut world = World::new().await;
    for partition in ["d=1", "d=2", "d=3"] {
        world.reads("2026-11-19", &format!("{partition}.parquet"), partition, 40);
    }
    for (budget, share, warned) in [
        (600_000, 0.2, Some("more would pay")),
        (1_500_000, 0.5, None),
        (2_700_000, 0.9, Some("the last of it earns little")),
        (6_000_000, 2.0, Some("less would do")),
        (0, 0.0, Some("the budget is zero")),
    ] {
        world.night.settings.budget = ByteSize(budget);
        let report = world.run("2026-11-19").await;
        assert_eq!(report.wanted_bytes, 3_000_000);
        assert!((report.budget_share.unwrap() - share).abs() < 1e-9, "{budget}: {report:?}");
        let warnings: Vec<_> = report.warnings.iter().filter(|warning| warning.words.contains("budget")).collect();
        assert_eq!(warnings.len(), usize::from(warned.is_some()), "{budget}: {warnings:?}");
        assert!(warned.is_none_or(|words| warnings[0].words.contains(words)), "{budget}: {warnings:?}");
    }
}

#[tokio::test]
async fn tables_that_vanished_are_named() {
    let world = World::new().await;
    let mut records: Vec<AccessRecord> = (0..9).map(|_| get("hive.db.renamed", "d=1", 500_000)).collect();
    records.extend((0..9).map(|_| get("hive.db.t", "d=2", 500_000)));
    write_access(world.logs.path(), day("2026-11-19"), "a.parquet", &records);
    let report = world.run("2026-11-19").await;
    let names: Vec<String> = report.vanished_tables.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["hive.db.renamed"]);
    assert!(report.warnings.iter().any(|warning| warning.words.contains("dropped or renamed: `hive.db.renamed`")));
    // The table that is whitelisted goes too.
    world.origin.delete(&ObjectPath::from("raw/db/t/d=1/f.parquet")).await.unwrap();
    world.origin.delete(&ObjectPath::from("raw/db/t/d=2/f.parquet")).await.unwrap();
    world.origin.delete(&ObjectPath::from("raw/db/t/d=3/f.parquet")).await.unwrap();
    let report = world.run("2026-11-19").await;
    assert_eq!((report.vanished_tables.len(), report.items), (2, 0));
}

#[tokio::test]
async fn a_night_loads_no_more_than_the_ssd_may_be_written_in_a_day() {
    let mut world = World::new().await;
    world.night.settings.budget = ByteSize::gib(1);
    for (partition, times) in [("d=1", 40), ("d=2", 30), ("d=3", 20)] {
        world.reads("2026-11-19", &format!("{partition}.parquet"), partition, times);
    }
    world.night.write_bytes_max = 1_000_000;
    for items in 1..=3 {
        let report = world.run("2026-11-19").await;
        assert_eq!(report.items, items, "a million bytes a night");
        assert_eq!(report.warnings.iter().any(|warning| warning.words.contains("written in a day")), items < 3);
    }
}
