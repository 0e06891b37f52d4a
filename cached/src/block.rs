//! Blocks: the unit of caching. Which blocks an object has is a pure function of its size and the block length.

use std::io::{Read, Write};

use bytes::Bytes;
use foyer::Code;
use larder_model::{ByteRange, Version};

/// Names one version of one object in 128 bits: a truncated BLAKE3 of bucket, key and version, so that two versions
/// never share a block and nobody can construct a collision.
pub(crate) type ObjectId = u128;

/// The id of a version of an object.
pub(crate) fn object_id(bucket: &str, key: &str, version: &Version) -> ObjectId {
    let mut hasher = blake3::Hasher::new();
    for part in [bucket, key, version.as_str()] {
        // The length keeps `a` + `bc` apart from `ab` + `c`.
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let hash = hasher.finalize();
    u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("a BLAKE3 hash has 32 bytes"))
}

/// Names a block: one version of one object, and where in it the block begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BlockKey {
    pub(crate) object: ObjectId,
    pub(crate) start: u64,
}

impl Code for BlockKey {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        writer.write_all(&self.object.to_le_bytes()).map_err(foyer::Error::io_error)?;
        writer.write_all(&self.start.to_le_bytes()).map_err(foyer::Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let (mut object, mut start) = ([0; 16], [0; 8]);
        reader.read_exact(&mut object).map_err(foyer::Error::io_error)?;
        reader.read_exact(&mut start).map_err(foyer::Error::io_error)?;
        Ok(Self { object: u128::from_le_bytes(object), start: u64::from_le_bytes(start) })
    }

    fn estimated_size(&self) -> usize {
        24
    }
}

/// No block is longer than this, whatever the configuration says.
pub(crate) const BLOCK_BYTES_MAX: u64 = 64 << 20;

/// A block's bytes. On disk they are preceded by their length; the SSD engine checksums both.
#[derive(Debug, Clone)]
pub(crate) struct Block(pub(crate) Bytes);

impl Code for Block {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        writer.write_all(&(self.0.len() as u64).to_le_bytes()).map_err(foyer::Error::io_error)?;
        writer.write_all(&self.0).map_err(foyer::Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let mut length = [0; 8];
        reader.read_exact(&mut length).map_err(foyer::Error::io_error)?;
        let length = u64::from_le_bytes(length);
        if length > BLOCK_BYTES_MAX {
            let problem = format!("a block of {length} bytes");
            return Err(foyer::Error::io_error(std::io::Error::new(std::io::ErrorKind::InvalidData, problem)));
        }
        let mut bytes = vec![0; length as usize];
        reader.read_exact(&mut bytes).map_err(foyer::Error::io_error)?;
        Ok(Self(bytes.into()))
    }

    fn estimated_size(&self) -> usize {
        8 + self.0.len()
    }
}

/// How an object is cut into blocks: at fixed offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockMap {
    /// The object's size in bytes.
    pub(crate) object_size: u64,
    /// Every block's length, but the last one's, which ends with the object.
    pub(crate) block_len: u64,
}

impl BlockMap {
    /// The blocks that hold any byte of `range`, in order.
    pub(crate) fn blocks(self, range: ByteRange) -> impl Iterator<Item = ByteRange> {
        let end = range.end.min(self.object_size);
        let first = range.start / self.block_len;
        let last = if range.start < end { end.div_ceil(self.block_len) } else { first };
        (first..last).map(move |n| self.block(n))
    }

    fn block(self, n: u64) -> ByteRange {
        ByteRange::new(n * self.block_len, ((n + 1) * self.block_len).min(self.object_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_range_without_gap_or_overlap() {
        for object_size in [0, 1, 9, 10, 11, 35] {
            let map = BlockMap { object_size, block_len: 10 };
            for start in 0..=object_size {
                for end in start..=object_size {
                    let range = ByteRange::new(start, end);
                    let covered: Vec<u64> =
                        map.blocks(range).filter_map(|b| b.intersect(range)).flat_map(|b| b.start..b.end).collect();
                    assert_eq!(covered, (start..end).collect::<Vec<_>>(), "{object_size}: {range:?}");
                    assert!(map.blocks(range).all(|block| block.end <= object_size && block.start % 10 == 0));
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
        ];
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id), "{i}");
        }
    }

    #[test]
    fn blocks_survive_being_written_and_read() {
        let block = Block(Bytes::from_static(b"some bytes"));
        let mut written = Vec::new();
        block.encode(&mut written).expect("memory takes it");
        assert_eq!(written.len(), block.estimated_size());
        assert_eq!(Block::decode(&mut written.as_slice()).expect("a block").0, block.0);
        assert!(Block::decode(&mut &written[..written.len() - 1]).is_err());
        assert!(Block::decode(&mut u64::MAX.to_le_bytes().as_slice()).is_err());
    }
}
