//! The SSD tier on a real disk, with the failures that operators of caches know.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::faulty::FaultyDisk;
use super::*;
use crate::settings::{Policy, SsdIo};

const CAPACITY: u64 = 64 << 20;
const BLOCK: u64 = 1 << 20;
const ITEM: ItemId = ItemId(1);
const OTHER: ItemId = ItemId(2);

/// These tests are compiled twice.
fn io() -> SsdIo {
    if module_path!().ends_with("with_threads") { SsdIo::Threads } else { SsdIo::Uring }
}

struct Tier {
    ssd: Ssd,
    disk: Arc<FaultyDisk>,
    metrics: Arc<Metrics>,
}

fn open(folder: &Path) -> Tier {
    let (tier, opening) = begin(folder, |_| ());
    opening.wait(Duration::from_secs(60)).expect("the tier opens");
    tier
}

/// Begins to open the tier, on a disk that something may be done to before.
fn begin(folder: &Path, prepare: impl FnOnce(&FaultyDisk)) -> (Tier, Opening) {
    let mut faulty = None;
    let metrics = Arc::new(Metrics::new());
    let settings = SsdSettings {
        path: folder.to_owned(),
        capacity: larder_model::ByteSize(CAPACITY),
        adaptive_percent: 10,
        policy: Policy::default(),
        io: io(),
        ..SsdSettings::default()
    };
    let opened = Ssd::open(folder, &settings, BLOCK, Arc::clone(&metrics), |disk| {
        let disk = Arc::new(FaultyDisk::new(disk, 1));
        prepare(&disk);
        faulty = Some(Arc::clone(&disk));
        disk
    });
    let (ssd, opening) = opened.expect("the tier begins to open");
    (Tier { ssd, disk: faulty.expect("it was wrapped"), metrics }, opening)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn key(object: ObjectId, n: u64) -> BlockKey {
    BlockKey { object, start: n * BLOCK }
}

fn block(key: BlockKey) -> Bytes {
    let mut dice = ChaCha8Rng::seed_from_u64(key.object as u64 ^ key.start);
    let mut bytes = vec![0; dice.random_range(1..BLOCK as usize)];
    dice.fill(&mut bytes[..]);
    bytes.into()
}

impl Tier {
    async fn put(&self, key: BlockKey, share: Share) {
        self.ssd.put(key, &block(key), share).await;
    }

    async fn get(&self, key: BlockKey) -> Option<Bytes> {
        let bytes = self.ssd.get(&key, Some(block(key).len() as u64)).await;
        assert!(bytes.as_ref().is_none_or(|bytes| *bytes == block(key)), "wrong bytes");
        bytes
    }

    /// Puts blocks of one object, in the background's own time.
    async fn fill(&self, object: ObjectId, blocks: u64, share: Share) {
        for n in 0..blocks {
            self.put(key(object, n), share).await;
        }
        self.ssd.settle().await;
    }

    async fn held(&self, object: ObjectId, blocks: u64) -> u64 {
        let mut held = 0;
        for n in 0..blocks {
            held += u64::from(self.get(key(object, n)).await.is_some());
        }
        held
    }
}

/// What the file system says that a folder takes.
fn on_disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("the folder").flatten();
    entries.map(|entry| entry.metadata().map_or(0, |metadata| metadata.blocks() * 512)).sum()
}

/// What the metrics say where every block that was read was sound.
const NO_WRONG_CHECKSUM: &str = "larder_tier_errors_total{tier=\"ssd\",kind=\"checksum\"} 0";

#[tokio::test]
async fn pollution_churn_pushes_out_nothing_that_was_preloaded_also_over_restarts() {
    let folder = folder();
    let mut tier = open(folder.path());
    tier.fill(1, 60, Share::Resident(ITEM)).await;
    for round in 0..3 {
        for object in 0..10 {
            tier.fill(100 + 10 * round + object, 30, Share::Adaptive).await;
        }
        assert_eq!(tier.held(1, 60).await, 60, "round {round}");
        tier.ssd.close().await;
        drop(tier);
        tier = open(folder.path());
        assert_eq!(tier.held(1, 60).await, 60, "after restart {round}");
    }
}

#[tokio::test]
async fn disk_overrun_the_folder_never_takes_more_than_the_capacity() {
    let folder = folder();
    let mut tier = open(folder.path());
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    for step in 0..40 {
        for n in 0..40 {
            let share = match dice.random_range(0..3) {
                0 => Share::Adaptive,
                1 => Share::Resident(ITEM),
                _ => Share::Resident(OTHER),
            };
            tier.put(key(step * 100 + dice.random_range(0..50), n), share).await;
            if dice.random_bool(0.1) {
                tier.ssd.remove(&key(step * 100, n));
            }
            let taken = on_disk(folder.path());
            assert!(taken <= CAPACITY, "step {step}: {taken} bytes");
        }
        match dice.random_range(0..8) {
            0 => tier.ssd.keep(&[ITEM]),
            1 => tier.ssd.sweep(OTHER, HashSet::new()),
            2 => {
                tier.ssd.close().await;
                drop(tier);
                tier = open(folder.path());
            }
            _ => {}
        }
    }
    tier.ssd.settle().await;
    assert!(tier.ssd.used() <= CAPACITY);
    assert!(tier.ssd.used() > CAPACITY / 10 * 8, "the capacity is used: {}", tier.ssd.used());
    // Residency is what the disk holds, not a guess: both know the same bytes, up to the file system's own.
    let (taken, used) = (on_disk(folder.path()), tier.ssd.used());
    assert!(taken.abs_diff(used) < 1 << 20, "the tier says {used}, the file system {taken}");
}

#[tokio::test]
async fn wrong_bytes_on_the_disk_are_misses() {
    let folder = folder();
    let tier = open(folder.path());
    tier.fill(1, 20, Share::Resident(ITEM)).await;
    tier.ssd.close().await;
    for entry in std::fs::read_dir(folder.path()).expect("the folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with("data-") {
            let mut bytes = std::fs::read(entry.path()).expect("a segment");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            std::fs::write(entry.path(), bytes).expect("the disk takes it");
        }
    }
    drop(tier);
    let tier = open(folder.path());
    let held = tier.held(1, 20).await;
    assert!((10..20).contains(&held), "{held} of 20 blocks");
    assert!(!tier.metrics.text(0, 0, 0).contains(NO_WRONG_CHECKSUM));
    // A damaged block is given up: it can come again.
    tier.fill(1, 20, Share::Resident(ITEM)).await;
    assert_eq!(tier.held(1, 20).await, 20);
}

#[tokio::test]
async fn kill_9_loses_what_was_on_its_way_and_no_more() {
    let folder = folder();
    let copy = self::folder();
    let tier = open(folder.path());
    tier.fill(1, 20, Share::Resident(ITEM)).await;
    tier.fill(2, 20, Share::Adaptive).await;
    // What a killed process leaves: the files as they are, with more on its way, and a torn record.
    for n in 0..20 {
        tier.put(key(3, n), Share::Adaptive).await;
    }
    for entry in std::fs::read_dir(folder.path()).expect("the folder").flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    let journal = File::options().append(true).open(copy.path().join("journal"));
    io::Write::write_all(&mut journal.expect("the journal"), &[9; 33]).expect("the disk takes it");
    let after = open(copy.path());
    assert_eq!((after.held(1, 20).await, after.held(2, 20).await), (20, 20));
    after.held(3, 20).await;
    after.ssd.settle().await;
    let (taken, used) = (on_disk(copy.path()), after.ssd.used());
    assert!(taken.abs_diff(used) < 1 << 20, "nothing leaks: the tier says {used}, the file system {taken}");
}

#[tokio::test]
async fn slow_restart_a_tier_serves_while_what_it_held_is_taken_up() {
    let folder = folder();
    let tier = open(folder.path());
    tier.fill(1, 20, Share::Adaptive).await;
    tier.ssd.close().await;
    drop(tier);
    let (gate, closed) = channel();
    let (tier, opening) = begin(folder.path(), |disk| *disk.listed.lock() = Some(closed));
    opening.wait(Duration::ZERO).expect("it goes on in the background");
    assert_eq!(tier.ssd.state(), TierState::Opening);
    assert!(tier.get(key(1, 0)).await.is_none(), "a miss, at once");
    assert!(tier.ssd.may_have_found(&BlockKey::note(7)), "nobody knows yet");
    // Ended meanwhile: it must not come back from the journal.
    tier.ssd.remove(&key(1, 1));
    drop(gate);
    tier.ssd.settle().await;
    assert_eq!(tier.ssd.state(), TierState::InUse);
    assert_eq!(tier.held(1, 20).await, 19);
    assert!(!tier.ssd.holds(&key(1, 1)));
    assert!(!tier.ssd.may_have_found(&BlockKey::note(7)));
}

#[tokio::test]
async fn lost_files_cost_their_own_blocks_only() {
    let folder = folder();
    let tier = open(folder.path());
    tier.fill(1, 20, Share::Resident(ITEM)).await;
    tier.ssd.close().await;
    drop(tier);
    for entry in std::fs::read_dir(folder.path()).expect("the folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with("data-") {
            std::fs::remove_file(entry.path()).expect("a removal");
        }
    }
    let tier = open(folder.path());
    assert_eq!(tier.held(1, 20).await, 0);
    tier.fill(2, 20, Share::Resident(ITEM)).await;
    tier.ssd.close().await;
    drop(tier);
    let tier = open(folder.path());
    assert_eq!((tier.held(1, 20).await, tier.held(2, 20).await), (0, 20));
    assert!(tier.metrics.text(0, 0, 0).contains(NO_WRONG_CHECKSUM));
}

#[tokio::test]
async fn a_failing_disk_is_left_out_and_taken_back() {
    let folder = folder();
    let tier = open(folder.path());
    tier.fill(1, 20, Share::Resident(ITEM)).await;
    tier.disk.dead.store(true, Ordering::SeqCst);
    for n in 0..10 {
        assert!(tier.get(key(1, n)).await.is_none());
    }
    assert_eq!(tier.ssd.state(), TierState::OutOfUse);
    let counted = |kind: TierErrorKind| {
        tier.metrics.tier_errors().iter().find(|error| error.kind == kind).map(|error| error.count)
    };
    assert!(counted(TierErrorKind::Read) > Some(0) && counted(TierErrorKind::Checksum) == Some(0));
    let faults = tier.disk.faults.load(Ordering::SeqCst);
    assert_eq!(tier.held(1, 20).await, 0);
    assert!(!tier.ssd.serves(&key(1, 19)) && tier.ssd.holds(&key(1, 19)));
    tier.disk.dead.store(false, Ordering::SeqCst);
    while tier.ssd.state() != TierState::InUse {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(tier.disk.faults.load(Ordering::SeqCst) <= faults + 20, "it was left alone");
    assert_eq!(tier.get(key(1, 19)).await, Some(block(key(1, 19))), "what it holds is still there");
}

#[tokio::test]
async fn a_full_disk_admits_nothing_until_it_has_room() {
    let folder = folder();
    let tier = open(folder.path());
    tier.fill(1, 5, Share::Adaptive).await;
    tier.disk.full.store(true, Ordering::SeqCst);
    tier.fill(2, 5, Share::Adaptive).await;
    assert_eq!(tier.ssd.state(), TierState::Full);
    assert_eq!((tier.held(1, 5).await, tier.held(2, 5).await), (5, 0));
    tier.disk.full.store(false, Ordering::SeqCst);
    while tier.ssd.state() != TierState::InUse {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    tier.fill(2, 5, Share::Adaptive).await;
    assert_eq!(tier.held(2, 5).await, 5);
}

#[tokio::test]
async fn the_capacity_changes_while_the_tier_serves() {
    let folder = folder();
    let tier = open(folder.path());
    tier.ssd.keep(&[ITEM, OTHER]);
    tier.fill(1, 40, Share::Resident(ITEM)).await;
    tier.fill(2, 40, Share::Resident(OTHER)).await;
    tier.ssd.resize(32 << 20);
    tier.ssd.settle().await;
    assert!(on_disk(folder.path()) <= 32 << 20, "{}", on_disk(folder.path()));
    assert_eq!(tier.held(1, 40).await, 40, "the most valuable item stays");
    assert_eq!(tier.held(2, 40).await, 0);
    tier.ssd.resize(128 << 20);
    tier.fill(2, 40, Share::Resident(OTHER)).await;
    tier.fill(3, 60, Share::Adaptive).await;
    assert_eq!([tier.held(1, 40).await, tier.held(2, 40).await, tier.held(3, 60).await], [40, 40, 60]);
}

#[tokio::test]
async fn a_block_that_is_removed_on_its_way_does_not_arrive() {
    let folder = folder();
    let tier = open(folder.path());
    for n in 0..50 {
        tier.put(key(1, n), Share::Adaptive).await;
        tier.ssd.remove(&key(1, n));
    }
    tier.ssd.settle().await;
    assert_eq!(tier.held(1, 50).await, 0);
}

#[tokio::test]
async fn of_two_notes_on_their_way_the_newer_arrives() {
    let folder = folder();
    let tier = open(folder.path());
    for object in 0..50 {
        for n in 0..5_u8 {
            tier.ssd.offer(BlockKey::note(object), &Bytes::from(vec![n; 100]), Share::Adaptive);
        }
    }
    tier.ssd.settle().await;
    for object in 0..50 {
        assert_eq!(tier.ssd.get(&BlockKey::note(object), None).await, Some(Bytes::from(vec![4; 100])));
    }
}

#[tokio::test]
async fn a_folder_has_one_owner() {
    let folder = folder();
    let _tier = open(folder.path());
    let settings = SsdSettings { path: folder.path().to_owned(), ..SsdSettings::default() };
    let second = Ssd::open(folder.path(), &settings, BLOCK, Arc::new(Metrics::new()), |disk| disk);
    assert_eq!(second.expect_err("it is in use").kind(), io::ErrorKind::ResourceBusy);
}
