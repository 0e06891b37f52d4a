//! The five calls of a multipart upload.

use object_store::Attribute;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, ListPartsInput,
    ListPartsOutput, Part, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::body::{Announced, verified};
use super::get::{length, timestamp};
use super::put::{attributes, put_condition, stored_encoding};
use super::{Api, errors};

/// Parts in one page of ListParts, as on S3.
const PARTS_PAGE_MAX: i32 = 1000;

impl Api {
    pub(super) async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        origin.path(&input.key).map_err(|error| errors::origin(&error))?;
        let named = [
            (Attribute::ContentType, input.content_type),
            (Attribute::CacheControl, input.cache_control),
            (Attribute::ContentDisposition, input.content_disposition),
            (Attribute::ContentEncoding, stored_encoding(input.content_encoding)),
            (Attribute::ContentLanguage, input.content_language),
        ];
        let attributes = attributes(named, input.metadata)?;
        let now = self.engine.clock.now();
        let id = self.engine.uploads.create(&input.bucket, &input.key, attributes, now).await?;
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            ..CreateMultipartUploadOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let trailers = request.trailing_headers.clone();
        let input = request.input;
        self.origin(&input.bucket)?;
        let upload = self.engine.uploads.get(&input.upload_id, &input.bucket, &input.key)?;
        let checksum = Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            ..Checksum::default()
        };
        let announced = Announced::new(input.content_md5, checksum.clone(), trailers)?;
        let body = verified(input.body, announced);
        let part = upload.put_part(input.part_number, body, self.engine.clock.now()).await.map_err(errors::write)?;
        let output = UploadPartOutput {
            e_tag: Some(ETag::Strong(part.etag)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..UploadPartOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        self.origin(&input.bucket)?;
        let upload = self.engine.uploads.get(&input.upload_id, &input.bucket, &input.key)?;
        let after = input.part_number_marker.unwrap_or(0);
        let most = input.max_parts.unwrap_or(PARTS_PAGE_MAX).clamp(0, PARTS_PAGE_MAX);
        let mut rest = upload.parts().into_iter().filter(|(number, _)| *number > after);
        let parts: Vec<Part> = rest
            .by_ref()
            .take(usize::try_from(most).unwrap_or(0))
            .map(|(number, part)| Part {
                part_number: Some(number),
                e_tag: Some(ETag::Strong(part.etag)),
                size: Some(length(part.size)),
                last_modified: Some(timestamp(part.modified)),
                ..Part::default()
            })
            .collect();
        let output = ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            max_parts: Some(most),
            part_number_marker: input.part_number_marker,
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            is_truncated: Some(rest.next().is_some()),
            parts: Some(parts),
            ..ListPartsOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        let upload = self.engine.uploads.get(&input.upload_id, &input.bucket, &input.key)?;
        let condition = put_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let named: Vec<(i32, Option<String>)> = named
            .into_iter()
            .map(|part| {
                let number = part.part_number.ok_or_else(|| s3_error!(MalformedXML, "a part without its number"))?;
                Ok((number, part.e_tag.map(ETag::into_value)))
            })
            .collect::<S3Result<_>>()?;
        let body = upload.assemble(&named)?;
        let written = self.engine.put(origin, &input.key, body, upload.attributes(), condition).await;
        let etag = written.map_err(errors::write)?;
        // Only now: an upload that could not be completed can be completed again.
        self.engine.uploads.close(&input.upload_id);
        let output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: etag.map(ETag::Strong),
            ..CompleteMultipartUploadOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.origin(&input.bucket)?;
        self.engine.uploads.get(&input.upload_id, &input.bucket, &input.key)?;
        self.engine.uploads.close(&input.upload_id);
        Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), http::StatusCode::NO_CONTENT))
    }
}
