//! The shapes of answers, and how they are put together from rows and the whitelist in force.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use larder_model::{ItemName, TableName, Whitelist, WhitelistItem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::columns::ColumnShare;
use crate::store::{CandidateRow, StoreError, TableRow};

/// An answer that says what is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// In words.
    pub error: String,
    #[serde(skip)]
    status: StatusCode,
}

impl Problem {
    fn new(status: StatusCode, error: impl ToString) -> Self {
        Self { error: error.to_string(), status }
    }

    pub(super) fn not_found(error: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn bad_request(error: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn unavailable(error: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    pub(super) fn conflict(error: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    pub(super) fn internal(error: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, source, "an admin request failed");
        match error {
            StoreError::Data { .. } => Self::internal(error),
            StoreError::Refused(problem) => Self::new(StatusCode::CONFLICT, problem),
            StoreError::Busy { .. } => Self::new(StatusCode::CONFLICT, error),
            // What the database said may name hosts and users; it is in the log.
            StoreError::Open { .. } | StoreError::Statement { .. } => Self::unavailable(error),
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableAnswer {
    /// What was read of it, and what it is worth.
    #[serde(flatten)]
    pub table: TableRow,
    /// Its share of all tables' value, from 0 to 1.
    pub value_share: f64,
    /// How many of its items the whitelist holds.
    pub whitelisted_items: u64,
    /// Their bytes.
    pub whitelisted_bytes: u64,
    /// Their value, in seconds.
    pub whitelisted_value_seconds: f64,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemAnswer {
    /// What was read of it, what it is worth, and how the last night decided. The reason of one that the whitelist in force
    /// holds is that version's.
    #[serde(flatten)]
    pub row: CandidateRow,
    /// Whether the whitelist in force holds it.
    pub whitelisted: bool,
    /// Its share of the value of all that are listed, from 0 to 1.
    pub value_share: f64,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnAnswer {
    /// What it takes and what it is worth.
    #[serde(flatten)]
    pub column: ColumnShare,
    /// Whether the whitelist in force holds it of the table's items.
    pub held: bool,
}

/// The items and what they are worth together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueAnswer {
    /// How many items the last night weighed.
    pub candidates: u64,
    /// Their bytes.
    pub candidate_bytes: u64,
    /// Their value, in seconds: what no budget could surpass.
    pub candidate_value_seconds: f64,
    /// The version in force; zero for none.
    pub version: u64,
    /// Its budget.
    pub budget_bytes: u64,
    /// Its items' bytes.
    pub whitelisted_bytes: u64,
    /// Its items' value, in seconds.
    pub whitelisted_value_seconds: f64,
    /// The price of space, in seconds per byte.
    pub cut_density: f64,
    /// The densest items.
    pub items: Vec<ItemAnswer>,
}

pub(super) fn tables(rows: Vec<TableRow>, in_force: Option<&Whitelist>) -> Vec<TableAnswer> {
    let mut held: HashMap<&TableName, (u64, u64, f64)> = HashMap::new();
    for item in in_force.iter().flat_map(|whitelist| &whitelist.items) {
        let (items, bytes, value) = held.entry(&item.item.table).or_default();
        *items += 1;
        *bytes += item.bytes;
        *value += item.value_seconds;
    }
    let all: f64 = rows.iter().map(|row| row.value_seconds).sum();
    rows.into_iter()
        .map(|table| {
            let (items, bytes, value) = held.get(&table.table).copied().unwrap_or_default();
            TableAnswer {
                value_share: share(table.value_seconds, all),
                table,
                whitelisted_items: items,
                whitelisted_bytes: bytes,
                whitelisted_value_seconds: value,
            }
        })
        .collect()
}

pub(super) fn items(rows: Vec<CandidateRow>, in_force: Option<&Whitelist>) -> Vec<ItemAnswer> {
    let all: f64 = rows.iter().map(|row| row.value_seconds).sum();
    items_of_all(rows, all, in_force)
}

/// Some of the items, beside the value of all.
pub(super) fn items_of_all(rows: Vec<CandidateRow>, all: f64, in_force: Option<&Whitelist>) -> Vec<ItemAnswer> {
    let held: HashMap<&ItemName, &WhitelistItem> =
        in_force.iter().flat_map(|whitelist| &whitelist.items).map(|item| (&item.item, item)).collect();
    rows.into_iter()
        .map(|mut row| {
            let held = held.get(&row.item);
            if let Some(held) = held {
                row.reason.clone_from(&held.reason);
            }
            ItemAnswer { whitelisted: held.is_some(), value_share: share(row.value_seconds, all), row }
        })
        .collect()
}

pub(super) fn columns(table: &TableName, columns: Vec<ColumnShare>, in_force: Option<&Whitelist>) -> Vec<ColumnAnswer> {
    let is_listed = in_force.is_some_and(|list| list.items.iter().any(|item| item.item.table == *table));
    let some = in_force.and_then(|list| list.columns.get(table));
    let is_held = |column: &ColumnShare| is_listed && some.is_none_or(|held| held.columns.contains(&column.column));
    columns.into_iter().map(|column| ColumnAnswer { held: is_held(&column), column }).collect()
}

pub(super) fn value(rows: Vec<CandidateRow>, limit: usize, in_force: Option<&Whitelist>) -> ValueAnswer {
    let items = items(rows, in_force);
    ValueAnswer {
        candidates: items.len() as u64,
        candidate_bytes: items.iter().map(|item| item.row.bytes).sum(),
        candidate_value_seconds: items.iter().map(|item| item.row.value_seconds).sum(),
        version: in_force.map_or(0, |whitelist| whitelist.version),
        budget_bytes: in_force.map_or(0, |whitelist| whitelist.budget_bytes),
        whitelisted_bytes: in_force.map_or(0, Whitelist::bytes),
        whitelisted_value_seconds: in_force
            .map_or(0.0, |whitelist| whitelist.items.iter().map(|item| item.value_seconds).sum()),
        cut_density: in_force.map_or(0.0, |whitelist| whitelist.cut_density),
        items: items.into_iter().take(limit).collect(),
    }
}

fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 { part / all } else { 0.0 }
}
