//! A simulated distance before an HTTP server: all that the server can do, from far away.
//!
//! Requests pass with method, path, query, headers and body as they came, so that signatures hold; each waits for its first
//! byte, and bodies pass at the pace of a stream, both ways. The server's own answers are what they are: errors, listings,
//! uploads. `GET /_traffic` tells how much was asked for and sent; `PUT /_hour/busy` begins the busy hour, in which the tail
//! is ten times as heavy, and `PUT /_hour/quiet` ends it. No bucket has such a name, so neither hides one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use larder_cached::origin::simulated::{Network, Pace, SimulatedRemoteSettings};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::origin::Traffic;

/// Which server is far away, and from where.
#[derive(Args)]
pub(crate) struct Settings {
    /// The server's address, `host:port`.
    #[arg(long)]
    upstream: SocketAddr,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

struct Distance {
    upstream: SocketAddr,
    quiet: Arc<Network>,
    busy: Arc<Network>,
    is_busy: AtomicBool,
}

/// Serves until it is killed.
pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let remote = SimulatedRemoteSettings::default();
    let distance = Arc::new(Distance {
        upstream: settings.upstream,
        quiet: Arc::new(Network::new(remote)),
        busy: Arc::new(Network::new(remote.at_busy_hour())),
        is_busy: AtomicBool::new(false),
    });
    let listener = TcpListener::bind(settings.listen).await?;
    println!("http://{}", listener.local_addr()?);
    println!("quiet: {}", distance.quiet.describe());
    println!("busy: {}", distance.busy.describe());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let distance = Arc::clone(&distance);
        // A client's connection has one of its own to the server, made when it is first needed.
        let connection = Arc::new(Mutex::new(None));
        let service = service_fn(move |request: Request<Incoming>| {
            let (distance, connection) = (Arc::clone(&distance), Arc::clone(&connection));
            async move { distance.answer(request, &mut *connection.lock().await).await }
        });
        // A connection that breaks is its client's affair.
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Distance {
    async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &mut Option<SendRequest<Body>>,
    ) -> anyhow::Result<Response<Body>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/_traffic") => return Ok(Response::new(whole(serde_json::to_vec(&self.traffic())?))),
            (&Method::PUT, "/_hour/busy") => self.is_busy.store(true, Ordering::Relaxed),
            (&Method::PUT, "/_hour/quiet") => self.is_busy.store(false, Ordering::Relaxed),
            _ => return self.pass(request, connection).await,
        }
        Ok(Response::builder().status(StatusCode::NO_CONTENT).body(whole(Vec::new()))?)
    }

    fn traffic(&self) -> Traffic {
        let (quiet, busy) = (self.quiet.traffic(), self.busy.traffic());
        Traffic { requests: quiet.requests + busy.requests, bytes: quiet.bytes_sent + busy.bytes_sent }
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        connection: &mut Option<SendRequest<Body>>,
    ) -> anyhow::Result<Response<Body>> {
        let network = if self.is_busy.load(Ordering::Relaxed) { &self.busy } else { &self.quiet };
        network.request().await;
        let going = Pace::new(Arc::clone(network), Instant::now());
        let (parts, body) = request.into_parts();
        // A body that is not there must not become one of unknown length.
        let is_empty = !parts.headers.contains_key(header::CONTENT_LENGTH)
            && !parts.headers.contains_key(header::TRANSFER_ENCODING);
        let body = if is_empty { whole(Vec::new()) } else { paced(body, going, Way::There) };
        let sender = self.sender(connection).await?;
        let answer = sender.send_request(Request::from_parts(parts, body)).await?;
        let coming = Pace::new(Arc::clone(network), Instant::now());
        Ok(answer.map(|body| paced(body, coming, Way::Back)))
    }

    /// The connection to the server, a new one if there is none that can be used.
    async fn sender<'a>(
        &self,
        connection: &'a mut Option<SendRequest<Body>>,
    ) -> anyhow::Result<&'a mut SendRequest<Body>> {
        if let Some(sender) = connection.as_mut()
            && sender.ready().await.is_err()
        {
            *connection = None;
        }
        if connection.is_none() {
            let stream = TcpStream::connect(self.upstream).await.with_context(|| self.upstream.to_string())?;
            stream.set_nodelay(true)?;
            let (sender, task) = handshake(TokioIo::new(stream)).await?;
            // It ends with its sender and the answer under way; what breaks it, the request is told.
            tokio::spawn(task);
            *connection = Some(sender);
        }
        connection.as_mut().context("a connection was just made")
    }
}

/// Whether bytes go to the server or come from it.
#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

/// A body whose bytes pass at the stream's pace.
fn paced(body: Incoming, pace: Pace, way: Way) -> Body {
    let frames = futures::stream::unfold((BodyStream::new(body), pace), move |(mut frames, mut pace)| async move {
        let frame = frames.next().await?;
        if let Some(bytes) = frame.as_ref().ok().and_then(|frame| frame.data_ref()) {
            match way {
                Way::There => pace.receive(bytes.len()).await,
                Way::Back => pace.send(bytes.len()).await,
            }
        }
        Some((frame, (frames, pace)))
    });
    StreamBody::new(frames).boxed_unsync()
}

fn whole(bytes: Vec<u8>) -> Body {
    Full::from(bytes).map_err(|never| match never {}).boxed_unsync()
}
