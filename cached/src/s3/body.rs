//! The bodies of writes, and whether they are what was announced.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::StatusCode;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

use crate::write::WriteError;

/// What a client says of its body.
pub(super) struct Announced {
    md5: Option<String>,
    checksum: Checksum,
    /// Checksums may follow the body.
    trailers: Option<TrailingHeaders>,
}

impl Announced {
    /// Refuses what no body could be.
    pub(super) fn new(md5: Option<String>, checksum: Checksum, trailers: Option<TrailingHeaders>) -> S3Result<Self> {
        if md5.as_deref().is_some_and(|md5| !has_length(md5, 16)) {
            return Err(s3_error!(InvalidDigest, "The Content-Md5 you specified is not valid."));
        }
        check_form(&checksum)?;
        Ok(Self { md5, checksum, trailers })
    }
}

/// Whether there is at most one checksum, and it is one of its kind.
fn check_form(checksum: &Checksum) -> S3Result<()> {
    let mut given = kinds(checksum);
    let Some((name, value, bytes)) = given.next() else { return Ok(()) };
    if given.next().is_some() {
        let problem = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(s3_error!(InvalidRequest, "{problem}"));
    }
    if !has_length(value, bytes) {
        return Err(s3_error!(InvalidRequest, "Value for x-amz-checksum-{name} header is invalid."));
    }
    Ok(())
}

/// The checksums that are given: their names in headers, their values in base64, and how many bytes those stand for.
fn kinds(checksum: &Checksum) -> impl Iterator<Item = (&'static str, &str, usize)> {
    let kinds = [
        ("crc32", &checksum.checksum_crc32, 4),
        ("crc32c", &checksum.checksum_crc32c, 4),
        ("crc64nvme", &checksum.checksum_crc64nvme, 8),
        ("sha1", &checksum.checksum_sha1, 20),
        ("sha256", &checksum.checksum_sha256, 32),
    ];
    kinds.into_iter().filter_map(|(name, value, bytes)| Some((name, value.as_deref()?, bytes)))
}

/// Whether a text in base64 stands for so many bytes.
fn has_length(text: &str, bytes: usize) -> bool {
    BASE64_STANDARD.decode(text).is_ok_and(|decoded| decoded.len() == bytes)
}

/// What a body was, once it is read to its end.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: u64,
    /// The checksum that was announced, and is right.
    pub(super) checksum: Checksum,
}

/// The body, which fails at its end if it is not what was announced: the write is then given up.
pub(super) fn verified(
    body: Option<StreamingBlob>,
    announced: Announced,
) -> (impl Stream<Item = Result<Bytes, WriteError>> + Send, Arc<OnceLock<Received>>) {
    let received = Arc::new(OnceLock::new());
    let verify = Verify::new(announced, Arc::clone(&received));
    // Without a body the object is empty.
    let body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
    let stream = futures::stream::unfold(Some((body, verify)), |state| async move {
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
    });
    (stream, received)
}

fn body_error(error: s3s::StdError) -> S3Error {
    match error.downcast::<S3Error>() {
        Ok(error) => *error,
        Err(error) if error.to_string().to_ascii_lowercase().contains("signature") => {
            S3Error::with_source(S3ErrorCode::SignatureDoesNotMatch, error)
        }
        Err(error) if error.to_string().contains("Sha256Mismatch") => {
            let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
            let problem = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            let mut error = S3Error::with_message(code, problem);
            error.set_status_code(StatusCode::BAD_REQUEST);
            error
        }
        Err(error) => S3Error::with_source(S3ErrorCode::IncompleteBody, error),
    }
}

struct Verify {
    md5: Option<(Md5, String)>,
    hasher: ChecksumHasher,
    expected: Checksum,
    trailers: Option<TrailingHeaders>,
    bytes: u64,
    received: Arc<OnceLock<Received>>,
}

impl Verify {
    fn new(announced: Announced, received: Arc<OnceLock<Received>>) -> Self {
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
        let md5 = announced.md5.map(|md5| (Md5::new(), md5));
        Self { md5, hasher, expected, trailers: announced.trailers, bytes: 0, received }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hasher.update(bytes);
        if let Some((md5, _)) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    fn finish(self) -> Result<(), S3Error> {
        if let Some((md5, expected)) = self.md5
            && BASE64_STANDARD.encode(md5.finalize().as_ref()) != expected
        {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
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
        if let Some((name, ..)) = kinds(&expected).find(|(_, value, bytes)| !has_length(value, *bytes)) {
            return Err(s3_error!(InvalidRequest, "Value for x-amz-checksum-{name} trailing header is invalid."));
        }
        let computed = self.hasher.finalize();
        let pairs = [
            ("CRC32", &expected.checksum_crc32, computed.checksum_crc32),
            ("CRC32C", &expected.checksum_crc32c, computed.checksum_crc32c),
            ("CRC64NVME", &expected.checksum_crc64nvme, computed.checksum_crc64nvme),
            ("SHA1", &expected.checksum_sha1, computed.checksum_sha1),
            ("SHA256", &expected.checksum_sha256, computed.checksum_sha256),
        ];
        let wrong = pairs.into_iter().find(|(_, expected, computed)| expected.is_some() && *expected != computed);
        if let Some((name, ..)) = wrong {
            return Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."));
        }
        self.received.get_or_init(|| Received { bytes: self.bytes, checksum: expected });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    async fn received(body: &'static str, announced: Announced) -> Result<usize, String> {
        let body = StreamingBlob::from(s3s::Body::from(Bytes::from_static(body.as_bytes())));
        let (stream, _) = verified(Some(body), announced);
        let chunks: Result<Vec<Bytes>, WriteError> = stream.try_collect().await;
        match chunks {
            Ok(chunks) => Ok(chunks.iter().map(Bytes::len).sum()),
            Err(WriteError::Body(error)) => Err(error.code().as_str().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn announced(md5: Option<&str>, crc32: Option<&str>) -> Announced {
        let checksum = Checksum { checksum_crc32: crc32.map(str::to_owned), ..Checksum::default() };
        Announced::new(md5.map(str::to_owned), checksum, None).expect("possible checksums")
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
    fn what_no_body_could_be_is_refused_at_once() {
        let refused = |md5: Option<&str>, crc32: Option<&str>, sha1: Option<&str>| {
            let checksum = Checksum {
                checksum_crc32: crc32.map(str::to_owned),
                checksum_sha1: sha1.map(str::to_owned),
                ..Checksum::default()
            };
            Announced::new(md5.map(str::to_owned), checksum, None).err().map(|error| error.code().as_str().to_owned())
        };
        assert_eq!(refused(Some("JfnnlDI7RTiF9RgfG2JNCw=="), Some("y/Q5Jg=="), None), None);
        for wrong in ["", "no base64", "y/Q5Jg=="] {
            assert_eq!(refused(Some(wrong), None, None).as_deref(), Some("InvalidDigest"), "{wrong}");
        }
        for wrong in ["", "no base64", "JfnnlDI7RTiF9RgfG2JNCw=="] {
            assert_eq!(refused(None, Some(wrong), None).as_deref(), Some("InvalidRequest"), "{wrong}");
        }
        let two = refused(None, Some("y/Q5Jg=="), Some("Kq5sNclPz7QV2+lfQIuc6R7oRu0="));
        assert_eq!(two.as_deref(), Some("InvalidRequest"));
    }
}
