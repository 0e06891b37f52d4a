//! The block map by format, through the real endpoint: what a projection of a Parquet object costs at the origin.

mod common;

use std::sync::Arc;

use common::parquet::{file_of, project};
use common::{CountingOrigin, Worker, put};
use larder_cached::Consistency;
use object_store::ObjectStoreExt;

#[tokio::test]
async fn a_projection_pulls_its_own_columns_and_little_more() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let file = file_of(16, 100_000);
    // Hive writes Parquet files without a name's end that tells.
    put(&origin, "t/000000_0", &file).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    let asked = project(&worker, "t/000000_0", &file, &[1, 7, 15]).await;
    let read = origin.bytes_read();
    assert!(read as f64 <= 1.15 * asked as f64, "{read} bytes were read for {asked}");

    let stat = worker.engine.stat();
    assert!(stat.bytes_memory + stat.bytes_ssd < 64 << 10, "only the footer's second read was a hit");
    project(&worker, "t/000000_0", &file, &[1, 7, 15]).await;
    assert_eq!(origin.bytes_read(), read, "the second projection reads nothing from the origin");
    project(&worker, "t/000000_0", &file, &[2]).await;
    assert!(origin.bytes_read() > read);
    assert!(common::read(&worker.s3, "t/000000_0").await == file);
    worker.stop().await;
}

#[tokio::test]
async fn a_restart_finds_the_columns_that_were_cached() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let file = file_of(16, 100_000);
    put(&origin, "t/000000_0", &file).await;
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    project(&worker, "t/000000_0", &file, &[3, 4]).await;
    worker.stop().await;
    let read = origin.bytes_read();
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    // The first read after the restart is not one of the footer, and the name does not tell: the map is on the SSD.
    let first = worker.s3.get_range(&"t/000000_0".into(), 4_000_000..4_000_001).await.unwrap();
    assert!(first == file[4_000_000..4_000_001]);
    let read = origin.bytes_read().max(read);
    project(&worker, "t/000000_0", &file, &[3, 4]).await;
    assert_eq!(origin.bytes_read(), read);
    worker.stop().await;
}

#[tokio::test]
async fn a_hostile_footer_falls_back_to_fixed_blocks() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Arc::new(CountingOrigin::default()));
    let good = file_of(16, 100_000);
    let size = good.len();
    let length = u32::from_le_bytes(good[size - 8..size - 4].try_into().unwrap()) as usize;
    let mut liars = Vec::new();
    for claimed in [0, 1, length as u32 - 1, size as u32, u32::MAX] {
        let mut file = good.clone();
        file[size - 8..size - 4].copy_from_slice(&claimed.to_le_bytes());
        liars.push(file);
    }
    let mut noise = good.clone();
    noise[size - 8 - length..size - 8].copy_from_slice(&common::content(length, 5));
    liars.push(noise);
    let worker = Worker::start(folder.path(), origin.clone(), Consistency::default()).await;
    for (i, file) in liars.iter().enumerate() {
        let key = format!("t/{i}.parquet");
        put(&origin, &key, file).await;
        for range in [(size - 8, size), (100_000, 100_001), (0, size), (size - 100_000, size)] {
            let got = worker.s3.get_range(&key.as_str().into(), range.0 as u64..range.1 as u64).await.unwrap();
            assert!(got == file[range.0..range.1], "liar {i}, {range:?}");
        }
    }
    worker.stop().await;
}
