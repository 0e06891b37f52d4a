//! The report on made-up measurements: who is ahead is told, whoever it is, and nothing that failed is hidden.

use serde_json::json;

use super::*;

/// One round in which each way takes these seconds for its one query, and the crowd's slowest these at busy hours.
fn measured(preloaded: f64, busy: f64) -> Measured {
    let pass = |contender: &str, temperature: &str, seconds: f64| {
        json!({"round": 1, "temperature": temperature, "contender": contender, "requests": 3, "bytes": 4_000_000,
               "trino_cpu_seconds": 3.0, "server_cpu_seconds": 1.0,
               "queries": {"tpch q01": seconds}})
    };
    let morning = |contender: &str, hour: &str, seconds: f64| json!({"round": 1, "hour": hour, "contender": contender, "requests": 0, "bytes": 0, "seconds": [0.5, seconds]});
    let mut passes = Vec::new();
    for way in WAYS {
        let seconds = if way == PRELOADED { preloaded } else { 2.0 };
        passes.push(pass(way.contender, way.temperature, seconds));
    }
    let hours = |contender| [morning(contender, "quiet", 1.0), morning(contender, "busy", busy)];
    let told = json!({
        "scale": 1.0, "every": 3, "clients": 8, "thinking_seconds": 2.0, "memory": "1GiB", "capacity": "4GB",
        "distance": {"quiet": "30 ms", "busy": "30 ms too"}, "files_bytes": {"tpch": 1, "tpcds": 2}, "preload_seconds": [1.0],
        "passes": passes, "mornings": CONTENDERS.iter().flat_map(|name| hours(*name)).collect::<Vec<_>>(), "failures": []
    });
    serde_json::from_value(told).unwrap()
}

#[test]
fn targets_are_reached_or_missed() {
    let text = measured(1.9, 1.2).text().unwrap();
    assert!(text.contains("Preloaded takes 0.95x of local files in all; to reach: 1.05, reached"), "{text}");
    assert!(text.contains("0.95x of alluxio, warm; to reach: less than 1, reached"), "{text}");
    assert!(text.contains("p99 is 1.20x of the quiet one's; to reach: 1.3, reached"), "{text}");
    assert!(text.contains("slower than fs.cache, warm in none of 1 queries"), "{text}");

    let text = measured(4.0, 2.0).text().unwrap();
    assert!(text.contains("Preloaded takes 2.00x of local files in all; to reach: 1.05, **missed**"), "{text}");
    assert!(text.contains("2.00x of fs.cache, warm; to reach: less than 1, **missed**"), "{text}");
    assert!(text.contains("p99 is 2.00x of the quiet one's; to reach: 1.3, **missed**"), "{text}");
    assert!(text.contains("slower than fs.cache, warm in 1 of 1 queries: TPC-H q01 2.00x"), "{text}");
}

#[test]
fn a_query_that_failed_somewhere_counts_nowhere_and_is_told() {
    let mut measured = measured(2.0, 1.0);
    measured.passes[3].queries.insert("tpch q01".into(), None);
    let failure = |why: &str| Failure { contender: "alluxio".into(), query: "tpch q01".into(), why: why.into() };
    measured.failures = vec![failure("no such key\nmore"), failure("other")];
    assert!(measured.counted().is_empty());
    assert!(measured.text().unwrap().contains("- TPC-H q01 by alluxio **failed** 2 times: no such key\n"));
}

#[test]
fn the_99th_percentile_of_few_is_the_slowest() {
    let seconds: Vec<Option<f64>> = [3.0, 1.0, 2.0].map(Some).into();
    assert_eq!((percentile(&seconds, 50.0), percentile(&seconds, 99.0)), (Some(2.0), Some(3.0)));
    assert_eq!(percentile(&[None], 50.0), None);
}
