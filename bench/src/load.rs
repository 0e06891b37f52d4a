//! The load generator: a few keep-alive connections, each with one GET under way, over ranges spread across one object.
//!
//! Requests are made, and for Larder signed, before the clock starts; each is then sent many times (SigV4 allows that
//! for fifteen minutes), so that the client costs little and the server alone is measured. Every answer is checked:
//! status 206 and the right length always, and with `--verify` each range once byte for byte.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

/// Which ranges of what are asked for, how, and how long.
#[derive(Args)]
pub(crate) struct Settings {
    /// The object.
    #[arg(long)]
    url: Uri,
    /// Its size in bytes.
    #[arg(long)]
    object_bytes: u64,
    /// Bytes per GET.
    #[arg(long)]
    range_bytes: u64,
    /// Connections, each with one GET under way.
    #[arg(long)]
    connections: usize,
    /// Seconds to send for.
    #[arg(long)]
    seconds: f64,
    /// Sign the requests as this key.
    #[arg(long, requires = "secret")]
    key: Option<String>,
    /// The key's secret.
    #[arg(long)]
    secret: Option<String>,
    /// A header of every request, as `name: value`.
    #[arg(long)]
    header: Option<String>,
    /// Instead of sending for a time, read every range once and compare it with this file.
    #[arg(long)]
    verify: Option<PathBuf>,
}

/// At most this many different ranges are asked for, spread evenly over the object.
const RANGES_MAX: u64 = 1024;

/// What one run measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) median_us: f64,
    pub(crate) p99_us: f64,
}

/// Sends, checks and prints a [`Measured`] as JSON.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let requests: Arc<[Prepared]> = prepare(&settings)?.into();
    let measured = match &settings.verify {
        Some(file) => verify(&settings.url, &requests, &std::fs::read(file)?).await?,
        None => send(&settings, requests).await?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// A request that is ready to be sent again and again.
struct Prepared {
    first: u64,
    len: u64,
    headers: HeaderMap,
}

fn prepare(settings: &Settings) -> anyhow::Result<Vec<Prepared>> {
    let len = settings.range_bytes;
    let count = (settings.object_bytes / len).min(RANGES_MAX);
    ensure!(count > 0, "the object is smaller than one range");
    // A step of whole ranges spreads them over the object; an odd order would only measure the CPU's caches.
    let step = settings.object_bytes / len / count * len;
    let credential = settings.key.as_ref().map(|key| AwsCredential {
        key_id: key.clone(),
        secret_key: settings.secret.clone().unwrap_or_default(),
        token: None,
    });
    let more: Option<(HeaderName, HeaderValue)> = match &settings.header {
        Some(header) => {
            let (name, value) = header.split_once(": ").context("--header is no `name: value`")?;
            Some((name.parse()?, value.parse()?))
        }
        None => None,
    };
    (0..count)
        .map(|i| {
            let first = i * step;
            let mut request = Request::builder()
                .method(Method::GET)
                .uri(&settings.url)
                .header(header::RANGE, format!("bytes={first}-{}", first + len - 1))
                .body(HttpRequestBody::empty())?;
            match &credential {
                Some(credential) => AwsAuthorizer::new(credential, "s3", "us-east-1").authorize(&mut request, None),
                None => {
                    let host = settings.url.authority().context("the URL names no host")?.as_str();
                    request.headers_mut().insert(header::HOST, HeaderValue::from_str(host)?);
                }
            }
            let mut headers = std::mem::take(request.headers_mut());
            headers.extend(more.clone());
            Ok(Prepared { first, len, headers })
        })
        .collect()
}

async fn verify(url: &Uri, requests: &[Prepared], file: &[u8]) -> anyhow::Result<Measured> {
    let mut connection = Connection::open(url).await?;
    let began = Instant::now();
    let mut bytes = 0;
    for prepared in requests {
        let mut got = Vec::with_capacity(prepared.len as usize);
        connection.get(prepared, |piece| got.extend_from_slice(piece)).await?;
        let start = prepared.first as usize;
        ensure!(got == file[start..start + got.len()], "{url}: wrong bytes in the range at {start}");
        bytes += prepared.len;
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Measured { requests: requests.len() as u64, bytes, seconds, median_us: 0.0, p99_us: 0.0 })
}

async fn send(settings: &Settings, requests: Arc<[Prepared]>) -> anyhow::Result<Measured> {
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(settings.seconds);
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..settings.connections {
        let mut connection = Connection::open(&settings.url).await?;
        let requests = Arc::clone(&requests);
        // Each connection begins elsewhere, so that they do not ask for the same range together.
        let mut at = worker * requests.len() / settings.connections;
        workers.spawn(async move {
            let mut latencies_us = Vec::new();
            let mut last = Instant::now();
            while last < end {
                connection.get(&requests[at % requests.len()], |_| ()).await?;
                let now = Instant::now();
                latencies_us.push((now - last).as_secs_f64() * 1e6);
                last = now;
                at += 1;
            }
            anyhow::Ok(latencies_us)
        });
    }
    let mut latencies_us: Vec<f64> = workers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let seconds = began.elapsed().as_secs_f64();
    latencies_us.sort_by(f64::total_cmp);
    let requests = latencies_us.len();
    ensure!(requests > 0, "no request was answered in time");
    Ok(Measured {
        requests: requests as u64,
        bytes: requests as u64 * settings.range_bytes,
        seconds,
        median_us: latencies_us[requests / 2],
        p99_us: latencies_us[requests * 99 / 100],
    })
}

/// One keep-alive connection.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    path: Uri,
}

impl Connection {
    async fn open(url: &Uri) -> anyhow::Result<Self> {
        let address = url.authority().context("the URL names no host")?.as_str();
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, path: url.path().parse()? })
    }

    /// One GET, the body handed out piece by piece and its length checked.
    async fn get(&mut self, prepared: &Prepared, mut piece: impl FnMut(&[u8])) -> anyhow::Result<()> {
        self.sender.ready().await?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = prepared.headers.clone();
        let mut response = self.sender.send_request(request).await?;
        let status = response.status();
        let mut len = 0;
        while let Some(frame) = response.frame().await {
            if let Ok(data) = frame?.into_data() {
                len += data.len() as u64;
                piece(&data);
            }
        }
        if status != StatusCode::PARTIAL_CONTENT || len != prepared.len {
            bail!("{}: {status} with {len} bytes instead of 206 with {}", self.path, prepared.len);
        }
        Ok(())
    }
}
