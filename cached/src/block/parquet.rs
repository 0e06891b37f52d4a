//! The block map of a Parquet object: cut along its column chunks, so that a read of some columns fills, stores and
//! evicts those columns only.
//!
//! The footer is input from outside. Whatever is wrong with it, the answer is "no map", and the object is cut at fixed
//! offsets; a map that is wrong about the columns still covers every byte once, so it can cost speed and nothing else.

use std::collections::HashMap;

use larder_model::ByteRange;
use larder_model::whitelist::WHOLE_OBJECT_BYTES;
use parquet::file::metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader};

use super::{BlockMap, ColumnId};

/// Longer footers are not read: a hostile one must not cost much.
const FOOTER_BYTES_MAX: u64 = 16 << 20;
/// More blocks than this in one object would cost more to remember than they save.
const BLOCKS_MAX: u64 = 1 << 16;
/// What shares a page of the SSD costs nothing more than one of them: neighbours are joined up to this many bytes.
const JOINED_BYTES_MAX: u64 = 4096;
/// The eight bytes at the end of every Parquet file: the metadata's length and the magic.
const TAIL_BYTES: usize = 8;

/// Where the footer (metadata and tail) of a Parquet object of `size` bytes begins, by its last bytes. `None` when it is
/// no Parquet object, encrypts its footer, or lies about its length.
pub(crate) fn footer_start(size: u64, last_bytes: &[u8]) -> Option<u64> {
    let tail: &[u8; TAIL_BYTES] = last_bytes.last_chunk()?;
    let tail = FooterTail::try_new(tail).ok().filter(|tail| !tail.is_encrypted_footer())?;
    let length = (tail.metadata_length() as u64).checked_add(TAIL_BYTES as u64)?;
    let start = size.checked_sub(length)?;
    (length <= FOOTER_BYTES_MAX && start > 0).then_some(start)
}

/// The map of an object of `size` bytes with this footer. Of one that is held as a whole no block is of a column alone. Chunks longer than `block_len` are cut again into equal parts.
/// A block also begins at `tail`, where the engine's own read of the footer began, so that its like finds whole blocks.
pub(crate) fn block_map(size: u64, footer: &[u8], tail: u64, block_len: u64) -> Option<BlockMap> {
    let footer_start = size.checked_sub(footer.len() as u64)?;
    let metadata = footer.get(..footer.len().checked_sub(TAIL_BYTES)?)?;
    let chunks = chunks(&ParquetMetaDataReader::decode_metadata(metadata).ok()?, footer_start)?;
    let (mut starts, mut columns) = (Vec::new(), Vec::new());
    let footer = Part { range: ByteRange::new(footer_start, size), column: ColumnId::NONE };
    for Part { range, column } in joined(with_gaps(&chunks, footer_start)).into_iter().chain([footer]) {
        let blocks = range.len().div_ceil(block_len);
        if starts.len() as u64 + blocks > BLOCKS_MAX {
            return None;
        }
        let step = range.len().div_ceil(blocks);
        starts.extend((0..blocks).map(|n| range.start + n * step));
        columns.resize(starts.len(), column);
    }
    if tail < footer_start {
        let at = starts.binary_search(&tail).unwrap_or_else(|at| {
            starts.insert(at, tail);
            columns.insert(at, ColumnId::NONE);
            at
        });
        // What is read with the footer is needed as often, whatever column it is of.
        columns[at..].fill(ColumnId::NONE);
    }
    if size <= WHOLE_OBJECT_BYTES {
        columns.fill(ColumnId::NONE);
    }
    Some(BlockMap::Seams { object_size: size, starts: starts.into(), columns: columns.into(), footer: footer_start })
}

/// A stretch of the file, and the column that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    range: ByteRange,
    column: ColumnId,
}

/// The column chunks in the order of the file; `None` when they overlap each other or the footer.
fn chunks(metadata: &ParquetMetaData, footer_start: u64) -> Option<Vec<Part>> {
    let mut chunks = Vec::new();
    // Row groups repeat the columns, and structs have many of one name at the top.
    let mut ids: HashMap<&str, ColumnId> = HashMap::new();
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let name = column.column_path().parts().first().map_or("", String::as_str);
        let id = *ids.entry(name).or_insert_with(|| ColumnId::new(name));
        // Some writers give 0 for "no dictionary".
        let dictionary = column.dictionary_page_offset().filter(|offset| *offset > 0);
        let first = dictionary.map_or(column.data_page_offset(), |offset| offset.min(column.data_page_offset()));
        let start = u64::try_from(first).ok()?;
        let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
        if end > footer_start {
            return None;
        }
        chunks.push(Part { range: ByteRange::new(start, end), column: id });
    }
    chunks.sort_unstable_by_key(|chunk| chunk.range.start);
    chunks.is_sorted_by(|before, after| before.range.end <= after.range.start).then_some(chunks)
}

/// The chunks and what lies between them, such as page indexes, up to `end`; together they leave nothing out.
fn with_gaps(chunks: &[Part], end: u64) -> Vec<Part> {
    let mut parts = Vec::with_capacity(chunks.len() + 2);
    let mut at = 0;
    let end = Part { range: ByteRange::new(end, end), column: ColumnId::NONE };
    for chunk in chunks.iter().chain([&end]) {
        let gap = Part { range: ByteRange::new(at, chunk.range.start), column: ColumnId::NONE };
        parts.extend([gap, *chunk].into_iter().filter(|part| !part.range.is_empty()));
        at = chunk.range.end;
    }
    parts
}

/// Joins neighbours that fit a page together, and the magic at the file's beginning with what follows it.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(last) if last.range.len() < TAIL_BYTES as u64 => *last = Part { range: joint(last, &part), ..part },
            Some(last) if joint(last, &part).len() <= JOINED_BYTES_MAX => {
                let column = if last.column == part.column { part.column } else { ColumnId::NONE };
                *last = Part { range: joint(last, &part), column };
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn joint(before: &Part, after: &Part) -> ByteRange {
    ByteRange::new(before.range.start, after.range.end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// A file of `columns` columns of noise, with page indexes and without dictionaries.
    fn file(columns: usize, rows: usize, group_rows: usize) -> Vec<u8> {
        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let column = |_| Arc::new((0..rows).map(|_| dice.random::<i64>()).collect::<Int64Array>()) as ArrayRef;
        let arrays: Vec<ArrayRef> = (0..columns).map(column).collect();
        let batch = RecordBatch::try_from_iter(arrays.into_iter().enumerate().map(|(i, a)| (format!("c{i}"), a)));
        let batch = batch.expect("columns of equal length");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows));
        let properties = properties.set_dictionary_enabled(false).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("memory takes it");
        writer.into_inner().expect("memory takes it")
    }

    fn map(file: &[u8], tail: u64, block_len: u64) -> Option<BlockMap> {
        let start = footer_start(file.len() as u64, file)?;
        block_map(file.len() as u64, &file[start as usize..], tail, block_len)
    }

    fn is_whole(map: &BlockMap, size: u64) {
        let mut at = 0;
        for block in map.blocks(ByteRange::new(0, size)) {
            assert!(block.start == at && !block.is_empty(), "{block:?} after {at}");
            at = block.end;
        }
        assert_eq!(at, size);
    }

    #[test]
    fn of_a_small_object_no_block_is_of_a_column_alone() {
        let file = file(5, 5_000, 2_000);
        let map = map(&file, file.len() as u64 - 100, 16 << 10).expect("a map");
        let blocks: Vec<_> = map.blocks(ByteRange::new(0, file.len() as u64)).collect();
        assert!(blocks.len() > 10 && blocks.iter().all(|block| map.column(block.start) == ColumnId::NONE));
    }

    #[test]
    fn a_chunk_shares_no_block_with_another() {
        let file = file(5, 120_000, 48_000);
        let size = file.len() as u64;
        let map = map(&file, size - 100, 16 << 10).expect("a map");
        is_whole(&map, size);
        let start = footer_start(size, &file).expect("a footer") as usize;
        let metadata = ParquetMetaDataReader::decode_metadata(&file[start..file.len() - 8]).expect("metadata");
        let chunks = chunks(&metadata, start as u64).expect("chunks");
        assert_eq!(chunks.len(), 15);
        for (n, Part { range, column }) in chunks.into_iter().enumerate() {
            let read: u64 = map.blocks(range).map(|block| block.len()).sum();
            assert!(read <= range.len() + TAIL_BYTES as u64, "{read} bytes for {range:?}");
            assert!(map.blocks(range).all(|block| block.len() <= (16 << 10) + TAIL_BYTES as u64));
            assert_eq!(column, ColumnId::new(&format!("c{}", n % 5)));
            assert!(map.blocks(range).all(|block| map.column(block.start) == column), "{range:?}");
        }
        let footer: Vec<_> = map.blocks(ByteRange::new(start as u64, size)).collect();
        assert!(footer[0].start == start as u64 && footer.iter().all(|block| map.is_footer(*block)));
        assert!(footer.iter().all(|block| map.column(block.start) == ColumnId::NONE));
    }

    #[test]
    fn a_block_begins_where_the_first_read_of_the_footer_began() {
        let file = file(3, 5_000, 5_000);
        let size = file.len() as u64;
        let map = map(&file, size - 60_000, 1 << 20).expect("a map");
        is_whole(&map, size);
        let read_first: Vec<_> = map.blocks(ByteRange::new(size - 60_000, size)).collect();
        assert!(read_first[0].start == size - 60_000);
        assert!(read_first.iter().all(|block| map.column(block.start) == ColumnId::NONE));
    }

    #[test]
    fn small_chunks_share_a_page() {
        let file = file(300, 4, 4);
        let map = map(&file, file.len() as u64 - 8, 1 << 20).expect("a map");
        is_whole(&map, file.len() as u64);
        let blocks = map.blocks(ByteRange::new(0, file.len() as u64)).count() as u64;
        assert!(blocks <= 2 + 2 * file.len() as u64 / JOINED_BYTES_MAX, "{blocks} blocks of {} bytes", file.len());
    }

    #[test]
    fn a_broken_footer_gives_no_map_or_a_whole_one() {
        let whole = file(4, 1_000, 300);
        let size = whole.len() as u64;
        assert_eq!(footer_start(size, b"no parquet at all"), None);
        assert_eq!(footer_start(size, b"PAR1"), None);
        assert_eq!(footer_start(size, b"\xff\xff\xff\x7fPAR1"), None);
        assert_eq!(footer_start(size, b"\x10\x00\x00\x00PARE"), None);
        assert_eq!(block_map(size, b"", size, 1 << 20), None);
        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        let (mut maps, start) = (0, footer_start(size, &whole).expect("a footer") as usize);
        for _ in 0..20_000 {
            let mut broken = whole.clone();
            for _ in 0..dice.random_range(1..4) {
                let at = dice.random_range(start..broken.len() - 8);
                broken[at] = dice.random();
            }
            if let Some(map) = map(&broken, size - 8, 1 << 20) {
                is_whole(&map, size);
                maps += 1;
            }
        }
        assert!(maps > 0 && maps < 20_000, "{maps}");
    }
}
