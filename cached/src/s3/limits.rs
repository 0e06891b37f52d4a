//! What one client may take of the endpoint: requests in flight, time without progress, the length of a request's head.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use s3s::{Body, StdError};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_io_timeout::TimeoutStream;

use super::refusal::Refusal;

/// A client that takes longer to send a request's head, or to finish its TLS handshake, is left.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer heads are answered 431. The number of a head's headers is limited by hyper, to 100.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;
/// What a connection reads or writes at once; an answer's next bytes are asked for when these are on their way.
pub(super) const BUFFER_BYTES_MAX: usize = 408 << 10;

/// A connection on which a write that makes no progress for `stall` is an error. Reads have no such limit: a connection
/// also waits for its next request, and for the end of a request that it is answering.
pub(super) fn impatient(stream: TcpStream, stall: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(stall));
    Box::pin(stream)
}

/// The body of an answer, which holds its request's place among those in flight until the last of its bytes has been
/// written, or until it is dropped with its connection.
pub(super) struct Held {
    body: Body,
    place: Option<OwnedSemaphorePermit>,
    /// Bytes to come; `None` when nobody knows.
    left: Option<u64>,
}

impl Held {
    pub(super) fn new(response: Response<Body>, place: OwnedSemaphorePermit) -> Response<Self> {
        let length = response.headers().get(http::header::CONTENT_LENGTH);
        let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        response.map(|body| Self {
            left: left.or_else(|| hyper::body::Body::size_hint(&body).exact()),
            body,
            place: Some(place),
        })
    }

    /// A body that takes no place.
    pub(super) fn free(body: Body) -> Self {
        Self { body, place: None, left: None }
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let this = &mut *self;
        let keep = |bytes: Bytes| {
            this.left = this.left.map(|left| left.saturating_sub(bytes.len() as u64));
            // The body is dropped when its last bytes are in the connection's buffer, which is not yet sent.
            match this.place.take_if(|_| this.left == Some(0)) {
                Some(place) => Bytes::from_owner(InFlight { bytes, _place: place }),
                None => bytes,
            }
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(keep))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes on their way, with the place that they take.
struct InFlight {
    bytes: Bytes,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for InFlight {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What became of a request's body.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    stalled: AtomicBool,
    ended: AtomicBool,
}

impl Arrival {
    /// The answer as it may be given: a body that did not come is why an operation failed, whatever it made of that.
    pub(super) fn judge(&self, response: Response<Body>, request_id: &str) -> Response<Body> {
        let mut response = match self.stalled.load(Ordering::Relaxed) && !response.status().is_success() {
            true => request_timeout(request_id),
            false => response,
        };
        if !self.ended.load(Ordering::Relaxed) {
            close_after(&mut response);
        }
        response
    }
}

/// Tells the client that its connection ends with this answer, because what may still come of a body that nobody reads
/// is not the next request. A client that is not told sends one, and finds the connection closed.
pub(super) fn close_after<B>(response: &mut Response<B>) {
    response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
}

/// The body of a request, which fails when its reader waits and nothing comes of it for `stall`.
pub(super) struct Patient {
    body: Incoming,
    stall: Duration,
    waits: Option<Pin<Box<Sleep>>>,
    arrival: Arc<Arrival>,
}

impl Patient {
    pub(super) fn new(body: Incoming, stall: Duration, arrival: Arc<Arrival>) -> Self {
        Self { body, stall, waits: None, arrival }
    }
}

impl hyper::body::Body for Patient {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waits = None;
            if frame.is_none() || this.body.is_end_stream() {
                this.arrival.ended.store(true, Ordering::Relaxed);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        // Only while the reader waits: an origin that takes its time is not the client's fault.
        let waits = this.waits.get_or_insert_with(|| Box::pin(sleep(this.stall)));
        ready!(waits.as_mut().poll(cx));
        this.arrival.stalled.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the request's body stalled").into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// More is asked for than is answered at once.
pub(super) fn slow_down(request_id: &str) -> Response<Body> {
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.");
    let mut response = refusal.response(request_id);
    response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The rest of a request did not come.
fn request_timeout(request_id: &str) -> Response<Body> {
    let message = "Your socket connection to the server was not read from or written to within the timeout period.";
    Refusal::new(StatusCode::BAD_REQUEST, "RequestTimeout", message).response(request_id)
}
