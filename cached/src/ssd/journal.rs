//! The journal: which blocks lie where in the segments, one record for each that came or went, in order.
//!
//! Records have one length and a checksum each, so damage costs only the records it hits. Nothing here is synced: a
//! record that a power loss took is a miss, and one that outlived its block's bytes fails the block's own checksum.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::index::{Extent, Held, ItemId, Share};
use crate::block::BlockKey;

const RECORD_BYTES: usize = 64;
/// A journal shorter than this is not worth rewriting.
const REWRITE_BYTES_MIN: u64 = 256 << 10;

/// What happened to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// It is held there, for that.
    Held(BlockKey, Extent, Share),
    /// It is no longer held there.
    Gone(BlockKey, Extent),
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let (key, extent, kind, item) = match self {
            Self::Held(key, extent, Share::Adaptive) => (key, extent, 1_u32, 0),
            Self::Held(key, extent, Share::Resident(ItemId(item))) => (key, extent, 2, item),
            Self::Gone(key, extent) => (key, extent, 3, 0),
        };
        let mut bytes = [0; RECORD_BYTES];
        bytes[..16].copy_from_slice(&key.object.to_le_bytes());
        bytes[16..24].copy_from_slice(&key.start.to_le_bytes());
        bytes[24..32].copy_from_slice(&extent.checksum.to_le_bytes());
        bytes[32..36].copy_from_slice(&extent.segment.to_le_bytes());
        bytes[36..40].copy_from_slice(&extent.page.to_le_bytes());
        bytes[40..44].copy_from_slice(&extent.len.to_le_bytes());
        bytes[44..48].copy_from_slice(&kind.to_le_bytes());
        bytes[48..56].copy_from_slice(&item.to_le_bytes());
        let checksum = XxHash3_64::oneshot(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if u64_at(56) != XxHash3_64::oneshot(&bytes[..56]) {
            return None;
        }
        let object = u128::from_le_bytes(bytes[..16].try_into().expect("sixteen bytes"));
        let key = BlockKey { object, start: u64_at(16) };
        let extent = Extent { checksum: u64_at(24), segment: u32_at(32), page: u32_at(36), len: u32_at(40) };
        match u32_at(44) {
            1 => Some(Self::Held(key, extent, Share::Adaptive)),
            2 => Some(Self::Held(key, extent, Share::Resident(ItemId(u64_at(48))))),
            3 => Some(Self::Gone(key, extent)),
            _ => None,
        }
    }
}

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    /// What it may grow to before it is rewritten.
    rewrite_at: u64,
}

impl Journal {
    /// Opens or begins the journal, and replays it: the blocks held, in the order they came.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Held>)> {
        let held = match std::fs::read(path) {
            Ok(bytes) => replay(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let file = File::options().append(true).create(true).open(path)?;
        let mut journal = Self { path: path.to_owned(), file, len: 0, rewrite_at: 0 };
        journal.rewrite(&held)?;
        Ok((journal, held))
    }

    /// The file's length.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// What the file grows to at most, about. Rewriting it takes as much again for a moment.
    pub(super) fn len_max(&self) -> u64 {
        self.rewrite_at
    }

    /// Adds records. When that fails, none of them is in the file.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.to_bytes()).collect();
        let appended = self.file.write_all(&bytes);
        match appended {
            Ok(()) => self.len += bytes.len() as u64,
            Err(_) => self.file.set_len(self.len)?,
        }
        appended
    }

    /// Whether most of it is history.
    pub(super) fn is_due(&self) -> bool {
        self.len >= self.rewrite_at
    }

    /// Begins the journal anew with what its records come to.
    pub(super) fn compact(&mut self) -> io::Result<()> {
        let held = replay(&std::fs::read(&self.path)?);
        self.rewrite(&held)
    }

    fn rewrite(&mut self, held: &[Held]) -> io::Result<()> {
        let record = |(key, extent, share): &Held| Record::Held(*key, *extent, *share).to_bytes();
        let bytes: Vec<u8> = held.iter().flat_map(record).collect();
        let next = self.path.with_extension("next");
        std::fs::write(&next, &bytes)?;
        let file = File::options().append(true).open(&next)?;
        std::fs::rename(&next, &self.path)?;
        self.file = file;
        self.len = bytes.len() as u64;
        self.rewrite_at = (2 * self.len).max(REWRITE_BYTES_MIN);
        Ok(())
    }
}

fn replay(bytes: &[u8]) -> Vec<Held> {
    let (mut held, mut places, mut damaged) = (Vec::new(), HashMap::new(), 0);
    for record in bytes.as_chunks().0 {
        match Record::from_bytes(record) {
            Some(Record::Held(key, extent, share)) => {
                if let Some(before) = places.insert(key, held.len()) {
                    held[before] = None;
                }
                held.push(Some((key, extent, share)));
            }
            Some(Record::Gone(key, extent)) => {
                let gone = |place: &usize| matches!(&held[*place], Some((_, held, _)) if *held == extent);
                if let Some(place) = places.get(&key).copied().filter(gone) {
                    held[place] = None;
                    places.remove(&key);
                }
            }
            None => damaged += 1,
        }
    }
    if damaged > 0 {
        tracing::warn!(records = damaged, "the ssd tier's journal is damaged in places; those blocks count as misses");
    }
    held.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(start: u64) -> BlockKey {
        BlockKey { object: u128::MAX - 5, start }
    }

    fn extent(page: u32) -> Extent {
        Extent { checksum: u64::MAX - 3, segment: 2, page, len: 5000 }
    }

    fn open(path: &Path) -> (Journal, Vec<Held>) {
        Journal::open(path).expect("a journal")
    }

    #[test]
    fn what_is_held_is_found_again_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (mut journal, held) = open(&path);
        assert!(held.is_empty());
        let resident = Share::Resident(ItemId(77));
        let records = [
            Record::Held(key(1), extent(1), Share::Adaptive),
            Record::Held(key(2), extent(2), resident),
            Record::Held(key(3), extent(3), Share::Adaptive),
            Record::Gone(key(3), extent(3)),
            Record::Held(key(1), extent(9), resident),
            // Of what was there before: it must not end what is there now.
            Record::Gone(key(1), extent(1)),
        ];
        journal.append(&records).expect("the disk takes it");
        let expected = [(key(2), extent(2), resident), (key(1), extent(9), resident)];
        drop(journal);
        let (mut journal, held) = open(&path);
        assert_eq!(held, expected);
        assert_eq!(journal.len(), 2 * RECORD_BYTES as u64);
        journal.append(&[Record::Gone(key(2), extent(2))]).expect("the disk takes it");
        journal.compact().expect("the disk takes it");
        assert_eq!(journal.len(), RECORD_BYTES as u64);
        drop(journal);
        assert_eq!(open(&path).1, [(key(1), extent(9), resident)]);
    }

    #[test]
    fn damage_costs_the_records_it_hits() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (mut journal, _) = open(&path);
        let records = [1, 2, 3].map(|n| Record::Held(key(n.into()), extent(n), Share::Adaptive));
        journal.append(&records).expect("the disk takes it");
        drop(journal);
        let mut bytes = std::fs::read(&path).expect("the journal");
        bytes[RECORD_BYTES + 20] ^= 4;
        // A torn record at the end.
        bytes.extend_from_slice(&[1; 40]);
        std::fs::write(&path, bytes).expect("the disk takes it");
        let starts = open(&path).1.iter().map(|(key, ..)| key.start).collect::<Vec<_>>();
        assert_eq!(starts, [1, 3]);
    }
}
