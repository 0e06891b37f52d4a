//! The adaptive share's blocks, kept by the configured policy: one of foyer's, or LRFU.

use std::sync::Arc;

use foyer::{
    Cache, CacheBuilder, Event, EventListener, EvictionConfig, FifoConfig, LfuConfig, LruConfig, S3FifoConfig,
    SieveConfig,
};
use larder_lrfu::Lrfu;
use parking_lot::Mutex;

use super::index::{Changes, Extent};
use crate::block::BlockKey;
use crate::settings::Policy;

/// Blocks within bytes of room. What the policy gives up, and what another block replaces, is noted among the changes.
pub(super) struct Adaptive {
    kept: Kept,
    changes: Arc<Mutex<Changes>>,
}

enum Kept {
    Foyer(Cache<BlockKey, Extent>),
    Lrfu(Mutex<Lrfu<BlockKey, Extent>>),
}

/// Learns what foyer's policy gave up.
struct Evicted(Arc<Mutex<Changes>>);

impl EventListener for Evicted {
    type Key = BlockKey;
    type Value = Extent;

    fn on_leave(&self, reason: Event, key: &BlockKey, extent: &Extent) {
        if reason != Event::Remove {
            self.0.lock().gone(*key, *extent);
        }
    }
}

impl Adaptive {
    pub(super) fn new(policy: Policy, lrfu_lambda: f64, room: u64, changes: Arc<Mutex<Changes>>) -> Self {
        let foyer = |eviction: EvictionConfig| {
            let cache = CacheBuilder::new(room as usize)
                .with_name("larder-ssd")
                // One, because shards have a capacity each, and blocks of 64 MiB must find room in a small tier.
                .with_shards(1)
                .with_eviction_config(eviction)
                .with_weighter(|_: &BlockKey, extent: &Extent| extent.room() as usize)
                .with_event_listener(Arc::new(Evicted(Arc::clone(&changes))))
                .build();
            Kept::Foyer(cache)
        };
        let kept = match policy {
            Policy::S3Fifo => foyer(S3FifoConfig::default().into()),
            Policy::Sieve => foyer(SieveConfig.into()),
            Policy::Lfu => foyer(LfuConfig::default().into()),
            // Without its pool for what was pushed out of the rest, from where hits bring nothing back, it is plain LRU.
            Policy::Lru => foyer(LruConfig { high_priority_pool_ratio: 1.0 }.into()),
            Policy::Fifo => foyer(FifoConfig::default().into()),
            Policy::Lrfu => Kept::Lrfu(Mutex::new(Lrfu::new(room, lrfu_lambda))),
        };
        Self { kept, changes }
    }

    /// Where a block lies. Counts as a use.
    pub(super) fn find(&self, key: &BlockKey) -> Option<Extent> {
        match &self.kept {
            Kept::Foyer(cache) => cache.get(key).map(|entry| *entry.value()),
            Kept::Lrfu(cache) => cache.lock().get(key).copied(),
        }
    }

    /// Does not count as a use.
    pub(super) fn contains(&self, key: &BlockKey) -> bool {
        match &self.kept {
            Kept::Foyer(cache) => cache.contains(key),
            Kept::Lrfu(cache) => cache.lock().contains(key),
        }
    }

    /// Holds a block, which must fit.
    pub(super) fn insert(&self, key: BlockKey, extent: Extent) {
        match &self.kept {
            Kept::Foyer(cache) => drop(cache.insert(key, extent)),
            Kept::Lrfu(cache) => self.gone(cache.lock().insert(key, extent, extent.room())),
        }
    }

    pub(super) fn remove(&self, key: &BlockKey) -> Option<Extent> {
        match &self.kept {
            Kept::Foyer(cache) => cache.remove(key).map(|entry| *entry.value()),
            Kept::Lrfu(cache) => cache.lock().remove(key),
        }
    }

    pub(super) fn resize(&self, room: u64) {
        match &self.kept {
            Kept::Foyer(cache) => {
                if let Err(error) = cache.resize(room.max(1) as usize) {
                    tracing::warn!(%error, "the adaptive share keeps its size");
                }
            }
            Kept::Lrfu(cache) => self.gone(cache.lock().resize(room)),
        }
    }

    /// Bytes that its blocks take on the disk.
    pub(super) fn used(&self) -> u64 {
        match &self.kept {
            Kept::Foyer(cache) => cache.usage() as u64,
            Kept::Lrfu(cache) => cache.lock().weight(),
        }
    }

    fn gone(&self, blocks: Vec<(BlockKey, Extent)>) {
        if !blocks.is_empty() {
            let mut changes = self.changes.lock();
            blocks.into_iter().for_each(|(key, extent)| changes.gone(key, extent));
        }
    }
}
