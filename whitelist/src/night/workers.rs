//! Telling the workers: drop what left the whitelist, then preload what is on it, the most valuable first.
//!
//! What left is dropped before anything is loaded, because a preload never goes beyond the tiers' capacity and would
//! find it taken. A worker that cannot be reached is reported and told the next night.
//!
//! A preload takes the place of one that is under way. Between two nights workers are told to load what landed; where a
//! night's preload goes on, they are told to load what landed first and then all the rest, and the night watches that.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use larder_model::admin::{
    DropReport, DropRequest, PreloadItem, PreloadRequest, PreloadState, PreloadStatus, PreloadTotal,
};
use larder_model::{ItemName, Whitelist, WhitelistItem};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::warning::Warning;
use super::{Night, NightError, NightReport, OnProgress, Progress, WorkerReport, at, locations_of};
use crate::store::{PreloadRun, StoreError, VersionStatus};
use crate::with_causes;

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
        let told = self.tell(whitelist, &Told::All { night_id: &report.id, progress }).await;
        let told = told.map_err(at("read the workers"))?;
        if told.is_empty() {
            report.warn(Warning::NoWorker);
        }
        for worker in &told {
            if let Some(problem) = &worker.problem {
                report.warn(Warning::Worker { worker: worker.worker.clone(), problem: problem.clone() });
            }
            if let Some(preload) = worker.preload.as_ref().filter(|preload| !preload.not_loaded.is_empty()) {
                let first = preload.not_loaded[0].clone();
                report.warn(Warning::NotResident {
                    worker: worker.worker.clone(),
                    items: preload.items_failed + preload.items_left_out,
                    first: first.item,
                    why: first.why,
                });
            }
        }
        report.workers = told;
        Ok(())
    }

    /// Tells the workers to drop what left, and to load some items ahead of anything else. Does not wait for the loading.
    pub(crate) async fn tell_workers_of(
        &self,
        whitelist: &Whitelist,
        items: &BTreeSet<ItemName>,
    ) -> Result<Vec<WorkerReport>, StoreError> {
        self.tell(whitelist, &Told::First(items)).await
    }

    /// Tells a worker that has just started to go on with the preload that was under way when it ended, if one was. Says
    /// whether there was; an error says why it could not be told.
    pub async fn resume_preload(&self, worker_url: &str) -> Result<bool, String> {
        let unfinished = self.store.has_unfinished_preload(worker_url).await.map_err(|error| error.to_string())?;
        let in_force = self.store.whitelist_in_force().await.map_err(|error| error.to_string())?;
        let Some(whitelist) = in_force.filter(|_| unfinished) else { return Ok(false) };
        let all: BTreeSet<ItemName> = whitelist.items.iter().map(|item| item.item.clone()).collect();
        let (client, told) = (client(), Told::First(&all));
        let url = worker_url.to_owned();
        WorkerCall { night: self, client: &client, told: &told, url, whitelist: &whitelist }.load_first(&all).await?;
        Ok(true)
    }

    /// Has a worker drop what left and load the whole whitelist, and watches that: what a night does with all of them.
    pub(crate) async fn tell_worker(&self, worker_url: &str, whitelist: &Whitelist) -> WorkerReport {
        let id = format!("version {}", whitelist.version);
        let (client, told) = (client(), Told::All { night_id: &id, progress: &|_| () });
        WorkerCall { night: self, client: &client, told: &told, url: worker_url.to_owned(), whitelist }.tell().await
    }

    async fn tell(&self, whitelist: &Whitelist, told: &Told<'_>) -> Result<Vec<WorkerReport>, StoreError> {
        let workers = match &self.workers {
            Some(workers) => workers.clone(),
            None => {
                let seen = self.store.workers(self.clock.now() - SEEN_WITHIN).await?;
                seen.into_iter().map(|worker| worker.admin_url).collect()
            }
        };
        let client = client();
        let tell = |url: String| {
            let worker = WorkerCall { night: self, client: &client, told, url, whitelist };
            async move { worker.tell().await }.boxed()
        };
        let calls: Vec<BoxFuture<'_, WorkerReport>> = workers.into_iter().map(tell).collect();
        Ok(futures::stream::iter(calls).buffered(WORKERS_MAX).collect().await)
    }
}

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build();
    client.expect("a client with nothing but a timeout can always be built")
}

/// What a worker is told to load.
enum Told<'a> {
    /// The whole whitelist, by a night that watches it.
    All { night_id: &'a str, progress: OnProgress<'a> },
    /// These items ahead of anything else.
    First(&'a BTreeSet<ItemName>),
}

/// One worker, and what it is told.
struct WorkerCall<'a> {
    night: &'a Night,
    client: &'a reqwest::Client,
    told: &'a Told<'a>,
    url: String,
    whitelist: &'a Whitelist,
}

impl WorkerCall<'_> {
    async fn tell(&self) -> WorkerReport {
        let mut report = WorkerReport { worker: self.url.clone(), dropped: None, preload: None, problem: None };
        match self.drop_what_left().await {
            Ok(dropped) => report.dropped = dropped,
            Err(problem) => report.problem = Some(format!("dropping what left failed: {problem}")),
        }
        let preloaded = match self.told {
            Told::All { night_id, progress } => {
                let watched = self.preload(night_id, *progress).await;
                watched.map(|status| report.preload = Some((&status).into()))
            }
            Told::First(items) => self.load_first(items).await,
        };
        match preloaded {
            Ok(()) => {}
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
        let mut left = BTreeSet::new();
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

    /// Loads some items: alone, or ahead of all others where a preload is under way, which this takes the place of.
    async fn load_first(&self, first: &BTreeSet<ItemName>) -> Result<(), String> {
        let under_way = self.get::<PreloadStatus>("preload?items=false").await?.running;
        let (ahead, rest): (Vec<_>, Vec<_>) = self.whitelist.items.iter().partition(|item| first.contains(&item.item));
        let rest = rest.into_iter().filter(|_| under_way);
        self.post::<Started>("preload", &self.request(ahead.into_iter().chain(rest))).await?;
        Ok(())
    }

    fn request<'a>(&self, items: impl Iterator<Item = &'a WhitelistItem>) -> PreloadRequest {
        let settings = &self.night.settings;
        PreloadRequest {
            version: self.whitelist.version,
            items: items
                .map(|item| PreloadItem { item: item.item.clone(), locations: item.locations.clone() })
                .collect(),
            rate_bytes_per_second: Some(settings.rate.bytes_per_second()),
            window_seconds: Some(settings.window.as_secs().max(1)),
            written_bytes_per_day: Some(self.night.write_bytes_max),
        }
    }

    async fn preload(&self, night_id: &str, progress: OnProgress<'_>) -> Result<PreloadStatus, String> {
        let mut run = self.post::<Started>("preload", &self.request(self.whitelist.items.iter())).await?.run;
        let deadline = tokio::time::Instant::now() + self.night.settings.window + GRACE;
        let mut keep_at = tokio::time::Instant::now();
        let mut failed_looks = 0;
        loop {
            match self.get::<PreloadStatus>("preload").await {
                Ok(status) => {
                    failed_looks = 0;
                    if status.run != run {
                        // What landed meanwhile is loaded first, and then all of this.
                        let goes_on = status.run > run && status.version >= self.whitelist.version;
                        if !goes_on {
                            return Err(format!("run {run} was replaced by run {}", status.run));
                        }
                        run = status.run;
                    }
                    self.show(&status, progress);
                    let now = tokio::time::Instant::now();
                    if !status.running || now >= keep_at {
                        self.keep(&status, night_id).await;
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

    fn show(&self, status: &PreloadStatus, progress: OnProgress<'_>) {
        let is_done = |state| !matches!(state, PreloadState::Waiting | PreloadState::Loading);
        progress(Progress::Preload {
            worker: self.url.clone(),
            bytes_done: status.bytes_loaded + status.bytes_resident,
            bytes_total: status.bytes_total,
            items_done: status.items.iter().filter(|item| is_done(item.state)).count(),
            items_total: status.items.len(),
        });
    }

    /// Keeps how far the preload is. The preload itself does not depend on it.
    async fn keep(&self, status: &PreloadStatus, night_id: &str) {
        let run = PreloadRun {
            night_id: night_id.to_owned(),
            worker_url: self.url.clone(),
            version: self.whitelist.version,
            updated: self.night.clock.now(),
            total: PreloadTotal::of(&status.items),
            status: status.clone(),
        };
        if let Err(error) = self.night.store.put_preload_run(&run).await {
            tracing::warn!(%error, worker = self.url, "how far the preload is could not be kept");
        }
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, String> {
        answer(self.signed_in(self.client.post(self.at(path)).json(body))).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        answer(self.signed_in(self.client.get(self.at(path)))).await
    }

    fn signed_in(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.night.worker_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
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
