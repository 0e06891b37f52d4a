//! The proxy between clients and metastores that are sockets of these tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use larder_model::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::made::{Message, Value, partition, reply, request, storage, table, text};
use super::{CACHED, HOT, WHOLE, WHOLE_CACHED, buckets, whitelist};
use crate::api::ResolveState;
use crate::metastore::{MetastoreMetrics, MetastoreProxy, MetastoreSettings};

/// Longer than anything here takes; a test that waits for it fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    healthy: watch::Sender<bool>,
    stop: CancellationToken,
    metrics: Arc<MetastoreMetrics>,
    serving: JoinHandle<()>,
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

async fn start(upstreams: &[SocketAddr], settings: MetastoreSettings) -> Running {
    let (listener, address) = listen().await;
    let settings = MetastoreSettings {
        upstream: upstreams.iter().map(|address| format!("thrift://{address}")).collect(),
        ..settings
    };
    let (healthy, is_healthy) = watch::channel(true);
    let (_, whitelist) = watch::channel(Some(Arc::new(whitelist())));
    let resolve = ResolveState::new(whitelist, buckets(), "http://l".into(), false, is_healthy);
    let stop = CancellationToken::new();
    let proxy = MetastoreProxy::new(&settings, resolve, Arc::new(SystemClock), stop.clone());
    let metrics = proxy.metrics();
    let serving = tokio::spawn(proxy.serve(listener, PATIENCE));
    Running { address, healthy, stop, metrics, serving }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    in_time(stream.read_exact(&mut buffer)).await.expect("as many bytes");
    buffer
}

/// What comes until the other side ends.
async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut buffer = Vec::new();
    // A connection that is reset has ended, too.
    let _ = in_time(stream.read_to_end(&mut buffer)).await;
    buffer
}

fn sent(message: &Message) -> Vec<u8> {
    message.bytes(true, false)
}

fn get_table() -> Vec<u8> {
    sent(&request("get_table", vec![(1, text("db")), (2, text("t"))]))
}

fn whole_table(place: &str) -> Vec<u8> {
    sent(&reply("get_table", table(storage(place), &[], "MANAGED_TABLE")))
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_requests_are_rewritten_and_health_decides_per_answer() {
    let (metastore, at) = listen().await;
    let proxy = start(&[at], MetastoreSettings::default()).await;
    let mut client = TcpStream::connect(proxy.address).await.expect("the proxy");
    let (mut upstream, _) = in_time(metastore.accept()).await.expect("a connection");
    for (healthy, place) in [(true, WHOLE_CACHED), (false, WHOLE), (true, WHOLE_CACHED)] {
        proxy.healthy.send_replace(healthy);
        client.write_all(&get_table()).await.expect("sent");
        assert_eq!(read(&mut upstream, get_table().len()).await, get_table());
        upstream.write_all(&whole_table(WHOLE)).await.expect("sent");
        assert!(read(&mut client, whole_table(place).len()).await == whole_table(place));
    }
    // What was told while it was healthy comes back also while it is not.
    proxy.healthy.send_replace(false);
    let add = |place| sent(&request("add_partition", vec![(1, partition(place))]));
    client.write_all(&add(CACHED)).await.expect("sent");
    assert!(read(&mut upstream, add(HOT).len()).await == add(HOT));
    let text = proxy.metrics.text();
    for line in [
        "larder_metastore_calls_total 4",
        "larder_metastore_locations_total{side=\"answers\"} 4",
        "larder_metastore_locations_total{side=\"requests\"} 2",
        "larder_metastore_connections 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_a_connection_of_its_own_and_ends_it() {
    let (metastore, at) = listen().await;
    let proxy = start(&[at], MetastoreSettings::default()).await;
    let mut first = TcpStream::connect(proxy.address).await.expect("the proxy");
    let (mut upstream_first, _) = in_time(metastore.accept()).await.expect("a connection");
    let mut second = TcpStream::connect(proxy.address).await.expect("the proxy");
    let (mut upstream_second, _) = in_time(metastore.accept()).await.expect("a connection");
    second.write_all(&get_table()).await.expect("sent");
    assert_eq!(read(&mut upstream_second, get_table().len()).await, get_table());
    // A client that says that it has no more calls still gets its answers.
    first.write_all(&[get_table(), get_table()].concat()).await.expect("sent");
    first.shutdown().await.expect("shut down");
    assert_eq!(read_all(&mut upstream_first).await, [get_table(), get_table()].concat());
    upstream_first.write_all(&[whole_table(WHOLE), whole_table(WHOLE)].concat()).await.expect("sent");
    drop(upstream_first);
    assert!(read_all(&mut first).await == [whole_table(WHOLE_CACHED), whole_table(WHOLE_CACHED)].concat());
    upstream_second.write_all(&whole_table(WHOLE)).await.expect("sent");
    assert!(read(&mut second, whole_table(WHOLE_CACHED).len()).await == whole_table(WHOLE_CACHED));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_metastore_is_used_when_one_is_down_and_none_is_a_closed_connection() {
    let (metastore, at) = listen().await;
    let (down, nowhere) = listen().await;
    drop(down);
    let proxy = start(&[nowhere, at], MetastoreSettings::default()).await;
    let mut client = TcpStream::connect(proxy.address).await.expect("the proxy");
    client.write_all(&get_table()).await.expect("sent");
    let (mut upstream, _) = in_time(metastore.accept()).await.expect("a connection");
    assert_eq!(read(&mut upstream, get_table().len()).await, get_table());
    assert!(proxy.metrics.text().contains("larder_metastore_upstream_errors_total{kind=\"connect\"} 1"));
    // One that breaks off while it owes an answer ends the client's connection.
    drop(upstream);
    assert!(read_all(&mut client).await.is_empty());

    let alone = start(&[nowhere], MetastoreSettings::default()).await;
    let mut client = TcpStream::connect(alone.address).await.expect("the proxy");
    assert!(read_all(&mut client).await.is_empty());
    // It is back: the next client is served.
    let metastore = TcpListener::bind(nowhere).await.expect("the port is free");
    let mut client = TcpStream::connect(alone.address).await.expect("the proxy");
    client.write_all(&get_table()).await.expect("sent");
    let (mut upstream, _) = in_time(metastore.accept()).await.expect("a connection");
    assert_eq!(read(&mut upstream, get_table().len()).await, get_table());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_idle_connections_and_lets_calls_finish() {
    let (metastore, at) = listen().await;
    let proxy = start(&[at], MetastoreSettings::default()).await;
    let mut idle = TcpStream::connect(proxy.address).await.expect("the proxy");
    let _idle_upstream = in_time(metastore.accept()).await.expect("a connection");
    let mut busy = TcpStream::connect(proxy.address).await.expect("the proxy");
    let (mut upstream, _) = in_time(metastore.accept()).await.expect("a connection");
    busy.write_all(&get_table()).await.expect("sent");
    assert_eq!(read(&mut upstream, get_table().len()).await, get_table());
    proxy.healthy.send_replace(false);
    proxy.stop.cancel();
    assert!(read_all(&mut idle).await.is_empty());
    upstream.write_all(&whole_table(WHOLE)).await.expect("sent");
    // The answer is the original one: nobody would serve the cache's locations any more.
    assert!(read_all(&mut busy).await == whole_table(WHOLE));
    in_time(proxy.serving).await.expect("it ended");
    assert!(TcpStream::connect(proxy.address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_in_the_middle_of_a_call_is_left() {
    let (metastore, at) = listen().await;
    let settings = MetastoreSettings { stall: Duration::from_millis(50), ..MetastoreSettings::default() };
    let proxy = start(&[at], settings).await;
    let mut client = TcpStream::connect(proxy.address).await.expect("the proxy");
    let (mut upstream, _) = in_time(metastore.accept()).await.expect("a connection");
    client.write_all(&get_table()[..10]).await.expect("sent");
    assert!(read_all(&mut client).await.is_empty());
    read_all(&mut upstream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_closed() {
    let (metastore, at) = listen().await;
    let proxy = start(&[at], MetastoreSettings { connections_max: 1, ..MetastoreSettings::default() }).await;
    let first = TcpStream::connect(proxy.address).await.expect("the proxy");
    let _upstream = in_time(metastore.accept()).await.expect("a connection");
    let mut second = TcpStream::connect(proxy.address).await.expect("the proxy");
    assert!(read_all(&mut second).await.is_empty());
    assert!(proxy.metrics.text().contains("larder_metastore_refused_total 1"));
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_understood_is_told_nothing_of_the_cache() {
    let (metastore, at) = listen().await;
    let proxy = start(&[at], MetastoreSettings::default()).await;
    let mut client = TcpStream::connect(proxy.address).await.expect("the proxy");
    let (mut upstream, _) = in_time(metastore.accept()).await.expect("a connection");
    let odd = [&get_table()[..], &[0x80, 0x09, 1, 2, 3]].concat();
    client.write_all(&odd).await.expect("sent");
    assert_eq!(read(&mut upstream, odd.len()).await, odd);
    upstream.write_all(&whole_table(WHOLE)).await.expect("sent");
    assert!(read(&mut client, whole_table(WHOLE).len()).await == whole_table(WHOLE));
    assert!(proxy.metrics.text().contains("larder_metastore_not_understood_total{side=\"requests\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_arrives_whole_at_a_slow_client() {
    let (metastore, at) = listen().await;
    let proxy = start(&[at], MetastoreSettings::default()).await;
    let mut client = TcpStream::connect(proxy.address).await.expect("the proxy");
    let (mut upstream, _) = in_time(metastore.accept()).await.expect("a connection");
    for framed in [false, true] {
        let list = |place| reply("get_partitions", Value::List(vec![partition(place); 20_000])).bytes(true, framed);
        let (before, after) = (list(HOT), list(CACHED));
        if framed {
            client = TcpStream::connect(proxy.address).await.expect("the proxy");
            upstream = in_time(metastore.accept()).await.expect("a connection").0;
        }
        let sending = async { upstream.write_all(&before).await.expect("sent") };
        let (got, ()) = tokio::join!(read(&mut client, after.len()), sending);
        assert!(got == after, "framed {framed}: another answer");
    }
}
