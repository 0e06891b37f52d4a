//! Query events: one finished query each, as engines report them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::table::TableName;

/// One finished query. This is also the generic JSON Lines form: one such object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueryEvent {
    /// The engine's own id; two events with the same engine and id are one query.
    pub query_id: String,
    /// `trino`, `spark`, ...
    pub engine: String,
    /// Who ran it.
    #[serde(default)]
    pub user: String,
    /// When it was submitted.
    pub created: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// Whether it finished; failed queries read bytes too.
    #[serde(default = "yes")]
    pub succeeded: bool,
    /// The statement, where the engine tells.
    #[serde(default)]
    pub query: Option<String>,
    /// What it read.
    #[serde(default)]
    pub reads: Vec<TableRead>,
    /// Bytes it read of what belongs to no known table.
    #[serde(default)]
    pub unattributed_bytes: u64,
}

/// What one query read of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableRead {
    /// The table.
    pub table: TableName,
    /// The partitions, `k=v/k=v` each; empty when the engine does not say or the table has none.
    #[serde(default)]
    pub partitions: Vec<String>,
    /// The columns, by path.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Bytes read from storage over all partitions.
    #[serde(default)]
    pub bytes: u64,
}

fn yes() -> bool {
    true
}
