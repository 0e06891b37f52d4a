//! Deciding how an object is cut into blocks: once for each version, and remembered on the SSD beside its blocks, so that
//! a restart finds them.
//!
//! A Parquet object is told by its last bytes. They are looked at when a read begins with them, as engines' first reads
//! do, and before an object is preloaded or read whose key ends like a Parquet file's. What this reads is kept as blocks.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use larder_model::{ByteRange, ObjectName};

use crate::block::{BlockKey, BlockMap, ColumnId, ObjectId, parquet};
use crate::engine::Engine;
use crate::fill::FillError;
use crate::metadata::ObjectMeta;
use crate::metrics::Cause;
use crate::origin::Origin;

/// The least that is read of an object's end to find out what it is. Most footers are shorter.
const TAIL_BYTES: u64 = 32 << 10;
/// A read of more of the end than this is not taken for a read of the footer.
const TAIL_BYTES_MAX: u64 = 1 << 20;

/// An object's block map, and what the origin has just sent to find it out.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) map: Arc<BlockMap>,
    pub(crate) fetched: Option<ByteRange>,
}

impl Engine {
    /// The block map of an object that `wanted` is read of; all of it, where that is not said.
    pub(crate) async fn cut(
        self: &Arc<Self>,
        origin: &Arc<Origin>,
        meta: &Arc<ObjectMeta>,
        wanted: Option<ByteRange>,
        cause: Cause,
    ) -> Result<Cut, FillError> {
        if let Some(map) = meta.map.get() {
            return Ok(Cut { map: Arc::clone(map), fetched: None });
        }
        // Like a fill, this goes on when the client has gone.
        let (engine, origin, meta) = (Arc::clone(self), Arc::clone(origin), Arc::clone(meta));
        let deciding = tokio::spawn(async move {
            let mut fetched = None;
            let map = meta.map.get_or_try_init(|| async {
                let cut = engine.decide(&origin, &meta, wanted, cause).await?;
                fetched = cut.fetched;
                Ok(cut.map)
            });
            let map = Arc::clone(map.await?);
            Ok(Cut { map, fetched })
        });
        deciding.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// The map that an object's blocks were cut by, if any were.
    pub(crate) async fn known_map(&self, name: &ObjectName, id: ObjectId, size: u64) -> Option<Arc<BlockMap>> {
        if let Some(meta) = self.metadata.known(name).await
            && meta.id == id
            && let Some(map) = meta.map.get()
        {
            return Some(Arc::clone(map));
        }
        let noted = self.noted_map(id, size).await;
        // What is too short to be looked at has no note.
        noted.or_else(|| (size <= TAIL_BYTES).then(|| self.fixed(size))).map(Arc::new)
    }

    async fn decide(
        &self,
        origin: &Arc<Origin>,
        meta: &Arc<ObjectMeta>,
        wanted: Option<ByteRange>,
        cause: Cause,
    ) -> Result<Cut, FillError> {
        let size = meta.state.size;
        if size <= TAIL_BYTES {
            return Ok(Cut { map: Arc::new(self.fixed(size)), fetched: None });
        }
        if let Some(map) = self.noted_map(meta.id, size).await {
            return Ok(Cut { map: Arc::new(map), fetched: None });
        }
        let (mut map, mut fetched) = (self.fixed(size), None);
        if let Some(tail) = tail(&meta.name.key, size, wanted, self.tiers.block_len()) {
            let end = self.read_end(origin, meta, tail, cause).await?;
            if let Some(seams) = self.seams(meta, &end).await {
                map = seams;
            }
            self.admit_whole_blocks(meta, &map, &end, cause).await;
            fetched = Some(end.range);
        }
        let note = serde_json::to_vec(&map).expect("plain data serialises");
        self.tiers.insert(&meta.name, BlockKey::note(meta.id), ColumnId::NONE, note.into());
        Ok(Cut { map: Arc::new(map), fetched })
    }

    /// Reads an object's last bytes: `tail`, or more where a Parquet footer is longer.
    async fn read_end(
        &self,
        origin: &Arc<Origin>,
        meta: &Arc<ObjectMeta>,
        tail: ByteRange,
        cause: Cause,
    ) -> Result<End, FillError> {
        let bytes = self.fills.read(origin, meta, tail, cause).await?;
        let footer = parquet::footer_start(tail.end, &bytes);
        let Some(start) = footer.filter(|start| *start < tail.start) else {
            return Ok(End { range: tail, bytes, footer });
        };
        let rest = self.fills.read(origin, meta, ByteRange::new(start, tail.start), cause).await?;
        let mut joined = BytesMut::from(&rest[..]);
        joined.extend_from_slice(&bytes);
        Ok(End { range: ByteRange::new(start, tail.end), bytes: joined.freeze(), footer })
    }

    /// The map of a Parquet object that ends so; `None` for others.
    async fn seams(&self, meta: &ObjectMeta, end: &End) -> Option<BlockMap> {
        let (size, tail, block_len) = (end.range.end, end.range.start, self.tiers.block_len());
        let footer = end.bytes.slice((end.footer? - tail) as usize..);
        // A footer may be long, and hostile: the parser gets a thread of its own, where it may also panic.
        let parse = tokio::task::spawn_blocking(move || parquet::block_map(size, &footer, tail, block_len));
        parse.await.unwrap_or_else(|error| {
            tracing::warn!(object = %meta.name, %error, "the parquet footer could not be parsed");
            None
        })
    }

    /// Keeps what was read of the object's end, as far as it makes up blocks.
    async fn admit_whole_blocks(&self, meta: &ObjectMeta, map: &BlockMap, end: &End, cause: Cause) {
        for block in map.blocks(end.range).filter(|block| block.start >= end.range.start) {
            let from = (block.start - end.range.start) as usize;
            // A copy, so that a block that stays does not keep the others' memory.
            let bytes = Bytes::copy_from_slice(&end.bytes[from..from + block.len() as usize]);
            let key = BlockKey { object: meta.id, start: block.start };
            self.tiers.admit(&meta.name, key, map.column(block.start), &bytes, cause).await;
        }
    }

    /// The map of an object that has no seams.
    pub(crate) fn fixed(&self, object_size: u64) -> BlockMap {
        BlockMap::Fixed { object_size, block_len: self.tiers.block_len() }
    }

    async fn noted_map(&self, id: ObjectId, size: u64) -> Option<BlockMap> {
        let note = self.tiers.get_note(&BlockKey::note(id)).await?;
        serde_json::from_slice::<BlockMap>(&note).ok().filter(|map| map.object_size() == size)
    }
}

/// An object's last bytes.
struct End {
    range: ByteRange,
    bytes: Bytes,
    /// Where its Parquet footer begins, if it seems to have one.
    footer: Option<u64>,
}

/// What to read of an object's end before it is cut; `None` when that is not worth a request.
fn tail(key: &str, size: u64, wanted: Option<ByteRange>, block_len: u64) -> Option<ByteRange> {
    let least = size - TAIL_BYTES;
    let start = match wanted {
        // Everything is read: whole blocks, if it is no Parquet object.
        None => least / block_len * block_len,
        Some(wanted) if wanted.end == size && wanted.len() <= TAIL_BYTES_MAX => wanted.start.min(least),
        Some(_) if key.ends_with(".parquet") => least,
        Some(_) => return None,
    };
    Some(ByteRange::new(start, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_looked_at_when_it_is_read_anyway_or_the_key_promises_parquet() {
        let size = 10 << 20;
        let tail = |key: &str, wanted: Option<(u64, u64)>| {
            let wanted = wanted.map(|(start, end)| ByteRange::new(start, end));
            tail(key, size, wanted, 1 << 20).map(|tail| size - tail.start)
        };
        assert_eq!(tail("000000_0", Some((size - 8, size))), Some(TAIL_BYTES));
        assert_eq!(tail("000000_0", Some((size - 100_000, size))), Some(100_000));
        assert_eq!(tail("000000_0", Some((0, size))), None);
        assert_eq!(tail("000000_0", Some((0, 100))), None);
        assert_eq!(tail("f.parquet", Some((0, size))), Some(TAIL_BYTES));
        assert_eq!(tail("f.parquet", Some((0, 100))), Some(TAIL_BYTES));
        assert_eq!(tail("000000_0", None), Some(1 << 20));
    }
}
