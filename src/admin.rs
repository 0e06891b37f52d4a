//! A client of a daemon's admin API, for the commands and the demo.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use larder_model::admin::{DropReport, DropRequest, PreloadRequest, PreloadStatus, ResidencyReport, StatReport};
use larder_model::{QueryEvent, Whitelist};
use larder_whitelist::store::Worker;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A daemon on this machine that does not take a connection within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that a request may take: a drop lists what it removes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

/// A preload that was started.
#[derive(Debug, Deserialize)]
struct Started {
    run: u64,
}

/// An answer that says what is wrong.
#[derive(Debug, Deserialize)]
struct Problem {
    error: String,
}

/// A client of one daemon.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl Admin {
    /// A client of the daemon whose admin API is at `base`, such as `http://127.0.0.1:9001`, and wants `token` where it
    /// has a sign-in.
    pub(crate) fn new(base: String, token: Option<String>) -> Result<Self> {
        // The daemon is on this machine: a proxy that the environment names has nothing to do with it.
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).timeout(ANSWER_TIMEOUT);
        Ok(Self { base, token, http: http.build()? })
    }

    /// Counters since the daemon started.
    pub(crate) async fn stat(&self) -> Result<StatReport> {
        self.answer("stat", self.http.get(self.url("stat"))).await
    }

    /// The workers of the fleet that were seen within a day.
    pub(crate) async fn workers(&self) -> Result<Vec<Worker>> {
        self.answer("workers", self.http.get(self.url("workers"))).await
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

    /// Starts a preload, and returns its number as its status shows it.
    pub(crate) async fn start_preload(&self, request: &PreloadRequest) -> Result<u64> {
        let started: Started = self.answer("preload", self.http.post(self.url("preload")).json(request)).await?;
        Ok(started.run)
    }

    /// How far the preload is.
    pub(crate) async fn preload_status(&self) -> Result<PreloadStatus> {
        self.answer("preload", self.http.get(self.url("preload"))).await
    }

    /// Sends query events, in the generic form.
    pub(crate) async fn send_events(&self, events: &[QueryEvent]) -> Result<()> {
        let body = serde_json::to_vec(events)?;
        let _: serde_json::Value =
            self.answer("events/generic", self.http.post(self.url("events/generic")).body(body)).await?;
        Ok(())
    }

    /// Has the daemon begin to replay its history with every policy; what that comes to is kept.
    pub(crate) async fn replay_history(&self) -> Result<()> {
        let _: serde_json::Value = self.answer("simulation", self.http.post(self.url("simulation"))).await?;
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    async fn answer<T: DeserializeOwned>(&self, path: &str, request: RequestBuilder) -> Result<T> {
        let asked = || format!("asking the daemon at {}", self.url(path));
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = match request.send().await {
            Err(error) if error.is_connect() => {
                let text =
                    format!("no daemon answers at {}: is `larder serve` running with this configuration?", self.base);
                return Err(anyhow::Error::from(error).context(text));
            }
            answer => answer.with_context(asked)?,
        };
        let status = answer.status();
        let body = answer.bytes().await.with_context(asked)?;
        if !status.is_success() {
            let problem = serde_json::from_slice(&body).map(|Problem { error }| error);
            let text = problem.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned());
            bail!("the daemon answered {status} at {}: {text}", self.url(path));
        }
        serde_json::from_slice(&body).with_context(asked)
    }
}
