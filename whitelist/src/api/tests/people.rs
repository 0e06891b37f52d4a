//! What people do over the API.

use larder_model::admin::{Person, Role};

use super::*;

impl Asked {
    pub(super) async fn change(&self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let person = Person { name: "ops".into(), role: Role::Operator };
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.extension(person).body(body.to_owned().into()).unwrap();
        let (status, _, body) = self.send(request).await;
        (status, body)
    }

    /// Waits until no night is under way.
    async fn night(&self) -> Value {
        loop {
            let (_, now) = self.get("/nights/now").await;
            if now["running"] == false {
                return now;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn decisions_are_made_taken_back_and_recorded_with_who_asked() {
    let asked = Asked::with_a_whitelist().await;
    let body = r#"{"target": "a.b.t/d=2", "kind": "pin", "because": " the Monday report "}"#;
    let (status, decision) = asked.change("PUT", "/whitelist/decisions", body).await;
    assert_eq!(
        (status, &decision["by"], &decision["because"]),
        (StatusCode::OK, &"ops".into(), &"the Monday report".into())
    );
    let (_, decisions) = asked.get("/whitelist/decisions").await;
    assert_eq!((&decisions[0]["target"], &decisions[0]["kind"]), (&"a.b.t/d=2".into(), &"pin".into()));
    let gone = "/whitelist/decisions?target=a.b.t/d%3D2&because=over";
    assert_eq!(asked.change("DELETE", gone, "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(asked.change("DELETE", gone, "").await.0, StatusCode::NOT_FOUND);
    let (_, activity) = asked.get("/activity").await;
    let whats: Vec<&str> = activity.as_array().unwrap().iter().map(|deed| deed["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["undecide", "pin"], "the newest first, also at one moment of the clock");
    for (method, path, body) in [
        ("PUT", "/whitelist/decisions", r#"{"target": "nonsense", "kind": "pin", "because": "x"}"#),
        ("PUT", "/whitelist/decisions", r#"{"target": "a.b.t", "kind": "hold", "because": "x"}"#),
        ("PUT", "/whitelist/decisions", r#"{"target": "a.b.t", "kind": "pin", "because": "x", "reason": "x"}"#),
        ("DELETE", "/whitelist/decisions?target=nonsense&because=x", ""),
        ("POST", "/whitelist/approve", r#"{"version": "one", "because": "x"}"#),
    ] {
        let (status, body) = asked.change(method, path, body).await;
        assert!(status.is_client_error() && body["error"].is_string(), "{method} {path}: {status} {body}");
    }
    let long = format!(r#"{{"target": "a.b.t", "kind": "pin", "because": "{}"}}"#, "x".repeat(1001));
    assert_eq!(asked.change("PUT", "/whitelist/decisions", &long).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn proposals_are_approved_and_versions_rolled_back_to() {
    let asked = Asked::with_a_whitelist().await;
    asked.state.store.add_version(document(&["a.b.u"]), VersionStatus::Proposed, None).await.unwrap();
    let (status, row) = asked.change("POST", "/whitelist/approve", r#"{"version": 2, "because": "fine"}"#).await;
    assert_eq!((status, &row["version"], &row["status"]), (StatusCode::OK, &2.into(), &"published".into()));
    let (status, body) = asked.change("POST", "/whitelist/approve", r#"{"version": 2, "because": "fine"}"#).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body["error"].as_str().unwrap().contains("it was published before"), "{body}");
    let (status, row) = asked.change("POST", "/whitelist/rollback", r#"{"version": 1, "because": "too soon"}"#).await;
    assert_eq!((status, &row["version"]), (StatusCode::OK, &3.into()));
    assert!(row["reason"].as_str().unwrap().contains("rolled back to version 1 by ops"), "{row}");
    let (_, activity) = asked.get("/activity").await;
    let approved = activity.as_array().unwrap().iter().find(|deed| deed["what"] == "approve").unwrap();
    assert_eq!(
        (&approved["who"], &approved["target"], &approved["because"]),
        (&"ops".into(), &"2".into(), &"fine".into())
    );
}

#[tokio::test]
async fn nothing_is_decided_approved_rolled_back_or_run_without_a_reason() {
    let asked = Asked::with_a_whitelist().await;
    asked.state.store.add_version(document(&["a.b.u"]), VersionStatus::Proposed, None).await.unwrap();
    let pin = r#"{"target": "a.b.t", "kind": "pin", "because": "the board"}"#;
    assert_eq!(asked.change("PUT", "/whitelist/decisions", pin).await.0, StatusCode::OK);
    for (method, path, body) in [
        ("PUT", "/whitelist/decisions", r#"{"target": "a.b.t", "kind": "deny"}"#),
        ("PUT", "/whitelist/decisions", r#"{"target": "a.b.t", "kind": "deny", "because": ""}"#),
        ("PUT", "/whitelist/decisions", r#"{"target": "a.b.t", "kind": "deny", "because": " \n"}"#),
        ("DELETE", "/whitelist/decisions?target=a.b.t", ""),
        ("DELETE", "/whitelist/decisions?target=a.b.t&because=+", ""),
        ("POST", "/whitelist/approve", r#"{"version": 2, "because": " "}"#),
        ("POST", "/whitelist/rollback", r#"{"version": 1}"#),
        ("POST", "/nights", "{}"),
        ("POST", "/nights", r#"{"plan": true, "because": " "}"#),
    ] {
        let (status, body_of) = asked.change(method, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path} {body}");
        assert!(body_of["error"].as_str().unwrap().contains("`because`"), "{method} {path} {body}: {body_of}");
    }
    assert_eq!(asked.get("/whitelist/decisions").await.1[0]["kind"], "pin");
    assert_eq!(asked.get("/activity").await.1.as_array().unwrap().len(), 1, "what was refused is not recorded");
    assert_eq!(asked.get("/nights/now").await.1["started"], serde_json::Value::Null, "nor begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_is_run_on_request_one_at_a_time_and_its_outcome_told() {
    let asked = Asked::new().await;
    let (status, now) = asked.change("POST", "/nights", r#"{"plan": true, "because": "to see it"}"#).await;
    assert_eq!((status, &now["plan"]), (StatusCode::ACCEPTED, &true.into()));
    let now = asked.night().await;
    assert_eq!((&now["problem"], &now["plan"]), (&serde_json::Value::Null, &true.into()), "{now}");
    assert_eq!(now["asked"], serde_json::json!({ "by": "ops", "because": "to see it" }));
    assert_eq!((&now["outcome"]["code"], &now["outcome"]["version"]), (&"proposed".into(), &1.into()), "{now}");
    assert_eq!(asked.get("/whitelist/history").await.1[0]["reason"], "planned by ops");
    // While somebody else's night holds the lease, this one says who.
    let lease = asked.state.store.lease("whitelist", "somebody").await.unwrap();
    let night = r#"{"because": " the logs came late "}"#;
    assert_eq!(asked.change("POST", "/nights", night).await.0, StatusCode::ACCEPTED);
    let now = asked.night().await;
    assert!(now["problem"].as_str().unwrap().contains("somebody is at work"), "{now}");
    lease.release().await.unwrap();
    // It is kept with the night, and with what people did.
    assert_eq!(asked.change("POST", "/nights", night).await.0, StatusCode::ACCEPTED);
    assert_eq!(asked.night().await["problem"], serde_json::Value::Null);
    let why = serde_json::json!({ "by": "ops", "because": "the logs came late" });
    assert_eq!(asked.get("/nights").await.1[0]["report"]["asked"], why);
    assert_eq!(asked.get("/activity").await.1[0]["because"], "the logs came late");
}
