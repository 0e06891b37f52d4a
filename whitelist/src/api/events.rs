//! `POST /events/{format}`: engines send query events here. They are taken at once and written a little later.
//! `POST /events/objects`: storages send here what came, changed and went.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, Problem};
use crate::landing::{ObjectEvents, Refused};
use crate::logs::{Format, LogReader, Places, Rest};

/// A body may be this long; split what is longer, or use `larder ingest`.
const BODY_BYTES_MAX: usize = 32 << 20;

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Taken {
    /// Events that were taken.
    events: usize,
    /// What else there was.
    #[serde(flatten)]
    rest: Rest,
}

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(take))
        .routes(routes!(take_objects))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// What was taken of object events.
#[derive(Debug, Serialize, ToSchema)]
struct TakenObjects {
    /// Events of objects of tables that came, changed or went.
    taken: usize,
    /// Events of another kind, of other buckets, or of no table.
    ignored: usize,
}

/// Takes object events in the form of S3's notifications (`Records[].s3`), bare or wrapped by SNS. The partitions that they
/// name are looked at soon: one that landed and is wanted is preloaded, one that was rewritten is loaded anew.
#[utoipa::path(post, path = "/events/objects", tag = "whitelist",
    request_body(content = String, content_type = "application/json"), responses(
    (status = 202, description = "Taken", body = TakenObjects),
    (status = 400, description = "It is no S3 event", body = Problem),
    (status = 413, description = "The body is too long", body = Problem),
    (status = 503, description = "Too many items wait to be looked at; send again later", body = Problem),
))]
async fn take_objects(State(state): State<ApiState>, body: Result<Bytes, BytesRejection>) -> Result<Response, Problem> {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            return Ok((rejection.status(), Json(Problem::bad_request(rejection.body_text()))).into_response());
        }
    };
    match state.touched.take_in(&body) {
        Ok(ObjectEvents { taken, ignored }) => {
            Ok((StatusCode::ACCEPTED, Json(TakenObjects { taken, ignored })).into_response())
        }
        Err(Refused::Unreadable(problem)) => Err(Problem::bad_request(problem)),
        Err(Refused::Full) => Err(Problem::unavailable("too many items wait to be looked at; send again later")),
    }
}

/// Takes query events: one, an array of them, or a line for each. What cannot be read is counted and named, and the rest
/// is taken; the status says whether anything was.
#[utoipa::path(post, path = "/events/{format}", tag = "whitelist",
    params(("format" = String, Path, description = "trino, presto or generic")),
    request_body(content = String, content_type = "application/json"), responses(
    (status = 202, description = "Taken", body = Taken),
    (status = 400, description = "Nothing in it could be read", body = Taken),
    (status = 404, description = "No such format", body = Problem),
    (status = 413, description = "The body is too long", body = Problem),
    (status = 503, description = "Too many events wait to be written; send again later", body = Problem),
))]
async fn take(
    State(state): State<ApiState>,
    Path(format): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let format = Format::among(&Format::POSTED, &format).map_err(Problem::not_found)?;
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            return Ok((rejection.status(), Json(Problem::bad_request(rejection.body_text()))).into_response());
        }
    };
    let mut reader = LogReader::new(format, Places::default(), state.clock.now()).map_err(Problem::bad_request)?;
    let parsed = reader.parse(&body);
    let taken = Taken { events: parsed.events.len(), rest: parsed.rest };
    if taken.rest.broken > 0 {
        tracing::warn!(%format, broken = taken.rest.broken, first = ?taken.rest.broken_entries.first(), "query events could not be read");
    }
    if taken.events == 0 && taken.rest.ignored == 0 && taken.rest.duplicates == 0 {
        return Ok((StatusCode::BAD_REQUEST, Json(taken)).into_response());
    }
    state.spool.accept(parsed.events).map_err(Problem::unavailable)?;
    Ok((StatusCode::ACCEPTED, Json(taken)).into_response())
}
