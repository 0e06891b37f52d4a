//! LRFU: between least recently and least frequently used, by how fast old references fade.
//!
//! D. Lee et al., "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used and Least Frequently Used Policies",
//! IEEE Transactions on Computers 50(12), 2001. What was referenced at the times `t_i` has at time `t` the combined recency
//! and frequency `CRF(t) = sum F(t - t_i)` with `F(x) = (1/2)^(lambda x)`; the least CRF goes first. Time is counted in
//! references to anything. As `F(x + y) = F(x) F(y)`, one reference turns `CRF` into `1 + F(since the last) CRF`, and
//! nothing older need be known. As in the paper, what went starts anew when it comes back.
//!
//! Ours, because no well-kept published crate has it; a crate of its own, because the SSD tier keeps its adaptive share by
//! it and the simulator compares it with others.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A cache under LRFU, by weight. References and changes take time logarithmic in the number of keys.
#[derive(Debug)]
pub struct Lrfu<K, V> {
    capacity: u64,
    lambda: f64,
    weight: u64,
    /// References so far.
    now: u64,
    held: HashMap<K, Held<V>>,
    /// What is held, the least CRF first.
    order: BTreeMap<Place, K>,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    weight: u64,
    place: Place,
}

/// A key's place in the order, which no other key has: each reference is at a time of its own.
///
/// All CRFs fade by the same factor, so their order changes only with references. What is kept is the CRF at the time 0,
/// as a logarithm because it would overflow: `log2 CRF(0) = log2 CRF(t) + lambda t`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    log2_crf: f64,
    /// The last reference. Of two with the same CRF, the older goes first.
    at: u64,
}

impl Eq for Place {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.log2_crf.total_cmp(&other.log2_crf).then(self.at.cmp(&other.at))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Copy + Eq + Hash, V> Lrfu<K, V> {
    /// An empty cache. `lambda`, per reference, is from 0 (LFU) to 1 (LRU): a reference counts half as much after
    /// `1 / lambda` more.
    ///
    /// # Panics
    ///
    /// If `lambda` is out of that range.
    pub fn new(capacity: u64, lambda: f64) -> Self {
        assert!((0.0..=1.0).contains(&lambda), "lambda {lambda} is not from 0 to 1");
        Self { capacity, lambda, weight: 0, now: 0, held: HashMap::new(), order: BTreeMap::new() }
    }

    /// What is held under a key. A reference to it.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let held = self.held.get_mut(key)?;
        self.now += 1;
        self.order.remove(&held.place);
        held.place = referenced(self.now, self.lambda, Some(held.place));
        self.order.insert(held.place, *key);
        Some(&held.value)
    }

    /// Whether anything is held under a key. No reference to it.
    pub fn contains(&self, key: &K) -> bool {
        self.held.contains_key(key)
    }

    /// Holds a value under a key, which is a reference to it. Returns what is not held from now on: what was held under
    /// the key before, and what makes room. A value heavier than the capacity is itself among that, and takes nothing
    /// else's room.
    pub fn insert(&mut self, key: K, value: V, weight: u64) -> Vec<(K, V)> {
        self.now += 1;
        let before = self.take(&key);
        let place = referenced(self.now, self.lambda, before.as_ref().map(|held| held.place));
        let mut gone: Vec<(K, V)> = before.map(|held| (key, held.value)).into_iter().collect();
        if weight > self.capacity {
            gone.push((key, value));
            return gone;
        }
        self.make_room(weight, &mut gone);
        self.weight += weight;
        self.held.insert(key, Held { value, weight, place });
        self.order.insert(place, key);
        gone
    }

    /// Gives up what is held under a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.take(key).map(|held| held.value)
    }

    /// Changes the capacity. Returns what no longer fits.
    pub fn resize(&mut self, capacity: u64) -> Vec<(K, V)> {
        self.capacity = capacity;
        let mut gone = Vec::new();
        self.make_room(0, &mut gone);
        gone
    }

    /// The weight of all that is held, at most the capacity.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    fn take(&mut self, key: &K) -> Option<Held<V>> {
        let held = self.held.remove(key)?;
        self.order.remove(&held.place);
        self.weight -= held.weight;
        Some(held)
    }

    fn make_room(&mut self, weight: u64, gone: &mut Vec<(K, V)>) {
        while self.weight + weight > self.capacity {
            let (_, key) = self.order.pop_first().expect("whatever has weight is in the order");
            let held = self.held.remove(&key).expect("both hold the same keys");
            self.weight -= held.weight;
            gone.push((key, held.value));
        }
    }
}

/// The place of what is referenced `now`, and had that place before.
fn referenced(now: u64, lambda: f64, before: Option<Place>) -> Place {
    let faded = lambda * now as f64;
    let crf = 1.0 + before.map_or(0.0, |place| (place.log2_crf - faded).exp2());
    Place { log2_crf: crf.log2() + faded, at: now }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Reads a key, and holds it from then on; tells whether it was held.
    fn touch(cache: &mut Lrfu<u32, ()>, key: u32, weight: u64) -> bool {
        let held = cache.get(&key).is_some();
        if !held {
            cache.insert(key, (), weight);
        }
        held
    }

    /// Which of these touches of keys that weigh 10 hit.
    fn hits(lambda: f64, capacity: u64, keys: &[u32]) -> Vec<bool> {
        let mut cache = Lrfu::new(capacity, lambda);
        keys.iter().map(|key| touch(&mut cache, *key, 10)).collect()
    }

    #[test]
    fn with_lambda_1_it_is_lru() {
        assert_eq!(hits(1.0, 20, &[1, 2, 1, 3, 2, 3, 1]), [false, false, true, false, false, true, false]);
        // However often something was read, one later reference outweighs it: 1/2 + 1/4 + ... < 1.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut lrfu = Lrfu::new(2000, 1.0);
        // The last read is at the end.
        let mut lru: Vec<u32> = Vec::new();
        let weight = |key: u32| 10 + 40 * u64::from(key);
        for step in 0..20_000 {
            let key: u32 = rng.random_range(0..60).min(rng.random_range(0..60));
            let hit = lru.contains(&key);
            lru.retain(|held| *held != key);
            if weight(key) <= 2000 {
                lru.push(key);
                while lru.iter().map(|held| weight(*held)).sum::<u64>() > 2000 {
                    lru.remove(0);
                }
            }
            assert_eq!(touch(&mut lrfu, key, weight(key)), hit, "step {step}");
        }
    }

    #[test]
    fn with_lambda_0_it_is_lfu() {
        // 1 was read three times, 2 twice, long ago; newcomers push each other out.
        let keys = [1, 1, 1, 2, 2, 3, 4, 5, 3, 4, 1, 2];
        let hit = |at: usize| [1, 2, 4, 10, 11].contains(&at);
        assert_eq!(hits(0.0, 30, &keys), (0..keys.len()).map(hit).collect::<Vec<_>>());
        // 1, read twice in a row, and 2 have the same count: the older reference goes first.
        assert_eq!(hits(0.0, 20, &[1, 1, 2, 2, 3, 1, 2])[4..], [false, false, true]);
    }

    #[test]
    fn between_them_two_recent_references_outweigh_three_old_ones() {
        // lambda = 1/2. At time 7, before the 3 comes: key 1, read at 1, 2 and 3, has
        // 2^-3 + 2^-2.5 + 2^-2 = 0.552; key 2, read at 4 and 6, has 2^-1.5 + 2^-0.5 = 1.061: 1 goes.
        let late = [1, 1, 1, 2, 9, 2, 3, 2, 1];
        // What is heavier than everything takes its time and nothing else.
        let weight = |key: u32| if key == 9 { 21 } else { 10 };
        let mut cache = Lrfu::new(20, 0.5);
        let touched: Vec<bool> = late.iter().map(|key| touch(&mut cache, *key, weight(*key))).collect();
        assert_eq!(touched, [false, true, true, false, false, true, false, true, false]);
        // With lambda = 0.1 key 1 has 2^-0.6 + 2^-0.5 + 2^-0.4 = 2.125, key 2 has 2^-0.3 + 2^-0.1 = 1.745: 2 goes.
        let mut cache = Lrfu::new(20, 0.1);
        for key in &late[..7] {
            touch(&mut cache, *key, weight(*key));
        }
        let kept = cache.held[&1].place.log2_crf - 0.1 * 7.0;
        assert!((kept.exp2() - 2.125).abs() < 1e-3, "{}", kept.exp2());
        assert!(!cache.contains(&2));
    }

    #[test]
    fn what_is_no_longer_held_is_told() {
        let mut cache = Lrfu::new(30, 0.5);
        assert_eq!(cache.insert(1, 'a', 10), []);
        assert_eq!(cache.insert(2, 'b', 10), []);
        assert_eq!(cache.insert(1, 'c', 20), [(1, 'a')], "in place of what was there");
        assert_eq!(cache.weight(), 30);
        assert_eq!(cache.insert(9, 'x', 31), [(9, 'x')], "heavier than everything");
        assert_eq!(cache.insert(3, 'd', 10), [(2, 'b')]);
        assert_eq!(cache.resize(20), [(1, 'c')], "its CRF is 1.5 / 2, of 3 it is 1");
        assert_eq!(cache.weight(), 10);
        assert_eq!((cache.remove(&3), cache.remove(&3), cache.weight()), (Some('d'), None, 0));
        assert!(cache.order.is_empty());
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut cache = Lrfu::new(1000, 0.01);
        for _ in 0..20_000 {
            let key = rng.random_range(0..100);
            match rng.random_range(0..20) {
                0 => drop(cache.resize(rng.random_range(200..1000))),
                1 => drop(cache.remove(&key)),
                _ => drop(touch(&mut cache, key, 10 + u64::from(key))),
            }
            assert!(cache.weight() <= cache.capacity);
            assert_eq!(cache.weight(), cache.held.values().map(|held| held.weight).sum::<u64>());
            assert_eq!(cache.held.len(), cache.order.len());
        }
    }
}
