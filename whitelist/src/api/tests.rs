//! The routes, asked without a socket.

mod people;
mod views;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use larder_model::ManualClock;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::choice::{Caps, Factor};
use crate::landing::objects_tests;
use crate::night::{Demand, Night};
use crate::settings::NightlySettings;
use crate::store::tests::{document, scratch};
use crate::store::{CandidateRow, Verdicts, VersionStatus};
use crate::test_support::time;
use crate::value::Reads;

struct Asked {
    _folder: tempfile::TempDir,
    logs: tempfile::TempDir,
    state: ApiState,
    router: Router,
    sender: watch::Sender<Option<Arc<Whitelist>>>,
}

impl Asked {
    async fn new() -> Self {
        let (folder, store) = scratch().await;
        let logs = tempfile::tempdir().unwrap();
        let (sender, whitelist) = watch::channel(None);
        let spool = Spool::start(logs.path().to_owned());
        let clock = Arc::new(ManualClock::new(time("2026-11-20T02:30:00Z")));
        let touched = objects_tests::touched();
        let night = Night {
            engine: Default::default(),
            metastore: None,
            store: store.clone(),
            clock: Arc::clone(&clock) as _,
            logs: logs.path().to_owned(),
            catalog: Vec::new(),
            settings: NightlySettings::default(),
            write_bytes_max: u64::MAX,
            demand: Demand { fills: false, ssd_bytes: 1 },
            workers: Some(Vec::new()),
            worker_token: None,
        };
        let nights = NightRunner::new(night, Arc::new(|| Box::pin(std::future::ready(()))), CancellationToken::new());
        let simulation = Simulation::default();
        let state = ApiState { store, whitelist, spool, touched, clock, nights, simulation };
        let router = router(state.clone()).split_for_parts().0;
        Self { _folder: folder, logs, state, router, sender }
    }

    /// A published version of one item of a table of two.
    async fn with_a_whitelist() -> Self {
        let asked = Self::new().await;
        let row = |partition: &str, rank, value_seconds| CandidateRow {
            item: format!("a.b.t/{partition}").parse().unwrap(),
            bytes: 60,
            objects: 1,
            reads: Reads { requests: 4, bytes: 240 },
            queries: 2,
            value_seconds,
            load_seconds: 60.0,
            held: false,
            factors: vec![Factor::new("requests", 4.0, "requests", "reads of it over the history")],
            taken: rank == 1,
            rank,
            reason: format!("reason {rank}"),
            ruling: None,
        };
        let rows = vec![row("d=1", 1, 7200.0), row("d=2", 2, 3600.0)];
        let verdicts = Verdicts { budget_bytes: 100, cut_density: 119.0, caps: Caps::default(), rows };
        let mut first = document(&["a.b.t/d=1"]);
        first.items[0].value_seconds = 7200.0;
        let first = asked.state.store.add_version(first, VersionStatus::Published, Some(&verdicts)).await.unwrap();
        asked.sender.send_replace(Some(Arc::new(first)));
        asked
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.send(Request::get(path).body(Body::empty()).unwrap()).await;
        (status, body)
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.send(Request::post(path).body(body.to_owned().into()).unwrap()).await;
        (status, body)
    }
}

#[tokio::test]
async fn the_whitelist_is_served_from_memory_with_an_etag() {
    let asked = Asked::with_a_whitelist().await;
    asked.state.store.close().await;
    let (status, headers, body) = asked.send(Request::get("/whitelist").body(Body::empty()).unwrap()).await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (StatusCode::OK, "\"1\""));
    Whitelist::parse(&serde_json::to_vec(&body).unwrap()).unwrap();
    let again = Request::get("/whitelist").header("if-none-match", "\"0\", \"1\"").body(Body::empty()).unwrap();
    assert_eq!(asked.send(again).await.0, StatusCode::NOT_MODIFIED);
    let (status, body) = asked.get("/tables").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body["error"].as_str().unwrap().contains("the store failed"), "{body}");
}

#[tokio::test]
async fn before_the_first_night_there_is_nothing_to_show() {
    let asked = Asked::new().await;
    for path in ["/whitelist", "/whitelist/diff", "/tables/a.b.t/partitions", "/whitelist/explain?item=a.b.t"] {
        let (status, body) = asked.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(body["error"].is_string(), "{path}: {body}");
    }
    for path in ["/whitelist/history", "/tables", "/workers", "/nights", "/nights/preloads", "/whitelist/decisions"] {
        assert_eq!(asked.get(path).await, (StatusCode::OK, Value::Array(vec![])), "{path}");
    }
    assert_eq!(asked.get("/value").await.1["candidates"], 0);
    let empty = serde_json::json!({"version": 0, "budget_bytes": 0, "points": []});
    assert_eq!(asked.get("/curve").await, (StatusCode::OK, empty));
}

#[tokio::test]
async fn tables_partitions_value_and_curve_agree() {
    let asked = Asked::with_a_whitelist().await;
    let (_, tables) = asked.get("/tables").await;
    assert_eq!(
        (&tables[0]["table"], &tables[0]["items"], &tables[0]["bytes"]),
        (&"a.b.t".into(), &2.into(), &120.into())
    );
    assert_eq!((&tables[0]["value_seconds"], &tables[0]["whitelisted_items"]), (&10800.0.into(), &1.into()));
    assert_eq!(tables[0]["read_bytes"], 480);
    let (_, partitions) = asked.get("/tables/a.b.t/partitions").await;
    assert_eq!((&partitions[0]["whitelisted"], &partitions[1]["whitelisted"]), (&true.into(), &false.into()));
    let (_, value) = asked.get("/value?limit=1").await;
    assert_eq!((value["candidates"].as_u64(), value["items"].as_array().unwrap().len()), (Some(2), 1));
    assert_eq!(
        (&value["candidate_value_seconds"], &value["whitelisted_value_seconds"]),
        (&10800.0.into(), &7200.0.into())
    );
    let (_, curve) = asked.get("/curve").await;
    let hours = |percent: u64| {
        let points = curve["points"].as_array().unwrap();
        points.iter().find(|point| point["budget_percent"] == percent).unwrap()["hours_saved"].as_f64().unwrap()
    };
    assert_eq!((hours(50), hours(60), hours(100), hours(120), hours(200)), (0.0, 2.0, 2.0, 3.0, 3.0));
    let (_, explained) = asked.get("/whitelist/explain?item=a.b.t/d=2").await;
    assert_eq!((&explained["items"][0]["reason"], &explained["version"]), (&"reason 2".into(), &1.into()));
}

#[tokio::test]
async fn explain_gives_every_factor_the_rank_the_cut_and_what_would_change_the_verdict() {
    let asked = Asked::with_a_whitelist().await;
    let (status, explained) = asked.get("/whitelist/explain?item=a.b.t/d=2").await;
    assert_eq!(status, StatusCode::OK);
    let choice = &explained["choice"];
    assert_eq!(
        (&choice["budget_bytes"], &choice["taken_bytes"], &choice["candidates"], &choice["cut_rank"]),
        (&100.into(), &60.into(), &2.into(), &1.into())
    );
    let item = &explained["items"][0];
    assert_eq!((&item["verdict"]["rank"], &item["verdict"]["load_seconds"]), (&2.into(), &60.0.into()));
    assert_eq!(
        (&item["verdict"]["factors"][0]["name"], &item["verdict"]["factors"][0]["value"]),
        (&"requests".into(), &4.0.into())
    );
    let changes = item["changes"].as_array().unwrap();
    let kinds: Vec<&str> = changes.iter().map(|change| change["change"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["more_budget", "more_value", "denial"]);
    assert_eq!(
        (&changes[0]["bytes"], &changes[0]["words"]),
        (&20.into(), &"would be taken with 20 B more budget".into())
    );
    assert_eq!(changes[2]["item"], "a.b.t/d=1");
    let (_, table) = asked.get("/whitelist/explain?item=a.b.t").await;
    assert_eq!(table["items"][0]["changes"][0]["change"], "less_value", "{table}");
}

#[tokio::test]
async fn versions_are_compared_and_wrong_questions_are_answered_in_words() {
    let asked = Asked::with_a_whitelist().await;
    asked.state.store.add_version(document(&["a.b.u"]), VersionStatus::Published, None).await.unwrap();
    let (_, diff) = asked.get("/whitelist/diff").await;
    assert_eq!((&diff["from"], &diff["to"], &diff["added"][0]["item"]), (&1.into(), &2.into(), &"a.b.u".into()));
    let (_, diff) = asked.get("/whitelist/diff?from=0&to=1").await;
    assert_eq!(diff["added"][0]["item"], "a.b.t/d=1");
    assert_eq!(asked.get("/whitelist/history?limit=1").await.1.as_array().unwrap().len(), 1);
    for (path, status) in [
        ("/whitelist/diff?from=8&to=9", StatusCode::NOT_FOUND),
        ("/whitelist/diff?from=one", StatusCode::BAD_REQUEST),
        ("/whitelist/history?limit=-1", StatusCode::BAD_REQUEST),
        ("/whitelist/explain", StatusCode::BAD_REQUEST),
        ("/whitelist/explain?item=nonsense", StatusCode::BAD_REQUEST),
        ("/tables/nonsense/partitions", StatusCode::BAD_REQUEST),
    ] {
        let (found, body) = asked.get(path).await;
        assert_eq!(found, status, "{path}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}: {body}");
    }
}

#[tokio::test]
async fn events_are_taken_and_what_is_broken_is_said() {
    let asked = Asked::new().await;
    let good = r#"{"metadata": {"queryId": "q"}, "createTime": 1795071600, "endTime": 1795071601}"#;
    let (status, body) = asked.post("/events/trino", &format!("{good}\nnonsense\n")).await;
    assert_eq!((status, &body["events"], &body["broken"]), (StatusCode::ACCEPTED, &1.into(), &1.into()));
    assert_eq!(body["broken_entries"][0]["line"], 2);
    assert_eq!(asked.post("/events/trino", "nonsense").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(asked.post("/events/trino", "").await.0, StatusCode::BAD_REQUEST);
    let (status, body) = asked.post("/events/mystery", good).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["error"].as_str().unwrap().contains("write trino, presto or generic"), "{body}");
    let long = "x".repeat(33 << 20);
    assert_eq!(asked.post("/events/generic", &long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    asked.state.spool.close().await.unwrap();
    assert!(asked.logs.path().join("queries/day=2026-11-19").is_dir());
}

#[tokio::test]
async fn object_events_are_taken_and_what_is_none_is_refused_in_words() {
    let asked = Asked::new().await;
    let event = |key: &str| objects_tests::event("s3:ObjectCreated:Put", "whole", key);
    let (status, body) = asked.post("/events/objects", &event("db/t/dt%3D2026-11-20/f")).await;
    assert_eq!((status, &body["taken"], &body["ignored"]), (StatusCode::ACCEPTED, &1.into(), &0.into()));
    assert_eq!(asked.state.touched.drain().first().unwrap().to_string(), "hive.db.t/dt=2026-11-20");
    let (status, body) = asked.post("/events/objects", r#"{"Records": 7}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["error"].as_str().unwrap().contains("no S3 event"), "{body}");
    let many: Vec<serde_json::Value> = (0..10_001)
        .map(|i| {
            serde_json::from_str::<serde_json::Value>(&event(&format!("db/t/d={i}/f"))).unwrap()["Records"][0].clone()
        })
        .collect();
    let (status, body) = asked.post("/events/objects", &serde_json::json!({"Records": many}).to_string()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(asked.state.touched.drain().is_empty());
}

#[test]
fn the_document_describes_every_route() {
    let rendered = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let asked = Asked::new().await;
        router(asked.state).split_for_parts().1.to_json().unwrap()
    });
    for path in ["/whitelist", "/tables/{table}/partitions", "/events/{format}", "/events/objects", "/nights/preloads"]
    {
        assert!(rendered.contains(&format!("\"{path}\"")), "{path}");
    }
    for part in ["Realised", "CalibrationBin", "ItemDay"] {
        assert!(rendered.contains(&format!("#/components/schemas/{part}\"")), "{part} of a night's report");
    }
}
