//! `GET /resolve?path=`.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use larder_model::{LocationIndex, Whitelist};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::resolve::{Resolution, ResolveBucket, ResolveError, Table};

/// What the route needs.
#[derive(Debug, Clone)]
pub struct ResolveState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buckets: Vec<ResolveBucket>,
    endpoint: String,
    admits_all: bool,
    healthy: watch::Receiver<bool>,
    whitelist: watch::Receiver<Option<Arc<Whitelist>>>,
    /// The index of the version that was last asked about, made anew when another comes into force.
    indexed: ArcSwapOption<(Arc<Whitelist>, LocationIndex)>,
}

impl ResolveState {
    /// `endpoint` is the URL of Larder's S3 endpoint, as engines reach it. `admits_all` says that the cache takes
    /// everything, whitelisted or not. While `healthy` is false, every answer is `direct`.
    pub fn new(
        whitelist: watch::Receiver<Option<Arc<Whitelist>>>,
        buckets: impl IntoIterator<Item = ResolveBucket>,
        endpoint: String,
        admits_all: bool,
        healthy: watch::Receiver<bool>,
    ) -> Self {
        let buckets = buckets.into_iter().collect();
        Self(Arc::new(Inner { buckets, endpoint, admits_all, healthy, whitelist, indexed: ArcSwapOption::empty() }))
    }

    /// The buckets that paths are resolved to.
    pub(crate) fn buckets(&self) -> &[ResolveBucket] {
        &self.0.buckets
    }

    /// The whitelist in force, if the cache may be used by it now.
    pub(crate) fn in_use(&self) -> Option<Arc<(Arc<Whitelist>, LocationIndex)>> {
        if *self.0.healthy.borrow() { self.indexed() } else { None }
    }

    fn indexed(&self) -> Option<Arc<(Arc<Whitelist>, LocationIndex)>> {
        let newest = self.0.whitelist.borrow().clone()?;
        let known = self.0.indexed.load_full();
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.0, &newest)) {
            return Some(known);
        }
        let index = LocationIndex::new(&newest);
        let made = Arc::new((newest, index));
        self.0.indexed.store(Some(Arc::clone(&made)));
        Some(made)
    }

    fn resolve(&self, path: &str) -> Result<Resolution, ResolveError> {
        let indexed = self.indexed();
        let table = Table {
            buckets: &self.0.buckets,
            endpoint: &self.0.endpoint,
            admits_all: self.0.admits_all,
            healthy: *self.0.healthy.borrow(),
            in_force: indexed.as_deref().map(|(whitelist, index)| (&**whitelist, index)),
        };
        table.resolve(path)
    }
}

/// The routes, to be nested under `/api/v1`.
pub fn router(state: ResolveState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(resolve)).with_state(state)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `s3://bucket/key`, or a URL below a bucket's origin.
    path: String,
}

/// An answer that says what is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    /// In words.
    error: String,
}

/// Where a path is to be read, and why.
#[utoipa::path(get, path = "/resolve", tag = "planner-hook", params(Asked), responses(
    (status = 200, body = Resolution),
    (status = 400, body = Problem, description = "it is not a path"),
    (status = 404, body = Problem, description = "it is in no bucket that Larder serves"),
))]
async fn resolve(State(state): State<ResolveState>, Query(asked): Query<Asked>) -> Response {
    match state.resolve(&asked.path) {
        Ok(resolution) => Json(resolution).into_response(),
        Err(error) => {
            let status = match error {
                ResolveError::Malformed(_) => StatusCode::BAD_REQUEST,
                ResolveError::NotServed(_) => StatusCode::NOT_FOUND,
            };
            (status, Json(Problem { error: error.to_string() })).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::tests::{buckets, whitelist};

    #[test]
    fn a_new_whitelist_is_obeyed_at_once() {
        let (sender, receiver) = watch::channel(None);
        let (healthy, is_healthy) = watch::channel(true);
        let state = ResolveState::new(receiver, buckets(), "http://l".into(), false, is_healthy);
        let endpoint = |path: &str| state.resolve(path).expect("a resolution").endpoint;
        assert!(endpoint("s3://warehouse/db/t/dt=2/f").is_some());
        sender.send_replace(Some(Arc::new(whitelist())));
        assert!(endpoint("s3://warehouse/db/t/dt=2/f").is_none());
        assert!(endpoint("s3://warehouse/db/t/dt=1/f").is_some());
        healthy.send_replace(false);
        assert!(endpoint("s3://warehouse/db/t/dt=1/f").is_none());
    }
}
