//! The log files of a day: which there are, whether they changed, and whether a file can be read at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use datafusion::arrow::datatypes::Schema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::AccessError;

/// One log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// The files of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayFiles {
    /// The day.
    pub day: NaiveDate,
    /// The access log's, by path.
    pub access: Vec<LogFile>,
    /// The query events', by path.
    pub events: Vec<LogFile>,
}

impl DayFiles {
    /// Changes whenever a file comes, goes or changes its size. Files are never changed in place by those who write
    /// them, so their contents need not be read.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (stream, files) in [("access", &self.access), ("queries", &self.events)] {
            hasher.update(stream.as_bytes());
            for file in files {
                hasher.update(file.path.file_name().unwrap_or_default().as_encoded_bytes());
                hasher.update(&[0]);
                hasher.update(&file.bytes.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The days from `first` to `last` that have files, in order.
    pub fn list(logs: &Path, first: NaiveDate, last: NaiveDate) -> Result<Vec<Self>, AccessError> {
        let mut days: BTreeMap<NaiveDate, Self> = BTreeMap::new();
        for (stream, is_access) in [("access", true), ("queries", false)] {
            for (day, folder) in day_folders(&logs.join(stream))? {
                if day < first || day > last {
                    continue;
                }
                let files = files_in(&folder)?;
                if files.is_empty() {
                    continue;
                }
                let entry = days.entry(day).or_insert_with(|| Self { day, access: vec![], events: vec![] });
                *(if is_access { &mut entry.access } else { &mut entry.events }) = files;
            }
        }
        Ok(days.into_values().collect())
    }
}

/// The folders named `day=YYYY-MM-DD`. A stream that has no folder yet has no days.
fn day_folders(stream: &Path) -> Result<Vec<(NaiveDate, PathBuf)>, AccessError> {
    let mut folders = Vec::new();
    for path in entries(stream)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(day) = name.strip_prefix("day=").and_then(|day| day.parse().ok()) {
            folders.push((day, path));
        }
    }
    Ok(folders)
}

fn files_in(folder: &Path) -> Result<Vec<LogFile>, AccessError> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What begins with a dot is still being written.
        if name.starts_with('.') || !name.ends_with(".parquet") {
            continue;
        }
        if let Ok(metadata) = path.metadata() {
            files.push(LogFile { bytes: metadata.len(), path });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, AccessError> {
    let failed = |source| AccessError::List { path: folder.display().to_string(), source };
    let folder = match std::fs::canonicalize(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        folder => folder.map_err(failed)?,
    };
    let list = std::fs::read_dir(&folder).map_err(failed)?;
    list.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(failed)
}

/// Opens a file and looks for the columns that are needed, so that what is plainly broken never reaches the SQL engine.
pub(super) fn check(file: &LogFile, needed: &Schema) -> Result<(), String> {
    let open = || -> Result<_, Box<dyn std::error::Error>> {
        Ok(ParquetRecordBatchReaderBuilder::try_new(File::open(&file.path)?)?.schema().clone())
    };
    // The footer's decoder has met hostile input before, but not all of it.
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open().map_err(|error| error.to_string())));
    let schema = opened.map_err(|_| "its footer cannot be decoded".to_owned())??;
    for field in needed.fields() {
        let found = schema.field_with_name(field.name()).map_err(|_| format!("it has no column `{}`", field.name()))?;
        if found.data_type() != field.data_type() {
            let (is, should) = (found.data_type(), field.data_type());
            return Err(format!("its column `{}` is {is}, not {should}", field.name()));
        }
    }
    Ok(())
}
