//! `[traces]`: GETs as OpenTelemetry spans, sent to a collector by OTLP over HTTP.
//!
//! A span is made of what is known of a read when it has ended, well or badly: the read itself does nothing for it but pass
//! that on, and without `endpoint` not even that.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use async_trait::async_trait;
use larder_cached::{ReadOutcome, WatchedRead};
use larder_model::Route;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Spans sent at once.
const SPANS_MAX: usize = 512;

/// How long a span may wait for others to be sent with.
const SEND_EVERY: Duration = Duration::from_secs(2);

/// A collector that takes longer is not there.
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(10);

/// `[traces]`: where spans are sent, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TraceSettings {
    /// The collector's URL for OTLP over HTTP, without `/v1/traces`; `None` for no traces.
    pub(crate) endpoint: Option<String>,
    /// One GET in so many is traced.
    pub(crate) one_in: u64,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { endpoint: None, one_in: 100 }
    }
}

/// What sends spans.
#[derive(Debug)]
pub(crate) struct Traces {
    exporter: SpanExporter,
    ids: RandomIdGenerator,
}

impl Traces {
    /// Sends to a collector, in the name of a worker.
    pub(crate) fn new(endpoint: &str, worker: &str) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(COLLECTOR_TIMEOUT).build()?;
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client(client))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(COLLECTOR_TIMEOUT)
            .build()
            .context("cannot send traces")?;
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", "larder"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", worker.to_owned()),
        ]);
        exporter.set_resource(&resource.build());
        Ok(Self { exporter, ids: RandomIdGenerator::default() })
    }

    /// Sends reads as they come, until the daemon stops; what waits then is sent first.
    pub(crate) async fn send(self, mut reads: mpsc::Receiver<WatchedRead>, stop: CancellationToken) {
        let mut is_away = false;
        while let Some(Some(first)) = stop.run_until_cancelled(reads.recv()).await {
            // A little later there are more to send with it.
            stop.run_until_cancelled(tokio::time::sleep(SEND_EVERY)).await;
            is_away = self.send_waiting(first, &mut reads, is_away).await;
        }
        if let Ok(first) = reads.try_recv() {
            self.send_waiting(first, &mut reads, is_away).await;
        }
    }

    /// Sends all that wait, and says whether the collector is away.
    async fn send_waiting(&self, first: WatchedRead, reads: &mut mpsc::Receiver<WatchedRead>, was_away: bool) -> bool {
        let (mut next, mut is_away) = (Some(first), was_away);
        while let Some(first) = next {
            let waiting = std::iter::from_fn(|| reads.try_recv().ok());
            let spans = std::iter::once(first).chain(waiting).take(SPANS_MAX).map(|read| self.span(read)).collect();
            let sent = self.exporter.export(spans).await;
            match &sent {
                Err(error) if !is_away => {
                    tracing::warn!(%error, "the collector takes no traces; they are lost so long");
                }
                Ok(()) if is_away => tracing::info!("the collector takes traces again"),
                _ => {}
            }
            is_away = sent.is_err();
            next = reads.try_recv().ok();
        }
        is_away
    }

    fn span(&self, read: WatchedRead) -> SpanData {
        let (trace, span) = (self.ids.new_trace_id(), self.ids.new_span_id());
        let start = SystemTime::from(read.begun);
        let status = match &read.outcome {
            ReadOutcome::Failed { what, .. } => Status::error(what.clone()),
            ReadOutcome::Answered | ReadOutcome::Redirected => Status::Unset,
        };
        SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: "GET".into(),
            start_time: start,
            end_time: start + Duration::from_secs_f64(read.seconds.max(0.0)),
            attributes: attributes(read),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: InstrumentationScope::builder("larder").build(),
        }
    }
}

/// Named after OpenTelemetry's conventions where it has any: what it calls `aws.s3` is any bucket of Larder's.
fn attributes(read: WatchedRead) -> Vec<KeyValue> {
    let bytes = |name: &'static str, bytes: u64| KeyValue::new(name, i64::try_from(bytes).unwrap_or(i64::MAX));
    let mut attributes = vec![
        KeyValue::new("aws.s3.bucket", read.object.bucket.clone()),
        KeyValue::new("aws.s3.key", read.object.key.clone()),
        KeyValue::new("larder.route", read.route.as_str()),
        KeyValue::new("larder.tiers", tiers(&read)),
        bytes("larder.bytes.memory", read.bytes_memory),
        bytes("larder.bytes.ssd", read.bytes_ssd),
        bytes("larder.bytes.origin", read.bytes_origin),
        KeyValue::new("larder.engine", read.engine),
        KeyValue::new("enduser.id", read.principal),
    ];
    if let Some(range) = read.range {
        attributes.extend([bytes("larder.range.start", range.start), bytes("larder.range.length", range.len())]);
    }
    if let Some(attribution) = read.attribution {
        attributes.push(KeyValue::new("larder.table", attribution.table.to_string()));
        attributes.push(KeyValue::new("larder.partition", attribution.partition));
    }
    match read.outcome {
        ReadOutcome::Answered => {}
        ReadOutcome::Redirected => attributes.push(KeyValue::new("larder.redirected", true)),
        ReadOutcome::Failed { kind, .. } => attributes.push(KeyValue::new("error.type", kind)),
    }
    attributes
}

/// The tiers that gave bytes, the nearest first.
fn tiers(read: &WatchedRead) -> String {
    let tiers = [("memory", read.bytes_memory), ("ssd", read.bytes_ssd), ("origin", read.bytes_origin)];
    let used: Vec<&str> = tiers.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(tier, _)| tier).collect();
    match (used.is_empty(), read.route, &read.outcome) {
        // An empty object is an answer too.
        (true, Route::Direct, ReadOutcome::Answered) => "origin".to_owned(),
        _ => used.join(","),
    }
}

/// The client that everything else here uses, as OpenTelemetry's exporter wants it.
#[derive(Debug)]
struct Client(reqwest::Client);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.execute(request.try_into()?).await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = answer.headers().clone();
        }
        Ok(response.body(answer.bytes().await?)?)
    }
}
