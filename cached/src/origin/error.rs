//! What can go wrong at an origin, sorted by what the caller does next.

use std::time::Duration;

use thiserror::Error;

use super::hdfs;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A request that the origin did not fulfil.
#[derive(Debug, Error)]
pub enum OriginError {
    /// There is no such object (or bucket): tell the client.
    #[error("not found at the origin")]
    NotFound {
        /// The origin's own words.
        #[source]
        source: Source,
    },
    /// The object is not in the state that was asked for: it was overwritten, or the client's condition failed.
    #[error("the object's state at the origin is another one")]
    Precondition {
        /// The origin's own words.
        #[source]
        source: Source,
    },
    /// The object is still what the client has.
    #[error("not modified")]
    NotModified,
    /// The object exists, and was asked to be created.
    #[error("exists already at the origin")]
    AlreadyExists,
    /// The origin refuses the credentials that the bucket is configured with.
    #[error("the origin refuses access with the configured credentials")]
    Denied {
        /// The origin's own words.
        #[source]
        source: Source,
    },
    /// The key cannot be expressed as a path in the storage.
    #[error("keys with empty segments, `.` or `..` segments, control characters or a trailing `/` are not served")]
    InvalidKey {
        /// The key.
        key: String,
    },
    /// The storage cannot do this at all.
    #[error("the origin does not support this")]
    Unsupported {
        /// The origin's own words.
        #[source]
        source: Source,
    },
    /// The origin fell silent: try again.
    #[error("nothing came from the origin within {}", humantime::format_duration(*.waited))]
    TimedOut {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The origin failed or answered nonsense: try again.
    #[error("the origin failed")]
    Unavailable {
        /// The cause.
        #[source]
        source: Source,
    },
}

impl OriginError {
    pub(crate) fn unavailable(what: impl Into<String>) -> Self {
        Self::Unavailable { source: what.into().into() }
    }

    /// Whether the same request may succeed when it is made again.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::TimedOut { .. })
    }

    /// The error in a word, for traces.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Precondition { .. } => "precondition",
            Self::NotModified => "not_modified",
            Self::AlreadyExists => "already_exists",
            Self::Denied { .. } => "denied",
            Self::InvalidKey { .. } => "invalid_key",
            Self::Unsupported { .. } => "unsupported",
            Self::TimedOut { .. } => "timed_out",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// The code of the storage's own error, where it gave one.
    pub(crate) fn code(&self) -> Option<String> {
        code_of(&chain(self)).map(str::to_owned)
    }

    /// The error and its causes on one line, for logs and for `/readyz`.
    pub fn detail(&self) -> String {
        let mut text = self.to_string();
        if let Self::Denied { source } = self {
            // The whole answer names our key and the storage's hosts, which are nobody's business.
            let text_of = chain(source.as_ref());
            let code = hdfs::refusal(source.as_ref()).or_else(|| code_of(&text_of).map(str::to_owned));
            return text + &code.map(|code| format!(" ({code})")).unwrap_or_default();
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let part = error.to_string();
            if !text.contains(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            cause = error.source();
        }
        text
    }
}

impl From<object_store::Error> for OriginError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Store;
        match error {
            Store::NotFound { source, .. } => Self::NotFound { source },
            Store::Precondition { source, .. } => Self::Precondition { source },
            Store::NotModified { .. } => Self::NotModified,
            Store::AlreadyExists { .. } => Self::AlreadyExists,
            Store::PermissionDenied { source, .. } | Store::Unauthenticated { source, .. } => Self::Denied { source },
            Store::NotSupported { source } => Self::Unsupported { source },
            error @ Store::NotImplemented { .. } => Self::Unsupported { source: Box::new(error) },
            error if is_refusal(&error) => Self::Denied { source: Box::new(error) },
            error => Self::Unavailable { source: Box::new(error) },
        }
    }
}

/// An error and its causes, one after the other.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error} ")).collect()
}

/// The code in an S3 error document.
fn code_of(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    code.chars().all(char::is_alphanumeric).then_some(code)
}

/// Listings report a refusal as a generic failure; what the storage answered stands only in its text.
fn is_refusal(error: &object_store::Error) -> bool {
    const REFUSALS: [&str; 5] =
        ["403 Forbidden", "401 Unauthorized", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied"];
    let text = chain(error);
    REFUSALS.iter().any(|refusal| text.contains(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        let generic = |text: &'static str| object_store::Error::Generic { store: "S3", source: text.into() };
        let refused = generic("Server returned 403 Forbidden: <Code>SignatureDoesNotMatch</Code>");
        let refused = OriginError::from(refused);
        assert!(matches!(refused, OriginError::Denied { .. }));
        assert!(refused.detail().ends_with("credentials (SignatureDoesNotMatch)"), "{}", refused.detail());
        assert!(matches!(OriginError::from(generic("connection reset")), OriginError::Unavailable { .. }));
    }
}
