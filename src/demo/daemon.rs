//! The daemon as the demo starts it: in this process, over a simulated remote, with a clock that the demo moves.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use larder_cached::origin::simulated::{SimulatedRemote, SimulatedRemoteSettings};
use larder_cached::{
    Access, BucketSettings, CacheSettings, Consistency, Engine, KeySettings, Origins, S3Settings, SsdSettings,
};
use larder_model::{AttributionRules, ByteSize, Clock};
use larder_whitelist::{Night, NightlySettings, Owner, StoreSettings};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;

use super::lake::{Lake, SCHEMA};
use crate::config::{Config, LogSettings};
use crate::serve;

/// The bucket that holds the lake.
pub(crate) const BUCKET: &str = "lake";

/// The demo's key pair. It opens nothing but the demo's own lake, for reading, on this machine.
pub(crate) const KEY_ID: &str = "demo";
/// See [`KEY_ID`].
pub(crate) const KEY_SECRET: &str = "larder-demo-reads-only";

/// How long Larder may reuse a listing of the lake, whose files never change and to which none are added: a day, as where
/// tables are loaded once a day.
pub(crate) const LIST_CACHE: Duration = Duration::from_secs(24 * 3600);

/// A month passes in a minute or two, so a published whitelist is looked for often.
const FOLLOW_EVERY: Duration = Duration::from_millis(20);

const GRACE: Duration = Duration::from_secs(5);

/// A daemon that runs in this process, and the nights that go with it.
pub(crate) struct Daemon {
    config: Config,
    serving: serve::Daemon,
    night: Night,
    rules: AttributionRules,
}

impl Daemon {
    /// Starts it with its state below `folder`, which begins empty, and puts the lake at the distance of `remote`.
    pub(crate) async fn start(
        lake: &Lake,
        remote: SimulatedRemoteSettings,
        folder: &Path,
        budget: ByteSize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let config = config(lake, folder, budget)?;
        let mut origins = Origins::open(&config.buckets)?;
        // The bucket's URL names the lake's folder from the root on, and so does every request to its own store.
        let near = Arc::clone(origins.get(BUCKET).context("the lake's bucket is configured")?.store());
        origins.replace_store(BUCKET, Arc::new(SimulatedRemote::new(near, remote)));
        let serving = serve::start(serve::Parts {
            file: None,
            config: config.clone(),
            origins: origins.clone(),
            clock: Arc::clone(&clock),
            s3: listen(config.s3.listen.port())?,
            admin: listen(config.admin.listen.port())?,
            metastore: None,
            iceberg: None,
            follow_every: FOLLOW_EVERY,
            // The demo runs each night itself, when its day is over.
            runs_nights: false,
            grace: GRACE,
        })
        .await?;
        let workers = Some(vec![format!("http://{}", serving.admin)]);
        let night = serve::night(&config, &serving.store, &origins, &clock, workers, None)?;
        let rules = origins.get(BUCKET).context("the lake's bucket is configured")?.rules().clone();
        Ok(Self { config, serving, night, rules })
    }

    /// The data path.
    pub(crate) fn engine(&self) -> &Engine {
        &self.serving.engine
    }

    /// The control path.
    pub(crate) fn night(&self) -> &Night {
        &self.night
    }

    /// Waits until what was read and asked so far can be read from the logs.
    pub(crate) async fn flush_logs(&self) {
        self.serving.flush_logs().await;
    }

    /// Tells the store what was done until now, on the simulated day.
    pub(crate) async fn beat(&self) -> Result<()> {
        self.serving.beat().await
    }

    /// What names the tables of the lake's objects.
    pub(crate) fn rules(&self) -> &AttributionRules {
        &self.rules
    }

    /// The tiers as they were configured.
    pub(crate) fn cache(&self) -> &CacheSettings {
        &self.config.cache
    }

    /// Whether it could listen where `larder serve` would.
    pub(crate) fn has_usual_ports(&self) -> bool {
        self.serving.s3 == self.config.s3.listen && self.serving.admin == self.config.admin.listen
    }

    /// Where the S3 endpoint is.
    pub(crate) fn s3_url(&self) -> String {
        format!("http://{}", self.serving.s3)
    }

    /// Where the admin API and the dashboard are.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.serving.admin)
    }

    /// A client of the S3 endpoint, as any engine would make one: real HTTP, signed requests.
    pub(crate) fn s3_client(&self) -> Result<Arc<dyn ObjectStore>> {
        let client = AmazonS3Builder::new()
            .with_endpoint(self.s3_url())
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_bucket_name(BUCKET)
            .with_access_key_id(KEY_ID)
            .with_secret_access_key(KEY_SECRET)
            .build()?;
        Ok(Arc::new(client))
    }

    /// Resolves when the daemon cannot go on.
    pub(crate) async fn failed(&self) {
        self.serving.failed().await;
    }

    /// Ends it: requests under way finish, the logs and the tiers are written.
    pub(crate) async fn stop(self) {
        self.serving.stop().await;
    }
}

/// Listens on `port`, or on a free one where that is taken: a daemon may run on this machine already. The screen shows
/// the addresses that it came to.
fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
        .context("cannot listen on 127.0.0.1")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn config(lake: &Lake, folder: &Path, budget: ByteSize) -> Result<Config> {
    let root = std::path::absolute(&lake.root)?;
    let origin = url::Url::from_directory_path(&root);
    let origin = origin.ok().with_context(|| format!("{} is no absolute path", root.display()))?;
    let bucket = BucketSettings {
        consistency: Consistency::Immutable,
        list_cache: LIST_CACHE,
        ..BucketSettings::new(BUCKET, origin)
    };
    let key = KeySettings {
        id: KEY_ID.into(),
        secret: Some(KEY_SECRET.into()),
        secret_file: None,
        buckets: vec![BUCKET.into()],
        access: Access::Read,
    };
    Ok(Config {
        s3: S3Settings { keys: vec![key], ..S3Settings::default() },
        store: StoreSettings {
            url: format!("sqlite://{}", folder.join("larder.db").display()),
            ..StoreSettings::default()
        },
        cache: cache(folder, budget),
        buckets: vec![bucket],
        nightly: NightlySettings { budget, owners: owners(budget), ..NightlySettings::default() },
        logs: LogSettings { path: folder.join("logs"), ..LogSettings::default() },
        ..Config::default()
    })
}

/// Two teams share the lake, so that there is a bill to look at. Neither may hold more than there is.
fn owners(budget: ByteSize) -> Vec<Owner> {
    let owner = |name: &str, tables: &[&str]| Owner {
        name: name.to_owned(),
        tables: tables
            .iter()
            .map(|table| format!("{BUCKET}.{SCHEMA}.{table}").parse().expect("a table written here"))
            .collect(),
        cap: budget,
    };
    vec![owner("sales", &["lineitem", "orders", "customer"]), owner("supply", &["part", "partsupp", "supplier"])]
}

/// Memory for a quarter of the budget, so that the SSD has its part in what is measured; but no less than the data path
/// takes, which is room for eight blocks.
fn cache(folder: &Path, budget: ByteSize) -> CacheSettings {
    let settings = CacheSettings::default();
    let memory = ByteSize((budget.as_u64() / 4).max(8 * settings.block.as_u64()));
    let capacity = ByteSize((budget.as_u64() * 2).max(ByteSize::mib(256).as_u64()));
    CacheSettings {
        memory,
        ssd: SsdSettings { path: folder.join("cache"), capacity, ..SsdSettings::default() },
        ..settings
    }
}
