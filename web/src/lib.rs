//! The dashboard: a page that reads the documented API, and the API's own document.
//!
//! The page is built by Vite when this crate is compiled (see `build.rs`) and embedded in the binary. No request of it
//! leaves the machine.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use rust_embed::RustEmbed;
use utoipa::openapi::OpenApi;

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/dist"]
struct Page;

/// Nothing but what the daemon itself serves may be loaded. ECharts sets styles on its elements, hence `unsafe-inline`
/// for styles; scripts are files only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                                       object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// The page at `/`, its assets, the OpenAPI document at `/api/openapi.json` and a page of it at `/api/`.
pub fn router(openapi: OpenApi) -> Router {
    Router::new()
        .route("/", routing::get(async || file("index.html")))
        .route("/api/", routing::get(async || file("api.html")))
        .route("/api", routing::get(async || axum::response::Redirect::permanent("/api/")))
        .route("/assets/{*path}", routing::get(async |Path(path): Path<String>| file(&format!("assets/{path}"))))
        .route("/api/openapi.json", routing::get(document))
        .fallback(nothing_here)
        .with_state(Arc::new(openapi))
}

async fn document(State(openapi): State<Arc<OpenApi>>) -> Json<OpenApi> {
    Json(OpenApi::clone(&openapi))
}

async fn nothing_here(uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        let problem = serde_json::json!({ "error": format!("there is nothing at {}", uri.path()) });
        return (StatusCode::NOT_FOUND, Json(problem)).into_response();
    }
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

fn file(path: &str) -> Response {
    let Some(file) = Page::get(path) else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    // Vite names assets by their content.
    let caching = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_str(kind.as_ref()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    (headers, file.data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_embedded_and_may_load_nothing_from_elsewhere() {
        let page = file("index.html");
        assert_eq!(page.status(), StatusCode::OK);
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'self'") && !policy.contains("http"), "{policy}");
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(file("assets/none.js").status(), StatusCode::NOT_FOUND);
    }
}
