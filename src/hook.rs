//! Routing at planning time, wired: the mapping that Trino polls follows the whitelist, in memory and in a file.
//!
//! Trino fails every query of a catalog whose mapping it cannot refresh, so the file is what it should read: it is there
//! whatever happens to Larder, and [`guard`] makes it say "straight to the storage" as soon as Larder is gone.

pub(crate) mod file;
pub(crate) mod guard;
pub(crate) mod probe;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use larder_cached::{BucketSettings, KeySettings};
use larder_model::{Location, Whitelist};
use larder_planner_hook::iceberg::IcebergProxy;
use larder_planner_hook::{InForce, Mapping, MappingOptions, Mappings, ResolveState, S3Access};
use larder_whitelist::Store;
use larder_whitelist::store::CatalogItem;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Whether engines can read a bucket through Larder with this key by the storage's own URLs, as Trino's mapping and the
/// Iceberg proxy want it; the error says in words why not.
pub(crate) fn keeps_urls(bucket: &BucketSettings, key: &KeySettings) -> Result<(), String> {
    larder_planner_hook::keeps_urls(&bucket.name, &bucket.origin)?;
    if opens(key, bucket) {
        return Ok(());
    }
    Err(format!("bucket `{}`: key `{}` does not open it", bucket.name, key.id))
}

fn opens(key: &KeySettings, bucket: &BucketSettings) -> bool {
    key.buckets.iter().any(|opened| opened == "*" || *opened == bucket.name)
}

/// What engines are told, and the buckets for which they are told it; `None` where there is no key to tell.
fn told(config: &Config, endpoint: &str) -> Result<Option<(S3Access, HashSet<String>)>> {
    let Some(key) = config.s3.keys.iter().find(|key| Some(&key.id) == config.hook.key.as_ref()) else {
        return Ok(None);
    };
    let access = S3Access { endpoint: endpoint.to_owned(), key: key.id.clone(), secret: key.read_secret()? };
    let buckets = config.buckets.iter().filter(|bucket| keeps_urls(bucket, key).is_ok());
    Ok(Some((access, buckets.map(|bucket| bucket.name.clone()).collect())))
}

/// The S3 endpoint's URL, as engines reach it.
pub(crate) fn endpoint(config: &Config, s3: SocketAddr) -> String {
    config.hook.endpoint.clone().unwrap_or_else(|| own_url(s3, config.s3.tls.is_some()))
}

/// The S3 endpoint's URL, as it is reached from here.
pub(crate) fn own_url(s3: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    // Who listens everywhere is reached on the same machine.
    let host = if s3.ip().is_unspecified() { "127.0.0.1".to_owned() } else { s3.ip().to_string() };
    let host = if s3.is_ipv6() && host.contains(':') { format!("[{host}]") } else { host };
    format!("{scheme}://{host}:{}", s3.port())
}

/// The mappings of a configuration, with nothing in force yet.
pub(crate) fn mappings(config: &Config, endpoint: &str) -> Result<Mappings> {
    let Some((access, buckets)) = told(config, endpoint)? else {
        return Ok(Mappings::new(None, HashSet::new(), None));
    };
    let options = MappingOptions { access, entries_max: config.hook.mapping_entries_max };
    Ok(Mappings::new(Some(options), buckets, config.hook.token.clone()))
}

/// The proxy in front of the Iceberg catalog of a configuration.
pub(crate) fn iceberg(
    config: &Config,
    endpoint: &str,
    resolve: ResolveState,
    stop: CancellationToken,
) -> Result<IcebergProxy> {
    let (access, buckets) = told(config, endpoint)?.context("[iceberg] wants a `key` in [hook]")?;
    let opens_all = |key: &&KeySettings| {
        config.buckets.iter().filter(|bucket| buckets.contains(&bucket.name)).all(|bucket| opens(key, bucket))
    };
    let known_keys: Vec<String> = config.s3.keys.iter().filter(opens_all).map(|key| key.id.clone()).collect();
    Ok(IcebergProxy::new(&config.iceberg, resolve, access, buckets, known_keys, stop)?)
}

/// Keeps the mappings up to date with the whitelist until `stop`, and leaves the default entry behind. While the cache is not
/// healthy there is only that.
pub(crate) async fn follow(
    mappings: Mappings,
    store: Store,
    mut whitelist: watch::Receiver<Option<Arc<Whitelist>>>,
    mut healthy: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    if mappings.are_configured() {
        whitelist.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Ok(()) = whitelist.changed() => {}
                Ok(()) = healthy.changed() => {}
                else => stop.cancelled().await,
            }
            let newest = whitelist.borrow_and_update().clone();
            let is_healthy = *healthy.borrow_and_update();
            match newest {
                Some(newest) if is_healthy => publish(&mappings, &store, newest).await,
                Some(_) | None => mappings.withdraw(),
            }
        }
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
