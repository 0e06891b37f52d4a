//! An engine behind its real S3 endpoint, over an origin that counts and can misbehave.

#![allow(dead_code, reason = "each suite uses a part")]

pub(crate) mod parquet;
pub(crate) mod raw;

use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use larder_cached::{
    Access, Admit, BucketSettings, CacheSettings, Consistency, Engine, EngineParts, KeySettings, Origins, S3Settings,
    SsdSettings, serve_s3,
};
use larder_model::admin::{PreloadItem, PreloadRequest, PreloadStatus};
use larder_model::{ByteSize, Clock, IoSpeed, Location, ManualClock, Whitelist, WhitelistItem};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// An origin in memory that counts what is read of it, and fails when told to.
#[derive(Debug, Default)]
pub(crate) struct CountingOrigin {
    pub(crate) inner: InMemory,
    pub(crate) gets: AtomicU64,
    pub(crate) heads: AtomicU64,
    pub(crate) lists: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) down: AtomicBool,
    /// Cuts the next so many bodies short by one byte.
    pub(crate) truncate: AtomicU64,
    /// The next so many bodies stop in the middle, and their connections stay.
    pub(crate) stall: AtomicU64,
    /// Each GET waits this long, in milliseconds.
    pub(crate) delay_ms: AtomicU64,
    /// The next so many GETs wait for ever.
    pub(crate) stuck: AtomicU64,
    /// The most GETs that were under way at once, and how many are.
    pub(crate) at_once_max: AtomicU64,
    at_once: AtomicU64,
}

impl std::fmt::Display for CountingOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CountingOrigin")
    }
}

impl CountingOrigin {
    fn check(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            return Err(object_store::Error::Generic { store: "counting", source: "down".into() });
        }
        Ok(())
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    pub(crate) fn gets(&self) -> u64 {
        self.gets.load(Ordering::SeqCst)
    }

    pub(crate) fn lists(&self) -> u64 {
        self.lists.load(Ordering::SeqCst)
    }

    pub(crate) fn heads(&self) -> u64 {
        self.heads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ObjectStore for CountingOrigin {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.check()?;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.check()?;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        let head = options.head;
        let mut result = self.inner.get_opts(location, options).await?;
        if head {
            self.heads.fetch_add(1, Ordering::SeqCst);
        } else {
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once_max.fetch_max(at_once, Ordering::SeqCst);
            if self.stuck.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                futures::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            self.gets.fetch_add(1, Ordering::SeqCst);
            self.bytes.fetch_add(result.range.end - result.range.start, Ordering::SeqCst);
            let cut = self.truncate.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            let (meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
            let mut bytes = result.bytes().await?;
            if cut {
                bytes.truncate(bytes.len() - 1);
            }
            let stalls = self.stall.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            let body = if stalls {
                bytes.truncate(bytes.len() / 2);
                let half = futures::stream::once(async move { Ok(bytes) });
                half.chain(futures::stream::pending()).boxed()
            } else {
                futures::stream::once(async move { Ok(bytes) }).boxed()
            };
            result = GetResult { payload: GetResultPayload::Stream(body), meta, range, attributes };
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check()?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check()?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// A worker: an engine and its endpoint.
pub(crate) struct Worker {
    pub(crate) engine: Arc<Engine>,
    pub(crate) s3: Arc<AmazonS3>,
    pub(crate) address: std::net::SocketAddr,
    /// Stands still until a test moves it.
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) whitelist: watch::Sender<Option<Arc<Whitelist>>>,
    shutdown: CancellationToken,
}

impl Worker {
    /// Starts one with small tiers in `folder`, over `origin` as bucket `lake`.
    pub(crate) async fn start(folder: &FilePath, origin: Arc<dyn ObjectStore>, consistency: Consistency) -> Self {
        Self::start_with(folder, origin, consistency, Admit::Whitelist).await
    }

    pub(crate) async fn start_with(
        folder: &FilePath,
        origin: Arc<dyn ObjectStore>,
        consistency: Consistency,
        admit: Admit,
    ) -> Self {
        Self::start_over(folder, origins(bucket(consistency), origin), admit, S3Settings::default()).await
    }

    /// The same over origins of the caller's; the endpoint's keys are always the same.
    pub(crate) async fn start_over(folder: &FilePath, origins: Origins, admit: Admit, settings: S3Settings) -> Self {
        let (whitelist, followed) = watch::channel(None);
        let cache = CacheSettings {
            memory: ByteSize::mib(16),
            ssd: SsdSettings { path: folder.join("ssd"), capacity: ByteSize::mib(128), ..SsdSettings::default() },
            admit,
            block: ByteSize::kib(64),
            fill: ByteSize::kib(512),
            ..CacheSettings::default()
        };
        let clock = Arc::new(ManualClock::new("2026-11-20T09:00:00Z".parse().expect("a time")));
        let parts = EngineParts {
            cache,
            origins,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            whitelist: followed,
            access_log: Some(folder.join("access")),
            worker: "w1".into(),
        };
        let engine = Engine::start(parts).await.expect("the engine starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let key = |id: &str, access, buckets: &[&str]| KeySettings {
            id: id.into(),
            secret: Some("secret".into()),
            secret_file: None,
            buckets: buckets.iter().map(|b| (*b).to_owned()).collect(),
            access,
        };
        let settings = S3Settings {
            keys: vec![
                key("writer", Access::Write, &["*"]),
                key("reader", Access::Read, &["lake"]),
                key("stranger", Access::Write, &["other"]),
            ],
            ..settings
        };
        let shutdown = CancellationToken::new();
        let (serving, stop) = (Arc::clone(&engine), shutdown.clone());
        tokio::spawn(async move {
            serve_s3(listener, &settings, serving, stop, Duration::from_secs(5)).await.expect("the endpoint serves");
        });
        let s3 = Arc::new(client(address, "writer", "secret"));
        Self { engine, s3, address, clock, whitelist, shutdown }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.engine.close(Duration::from_secs(5)).await;
    }

    /// Puts these folders of bucket `lake` on the whitelist, and waits until it is in force.
    pub(crate) async fn whitelist(&self, version: u64, items: &[(&str, &str)]) {
        self.follow(whitelist(version, items)).await;
    }

    /// Waits until a list is in force.
    pub(crate) async fn follow(&self, list: Whitelist) {
        let version = list.version;
        self.whitelist.send(Some(Arc::new(list))).expect("the engine follows");
        while self.engine.whitelist().is_none_or(|whitelist| whitelist.version != version) {
            tokio::task::yield_now().await;
        }
    }
}

/// Bucket `lake`.
pub(crate) fn bucket(consistency: Consistency) -> BucketSettings {
    BucketSettings { consistency, catalog: Some("hive".into()), ..BucketSettings::new("lake", "s3://lake") }
}

/// A bucket with `store` behind it.
pub(crate) fn origins(bucket: BucketSettings, store: Arc<dyn ObjectStore>) -> Origins {
    let mut origins = Origins::open(std::slice::from_ref(&bucket)).expect("an origin");
    origins.replace_store(&bucket.name, store);
    origins
}

pub(crate) fn client(address: std::net::SocketAddr, id: &str, secret: &str) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(format!("http://{address}"))
        .with_bucket_name("lake")
        .with_region("us-east-1")
        .with_access_key_id(id)
        .with_secret_access_key(secret)
        .with_allow_http(true)
        .with_retry(object_store::RetryConfig { max_retries: 0, ..Default::default() })
        .build()
        .expect("a client")
}

pub(crate) fn whitelist(version: u64, items: &[(&str, &str)]) -> Whitelist {
    let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
    Whitelist {
        format: larder_model::whitelist::FORMAT,
        version,
        created: Default::default(),
        night: Default::default(),
        budget_bytes: 1 << 30,
        horizon_days: 30,
        cut_density: 0.0,
        origin: speed,
        ssd: IoSpeed { overhead_seconds: 0.0001, bytes_per_second: 2e9 },
        reason: "a test".into(),
        cause: None,
        columns: Default::default(),
        items: items
            .iter()
            .map(|(item, prefix)| WhitelistItem {
                item: item.parse().expect("an item"),
                locations: vec![Location { bucket: "lake".into(), prefix: (*prefix).to_owned() }],
                bytes: 1,
                objects: 1,
                value_seconds: 1.0,
                reason: String::new(),
            })
            .collect(),
    }
}

/// Bytes that differ from place to place and from seed to seed.
pub(crate) fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

pub(crate) async fn put(origin: &CountingOrigin, key: &str, bytes: &[u8]) {
    origin.inner.put(&key.into(), bytes.to_vec().into()).await.expect("memory takes it");
}

pub(crate) async fn read(s3: &AmazonS3, key: &str) -> Vec<u8> {
    s3.get(&key.into()).await.expect("an answer").bytes().await.expect("a body").to_vec()
}

pub(crate) fn preload(prefixes: &[&str]) -> PreloadRequest {
    let items = prefixes.iter().map(|prefix| PreloadItem {
        item: format!("hive.db.t/{}", prefix.trim_end_matches('/').rsplit('/').next().expect("a part"))
            .parse()
            .expect("an item"),
        locations: vec![Location { bucket: "lake".into(), prefix: (*prefix).to_owned() }],
    });
    PreloadRequest {
        version: 0,
        items: items.collect(),
        rate_bytes_per_second: None,
        window_seconds: None,
        written_bytes_per_day: None,
    }
}

pub(crate) async fn preloaded(worker: &Worker, request: PreloadRequest) -> PreloadStatus {
    worker.engine.preload(request);
    loop {
        let status = worker.engine.preload_status(true).status;
        if !status.running {
            return status;
        }
        tokio::task::yield_now().await;
    }
}
