//! Errors of the data path as the S3 codes that AWS documents. A client sees the code and what it can do about it; what
//! the origin said stays in the log.

use s3s::{S3Error, S3ErrorCode, s3_error};

use crate::fill::FillError;
use crate::origin::OriginError;
use crate::read::{ReadError, Unmet};
use crate::write::WriteError;

pub(super) fn origin(error: &OriginError) -> S3Error {
    match error {
        OriginError::NotFound { .. } => s3_error!(NoSuchKey, "The specified key does not exist."),
        OriginError::Precondition { .. } | OriginError::AlreadyExists => {
            s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
        }
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
        Unmet::PreconditionFailed(header) => {
            s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold: {header}")
        }
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
