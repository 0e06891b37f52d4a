//! The store on SQLite, and on PostgreSQL where `LARDER_TEST_POSTGRES` holds the URL of a server that may be written to.

use larder_model::admin::{
    PreloadItemStatus, PreloadState, PreloadStatus, PreloadTotal, TierErrorCount, TierErrorKind, WorkerStatus,
};
use larder_model::{IoSpeed, ItemName, Location, TableName, Tier, WhitelistItem};
use larder_model::{Whitelist, whitelist::FORMAT};
use sqlx::migrate::MigrateDatabase;

use super::versions::DOCUMENTS_MAX;
use super::*;
use crate::choice::{Cap, CapOf, Caps, Factor};
use crate::columns::ColumnReads;
use crate::realised::ItemDay;
use crate::speed::Measured;
use crate::value::Reads;

/// A new store, and the folder that holds it.
pub(crate) async fn scratch() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let url = match std::env::var("LARDER_TEST_POSTGRES") {
        Ok(server) => {
            sqlx::any::install_default_drivers();
            let url = format!("{}/larder_{}", server.trim_end_matches('/'), uuid::Uuid::new_v4().simple());
            Any::create_database(&url).await.unwrap();
            url
        }
        Err(_) => format!("sqlite://{}/deep/er/larder.db", folder.path().display()),
    };
    let store = Store::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap();
    (folder, store)
}

impl Store {
    /// What a kill leaves behind is a lease that nobody renews; this spares tests the wait until it is taken over.
    pub(crate) async fn break_lease(&self) {
        sqlx::query("DELETE FROM lease").execute(&self.pool).await.unwrap();
    }

    /// Breaks a version's document.
    pub(crate) async fn break_document(&self, version: u64, text: &str) {
        sqlx::query("UPDATE whitelist SET document = $1 WHERE version = $2")
            .bind(text.to_owned())
            .bind(to_sql(version))
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn document(items: &[&str]) -> Whitelist {
    let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
    let item = |name: &&str| WhitelistItem {
        item: name.parse().unwrap(),
        locations: vec![Location { bucket: "wh".into(), prefix: format!("{}/", name.replace('.', "/")) }],
        bytes: 10,
        objects: 1,
        value_seconds: 1.5,
        reason: "a test".into(),
    };
    Whitelist {
        format: FORMAT,
        version: 1,
        created: DateTime::UNIX_EPOCH,
        night: day("2026-11-19"),
        budget_bytes: 100,
        horizon_days: 30,
        cut_density: 0.0,
        origin: speed,
        ssd: speed,
        reason: "a test".into(),
        cause: None,
        columns: Default::default(),
        items: items.iter().map(item).collect(),
    }
}

/// A preload of three items on one of the nights from 2026-11-20, numbered from 0 to 9.
pub(crate) fn preload_run(night: u32, worker_url: &str, running: bool) -> PreloadRun {
    let item = |name: &str, state| PreloadItemStatus {
        item: name.parse().unwrap(),
        state,
        bytes: 7,
        bytes_loaded: 0,
        bytes_resident: 0,
        why: None,
    };
    let status = PreloadStatus {
        run: 1,
        version: 3,
        running,
        stopped: None,
        started: None,
        finished: None,
        bytes_total: 21,
        bytes_loaded: 7,
        bytes_resident: 0,
        held_back_seconds: 0.5,
        items: vec![
            item("a.b.t/d=1", PreloadState::Done),
            item("a.b.t/d=2", PreloadState::LeftOut),
            item("a.b.t/d=3", PreloadState::Failed),
        ],
    };
    PreloadRun {
        night_id: format!("night {night}"),
        worker_url: worker_url.into(),
        version: 3,
        updated: time_of(&format!("2026-11-2{night}T02:30:00Z"), "a test").unwrap(),
        total: PreloadTotal::of(&status.items),
        status,
    }
}

fn day_item(item: &str, requests: u64, bytes: u64) -> DayItem {
    let item: ItemName = item.parse().unwrap();
    DayItem {
        item,
        reads: Reads { requests, bytes },
        queries: 1,
        hit_requests: 2,
        hit_bytes: 20,
        hit_seconds: 0.5,
        bursts: 1,
    }
}

fn summary(day: NaiveDate, fingerprint: &str) -> DaySummary {
    DaySummary {
        day,
        fingerprint: fingerprint.into(),
        log_rows: 3,
        unattributed_requests: 1,
        unattributed_bytes: 7,
        skipped_files: vec![SkippedFile { file: "a".into(), problem: "b".into() }],
    }
}

#[tokio::test]
async fn a_day_replaces_what_was_known_of_it() {
    let (_folder, store) = scratch().await;
    let (first, second) = (day("2026-11-18"), day("2026-11-19"));
    let measured = Measured { speed: IoSpeed { overhead_seconds: 0.02, bytes_per_second: 5e7 }, samples: 90 };
    let many: Vec<DayItem> = (0..1200).map(|i| day_item(&format!("a.b.t/d={i}"), 1, 10)).collect();
    store.replace_day(&summary(first, "f1"), &many, &[("origin", measured)]).await.unwrap();
    store.replace_day(&summary(second, "f1"), &[day_item("a.b.t/d=1", 5, u64::MAX)], &[]).await.unwrap();
    store.replace_day(&summary(second, "f2"), &[day_item("a.b.t/d=1", 5, 50)], &[]).await.unwrap();
    assert_eq!(store.day_fingerprints().await.unwrap()[&second], "f2");
    assert_eq!(store.days(first, second).await.unwrap(), [summary(first, "f1"), summary(second, "f2")]);
    let history = store.history(first, second).await.unwrap();
    assert_eq!(history.len(), 1200);
    let item = history.iter().find(|item| item.item.partition == "d=1").unwrap();
    assert_eq!((item.reads, item.queries), (Reads { requests: 6, bytes: 60 }, 2));
    assert_eq!(store.hits_on(second).await.unwrap(), (Reads { requests: 2, bytes: 20 }, 0.5));
    assert_eq!(store.hits_on(day("2020-01-01")).await.unwrap(), (Reads::default(), 0.0));
    assert_eq!(store.last_speed("origin", second).await.unwrap(), Some((first, measured)));
    assert_eq!(store.last_speed("ssd", second).await.unwrap(), None);
    store.forget_days_before(second).await.unwrap();
    assert_eq!(store.history(first, second).await.unwrap().len(), 1);
    assert_eq!(store.last_speed("origin", second).await.unwrap(), None);
}

#[tokio::test]
async fn versions_count_up_and_the_newest_published_is_in_force() {
    let (_folder, store) = scratch().await;
    assert_eq!(store.whitelist_in_force().await.unwrap(), None);
    let one = store.add_version(document(&["a.b.t"]), VersionStatus::Published, None).await.unwrap();
    let two = store.add_version(document(&["a.b.u"]), VersionStatus::Proposed, None).await.unwrap();
    assert_eq!((one.version, two.version), (1, 2));
    assert_eq!(store.whitelist_in_force().await.unwrap(), Some(one));
    let rows = store.versions(10).await.unwrap();
    assert_eq!((rows[0].version, rows[0].status, rows[0].items), (2, VersionStatus::Proposed, 1));
    assert_eq!((rows[1].bytes, rows[1].value_seconds, rows[1].night), (10, 1.5, day("2026-11-19")));
    assert!(store.publish_proposal(&two).await.unwrap());
    assert!(!store.publish_proposal(&two).await.unwrap(), "it is no proposal any more");
    assert_eq!(store.version_in_force().await.unwrap(), Some(2));
    store.break_document(2, "{\"format\": 1, \"version\": \"two\"}").await;
    let error = store.whitelist_in_force().await.unwrap_err().to_string();
    assert!(error.contains("whitelist version 2") && error.contains("version"), "{error}");
}

#[tokio::test]
async fn a_version_is_published_over_the_one_it_was_made_from_and_no_other() {
    let (_folder, store) = scratch().await;
    let none = store.publish_over(1, document(&["a.b.t"])).await.unwrap();
    assert_eq!(none, None, "there is no version 1");
    assert_eq!(store.publish_over(0, document(&["a.b.t"])).await.unwrap().unwrap().version, 1);
    assert_eq!(store.publish_over(0, document(&["a.b.u"])).await.unwrap(), None);
    store.add_version(document(&["a.b.v"]), VersionStatus::Proposed, None).await.unwrap();
    let third = store.publish_over(1, document(&["a.b.u"])).await.unwrap().unwrap();
    assert_eq!((third.version, store.published_before(3).await.unwrap()), (3, Some(1)), "2 is a proposal");
    assert_eq!(store.published_before(1).await.unwrap(), None);
}

#[tokio::test]
async fn items_of_old_versions_are_let_go_and_what_is_in_force_stays() {
    let (_folder, store) = scratch().await;
    store.add_version(document(&["a.b.t"]), VersionStatus::Published, None).await.unwrap();
    for _ in 0..DOCUMENTS_MAX + 2 {
        store.add_version(document(&["a.b.u"]), VersionStatus::Proposed, None).await.unwrap();
    }
    assert!(store.whitelist_in_force().await.unwrap().is_some(), "however many are proposed");
    store.add_version(document(&["a.b.v"]), VersionStatus::Published, None).await.unwrap();
    store.add_version(document(&["a.b.w"]), VersionStatus::Published, None).await.unwrap();
    let newest = DOCUMENTS_MAX + 5;
    assert_eq!(store.whitelist(newest - DOCUMENTS_MAX).await.unwrap(), None);
    assert!(store.whitelist(newest - DOCUMENTS_MAX + 1).await.unwrap().is_some());
    assert_eq!(store.versions(1000).await.unwrap().len() as u64, newest, "the history is whole");
}

#[tokio::test]
async fn verdicts_are_kept_whole_and_summed_by_table() {
    let (_folder, store) = scratch().await;
    let row = |item: &str, rank| CandidateRow {
        item: item.parse().unwrap(),
        bytes: 10,
        objects: 1,
        reads: Reads { requests: 2, bytes: 1 << 53 },
        queries: rank,
        value_seconds: 0.5,
        load_seconds: 0.25,
        held: rank == 3,
        factors: (rank == 4).then(|| Factor::new("requests", 2.0, "requests", "so many")).into_iter().collect(),
        taken: rank == 1,
        rank,
        reason: "so".into(),
        ruling: (rank == 2).then_some(crate::choice::RulingKind::Deny),
    };
    let rows: Vec<CandidateRow> = (1..=1100).map(|rank| row(&format!("a.b.t/d={rank}"), rank)).collect();
    assert_eq!(store.last_choice().await.unwrap(), None);
    let cap = Cap { of: CapOf::Owner("web".into()), tables: vec!["a.b.*".parse().unwrap()], bytes: 7 };
    let verdicts = Verdicts { budget_bytes: 90, cut_density: 0.1, caps: Caps(vec![cap]), rows };
    store.set_verdicts(&verdicts, 3).await.unwrap();
    store.set_verdicts(&verdicts, 3).await.unwrap();
    let last = store.last_choice().await.unwrap().unwrap();
    assert_eq!((last.version, last.budget_bytes, last.cut_density, &last.caps), (3, 90, 0.1, &verdicts.caps));
    let rows = verdicts.rows;
    assert_eq!(store.candidates().await.unwrap(), rows);
    let weighed = store.weighed().await.unwrap();
    assert_eq!((weighed.len(), weighed[2].held, weighed[3].held, weighed[0].load_seconds), (1100, true, false, 0.25));
    assert_eq!(store.candidates_of(&"a.b.none".parse().unwrap(), 9).await.unwrap(), []);
    let table = "a.b.t".parse().unwrap();
    assert_eq!(store.candidates_of(&table, 9).await.unwrap(), rows[..9]);
    assert_eq!(store.candidate(&rows[70].item).await.unwrap().as_ref(), Some(&rows[70]));
    assert_eq!(store.candidate(&"a.b.t".parse().unwrap()).await.unwrap(), None);
    let [table] = store.tables(9).await.unwrap().try_into().unwrap();
    let TableRow { items, bytes, queries, value_seconds, .. } = table;
    assert_eq!((items, bytes, queries, value_seconds), (1100, 11_000, 1100, 550.0));
}

#[tokio::test]
async fn decisions_workers_and_deliveries_are_kept_once_each() {
    let (_folder, store) = scratch().await;
    let now = time_of("2026-11-20T02:30:00.123456Z", "a test").unwrap();
    let ruling = |because: &str| crate::choice::Ruling {
        kind: crate::choice::RulingKind::Pin,
        by: "ana".into(),
        because: because.into(),
    };
    let decision = |because| Decision { target: "a.b.t".parse().unwrap(), ruling: ruling(because), decided: now };
    store.decide(&decision("one")).await.unwrap();
    store.decide(&decision("two")).await.unwrap();
    assert_eq!(store.decisions().await.unwrap(), [decision("two")]);
    assert!(store.undecide(&"a.b.t".parse().unwrap()).await.unwrap());
    assert!(!store.undecide(&"a.b.t".parse().unwrap()).await.unwrap());

    let worker = Worker { id: "w1".into(), admin_url: "http://w1:9001".into(), last_seen: now, status: None };
    store.heartbeat(&worker).await.unwrap();
    store.heartbeat(&worker).await.unwrap();
    assert_eq!(store.workers(now).await.unwrap(), [worker]);
    assert_eq!(store.workers(now + chrono::TimeDelta::seconds(1)).await.unwrap(), []);
    assert_eq!(store.delivered("http://w1:9001").await.unwrap(), 0);
    store.set_delivered("http://w1:9001", 3).await.unwrap();
    store.set_delivered("http://w1:9001", 4).await.unwrap();
    assert_eq!(store.delivered("http://w1:9001").await.unwrap(), 4);
}

#[tokio::test]
async fn a_worker_that_does_not_tell_its_tier_errors_is_read_without_them() {
    let (_folder, store) = scratch().await;
    let now = time_of("2026-11-20T02:30:00.000000Z", "a test").unwrap();
    let status = r#"{"version": "0.0.9", "started": "2026-11-20T00:00:00Z", "whitelist_version": 3, "requests": 5,
        "errors": 1, "tiers": [{"tier": "ssd", "used_bytes": 1, "capacity_bytes": 2, "state": "out_of_use"}],
        "access_records_dropped": 0, "preloading": false}"#;
    let kept = "INSERT INTO worker (id, admin_url, last_seen, status) VALUES ('w1', 'http://w1:9001', $1, $2)";
    sqlx::query(kept).bind(time_text(now)).bind(status.to_owned()).execute(&store.pool).await.unwrap();
    let [older] = store.workers(now).await.unwrap().try_into().unwrap();
    let told = older.status.clone().unwrap();
    assert_eq!((told.requests, told.tier_errors), (5, vec![]));
    let error = TierErrorCount { tier: Tier::Ssd, kind: TierErrorKind::Checksum, count: 7 };
    let status = older.status.map(|status| WorkerStatus { tier_errors: vec![error], ..status });
    let newer = Worker { status, ..older };
    store.heartbeat(&newer).await.unwrap();
    assert_eq!(store.workers(now).await.unwrap(), [newer]);
}

#[tokio::test]
async fn items_of_preloads_are_kept_of_the_newest_that_ended_and_what_they_came_to_of_all() {
    let (_folder, store) = scratch().await;
    let (worker, other) = ("http://w1:9001", "http://w2:9001");
    for night in 0..5 {
        store.put_preload_run(&preload_run(night, worker, true)).await.unwrap();
        assert_eq!(store.preload_runs(1, true).await.unwrap()[0].status.items, [], "the worker tells them");
        store.put_preload_run(&preload_run(night, worker, false)).await.unwrap();
    }
    store.put_preload_run(&preload_run(5, other, false)).await.unwrap();
    store.put_preload_run(&preload_run(6, worker, true)).await.unwrap();
    let runs = store.preload_runs(10, true).await.unwrap();
    assert_eq!(runs[1], preload_run(5, other, false));
    let kept: Vec<usize> = runs.iter().map(|run| run.status.items.len()).collect();
    assert_eq!(kept, [0, 3, 3, 3, 3, 0, 0], "of each worker, and not of what goes on");
    let total = PreloadTotal {
        items: 3,
        done: 1,
        failed: 1,
        left_out: 1,
        first_not_loaded: Some(runs[1].status.items[1].clone()),
        ..PreloadTotal::default()
    };
    assert!(runs.iter().all(|run| run.total == total && run.status.bytes_loaded == 7));
    let without = store.preload_runs(10, false).await.unwrap();
    assert!(without.iter().all(|run| run.total == total && run.status.items.is_empty()));
    assert_eq!((without.len(), store.preload_runs(2, false).await.unwrap().len()), (7, 2));
    assert!(store.has_unfinished_preload(worker).await.unwrap());
    assert!(!store.has_unfinished_preload(other).await.unwrap());
}

#[tokio::test]
async fn what_a_day_realised_is_replaced_and_forgotten_with_its_day() {
    let (_folder, store) = scratch().await;
    let item_day = |date: &str, partition: &str, realised_seconds| ItemDay {
        day: day(date),
        item: format!("a.b.t/{partition}").parse().unwrap(),
        predicted_seconds: 2.5,
        read_seconds: 2.0,
        realised_seconds,
    };
    let many: Vec<ItemDay> = (0..1200).map(|i| item_day("2026-11-18", &format!("d={i}"), -1.0)).collect();
    store.replace_realised(day("2026-11-18"), &many).await.unwrap();
    for realised in [1.0, 1.5] {
        store.replace_realised(day("2026-11-19"), &[item_day("2026-11-19", "d=7", realised)]).await.unwrap();
    }
    let (item, other) = ("a.b.t/d=7".parse().unwrap(), "a.b.t/d=8".parse().unwrap());
    let days = [item_day("2026-11-19", "d=7", 1.5), item_day("2026-11-18", "d=7", -1.0)];
    assert_eq!(store.realised_of(&item, 7).await.unwrap(), days);
    assert_eq!(store.realised_of(&item, 1).await.unwrap(), days[..1]);
    store.forget_days_before(day("2026-11-19")).await.unwrap();
    assert_eq!(store.realised_of(&item, 7).await.unwrap(), days[..1]);
    assert_eq!(store.realised_of(&other, 7).await.unwrap(), []);
}

#[tokio::test]
async fn columns_are_a_group_by_the_queries_of_all_days_the_last_ones_counting_most() {
    let (_folder, store) = scratch().await;
    let table: TableName = "a.b.t".parse().unwrap();
    let column = |column: &str, queries| DayColumn {
        table: table.clone(),
        column: column.into(),
        reads: ColumnReads { seconds: 1.0, queries },
    };
    let pair = |queries| DayPair { table: table.clone(), columns: ("a".into(), "b".into()), queries };
    let (before, after) = (day("2026-11-09"), day("2026-11-19"));
    store.replace_column_bytes(&table, &[("a".to_owned(), 1.0), ("b".to_owned(), 9.0)].into()).await.unwrap();
    // Of ten queries none named both; ten days later, when these count a quarter, all of eleven do.
    store.replace_day_columns(before, &[column("a", 5.0), column("b", 5.0)], &[]).await.unwrap();
    for queries in [7.0, 11.0] {
        let named = [column("a", queries), column("b", queries)];
        store.replace_day_columns(after, &named, &[pair(queries)]).await.unwrap();
    }
    let groups = async |first| {
        let (mut columns, _) = store.column_shares(first, after).await.unwrap();
        let mut shares = columns.remove(&table).unwrap();
        shares.sort_by(|a, b| a.column.cmp(&b.column));
        shares.into_iter().map(|share| share.group).collect::<Vec<_>>()
    };
    // 11 of 13.5 is above four fifths.
    assert_eq!(groups(before).await, [Some("a".to_owned()), Some("a".to_owned())]);
    store.replace_day_columns(after, &[column("a", 9.0), column("b", 9.0)], &[pair(9.0)]).await.unwrap();
    assert_eq!(groups(before).await, [None, None], "9 of 11.5 is not");
    assert_eq!(groups(after).await, [Some("a".to_owned()), Some("a".to_owned())]);
    store.forget_days_before(day("2026-11-20")).await.unwrap();
    assert!(store.column_shares(before, after).await.unwrap().0.is_empty());
    assert!(sqlx::query("SELECT day FROM day_column_pair").fetch_all(&store.pool).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_day_was_foretold_by_the_version_in_force_as_it_ended_if_that_was_made_before() {
    let (_folder, store) = scratch().await;
    let version = |night: &str, created: &str| Whitelist {
        night: day(night),
        created: time_of(created, "a test").unwrap(),
        ..document(&["a.b.t"])
    };
    for (document, status) in [
        (version("2026-11-17", "2026-11-18T02:30:00Z"), VersionStatus::Published),
        (version("2026-11-18", "2026-11-19T02:30:00Z"), VersionStatus::Published),
        (version("2026-11-18", "2026-11-19T23:59:59.999999Z"), VersionStatus::Published),
        (version("2026-11-19", "2026-11-19T23:59:59.999999Z"), VersionStatus::Published),
        (version("2026-11-18", "2026-11-20T00:00:00Z"), VersionStatus::Published),
        (version("2026-11-18", "2026-11-19T12:00:00Z"), VersionStatus::Proposed),
    ] {
        store.add_version(document, status, None).await.unwrap();
    }
    let mut found = Vec::new();
    for date in ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"] {
        let list = store.whitelist_of_day(day(date)).await.unwrap();
        found.push(list.map(|list| list.version));
    }
    assert_eq!(found, [None, Some(1), Some(3), Some(5)]);
}

#[tokio::test]
async fn a_bucket_replaces_what_was_known_of_it() {
    let (_folder, store) = scratch().await;
    let item = |bucket: &str, bytes| CatalogItem {
        item: "a.b.t/d=1".parse().unwrap(),
        bucket: bucket.into(),
        bytes,
        objects: 2,
        prefixes: vec!["t/d=1/".into()],
        fingerprint: u64::MAX,
    };
    store.replace_catalog("one", &[item("one", 1)]).await.unwrap();
    store.replace_catalog("two", &[item("two", 2)]).await.unwrap();
    store.replace_catalog("one", &[item("one", 3)]).await.unwrap();
    assert_eq!(store.catalog().await.unwrap(), [item("one", 3), item("two", 2)]);
    store.keep_only_buckets(&["two"]).await.unwrap();
    assert_eq!(store.catalog().await.unwrap(), [item("two", 2)]);
}

#[tokio::test]
async fn two_processes_share_a_store_and_a_wrong_url_is_named_without_its_password() {
    if std::env::var("LARDER_TEST_POSTGRES").is_err() {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings {
            url: format!("sqlite://{}/larder.db", folder.path().display()),
            ..StoreSettings::default()
        };
        let (one, two) = (Store::open(&settings).await.unwrap(), Store::open(&settings).await.unwrap());
        let (a, b) = tokio::join!(
            one.add_version(document(&["a.b.t"]), VersionStatus::Published, None),
            two.add_version(document(&["a.b.u"]), VersionStatus::Published, None)
        );
        let mut versions = [a.unwrap().version, b.unwrap().version];
        versions.sort_unstable();
        assert_eq!(versions, [1, 2]);
        one.close().await;
        two.ping().await.unwrap();
    }
    for (url, names) in [
        ("mysql://localhost/x", "sqlite:// or postgres://"),
        ("postgres://larder:secret@127.0.0.1:1/larder", "127.0.0.1"),
        ("sqlite:///proc/nowhere/larder.db", "folder"),
    ] {
        let error =
            Store::open(&StoreSettings { url: url.into(), ..StoreSettings::default() }).await.unwrap_err().to_string();
        assert!(error.contains(names) && !error.contains("secret"), "{error}");
    }
}
