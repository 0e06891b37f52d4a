//! The form of a request's signature, before `s3s` computes it: what is wrong with it is told in S3's own codes, and all
//! headers that mean something to S3 must be signed.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use http::{HeaderMap, Request, StatusCode};
use url::form_urlencoded;

use super::access::Keys;
use super::refusal::Refusal;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How long a presigned URL may be good for at most.
const EXPIRES_MAX: TimeDelta = TimeDelta::days(7);

/// Looks at the signature, if there is one: whether a request needs one is decided with its operation.
pub(super) fn check<B>(request: &Request<B>, keys: &Keys, now: DateTime<Utc>) -> Result<(), Refusal> {
    if let Some(header) = request.headers().get(http::header::AUTHORIZATION) {
        let header = header.to_str().map_err(|_| authorization("Authorization header is invalid", ""))?;
        return check_header(header, request.headers(), keys);
    }
    match request.uri().query() {
        Some(query) if query.contains("X-Amz-") => check_url(query, request.headers(), keys, now),
        Some(query) if query.contains("AWSAccessKeyId=") => Err(mechanism()),
        _ => Ok(()),
    }
}

fn check_header(header: &str, headers: &HeaderMap, keys: &Keys) -> Result<(), Refusal> {
    let Some((algorithm, components)) = header.split_once(' ') else {
        let problem = "Authorization header is invalid -- one and only one ' ' (space) required.";
        return Err(authorization(problem, header));
    };
    match algorithm {
        ALGORITHM => {}
        "AWS" => return Err(mechanism()),
        other => return Err(authorization("Unsupported Authorization Type", other)),
    }
    let mut parts: [Option<&str>; 3] = [None; 3];
    let mut count = 0;
    for component in components.split(',').map(str::trim) {
        count += 1;
        let Some((name, value)) = component.split_once('=') else {
            return Err(malformed(format!("the authorization component \"{component}\" is malformed.")));
        };
        match name {
            "Credential" => parts[0] = Some(value),
            "SignedHeaders" => parts[1] = Some(value),
            "Signature" => parts[2] = Some(value),
            _ => {}
        }
    }
    if count != 3 {
        let problem = "the authorization header requires three components: Credential, SignedHeaders, and Signature.";
        return Err(malformed(problem));
    }
    let part = |i: usize, name| parts[i].ok_or_else(|| malformed(format!("missing {name}.")));
    let (scope, signed) = (part(0, "Credential")?, part(1, "SignedHeaders")?);
    part(2, "Signature")?;
    let scope = Scope::parse(scope).map_err(malformed)?;
    keys.known(scope.key)?;
    let date = headers.get("x-amz-date").and_then(|date| date.to_str().ok());
    let Some(date) = date.filter(|date| time(date).is_some()) else {
        let problem = "AWS authentication requires a valid Date or x-amz-date header.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", problem));
    };
    if !date.starts_with(scope.date) {
        return Err(malformed("Invalid credential date. Date is not the same as X-Amz-Date."));
    }
    check_payload(headers)?;
    check_signed(headers, signed, false)
}

fn check_url(query: &str, headers: &HeaderMap, keys: &Keys, now: DateTime<Utc>) -> Result<(), Refusal> {
    let [mut algorithm, mut credential, mut signature, mut date, mut signed, mut expires] = [const { None }; 6];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "X-Amz-Algorithm" => algorithm = Some(value),
            "X-Amz-Credential" => credential = Some(value),
            "X-Amz-Signature" => signature = Some(value),
            "X-Amz-Date" => date = Some(value),
            "X-Amz-SignedHeaders" => signed = Some(value),
            "X-Amz-Expires" => expires = Some(value),
            "X-Amz-Security-Token" => return Err(of_query("Authorization with X-Amz-Security-Token is not supported")),
            _ => {}
        }
    }
    let (Some(algorithm), Some(credential), Some(_), Some(date), Some(signed), Some(expires)) =
        (algorithm, credential, signature, date, signed, expires)
    else {
        return Err(of_query(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ));
    };
    match &*algorithm {
        ALGORITHM => {}
        "AWS4-ECDSA-P256-SHA256" => return Err(of_query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")),
        _ => {
            let problem = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"";
            return Err(of_query(problem));
        }
    }
    let scope = Scope::parse(&credential)
        .map_err(|problem| of_query(format!("Error parsing the X-Amz-Credential parameter; {problem}")))?;
    let Some(begun) = time(&date) else {
        return Err(of_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""));
    };
    if !date.starts_with(scope.date) {
        let (credential, date) = (scope.date, &date[..8]);
        return Err(of_query(format!(
            "Invalid credential date \"{credential}\". This date is not the same as X-Amz-Date: \"{date}\"."
        )));
    }
    let Ok(seconds) = expires.parse::<i64>() else {
        return Err(of_query("X-Amz-Expires should be a number"));
    };
    if seconds < 0 {
        return Err(of_query("X-Amz-Expires must be non-negative"));
    }
    let Some(good_for) = TimeDelta::try_seconds(seconds).filter(|good_for| *good_for <= EXPIRES_MAX) else {
        return Err(of_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        ));
    };
    keys.known(scope.key)?;
    let end = begun + good_for;
    if end < now {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired.")
            .with("X-Amz-Expires", seconds)
            .with("Expires", end.format("%FT%TZ"))
            .with("ServerTime", now.format("%FT%TZ")));
    }
    check_signed(headers, &signed, true)
}

/// `KEY/DATE/REGION/SERVICE/aws4_request`. Any region will do: Larder stands in for storages of all of them.
struct Scope<'a> {
    key: &'a str,
    date: &'a str,
}

impl<'a> Scope<'a> {
    fn parse(credential: &'a str) -> Result<Self, Cow<'static, str>> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [key, date, _region, service, terminal] = parts[..] else {
            let expecting = "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request";
            return Err(format!("the Credential is mal-formed; expecting \"{expecting}\".").into());
        };
        if terminal != "aws4_request" {
            return Err(format!("incorrect terminal \"{terminal}\". This endpoint uses \"aws4_request\".").into());
        }
        if service != "s3" {
            return Err(format!("incorrect service \"{service}\". This endpoint belongs to \"s3\".").into());
        }
        if date.len() != 8 || NaiveDate::parse_from_str(date, "%Y%m%d").is_err() {
            let problem = "This date in the credential must be in the format \"yyyyMMdd\".";
            return Err(format!("incorrect date format \"{date}\". {problem}").into());
        }
        Ok(Self { key, date })
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let time = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?;
    Some(time.and_utc())
}

/// The payload's hash, or the word that stands for one.
fn check_payload(headers: &HeaderMap) -> Result<(), Refusal> {
    const WORDS: [&str; 6] = [
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
    ];
    let Some(payload) = headers.get("x-amz-content-sha256") else {
        let problem = "Missing required header for this request: x-amz-content-sha256";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidRequest", problem));
    };
    let payload = payload.to_str().unwrap_or_default();
    let is_hash = payload.len() == 64 && payload.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash || WORDS.contains(&payload) {
        return Ok(());
    }
    let problem = format!("x-amz-content-sha256 must be {} or a valid sha256 value.", WORDS.join(", "));
    Err(argument("x-amz-content-sha256", payload, problem))
}

/// Whether `signed` names the host and every header that is S3's. Who signs in the URL does not know the body yet.
fn check_signed(headers: &HeaderMap, signed: &str, in_url: bool) -> Result<(), Refusal> {
    let needed = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| *name == "host" || (name.starts_with("x-amz-") && !(in_url && *name == "x-amz-content-sha256")));
    let missing: Vec<&str> =
        needed.filter(|name| !signed.split(';').any(|signed| signed.eq_ignore_ascii_case(name))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let problem = "There were headers present in the request which were not signed";
    Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", problem).with("HeadersNotSigned", missing.join(", ")))
}

fn argument(name: &'static str, value: &str, problem: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", problem)
        .with("ArgumentName", name)
        .with("ArgumentValue", value)
}

fn authorization(problem: &'static str, value: &str) -> Refusal {
    argument("Authorization", value, problem)
}

fn malformed(problem: impl Into<Cow<'static, str>>) -> Refusal {
    let problem = format!("The authorization header is malformed; {}", problem.into());
    Refusal::new(StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", problem)
}

fn of_query(problem: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError", problem)
}

/// Signature version 2, which S3 itself has given up.
fn mechanism() -> Refusal {
    let problem = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    Refusal::new(StatusCode::BAD_REQUEST, "InvalidRequest", problem)
}
