//! Keys that end with `/`: what Hadoop's client puts to say that there is a folder.
//!
//! Here a folder is there by what is in it, and the storages' paths cannot express such a key. So it may be put, if it is
//! empty, and deleted; nothing is kept of it, and it is never found. Hadoop finds folders by listing them.

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use s3s::dto::{ETag, PutObjectOutput};
use s3s::{S3Error, S3Response, S3Result, s3_error};

use super::errors;
use crate::write::WriteError;

/// The MD5 of nothing, which is the ETag of every empty object.
const EMPTY_ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Whether a key says that there is a folder, and nothing odd besides.
pub(super) fn is_folder(key: &str) -> bool {
    key.strip_suffix('/').is_some_and(|folder| !folder.is_empty() && !folder.ends_with('/'))
}

/// Takes a folder's body, which is empty.
pub(super) async fn put(body: impl Stream<Item = Result<Bytes, WriteError>>) -> S3Result<S3Response<PutObjectOutput>> {
    let mut body = std::pin::pin!(body);
    while let Some(bytes) = body.try_next().await.map_err(errors::write)? {
        if !bytes.is_empty() {
            return Err(s3_error!(InvalidArgument, "what ends with `/` is a folder, and holds no bytes of its own"));
        }
    }
    let output = PutObjectOutput { e_tag: Some(ETag::Strong(EMPTY_ETAG.to_owned())), ..PutObjectOutput::default() };
    Ok(S3Response::new(output))
}

/// What reads of a folder's key are told.
pub(super) fn not_found() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_name_and_a_slash() {
        for (key, folder) in [("a/", true), ("a/b=1/", true), ("a", false), ("/", false), ("a//", false), ("", false)] {
            assert_eq!(is_folder(key), folder, "{key}");
        }
    }

    #[tokio::test]
    async fn a_folder_holds_no_bytes() {
        let body = |bytes: &'static [u8]| futures::stream::iter([Ok(Bytes::from_static(bytes))]);
        assert!(put(body(b"")).await.is_ok());
        let refused = put(body(b"x")).await.expect_err("bytes in a folder");
        assert_eq!(refused.code().as_str(), "InvalidArgument");
    }
}
