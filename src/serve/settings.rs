//! `GET /api/v1/config`: the settings in force.

use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Config;

/// What this worker runs by.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConfigAnswer {
    /// The worker, by its name in the fleet.
    worker: String,
    /// The file that its settings were read from; null for the embedded defaults.
    file: Option<String>,
    /// All settings, also those that the file does not name. Secrets are left out.
    #[schema(value_type = Object)]
    settings: serde_json::Value,
}

/// The route, to be nested under `/api/v1`.
pub(super) fn router(worker: &str, file: Option<&Path>, config: &Config) -> OpenApiRouter {
    let file = file.map(|file| file.display().to_string());
    let answer = ConfigAnswer { worker: worker.to_owned(), file, settings: config.without_secrets() };
    OpenApiRouter::new().routes(routes!(config_in_force)).with_state(Arc::new(answer))
}

/// The configuration in force on this worker, without its secrets.
#[utoipa::path(get, path = "/config", tag = "web", responses((status = 200, body = ConfigAnswer)))]
async fn config_in_force(State(answer): State<Arc<ConfigAnswer>>) -> Json<Arc<ConfigAnswer>> {
    Json(answer)
}
