//! Telling the workers: drop what left the whitelist, then preload what is on it, the most valuable first.
//!
//! What left is dropped before anything is loaded, because a preload never goes beyond the tiers' capacity and would
//! find it taken. A worker that cannot be reached is reported and told the next night.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use larder_model::Whitelist;
use larder_model::admin::{DropReport, DropRequest, PreloadItem, PreloadRequest, PreloadState, PreloadStatus};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Night, NightError, NightReport, OnProgress, Progress, WorkerReport, at, locations_of};
use crate::store::{PreloadRun, VersionStatus};

/// Workers told at a time.
const WORKERS_MAX: usize = 16;

/// How often a preload is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How often what was seen is kept in the store.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// Looks that may fail one after the other until a worker is given up.
const FAILED_LOOKS_MAX: u32 = 20;

/// How long a worker may go on after its window: it finishes what it began.
const GRACE: Duration = Duration::from_secs(120);

/// A worker that was not seen for longer is not told.
const SEEN_WITHIN: TimeDelta = TimeDelta::hours(24);

/// Versions back to which a worker that was away is told what left.
const VERSIONS_MAX: u32 = 100;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The answer to a preload request.
#[derive(Debug, Deserialize)]
struct Started {
    run: u64,
}

impl Night {
    pub(super) async fn tell_workers(
        &self,
        whitelist: &Whitelist,
        report: &mut NightReport,
        progress: OnProgress<'_>,
    ) -> Result<(), NightError> {
        let workers = match &self.workers {
            Some(workers) => workers.clone(),
            None => {
                let seen = self.store.workers(self.clock.now() - SEEN_WITHIN).await.map_err(at("read the workers"))?;
                seen.into_iter().map(|worker| worker.admin_url).collect()
            }
        };
        if workers.is_empty() {
            report.warnings.push("no worker is known: nothing was dropped or preloaded".into());
        }
        let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build();
        let client = client.expect("a client with nothing but a timeout can always be built");
        let (night_id, night) = (report.id.as_str(), self);
        let tell = |url: String| {
            let worker = WorkerCall { night, client: &client, night_id, url, whitelist, progress };
            async move { worker.tell().await }.boxed()
        };
        let told: Vec<BoxFuture<'_, WorkerReport>> = workers.into_iter().map(tell).collect();
        let told: Vec<WorkerReport> = futures::stream::iter(told).buffered(WORKERS_MAX).collect().await;
        for worker in &told {
            if let Some(problem) = &worker.problem {
                report.warnings.push(format!("worker {}: {problem}", worker.worker));
            }
        }
        report.workers = told;
        Ok(())
    }
}

/// One worker, and what it is told.
struct WorkerCall<'a> {
    night: &'a Night,
    client: &'a reqwest::Client,
    night_id: &'a str,
    url: String,
    whitelist: &'a Whitelist,
    progress: OnProgress<'a>,
}

impl WorkerCall<'_> {
    async fn tell(&self) -> WorkerReport {
        let mut report = WorkerReport { worker: self.url.clone(), dropped: None, preload: None, problem: None };
        match self.drop_what_left().await {
            Ok(dropped) => report.dropped = dropped,
            Err(problem) => report.problem = Some(format!("dropping what left failed: {problem}")),
        }
        match self.preload().await {
            Ok(status) => report.preload = Some((&status).into()),
            Err(problem) => {
                let before = report.problem.take().map(|before| format!("{before}; ")).unwrap_or_default();
                report.problem = Some(format!("{before}preloading failed: {problem}"));
            }
        }
        if let Some(problem) = &report.problem {
            tracing::warn!(worker = self.url, problem, "a worker did not do all it was told");
        }
        report
    }

    /// Drops the items of every version since the one this worker was last told of, less those in force.
    async fn drop_what_left(&self) -> Result<Option<DropReport>, String> {
        let store = &self.night.store;
        let delivered = store.delivered(&self.url).await.map_err(|error| error.to_string())?;
        let rows = store.versions(VERSIONS_MAX).await.map_err(|error| error.to_string())?;
        let kept = locations_of(self.whitelist.items.iter());
        let mut left = std::collections::BTreeSet::new();
        for row in rows {
            let is_between = row.version >= delivered && row.version < self.whitelist.version;
            if delivered == 0 || row.status != VersionStatus::Published || !is_between {
                continue;
            }
            // A version that cannot be read was never in force with any worker.
            if let Ok(Some(old)) = store.whitelist(row.version).await {
                left.extend(locations_of(old.items.iter()).into_keys().filter(|at| !kept.contains_key(at)).cloned());
            }
        }
        let dropped = if left.is_empty() {
            None
        } else {
            let request = DropRequest { locations: left.into_iter().collect() };
            Some(self.post::<DropReport>("drop", &request).await?)
        };
        store.set_delivered(&self.url, self.whitelist.version).await.map_err(|error| error.to_string())?;
        Ok(dropped)
    }

    async fn preload(&self) -> Result<PreloadStatus, String> {
        let settings = &self.night.settings;
        let item = |item: &larder_model::WhitelistItem| PreloadItem {
            item: item.item.clone(),
            locations: item.locations.clone(),
        };
        let request = PreloadRequest {
            version: self.whitelist.version,
            items: self.whitelist.items.iter().map(item).collect(),
            rate_bytes_per_second: Some(settings.rate.bytes_per_second()),
            window_seconds: Some(settings.window.as_secs().max(1)),
        };
        let run = self.post::<Started>("preload", &request).await?.run;
        let deadline = tokio::time::Instant::now() + settings.window + GRACE;
        let mut keep_at = tokio::time::Instant::now();
        let mut failed_looks = 0;
        loop {
            match self.get::<PreloadStatus>("preload").await {
                Ok(status) => {
                    failed_looks = 0;
                    if status.run != run {
                        return Err(format!("run {run} was replaced by run {}", status.run));
                    }
                    self.show(&status);
                    let now = tokio::time::Instant::now();
                    if !status.running || now >= keep_at {
                        self.keep(&status).await;
                        keep_at = now + KEEP_EVERY;
                    }
                    if !status.running {
                        return Ok(status);
                    }
                    if now >= deadline {
                        return Err(format!("it goes on {GRACE:?} after its window"));
                    }
                }
                Err(problem) => {
                    failed_looks += 1;
                    if failed_looks >= FAILED_LOOKS_MAX {
                        return Err(format!("it stopped answering: {problem}"));
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn show(&self, status: &PreloadStatus) {
        let is_done = |state| !matches!(state, PreloadState::Waiting | PreloadState::Loading);
        (self.progress)(Progress::Preload {
            worker: self.url.clone(),
            bytes_done: status.bytes_loaded + status.bytes_resident,
            bytes_total: status.bytes_total,
            items_done: status.items.iter().filter(|item| is_done(item.state)).count(),
            items_total: status.items.len(),
        });
    }

    /// Keeps how far the preload is. The preload itself does not depend on it.
    async fn keep(&self, status: &PreloadStatus) {
        let run = PreloadRun {
            night_id: self.night_id.to_owned(),
            worker_url: self.url.clone(),
            version: self.whitelist.version,
            updated: self.night.clock.now(),
            status: status.clone(),
        };
        if let Err(error) = self.night.store.put_preload_run(&run).await {
            tracing::warn!(%error, worker = self.url, "how far the preload is could not be kept");
        }
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, String> {
        answer(self.client.post(self.at(path)).json(body)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        answer(self.client.get(self.at(path))).await
    }

    fn at(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.url.trim_end_matches('/'))
    }
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, String> {
    let answer = request.send().await.map_err(|error| with_causes(&error))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| with_causes(&error))?;
    if !status.is_success() {
        let text: String = String::from_utf8_lossy(&body).chars().take(500).collect();
        return Err(format!("it answered {status}: {text}"));
    }
    serde_json::from_slice(&body).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// `reqwest` names the URL and leaves the cause, such as a refused connection, to its sources.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
