//! The control path's part of the admin API, to be nested under `/api/v1`.
//!
//! The whitelist itself is served from memory, so workers and the dashboard have it while the store is down.

mod answers;
mod bill;
mod days;
mod events;
mod items;
mod people;
mod queries;
mod usage;
mod what_if;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use larder_model::{Clock, ItemName, TableName, Whitelist};
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::answers::{ColumnAnswer, ItemAnswer, Problem, TableAnswer, ValueAnswer};
pub use self::what_if::Simulation;
use crate::explain::{Explanation, explain};
use crate::landing::TouchedItems;
use crate::logs::Spool;
use crate::night::NightRunner;
use crate::publish::{WhitelistDiff, diff};
use crate::store::{PreloadRun, Store, StoredNight, VersionRow, Worker};

/// What the routes need.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// Where everything is kept.
    pub store: Store,
    /// The whitelist in force, from [`follow`](crate::publish::follow).
    pub whitelist: watch::Receiver<Option<Arc<Whitelist>>>,
    /// Takes query events.
    pub spool: Spool,
    /// Takes object events.
    pub touched: TouchedItems,
    /// Tells which workers are recent.
    pub clock: Arc<dyn Clock>,
    /// Runs nights out of turn.
    pub nights: NightRunner,
    /// Replays the history.
    pub simulation: Simulation,
}

impl ApiState {
    fn in_force(&self) -> Option<Arc<Whitelist>> {
        self.whitelist.borrow().clone()
    }
}

/// Rows that a listing gives unless fewer are asked for.
const ROWS_MAX: u32 = 10_000;

/// Reports that a listing gives unless others are asked for, and at most: each is a page or more.
const REPORTS: u32 = 100;
const REPORTS_MAX: u32 = 1000;

/// The routes, to be nested under `/api/v1`.
pub fn router(state: ApiState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(whitelist))
        .routes(routes!(history))
        .routes(routes!(version_diff))
        .routes(routes!(explain_item))
        .routes(routes!(tables))
        .routes(routes!(partitions))
        .routes(routes!(columns))
        .routes(routes!(value))
        .routes(routes!(workers))
        .routes(routes!(nights))
        .routes(routes!(preload_runs))
        .merge(usage::router())
        .merge(items::router())
        .merge(days::router())
        .merge(bill::router())
        .merge(queries::router())
        .merge(what_if::router())
        .merge(people::router())
        .merge(events::router())
        .with_state(state)
}

/// How many rows are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// At most 10000 rows, which is the default, or 1000 reports, of which 100 are the default.
    limit: Option<u32>,
}

impl Limit {
    fn rows(&self) -> u32 {
        self.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX)
    }

    fn reports(&self) -> u32 {
        self.limit.unwrap_or(REPORTS).min(REPORTS_MAX)
    }
}

/// The whitelist in force. Its `ETag` is its version: ask with `If-None-Match` to be told 304 while nothing changed.
#[utoipa::path(get, path = "/whitelist", tag = "whitelist", responses(
    (status = 200, body = Whitelist), (status = 304), (status = 404, body = Problem),
))]
async fn whitelist(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, Problem> {
    let whitelist = state.in_force().ok_or_else(|| Problem::not_found("no whitelist is in force yet"))?;
    let etag = format!("\"{}\"", whitelist.version);
    let asked = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = asked.flat_map(|list| list.split(',')).any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let etag = [(header::ETAG, HeaderValue::from_str(&etag).expect("a number in quotes is a header value"))];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, etag).into_response());
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((etag, json, whitelist.to_json()).into_response())
}

/// The versions, the newest first, without their items.
#[utoipa::path(get, path = "/whitelist/history", tag = "whitelist", params(Limit), responses(
    (status = 200, body = Vec<VersionRow>), (status = 503, body = Problem),
))]
async fn history(
    State(state): State<ApiState>,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Vec<VersionRow>>, Problem> {
    Ok(Json(state.store.versions(limit?.rows()).await?))
}

/// Two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FromTo {
    /// The version to compare from; the one published before `to` when absent.
    from: Option<u64>,
    /// The version to compare to, proposals too; the one in force when absent.
    to: Option<u64>,
}

/// What differs between two versions.
#[utoipa::path(get, path = "/whitelist/diff", tag = "whitelist", params(FromTo), responses(
    (status = 200, body = WhitelistDiff), (status = 404, body = Problem), (status = 503, body = Problem),
))]
async fn version_diff(
    State(state): State<ApiState>,
    asked: Result<Query<FromTo>, QueryRejection>,
) -> Result<Json<WhitelistDiff>, Problem> {
    let Query(FromTo { from, to }) = asked?;
    let to = match to {
        Some(to) => to,
        None => state.store.version_in_force().await?.ok_or_else(|| Problem::not_found("there is no version yet"))?,
    };
    let find = async |version| {
        let found = state.store.whitelist(version).await?;
        found.ok_or_else(|| Problem::not_found(format!("there is no version {version}, or its items were let go")))
    };
    let from = match from {
        Some(from) => from,
        None => state.store.published_before(to).await?.unwrap_or(0),
    };
    // Zero is the empty whitelist before the first version.
    let from = if from == 0 { None } else { Some(find(from).await?) };
    Ok(Json(diff(from.as_ref(), &find(to).await?)))
}

/// An item or a table.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// `catalog.schema.table/key=value`, or `catalog.schema.table` for all its partitions.
    item: String,
}

/// Why an item, or each item of a table, is in or out.
#[utoipa::path(get, path = "/whitelist/explain", tag = "whitelist", params(Asked), responses(
    (status = 200, body = Explanation), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem),
))]
async fn explain_item(
    State(state): State<ApiState>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Explanation>, Problem> {
    let asked: ItemName = asked?.item.parse().map_err(Problem::bad_request)?;
    let explanation = explain(&state.store, state.in_force().as_deref(), &asked).await?;
    if explanation.items.is_empty() {
        return Err(Problem::not_found(format!("no log, bucket or decision names `{asked}`")));
    }
    Ok(Json(explanation))
}

/// The tables, the most valuable first: what was read of each, what it is worth, how much of it is whitelisted.
#[utoipa::path(get, path = "/tables", tag = "whitelist", params(Limit), responses(
    (status = 200, body = Vec<TableAnswer>), (status = 503, body = Problem),
))]
async fn tables(
    State(state): State<ApiState>,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Vec<TableAnswer>>, Problem> {
    let tables = state.store.tables(limit?.rows()).await?;
    Ok(Json(answers::tables(tables, state.in_force().as_deref())))
}

/// A table's partitions, the densest first.
#[utoipa::path(get, path = "/tables/{table}/partitions", tag = "whitelist",
    params(("table" = String, Path, description = "catalog.schema.table"), Limit), responses(
    (status = 200, body = Vec<ItemAnswer>), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem),
))]
async fn partitions(
    State(state): State<ApiState>,
    Path(table): Path<String>,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Vec<ItemAnswer>>, Problem> {
    let table: TableName = table.parse().map_err(Problem::bad_request)?;
    let rows = state.store.candidates_of(&table, limit?.rows()).await?;
    if rows.is_empty() {
        return Err(Problem::not_found(format!("no log, bucket or decision names `{table}`")));
    }
    Ok(Json(answers::items(rows, state.in_force().as_deref())))
}

/// A table's columns, the densest first: what each takes, what it is worth, whether it is held of whitelisted partitions.
/// Known of tables of Parquet whose columns any log names.
#[utoipa::path(get, path = "/tables/{table}/columns", tag = "whitelist",
    params(("table" = String, Path, description = "catalog.schema.table")), responses(
    (status = 200, body = Vec<ColumnAnswer>), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem),
))]
async fn columns(State(state): State<ApiState>, Path(table): Path<String>) -> Result<Json<Vec<ColumnAnswer>>, Problem> {
    let table: TableName = table.parse().map_err(Problem::bad_request)?;
    let today = state.clock.now().date_naive();
    let (mut tables, _) = state.store.column_shares(NaiveDate::MIN, today).await?;
    let unknown = || Problem::not_found(format!("which columns of `{table}` are read is not known"));
    let columns = tables.remove(&table).ok_or_else(unknown)?;
    Ok(Json(answers::columns(&table, columns, state.in_force().as_deref())))
}

/// The items, the densest first, and what they are worth together.
#[utoipa::path(get, path = "/value", tag = "whitelist", params(Limit), responses(
    (status = 200, body = ValueAnswer), (status = 503, body = Problem),
))]
async fn value(
    State(state): State<ApiState>,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<ValueAnswer>, Problem> {
    let rows = limit?.rows() as usize;
    let candidates = state.store.candidates().await?;
    Ok(Json(answers::value(candidates, rows, state.in_force().as_deref())))
}

/// The workers that were seen within a day.
#[utoipa::path(get, path = "/workers", tag = "whitelist", responses(
    (status = 200, body = Vec<Worker>), (status = 503, body = Problem),
))]
async fn workers(State(state): State<ApiState>) -> Result<Json<Vec<Worker>>, Problem> {
    Ok(Json(state.store.workers(state.clock.now() - chrono::TimeDelta::hours(24)).await?))
}

/// The reports of the newest nights, the newest first.
#[utoipa::path(get, path = "/nights", tag = "whitelist", params(Limit), responses(
    (status = 200, body = Vec<StoredNight>), (status = 503, body = Problem),
))]
async fn nights(
    State(state): State<ApiState>,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Vec<StoredNight>>, Problem> {
    Ok(Json(state.store.nights(limit?.reports()).await?))
}

/// Which preloads, and what of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PreloadsAsked {
    /// At most 1000, and 100 when absent.
    limit: Option<u32>,
    /// Whether items are told, of those preloads whose items are kept; true when absent. Their counts always are.
    items: Option<bool>,
}

/// The newest preloads that nights asked for, the newest first. Items are kept of the newest few of each worker.
#[utoipa::path(get, path = "/nights/preloads", tag = "whitelist", params(PreloadsAsked), responses(
    (status = 200, body = Vec<PreloadRun>), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn preload_runs(
    State(state): State<ApiState>,
    asked: Result<Query<PreloadsAsked>, QueryRejection>,
) -> Result<Json<Vec<PreloadRun>>, Problem> {
    let Query(PreloadsAsked { limit, items }) = asked?;
    let limit = Limit { limit }.reports();
    Ok(Json(state.store.preload_runs(limit, items != Some(false)).await?))
}

#[cfg(test)]
mod tests;
