//! A disk that fails at the roll of a seeded dice, as real ones do: calls that fail, writes that are torn, a full disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::disk::{Disk, Segment};
use super::pages::{PAGE, Pages};

/// Wraps a disk. Everything is off at first.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    inner: Arc<dyn Disk>,
    dice: Mutex<ChaCha8Rng>,
    /// How many of a thousand calls fail.
    pub(crate) per_mille: AtomicU32,
    /// Every call fails.
    pub(crate) dead: AtomicBool,
    /// Writes find no room.
    pub(crate) full: AtomicBool,
    /// Listing the segments, with which opening begins, waits for this.
    pub(crate) listed: Mutex<Option<Receiver<()>>>,
    /// Faults so far.
    pub(crate) faults: AtomicU64,
}

impl FaultyDisk {
    pub(crate) fn new(inner: Arc<dyn Disk>, seed: u64) -> Self {
        Self {
            inner,
            dice: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            per_mille: AtomicU32::new(0),
            dead: AtomicBool::new(false),
            full: AtomicBool::new(false),
            listed: Mutex::default(),
            faults: AtomicU64::new(0),
        }
    }

    fn fails(&self) -> bool {
        let rolled = self.dice.lock().random_range(0..1000) < self.per_mille.load(Ordering::SeqCst);
        let fails = rolled || self.dead.load(Ordering::SeqCst);
        self.faults.fetch_add(fails.into(), Ordering::SeqCst);
        fails
    }

    fn roll(&self) -> io::Result<()> {
        if self.fails() { Err(io::Error::from(rustix::io::Errno::IO)) } else { Ok(()) }
    }
}

impl Disk for FaultyDisk {
    fn read(&self, segment: u32, at: u64, pages: Pages) -> BoxFuture<'_, io::Result<Pages>> {
        match self.roll() {
            Ok(()) => self.inner.read(segment, at, pages),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn write(&self, segment: u32, at: u64, pages: &Pages) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if self.fails() {
            // Part of it arrives, and who knows whether the caller is told.
            let mut part = Pages::zeros((pages.len() as u64 / 2).next_multiple_of(PAGE).min(pages.len() as u64));
            let len = part.len();
            part.copy_from_slice(&pages[..len]);
            self.inner.write(segment, at, &part)?;
            let told = self.dead.load(Ordering::SeqCst) || self.dice.lock().random_bool(0.5);
            return if told { Err(io::Error::from(rustix::io::Errno::IO)) } else { Ok(()) };
        }
        self.inner.write(segment, at, pages)
    }

    fn free(&self, segment: u32, at: u64, len: u64) -> io::Result<()> {
        self.roll()?;
        self.inner.free(segment, at, len)
    }

    fn remove(&self, segment: u32) -> io::Result<()> {
        self.roll()?;
        self.inner.remove(segment)
    }

    fn segments(&self) -> io::Result<Vec<Segment>> {
        if let Some(gate) = self.listed.lock().take() {
            // That the other end is gone opens it too.
            gate.recv().ok();
        }
        self.inner.segments()
    }

    fn available(&self) -> io::Result<u64> {
        self.inner.available()
    }

    fn probe(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.roll()?;
        self.inner.probe()
    }
}
