//! The mapping in force, rendered once for each whitelist and answered from memory.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder_model::{Location, Whitelist};
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::mapping::{Mapping, MappingOptions};

/// The mapping in force. Clones share it.
#[derive(Debug, Clone)]
pub struct Mappings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None` where nothing is configured: then the default entry is all there ever is.
    options: Option<MappingOptions>,
    buckets: HashSet<String>,
    token: Option<String>,
    in_force: watch::Sender<InForce>,
}

/// A mapping, and the version of the whitelist that it was made of.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Zero for none.
    pub version: u64,
    /// What Trino is told.
    pub mapping: Mapping,
}

impl Mappings {
    /// Begins with the default entry only. `buckets` are those that [keep the storage's
    /// URLs](crate::keeps_urls). With a
    /// `token`, only who says it is answered.
    pub fn new(options: Option<MappingOptions>, buckets: HashSet<String>, token: Option<String>) -> Self {
        let in_force = watch::Sender::new(InForce { version: 0, mapping: Mapping::unmapped() });
        Self(Arc::new(Inner { options, buckets, token, in_force }))
    }

    fn answers(&self, asked: &Asked) -> bool {
        let Some(token) = self.0.token.as_deref() else { return true };
        let said = asked.token.as_deref().unwrap_or_default();
        // Each byte is looked at, so that the time it takes does not tell how many were right.
        let differences = token.bytes().zip(said.bytes()).fold(0, |found, (a, b)| found | (a ^ b));
        token.len() == said.len() && differences == 0
    }

    /// Puts a whitelist's mapping in force, whole. `known` are the folders that the storage is known to hold.
    pub fn publish(&self, whitelist: &Whitelist, known: &[Location]) {
        let options = self.0.options.as_ref();
        let mapping = options.map_or_else(Mapping::unmapped, |o| Mapping::of(whitelist, known, &self.0.buckets, o));
        self.0.in_force.send_replace(InForce { version: whitelist.version, mapping });
    }

    /// From here on all goes where it went without Larder.
    pub fn withdraw(&self) {
        self.0.in_force.send_replace(InForce { version: 0, mapping: Mapping::unmapped() });
    }

    /// Whether there is a key to tell Trino; else the default entry is all there ever is.
    pub fn are_configured(&self) -> bool {
        self.0.options.is_some()
    }

    /// What is in force, and what comes to be.
    pub fn subscribe(&self) -> watch::Receiver<InForce> {
        self.0.in_force.subscribe()
    }
}

/// The routes, to be nested under `/api/v1`.
pub fn router(mappings: Mappings) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(trino)).with_state(mappings)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `token` of `[hook]`, where one is configured.
    token: Option<String>,
}

/// Trino's security mapping: the prefixes that are read through Larder, most specific first, then the default entry. It
/// holds the secret of the key in `[hook]`. Its `ETag` is the whitelist's version.
#[utoipa::path(get, path = "/mappings/trino", tag = "planner-hook", params(Asked), responses(
    (status = 200, content_type = "application/json", description = "as `s3.security-mapping.config-uri` wants it"),
    (status = 304, description = "it is the one that `If-None-Match` names"),
    (status = 403, description = "the token is not the one that is configured"),
))]
async fn trino(State(mappings): State<Mappings>, Query(said): Query<Asked>, asked: HeaderMap) -> Response {
    if !mappings.answers(&said) {
        return (StatusCode::FORBIDDEN, "the mapping wants `?token=`, as in Larder's [hook]\n").into_response();
    }
    let in_force = mappings.0.in_force.borrow().clone();
    let etag = format!("\"{}\"", in_force.version);
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let headers = [(header::ETAG, etag.as_str()), (header::CONTENT_TYPE, "application/json")];
    (headers, in_force.mapping.json).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::mapping::tests::options;
    use crate::resolve::tests::whitelist;

    async fn ask(mappings: &Mappings, etag: Option<&str>) -> (StatusCode, String, String) {
        let mut asked = HeaderMap::new();
        if let Some(etag) = etag {
            asked.insert(header::IF_NONE_MATCH, HeaderValue::from_str(etag).expect("an ETag"));
        }
        let answer = trino(State(mappings.clone()), Query(Asked::default()), asked).await;
        let (status, etag) = (answer.status(), answer.headers()[header::ETAG].to_str().expect("text").to_owned());
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        (status, etag, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn each_whitelist_is_one_document_and_withdrawing_leaves_the_default_entry() {
        let mappings = Mappings::new(Some(options(10)), HashSet::from(["warehouse".to_owned()]), None);
        let unmapped = String::from_utf8(Mapping::unmapped().json.to_vec()).expect("text");
        assert_eq!(ask(&mappings, None).await, (StatusCode::OK, "\"0\"".to_owned(), unmapped.clone()));
        mappings.publish(&whitelist(), &[]);
        let (status, etag, body) = ask(&mappings, Some("\"0\"")).await;
        assert_eq!((status, etag.as_str()), (StatusCode::OK, "\"7\""));
        assert!(body.contains("s3://warehouse/db/t/dt=1/"), "{body}");
        let unchanged = (StatusCode::NOT_MODIFIED, "\"7\"".to_owned(), String::new());
        assert_eq!(ask(&mappings, Some("\"1\", \"7\"")).await, unchanged);
        mappings.withdraw();
        assert_eq!(ask(&mappings, None).await, (StatusCode::OK, "\"0\"".to_owned(), unmapped));
    }

    #[tokio::test]
    async fn with_a_token_only_who_says_it_is_answered() {
        let mappings = Mappings::new(Some(options(10)), HashSet::new(), Some("open sesame".to_owned()));
        for (token, status) in [
            (None, StatusCode::FORBIDDEN),
            (Some(""), StatusCode::FORBIDDEN),
            (Some("open"), StatusCode::FORBIDDEN),
            (Some("open barley"), StatusCode::FORBIDDEN),
            (Some("open sesame!"), StatusCode::FORBIDDEN),
            (Some("open sesame"), StatusCode::OK),
        ] {
            let said = Query(Asked { token: token.map(str::to_owned) });
            assert_eq!(trino(State(mappings.clone()), said, HeaderMap::new()).await.status(), status, "{token:?}");
        }
    }

    #[tokio::test]
    async fn without_a_key_there_is_only_the_default_entry() {
        let mappings = Mappings::new(None, HashSet::from(["warehouse".to_owned()]), None);
        mappings.publish(&whitelist(), &[]);
        assert_eq!(mappings.subscribe().borrow().mapping, Mapping::unmapped());
    }
}
