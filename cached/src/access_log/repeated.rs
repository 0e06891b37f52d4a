//! Columns of values that repeat, written to Parquet as what they are: a dictionary, and runs of its entries.
//!
//! Parquet's own writers look every value up in a hash table, a dozen columns of an access each time. Here a value that is
//! the last one again costs a comparison, and one that many columns follow from (an object gives five) is looked up
//! once for all of them. What does not repeat costs what it does with those writers.

use std::collections::HashMap;
use std::hash::Hash;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

/// The different values of a column in the order in which they came first, and the column as runs of them.
#[derive(Debug)]
pub(super) struct Repeated<T> {
    values: Vec<T>,
    places: HashMap<T, u32>,
    runs: Vec<Run>,
}

/// The same entry of a dictionary, so many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) entry: u32,
    pub(super) times: u32,
}

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self { values: Vec::new(), places: HashMap::new(), runs: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> Repeated<T> {
    /// Adds a value; returns its place in the dictionary, and whether it is new there.
    pub(super) fn push(&mut self, value: T) -> (u32, bool) {
        if let Some(last) = self.runs.last_mut()
            && self.values[last.entry as usize] == value
        {
            last.times += 1;
            return (last.entry, false);
        }
        let next = self.values.len() as u32;
        let entry = *self.places.entry(value).or_insert(next);
        if entry == next {
            self.values.push(value);
        }
        self.runs.push(Run { entry, times: 1 });
        (entry, entry == next)
    }

    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }
}

/// A column that follows from another: for each entry of that one's dictionary a text, or nothing.
pub(super) struct Texts<'a> {
    dictionary: Vec<&'a str>,
    /// The place in `dictionary` of each entry of the other.
    entries: Vec<Option<u32>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(texts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut places = HashMap::new();
        let mut dictionary = Vec::new();
        let mut place = |text| {
            *places.entry(text).or_insert_with(|| {
                dictionary.push(text);
                dictionary.len() as u32 - 1
            })
        };
        let entries = texts.into_iter().map(|text| text.map(&mut place)).collect();
        Self { dictionary, entries }
    }

    /// The column chunk for the runs of the other.
    pub(super) fn encode(
        &self,
        encoder: &mut Encoder,
        column: ColumnDescPtr,
        runs: &[Run],
    ) -> Result<Chunk, ParquetError> {
        let mut plain = Vec::new();
        for text in &self.dictionary {
            plain.extend((text.len() as u32).to_le_bytes());
            plain.extend(text.as_bytes());
        }
        let runs = runs.iter().map(|run| (self.entries[run.entry as usize], run.times));
        encoder.chunk(column, &plain, self.dictionary.len() as u32, runs)
    }
}

impl Repeated<u64> {
    /// The column chunk of these numbers.
    pub(super) fn encode(&self, encoder: &mut Encoder, column: ColumnDescPtr) -> Result<Chunk, ParquetError> {
        let plain: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let runs = self.runs.iter().map(|run| (Some(run.entry), run.times));
        encoder.chunk(column, &plain, self.values.len() as u32, runs)
    }
}

/// A column chunk's bytes, and what a file says of them.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// Makes column chunks of two pages: the dictionary, and all values.
pub(super) struct Encoder {
    compressor: Compressor<'static>,
}

impl Encoder {
    pub(super) fn new() -> Result<Self, ParquetError> {
        Ok(Self { compressor: Compressor::new(1)? })
    }

    /// `plain` is the dictionary in Parquet's plain encoding. An entry `None` is a null, which only a column of optional
    /// values may have.
    fn chunk(
        &mut self,
        column: ColumnDescPtr,
        plain: &[u8],
        distinct: u32,
        runs: impl Iterator<Item = (Option<u32>, u32)> + Clone,
    ) -> Result<Chunk, ParquetError> {
        let rows: u32 = runs.clone().map(|(_, times)| times).sum();
        let mut values = Vec::new();
        if column.max_def_level() > 0 {
            let mut levels = Vec::new();
            hybrid(&mut levels, 1, runs.clone().map(|(entry, times)| (entry.is_some().into(), times)));
            values.extend((levels.len() as u32).to_le_bytes());
            values.append(&mut levels);
        }
        // An index of no bits would do for one entry, but not every reader has met it.
        let width = (u32::BITS - distinct.saturating_sub(1).leading_zeros()).max(1) as u8;
        values.push(width);
        hybrid(&mut values, width, runs.filter_map(|(entry, times)| Some((entry?, times))));

        let mut file = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut file);
        let (plain_len, values_len) = (plain.len(), values.len());
        let dictionary = Page::DictionaryPage {
            buf: self.compressor.compress(plain)?.into(),
            num_values: distinct,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let dictionary = pages.write_page(CompressedPage::new(dictionary, plain_len))?;
        let data = Page::DataPage {
            buf: self.compressor.compress(&values)?.into(),
            num_values: rows,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let data = pages.write_page(CompressedPage::new(data, values_len))?;
        pages.close()?;
        let metadata = ColumnChunkMetaData::builder(column)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_compression(Compression::ZSTD(Default::default()))
            .set_num_values(rows.into())
            .set_total_compressed_size((dictionary.compressed_size + data.compressed_size) as i64)
            .set_total_uncompressed_size((dictionary.uncompressed_size + data.uncompressed_size) as i64)
            .set_dictionary_page_offset(Some(dictionary.offset as i64))
            .set_data_page_offset(data.offset as i64)
            .build()?;
        let bytes = Bytes::from(file.into_inner()?);
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows.into(),
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(Chunk { bytes, close })
    }
}

/// Values are packed in groups of so many, and runs that are shorter are packed too.
const GROUP: u32 = 8;

/// Appends runs of numbers of `width` bits in Parquet's hybrid of run-length encoding and bit packing.
/// <https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>
fn hybrid(out: &mut Vec<u8>, width: u8, runs: impl Iterator<Item = (u32, u32)>) {
    let mut single: Vec<u32> = Vec::new();
    let mut runs = runs.peekable();
    while let Some((value, mut times)) = runs.next() {
        while runs.next_if(|next| next.0 == value).is_some_and(|next| {
            times += next.1;
            true
        }) {}
        // Packed values end with a whole group, so that a run can follow.
        let missing = single.len().next_multiple_of(GROUP as usize) - single.len();
        let filling = times.min(missing as u32);
        single.extend(std::iter::repeat_n(value, filling as usize));
        times -= filling;
        if times >= GROUP {
            pack(out, width, &mut single);
            varint(out, times << 1);
            out.extend(&value.to_le_bytes()[..width.div_ceil(8).into()]);
        } else {
            single.extend(std::iter::repeat_n(value, times as usize));
        }
    }
    pack(out, width, &mut single);
}

/// Appends the values, filled up with zeros to whole groups, and forgets them.
fn pack(out: &mut Vec<u8>, width: u8, values: &mut Vec<u32>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP as usize);
    values.resize(groups * GROUP as usize, 0);
    varint(out, (groups as u32) << 1 | 1);
    let (mut bits, mut held) = (0_u64, 0);
    for value in values.drain(..) {
        bits |= u64::from(value) << held;
        held += u32::from(width);
        while held >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
}

fn varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, RecordBatch};
    use arrow::datatypes::UInt64Type;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Writes a column of numbers and one of the texts that follow from them, and reads both with Parquet's own reader.
    fn there_and_back(numbers: &[u64], text: fn(u64) -> Option<String>) -> Vec<(u64, Option<String>)> {
        let schema = "message m { required int64 n (INTEGER(64, false)); optional binary t (STRING); }";
        let schema = Arc::new(parse_message_type(schema).expect("a schema"));
        let mut column = Repeated::default();
        for number in numbers {
            column.push(*number);
        }
        let texts: Vec<Option<String>> = column.values().iter().map(|number| text(*number)).collect();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).expect("a writer");
        let descriptions = writer.schema_descr().columns().to_vec();
        let mut rows = writer.next_row_group().expect("a row group");
        let mut encoder = Encoder::new().expect("an encoder");
        let chunk = column.encode(&mut encoder, Arc::clone(&descriptions[0])).expect("a chunk");
        rows.append_column(&chunk.bytes, chunk.close).expect("memory takes it");
        let texts = Texts::new(texts.iter().map(Option::as_deref));
        let chunk = texts.encode(&mut encoder, Arc::clone(&descriptions[1]), column.runs()).expect("a chunk");
        rows.append_column(&chunk.bytes, chunk.close).expect("memory takes it");
        rows.close().expect("whole rows");
        let file = Bytes::from(writer.into_inner().expect("a file"));
        let batches = ParquetRecordBatchReaderBuilder::try_new(file).expect("a file").build().expect("a reader");
        let rows = |batch: RecordBatch| {
            let (numbers, texts) = (batch.column(0).as_primitive::<UInt64Type>(), batch.column(1).as_string::<i32>());
            let pairs = numbers.values().iter().copied().zip(texts.iter().map(|text| text.map(str::to_owned)));
            pairs.collect::<Vec<_>>()
        };
        batches.flat_map(|batch| rows(batch.expect("a batch"))).collect()
    }

    #[test]
    fn what_parquet_reads_is_what_was_pushed() {
        let text = |number: u64| (number % 5 != 3).then(|| "x".repeat(number as usize % 7));
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        for distinct in [1, 2, 3, 4, 5, 200, 256, 257, 70_000] {
            for longest in [1, 7, 8, 9, 30] {
                let mut numbers = Vec::new();
                while numbers.len() < 3000 {
                    let number = dice.random_range(0..distinct);
                    let times = dice.random_range(1..=longest);
                    numbers.extend(std::iter::repeat_n(number, times));
                }
                let expected: Vec<_> = numbers.iter().map(|number| (*number, text(*number))).collect();
                assert_eq!(there_and_back(&numbers, text), expected, "{distinct} values, runs up to {longest}");
            }
        }
    }

    #[test]
    fn a_column_may_be_nothing_but_nulls_or_one_value() {
        assert_eq!(there_and_back(&[7; 1000], |_| None), vec![(7, None); 1000]);
        assert_eq!(there_and_back(&[u64::MAX], |_| Some("é".to_owned())), [(u64::MAX, Some("é".to_owned()))]);
    }

    #[test]
    fn a_value_that_repeats_takes_no_room_of_its_own() {
        let mut column = Repeated::default();
        assert_eq!(column.push(5), (0, true));
        assert_eq!(column.push(5), (0, false));
        assert_eq!(column.push(6), (1, true));
        assert_eq!(column.push(5), (0, false));
        assert_eq!(column.values(), [5, 6]);
        let run = |entry, times| Run { entry, times };
        assert_eq!(column.runs(), [run(0, 2), run(1, 1), run(0, 1)]);
    }
}
