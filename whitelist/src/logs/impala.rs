//! Impala's lineage log: a line for each query that succeeded.

use std::sync::Arc;

use larder_model::QueryEvent;
use serde::Deserialize;

use super::adapter::{Adapter, Time, from_json};
use super::lineage::{Edge, Vertex, reads};

pub(super) struct Impala {
    catalog: Arc<str>,
}

impl Impala {
    pub(super) fn new(catalog: Arc<str>) -> Self {
        Self { catalog }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    query_text: Option<String>,
    /// Absent before Impala 3.
    query_id: Option<String>,
    hash: String,
    user: Option<String>,
    timestamp: Time,
    end_time: Option<Time>,
    edges: Vec<Edge>,
    vertices: Vec<Vertex>,
}

impl Adapter for Impala {
    fn read(&mut self, entry: &[u8]) -> Result<Option<QueryEvent>, String> {
        let entry: Entry = from_json(entry)?;
        let created = entry.timestamp.read("timestamp")?;
        let user = entry.user.unwrap_or_default();
        Ok(Some(QueryEvent {
            query_id: entry.query_id.unwrap_or_else(|| format!("{}-{}-{user}", created.timestamp(), entry.hash)),
            engine: "impala".into(),
            user,
            created,
            ended: entry.end_time.map_or(Ok(created), |time| time.read("endTime"))?,
            succeeded: true,
            query: entry.query_text,
            reads: reads(&entry.edges, &entry.vertices, &self.catalog)?,
            unattributed_bytes: 0,
        }))
    }
}
