//! `.csv` behind the path of a listing: asks the listing itself, and answers with its rows as a file.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use crate::access::problem;
use crate::table::{Rows, csv};

/// Longer answers are not made into tables: they are held in memory three times over while that happens.
const BYTES_MAX: usize = 256 << 20;

/// Answers requests of tables; passes on all else.
pub(crate) async fn as_csv(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let Some(listing) = path.strip_suffix(".csv").filter(|path| path.starts_with("/api/v1/")) else {
        return next.run(request).await;
    };
    if request.method() != Method::GET {
        return problem(StatusCode::METHOD_NOT_ALLOWED, "a table can be read, and nothing else");
    }
    let (listing, asked) = (listing.to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let (rows, others): (Vec<_>, Vec<_>) =
        form_urlencoded::parse(asked.as_bytes()).into_owned().partition(|(name, _)| name == "rows");
    let others = form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish();
    // What the client gave is a path, and stays one without its end.
    let Ok(uri) = format!("{listing}?{others}").trim_end_matches('?').parse::<Uri>() else {
        return problem(StatusCode::NOT_FOUND, format!("there is nothing at {listing}"));
    };
    *request.uri_mut() = uri;
    // The whole listing is wanted, whatever the client has of it.
    request.headers_mut().remove(header::IF_NONE_MATCH);
    let answer = next.run(request).await;
    if answer.status() != StatusCode::OK {
        return answer;
    }
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_owned()).unwrap_or_default();
    if !kind.starts_with(b"application/json") {
        return problem(StatusCode::NOT_ACCEPTABLE, format!("{listing} is no listing"));
    }
    let Ok(json) = axum::body::to_bytes(answer.into_body(), BYTES_MAX).await else {
        let why = format!("{listing} has more than {BYTES_MAX} bytes: ask for less, for example by `limit`");
        return problem(StatusCode::PAYLOAD_TOO_LARGE, why);
    };
    let name = listing["/api/v1/".len()..].replace('/', "-");
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.=".contains(*c)).collect();
    let table = tokio::task::spawn_blocking(move || {
        let rows = rows.first().map(|(_, name)| name.as_str());
        csv(&json, &Rows { asked: rows, path: listing.rsplit('/').next().unwrap_or_default() })
    });
    match table.await {
        Ok(Ok(table)) => {
            let disposition = format!("attachment; filename=\"{name}.csv\"");
            let headers =
                [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, &disposition)];
            (headers, Body::from(table)).into_response()
        }
        Ok(Err(error)) => problem(StatusCode::NOT_ACCEPTABLE, error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
