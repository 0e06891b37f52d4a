//! The table that is scanned: TPC-H's lineitem, in as many Parquet files as one likes.

use std::fs::File;
use std::path::Path;

use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tpchgen::generators::LineItemGenerator;
use tpchgen_arrow::{LineItemArrow, RecordBatchIterator};

/// Rows that are generated at a time.
const BATCH_ROWS: usize = 32 << 10;
/// Rows of a row group: DuckDB's own default, so that a file has several.
const GROUP_ROWS: usize = 122_880;

/// Writes lineitem of this scale into a folder, and returns the files' names and their bytes together.
pub(crate) fn write(folder: &Path, scale: f64, files: usize) -> anyhow::Result<(Vec<String>, u64)> {
    let (mut names, mut bytes) = (Vec::new(), 0);
    for number in 0..files {
        let part = i32::try_from(number)? + 1;
        let rows = LineItemArrow::new(LineItemGenerator::new(scale, part, i32::try_from(files)?));
        let rows = rows.with_batch_size(BATCH_ROWS);
        let name = format!("lineitem-{number}.parquet");
        let path = folder.join(&name);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let mut writer = ArrowWriter::try_new(File::create(&path)?, rows.schema().clone(), Some(properties))?;
        for batch in rows {
            writer.write(&batch)?;
        }
        writer.close()?;
        bytes += path.metadata()?.len();
        names.push(name);
    }
    Ok((names, bytes))
}
