//! GDSF on time: the item that saves least per byte goes first, and what nobody reads ages.
//!
//! L. Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Labs, 1998: an item
//! has the priority `L + references x cost / size`, and `L` is the priority of what went last. The cost here is the IO time
//! that a read of the item saves. As in the paper, references count anew when an item comes back.
//!
//! Ours, because no well-kept published crate has it.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use super::policy::{Answer, Policy};
use super::replay::{Replay, reads_of};
use super::trace::Read;

pub(super) struct Gdsf<'a> {
    replay: &'a Replay<'a>,
    /// `L`.
    inflation: f64,
    used_bytes: u64,
    held: HashMap<u32, Held>,
    order: BTreeSet<Place>,
}

struct Held {
    references: u32,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    priority: f64,
    item: u32,
}

impl Eq for Place {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.total_cmp(&other.priority).then(self.item.cmp(&other.item))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Gdsf<'a> {
    pub(super) fn new(replay: &'a Replay<'a>) -> Self {
        Self { replay, inflation: 0.0, used_bytes: 0, held: HashMap::new(), order: BTreeSet::new() }
    }

    fn bytes(&self, item: u32) -> u64 {
        self.replay.trace.items[item as usize].bytes
    }

    fn place(&mut self, read: &Read, references: u32) {
        let cost = self.replay.prices.saved_seconds(reads_of(read));
        let density = cost / self.bytes(read.item).max(1) as f64;
        let place = Place { priority: self.inflation + f64::from(references) * density, item: read.item };
        self.order.insert(place);
        self.held.insert(read.item, Held { references, place });
    }
}

impl Policy for Gdsf<'_> {
    fn rewritten(&mut self, item: u32) -> bool {
        if let Some(held) = self.held.remove(&item) {
            self.order.remove(&held.place);
            self.used_bytes -= self.bytes(item);
        }
        false
    }

    fn read(&mut self, read: &Read) -> Answer {
        if let Some(held) = self.held.get(&read.item) {
            let references = held.references + 1;
            self.order.remove(&held.place);
            self.place(read, references);
            return Answer::Hit;
        }
        let bytes = self.bytes(read.item);
        if bytes > self.replay.capacity_bytes {
            return Answer::Miss;
        }
        while self.used_bytes + bytes > self.replay.capacity_bytes {
            let gone = self.order.pop_first().expect("what is used is held");
            self.inflation = gone.priority;
            self.used_bytes -= self.bytes(gone.item);
            self.held.remove(&gone.item);
        }
        self.used_bytes += bytes;
        self.place(read, 1);
        Answer::Admitted
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{MB, replay, trace};
    use super::*;

    #[test]
    fn the_item_that_saves_least_per_byte_goes_first_and_what_nobody_reads_ages() {
        // A second for each request; item 0 has 1 MB, 1 and 2 have 4 MB each. Room for 0 and one of the others.
        let mut trace = trace(&[&[1, 0, 0, 2, 2, 1, 0], &[2]]);
        trace.items[0].bytes = MB;
        trace.items[1].bytes = 4 * MB;
        trace.items[2].bytes = 4 * MB;
        let replay = replay(&trace, 5 * MB);
        let mut cache = Gdsf::new(&replay);
        let hits: Vec<bool> = trace.reads.iter().map(|read| cache.read(read) == Answer::Hit).collect();
        // Priorities per MB: 1 has 1/4, 0 has 1, then 2. For 2, item 1 goes, and L is 1/4: 2 has 1/4 + 1/4, then 1/4 + 2/4.
        // For 1, item 2 (3/4) goes before 0 (2), and L is 3/4: 1 has 1. 0 hits: 3/4 + 3. For 2, item 1 goes.
        assert_eq!(hits, [false, false, true, false, true, false, true, false]);
        assert!((cache.inflation - 1.0 / MB as f64).abs() < 1e-12);
        assert_eq!(cache.used_bytes, 5 * MB);
    }
}
