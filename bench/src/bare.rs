//! The bars to be measured against, each answering ranged GETs of one object from memory: hyper with nothing in
//! between, which parses the range and nothing else; and s3s over hyper, which also parses S3 and verifies signatures,
//! so that what the protocol costs can be told from what Larder adds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{GetObjectInput, GetObjectOutput, Range, StreamingBlob};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
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
    /// Serve it through s3s, to this key.
    #[arg(long, requires = "secret")]
    key: Option<String>,
    /// The key's secret.
    #[arg(long)]
    secret: Option<String>,
}

/// Serves until it is killed.
pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let object = Bytes::from(std::fs::read(settings.file)?);
    let listener = TcpListener::bind(settings.listen).await?;
    let s3 = settings.key.zip(settings.secret).map(|(key, secret)| s3_service(object.clone(), &key, secret));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if let Some(s3) = &s3 {
            let s3 = s3.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let s3 = s3.clone();
                async move { s3.call(request.map(Body::from)).await }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            continue;
        }
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

fn s3_service(object: Bytes, key: &str, secret: String) -> S3Service {
    let mut builder = S3ServiceBuilder::new(OneObject(object));
    builder.set_auth(SimpleAuth::from_single(key, secret));
    builder.build()
}

/// Answers every bucket and key with the one object.
struct OneObject(Bytes);

#[async_trait]
impl S3 for OneObject {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let Some(Range::Int { first, last: Some(last) }) = request.input.range else {
            return Err(s3_error!(InvalidRange));
        };
        if first > last || last >= self.0.len() as u64 {
            return Err(s3_error!(InvalidRange));
        }
        let bytes = self.0.slice(first as usize..=last as usize);
        let output = GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            content_range: Some(format!("bytes {first}-{last}/{}", self.0.len())),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::with_status(output, StatusCode::PARTIAL_CONTENT))
    }
}
