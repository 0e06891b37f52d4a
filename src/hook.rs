//! Routing at planning time, wired: the mapping that Trino polls follows the whitelist, in memory and in a file.
//!
//! Trino fails every query of a catalog whose mapping it cannot refresh, so the file is what it should read: it is there
//! whatever happens to Larder, and [`guard`] makes it say "straight to the storage" as soon as Larder is gone.

pub(crate) mod file;
pub(crate) mod guard;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use larder_cached::{BucketSettings, KeySettings};
use larder_model::{Location, Whitelist};
use larder_planner_hook::{InForce, Mapping, MappingOptions, Mappings};
use larder_whitelist::Store;
use larder_whitelist::store::CatalogItem;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Whether a bucket can be in Trino's mapping, for this key; the error says in words why not.
pub(crate) fn mappable(bucket: &BucketSettings, key: &KeySettings) -> Result<(), String> {
    larder_planner_hook::mappable(&bucket.name, &bucket.origin)?;
    if key.buckets.iter().any(|opened| opened == "*" || *opened == bucket.name) {
        return Ok(());
    }
    Err(format!("Trino's mapping leaves bucket `{}` out: key `{}` does not open it", bucket.name, key.id))
}

/// The S3 endpoint's URL, as engines reach it.
pub(crate) fn endpoint(config: &Config, s3: SocketAddr) -> String {
    config.hook.endpoint.clone().unwrap_or_else(|| {
        let scheme = if config.s3.tls.is_some() { "https" } else { "http" };
        // Who listens everywhere is reached on the same machine.
        let host = if s3.ip().is_unspecified() { "127.0.0.1".to_owned() } else { s3.ip().to_string() };
        let host = if s3.is_ipv6() && host.contains(':') { format!("[{host}]") } else { host };
        format!("{scheme}://{host}:{}", s3.port())
    })
}

/// The mappings of a configuration, with nothing in force yet.
pub(crate) fn mappings(config: &Config, endpoint: &str) -> Result<Mappings> {
    let Some(key) = config.s3.keys.iter().find(|key| Some(&key.id) == config.hook.key.as_ref()) else {
        return Ok(Mappings::new(None, Default::default(), None));
    };
    let options = MappingOptions {
        endpoint: endpoint.to_owned(),
        access_key: key.id.clone(),
        secret_key: key.read_secret()?,
        entries_max: config.hook.mapping_entries_max,
    };
    let buckets = config.buckets.iter().filter(|bucket| mappable(bucket, key).is_ok());
    let buckets = buckets.map(|bucket| bucket.name.clone()).collect();
    Ok(Mappings::new(Some(options), buckets, config.hook.token.clone()))
}

/// Keeps the mappings up to date with the whitelist until `stop`, and leaves the default entry behind.
pub(crate) async fn follow(
    mappings: Mappings,
    store: Store,
    mut whitelist: watch::Receiver<Option<Arc<Whitelist>>>,
    stop: CancellationToken,
) {
    if mappings.are_configured() {
        whitelist.mark_changed();
        while let Some(Ok(())) = stop.run_until_cancelled(whitelist.changed()).await {
            let newest = whitelist.borrow_and_update().clone();
            if let Some(newest) = newest {
                publish(&mappings, &store, newest).await;
            }
        }
        stop.cancelled().await;
    }
    // From the first sign of the end on: what was planned before has the grace period.
    mappings.withdraw();
}

async fn publish(mappings: &Mappings, store: &Store, whitelist: Arc<Whitelist>) {
    let known = store.catalog().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "whole tables stand partition by partition in Trino's mapping");
        Vec::new()
    });
    let folders = |item: CatalogItem| {
        let bucket = item.bucket;
        item.prefixes.into_iter().map(move |prefix| Location { bucket: bucket.clone(), prefix })
    };
    let publishing = mappings.clone();
    // On a thread of its own: a large whitelist takes some time to render.
    let rendered = tokio::task::spawn_blocking(move || {
        let known: Vec<Location> = known.into_iter().flat_map(folders).collect();
        publishing.publish(&whitelist, &known);
    });
    if rendered.await.is_err() {
        tracing::error!("Trino's mapping could not be made: the one before stays in force");
        return;
    }
    let in_force = mappings.subscribe().borrow().clone();
    let InForce { version, mapping: Mapping { prefixes, left_out, .. } } = in_force;
    if left_out > 0 {
        tracing::warn!(version, left_out, "Trino's mapping is at `mapping_entries_max`: the rest is read direct");
    }
    tracing::info!(version, prefixes, "Trino's mapping is in force");
}
