//! Nights of a daemon: one at a time, by the schedule or because somebody asked, each left when the daemon stops.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use larder_model::Said;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{Night, NightOutcome, NightStep, Progress};

/// Done before each night: yesterday's last reads may still wait to be written to the log.
pub type BeforeNight = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Runs nights. Clones run the same ones.
#[derive(Clone)]
pub struct NightRunner {
    night: Night,
    before: BeforeNight,
    stop: CancellationToken,
    now: Arc<Mutex<NightNow>>,
}

impl std::fmt::Debug for NightRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NightRunner").field("night", &self.night).field("now", &self.now).finish_non_exhaustive()
    }
}

/// Who had a night run or planned out of turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NightAsked {
    /// Who.
    pub by: String,
    /// Why, in their own words.
    pub because: String,
}

/// How far this daemon's night is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NightNow {
    /// Whether one runs.
    pub running: bool,
    /// Whether it is a plan, which publishes nothing.
    pub plan: bool,
    /// Who asked for it; `None` for one of the schedule.
    pub asked: Option<NightAsked>,
    /// When the one that runs, or the last one, began.
    pub started: Option<DateTime<Utc>>,
    /// What it is about.
    pub step: Option<NightStep>,
    /// How many of the step's days or items are done, where it has such.
    pub done: Option<u64>,
    /// Of so many.
    pub total: Option<u64>,
    /// What the last one came to.
    pub outcome: Option<Said<NightOutcome>>,
    /// Why it failed, if it did.
    pub problem: Option<String>,
}

impl NightRunner {
    /// A runner of `night`, until `stop`.
    pub fn new(night: Night, before: BeforeNight, stop: CancellationToken) -> Self {
        Self { night, before, stop, now: Arc::default() }
    }

    /// How far it is.
    pub fn now(&self) -> NightNow {
        self.now.lock().clone()
    }

    /// Begins a night: one of the schedule, or one that somebody `asked` for, who may want a `plan` only. Its end is waited
    /// for by whoever wants to; `None` while another is under way here.
    pub fn begin(&self, asked: Option<NightAsked>, plan: bool) -> Option<BoxFuture<'static, ()>> {
        {
            let mut now = self.now.lock();
            if now.running {
                return None;
            }
            let started = Some(self.night.clock.now());
            *now = NightNow { running: true, plan, asked: asked.clone(), started, ..NightNow::default() };
        }
        let runner = self.clone();
        // On a thread of its own: what a night computes must not hold up reads.
        let runtime = tokio::runtime::Handle::current();
        let night = tokio::task::spawn_blocking(move || runtime.block_on(runner.run(asked, plan)));
        Some(Box::pin(async move {
            if let Err(error) = night.await {
                tracing::error!(%error, "the night ended badly");
            }
        }))
    }

    async fn run(self, asked: Option<NightAsked>, plan: bool) {
        let done = self.stop.run_until_cancelled(self.run_or_plan(asked, plan)).await;
        let ended = NightNow { running: false, step: None, done: None, total: None, ..self.now() };
        let ended = match done {
            Some(Ok(outcome)) => {
                let words = outcome.as_ref().map(ToString::to_string);
                tracing::info!(outcome = words, "the night is over");
                NightNow { outcome, ..ended }
            }
            Some(Err(problem)) => {
                tracing::error!(error = problem, "the night failed");
                NightNow { problem: Some(problem), ..ended }
            }
            None => {
                let left = "the night was left, because the daemon stops";
                tracing::info!("{left}");
                NightNow { problem: Some(left.to_owned()), ..ended }
            }
        };
        *self.now.lock() = ended;
    }

    async fn run_or_plan(&self, asked: Option<NightAsked>, plan: bool) -> Result<Option<Said<NightOutcome>>, String> {
        (self.before)().await;
        let shown = |progress: Progress| {
            let (step, steps) = match progress {
                Progress::Step(step) => (step, None),
                Progress::Day { done, total, .. } => (NightStep::Ingest, Some((done, total))),
                Progress::Preload { items_done, items_total, .. } => {
                    (NightStep::Preload, Some((items_done, items_total)))
                }
            };
            let mut now = self.now.lock();
            now.step = Some(step);
            (now.done, now.total) = steps.map(|(done, total)| (done as u64, total as u64)).unzip();
        };
        let done = match asked {
            Some(asked) if plan => self.night.plan(None, &asked.by, &shown).await.map(|(_, report)| report),
            asked => self.night.run(None, asked, &shown).await,
        };
        done.map(|report| report.outcome).map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}{source}")
        })
    }
}
