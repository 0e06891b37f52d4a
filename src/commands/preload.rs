//! `larder preload` and `larder drop`: ask the running daemon.

use std::collections::HashSet;
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
        // Whoever asks by hand has weighed the wear.
        written_bytes_per_day: None,
    };
    let run = daemon.start_preload(&request).await?;
    let status = watch(&daemon, run).await?;
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
    let (mut items, mut seen) = (Vec::new(), HashSet::new());
    for name in named {
        let matches =
            |item: &&WhitelistItem| item.item == *name || (name.partition.is_empty() && item.item.table == name.table);
        if !whitelist.items.iter().any(|item| matches(&item)) {
            bail!(
                "`{name}` is not on the whitelist (version {}); `larder whitelist explain {name}` says why",
                whitelist.version
            );
        }
        for item in whitelist.items.iter().filter(matches) {
            // A table and one of its partitions may both be named.
            if seen.insert(&item.item) {
                items.push(item);
            }
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

async fn watch(daemon: &Admin, run: u64) -> Result<PreloadStatus> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = "preload [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        let status = daemon.preload_status().await?;
        if status.run != run {
            bar.finish_and_clear();
            bail!("another preload has taken the place of this one");
        }
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

fn state(state: PreloadState) -> &'static str {
    match state {
        PreloadState::Waiting => "waiting",
        PreloadState::Loading => "loading",
        PreloadState::Done => "done",
        PreloadState::Failed => "failed",
        PreloadState::LeftOut => "left out",
    }
}

fn print(status: &PreloadStatus) {
    let rows = status.items.iter().map(|item| {
        vec![
            item.item.to_string(),
            state(item.state).to_owned(),
            table::size(item.bytes),
            table::size(item.bytes_loaded),
            table::size(item.bytes_resident),
            item.why.as_ref().map(ToString::to_string).unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use larder_model::{IoSpeed, whitelist};

    use super::*;

    fn listed(names: &[&str]) -> Whitelist {
        let item = |name: &&str| WhitelistItem {
            item: name.parse().expect("an item"),
            locations: Vec::new(),
            bytes: 1,
            objects: 1,
            value_seconds: 1.0,
            reason: String::new(),
        };
        Whitelist {
            format: whitelist::FORMAT,
            version: 7,
            created: Default::default(),
            night: Default::default(),
            budget_bytes: 10,
            horizon_days: 30,
            cut_density: 0.0,
            origin: IoSpeed { overhead_seconds: 0.0, bytes_per_second: 1.0 },
            ssd: IoSpeed { overhead_seconds: 0.0, bytes_per_second: 1.0 },
            reason: String::new(),
            cause: None,
            columns: Default::default(),
            items: names.iter().map(item).collect(),
        }
    }

    #[test]
    fn a_table_names_its_partitions_and_each_item_comes_once() {
        let whitelist = listed(&["c.s.t/d=1", "c.s.t/d=2", "c.s.u"]);
        let chosen_names = |named: &[&str]| -> Vec<String> {
            let named: Vec<ItemName> = named.iter().map(|name| name.parse().expect("an item")).collect();
            chosen(&whitelist, &named).expect("items").iter().map(|item| item.item.to_string()).collect()
        };
        assert_eq!(chosen_names(&[]).len(), 3);
        assert_eq!(chosen_names(&["c.s.t/d=2", "c.s.t"]), ["c.s.t/d=2", "c.s.t/d=1"]);
        let absent = chosen(&whitelist, &["c.s.t/d=3".parse().expect("an item")]).expect_err("not there").to_string();
        assert!(absent.contains("`c.s.t/d=3`") && absent.contains("version 7"), "{absent}");
    }
}
