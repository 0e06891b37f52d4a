//! The queries of the last days, what they had from the cache, and what would have helped.

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::NaiveDate;
use larder_model::{ItemName, TableName, Whitelist};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bill::Span;
use super::{ApiState, Problem};
use crate::accesses::QUERIES_KEPT;
use crate::choice::RulingKind;
use crate::store::decisions::Rulings;
use crate::store::{DayQuery, GroupKind, QueryGroup, QueryRead};

/// Queries that are given unless others are asked for, and at most.
const QUERIES: usize = 1000;
const QUERIES_MAX: usize = 100_000;
/// Engines, users and tables that are given of each unless others are asked for, and at most.
const GROUPS: usize = 100;
const GROUPS_MAX: usize = 100_000;
/// With this share from the cache nothing more would help.
const WELL_SERVED: f64 = 0.9;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(queries))
}

/// Which queries, in what order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The first day; six days before `to` when absent.
    from: Option<NaiveDate>,
    /// The last day; the newest that the logs were read of when absent.
    to: Option<NaiveDate>,
    /// Only those of this user.
    user: Option<String>,
    /// Only those of this engine.
    engine: Option<String>,
    /// Only those that read this table.
    table: Option<TableName>,
    /// What comes first; `duration` when absent.
    #[param(inline)]
    sort: Option<QueryOrder>,
    /// At most 100000; 1000 when absent.
    limit: Option<usize>,
    /// Users, engines and tables that are given of each: at most 100000; 100 when absent.
    groups: Option<usize>,
}

impl Wanted {
    fn names_any(&self) -> bool {
        self.user.is_some() || self.engine.is_some() || self.table.is_some()
    }

    fn wants(&self, query: &DayQuery) -> bool {
        self.user.as_ref().is_none_or(|user| query.user == *user)
            && self.engine.as_ref().is_none_or(|engine| query.engine == *engine)
            && self.table.as_ref().is_none_or(|table| query.reads.iter().any(|read| read.table == *table))
    }
}

/// Which queries come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum QueryOrder {
    /// Those that took longest.
    Duration,
    /// Those that read most.
    Bytes,
    /// Those that the SSD would have helped most.
    Missed,
    /// Those with the least from the cache.
    Cached,
}

/// Queries, and who ran how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct QueriesAnswer {
    /// The first day.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
    /// So many of the longest queries of each day are kept, and so many of the largest.
    pub kept_of_a_day: u32,
    /// How many of those that are kept match.
    pub total: u64,
    /// The first of them.
    pub queries: Vec<QueryAnswer>,
    /// The queries by user, those that took longest together first: all of these days, or where a user, an engine or a table
    /// is named, those of the kept ones that match.
    pub by_user: Vec<QueryGroup>,
    /// The same by engine.
    pub by_engine: Vec<QueryGroup>,
    /// The same by table.
    pub by_table: Vec<QueryGroup>,
    /// How many users there are; more than 100000 are not counted.
    pub users_total: u64,
    /// How many engines.
    pub engines_total: u64,
    /// How many tables.
    pub tables_total: u64,
}

/// A query, and what would have helped it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct QueryAnswer {
    /// The query.
    #[serde(flatten)]
    pub query: DayQuery,
    /// Of each of its tables in turn, how many of the partitions that it read the whitelist in force holds.
    pub whitelisted: Vec<u64>,
    /// What would have helped.
    pub advice: Advice,
    /// The item or table that the advice is about.
    pub about: Option<ItemName>,
}

/// What would have helped a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Advice {
    /// Nothing: nearly all came from the cache.
    WellServed,
    /// It read nothing through Larder that is known of: route its tables through Larder, or name them.
    NotThroughLarder,
    /// Somebody denied a table of its.
    Denied,
    /// What it read is not on the whitelist: pin it, or give more room.
    NotWhitelisted,
    /// What it read is on the whitelist now, and will be near the next time.
    WhitelistedNow,
}

/// The longest and the largest queries of some days, and who ran how many.
#[utoipa::path(get, path = "/queries", tag = "whitelist", params(Wanted), responses(
    (status = 200, body = QueriesAnswer), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn queries(
    State(state): State<ApiState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<QueriesAnswer>, Problem> {
    let Query(wanted) = wanted?;
    let (from, to) = Span { from: wanted.from, to: wanted.to }.days(&state).await?;
    let mut queries = state.store.queries(from, to).await?;
    queries.retain(|query| wanted.wants(query));
    let by = |of: fn(&DayQuery) -> f64| move |a: &DayQuery, b: &DayQuery| of(b).total_cmp(&of(a));
    match wanted.sort.unwrap_or(QueryOrder::Duration) {
        QueryOrder::Duration => queries.sort_by(by(|query| query.seconds)),
        QueryOrder::Bytes => queries.sort_by(by(|query| query.read_bytes as f64)),
        QueryOrder::Missed => queries.sort_by(by(|query| query.missed_seconds)),
        QueryOrder::Cached => queries.sort_by(by(|query| 1.0 - query.cached_share.unwrap_or(1.0))),
    }
    let total = queries.len() as u64;
    let groups = async |kind| match wanted.names_any() {
        true => Ok(groups_of(&queries, kind)),
        false => state.store.query_groups(kind, from, to, GROUPS_MAX as u32).await,
    };
    let given = |mut groups: Vec<QueryGroup>| {
        let total = groups.len() as u64;
        groups.truncate(wanted.groups.unwrap_or(GROUPS).min(GROUPS_MAX));
        (groups, total)
    };
    let (by_user, users_total) = given(groups(GroupKind::User).await?);
    let (by_engine, engines_total) = given(groups(GroupKind::Engine).await?);
    let (by_table, tables_total) = given(groups(GroupKind::Table).await?);
    queries.truncate(wanted.limit.unwrap_or(QUERIES).min(QUERIES_MAX));
    let listed = Listed::new(state.in_force().as_deref());
    let rulings = Rulings::new(state.store.decisions().await?);
    Ok(Json(QueriesAnswer {
        from,
        to,
        kept_of_a_day: QUERIES_KEPT,
        total,
        queries: queries.into_iter().map(|query| answer(query, &listed, &rulings)).collect(),
        by_user,
        by_engine,
        by_table,
        users_total,
        engines_total,
        tables_total,
    }))
}

/// The queries by what they have in common; of a table, what was read of it counts.
fn groups_of(queries: &[DayQuery], kind: GroupKind) -> Vec<QueryGroup> {
    let mut groups: HashMap<String, QueryGroup> = HashMap::new();
    let mut add = |name: String, seconds: f64, read_bytes: u64| {
        let empty = QueryGroup { kind, name: name.clone(), queries: 0, seconds: 0.0, read_bytes: 0 };
        let group = groups.entry(name).or_insert(empty);
        group.queries += 1;
        group.seconds += seconds;
        group.read_bytes += read_bytes;
    };
    for query in queries {
        match kind {
            GroupKind::User => add(query.user.clone(), query.seconds, query.read_bytes),
            GroupKind::Engine => add(query.engine.clone(), query.seconds, query.read_bytes),
            GroupKind::Table => {
                query.reads.iter().for_each(|read| add(read.table.to_string(), query.seconds, read.read_bytes));
            }
        }
    }
    let mut groups: Vec<QueryGroup> = groups.into_values().collect();
    groups.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then_with(|| a.name.cmp(&b.name)));
    groups.truncate(GROUPS_MAX);
    groups
}

/// The partitions of each table that are listed.
#[derive(Debug, Default)]
struct Listed(HashMap<TableName, HashSet<String>>);

impl Listed {
    fn new(in_force: Option<&Whitelist>) -> Self {
        let mut tables: HashMap<TableName, HashSet<String>> = HashMap::new();
        for item in in_force.iter().flat_map(|list| &list.items) {
            tables.entry(item.item.table.clone()).or_default().insert(item.item.partition.clone());
        }
        Self(tables)
    }

    /// How many of the partitions that a query read are listed. Where it names none, all of the table's count.
    fn count(&self, read: &QueryRead) -> u64 {
        let Some(partitions) = self.0.get(&read.table) else { return 0 };
        if read.partitions.is_empty() {
            partitions.len() as u64
        } else {
            read.partitions.iter().filter(|name| partitions.contains(*name) || partitions.contains("")).count() as u64
        }
    }
}

fn answer(query: DayQuery, listed: &Listed, rulings: &Rulings) -> QueryAnswer {
    let whitelisted: Vec<u64> = query.reads.iter().map(|read| listed.count(read)).collect();
    let (advice, about) = advice(&query, &whitelisted, rulings);
    QueryAnswer { query, whitelisted, advice, about }
}

/// What would have helped, by the largest read that was not served.
fn advice(query: &DayQuery, whitelisted: &[u64], rulings: &Rulings) -> (Advice, Option<ItemName>) {
    match query.cached_share {
        Some(share) if share >= WELL_SERVED => return (Advice::WellServed, None),
        None => return (Advice::NotThroughLarder, None),
        Some(_) => {}
    }
    let item_of = |read: &QueryRead| {
        // One partition can be pinned by itself; of several, the table is what to look at.
        let partition = if read.partitions_total == 1 { read.partitions[0].clone() } else { String::new() };
        ItemName { table: read.table.clone(), partition }
    };
    let mut reads: Vec<(&QueryRead, u64)> = query.reads.iter().zip(whitelisted.iter().copied()).collect();
    reads.sort_by_key(|(read, _)| std::cmp::Reverse(read.read_bytes));
    let denied = |read: &QueryRead| rulings.of(&item_of(read)).is_some_and(|ruling| ruling.kind == RulingKind::Deny);
    let is_out = |read: &QueryRead, count: u64| count < read.partitions_total.max(1);
    if let Some((read, _)) = reads.iter().find(|(read, _)| denied(read)) {
        return (Advice::Denied, Some(item_of(read)));
    }
    if let Some((read, _)) = reads.iter().find(|(read, count)| is_out(read, *count)) {
        return (Advice::NotWhitelisted, Some(item_of(read)));
    }
    (Advice::WhitelistedNow, reads.first().map(|(read, _)| item_of(read)))
}
