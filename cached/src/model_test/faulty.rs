//! An origin that fails in every way that origins do, by a seeded generator: the faults of one seed are always the same
//! in number and kind.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The share of reads that fail, while faults are on.
const FAULTY: f64 = 0.01;

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// 503, before anything is sent.
    Unavailable,
    /// The body ends early, as if it were complete.
    Short,
    /// The body goes on beyond its end.
    Long,
    /// The connection breaks in the middle of the body.
    Broken,
    /// 200 and the whole object for a range.
    Whole,
    /// Another size than the object has.
    WrongSize,
    /// Nothing more comes from the middle of the body on, and the connection stays.
    Stall,
}

const FAULTS: [Fault; 7] =
    [Fault::Unavailable, Fault::Short, Fault::Long, Fault::Broken, Fault::Whole, Fault::WrongSize, Fault::Stall];

/// Faults around an origin in memory. Writes do not fail: whether one that did took effect, nobody could tell.
#[derive(Debug)]
pub(super) struct FaultyOrigin {
    pub(super) inner: Arc<InMemory>,
    pub(super) on: AtomicBool,
    pub(super) faults: AtomicU64,
    dice: Mutex<ChaCha8Rng>,
}

impl FaultyOrigin {
    pub(super) fn new(seed: u64) -> Self {
        let dice = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        Self { inner: Arc::default(), on: AtomicBool::new(false), faults: AtomicU64::new(0), dice }
    }

    fn fault(&self) -> Option<Fault> {
        let mut dice = self.dice.lock();
        if !self.on.load(Ordering::SeqCst) || !dice.random_bool(FAULTY) {
            return None;
        }
        self.faults.fetch_add(1, Ordering::SeqCst);
        Some(FAULTS[dice.random_range(0..FAULTS.len())])
    }
}

impl std::fmt::Display for FaultyOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultyOrigin")
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "connection reset".into() }
}

#[async_trait]
impl ObjectStore for FaultyOrigin {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        // Others run in between, as they would if this took time.
        tokio::task::yield_now().await;
        let fault = self.fault();
        let asked = match fault {
            Some(Fault::Unavailable) => return Err(broken()),
            Some(Fault::Whole) => GetOptions { range: None, ..options.clone() },
            _ => options.clone(),
        };
        let result = self.inner.get_opts(location, asked).await?;
        let (mut meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
        if matches!(fault, Some(Fault::WrongSize)) {
            meta.size += 1;
        }
        if options.head {
            return Ok(GetResult { meta, ..result });
        }
        let bytes = result.bytes().await?;
        let half = bytes.len() / 2;
        let chunks: Vec<Result<Bytes>> = match fault {
            Some(Fault::Short) => vec![Ok(bytes.slice(..half))],
            Some(Fault::Long) => vec![Ok(bytes), Ok(Bytes::from_static(b"and more"))],
            Some(Fault::Broken) => vec![Ok(bytes.slice(..half)), Err(broken())],
            _ => vec![Ok(bytes.slice(..half)), Ok(bytes.slice(half..))],
        };
        let chunks = futures::stream::iter(chunks);
        let payload = GetResultPayload::Stream(match fault {
            Some(Fault::Stall) => Box::pin(chunks.take(1).chain(futures::stream::pending())),
            _ => Box::pin(chunks),
        });
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
