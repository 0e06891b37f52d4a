//! The origin of the benchmarks: an S3 server for reading, over the files of one folder, at a stated distance.
//!
//! It answers GET (ranges, `If-Match`, `If-None-Match`) and HEAD in path style, to anyone: signatures are not looked at,
//! so that every server and every client can read it as it likes. The last segment of a path names the file, so the same
//! bytes can be read below any number of prefixes, each new to a cache. Files are held in memory: what an answer takes is
//! what the simulated distance makes of it. `GET /_traffic` tells how much was asked for and sent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use futures::TryStreamExt;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use larder_cached::origin::simulated::{SimulatedRemote, SimulatedRemoteSettings};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// What the origin serves, where, and how far away it is.
#[derive(Args)]
pub(crate) struct Settings {
    /// The address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// The folder whose files are served.
    #[arg(long)]
    folder: PathBuf,
    /// Answer at once, as fast as the machine can: no distance is simulated.
    #[arg(long)]
    near: bool,
}

/// What the origin was asked for since it started.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// GETs and HEADs.
    pub(crate) requests: u64,
    /// Bytes of bodies that were handed to connections.
    pub(crate) bytes: u64,
}

/// The distance that the far origin simulates, in words.
pub(crate) fn describe_far() -> String {
    SimulatedRemote::new(Arc::new(InMemory::new()), SimulatedRemoteSettings::default()).describe()
}

/// Serves until it is killed.
pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let files = InMemory::new();
    for entry in std::fs::read_dir(&settings.folder).with_context(|| settings.folder.display().to_string())? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file()) {
            files.put(&Path::from(name), std::fs::read(&path)?.into()).await?;
        }
    }
    let store: Arc<dyn ObjectStore> = match settings.near {
        true => Arc::new(files),
        false => Arc::new(SimulatedRemote::new(Arc::new(files), SimulatedRemoteSettings::default())),
    };
    let origin = Arc::new(Origin { store, requests: AtomicU64::new(0), bytes: Arc::default() });
    let listener = TcpListener::bind(settings.listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let origin = Arc::clone(&origin);
        let service = service_fn(move |request: Request<Incoming>| {
            let origin = Arc::clone(&origin);
            async move { origin.answer(&request).await }
        });
        // A connection that breaks is its client's affair.
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

type Body = UnsyncBoxBody<Bytes, Error>;

struct Origin {
    store: Arc<dyn ObjectStore>,
    requests: AtomicU64,
    bytes: Arc<AtomicU64>,
}

impl Origin {
    async fn answer(&self, request: &Request<Incoming>) -> Result<Response<Body>, http::Error> {
        if request.uri().path() == "/_traffic" {
            let traffic =
                Traffic { requests: self.requests.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) };
            let text = serde_json::to_vec(&traffic).unwrap_or_default();
            return Response::builder().body(Full::from(text).map_err(|never| match never {}).boxed_unsync());
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let head = request.method() == Method::HEAD;
        if !head && request.method() != Method::GET {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Ok(options) = options(request.headers(), head) else { return status(StatusCode::BAD_REQUEST) };
        let partial = options.range.is_some();
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let found = match self.store.get_opts(&Path::from(name), options).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return status(StatusCode::NOT_FOUND),
            Err(Error::Precondition { .. }) => return status(StatusCode::PRECONDITION_FAILED),
            Err(Error::NotModified { .. }) => return status(StatusCode::NOT_MODIFIED),
            // What is left to fail in memory is a range that the object does not have.
            Err(_) => return status(StatusCode::RANGE_NOT_SATISFIABLE),
        };
        let (range, size) = (found.range.clone(), found.meta.size);
        let mut response = Response::builder()
            .header(header::ACCEPT_RANGES, "bytes")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, range.end - range.start)
            .header(header::ETAG, format!("\"{}\"", found.meta.e_tag.as_deref().unwrap_or_default()))
            .header(header::LAST_MODIFIED, found.meta.last_modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        if partial {
            let last = range.end.saturating_sub(1);
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, format!("bytes {}-{last}/{size}", range.start));
        }
        if head {
            return response.body(empty());
        }
        let sent = Arc::clone(&self.bytes);
        let frames = found.into_stream().map_ok(move |bytes| {
            sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Frame::data(bytes)
        });
        response.body(StreamBody::new(frames).boxed_unsync())
    }
}

fn status(status: StatusCode) -> Result<Response<Body>, http::Error> {
    Response::builder().status(status).body(empty())
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// What the headers ask for; an error if a range cannot be read.
fn options(headers: &HeaderMap, head: bool) -> Result<GetOptions, ()> {
    let text = |name| headers.get(name).map(|value| value.to_str().map_err(|_| ()));
    let etag = |name| text(name).transpose().map(|value| value.map(|value: &str| value.trim_matches('"').to_owned()));
    let range = match text(header::RANGE).transpose()? {
        None => None,
        Some(value) => Some(parse_range(value).ok_or(())?),
    };
    Ok(GetOptions {
        head,
        range,
        if_match: etag(header::IF_MATCH)?,
        if_none_match: etag(header::IF_NONE_MATCH)?,
        ..GetOptions::default()
    })
}

/// One range of bytes, in each of the three forms that HTTP has.
fn parse_range(value: &str) -> Option<GetRange> {
    let (first, last) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
    Some(match (first, last) {
        ("", last) => GetRange::Suffix(last.parse().ok()?),
        (first, "") => GetRange::Offset(first.parse().ok()?),
        (first, last) => GetRange::Bounded(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_three_forms() {
        assert_eq!(parse_range("bytes=0-9"), Some(GetRange::Bounded(0..10)));
        assert_eq!(parse_range("bytes=7-"), Some(GetRange::Offset(7)));
        assert_eq!(parse_range("bytes=-8"), Some(GetRange::Suffix(8)));
        assert_eq!(parse_range("bytes=0-9,20-29"), None);
        assert_eq!(parse_range("lines=1-2"), None);
    }
}
