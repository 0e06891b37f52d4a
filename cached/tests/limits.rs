//! What takes too long or is too much, on either side: the client's, and the origin's.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::raw::{self, presigned};
use common::{CountingOrigin, Worker, bucket, content, origins, put, read};
use http::Method;
use larder_cached::{Admit, BucketSettings, Consistency, S3Settings};
use object_store::ObjectStoreExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1 << 20;
/// What the tests wait for comes at once, or never.
const NEVER: Duration = Duration::from_secs(60);
/// Short enough to wait for.
const STALL: Duration = Duration::from_millis(200);

fn origin() -> Arc<CountingOrigin> {
    Arc::new(CountingOrigin::default())
}

/// A worker with these limits, over an origin with `t/small` and with `t/large`, which no buffer on the way holds.
async fn worker(folder: &Path, origin: &Arc<CountingOrigin>, limits: S3Settings) -> (Worker, Vec<u8>) {
    let large = content(32 * MIB, 1);
    put(origin, "t/large", &large).await;
    put(origin, "t/small", b"small").await;
    let origins = origins(bucket(Consistency::default()), origin.clone());
    (Worker::start_over(folder, origins, Admit::Whitelist, limits).await, large)
}

/// Asks for `t/small` until it is answered.
async fn answered(worker: &Worker) {
    let asking = async {
        while raw::get(&presigned(&worker.s3, Method::GET, "t/small").await, "test", &[]).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(NEVER, asking).await.expect("there is room again");
}

async fn no_fill_is_left(worker: &Worker) {
    let ending = async {
        while worker.engine.stat().fills_in_flight > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(NEVER, ending).await.expect("fills end");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_to_slow_down() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let (worker, _) = worker(folder.path(), &origin, S3Settings { connections_max: 1, ..S3Settings::default() }).await;
    let url = presigned(&worker.s3, Method::GET, "t/small").await;
    let mut first = raw::begin(Method::GET, &url, &[]).await;
    assert_eq!(raw::answer(&mut first).await.status, 200);
    let refused = raw::get(&url, "test", &[]).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.text().contains("<Code>SlowDown</Code>"), "{refused:?}");
    // Who is in stays in.
    raw::send_head(&mut first, Method::GET, &url, &[]).await;
    assert_eq!(raw::answer(&mut first).await.status, 200);
    drop(first);
    answered(&worker).await;
    worker.stop().await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_slow_down() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let (worker, large) = worker(folder.path(), &origin, S3Settings { requests_max: 1, ..S3Settings::default() }).await;
    let url = presigned(&worker.s3, Method::GET, "t/large").await;
    for leaves in [false, true] {
        // Its answer has begun and is not taken.
        let mut first = raw::begin(Method::GET, &url, &[]).await;
        first.peek(&mut [0]).await.unwrap();
        for method in [Method::GET, Method::PUT] {
            let url = presigned(&worker.s3, method.clone(), "t/small").await;
            let refused = raw::answer(&mut raw::begin(method, &url, &[]).await).await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
            let text = refused.text();
            assert!(text.contains("<Code>SlowDown</Code>") && text.contains("<RequestId>"), "{text}");
        }
        if leaves {
            drop(first);
        } else {
            assert!(raw::answer(&mut first).await.body == large, "who was in is served to the end");
        }
        answered(&worker).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_left() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let limits = S3Settings { requests_max: 1, stall: STALL, ..S3Settings::default() };
    let (worker, large) = worker(folder.path(), &origin, limits).await;
    let url = presigned(&worker.s3, Method::GET, "t/large").await;
    let mut stalled = raw::begin(Method::GET, &url, &[]).await;
    stalled.peek(&mut [0]).await.unwrap();
    answered(&worker).await;
    no_fill_is_left(&worker).await;
    let mut taken = Vec::new();
    // It ends by a reset or without; either way before all was sent.
    stalled.read_to_end(&mut taken).await.ok();
    assert!(taken.len() < large.len(), "{}", taken.len());
    worker.stop().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_a_request_timeout_and_leaves_nothing() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let limits = S3Settings { requests_max: 1, stall: STALL, ..S3Settings::default() };
    let (worker, _) = worker(folder.path(), &origin, limits).await;
    let url = presigned(&worker.s3, Method::PUT, "t/new").await;
    // Shorter and longer than what is written in one request.
    for sent in [10, 12 * MIB] {
        let mut stream = raw::begin(Method::PUT, &url, &[("Content-Length", "20000000")]).await;
        stream.write_all(&content(sent, 3)).await.unwrap();
        let answer = tokio::time::timeout(NEVER, raw::answer(&mut stream)).await.expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{answer:?}");
        let text = answer.text();
        assert!(text.contains("<Code>RequestTimeout</Code>") && text.contains("<RequestId>"), "{text}");
        drop(stream);
        answered(&worker).await;
        assert!(origin.inner.head(&"t/new".into()).await.is_err(), "{sent}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let (worker, _) = worker(folder.path(), &origin, S3Settings::default()).await;
    let url = presigned(&worker.s3, Method::GET, "t/small").await;
    let padding = |length: usize| "x".repeat(length);
    let long = padding(60 << 10);
    assert_eq!(raw::get(&url, "test", &[("x-pad", long.as_str())]).await.status, 200);
    let too_long = padding(64 << 10);
    assert_eq!(raw::get(&url, "test", &[("x-pad", too_long.as_str())]).await.status, 431);
    // Two more come with every request: its host, and who asks.
    let names: Vec<String> = (0..99).map(|i| format!("x-pad-{i}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(raw::get(&url, "test", &headers[..98]).await.status, 200);
    assert_eq!(raw::get(&url, "test", &headers).await.status, 431);
    worker.stop().await;
}

/// A worker whose origin may be silent for a moment only.
async fn hasty(folder: &Path, origin: &Arc<CountingOrigin>) -> Worker {
    let bucket = BucketSettings { stall: STALL, ..bucket(Consistency::default()) };
    let origins = origins(bucket, origin.clone());
    Worker::start_over(folder, origins, Admit::Whitelist, S3Settings::default()).await
}

#[tokio::test]
async fn an_origin_that_stalls_in_the_middle_is_asked_again() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(400_000, 1);
    put(&origin, "t/f", &bytes).await;
    let worker = hasty(folder.path(), &origin).await;
    origin.stall.store(2, Ordering::SeqCst);
    assert!(read(&worker.s3, "t/f").await == bytes);
    assert_eq!(origin.gets(), 3, "two that stalled, and one that did not");
    no_fill_is_left(&worker).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_origin_that_always_stalls_is_a_clean_error() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(400_000, 1);
    put(&origin, "t/f", &bytes).await;
    let worker = hasty(folder.path(), &origin).await;
    origin.stall.store(u64::MAX, Ordering::SeqCst);
    let last = 399_000..400_000;
    let url = presigned(&worker.s3, Method::GET, "t/f").await;
    let failed = raw::get(&url, "test", &[("Range", "bytes=399000-399999")]).await;
    assert_eq!(failed.status, 503, "{failed:?}");
    let text = failed.text();
    for part in ["<Code>ServiceUnavailable</Code>", "nothing came from the origin within 200ms", "<RequestId>"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    no_fill_is_left(&worker).await;
    origin.stall.store(0, Ordering::SeqCst);
    let range = last.start as u64..last.end as u64;
    assert_eq!(worker.s3.get_range(&"t/f".into(), range).await.unwrap(), bytes[last]);
    worker.stop().await;
}

#[tokio::test]
async fn a_direct_read_from_an_origin_that_stalls_ends() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(400_000, 1);
    put(&origin, "t/cold", &bytes).await;
    let worker = hasty(folder.path(), &origin).await;
    worker.whitelist(1, &[("hive.db.hot/dt=1", "db/hot/dt=1/")]).await;
    let url = presigned(&worker.s3, Method::GET, "t/cold").await;
    // Before the first byte it is an error, behind it the end of the connection.
    origin.stuck.store(1, Ordering::SeqCst);
    let failed = raw::get(&url, "test", &[("Range", "bytes=0-9")]).await;
    assert_eq!(failed.status, 503, "{failed:?}");
    assert!(failed.text().contains("nothing came from the origin within 200ms"), "{failed:?}");
    origin.stall.store(1, Ordering::SeqCst);
    let body = worker.s3.get(&"t/cold".into()).await.unwrap().bytes();
    assert!(tokio::time::timeout(NEVER, body).await.expect("an end").is_err());
    assert!(read(&worker.s3, "t/cold").await == bytes);
    worker.stop().await;
}
