//! `/session`: signing in and out with a browser.

use std::net::SocketAddr;

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use larder_model::admin::Person;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Access, COOKIE, Problem, problem};

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
struct SessionAnswer {
    /// Whether anybody has to sign in. If not, everybody is the operator `local`.
    sign_in: bool,
    /// Who asks; null for somebody who is not signed in.
    person: Option<Person>,
}

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// One of `[[admin.tokens]]`.
    token: String,
}

/// The routes, to be nested under `/api/v1`.
pub(crate) fn router(access: Access) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(session, sign_in, sign_out)).with_state(access)
}

/// Who asks.
#[utoipa::path(get, path = "/session", tag = "web", responses((status = 200, body = SessionAnswer)))]
async fn session(State(access): State<Access>, person: Option<Extension<Person>>) -> Json<SessionAnswer> {
    Json(SessionAnswer { sign_in: access.has_sign_in(), person: person.map(|Extension(person)| person) })
}

/// Begins a session of 12 hours: its cookie stands for the token from there on.
#[utoipa::path(post, path = "/session", tag = "web", request_body = SignIn, responses(
    (status = 200, body = SessionAnswer),
    (status = 400, body = Problem),
    (status = 401, body = Problem, description = "the token is nobody's"),
    (status = 429, body = Problem, description = "too many wrong tokens at once"),
))]
async fn sign_in(
    State(access): State<Access>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    asked: Result<Json<SignIn>, JsonRejection>,
) -> Response {
    let token = match asked {
        Ok(Json(asked)) => asked.token,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.body_text()),
    };
    if !access.has_sign_in() {
        return Json(SessionAnswer { sign_in: false, person: Some(Person::local()) }).into_response();
    }
    let Some((person, id)) = access.sign_in(token.trim()) else { return access.wrong_token(peer).await };
    tracing::info!(person = person.name, %peer, "signed in");
    // Who claims to have come by https and has not can only keep their own cookie from being sent.
    let is_https = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let cookie = cookie(&id, crate::access::SESSION_SECONDS, is_https);
    (cookie, Json(SessionAnswer { sign_in: true, person: Some(person) })).into_response()
}

/// Ends the session.
#[utoipa::path(delete, path = "/session", tag = "web", responses((status = 204)))]
async fn sign_out(State(access): State<Access>, headers: HeaderMap) -> Response {
    access.sign_out(&headers);
    (StatusCode::NO_CONTENT, cookie("", 0, false)).into_response()
}

fn cookie(id: &str, seconds: u64, is_https: bool) -> [(header::HeaderName, String); 1] {
    let secure = if is_https { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={id}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    [(header::SET_COOKIE, cookie)]
}
