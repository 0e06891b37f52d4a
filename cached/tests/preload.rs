//! What a preload keeps to: its window, its rate, the wear of the SSD, the readers' sake. Each test is named after a
//! promise.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use common::{CountingOrigin, Worker, content, preload, preloaded, put, read};
use futures::future::join_all;
use larder_cached::{Admit, Consistency};
use larder_model::Clock;
use larder_model::admin::{PreloadRequest, PreloadState, PreloadStatus, PreloadStop};

const MIB: usize = 1 << 20;

/// Three partitions of 2 MiB.
async fn lake() -> Arc<CountingOrigin> {
    let origin = Arc::new(CountingOrigin::default());
    for day in 1..4 {
        put(&origin, &format!("db/t/dt={day}/f"), &content(2 * MIB, day)).await;
    }
    origin
}

fn all() -> PreloadRequest {
    preload(&["db/t/dt=1/", "db/t/dt=2/", "db/t/dt=3/"])
}

async fn resident_bytes(worker: &Worker) -> u64 {
    worker.engine.residency().await.items.iter().map(|item| item.resident_bytes).sum()
}

fn states(status: &PreloadStatus) -> Vec<PreloadState> {
    status.items.iter().map(|item| item.state).collect()
}

#[tokio::test]
async fn small_objects_keep_to_the_rate_too() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    for file in 0..8 {
        put(&origin, &format!("db/t/dt=1/{file}"), &content(MIB / 16, file)).await;
    }
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    let request =
        PreloadRequest { rate_bytes_per_second: Some(1), window_seconds: Some(1), ..preload(&["db/t/dt=1/"]) };
    let status = preloaded(&worker, request).await;
    assert_eq!(status.stopped, Some(PreloadStop::WindowClosed.into()));
    assert_eq!(status.bytes_loaded, MIB as u64 / 16, "after the first it would wait for most of a day");
    worker.stop().await;
}

#[tokio::test]
async fn a_preload_ends_with_its_window_says_what_is_left_and_is_resumed_where_it_was() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), lake().await);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    // A byte a second: after the first stretch of each item it would wait for days.
    let request = PreloadRequest { rate_bytes_per_second: Some(1), window_seconds: Some(1), ..all() };
    let status = preloaded(&worker, request).await;
    assert_eq!(status.stopped, Some(PreloadStop::WindowClosed.into()));
    assert_eq!(states(&status), [PreloadState::LeftOut; 3]);
    assert!(status.items.iter().all(|item| item.why.as_ref().is_some_and(|why| why.words.contains("the run ended"))));
    assert!((1..6 << 20).contains(&status.bytes_loaded), "the rate was kept: {status:?}");
    worker.stop().await;

    // As after a kill: another process takes up what is there.
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    let resumed = preloaded(&worker, all()).await;
    assert_eq!(states(&resumed), [PreloadState::Done; 3]);
    assert_eq!(resumed.bytes_resident, status.bytes_loaded, "nothing is read twice");
    assert_eq!(origin.bytes_read(), 6 << 20);
    worker.stop().await;
}

#[tokio::test]
async fn wear_preloads_write_no_more_in_a_day_than_they_may_also_over_a_restart() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), lake().await);
    let limited = || PreloadRequest { written_bytes_per_day: Some(3 << 20), ..all() };
    let items = [("hive.db.t/dt=1", "db/t/dt=1/"), ("hive.db.t/dt=2", "db/t/dt=2/"), ("hive.db.t/dt=3", "db/t/dt=3/")];
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.whitelist(1, &items).await;
    let status = preloaded(&worker, limited()).await;
    assert!(matches!(status.stopped.as_ref().map(|why| &why.what), Some(PreloadStop::Worn { .. })), "{status:?}");
    assert!(states(&status).contains(&PreloadState::LeftOut), "{status:?}");
    let held = resident_bytes(&worker).await;
    // The end of each object is read before it is known how much that is.
    let limit = (3 << 20) + 3 * 65_536;
    assert!(held > 0 && held <= limit, "{held}");
    worker.stop().await;

    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.whitelist(1, &items).await;
    preloaded(&worker, limited()).await;
    assert_eq!(resident_bytes(&worker).await, held, "not a block more");
    worker.clock.set(worker.clock.now() + TimeDelta::hours(25));
    preloaded(&worker, limited()).await;
    let next_day = resident_bytes(&worker).await - held;
    assert!(next_day > 0 && next_day <= limit, "the next day has its own: {next_day}");
    worker.stop().await;
}

#[tokio::test]
async fn a_preload_holds_back_while_readers_suffer() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), lake().await);
    for n in 0..28 {
        put(&origin, &format!("db/read/dt={n}/f"), &content(1000, n)).await;
    }
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.whitelist(1, &[("hive.db.t/dt=1", "db/t/dt=1/")]).await;
    for n in 0..20 {
        read(&worker.s3, &format!("db/read/dt={n}/f")).await;
    }
    // From now on the storage answers late, as one that a preload overruns does.
    origin.delay_ms.store(100, Ordering::SeqCst);
    let run = worker.engine.preload(PreloadRequest { rate_bytes_per_second: Some(4 << 20), ..all() });
    loop {
        let status = worker.engine.preload_status(true).status;
        assert_eq!(status.run, run);
        if !status.running {
            assert!(status.held_back_seconds > 0.0, "{status:?}");
            assert_eq!(states(&status), [PreloadState::Done; 3], "it ends all the same");
            break;
        }
        let keys: Vec<String> = (20..28).map(|n| format!("db/read/dt={n}/f")).collect();
        join_all(keys.iter().map(|key| read(&worker.s3, key))).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_preload_nobody_suffers_from_does_not_hold_back() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), lake().await);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    let status = preloaded(&worker, all()).await;
    assert_eq!((status.held_back_seconds, states(&status)), (0.0, vec![PreloadState::Done; 3]));
    worker.stop().await;
}

#[tokio::test]
async fn what_is_preloaded_for_a_version_to_come_is_held_for_its_items() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), lake().await);
    for n in 0..12 {
        put(&origin, &format!("db/scan/dt={n}/f"), &content(16 * MIB, 10 + n)).await;
    }
    let worker = Worker::start_with(folder.path(), origin.clone(), Consistency::Immutable, Admit::All).await;
    worker.engine.preload(PreloadRequest { version: 1, ..preload(&["db/t/dt=1/"]) });
    tokio::task::yield_now().await;
    assert_eq!(worker.engine.preload_status(true).status.bytes_loaded, 0, "it waits for the version that it fulfils");
    worker.whitelist(1, &[("hive.db.t/dt=1", "db/t/dt=1/")]).await;
    while worker.engine.preload_status(true).status.running {
        tokio::task::yield_now().await;
    }
    for n in 0..12 {
        read(&worker.s3, &format!("db/scan/dt={n}/f")).await;
    }
    let residency = worker.engine.residency().await;
    assert_eq!(residency.items[0].resident_bytes, 2 << 20, "no scan pushes it out");
    worker.stop().await;
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_reported_and_the_others_are_loaded() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), lake().await);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    let mut request = all();
    request.items[1].locations[0].bucket = "elsewhere".into();
    let status = preloaded(&worker, request).await;
    assert_eq!(states(&status), [PreloadState::Done, PreloadState::Failed, PreloadState::Done]);
    assert!(status.items[1].why.as_ref().is_some_and(|why| why.words.contains("`elsewhere` is not served")));
    worker.stop().await;
}
