//! Parquet objects, and reads of some of their columns as engines do them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;

use super::{Worker, content};

/// Columns `c0`, `c1`, ... of noise, in two row groups.
pub(crate) fn file_of(columns: u64, rows: usize) -> Vec<u8> {
    let column = |seed: u64| {
        let noise = content(8 * rows, seed);
        let values = noise.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()));
        Arc::new(values.collect::<Int64Array>()) as ArrayRef
    };
    let batch = RecordBatch::try_from_iter((0..columns).map(|i| (format!("c{i}"), column(i + 1)))).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows / 2));
    let properties = properties.set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Reads the footer as engines do (its length, then itself) and then the chunks of some columns; returns their bytes.
pub(crate) async fn project(worker: &Worker, key: &str, file: &[u8], columns: &[usize]) -> u64 {
    let (key, size) = (Path::from(key), file.len() as u64);
    let tail = worker.s3.get_range(&key, size - 8..size).await.unwrap();
    assert!(tail == file[file.len() - 8..]);
    let length = u64::from(u32::from_le_bytes(tail[..4].try_into().unwrap()));
    let footer = worker.s3.get_range(&key, size - 8 - length..size - 8).await.unwrap();
    let metadata: ParquetMetaData = ParquetMetaDataReader::decode_metadata(&footer).unwrap();
    let mut asked = 0;
    for group in metadata.row_groups() {
        for column in columns {
            let (start, length) = group.column(*column).byte_range();
            let bytes = worker.s3.get_range(&key, start..start + length).await.unwrap();
            assert!(bytes == file[start as usize..(start + length) as usize], "column {column}");
            asked += length;
        }
    }
    asked
}
