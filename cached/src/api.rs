//! The data path's part of the admin API: residency, preload, drop, live figures.

mod preload_events;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use larder_model::admin::{
    DropReport, DropRequest, PreloadAnswer, PreloadRequest, ResidencyReport, ResizeRequest, StatReport, TierUse,
};
use larder_model::{ByteSize, TableName};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::engine::Engine;

/// More items than this are not preloaded in one run.
const PRELOAD_ITEMS_MAX: usize = 1_000_000;

/// An answer that says what is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    /// In words.
    error: String,
}

impl Problem {
    fn bad_request(error: impl Into<String>) -> Response {
        (StatusCode::BAD_REQUEST, Json(Self { error: error.into() })).into_response()
    }
}

/// A preload that was started.
#[derive(Debug, Serialize, ToSchema)]
struct Started {
    /// The run's number, as `GET /preload` shows it.
    run: u64,
}

/// The routes, to be nested under `/api/v1`. Answers that have no end of their own end with `stop`.
pub fn router(engine: Arc<Engine>, stop: CancellationToken) -> OpenApiRouter {
    let events = preload_events::router(Arc::clone(&engine), stop);
    OpenApiRouter::new()
        .routes(routes!(stat))
        .routes(routes!(residency))
        .routes(routes!(preload_status, preload))
        .routes(routes!(drop_locations))
        .routes(routes!(resize))
        .with_state(engine)
        .merge(events)
}

/// Live counters since the daemon started.
#[utoipa::path(get, path = "/stat", tag = "cached", responses((status = 200, body = StatReport)))]
async fn stat(State(engine): State<Arc<Engine>>) -> Json<StatReport> {
    Json(engine.stat())
}

/// Whose residency.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ResidencyAsked {
    /// Only of items of this table.
    #[param(value_type = Option<String>)]
    table: Option<TableName>,
    /// Whether each item is told; true when absent. Their sum always is.
    items: Option<bool>,
}

/// What the tiers hold of each item of the whitelist in force.
#[utoipa::path(get, path = "/residency", tag = "cached", params(ResidencyAsked), responses(
    (status = 200, body = ResidencyReport),
    (status = 400, body = Problem),
))]
async fn residency(
    State(engine): State<Arc<Engine>>,
    asked: Result<Query<ResidencyAsked>, QueryRejection>,
) -> Response {
    let Query(ResidencyAsked { table, items }) = match asked {
        Ok(asked) => asked,
        Err(error) => return Problem::bad_request(error.body_text()),
    };
    let mut report = engine.residency_of(table.as_ref()).await;
    if items == Some(false) {
        report.items.clear();
    }
    Json(report).into_response()
}

/// What of a preload.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PreloadAsked {
    /// Whether each item is told; true when absent. Their counts always are.
    items: Option<bool>,
}

/// The preload under way, or the last one.
#[utoipa::path(get, path = "/preload", tag = "cached", params(PreloadAsked), responses(
    (status = 200, body = PreloadAnswer),
    (status = 400, body = Problem),
))]
async fn preload_status(
    State(engine): State<Arc<Engine>>,
    asked: Result<Query<PreloadAsked>, QueryRejection>,
) -> Response {
    match asked {
        Ok(Query(asked)) => Json(engine.preload_status(asked.items != Some(false))).into_response(),
        Err(error) => Problem::bad_request(error.body_text()),
    }
}

/// Fills tiers with items, in the order given. A preload that is under way is replaced.
#[utoipa::path(post, path = "/preload", tag = "cached", request_body = PreloadRequest, responses(
    (status = 202, body = Started),
    (status = 400, body = Problem),
))]
async fn preload(State(engine): State<Arc<Engine>>, request: Result<Json<PreloadRequest>, JsonRejection>) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(error) => return Problem::bad_request(error.body_text()),
    };
    if request.items.len() > PRELOAD_ITEMS_MAX {
        return Problem::bad_request(format!("more than {PRELOAD_ITEMS_MAX} items"));
    }
    let run = engine.preload(request);
    (StatusCode::ACCEPTED, Json(Started { run })).into_response()
}

/// Removes what the tiers hold under some locations.
#[utoipa::path(post, path = "/drop", tag = "cached", request_body = DropRequest, responses(
    (status = 200, body = DropReport),
    (status = 400, body = Problem),
))]
async fn drop_locations(
    State(engine): State<Arc<Engine>>,
    request: Result<Json<DropRequest>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(error) => return Problem::bad_request(error.body_text()),
    };
    if let Some(location) = request.locations.iter().find(|location| engine.origins.get(&location.bucket).is_none()) {
        return Problem::bad_request(format!("bucket `{}` is not served", location.bucket));
    }
    Json(engine.drop_locations(&request).await).into_response()
}

/// Changes the SSD tier's capacity while it serves. What no longer fits goes first from the adaptive share, then from the
/// least valuable items. A restart goes by the configuration again.
#[utoipa::path(put, path = "/ssd", tag = "cached", request_body = ResizeRequest, responses(
    (status = 200, body = TierUse),
    (status = 400, body = Problem),
))]
async fn resize(State(engine): State<Arc<Engine>>, request: Result<Json<ResizeRequest>, JsonRejection>) -> Response {
    match request {
        Err(error) => Problem::bad_request(error.body_text()),
        Ok(Json(request)) => match engine.resize_ssd(ByteSize(request.capacity_bytes)).await {
            Ok(tier) => Json(tier).into_response(),
            Err(error) => Problem::bad_request(error.to_string()),
        },
    }
}
