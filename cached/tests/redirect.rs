//! Direct reads that are redirected: the bytes go from the origin to the client, and the log still tells of the read.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use common::raw::{self, presigned};
use common::{CountingOrigin, Worker, content, put, read};
use http::Method;
use larder_cached::{Admit, BucketSettings, Consistency, Origins, ReadOutcome, S3Settings};
use larder_model::Route;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A worker whose origin is another one's endpoint, so that the URLs it signs are judged by somebody.
async fn redirecting(folder: &Path, far: &Worker, engines: &[&str]) -> Worker {
    let options = [
        ("endpoint", format!("http://{}", far.address)),
        ("region", "us-east-1".to_owned()),
        ("access_key_id", "reader".to_owned()),
        ("secret_access_key", "secret".to_owned()),
        ("allow_http", "true".to_owned()),
    ];
    let bucket = BucketSettings {
        catalog: Some("hive".into()),
        options: options.map(|(key, value)| (key.to_owned(), value)).into(),
        redirect: engines.iter().map(|engine| (*engine).to_owned()).collect(),
        ..BucketSettings::new("lake", "s3://lake")
    };
    let origins = Origins::open(&[bucket]).unwrap();
    let worker = Worker::start_over(folder, origins, Admit::Whitelist, S3Settings::default()).await;
    worker.whitelist(1, &[("hive.db.hot/dt=1", "db/hot/dt=1/")]).await;
    worker
}

/// The rows of kind `get` in the access log.
async fn logged(worker: &Worker, folder: &Path) -> Vec<RecordBatch> {
    worker.engine.flush_access_log().await;
    let mut batches = Vec::new();
    for day in std::fs::read_dir(folder.join("access")).unwrap().flatten() {
        for file in std::fs::read_dir(day.path()).unwrap().flatten() {
            let file = std::fs::File::open(file.path()).unwrap();
            batches.extend(ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().flatten());
        }
    }
    batches
}

#[tokio::test]
async fn a_direct_read_is_redirected_for_the_engines_that_are_named() {
    let (far_folder, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (origin, bytes) = (Arc::new(CountingOrigin::default()), content(300_000, 1));
    for key in ["db/hot/dt=1/f", "db/cold/dt=1/f", "db/cold/dt=1/a b+c"] {
        put(&origin, key, &bytes).await;
    }
    let far = Worker::start(far_folder.path(), origin.clone(), Consistency::default()).await;
    let near = redirecting(folder.path(), &far, &["curl", "object_store"]).await;
    let counts = |name: &str| {
        let text = near.engine.metrics_text();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };

    // Sent to the origin: the URL there gives exactly the bytes, by the range that the client repeats.
    let range = ("Range", "bytes=5-99999");
    let mut reads = near.engine.watch_reads(1).unwrap();
    for key in ["db/cold/dt=1/f", "db/cold/dt=1/a b+c"] {
        let url = presigned(&near.s3, Method::GET, key).await;
        let sent = raw::get(&url, "curl/8.5", &[range]).await;
        assert_eq!((sent.status, sent.header("cache-control")), (307, Some("no-store")), "{sent:?}");
        assert!(sent.text().contains("<Code>TemporaryRedirect</Code>"), "{}", sent.text());
        let there = sent.header("location").unwrap();
        assert!(there.starts_with(&format!("http://{}/lake/db/cold/", far.address)), "{there}");
        let got = raw::get(there, "curl/8.5", &[range]).await;
        assert_eq!(got.status, 206);
        assert!(got.body == bytes[5..100_000], "{key}");
        let told = reads.recv().await.unwrap();
        assert_eq!((told.outcome, told.route, told.bytes_origin), (ReadOutcome::Redirected, Route::Direct, 99_995));
    }
    assert_eq!(counts("larder_redirects_total"), 2);
    assert_eq!(counts("larder_origin_bytes_total{cause=\"direct\"}"), 0, "no byte of it passed through Larder");

    // What is not there is the origin's to say.
    let url = presigned(&near.s3, Method::GET, "db/cold/absent").await;
    let sent = raw::get(&url, "curl/8.5", &[]).await;
    assert_eq!(sent.status, 307);
    assert_eq!(raw::get(sent.header("location").unwrap(), "curl/8.5", &[]).await.status, 404);

    // A HEAD, an engine that is not named, and what is cached are answered here.
    let url = presigned(&near.s3, Method::HEAD, "db/cold/dt=1/f").await;
    let mut stream = raw::begin(Method::HEAD, &url, &[("User-Agent", "curl/8.5")]).await;
    assert_eq!(raw::head(&mut stream).await.status, 200);
    let url = presigned(&near.s3, Method::GET, "db/cold/dt=1/f").await;
    assert!(raw::get(&url, "Apache-Spark/4", &[]).await.body == bytes);
    assert_eq!(counts("larder_origin_bytes_total{cause=\"direct\"}"), bytes.len() as u64);
    // So is who signs in headers, and could do nothing with another URL.
    assert!(read(&near.s3, "db/cold/dt=1/f").await == bytes);
    assert_eq!(counts("larder_origin_bytes_total{cause=\"direct\"}"), 2 * bytes.len() as u64);
    let url = presigned(&near.s3, Method::GET, "db/hot/dt=1/f").await;
    assert!(raw::get(&url, "curl/8.5", &[]).await.body == bytes);
    assert_eq!(counts("larder_redirects_total"), 3);

    // The planner learns of the reads it did not carry, and not how fast they were.
    let mut rows = Vec::new();
    for batch in logged(&near, folder.path()).await {
        let text = |name: &str, row| batch.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned();
        let number = |name: &str, row| batch.column_by_name(name).unwrap().as_primitive::<UInt64Type>().value(row);
        let seconds = batch.column_by_name("seconds").unwrap().as_primitive::<Float64Type>();
        rows.extend((0..batch.num_rows()).filter(|row| text("engine", *row) == "curl").map(|row| {
            let redirected = seconds.value(row) == 0.0;
            (text("key", row), text("route", row), number("offset", row), number("length", row), redirected)
        }));
    }
    rows.sort();
    let direct = |key: &str| (key.to_owned(), "direct".to_owned(), 5, 99_995, true);
    let cached = ("db/hot/dt=1/f".to_owned(), "cached".to_owned(), 0, 300_000, false);
    assert_eq!(rows, [direct("db/cold/dt=1/a b+c"), direct("db/cold/dt=1/f"), cached]);
    near.stop().await;
    far.stop().await;
}
