//! Reads as who follows them is told of each.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use common::{CountingOrigin, Worker, content, put, read};
use larder_cached::{Consistency, ReadOutcome, WatchedRead};
use larder_model::{ByteRange, Route};
use object_store::{GetOptions, ObjectStore as _, ObjectStoreExt as _};

const HOT: &str = "db/hot/dt=1/f";
const COLD: [&str; 2] = ["db/cold/dt=1/f", "db/cold/dt=1/g"];
const LEN: u64 = 4 << 20;

/// A worker over two cold objects and one on the whitelist, of `LEN` bytes each.
async fn worker(folder: &std::path::Path, origin: &Arc<CountingOrigin>) -> Worker {
    for key in [HOT, COLD[0], COLD[1]] {
        put(origin, key, &content(LEN as usize, 1)).await;
    }
    let worker = Worker::start(folder, origin.clone(), Consistency::Immutable).await;
    worker.whitelist(1, &[("hive.db.hot/dt=1", "db/hot/dt=1/")]).await;
    worker
}

/// The whole object, or the error wherever it comes.
async fn whole(worker: &Worker, key: &str) -> object_store::Result<Bytes> {
    worker.s3.get(&key.into()).await?.bytes().await
}

fn failure(read: &WatchedRead) -> Option<&'static str> {
    match read.outcome {
        ReadOutcome::Failed { kind, .. } => Some(kind),
        ReadOutcome::Answered | ReadOutcome::Redirected => None,
    }
}

#[tokio::test]
async fn a_direct_read_is_told_and_fails_after_its_first_byte_with_the_origin() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin).await;
    let mut reads = worker.engine.watch_reads(1).unwrap();
    assert_eq!(read(&worker.s3, COLD[0]).await.len() as u64, LEN);
    let told = reads.recv().await.unwrap();
    assert_eq!((&told.outcome, told.route, told.bytes_origin), (&ReadOutcome::Answered, Route::Direct, LEN));
    origin.truncate.store(1, Ordering::SeqCst);
    assert!(whole(&worker, COLD[1]).await.is_err());
    let told = reads.recv().await.unwrap();
    assert_eq!((failure(&told), told.route, told.bytes_origin), (Some("unavailable"), Route::Direct, LEN - 1));
    worker.stop().await;
}

#[tokio::test]
async fn a_cached_read_that_fails_after_its_first_byte_is_told_with_what_was_sent() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin).await;
    let mut reads = worker.engine.watch_reads(1).unwrap();
    worker.s3.get_range(&HOT.into(), 0..1000).await.unwrap();
    assert_eq!(reads.recv().await.unwrap().outcome, ReadOutcome::Answered);
    origin.down.store(true, Ordering::SeqCst);
    assert!(whole(&worker, HOT).await.is_err());
    let told = reads.recv().await.unwrap();
    assert_eq!((failure(&told), told.route), (Some("unavailable"), Route::Cached));
    assert_eq!(told.range, Some(ByteRange::new(0, LEN)));
    assert!(told.bytes_memory + told.bytes_ssd > 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_read_that_fails_before_its_first_byte_is_told_once_and_an_unmet_condition_is_no_failure() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let worker = worker(folder.path(), &origin).await;
    let mut reads = worker.engine.watch_reads(1).unwrap();
    for (key, route) in [("db/cold/dt=1/absent", Route::Direct), ("db/hot/dt=1/absent", Route::Cached)] {
        assert!(whole(&worker, key).await.is_err());
        let told = reads.recv().await.unwrap();
        assert_eq!((failure(&told), told.route, told.range), (Some("not_found"), route, None));
        assert_eq!((told.object.key.as_str(), told.principal.as_str()), (key, "writer"));
        assert_eq!(told.attribution.unwrap().partition, "dt=1");
    }
    let unless_there = GetOptions { if_none_match: Some("*".to_owned()), ..GetOptions::default() };
    assert!(worker.s3.get_opts(&HOT.into(), unless_there).await.is_err());
    let told = reads.recv().await.unwrap();
    assert_eq!((told.outcome, told.range), (ReadOutcome::Answered, None));
    assert!(reads.try_recv().is_err(), "each read is told once");
    worker.stop().await;
}
