//! The policies that the SSD's adaptive share can be given, run by the same code: foyer's in-memory cache, in one shard,
//! weighed by bytes.

use foyer::{Cache, CacheBuilder, EvictionConfig, FifoConfig, LfuConfig, LruConfig, S3FifoConfig, SieveConfig};

/// What goes first when something comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnlinePolicy {
    Lru,
    Fifo,
    S3Fifo,
    Sieve,
    /// W-TinyLFU.
    Lfu,
}

impl OnlinePolicy {
    pub(super) const ALL: [Self; 5] = [Self::Lru, Self::Fifo, Self::S3Fifo, Self::Sieve, Self::Lfu];

    /// As `[cache] ssd.policy` spells it.
    pub(super) fn name(self) -> &'static str {
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
pub(super) struct Online {
    capacity_bytes: u64,
    /// Items to their bytes.
    cache: Cache<usize, u64>,
}

impl Online {
    pub(super) fn new(policy: OnlinePolicy, capacity_bytes: u64) -> Self {
        let cache = CacheBuilder::new(capacity_bytes as usize)
            .with_name("larder-simulate")
            // One, because shards have a capacity each, and large items must find room in a small cache.
            .with_shards(1)
            .with_eviction_config(policy.config())
            .with_weighter(|_: &usize, bytes: &u64| *bytes as usize)
            .build();
        Self { capacity_bytes, cache }
    }

    /// Reads an item, and holds it from then on; tells whether it was held. One larger than everything is not held.
    pub(super) fn touch(&self, item: usize, bytes: u64) -> bool {
        if self.cache.get(&item).is_some() {
            return true;
        }
        // foyer would give everything else up for it, and then hold it beyond its capacity.
        if bytes <= self.capacity_bytes {
            drop(self.cache.insert(item, bytes));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn lru_hits_what_was_touched_last() {
        let cache = Online::new(OnlinePolicy::Lru, 20);
        let touches = [(1, false), (2, false), (1, true), (3, false), (2, false), (3, true), (1, false)];
        for (item, hit) in touches {
            assert_eq!(cache.touch(item, 10), hit, "{item}");
        }
    }

    #[test]
    fn the_policies_differ_in_what_goes_first() {
        // Room for two: 1 came first but was read again since, so only FIFO gives it up for 3.
        let keeps_the_reread = |policy| {
            let cache = Online::new(policy, 20);
            for item in [1, 2, 1, 3] {
                cache.touch(item, 10);
            }
            cache.touch(1, 10)
        };
        let kept: Vec<&str> =
            OnlinePolicy::ALL.into_iter().filter(|policy| keeps_the_reread(*policy)).map(OnlinePolicy::name).collect();
        assert_eq!(kept, ["lru", "s3fifo", "sieve", "lfu"]);
    }

    #[test]
    fn no_policy_holds_more_than_its_capacity_nor_gives_anything_up_for_what_never_fits() {
        for policy in OnlinePolicy::ALL {
            let cache = Online::new(policy, 1000);
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            for _ in 0..10_000 {
                let item: usize = rng.random_range(0..100);
                cache.touch(item, 10 + item as u64 * 12);
                assert!(cache.cache.usage() <= 1000, "{policy:?}");
            }
            let before = cache.cache.usage();
            assert!(!cache.touch(999, 1001) && !cache.touch(999, 1001), "{policy:?}");
            assert_eq!(cache.cache.usage(), before, "{policy:?}");
        }
    }
}
