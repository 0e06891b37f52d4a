//! What the dashboard's views ask for.

use larder_model::Usage;
use larder_model::usage::LATENCY_BUCKETS;

use super::*;
use crate::store::tests::{day, preload_run};
use crate::store::{DayItem, DaySummary, GroupKind, QueryGroup};

fn summary(date: &str) -> DaySummary {
    DaySummary {
        day: day(date),
        fingerprint: "f".into(),
        log_rows: 1,
        unattributed_requests: 0,
        unattributed_bytes: 0,
        skipped_files: Vec::new(),
    }
}

fn read(partition: &str, requests: u64, bytes: u64, hit_bytes: u64) -> DayItem {
    DayItem {
        item: format!("a.b.t/{partition}").parse().unwrap(),
        reads: Reads { requests, bytes },
        queries: 1,
        hit_requests: u64::from(hit_bytes > 0),
        hit_bytes,
        hit_seconds: 0.0,
        bursts: 1,
    }
}

#[tokio::test]
async fn usage_is_told_by_hour_and_by_day_over_all_workers() {
    let asked = Asked::new().await;
    let mut latency = [0; LATENCY_BUCKETS];
    latency[3] = 10;
    let done = Usage {
        requests: 10,
        bytes_ssd: 100,
        saved_seconds: 2.0,
        ssd: larder_model::Latency(latency),
        ..Usage::default()
    };
    for (worker, at) in [("w1", "2026-11-20T01:10:00Z"), ("w1", "2026-11-20T01:50:00Z"), ("w2", "2026-11-20T01:20:00Z")]
    {
        asked.state.store.add_usage(worker, time(at), &done).await.unwrap();
    }
    asked.state.store.add_usage("w1", time("2026-11-18T23:59:00Z"), &done).await.unwrap();
    let (_, hours) = asked.get("/usage").await;
    assert_eq!((&hours["now"], &hours["step"]), (&"2026-11-20T02:30:00Z".into(), &"hour".into()));
    let points = hours["points"].as_array().unwrap();
    assert_eq!((points.len(), &points[23]["start"]), (24, &"2026-11-20T02:00:00Z".into()));
    assert_eq!((&points[22]["requests"], &points[23]["requests"]), (&30.into(), &0.into()));
    assert_eq!((&hours["total"]["saved_seconds"], &hours["total"]["bytes_ssd"]), (&6.0.into(), &300.into()));
    let quantiles = &hours["total"]["latency"]["ssd"];
    assert_eq!((&quantiles["requests"], &quantiles["p50_seconds"]), (&30.into(), &0.00075.into()));
    assert_eq!(hours["total"]["latency"]["memory"], Value::Null);
    let (_, days) = asked.get("/usage?from=2026-11-18&to=2026-11-20&step=day").await;
    let requests: Vec<u64> =
        days["points"].as_array().unwrap().iter().map(|day| day["requests"].as_u64().unwrap()).collect();
    assert_eq!(requests, [10, 0, 30]);
    for wrong in ["/usage?from=2026-11-20&to=2026-11-18", "/usage?from=0001-01-01", "/usage?step=week"] {
        assert_eq!(asked.get(wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn usage_says_up_to_which_day_the_logs_were_read() {
    let asked = Asked::new().await;
    assert_eq!(asked.get("/usage").await.1["logs_read_to"], Value::Null);
    for date in ["2026-11-19", "2026-11-18"] {
        asked.state.store.replace_day(&summary(date), &[], &[]).await.unwrap();
    }
    assert_eq!(asked.get("/usage").await.1["logs_read_to"], "2026-11-19");
    // What is asked without days ends there too.
    for path in ["/queries", "/bill"] {
        let (_, answer) = asked.get(path).await;
        assert_eq!((&answer["from"], &answer["to"]), (&"2026-11-13".into(), &"2026-11-19".into()), "{path}");
    }
}

#[tokio::test]
async fn items_come_in_pages() {
    let asked = Asked::with_a_whitelist().await;
    let (_, page) = asked.get("/items?sort=value&limit=1").await;
    assert_eq!((&page["total"], &page["items"][0]["item"]), (&2.into(), &"a.b.t/d=2".into()));
    assert_eq!(
        (&page["items"][0]["whitelisted"], &page["items"][0]["factors"]),
        (&false.into(), &Value::Array(vec![]))
    );
    let (_, page) = asked.get("/items?taken=true").await;
    assert_eq!((&page["total"], &page["items"][0]["item"]), (&1.into(), &"a.b.t/d=1".into()));
    let share = page["items"][0]["value_share"].as_f64().unwrap();
    assert!((share - 2.0 / 3.0).abs() < 1e-12, "of all, not of the page: {share}");
    assert_eq!(asked.get("/items?sort=colour").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn items_in_force_are_those_of_the_version_in_force_and_not_of_the_last_choice() {
    let asked = Asked::with_a_whitelist().await;
    let names = async |path: &str| -> Vec<String> {
        let (status, page) = asked.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        let items: Vec<String> =
            page["items"].as_array().unwrap().iter().map(|item| item["item"].as_str().unwrap().to_owned()).collect();
        assert_eq!(page["total"], items.len(), "{path}");
        items
    };
    assert_eq!(names("/items?listed=true").await, ["a.b.t/d=1"]);
    let store = &asked.state.store;
    let other = store.add_version(document(&["a.b.t/d=2", "a.b.u"]), VersionStatus::Published, None).await.unwrap();
    asked.sender.send_replace(Some(Arc::new(other)));
    assert_eq!(names("/items?listed=true").await, ["a.b.t/d=2", "a.b.u"]);
    assert_eq!(names("/items?listed=false").await, ["a.b.t/d=1"]);
    assert_eq!(names("/items?taken=true").await, ["a.b.t/d=1"]);
    assert_eq!(names("/items").await, ["a.b.t/d=1", "a.b.t/d=2", "a.b.u"]);
    let (_, page) = asked.get("/items?listed=true&sort=rank").await;
    let [weighed, unweighed] = [&page["items"][0], &page["items"][1]];
    assert_eq!(
        (&weighed["whitelisted"], &weighed["taken"], &weighed["bytes"]),
        (&true.into(), &false.into(), &60.into())
    );
    assert_eq!(weighed["reason"], "a test", "why it is in force, not why it was left out");
    assert_eq!(
        (&unweighed["whitelisted"], &unweighed["rank"], &unweighed["bytes"]),
        (&true.into(), &0.into(), &10.into())
    );
}

#[tokio::test]
async fn preloads_gone_by_are_told_with_their_items_or_without() {
    let asked = Asked::new().await;
    asked.state.store.put_preload_run(&preload_run(0, "http://w1:9001", false)).await.unwrap();
    let (_, runs) = asked.get("/nights/preloads").await;
    assert_eq!(runs[0]["status"]["items"].as_array().unwrap().len(), 3);
    let (_, runs) = asked.get("/nights/preloads?items=false&limit=1000").await;
    assert_eq!(runs[0]["status"]["items"], Value::Array(vec![]));
    assert_eq!((&runs[0]["total"]["left_out"], &runs[0]["total"]["items"]), (&1.into(), &3.into()));
    assert_eq!(runs[0]["total"]["first_not_loaded"]["item"], "a.b.t/d=2");
    assert_eq!(asked.get("/nights/preloads?items=some").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_tables_days_are_told_by_partition_and_age() {
    let asked = Asked::with_a_whitelist().await;
    let store = &asked.state.store;
    let (old, new) = (read("dt=2026-11-17", 5, 50, 0), read("dt=2026-11-18", 7, 70, 70));
    store.replace_day(&summary("2026-11-18"), &[old.clone(), new.clone()], &[]).await.unwrap();
    store.replace_day(&summary("2026-11-19"), &[new], &[]).await.unwrap();
    assert_eq!(asked.get("/tables/a.b.t/days").await.1["days"].as_array().unwrap().len(), 2, "no day before the logs");
    let (_, days) = asked.get("/tables/a.b.t/days?days=2").await;
    assert_eq!(days["days"], serde_json::json!(["2026-11-18", "2026-11-19"]));
    assert_eq!((&days["partitions_total"], &days["partitions"][0]["partition"]), (&2.into(), &"dt=2026-11-17".into()));
    assert_eq!(days["partitions"][0]["requests"], serde_json::json!([5, 0]));
    assert_eq!(days["partitions"][1]["hit_bytes"], serde_json::json!([70, 70]));
    let ages: Vec<_> = days["ages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|age| (age["age_days"].as_i64(), age["requests"].as_i64()))
        .collect();
    assert_eq!(ages, [(Some(0), Some(7)), (Some(1), Some(12))]);
    assert_eq!(asked.get("/tables/a.b.none/days").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn another_budget_says_what_would_come_and_leave() {
    let asked = Asked::with_a_whitelist().await;
    let (_, more) = asked.get("/choice?capacity_bytes=120").await;
    assert_eq!(
        (&more["items"], &more["added_count"], &more["added"][0]["item"]),
        (&2.into(), &1.into(), &"a.b.t/d=2".into())
    );
    let (_, less) = asked.get("/choice?capacity_bytes=10").await;
    assert_eq!(
        (&less["items"], &less["removed"][0]["item"], &less["removed"][0]["bytes"]),
        (&0.into(), &"a.b.t/d=1".into(), &60.into())
    );
    let (_, few) = asked.get("/choice?capacity_bytes=120&limit=0").await;
    assert_eq!((&few["added_count"], &few["added"]), (&1.into(), &Value::Array(vec![])), "all are counted");
    assert_eq!(asked.get("/choice").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_cannot_be_says_why() {
    let asked = Asked::new().await;
    assert_eq!(asked.post("/simulation", "").await.0, StatusCode::NOT_FOUND, "there is no budget to replay with");
    let asked = Asked::with_a_whitelist().await;
    assert_eq!(asked.post("/simulation", "").await.0, StatusCode::ACCEPTED);
    let told = loop {
        let (_, told) = asked.get("/simulation").await;
        if told["running"] == false {
            break told;
        }
        tokio::task::yield_now().await;
    };
    assert!(told["problem"].as_str().unwrap().contains("needs 5 at least"), "{told}");
    assert_eq!(told["result"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_kept_and_told_by_every_daemon_of_the_store() {
    let asked = Asked::new().await;
    assert_eq!(asked.get("/simulation").await.1["result"], Value::Null);
    for of in 10..16 {
        let reads = [read("dt=2026-11-01", 6, 30_000_000, 0)];
        asked.state.store.replace_day(&summary(&format!("2026-11-{of}")), &reads, &[]).await.unwrap();
    }
    let mut list = document(&["a.b.t/dt=2026-11-01"]);
    list.budget_bytes = 20_000_000;
    asked.sender.send_replace(Some(Arc::new(list)));
    let (status, begun) = asked.post("/simulation", "").await;
    assert_eq!((status, &begun["running"]), (StatusCode::ACCEPTED, &true.into()));
    let told = loop {
        let (_, told) = asked.get("/simulation").await;
        if told["running"] == false {
            break told;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&told["problem"], &told["started"]), (&Value::Null, &"2026-11-20T02:30:00Z".into()));
    assert_eq!(told["result"]["history"]["last"], "2026-11-15");
    assert!(!told["result"]["policies"].as_array().unwrap().is_empty());
    // One that started since, or another one of the fleet, has nothing in its memory.
    let other = ApiState { simulation: Simulation::default(), ..asked.state.clone() };
    let other = Asked { router: router(other).split_for_parts().0, ..asked };
    assert_eq!(other.get("/simulation").await, (StatusCode::OK, told));
}

#[tokio::test]
async fn queries_are_filtered_sorted_and_advised() {
    let asked = Asked::with_a_whitelist().await;
    let query = |id: &str, partition: &str, seconds: f64, cached_share: Option<f64>| crate::store::DayQuery {
        engine: "trino".into(),
        query_id: id.into(),
        user: id.split('-').next().unwrap().into(),
        created: time("2026-11-19T09:00:00Z"),
        seconds,
        succeeded: true,
        query: None,
        read_bytes: 10,
        cached_share,
        missed_seconds: 0.0,
        reads: vec![crate::store::QueryRead {
            table: "a.b.t".parse().unwrap(),
            partitions: vec![partition.into()],
            partitions_total: 1,
            read_bytes: 10,
        }],
    };
    let queries = [
        query("ana-1", "d=1", 3.0, Some(0.2)),
        query("ana-2", "d=2", 2.0, Some(0.1)),
        query("ben-3", "d=2", 1.0, Some(0.95)),
        query("ben-4", "d=2", 9.0, None),
    ];
    asked.state.store.replace_queries(day("2026-11-19"), &queries, &[]).await.unwrap();
    let told = async |path: &str| -> Vec<(String, String)> {
        let (status, answer) = asked.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let text = |query: &Value, name: &str| query[name].as_str().unwrap().to_owned();
        answer["queries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|query| (text(query, "query_id"), text(query, "advice")))
            .collect()
    };
    let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
    let span = "from=2026-11-19&to=2026-11-19";
    assert_eq!(
        told(&format!("/queries?{span}")).await,
        of(&[
            ("ben-4", "not_through_larder"),
            ("ana-1", "whitelisted_now"),
            ("ana-2", "not_whitelisted"),
            ("ben-3", "well_served")
        ])
    );
    assert_eq!(told(&format!("/queries?{span}&sort=cached&limit=1")).await, of(&[("ana-2", "not_whitelisted")]));
    assert_eq!(told(&format!("/queries?{span}&user=ana&table=a.b.t&engine=trino")).await.len(), 2);
    assert_eq!(told(&format!("/queries?{span}&table=a.b.u")).await.len(), 0);
    // Groups are of what matches, whatever is shown of it.
    let (_, answer) = asked.get(&format!("/queries?{span}&user=ana&limit=1")).await;
    assert_eq!((answer["total"].as_u64(), answer["queries"].as_array().unwrap().len()), (Some(2), 1));
    assert_eq!(answer["kept_of_a_day"], 200);
    let groups = |by: &str| -> Vec<(String, u64, f64)> {
        let groups = answer[by].as_array().unwrap().iter();
        let group = |group: &Value| {
            let name = group["name"].as_str().unwrap().to_owned();
            (name, group["queries"].as_u64().unwrap(), group["seconds"].as_f64().unwrap())
        };
        groups.map(group).collect()
    };
    assert_eq!(groups("by_user"), [("ana".to_owned(), 2, 5.0)]);
    assert_eq!(groups("by_engine"), [("trino".to_owned(), 2, 5.0)]);
    assert_eq!(groups("by_table"), [("a.b.t".to_owned(), 2, 5.0)]);
    asked.change("PUT", "/whitelist/decisions", r#"{"target": "a.b.t", "kind": "deny", "because": "x"}"#).await;
    assert_eq!(told(&format!("/queries?{span}&user=ana&limit=1")).await, of(&[("ana-1", "denied")]));
}

#[tokio::test]
async fn groups_of_queries_are_counted_beyond_those_that_are_given() {
    let asked = Asked::new().await;
    let group =
        |kind, name: &str, seconds| QueryGroup { kind, name: name.to_owned(), queries: 1, seconds, read_bytes: 1 };
    let groups =
        [group(GroupKind::User, "ana", 3.0), group(GroupKind::User, "ben", 2.0), group(GroupKind::Table, "a.b.t", 1.0)];
    asked.state.store.replace_queries(day("2026-11-19"), &[], &groups).await.unwrap();
    let (_, answer) = asked.get("/queries?from=2026-11-19&to=2026-11-19&groups=1").await;
    let totals = [&answer["users_total"], &answer["engines_total"], &answer["tables_total"]];
    assert_eq!(totals.map(Value::as_u64), [Some(2), Some(0), Some(1)]);
    assert_eq!((answer["by_user"].as_array().unwrap().len(), &answer["by_user"][0]["name"]), (1, &"ana".into()));
    let (_, answer) = asked.get("/queries?from=2026-11-19&to=2026-11-19").await;
    assert_eq!(answer["by_user"].as_array().unwrap().len(), 2);
}
