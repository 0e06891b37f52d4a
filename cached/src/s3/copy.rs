//! CopyObject.

use object_store::Attribute;
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, MetadataDirective};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::get::{conditions, timestamp};
use super::put::{attributes, stored_encoding};
use super::{Api, errors};

impl Api {
    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let id = request.credentials.map(|credentials| credentials.access_key).unwrap_or_default();
        let input = request.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, version_id: None } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "copies are made from a bucket and key, without a version"));
        };
        // The request's own path was checked against the key; the source is another path.
        if !self.keys.opens(&id, from_bucket) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let (from, to) = (self.origin(from_bucket)?, self.origin(&input.bucket)?);
        let replace = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
            None | Some(MetadataDirective::COPY) => false,
            Some(MetadataDirective::REPLACE) => true,
            Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
        };
        if !replace && from.name() == to.name() && **from_key == *input.key {
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
            let (state, _) = from.head(from_key).await.map_err(|error| errors::origin(&error))?;
            // On a copy also "not modified" is a failed precondition.
            conditions.check(&state).map_err(|_| s3_error!(PreconditionFailed))?;
        }
        let attributes = replace.then(|| {
            let named = [
                (Attribute::ContentType, input.content_type),
                (Attribute::CacheControl, input.cache_control),
                (Attribute::ContentDisposition, input.content_disposition),
                (Attribute::ContentEncoding, stored_encoding(input.content_encoding)),
                (Attribute::ContentLanguage, input.content_language),
            ];
            attributes(named, input.metadata)
        });
        let copied = self.engine.copy((from, from_key), (to, &input.key), attributes).await.map_err(errors::write)?;
        let result = CopyObjectResult {
            e_tag: copied.etag.map(ETag::Strong),
            last_modified: Some(timestamp(copied.modified)),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }
}
