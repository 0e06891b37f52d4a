//! Columns: which of a table's columns are worth their room. Pure.
//!
//! A wide table is read by a few of its columns, and the others would take most of the room that its partitions get. So of
//! a table's items only those columns are held that earn at least the price of space, the density at the choice's cut: where
//! everything fits, all that are ever read; where room is short, the densest. One set of columns holds for all of a table's
//! items, because queries that move with the day read the same columns of each.
//!
//! What a column earns is the share of the table's IO time that went to it, told by the byte ranges of reads and by footers
//! ([`crate::footers`]), or else by the queries that named it. Columns that queries read together may differ in that, above
//! all a small and a large one, and a cut between them would leave the queries half-cached. So they are a group
//! ([`groups`]), which is held or left as a whole, by what it earns together. Only query events tell which these are: where
//! there are none, each column stands for itself.

mod groups;

use std::collections::BTreeMap;

use larder_model::io_time::ASSUMED_ORIGIN;
use larder_model::{ByteRange, HeldColumns, TableName};
use parquet::file::metadata::ParquetMetaData;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::groups::Pairs;
use self::groups::{Group, groups_of, name_groups};

/// A group that is held already stays while it earns so much of the price: what swings around the price is not loaded again
/// and again.
const KEPT_FROM: f64 = 0.7;

/// Groups that are about as dense as their table are read as the table is, and are always held. Where whole objects are
/// read, all are, and differ by no more than the rounding of their shares.
const AS_DENSE_FROM: f64 = 0.9;

/// Where so much of a table's bytes is worth holding, all of it is held: the rest is not worth telling apart.
const ALL_FROM: f64 = 0.95;

/// Where the columns of one object are. Their names are in small letters, as engines have them whatever a file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// The column chunks of each column at the top of the schema.
    chunks: BTreeMap<String, Vec<ByteRange>>,
}

impl Layout {
    /// By an object's footer. What is wrong in it costs the chunks that it is wrong about.
    pub fn new(metadata: &ParquetMetaData) -> Self {
        let mut layout = Self::default();
        for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
            let dictionary = column.dictionary_page_offset().filter(|offset| *offset > 0);
            let first = dictionary.map_or(column.data_page_offset(), |offset| offset.min(column.data_page_offset()));
            let (Ok(start), Ok(length)) = (u64::try_from(first), u64::try_from(column.compressed_size())) else {
                continue;
            };
            let (Some(name), Some(end)) = (column.column_path().parts().first(), start.checked_add(length)) else {
                continue;
            };
            layout.chunks.entry(name.to_lowercase()).or_default().push(ByteRange::new(start, end));
        }
        layout
    }

    /// The bytes of each column.
    pub fn bytes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.chunks.iter().map(|(name, chunks)| (name.as_str(), chunks.iter().map(|chunk| chunk.len()).sum()))
    }

    /// The IO time of a request for `range`, by the columns that it read: each has the share that its bytes are of it.
    /// Engines read a little more than the footer when they look for it: a request that goes into it is of those chunks alone
    /// that it has whole.
    pub fn seconds(&self, range: ByteRange) -> Vec<(&str, f64)> {
        let data_end = self.chunks.values().flatten().map(|chunk| chunk.end).max().unwrap_or(0);
        let counts = |part: ByteRange, chunk: &ByteRange| range.end <= data_end || part == *chunk;
        let read = |chunks: &[ByteRange]| -> u64 {
            let parts = chunks.iter().filter_map(|chunk| Some((chunk.intersect(range)?, chunk)));
            parts.filter(|(part, chunk)| counts(*part, chunk)).map(|(part, _)| part.len()).sum()
        };
        let parts: Vec<(&str, u64)> = self
            .chunks
            .iter()
            .map(|(name, chunks)| (name.as_str(), read(chunks)))
            .filter(|(_, read)| *read > 0)
            .collect();
        let all: u64 = parts.iter().map(|(_, read)| read).sum();
        let seconds = ASSUMED_ORIGIN.seconds(1, range.len());
        parts.into_iter().map(|(name, read)| (name, seconds * read as f64 / all as f64)).collect()
    }
}

/// What is known of one column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnShare {
    /// Its name: one at the top of the schema.
    pub column: String,
    /// What it is of the table's bytes.
    pub byte_share: f64,
    /// What it is of the IO time that reads of the table took.
    pub value_share: f64,
    /// Its group: the name of the first of the columns that queries read together, and that are held or left together. None
    /// where it stands for itself.
    pub group: Option<String>,
}

impl ColumnShare {
    fn density(&self) -> f64 {
        density(self.byte_share, self.value_share)
    }
}

/// Value per byte of a part of a table, over the table's.
fn density(byte_share: f64, value_share: f64) -> f64 {
    if byte_share > 0.0 { value_share / byte_share } else { f64::INFINITY }
}

/// What was read of a table's columns: by the access log in seconds of IO time, and by the query events in queries.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ColumnReads {
    /// Seconds of IO time.
    pub seconds: f64,
    /// Queries that named it.
    pub queries: f64,
}

impl ColumnReads {
    /// Adds reads that count for so much.
    pub fn add(&mut self, other: Self, weight: f64) {
        self.seconds += weight * other.seconds;
        self.queries += weight * other.queries;
    }
}

/// The columns of a table, the densest first, by their bytes and by what was read of them, with their groups by the queries
/// that named two; nothing where bytes or reads are unknown. On what a column is worth the access log is believed before the
/// query events, which do not say how much of it was read.
pub fn shares(bytes: &BTreeMap<String, f64>, reads: &BTreeMap<String, ColumnReads>, pairs: &Pairs) -> Vec<ColumnShare> {
    let all_bytes: f64 = bytes.values().sum();
    let is_logged = bytes.keys().filter_map(|column| reads.get(column)).any(|reads| reads.seconds > 0.0);
    let value = |column: &str, bytes: f64| {
        let reads = reads.get(column).copied().unwrap_or_default();
        if is_logged { reads.seconds } else { reads.queries * bytes }
    };
    let all_value: f64 = bytes.iter().map(|(column, bytes)| value(column, *bytes)).sum();
    if !(all_bytes > 0.0 && all_value > 0.0 && (all_bytes + all_value).is_finite()) {
        return Vec::new();
    }
    let share = |(column, bytes): (&String, &f64)| ColumnShare {
        column: column.clone(),
        byte_share: bytes / all_bytes,
        value_share: value(column, *bytes) / all_value,
        group: None,
    };
    let mut shares: Vec<ColumnShare> = bytes.iter().map(share).collect();
    name_groups(&mut shares, reads, pairs);
    shares.sort_by(|a, b| b.density().total_cmp(&a.density()).then_with(|| a.column.cmp(&b.column)));
    shares
}

/// The columns of a table that are held where its items earn `density` seconds per byte as a whole and space costs `price`;
/// `None` for all of them. Groups are held or left as a whole. At least what is about as dense as the table is held: whether
/// that is worth its room is for the choice of items to say.
pub fn held(shares: &[ColumnShare], density: f64, price: f64, before: Option<&HeldColumns>) -> Option<HeldColumns> {
    let is_held = |group: &Group<'_>| {
        let stays = before.is_some_and(|before| group.is_in(before));
        let wanted = if stays { KEPT_FROM * price } else { price };
        group.value_share > 0.0 && (group.density() >= AS_DENSE_FROM || density * group.density() >= wanted)
    };
    let groups = groups_of(shares).into_iter().filter(is_held);
    let kept: Vec<&ColumnShare> = groups.flat_map(|group| group.columns).collect();
    let byte_share: f64 = kept.iter().map(|share| share.byte_share).sum();
    if kept.is_empty() || byte_share <= 0.0 || byte_share >= ALL_FROM {
        return None;
    }
    let mut columns: Vec<String> = kept.iter().map(|share| share.column.clone()).collect();
    columns.sort();
    // Sums of shares may pass 1 by their rounding.
    let value_share = kept.iter().map(|share| share.value_share).sum::<f64>().min(1.0);
    Some(HeldColumns { columns, byte_share, value_share })
}

/// Columns by table.
pub type TableColumns = BTreeMap<TableName, Vec<ColumnShare>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn share(column: &str, byte_share: f64, value_share: f64) -> ColumnShare {
        ColumnShare { column: column.into(), byte_share, value_share, group: None }
    }

    /// A small dense column and a large thin one, which queries read together, and two more.
    fn pair() -> Vec<ColumnShare> {
        let of_id = |share: ColumnShare| ColumnShare { group: Some("id".into()), ..share };
        let (id, text) = (of_id(share("id", 0.05, 0.25)), of_id(share("text", 0.45, 0.25)));
        vec![id, share("price", 0.1, 0.5), text, share("blob", 0.4, 0.0)]
    }

    /// Two hot columns, a cool one, one that nobody reads.
    fn table() -> Vec<ColumnShare> {
        vec![share("id", 0.1, 0.5), share("price", 0.1, 0.45), share("note", 0.3, 0.05), share("blob", 0.5, 0.0)]
    }

    fn names(held: Option<HeldColumns>) -> Vec<String> {
        held.map_or_else(Vec::new, |held| held.columns)
    }

    #[test]
    fn columns_are_held_that_earn_the_price_of_space() {
        // The table as a whole earns 1; the cool column a sixth of that.
        assert_eq!(names(held(&table(), 1.0, 1.0, None)), ["id", "price"]);
        assert_eq!(names(held(&table(), 1.0, 0.1, None)), ["id", "note", "price"]);
        let all_read = held(&table(), 1.0, 0.0, None).expect("a part of the table");
        assert_eq!(all_read.columns, ["id", "note", "price"], "what nobody reads is not held, however cheap space is");
        assert!((all_read.byte_share - 0.5).abs() < 1e-9 && all_read.value_share <= 1.0);
    }

    #[test]
    fn however_dear_space_is_a_tables_densest_columns_stand_for_choice() {
        assert_eq!(names(held(&table(), 1.0, 1000.0, None)), ["id", "price"]);
    }

    #[test]
    fn a_column_that_is_held_stays_a_little_below_the_price() {
        let before = held(&table(), 1.0, 0.1, None).expect("three columns");
        let price = (0.05 / 0.3) / 0.8;
        assert_eq!(names(held(&table(), 1.0, price, None)), ["id", "price"]);
        assert_eq!(names(held(&table(), 1.0, price, Some(&before))), ["id", "note", "price"]);
        assert_eq!(names(held(&table(), 1.0, 2.0 * price, Some(&before))), ["id", "price"]);
    }

    #[test]
    fn columns_that_are_read_together_are_held_or_left_together() {
        // Alone, the small one would earn 5 of the table's density, and the large one 0.56. Together they earn 1.
        let alone: Vec<ColumnShare> = pair().into_iter().map(|share| ColumnShare { group: None, ..share }).collect();
        assert_eq!(names(held(&alone, 1.0, 2.0, None)), ["id", "price"], "half of what the queries read");
        assert_eq!(names(held(&pair(), 1.0, 2.0, None)), ["id", "price", "text"], "as dense as the table");
        // Where they earn less, together 0.44 of the value by half of the bytes, they are thinner than the table.
        let mut thinner = pair();
        thinner[2].value_share = 0.19;
        thinner[1].value_share = 0.56;
        assert_eq!(names(held(&thinner, 1.0, 2.0, None)), ["price"], "both or none");
        assert_eq!(names(held(&thinner, 1.0, 0.5, None)), ["id", "price", "text"]);
    }

    #[test]
    fn a_group_stays_by_what_is_held_of_its_bytes() {
        let mut thinner = pair();
        thinner[2].value_share = 0.05;
        thinner[1].value_share = 0.7;
        // Together 0.3 over 0.5, which is 0.6: less than the price, and more than 0.7 of it.
        let before = |columns: &[&str]| HeldColumns {
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            byte_share: 0.5,
            value_share: 0.5,
        };
        assert_eq!(names(held(&thinner, 1.0, 0.8, None)), ["price"]);
        assert_eq!(names(held(&thinner, 1.0, 0.8, Some(&before(&["price", "text"])))), ["id", "price", "text"]);
        assert_eq!(names(held(&thinner, 1.0, 0.8, Some(&before(&["id", "price"])))), ["price"]);
        assert_eq!(names(held(&thinner, 1.0, 0.9, Some(&before(&["price", "text"])))), ["price"]);
    }

    #[test]
    fn a_table_that_is_read_as_a_whole_is_held_as_a_whole() {
        assert_eq!(held(&[share("a", 0.5, 0.5), share("b", 0.5, 0.5)], 1.0, 1.0, None), None);
        assert_eq!(held(&[share("a", 0.97, 0.9), share("b", 0.03, 0.1)], 1.0, 0.5, None), None);
        assert_eq!(held(&[], 1.0, 1.0, None), None);
    }

    #[test]
    fn the_access_log_is_believed_before_the_events_and_either_alone_is_enough() {
        let bytes: BTreeMap<String, f64> = [("a".to_owned(), 10.0), ("b".to_owned(), 30.0)].into();
        let reads = |a: (f64, f64), b: (f64, f64)| -> BTreeMap<String, ColumnReads> {
            let of = |(seconds, queries)| ColumnReads { seconds, queries };
            [("a".to_owned(), of(a)), ("b".to_owned(), of(b))].into()
        };
        let values = |reads| -> Vec<(String, f64)> {
            shares(&bytes, &reads, &Pairs::new()).into_iter().map(|share| (share.column, share.value_share)).collect()
        };
        assert_eq!(values(reads((3.0, 1.0), (1.0, 9.0))), [("a".to_owned(), 0.75), ("b".to_owned(), 0.25)]);
        // Two queries of ten bytes, two of thirty.
        assert_eq!(values(reads((0.0, 2.0), (0.0, 2.0))), [("a".to_owned(), 0.25), ("b".to_owned(), 0.75)]);
        assert_eq!(values(BTreeMap::new()), []);
        assert_eq!(shares(&BTreeMap::new(), &reads((1.0, 1.0), (1.0, 1.0)), &Pairs::new()), []);
        // The log says what a column is worth, the events with which it goes.
        let pairs: Pairs = [(("a".to_owned(), "b".to_owned()), 9.0)].into();
        let together = shares(&bytes, &reads((3.0, 9.0), (1.0, 10.0)), &pairs);
        assert!(together.iter().all(|share| share.group.as_deref() == Some("a")), "{together:?}");
        assert_eq!(together[0].value_share, 0.75);
    }

    #[test]
    fn a_requests_time_is_shared_by_the_columns_that_it_read() {
        let range = ByteRange::new;
        let chunks = [("a".to_owned(), vec![range(4, 104), range(404, 504)]), ("b".to_owned(), vec![range(104, 404)])];
        let layout = Layout { chunks: chunks.into() };
        assert_eq!(layout.bytes().collect::<Vec<_>>(), [("a", 200), ("b", 300)]);
        let whole = ASSUMED_ORIGIN.seconds(1, 100);
        assert_eq!(layout.seconds(range(4, 104)), [("a", whole)]);
        let both = layout.seconds(range(54, 154));
        assert_eq!(both.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "b"]);
        assert!((both[0].1 - whole / 2.0).abs() < 1e-12 && (both[1].1 - whole / 2.0).abs() < 1e-12);
        assert_eq!(layout.seconds(range(504, 600)), [], "the footer is of no column");
        assert_eq!(layout.seconds(range(450, 600)), [], "nor is what was read with it");
        assert_eq!(layout.seconds(range(0, 600)).len(), 2, "a read of the whole object is of all");
    }
}
