//! `larder preload` and `larder drop`: ask the running daemon.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use larder_model::admin::{DropRequest, PreloadItem, PreloadRequest, PreloadState, PreloadStatus};
use larder_model::{ItemName, Location, Whitelist, WhitelistItem};

use super::{Context, table};
use crate::admin::Admin;
use crate::cli::{DropArgs, PreloadArgs};

/// How often a preload is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn run(context: &Context, args: &PreloadArgs) -> Result<()> {
    let daemon = context.daemon()?;
    let whitelist = daemon.whitelist().await?;
    let items = chosen(&whitelist, &args.items)?;
    if args.dry_run {
        return dry_run(&daemon, &items, args.json).await;
    }
    let request = PreloadRequest {
        version: if args.items.is_empty() { whitelist.version } else { 0 },
        items: items
            .iter()
            .map(|item| PreloadItem { item: item.item.clone(), locations: item.locations.clone() })
            .collect(),
        rate_bytes_per_second: Some(context.config()?.nightly.rate.bytes_per_second()),
        window_seconds: None,
    };
    daemon.start_preload(&request).await?;
    let status = watch(&daemon).await?;
    if args.json {
        table::json(&status)?;
    } else {
        print(&status);
    }
    let failed = status.items.iter().filter(|item| item.state != PreloadState::Done).count();
    if failed > 0 {
        bail!("{failed} of {} items are not resident as a whole", status.items.len());
    }
    Ok(())
}

/// The items of the whitelist that are named: an item, or a table with all its partitions.
fn chosen<'a>(whitelist: &'a Whitelist, named: &[ItemName]) -> Result<Vec<&'a WhitelistItem>> {
    if named.is_empty() {
        return Ok(whitelist.items.iter().collect());
    }
    let mut items = Vec::new();
    for name in named {
        let matches =
            |item: &&WhitelistItem| item.item == *name || (name.partition.is_empty() && item.item.table == name.table);
        let before = items.len();
        items.extend(whitelist.items.iter().filter(matches));
        if items.len() == before {
            bail!(
                "`{name}` is not on the whitelist (version {}); `larder whitelist explain {name}` says why",
                whitelist.version
            );
        }
    }
    Ok(items)
}

async fn dry_run(daemon: &Admin, items: &[&WhitelistItem], json: bool) -> Result<()> {
    let mut residency = daemon.residency().await?.items;
    residency.retain(|resident| items.iter().any(|item| item.item == resident.item));
    if json {
        return table::json(&residency);
    }
    let rows = residency.iter().map(|item| {
        let left = item.bytes - item.resident_bytes.min(item.bytes);
        vec![item.item.to_string(), table::size(item.bytes), table::size(item.resident_bytes), table::size(left)]
    });
    table::print(&["ITEM", ">SIZE", ">RESIDENT", ">TO LOAD"], rows);
    Ok(())
}

async fn watch(daemon: &Admin) -> Result<PreloadStatus> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = "preload [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        let status = daemon.preload_status().await?;
        let done = status.items.iter().filter(|item| item.state == PreloadState::Done).count();
        bar.set_length(status.bytes_total);
        bar.set_position(status.bytes_loaded + status.bytes_resident);
        bar.set_message(format!("{done} of {} items", status.items.len()));
        if !status.running {
            bar.finish_and_clear();
            return Ok(status);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn print(status: &PreloadStatus) {
    let rows = status.items.iter().map(|item| {
        vec![
            item.item.to_string(),
            format!("{:?}", item.state).to_lowercase(),
            table::size(item.bytes),
            table::size(item.bytes_loaded),
            table::size(item.bytes_resident),
            item.message.clone().unwrap_or_default(),
        ]
    });
    table::print(&["ITEM", "STATE", ">SIZE", ">LOADED", ">WAS THERE", ""], rows);
    if let Some(stopped) = &status.stopped {
        table::say(format!("ended early: {stopped}"));
    }
}

pub(super) async fn drop_items(context: &Context, args: &DropArgs) -> Result<()> {
    let daemon = context.daemon()?;
    let mut locations = Vec::new();
    for what in &args.what {
        if let Some(path) = what.strip_prefix("s3://") {
            let (bucket, prefix) =
                path.split_once('/').with_context(|| format!("`{what}` has no folder: write s3://bucket/prefix/"))?;
            locations.push(Location { bucket: bucket.to_owned(), prefix: prefix.to_owned() });
        } else {
            let name: ItemName = what.parse()?;
            let whitelist = daemon.whitelist().await?;
            locations.extend(chosen(&whitelist, &[name])?.into_iter().flat_map(|item| item.locations.clone()));
        }
    }
    let report = daemon.drop_locations(&DropRequest { locations }).await?;
    if args.json {
        return table::json(&report);
    }
    table::say(format!(
        "dropped {} in {} blocks of {} objects",
        table::size(report.bytes),
        report.blocks,
        report.objects
    ));
    Ok(())
}
