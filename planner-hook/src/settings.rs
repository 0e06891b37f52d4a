//! `[hook]`: what an operator can say about routing at planning time. Plain data, checked once.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[hook]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookSettings {
    /// The URL of the S3 endpoint, as engines reach it; `s3.listen`'s own when absent.
    pub endpoint: Option<String>,
    /// The id of the key that Trino is told to sign with; without one, its mapping has only the default entry.
    pub key: Option<String>,
    /// What the URL that Trino polls the mapping from must say as `?token=`; without one, whoever reaches the admin API may
    /// have the mapping, and the key's secret with it.
    pub token: Option<String>,
    /// A file to keep the mapping in, for Trino to read.
    pub mapping_file: Option<PathBuf>,
    /// At most so many prefixes are in the mapping, the most valuable.
    pub mapping_entries_max: usize,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self { endpoint: None, key: None, token: None, mapping_file: None, mapping_entries_max: 10_000 }
    }
}
