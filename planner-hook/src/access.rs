//! What an engine is told so that it reads through Larder, and which buckets it may be told that for.

use std::fmt;

/// Larder's S3 endpoint, and a key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Access {
    /// The URL of the endpoint, as engines reach it.
    pub endpoint: String,
    /// The id of the key that engines sign with there.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

/// Without the secret.
impl fmt::Debug for S3Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Access {{ {}, {} }}", self.endpoint, self.key)
    }
}

/// Whether engines can read a bucket through Larder by the storage's own URLs: it must be the storage's S3 bucket, whole and
/// by its own name. The error says in words why not.
pub fn keeps_urls(name: &str, origin: &str) -> Result<(), String> {
    let Some(path) = origin.strip_prefix("s3://") else {
        return Err(format!("bucket `{name}`: its origin `{origin}` is not on S3"));
    };
    if path.trim_end_matches('/') == name {
        return Ok(());
    }
    let bucket = path.split('/').next().unwrap_or_default();
    Err(format!(
        "bucket `{name}`: engines keep the storage's own bucket and keys there, so write name = \"{bucket}\", origin = \
         \"s3://{bucket}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_buckets_of_their_own_name_keep_their_urls() {
        assert_eq!(keeps_urls("raw", "s3://raw"), Ok(()));
        assert_eq!(keeps_urls("raw", "s3://raw/"), Ok(()));
        for (name, origin) in [("warehouse", "s3://raw/hive"), ("raw", "s3://raw/raw"), ("warehouse", "s3://raw")] {
            let why = keeps_urls(name, origin).expect_err(origin);
            assert!(why.contains("name = \"raw\", origin = \"s3://raw\""), "{why}");
        }
        for origin in ["gs://raw", "hdfs://nn:8020/raw", "file:///raw"] {
            assert!(keeps_urls("raw", origin).expect_err(origin).contains("not on S3"));
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let access = S3Access { endpoint: "http://l".into(), key: "K".into(), secret: "hidden".into() };
        assert_eq!(format!("{access:?}"), "S3Access { http://l, K }");
    }
}
