//! The thread that writes the SSD tier: it alone adds blocks, frees their room and keeps the journal, so that the room
//! taken is known at every step and never above the capacity.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use larder_model::Tier;
use larder_model::admin::TierErrorKind;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use twox_hash::XxHash3_64;

use super::Shared;
use super::index::{Extent, Held, Index, Share, room};
use super::journal::{Journal, Record};
use super::pages::{PAGE, Pages};
use crate::block::BlockKey;

/// Blocks that come together are written together, up to this.
const BATCH_BYTES_MAX: u64 = 8 << 20;
/// How often the writer looks after the tier when there is nothing to write.
const TICK: Duration = Duration::from_millis(500);
/// Blocks of an earlier process that are taken up between two looks at what had to go.
const TAKEN_UP_AT_ONCE: usize = 1024;
/// The file system keeps at least so much, whatever the capacity says.
const AVAILABLE_MIN: u64 = 16 << 20;

/// What the writer is asked for, in order.
pub(super) enum Order {
    Write(Write),
    /// A change of the index other than by writing.
    Change(Box<dyn FnOnce(&Index) + Send>),
    /// Answered when all before it is done.
    Settle(oneshot::Sender<()>),
    Close,
}

/// A block to write, with its place in the queue.
pub(super) struct Write {
    pub(super) key: BlockKey,
    /// Which of the writes that were queued it is. Of those of one block only the newest counts.
    pub(super) turn: u64,
    pub(super) bytes: Bytes,
    pub(super) share: Share,
    pub(super) _queued: OwnedSemaphorePermit,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    journal: Journal,
    /// Bytes of blocks in each segment.
    live: HashMap<u32, u64>,
    segment: u32,
    /// Where the segment goes on.
    at: u64,
}

impl Writer {
    /// Takes up what an earlier process left. Fails when journal or segments cannot be read.
    pub(super) fn open(shared: Arc<Shared>, journal: &Path) -> std::io::Result<Self> {
        let (journal, held) = Journal::open(journal)?;
        let segments: HashMap<u32, _> = shared.disk.segments()?.into_iter().map(|s| (s.number, s)).collect();
        // No number is used again, not even one that only the journal knows: its record would name another's bytes.
        let numbers = segments.keys().copied().chain(held.iter().map(|(_, extent, _)| extent.segment));
        let segment = numbers.max().map_or(0, |last| last + 1);
        let mut writer = Self { shared, journal, live: HashMap::new(), segment, at: 0 };
        let whole =
            |extent: &Extent| segments.get(&extent.segment).is_some_and(|s| extent.at() + extent.room() <= s.len);
        let held: Vec<_> = held.into_iter().filter(|(_, extent, _)| whole(extent)).collect();
        let mut extents: HashMap<u32, Vec<(u64, u64)>> = HashMap::new();
        for (_, extent, _) in &held {
            *writer.live.entry(extent.segment).or_default() += extent.room();
            extents.entry(extent.segment).or_default().push((extent.at(), extent.at() + extent.room()));
        }
        for segment in segments.values() {
            let extents = extents.remove(&segment.number).unwrap_or_default();
            let live = writer.live.get(&segment.number).copied().unwrap_or(0);
            if live == 0 {
                writer.shared.disk.remove(segment.number)?;
            } else if segment.allocated > live {
                // Written, but not recorded before the end.
                for (start, end) in gaps(extents, segment.len) {
                    writer.shared.disk.free(segment.number, start, end - start)?;
                }
            }
        }
        let notes = held.iter().filter(|(key, ..)| key.is_note()).map(|(key, ..)| key.object);
        *writer.shared.notes_found.lock() = Some(notes.collect());
        writer.set_room();
        // Residents first: the adaptive share has what they leave.
        let resident = |(.., share): &&Held| matches!(share, Share::Resident(_));
        for some in held.chunks(TAKEN_UP_AT_ONCE) {
            writer.take_up(some.iter().filter(resident));
        }
        for some in held.chunks(TAKEN_UP_AT_ONCE) {
            writer.take_up(some.iter().filter(|held| !resident(held)));
        }
        Ok(writer)
    }

    /// Puts blocks that the journal has into the index, and frees those that have no room any more.
    fn take_up<'a>(&mut self, held: impl Iterator<Item = &'a Held>) {
        let index = &self.shared.index;
        for (key, extent, share) in held {
            index.give_way(0);
            index.insert(*key, *extent, *share);
        }
        let gone = index.take_changes().into_iter().filter(|record| matches!(record, Record::Gone(..))).collect();
        self.apply(gone);
    }

    /// Carries orders out until it is told to close, or nobody can give any more.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut put_back = None;
        loop {
            let order = match put_back.take() {
                Some(order) => Ok(order),
                None => orders.recv_timeout(TICK),
            };
            let mut answer = None;
            match order {
                Ok(Order::Write(first)) => {
                    let mut bytes = room(first.bytes.len() as u64);
                    let mut writes = vec![first];
                    while let Ok(order) = orders.try_recv() {
                        match order {
                            Order::Write(next) if bytes + room(next.bytes.len() as u64) <= self.batch_bytes() => {
                                bytes += room(next.bytes.len() as u64);
                                writes.push(next);
                            }
                            other => {
                                put_back = Some(other);
                                break;
                            }
                        }
                    }
                    self.write(writes);
                }
                Ok(Order::Change(change)) => change(&self.shared.index),
                Ok(Order::Settle(settled)) => answer = Some(settled),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tidy();
            if let Some(settled) = answer {
                // Whoever asked may have gone.
                settled.send(()).ok();
            }
        }
        self.tidy();
    }

    /// Writes blocks, as far as they are still wanted and the disk takes them.
    fn write(&mut self, writes: Vec<Write>) {
        let index = &self.shared.index;
        let wanted = |write: &Write| {
            let already = !write.key.is_note() && index.holds(&write.key);
            if already && let Share::Resident(item) = write.share {
                index.claim(&write.key, item);
            }
            !already && self.shared.waiting.lock().get(&write.key) == Some(&write.turn)
        };
        let batch: Vec<&Write> = writes.iter().filter(|write| wanted(write)).collect();
        if !batch.is_empty()
            && let Err(error) = self.write_batch(&batch)
        {
            self.shared.failed(TierErrorKind::Write, &error);
        }
        let mut waiting = self.shared.waiting.lock();
        for write in &writes {
            if waiting.get(&write.key) == Some(&write.turn) {
                waiting.remove(&write.key);
            }
        }
    }

    fn write_batch(&mut self, batch: &[&Write]) -> std::io::Result<()> {
        let bytes = |write: &&Write| room(write.bytes.len() as u64);
        let len = batch.iter().copied().map(|write| bytes(&write)).sum();
        let resident = batch.iter().copied().filter(|write| write.share != Share::Adaptive).map(|write| bytes(&write));
        self.shared.index.give_way(resident.sum());
        self.apply_changes();
        if !self.shared.health.writable() {
            self.shared.metrics.tier_error(Tier::Ssd, TierErrorKind::NotAdmitted);
            return Ok(());
        }
        if self.shared.disk.available()? < len + AVAILABLE_MIN {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        if self.at > 0 && self.at + len > self.segment_len() {
            if self.live.get(&self.segment).is_none_or(|live| *live == 0) {
                self.shared.disk.remove(self.segment)?;
            }
            self.segment += 1;
            self.at = 0;
        }
        let mut pages = Pages::zeros(len);
        let (mut held, mut at) = (Vec::with_capacity(batch.len()), 0);
        for write in batch {
            pages[at..at + write.bytes.len()].copy_from_slice(&write.bytes);
            let extent = Extent {
                checksum: XxHash3_64::oneshot(&write.bytes),
                segment: self.segment,
                page: u32::try_from((self.at + at as u64) / PAGE).expect("a segment is far below 16 TiB"),
                len: u32::try_from(write.bytes.len()).expect("a block is far below 4 GiB"),
            };
            at += extent.room() as usize;
            held.push((*write, extent));
        }
        let begin = self.at;
        // Also when it fails, because what was written in part is never written again.
        self.at += len;
        let written = self.shared.disk.write(self.segment, begin, &pages);
        if let Err(error) = written {
            self.shared.disk.free(self.segment, begin, len).ok();
            return Err(error);
        }
        self.shared.health.worked();
        *self.live.entry(self.segment).or_default() += len;
        let waiting = self.shared.waiting.lock();
        for (write, extent) in held {
            if waiting.get(&write.key) == Some(&write.turn) {
                self.shared.index.insert(write.key, extent, write.share);
            } else {
                self.shared.index.give_up(write.key, extent);
            }
        }
        Ok(())
    }

    /// Keeps the shares in their room, records what has changed, frees what is gone, and does what is due.
    fn tidy(&mut self) {
        self.set_room();
        self.shared.index.give_way(0);
        self.apply_changes();
        if self.journal.is_due()
            && let Err(error) = self.journal.compact()
        {
            self.shared.failed(TierErrorKind::Journal, &error);
        }
        let health = &self.shared.health;
        if health.is_due(Instant::now()) {
            match self.shared.disk.probe() {
                Ok(()) => health.healed(),
                Err(error) => health.failed(&error, Instant::now()),
            }
        }
    }

    fn apply_changes(&mut self) {
        let changes = self.shared.index.take_changes();
        self.apply(changes);
    }

    fn apply(&mut self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if let Err(error) = self.journal.append(&records) {
            // What it misses are misses after the next start.
            self.shared.failed(TierErrorKind::Journal, &error);
        }
        let mut gone: Vec<(u32, u64, u64)> = Vec::new();
        for record in records {
            if let Record::Gone(_, extent) = record {
                gone.push((extent.segment, extent.at(), extent.at() + extent.room()));
            }
        }
        gone.sort_unstable();
        gone.dedup_by(|next, before| {
            let joins = next.0 == before.0 && next.1 == before.2;
            if joins {
                before.2 = next.2;
            }
            joins
        });
        for (segment, start, end) in gone {
            let live = self.live.entry(segment).or_default();
            *live = live.saturating_sub(end - start);
            let freed = if *live == 0 && segment != self.segment {
                self.live.remove(&segment);
                self.shared.disk.remove(segment)
            } else {
                self.shared.disk.free(segment, start, end - start)
            };
            if let Err(error) = freed {
                self.shared.failed(TierErrorKind::Free, &error);
            }
        }
    }

    /// What blocks may take: the capacity less a batch that is being written, the journal, twice for when it is rewritten,
    /// and what the file system counts of its own.
    fn set_room(&self) {
        let capacity = self.shared.capacity.load(Ordering::SeqCst);
        let room = capacity.saturating_sub(self.batch_bytes() + 2 * self.journal.len_max() + capacity / 128);
        self.shared.overhead.store(self.journal.len(), Ordering::SeqCst);
        self.shared.index.resize(room, room / 100 * u64::from(self.shared.adaptive_percent));
        self.shared.index.shed(&self.shared.ranking.lock());
    }

    fn batch_bytes(&self) -> u64 {
        (self.shared.capacity.load(Ordering::SeqCst) / 32).min(BATCH_BYTES_MAX).max(self.shared.block_room_max)
    }

    /// Segments are long enough that their number does not matter, and short enough to be given back whole.
    fn segment_len(&self) -> u64 {
        (self.shared.capacity.load(Ordering::SeqCst) / 64).clamp(4 << 20, 256 << 20)
    }
}

/// What lies between extents, up to `len`.
fn gaps(mut extents: Vec<(u64, u64)>, len: u64) -> Vec<(u64, u64)> {
    extents.sort_unstable();
    let (mut gaps, mut at) = (Vec::new(), 0);
    for (start, end) in extents.into_iter().chain([(len, len)]) {
        if at < start {
            gaps.push((at, start));
        }
        at = at.max(end);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_no_extent_covers() {
        assert_eq!(gaps(vec![(30, 40), (0, 10), (10, 20)], 50), [(20, 30), (40, 50)]);
        assert_eq!(gaps(vec![], 50), [(0, 50)]);
        assert_eq!(gaps(vec![(0, 50)], 50), []);
    }
}
