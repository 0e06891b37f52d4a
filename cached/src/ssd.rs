//! The SSD tier: blocks in files, each with a checksum that is verified on every read.
//!
//! foyer's own disk engine was tried first. It reclaims whole regions, oldest first, so what was preloaded goes when
//! enough else comes; entries that it writes again to keep them end its recovery of their region after a restart; and
//! its size is fixed. Here a block's room is freed by itself, so residents stay, and an index in memory says what is
//! held. Of foyer remains what it is best at: the policies of the adaptive share ([`adaptive`]).
//!
//! Reads are made by whoever wants a block; one thread writes ([`writer`]).

mod adaptive;
mod disk;
#[cfg(test)]
pub(crate) mod faulty;
mod health;
mod index;
mod journal;
mod pages;
mod ring;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "ssd/tests.rs"]
#[expect(clippy::duplicate_mod, reason = "the same promises hold when threads read")]
mod tests_with_threads;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use larder_model::Tier;
use larder_model::admin::{TierErrorKind, TierState};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use twox_hash::XxHash3_64;

pub(crate) use self::disk::Disk;
use self::disk::Files;
use self::health::Health;
use self::index::{Extent, Index};
pub(crate) use self::index::{ItemId, Share};
use self::pages::Spare;
use self::writer::{Order, Write, Writer};
use crate::block::{BlockKey, ObjectId};
use crate::metrics::Metrics;
use crate::settings::SsdSettings;

/// Bytes of blocks that wait to be written. What a read brings beyond it is not admitted; a preload waits.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// The queue counts in these.
const PERMIT_BYTES: u64 = 4096;

/// The tier. Its calls never fail: what fails is counted, and is a miss.
#[derive(Debug)]
pub(crate) struct Ssd {
    shared: Arc<Shared>,
    orders: Sender<Order>,
    turns: AtomicU64,
    queue: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// No other process uses the folder.
    _lock: File,
}

/// What readers and the writer share.
struct Shared {
    index: Index,
    disk: Arc<dyn Disk>,
    spare: Arc<Spare>,
    health: Health,
    metrics: Arc<Metrics>,
    /// The turn of the newest write that is queued for a block. Who removes a block from here ends its way to the disk.
    waiting: Mutex<HashMap<BlockKey, u64>>,
    capacity: AtomicU64,
    /// The notes that an earlier process left; `None` until that is known.
    notes_found: Mutex<Option<HashSet<ObjectId>>>,
    /// Bytes on the disk that are no blocks.
    overhead: AtomicU64,
    adaptive_percent: u8,
    /// What the longest block takes.
    block_room_max: u64,
    /// The whitelist's items, the most valuable 0.
    ranking: Mutex<HashMap<ItemId, usize>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("disk", &self.disk).field("health", &self.health).finish_non_exhaustive()
    }
}

impl Shared {
    fn failed(&self, kind: TierErrorKind, error: &io::Error) {
        self.metrics.tier_error(Tier::Ssd, kind);
        tracing::debug!(kind = kind.as_str(), %error, "the ssd tier failed");
        self.health.failed(error, Instant::now());
    }
}

impl Ssd {
    /// Opens the tier in a folder that exists. What an earlier process left there is taken up in the background. `through`
    /// may put a disk of its own before the real one.
    pub(crate) fn open(
        folder: &Path,
        settings: &SsdSettings,
        block_len: u64,
        metrics: Arc<Metrics>,
        through: impl FnOnce(Arc<dyn Disk>) -> Arc<dyn Disk>,
    ) -> io::Result<(Self, Opening)> {
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, "another process uses it"),
            TryLockError::Error(error) => error,
        })?;
        let disk = through(Arc::new(Files::open(folder, settings.io)?));
        let capacity = settings.capacity.as_u64();
        let shared = Arc::new(Shared {
            index: Index::new(settings.policy, settings.lrfu_lambda, capacity, 0),
            disk,
            spare: Spare::new(block_len),
            health: Health::opening(Instant::now()),
            metrics,
            waiting: Mutex::default(),
            notes_found: Mutex::default(),
            capacity: capacity.into(),
            overhead: AtomicU64::new(0),
            adaptive_percent: settings.adaptive_percent,
            block_room_max: index::room(block_len),
            ranking: Mutex::default(),
        });
        let (orders, queued) = channel();
        let (opened, opening) = channel();
        let (writers, journal) = (Arc::clone(&shared), folder.join("journal"));
        let write = move || match Writer::open(Arc::clone(&writers), &journal) {
            Ok(writer) => {
                writers.health.opened();
                // Nobody may be waiting any more.
                opened.send(Ok(())).ok();
                writer.run(&queued);
            }
            Err(error) => {
                writers.health.lost(&error, Instant::now());
                opened.send(Err(error)).ok();
            }
        };
        let thread = std::thread::Builder::new().name("larder-ssd".to_owned()).spawn(write)?;
        let queue = Arc::new(Semaphore::new((QUEUE_BYTES_MAX / PERMIT_BYTES) as usize));
        let (turns, thread) = (AtomicU64::new(0), Mutex::new(Some(thread)));
        Ok((Self { shared, orders, turns, queue, thread, _lock: lock }, Opening(opening)))
    }

    /// Whether the block is on the disk, fit for use or not.
    pub(crate) fn holds(&self, key: &BlockKey) -> bool {
        self.shared.index.holds(key)
    }

    /// Whether the block can be read from the disk now.
    pub(crate) fn serves(&self, key: &BlockKey) -> bool {
        self.shared.health.readable() && self.holds(key)
    }

    /// Whether an earlier process may have left this note, be it held and fit for use now or not.
    pub(crate) fn may_have_found(&self, note: &BlockKey) -> bool {
        self.shared.notes_found.lock().as_ref().is_none_or(|notes| notes.contains(&{ note.object }))
    }

    /// Whether the block is on the disk, or will be when what is queued is written.
    pub(crate) fn has(&self, key: &BlockKey) -> bool {
        self.shared.waiting.lock().contains_key(key) || self.holds(key)
    }

    /// A block of this length, or a note of any.
    pub(crate) async fn get(&self, key: &BlockKey, len: Option<u64>) -> Option<Bytes> {
        if !self.shared.health.readable() {
            return None;
        }
        let extent = self.shared.index.find(key)?;
        match self.shared.read(key, &extent, len).await {
            Ok(bytes) => Some(bytes),
            Err(Unreadable::Replaced) => None,
            Err(Unreadable::Damaged) => {
                self.remove(key);
                None
            }
        }
    }

    /// Compares a read with what the origin would have taken: a disk that stays slower is not read for a while.
    pub(crate) fn took(&self, read: Duration, origin: Duration) {
        self.shared.health.took(read, origin, Instant::now());
    }

    /// Writes a block in the background, unless more wait already than may.
    pub(crate) fn offer(&self, key: BlockKey, bytes: &Bytes, share: Share) {
        match Arc::clone(&self.queue).try_acquire_many_owned(permits(bytes)) {
            Ok(queued) => self.write(key, bytes, share, queued),
            Err(_) => self.shared.metrics.tier_error(Tier::Ssd, TierErrorKind::QueueFull),
        }
    }

    /// The same, but waits until the block may wait. One that is held or queued already is left alone.
    pub(crate) async fn put(&self, key: BlockKey, bytes: &Bytes, share: Share) {
        if self.has(&key) {
            return;
        }
        let queued = Arc::clone(&self.queue).acquire_many_owned(permits(bytes)).await;
        let queued = queued.expect("the semaphore is never closed");
        self.write(key, bytes, share, queued);
    }

    fn write(&self, key: BlockKey, bytes: &Bytes, share: Share, queued: OwnedSemaphorePermit) {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        self.shared.waiting.lock().insert(key, turn);
        self.order(Order::Write(Write { key, turn, bytes: bytes.clone(), share, _queued: queued }));
    }

    fn order(&self, order: Order) {
        // After the end there is nothing more to write.
        self.orders.send(order).ok();
    }

    /// Ends a block, also one on its way to the disk; tells whether it was held.
    pub(crate) fn remove(&self, key: &BlockKey) -> bool {
        self.shared.waiting.lock().remove(key);
        let held = self.shared.index.remove(key);
        // While the tier opens, the block may come back from the journal: the order is carried out behind that.
        if held || self.state() == TierState::Opening {
            let key = *key;
            self.order(Order::Change(Box::new(move |index| {
                index.remove(&key);
            })));
        }
        held
    }

    /// Makes blocks of an item resident that the adaptive share holds.
    pub(crate) fn claim(&self, keys: Vec<BlockKey>, item: ItemId) {
        self.order(Order::Change(Box::new(move |index| keys.iter().for_each(|key| index.claim(key, item)))));
    }

    /// Leaves blocks to the adaptive share that are resident.
    pub(crate) fn release(&self, keys: Vec<BlockKey>) {
        self.order(Order::Change(Box::new(move |index| keys.iter().for_each(|key| index.release(key)))));
    }

    /// Follows a new whitelist, the most valuable items first: only their blocks stay resident.
    pub(crate) fn keep(&self, items: &[ItemId]) {
        *self.shared.ranking.lock() = items.iter().enumerate().map(|(rank, item)| (*item, rank)).collect();
        let items: HashSet<ItemId> = items.iter().copied().collect();
        self.order(Order::Change(Box::new(move |index| index.keep(&items))));
    }

    /// Ends what is resident of an item but belongs to none of these objects.
    pub(crate) fn sweep(&self, item: ItemId, objects: HashSet<ObjectId>) {
        self.order(Order::Change(Box::new(move |index| index.sweep(item, &objects))));
    }

    /// Changes the capacity; the tier has shrunk when [`settle`](Self::settle) returns.
    pub(crate) fn resize(&self, capacity: u64) {
        self.shared.capacity.store(capacity, Ordering::SeqCst);
        self.order(Order::Change(Box::new(|_| ())));
    }

    /// Waits until all that was ordered so far is done.
    pub(crate) async fn settle(&self) {
        let (answer, done) = oneshot::channel();
        self.order(Order::Settle(answer));
        // Without a writer there is nothing to wait for.
        done.await.ok();
    }

    /// Writes what is queued and ends the writer.
    pub(crate) async fn close(&self) {
        self.order(Order::Close);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            joined.expect("joining does not panic").unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }

    /// Bytes on the disk.
    pub(crate) fn used(&self) -> u64 {
        self.shared.index.used() + self.shared.overhead.load(Ordering::SeqCst)
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.shared.capacity.load(Ordering::SeqCst)
    }

    /// Bytes that resident blocks may take.
    pub(crate) fn resident_capacity(&self) -> u64 {
        self.shared.index.resident_room_max()
    }

    pub(crate) fn state(&self) -> TierState {
        self.shared.health.state()
    }
}

/// A tier whose earlier blocks are being taken up.
#[derive(Debug)]
pub(crate) struct Opening(Receiver<io::Result<()>>);

impl Opening {
    /// Waits for the end of it, at most so long; it goes on in the background. Fails if the tier cannot be opened.
    pub(crate) fn wait(self, at_most: Duration) -> io::Result<()> {
        match self.0.recv_timeout(at_most) {
            Ok(opened) => opened,
            Err(RecvTimeoutError::Timeout) => {
                tracing::info!("the ssd tier holds much: what it held is taken up while it serves");
                Ok(())
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("its writer is gone")),
        }
    }
}

/// Why a block could not be read.
enum Unreadable {
    /// It went away in the meantime.
    Replaced,
    Damaged,
}

impl Shared {
    /// A reader that comes after the block's room was freed finds zeros: no damage, just too late.
    async fn read(&self, key: &BlockKey, extent: &Extent, len: Option<u64>) -> Result<Bytes, Unreadable> {
        let pages = self.spare.pages(extent.room());
        let read = self.disk.read(extent.segment, extent.at(), pages).await;
        let kind = match read.map(|pages| pages.into_bytes(extent.len as usize)) {
            Ok(bytes) if XxHash3_64::oneshot(&bytes) == extent.checksum => {
                self.health.worked();
                if len.is_none_or(|len| len == bytes.len() as u64) {
                    return Ok(bytes);
                }
                TierErrorKind::Length
            }
            _ if self.index.find(key) != Some(*extent) => return Err(Unreadable::Replaced),
            Ok(_) => TierErrorKind::Checksum,
            Err(error) => {
                self.failed(TierErrorKind::Read, &error);
                return Err(Unreadable::Damaged);
            }
        };
        self.metrics.tier_error(Tier::Ssd, kind);
        let (kind, segment, at) = (kind.as_str(), extent.segment, extent.at());
        tracing::warn!(kind, segment, at, "a block on the ssd is damaged: a miss");
        Err(Unreadable::Damaged)
    }
}

fn permits(bytes: &Bytes) -> u32 {
    u32::try_from((bytes.len() as u64).div_ceil(PERMIT_BYTES).max(1)).expect("a block is far below 16 TiB")
}
