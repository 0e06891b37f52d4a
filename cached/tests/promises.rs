//! The promises of the data path, one test each, through the real endpoint.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::{CountingOrigin, Worker, client, content, preload, preloaded, put, read};
use futures::StreamExt;
use futures::future::join_all;
use larder_cached::{Admit, Consistency};
use larder_model::Location;
use larder_model::admin::{DropRequest, NotLoaded, PreloadState};
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt};

const MIB: usize = 1 << 20;

fn origin() -> Arc<CountingOrigin> {
    Arc::new(CountingOrigin::default())
}

#[tokio::test]
async fn every_range_gives_the_origins_bytes_cold_and_warm() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(MIB + 12_345, 1);
    put(&origin, "t/f", &bytes).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    let ends = [0, 1, 65_535, 65_536, 65_537, 524_288, MIB, MIB + 12_344, MIB + 12_345];
    for _ in 0..2 {
        for start in ends {
            for end in ends.into_iter().filter(|end| *end > start) {
                let got = worker.s3.get_range(&"t/f".into(), start as u64..end as u64).await.unwrap();
                assert!(got == bytes[start..end], "{start}..{end}");
            }
        }
        assert!(read(&worker.s3, "t/f").await == bytes);
    }
    assert_eq!(origin.bytes_read(), bytes.len() as u64, "each byte is read from the origin once");
    worker.stop().await;
}

#[tokio::test]
async fn a_range_does_not_read_the_whole_object() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    put(&origin, "t/f", &content(8 * MIB, 1)).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    worker.s3.get_range(&"t/f".into(), 4_000_000..4_001_000).await.unwrap();
    assert!(origin.bytes_read() <= 2 * 65_536, "{}", origin.bytes_read());
    worker.stop().await;
}

#[tokio::test]
async fn a_fill_is_single_flight() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(MIB, 1);
    put(&origin, "t/f", &bytes).await;
    origin.delay_ms.store(50, Ordering::SeqCst);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    let reads = join_all((0..32).map(|_| read(&worker.s3, "t/f"))).await;
    assert!(reads.iter().all(|read| *read == bytes));
    assert_eq!(origin.bytes_read(), MIB as u64);
    worker.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_cancel_a_fill() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    put(&origin, "t/f", &content(65_536, 1)).await;
    origin.delay_ms.store(100, Ordering::SeqCst);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    let s3 = Arc::clone(&worker.s3);
    let leaving = tokio::spawn(async move { read(&s3, "t/f").await });
    while worker.engine.stat().fills_in_flight == 0 {
        tokio::task::yield_now().await;
    }
    leaving.abort();
    while worker.engine.stat().fills_in_flight > 0 {
        tokio::task::yield_now().await;
    }
    read(&worker.s3, "t/f").await;
    assert_eq!(origin.gets(), 1, "the fill was completed and kept");
    worker.stop().await;
}

#[tokio::test]
async fn what_is_not_whitelisted_is_read_directly_and_admits_nothing() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(300_000, 1);
    put(&origin, "db/hot/dt=1/f", &bytes).await;
    put(&origin, "db/hot2/dt=1/f", &bytes).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    worker.whitelist(1, &[("hive.db.hot/dt=1", "db/hot/dt=1/")]).await;
    for _ in 0..2 {
        assert!(read(&worker.s3, "db/hot2/dt=1/f").await == bytes);
        assert_eq!(worker.s3.get_range(&"db/hot2/dt=1/f".into(), 5..10).await.unwrap(), bytes[5..10]);
    }
    let stat = worker.engine.stat();
    assert_eq!(stat.bytes_direct, 2 * (bytes.len() as u64 + 5));
    assert_eq!((stat.memory_used_bytes, stat.bytes_memory, stat.origin_bytes_demand), (0, 0, 0));
    for _ in 0..2 {
        assert!(read(&worker.s3, "db/hot/dt=1/f").await == bytes);
    }
    let stat = worker.engine.stat();
    assert_eq!((stat.bytes_origin, stat.bytes_memory), (bytes.len() as u64, bytes.len() as u64));
    worker.stop().await;
}

async fn overwritten(consistency: Consistency) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let (old, new) = (content(200_000, 1), content(250_000, 2));
    put(&origin, "t/f", &old).await;
    let worker = Worker::start(folder.path(), origin.clone(), consistency).await;
    assert!(read(&worker.s3, "t/f").await == old);
    put(&origin, "t/f", &new).await;
    let got = read(&worker.s3, "t/f").await;
    worker.stop().await;
    (old, new, got)
}

#[tokio::test]
async fn strict_sees_an_overwrite_at_once() {
    let (_, new, got) = overwritten(Consistency::Strict).await;
    assert!(got == new);
}

#[tokio::test]
async fn immutable_never_asks_again() {
    let (old, _, got) = overwritten(Consistency::Immutable).await;
    assert!(got == old);
}

#[tokio::test]
async fn two_versions_never_mix_in_one_response() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let versions = [content(400_000, 1), content(400_000, 2)];
    put(&origin, "t/f", &versions[0]).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    // The first blocks are cached of the first version; then the object changes, and the rule allows not to notice.
    worker.s3.get_range(&"t/f".into(), 0..100_000).await.unwrap();
    put(&origin, "t/f", &versions[1]).await;
    let whole = worker.s3.get(&"t/f".into()).await.unwrap().bytes().await;
    // A clean failure tells the client to try again; what it must never get is a mixture.
    if let Ok(whole) = whole {
        assert!(versions.iter().any(|version| *version == whole), "a mixture of two versions");
    }
    assert!(read(&worker.s3, "t/f").await == versions[1], "the change was noticed, so the next read is fresh");
    worker.stop().await;
}

/// Lists, reads what was listed, and returns the content type and the HEADs that this took.
async fn read_after_listing(consistency: Consistency) -> (String, u64) {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(MIB, 1);
    let attributes: Attributes = [(Attribute::ContentType, "application/vnd.apache.parquet")].into_iter().collect();
    origin.inner.put_opts(&"t/f".into(), bytes.clone().into(), attributes.into()).await.unwrap();
    let worker = Worker::start(folder.path(), origin.clone(), consistency).await;
    assert_eq!(worker.s3.list(None).count().await, 1);
    let answer = worker.s3.get(&"t/f".into()).await.unwrap();
    let content_type = answer.attributes.get(&Attribute::ContentType).unwrap().to_string();
    assert!(answer.bytes().await.unwrap() == bytes);
    worker.stop().await;
    (content_type, origin.heads())
}

#[tokio::test]
async fn a_listing_saves_the_read_a_head_unless_the_bucket_is_strict() {
    let parquet = "application/vnd.apache.parquet".to_owned();
    let hour = Consistency::Revalidate(std::time::Duration::from_secs(3600));
    assert_eq!(read_after_listing(hour).await, (parquet.clone(), 0));
    assert_eq!(read_after_listing(Consistency::Immutable).await, (parquet.clone(), 0));
    assert_eq!(read_after_listing(Consistency::Strict).await, (parquet, 1));
}

#[tokio::test]
async fn a_listing_shows_an_overwrite_to_the_reads_after_it() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let (old, new) = (content(MIB, 1), content(MIB, 2));
    put(&origin, "t/f", &old).await;
    let hour = Consistency::Revalidate(std::time::Duration::from_secs(3600));
    let worker = Worker::start(folder.path(), origin.clone(), hour).await;
    assert!(read(&worker.s3, "t/f").await == old);
    put(&origin, "t/f", &new).await;
    assert_eq!(worker.s3.list(None).count().await, 1);
    assert!(read(&worker.s3, "t/f").await == new);
    worker.stop().await;
}

#[tokio::test]
async fn a_write_through_larder_is_seen_by_the_next_read() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    for seed in 1..4 {
        let bytes = content(150_000, seed);
        worker.s3.put(&"t/f".into(), bytes.clone().into()).await.unwrap();
        assert!(origin.inner.get(&"t/f".into()).await.unwrap().bytes().await.unwrap() == bytes);
        assert!(read(&worker.s3, "t/f").await == bytes);
    }
    worker.s3.delete(&"t/f".into()).await.unwrap();
    assert!(matches!(worker.s3.get(&"t/f".into()).await, Err(object_store::Error::NotFound { .. })));
    worker.stop().await;
}

#[tokio::test]
async fn a_restart_serves_from_the_ssd_without_the_origin() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(4 * MIB, 1);
    put(&origin, "t/f", &bytes).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    assert!(read(&worker.s3, "t/f").await == bytes);
    worker.stop().await;
    let read_before = origin.bytes_read();
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    assert!(read(&worker.s3, "t/f").await == bytes);
    let stat = worker.engine.stat();
    assert_eq!(origin.bytes_read(), read_before, "nothing was read from the origin again");
    assert_eq!(stat.bytes_ssd, bytes.len() as u64);
    worker.stop().await;
}

#[tokio::test]
async fn flipped_bits_on_the_ssd_are_a_miss_and_never_served() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(2 * MIB, 1);
    put(&origin, "t/f", &bytes).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    assert!(read(&worker.s3, "t/f").await == bytes);
    worker.stop().await;
    let mut flipped = 0;
    for form in std::fs::read_dir(folder.path().join("ssd")).unwrap().flatten() {
        // Beside the tier's own folder there are files that are not its.
        for file in std::fs::read_dir(form.path()).into_iter().flatten().flatten() {
            let mut held = std::fs::read(file.path()).unwrap();
            // One bit in every block of the object, wherever the engine has put it.
            for at in (5_000..held.len()).step_by(20_000).filter(|at| *at < 8 * MIB) {
                held[at] ^= 1;
                flipped += 1;
            }
            std::fs::write(file.path(), held).unwrap();
        }
    }
    assert!(flipped > 0);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    assert!(read(&worker.s3, "t/f").await == bytes, "wrong bytes were served");
    assert!(origin.bytes_read() > bytes.len() as u64, "corrupt blocks were read from the origin again");
    worker.stop().await;
}

#[tokio::test]
async fn an_origin_that_truncates_is_asked_again_and_then_is_a_clean_error() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(100_000, 1);
    put(&origin, "t/f", &bytes).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    origin.truncate.store(1, Ordering::SeqCst);
    assert!(read(&worker.s3, "t/f").await == bytes);
    put(&origin, "t/g", &bytes).await;
    origin.truncate.store(u64::MAX, Ordering::SeqCst);
    let failed = worker.s3.get_range(&"t/g".into(), 70_000..80_000).await.unwrap_err().to_string();
    assert!(failed.contains("503") && failed.contains("ServiceUnavailable"), "{failed}");
    worker.stop().await;
}

/// A worker over an origin that takes 20 ms a request, and knows it.
async fn paced_worker(folder: &std::path::Path, origin: &Arc<CountingOrigin>) -> Worker {
    let bytes = content(64 * 65_536, 1);
    put(origin, "t/warm-up", &bytes).await;
    origin.delay_ms.store(20, Ordering::SeqCst);
    let worker = Worker::start(folder, origin.clone(), Consistency::Immutable).await;
    // In no order, or what is read ahead would leave few requests to measure.
    for block in (0..64).map(|n| n * 37 % 64) {
        worker.s3.get_range(&"t/warm-up".into(), block * 65_536..(block + 1) * 65_536).await.unwrap();
    }
    worker
}

#[tokio::test]
async fn a_request_that_hangs_is_hedged_within_a_budget() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let worker = paced_worker(folder.path(), &origin).await;
    let bytes = content(60_000, 2);
    put(&origin, "t/f", &bytes).await;
    origin.stuck.store(1, Ordering::SeqCst);
    assert!(read(&worker.s3, "t/f").await == bytes);
    let text = worker.engine.metrics_text();
    assert!(text.contains("larder_fill_hedges_total 1\n"), "{text}");
    worker.stop().await;
}

#[tokio::test]
async fn slow_first_read_a_long_stretch_is_read_by_requests_in_parallel() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(4 * MIB, 2);
    put(&origin, "t/f", &bytes).await;
    origin.delay_ms.store(20, Ordering::SeqCst);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::Immutable).await;
    assert!(read(&worker.s3, "t/f").await == bytes);
    assert!(origin.at_once_max.load(Ordering::SeqCst) >= 4, "fills of 512 KiB, four ahead");
    assert_eq!(origin.gets(), 8);
    worker.stop().await;
}

#[tokio::test]
async fn an_origin_that_is_down_is_a_clean_error_and_what_is_cached_goes_on() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(100_000, 1);
    put(&origin, "t/f", &bytes).await;
    put(&origin, "t/g", &bytes).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    read(&worker.s3, "t/f").await;
    origin.down.store(true, Ordering::SeqCst);
    assert!(read(&worker.s3, "t/f").await == bytes);
    let failed = worker.s3.get(&"t/g".into()).await.unwrap_err().to_string();
    assert!(failed.contains("503") && failed.contains("RequestId"), "{failed}");
    worker.stop().await;
}

#[tokio::test]
async fn warm_up_that_lies_preloaded_items_are_resident_and_their_loading_is_no_hit() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(700_000, 1);
    for day in 1..4 {
        put(&origin, &format!("db/t/dt={day}/f"), &bytes).await;
    }
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    worker.whitelist(1, &[("hive.db.t/dt=1", "db/t/dt=1/"), ("hive.db.t/dt=2", "db/t/dt=2/")]).await;
    let status = preloaded(&worker, preload(&["db/t/dt=1/", "db/t/dt=2/"])).await;
    assert!(status.items.iter().all(|item| item.state == PreloadState::Done), "{status:?}");
    assert_eq!((status.bytes_loaded, status.bytes_total), (1_400_000, 1_400_000));
    let residency = worker.engine.residency().await;
    assert!(residency.items.iter().all(|item| item.resident_bytes == 700_000 && item.bytes == 700_000));
    let stat = worker.engine.stat();
    assert_eq!((stat.get_requests, stat.bytes_memory + stat.bytes_ssd, stat.saved_io_seconds), (0, 0, 0.0));
    assert_eq!((stat.origin_bytes_preload, stat.origin_bytes_demand), (1_400_000, 0));
    // Asked again, it finds everything there.
    let again = preloaded(&worker, preload(&["db/t/dt=1/", "db/t/dt=2/"])).await;
    assert_eq!((again.bytes_loaded, again.bytes_resident), (0, 1_400_000));
    // The first read touches no byte of the origin.
    let before = origin.bytes_read();
    assert!(read(&worker.s3, "db/t/dt=1/f").await == bytes);
    assert_eq!(origin.bytes_read(), before);
    worker.stop().await;
}

#[tokio::test]
async fn warm_up_that_lies_a_preload_larger_than_the_capacity_says_what_is_left_out() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    for day in 1..5 {
        put(&origin, &format!("db/t/dt={day}/f"), &content(48 * MIB, day)).await;
    }
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    let status = preloaded(&worker, preload(&["db/t/dt=1/", "db/t/dt=2/", "db/t/dt=3/", "db/t/dt=4/"])).await;
    let states: Vec<PreloadState> = status.items.iter().map(|item| item.state).collect();
    assert_eq!(states, [PreloadState::Done, PreloadState::Done, PreloadState::LeftOut, PreloadState::LeftOut]);
    assert!(matches!(status.items[2].why.as_ref().map(|why| &why.what), Some(NotLoaded::NoRoom { .. })), "{status:?}");
    assert!(worker.engine.stat().ssd_used_bytes <= 128 << 20, "the SSD tier overran its capacity");
    worker.stop().await;
}

#[tokio::test]
async fn what_is_dropped_is_no_longer_resident() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    put(&origin, "db/t/dt=1/f", &content(200_000, 1)).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    worker.whitelist(1, &[("hive.db.t/dt=1", "db/t/dt=1/")]).await;
    preloaded(&worker, preload(&["db/t/dt=1/"])).await;
    let location = Location { bucket: "lake".into(), prefix: "db/t/dt=1/".into() };
    let dropped = worker.engine.drop_locations(&DropRequest { locations: vec![location] }).await;
    assert_eq!((dropped.objects, dropped.bytes), (1, 200_000));
    assert_eq!(worker.engine.residency().await.items[0].resident_bytes, 0);
    worker.stop().await;
}

#[tokio::test]
async fn keys_open_their_buckets_and_nothing_else() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    put(&origin, "t/f", b"bytes").await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    let code = async |id: &str, secret: &str, write: bool| {
        let s3 = client(worker.address, id, secret);
        let result = match write {
            true => s3.put(&"t/g".into(), "x".into()).await.map(drop),
            false => s3.get(&"t/f".into()).await.map(drop),
        };
        result.err().map(|error| format!("{error:?}"))
    };
    assert_eq!(code("reader", "secret", false).await, None);
    assert_eq!(code("writer", "secret", true).await, None);
    for (id, secret, write, expected) in [
        ("reader", "secret", true, "AccessDenied"),
        ("stranger", "secret", false, "AccessDenied"),
        ("reader", "wrong", false, "SignatureDoesNotMatch"),
        ("nobody", "secret", false, "InvalidAccessKeyId"),
    ] {
        let error = code(id, secret, write).await.unwrap_or_default();
        assert!(error.contains(expected), "{id} {secret}: {error}");
        assert!(!error.contains("bytes\""), "nothing leaks");
    }
    worker.stop().await;
}

#[tokio::test]
async fn admit_all_caches_what_is_not_whitelisted() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    put(&origin, "t/f", &content(100_000, 1)).await;
    let worker = Worker::start_with(folder.path(), origin.clone(), Consistency::default(), Admit::All).await;
    worker.whitelist(1, &[]).await;
    for _ in 0..3 {
        read(&worker.s3, "t/f").await;
    }
    assert_eq!(origin.bytes_read(), 100_000);
    worker.stop().await;
}

#[tokio::test]
async fn a_scan_in_many_reads_waits_for_the_origin_less_often() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    let bytes = content(4 * MIB, 1);
    put(&origin, "t/f.csv", &bytes).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    let scan = async || {
        for start in (0..4 * MIB).step_by(MIB / 4) {
            let end = start + MIB / 4;
            let got = worker.s3.get_range(&"t/f.csv".into(), start as u64..end as u64).await.unwrap();
            assert!(got == bytes[start..end], "{start}");
            while worker.engine.stat().fills_in_flight > 0 {
                tokio::task::yield_now().await;
            }
        }
        worker.engine.stat()
    };
    let cold = scan().await;
    assert_eq!(origin.bytes_read(), 4 * MIB as u64, "each byte is read from the origin once");
    assert!(origin.gets() <= 10, "{} requests for 16 reads", origin.gets());
    assert_eq!(cold.bytes_memory, 0, "what is read ahead is no hit");
    let warm = scan().await;
    assert_eq!(warm.bytes_memory, 4 * MIB as u64, "the second scan is");
    worker.stop().await;
}

#[tokio::test]
async fn reads_here_and_there_read_nothing_ahead() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), origin());
    put(&origin, "t/f.csv", &content(4 * MIB, 1)).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    for block in [3, 40, 12, 60, 27, 9, 50, 33] {
        worker.s3.get_range(&"t/f.csv".into(), block * 65_536..(block + 1) * 65_536).await.unwrap();
    }
    assert_eq!(origin.bytes_read(), 8 * 65_536);
    worker.stop().await;
}
