//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, routing};
use larder_cached::Engine;
use larder_model::admin::TierState;
use larder_planner_hook::iceberg::IcebergMetrics;
use larder_planner_hook::metastore::MetastoreMetrics;
use larder_whitelist::Store;
use serde::Serialize;
use tokio::sync::watch;

use super::gauges;

/// A store that does not answer within this is down.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub(super) struct Health {
    pub(super) engine: Arc<Engine>,
    /// Whether the S3 endpoint answers.
    pub(super) healthy: watch::Receiver<bool>,
    /// When the last night ended: milliseconds since 1970, zero for none.
    pub(super) night_finished: Arc<AtomicI64>,
    pub(super) store: Store,
    /// Of the metastore proxy, where there is one.
    pub(super) metastore: Option<Arc<MetastoreMetrics>>,
    /// Of the proxy of the Iceberg catalog, where there is one.
    pub(super) iceberg: Option<Arc<IcebergMetrics>>,
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
    let endpoint =
        (!*health.healthy.borrow()).then(|| "it does not answer; engines are sent to the storage".to_owned());
    checks.push(Check::new("s3 endpoint".to_owned(), endpoint));
    let ready = checks.iter().all(|check| check.ok);
    let store = match store {
        Ok(result) => result.err().map(|error| error.to_string()),
        Err(_) => Some("no answer".to_owned()),
    };
    checks.push(Check::new("store".to_owned(), store));
    let ssd = match health.engine.ssd_state() {
        TierState::InUse => None,
        TierState::Opening => Some("what it held is being taken up; the rest is read from the origin so long"),
        TierState::Full => Some("its disk is full; nothing is admitted to it"),
        TierState::Slow => Some("it is slower than the origin; reads go around it"),
        TierState::OutOfUse => Some("it fails; reads go around it"),
    };
    checks.push(Check::new("ssd".to_owned(), ssd.map(str::to_owned)));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let metastore = health.metastore.map(|metrics| metrics.text()).unwrap_or_default();
    let iceberg = health.iceberg.map(|metrics| metrics.text()).unwrap_or_default();
    let gauges = gauges::text(&health.engine, health.night_finished.load(Ordering::Relaxed), *health.healthy.borrow());
    // The data path's text has the line that ends all.
    ([(header::CONTENT_TYPE, kind)], gauges + &metastore + &iceberg + &health.engine.metrics_text()).into_response()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use larder_cached::{BucketSettings, CacheSettings, EngineParts, Origins, SsdSettings};
    use larder_model::{ByteSize, SystemClock};
    use larder_whitelist::StoreSettings;

    use super::*;

    async fn health(folder: &Path, origin: &str, options: &[(&str, &str)]) -> Health {
        let bucket = BucketSettings {
            options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..BucketSettings::new("warehouse", origin)
        };
        let engine = Engine::start(EngineParts {
            cache: CacheSettings {
                memory: ByteSize::mib(16),
                ssd: SsdSettings {
                    path: folder.join("cache"),
                    capacity: SsdSettings::CAPACITY_MIN,
                    ..SsdSettings::default()
                },
                ..CacheSettings::default()
            },
            origins: Origins::open(&[bucket]).expect("an origin"),
            clock: Arc::new(SystemClock),
            whitelist: watch::channel(None).1,
            access_log: Some(folder.join("logs/access")),
            worker: "test".to_owned(),
        });
        let url = format!("sqlite://{}", folder.join("larder.db").display());
        let store = Store::open(&StoreSettings { url, ..StoreSettings::default() }).await.expect("a store");
        let (engine, night_finished) = (engine.await.expect("an engine"), Arc::default());
        let healthy = watch::channel(true).1;
        Health { engine, healthy, night_finished, store, metastore: None, iceberg: None }
    }

    async fn ask(health: &Health) -> (StatusCode, serde_json::Value) {
        let answer = readyz(State(health.clone())).await;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    fn check<'a>(answer: &'a serde_json::Value, part: &str) -> &'a serde_json::Value {
        let checks = answer["checks"].as_array().expect("checks");
        checks.iter().find(|check| check["part"] == part).unwrap_or_else(|| panic!("no {part} in {answer}"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_is_down_is_said_and_reads_stay_ready() {
        let folder = tempfile::tempdir().expect("a folder");
        let health = health(folder.path(), &format!("file://{}", folder.path().display()), &[]).await;
        let (status, answer) = ask(&health).await;
        assert_eq!((status, answer["ready"].as_bool()), (StatusCode::OK, Some(true)), "{answer}");
        for part in ["bucket warehouse", "s3 endpoint", "store", "ssd"] {
            assert_eq!(check(&answer, part)["ok"], true, "{answer}");
        }
        health.store.close().await;
        let (status, answer) = ask(&health).await;
        assert_eq!((status, answer["ready"].as_bool()), (StatusCode::OK, Some(true)), "{answer}");
        assert_eq!(check(&answer, "store")["ok"], false, "{answer}");
        assert!(check(&answer, "store")["problem"].is_string(), "{answer}");
        health.engine.close(Duration::ZERO).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_origin_that_is_absent_is_named_and_waited_for_only_briefly() {
        let folder = tempfile::tempdir().expect("a folder");
        // Nobody listens on a port that was free a moment ago.
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let options = [
            ("endpoint", endpoint.as_str()),
            ("allow_http", "true"),
            ("access_key_id", "origin-id"),
            ("secret_access_key", "origin-secret"),
        ];
        let health = health(folder.path(), "s3://raw/hive", &options).await;
        let asked = tokio::time::timeout(Duration::from_secs(60), ask(&health));
        let (status, answer) = asked.await.expect("an answer in time");
        assert_eq!((status, answer["ready"].as_bool()), (StatusCode::SERVICE_UNAVAILABLE, Some(false)), "{answer}");
        assert_eq!(check(&answer, "bucket warehouse")["ok"], false, "{answer}");
        assert!(!answer.to_string().contains("origin-secret"), "{answer}");
        assert_eq!(check(&answer, "store")["ok"], true, "{answer}");
        health.engine.close(Duration::ZERO).await;
    }
}
