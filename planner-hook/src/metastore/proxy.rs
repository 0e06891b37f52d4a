//! Accepting clients, one upstream connection for each, and the two directions between them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larder_model::Clock;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

use super::metrics::MetastoreMetrics;
use super::rewrite::{Places, Rewrite};
use super::settings::MetastoreSettings;
use super::stream::{NotUnderstood, Passed, Side, Stream, TooLarge, frames_room};
use super::upstream::Upstreams;
use crate::api::ResolveState;

/// A peer that vanished without a word is noticed after this, and some probes.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// What is read at once, while little comes and while much does.
const READ_BYTES: std::ops::RangeInclusive<usize> = 8 << 10..=256 << 10;

/// The proxy, before it serves.
#[derive(Debug)]
pub struct MetastoreProxy {
    shared: Arc<Shared>,
    connections_max: usize,
}

#[derive(Debug)]
struct Shared {
    resolve: ResolveState,
    places: Arc<Places>,
    upstreams: Upstreams,
    stall: Duration,
    frames: Arc<Semaphore>,
    metrics: Arc<MetastoreMetrics>,
    shutdown: CancellationToken,
}

impl MetastoreProxy {
    /// A proxy by these settings, which have no problems. `resolve` says which whitelist is in force, and whether the cache is
    /// healthy.
    pub fn new(
        settings: &MetastoreSettings,
        resolve: ResolveState,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        let shared = Shared {
            places: Arc::new(Places::new(resolve.buckets(), &settings.scheme)),
            resolve,
            upstreams: Upstreams::new(settings.addresses(), settings.connect, clock),
            stall: settings.stall,
            frames: frames_room(),
            metrics: Arc::new(MetastoreMetrics::new()),
            shutdown,
        };
        Self { shared: Arc::new(shared), connections_max: settings.connections_max.min(Semaphore::MAX_PERMITS) }
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<MetastoreMetrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Serves until the shutdown, then lets calls under way finish, at most for `grace`.
    pub async fn serve(self, listener: TcpListener, grace: Duration) {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = self.shared.shutdown.cancelled() => break,
            };
            let (client, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Usually too many open files: connections that end make room.
                    tracing::warn!(%error, "a connection to the metastore proxy could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                self.shared.metrics.refused.inc();
                tracing::warn!(%peer, limit = self.connections_max, "more metastore clients than connections_max");
                continue;
            };
            let shared = Arc::clone(&self.shared);
            connections.spawn(async move {
                shared.metrics.connections.inc();
                shared.connection(client).await;
                shared.metrics.connections.dec();
                drop(place);
            });
        }
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("metastore calls were still under way at the end of the grace period");
            connections.shutdown().await;
        }
    }
}

/// What the two directions of a connection know of each other.
#[derive(Debug, Default)]
struct Both {
    /// The client's bytes are not understood. Its requests cannot be mapped back, so nothing of the cache may be told to it.
    lost_client: AtomicBool,
    /// Calls that were begun, and answers that have left.
    calls: AtomicU64,
    answers: AtomicU64,
    answered: Notify,
}

impl Both {
    fn is_idle(&self) -> bool {
        self.calls.load(Ordering::Acquire) == self.answers.load(Ordering::Acquire)
    }
}

/// Why a direction ended.
#[derive(Debug)]
enum End {
    /// Its reader has sent all it had.
    Sent,
    /// Its writer takes no more, or not in time.
    Refused(io::Error),
    /// Its reader broke off, or stopped in the middle of a message.
    Broken(io::Error),
    TooLarge(TooLarge),
}

impl Shared {
    async fn connection(&self, client: TcpStream) {
        let unreachable = |address: &str, error: io::Error| {
            self.metrics.connect_errors.inc();
            tracing::warn!(metastore = address, %error, "a metastore cannot be reached");
        };
        let Some((upstream, address)) = self.upstreams.connect(unreachable).await else {
            tracing::error!("no metastore can be reached; the client's connection is closed");
            return;
        };
        for end in [&client, &upstream] {
            // Messages are written whole, so waiting to fill packets would only delay them.
            end.set_nodelay(true).ok();
            SockRef::from(end).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE)).ok();
        }
        let both = Both::default();
        let (from_client, to_client) = client.into_split();
        let (from_upstream, to_upstream) = upstream.into_split();
        let requests = async {
            let end = self.direction(Side::Requests, from_client, to_upstream, &both).await;
            match end {
                End::TooLarge(problem) => tracing::error!(%problem, "a metastore client's connection is closed"),
                // The client has ended: its last answers may be under way, and the metastore ends when it has sent them. So
                // does one that takes no more, if it has something to say.
                End::Sent | End::Refused(_) => std::future::pending().await,
                End::Broken(error) => tracing::debug!(%error, "a metastore client broke off"),
            }
        };
        let answers = async {
            let end = self.direction(Side::Answers, from_upstream, to_client, &both).await;
            match end {
                End::Broken(error) => {
                    self.metrics.broken.inc();
                    tracing::warn!(metastore = address, %error, "a metastore broke off");
                }
                End::Sent if !both.is_idle() => {
                    self.metrics.broken.inc();
                    tracing::warn!(metastore = address, "a metastore closed the connection and owes an answer");
                }
                End::Refused(error) => tracing::debug!(%error, "a metastore client went away"),
                End::Sent | End::TooLarge(_) => {}
            }
        };
        let stopping = async {
            self.shutdown.cancelled().await;
            loop {
                let answered = both.answered.notified();
                if both.is_idle() {
                    return;
                }
                answered.await;
            }
        };
        tokio::select! {
            () = requests => {}
            () = answers => {}
            () = stopping => {}
        }
    }

    /// Carries bytes from one end to the other until either has enough.
    async fn direction(&self, side: Side, mut from: OwnedReadHalf, to: OwnedWriteHalf, both: &Both) -> End {
        let mut to = TimeoutWriter::new(to);
        to.set_timeout(Some(self.stall));
        let mut to = Box::pin(to);
        let mut stream = Stream::new(side, Arc::clone(&self.frames));
        let (mut out, mut read_bytes) = (Vec::new(), *READ_BYTES.start());
        let rewrite = || self.rewrite(side, both);
        loop {
            if stream.is_between_messages() && read_bytes == *READ_BYTES.start() {
                // Connections are kept for hours between two calls, and need little then.
                *stream.input() = bytes::BytesMut::new();
                out = Vec::new();
            }
            stream.input().reserve(read_bytes);
            let waits_for_long = stream.is_between_messages();
            let read = from.read_buf(stream.input());
            let read = match waits_for_long {
                true => read.await,
                false => match tokio::time::timeout(self.stall, read).await {
                    Ok(read) => read,
                    Err(_) => return End::Broken(io::ErrorKind::TimedOut.into()),
                },
            };
            let read = match read {
                Ok(read) => read,
                Err(error) => return End::Broken(error),
            };
            read_bytes = if read >= read_bytes { read_bytes * 2 } else { read_bytes / 2 };
            read_bytes = read_bytes.clamp(*READ_BYTES.start(), *READ_BYTES.end());
            self.metrics.side(side).bytes.inc_by(read as u64);
            loop {
                let worked = match read {
                    // A message that is cut off passes as far as it came.
                    0 => {
                        stream.give_up(&mut out);
                        Ok(false)
                    }
                    _ => stream.work(&rewrite, &mut out),
                };
                let passed = stream.take_passed();
                self.count(side, passed, both);
                if let Err(error) = to.write_all(&out).await {
                    return End::Refused(error);
                }
                out.clear();
                if side == Side::Answers && passed.answers > 0 {
                    both.answers.fetch_add(passed.answers, Ordering::AcqRel);
                    both.answered.notify_one();
                }
                match worked {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(problem) => return End::TooLarge(problem),
                }
            }
            if read == 0 {
                return match to.shutdown().await {
                    Ok(()) => End::Sent,
                    Err(error) => End::Refused(error),
                };
            }
        }
    }

    /// How the locations of a message that begins now are rewritten.
    fn rewrite(&self, side: Side, both: &Both) -> Option<Rewrite> {
        match side {
            Side::Requests => Some(Rewrite::ToOrigin(Arc::clone(&self.places))),
            Side::Answers if both.lost_client.load(Ordering::Acquire) => None,
            Side::Answers => {
                self.resolve.in_use().map(|whitelist| Rewrite::ToCache(Arc::clone(&self.places), whitelist))
            }
        }
    }

    fn count(&self, side: Side, passed: Passed, both: &Both) {
        let metrics = self.metrics.side(side);
        metrics.locations.inc_by(passed.rewritten);
        if side == Side::Requests {
            self.metrics.calls.inc_by(passed.calls);
            both.calls.fetch_add(passed.calls, Ordering::AcqRel);
        }
        let Some(why) = passed.not_understood else { return };
        metrics.not_understood.inc();
        if side == Side::Requests {
            both.lost_client.store(true, Ordering::Release);
        }
        match (side, why) {
            (Side::Answers, NotUnderstood::Sasl | NotUnderstood::Compact) => {}
            (Side::Answers, why) => tracing::warn!(%why, "a metastore's answer is not understood and passes unchanged"),
            (Side::Requests, why) => {
                tracing::warn!(%why, "a metastore client is not understood: its connection passes unchanged");
            }
        }
    }
}
