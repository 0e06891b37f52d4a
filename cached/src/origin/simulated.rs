//! A remote origin, simulated: a wrapper that makes a near store answer as a far one would.
//!
//! Each request waits for its first byte, each stream has its own speed, all streams share one link, and a small part
//! of the requests is much slower than the rest. The demo and the benchmarks put it in front of a local folder, and say
//! so: [`SimulatedRemote::describe`] is printed before anything is measured. What it does to bytes is nothing.

use std::fmt;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::LogNormal;
use tokio::time::{Instant, sleep, sleep_until};

/// Bytes travel in pieces of this size: small enough to be paced evenly, large enough that a timer costs nothing.
const PIECE_BYTES: usize = 128 << 10;

/// Bytes that arrived while the reader was busy wait for it: a reader this late still keeps its stream's full speed.
/// This also evens out the timer, which ticks in milliseconds.
const BUFFERED: Duration = Duration::from_millis(4);

/// One page of a listing, and one batch of deletions, is one request, as S3 has it.
const KEYS_PER_REQUEST: usize = 1000;

/// How far away the simulated origin is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedRemoteSettings {
    /// The median wait for a request's first byte; the waits are distributed lognormally around it.
    pub first_byte_median: Duration,
    /// The sigma of that distribution: 0.2 puts two thirds of the requests within 20% of the median.
    pub first_byte_sigma: f64,
    /// The share of requests that are slow.
    pub slow_share: f64,
    /// How many times longer a slow request's first byte takes.
    pub slow_factor: f64,
    /// The speed of one stream.
    pub stream_bytes_per_second: u64,
    /// The speed of all streams together.
    pub link_bytes_per_second: u64,
    /// The seed of the waits: the same seed gives the same waits in the order of requests.
    pub seed: u64,
}

impl Default for SimulatedRemoteSettings {
    fn default() -> Self {
        Self {
            first_byte_median: Duration::from_millis(30),
            first_byte_sigma: 0.2,
            slow_share: 0.01,
            slow_factor: 10.0,
            stream_bytes_per_second: 80_000_000,
            link_bytes_per_second: 400_000_000,
            seed: 1,
        }
    }
}

/// What a [`SimulatedRemote`] was asked for since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimulatedTraffic {
    /// Requests of any kind.
    pub requests: u64,
    /// Bytes of objects that left it.
    pub bytes_sent: u64,
}

/// A store behind simulated distance.
#[derive(Debug, Clone)]
pub struct SimulatedRemote {
    inner: Arc<dyn ObjectStore>,
    network: Arc<Network>,
}

impl SimulatedRemote {
    /// Puts `inner` at the distance that `settings` describe.
    pub fn new(inner: Arc<dyn ObjectStore>, settings: SimulatedRemoteSettings) -> Self {
        Self { inner, network: Arc::new(Network::new(settings)) }
    }

    /// What was simulated, in one line for people to read before they believe a figure.
    pub fn describe(&self) -> String {
        let settings = &self.network.settings;
        format!(
            "first byte after {:?} at the median (lognormal, sigma {}; {}% of requests take {}x), {} MB/s per stream, \
             {} MB/s over all streams; get, head, list and put alike",
            settings.first_byte_median,
            settings.first_byte_sigma,
            settings.slow_share * 100.0,
            settings.slow_factor,
            settings.stream_bytes_per_second / 1_000_000,
            settings.link_bytes_per_second / 1_000_000,
        )
    }

    /// What it was asked for so far.
    pub fn traffic(&self) -> SimulatedTraffic {
        SimulatedTraffic {
            requests: self.network.requests.load(Ordering::Relaxed),
            bytes_sent: self.network.bytes_sent.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for SimulatedRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedRemote({}: {})", self.inner, self.describe())
    }
}

/// What lies between the client and the store.
#[derive(Debug)]
struct Network {
    settings: SimulatedRemoteSettings,
    dice: Mutex<Dice>,
    /// When the shared link has carried everything that it was given so far.
    link_free_at: Mutex<Option<Instant>>,
    requests: AtomicU64,
    bytes_sent: AtomicU64,
}

#[derive(Debug)]
struct Dice {
    rng: ChaCha8Rng,
    first_byte_seconds: LogNormal<f64>,
}

impl Network {
    fn new(settings: SimulatedRemoteSettings) -> Self {
        let median_seconds = settings.first_byte_median.as_secs_f64().max(1e-9);
        let first_byte_seconds = LogNormal::new(median_seconds.ln(), settings.first_byte_sigma)
            .expect("the median is above zero and sigma is a finite number of the settings");
        Self {
            settings,
            dice: Mutex::new(Dice { rng: ChaCha8Rng::seed_from_u64(settings.seed), first_byte_seconds }),
            link_free_at: Mutex::new(None),
            requests: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
        }
    }

    /// The next request's wait for its first byte.
    fn draw_first_byte(&self) -> Duration {
        let mut dice = self.dice.lock();
        let distribution = dice.first_byte_seconds;
        let seconds: f64 = dice.rng.sample(distribution);
        let slow = dice.rng.random_bool(self.settings.slow_share);
        Duration::from_secs_f64(if slow { seconds * self.settings.slow_factor } else { seconds })
    }

    /// One request: waits as long as its first byte takes.
    async fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let wait = self.draw_first_byte();
        sleep(wait).await;
    }

    /// When the shared link will have carried these bytes too.
    fn link_carries(&self, now: Instant, bytes: usize) -> Instant {
        let mut free_at = self.link_free_at.lock();
        let done = free_at.map_or(now, |at| at.max(now)) + transfer(bytes, self.settings.link_bytes_per_second);
        *free_at = Some(done);
        done
    }
}

/// The speed of one stream: an absolute schedule, so that late timers do not add up.
#[derive(Debug)]
struct Pace {
    network: Arc<Network>,
    /// When everything that passed so far has arrived.
    arrived: Instant,
}

impl Pace {
    /// A stream whose first byte is there at `now`.
    fn new(network: Arc<Network>, now: Instant) -> Self {
        Self { network, arrived: now }
    }

    /// When the next `bytes` will have arrived, for a reader that asks for them at `now`.
    fn arrival(&mut self, now: Instant, bytes: usize) -> Instant {
        let earliest = now.checked_sub(BUFFERED).unwrap_or(now);
        let own = self.arrived.max(earliest) + transfer(bytes, self.network.settings.stream_bytes_per_second);
        let shared = self.network.link_carries(now, bytes);
        self.arrived = own.max(shared);
        self.arrived
    }

    /// Waits until the next `bytes` have arrived.
    async fn pass(&mut self, bytes: usize) {
        sleep_until(self.arrival(Instant::now(), bytes)).await;
    }

    /// Waits until a whole payload has passed, piece by piece.
    async fn pass_all(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let piece = bytes.min(PIECE_BYTES);
            self.pass(piece).await;
            bytes -= piece;
        }
    }
}

fn transfer(bytes: usize, bytes_per_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bytes_per_second.max(1) as f64)
}

/// The bytes of a result, in pieces, at the stream's pace.
fn paced(payload: GetResultPayload, range: Range<u64>, network: Arc<Network>) -> BoxStream<'static, Result<Bytes>> {
    let pieces = match payload {
        GetResultPayload::File(file, path) => file_pieces(file, path, range),
        GetResultPayload::Stream(stream) => stream
            .map_ok(|mut bytes| {
                let mut pieces = Vec::with_capacity(bytes.len().div_ceil(PIECE_BYTES));
                while !bytes.is_empty() {
                    pieces.push(Ok(bytes.split_to(bytes.len().min(PIECE_BYTES))));
                }
                futures::stream::iter(pieces)
            })
            .try_flatten()
            .boxed(),
    };
    let pace = Pace::new(network, Instant::now());
    futures::stream::unfold((pieces, pace), |(mut pieces, mut pace)| async move {
        let piece = pieces.next().await?;
        if let Ok(bytes) = &piece {
            pace.pass(bytes.len()).await;
            pace.network.bytes_sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Some((piece, (pieces, pace)))
    })
    .boxed()
}

/// Reads a local file in pieces. (`GetResult::into_stream` would read 8 KiB at a time, which costs a far origin's
/// reader processor time that no network costs.)
fn file_pieces(file: std::fs::File, path: std::path::PathBuf, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let file = Arc::new(file);
    futures::stream::try_unfold(range.start, move |at| {
        let (file, path, end) = (Arc::clone(&file), path.clone(), range.end);
        async move {
            if at >= end {
                return Ok(None);
            }
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, at).map(|()| Bytes::from(piece))
            });
            let piece = read.await?.map_err(|source| object_store::Error::Generic {
                store: "SimulatedRemote",
                source: format!("cannot read {} at byte {at}: {source}", path.display()).into(),
            })?;
            Ok(Some((piece, at + length as u64)))
        }
    })
    .boxed()
}

/// A listing whose pages cost one request each.
fn paged(
    list: BoxStream<'static, Result<ObjectMeta>>,
    network: Arc<Network>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let first_page = Arc::clone(&network);
    futures::stream::once(async move {
        first_page.request().await;
        list.enumerate().then(move |(i, entry)| {
            let network = Arc::clone(&network);
            async move {
                if i > 0 && i % KEYS_PER_REQUEST == 0 {
                    network.request().await;
                }
                entry
            }
        })
    })
    .flatten()
    .boxed()
}

#[async_trait]
impl ObjectStore for SimulatedRemote {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.network.request().await;
        Pace::new(Arc::clone(&self.network), Instant::now()).pass_all(payload.content_length()).await;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.network.request().await;
        let upload = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(SimulatedUpload { upload, network: Arc::clone(&self.network) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.network.request().await;
        let head = options.head;
        let GetResult { payload, meta, range, attributes } = self.inner.get_opts(location, options).await?;
        let payload = match head {
            true => payload,
            false => GetResultPayload::Stream(paced(payload, range.clone(), Arc::clone(&self.network))),
        };
        Ok(GetResult { payload, meta, range, attributes })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let network = Arc::clone(&self.network);
        let locations = locations.enumerate().then(move |(i, location)| {
            let network = Arc::clone(&network);
            async move {
                if i % KEYS_PER_REQUEST == 0 {
                    network.request().await;
                }
                location
            }
        });
        self.inner.delete_stream(locations.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        paged(self.inner.list(prefix), Arc::clone(&self.network))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        paged(self.inner.list_with_offset(prefix, offset), Arc::clone(&self.network))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.network.request().await;
        let list = self.inner.list_with_delimiter(prefix).await?;
        for _ in 0..(list.objects.len() + list.common_prefixes.len()) / (KEYS_PER_REQUEST + 1) {
            self.network.request().await;
        }
        Ok(list)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.network.request().await;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.network.request().await;
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct SimulatedUpload {
    upload: Box<dyn MultipartUpload>,
    network: Arc<Network>,
}

#[async_trait]
impl MultipartUpload for SimulatedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (network, length) = (Arc::clone(&self.network), data.content_length());
        let part = self.upload.put_part(data);
        Box::pin(async move {
            network.request().await;
            Pace::new(network, Instant::now()).pass_all(length).await;
            part.await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.network.request().await;
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.network.request().await;
        self.upload.abort().await
    }
}

#[cfg(test)]
mod tests;
