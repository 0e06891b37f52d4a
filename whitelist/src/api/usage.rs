//! What the fleet did over time, from the workers' heartbeats.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{DateTime, Days, DurationRound, NaiveDate, NaiveTime, TimeDelta, Utc};
use larder_model::{Latency, Usage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, Problem};

/// More points than these are not given.
const POINTS_MAX: i64 = 10_000;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(usage))
}

/// What time, in which steps.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Span {
    /// The first day, in UTC; the last 24 hours when absent.
    from: Option<NaiveDate>,
    /// The last day; today when absent.
    to: Option<NaiveDate>,
    /// `hour`, which is the default, or `day`.
    #[param(inline)]
    step: Option<Step>,
}

/// How long a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Step {
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

impl Step {
    fn length(self) -> TimeDelta {
        match self {
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
        }
    }

    fn start_of(self, time: DateTime<Utc>) -> DateTime<Utc> {
        time.duration_trunc(self.length()).unwrap_or(time)
    }
}

/// What all workers did, step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct UsageAnswer {
    /// The daemon's time, by which today is today.
    pub now: DateTime<Utc>,
    /// The newest day whose logs a night has read: queries, and what was read of tables, are known up to there. Absent before
    /// the first night.
    pub logs_read_to: Option<NaiveDate>,
    /// How long each point is.
    pub step: Step,
    /// Each step of the time that was asked for, also those in which nothing was done.
    pub points: Vec<UsagePoint>,
    /// All of them together.
    pub total: UsagePoint,
}

/// What all workers did in one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct UsagePoint {
    /// When it begins.
    pub start: DateTime<Utc>,
    /// GET requests served.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Bytes sent from memory.
    pub bytes_memory: u64,
    /// Bytes sent from the SSD.
    pub bytes_ssd: u64,
    /// Bytes sent that had to come from the origin, on the cached route.
    pub bytes_origin: u64,
    /// Bytes sent on the direct route.
    pub bytes_direct: u64,
    /// Bytes read from the origin by fills.
    pub origin_bytes_demand: u64,
    /// Bytes read from the origin by preloads.
    pub origin_bytes_preload: u64,
    /// IO time saved, in seconds.
    pub saved_seconds: f64,
    /// IO time that would have been saved besides, had all reads been answered by the SSD, in seconds.
    pub missed_seconds: f64,
    /// What GETs took, by their slowest tier.
    pub latency: TierLatencies,
}

/// What GETs took, by their slowest tier; absent where there were none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct TierLatencies {
    /// From memory alone.
    pub memory: Option<Quantiles>,
    /// From the SSD.
    pub ssd: Option<Quantiles>,
    /// From the origin, on either route.
    pub origin: Option<Quantiles>,
}

/// How long GETs took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Quantiles {
    /// How many.
    pub requests: u64,
    /// Half of them at most this, in seconds.
    pub p50_seconds: f64,
    /// 95 of a hundred.
    pub p95_seconds: f64,
    /// 99 of a hundred.
    pub p99_seconds: f64,
}

impl Quantiles {
    fn of(latency: &Latency) -> Option<Self> {
        Some(Self {
            requests: latency.requests(),
            p50_seconds: latency.quantile(0.5)?,
            p95_seconds: latency.quantile(0.95)?,
            p99_seconds: latency.quantile(0.99)?,
        })
    }
}

impl UsagePoint {
    fn new(start: DateTime<Utc>, done: &Usage) -> Self {
        Self {
            start,
            requests: done.requests,
            errors: done.errors,
            bytes_memory: done.bytes_memory,
            bytes_ssd: done.bytes_ssd,
            bytes_origin: done.bytes_origin,
            bytes_direct: done.bytes_direct,
            origin_bytes_demand: done.origin_bytes_demand,
            origin_bytes_preload: done.origin_bytes_preload,
            saved_seconds: done.saved_seconds,
            missed_seconds: done.missed_seconds,
            latency: TierLatencies {
                memory: Quantiles::of(&done.memory),
                ssd: Quantiles::of(&done.ssd),
                origin: Quantiles::of(&done.origin),
            },
        }
    }
}

/// What all workers did over time, by their heartbeats: half a minute behind at most.
#[utoipa::path(get, path = "/usage", tag = "whitelist", params(Span), responses(
    (status = 200, body = UsageAnswer), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn usage(
    State(state): State<ApiState>,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<UsageAnswer>, Problem> {
    let Query(span) = span?;
    let now = state.clock.now();
    let step = span.step.unwrap_or(Step::Hour);
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let to = span.to.map_or(now, |last| midnight(last.checked_add_days(Days::new(1)).unwrap_or(last)));
    let from = span.from.map_or(to - TimeDelta::hours(23), midnight);
    let from = step.start_of(from);
    if from >= to {
        return Err(Problem::bad_request("`from` must not lie after `to`"));
    }
    if (to - from).num_seconds() / step.length().num_seconds() > POINTS_MAX {
        return Err(Problem::bad_request(format!("that is more than {POINTS_MAX} points: ask for days, or for less")));
    }
    let mut steps: BTreeMap<DateTime<Utc>, Usage> = BTreeMap::new();
    let mut start = from;
    while start < to {
        steps.insert(start, Usage::default());
        start += step.length();
    }
    let mut total = Usage::default();
    for (hour, done) in state.store.usage(from, to).await? {
        total = total.plus(&done);
        let sum = steps.entry(step.start_of(hour)).or_default();
        *sum = sum.plus(&done);
    }
    let points = steps.iter().map(|(start, done)| UsagePoint::new(*start, done)).collect();
    let logs_read_to = state.store.last_day().await?;
    Ok(Json(UsageAnswer { now, logs_read_to, step, points, total: UsagePoint::new(from, &total) }))
}
