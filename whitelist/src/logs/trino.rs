//! Trino's `QueryCompletedEvent`.
//!
//! A query names the partitions of a Hive table where it has a condition on their columns; else it names none.
//!
//! Newer versions add fields, and what is optional there may be missing or null: only what is needed is named here, and
//! nothing of the rest is refused. Events of queries that have not ended, which the same listener can send, are ignored.

use larder_model::{QueryEvent, TableRead};
use serde::Deserialize;

use super::adapter::{Adapter, Time, bytes_of, from_json, table_name};

pub(super) struct Trino;

impl Adapter for Trino {
    fn read(&mut self, entry: &[u8]) -> Result<Option<QueryEvent>, String> {
        completed(entry, "trino")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    metadata: Option<Metadata>,
    statistics: Option<Statistics>,
    context: Option<Context>,
    io_metadata: Option<IoMetadata>,
    create_time: Option<Time>,
    end_time: Option<Time>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    query_id: String,
    query: Option<String>,
    query_state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    physical_input_bytes: Option<f64>,
    /// What PrestoDB has instead.
    total_bytes: Option<f64>,
}

#[derive(Deserialize)]
struct Context {
    user: Option<String>,
}

#[derive(Deserialize)]
struct IoMetadata {
    inputs: Option<Vec<Input>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    catalog_name: String,
    schema: String,
    table: String,
    columns: Option<Vec<Column>>,
    /// PrestoDB's, with types.
    column_objects: Option<Vec<Column>>,
    connector_info: Option<ConnectorInfo>,
    physical_input_bytes: Option<f64>,
}

/// Versions differ: a name, or an object that holds one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Column {
    Name(String),
    Object {
        #[serde(alias = "column", alias = "columnName")]
        name: String,
    },
    Other(serde::de::IgnoredAny),
}

/// The names of columns.
pub(super) fn column_names(columns: Option<Vec<Column>>) -> Vec<String> {
    let name = |column| match column {
        Column::Name(name) | Column::Object { name } => Some(name),
        Column::Other(_) => None,
    };
    columns.unwrap_or_default().into_iter().filter_map(name).collect()
}

/// Each connector has its own; Hive's names partitions.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum ConnectorInfo {
    Hive {
        #[serde(rename = "partitionIds")]
        partition_ids: Vec<String>,
        /// Whether the list was cut.
        truncated: Option<bool>,
    },
    Other(serde::de::IgnoredAny),
}

/// What Presto calls the one partition of a table without partitions; Trino names none.
const UNPARTITIONED: &str = "<UNPARTITIONED>";

/// The partitions that a connector names. Where it cut the list, the read is of the table as a whole.
pub(super) fn partitions(info: Option<ConnectorInfo>) -> Vec<String> {
    match info {
        Some(ConnectorInfo::Hive { partition_ids, truncated }) if truncated != Some(true) => {
            partition_ids.into_iter().filter(|id| id != UNPARTITIONED).collect()
        }
        _ => Vec::new(),
    }
}

/// Some connectors report no bytes per table; where there is one table, read once or several times, the query's bytes are
/// its own.
pub(super) fn give_bytes_to_only_table(reads: &mut [TableRead], bytes: u64) {
    if let [first, others @ ..] = reads
        && first.bytes == 0
        && others.iter().all(|other| other.table == first.table && other.bytes == 0)
    {
        first.bytes = bytes;
    }
}

/// Reads one event; `None` for an event that tells of no finished query.
pub(super) fn completed(text: &[u8], engine: &str) -> Result<Option<QueryEvent>, String> {
    let event: Event = from_json(text)?;
    let Some(ended) = event.end_time else {
        // Created and split events carry a create time and no end; anything else is not an event at all.
        return if event.create_time.is_some() {
            Ok(None)
        } else {
            Err("it has neither createTime nor endTime".into())
        };
    };
    let metadata = event.metadata.ok_or("it has no metadata")?;
    let inputs = event.io_metadata.and_then(|io| io.inputs).unwrap_or_default();
    let mut reads = inputs.into_iter().enumerate().map(table_read).collect::<Result<Vec<_>, _>>()?;
    give_bytes_to_only_table(
        &mut reads,
        bytes_of(event.statistics.and_then(|all| all.physical_input_bytes.or(all.total_bytes))),
    );
    let ended = ended.read("endTime")?;
    Ok(Some(QueryEvent {
        query_id: metadata.query_id,
        engine: engine.into(),
        user: event.context.and_then(|context| context.user).unwrap_or_default(),
        created: event.create_time.map_or(Ok(ended), |time| time.read("createTime"))?,
        ended,
        succeeded: metadata.query_state.as_deref() == Some("FINISHED"),
        query: metadata.query,
        reads,
        unattributed_bytes: 0,
    }))
}

fn table_read((at, input): (usize, Input)) -> Result<TableRead, String> {
    let table = table_name(&input.catalog_name, &input.schema, &input.table)
        .map_err(|error| format!("ioMetadata.inputs[{at}]: {error}"))?;
    Ok(TableRead {
        table,
        partitions: partitions(input.connector_info),
        columns: column_names(input.columns.or(input.column_objects)),
        bytes: bytes_of(input.physical_input_bytes),
    })
}
