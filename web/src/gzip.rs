//! Answers that are large text leave compressed, where the client takes that: listings shrink to a tenth.

use std::io::Write;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Shorter answers fit into a few packets as they are.
const BYTES_MIN: u64 = 16 << 10;

/// Text of these kinds is compressed here. The page's files were when it was built.
const KINDS: [&str; 3] = ["application/json", "application/openmetrics-text", "text/csv"];

/// Whether a client takes gzip.
pub(crate) fn is_accepted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        (name.eq_ignore_ascii_case("gzip") || name == "*") && !is_refused
    })
}

/// Compresses an answer whose length is known: streams are left as they are.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let is_accepted = is_accepted(request.headers());
    let answer = next.run(request).await;
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = KINDS.iter().any(|text| kind.starts_with(text));
    let is_long = answer.body().size_hint().exact().is_some_and(|bytes| bytes >= BYTES_MIN);
    if !is_text || !is_long || answer.headers().contains_key(header::CONTENT_ENCODING) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !is_accepted {
        return Response::from_parts(parts, body);
    }
    // It is in memory already: nothing is waited for, and nothing can fail.
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    // Compressing 100 MB takes a second: not on the threads that serve reads.
    let packed = tokio::task::spawn_blocking(move || {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&whole).and_then(|()| packed.finish()).expect("writing to memory does not fail")
    });
    let Ok(packed) = packed.await else { return Response::default() };
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_refused() {
        for (sent, accepted) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("*", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("br, gzip; q=0.0", false),
            ("x-gzip-like", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(sent))]);
            assert_eq!(is_accepted(&headers), accepted, "{sent}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }
}
