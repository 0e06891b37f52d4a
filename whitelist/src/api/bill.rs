//! The bill: what each owner's tables hold, and what they earn for it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{Days, NaiveDate};
use larder_model::io_time::{ASSUMED_ORIGIN, ASSUMED_SSD};
use larder_model::{IoSpeed, TableName, Whitelist};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, Problem};
use crate::choice::{CapOf, Caps};
use crate::realised::saved_seconds;
use crate::store::ReadsAndHits;
use crate::value::Reads;

/// A bill is of a week unless it is said otherwise.
const DAYS_DEFAULT: u64 = 7;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(bill))
}

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// The first; six days before `to` when absent.
    pub(super) from: Option<NaiveDate>,
    /// The last; the newest that the logs were read of when absent.
    pub(super) to: Option<NaiveDate>,
}

impl Span {
    /// The first day and the last.
    pub(super) async fn days(&self, state: &ApiState) -> Result<(NaiveDate, NaiveDate), Problem> {
        let last = match self.to {
            Some(to) => to,
            None => state.store.last_day().await?.unwrap_or_else(|| state.clock.now().date_naive()),
        };
        let first = self.from.or_else(|| last.checked_sub_days(Days::new(DAYS_DEFAULT - 1))).unwrap_or(last);
        if first > last {
            return Err(Problem::bad_request("`from` must not lie after `to`"));
        }
        Ok((first, last))
    }
}

/// What each owner's tables hold and earn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Bill {
    /// The first day.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
    /// The owners of `[[nightly.owners]]`, who saved most first, and what is nobody's.
    pub owners: Vec<OwnerBill>,
}

/// What one owner's tables hold and earn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct OwnerBill {
    /// The owner; absent for the tables of nobody.
    pub owner: Option<String>,
    /// Their tables that are held or were read.
    pub tables: Vec<TableName>,
    /// What they may hold, where that is limited.
    pub cap_bytes: Option<u64>,
    /// What the whitelist in force holds of their tables.
    pub held_bytes: u64,
    /// What that is expected to save over the whitelist's horizon, in seconds.
    pub value_seconds: f64,
    /// What reads from memory and SSD saved on these days, in seconds.
    pub saved_seconds: f64,
    /// What all other reads would have saved besides, in seconds.
    pub missed_seconds: f64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Those of them that memory and SSD answered.
    pub hit_bytes: u64,
    /// Queries that named any of their tables, each counted once for each table.
    pub queries: u64,
}

/// What each owner's tables hold of the SSD, and what they earned with it.
#[utoipa::path(get, path = "/bill", tag = "whitelist", params(Span), responses(
    (status = 200, body = Bill), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn bill(State(state): State<ApiState>, span: Result<Query<Span>, QueryRejection>) -> Result<Json<Bill>, Problem> {
    let (from, to) = span?.days(&state).await?;
    let reads = state.store.reads_by_table(from, to).await?;
    let caps = state.store.last_choice().await?.map_or_else(Caps::default, |choice| choice.caps);
    Ok(Json(Bill { from, to, owners: owners(&reads, &caps, state.in_force().as_deref()) }))
}

fn owners(reads: &[(TableName, ReadsAndHits)], caps: &Caps, in_force: Option<&Whitelist>) -> Vec<OwnerBill> {
    let (origin, ssd) = in_force.map_or((ASSUMED_ORIGIN, ASSUMED_SSD), |list| (list.origin, list.ssd));
    let mut bills: BTreeMap<Option<String>, OwnerBill> = BTreeMap::new();
    for cap in &caps.0 {
        if let CapOf::Owner(name) = &cap.of {
            bills.insert(Some(name.clone()), OwnerBill::new(Some(name.clone()), Some(cap.bytes)));
        }
    }
    let mut bill_of = |table: &TableName, add: &dyn Fn(&mut OwnerBill)| {
        let owner = caps.0.iter().find_map(|cap| match &cap.of {
            CapOf::Owner(name) if cap.tables.iter().any(|pattern| pattern.matches(table)) => Some(name.clone()),
            _ => None,
        });
        let bill = bills.entry(owner.clone()).or_insert_with(|| OwnerBill::new(owner, None));
        if let Err(at) = bill.tables.binary_search(table) {
            bill.tables.insert(at, table.clone());
        }
        add(bill);
    };
    for (table, reads) in reads {
        bill_of(table, &|bill| {
            bill.saved_seconds += saved_seconds(reads.hits, reads.hit_seconds, origin);
            bill.missed_seconds += missed_seconds(reads, origin, ssd);
            bill.read_bytes += reads.reads.bytes;
            bill.hit_bytes += reads.hits.bytes;
            bill.queries += reads.queries;
        });
    }
    for item in in_force.iter().flat_map(|list| &list.items) {
        bill_of(&item.item.table, &|bill| {
            bill.held_bytes += item.bytes;
            bill.value_seconds += item.value_seconds;
        });
    }
    let mut bills: Vec<OwnerBill> = bills.into_values().collect();
    bills.sort_by(|a, b| b.saved_seconds.total_cmp(&a.saved_seconds).then_with(|| a.owner.cmp(&b.owner)));
    bills
}

/// What reads that were no hits would have saved, had the SSD answered them, in seconds.
pub(super) fn missed_seconds(reads: &ReadsAndHits, origin: IoSpeed, ssd: IoSpeed) -> f64 {
    let missed = Reads {
        requests: reads.reads.requests.saturating_sub(reads.hits.requests),
        bytes: reads.reads.bytes.saturating_sub(reads.hits.bytes),
    };
    let seconds = |speed: IoSpeed| speed.seconds(missed.requests, missed.bytes);
    (seconds(origin) - seconds(ssd)).max(0.0)
}

impl OwnerBill {
    fn new(owner: Option<String>, cap_bytes: Option<u64>) -> Self {
        Self {
            owner,
            tables: Vec::new(),
            cap_bytes,
            held_bytes: 0,
            value_seconds: 0.0,
            saved_seconds: 0.0,
            missed_seconds: 0.0,
            read_bytes: 0,
            hit_bytes: 0,
            queries: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Cap;

    #[test]
    fn tables_go_to_the_first_owner_that_names_them_and_the_rest_to_nobody() {
        let cap = |name: &str, tables: &str| Cap {
            of: CapOf::Owner(name.into()),
            tables: vec![tables.parse().unwrap()],
            bytes: 9,
        };
        let caps = Caps(vec![cap("web", "a.web.*"), cap("ads", "a.ads.*"), cap("late", "a.web.*")]);
        let hits = Reads { requests: 1, bytes: 60 };
        let reads =
            |hit_seconds| ReadsAndHits { reads: Reads { requests: 2, bytes: 100 }, hits, hit_seconds, queries: 3 };
        let tables = [("a.web.t", 0.0), ("b.c.d", 1e9)].map(|(table, hit)| (table.parse().unwrap(), reads(hit)));
        let bills = owners(&tables, &caps, None);
        let names: Vec<_> = bills.iter().map(|bill| bill.owner.as_deref()).collect();
        assert_eq!(names, [Some("web"), Some("ads"), Some("late"), None], "who saved most comes first");
        let web = &bills[0];
        assert_eq!((web.read_bytes, web.hit_bytes, web.queries, web.cap_bytes), (100, 60, 3, Some(9)));
        assert_eq!(web.saved_seconds, ASSUMED_ORIGIN.seconds(1, 60));
        let missed = ASSUMED_ORIGIN.seconds(1, 40) - ASSUMED_SSD.seconds(1, 40);
        assert!((web.missed_seconds - missed).abs() < 1e-12, "{}", web.missed_seconds);
        assert!(bills[1].tables.is_empty() && bills[2].tables.is_empty());
    }
}
