//! Listings of whitelisted folders: reused for as long as the bucket's rule says, and ended by what Larder itself changes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use common::{CountingOrigin, Worker, content, preload, preloaded, put, read};
use futures::TryStreamExt;
use larder_cached::Consistency;
use larder_model::admin::DropRequest;
use larder_model::{Clock, Location};
use object_store::{ObjectStore, ObjectStoreExt};

const HOT: &str = "db/t/dt=1";
const COLD: &str = "db/t/dt=2";
const MINUTE: Consistency = Consistency::Revalidate(Duration::from_secs(60));

/// A worker whose whitelist names the hot partition; both partitions have one object.
async fn worker(folder: &std::path::Path, origin: &Arc<CountingOrigin>, consistency: Consistency) -> Worker {
    for partition in [HOT, COLD] {
        put(origin, &format!("{partition}/f"), b"one").await;
    }
    let worker = Worker::start(folder, origin.clone(), consistency).await;
    worker.whitelist(1, &[("hive.db.t/dt=1", "db/t/dt=1/")]).await;
    worker
}

/// The keys of a folder, and how many listings of the origin that took.
async fn list(worker: &Worker, origin: &CountingOrigin, folder: &str) -> (Vec<String>, u64) {
    let before = origin.lists();
    let listed: Vec<_> = worker.s3.list(Some(&folder.into())).try_collect().await.unwrap();
    let keys = listed.into_iter().map(|meta| meta.location.to_string()).collect();
    (keys, origin.lists() - before)
}

#[tokio::test]
async fn a_whitelisted_partition_is_listed_once_in_the_rules_time() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin, MINUTE).await;
    let one = vec![format!("{HOT}/f")];
    assert_eq!(list(&worker, &origin, HOT).await, (one.clone(), 1));
    // Somebody adds an object at the origin: for a minute the rule allows not to notice.
    put(&origin, &format!("{HOT}/g"), b"two").await;
    let begun = worker.clock.now();
    worker.clock.set(begun + TimeDelta::seconds(60));
    assert_eq!(list(&worker, &origin, HOT).await, (one, 0));
    worker.clock.set(begun + TimeDelta::milliseconds(60_001));
    let two = vec![format!("{HOT}/f"), format!("{HOT}/g")];
    assert_eq!(list(&worker, &origin, HOT).await, (two.clone(), 1));
    assert_eq!(list(&worker, &origin, HOT).await, (two, 0), "the new listing is reused in its turn");
    worker.stop().await;
}

#[tokio::test]
async fn a_listing_of_more_than_a_whitelisted_folder_passes_through() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin, MINUTE).await;
    for prefix in [COLD, "db/t", "db"] {
        for _ in 0..2 {
            assert_eq!(list(&worker, &origin, prefix).await.1, 1, "{prefix}");
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn strict_and_immutable_buckets_are_always_listed() {
    for consistency in [Consistency::Strict, Consistency::Immutable, Consistency::Revalidate(Duration::ZERO)] {
        let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
        let worker = worker(folder.path(), &origin, consistency).await;
        for _ in 0..2 {
            assert_eq!(list(&worker, &origin, HOT).await.1, 1, "{consistency:?}");
        }
        worker.stop().await;
    }
}

#[tokio::test]
async fn what_larder_changes_ends_a_listing() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin, MINUTE).await;
    list(&worker, &origin, HOT).await;
    assert_eq!(list(&worker, &origin, HOT).await.1, 0);

    worker.s3.put(&format!("{HOT}/g").into(), "two".into()).await.unwrap();
    assert_eq!(list(&worker, &origin, HOT).await, (vec![format!("{HOT}/f"), format!("{HOT}/g")], 1));
    worker.s3.delete(&format!("{HOT}/g").into()).await.unwrap();
    assert_eq!(list(&worker, &origin, HOT).await, (vec![format!("{HOT}/f")], 1));

    let location = Location { bucket: "lake".into(), prefix: format!("{HOT}/") };
    worker.engine.drop_locations(&DropRequest { locations: vec![location] }).await;
    assert_eq!(list(&worker, &origin, HOT).await.1, 1, "after a drop");
    assert_eq!(list(&worker, &origin, HOT).await.1, 0);

    worker.whitelist(2, &[("hive.db.t/dt=1", "db/t/dt=1/"), ("hive.db.t/dt=2", "db/t/dt=2/")]).await;
    assert_eq!(list(&worker, &origin, HOT).await.1, 1, "after a new whitelist");
    worker.stop().await;
}

#[tokio::test]
async fn what_a_preload_has_listed_is_not_listed_again() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin, MINUTE).await;
    put(&origin, &format!("{HOT}/h=1/g"), b"two").await;
    let begun = worker.clock.now();
    preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    // Listings of the folder, and of what is in it, in any form.
    assert_eq!(list(&worker, &origin, HOT).await, (vec![format!("{HOT}/f"), format!("{HOT}/h=1/g")], 0));
    assert_eq!(list(&worker, &origin, &format!("{HOT}/h=1")).await, (vec![format!("{HOT}/h=1/g")], 0));
    assert_eq!(list(&worker, &origin, &format!("{HOT}/h=2")).await, (vec![], 0));
    let before = origin.lists();
    let rolled = worker.s3.list_with_delimiter(Some(&HOT.into())).await.unwrap();
    assert_eq!(rolled.objects.len(), 1);
    assert_eq!(rolled.common_prefixes, [format!("{HOT}/h=1").into()]);
    assert_eq!(origin.lists(), before);
    // For as long as the bucket's rule says.
    put(&origin, &format!("{HOT}/i"), b"three").await;
    worker.clock.set(begun + TimeDelta::milliseconds(60_001));
    let (keys, lists) = list(&worker, &origin, HOT).await;
    assert_eq!((keys.len(), lists), (3, 1));
    // A write through Larder ends it as well.
    preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    worker.s3.put(&format!("{HOT}/j").into(), "four".into()).await.unwrap();
    let (keys, lists) = list(&worker, &origin, HOT).await;
    assert_eq!((keys.len(), lists), (4, 1));
    worker.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_a_page_is_listed_at_the_origin() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin, MINUTE).await;
    for i in 0..1000 {
        put(&origin, &format!("{HOT}/g{i}"), b"one").await;
    }
    preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    let (keys, lists) = list(&worker, &origin, HOT).await;
    assert_eq!((keys.len(), lists), (1001, 2));
    worker.stop().await;
}

#[tokio::test]
async fn what_a_preload_has_listed_of_a_strict_bucket_is_listed_again() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin, Consistency::Strict).await;
    preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    assert_eq!(list(&worker, &origin, HOT).await.1, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_reused_listing_is_no_news_of_its_objects() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin, Consistency::Revalidate(Duration::from_secs(3600))).await;
    let key = format!("{HOT}/f");
    list(&worker, &origin, HOT).await;
    // The listing's version is gone before it was read: the read finds out, and asks what there is instead.
    let bytes = content(100_000, 2);
    put(&origin, &key, &bytes).await;
    assert!(read(&worker.s3, &key).await == bytes);
    let heads = origin.heads();
    assert!(heads > 0);
    // The old listing again must not bring the old version back.
    assert_eq!(list(&worker, &origin, HOT).await.1, 0);
    assert!(read(&worker.s3, &key).await == bytes);
    assert_eq!(origin.heads(), heads);
    worker.stop().await;
}
