//! Trino's `QueryCompletedEvent`.
//!
//! Newer versions add fields, and what is optional there may be missing or null: only what is needed is named here, and
//! nothing of the rest is refused. Events of queries that have not ended, which the same listener can send, are ignored.

use chrono::{DateTime, Utc};
use larder_model::{QueryEvent, TableName, TableRead};
use serde::Deserialize;

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
    connector_info: Option<ConnectorInfo>,
    physical_input_bytes: Option<f64>,
}

/// Versions differ: a name, or an object that holds one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Column {
    Name(String),
    Object {
        #[serde(alias = "column", alias = "columnName")]
        name: String,
    },
    Other(serde::de::IgnoredAny),
}

/// Each connector has its own; Hive's names partitions.
#[derive(Deserialize)]
#[serde(untagged)]
enum ConnectorInfo {
    Hive {
        #[serde(rename = "partitionIds")]
        partition_ids: Vec<String>,
    },
    Other(serde::de::IgnoredAny),
}

/// Seconds since 1970, or ISO 8601.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(f64),
    Text(String),
}

/// What Hive calls the one partition of a table without partitions.
const UNPARTITIONED: &str = "<UNPARTITIONED>";

/// Reads one event; `None` for an event that tells of no finished query.
pub(super) fn parse(text: &[u8]) -> Result<Option<QueryEvent>, String> {
    let event: Event = super::from_json(text)?;
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
    if let [only] = reads.as_mut_slice()
        && only.bytes == 0
    {
        // Some connectors report no bytes per table; where there is one table, the query's bytes are its own.
        only.bytes = bytes_of(event.statistics.and_then(|statistics| statistics.physical_input_bytes));
    }
    let ended = time_of(&ended, "endTime")?;
    Ok(Some(QueryEvent {
        query_id: metadata.query_id,
        engine: "trino".into(),
        user: event.context.and_then(|context| context.user).unwrap_or_default(),
        created: event.create_time.map_or(Ok(ended), |time| time_of(&time, "createTime"))?,
        ended,
        succeeded: metadata.query_state.as_deref() == Some("FINISHED"),
        query: metadata.query,
        reads,
    }))
}

fn table_read((at, input): (usize, Input)) -> Result<TableRead, String> {
    let table = TableName::new(&input.catalog_name, &input.schema, &input.table)
        .map_err(|error| format!("ioMetadata.inputs[{at}]: {error}"))?;
    let partitions = match input.connector_info {
        Some(ConnectorInfo::Hive { partition_ids }) => partition_ids,
        Some(ConnectorInfo::Other(_)) | None => Vec::new(),
    };
    let column_name = |column| match column {
        Column::Name(name) | Column::Object { name } => Some(name),
        Column::Other(_) => None,
    };
    Ok(TableRead {
        table,
        partitions: partitions.into_iter().filter(|id| id != UNPARTITIONED).collect(),
        columns: input.columns.unwrap_or_default().into_iter().filter_map(column_name).collect(),
        bytes: bytes_of(input.physical_input_bytes),
    })
}

/// Counts come as JSON numbers of any form; what is negative or no number counts as none.
fn bytes_of(count: Option<f64>) -> u64 {
    count.unwrap_or(0.0) as u64
}

fn time_of(time: &Time, field: &str) -> Result<DateTime<Utc>, String> {
    match time {
        Time::Seconds(seconds) => DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
            .ok_or_else(|| format!("{field}: {seconds} is not a time in seconds since 1970")),
        Time::Text(text) => DateTime::parse_from_rfc3339(text)
            .map(|time| time.to_utc())
            .map_err(|error| format!("{field}: `{text}` is not a time: {error}")),
    }
}
