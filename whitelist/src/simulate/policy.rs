//! What a policy is to the replay, and those that decide at each read.

use super::trace::Read;

/// Decides what a cache holds. Given nothing but what it may know at that time.
pub(super) trait Policy {
    /// A day begins: whatever chooses by night chooses now. Returns the items that are loaded.
    fn night(&mut self, _day: i32) -> Vec<u32> {
        Vec::new()
    }

    /// Items are there to be read from now on, those of one time together. Returns the ones that are loaded at once.
    fn landed(&mut self, _items: &[u32]) -> Vec<u32> {
        Vec::new()
    }

    /// An item has other bytes from now on, and what was held of it is of no use. Tells whether it is loaded again.
    fn rewritten(&mut self, item: u32) -> bool;

    /// Whether the item was chosen on the last night.
    fn is_whitelisted(&self, _item: u32) -> bool {
        false
    }

    /// A client read an item that the replayed sample leaves out: nothing can be held of it, but a log tells of it.
    fn overheard(&mut self, _read: &Read) {}

    /// A client reads. Answers from what is held, and may hold more from then on.
    fn read(&mut self, read: &Read) -> Answer;
}

/// How a read was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// From the cache.
    Hit,
    /// From the origin, and nothing is held of it.
    Miss,
    /// From the origin, and the item is held from now on.
    Admitted,
}
