//! `[iceberg]` of `larder.toml`.

use std::net::SocketAddr;
use std::time::Duration;

use larder_model::duration_text;
use serde::{Deserialize, Serialize};

/// The proxy in front of an Iceberg REST catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IcebergSettings {
    /// Where it listens; nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// The catalog's URL, as engines would have it: what stands before `/v1/...`.
    pub upstream: String,
    /// How long the catalog may take to accept a connection.
    #[serde(with = "duration_text")]
    pub connect: Duration,
    /// A request or an answer that goes no further for this long has failed.
    #[serde(with = "duration_text")]
    pub stall: Duration,
    /// Requests beyond this are answered 503 at once.
    pub requests_max: usize,
}

impl Default for IcebergSettings {
    fn default() -> Self {
        Self {
            listen: None,
            upstream: String::new(),
            connect: Duration::from_secs(3),
            stall: Duration::from_secs(60),
            requests_max: 256,
        }
    }
}

impl IcebergSettings {
    /// What is wrong with it: a key, and words.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.listen.is_some() && self.upstream.is_empty() {
            problems.push(("upstream", "name the catalog, for example http://catalog:8181".to_owned()));
        }
        if !self.upstream.is_empty() && !is_catalog(&self.upstream) {
            let text = format!("`{}` is no catalog's URL: write for example http://catalog:8181", self.upstream);
            problems.push(("upstream", text));
        }
        for (key, time) in [("connect", self.connect), ("stall", self.stall)] {
            if time < Duration::from_secs(1) {
                problems.push((key, format!("{time:?} is too short: pauses of 1s are nothing unusual")));
            }
        }
        if self.requests_max == 0 {
            problems.push(("requests_max", "must be at least 1".to_owned()));
        }
        problems
    }
}

/// Whether paths can be put behind this URL.
fn is_catalog(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| {
        let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        matches!(url.scheme(), "http" | "https") && url.has_host() && is_bare
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_is_an_http_url_that_paths_can_be_put_behind() {
        for url in ["http://catalog:8181", "https://catalog.example/iceberg/", "http://[::1]:8181/api/catalog"] {
            assert!(is_catalog(url), "{url}");
        }
        for url in ["", "catalog:8181", "thrift://hms:9083", "http://", "http://c/?x=1", "http://u:p@c/", "http://c/#x"]
        {
            assert!(!is_catalog(url), "{url}");
        }
    }
}
