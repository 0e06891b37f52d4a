//! Requests in forms that S3 takes and `s3s` does not read: their headers are put right, after the signature over them as
//! they came was verified, and they go through `s3s` once more.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, RANGE};
use http::{Extensions, HeaderMap, Method, Request, Uri};
use s3s::dto::{ETagCondition, Range};
use s3s::route::S3Route;
use s3s::service::S3Service;
use s3s::{Body, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};
use url::form_urlencoded;

const COPY_IF_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-match");
const COPY_IF_NONE_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-none-match");
const METADATA: &str = "x-amz-meta-";

/// Who has signed a request that goes through `s3s` for the second time.
#[derive(Clone)]
pub(super) struct Signed {
    pub(super) access_key: String,
    /// Whether the signature stood in the URL.
    pub(super) in_url: bool,
    pub(super) trailers: Option<TrailingHeaders>,
}

/// The way of such requests.
pub(super) struct Lenient {
    /// The same operations, without this way.
    pub(super) service: S3Service,
}

#[async_trait::async_trait]
impl S3Route for Lenient {
    fn is_match(&self, _method: &Method, _uri: &Uri, headers: &HeaderMap, _extensions: &mut Extensions) -> bool {
        headers.iter().any(is_odd) || repeats_metadata(headers)
    }

    // Only signed requests come here; what their key may do is decided when they come by again.
    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let signed = Signed {
            access_key: request.credentials.map(|credentials| credentials.access_key).unwrap_or_default(),
            in_url: !request.headers.contains_key(AUTHORIZATION),
            trailers: request.trailing_headers,
        };
        let mut again = Request::new(request.input);
        *again.method_mut() = request.method;
        *again.uri_mut() = unsigned(&request.uri);
        *again.headers_mut() = put_right(&request.headers);
        *again.extensions_mut() = request.extensions;
        again.extensions_mut().insert(signed);
        let answer = self.service.call(again).await.map_err(|_| s3_error!(InternalError))?;
        let (parts, body) = answer.into_parts();
        let mut response = S3Response::with_status(body, parts.status);
        (response.headers, response.extensions) = (parts.headers, parts.extensions);
        Ok(response)
    }
}

fn is_odd((name, value): (&HeaderName, &HeaderValue)) -> bool {
    match name {
        &RANGE => value.to_str().map_or(true, |range| Range::parse(range).is_err()),
        name if is_condition(name) => ETagCondition::parse_http_header(value.as_bytes()).is_err(),
        _ => false,
    }
}

fn is_condition(name: &HeaderName) -> bool {
    [IF_MATCH, IF_NONE_MATCH, COPY_IF_MATCH, COPY_IF_NONE_MATCH].contains(name)
}

fn repeats_metadata(headers: &HeaderMap) -> bool {
    headers.len() != headers.keys_len()
        && headers.keys().any(|name| name.as_str().starts_with(METADATA) && headers.get_all(name).iter().count() > 1)
}

/// A range that is none is not there; an ETag may stand without quotes; metadata that is given several times is one list.
fn put_right(headers: &HeaderMap) -> HeaderMap {
    let mut right = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers.iter().filter(|(name, _)| *name != AUTHORIZATION) {
        let listed = right.get(name).filter(|_| name.as_str().starts_with(METADATA)).map(HeaderValue::as_bytes);
        let bytes = match listed {
            Some(before) => [before, b",", value.as_bytes()].concat(),
            None if *name == RANGE && is_odd((name, value)) => continue,
            None if is_odd((name, value)) => [b"\"", value.as_bytes(), b"\""].concat(),
            None => {
                right.append(name, value.clone());
                continue;
            }
        };
        // What was made of values is a value, but for an ETag with quotes in odd places.
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            right.insert(name, value);
        }
    }
    right
}

/// The address without a signature in it.
fn unsigned(uri: &Uri) -> Uri {
    let Some(query) = uri.query().filter(|query| query.contains("X-Amz-")) else {
        return uri.clone();
    };
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !name.starts_with("X-Amz-")) {
        kept.append_pair(&name, &value);
    }
    format!("{}?{}", uri.path(), kept.finish()).parse().unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers
                .append(HeaderName::try_from(*name).expect("a name"), HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn odd_headers_are_put_right() {
        let odd = headers(&[
            ("if-match", "a_b"),
            ("if-none-match", "*"),
            ("range", "bytes=z"),
            ("x-amz-meta-a", "1"),
            ("x-amz-meta-a", "2"),
            ("authorization", "AWS4-HMAC-SHA256"),
        ]);
        assert!(odd.iter().any(is_odd) && repeats_metadata(&odd));
        let right = headers(&[("if-match", "\"a_b\""), ("if-none-match", "*"), ("x-amz-meta-a", "1,2")]);
        assert_eq!(put_right(&odd), right);
    }

    #[test]
    fn usual_headers_need_nothing() {
        let usual = headers(&[("if-match", "\"abc\""), ("range", "bytes=-5"), ("x-amz-meta-a", "1"), ("accept", "x")]);
        assert!(!usual.iter().any(is_odd) && !repeats_metadata(&usual));
    }

    #[test]
    fn a_signature_in_the_address_goes() {
        let uri: Uri = "/b/k?X-Amz-Signature=1&partNumber=2&response-expires=a%20b".parse().expect("an address");
        assert_eq!(unsigned(&uri), "/b/k?partNumber=2&response-expires=a+b");
    }
}
