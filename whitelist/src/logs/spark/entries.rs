//! The entries of Spark's event log that tell what a query read, less what is not needed of them.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct ApplicationStart {
    #[serde(rename = "App ID")]
    app_id: Option<String>,
    #[serde(rename = "App Attempt ID")]
    attempt: Option<String>,
    #[serde(rename = "Timestamp")]
    timestamp: Option<i64>,
    #[serde(rename = "User")]
    pub(super) user: Option<String>,
}

impl ApplicationStart {
    /// What tells it from all other applications.
    pub(super) fn id(&self) -> String {
        let id = self.app_id.clone().unwrap_or_else(|| format!("started-{}", self.timestamp.unwrap_or(0)));
        match &self.attempt {
            Some(attempt) => format!("{id}/{attempt}"),
            None => id,
        }
    }
}

/// The start of a query, and a change of its plan.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionPlan {
    pub(super) execution_id: i64,
    pub(super) description: Option<String>,
    pub(super) spark_plan_info: Node,
    /// Milliseconds since 1970; changes have none.
    pub(super) time: Option<i64>,
}

/// A node of a plan. The parser's own limit of depth, 128 values, holds for plans of about 60 nodes on top of each other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    pub(super) node_name: String,
    #[serde(default)]
    pub(super) children: Vec<Node>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) metrics: Vec<Metric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) accumulator_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccumulatorUpdates {
    pub(super) execution_id: i64,
    /// Accumulator and value.
    pub(super) accum_updates: Vec<(i64, i64)>,
}

#[derive(Deserialize)]
pub(super) struct JobStart {
    #[serde(rename = "Job ID")]
    pub(super) job_id: i64,
    #[serde(rename = "Stage IDs", default)]
    pub(super) stage_ids: Vec<i64>,
    #[serde(rename = "Properties")]
    pub(super) properties: Option<Properties>,
}

#[derive(Deserialize)]
pub(super) struct Properties {
    #[serde(rename = "spark.sql.execution.id")]
    pub(super) execution_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct JobEnd {
    #[serde(rename = "Job ID")]
    pub(super) job_id: i64,
    #[serde(rename = "Job Result")]
    pub(super) job_result: JobResult,
}

#[derive(Deserialize)]
pub(super) struct JobResult {
    #[serde(rename = "Result")]
    pub(super) result: String,
}

#[derive(Deserialize)]
pub(super) struct TaskEnd {
    #[serde(rename = "Stage ID")]
    pub(super) stage_id: i64,
    #[serde(rename = "Task Info")]
    pub(super) task_info: Option<TaskInfo>,
    #[serde(rename = "Task Metrics")]
    pub(super) task_metrics: Option<TaskMetrics>,
}

#[derive(Deserialize)]
pub(super) struct TaskInfo {
    #[serde(rename = "Failed", default)]
    pub(super) failed: bool,
    #[serde(rename = "Accumulables", default)]
    pub(super) accumulables: Vec<Accumulable>,
}

#[derive(Deserialize)]
pub(super) struct Accumulable {
    #[serde(rename = "ID")]
    pub(super) id: i64,
}

#[derive(Deserialize)]
pub(super) struct TaskMetrics {
    #[serde(rename = "Input Metrics")]
    input: Option<InputMetrics>,
}

#[derive(Deserialize)]
struct InputMetrics {
    #[serde(rename = "Bytes Read", default)]
    bytes_read: i64,
}

impl TaskMetrics {
    pub(super) fn bytes_read(&self) -> u64 {
        self.input.as_ref().map_or(0, |input| u64::try_from(input.bytes_read).unwrap_or(0))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionEnd {
    pub(super) execution_id: i64,
    pub(super) time: i64,
    /// From Spark 3.4 on; empty for a query that succeeded.
    pub(super) error_message: Option<String>,
}
