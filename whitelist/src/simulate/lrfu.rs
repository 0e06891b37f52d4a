//! LRFU: between least recently and least frequently used, by how fast old references fade.
//!
//! D. Lee et al., "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used and Least Frequently Used Policies",
//! IEEE Transactions on Computers 50(12), 2001. An item referenced at the times `t_i` has at time `t` the combined recency
//! and frequency `CRF(t) = sum F(t - t_i)` with `F(x) = (1/2)^(lambda x)`; the item of least CRF goes first. Time is counted
//! in references to any item. As `F(x + y) = F(x) F(y)`, one reference turns `CRF` into `1 + F(since the last) CRF`, and
//! nothing older need be known. As in the paper, an item that went starts anew when it comes back.
//!
//! Ours, because no well-kept published crate has it.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

/// The lambdas tried, per reference: from all but LFU to LRU.
pub(super) const LAMBDAS: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// A cache of whole items under LRFU, by bytes.
pub(super) struct Lrfu {
    capacity_bytes: u64,
    lambda: f64,
    used_bytes: u64,
    /// References so far.
    now: u64,
    held: HashMap<u32, Held>,
    /// What is held, the least CRF first.
    order: BTreeSet<Place>,
}

struct Held {
    bytes: u64,
    place: Place,
}

/// An item's place in the order.
///
/// All CRFs fade by the same factor, so their order changes only with references. What is kept is the CRF at the time 0,
/// as a logarithm because it would overflow: `log2 CRF(0) = log2 CRF(t) + lambda t`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    log2_crf: f64,
    /// The last reference. Of two with the same CRF, the older goes first.
    at: u64,
    item: u32,
}

impl Eq for Place {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.log2_crf.total_cmp(&other.log2_crf).then(self.at.cmp(&other.at)).then(self.item.cmp(&other.item))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Lrfu {
    /// `lambda` is from 0 (LFU) to 1 (LRU).
    pub(super) fn new(capacity_bytes: u64, lambda: f64) -> Self {
        Self { capacity_bytes, lambda, used_bytes: 0, now: 0, held: HashMap::new(), order: BTreeSet::new() }
    }

    /// Gives up what it holds of an item.
    pub(super) fn forget(&mut self, item: u32) {
        if let Some(held) = self.held.remove(&item) {
            self.order.remove(&held.place);
            self.used_bytes -= held.bytes;
        }
    }

    /// Reads an item, and holds it from then on; tells whether it was held. One larger than everything is not held.
    pub(super) fn touch(&mut self, item: u32, bytes: u64) -> bool {
        self.now += 1;
        let faded = self.lambda * self.now as f64;
        if let Some(held) = self.held.get_mut(&item) {
            self.order.remove(&held.place);
            let crf = 1.0 + (held.place.log2_crf - faded).exp2();
            held.place = Place { log2_crf: crf.log2() + faded, at: self.now, item };
            self.order.insert(held.place);
            return true;
        }
        if bytes <= self.capacity_bytes {
            while self.used_bytes + bytes > self.capacity_bytes {
                let gone = self.order.pop_first().expect("what is used is held");
                self.used_bytes -= self.held.remove(&gone.item).expect("both hold the same items").bytes;
            }
            let place = Place { log2_crf: faded, at: self.now, item };
            self.held.insert(item, Held { bytes, place });
            self.order.insert(place);
            self.used_bytes += bytes;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::online::{Online, OnlinePolicy};
    use super::super::policy::{Answer, Policy};
    use super::super::test_support::item_of;
    use super::super::trace::{Item, Read};
    use super::*;

    /// Which of these touches of items of 10 bytes hit.
    fn hits(lambda: f64, capacity_bytes: u64, items: &[u32]) -> Vec<bool> {
        let mut cache = Lrfu::new(capacity_bytes, lambda);
        items.iter().map(|item| cache.touch(*item, 10)).collect()
    }

    #[test]
    fn with_lambda_1_it_is_lru() {
        assert_eq!(hits(1.0, 20, &[1, 2, 1, 3, 2, 3, 1]), [false, false, true, false, false, true, false]);
        // However often something was read, one later reference outweighs it: 1/2 + 1/4 + ... < 1.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let items: Vec<Item> = (0..60).map(|item| item_of(10 + 40 * item)).collect();
        let (mut lru, mut lrfu) = (Online::new(OnlinePolicy::Lru, &items, 2000), Lrfu::new(2000, 1.0));
        for step in 0..20_000 {
            let item: u32 = rng.random_range(0..60).min(rng.random_range(0..60));
            let bytes = 10 + 40 * u64::from(item);
            let read = Read { at: step, item, requests: 1, bytes };
            assert_eq!(lru.read(&read) == Answer::Hit, lrfu.touch(item, bytes), "step {step}");
        }
    }

    #[test]
    fn with_lambda_0_it_is_lfu() {
        // 1 was read three times, 2 twice, long ago; newcomers push each other out.
        let items = [1, 1, 1, 2, 2, 3, 4, 5, 3, 4, 1, 2];
        let hit = |at: usize| [1, 2, 4, 10, 11].contains(&at);
        assert_eq!(hits(0.0, 30, &items), (0..items.len()).map(hit).collect::<Vec<_>>());
        // 3, read twice in a row, and 2 have the same count: the older reference goes first.
        assert_eq!(hits(0.0, 20, &[1, 1, 2, 2, 3, 1, 2])[4..], [false, false, true]);
    }

    #[test]
    fn between_them_two_recent_references_outweigh_three_old_ones() {
        // lambda = 1/2. At time 7, before the 3 comes: item 1, read at 1, 2 and 3, has
        // 2^-3 + 2^-2.5 + 2^-2 = 0.552; item 2, read at 4 and 6, has 2^-1.5 + 2^-0.5 = 1.061: 1 goes.
        let late = [1, 1, 1, 2, 9, 2, 3, 2, 1];
        let mut cache = Lrfu::new(20, 0.5);
        let touched: Vec<bool> = late
            .iter()
            // What is larger than everything takes its time and nothing else.
            .map(|item| cache.touch(*item, if *item == 9 { 21 } else { 10 }))
            .collect();
        assert_eq!(touched, [false, true, true, false, false, true, false, true, false]);
        // With lambda = 0.1 item 1 has 2^-0.6 + 2^-0.5 + 2^-0.4 = 2.125, item 2 has 2^-0.3 + 2^-0.1 = 1.745: 2 goes.
        let mut cache = Lrfu::new(20, 0.1);
        for item in &late[..7] {
            cache.touch(*item, if *item == 9 { 21 } else { 10 });
        }
        let kept = cache.held[&1].place.log2_crf - 0.1 * 7.0;
        assert!((kept.exp2() - 2.125).abs() < 1e-3, "{}", kept.exp2());
        assert!(!cache.held.contains_key(&2));
    }

    #[test]
    fn what_is_larger_than_everything_is_never_held() {
        let mut cache = Lrfu::new(20, 0.5);
        assert!(!cache.touch(1, 20));
        assert!(!cache.touch(9, 21) && !cache.touch(9, 21));
        assert!(cache.touch(1, 20));
    }
}
