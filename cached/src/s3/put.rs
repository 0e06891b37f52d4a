//! PutObject, DeleteObject and DeleteObjects, and the bodies of writes with their checksums.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::{Attribute, Attributes};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{
    Checksum, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag,
    ETagCondition, Error as DeleteError, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};

use super::get::tag;
use super::{Api, errors, folders};
use crate::origin::Origin;
use crate::write::{PutCondition, WriteError};

/// Keys that one DeleteObjects may name, as on S3.
const DELETES_MAX: usize = 1000;
/// Deletions of one request under way at the origin at once.
const DELETES_AT_ONCE: usize = 16;

impl Api {
    pub(super) async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let trailers = request.trailing_headers.clone();
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        let condition = put_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let announced = Announced {
            md5: input.content_md5,
            checksum: Checksum {
                checksum_crc32: input.checksum_crc32,
                checksum_crc32c: input.checksum_crc32c,
                checksum_crc64nvme: input.checksum_crc64nvme,
                checksum_sha1: input.checksum_sha1,
                checksum_sha256: input.checksum_sha256,
                ..Checksum::default()
            },
            trailers,
        };
        let attributes = attributes(
            [
                (Attribute::ContentType, input.content_type),
                (Attribute::CacheControl, input.cache_control),
                (Attribute::ContentDisposition, input.content_disposition),
                (Attribute::ContentEncoding, stored_encoding(input.content_encoding)),
                (Attribute::ContentLanguage, input.content_language),
            ],
            input.metadata,
        );
        let checksum = announced.checksum.clone();
        let body = verified(input.body, announced);
        if folders::is_folder(&input.key) {
            return folders::put(body).await;
        }
        let etag = self.engine.put(origin, &input.key, body, attributes, condition).await.map_err(errors::write)?;
        let output = PutObjectOutput {
            e_tag: etag.map(ETag::Strong),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..PutObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let origin = self.origin(&request.input.bucket)?;
        self.delete(origin, &request.input.key).await?;
        Ok(S3Response::with_status(DeleteObjectOutput::default(), http::StatusCode::NO_CONTENT))
    }

    async fn delete(&self, origin: &Arc<Origin>, key: &str) -> S3Result<()> {
        if folders::is_folder(key) {
            return Ok(());
        }
        self.engine.delete(origin, key).await.map_err(|error| errors::origin(&error))
    }

    pub(super) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        if input.delete.objects.is_empty() || input.delete.objects.len() > DELETES_MAX {
            return Err(s3_error!(MalformedXML, "between 1 and {DELETES_MAX} keys are deleted at once"));
        }
        let keys: Vec<String> = input.delete.objects.into_iter().map(|object| object.key).collect();
        let results: Vec<(String, Result<(), S3Error>)> = futures::stream::iter(keys)
            .map(|key| async move {
                let deleted = self.delete(origin, &key).await;
                (key, deleted)
            })
            .buffered(DELETES_AT_ONCE)
            .collect()
            .await;
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for (key, result) in results {
            match result {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                Err(error) => failed.push(DeleteError {
                    key: Some(key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    ..DeleteError::default()
                }),
            }
        }
        let quiet = input.delete.quiet.unwrap_or(false);
        let output = DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: (!failed.is_empty()).then_some(failed),
            ..DeleteObjectsOutput::default()
        };
        Ok(S3Response::new(output))
    }
}

pub(super) fn put_condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<PutCondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(PutCondition::None),
        (Some(condition), None) => Ok(PutCondition::Is(tag(condition))),
        (None, Some(condition)) if condition.is_any() => Ok(PutCondition::Absent),
        _ => Err(s3_error!(NotImplemented, "a write takes If-Match, or If-None-Match with `*`")),
    }
}

/// `aws-chunked` is how the body travelled, not how the object is encoded.
pub(super) fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<&str> = encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

pub(super) fn attributes<const N: usize>(
    named: [(Attribute, Option<String>); N],
    metadata: Option<s3s::dto::Metadata>,
) -> Attributes {
    let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let metadata = metadata.into_iter().flatten().map(|(key, value)| (Attribute::Metadata(key.into()), value));
    named.chain(metadata).collect()
}

/// What a client says of its body.
pub(super) struct Announced {
    pub(super) md5: Option<String>,
    pub(super) checksum: Checksum,
    /// Checksums may follow the body.
    pub(super) trailers: Option<TrailingHeaders>,
}

/// The body, which fails at its end if it is not what was announced: the write is then given up.
pub(super) fn verified(
    body: Option<StreamingBlob>,
    announced: Announced,
) -> impl Stream<Item = Result<Bytes, WriteError>> + Send {
    let verify = Verify::new(announced);
    // Without a body the object is empty.
    let body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
    futures::stream::unfold(Some((body, verify)), |state| async move {
        let (mut body, mut verify) = state?;
        match body.next().await {
            Some(Ok(bytes)) => {
                verify.update(&bytes);
                Some((Ok(bytes), Some((body, verify))))
            }
            // A wrong chunk signature arrives as the source of this error.
            Some(Err(error)) => Some((Err(WriteError::Body(body_error(error))), None)),
            None => verify.finish().err().map(|error| (Err(WriteError::Body(error)), None)),
        }
    })
}

fn body_error(error: s3s::StdError) -> S3Error {
    match error.downcast::<S3Error>() {
        Ok(error) => *error,
        Err(error) if error.to_string().to_ascii_lowercase().contains("signature") => {
            S3Error::with_source(S3ErrorCode::SignatureDoesNotMatch, error)
        }
        Err(error) => S3Error::with_source(S3ErrorCode::IncompleteBody, error),
    }
}

struct Verify {
    md5: Option<(Md5, String)>,
    hasher: ChecksumHasher,
    expected: Checksum,
    trailers: Option<TrailingHeaders>,
}

impl Verify {
    fn new(announced: Announced) -> Self {
        let expected = announced.checksum;
        let has_trailers = announced.trailers.is_some();
        let mut hasher = ChecksumHasher::default();
        // A trailer names its algorithm only at the end; the CRCs are cheap enough to compute for whichever comes.
        if expected.checksum_crc32.is_some() || has_trailers {
            hasher.crc32 = Some(Crc32::new());
        }
        if expected.checksum_crc32c.is_some() || has_trailers {
            hasher.crc32c = Some(Crc32c::new());
        }
        if expected.checksum_crc64nvme.is_some() || has_trailers {
            hasher.crc64nvme = Some(Crc64Nvme::new());
        }
        if expected.checksum_sha1.is_some() || has_trailers {
            hasher.sha1 = Some(Sha1::new());
        }
        if expected.checksum_sha256.is_some() || has_trailers {
            hasher.sha256 = Some(Sha256::new());
        }
        Self { md5: announced.md5.map(|md5| (Md5::new(), md5)), hasher, expected, trailers: announced.trailers }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if let Some((md5, _)) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    fn finish(self) -> Result<(), S3Error> {
        if let Some((md5, expected)) = self.md5
            && BASE64_STANDARD.encode(md5.finalize().as_ref()) != expected
        {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received"));
        }
        let mut expected = self.expected;
        if let Some(trailers) = self.trailers.and_then(|trailers| trailers.take()) {
            let trailer = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            expected.checksum_crc32 = expected.checksum_crc32.or_else(|| trailer("x-amz-checksum-crc32"));
            expected.checksum_crc32c = expected.checksum_crc32c.or_else(|| trailer("x-amz-checksum-crc32c"));
            expected.checksum_crc64nvme = expected.checksum_crc64nvme.or_else(|| trailer("x-amz-checksum-crc64nvme"));
            expected.checksum_sha1 = expected.checksum_sha1.or_else(|| trailer("x-amz-checksum-sha1"));
            expected.checksum_sha256 = expected.checksum_sha256.or_else(|| trailer("x-amz-checksum-sha256"));
        }
        let computed = self.hasher.finalize();
        let pairs = [
            ("CRC32", expected.checksum_crc32, computed.checksum_crc32),
            ("CRC32C", expected.checksum_crc32c, computed.checksum_crc32c),
            ("CRC64NVME", expected.checksum_crc64nvme, computed.checksum_crc64nvme),
            ("SHA1", expected.checksum_sha1, computed.checksum_sha1),
            ("SHA256", expected.checksum_sha256, computed.checksum_sha256),
        ];
        match pairs.into_iter().find(|(_, expected, computed)| expected.is_some() && expected != computed) {
            Some((name, ..)) => {
                Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    async fn received(body: &'static str, announced: Announced) -> Result<usize, String> {
        let body = StreamingBlob::from(s3s::Body::from(Bytes::from_static(body.as_bytes())));
        let stream = verified(Some(body), announced);
        let chunks: Result<Vec<Bytes>, WriteError> = stream.try_collect().await;
        match chunks {
            Ok(chunks) => Ok(chunks.iter().map(Bytes::len).sum()),
            Err(WriteError::Body(error)) => Err(error.code().as_str().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn announced(md5: Option<&str>, crc32: Option<&str>) -> Announced {
        let checksum = Checksum { checksum_crc32: crc32.map(str::to_owned), ..Checksum::default() };
        Announced { md5: md5.map(str::to_owned), checksum, trailers: None }
    }

    #[tokio::test]
    async fn a_body_is_what_was_announced_or_is_refused() {
        // CRC32 and MD5 of "123456789" are the published check values.
        assert_eq!(received("123456789", announced(None, Some("y/Q5Jg=="))).await, Ok(9));
        assert_eq!(received("123456780", announced(None, Some("y/Q5Jg=="))).await, Err("BadDigest".into()));
        assert_eq!(received("123456789", announced(Some("JfnnlDI7RTiF9RgfG2JNCw=="), None)).await, Ok(9));
        assert_eq!(received("x", announced(Some("JfnnlDI7RTiF9RgfG2JNCw=="), None)).await, Err("BadDigest".into()));
    }

    #[test]
    fn how_a_body_travelled_is_not_kept() {
        assert_eq!(stored_encoding(Some("aws-chunked".into())), None);
        assert_eq!(stored_encoding(Some("gzip,aws-chunked".into())), Some("gzip".into()));
        assert_eq!(stored_encoding(None), None);
    }
}
