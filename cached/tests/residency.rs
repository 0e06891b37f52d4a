//! What stays and what goes: residents, the adaptive share, the capacity. The names say what operators of caches were
//! burnt by.

mod common;

use std::sync::Arc;

use chrono::TimeDelta;
use common::{CountingOrigin, Worker, content, preload, preloaded, put, read};
use larder_cached::{Admit, Consistency};
use larder_model::admin::{PreloadState, TierState};
use larder_model::{ByteSize, Clock};

const MIB: usize = 1 << 20;

fn origin() -> Arc<CountingOrigin> {
    Arc::new(CountingOrigin::default())
}

async fn resident_bytes(worker: &Worker) -> u64 {
    worker.engine.residency().await.items.iter().map(|item| item.resident_bytes).sum()
}

#[tokio::test]
async fn pollution_scans_push_nothing_out_that_was_preloaded_not_even_over_a_restart() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    for day in 1..3 {
        put(&origin, &format!("db/t/dt={day}/f"), &content(20 * MIB, day)).await;
    }
    for n in 0..12 {
        put(&origin, &format!("db/scan/dt={n}/f"), &content(16 * MIB, 10 + n)).await;
    }
    let items = [("hive.db.t/dt=1", "db/t/dt=1/"), ("hive.db.t/dt=2", "db/t/dt=2/")];
    for _ in 0..2 {
        let worker = Worker::start_with(folder.path(), origin.clone(), Consistency::Immutable, Admit::All).await;
        worker.whitelist(1, &items).await;
        let status = preloaded(&worker, preload(&["db/t/dt=1/", "db/t/dt=2/"])).await;
        assert!(status.items.iter().all(|item| item.state == PreloadState::Done), "{status:?}");
        // More than the whole SSD holds is admitted besides.
        for n in 0..12 {
            read(&worker.s3, &format!("db/scan/dt={n}/f")).await;
        }
        assert_eq!(resident_bytes(&worker).await, 40 << 20);
        worker.stop().await;
    }
    let worker = Worker::start_with(folder.path(), origin.clone(), Consistency::Immutable, Admit::All).await;
    worker.whitelist(1, &items).await;
    assert_eq!(resident_bytes(&worker).await, 40 << 20, "after restarts");
    let before = origin.bytes_read();
    for day in 1..3 {
        assert!(read(&worker.s3, &format!("db/t/dt={day}/f")).await == content(20 * MIB, day));
    }
    assert_eq!(origin.bytes_read(), before, "served from the ssd alone");
    worker.stop().await;
}

#[tokio::test]
async fn an_item_that_left_the_whitelist_makes_room() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    for day in 1..5 {
        put(&origin, &format!("db/t/dt={day}/f"), &content(50 * MIB, day)).await;
    }
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.whitelist(1, &[("hive.db.t/dt=1", "db/t/dt=1/"), ("hive.db.t/dt=2", "db/t/dt=2/")]).await;
    preloaded(&worker, preload(&["db/t/dt=1/", "db/t/dt=2/"])).await;
    assert_eq!(resident_bytes(&worker).await, 100 << 20);
    // Nobody drops them: the new ones push them out all the same.
    worker.whitelist(2, &[("hive.db.t/dt=3", "db/t/dt=3/"), ("hive.db.t/dt=4", "db/t/dt=4/")]).await;
    let status = preloaded(&worker, preload(&["db/t/dt=3/", "db/t/dt=4/"])).await;
    assert!(status.items.iter().all(|item| item.state == PreloadState::Done), "{status:?}");
    assert_eq!(resident_bytes(&worker).await, 100 << 20);
    worker.stop().await;
}

#[tokio::test]
async fn stale_versions_and_deleted_files_of_an_item_do_not_stay_resident() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    put(&origin, "db/t/dt=1/a", &content(10 * MIB, 1)).await;
    put(&origin, "db/t/dt=1/b", &content(10 * MIB, 2)).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    worker.whitelist(1, &[("hive.db.t/dt=1", "db/t/dt=1/")]).await;
    let dt1 = || preload(&["db/t/dt=1/"]);
    preloaded(&worker, dt1()).await;
    let full = worker.engine.stat().ssd_used_bytes;
    // An engine rewrites the partition behind Larder's back.
    put(&origin, "db/t/dt=1/a", &content(5 * MIB, 3)).await;
    object_store::ObjectStoreExt::delete(&*origin, &"db/t/dt=1/b".into()).await.expect("a removal");
    preloaded(&worker, dt1()).await;
    assert_eq!(resident_bytes(&worker).await, 5 << 20);
    let used = worker.engine.stat().ssd_used_bytes;
    assert!(used < full / 2, "{used} of {full} bytes are still taken");
    worker.stop().await;
}

#[tokio::test]
async fn a_cold_object_is_admitted_online_once_its_reuse_is_worth_more_than_the_cut() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    for key in ["db/hot/dt=1/f", "db/cold/dt=1/f", "db/rare/dt=1/f"] {
        put(&origin, key, &content(MIB, 1)).await;
    }
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.whitelist(1, &[("hive.db.hot/dt=1", "db/hot/dt=1/")]).await;
    let direct = || worker.engine.stat().bytes_direct;
    // A burst of reads is one use, however long.
    for _ in 0..5 {
        read(&worker.s3, "db/cold/dt=1/f").await;
    }
    assert_eq!(direct(), 5 << 20);
    worker.clock.set(worker.clock.now() + TimeDelta::hours(2));
    // The read that proves its reuse is still direct; the next is a fill, the one after it a hit.
    for _ in 0..3 {
        assert!(read(&worker.s3, "db/cold/dt=1/f").await == content(MIB, 1));
    }
    let stat = worker.engine.stat();
    assert_eq!((direct(), stat.bytes_origin, stat.bytes_memory), (6 << 20, 1 << 20, 1 << 20));
    // What was read once stays out.
    read(&worker.s3, "db/rare/dt=1/f").await;
    assert_eq!(direct(), 7 << 20);
    worker.stop().await;
}

#[tokio::test]
async fn the_ssd_shrinks_and_grows_while_it_serves() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    for day in 1..4 {
        put(&origin, &format!("db/t/dt={day}/f"), &content(30 * MIB, day)).await;
    }
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    let items: Vec<(String, String)> =
        (1..4).map(|day| (format!("hive.db.t/dt={day}"), format!("db/t/dt={day}/"))).collect();
    let items: Vec<(&str, &str)> = items.iter().map(|(item, prefix)| (item.as_str(), prefix.as_str())).collect();
    worker.whitelist(1, &items).await;
    let all = || preload(&["db/t/dt=1/", "db/t/dt=2/", "db/t/dt=3/"]);
    preloaded(&worker, all()).await;
    let tier = worker.engine.resize_ssd(ByteSize::mib(80)).await.expect("it shrinks");
    assert!(tier.used_bytes <= 80 << 20 && tier.capacity_bytes == 80 << 20, "{tier:?}");
    let residency = worker.engine.residency().await;
    let resident: Vec<bool> = residency.items.iter().map(|item| item.resident_bytes == item.bytes).collect();
    assert_eq!(resident, [true, true, false], "the least valuable goes first");
    assert_eq!((residency.total.items, residency.total.incomplete_items), (3, 1));
    worker.engine.resize_ssd(ByteSize::mib(128)).await.expect("it grows");
    preloaded(&worker, all()).await;
    assert_eq!(resident_bytes(&worker).await, 90 << 20);
    let error = worker.engine.resize_ssd(ByteSize::mib(1)).await.expect_err("it is too small");
    assert!(error.to_string().contains("too small: at least 64"), "{error}");
    let error = worker.engine.resize_ssd(ByteSize(1 << 60)).await.expect_err("it is too large");
    assert!(error.to_string().contains("too large: the disk has"), "{error}");
    assert_eq!(worker.engine.ssd_state(), TierState::InUse);
    worker.stop().await;
}
