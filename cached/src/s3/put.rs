//! PutObject, DeleteObject and DeleteObjects.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use object_store::{Attribute, Attributes};
use s3s::dto::{
    Checksum, ChecksumType, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, ETag, ETagCondition, Error as DeleteError, PutObjectInput, PutObjectOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::body::{Announced, verified};
use super::get::{length, tag};
use super::{Api, errors, folders, trailers};
use crate::origin::Origin;
use crate::write::PutCondition;

/// Keys that one DeleteObjects may name, as on S3.
const DELETES_MAX: usize = 1000;
/// User metadata of one object, names and values, as on S3.
const METADATA_BYTES_MAX: usize = 2048;
/// Deletions of one request under way at the origin at once.
const DELETES_AT_ONCE: usize = 16;

impl Api {
    pub(super) async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let trailers = trailers(&request);
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        let condition = put_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let checksum = Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            ..Checksum::default()
        };
        let announced = Announced::new(input.content_md5, checksum, trailers)?;
        let attributes = attributes(
            [
                (Attribute::ContentType, input.content_type),
                (Attribute::CacheControl, input.cache_control),
                (Attribute::ContentDisposition, input.content_disposition),
                (Attribute::ContentEncoding, stored_encoding(input.content_encoding)),
                (Attribute::ContentLanguage, input.content_language),
            ],
            input.metadata,
        )?;
        let (body, received) = verified(input.body, announced);
        if folders::is_folder(&input.key) {
            return folders::put(body).await;
        }
        let etag = self.engine.put(origin, &input.key, body, attributes, condition).await.map_err(errors::write)?;
        let (size, checksum) =
            received.get().map(|received| (received.bytes, received.checksum.clone())).unwrap_or_default();
        let output = PutObjectOutput {
            e_tag: etag.map(ETag::Strong),
            size: Some(length(size)),
            checksum_type: (checksum != Checksum::default())
                .then(|| ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
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
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        if input.if_match.is_some() || input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
            // The origin's client has no deletion on a condition, and one without it would be another request.
            return Err(s3_error!(NotImplemented));
        }
        self.delete(origin, &input.key).await?;
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
                    message: errors::message(&error).map(str::to_owned),
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
        // A write takes If-Match, or If-None-Match with `*`.
        _ => Err(s3_error!(NotImplemented)),
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
) -> S3Result<Attributes> {
    let length: usize = metadata.iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
    if length > METADATA_BYTES_MAX {
        let problem = "Your metadata headers exceed the maximum allowed metadata size";
        return Err(s3_error!(MetadataTooLarge, "{problem}"));
    }
    let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let metadata =
        metadata.into_iter().flatten().map(|(key, value)| (Attribute::Metadata(key.into()), in_ascii(value)));
    Ok(named.chain(metadata).collect())
}

/// Metadata as headers carry it: text beyond ASCII in the encoded words of RFC 2047, as S3 gives it back.
fn in_ascii(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    let mut words = vec![String::new()];
    for character in text.chars() {
        // A word has 75 characters at most, of which its frame takes 12.
        if words.last().is_some_and(|word| word.len() + character.len_utf8() > 45) {
            words.push(String::new());
        }
        words.last_mut().expect("there is a word").push(character);
    }
    let words: Vec<String> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(word))).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_beyond_ascii_is_encoded_in_words() {
        assert_eq!(in_ascii("a b".into()), "a b");
        assert_eq!(in_ascii("\u{4f60}\u{597d}\u{ff0c}\u{4e16}\u{754c}".into()), "=?UTF-8?B?5L2g5aW977yM5LiW55WM?=");
        let long = in_ascii("\u{fc}".repeat(100));
        assert!(long.split(' ').count() == 5 && long.split(' ').all(|word| word.len() <= 75));
    }

    #[test]
    fn how_a_body_travelled_is_not_kept() {
        assert_eq!(stored_encoding(Some("aws-chunked".into())), None);
        assert_eq!(stored_encoding(Some("gzip,aws-chunked".into())), Some("gzip".into()));
        assert_eq!(stored_encoding(None), None);
    }
}
