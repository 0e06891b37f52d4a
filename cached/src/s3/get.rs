//! GetObject and HeadObject.

use futures::StreamExt;
use http::{HeaderValue, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use object_store::{Attribute, Attributes};
use s3s::dto::{
    ContentType, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Metadata,
    Range, StreamingBlob, Timestamp,
};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::lenient::Signed;
use super::{Api, errors, folders, signer};
use crate::metadata::ObjectMeta;
use crate::origin::Origin;
use crate::read::{Conditions, ReadBody, ReadRequest, Tag, Wanted};
use crate::upload;

impl Api {
    pub(super) async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        // Who signs in headers sends them along, and storages refuse a presigned URL with headers that it did not sign.
        let signed_in_url = match request.extensions.get::<Signed>() {
            Some(signed) => signed.in_url,
            None => !request.headers.contains_key(http::header::AUTHORIZATION),
        };
        let client = self.clients.get(signer(&request), request.headers.get(http::header::USER_AGENT));
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        if folders::is_folder(&input.key) {
            return Err(folders::not_found());
        }
        refuse_version(input.version_id.as_deref())?;
        let conditions = conditions(
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.if_modified_since,
            input.if_unmodified_since,
        )?;
        let part = self.part(origin, &input.key, input.part_number, input.range.is_some()).await?;
        let wanted = part.or(input.range.map(wanted));
        let read = ReadRequest { key: input.key, range: wanted, conditions, client };
        // The URL that it would be sent to has no part number.
        if part.is_none()
            && signed_in_url
            && let Some(elsewhere) = self.engine.redirect(origin, &read).await.map_err(errors::read)?
        {
            return Err(redirect(&elsewhere));
        }
        let read = self.engine.read(origin, read).await.map_err(errors::read)?;
        let body = match read.body {
            ReadBody::Whole(bytes) => Body::from(bytes),
            ReadBody::Stream(stream) => {
                let frames = stream.map(|chunk| chunk.map(Frame::data).map_err(std::io::Error::other));
                Body::http_body_unsync(StreamBody::new(frames))
            }
        };
        let described = Described::new(&read.object);
        let partial = wanted.is_some();
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::from(body)),
            cache_control: described.cache_control,
            content_disposition: described.content_disposition,
            content_encoding: described.content_encoding,
            content_language: described.content_language,
            content_length: Some(length(read.range.len())),
            content_range: partial
                .then(|| format!("bytes {}-{}/{}", read.range.start, read.range.end - 1, read.object.state.size)),
            content_type: Some(described.content_type),
            e_tag: described.etag,
            last_modified: Some(described.modified),
            metadata: described.metadata,
            ..GetObjectOutput::default()
        };
        Ok(status(output, partial))
    }

    pub(super) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        if folders::is_folder(&input.key) {
            return Err(folders::not_found());
        }
        refuse_version(input.version_id.as_deref())?;
        let conditions = conditions(
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.if_modified_since,
            input.if_unmodified_since,
        )?;
        let part = self.part(origin, &input.key, input.part_number, input.range.is_some()).await?;
        let meta = self.engine.metadata.described(origin, &input.key).await.map_err(|error| errors::origin(&error))?;
        conditions.check(&meta.state).map_err(errors::unmet)?;
        let size = meta.state.size;
        let range = match part.or(input.range.map(wanted)) {
            Some(wanted) => Some(wanted.resolve(size).ok_or_else(|| s3_error!(InvalidRange))?),
            None => None,
        };
        let described = Described::new(&meta);
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: described.cache_control,
            content_disposition: described.content_disposition,
            content_encoding: described.content_encoding,
            content_language: described.content_language,
            content_length: Some(length(range.map_or(size, |range| range.len()))),
            content_range: range.map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            content_type: Some(described.content_type),
            e_tag: described.etag,
            last_modified: Some(described.modified),
            metadata: described.metadata,
            ..HeadObjectOutput::default()
        };
        Ok(status(output, range.is_some()))
    }

    /// The bytes of a part. Objects written in one request have one part. The parts of others are not known from their
    /// origin's metadata, and nothing is guessed.
    async fn part(&self, origin: &Origin, key: &str, number: Option<i32>, has_range: bool) -> S3Result<Option<Wanted>> {
        let Some(number) = number else { return Ok(None) };
        upload::check_part_number(number)?;
        if has_range {
            return Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"));
        }
        let meta = self.engine.metadata.get(origin, key).await.map_err(|error| errors::origin(&error))?;
        if meta.state.etag.as_deref().is_some_and(is_multipart) {
            return Err(s3_error!(NotImplemented, "partNumber is served for objects that were written in one request"));
        }
        match number {
            1 if meta.state.size == 0 => Ok(None),
            1 => Ok(Some(Wanted::Bounded(0, meta.state.size))),
            _ => Err(invalid_part()),
        }
    }
}

/// S3 ends the ETag of an object that was uploaded in parts with their number.
fn is_multipart(etag: &str) -> bool {
    etag.rsplit_once('-').is_some_and(|(md5, parts)| md5.len() == 32 && parts.parse::<u32>().is_ok())
}

fn invalid_part() -> S3Error {
    let code = S3ErrorCode::Custom("InvalidPartNumber".into());
    let mut error = S3Error::with_message(code, "The requested partnumber is not satisfiable");
    error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
    error
}

/// S3's own form of a redirect.
fn redirect(elsewhere: &url::Url) -> S3Error {
    let message = "Please re-send this request to the location that the answer names";
    let mut redirect = s3_error!(TemporaryRedirect, "{message}");
    let mut headers = http::HeaderMap::new();
    let location = HeaderValue::from_str(elsewhere.as_str()).expect("a URL is printable ASCII");
    headers.insert(http::header::LOCATION, location);
    // The URL is good for moments, and for whoever holds it.
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    redirect.set_headers(headers);
    redirect
}

fn refuse_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "object versions are not served")),
    }
}

fn status<T>(output: T, partial: bool) -> S3Response<T> {
    if partial { S3Response::with_status(output, StatusCode::PARTIAL_CONTENT) } else { S3Response::new(output) }
}

pub(super) fn length(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn wanted(range: Range) -> Wanted {
    match range {
        Range::Int { first, last: Some(last) } => Wanted::Bounded(first, last.saturating_add(1)),
        Range::Int { first, last: None } => Wanted::From(first),
        Range::Suffix { length } => Wanted::Last(length),
    }
}

pub(super) fn conditions(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
) -> S3Result<Conditions> {
    let time = |time: Timestamp| {
        let time = time::OffsetDateTime::from(time);
        chrono::DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond())
            .ok_or_else(|| s3_error!(InvalidArgument, "a condition's time is out of range"))
    };
    Ok(Conditions {
        if_match: if_match.map(tag),
        if_none_match: if_none_match.map(tag),
        if_modified_since: if_modified_since.map(time).transpose()?,
        if_unmodified_since: if_unmodified_since.map(time).transpose()?,
    })
}

pub(super) fn tag(condition: &ETagCondition) -> Tag {
    match condition.as_etag() {
        Some(etag) => Tag::Is(etag.value().to_owned()),
        None => Tag::Any,
    }
}

pub(super) fn timestamp(time: chrono::DateTime<chrono::Utc>) -> Timestamp {
    Timestamp::from(std::time::SystemTime::from(time))
}

/// The headers that describe an object.
struct Described {
    etag: Option<ETag>,
    modified: Timestamp,
    content_type: ContentType,
    cache_control: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    metadata: Option<Metadata>,
}

impl Described {
    fn new(object: &ObjectMeta) -> Self {
        let (state, attributes) = (&object.state, object.attributes());
        let text = |name: Attribute| attributes?.get(&name).map(|value| value.to_string());
        Self {
            etag: state.etag.clone().map(ETag::Strong),
            modified: timestamp(state.modified),
            content_type: text(Attribute::ContentType).unwrap_or_else(|| "binary/octet-stream".to_owned()),
            cache_control: text(Attribute::CacheControl),
            content_disposition: text(Attribute::ContentDisposition),
            content_encoding: text(Attribute::ContentEncoding),
            content_language: text(Attribute::ContentLanguage),
            metadata: attributes.and_then(user_metadata),
        }
    }
}

fn user_metadata(attributes: &Attributes) -> Option<Metadata> {
    let pairs: Metadata = attributes
        .iter()
        .filter_map(|(name, value)| match name {
            Attribute::Metadata(key) => Some((key.to_string(), value.to_string())),
            _ => None,
        })
        .collect();
    (!pairs.is_empty()).then_some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_tells_a_multipart_object() {
        assert!(is_multipart("d41d8cd98f00b204e9800998ecf8427e-3"));
        assert!(!is_multipart("d41d8cd98f00b204e9800998ecf8427e"));
        assert!(!is_multipart("1a2b-3c4d-5"));
    }
}
