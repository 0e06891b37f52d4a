//! Tests of the simulated remote: its waits, its pace, and that it leaves bytes alone.

use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::network::BUFFERED;
use super::*;

const MB: usize = 1_000_000;

/// Near enough that no test waits, yet on the same way as a far one.
fn near() -> SimulatedRemoteSettings {
    let first_byte_median = Duration::from_micros(10);
    SimulatedRemoteSettings { first_byte_median, stream_bytes_per_second: 1 << 40, ..Default::default() }
}

fn close_to(found: Duration, expected: f64) {
    let found = found.as_secs_f64();
    assert!((found - expected).abs() <= expected * 0.02 + 1e-6, "{found} s, expected {expected} s");
}

#[test]
fn a_request_waits_30_ms_at_the_median_and_ten_times_that_in_one_of_a_hundred() {
    let network = Network::new(SimulatedRemoteSettings::default());
    let mut waits: Vec<Duration> = (0..10_000).map(|_| network.draw_first_byte()).collect();
    waits.sort();
    close_to(waits[5_000], 0.030);
    let slow = waits.iter().filter(|wait| wait.as_secs_f64() > 0.15).count();
    assert!((60..=140).contains(&slow), "{slow} of 10,000 were slow");
}

#[test]
fn the_same_seed_gives_the_same_waits() {
    let waits = |seed| {
        let network = Network::new(SimulatedRemoteSettings { seed, ..Default::default() });
        (0..100).map(|_| network.draw_first_byte()).collect::<Vec<_>>()
    };
    assert_eq!(waits(5), waits(5));
    assert_ne!(waits(5), waits(6));
}

#[test]
fn a_stream_runs_at_its_speed_even_when_its_reader_wakes_late() {
    let network = Arc::new(Network::new(SimulatedRemoteSettings::default()));
    let begin = Instant::now();
    let mut pace = Pace::new(network, begin);
    let mut now = begin;
    for _ in 0..800 {
        now = pace.arrival(now, 100_000) + Duration::from_micros(700);
    }
    close_to(now - begin, 1.0);
}

#[test]
fn a_reader_that_pauses_finds_no_more_than_a_buffer_full() {
    let network = Arc::new(Network::new(SimulatedRemoteSettings::default()));
    let begin = Instant::now();
    let mut pace = Pace::new(network, begin);
    let later = begin + Duration::from_secs(5);
    close_to(pace.arrival(later, 8 * MB) - later, 0.1 - BUFFERED.as_secs_f64());
}

#[test]
fn all_streams_share_one_link() {
    let network = Arc::new(Network::new(SimulatedRemoteSettings::default()));
    let begin = Instant::now();
    let mut streams: Vec<_> = (0..20).map(|_| (Pace::new(Arc::clone(&network), begin), begin)).collect();
    for _ in 0..80 {
        for (pace, now) in &mut streams {
            *now = pace.arrival(*now, 100_000);
        }
    }
    // 160 MB at 400 MB/s, though each of the twenty would have taken 0.1 s alone.
    let last = streams.iter().map(|(_, now)| *now).max().unwrap();
    close_to(last - begin, 0.4);
}

#[tokio::test]
async fn a_request_takes_time_whatever_it_is_and_even_when_it_fails() {
    let first_byte_median = Duration::from_millis(2);
    let settings = SimulatedRemoteSettings { first_byte_median, first_byte_sigma: 0.0, ..near() };
    let remote = SimulatedRemote::new(Arc::new(InMemory::new()), settings);
    let key = Path::from("t/f");
    let begin = Instant::now();
    remote.put(&key, PutPayload::from_static(b"0123456789")).await.unwrap();
    remote.get(&key).await.unwrap();
    remote.head(&key).await.unwrap();
    remote.list(None).try_collect::<Vec<_>>().await.unwrap();
    remote.list_with_delimiter(None).await.unwrap();
    remote.copy(&key, &Path::from("t/h")).await.unwrap();
    remote.delete(&key).await.unwrap();
    assert!(remote.get(&key).await.is_err(), "what is absent is absent");
    assert_eq!(remote.traffic(), SimulatedTraffic { requests: 8, bytes_sent: 0 });
    assert!(begin.elapsed() >= 8 * first_byte_median);
}

#[tokio::test]
async fn bytes_are_unchanged_and_arrive_piece_by_piece() {
    let inner = Arc::new(InMemory::new());
    let remote = SimulatedRemote::new(inner, near());
    let key = Path::from("t/f");
    let content = Bytes::from((0..MB).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>());
    remote.put(&key, content.clone().into()).await.unwrap();
    let pieces: Vec<Bytes> = remote.get(&key).await.unwrap().into_stream().try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES));
    assert_eq!(pieces.concat(), content);
    assert_eq!(remote.get_range(&key, 300_000..700_000).await.unwrap(), content.slice(300_000..700_000));
    assert_eq!(remote.traffic().bytes_sent, (MB + 400_000) as u64);
}

#[tokio::test]
async fn a_local_file_is_read_in_full_and_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..PIECE_BYTES * 2 + 77).map(|i| (i % 253) as u8).collect();
    std::fs::write(folder.path().join("f"), &content).unwrap();
    let remote = SimulatedRemote::new(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()), near());
    let key = Path::from("f");
    assert_eq!(remote.get(&key).await.unwrap().bytes().await.unwrap(), content);
    let part = remote.get_range(&key, 100..PIECE_BYTES as u64 + 100).await.unwrap();
    assert_eq!(part, content[100..PIECE_BYTES + 100]);
    let end = content.len() as u64;
    assert_eq!(remote.get_range(&key, end - 8..end).await.unwrap(), content[content.len() - 8..]);
}

#[test]
fn the_distance_is_said_in_words() {
    let text = SimulatedRemote::new(Arc::new(InMemory::new()), SimulatedRemoteSettings::default()).describe();
    for part in ["30ms", "1% of requests take 10x", "80 MB/s per stream", "400 MB/s over all"] {
        assert!(text.contains(part), "{text}");
    }
}
