//! A client of a daemon's admin API, for the commands and the demo.

use anyhow::{Context, Result, ensure};
use larder_model::Whitelist;
use larder_model::admin::{DropReport, DropRequest, PreloadRequest, PreloadStatus, ResidencyReport, StatReport};
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;

/// A client of one daemon.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    base: String,
    http: reqwest::Client,
}

impl Admin {
    /// A client of the daemon whose admin API is at `base`, such as `http://127.0.0.1:9001`.
    pub(crate) fn new(base: String) -> Result<Self> {
        // The daemon is on this machine: a proxy that the environment names has nothing to do with it.
        Ok(Self { base, http: reqwest::Client::builder().no_proxy().build()? })
    }

    /// Counters since the daemon started.
    pub(crate) async fn stat(&self) -> Result<StatReport> {
        self.answer("stat", self.http.get(self.url("stat"))).await
    }

    /// The whitelist in force.
    pub(crate) async fn whitelist(&self) -> Result<Whitelist> {
        self.answer("whitelist", self.http.get(self.url("whitelist"))).await
    }

    /// What the tiers hold of each whitelisted item.
    pub(crate) async fn residency(&self) -> Result<ResidencyReport> {
        self.answer("residency", self.http.get(self.url("residency"))).await
    }

    /// Empties the tiers of what is under some locations.
    pub(crate) async fn drop_locations(&self, request: &DropRequest) -> Result<DropReport> {
        self.answer("drop", self.http.post(self.url("drop")).json(request)).await
    }

    /// Starts a preload.
    pub(crate) async fn start_preload(&self, request: &PreloadRequest) -> Result<()> {
        let _: serde_json::Value = self.answer("preload", self.http.post(self.url("preload")).json(request)).await?;
        Ok(())
    }

    /// How far the preload is.
    pub(crate) async fn preload_status(&self) -> Result<PreloadStatus> {
        self.answer("preload", self.http.get(self.url("preload"))).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    async fn answer<T: DeserializeOwned>(&self, path: &str, request: RequestBuilder) -> Result<T> {
        let asked = || format!("asking the daemon: {}", self.url(path));
        let answer = request.send().await.with_context(asked)?;
        let status = answer.status();
        let body = answer.bytes().await.with_context(asked)?;
        ensure!(status.is_success(), "{} answered {status}: {}", self.url(path), String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(asked)
    }
}
