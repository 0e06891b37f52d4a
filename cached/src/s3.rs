//! The S3 endpoint: each operation of the protocol, put in the data path's terms.
//!
//! `s3s` parses and authenticates requests and writes answers; what is not implemented here answers `NotImplemented`.

mod access;
mod body;
mod clients;
mod copy;
mod errors;
mod folders;
mod get;
mod lenient;
mod limits;
mod list;
mod multipart;
mod put;
mod refusal;
mod server;
mod signature;
mod uploads;

use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CopyObjectInput, CopyObjectOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketLocationInput, GetBucketLocationOutput,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutObjectInput,
    PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};

use self::access::Keys;
pub use self::access::KeysError;
use self::clients::Clients;
use self::lenient::Signed;
pub use self::server::{ServeError, serve_s3};
use crate::engine::Engine;
use crate::origin::Origin;

/// The operations, over one engine.
struct Api {
    engine: Arc<Engine>,
    keys: Arc<Keys>,
    clients: Clients,
    /// `http` or `https`, as clients reach the endpoint.
    scheme: &'static str,
}

/// Travels with each request so that an error can name it.
#[derive(Debug, Clone)]
struct RequestId(String);

impl Api {
    fn origin(&self, bucket: &str) -> S3Result<&Arc<Origin>> {
        let origin = self.engine.origins().get(bucket);
        origin.ok_or_else(|| s3_error!(NoSuchBucket))
    }
}

/// The id of the key that has signed a request.
fn signer<T>(request: &S3Request<T>) -> String {
    let signed = || request.extensions.get::<Signed>().map(|signed| &signed.access_key);
    let key = request.credentials.as_ref().map(|credentials| &credentials.access_key).or_else(signed);
    key.cloned().unwrap_or_default()
}

/// The checksums that follow a request's body, once it was read.
fn trailers<T>(request: &S3Request<T>) -> Option<TrailingHeaders> {
    let signed = || request.extensions.get::<Signed>().and_then(|signed| signed.trailers.clone());
    request.trailing_headers.clone().or_else(signed)
}

/// Names the request in an error's body, so that it can be found in the log.
fn identified<I, O>(request: &S3Request<I>) -> impl FnOnce(S3Error) -> S3Result<S3Response<O>> + use<I, O> {
    let id = request.extensions.get::<RequestId>().cloned();
    move |mut error: S3Error| {
        if let Some(RequestId(id)) = id {
            error.set_request_id(id);
        }
        Err(error)
    }
}

macro_rules! operations {
    ($($name:ident: $input:ident -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Api {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let identified = identified(&request);
                match Api::$name(self, request).await {
                    Ok(answer) => Ok(answer),
                    Err(error) => identified(error),
                }
            })*
        }
    };
}

operations! {
    get_object: GetObjectInput -> GetObjectOutput;
    head_object: HeadObjectInput -> HeadObjectOutput;
    list_buckets: ListBucketsInput -> ListBucketsOutput;
    head_bucket: HeadBucketInput -> HeadBucketOutput;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput;
    list_objects: ListObjectsInput -> ListObjectsOutput;
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output;
    put_object: PutObjectInput -> PutObjectOutput;
    copy_object: CopyObjectInput -> CopyObjectOutput;
    delete_object: DeleteObjectInput -> DeleteObjectOutput;
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput;
    upload_part: UploadPartInput -> UploadPartOutput;
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput;
    list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput;
    list_parts: ListPartsInput -> ListPartsOutput;
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput;
}
