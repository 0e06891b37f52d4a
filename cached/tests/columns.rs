//! Tables of which the whitelist names columns: what of them is preloaded, held, given up. Each test is named after a promise.

mod common;

use std::sync::Arc;

use common::parquet::{file_of, project};
use common::{CountingOrigin, Worker, preload, preloaded, put, read};
use larder_cached::Consistency;
use larder_model::admin::PreloadState;
use larder_model::{HeldColumns, Whitelist};

const KEY: &str = "db/t/dt=1/000000_0";

/// The table's one partition, and of it these columns of sixteen.
fn list(version: u64, columns: &[&str]) -> Whitelist {
    let held = HeldColumns {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        byte_share: columns.len() as f64 / 16.0,
        value_share: 1.0,
    };
    let mut list = common::whitelist(version, &[("hive.db.t/dt=1", "db/t/dt=1/")]);
    list.columns.insert("hive.db.t".parse().expect("a table"), held);
    list
}

/// What is to be held of the partition, and what of that is, in bytes.
async fn residency(worker: &Worker) -> (u64, u64) {
    let item = worker.engine.residency().await.items.remove(0);
    (item.bytes, item.resident_bytes)
}

#[tokio::test]
async fn a_preload_brings_the_columns_that_are_named_and_little_more() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let file = file_of(16, 100_000);
    put(&origin, KEY, &file).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.follow(list(1, &["c1", "C7"])).await;
    let (wanted, resident) = residency(&worker).await;
    assert_eq!((wanted, resident), ((file.len() as f64 / 8.0).round() as u64, 0), "about an eighth, before it is cut");

    let status = preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    assert_eq!(status.items[0].state, PreloadState::Done, "{status:?}");
    let loaded = origin.bytes_read();
    assert!((loaded as f64) < 0.15 * file.len() as f64, "{loaded} of {}", file.len());
    let (wanted, resident) = residency(&worker).await;
    assert!(wanted == resident && wanted <= loaded, "{wanted} {resident} {loaded}");

    // Names do not depend on capitals.
    project(&worker, KEY, &file, &[1, 7]).await;
    assert_eq!(origin.bytes_read(), loaded, "queries over these columns ask the origin for nothing");
    assert!(read(&worker.s3, KEY).await == file);
    assert_eq!(residency(&worker).await, (wanted, resident), "what else was read is no part of the item");
    worker.stop().await;
}

#[tokio::test]
async fn another_list_loads_what_came_and_gives_up_what_left_over_a_restart_too() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let file = file_of(16, 100_000);
    put(&origin, KEY, &file).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.follow(list(1, &["c1", "c7"])).await;
    preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    let before = origin.bytes_read();

    worker.follow(list(2, &["c7", "c9"])).await;
    let status = preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    assert_eq!(status.items[0].state, PreloadState::Done, "{status:?}");
    let chunk = file.len() as f64 / 16.0;
    let came = (origin.bytes_read() - before) as f64;
    assert!((0.9 * chunk..1.1 * chunk).contains(&came), "one column came: {came} bytes");
    let held = residency(&worker).await;
    assert!((held.1 as f64) < 2.2 * chunk && held.0 == held.1, "{held:?}");
    worker.stop().await;

    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.follow(list(2, &["c7", "c9"])).await;
    assert_eq!(residency(&worker).await, held);
    let before = origin.bytes_read();
    project(&worker, KEY, &file, &[7, 9]).await;
    assert_eq!(origin.bytes_read(), before);
    // The whole item again: only what is missing is read.
    worker.follow(common::whitelist(3, &[("hive.db.t/dt=1", "db/t/dt=1/")])).await;
    let status = preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    assert_eq!(status.items[0].state, PreloadState::Done, "{status:?}");
    assert_eq!(residency(&worker).await, (file.len() as u64, file.len() as u64));
    worker.stop().await;
}

#[tokio::test]
async fn what_is_no_parquet_is_held_as_a_whole() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let text = common::content(3 << 20, 5);
    put(&origin, KEY, &text).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    worker.follow(list(1, &["c1"])).await;
    let status = preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    assert_eq!(status.items[0].state, PreloadState::Done, "{status:?}");
    assert_eq!(residency(&worker).await, (3 << 20, 3 << 20));
    worker.stop().await;
}
