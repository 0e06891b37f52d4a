//! The five calls of a multipart upload.

use object_store::Attribute;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedMultipartUpload, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ETag, ListPartsInput, ListPartsOutput, Part, StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::body::{Announced, verified};
use super::get::{length, timestamp};
use super::put::{attributes, put_condition, stored_encoding};
use super::{Api, errors, trailers};

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
        let trailers = trailers(&request);
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
        let announced = Announced::new(input.content_md5, checksum, trailers)?;
        let (body, received) = verified(input.body, announced);
        let part = upload.put_part(input.part_number, body, self.engine.clock.now()).await.map_err(errors::write)?;
        let checksum = received.get().map(|received| received.checksum.clone()).unwrap_or_default();
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
        let most = input.max_parts.unwrap_or(PARTS_PAGE_MAX).min(PARTS_PAGE_MAX);
        let length_max = usize::try_from(most)
            .map_err(|_| s3_error!(InvalidArgument, "Argument {most} must be an integer between 0 and 2147483647"))?;
        let mut rest = upload.parts().into_iter().filter(|(number, _)| *number > after);
        let parts: Vec<Part> = rest
            .by_ref()
            .take(length_max)
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
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..ListPartsOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let host = request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let input = request.input;
        let origin = self.origin(&input.bucket)?;
        let location = format!("{}://{host}/{}/{}", self.scheme, input.bucket, input.key);
        let uploads = &self.engine.uploads;
        let etag = match uploads.completed(&input.upload_id, &input.bucket, &input.key) {
            Some(etag) => etag,
            None => {
                let upload = uploads.get(&input.upload_id, &input.bucket, &input.key)?;
                let condition = put_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
                let named = named_parts(input.multipart_upload)?;
                let (size, body) = upload.assemble(&named)?;
                if let Some(negative) = input.mpu_object_size.filter(|expected| *expected < 0) {
                    let problem = format!("header is less than zero: '{negative}'");
                    return Err(s3_error!(InvalidRequest, "Value for x-amz-mp-object-size {problem}"));
                }
                if let Some(expected) = input.mpu_object_size.filter(|expected| *expected != length(size)) {
                    return Err(s3_error!(
                        InvalidRequest,
                        "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: \
                         {size}"
                    ));
                }
                let written = self.engine.put(origin, &input.key, body, upload.attributes(), condition).await;
                let etag = written.map_err(errors::write)?;
                // Only now: an upload that could not be completed can be completed again.
                uploads.complete(&upload, etag.as_deref());
                etag
            }
        };
        let output = CompleteMultipartUploadOutput {
            location: Some(location),
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
        let upload = self.engine.uploads.get(&input.upload_id, &input.bucket, &input.key)?;
        if let Some(time) = input.if_match_initiated_time {
            let opened = upload.opened().timestamp();
            let expected = time::OffsetDateTime::from(time).unix_timestamp();
            if expected != opened && expected <= self.engine.clock.now().timestamp() {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        self.engine.uploads.close(&input.upload_id);
        Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), http::StatusCode::NO_CONTENT))
    }
}

/// The parts that make the object, by their numbers and ETags.
fn named_parts(upload: Option<CompletedMultipartUpload>) -> S3Result<Vec<(i32, String)>> {
    let named = upload.and_then(|upload| upload.parts).unwrap_or_default();
    let named = named.into_iter().map(|part| {
        let (Some(number), Some(etag)) = (part.part_number, part.e_tag) else {
            return Err(s3_error!(MalformedXML));
        };
        if number < 1 {
            return Err(s3_error!(InvalidArgument, "PartNumber must be >= 1"));
        }
        Ok((number, etag.into_value()))
    });
    named.collect()
}
