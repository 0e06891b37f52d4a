//! A remote origin, simulated: a wrapper that makes a near store answer as a far one would.
//!
//! What lies in between is the [`Network`]: waits, and the speed of streams. The demo and the benchmarks put it in front of
//! a local folder, and say so: [`SimulatedRemote::describe`] is printed before anything is measured. What it does to bytes
//! is nothing.

mod network;

use std::fmt;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use tokio::time::Instant;

use self::network::PIECE_BYTES;
pub use self::network::{Network, Pace, SimulatedRemoteSettings, SimulatedTraffic};

/// One page of a listing, and one batch of deletions, is one request, as S3 has it.
const KEYS_PER_REQUEST: usize = 1000;

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
        self.network.describe()
    }

    /// What it was asked for so far.
    pub fn traffic(&self) -> SimulatedTraffic {
        self.network.traffic()
    }
}

impl fmt::Display for SimulatedRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedRemote({}: {})", self.inner, self.describe())
    }
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
            pace.send(bytes.len()).await;
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
        Pace::new(Arc::clone(&self.network), Instant::now()).receive(payload.content_length()).await;
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
            Pace::new(network, Instant::now()).receive(length).await;
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
