//! What people may do: pin, deny, approve, go back, have a night run.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use larder_model::ItemName;
use larder_model::admin::Person;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, Limit, Problem, VersionRow};
use crate::choice::RulingKind;
use crate::night::{NightAsked, NightNow};
use crate::people::{self, Actor};
use crate::store::{Activity, Decision};

/// Reasons are no longer than this, in characters.
const REASON_MAX: usize = 1000;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(decisions, decide, undecide))
        .routes(routes!(approve))
        .routes(routes!(rollback))
        .routes(routes!(activity))
        .routes(routes!(run_night))
        .routes(routes!(night_now))
}

/// Who asks, where sign-in tells, and the reason that they give: nothing is done without one.
fn actor<'a>(person: &'a Option<Extension<Person>>, because: &'a str) -> Result<Actor<'a>, Problem> {
    if because.chars().count() > REASON_MAX {
        return Err(Problem::bad_request(format!("`because` is longer than {REASON_MAX} characters")));
    }
    let who = person.as_ref().map_or("local", |Extension(person)| person.name.as_str());
    let because = because.trim();
    if because.is_empty() {
        return Err(Problem::bad_request("`because` is empty: say why, for those who ask later"));
    }
    Ok(Actor { who, because })
}

/// What people decided.
#[utoipa::path(get, path = "/whitelist/decisions", tag = "whitelist", responses(
    (status = 200, body = Vec<Decision>), (status = 503, body = Problem),
))]
async fn decisions(State(state): State<ApiState>) -> Result<Json<Vec<Decision>>, Problem> {
    Ok(Json(state.store.decisions().await?))
}

/// A decision to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecisionRequest {
    /// `catalog.schema.table/key=value`, or `catalog.schema.table` for all its partitions.
    target: ItemName,
    /// Hold it whatever it is worth, or never hold it.
    kind: RulingKind,
    /// Why; not empty.
    because: String,
}

/// Pins or denies an item or a table, from the next night on. An earlier decision about the same is replaced.
#[utoipa::path(put, path = "/whitelist/decisions", tag = "whitelist", request_body = DecisionRequest, responses(
    (status = 200, body = Decision), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn decide(
    State(state): State<ApiState>,
    person: Option<Extension<Person>>,
    request: Result<Json<DecisionRequest>, JsonRejection>,
) -> Result<Json<Decision>, Problem> {
    let Json(request) = request?;
    let actor = actor(&person, &request.because)?;
    Ok(Json(people::decide(&state.store, &*state.clock, actor, request.target, request.kind).await?))
}

/// A decision to take back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Undecided {
    /// What it is about.
    target: String,
    /// Why; not empty.
    because: String,
}

/// Takes a decision back: from the next night on value decides.
#[utoipa::path(delete, path = "/whitelist/decisions", tag = "whitelist", params(Undecided), responses(
    (status = 204), (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem),
))]
async fn undecide(
    State(state): State<ApiState>,
    person: Option<Extension<Person>>,
    asked: Result<Query<Undecided>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(Undecided { target, because }) = asked?;
    let item: ItemName = target.parse().map_err(Problem::bad_request)?;
    if people::undecide(&state.store, &*state.clock, actor(&person, &because)?, &item).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(format!("nothing was decided about `{item}`")))
    }
}

/// A version to put in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VersionRequest {
    /// Its number.
    version: u64,
    /// Why; not empty.
    because: String,
}

/// Puts a proposed version in force. The next night drops what left and preloads what came.
#[utoipa::path(post, path = "/whitelist/approve", tag = "whitelist", request_body = VersionRequest, responses(
    (status = 200, body = VersionRow), (status = 400, body = Problem), (status = 409, body = Problem),
    (status = 503, body = Problem),
))]
async fn approve(
    State(state): State<ApiState>,
    person: Option<Extension<Person>>,
    request: Result<Json<VersionRequest>, JsonRejection>,
) -> Result<Json<VersionRow>, Problem> {
    let Json(VersionRequest { version, because }) = request?;
    let actor = actor(&person, &because)?;
    let published = people::approve(&state.store, &*state.clock, actor, version).await?;
    version_row(&state, published.version).await
}

/// Publishes the items of an earlier version again, as a new version.
#[utoipa::path(post, path = "/whitelist/rollback", tag = "whitelist", request_body = VersionRequest, responses(
    (status = 200, body = VersionRow), (status = 400, body = Problem), (status = 409, body = Problem),
    (status = 503, body = Problem),
))]
async fn rollback(
    State(state): State<ApiState>,
    person: Option<Extension<Person>>,
    request: Result<Json<VersionRequest>, JsonRejection>,
) -> Result<Json<VersionRow>, Problem> {
    let Json(VersionRequest { version, because }) = request?;
    let actor = actor(&person, &because)?;
    let published = people::rollback(&state.store, &*state.clock, actor, version).await?;
    version_row(&state, published.version).await
}

async fn version_row(state: &ApiState, version: u64) -> Result<Json<VersionRow>, Problem> {
    let row = state.store.version(version).await?;
    row.map(Json).ok_or_else(|| Problem::internal(format!("version {version} was published and is gone")))
}

/// What people did, the newest first: decisions, approvals, going back, nights out of turn.
#[utoipa::path(get, path = "/activity", tag = "whitelist", params(Limit), responses(
    (status = 200, body = Vec<Activity>), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn activity(
    State(state): State<ApiState>,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Vec<Activity>>, Problem> {
    Ok(Json(state.store.activity(limit?.rows()).await?))
}

/// A night to run now.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NightRequest {
    /// Only to plan: what it would publish is kept as a proposal that waits for approval, and no worker is told.
    #[serde(default)]
    plan: bool,
    /// Why; not empty.
    because: String,
}

/// Runs a night now, or plans one, in the daemon that is asked.
#[utoipa::path(post, path = "/nights", tag = "whitelist", request_body = NightRequest, responses(
    (status = 202, body = NightNow), (status = 400, body = Problem), (status = 409, body = Problem),
    (status = 503, body = Problem),
))]
async fn run_night(
    State(state): State<ApiState>,
    person: Option<Extension<Person>>,
    request: Result<Json<NightRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<NightNow>), Problem> {
    let Json(NightRequest { plan, because }) = request?;
    let actor = actor(&person, &because)?;
    let asked = NightAsked { by: actor.who.to_owned(), because: actor.because.to_owned() };
    let Some(night) = state.nights.begin(Some(asked), plan) else {
        return Err(Problem::conflict("a night is under way"));
    };
    tokio::spawn(night);
    people::asked_for_a_night(&state.store, &*state.clock, actor, plan).await?;
    Ok((StatusCode::ACCEPTED, Json(state.nights.now())))
}

/// How far the night of this daemon is, or what the last one came to since it started.
#[utoipa::path(get, path = "/nights/now", tag = "whitelist", responses((status = 200, body = NightNow)))]
async fn night_now(State(state): State<ApiState>) -> Json<NightNow> {
    Json(state.nights.now())
}
