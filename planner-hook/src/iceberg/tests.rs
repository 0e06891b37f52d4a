//! What answers become, and how they are carried to and from a catalog that misbehaves. Real catalogs and engines are in the
//! end-to-end suite.

mod carried;

use std::collections::HashSet;

use axum::http::Method;
use larder_model::Whitelist;
use serde_json::{Value, json};

use super::answers::{Additions, AnswerKind, without_uri};
use super::tables::{Listed, Served, Verdict};
use crate::access::S3Access;
use crate::resolve::tests::whitelist;

/// Larder serves `warehouse`, of which `db/t/dt=1/` is whitelisted.
fn additions() -> Additions {
    Additions {
        access: S3Access { endpoint: "http://larder:9000".into(), key: "K".into(), secret: "S".into() },
        known_keys: HashSet::from(["K".to_owned(), "analyst".to_owned()]),
        served: Served(HashSet::from(["warehouse".to_owned()])),
    }
}

fn listed() -> Listed {
    Listed::new(&whitelist())
}

/// A table's answer as a catalog gives it, with these fields in the place of its own.
fn answer(more: Value) -> Value {
    let mut answer = json!({
        "metadata-location": "s3://warehouse/db/t/metadata/1.metadata.json",
        "metadata": {
            "format-version": 2,
            "location": "s3://warehouse/db/t",
            "properties": {"write.parquet.compression-codec": "zstd"},
            "snapshots": [{"snapshot-id": 1, "manifest-list": "s3://warehouse/db/t/metadata/snap-1.avro"}],
        },
        "config": {"token": "t"},
    });
    let fields = answer.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("fields").clone());
    answer
}

fn table(answer: &Value) -> (Verdict, Option<Value>) {
    let (verdict, rewritten) = additions().table(answer.to_string().as_bytes(), &listed());
    (verdict, rewritten.map(|json| serde_json::from_slice(&json).expect("JSON")))
}

#[test]
fn answers_that_hold_a_table_are_known_by_their_requests() {
    for (method, path, kind) in [
        (Method::GET, "/v1/config", AnswerKind::Config),
        (Method::GET, "/v1/namespaces/db/tables/t", AnswerKind::Table),
        (Method::GET, "/v1/main%7Cwh/namespaces/a%1Fb/tables/t", AnswerKind::Table),
        (Method::POST, "/v1/p/namespaces/db/tables", AnswerKind::Table),
        (Method::POST, "/v1/p/namespaces/db/register", AnswerKind::Table),
        (Method::GET, "/v1/p/namespaces/db/tables", AnswerKind::Other),
        (Method::HEAD, "/v1/p/namespaces/db/tables/t", AnswerKind::Other),
        (Method::POST, "/v1/p/namespaces/db/tables/t", AnswerKind::Other),
        (Method::DELETE, "/v1/p/namespaces/db/tables/t", AnswerKind::Other),
        (Method::GET, "/v1/p/namespaces/db/views/v", AnswerKind::Other),
        (Method::GET, "/v1/p/namespaces/db/tables/t/credentials", AnswerKind::Other),
        (Method::POST, "/v1/oauth/tokens", AnswerKind::Other),
        (Method::GET, "/namespaces/db/tables/t", AnswerKind::Other),
    ] {
        assert_eq!(AnswerKind::of(&method, path), kind, "{method} {path}");
    }
}

#[test]
fn a_whitelisted_table_is_told_larders_endpoint_and_key() {
    let (verdict, rewritten) = table(&answer(json!({})));
    assert_eq!(verdict, Verdict::Cached);
    let config = json!({
        "token": "t",
        "s3.endpoint": "http://larder:9000",
        "s3.path-style-access": "true",
        "s3.force-virtual-addressing": "false",
        "s3.access-key-id": "K",
        "s3.secret-access-key": "S",
        "s3.region": "us-east-1",
        "client.region": "us-east-1",
    });
    assert_eq!(rewritten, Some(answer(json!({"config": config}))));
}

#[test]
fn what_the_catalog_told_of_the_storage_gives_way_and_its_region_stays() {
    let config =
        json!({"s3.endpoint": "http://storage", "s3.path-style-access": "false", "client.region": "eu-west-1"});
    let (_, rewritten) = table(&answer(json!({"config": config})));
    let config = &rewritten.expect("rewritten")["config"];
    assert_eq!(config["s3.endpoint"], "http://larder:9000");
    assert_eq!((&config["s3.path-style-access"], &config["client.region"]), (&json!("true"), &json!("eu-west-1")));
}

#[test]
fn a_table_to_be_created_has_no_metadata_file_and_an_answer_need_have_no_config() {
    for field in ["metadata-location", "config", "storage-credentials"] {
        let (verdict, rewritten) = table(&answer(json!({field: null})));
        assert_eq!(verdict, Verdict::Cached, "{field}");
        assert_eq!(rewritten.expect("rewritten")["config"]["s3.access-key-id"], "K");
    }
}

#[test]
fn all_else_goes_out_letter_by_letter() {
    // Numbers beyond what a double holds, odd spacing, escapes, fields that nobody knows yet.
    let metadata = r#"{ "location":"s3:\/\/warehouse\/db\/t", "last-updated-ms" : 123456789012345678901234567890,
        "x":1.10000000000000000000001e400,"ü":"\u00fc" }"#;
    let text = format!(r#"{{"metadata":{metadata},"new-field":[ 1.0 ],"config":{{}}}}"#);
    let (verdict, rewritten) = additions().table(text.as_bytes(), &listed());
    assert_eq!(verdict, Verdict::Cached);
    let rewritten = String::from_utf8(rewritten.expect("rewritten")).expect("text");
    assert!(rewritten.contains(metadata) && rewritten.contains(r#""new-field":[ 1.0 ]"#), "{rewritten}");
}

#[test]
fn credentials_that_the_catalog_gave_out_are_kept() {
    let vended = |config: Value| table(&answer(json!({"config": config})));
    // Larder's endpoint knows this key: the engine signs with it there.
    let (verdict, rewritten) = vended(json!({"s3.access-key-id": "analyst", "s3.secret-access-key": "own"}));
    assert_eq!(verdict, Verdict::Cached);
    let config = &rewritten.expect("rewritten")["config"];
    assert_eq!((&config["s3.access-key-id"], &config["s3.secret-access-key"]), (&json!("analyst"), &json!("own")));
    assert_eq!(config["s3.endpoint"], "http://larder:9000");
    for config in [
        json!({"s3.access-key-id": "ASIA1", "s3.secret-access-key": "x"}),
        json!({"s3.access-key-id": "analyst", "s3.secret-access-key": "x", "s3.session-token": "y"}),
        json!({"s3.remote-signing-enabled": "true"}),
    ] {
        assert_eq!(vended(config.clone()), (Verdict::Vended, None), "{config}");
    }
    assert_eq!(vended(json!({"s3.remote-signing-enabled": "false"})).0, Verdict::Cached);
    let by_prefix = json!({"storage-credentials": [{"prefix": "s3://warehouse", "config": {"s3.access-key-id": "K"}}]});
    assert_eq!(table(&answer(by_prefix)), (Verdict::Vended, None));
}

#[test]
fn tables_that_lie_elsewhere_even_in_part_are_left_alone() {
    let with = |field: &str, value: Value| {
        let mut answer = answer(json!({}));
        answer["metadata"][field] = value;
        table(&answer).0
    };
    assert_eq!(with("location", json!("s3://warehouse/db/u")), Verdict::Unlisted);
    assert_eq!(with("location", json!("s3://other/db/t")), Verdict::Elsewhere);
    assert_eq!(with("location", json!("hdfs://nn:8020/db/t")), Verdict::Elsewhere);
    assert_eq!(with("properties", json!({"write.data.path": "s3://other/t"})), Verdict::Elsewhere);
    assert_eq!(with("snapshots", json!([{"manifest-list": "s3://other/s.avro"}])), Verdict::Elsewhere);
    assert_eq!(with("snapshots", json!([{"manifests": []}])), Verdict::Cached, "manifests of format 1 stand inline");
    assert_eq!(table(&answer(json!({"metadata-location": "s3://other/m.json"}))).0, Verdict::Elsewhere);
}

#[test]
fn answers_that_are_not_understood_pass() {
    let whole = answer(json!({})).to_string();
    let cut = (0..whole.len()).map(|end| whole.as_bytes()[..end].to_vec());
    let deep = format!("{{\"metadata\":{}", "[".repeat(100_000)).into_bytes();
    let odd =
        ["[]", "null", "{}", r#"{"metadata":7}"#, r#"{"metadata":{}}"#, r#"{"metadata":{"location":7}}"#, "<html>"];
    let odd = odd.iter().map(|text| text.as_bytes().to_vec());
    for hostile in cut.chain(odd).chain([deep, vec![0xff, 0xfe]]) {
        let found = additions().table(&hostile, &listed());
        assert_eq!(found, (Verdict::NotUnderstood, None), "{}", String::from_utf8_lossy(&hostile));
    }
    let config_that_is_none = answer(json!({"config": {"s3.endpoint": 7}}));
    assert_eq!(table(&config_that_is_none), (Verdict::NotUnderstood, None));
}

#[test]
fn a_catalogs_own_url_does_not_lead_around_the_proxy() {
    let config = json!({"defaults": {"a": "b"}, "overrides": {"uri": "http://catalog/iceberg", "prefix": "main"}});
    let changed: Value =
        serde_json::from_slice(&without_uri(config.to_string().as_bytes()).expect("changed")).expect("JSON");
    assert_eq!(changed, json!({"defaults": {"a": "b"}, "overrides": {"prefix": "main"}}));
    for unchanged in [json!({"defaults": {}, "overrides": {"prefix": "main"}}), json!([]), json!({"overrides": null})] {
        assert_eq!(without_uri(unchanged.to_string().as_bytes()), None, "{unchanged}");
    }
    assert_eq!(without_uri(b"{\"overrides\": {\"uri\""), None);
}

#[test]
fn nothing_is_told_while_the_whitelist_is_empty() {
    let empty = Whitelist { items: Vec::new(), ..whitelist() };
    let (verdict, rewritten) = additions().table(answer(json!({})).to_string().as_bytes(), &Listed::new(&empty));
    assert_eq!((verdict, rewritten), (Verdict::Unlisted, None));
}
