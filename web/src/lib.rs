//! The dashboard: a page that reads the documented API, and the API's own document.
//!
//! The page is built by Vite when this crate is compiled (see `build.rs`) and embedded in the binary. No request of it
//! leaves the machine. [`guarded`] stands before everything that the admin address serves: who may come in, listings as
//! CSV, compression.

mod access;
mod gzip;
mod listing;
mod session;
mod settings;
mod table;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use rust_embed::RustEmbed;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use self::access::{Access, AccessError};
pub use self::settings::{AdminSettings, ProxySettings, TokenError, TokenSettings};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/dist"]
struct Page;

/// Nothing but what the daemon itself serves may be loaded. ECharts sets styles on its elements, hence `unsafe-inline`
/// for styles; scripts are files only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                                       object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// The views of the page: each is a path of its own, so that it can be sent to somebody.
const VIEWS: [&str; 9] =
    ["/", "/value", "/value/{table}", "/whitelist", "/what-if", "/preload", "/queries", "/workers", "/sign-in"];

/// The views of the page, its assets, the OpenAPI document at `/api/openapi.json` and a page of it at `/api/`.
pub fn router(openapi: OpenApi) -> Router {
    let asset = async |Path(path): Path<String>, headers: HeaderMap| file(&format!("assets/{path}"), &headers);
    let views = VIEWS.into_iter().fold(Router::new(), |router, view| {
        router.route(view, routing::get(async |headers: HeaderMap| file("index.html", &headers)))
    });
    views
        .route("/api/", routing::get(async |headers: HeaderMap| file("api.html", &headers)))
        .route("/api", routing::get(async || axum::response::Redirect::permanent("/api/")))
        .route("/assets/{*path}", routing::get(asset))
        .route("/api/openapi.json", routing::get(document))
        .fallback(nothing_here)
        .with_state(Arc::new(openapi))
}

/// Signing in and out, to be nested under `/api/v1`.
pub fn session_router(access: Access) -> OpenApiRouter {
    session::router(access)
}

/// All that the admin address serves, behind its door: `pages` sees who asks as a `Person` in the request's extensions.
pub fn guarded(pages: Router, access: Access) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
    door(pages, access).into_make_service_with_connect_info()
}

fn door(pages: Router, access: Access) -> Router {
    // As the only route of a router around it, so that what stands before it may change a request's path.
    Router::new()
        .fallback_service(pages)
        .layer(from_fn_with_state(access, access::guard))
        .layer(from_fn(listing::as_csv))
        .layer(from_fn(gzip::compress))
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

fn file(path: &str, asked: &HeaderMap) -> Response {
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
    let fixed: [(HeaderName, &'static str); 6] = [
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    // The build packs what shrinks by it.
    let Some(packed) = Page::get(&format!("{path}.gz")) else { return (headers, file.data).into_response() };
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !gzip::is_accepted(asked) {
        return (headers, file.data).into_response();
    }
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    (headers, packed.data).into_response()
}

#[cfg(test)]
mod tests;
