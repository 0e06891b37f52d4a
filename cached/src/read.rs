//! The life of one GET: route, metadata, blocks from tiers or fills, the access record at the end.

mod ahead;
mod body;
mod conditions;
mod redirect;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use larder_model::{AccessKind, ByteRange, Route, Tier};
use object_store::{GetOptions, GetRange, GetResult};
use thiserror::Error;

pub(crate) use self::ahead::Scans;
use self::body::CachedBody;
pub(crate) use self::conditions::{Conditions, Tag, Unmet};
use crate::access_log::{AccessRecord, Client};
use crate::engine::Engine;
use crate::fill::FillError;
use crate::metadata::ObjectMeta;
use crate::metrics::Cause;
use crate::origin::{ObjectState, Origin, OriginError};
use crate::watch::{ReadOutcome, WatchedRead};

/// A read whose object changes under it before the first byte is sent begins anew, at most this often.
const RESTARTS_MAX: u32 = 3;

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    pub(crate) key: String,
    pub(crate) range: Option<Wanted>,
    pub(crate) conditions: Conditions,
    pub(crate) client: Arc<Client>,
}

/// A range as HTTP states it, before the object's size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// From the first byte up to the second, exclusive.
    Bounded(u64, u64),
    /// From here to the end.
    From(u64),
    /// The last so many bytes.
    Last(u64),
}

impl Wanted {
    /// The bytes meant in an object of `size` bytes; `None` when there are none, which S3 calls an invalid range.
    pub(crate) fn resolve(self, size: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::Bounded(start, end) => (start, end.min(size)),
            Self::From(start) => (start, size),
            Self::Last(length) => (size.saturating_sub(length), size),
        };
        (start < end).then(|| ByteRange::new(start, end))
    }
}

/// What is sent back.
pub(crate) struct Read {
    pub(crate) object: Arc<ObjectMeta>,
    pub(crate) range: ByteRange,
    pub(crate) body: ReadBody,
}

/// The bytes of an answer.
pub(crate) enum ReadBody {
    /// All there already.
    Whole(Bytes),
    /// To come.
    Stream(BoxStream<'static, Result<Bytes, ReadError>>),
}

/// A read that ends without (all of) its bytes.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The range holds no byte of an object of this size.
    #[error("the range holds no byte of the object")]
    Range {
        /// The object's size.
        size: u64,
    },
    /// The client's own condition ends the read.
    #[error("a condition of the request is not met")]
    Unmet(Unmet),
    /// The origin does not give the bytes.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A fill did not give the bytes.
    #[error(transparent)]
    Fill(#[from] FillError),
}

impl ReadError {
    fn outcome(&self) -> ReadOutcome {
        let kind = match self {
            // A condition that is not met is an answer, not a failure.
            Self::Unmet(_) => return ReadOutcome::Answered,
            Self::Range { .. } => "invalid_range",
            Self::Origin(error) => error.kind(),
            Self::Fill(error) => error.kind(),
        };
        ReadOutcome::failed(kind, self)
    }
}

impl Engine {
    /// Answers a GET. Errors that come after the first byte end the body.
    pub(crate) async fn read(self: &Arc<Self>, origin: &Arc<Origin>, request: ReadRequest) -> Result<Read, ReadError> {
        let begun = Instant::now();
        let route = self.route(origin.name(), &request.key);
        let result = match route {
            Route::Direct => self.read_direct(origin, &request, begun).await,
            Route::Cached => self.read_cached(origin, &request, begun).await,
        };
        self.metrics.gets.inc();
        if let Err(error) = &result {
            let outcome = error.outcome();
            if outcome != ReadOutcome::Answered {
                self.metrics.get_errors.inc();
            }
            self.tell_unread(origin, &request, route, begun, outcome);
        }
        result
    }

    async fn read_cached(
        self: &Arc<Self>,
        origin: &Arc<Origin>,
        request: &ReadRequest,
        begun: Instant,
    ) -> Result<Read, ReadError> {
        let mut meta = self.metadata.get(origin, &request.key).await?;
        for restart in 0.. {
            request.conditions.check(&meta.state).map_err(ReadError::Unmet)?;
            let range = resolve(request.range, meta.state.size)?;
            let cut = match self.cut(origin, &meta, Some(range), Cause::Demand).await {
                Ok(cut) => cut,
                Err(FillError::VersionMoved) if restart < RESTARTS_MAX => {
                    self.metadata.forget(&meta.name).await;
                    meta = self.metadata.ask(origin, &request.key).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let open_ended = matches!(request.range, Some(Wanted::From(_)));
            let log = Served::new(self, &meta, request, Route::Cached, range, begun);
            let mut body =
                CachedBody::new(Arc::clone(self), Arc::clone(origin), Arc::clone(&meta), cut, range, open_ended, log);
            // The first bytes are awaited here, so that what fails before them is still an S3 error.
            let first = match body.next().await {
                Some(Ok(bytes)) => bytes,
                None => Bytes::new(),
                Some(Err(FillError::VersionMoved)) if restart < RESTARTS_MAX => {
                    body.discard();
                    meta = self.metadata.ask(origin, &request.key).await?;
                    continue;
                }
                Some(Err(error)) => {
                    body.discard();
                    return Err(error.into());
                }
            };
            // The first fill has brought the attributes, unless no block was missing.
            if meta.attributes().is_none() {
                let described = match self.metadata.ask(origin, &request.key).await {
                    Ok(described) => described,
                    Err(error) => {
                        body.discard();
                        return Err(error.into());
                    }
                };
                if described.id != meta.id {
                    body.discard();
                    meta = described;
                    continue;
                }
                meta = described;
            }
            let body = if first.len() as u64 == range.len() {
                ReadBody::Whole(first)
            } else {
                let rest = futures::stream::unfold(body, |mut body| async move {
                    let next = body.next().await?;
                    Some((next.map_err(ReadError::from), body))
                });
                ReadBody::Stream(futures::stream::once(async { Ok(first) }).chain(rest).boxed())
            };
            return Ok(Read { object: meta, range, body });
        }
        unreachable!("the last restart returns");
    }

    async fn read_direct(
        self: &Arc<Self>,
        origin: &Arc<Origin>,
        request: &ReadRequest,
        begun: Instant,
    ) -> Result<Read, ReadError> {
        let mut options = GetOptions::default();
        if !request.conditions.is_empty() {
            let (state, _) = origin.head(&request.key).await?;
            request.conditions.check(&state).map_err(ReadError::Unmet)?;
            options.if_match.clone_from(&state.etag_verbatim);
        }
        options.range = request.range.map(|wanted| match wanted {
            Wanted::Bounded(start, end) => GetRange::Bounded(start..end),
            Wanted::From(start) => GetRange::Offset(start),
            Wanted::Last(length) => GetRange::Suffix(length),
        });
        let answer = match origin.in_time(origin.get(&request.key, options)).await? {
            Ok(answer) => answer,
            Err(error @ OriginError::Unavailable { .. }) if request.range.is_some() => {
                // Storages refuse a range behind the end in words of their own: see whether that is it.
                let size = origin.head(&request.key).await?.0.size;
                resolve(request.range, size)?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        let answered = Instant::now();
        origin.readers().answered(answered - begun, answered);
        let attributes = Some(answer.attributes.clone());
        let object = ObjectMeta::new(origin, &request.key, ObjectState::new(&answer.meta), attributes, begun);
        let object = Arc::new(object);
        let range = resolve(request.range, object.state.size)?;
        if answer.range != range.into() {
            return Err(
                OriginError::unavailable(format!("it sent bytes {:?} instead of {range:?}", answer.range)).into()
            );
        }
        let mut log = Served::new(self, &object, request, Route::Direct, range, begun);
        let metrics = Arc::clone(&self.metrics);
        let body = exactly(range.len(), in_time(Arc::clone(origin), answer)).map(move |chunk| {
            let bytes = chunk.inspect_err(|error| log.failed(error.kind(), error))?;
            metrics.origin_direct.inc_by(bytes.len() as u64);
            log.sent(Tier::Origin, bytes.len());
            Ok(bytes)
        });
        Ok(Read { object, range, body: ReadBody::Stream(body.boxed()) })
    }
}

/// The chunks of an answer, until the origin falls silent.
fn in_time(origin: Arc<Origin>, answer: GetResult) -> impl Stream<Item = Result<Bytes, OriginError>> + Send {
    futures::stream::unfold((origin, answer.into_stream()), |(origin, mut chunks)| async move {
        let next = match origin.in_time(chunks.next()).await {
            Ok(chunk) => chunk?.map_err(OriginError::from),
            Err(silent) => Err(silent),
        };
        Some((next, (origin, chunks)))
    })
}

/// The chunks of an answer that must have `length` bytes in all. One that has more or less ends in an error, and what
/// goes beyond is not passed on.
fn exactly(
    length: u64,
    chunks: impl Stream<Item = Result<Bytes, OriginError>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, OriginError>> + Send {
    let wrong = move || OriginError::unavailable(format!("it sent another number of bytes than {length}"));
    let state = (Box::pin(chunks), Some(length));
    futures::stream::unfold(state, move |(mut chunks, left)| async move {
        let left = left?;
        match chunks.next().await {
            None if left == 0 => None,
            None => Some((Err(wrong()), (chunks, None))),
            Some(Err(error)) => Some((Err(error), (chunks, None))),
            Some(Ok(bytes)) => match left.checked_sub(bytes.len() as u64) {
                Some(left) => Some((Ok(bytes), (chunks, Some(left)))),
                None => Some((Err(wrong()), (chunks, None))),
            },
        }
    })
}

/// No range means the whole object, which may be empty.
fn resolve(wanted: Option<Wanted>, size: u64) -> Result<ByteRange, ReadError> {
    match wanted {
        None => Ok(ByteRange::new(0, size)),
        Some(wanted) => wanted.resolve(size).ok_or(ReadError::Range { size }),
    }
}

/// One read as it goes: counts what is sent from which tier, and is logged when it ends, however it ends.
#[derive(Debug)]
struct Served {
    engine: Arc<Engine>,
    access: Option<AccessRecord>,
    begun: Instant,
    outcome: ReadOutcome,
}

impl Served {
    fn new(
        engine: &Arc<Engine>,
        object: &Arc<ObjectMeta>,
        request: &ReadRequest,
        route: Route,
        range: ByteRange,
        begun: Instant,
    ) -> Self {
        let access = AccessRecord {
            route,
            client: Some(Arc::clone(&request.client)),
            ..AccessRecord::new(AccessKind::Get, object, range, engine.clock.now())
        };
        Self { engine: Arc::clone(engine), access: Some(access), begun, outcome: ReadOutcome::Answered }
    }

    fn sent(&mut self, tier: Tier, bytes: usize) {
        let Some(access) = &mut self.access else { return };
        let counter = match tier {
            Tier::Memory => &mut access.bytes_memory,
            Tier::Ssd => &mut access.bytes_ssd,
            Tier::Peer => &mut access.bytes_peer,
            Tier::Origin => &mut access.bytes_origin,
        };
        *counter += bytes as u64;
    }

    /// What comes next does not come. What was sent is logged as ever.
    fn failed(&mut self, kind: &'static str, error: &impl std::fmt::Display) {
        self.outcome = ReadOutcome::failed(kind, error);
    }

    /// Nothing was sent, and the read begins anew or fails: it is not a read.
    fn discard(&mut self) {
        self.access = None;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Some(mut access) = self.access.take() else { return };
        access.seconds = self.begun.elapsed().as_secs_f64();
        self.engine.count_served(&access);
        if let Some(watch) = self.engine.watch.get() {
            watch.saw(|| WatchedRead::new(&access, self.outcome.clone()));
        }
        self.engine.log.record(access);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_as_http_says() {
        let resolve = |wanted: Wanted| wanted.resolve(10).map(|range| (range.start, range.end));
        assert_eq!(resolve(Wanted::Bounded(2, 5)), Some((2, 5)));
        assert_eq!(resolve(Wanted::Bounded(2, 50)), Some((2, 10)));
        assert_eq!(resolve(Wanted::Bounded(10, 11)), None);
        assert_eq!(resolve(Wanted::From(9)), Some((9, 10)));
        assert_eq!(resolve(Wanted::From(10)), None);
        assert_eq!(resolve(Wanted::Last(3)), Some((7, 10)));
        assert_eq!(resolve(Wanted::Last(30)), Some((0, 10)));
        assert_eq!(resolve(Wanted::Last(0)), None);
        assert_eq!(Wanted::Last(5).resolve(0), None);
    }
}
