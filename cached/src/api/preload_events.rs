//! `GET /preload/events`: how far a preload is, told as it goes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use larder_model::admin::PreloadProgress;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Problem;
use crate::engine::Engine;
use crate::preload::progress::Watcher;

/// Watchers at a time; more are turned away.
const WATCHERS_MAX: usize = 64;

/// How often a watcher looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the route needs.
#[derive(Debug, Clone)]
struct Watching {
    engine: Arc<Engine>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// The route. Streams end with `stop`, so that no watcher holds up the end of the daemon.
pub(super) fn router(engine: Arc<Engine>, stop: CancellationToken) -> OpenApiRouter {
    let watching = Watching { engine, places: Arc::new(Semaphore::new(WATCHERS_MAX)), stop };
    OpenApiRouter::new().routes(routes!(preload_events)).with_state(watching)
}

/// One watcher.
struct Watch {
    watcher: Watcher,
    every: Interval,
    watching: Watching,
    _place: OwnedSemaphorePermit,
}

/// Server-sent events of the preload under way, or the last one: `status`, once a second while it runs, and when
/// something changed. The first one, and the first one of another run, has all items in `changed`.
#[utoipa::path(get, path = "/preload/events", tag = "cached", responses(
    (status = 200, content_type = "text/event-stream", body = PreloadProgress),
    (status = 503, body = Problem, description = "too many watch already"),
))]
async fn preload_events(State(watching): State<Watching>) -> Response {
    let Ok(place) = Arc::clone(&watching.places).try_acquire_owned() else {
        let problem = Problem { error: format!("{WATCHERS_MAX} watch already") };
        return (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response();
    };
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch { watcher: Watcher::default(), every, watching, _place: place };
    Sse::new(stream::unfold(watch, next)).keep_alive(KeepAlive::default()).into_response()
}

async fn next(mut watch: Watch) -> Option<(Result<Event, Infallible>, Watch)> {
    loop {
        watch.watching.stop.run_until_cancelled(watch.every.tick()).await?;
        if let Some(news) = watch.watching.engine.preload_news(&mut watch.watcher) {
            let event = Event::default().event("status").json_data(news).expect("figures and names are JSON");
            return Some((Ok(event), watch));
        }
    }
}
