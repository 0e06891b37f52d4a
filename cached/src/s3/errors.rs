//! Errors of the data path as the S3 codes that AWS documents. A client sees the code and what it can do about it; what
//! the origin said stays in the log.

use http::Response;
use s3s::{Body, S3Error, S3ErrorCode, s3_error};

use crate::fill::FillError;
use crate::origin::OriginError;
use crate::read::{ReadError, Unmet};
use crate::write::WriteError;

pub(super) fn origin(error: &OriginError) -> S3Error {
    match error {
        OriginError::NotFound { .. } if error.code().as_deref() == Some("NoSuchBucket") => s3_error!(NoSuchBucket),
        OriginError::NotFound { .. } => s3_error!(NoSuchKey),
        OriginError::Precondition { .. } | OriginError::AlreadyExists => s3_error!(PreconditionFailed),
        OriginError::NotModified => S3Error::new(S3ErrorCode::NotModified),
        OriginError::InvalidKey { .. } => s3_error!(InvalidArgument, "{error}"),
        OriginError::Unsupported { .. } => {
            tracing::warn!(error = error.detail(), "the origin does not support a request");
            s3_error!(NotImplemented, "the origin does not support this")
        }
        // The fault is in our configuration, not in the client's credentials, which were accepted.
        OriginError::Denied { .. } => {
            tracing::error!(error = error.detail(), "the origin refuses access");
            s3_error!(ServiceUnavailable, "the origin refuses access with the configured credentials")
        }
        // How long an origin was silent is no secret of its own, and tells the reader more than that it failed.
        OriginError::TimedOut { .. } => {
            tracing::warn!(error = error.detail(), "a request failed at the origin");
            s3_error!(ServiceUnavailable, "{error}, please try again")
        }
        OriginError::Unavailable { .. } => {
            tracing::warn!(error = error.detail(), "a request failed at the origin");
            s3_error!(ServiceUnavailable, "the origin failed, please try again")
        }
    }
}

pub(super) fn read(error: ReadError) -> S3Error {
    match error {
        ReadError::Range { size } => {
            let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
            let mut headers = http::HeaderMap::new();
            if let Ok(range) = format!("bytes */{size}").parse() {
                headers.insert(http::header::CONTENT_RANGE, range);
            }
            headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
            error.set_headers(headers);
            error
        }
        ReadError::Unmet(unmet) => self::unmet(unmet),
        ReadError::Origin(error) => origin(&error),
        ReadError::Fill(FillError::Origin(error)) => origin(&error),
        ReadError::Fill(FillError::VersionMoved) => {
            s3_error!(ServiceUnavailable, "the object keeps changing at the origin, please try again")
        }
    }
}

pub(super) fn unmet(unmet: Unmet) -> S3Error {
    match unmet {
        Unmet::NotModified => S3Error::new(S3ErrorCode::NotModified),
        Unmet::PreconditionFailed(_) => s3_error!(PreconditionFailed),
    }
}

pub(super) fn write(error: WriteError) -> S3Error {
    match error {
        WriteError::Body(error) => error,
        WriteError::TooLongForCondition => s3_error!(EntityTooLarge, "{error}"),
        WriteError::NoMetadata => s3_error!(NotImplemented, "{error}"),
        WriteError::Origin(error) => origin(&error),
        WriteError::Staging(error) => S3Error::internal_error(error),
    }
}

/// An error document as `s3s` writes it, with the request's id, and with S3's own words for its code where it has none.
pub(super) fn completed(response: Response<Body>, request_id: &str) -> Response<Body> {
    if response.status().is_success() {
        return response;
    }
    let document = response.body().bytes().and_then(|bytes| String::from_utf8(bytes.into()).ok());
    let Some(mut document) = document.filter(|document| document.ends_with("</Error>")) else {
        return response;
    };
    let code = document.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    if !document.contains("<Message>")
        && let Some(message) = code.and_then(message_of)
    {
        document = document.replacen("</Code>", &format!("</Code><Message>{message}</Message>"), 1);
    }
    if !document.contains("<RequestId>") {
        let end = document.len() - "</Error>".len();
        document.insert_str(end, &format!("<RequestId>{request_id}</RequestId>"));
    }
    response.map(|_| Body::from(document))
}

/// What a client is told of an error beside its code.
pub(super) fn message(error: &S3Error) -> Option<&str> {
    error.message().or_else(|| message_of(error.code().as_str()))
}

/// What S3 says of its codes.
fn message_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => "Access Denied.",
        "EntityTooSmall" => "Your proposed upload is smaller than the minimum allowed size",
        "IncompleteBody" => "The request body terminated unexpectedly",
        "InternalError" => "We encountered an internal error, please try again.",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidPart" => {
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
             specified entity tag may not match the part's entity tag."
        }
        "InvalidPartOrder" => "The list of parts was not in ascending order. Parts must be ordered by part number.",
        "InvalidRange" => "The requested range is not satisfiable",
        "InvalidURI" => "The specified URI couldn't be parsed.",
        "KeyTooLongError" => "Your key is too long.",
        "MalformedXML" => "The XML you provided was not well-formed or did not validate against our published schema.",
        "MaxMessageLengthExceeded" => "Your request was too big.",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "NoSuchBucket" => "The specified bucket does not exist.",
        "NoSuchKey" => "The specified key does not exist.",
        "NoSuchUpload" => {
            "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been \
             aborted or completed."
        }
        "NotImplemented" => "A header you provided implies functionality that is not implemented.",
        "PreconditionFailed" => "At least one of the pre-conditions you specified did not hold.",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing \
             method."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &'static str) -> String {
        let mut response = Response::new(Body::from(text.to_owned()));
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        let bytes = completed(response, "7").into_body().bytes().expect("a body in memory");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn every_error_says_what_is_wrong_and_names_its_request() {
        let bare = document("<Error><Code>NoSuchKey</Code></Error>");
        let words = "<Message>The specified key does not exist.</Message>";
        assert_eq!(bare, format!("<Error><Code>NoSuchKey</Code>{words}<RequestId>7</RequestId></Error>"));
        let full = "<Error><Code>NoSuchKey</Code><Message>m</Message><RequestId>1</RequestId></Error>";
        assert_eq!(document(full), full);
        assert_eq!(document("not found"), "not found");
    }
}
