//! Who may come in, and what each key opens.

use std::collections::HashMap;
use std::path::PathBuf;

use http::StatusCode;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};
use thiserror::Error;

use super::lenient::Signed;
use super::refusal::Refusal;
use crate::settings::{Access, KeySettings};

const UNKNOWN_KEY: &str = "The AWS Access Key Id you provided does not exist in our records.";

/// Keys that cannot be used. Fix `[[s3.keys]]` in `larder.toml`.
#[derive(Debug, Error)]
pub enum KeysError {
    /// Neither or both of `secret` and `secret_file`.
    #[error("key `{id}`: give either `secret` or `secret_file`")]
    Secret {
        /// The key's id.
        id: String,
    },
    /// The secret's file cannot be read.
    #[error("key `{id}`: secret_file `{path}` cannot be read")]
    SecretFile {
        /// The key's id.
        id: String,
        /// The file.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
    /// The same id twice.
    #[error("key `{id}` stands twice")]
    Twice {
        /// The key's id.
        id: String,
    },
}

/// The keys by their id.
#[derive(Debug)]
pub(super) struct Keys(HashMap<String, Key>);

struct Key {
    secret: SecretKey,
    buckets: Vec<String>,
    access: Access,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("buckets", &self.buckets).field("access", &self.access).finish_non_exhaustive()
    }
}

impl Key {
    fn opens(&self, bucket: &str) -> bool {
        self.buckets.iter().any(|opened| opened == "*" || opened == bucket)
    }
}

impl KeySettings {
    /// The secret itself, from its file where it has one.
    pub fn read_secret(&self) -> Result<String, KeysError> {
        let id = self.id.clone();
        match (&self.secret, &self.secret_file) {
            (Some(secret), None) => Ok(secret.clone()),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|source| KeysError::SecretFile { id, path: path.clone(), source }),
            _ => Err(KeysError::Secret { id }),
        }
    }
}

impl Keys {
    pub(super) fn new(settings: &[KeySettings]) -> Result<Self, KeysError> {
        let mut keys = HashMap::new();
        for key in settings {
            let id = key.id.clone();
            let secret = key.read_secret()?;
            let key = Key { secret: secret.into(), buckets: key.buckets.clone(), access: key.access };
            if keys.insert(id.clone(), key).is_some() {
                return Err(KeysError::Twice { id });
            }
        }
        Ok(Self(keys))
    }

    /// Refuses an id that is no key's.
    pub(super) fn known(&self, id: &str) -> Result<(), Refusal> {
        if self.0.contains_key(id) {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::FORBIDDEN, "InvalidAccessKeyId", UNKNOWN_KEY).with("AWSAccessKeyId", id))
    }

    /// Whether a key may see a bucket at all.
    pub(super) fn opens(&self, id: &str, bucket: &str) -> bool {
        self.0.get(id).is_some_and(|key| key.opens(bucket))
    }
}

/// Authentication: the secret of an id.
pub(super) struct Authentication(pub(super) std::sync::Arc<Keys>);

#[async_trait::async_trait]
impl S3Auth for Authentication {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.0.get(access_key) {
            Some(key) => Ok(key.secret.clone()),
            None => Err(s3_error!(InvalidAccessKeyId, "{UNKNOWN_KEY}")),
        }
    }
}

/// Authorization: what a key may do where. Whether a bucket exists is not told to keys that it is closed to.
pub(super) struct Authorization(pub(super) std::sync::Arc<Keys>);

#[async_trait::async_trait]
impl S3Access for Authorization {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let signed = context.extensions_mut().get::<Signed>().map(|signed| signed.access_key.clone());
        let id = context.credentials().map(|credentials| credentials.access_key.as_str()).or(signed.as_deref());
        let key = id.and_then(|id| self.0.0.get(id));
        let Some(key) = key else {
            return Err(s3_error!(AccessDenied));
        };
        let bucket = match context.s3_path() {
            S3Path::Root => return Ok(()),
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => bucket,
        };
        let writes = !matches!(*context.method(), http::Method::GET | http::Method::HEAD);
        if !key.opens(bucket) || (writes && key.access != Access::Write) {
            return Err(s3_error!(AccessDenied));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> KeySettings {
        KeySettings {
            id: id.into(),
            secret: Some("s".into()),
            secret_file: None,
            buckets: vec!["wh".into()],
            access: Access::Read,
        }
    }

    #[test]
    fn a_key_opens_its_buckets_only() {
        let keys = Keys::new(&[key("a"), KeySettings { buckets: vec!["*".into()], ..key("b") }]).expect("keys");
        assert!(
            keys.opens("a", "wh") && !keys.opens("a", "other") && keys.opens("b", "other") && !keys.opens("c", "wh")
        );
    }

    #[test]
    fn wrong_keys_are_named() {
        let both = KeySettings { secret_file: Some("f".into()), ..key("a") };
        let absent = KeySettings { secret: None, secret_file: Some("/no/such/file".into()), ..key("a") };
        for wrong in [vec![both], vec![absent], vec![key("a"), key("a")]] {
            assert!(Keys::new(&wrong).expect_err("wrong keys").to_string().contains("`a`"));
        }
    }
}
