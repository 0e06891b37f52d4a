//! One table's days: what was read of each partition, at which age, and what was foreseen of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use chrono::{Datelike, Days, NaiveDate};
use larder_model::{TableName, Whitelist};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, Problem};
use crate::accesses::WHOLE_TABLE;
use crate::partition_time::PartitionTime;
use crate::store::{ItemReads, TableDay};

/// Partitions that are told day by day: the most read ones.
const PARTITIONS_MAX: usize = 400;
/// Days that are told at most, and unless fewer are asked for.
const DAYS_MAX: u32 = 400;
const DAYS_DEFAULT: u32 = 30;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(table_days))
}

/// How many days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Up to the newest that the logs were read of, and no more than they hold; 30 when absent.
    days: Option<u32>,
}

/// A table's days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct TableDays {
    /// The table.
    pub table: TableName,
    /// The days, in order.
    pub days: Vec<NaiveDate>,
    /// How many partitions were read on these days.
    pub partitions_total: u64,
    /// Those of them that were read most, at most 400, by name.
    pub partitions: Vec<PartitionDays>,
    /// What was read by the age of the partition on its day, the youngest first; empty where partitions have no dates.
    pub ages: Vec<AgeReads>,
    /// What the table's listed items were expected to save, and what they saved, on days with a list.
    pub forecast: Vec<ForecastDay>,
}

/// A partition's days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct PartitionDays {
    /// Its name; empty for a table without partitions, `*` for reads of which no partition is known.
    pub partition: String,
    /// What it holds at the origin.
    pub bytes: u64,
    /// Whether the whitelist in force holds it.
    pub whitelisted: bool,
    /// Requests on each of the days.
    pub requests: Vec<u64>,
    /// Bytes read on each of the days.
    pub read_bytes: Vec<u64>,
    /// Bytes of those that memory and SSD answered.
    pub hit_bytes: Vec<u64>,
}

/// Reads by age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct AgeReads {
    /// Days from the partition's date to the day it was read on; below zero for what is dated ahead.
    pub age_days: i32,
    /// Requests.
    pub requests: u64,
    /// Bytes read.
    pub read_bytes: u64,
}

/// What was foreseen of a day, and what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct ForecastDay {
    /// The day.
    pub day: NaiveDate,
    /// What its expected reads would save if memory and SSD answered them all, in seconds.
    pub predicted_seconds: f64,
    /// What the reads that came would have saved so, in seconds.
    pub read_seconds: f64,
    /// What the reads that memory and SSD did answer saved, in seconds.
    pub realised_seconds: f64,
}

/// One table's days: reads by partition, by age, and forecast beside what came.
#[utoipa::path(get, path = "/tables/{table}/days", tag = "whitelist",
    params(("table" = String, Path, description = "catalog.schema.table"), Wanted), responses(
    (status = 200, body = TableDays), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem),
))]
async fn table_days(
    State(state): State<ApiState>,
    Path(table): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<TableDays>, Problem> {
    let table: TableName = table.parse().map_err(Problem::bad_request)?;
    let count = wanted?.days.unwrap_or(DAYS_DEFAULT).clamp(1, DAYS_MAX);
    let last = state.store.last_day().await?.unwrap_or_else(|| state.clock.now().date_naive());
    let first = last - Days::new(u64::from(count) - 1);
    // Before the first log there is nothing to show.
    let first = state.store.days(first, last).await?.first().map_or(first, |known| known.day);
    let reads = state.store.table_reads(&table, first, last).await?;
    let sizes = state.store.sizes_of(&table).await?;
    if reads.is_empty() && sizes.is_empty() {
        return Err(Problem::not_found(format!("no log and no bucket names `{table}`")));
    }
    let sizes: HashMap<String, u64> = sizes.into_iter().map(|(item, bytes)| (item.partition, bytes)).collect();
    let forecast = state.store.realised_of_table(&table, first, last).await?;
    let days: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).collect();
    let (partitions_total, partitions) = partitions(&table, &days, &reads, &sizes, state.in_force().as_deref());
    let forecast = forecast.into_iter().map(ForecastDay::from).collect();
    Ok(Json(TableDays { table, days, partitions_total, partitions, ages: ages(&reads), forecast }))
}

fn partitions(
    table: &TableName,
    days: &[NaiveDate],
    reads: &[ItemReads],
    sizes: &HashMap<String, u64>,
    in_force: Option<&Whitelist>,
) -> (u64, Vec<PartitionDays>) {
    let listed = in_force.iter().flat_map(|list| &list.items).filter(|item| item.item.table == *table);
    let listed: HashSet<&str> = listed.map(|item| item.item.partition.as_str()).collect();
    let mut partitions: BTreeMap<&str, PartitionDays> = BTreeMap::new();
    for read in reads {
        let Ok(at) = days.binary_search(&read.day) else { continue };
        let partition = partitions.entry(&read.partition).or_insert_with(|| PartitionDays {
            partition: read.partition.clone(),
            bytes: sizes.get(&read.partition).copied().unwrap_or(0),
            whitelisted: listed.contains(read.partition.as_str()),
            requests: vec![0; days.len()],
            read_bytes: vec![0; days.len()],
            hit_bytes: vec![0; days.len()],
        });
        partition.requests[at] += read.reads.reads.requests;
        partition.read_bytes[at] += read.reads.reads.bytes;
        partition.hit_bytes[at] += read.reads.hits.bytes;
    }
    let total = partitions.len() as u64;
    let mut partitions: Vec<PartitionDays> = partitions.into_values().collect();
    partitions.sort_by_cached_key(|partition| std::cmp::Reverse(partition.requests.iter().sum::<u64>()));
    partitions.truncate(PARTITIONS_MAX);
    partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
    (total, partitions)
}

fn ages(reads: &[ItemReads]) -> Vec<AgeReads> {
    let mut ages: BTreeMap<i32, AgeReads> = BTreeMap::new();
    for read in reads.iter().filter(|read| read.partition != WHOLE_TABLE) {
        let Some(time) = PartitionTime::of(&read.partition) else { continue };
        let age_days = read.day.num_days_from_ce() - time.day();
        let age = ages.entry(age_days).or_insert(AgeReads { age_days, requests: 0, read_bytes: 0 });
        age.requests += read.reads.reads.requests;
        age.read_bytes += read.reads.reads.bytes;
    }
    ages.into_values().collect()
}

impl From<TableDay> for ForecastDay {
    fn from(day: TableDay) -> Self {
        let TableDay { day, predicted_seconds, read_seconds, realised_seconds } = day;
        Self { day, predicted_seconds, read_seconds, realised_seconds }
    }
}
