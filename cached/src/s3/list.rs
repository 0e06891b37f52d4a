//! Buckets and listings.

use std::collections::HashSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3s::dto::{
    Bucket, CommonPrefix, ETag, EncodingType, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectStorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::get::{length, timestamp};
use super::{Api, errors, signer};
use crate::origin::{ListPage, ListRequest};

/// More keys than this are never sent in one page, as on S3.
const KEYS_MAX: i32 = 1000;

/// Where buckets are said to be. Every client accepts it, and Larder every client's.
const REGION: &str = "us-east-1";

/// Leads every continuation token.
const TOKEN_FORM: &str = "larder1-";

impl Api {
    pub(super) async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let id = signer(&request);
        let names = self.engine.origins().iter().map(|origin| origin.name());
        let prefix = request.input.prefix.unwrap_or_default();
        let opened = names.filter(|name| self.keys.opens(&id, name) && name.starts_with(&prefix));
        let buckets = opened
            .map(|name| Bucket {
                name: Some(name.to_owned()),
                // A bucket is a line of configuration and has no date of its own; clients insist on one.
                creation_date: Some(timestamp(chrono::DateTime::UNIX_EPOCH)),
                ..Bucket::default()
            })
            .collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..ListBucketsOutput::default() }))
    }

    pub(super) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.origin(&request.input.bucket)?;
        let region = Some(REGION.to_owned());
        Ok(S3Response::new(HeadBucketOutput { bucket_region: region, ..HeadBucketOutput::default() }))
    }

    pub(super) async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.origin(&request.input.bucket)?;
        // Without a constraint a bucket is in `REGION`.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    pub(super) async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let keys_max = keys_max(input.max_keys)?;
        let list = ListRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            after: input.marker.clone().filter(|marker| !marker.is_empty()),
            token: None,
            keys_max,
        };
        let encode = Encode::new(input.encoding_type.as_ref())?;
        encode.check(&list)?;
        let page = self.page(&input.bucket, &list).await?;
        // The marker of the next page is the last key or common prefix of this one.
        let last_key = page.entries.last().map(|entry| entry.key.as_str());
        let last = last_key.max(page.common_prefixes.last().map(String::as_str));
        let truncated = page.next.is_some() && last.is_some();
        let output = ListObjectsOutput {
            name: Some(input.bucket),
            prefix: input.prefix.as_deref().map(|prefix| encode.text(prefix)),
            marker: input.marker.as_deref().map(|marker| encode.text(marker)),
            max_keys: Some(i32::try_from(keys_max).unwrap_or(KEYS_MAX)),
            is_truncated: Some(truncated),
            delimiter: list.delimiter.as_deref().map(|delimiter| encode.text(delimiter)),
            next_marker: last.filter(|_| truncated).map(|last| encode.text(last)),
            contents: Some(contents(&page, &encode)),
            common_prefixes: Some(common_prefixes(&page, &encode)),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let keys_max = keys_max(input.max_keys)?;
        let list = ListRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            after: input.start_after.clone().filter(|after| !after.is_empty()),
            token: input.continuation_token.as_deref().map(token_from).transpose()?,
            keys_max,
        };
        let encode = Encode::new(input.encoding_type.as_ref())?;
        encode.check(&list)?;
        let page = self.page(&input.bucket, &list).await?;
        let output = ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix.as_deref().map(|prefix| encode.text(prefix)),
            max_keys: Some(i32::try_from(keys_max).unwrap_or(KEYS_MAX)),
            key_count: Some(i32::try_from(page.entries.len() + page.common_prefixes.len()).unwrap_or(KEYS_MAX)),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_deref().map(token_to),
            contents: Some(contents(&page, &encode)),
            common_prefixes: Some(common_prefixes(&page, &encode)),
            delimiter: list.delimiter.as_deref().map(|delimiter| encode.text(delimiter)),
            start_after: input.start_after.map(|after| encode.text(&after)),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        };
        Ok(S3Response::new(output))
    }

    async fn page(&self, bucket: &str, list: &ListRequest) -> S3Result<ListPage> {
        let origin = self.origin(bucket)?;
        if list.keys_max == 0 {
            return Ok(ListPage::default());
        }
        let page = self.engine.list(origin, list).await.map_err(|error| match error {
            // What is absent here is the origin's own bucket, not a key.
            crate::origin::OriginError::NotFound { .. } => s3_error!(NoSuchBucket),
            error => errors::origin(&error),
        })?;
        let mut page = ListPage::clone(&page);
        let mut seen = HashSet::new();
        page.common_prefixes.retain(|prefix| seen.insert(prefix.clone()));
        Ok(page)
    }
}

fn keys_max(asked: Option<i32>) -> S3Result<usize> {
    let asked = asked.unwrap_or(KEYS_MAX);
    usize::try_from(asked.min(KEYS_MAX))
        .map_err(|_| s3_error!(InvalidArgument, "Argument {asked} must be an integer between 0 and 2147483647"))
}

/// Tokens are opaque to clients. The form makes sure that only what Larder gave out is taken back.
fn token_to(next: &str) -> String {
    format!("{TOKEN_FORM}{}", BASE64_URL_SAFE_NO_PAD.encode(next))
}

fn token_from(token: &str) -> S3Result<String> {
    let next = token.strip_prefix(TOKEN_FORM).and_then(|token| BASE64_URL_SAFE_NO_PAD.decode(token).ok());
    let next = next.and_then(|next| String::from_utf8(next).ok());
    next.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

fn contents(page: &ListPage, encode: &Encode) -> Vec<Object> {
    page.entries
        .iter()
        .map(|entry| Object {
            key: Some(encode.text(&entry.key)),
            size: Some(length(entry.state.size)),
            e_tag: entry.state.etag.clone().map(ETag::Strong),
            last_modified: Some(timestamp(entry.state.modified)),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Object::default()
        })
        .collect()
}

fn common_prefixes(page: &ListPage, encode: &Encode) -> Vec<CommonPrefix> {
    let prefix = |prefix: &String| CommonPrefix { prefix: Some(encode.text(prefix)) };
    page.common_prefixes.iter().map(prefix).collect()
}

/// `encoding-type=url`: names are percent-encoded, because XML 1.0 cannot hold every character.
pub(super) struct Encode(bool);

impl Encode {
    pub(super) fn new(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    /// An answer repeats what was asked for, and XML has no way to write control characters.
    fn check(&self, list: &ListRequest) -> S3Result<()> {
        let asked = [Some(&list.prefix), list.delimiter.as_ref(), list.after.as_ref()];
        if !self.0 && asked.into_iter().flatten().any(|text| text.chars().any(char::is_control)) {
            return Err(s3_error!(InvalidArgument, "names with control characters need encoding-type=url"));
        }
        Ok(())
    }

    pub(super) fn text(&self, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let mut encoded = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b'*' => {
                    encoded.push(byte.into());
                }
                b' ' => encoded.push('+'),
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_s3_does() {
        assert_eq!(Encode(true).text("a b/ü%+?.x"), "a+b/%C3%BC%25%2B%3F.x");
        assert_eq!(Encode(false).text("a b"), "a b");
    }

    #[test]
    fn only_our_own_tokens_are_taken_back() {
        assert_eq!(token_from(&token_to("a/ü\0")).ok().as_deref(), Some("a/ü\0"));
        for wrong in ["", "a/b", "larder1-*", "\0", "larder1-_w"] {
            assert!(token_from(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pages_have_at_most_a_thousand_keys() {
        assert_eq!(keys_max(None).ok(), Some(1000));
        assert_eq!(keys_max(Some(5000)).ok(), Some(1000));
        assert_eq!(keys_max(Some(0)).ok(), Some(0));
        assert!(keys_max(Some(-1)).is_err());
    }
}
