//! Blocks: the unit of caching, their names, and the map that cuts an object into them.

pub(crate) mod parquet;

use larder_model::{ByteRange, Version};
use serde::{Deserialize, Serialize};

/// Names one version of one object in 128 bits: a truncated BLAKE3 of bucket, key and version, so that two versions
/// never share a block and nobody can construct a collision.
pub(crate) type ObjectId = u128;

/// The id of a version of an object.
pub(crate) fn object_id(bucket: &str, key: &str, version: &Version) -> ObjectId {
    id([bucket, key, version.as_str()])
}

/// The id of an object, whatever its version.
pub(crate) fn name_id(bucket: &str, key: &str) -> ObjectId {
    id([bucket, key])
}

fn id<const N: usize>(parts: [&str; N]) -> ObjectId {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // The length keeps `a` + `bc` apart from `ab` + `c`.
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let hash = hasher.finalize();
    u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("a BLAKE3 hash has 32 bytes"))
}

/// Names a block: one version of one object, and where in it the block begins. Packed, because indexes hold one for every
/// block and `u128` would be aligned to 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(Rust, packed(8))]
pub(crate) struct BlockKey {
    pub(crate) object: ObjectId,
    pub(crate) start: u64,
}

impl BlockKey {
    /// The key of an object's note, which lies among its blocks: none of them begins there. Blocks never change under
    /// their key; notes may.
    pub(crate) fn note(object: ObjectId) -> Self {
        Self { object, start: u64::MAX }
    }

    pub(crate) fn is_note(&self) -> bool {
        self.start == u64::MAX
    }
}

/// Names a column of a table's schema in 32 bits, for those that a block or a whitelist speaks of. Two columns that happen
/// to share an id are held together, and no more comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ColumnId(u32);

impl ColumnId {
    /// What belongs to no column alone: footers, small columns that share a page, objects that are no Parquet.
    pub(crate) const NONE: Self = Self(0);

    /// The id of a column at the top of the schema. Engines do not tell small letters from capitals.
    pub(crate) fn new(name: &str) -> Self {
        let hash = blake3::hash(name.to_lowercase().as_bytes());
        Self(u32::from_le_bytes(hash.as_bytes()[..4].try_into().expect("a BLAKE3 hash has 32 bytes")).max(1))
    }
}

/// No block is longer than this, whatever the configuration says.
pub(crate) const BLOCK_BYTES_MAX: u64 = 64 << 20;

/// How an object is cut into blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BlockMap {
    /// At fixed offsets: every block but the last, which ends with the object, has `block_len` bytes.
    Fixed { object_size: u64, block_len: u64 },
    /// Where the object's format has its seams. `starts` are the blocks' first bytes, in order, the first of them 0, and
    /// `columns` what each block is of; the blocks from `footer` on hold what readers of the format need before all else.
    Seams { object_size: u64, starts: Box<[u64]>, columns: Box<[ColumnId]>, footer: u64 },
}

impl BlockMap {
    /// The blocks that hold any byte of `range`, in order.
    pub(crate) fn blocks(&self, range: ByteRange) -> impl Iterator<Item = ByteRange> + use<'_> {
        let end = range.end.min(self.object_size());
        let (first, last) =
            if range.start >= end { (0, 0) } else { (self.number(range.start), self.number(end - 1) + 1) };
        (first..last).map(|n| self.block(n))
    }

    /// The object's size in bytes.
    pub(crate) fn object_size(&self) -> u64 {
        match self {
            Self::Fixed { object_size, .. } | Self::Seams { object_size, .. } => *object_size,
        }
    }

    /// Whether a block belongs to the footer.
    pub(crate) fn is_footer(&self, block: ByteRange) -> bool {
        matches!(self, Self::Seams { footer, .. } if block.start >= *footer)
    }

    /// The column that a block is of, by its first byte.
    pub(crate) fn column(&self, start: u64) -> ColumnId {
        match self {
            Self::Fixed { .. } => ColumnId::NONE,
            // A note from the disk may have fewer of them than it should.
            Self::Seams { columns, .. } => columns.get(self.number(start) as usize).copied().unwrap_or(ColumnId::NONE),
        }
    }

    /// Which block holds a byte of the object.
    fn number(&self, byte: u64) -> u64 {
        match self {
            Self::Fixed { block_len, .. } => byte / block_len,
            Self::Seams { starts, .. } => starts.partition_point(|start| *start <= byte) as u64 - 1,
        }
    }

    fn block(&self, n: u64) -> ByteRange {
        match self {
            Self::Fixed { object_size, block_len } => {
                ByteRange::new(n * block_len, ((n + 1) * block_len).min(*object_size))
            }
            Self::Seams { object_size, starts, .. } => {
                let n = n as usize;
                ByteRange::new(starts[n], starts.get(n + 1).copied().unwrap_or(*object_size))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_range_without_gap_or_overlap() {
        for object_size in [0, 1, 9, 10, 11, 35] {
            let fixed = BlockMap::Fixed { object_size, block_len: 10 };
            let starts: Box<[u64]> =
                [0, 1, 7, 20].into_iter().filter(|start| *start <= object_size.saturating_sub(1)).collect();
            let columns = vec![ColumnId::NONE; starts.len()].into();
            let seams = BlockMap::Seams { object_size, starts, columns, footer: 20 };
            for map in [fixed, seams] {
                for start in 0..=object_size {
                    for end in start..=object_size {
                        let range = ByteRange::new(start, end);
                        let covered: Vec<u64> =
                            map.blocks(range).filter_map(|b| b.intersect(range)).flat_map(|b| b.start..b.end).collect();
                        assert_eq!(covered, (start..end).collect::<Vec<_>>(), "{map:?}: {range:?}");
                        assert!(map.blocks(range).all(|block| block.end <= object_size && !block.is_empty()));
                    }
                }
            }
        }
    }

    #[test]
    fn every_part_of_a_name_tells_objects_apart() {
        let version = |text: &str| Version::new(Some(text), 0, chrono::DateTime::UNIX_EPOCH);
        let ids = [
            object_id("a", "bc", &version("1")),
            object_id("ab", "c", &version("1")),
            object_id("a", "bc", &version("2")),
            object_id("a", "b", &version("c1")),
            name_id("a", "bc"),
            name_id("ab", "c"),
        ];
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id), "{i}");
        }
    }
}
