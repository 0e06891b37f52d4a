//! What the tests of several modules share: access logs as the data path writes them, and a worker that notes what it
//! is told.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router, routing};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use larder_model::access::columns;
use larder_model::admin::{DropReport, DropRequest, PreloadItemStatus, PreloadRequest, PreloadState, PreloadStatus};
use larder_model::{AccessKind, Route, TableName};
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// One row of the access log, as the data path writes it.
#[derive(Debug, Clone)]
pub(crate) struct AccessRecord {
    pub(crate) time: DateTime<Utc>,
    pub(crate) kind: AccessKind,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) table: Option<TableName>,
    pub(crate) partition: String,
    pub(crate) route: Route,
    pub(crate) bytes_memory: u64,
    pub(crate) bytes_ssd: u64,
    pub(crate) bytes_peer: u64,
    pub(crate) bytes_origin: u64,
    pub(crate) seconds: f64,
    pub(crate) principal: String,
    pub(crate) engine: String,
}

/// A read of `bytes` that came from the origin on the direct route.
pub(crate) fn get(table: &str, partition: &str, bytes: u64) -> AccessRecord {
    AccessRecord {
        time: time("2026-11-19T09:00:00Z"),
        kind: AccessKind::Get,
        bucket: "wh".into(),
        key: format!("{partition}/f.parquet"),
        version: "v".into(),
        offset: 0,
        length: bytes,
        table: (!table.is_empty()).then(|| table.parse().unwrap()),
        partition: partition.into(),
        route: Route::Direct,
        bytes_memory: 0,
        bytes_ssd: 0,
        bytes_peer: 0,
        bytes_origin: bytes,
        seconds: 0.03 + bytes as f64 / 80e6,
        principal: "ana".into(),
        engine: "trino".into(),
    }
}

/// The same read, answered by the SSD.
pub(crate) fn hit(table: &str, partition: &str, bytes: u64) -> AccessRecord {
    AccessRecord {
        route: Route::Cached,
        bytes_ssd: bytes,
        bytes_origin: 0,
        seconds: 0.0005 + bytes as f64 / 1e9,
        ..get(table, partition, bytes)
    }
}

/// A request to the origin that was no client's read.
pub(crate) fn fill(kind: AccessKind, bytes: u64) -> AccessRecord {
    AccessRecord { kind, route: Route::Cached, principal: String::new(), ..get("hive.db.t", "d=1", bytes) }
}

/// Writes an access log file in the columns of the data path.
pub(crate) fn write_access(logs: &Path, day: NaiveDate, name: &str, records: &[AccessRecord]) {
    let text = |of: &dyn Fn(&AccessRecord) -> String| -> ArrayRef {
        Arc::new(records.iter().map(|record| Some(of(record))).collect::<StringArray>())
    };
    let count = |of: &dyn Fn(&AccessRecord) -> u64| -> ArrayRef {
        Arc::new(records.iter().map(|record| Some(of(record))).collect::<UInt64Array>())
    };
    let times: TimestampMicrosecondArray = records.iter().map(|record| Some(record.time.timestamp_micros())).collect();
    let tables: StringArray = records.iter().map(|record| record.table.as_ref().map(ToString::to_string)).collect();
    let seconds: Float64Array = records.iter().map(|record| Some(record.seconds)).collect();
    let fields: Vec<(&str, ArrayRef)> = vec![
        (columns::TIME, Arc::new(times.with_timezone("UTC"))),
        (columns::WORKER, text(&|_| "w1".into())),
        (columns::KIND, text(&|record| record.kind.as_str().into())),
        (columns::BUCKET, text(&|record| record.bucket.clone())),
        (columns::KEY, text(&|record| record.key.clone())),
        (columns::VERSION, text(&|record| record.version.clone())),
        (columns::OFFSET, count(&|record| record.offset)),
        (columns::LENGTH, count(&|record| record.length)),
        (columns::TABLE, Arc::new(tables)),
        (columns::PARTITION, text(&|record| record.partition.clone())),
        (columns::ROUTE, text(&|record| record.route.as_str().into())),
        (columns::BYTES_MEMORY, count(&|record| record.bytes_memory)),
        (columns::BYTES_SSD, count(&|record| record.bytes_ssd)),
        (columns::BYTES_PEER, count(&|record| record.bytes_peer)),
        (columns::BYTES_ORIGIN, count(&|record| record.bytes_origin)),
        (columns::SECONDS, Arc::new(seconds)),
        (columns::PRINCIPAL, text(&|record| record.principal.clone())),
        (columns::ENGINE, text(&|record| record.engine.clone())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(fields.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.unwrap();
    let folder = logs.join("access").join(format!("day={day}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(folder.join(name)).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A worker that does at once what it is told, and remembers it.
#[derive(Debug, Clone, Default)]
pub(crate) struct NotingWorker {
    pub(crate) preloads: Arc<Mutex<Vec<PreloadRequest>>>,
    pub(crate) drops: Arc<Mutex<Vec<DropRequest>>>,
}

impl NotingWorker {
    /// Starts to listen, and returns the admin URL.
    pub(crate) async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/api/v1/preload", routing::post(start_preload).get(preload_status))
            .route("/api/v1/drop", routing::post(drop_locations))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    pub(crate) fn preloaded_last(&self) -> Vec<String> {
        self.preloads.lock().last().unwrap().items.iter().map(|item| item.item.to_string()).collect()
    }

    pub(crate) fn dropped(&self) -> Vec<String> {
        let drops = self.drops.lock();
        drops.iter().flat_map(|drop| &drop.locations).map(|location| location.prefix.clone()).collect()
    }
}

async fn start_preload(
    State(worker): State<NotingWorker>,
    Json(request): Json<PreloadRequest>,
) -> (StatusCode, Json<serde_json::Value>) {
    let mut preloads = worker.preloads.lock();
    preloads.push(request);
    (StatusCode::ACCEPTED, Json(serde_json::json!({"run": preloads.len()})))
}

async fn preload_status(State(worker): State<NotingWorker>) -> Json<PreloadStatus> {
    let preloads = worker.preloads.lock();
    let none = PreloadRequest {
        version: 0,
        items: vec![],
        rate_bytes_per_second: None,
        window_seconds: None,
        written_bytes_per_day: None,
    };
    let last = preloads.last().unwrap_or(&none);
    let item = |item: &larder_model::admin::PreloadItem| PreloadItemStatus {
        item: item.item.clone(),
        state: PreloadState::Done,
        bytes: 1,
        bytes_loaded: 1,
        bytes_resident: 0,
        why: None,
    };
    let items: Vec<PreloadItemStatus> = last.items.iter().map(item).collect();
    Json(PreloadStatus {
        run: preloads.len() as u64,
        version: last.version,
        running: false,
        stopped: None,
        started: None,
        finished: None,
        bytes_total: items.len() as u64,
        bytes_loaded: items.len() as u64,
        bytes_resident: 0,
        held_back_seconds: 0.0,
        items,
    })
}

async fn drop_locations(State(worker): State<NotingWorker>, Json(request): Json<DropRequest>) -> Json<DropReport> {
    worker.drops.lock().push(request);
    Json(DropReport { objects: 1, blocks: 1, bytes: 1 })
}

/// A Parquet object of so many rows of numbers, without dictionaries.
pub(crate) fn parquet_of<N: Into<String>>(columns: impl IntoIterator<Item = N>, rows: u64) -> Vec<u8> {
    let column = |n: usize| -> ArrayRef {
        let number = |row: u64| (row + n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Arc::new((0..rows).map(number).collect::<UInt64Array>())
    };
    let columns = columns.into_iter().enumerate().map(|(n, name)| (name.into(), column(n)));
    let batch = RecordBatch::try_from_iter(columns.collect::<Vec<(String, ArrayRef)>>()).unwrap();
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Reads of several sizes, enough to measure the origin and the SSD.
pub(crate) fn measurable() -> Vec<AccessRecord> {
    let sizes = [10_000, 100_000, 1_000_000, 8_000_000];
    let fills = sizes.iter().flat_map(|bytes| (0..30).map(|_| fill(AccessKind::Fill, *bytes)));
    let mut records: Vec<AccessRecord> = fills.collect();
    for record in records.iter_mut().step_by(30) {
        // One in thirty is slow, as remote storage is.
        record.seconds += TimeDelta::seconds(3).as_seconds_f64();
    }
    records
}
