//! Carrying requests to the catalog, and its answers back.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use larder_model::Whitelist;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::answers::{Additions, AnswerKind, without_uri};
use super::metrics::IcebergMetrics;
use super::settings::IcebergSettings;
use super::tables::{Listed, Served, Verdict};
use crate::access::S3Access;
use crate::api::ResolveState;

/// Answers beyond this pass as they come: a table's metadata is a few hundred KiB, with thousands of snapshots some MiB.
const ANSWER_MAX: usize = 64 << 20;

/// Headers that are of one connection only (RFC 9110, section 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The proxy, before it serves.
#[derive(Debug)]
pub struct IcebergProxy {
    shared: Arc<Shared>,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    /// Without a slash at its end.
    upstream: String,
    client: reqwest::Client,
    resolve: ResolveState,
    additions: Additions,
    /// The locations of the whitelist that was last asked about, made anew when another comes into force.
    listed: ArcSwapOption<(Arc<Whitelist>, Listed)>,
    stall: Duration,
    places: Arc<Semaphore>,
    metrics: Arc<IcebergMetrics>,
}

impl IcebergProxy {
    /// A proxy by these settings, which have no problems. `resolve` says which whitelist is in force, and whether the cache is
    /// healthy. `access` is what engines are told. `buckets` are those that its key opens and that [keep the storage's
    /// URLs](crate::keeps_urls), `known_keys` the ids of all keys that open them.
    pub fn new(
        settings: &IcebergSettings,
        resolve: ResolveState,
        access: S3Access,
        buckets: impl IntoIterator<Item = String>,
        known_keys: impl IntoIterator<Item = String>,
        shutdown: CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(settings.connect)
            .read_timeout(settings.stall)
            // The client's to follow, and the environment's proxies are not for a catalog that was named.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let (served, known_keys) = (Served(buckets.into_iter().collect()), known_keys.into_iter().collect());
        let shared = Shared {
            upstream: settings.upstream.trim_end_matches('/').to_owned(),
            client,
            resolve,
            additions: Additions { access, known_keys, served },
            listed: ArcSwapOption::empty(),
            stall: settings.stall,
            places: Arc::new(Semaphore::new(settings.requests_max.min(Semaphore::MAX_PERMITS))),
            metrics: Arc::new(IcebergMetrics::new()),
        };
        Ok(Self { shared: Arc::new(shared), shutdown })
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<IcebergMetrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Serves until the shutdown, then lets requests under way finish, at most for `grace`.
    pub async fn serve(self, listener: TcpListener, grace: Duration) {
        let routes = Router::new().fallback(carry).with_state(self.shared);
        let shutdown = self.shutdown.clone();
        let served = axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned());
        let too_late = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            served = served.into_future() => if let Err(error) = served {
                tracing::error!(%error, "the iceberg proxy does not serve");
            },
            () = too_late => tracing::warn!("requests of a catalog were still under way at the end of the grace period"),
        }
    }
}

/// A request that was not carried, as Iceberg's clients understand it.
fn failed(status: StatusCode, kind: &str, message: String) -> Response {
    let error = json!({"error": {"message": message, "type": kind, "code": status.as_u16()}});
    (status, axum::Json(error)).into_response()
}

fn unavailable(message: String) -> Response {
    failed(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message)
}

async fn carry(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.metrics.requests.inc();
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        shared.metrics.refused.inc();
        return unavailable("more requests than `requests_max` of Larder's [iceberg]".to_owned());
    };
    let Some(url) = shared.url(&request) else {
        let text = format!("`{}` is no path that Larder can ask the catalog for", request.uri().path());
        return failed(StatusCode::BAD_REQUEST, "BadRequestException", text);
    };
    let kind = AnswerKind::of(request.method(), request.uri().path());
    let answer = match shared.ask(kind, url, request).await {
        Ok(answer) => answer,
        Err(error) => return shared.unreachable(&error),
    };
    let (status, mut headers) = (answer.status(), end_to_end(answer.headers().clone()));
    let metrics = Arc::clone(&shared.metrics);
    let mut rest = answer.bytes_stream().inspect_err(move |_| {
        metrics.broken.inc();
    });
    let mut begin = Begin::default();
    if kind != AnswerKind::Other
        && status == StatusCode::OK
        && let Err(error) = begin.read(&mut rest).await
    {
        return shared.unreachable(&error);
    }
    let body = match shared.rewritten(kind, &begin).await {
        Some(rewritten) => {
            headers.remove(header::CONTENT_LENGTH);
            // It names what the catalog sent.
            headers.remove(header::ETAG);
            Body::from(rewritten)
        }
        None => {
            let all = stream::iter([Ok(begin.bytes.freeze())]).chain(rest);
            // The request is under way until its last byte has left.
            Body::from_stream(all.inspect(move |_| _ = &place))
        }
    };
    (status, headers, body).into_response()
}

/// What was read of an answer.
#[derive(Debug, Default)]
struct Begin {
    bytes: BytesMut,
    is_whole: bool,
}

impl Begin {
    /// Reads to the end, or until there is too much.
    async fn read<E>(&mut self, rest: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) -> Result<(), E> {
        while self.bytes.len() <= ANSWER_MAX {
            match rest.try_next().await? {
                Some(chunk) => self.bytes.extend_from_slice(&chunk),
                None => {
                    self.is_whole = true;
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Shared {
    /// The catalog's URL for a request; `None` where it would become another path.
    fn url(&self, request: &Request) -> Option<Url> {
        let asked = request.uri().path_and_query()?.as_str();
        let whole = format!("{}{asked}", self.upstream);
        let url = Url::parse(&whole).ok()?;
        // Dot segments would lead to what lies beside the catalog.
        (url.as_str() == whole).then_some(url)
    }

    async fn ask(&self, kind: AnswerKind, url: Url, request: Request) -> Result<reqwest::Response, reqwest::Error> {
        let (parts, body) = request.into_parts();
        let mut headers = end_to_end(parts.headers);
        headers.remove(header::HOST);
        if kind != AnswerKind::Other {
            // What is to be rewritten must be readable, and must be there: a table may have become cached since.
            headers.remove(header::ACCEPT_ENCODING);
            headers.remove(header::IF_NONE_MATCH);
        }
        let mut asked = self.client.request(parts.method, url).headers(headers);
        if !body.is_end_stream() {
            asked = asked.body(reqwest::Body::wrap_stream(in_time(body, self.stall)));
        }
        asked.send().await
    }

    /// What goes out in the place of an answer; `None` where that one does.
    async fn rewritten(self: &Arc<Self>, kind: AnswerKind, begin: &Begin) -> Option<Vec<u8>> {
        if begin.bytes.is_empty() {
            return None;
        }
        match kind {
            AnswerKind::Other => None,
            AnswerKind::Config => without_uri(&begin.bytes).filter(|_| begin.is_whole),
            AnswerKind::Table => {
                let (verdict, rewritten) = self.table(begin).await;
                self.metrics.table(verdict);
                rewritten
            }
        }
    }

    async fn table(self: &Arc<Self>, begin: &Begin) -> (Verdict, Option<Vec<u8>>) {
        if !begin.is_whole {
            return (Verdict::TooLarge, None);
        }
        let Some(listed) = self.listed() else { return (Verdict::Unlisted, None) };
        let (shared, answer) = (Arc::clone(self), begin.bytes.clone());
        // On a thread of its own: metadata with thousands of snapshots takes some time to read.
        let decided = tokio::task::spawn_blocking(move || shared.additions.table(&answer, &listed.1));
        decided.await.unwrap_or((Verdict::NotUnderstood, None))
    }

    /// The locations of the whitelist in force, if the cache may be used by it now.
    fn listed(&self) -> Option<Arc<(Arc<Whitelist>, Listed)>> {
        let newest = Arc::clone(&self.resolve.in_use()?.0);
        let known = self.listed.load_full();
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.0, &newest)) {
            return Some(known);
        }
        let listed = Listed::new(&newest);
        let made = Arc::new((newest, listed));
        self.listed.store(Some(Arc::clone(&made)));
        Some(made)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Response {
        let errors = if error.is_connect() { &self.metrics.connect_errors } else { &self.metrics.broken };
        errors.inc();
        let cause = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last();
        tracing::warn!(%error, cause = cause.map(tracing::field::display), "the iceberg catalog did not answer");
        let catalog = &self.upstream;
        if error.is_timeout() && !error.is_connect() {
            let text = format!("the catalog {catalog} did not answer in time");
            return failed(StatusCode::GATEWAY_TIMEOUT, "ServiceUnavailableException", text);
        }
        unavailable(format!("the catalog {catalog} cannot be reached"))
    }
}

/// A body that fails when nothing more comes of it for so long.
fn in_time(body: Body, stall: Duration) -> impl Stream<Item = Result<Bytes, BoxError>> {
    stream::unfold(Some(body.into_data_stream()), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout(stall, body.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
            Ok(Some(Err(error))) => Some((Err(error.into()), None)),
            Ok(None) => None,
            Err(late) => Some((Err(late.into()), None)),
        }
    })
}

/// The headers that are for the other end.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    let dropped: Vec<HeaderName> = named.chain(HOP_BY_HOP).collect();
    for name in dropped {
        headers.remove(name);
    }
    headers
}
