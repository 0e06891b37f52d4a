//! Who may do what, through the door that the daemon has.

use axum::body::to_bytes;
use larder_model::SystemClock;
use serde_json::Value;

use super::*;
use crate::settings::TokenSettings;
use crate::tests::{access, ask};

const OPERATOR: &str = "operator-token-0123456789";
const READER: &str = "reader-token-0123456789";
const LOCAL: &str = "127.0.0.1";
const FAR: &str = "10.1.2.3";

fn token(name: &str, token: &str, role: Role) -> TokenSettings {
    TokenSettings { name: name.into(), token: Some(token.into()), token_file: None, role }
}

fn with_tokens() -> AdminSettings {
    let tokens = vec![token("ops", OPERATOR, Role::Operator), token("look", READER, Role::Reader)];
    AdminSettings { tokens, ..AdminSettings::default() }
}

fn behind_proxy() -> AdminSettings {
    let from = vec![LOCAL.parse().expect("an address")];
    let proxy = ProxySettings { header: "X-Forwarded-User".into(), from, operators: vec!["ann".into()] };
    AdminSettings { proxy: Some(proxy), ..with_tokens() }
}

async fn status(access: &Access, from: &str, method: Method, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    ask(access, from, method, path, headers, "").await.status()
}

async fn json(answer: Response) -> Value {
    serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 20).await.expect("a body")).expect("JSON")
}

fn bearer_of(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// Signs in as a browser does, and returns the cookie that it sends from then on.
async fn cookie(access: &Access, body: &'static str, headers: &[(&str, &str)]) -> (String, String) {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    let answer = ask(access, FAR, Method::POST, "/api/v1/session", &headers, body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let set = answer.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
    (set.split(';').next().expect("a pair").to_owned(), set)
}

#[tokio::test]
async fn without_a_sign_in_everybody_on_this_machine_is_an_operator() {
    let access = access(&AdminSettings::default());
    let answer = ask(&access, LOCAL, Method::DELETE, "/api/v1/who", &[("host", "127.0.0.1:9001")], "").await;
    assert_eq!(json(answer).await, serde_json::json!({ "name": "local", "role": "operator" }));
    let answer = ask(&access, LOCAL, Method::GET, "/api/v1/session", &[], "").await;
    let person = serde_json::json!({ "name": "local", "role": "operator" });
    assert_eq!(json(answer).await, serde_json::json!({ "sign_in": false, "person": person }));
}

#[tokio::test]
async fn without_a_sign_in_a_name_that_somebody_gave_this_machine_is_refused() {
    let access = access(&AdminSettings::default());
    let foreign = [("host", "evil.example:9001")];
    for path in ["/", "/api/v1/who", "/metrics", "/api/v1/session"] {
        assert_eq!(status(&access, LOCAL, Method::GET, path, &foreign).await, StatusCode::FORBIDDEN, "{path}");
    }
    // An engine may know this machine by any name; a browser says that it is one.
    assert_eq!(status(&access, LOCAL, Method::POST, "/api/v1/events/trino", &foreign).await, StatusCode::OK);
    let browser = [foreign[0], ("origin", "http://evil.example:9001")];
    assert_eq!(status(&access, LOCAL, Method::POST, "/api/v1/events/trino", &browser).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_from_elsewhere_changes_nothing_with_or_without_a_sign_in() {
    for settings in [AdminSettings::default(), with_tokens()] {
        let access = access(&settings);
        let token = bearer_of(OPERATOR);
        for header in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "null")] {
            let headers = [("host", "127.0.0.1:9001"), (token.0, token.1.as_str()), header];
            assert_eq!(status(&access, LOCAL, Method::POST, "/api/v1/who", &headers).await, StatusCode::FORBIDDEN);
            assert_eq!(status(&access, LOCAL, Method::POST, "/api/v1/session", &headers).await, StatusCode::FORBIDDEN);
        }
        for header in [("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:9001"), ("x-none", "")] {
            let headers = [("host", "127.0.0.1:9001"), (token.0, token.1.as_str()), header];
            assert_eq!(status(&access, LOCAL, Method::POST, "/api/v1/who", &headers).await, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn with_tokens_only_the_page_and_the_figures_are_open() {
    let access = access(&with_tokens());
    for path in ["/", "/whitelist", "/sign-in", "/api/openapi.json", "/api/v1/session", "/metrics"] {
        assert_eq!(status(&access, FAR, Method::GET, path, &[]).await, StatusCode::OK, "{path}");
    }
    for (method, path) in [
        (Method::GET, "/api/v1/who"),
        (Method::HEAD, "/api/v1/who"),
        (Method::OPTIONS, "/api/v1/who"),
        (Method::GET, "/api/v1/items.csv"),
        (Method::GET, "/api/v1/none"),
        (Method::GET, "/api/v1/mappings/trino"),
        (Method::POST, "/api/v1/who"),
        (Method::POST, "/api/v1/events/trino"),
    ] {
        let answer = ask(&access, FAR, method, path, &[], "").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
    let answer = ask(&access, FAR, Method::GET, "/api/v1/session", &[], "").await;
    assert_eq!(json(answer).await, serde_json::json!({ "sign_in": true, "person": null }));
}

#[tokio::test]
async fn a_reader_looks_and_hands_in_events_and_an_operator_changes() {
    let access = access(&with_tokens());
    let (operator, reader) = (bearer_of(OPERATOR), bearer_of(READER));
    let (operator, reader) = ([(operator.0, operator.1.as_str())], [(reader.0, reader.1.as_str())]);
    for (method, path, to_reader) in [
        (Method::GET, "/api/v1/who", StatusCode::OK),
        (Method::GET, "/api/v1/items.csv", StatusCode::OK),
        (Method::POST, "/api/v1/events/trino", StatusCode::OK),
        (Method::POST, "/api/v1/who", StatusCode::FORBIDDEN),
        (Method::PUT, "/api/v1/who", StatusCode::FORBIDDEN),
        (Method::DELETE, "/api/v1/who", StatusCode::FORBIDDEN),
        (Method::GET, "/api/v1/mappings/trino", StatusCode::FORBIDDEN),
        (Method::GET, "/api/v1/mappings/trino.csv", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(status(&access, FAR, method.clone(), path, &reader).await, to_reader, "{method} {path}");
        let to_operator = status(&access, FAR, method, path, &operator).await;
        assert!(matches!(to_operator, StatusCode::OK | StatusCode::NOT_ACCEPTABLE), "{path} {to_operator}");
    }
    let answer = ask(&access, FAR, Method::GET, "/api/v1/who", &reader, "").await;
    assert_eq!(json(answer).await, serde_json::json!({ "name": "look", "role": "reader" }));
}

#[tokio::test]
async fn wrong_tokens_are_answered_late_and_many_at_once_not_at_all() {
    let access = access(&with_tokens());
    for wrong in ["", "operator", "operator-token-0123456788", "operator-token-01234567890"] {
        let header = bearer_of(wrong);
        let begun = std::time::Instant::now();
        let answer = status(&access, FAR, Method::GET, "/api/v1/who", &[(header.0, &header.1)]).await;
        assert_eq!(answer, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(begun.elapsed() >= WRONG_TOKEN_WAIT);
    }
    let body = r#"{"token":"wrong-token-0123456789"}"#;
    let headers = [("content-type", "application/json")];
    let tries = (0..WRONG_TOKENS_MAX + 4).map(|_| {
        let access = access.clone();
        async move { ask(&access, FAR, Method::POST, "/api/v1/session", &headers, body).await.status() }
    });
    let answers = tries.collect::<tokio::task::JoinSet<_>>().join_all().await;
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 4);
    assert_eq!(count(StatusCode::UNAUTHORIZED), WRONG_TOKENS_MAX);
}

#[tokio::test]
async fn a_session_stands_for_its_token_until_it_is_ended() {
    let access = access(&with_tokens());
    let (cookie, set) = cookie(&access, r#"{"token":"operator-token-0123456789"}"#, &[]).await;
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(OPERATOR), "{set}");
    let signed_in = [("cookie", cookie.as_str())];
    let answer = ask(&access, FAR, Method::GET, "/api/v1/session", &signed_in, "").await;
    assert_eq!(json(answer).await["person"], serde_json::json!({ "name": "ops", "role": "operator" }));
    assert_eq!(status(&access, FAR, Method::GET, "/api/v1/who", &signed_in).await, StatusCode::OK);
    // A form on another page can bring the cookie along, and no header of its own.
    assert_eq!(status(&access, FAR, Method::POST, "/api/v1/who", &signed_in).await, StatusCode::FORBIDDEN);
    let by_page = [signed_in[0], ("x-larder-request", "1")];
    assert_eq!(status(&access, FAR, Method::POST, "/api/v1/who", &by_page).await, StatusCode::OK);
    let gone = ask(&access, FAR, Method::DELETE, "/api/v1/session", &by_page, "").await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert!(gone.headers()[header::SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
    assert_eq!(status(&access, FAR, Method::GET, "/api/v1/who", &signed_in).await, StatusCode::UNAUTHORIZED);
    for other in ["larder_session=", "larder_session=0123", "other=1; larder_session"] {
        let answer = status(&access, FAR, Method::GET, "/api/v1/who", &[("cookie", other)]).await;
        assert_eq!(answer, StatusCode::UNAUTHORIZED, "{other}");
    }
}

#[tokio::test]
async fn a_cookie_that_came_by_https_goes_by_https_only() {
    let access = access(&with_tokens());
    let (_, set) = cookie(&access, r#"{"token":"reader-token-0123456789"}"#, &[("x-forwarded-proto", "https")]).await;
    assert!(set.ends_with("; Secure"), "{set}");
}

#[tokio::test]
async fn a_proxys_header_is_believed_from_its_addresses_only() {
    let access = access(&behind_proxy());
    let who = async |from: &str, headers: &[(&str, &str)]| {
        let answer = ask(&access, from, Method::GET, "/api/v1/who", headers, "").await;
        let status = answer.status();
        (status, json(answer).await)
    };
    let ann = [("x-forwarded-user", "ann")];
    let operator = serde_json::json!({ "name": "ann", "role": "operator" });
    assert_eq!(who(LOCAL, &ann).await, (StatusCode::OK, operator.clone()));
    assert_eq!(who("[::ffff:127.0.0.1]", &ann).await, (StatusCode::OK, operator.clone()));
    let with_own_token = [ann[0], ("authorization", "Bearer a-token-of-the-proxy")];
    assert_eq!(who(LOCAL, &with_own_token).await, (StatusCode::OK, operator));
    let bob = serde_json::json!({ "name": "bob", "role": "reader" });
    assert_eq!(who(LOCAL, &[("x-forwarded-user", "bob")]).await, (StatusCode::OK, bob));
    for (from, headers) in
        [(FAR, &ann[..]), (LOCAL, &[][..]), (LOCAL, &[("x-forwarded-user", " ")]), (LOCAL, &[ann[0], ann[0]])]
    {
        assert_eq!(who(from, headers).await.0, StatusCode::UNAUTHORIZED, "{from} {headers:?}");
    }
    // The browser behind the proxy is guarded as one with a cookie is.
    let host = [ann[0], ("host", "127.0.0.1:9001"), ("x-forwarded-host", "larder.example")];
    for (more, expected) in [
        (&[][..], StatusCode::FORBIDDEN),
        (&[("x-larder-request", "1")], StatusCode::OK),
        (&[("x-larder-request", "1"), ("origin", "https://larder.example")], StatusCode::OK),
        (&[("x-larder-request", "1"), ("origin", "https://evil.example")], StatusCode::FORBIDDEN),
    ] {
        let headers = [&host[..], more].concat();
        assert_eq!(status(&access, LOCAL, Method::POST, "/api/v1/who", &headers).await, expected, "{more:?}");
    }
}

#[tokio::test]
async fn a_mapping_with_a_token_of_its_own_is_left_to_it() {
    let access = Access::new(&with_tokens(), true, Arc::new(SystemClock)).expect("access");
    assert_eq!(status(&access, FAR, Method::GET, "/api/v1/mappings/trino", &[]).await, StatusCode::OK);
}

#[test]
fn tokens_that_could_be_guessed_or_are_not_there_are_named() {
    let named = |token: TokenSettings| {
        let settings = AdminSettings { tokens: vec![token], ..AdminSettings::default() };
        Access::new(&settings, false, Arc::new(SystemClock)).expect_err("a token that cannot be").to_string()
    };
    let right = token("ops", OPERATOR, Role::Operator);
    assert!(named(TokenSettings { token: Some("short".into()), ..right.clone() }).contains("at least 16"));
    assert!(named(TokenSettings { token: Some("with a space in it".into()), ..right.clone() }).contains("ASCII"));
    assert!(named(TokenSettings { token: None, ..right.clone() }).contains("`ops`: give either"));
    assert!(named(TokenSettings { token_file: Some("f".into()), ..right.clone() }).contains("give either"));
    let absent = TokenSettings { token: None, token_file: Some("no/such/token".into()), ..right };
    assert!(named(absent).contains("no/such/token"));
}
