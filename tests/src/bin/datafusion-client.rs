//! DataFusion as a user of Larder would run it: tables in Parquet behind an S3 endpoint, one statement, rows as CSV.
//!
//! The end-to-end suite runs it against the origin and against Larder and compares the rows. The key comes from
//! `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, the region from `AWS_REGION`.

use std::io::stdout;
use std::sync::Arc;

use anyhow::Context;
use arrow::csv::Writer;
use arrow::datatypes::DataType;
use clap::Parser;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::ListingOptions;
use datafusion::prelude::SessionContext;
use object_store::aws::AmazonS3Builder;
use url::Url;

/// Runs one statement over tables in Parquet behind an S3 endpoint.
#[derive(Parser)]
struct Arguments {
    /// Where the S3 endpoint is.
    #[arg(long)]
    endpoint: String,
    /// The folder of the tables: s3://bucket/prefix/
    #[arg(long)]
    tables: Url,
    /// A table, as NAME, or as NAME:COLUMN where it is partitioned by an integer column.
    #[arg(long = "table", required = true)]
    names: Vec<String>,
    /// The statement.
    statement: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let bucket = arguments.tables.host_str().context("--tables names no bucket")?;
    let store = AmazonS3Builder::from_env()
        .with_endpoint(&arguments.endpoint)
        .with_bucket_name(bucket)
        .with_allow_http(true)
        .with_virtual_hosted_style_request(false)
        .build()?;
    let session = SessionContext::new();
    session.register_object_store(&arguments.tables, Arc::new(store));
    for name in &arguments.names {
        let (name, partition) =
            name.split_once(':').map_or((name.as_str(), None), |(name, column)| (name, Some(column)));
        let columns = partition.map(|column| (column.to_owned(), DataType::Int64)).into_iter().collect();
        let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
            .with_file_extension(".parquet")
            .with_table_partition_cols(columns);
        let folder = arguments.tables.join(&format!("{name}/"))?;
        session.register_listing_table(name, folder, options, None, None).await?;
    }
    let rows = session.sql(&arguments.statement).await?.collect().await?;
    let mut writer = Writer::new(stdout());
    for batch in &rows {
        writer.write(batch)?;
    }
    Ok(())
}
