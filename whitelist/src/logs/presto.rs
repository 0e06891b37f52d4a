//! PrestoDB: `QueryInfo`, as `/v1/query/{id}` answers it; OpenLineage's `RunEvent`, as its event listener posts it; and
//! `QueryCompletedEvent`, as listeners of one's own write it. An entry's keys tell which it is.
//!
//! Only `QueryInfo` and `QueryCompletedEvent` name partitions, and none of the three gives bytes for each table.

use larder_model::{QueryEvent, TableRead};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::adapter::{Adapter, Time, from_json, table_name};
use super::trino::{self, Column, ConnectorInfo, column_names, give_bytes_to_only_table};

const ENGINE: &str = "presto";

pub(super) struct Presto;

impl Adapter for Presto {
    fn read(&mut self, entry: &[u8]) -> Result<Option<QueryEvent>, String> {
        match from_json(entry)? {
            Keys { run: Some(_), .. } => run_event(entry),
            Keys { query_stats: Some(_), .. } => query_info(entry),
            Keys { .. } => trino::completed(entry, ENGINE),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    run: Option<IgnoredAny>,
    query_stats: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryInfo {
    query_id: String,
    session: Option<Session>,
    state: String,
    query: Option<String>,
    query_stats: QueryStats,
    inputs: Option<Vec<Input>>,
}

#[derive(Deserialize)]
struct Session {
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryStats {
    create_time: Option<Time>,
    end_time: Option<Time>,
    raw_input_data_size: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    connector_id: String,
    schema: String,
    table: String,
    columns: Option<Vec<Column>>,
    connector_info: Option<ConnectorInfo>,
}

fn query_info(entry: &[u8]) -> Result<Option<QueryEvent>, String> {
    let info: QueryInfo = from_json(entry)?;
    if !matches!(info.state.as_str(), "FINISHED" | "FAILED") {
        return Ok(None);
    }
    let size = info.query_stats.raw_input_data_size.as_deref().map_or(Ok(0), data_size)?;
    let inputs = match info.inputs {
        Some(inputs) => inputs,
        // Of a query that failed before it was planned, `/v1/query/ID` says no more than the list does.
        None if info.state == "FAILED" && size == 0 => Vec::new(),
        None => return Err("it has no inputs: take /v1/query/ID of each query, not the list at /v1/query".into()),
    };
    let ended = info.query_stats.end_time.ok_or("queryStats.endTime is missing")?.read("queryStats.endTime")?;
    let mut reads = inputs
        .into_iter()
        .enumerate()
        .map(|(at, input)| {
            let table = table_name(&input.connector_id, &input.schema, &input.table);
            Ok(TableRead {
                table: table.map_err(|error| format!("inputs[{at}]: {error}"))?,
                partitions: trino::partitions(input.connector_info),
                columns: column_names(input.columns),
                bytes: 0,
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    give_bytes_to_only_table(&mut reads, size);
    Ok(Some(QueryEvent {
        query_id: info.query_id,
        engine: ENGINE.into(),
        user: info.session.and_then(|session| session.user).unwrap_or_default(),
        created: info.query_stats.create_time.map_or(Ok(ended), |time| time.read("queryStats.createTime"))?,
        ended,
        succeeded: info.state == "FINISHED",
        query: info.query,
        reads,
        unattributed_bytes: 0,
    }))
}

/// Bytes of a size such as `1.25MB`; the units are powers of 1024.
fn data_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match &text[digits..] {
        "B" | "" => 0,
        "kB" => 1,
        "MB" => 2,
        "GB" => 3,
        "TB" => 4,
        "PB" => 5,
        _ => return Err(format!("queryStats.rawInputDataSize: `{text}` is not a size")),
    };
    let number: f64 =
        text[..digits].parse().map_err(|_| format!("queryStats.rawInputDataSize: `{text}` is not a size"))?;
    Ok((number * 1024_f64.powi(unit)).round() as u64)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunEvent {
    event_type: Option<String>,
    event_time: Time,
    run: Run,
    job: Option<Job>,
    inputs: Option<Vec<Dataset>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: String,
    #[serde(default)]
    facets: RunFacets,
}

#[derive(Default, Deserialize)]
struct RunFacets {
    #[serde(rename = "nominalTime")]
    nominal_time: Option<NominalTime>,
    presto_metadata: Option<PrestoMetadata>,
    presto_query_context: Option<Session>,
    presto_query_statistics: Option<PrestoStatistics>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NominalTime {
    nominal_start_time: Option<Time>,
}

#[derive(Deserialize)]
struct PrestoMetadata {
    query_id: Option<String>,
}

/// The listener writes all statistics as text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrestoStatistics {
    total_bytes: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    #[serde(default)]
    facets: JobFacets,
}

#[derive(Default, Deserialize)]
struct JobFacets {
    sql: Option<Sql>,
}

#[derive(Deserialize)]
struct Sql {
    query: Option<String>,
}

#[derive(Deserialize)]
struct Dataset {
    name: String,
    #[serde(default)]
    facets: DatasetFacets,
}

#[derive(Default, Deserialize)]
struct DatasetFacets {
    schema: Option<SchemaFacet>,
}

#[derive(Deserialize)]
struct SchemaFacet {
    fields: Option<Vec<Column>>,
}

fn run_event(entry: &[u8]) -> Result<Option<QueryEvent>, String> {
    let event: RunEvent = from_json(entry)?;
    let succeeded = match event.event_type.as_deref() {
        Some("COMPLETE") => true,
        Some("FAIL") => false,
        _ => return Ok(None),
    };
    let ended = event.event_time.read("eventTime")?;
    let facets = event.run.facets;
    let mut reads = event
        .inputs
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(at, input)| {
            let table = input.name.parse().map_err(|error| format!("inputs[{at}].name: {error}"))?;
            let columns = column_names(input.facets.schema.and_then(|schema| schema.fields));
            Ok(TableRead { table, partitions: Vec::new(), columns, bytes: 0 })
        })
        .collect::<Result<Vec<_>, String>>()?;
    let bytes = facets.presto_query_statistics.and_then(|all| all.total_bytes).and_then(|bytes| bytes.parse().ok());
    give_bytes_to_only_table(&mut reads, bytes.unwrap_or(0));
    Ok(Some(QueryEvent {
        query_id: facets.presto_metadata.and_then(|metadata| metadata.query_id).unwrap_or(event.run.run_id),
        engine: ENGINE.into(),
        user: facets.presto_query_context.and_then(|context| context.user).unwrap_or_default(),
        created: facets
            .nominal_time
            .and_then(|nominal| nominal.nominal_start_time)
            .map_or(Ok(ended), |time| time.read("run.facets.nominalTime.nominalStartTime"))?,
        ended,
        succeeded,
        query: event.job.and_then(|job| job.facets.sql).and_then(|sql| sql.query),
        reads,
        unattributed_bytes: 0,
    }))
}
