//! The page and the door before it, asked as over a connection but without one.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::Method;
use larder_model::SystemClock;
use larder_model::admin::Person;
use tower::ServiceExt;

use super::*;

/// Pages as the daemon puts them together, with a route that says who asks and listings of every kind.
pub(crate) fn pages(access: &Access) -> Router {
    let who = async |person: Option<axum::Extension<Person>>| Json(person.map(|person| person.0));
    let rows: Vec<_> = (0..1000).map(|i| serde_json::json!({ "item": format!("hive.web.t{i}"), "bytes": i })).collect();
    let api = OpenApiRouter::<()>::default().nest("/api/v1", session_router(access.clone()));
    let (api, openapi) = api.split_for_parts();
    api.route("/api/v1/who", routing::any(who))
        .route("/api/v1/events/trino", routing::post(who))
        .route("/api/v1/mappings/trino", routing::get(who))
        .route("/api/v1/items", routing::get(async || Json(rows)))
        .route("/metrics", routing::get(async || "larder_get_requests_total 1\n"))
        .merge(router(openapi))
}

pub(crate) fn access(settings: &AdminSettings) -> Access {
    Access::new(settings, false, Arc::new(SystemClock)).expect("settings that can be")
}

/// One request from an address, with headers.
pub(crate) async fn ask(
    access: &Access,
    from: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(body)).expect("a request");
    let peer: SocketAddr = format!("{from}:5000").parse().expect("an address");
    request.extensions_mut().insert(ConnectInfo(peer));
    door(pages(access), access.clone()).oneshot(request).await.expect("an answer")
}

async fn bytes(answer: Response) -> Vec<u8> {
    to_bytes(answer.into_body(), 1 << 20).await.expect("a body").to_vec()
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    ask(&access(&AdminSettings::default()), "127.0.0.1", Method::GET, path, headers, "").await
}

#[tokio::test]
async fn the_page_is_embedded_and_may_load_nothing_from_elsewhere() {
    for view in ["/", "/value", "/value/hive.web.clicks", "/whitelist", "/what-if", "/preload", "/queries", "/workers"]
    {
        let page = get(view, &[]).await;
        assert_eq!(page.status(), StatusCode::OK, "{view}");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'self'") && !policy.contains("http"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("script-src"), "{policy}");
        assert_eq!(page.headers()["cross-origin-opener-policy"], "same-origin");
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
    }
    for absent in ["/assets/none.js", "/no-view", "/value/a/b", "/api/v1/none"] {
        assert_eq!(get(absent, &[]).await.status(), StatusCode::NOT_FOUND, "{absent}");
    }
}

#[tokio::test]
async fn files_that_the_build_packed_are_sent_packed_to_who_takes_that() {
    let assets: Vec<_> = Page::iter().filter(|name| name.starts_with("assets/") && !name.ends_with(".gz")).collect();
    let script = assets.iter().find(|name| name.ends_with(".js"));
    let name = script.expect("tests need Node.js, or the page could not be built: see the build's warning");
    let answer = get(&format!("/{name}"), &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip", "{name}");
    assert_eq!(answer.headers()[header::VARY], "accept-encoding");
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes(answer).await[..]), &mut plain).expect("gzip");
    let answer = get(&format!("/{name}"), &[]).await;
    assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
    assert_eq!(bytes(answer).await, plain);
}

#[tokio::test]
async fn large_answers_are_compressed_where_that_is_taken() {
    let plain = bytes(get("/api/v1/items", &[]).await).await;
    assert!(plain.len() > 16 << 10);
    let answer = get("/api/v1/items", &[("accept-encoding", "gzip")]).await;
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(answer.headers()[header::VARY], "accept-encoding");
    let packed = bytes(answer).await;
    assert!(packed.len() < plain.len() / 4, "{}", packed.len());
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain);
    let short = get("/api/v1/who", &[("accept-encoding", "gzip")]).await;
    assert!(!short.headers().contains_key(header::CONTENT_ENCODING));
}

#[tokio::test]
async fn a_listing_is_a_csv_file_by_its_path() {
    let answer = get("/api/v1/items.csv?limit=5", &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"items.csv\"");
    let text = String::from_utf8(bytes(answer).await).expect("text");
    assert!(text.starts_with("bytes,item\n0,hive.web.t0\n"), "{}", &text[..80]);
    for (path, status) in [
        ("/api/v1/who.csv", StatusCode::NOT_ACCEPTABLE),
        ("/api/v1/none.csv", StatusCode::NOT_FOUND),
        ("/api/v1/.csv", StatusCode::NOT_FOUND),
    ] {
        let answer = get(path, &[]).await;
        assert_eq!(answer.status(), status, "{path}");
        let said: serde_json::Value = serde_json::from_slice(&bytes(answer).await).expect("JSON");
        assert!(said["error"].is_string(), "{said}");
    }
}
