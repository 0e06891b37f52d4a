//! Hive: what the hook `org.apache.hadoop.hive.ql.hooks.LineageLogger` logs after each query that succeeded, with or without
//! what the logger puts before it.

use std::sync::Arc;

use chrono::TimeDelta;
use larder_model::QueryEvent;
use serde::Deserialize;

use super::adapter::{Adapter, Time, from_json};
use super::lineage::{Edge, Vertex, reads};

pub(super) struct Hive {
    catalog: Arc<str>,
}

impl Hive {
    pub(super) fn new(catalog: Arc<str>) -> Self {
        Self { catalog }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    user: Option<String>,
    /// Whole seconds.
    timestamp: Time,
    /// Milliseconds; older versions have none.
    duration: Option<i64>,
    #[serde(default)]
    job_ids: Vec<String>,
    hash: String,
    query_text: Option<String>,
    edges: Vec<Edge>,
    vertices: Vec<Vertex>,
}

/// What stands in a line of Hive's logger before the entry: the class, or what versions before 2 begin the entry with.
const MARKS: [&[u8]; 2] = [b"LineageLogger", b"LINEAGE:"];

impl Adapter for Hive {
    fn payload<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let marked = |mark: &&[u8]| line.windows(mark.len()).position(|window| window == *mark);
        let brace = |from: usize| line[from..].iter().position(|byte| *byte == b'{').map(|at| &line[from + at..]);
        match line.first() {
            None | Some(b'{' | b' ' | b'}') => line,
            Some(_) => MARKS.iter().find_map(marked).and_then(brace).unwrap_or(line),
        }
    }

    fn read(&mut self, entry: &[u8]) -> Result<Option<QueryEvent>, String> {
        let entry: Entry = from_json(entry)?;
        let created = entry.timestamp.read("timestamp")?;
        let duration = TimeDelta::try_milliseconds(entry.duration.unwrap_or(0)).unwrap_or_default();
        let user = entry.user.unwrap_or_default();
        Ok(Some(QueryEvent {
            // Hive logs no id. The hash is of the statement.
            query_id: format!("{}-{}-{user}-{}", created.timestamp(), entry.hash, entry.job_ids.join("-")),
            engine: "hive".into(),
            reads: reads(&entry.edges, &entry.vertices, &self.catalog)?,
            user,
            created,
            ended: created.checked_add_signed(duration).unwrap_or(created),
            succeeded: true,
            query: entry.query_text,
            unattributed_bytes: 0,
        }))
    }
}
