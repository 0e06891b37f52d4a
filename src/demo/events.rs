//! What the demo's engine tells of its queries, as engines in the field do: which files its plan scanned, and how many bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use larder_model::{AttributionRules, QueryEvent, TableName, TableRead};

use super::workload::Asked;

/// The event of a query that was asked at `at`, took `seconds`, and read `reads`.
pub(crate) fn event(
    number: usize,
    asked: &Asked,
    at: DateTime<Utc>,
    seconds: f64,
    reads: Vec<TableRead>,
) -> QueryEvent {
    QueryEvent {
        query_id: format!("{}-{number:04}", at.format("%Y%m%d")),
        engine: "datafusion".to_owned(),
        user: format!("analyst-{}", asked.analyst + 1),
        created: at,
        ended: at + TimeDelta::microseconds((seconds * 1e6) as i64),
        succeeded: true,
        query: Some(asked.sql.split_whitespace().collect::<Vec<_>>().join(" ")),
        reads,
        unattributed_bytes: 0,
    }
}

/// What a plan that ran has read, table by table.
pub(crate) fn reads_of(plan: &Arc<dyn ExecutionPlan>, rules: &AttributionRules) -> Vec<TableRead> {
    let mut reads: BTreeMap<TableName, TableRead> = BTreeMap::new();
    let mut plans = vec![plan];
    while let Some(plan) = plans.pop() {
        plans.extend(plan.children());
        let Some(scan) = plan.downcast_ref::<DataSourceExec>() else { continue };
        let Some(files) = scan.data_source().downcast_ref::<FileScanConfig>() else { continue };
        let bytes = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
        let mut bytes = bytes.map_or(0, |bytes| bytes.as_usize() as u64);
        let columns = files.projected_schema().map(|schema| {
            let names = schema.fields().iter().map(|field| field.name().clone());
            names.filter(|name| files.file_schema().field_with_name(name).is_ok()).collect()
        });
        let mut columns: Option<Vec<String>> = columns.ok();
        for file in files.file_groups.iter().flat_map(|group| group.files()) {
            let key = file.object_meta.location.to_string();
            let Some(attribution) = rules.attribute(&key) else { continue };
            let read = reads.entry(attribution.table.clone()).or_insert_with(|| TableRead {
                table: attribution.table,
                partitions: Vec::new(),
                columns: Vec::new(),
                bytes: 0,
            });
            // One scan reads one table.
            read.bytes += std::mem::take(&mut bytes);
            read.columns.extend(columns.take().unwrap_or_default());
            if !attribution.partition.is_empty() && !read.partitions.contains(&attribution.partition) {
                read.partitions.push(attribution.partition);
            }
        }
    }
    reads.into_values().collect()
}
