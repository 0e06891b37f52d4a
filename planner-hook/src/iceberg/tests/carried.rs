//! The proxy between a client and a catalog, both made here, over real connections.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::stream;
use larder_model::Whitelist;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::{IcebergMetrics, IcebergProxy, IcebergSettings};
use super::answer;
use crate::access::S3Access;
use crate::api::ResolveState;
use crate::resolve::tests::{buckets, whitelist};

struct Proxied {
    url: String,
    whitelist: watch::Sender<Option<Arc<Whitelist>>>,
    metrics: Arc<IcebergMetrics>,
    stop: CancellationToken,
    client: reqwest::Client,
}

impl Proxied {
    async fn before(upstream: String, more: IcebergSettings) -> Self {
        let (whitelist, watched) = watch::channel(Some(Arc::new(whitelist())));
        let (_, healthy) = watch::channel(true);
        let resolve = ResolveState::new(watched, buckets(), "http://larder:9000".into(), false, healthy);
        let access = S3Access { endpoint: "http://larder:9000".into(), key: "K".into(), secret: "S".into() };
        let stop = CancellationToken::new();
        let settings = IcebergSettings { upstream, ..more };
        let buckets = ["warehouse".to_owned()];
        let proxy = IcebergProxy::new(&settings, resolve, access, buckets, [], stop.clone()).expect("a proxy");
        let metrics = proxy.metrics();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(proxy.serve(listener, Duration::from_secs(5)));
        Self { url, whitelist, metrics, stop, client: reqwest::Client::new() }
    }

    /// A proxy before a catalog that answers so.
    async fn catalog(routes: Router) -> Self {
        Self::before(serve(routes).await, IcebergSettings::default()).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Bytes) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        (answer.status(), answer.bytes().await.expect("a body"))
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.get(path).await;
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    fn counts(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|counted| counted == line)
    }
}

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/catalog/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

const TABLE: &str = "/v1/p/namespaces/db/tables/t";

/// A catalog that says what it was asked, and that answers tables with `answer`.
fn telling() -> Router {
    Router::new().fallback(async |request: Request| {
        let (parts, body) = request.into_parts();
        if parts.uri.path() == format!("/catalog{TABLE}") {
            assert!(!parts.headers.contains_key("if-none-match") && !parts.headers.contains_key("accept-encoding"));
            return ([("etag", "\"1\""), ("x-more", "m")], axum::Json(answer(json!({})))).into_response();
        }
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let told = json!({
            "asked": format!("{} {}", parts.method, parts.uri),
            "authorization": text(&parts.headers, "authorization"),
            "connection": text(&parts.headers, "connection"),
            "hop": text(&parts.headers, "x-hop"),
            "body": String::from_utf8_lossy(&body),
        });
        (StatusCode::CREATED, [("x-more", "m"), ("etag", "\"1\"")], axum::Json(told)).into_response()
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| value.to_str().expect("text").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_pass_with_their_bodies_and_headers() {
    let proxied = Proxied::catalog(telling()).await;
    let path = "/v1/main%7Cwh/namespaces/a%1Fb/views?pageToken=%2F&pageSize=2";
    let request = proxied.client.post(format!("{}{path}", proxied.url)).body("{\"x\": 1}");
    let request = request.header("authorization", "Bearer b").header("connection", "x-hop").header("x-hop", "1");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(text(answer.headers(), "x-more").as_deref(), Some("m"));
    assert_eq!(text(answer.headers(), "etag").as_deref(), Some("\"1\""));
    let told: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(told["asked"], format!("POST /catalog{path}"));
    assert_eq!((&told["authorization"], &told["body"]), (&json!("Bearer b"), &json!("{\"x\": 1}")));
    assert_eq!((&told["connection"], &told["hop"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_whitelist_is_obeyed_at_once() {
    let proxied = Proxied::catalog(telling()).await;
    let request = proxied.client.get(format!("{}{TABLE}", proxied.url));
    let request = request.header("if-none-match", "\"1\"").header("accept-encoding", "gzip");
    let answered = request.send().await.expect("an answer");
    assert_eq!(text(answered.headers(), "x-more").as_deref(), Some("m"));
    assert_eq!(text(answered.headers(), "etag"), None, "it is not the catalog's any more");
    let table: Value = serde_json::from_slice(&answered.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(table["config"]["s3.endpoint"], "http://larder:9000");
    assert!(proxied.counts("larder_iceberg_tables_total{verdict=\"cached\"} 1"), "{}", proxied.metrics.text());

    proxied.whitelist.send_replace(Some(Arc::new(Whitelist { items: Vec::new(), ..whitelist() })));
    assert_eq!(proxied.json(TABLE).await, (StatusCode::OK, answer(json!({}))));
    proxied.whitelist.send_replace(None);
    assert_eq!(proxied.json(TABLE).await, (StatusCode::OK, answer(json!({}))));
    assert!(proxied.counts("larder_iceberg_tables_total{verdict=\"unlisted\"} 2"), "{}", proxied.metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_catalog_pass_as_they_are() {
    let problem = json!({"error": {"message": "no", "type": "NoSuchTableException", "code": 404}});
    let (status, body) = (StatusCode::NOT_FOUND, problem.clone());
    let routes = Router::new().fallback(async move || (status, axum::Json(body)));
    assert_eq!(Proxied::catalog(routes).await.json(TABLE).await, (status, problem));
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_would_lead_beside_the_catalog_are_refused() {
    let proxied = Proxied::catalog(telling()).await;
    let address = proxied.url.trim_start_matches("http://").to_owned();
    for path in ["/v1/../../admin", "/v1/%2e%2e/%2E%2E/admin"] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        // A client that leaves the path as it is.
        let mut connection = tokio::net::TcpStream::connect(&address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("sent");
        let mut told = String::new();
        connection.read_to_string(&mut told).await.expect("an answer");
        assert!(told.starts_with("HTTP/1.1 400") && told.contains("BadRequestException"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_is_down_slow_or_breaks_off_is_a_clear_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let down = Proxied::before(format!("http://127.0.0.1:{port}"), IcebergSettings::default()).await;
    let (status, error) = down.json("/v1/config").await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(503)));
    assert!(error["error"]["message"].as_str().expect("words").contains("cannot be reached"), "{error}");
    assert!(down.counts("larder_iceberg_upstream_errors_total{kind=\"connect\"} 1"), "{}", down.metrics.text());

    let silent = Router::new().fallback(async || std::future::pending::<()>().await);
    let impatient = IcebergSettings { stall: Duration::from_millis(50), ..IcebergSettings::default() };
    let slow = Proxied::before(serve(silent).await, impatient).await;
    let (status, error) = slow.json(TABLE).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{error}");

    let broken = Router::new().fallback(async || {
        let begun = Ok::<_, std::io::Error>(Bytes::from_static(b"{\"metadata\": {"));
        Body::from_stream(stream::iter([begun, Err(std::io::ErrorKind::BrokenPipe.into())]))
    });
    let broken = Proxied::catalog(broken).await;
    let (status, error) = broken.json(TABLE).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{error}");
    assert!(broken.counts("larder_iceberg_upstream_errors_total{kind=\"broken\"} 1"), "{}", broken.metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_passes_as_it_comes() {
    const CHUNK: Bytes = Bytes::from_static(&[b' '; 1 << 20]);
    let table = answer(json!({})).to_string();
    let (begin, after) = (Bytes::from(table.clone()), (64 << 20) + CHUNK.len());
    let routes = Router::new().fallback(async move || {
        let spaces = std::iter::repeat_n(CHUNK, 66);
        Body::from_stream(stream::iter(std::iter::once(begin).chain(spaces).map(Ok::<_, std::io::Error>)))
    });
    let proxied = Proxied::catalog(routes).await;
    let (status, body) = proxied.get(TABLE).await;
    assert!(body.len() > after && body.starts_with(table.as_bytes()), "{status}, {} bytes", body.len());
    assert!(proxied.counts("larder_iceberg_tables_total{verdict=\"too_large\"} 1"), "{}", proxied.metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_limit_are_refused_and_a_shutdown_lets_those_under_way_finish() {
    let (asked, mut was_asked) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = watch::channel(false);
    let routes = Router::new().fallback(async move || {
        asked.send(()).expect("somebody waits");
        released.clone().wait_for(|released| *released).await.expect("released");
        "late"
    });
    let one = IcebergSettings { requests_max: 1, ..IcebergSettings::default() };
    let proxied = Arc::new(Proxied::before(serve(routes).await, one).await);
    let first = tokio::spawn({
        let proxied = Arc::clone(&proxied);
        async move { proxied.get("/v1/p/namespaces").await }
    });
    was_asked.recv().await.expect("the first request");
    let (status, error) = proxied.json("/v1/p/namespaces").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(error["error"]["message"].as_str().expect("words").contains("requests_max"), "{error}");
    proxied.stop.cancel();
    release.send_replace(true);
    assert_eq!(first.await.expect("no panic"), (StatusCode::OK, Bytes::from_static(b"late")));
}
