//! Spark's event log: many entries, of which several together tell of one SQL query.
//!
//! A query starts with its plan, in which each scan has its own accumulators; adaptive execution sends changed plans. A scan
//! was run if the driver or a task reported to one of them: plans also hold scans that were replaced, or whose result was
//! cached. What a scan read is what its tasks say they read; where they do not say, all of the files that the driver chose.
//! [`plan`] reads what a scan's node says of itself, [`entries`] are the entries that matter.

mod entries;
mod plan;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use larder_model::{QueryEvent, TableRead};
use serde::Deserialize;

use self::entries::{AccumulatorUpdates, ApplicationStart, ExecutionEnd, ExecutionPlan, JobEnd, JobStart, TaskEnd};
use self::plan::Scan;
use super::Places;
use super::adapter::{Adapter, from_json};

/// Queries that run at once, or never end in the log.
const OPEN_MAX: usize = 10_000;

/// Scans of one query.
const SCANS_MAX: usize = 10_000;

pub(super) struct Spark {
    places: Places,
    application: Option<ApplicationStart>,
    open: HashMap<i64, Execution>,
    /// Which query a stage or a job works for.
    stages: HashMap<i64, i64>,
    jobs: HashMap<i64, i64>,
}

/// A query that has not ended.
struct Execution {
    statement: Option<String>,
    started: DateTime<Utc>,
    scans: Vec<Scan>,
    /// The scan that an accumulator belongs to.
    owners: HashMap<i64, usize>,
    stages: Vec<i64>,
    jobs: Vec<i64>,
    failed: bool,
    /// Read by tasks that failed: these do not report to scans.
    failed_bytes: u64,
    /// Read by tasks that ran no scan.
    unowned_bytes: u64,
}

/// What every entry has.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "Event")]
    event: String,
}

impl Adapter for Spark {
    fn read(&mut self, entry: &[u8]) -> Result<Option<QueryEvent>, String> {
        let Kind { event } = from_json(entry)?;
        match event.rsplit('.').next().unwrap_or_default() {
            "SparkListenerApplicationStart" => self.application = Some(from_json(entry)?),
            "SparkListenerSQLExecutionStart" => self.start(from_json(entry)?)?,
            "SparkListenerSQLAdaptiveExecutionUpdate" => {
                let update: ExecutionPlan = from_json(entry)?;
                if let Some(execution) = self.open.get_mut(&update.execution_id) {
                    execution.add_scans(&update)?;
                }
            }
            "SparkListenerDriverAccumUpdates" => self.driver_says(&from_json(entry)?),
            "SparkListenerJobStart" => self.start_job(from_json(entry)?),
            "SparkListenerTaskEnd" => self.end_task(&from_json(entry)?),
            "SparkListenerJobEnd" => self.end_job(&from_json(entry)?),
            "SparkListenerSQLExecutionEnd" => return self.end(&from_json(entry)?),
            _ => {}
        }
        Ok(None)
    }
}

impl Spark {
    pub(super) fn new(places: Places) -> Self {
        Self { places, application: None, open: HashMap::new(), stages: HashMap::new(), jobs: HashMap::new() }
    }

    fn start(&mut self, start: ExecutionPlan) -> Result<(), String> {
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&start.execution_id) {
            return Err(format!("more than {OPEN_MAX} queries have not ended"));
        }
        let started = time(start.time.ok_or("time is missing")?, "time")?;
        let mut execution = Execution {
            statement: start.description.clone(),
            started,
            scans: Vec::new(),
            owners: HashMap::new(),
            stages: Vec::new(),
            jobs: Vec::new(),
            failed: false,
            failed_bytes: 0,
            unowned_bytes: 0,
        };
        execution.add_scans(&start)?;
        self.open.insert(start.execution_id, execution);
        Ok(())
    }

    fn driver_says(&mut self, updates: &AccumulatorUpdates) {
        let Some(execution) = self.open.get_mut(&updates.execution_id) else { return };
        for (accumulator, value) in &updates.accum_updates {
            if let Some(scan) = execution.owners.get(accumulator) {
                execution.scans[*scan].driver_says(*accumulator, *value);
            }
        }
    }

    fn start_job(&mut self, job: JobStart) {
        let query = job.properties.and_then(|properties| properties.execution_id).and_then(|id| id.parse().ok());
        let Some((id, execution)) = query.and_then(|id| Some((id, self.open.get_mut(&id)?))) else { return };
        self.jobs.insert(job.job_id, id);
        execution.jobs.push(job.job_id);
        for stage in job.stage_ids {
            self.stages.insert(stage, id);
            execution.stages.push(stage);
        }
    }

    fn end_task(&mut self, task: &TaskEnd) {
        let execution = self.stages.get(&task.stage_id).and_then(|id| self.open.get_mut(id));
        let (Some(execution), Some(info)) = (execution, &task.task_info) else { return };
        let owners = info.accumulables.iter().filter_map(|accumulable| execution.owners.get(&accumulable.id));
        let owners: BTreeSet<usize> = owners.copied().collect();
        let bytes = task.task_metrics.as_ref().map_or(0, entries::TaskMetrics::bytes_read);
        if info.failed {
            execution.failed_bytes = execution.failed_bytes.saturating_add(bytes);
        } else {
            execution.spread(bytes, &Vec::from_iter(owners));
        }
    }

    fn end_job(&mut self, job: &JobEnd) {
        let query = self.jobs.remove(&job.job_id);
        if let Some(execution) = query.and_then(|id| self.open.get_mut(&id)) {
            execution.failed |= job.job_result.result != "JobSucceeded";
        }
    }

    fn end(&mut self, end: &ExecutionEnd) -> Result<Option<QueryEvent>, String> {
        // The end of a query whose start is not in the log, or was broken.
        let Some(mut execution) = self.open.remove(&end.execution_id) else { return Ok(None) };
        for stage in &execution.stages {
            self.stages.remove(stage);
        }
        for job in &execution.jobs {
            self.jobs.remove(job);
        }
        let Some(application) = &self.application else {
            return Err(
                "the log does not begin with SparkListenerApplicationStart: give the folder of all its parts".into()
            );
        };
        let ran: Vec<usize> = (0..execution.scans.len()).filter(|at| execution.scans[*at].was_run()).collect();
        execution.spread(execution.failed_bytes, &ran);
        let mut reads: Vec<TableRead> = Vec::new();
        let mut unattributed_bytes = execution.unowned_bytes;
        for scan in ran.iter().map(|at| &execution.scans[*at]) {
            match scan.table_read(&self.places) {
                Some(read) => reads.push(read),
                None => unattributed_bytes = unattributed_bytes.saturating_add(scan.bytes()),
            }
        }
        Ok(Some(QueryEvent {
            query_id: format!("{}/{}", application.id(), end.execution_id),
            engine: "spark".into(),
            user: application.user.clone().unwrap_or_default(),
            created: execution.started,
            ended: time(end.time, "time")?,
            succeeded: !execution.failed && end.error_message.as_deref().is_none_or(str::is_empty),
            query: execution.statement,
            reads,
            unattributed_bytes,
        }))
    }
}

impl Execution {
    /// Gives bytes to some scans, in proportion to the files that the driver chose for each. Without scans they have no owner.
    fn spread(&mut self, bytes: u64, scans: &[usize]) {
        let sizes: Vec<f64> = scans.iter().map(|at| self.scans[*at].files_bytes().max(1) as f64).collect();
        let all: f64 = sizes.iter().sum();
        let mut left = bytes;
        for (at, size) in scans.iter().zip(&sizes) {
            let share = ((bytes as f64 * size / all).round() as u64).min(left);
            self.scans[*at].task_says(share);
            left -= share;
        }
        match scans.last() {
            Some(last) => self.scans[*last].task_says(left),
            None => self.unowned_bytes = self.unowned_bytes.saturating_add(left),
        }
    }

    /// Takes the scans of a plan that are not known yet.
    fn add_scans(&mut self, plan: &ExecutionPlan) -> Result<(), String> {
        let mut nodes = vec![&plan.spark_plan_info];
        while let Some(node) = nodes.pop() {
            nodes.extend(&node.children);
            let Some(scan) = Scan::of(node) else { continue };
            if node.metrics.iter().any(|metric| self.owners.contains_key(&metric.accumulator_id)) {
                continue;
            }
            if self.scans.len() >= SCANS_MAX {
                return Err(format!("the query has more than {SCANS_MAX} scans"));
            }
            for metric in &node.metrics {
                self.owners.insert(metric.accumulator_id, self.scans.len());
            }
            self.scans.push(scan);
        }
        Ok(())
    }
}

fn time(milliseconds: i64, field: &str) -> Result<DateTime<Utc>, String> {
    DateTime::from_timestamp_millis(milliseconds)
        .ok_or_else(|| format!("{field}: {milliseconds} is not a time in milliseconds since 1970"))
}
