//! Emptying and filling the daemon's tiers between measurements, over its admin API as anybody would.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use larder_model::Location;
use larder_model::admin::{DropRequest, PreloadItem, PreloadRequest, PreloadState, PreloadStatus};

use super::daemon::BUCKET;
use super::lake::SCHEMA;
use crate::admin::Admin;

/// How often a preload is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A preload that takes longer has failed.
const PRELOAD_MAX: Duration = Duration::from_secs(600);

/// Drops all that the daemon holds and knows of the lake: blocks, metadata, listings.
pub(crate) async fn empty(admin: &Admin) -> Result<()> {
    let location = Location { bucket: BUCKET.to_owned(), prefix: format!("{SCHEMA}/") };
    admin.drop_locations(&DropRequest { locations: vec![location] }).await?;
    Ok(())
}

/// Preloads all that the whitelist in force names, and waits until it is there.
pub(crate) async fn preload(admin: &Admin) -> Result<()> {
    let whitelist = admin.whitelist().await?;
    let items = whitelist.items.into_iter();
    admin
        .start_preload(&PreloadRequest {
            version: whitelist.version,
            items: items.map(|item| PreloadItem { item: item.item, locations: item.locations }).collect(),
            rate_bytes_per_second: None,
            window_seconds: None,
            written_bytes_per_day: None,
        })
        .await?;
    let status = tokio::time::timeout(PRELOAD_MAX, ended(admin)).await.context("the preload does not end")??;
    if let Some(item) = status.items.iter().find(|item| item.state != PreloadState::Done) {
        bail!("{} is not preloaded: {}", item.item, item.why.as_ref().map_or("no reason was given", |why| &why.words));
    }
    Ok(())
}

async fn ended(admin: &Admin) -> Result<PreloadStatus> {
    loop {
        let status = admin.preload_status().await?;
        if !status.running {
            return Ok(status);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
