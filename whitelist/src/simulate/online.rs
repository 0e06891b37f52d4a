//! The policies that the SSD's adaptive share can be given, run by the same code: foyer's in-memory cache, in one shard,
//! weighed by bytes.

use foyer::{Cache, CacheBuilder, EvictionConfig, FifoConfig, LfuConfig, LruConfig, S3FifoConfig, SieveConfig};

use super::policy::{Answer, Policy};
use super::trace::{Item, Read};

/// What goes first when something comes: the choices of `[cache] ssd.policy`, but for LRFU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnlinePolicy {
    /// What was read longest ago.
    Lru,
    /// What came first.
    Fifo,
    /// S3-FIFO.
    S3Fifo,
    /// SIEVE.
    Sieve,
    /// W-TinyLFU.
    Lfu,
}

impl OnlinePolicy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lru, Self::Fifo, Self::S3Fifo, Self::Sieve, Self::Lfu];

    /// As `[cache] ssd.policy` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Fifo => "fifo",
            Self::S3Fifo => "s3fifo",
            Self::Sieve => "sieve",
            Self::Lfu => "lfu",
        }
    }

    fn config(self) -> EvictionConfig {
        match self {
            // foyer's default sets a tenth apart for what was pushed out of the rest, and hits do not bring it back from
            // there. Without that it is LRU as everybody knows it, which is what a baseline has to be.
            Self::Lru => LruConfig { high_priority_pool_ratio: 1.0 }.into(),
            Self::Fifo => FifoConfig::default().into(),
            Self::S3Fifo => S3FifoConfig::default().into(),
            Self::Sieve => SieveConfig.into(),
            Self::Lfu => LfuConfig::default().into(),
        }
    }
}

/// A cache of whole items under one of foyer's policies.
pub(super) struct Online<'a> {
    items: &'a [Item],
    capacity_bytes: u64,
    cache: Cache<u32, ()>,
}

impl<'a> Online<'a> {
    pub(super) fn new(policy: OnlinePolicy, items: &'a [Item], capacity_bytes: u64) -> Self {
        let bytes: Vec<usize> = items.iter().map(|item| item.bytes as usize).collect();
        let cache = CacheBuilder::new(capacity_bytes as usize)
            .with_name("larder-simulate")
            // One, because shards have a capacity each, and large items must find room in a small cache.
            .with_shards(1)
            .with_eviction_config(policy.config())
            .with_weighter(move |item: &u32, (): &()| bytes[*item as usize])
            .build();
        Self { items, capacity_bytes, cache }
    }

    /// Whether the item is held; a reference to it, to the policy.
    pub(super) fn touch(&self, item: u32) -> bool {
        self.cache.get(&item).is_some()
    }

    pub(super) fn resize(&mut self, capacity_bytes: u64) {
        self.capacity_bytes = capacity_bytes;
        self.cache.resize(capacity_bytes as usize).expect("one shard can have any size");
    }

    /// Holds an item; one larger than everything is not held.
    pub(super) fn admit(&self, item: u32) -> bool {
        // foyer would give everything else up for it, and then hold it beyond its capacity.
        let fits = self.items[item as usize].bytes <= self.capacity_bytes;
        if fits {
            drop(self.cache.insert(item, ()));
        }
        fits
    }

    pub(super) fn forget(&self, item: u32) {
        self.cache.remove(&item);
    }
}

impl Policy for Online<'_> {
    fn rewritten(&mut self, item: u32) -> bool {
        self.forget(item);
        false
    }

    fn read(&mut self, read: &Read) -> Answer {
        if self.touch(read.item) {
            Answer::Hit
        } else if self.admit(read.item) {
            Answer::Admitted
        } else {
            Answer::Miss
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::test_support::item_of;
    use super::*;

    /// Items of ten bytes, and one larger than everything.
    fn items() -> Vec<Item> {
        (0..10).map(|item| item_of(if item == 9 { 1001 } else { 10 })).collect()
    }

    fn touch(cache: &mut Online<'_>, item: u32) -> bool {
        cache.read(&Read { at: 0, item, requests: 1, bytes: 10, is_storm: false }) == Answer::Hit
    }

    #[test]
    fn lru_hits_what_was_touched_last() {
        let items = items();
        let mut cache = Online::new(OnlinePolicy::Lru, &items, 20);
        let touches = [(1, false), (2, false), (1, true), (3, false), (2, false), (3, true), (1, false)];
        for (item, hit) in touches {
            assert_eq!(touch(&mut cache, item), hit, "{item}");
        }
        cache.forget(3);
        assert!(!touch(&mut cache, 3));
    }

    #[test]
    fn the_policies_differ_in_what_goes_first() {
        // Room for two: 1 came first but was read again since, so only FIFO gives it up for 3.
        let items = items();
        let keeps_the_reread = |policy| {
            let mut cache = Online::new(policy, &items, 20);
            for item in [1, 2, 1, 3] {
                touch(&mut cache, item);
            }
            touch(&mut cache, 1)
        };
        let kept: Vec<&str> =
            OnlinePolicy::ALL.into_iter().filter(|policy| keeps_the_reread(*policy)).map(OnlinePolicy::name).collect();
        assert_eq!(kept, ["lru", "s3fifo", "sieve", "lfu"]);
    }

    #[test]
    fn no_policy_holds_more_than_its_capacity_nor_gives_anything_up_for_what_never_fits() {
        let items: Vec<Item> = (0..=100).map(|item| item_of(if item == 100 { 1001 } else { 10 + item * 12 })).collect();
        for policy in OnlinePolicy::ALL {
            let mut cache = Online::new(policy, &items, 1000);
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            for step in 0..10_000 {
                touch(&mut cache, rng.random_range(0..100));
                if step % 1000 == 999 {
                    let room = rng.random_range(500..1000);
                    cache.resize(room);
                }
                assert!(cache.cache.usage() as u64 <= cache.capacity_bytes, "{policy:?}");
            }
            let before = cache.cache.usage();
            assert!(!touch(&mut cache, 100) && !touch(&mut cache, 100), "{policy:?}");
            assert_eq!(cache.cache.usage(), before, "{policy:?}");
        }
    }
}
