//! What if: the whitelist under another budget, and other policies on the same history.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use larder_model::ItemName;
use larder_model::whitelist::ITEMS_MAX;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, Problem};
use crate::choice::{Caps, Ranking};
use crate::simulate::{CacheSettings, History, SimulateError, SimulateSettings, SimulationReport, Source, run};
use crate::store::{Store, StoredSimulation};

/// Shares of the budget, in percent, that the capacity curve is computed at.
const CURVE_PERCENTS: [u32; 30] = [
    1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 110, 120, 140, 160,
    180, 200,
];

/// Items that a choice names of those that come, and of those that leave, unless others are asked for; at most as many as a
/// whitelist may hold.
const NAMED: usize = 50;
const NAMED_MAX: usize = ITEMS_MAX;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(curve)).routes(routes!(choice)).routes(routes!(simulation, simulate))
}

/// Hours saved against capacity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Curve {
    /// The version in force; zero for none.
    pub version: u64,
    /// Its budget: 100 percent.
    pub budget_bytes: u64,
    /// The points, by capacity; none before the first version.
    pub points: Vec<CurvePoint>,
}

/// What one capacity would save.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct CurvePoint {
    /// The capacity as a share of the budget.
    pub budget_percent: u32,
    /// The capacity.
    pub capacity_bytes: u64,
    /// Items that would be held.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// IO time that they are expected to save over the whitelist's horizon, in hours.
    pub hours_saved: f64,
}

/// Hours saved against capacity: what the last night would have chosen under other budgets.
#[utoipa::path(get, path = "/curve", tag = "whitelist", responses(
    (status = 200, body = Curve), (status = 503, body = Problem),
))]
async fn curve(State(state): State<ApiState>) -> Result<Json<Curve>, Problem> {
    let Some(whitelist) = state.in_force() else {
        return Ok(Json(Curve { version: 0, budget_bytes: 0, points: Vec::new() }));
    };
    let candidates = state.store.weighed().await?;
    let caps = state.store.last_choice().await?.map_or_else(Caps::default, |choice| choice.caps);
    let budget_bytes = whitelist.budget_bytes;
    // A million candidates under thirty budgets take a second: not on the threads that serve reads.
    let points = tokio::task::spawn_blocking(move || {
        let ranking = Ranking::with_caps(&candidates, &caps);
        let point = |percent: u32| {
            let capacity = u128::from(budget_bytes) * u128::from(percent) / 100;
            let capacity_bytes = u64::try_from(capacity).unwrap_or(u64::MAX);
            let choice = ranking.choose(capacity_bytes);
            CurvePoint {
                budget_percent: percent,
                capacity_bytes,
                items: choice.taken.len() as u64,
                bytes: choice.taken_bytes,
                hours_saved: choice.taken_value_seconds / 3600.0,
            }
        };
        CURVE_PERCENTS.into_iter().map(point).collect()
    });
    let points = points.await.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Json(Curve { version: whitelist.version, budget_bytes, points }))
}

/// Under which budget.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// The bytes that items may take together.
    capacity_bytes: u64,
    /// Items that are named of those that would come, and of those that would leave: at most 1000000; 50 when absent.
    limit: Option<usize>,
}

/// The whitelist under another budget, beside the one in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct ChoiceAnswer {
    /// The budget.
    pub capacity_bytes: u64,
    /// Items that would be held.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What they are expected to save over the whitelist's horizon, in seconds.
    pub value_seconds: f64,
    /// The price of space then, in seconds per byte.
    pub cut_density: f64,
    /// How many would come.
    pub added_count: u64,
    /// How many would leave.
    pub removed_count: u64,
    /// Those that would come, the most valuable first, at most `limit`.
    pub added: Vec<ChoiceItem>,
    /// Those that would leave, the most valuable first, at most `limit`.
    pub removed: Vec<ChoiceItem>,
}

/// An item that would come or leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct ChoiceItem {
    /// The table and partition.
    pub item: ItemName,
    /// What holding it takes.
    pub bytes: u64,
    /// What holding it saves, in seconds.
    pub value_seconds: f64,
}

/// What the last night would have chosen under another budget, and what would come and leave.
#[utoipa::path(get, path = "/choice", tag = "whitelist", params(Budget), responses(
    (status = 200, body = ChoiceAnswer), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn choice(
    State(state): State<ApiState>,
    budget: Result<Query<Budget>, QueryRejection>,
) -> Result<Json<ChoiceAnswer>, Problem> {
    let Query(Budget { capacity_bytes, limit }) = budget?;
    let limit = limit.unwrap_or(NAMED).min(NAMED_MAX);
    let candidates = state.store.weighed().await?;
    let caps = state.store.last_choice().await?.map_or_else(Caps::default, |choice| choice.caps);
    let in_force = state.in_force();
    let answer = tokio::task::spawn_blocking(move || {
        let choice = Ranking::with_caps(&candidates, &caps).choose(capacity_bytes);
        let held: HashSet<&ItemName> = in_force.iter().flat_map(|list| &list.items).map(|item| &item.item).collect();
        let named = |at: usize| ChoiceItem {
            item: candidates[at].item.clone(),
            bytes: candidates[at].bytes,
            value_seconds: candidates[at].value_seconds,
        };
        let differing = |taken: bool| {
            let differs =
                |at: &usize| choice.verdicts[*at].is_taken() == taken && held.contains(&candidates[*at].item) != taken;
            let mut at: Vec<usize> = (0..candidates.len()).filter(differs).collect();
            at.sort_by(|a, b| candidates[*b].value_seconds.total_cmp(&candidates[*a].value_seconds));
            at
        };
        let (added, removed) = (differing(true), differing(false));
        ChoiceAnswer {
            capacity_bytes,
            items: choice.taken.len() as u64,
            bytes: choice.taken_bytes,
            value_seconds: choice.taken_value_seconds,
            cut_density: choice.cut_density,
            added_count: added.len() as u64,
            removed_count: removed.len() as u64,
            added: added.into_iter().take(limit).map(named).collect(),
            removed: removed.into_iter().take(limit).map(named).collect(),
        }
    });
    Ok(Json(answer.await.map_err(|error| Problem::internal(error.to_string()))?))
}

/// The replay of the history with each policy: one at a time on each daemon. What the last one came to is in the store, so
/// that every daemon tells it, also after a restart.
#[derive(Debug, Clone, Default)]
pub struct Simulation(Arc<Mutex<Run>>);

/// The last replay that this daemon began.
#[derive(Debug, Clone, Default)]
struct Run {
    is_running: bool,
    started: Option<DateTime<Utc>>,
    /// Why it came to nothing.
    problem: Option<String>,
}

/// How far the replay is, and what the last one came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct SimulationAnswer {
    /// Whether one runs now, on this daemon.
    pub running: bool,
    /// When the last one began.
    pub started: Option<DateTime<Utc>>,
    /// Why the last one came to nothing.
    pub problem: Option<String>,
    /// What the last one that was done came to, on whichever daemon.
    pub result: Option<SimulationReport>,
}

impl SimulationAnswer {
    fn new(run: Run, done: Option<StoredSimulation>) -> Self {
        let done_started = done.as_ref().map(|done| done.started);
        Self {
            running: run.is_running,
            started: run.started.max(done_started),
            // One that another daemon did since says more than why this one's came to nothing.
            problem: run.problem.filter(|_| run.started >= done_started),
            result: done.map(|done| done.report),
        }
    }
}

/// The replay of the history with each policy, as it is: none runs unless it is asked for.
#[utoipa::path(get, path = "/simulation", tag = "whitelist", responses(
    (status = 200, body = SimulationAnswer), (status = 503, body = Problem),
))]
async fn simulation(State(state): State<ApiState>) -> Result<Json<SimulationAnswer>, Problem> {
    // Looked at first: what ends in the meantime is in the store by then.
    let run = state.simulation.0.lock().clone();
    Ok(Json(SimulationAnswer::new(run, state.store.simulation().await?)))
}

/// Replays the history that the store knows with each policy, each in as much room as the budget is.
#[utoipa::path(post, path = "/simulation", tag = "whitelist", responses(
    (status = 202, body = SimulationAnswer), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 503, body = Problem),
))]
async fn simulate(State(state): State<ApiState>) -> Result<(StatusCode, Json<SimulationAnswer>), Problem> {
    let whitelist = state.in_force().ok_or_else(|| Problem::not_found("no whitelist is in force yet"))?;
    let last = state.store.simulation().await?;
    let started = state.clock.now();
    let begun = {
        let mut run = state.simulation.0.lock();
        if run.is_running {
            return Err(Problem::conflict("a replay is under way"));
        }
        *run = Run { is_running: true, started: Some(started), problem: None };
        run.clone()
    };
    tokio::spawn(async move {
        let done = replay(&state.store, started, whitelist.budget_bytes).await;
        let mut run = state.simulation.0.lock();
        run.is_running = false;
        run.problem = done.err().map(|error| error.to_string());
    });
    Ok((StatusCode::ACCEPTED, Json(SimulationAnswer::new(begun, last))))
}

/// Replays the history, and keeps what that comes to.
async fn replay(store: &Store, started: DateTime<Utc>, budget_bytes: u64) -> Result<(), SimulateError> {
    let history = History::load(store).await?;
    let capacity_fraction = history.fraction_of(budget_bytes);
    let source = Source::History(Box::new(history));
    let settings = SimulateSettings { source, capacity_fraction, cache: CacheSettings::FILLED, ablations: false };
    let replayed = tokio::task::spawn_blocking(move || run(&settings)).await;
    let report = replayed.expect("a replay does not panic, and is not cancelled")?;
    store.put_simulation(&StoredSimulation { started, report }).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::time;

    #[test]
    fn the_newest_replay_is_told_whichever_daemon_did_it() {
        let report = SimulationReport {
            history: None,
            capacity_bytes: 1,
            io_time_possible: 1.0,
            io_time_possible_by_day: vec![1.0],
            bounds: crate::simulate::Bounds { b1: 1.0, b2: 1.0 },
            policies: Vec::new(),
        };
        let done = |at: &str| Some(StoredSimulation { started: time(at), report: report.clone() });
        let failed = Run { started: Some(time("2026-11-20T02:00:00Z")), problem: Some("why".into()), ..Run::default() };
        let told = SimulationAnswer::new(failed.clone(), done("2026-11-20T01:00:00Z"));
        assert_eq!((told.started, told.problem.as_deref()), (failed.started, Some("why")));
        assert!(told.result.is_some(), "what was done before stays");
        let told = SimulationAnswer::new(failed, done("2026-11-20T03:00:00Z"));
        assert_eq!((told.started, told.problem), (Some(time("2026-11-20T03:00:00Z")), None));
        assert_eq!(SimulationAnswer::new(Run::default(), None), SimulationAnswer::default());
    }
}
