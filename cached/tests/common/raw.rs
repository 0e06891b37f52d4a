//! HTTP as it stands on the wire, for what no S3 client would send or show.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3;
use object_store::signer::Signer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A presigned URL for anybody to use.
pub(crate) async fn presigned(s3: &Arc<AmazonS3>, method: http::Method, key: &str) -> String {
    s3.signed_url(method, &key.into(), Duration::from_secs(60)).await.expect("a URL").to_string()
}

/// The host of a URL, and the rest of it.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("no TLS here");
    rest.split_at(rest.find('/').expect("a path"))
}

/// Sends a request's head with these headers besides, and leaves the rest to the caller.
pub(crate) async fn begin(method: http::Method, url: &str, headers: &[(&str, &str)]) -> TcpStream {
    let address: SocketAddr = parts(url).0.parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    // So that what a client does not take soon waits at the server.
    socket.set_recv_buffer_size(64 << 10).expect("a buffer");
    let mut stream = socket.connect(address).await.expect("somebody listens");
    send_head(&mut stream, method, url, headers).await;
    stream
}

/// The same on a connection that there is.
pub(crate) async fn send_head(stream: &mut TcpStream, method: http::Method, url: &str, headers: &[(&str, &str)]) {
    let (host, path) = parts(url);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.expect("it takes the head");
}

/// The answer on a connection, which may stay open behind it.
pub(crate) async fn answer(stream: &mut TcpStream) -> Answer {
    let mut answer = head(stream).await;
    let length: usize = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while answer.body.len() < length && stream.read_buf(&mut answer.body).await.expect("a body") > 0 {}
    answer
}

/// An answer as far as it has come with its head.
pub(crate) async fn head(stream: &mut TcpStream) -> Answer {
    let mut received = Vec::new();
    let begins = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let more = stream.read_buf(&mut received).await.expect("an answer");
        assert!(more > 0, "the connection was closed before an answer: {:?}", String::from_utf8_lossy(&received));
    };
    let body = received.split_off(begins);
    let head = String::from_utf8(received).expect("heads are text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body }
}

/// One GET by a client that names itself so.
pub(crate) async fn get(url: &str, agent: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = [("User-Agent", agent)].iter().chain(headers).copied().collect();
    answer(&mut begin(http::Method::GET, url, &headers).await).await
}
