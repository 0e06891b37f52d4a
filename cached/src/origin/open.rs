//! Making an origin's client from its URL and options.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use larder_model::AttributionRules;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::list::PaginatedListStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreScheme, RetryConfig};
use thiserror::Error;
use tokio::sync::Semaphore;
use url::Url;

use super::{Folder, Origin, Pace, hdfs};
use crate::settings::BucketSettings;

/// A bucket whose origin cannot be set up. Fix the line of `larder.toml` that it names.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL does not parse or has a scheme that is not served.
    #[error("bucket `{bucket}`: origin `{url}`: {problem}")]
    Url {
        /// The bucket.
        bucket: String,
        /// The URL as configured.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An option that this kind of origin does not have.
    #[error("bucket `{bucket}`: option `{option}` is not known for {kind} origins")]
    Option {
        /// The bucket.
        bucket: String,
        /// The key under `options`.
        option: String,
        /// `s3`, `gs`, `azure` or `hdfs`.
        kind: &'static str,
    },
    /// An option whose value cannot be.
    #[error("bucket `{bucket}`: option `{option}`: {problem}")]
    Value {
        /// The bucket.
        bucket: String,
        /// The key under `options`.
        option: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// The bucket redirects to an origin that has no presigned URLs.
    #[error("bucket `{bucket}`: redirect: {problem}")]
    Redirect {
        /// The bucket.
        bucket: String,
        /// Why not.
        problem: String,
    },
    /// The client refuses its configuration.
    #[error("bucket `{bucket}`: origin `{url}` cannot be set up")]
    Client {
        /// The bucket.
        bucket: String,
        /// The URL as configured.
        url: String,
        /// The client's own words.
        #[source]
        source: object_store::Error,
    },
}

/// One client, by what it can do.
struct Client {
    store: Arc<dyn ObjectStore>,
    paginated: Option<Arc<dyn PaginatedListStore>>,
    signer: Option<Arc<dyn Signer>>,
    keeps_attributes: bool,
    lists_bare_etags: bool,
    folder: Option<Folder>,
}

impl Client {
    fn new<S: ObjectStore + PaginatedListStore + Signer>(store: S) -> Self {
        let store = Arc::new(store);
        let (paginated, signer) = (Some(store.clone() as _), Some(store.clone() as _));
        Self { store, paginated, signer, keeps_attributes: true, lists_bare_etags: false, folder: None }
    }
}

impl Origin {
    pub(super) fn open(settings: &BucketSettings) -> Result<Self, OpenError> {
        let wrong_url =
            |problem: String| OpenError::Url { bucket: settings.name.clone(), url: settings.origin.clone(), problem };
        let url = Url::parse(&settings.origin).map_err(|error| wrong_url(error.to_string()))?;
        let (client, path) = match (url.scheme(), ObjectStoreScheme::parse(&url)) {
            ("hdfs", _) => (hdfs(settings, &url)?, Path::from_url_path(url.path())),
            (_, Ok((ObjectStoreScheme::Local, path))) => (local(&url), Ok(path)),
            (_, Ok((ObjectStoreScheme::AmazonS3, path))) => (s3(settings)?, Ok(path)),
            (_, Ok((ObjectStoreScheme::GoogleCloudStorage, path))) => (google(settings)?, Ok(path)),
            (_, Ok((ObjectStoreScheme::MicrosoftAzure, path))) => (azure(settings)?, Ok(path)),
            (scheme, _) => {
                return Err(wrong_url(format!(
                    "`{scheme}://` is not served: use s3://, hdfs://, gs://, abfss:// or file:///"
                )));
            }
        };
        check_redirect(settings, client.signer.is_some())?;
        Ok(Self {
            name: settings.name.clone(),
            url: settings.origin.clone(),
            keeps_attributes: client.keeps_attributes,
            lists_bare_etags: client.lists_bare_etags,
            folder: client.folder,
            store: client.store,
            paginated: client.paginated,
            signer: client.signer.filter(|_| !settings.redirect.is_empty()),
            redirect: settings.redirect.clone(),
            prefix: path.map_err(|error| wrong_url(error.to_string()))?,
            rules: AttributionRules::new(
                settings.catalog.as_deref().unwrap_or(&settings.name),
                settings.tables.clone(),
            ),
            consistency: settings.consistency,
            list_cache: settings.list_cache,
            stall: settings.stall,
            pace: Arc::new(Pace::default()),
            readers: Arc::default(),
            turns: Arc::new(Semaphore::new(settings.fills_max)),
        })
    }
}

/// An origin that is down must be noticed within seconds; fills and clients try again by their own rules.
fn retries() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() }
}

/// Whether a bucket can redirect as it is told to.
fn check_redirect(settings: &BucketSettings, signs: bool) -> Result<(), OpenError> {
    let wrong = |problem: &str| OpenError::Redirect { bucket: settings.name.clone(), problem: problem.to_owned() };
    let anonymous = |(key, value): (&String, &String)| key.ends_with("skip_signature") && value != "false";
    if settings.redirect.is_empty() {
        Ok(())
    } else if !signs {
        Err(wrong("only s3://, gs:// and abfss:// origins have presigned URLs to redirect to"))
    } else if settings.options.iter().any(anonymous) {
        Err(wrong("presigned URLs need credentials, and `skip_signature` leaves them out"))
    } else if let Some(name) = settings.redirect.iter().find(|name| name.is_empty() || **name != name.to_lowercase()) {
        Err(wrong(&format!(
            "`{name}` is no engine: names are as the access log has them, such as `curl`, or `*` for all"
        )))
    } else {
        Ok(())
    }
}

fn local(url: &Url) -> Client {
    let store = Arc::new(LocalFileSystem::new().with_automatic_cleanup(true));
    let folder = url.to_file_path().ok().map(Folder::Local);
    Client { store, paginated: None, signer: None, keeps_attributes: false, lists_bare_etags: false, folder }
}

fn hdfs(settings: &BucketSettings, url: &Url) -> Result<Client, OpenError> {
    let store = hdfs::open(settings, url)?;
    let (paginated, folder) = (Some(store.clone() as _), Some(Folder::Hdfs(store.clone())));
    Ok(Client { store, paginated, signer: None, keeps_attributes: false, lists_bare_etags: false, folder })
}

fn s3(settings: &BucketSettings) -> Result<Client, OpenError> {
    let mut builder = AmazonS3Builder::from_env().with_url(&settings.origin).with_retry(retries());
    for (key, value) in &settings.options {
        let option = AmazonS3ConfigKey::from_str(key).map_err(|_| unknown(settings, key, "s3"))?;
        builder = builder.with_config(option, value);
    }
    Ok(Client::new(builder.build().map_err(|source| refused(settings, source))?))
}

fn google(settings: &BucketSettings) -> Result<Client, OpenError> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_url(&settings.origin).with_retry(retries());
    for (key, value) in &settings.options {
        let option = GoogleConfigKey::from_str(key).map_err(|_| unknown(settings, key, "gs"))?;
        builder = builder.with_config(option, value);
    }
    Ok(Client::new(builder.build().map_err(|source| refused(settings, source))?))
}

fn azure(settings: &BucketSettings) -> Result<Client, OpenError> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_url(&settings.origin).with_retry(retries());
    for (key, value) in &settings.options {
        let option = AzureConfigKey::from_str(key).map_err(|_| unknown(settings, key, "azure"))?;
        builder = builder.with_config(option, value);
    }
    let client = Client::new(builder.build().map_err(|source| refused(settings, source))?);
    Ok(Client { lists_bare_etags: true, ..client })
}

fn unknown(settings: &BucketSettings, option: &str, kind: &'static str) -> OpenError {
    OpenError::Option { bucket: settings.name.clone(), option: option.to_owned(), kind }
}

fn refused(settings: &BucketSettings, source: object_store::Error) -> OpenError {
    OpenError::Client { bucket: settings.name.clone(), url: settings.origin.clone(), source }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn bucket(origin: &str) -> BucketSettings {
        BucketSettings::new("wh", origin)
    }

    #[test]
    fn a_wrong_origin_is_named() {
        let error = Origin::open(&bucket("ftp://x/y")).expect_err("no such scheme").to_string();
        assert!(error.contains("`wh`") && error.contains("ftp://"), "{error}");
        let mut settings = bucket("s3://b/p");
        settings.options.insert("endpiont".into(), "x".into());
        let error = Origin::open(&settings).expect_err("no such option").to_string();
        assert!(error.contains("`endpiont`"), "{error}");
    }

    #[test]
    fn a_redirect_that_cannot_be_is_named() {
        let open = |origin: &str, redirect: &str, options: &[(&str, &str)]| {
            let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            Origin::open(&BucketSettings { redirect: vec![redirect.into()], options, ..bucket(origin) })
        };
        for (origin, redirect, options, expected) in [
            ("file:///tmp/larder-test-no-such-folder", "*", &[][..], "presigned URLs"),
            ("s3://b/p", "Spark", &[], "`Spark`"),
            ("s3://b/p", "", &[], "``"),
            ("s3://b/p", "*", &[("skip_signature", "true")], "skip_signature"),
        ] {
            let error = open(origin, redirect, options).expect_err(expected).to_string();
            assert!(error.contains("`wh`") && error.contains("redirect:") && error.contains(expected), "{error}");
        }
        let curl = open("s3://b/p", "curl", &[("skip_signature", "false")]).expect("an origin");
        assert!(curl.redirects("curl") && !curl.redirects("spark"));
        assert!(open("s3://b/p", "*", &[]).expect("an origin").redirects("spark"));
        assert!(!Origin::open(&bucket("s3://b/p")).expect("an origin").redirects("curl"));
    }

    #[test]
    fn the_urls_path_is_the_prefix() {
        assert_eq!(Origin::open(&bucket("s3://raw/hive/x/")).expect("an origin").prefix().as_ref(), "hive/x");
        assert_eq!(Origin::open(&bucket("gs://raw")).map(|o| o.prefix().to_string()).unwrap_or_default(), "");
    }
}
