//! What HDFS says when it does not do what it is asked for, as the seam's errors.

use hdfs_native::HdfsError;
use object_store::Error;

pub(super) const STORE: &str = "HDFS";

/// Exceptions by which a NameNode refuses who asks, or what they ask for.
const REFUSALS: [&str; 6] = [
    "org.apache.hadoop.security.AccessControlException",
    "org.apache.hadoop.security.authorize.AuthorizationException",
    "org.apache.hadoop.security.token.SecretManager$InvalidToken",
    "org.apache.hadoop.fs.permission.AccessControlException",
    "org.ietf.jgss.GSSException",
    "javax.security.sasl.SaslException",
];
/// A folder of the path is a file.
const PARENT_IS_A_FILE: &str = "org.apache.hadoop.fs.ParentNotDirectoryException";

/// A failure that may pass.
pub(super) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: STORE, source: source.into() }
}

/// An error of the client's, of a request for `path`.
pub(super) fn converted(error: HdfsError, path: &str) -> Error {
    let path = path.to_owned();
    match &error {
        HdfsError::FileNotFound(_) | HdfsError::IsADirectoryError(_) => Error::NotFound { path, source: error.into() },
        HdfsError::AlreadyExists(_) => Error::AlreadyExists { path, source: error.into() },
        HdfsError::SASLError(_) | HdfsError::GSSAPIError(..) | HdfsError::NoSASLMechanism => {
            Error::Unauthenticated { path, source: error.into() }
        }
        HdfsError::UnsupportedFeature(_) | HdfsError::UnsupportedErasureCodingPolicy(_) => {
            Error::NotSupported { source: error.into() }
        }
        HdfsError::RPCError(exception, _) | HdfsError::FatalRPCError(exception, _) => match exception.as_str() {
            "java.io.FileNotFoundException" => Error::NotFound { path, source: error.into() },
            "org.apache.hadoop.fs.InvalidPathException" => Error::NotSupported { source: error.into() },
            refusal if REFUSALS.contains(&refusal) => Error::PermissionDenied { path, source: error.into() },
            _ => unavailable(error),
        },
        _ => unavailable(error),
    }
}

/// To a reader, what would be below a file, or has a name that no file can have, is not there.
pub(super) fn absent_below_a_file(error: Error) -> Error {
    let exception = match &error {
        Error::Generic { source, .. } | Error::NotSupported { source } | Error::PermissionDenied { source, .. } => {
            match source.downcast_ref() {
                Some(HdfsError::RPCError(exception, text)) => Some((exception.as_str(), text)),
                _ => None,
            }
        }
        _ => None,
    };
    let absent = exception.is_some_and(|(exception, text)| {
        [PARENT_IS_A_FILE, "org.apache.hadoop.fs.InvalidPathException"].contains(&exception)
            || text.contains("is not a directory")
    });
    if absent { Error::NotFound { path: String::new(), source: Box::new(error) } } else { error }
}

/// Why HDFS refuses: the name of the NameNode's exception, whose words name hosts and users; or what Kerberos' own library
/// says, without which nobody finds what is missing on this machine.
pub(in crate::origin) fn refusal(source: &(dyn std::error::Error + 'static)) -> Option<String> {
    match source.downcast_ref()? {
        HdfsError::GSSAPIError(_, _, text) | HdfsError::SASLError(text) => Some(text.clone()),
        HdfsError::NoSASLMechanism => Some("HDFS and this client have no way to sign in in common".to_owned()),
        HdfsError::RPCError(exception, _) | HdfsError::FatalRPCError(exception, _) => {
            exception.rsplit('.').next().map(str::to_owned)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(exception: &str) -> Error {
        converted(HdfsError::RPCError(exception.to_owned(), "its words".to_owned()), "/x")
    }

    #[test]
    fn an_exception_says_what_to_do_next() {
        assert!(matches!(rpc("java.io.FileNotFoundException"), Error::NotFound { .. }));
        assert!(matches!(rpc("org.apache.hadoop.security.AccessControlException"), Error::PermissionDenied { .. }));
        assert!(matches!(rpc("org.apache.hadoop.fs.InvalidPathException"), Error::NotSupported { .. }));
        assert!(matches!(rpc("org.apache.hadoop.ipc.StandbyException"), Error::Generic { .. }));
        assert!(matches!(rpc(PARENT_IS_A_FILE), Error::Generic { .. }));
        assert!(matches!(absent_below_a_file(rpc(PARENT_IS_A_FILE)), Error::NotFound { .. }));
        assert!(matches!(converted(HdfsError::NoSASLMechanism, "/x"), Error::Unauthenticated { .. }));
    }

    #[test]
    fn a_refusal_is_named_without_its_words() {
        let refused =
            HdfsError::FatalRPCError("org.apache.hadoop.security.AccessControlException".into(), "host".into());
        assert_eq!(refusal(&refused).as_deref(), Some("AccessControlException"));
    }
}
