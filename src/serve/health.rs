//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, routing};
use larder_cached::Engine;
use larder_whitelist::Store;
use serde::Serialize;

/// A store that does not answer within this is down.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub(super) struct Health {
    pub(super) engine: Arc<Engine>,
    pub(super) store: Store,
}

pub(super) fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", routing::get(async || "ok\n"))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(metrics))
        .with_state(health)
}

/// What `/readyz` says.
#[derive(Debug, Serialize)]
struct Readiness {
    /// Whether reads of every bucket can be served. The store and the SSD are not needed for that.
    ready: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    part: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Check {
    fn new(part: String, problem: Option<String>) -> Self {
        Self { part, ok: problem.is_none(), problem }
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let (origins, store) =
        tokio::join!(health.engine.origins().check(), tokio::time::timeout(STORE_TIMEOUT, health.store.ping()));
    let mut checks: Vec<Check> = origins
        .into_iter()
        .map(|(bucket, result)| Check::new(format!("bucket {bucket}"), result.err().map(|error| error.detail())))
        .collect();
    let ready = checks.iter().all(|check| check.ok);
    let store = match store {
        Ok(result) => result.err().map(|error| error.to_string()),
        Err(_) => Some("no answer".to_owned()),
    };
    checks.push(Check::new("store".to_owned(), store));
    let ssd =
        (!health.engine.ssd_healthy()).then(|| "the last read from the SSD failed; reads go around it".to_owned());
    checks.push(Check::new("ssd".to_owned(), ssd));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], health.engine.metrics_text()).into_response()
}
