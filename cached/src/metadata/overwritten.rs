//! How often noted objects were written, deleted or dropped through Larder.
//!
//! A note says how often that was when it was written, and is believed only while it is so: the SSD engine gives no
//! promise that the newest of two entries survives damage, and an older note would bring an older version back. The
//! objects' names are appended to a file, as hashes, and synced before a write is acknowledged.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use parking_lot::RwLock;

use crate::block::ObjectId;

const RECORD_BYTES: usize = size_of::<ObjectId>();
/// With more names than this, no note is believed.
const NAMES_MAX: usize = 1_000_000;

/// The counts, in memory and in their file.
#[derive(Debug)]
pub(super) struct Overwritten {
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    counts: HashMap<ObjectId, u32>,
    file: File,
    /// Whether the file could not be written: then no note is believed.
    broken: bool,
}

impl Overwritten {
    /// Reads the file, or begins it.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // A torn last record belongs to a write that was not acknowledged.
        file.set_len((bytes.len() / RECORD_BYTES * RECORD_BYTES) as u64)?;
        let mut counts = HashMap::new();
        for record in bytes.chunks_exact(RECORD_BYTES) {
            *counts.entry(ObjectId::from_le_bytes(record.try_into().expect("a whole record"))).or_default() += 1;
        }
        Ok(Self { state: RwLock::new(State { counts, file, broken: false }) })
    }

    /// How often the object was overwritten; `None` when that is not known.
    pub(super) fn count(&self, name: ObjectId) -> Option<u32> {
        let state = self.state.read();
        let known = !state.broken && state.counts.len() <= NAMES_MAX;
        known.then(|| state.counts.get(&name).copied().unwrap_or(0))
    }

    /// Counts once for each name; blocks until it is on the disk.
    pub(super) fn add(&self, names: &[ObjectId]) {
        let mut state = self.state.write();
        for name in names {
            *state.counts.entry(*name).or_default() += 1;
        }
        let records: Vec<u8> = names.iter().flat_map(|name| name.to_le_bytes()).collect();
        if let Err(error) = state.file.write_all(&records).and_then(|()| state.file.sync_data()) {
            tracing::warn!(%error, "overwrites cannot be noted: from now on objects that never change are asked for too");
            state.broken = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_again_and_a_torn_record_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("overwritten");
        let list = Overwritten::open(&path).expect("a list");
        list.add(&[1, 2]);
        list.add(&[2]);
        drop(list);
        assert_eq!(std::fs::metadata(&path).expect("the file").len(), 3 * RECORD_BYTES as u64);
        File::options().append(true).open(&path).expect("the file").write_all(&[7; 5]).expect("the disk takes it");
        Overwritten::open(&path).expect("a list").add(&[3]);
        let list = Overwritten::open(&path).expect("a list");
        assert_eq!([1, 2, 3, 4].map(|name| list.count(name)), [1, 2, 1, 0].map(Some));
    }
}
