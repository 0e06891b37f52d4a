//! All items, page by page: searched, sorted and counted by the store, so that 100,000 of them stay fluid.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, ItemAnswer, Problem, answers};
use crate::store::{ItemOrder, ItemQuery};

/// Items that one page gives at most: as many as a whitelist may hold.
const ITEMS_MAX: u32 = 1_000_000;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(items))
}

/// Which items, in what order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only items whose name has this in it, in capitals or not.
    search: Option<String>,
    /// Only items of this table.
    table: Option<String>,
    /// Only items that the whitelist in force holds, also where the last choice did not weigh them; or only those that it
    /// does not hold.
    listed: Option<bool>,
    /// Only items that the last choice took, or that it left out. What is in force may be another version's.
    taken: Option<bool>,
    /// What they are sorted by; `rank` when absent.
    #[param(inline)]
    sort: Option<ItemOrder>,
    /// The greatest first; false when absent.
    descending: Option<bool>,
    /// So many are passed over first.
    offset: Option<u64>,
    /// At most 1000000, and 200 when absent.
    limit: Option<u32>,
}

/// A page of items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct ItemsAnswer {
    /// How many there are on all pages.
    pub total: u64,
    /// How many were passed over.
    pub offset: u64,
    /// The items, without what their value is made of.
    pub items: Vec<ItemAnswer>,
}

/// Items that the last night weighed or that are in force, a page of them.
#[utoipa::path(get, path = "/items", tag = "whitelist", params(Wanted), responses(
    (status = 200, body = ItemsAnswer), (status = 400, body = Problem), (status = 503, body = Problem),
))]
async fn items(
    State(state): State<ApiState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ItemsAnswer>, Problem> {
    let Query(wanted) = wanted?;
    let offset = wanted.offset.unwrap_or(0);
    let query = ItemQuery {
        search: wanted.search.unwrap_or_default(),
        table: wanted.table,
        listed: wanted.listed,
        taken: wanted.taken,
        order: wanted.sort.unwrap_or(ItemOrder::Rank),
        descending: wanted.descending.unwrap_or(false),
        offset,
        limit: wanted.limit.unwrap_or(200).min(ITEMS_MAX),
    };
    let in_force = state.in_force();
    let page = state.store.items(&query, in_force.as_deref()).await?;
    let items = answers::items_of_all(page.rows, page.all_value_seconds, in_force.as_deref());
    Ok(Json(ItemsAnswer { total: page.total, offset, items }))
}
