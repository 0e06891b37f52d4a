//! Which blocks the SSD holds, where, and what for. Bookkeeping only: no IO.
//!
//! Blocks of whitelisted items are *resident*: nothing but their item's leaving the whitelist ends that. All other room
//! is the *adaptive share*, whose policy decides what goes when something comes; it gives way as items become resident,
//! down to a floor of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_model::ItemName;
use parking_lot::{Mutex, RwLock};

use super::adaptive::Adaptive;
use super::journal::Record;
use super::pages::PAGE;
use crate::block::{BlockKey, ObjectId};
use crate::settings::Policy;

/// Names an item of the whitelist in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ItemId(pub(crate) u64);

impl ItemId {
    pub(crate) fn new(item: &ItemName) -> Self {
        let hash = blake3::hash(item.to_string().as_bytes());
        Self(u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a BLAKE3 hash has 32 bytes")))
    }
}

/// What a block is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// It belongs to an item of the whitelist.
    Resident(ItemId),
    /// Whatever is worth it, for as long as nothing better comes.
    Adaptive,
}

/// Where a block lies, and what its bytes hash to. Packed into 20 bytes: there is one for every block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub(crate) struct Extent {
    /// XXH3 of the block's bytes.
    pub(crate) checksum: u64,
    pub(crate) segment: u32,
    /// The first page in the segment.
    pub(crate) page: u32,
    /// The block's length in bytes.
    pub(crate) len: u32,
}

impl Extent {
    /// The first byte in the segment.
    pub(crate) fn at(&self) -> u64 {
        u64::from(self.page) * PAGE
    }

    /// The bytes it takes on the disk: whole pages.
    pub(crate) fn room(&self) -> u64 {
        room(u64::from(self.len))
    }
}

/// A block that is held, where, and what for.
pub(super) type Held = (BlockKey, Extent, Share);

/// The bytes that a block of this length takes on the disk.
pub(crate) fn room(len: u64) -> u64 {
    len.next_multiple_of(PAGE)
}

/// Blocks by key. Every change is also left as a record for the journal, in order.
pub(super) struct Index {
    resident: RwLock<Resident>,
    adaptive: Adaptive,
    changes: Arc<Mutex<Changes>>,
    /// Bytes that blocks may take in both shares.
    room: AtomicU64,
    /// Of which residents leave so many to the adaptive share.
    floor: AtomicU64,
    adaptive_room: AtomicU64,
}

#[derive(Debug, Default)]
struct Resident {
    objects: HashMap<ObjectId, ResidentObject>,
    room: u64,
}

#[derive(Debug)]
struct ResidentObject {
    item: ItemId,
    /// By the blocks' first bytes.
    blocks: Vec<(u64, Extent)>,
}

#[derive(Debug, Default)]
pub(super) struct Changes {
    records: Vec<Record>,
    /// What blocks that are gone still take on the disk.
    room: u64,
}

impl Changes {
    pub(super) fn gone(&mut self, key: BlockKey, extent: Extent) {
        self.room += extent.room();
        self.records.push(Record::Gone(key, extent));
    }
}

impl Index {
    /// `lrfu_lambda` is of that policy alone.
    pub(super) fn new(policy: Policy, lrfu_lambda: f64, room: u64, floor: u64) -> Self {
        let changes = Arc::<Mutex<Changes>>::default();
        let adaptive = Adaptive::new(policy, lrfu_lambda, room, Arc::clone(&changes));
        Self {
            resident: RwLock::default(),
            adaptive,
            changes,
            room: room.into(),
            floor: floor.into(),
            adaptive_room: room.into(),
        }
    }

    /// Where a block lies. Counts as a use.
    pub(super) fn find(&self, key: &BlockKey) -> Option<Extent> {
        let resident = self.resident.read().find(key);
        resident.or_else(|| self.adaptive.find(key))
    }

    /// Whether a block is held. Does not count as a use.
    pub(super) fn holds(&self, key: &BlockKey) -> bool {
        self.resident.read().find(key).is_some() || self.adaptive.contains(key)
    }

    /// Holds a block that has been written, in place of what was there under its key.
    pub(super) fn insert(&self, key: BlockKey, extent: Extent, share: Share) {
        let share = self.granted(share, extent.room());
        self.changes.lock().records.push(Record::Held(key, extent, share));
        match share {
            Share::Adaptive => {
                self.remove_resident(&key);
                // foyer would hold it all the same, and nothing else.
                if extent.room() > self.adaptive_room.load(Ordering::SeqCst) {
                    self.remove_adaptive(&key);
                    self.give_up(key, extent);
                } else {
                    self.adaptive.insert(key, extent);
                }
            }
            Share::Resident(item) => {
                self.remove_adaptive(&key);
                if let Some(before) = self.resident.write().insert(key, extent, item) {
                    self.changes.lock().gone(key, before);
                }
            }
        }
    }

    /// Residents leave the adaptive share its floor: items that are too large together are held as far as they fit.
    fn granted(&self, share: Share, room: u64) -> Share {
        if self.resident_room() + room > self.resident_room_max() { Share::Adaptive } else { share }
    }

    /// Gives up a block that has been written, because nobody wants it any more.
    pub(super) fn give_up(&self, key: BlockKey, extent: Extent) {
        self.changes.lock().gone(key, extent);
    }

    /// Ends a block; tells whether it was held.
    pub(super) fn remove(&self, key: &BlockKey) -> bool {
        self.remove_resident(key) | self.remove_adaptive(key)
    }

    fn remove_resident(&self, key: &BlockKey) -> bool {
        let before = self.resident.write().remove(key);
        before.is_some_and(|extent| {
            self.changes.lock().gone(*key, extent);
            true
        })
    }

    fn remove_adaptive(&self, key: &BlockKey) -> bool {
        self.adaptive.remove(key).is_some_and(|extent| {
            self.changes.lock().gone(*key, extent);
            true
        })
    }

    /// Makes a block resident if it is in the adaptive share.
    pub(super) fn claim(&self, key: &BlockKey, item: ItemId) {
        let Some(extent) = self.adaptive.remove(key) else { return };
        self.insert(*key, extent, Share::Resident(item));
    }

    /// Leaves a block to the adaptive share if it is resident.
    pub(super) fn release(&self, key: &BlockKey) {
        let Some(extent) = self.resident.write().remove(key) else { return };
        self.give_way(0);
        self.insert(*key, extent, Share::Adaptive);
    }

    /// Leaves those resident whose item is one of these; the others join the adaptive share.
    pub(super) fn keep(&self, items: &HashSet<ItemId>) {
        let left = {
            let mut resident = self.resident.write();
            resident.take(|_, held| !items.contains(&held.item))
        };
        self.give_way(0);
        for (object, held) in left {
            for (start, extent) in held.blocks {
                self.insert(BlockKey { object, start }, extent, Share::Adaptive);
            }
        }
    }

    /// Ends the residents of an item that are none of these objects: versions and files that are no more.
    pub(super) fn sweep(&self, item: ItemId, objects: &HashSet<ObjectId>) {
        let mut resident = self.resident.write();
        let left = resident.take(|id, held| held.item == item && !objects.contains(id));
        self.end(left);
    }

    /// Ends residents, the last items in this order first, until they fit in their room.
    pub(super) fn shed(&self, ranking: &HashMap<ItemId, usize>) {
        if self.resident_room() <= self.resident_room_max() {
            return;
        }
        let mut resident = self.resident.write();
        let rank = |item: &ItemId| ranking.get(item).copied().unwrap_or(usize::MAX);
        let mut ids: Vec<_> = resident.objects.iter().map(|(id, held)| (rank(&held.item), *id)).collect();
        ids.sort_unstable();
        let mut left = Vec::new();
        while resident.room > self.resident_room_max()
            && let Some((_, id)) = ids.pop()
        {
            let held = resident.objects.remove(&id).expect("it was found above");
            resident.room -= held.room();
            left.push((id, held));
        }
        self.end(left);
    }

    fn end(&self, objects: Vec<(ObjectId, ResidentObject)>) {
        let mut changes = self.changes.lock();
        for (object, held) in objects {
            for (start, extent) in held.blocks {
                changes.gone(BlockKey { object, start }, extent);
            }
        }
    }

    /// Changes the bytes that blocks may take. The caller goes on with [`shed`](Self::shed) and
    /// [`give_way`](Self::give_way).
    pub(super) fn resize(&self, room: u64, floor: u64) {
        self.room.store(room, Ordering::SeqCst);
        self.floor.store(floor, Ordering::SeqCst);
    }

    /// Sets the adaptive share to what residents leave, and so many bytes less that are about to be written.
    pub(super) fn give_way(&self, coming: u64) {
        let room = self.room.load(Ordering::SeqCst).saturating_sub(self.resident_room() + coming);
        // Setting it is no small thing: upwards it need not be exact.
        let now = self.adaptive_room.load(Ordering::SeqCst);
        if room < now || room > now + now / 64 {
            self.adaptive_room.store(room, Ordering::SeqCst);
            self.adaptive.resize(room);
        }
    }

    /// Bytes that residents take on the disk.
    pub(super) fn resident_room(&self) -> u64 {
        self.resident.read().room
    }

    /// What they may take.
    pub(super) fn resident_room_max(&self) -> u64 {
        self.room.load(Ordering::SeqCst).saturating_sub(self.floor.load(Ordering::SeqCst))
    }

    /// Bytes that blocks take on the disk, with those that are gone but not freed yet.
    pub(super) fn used(&self) -> u64 {
        self.resident_room() + self.adaptive.used() + self.changes.lock().room
    }

    /// What has changed since this was asked last, in order.
    pub(super) fn take_changes(&self) -> Vec<Record> {
        let mut changes = self.changes.lock();
        changes.room = 0;
        std::mem::take(&mut changes.records)
    }
}

impl Resident {
    fn find(&self, key: &BlockKey) -> Option<Extent> {
        let blocks = &self.objects.get(&{ key.object })?.blocks;
        let at = blocks.binary_search_by_key(&key.start, |(start, _)| *start).ok()?;
        Some(blocks[at].1)
    }

    fn insert(&mut self, key: BlockKey, extent: Extent, item: ItemId) -> Option<Extent> {
        let held = self.objects.entry(key.object).or_insert_with(|| ResidentObject { item, blocks: Vec::new() });
        held.item = item;
        self.room += extent.room();
        match held.blocks.binary_search_by_key(&key.start, |(start, _)| *start) {
            Ok(at) => {
                let before = std::mem::replace(&mut held.blocks[at].1, extent);
                self.room -= before.room();
                Some(before)
            }
            Err(at) => {
                held.blocks.insert(at, (key.start, extent));
                None
            }
        }
    }

    fn remove(&mut self, key: &BlockKey) -> Option<Extent> {
        let held = self.objects.get_mut(&{ key.object })?;
        let at = held.blocks.binary_search_by_key(&key.start, |(start, _)| *start).ok()?;
        let (_, extent) = held.blocks.remove(at);
        if held.blocks.is_empty() {
            self.objects.remove(&{ key.object });
        }
        self.room -= extent.room();
        Some(extent)
    }

    /// Takes out the objects that `goes` says.
    fn take(&mut self, goes: impl Fn(&ObjectId, &ResidentObject) -> bool) -> Vec<(ObjectId, ResidentObject)> {
        let taken: Vec<_> = self.objects.extract_if(|id, held| goes(id, held)).collect();
        self.room -= taken.iter().map(|(_, held)| held.room()).sum::<u64>();
        taken
    }
}

impl ResidentObject {
    fn room(&self) -> u64 {
        self.blocks.iter().map(|(_, extent)| extent.room()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(object: ObjectId, start: u64) -> BlockKey {
        BlockKey { object, start }
    }

    fn extent(page: u32) -> Extent {
        Extent { checksum: 1, segment: 1, page, len: PAGE as u32 }
    }

    fn index(pages: u64, floor: u64) -> Index {
        index_by(Policy::Lru, pages, floor)
    }

    fn index_by(policy: Policy, pages: u64, floor: u64) -> Index {
        Index::new(policy, 0.001, pages * PAGE, floor * PAGE)
    }

    const POLICIES: [Policy; 6] = [Policy::S3Fifo, Policy::Sieve, Policy::Lfu, Policy::Lru, Policy::Fifo, Policy::Lrfu];

    const ITEM: ItemId = ItemId(7);
    const OTHER: ItemId = ItemId(8);

    #[test]
    fn churn_in_the_adaptive_share_leaves_residents_alone() {
        for policy in POLICIES {
            let index = index_by(policy, 10, 2);
            for n in 0..8 {
                index.give_way(PAGE);
                index.insert(key(1, n), extent(n as u32), Share::Resident(ITEM));
            }
            for n in 0..100 {
                index.give_way(PAGE);
                index.insert(key(2, n), extent(100 + n as u32), Share::Adaptive);
                assert!(index.resident_room() + index.adaptive.used() <= 10 * PAGE);
            }
            assert!((0..8).all(|n| index.holds(&key(1, n))));
            assert!(index.holds(&key(2, 99)) && !index.holds(&key(2, 90)));
        }
    }

    #[test]
    fn the_adaptive_share_has_what_residents_leave() {
        for policy in POLICIES {
            let index = index_by(policy, 10, 2);
            for n in 0..9 {
                index.insert(key(2, n), extent(n as u32), Share::Adaptive);
            }
            assert!((0..9).all(|n| index.holds(&key(2, n))));
            // Residents push it back to its floor, and no further.
            for n in 0..20 {
                index.give_way(PAGE);
                index.insert(key(1, n), extent(100 + n as u32), Share::Resident(ITEM));
            }
            assert_eq!(index.resident_room(), 8 * PAGE);
            assert!(index.used() - index.changes.lock().room <= 10 * PAGE);
            index.keep(&HashSet::from([OTHER]));
            assert_eq!(index.resident_room(), 0);
            assert!(index.holds(&key(1, 0)), "it has become adaptive");
        }
    }

    #[test]
    fn a_block_that_the_adaptive_share_has_no_room_for_is_not_held() {
        for policy in POLICIES {
            let index = index_by(policy, 10, 0);
            for n in 0..10 {
                index.insert(key(1, n), extent(n as u32), Share::Resident(ITEM));
            }
            index.give_way(0);
            index.insert(key(2, 0), extent(20), Share::Adaptive);
            assert!(!index.holds(&key(2, 0)));
            assert_eq!(index.adaptive.used(), 0);
        }
    }

    #[test]
    fn a_block_is_in_one_share() {
        for policy in POLICIES {
            let index = index_by(policy, 10, 2);
            index.insert(key(1, 0), extent(0), Share::Adaptive);
            index.claim(&key(1, 0), ITEM);
            assert_eq!((index.resident_room(), index.adaptive.used()), (PAGE, 0));
            index.insert(key(1, 0), extent(5), Share::Adaptive);
            assert_eq!((index.resident_room(), index.adaptive.used()), (0, PAGE));
            assert_eq!(index.find(&key(1, 0)), Some(extent(5)));
            index.claim(&key(1, 0), ITEM);
            index.release(&key(1, 0));
            index.release(&key(9, 9));
            assert_eq!((index.resident_room(), index.adaptive.used()), (0, PAGE));
            assert!(index.remove(&key(1, 0)) && !index.remove(&key(1, 0)));
            let expected = [
                Record::Held(key(1, 0), extent(0), Share::Adaptive),
                Record::Held(key(1, 0), extent(0), Share::Resident(ITEM)),
                Record::Held(key(1, 0), extent(5), Share::Adaptive),
                Record::Gone(key(1, 0), extent(0)),
                Record::Held(key(1, 0), extent(5), Share::Resident(ITEM)),
                Record::Held(key(1, 0), extent(5), Share::Adaptive),
                Record::Gone(key(1, 0), extent(5)),
            ];
            assert_eq!(index.take_changes(), expected);
            assert_eq!(index.used(), 0);
        }
    }

    #[test]
    fn what_an_item_no_longer_has_is_swept() {
        let index = index(10, 2);
        for (object, item) in [(1, ITEM), (2, ITEM), (3, OTHER)] {
            index.insert(key(object, 0), extent(object as u32), Share::Resident(item));
        }
        index.sweep(ITEM, &HashSet::from([2]));
        assert_eq!([1, 2, 3].map(|object| index.holds(&key(object, 0))), [false, true, true]);
        assert_eq!(index.resident_room(), 2 * PAGE);
    }

    #[test]
    fn shrinking_ends_the_least_valuable_items_first() {
        let index = index(10, 2);
        for n in 0..4 {
            index.insert(key(1, n), extent(n as u32), Share::Resident(ITEM));
            index.insert(key(2, n), extent(10 + n as u32), Share::Resident(OTHER));
        }
        index.resize(6 * PAGE, 2 * PAGE);
        index.shed(&HashMap::from([(OTHER, 0), (ITEM, 1)]));
        index.give_way(0);
        assert_eq!([1, 2].map(|object| index.holds(&key(object, 3))), [false, true]);
    }
}
