//! The query engine of the demo: DataFusion over any store, with nothing carried from one query to the next.
//!
//! DataFusion remembers listings, footers and statistics in its runtime. Every query gets a runtime of its own, so no
//! store profits from what the engine saw before: each query lists its tables, reads the footers and then the columns.
//! Connections are kept, as an engine that runs all day keeps them.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStore;
use url::Url;

use super::lake::{SCHEMA, Table};

/// An engine that reads the lake through one store.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    store: Arc<dyn ObjectStore>,
    url: Url,
    tables: Arc<[Table]>,
    threads: usize,
}

impl Engine {
    /// An engine over `store`, whose root is the lake's.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, tables: &[Table], threads: usize) -> Self {
        let url = Url::parse("s3://lake/").expect("a URL written here");
        Self { store, url, tables: tables.into(), threads }
    }

    /// A session that has seen nothing yet. The tables' columns are given, as a metastore gives them.
    pub(crate) fn session(&self) -> Result<SessionContext> {
        let runtime = RuntimeEnvBuilder::new().build_arc()?;
        runtime.register_object_store(&self.url, Arc::clone(&self.store));
        let config = SessionConfig::new().with_target_partitions(self.threads);
        let session = SessionContext::new_with_config_rt(config, runtime);
        for table in self.tables.iter() {
            let url = ListingTableUrl::parse(format!("{}{SCHEMA}/{}/", self.url, table.name))?;
            let keys = table.partitioned_by.iter().map(|by| (by.key.to_owned(), DataType::Utf8)).collect();
            let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_table_partition_cols(keys);
            let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(table.schema.clone());
            session.register_table(table.name, Arc::new(ListingTable::try_new(config)?))?;
        }
        Ok(session)
    }

    /// Runs one query in a session of its own.
    pub(crate) async fn query(&self, sql: &str) -> Result<Answer> {
        self.query_in(&self.session()?, sql).await
    }

    /// Runs one query in a session of [`session`](Self::session): making one is not part of what a query takes.
    pub(crate) async fn query_in(&self, session: &SessionContext, sql: &str) -> Result<Answer> {
        let frame = session.sql(sql).await.with_context(|| format!("cannot plan: {sql}"))?;
        let plan = frame.create_physical_plan().await.with_context(|| format!("cannot plan: {sql}"))?;
        let running = collect(Arc::clone(&plan), session.task_ctx());
        let batches = running.await.with_context(|| format!("cannot run: {sql}"))?;
        Ok(Answer { batches, plan })
    }
}

/// What a query gave.
#[derive(Debug)]
pub(crate) struct Answer {
    batches: Vec<RecordBatch>,
    plan: Arc<dyn ExecutionPlan>,
}

impl Answer {
    /// The plan that ran, with what it measured.
    pub(crate) fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    /// The rows as text. Every template orders its rows and adds decimals only, so equal data gives equal text.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(pretty_format_batches(&self.batches)?.to_string())
    }

    /// How many rows there are.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use indicatif::ProgressBar;
    use object_store::local::LocalFileSystem;

    use super::super::lake::Lake;
    use super::super::month::Month;
    use super::super::templates::{Period, TEMPLATES};
    use super::*;

    #[tokio::test]
    async fn every_template_finds_rows_and_gives_the_same_answer_twice() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_or_make(&folder.path().join("origin"), 0.01, &ProgressBar::hidden()).unwrap();
        let engine = Engine::new(Arc::new(LocalFileSystem::new_with_prefix(&lake.root).unwrap()), &lake.tables, 2);
        let latest = Month::of(NaiveDate::from_ymd_opt(1998, 7, 16).unwrap());
        for template in &TEMPLATES {
            let sql = template.sql(&Period { latest, back: 2 });
            let answer = engine.query(&sql).await.unwrap();
            assert!(answer.rows() > 0, "{}", template.name);
            assert_eq!(answer.text().unwrap(), engine.query(&sql).await.unwrap().text().unwrap(), "{}", template.name);
        }
    }
}
