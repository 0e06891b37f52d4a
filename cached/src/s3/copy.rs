//! CopyObject and UploadPartCopy.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use object_store::{Attribute, GetOptions, GetRange};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag, MetadataDirective,
    UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::get::{conditions, timestamp};
use super::put::{attributes, stored_encoding};
use super::{Api, errors, folders, signer};
use crate::origin::{ObjectState, Origin};
use crate::read::Conditions;
use crate::upload;
use crate::write::WriteError;

impl Api {
    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let id = signer(&request);
        let input = request.input;
        let to = self.origin(&input.bucket)?;
        let (from, from_key) = self.source(&id, &input.copy_source)?;
        let replace = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
            None | Some(MetadataDirective::COPY) => false,
            Some(MetadataDirective::REPLACE) => true,
            Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
        };
        if !replace && from.name() == to.name() && *from_key == *input.key {
            let message = "This copy request is illegal because it is trying to copy an object to itself without \
                           changing the object's metadata, storage class, website redirect location or encryption \
                           attributes.";
            return Err(s3_error!(InvalidRequest, "{message}"));
        }
        let conditions = conditions(
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
            input.copy_source_if_modified_since,
            input.copy_source_if_unmodified_since,
        )?;
        if !conditions.is_empty() {
            source_state(from, from_key, &conditions).await?;
        }
        let given = {
            let named = [
                (Attribute::ContentType, input.content_type),
                (Attribute::CacheControl, input.cache_control),
                (Attribute::ContentDisposition, input.content_disposition),
                (Attribute::ContentEncoding, stored_encoding(input.content_encoding)),
                (Attribute::ContentLanguage, input.content_language),
            ];
            attributes(named, input.metadata)?
        };
        let attributes = replace.then_some(given);
        let copied = self.engine.copy((from, from_key), (to, &input.key), attributes).await.map_err(errors::write)?;
        let result = CopyObjectResult {
            e_tag: copied.etag.map(ETag::Strong),
            last_modified: Some(timestamp(copied.modified)),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    pub(super) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let id = signer(&request);
        let input = request.input;
        self.origin(&input.bucket)?;
        upload::check_part_number(input.part_number)?;
        let (from, from_key) = self.source(&id, &input.copy_source)?;
        let upload = self.engine.uploads.get(&input.upload_id, &input.bucket, &input.key)?;
        let conditions = conditions(
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
            input.copy_source_if_modified_since,
            input.copy_source_if_unmodified_since,
        )?;
        let range = input.copy_source_range.as_deref().map(source_range).transpose()?;
        let state = source_state(from, from_key, &conditions).await?;
        if range.as_ref().is_some_and(|range| range.end > state.size) {
            let size = state.size;
            return Err(s3_error!(InvalidArgument, "Range specified is not valid for source object of size: {size}"));
        }
        let options =
            GetOptions { if_match: state.etag_verbatim, range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let source = from.get(from_key, options).await.map_err(|error| errors::origin(&error))?;
        let body = source.into_stream().map(|chunk| chunk.map_err(WriteError::from));
        let part = upload.put_part(input.part_number, body, self.engine.clock.now()).await.map_err(errors::write)?;
        let result = CopyPartResult {
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(timestamp(part.modified)),
            ..CopyPartResult::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    /// Where a copy comes from. The request's own path was checked against the key `id`; this is another path.
    fn source<'a>(&self, id: &str, source: &'a CopySource) -> S3Result<(&Arc<Origin>, &'a str)> {
        let CopySource::Bucket { bucket, key, version_id: None } = source else {
            return Err(s3_error!(NotImplemented, "copies are made from a bucket and key, without a version"));
        };
        if !self.keys.opens(id, bucket) {
            return Err(s3_error!(AccessDenied));
        }
        let origin = self.origin(bucket)?;
        if folders::is_folder(key) {
            return Err(folders::not_found());
        }
        Ok((origin, key))
    }
}

/// The state of a copy's source, which satisfies the request's conditions.
async fn source_state(from: &Origin, key: &str, conditions: &Conditions) -> S3Result<ObjectState> {
    let (state, _) = from.head(key).await.map_err(|error| errors::origin(&error))?;
    // On a copy also "not modified" is a failed precondition.
    conditions.check(&state).map_err(|_| s3_error!(PreconditionFailed))?;
    Ok(state)
}

/// `bytes=first-last`, and no other form of a range.
fn source_range(text: &str) -> S3Result<Range<u64>> {
    let parsed = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).and_then(|(first, last)| {
        let end = last.parse::<u64>().ok()?.checked_add(1)?;
        Some(first.parse::<u64>().ok()?..end)
    });
    parsed.filter(|range| range.start < range.end).ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_range_has_a_first_and_a_last_byte() {
        assert_eq!(source_range("bytes=0-0").ok(), Some(0..1));
        assert_eq!(source_range("bytes=100-200").ok(), Some(100..201));
        for wrong in ["byte=1-2", "bytes=2-1", "bytes=-2", "bytes=1-", "bytes=1-2-3", "bytes=0-18446744073709551615"] {
            assert!(source_range(wrong).is_err(), "{wrong}");
        }
    }
}
