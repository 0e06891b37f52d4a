//! The bar to be measured against: hyper answering ranged GETs of one object from memory, with nothing in between. It
//! parses the range and nothing else: no signature, no routing, no lookup, no log.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What the bare server serves, and where.
#[derive(Args)]
pub(crate) struct Settings {
    /// The address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// The file to answer with, whatever the path.
    #[arg(long)]
    file: PathBuf,
}

/// Serves until it is killed.
pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let object = Bytes::from(std::fs::read(settings.file)?);
    let listener = TcpListener::bind(settings.listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let object = object.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&request, &object);
            async move { Ok::<_, Infallible>(answer) }
        });
        // A connection that breaks is the client's end of the run.
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(request: &Request<Incoming>, object: &Bytes) -> Response<Full<Bytes>> {
    let range = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(parse_range);
    let mut response = Response::new(Full::default());
    match range {
        Some((first, last)) if first <= last && last < object.len() => {
            let content_range = format!("bytes {first}-{last}/{}", object.len());
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            *response.body_mut() = Full::new(object.slice(first..=last));
            let value = content_range.try_into().expect("digits and ASCII words are a header value");
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        _ => *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE,
    }
    response
}

fn parse_range(value: &str) -> Option<(usize, usize)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}
