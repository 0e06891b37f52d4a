//! Accepting connections: HTTP/1.1, with TLS where configured, within limits, and gone within the grace period.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use larder_model::Clock;
use s3s::host::SingleDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use super::access::{Authentication, Authorization, Keys, KeysError};
use super::clients::Clients;
use super::lenient::Lenient;
use super::limits::{self, Arrival, BUFFER_BYTES_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT, Held, Patient};
use super::{Api, RequestId, errors, signature};
use crate::engine::Engine;
use crate::settings::{S3Settings, TlsSettings};

/// An endpoint that cannot serve. Fix `[s3]` in `larder.toml`.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The keys are wrong.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The domain is no host name.
    #[error("[s3] domain `{domain}` is not a host name")]
    Domain {
        /// As configured.
        domain: String,
    },
    /// The certificate or its key cannot be used.
    #[error("[s3] tls: `{path}` cannot be used: {problem}")]
    Tls {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// Serves the S3 endpoint until `shutdown`, then lets requests under way finish, at most for `grace`.
pub async fn serve_s3(
    listener: TcpListener,
    settings: &S3Settings,
    engine: Arc<Engine>,
    shutdown: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    let keys = Arc::new(Keys::new(&settings.keys)?);
    let endpoint = Endpoint {
        clock: Arc::clone(&engine.clock),
        service: service(settings, &engine, &keys)?,
        keys,
        requests: Arc::new(Semaphore::new(settings.requests_max.min(Semaphore::MAX_PERMITS))),
        stall: settings.stall,
    };
    let tls = settings.tls.as_ref().map(tls_acceptor).transpose()?;
    let connections = Arc::new(Semaphore::new(settings.connections_max.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Usually too many open files: connections that end make room.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are written whole, so waiting to fill packets would only delay them.
        stream.set_nodelay(true).ok();
        let room = Arc::clone(&connections).try_acquire_owned().ok();
        let stream = limits::impatient(stream, settings.stall);
        let (endpoint, watcher, tls) = (endpoint.clone(), graceful.watcher(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve_connection(stream, endpoint, room, watcher).await,
                Some(tls) => match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve_connection(stream, endpoint, room, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%error, "tls handshake failed"),
                    Err(_) => tracing::debug!("tls handshake took too long"),
                },
            }
        });
    }
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("s3 requests were still under way at the end of the grace period");
    }
    Ok(())
}

/// What every connection answers with.
#[derive(Clone)]
struct Endpoint {
    service: S3Service,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    /// Places of requests in flight.
    requests: Arc<Semaphore>,
    stall: Duration,
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    endpoint: Endpoint,
    room: Option<OwnedSemaphorePermit>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let has_room = room.is_some();
    let answer = service_fn(move |request| {
        let endpoint = endpoint.clone();
        async move { if has_room { endpoint.answer(request).await } else { Ok(beyond_limit()) } }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .keep_alive(has_room)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(room);
}

impl Endpoint {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Held>, HttpError> {
        let has_body = !request.body().is_end_stream();
        let Ok(place) = Arc::clone(&self.requests).try_acquire_owned() else {
            let mut response = beyond_limit();
            if has_body {
                limits::close_after(&mut response);
            }
            return Ok(response);
        };
        let id = next_request_id();
        let mut arrival = None;
        let mut request = request.map(|body| match has_body {
            false => Body::empty(),
            true => {
                let arrival = arrival.insert(Arc::new(Arrival::default()));
                Body::http_body_unsync(Patient::new(body, self.stall, Arc::clone(arrival)))
            }
        });
        request.extensions_mut().insert(RequestId(id.clone()));
        let mut response = match signature::check(&request, &self.keys, self.clock.now()) {
            Ok(()) => errors::completed(self.service.call(request).await?, &id),
            Err(refusal) => refusal.response(&id),
        };
        if let Some(arrival) = arrival {
            response = arrival.judge(response, &id);
        }
        Ok(Held::new(identified(response, &id), place))
    }
}

fn beyond_limit() -> Response<Held> {
    let id = next_request_id();
    identified(limits::slow_down(&id), &id).map(Held::free)
}

fn identified(mut response: Response<Body>, id: &str) -> Response<Body> {
    let header = HeaderValue::from_str(id).expect("hexadecimal digits are a header value");
    response.headers_mut().insert(HeaderName::from_static("x-amz-request-id"), header);
    response
}

/// Unique within the process; begins at the process' own id so that restarts can be told apart.
fn next_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:08X}{:08X}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn service(settings: &S3Settings, engine: &Arc<Engine>, keys: &Arc<Keys>) -> Result<S3Service, ServeError> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let builder = || -> Result<_, ServeError> {
        let clients = Clients::default();
        let api = Api { engine: Arc::clone(engine), keys: Arc::clone(keys), clients, scheme };
        let mut builder = S3ServiceBuilder::new(api);
        builder.set_auth(Authentication(Arc::clone(keys)));
        builder.set_access(Authorization(Arc::clone(keys)));
        if let Some(domain) = &settings.domain {
            let host = SingleDomain::new(domain).map_err(|_| ServeError::Domain { domain: domain.clone() })?;
            builder.set_host(PathOrVirtual(host));
        }
        Ok(builder)
    };
    let strict = builder()?;
    let mut service = builder()?;
    service.set_route(Lenient { service: strict.build() });
    Ok(service.build())
}

/// Virtual-host style below the domain, path style for every other host name.
struct PathOrVirtual(SingleDomain);

impl s3s::host::S3Host for PathOrVirtual {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> s3s::S3Result<s3s::host::VirtualHost<'a>> {
        // The port is not part of the domain.
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let name = name.map_or(host, |(name, _)| name);
        let parsed = self.0.parse_host_header(name)?;
        let below = parsed.bucket().is_some() && name.ends_with(parsed.domain()) && name != parsed.domain();
        Ok(if below { parsed } else { s3s::host::VirtualHost::new(name) })
    }
}

fn tls_acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, ServeError> {
    let wrong = |path: &Path, problem: String| ServeError::Tls { path: path.display().to_string(), problem };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&settings.cert).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| wrong(&settings.cert, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| wrong(&settings.key, error.to_string()))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&settings.cert, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
