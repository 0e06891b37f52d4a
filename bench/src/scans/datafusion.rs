//! DataFusion as the clients of a job: a task per client, a session per query, so that no footer is remembered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use clap::Args;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue};
use object_store::aws::AmazonS3Builder;
use object_store::http::{HttpBuilder, HttpStore};
use object_store::path::Path;
use object_store::{
    ClientOptions, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::task::JoinSet;
use url::Url;

use super::job::{Answered, Dialect, Job};

/// What the clients do.
#[derive(Args)]
pub(crate) struct Settings {
    /// A job as JSON.
    job: String,
}

/// Runs the job, and prints what was measured as JSON.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let job: Arc<Job> = Arc::new(serde_json::from_str(&settings.job)?);
    let mut stores = Vec::new();
    for _ in 0..job.clients {
        stores.push(store(&job)?);
    }
    let mut clients = JoinSet::new();
    let (began, cpu_began) = (Instant::now(), crate::servers::cpu_seconds(std::process::id())?);
    for (number, store) in stores.into_iter().enumerate() {
        let job = Arc::clone(&job);
        clients.spawn(async move { client(&job, number, store).await });
    }
    let ended = clients.join_all().await;
    let mut answered = Answered {
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: crate::servers::cpu_seconds(std::process::id())? - cpu_began,
        latencies_ms: Vec::new(),
        answers: BTreeMap::new(),
        error: None,
    };
    for client in ended {
        match client {
            Ok((latencies_ms, answers)) => {
                answered.latencies_ms.extend(latencies_ms);
                answered.answers.extend(answers);
            }
            Err(error) => answered.error = Some(format!("{error:#}")),
        }
    }
    println!("{}", serde_json::to_string(&answered)?);
    Ok(())
}

async fn client(
    job: &Job,
    number: usize,
    store: Arc<dyn ObjectStore>,
) -> anyhow::Result<(Vec<f64>, BTreeMap<String, String>)> {
    let (mut latencies_ms, mut answers) = (Vec::new(), BTreeMap::new());
    let bucket: Url = format!("s3://{}/", job.bucket).parse()?;
    for turn in 0..job.turns {
        let (statement, file) = job.turn(number, turn);
        let began = Instant::now();
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        session.register_object_store(&bucket, Arc::clone(&store));
        let table = bucket.join(&job.keys[file])?;
        session.register_parquet("lineitem", table.as_str(), ParquetReadOptions::default()).await?;
        let rows = session.sql(&job.statements[statement]).await?.collect().await?;
        latencies_ms.push(began.elapsed().as_secs_f64() * 1e3);
        answers.insert(format!("{statement}/{file}"), pretty_format_batches(&rows)?.to_string());
    }
    Ok((latencies_ms, answers))
}

/// The server as one client sees it, with connections of its own.
fn store(job: &Job) -> anyhow::Result<Arc<dyn ObjectStore>> {
    if job.dialect == Dialect::Fetch {
        let mut headers = HeaderMap::new();
        for (name, value) in &job.headers {
            headers.insert(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
        }
        let options = ClientOptions::new().with_allow_http(true).with_default_headers(headers);
        let url = format!("{}{}", job.endpoint, job.path);
        return Ok(Arc::new(FetchStore(HttpBuilder::new().with_url(url).with_client_options(options).build()?)));
    }
    let store = AmazonS3Builder::new()
        .with_endpoint(&job.endpoint)
        .with_bucket_name(&job.bucket)
        .with_region("us-east-1")
        .with_access_key_id(&job.key)
        .with_secret_access_key(&job.secret)
        .with_allow_http(true)
        .with_virtual_hosted_style_request(false)
        .build()?;
    Ok(Arc::new(store))
}

/// A server that answers nothing without a range: an object's size comes from a read of its first byte.
#[derive(Debug)]
struct FetchStore(HttpStore);

impl fmt::Display for FetchStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FetchStore({})", self.0)
    }
}

#[async_trait]
impl ObjectStore for FetchStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !options.head {
            return self.0.get_opts(location, options).await;
        }
        let first = GetOptions { head: false, range: Some(GetRange::Bounded(0..1)), ..options };
        let found = self.0.get_opts(location, first).await?;
        let payload = GetResultPayload::Stream(Box::pin(futures::stream::empty()));
        Ok(GetResult { payload, range: 0..found.meta.size, ..found })
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
