//! ListMultipartUploads.

use std::sync::Arc;

use s3s::dto::{CommonPrefix, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Api;
use super::get::timestamp;
use super::list::Encode;
use crate::upload::Upload;

/// Uploads in one page, as on S3.
const UPLOADS_PAGE_MAX: i32 = 1000;

impl Api {
    pub(super) async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        self.origin(&input.bucket)?;
        let encode = Encode::new(input.encoding_type.as_ref())?;
        let most = input.max_uploads.unwrap_or(UPLOADS_PAGE_MAX).min(UPLOADS_PAGE_MAX);
        let length_max = usize::try_from(most)
            .map_err(|_| s3_error!(InvalidArgument, "Argument {most} must be an integer between 0 and 2147483647"))?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let open = self.engine.uploads.list(&input.bucket, prefix);
        let key_marker = input.key_marker.as_deref().unwrap_or_default();
        let rest = after(&open, key_marker, input.upload_id_marker.as_deref())?;
        let page = Page::new(rest, prefix, delimiter, length_max);
        let uploads = page.uploads.iter().map(|upload| MultipartUpload {
            key: Some(encode.text(upload.key())),
            upload_id: Some(upload.id().to_owned()),
            initiated: Some(timestamp(upload.opened())),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..MultipartUpload::default()
        });
        let common = |prefix: &String| CommonPrefix { prefix: Some(encode.text(prefix)) };
        let output = ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            common_prefixes: Some(page.common_prefixes.iter().map(common).collect()),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next.as_ref().map(|(key, _)| encode.text(key)),
            next_upload_id_marker: page.next.map(|(_, id)| id),
            max_uploads: Some(most),
            prefix: Some(encode.text(prefix)),
            delimiter: input.delimiter.as_deref().map(|delimiter| encode.text(delimiter)),
            key_marker: input.key_marker.as_deref().map(|key| encode.text(key)),
            upload_id_marker: input.upload_id_marker,
            encoding_type: input.encoding_type,
            bucket: Some(input.bucket),
            ..ListMultipartUploadsOutput::default()
        };
        Ok(S3Response::new(output))
    }
}

/// The uploads behind the markers: those of greater keys than the marker's, or, with an upload's id, those that follow
/// that upload, which is one of the first key from the marker on.
fn after<'a>(open: &'a [Arc<Upload>], key_marker: &str, id_marker: Option<&str>) -> S3Result<&'a [Arc<Upload>]> {
    let Some(id) = id_marker.filter(|id| !id.is_empty() && !key_marker.is_empty()) else {
        return Ok(&open[open.partition_point(|upload| !key_marker.is_empty() && upload.key() <= key_marker)..]);
    };
    let from = &open[open.partition_point(|upload| upload.key() < key_marker)..];
    let found = from.iter().take_while(|upload| upload.key() == from[0].key()).position(|upload| upload.id() == id);
    let found = found.ok_or_else(|| s3_error!(InvalidArgument, "Invalid uploadId marker"))?;
    Ok(&from[found + 1..])
}

/// One page of a listing.
#[derive(Default)]
struct Page {
    uploads: Vec<Arc<Upload>>,
    common_prefixes: Vec<String>,
    /// The last key or common prefix of a page that does not end the listing, and the id of its last upload.
    next: Option<(String, String)>,
}

impl Page {
    fn new(open: &[Arc<Upload>], prefix: &str, delimiter: Option<&str>, length_max: usize) -> Self {
        let mut page = Self::default();
        let mut last = None;
        for upload in open {
            if page.uploads.len() + page.common_prefixes.len() == length_max {
                page.next = last;
                break;
            }
            let below = &upload.key()[prefix.len()..];
            let end = delimiter.and_then(|delimiter| Some(below.find(delimiter)? + delimiter.len()));
            let named = end.map_or(upload.key(), |end| &upload.key()[..prefix.len() + end]);
            last = Some((named.to_owned(), upload.id().to_owned()));
            if end.is_none() {
                page.uploads.push(Arc::clone(upload));
            } else if page.common_prefixes.last().is_none_or(|last| last != named) {
                page.common_prefixes.push(named.to_owned());
            }
        }
        page
    }
}
