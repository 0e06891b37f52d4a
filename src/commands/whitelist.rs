//! `larder whitelist ...`: works on the store directly, with or without a daemon.

use anyhow::{Context as _, Result, bail};
use larder_model::{ItemName, Whitelist};
use larder_whitelist::publish;
use larder_whitelist::store::{Decision, VersionRow};
use larder_whitelist::{Ruling, RulingKind, Store};

use super::nightly::{self, Shown};
use super::{Context, table, user};
use crate::cli::{DecideArgs, WhitelistCommand};

/// Versions that `history` shows.
const HISTORY_MAX: u32 = 100;

pub(super) async fn run(context: &Context, command: WhitelistCommand) -> Result<()> {
    let (config, store) = context.store().await?;
    let clock = Context::clock();
    match command {
        WhitelistCommand::Show { version, json } => {
            let whitelist = version_or_in_force(&store, version).await?;
            if json {
                return table::json(&whitelist);
            }
            show(&whitelist);
        }
        WhitelistCommand::Diff { from, to, json } => diff(&store, from, to, json).await?,
        WhitelistCommand::History { json } => history(&store.versions(HISTORY_MAX).await?, json)?,
        WhitelistCommand::Explain { item, json } => explain(&store, &item, json).await?,
        WhitelistCommand::Plan { date, json } => {
            let origins = Context::origins(&config)?;
            let night = crate::serve::night(&config, &store, &origins, &clock, None);
            let shown = Shown::new();
            let planned = night.plan(date, &user(), &|progress| shown.show(progress)).await;
            shown.clear();
            let (proposal, report) = planned?;
            if json {
                return table::json(&proposal);
            }
            nightly::print(&report)?;
            table::say(format!("\n  larder whitelist approve {}", proposal.version));
        }
        WhitelistCommand::Approve { version } => {
            let published = publish::approve(&store, &*clock, version, &user()).await?;
            table::say(format!("version {} is in force: {}", published.version, published.reason));
        }
        WhitelistCommand::Rollback { version } => {
            let published = publish::rollback(&store, &*clock, version, &user()).await?;
            table::say(format!("version {} is in force: {}", published.version, published.reason));
        }
        WhitelistCommand::Pin(args) => decide(&store, RulingKind::Pin, args).await?,
        WhitelistCommand::Deny(args) => decide(&store, RulingKind::Deny, args).await?,
    }
    Ok(())
}

async fn version_or_in_force(store: &Store, version: Option<u64>) -> Result<Whitelist> {
    match version {
        Some(version) => store.whitelist(version).await?.with_context(|| format!("there is no version {version}")),
        None => store.whitelist_in_force().await?.context("there is no whitelist yet: run `larder nightly`"),
    }
}

fn show(whitelist: &Whitelist) {
    table::say(format!(
        "version {} of {}: {}\n{} items, {} of {}; cut at {}\n",
        whitelist.version,
        whitelist.created.format("%Y-%m-%d %H:%M UTC"),
        whitelist.reason,
        whitelist.items.len(),
        table::size(whitelist.bytes()),
        table::size(whitelist.budget_bytes),
        table::density(whitelist.cut_density),
    ));
    let rows = whitelist.items.iter().map(|item| {
        vec![
            item.item.to_string(),
            table::size(item.bytes),
            table::seconds(item.value_seconds),
            table::density(item.density()),
            item.reason.clone(),
        ]
    });
    table::print(&["ITEM", ">SIZE", ">VALUE", ">DENSITY", "REASON"], rows);
}

async fn diff(store: &Store, from: Option<u64>, to: Option<u64>, json: bool) -> Result<()> {
    let to = version_or_in_force(store, to).await?;
    let from = match from {
        Some(version) => Some(version_or_in_force(store, Some(version)).await?),
        None if to.version > 1 => store.whitelist(to.version - 1).await?,
        None => None,
    };
    let diff = publish::diff(from.as_ref(), &to);
    if json {
        return table::json(&diff);
    }
    table::say(format!("version {} -> {}: {} items are the same", diff.from, diff.to, diff.unchanged));
    let signed = [("+", &diff.added), ("-", &diff.removed), ("~", &diff.changed)];
    let rows = signed.into_iter().flat_map(|(sign, items)| {
        items.iter().map(move |item| {
            let (size, value) = (table::size(item.bytes), table::seconds(item.value_seconds));
            vec![sign.to_owned(), item.item.to_string(), size, value, item.reason.clone()]
        })
    });
    table::print(&["", "ITEM", ">SIZE", ">VALUE", "REASON"], rows);
    Ok(())
}

fn history(versions: &[VersionRow], json: bool) -> Result<()> {
    if json {
        return table::json(&versions);
    }
    let rows = versions.iter().map(|row| {
        vec![
            row.version.to_string(),
            format!("{:?}", row.status).to_lowercase(),
            row.created.format("%Y-%m-%d %H:%M").to_string(),
            row.night.to_string(),
            row.items.to_string(),
            table::size(row.bytes),
            table::seconds(row.value_seconds),
            row.reason.clone(),
        ]
    });
    table::print(&[">VERSION", "STATUS", "CREATED (UTC)", "NIGHT", ">ITEMS", ">SIZE", ">VALUE", "REASON"], rows);
    Ok(())
}

async fn explain(store: &Store, item: &ItemName, json: bool) -> Result<()> {
    let in_force = store.whitelist_in_force().await?;
    let explanation = publish::explain(store, in_force.as_ref(), item).await?;
    if explanation.items.is_empty() {
        bail!("`{item}` is not known: no night has seen reads of it, nor objects of it in any bucket");
    }
    if json {
        return table::json(&explanation);
    }
    table::say(format!("version {}: {}\n", explanation.version, explanation.version_reason));
    let rows = explanation.items.iter().map(|item| {
        let figure = |figure: &dyn Fn(&larder_whitelist::store::CandidateRow) -> String| {
            item.verdict.as_ref().map(figure).unwrap_or_default()
        };
        vec![
            if item.whitelisted { "in" } else { "out" }.to_owned(),
            item.item.to_string(),
            figure(&|v| v.rank.to_string()),
            figure(&|v| table::size(v.bytes)),
            figure(&|v| v.reads.requests.to_string()),
            figure(&|v| table::size(v.reads.bytes)),
            figure(&|v| table::seconds(v.value_seconds)),
            item.reason.clone(),
        ]
    });
    table::print(&["", "ITEM", ">RANK", ">SIZE", ">READS", ">READ", ">VALUE", "WHY"], rows);
    Ok(())
}

async fn decide(store: &Store, kind: RulingKind, args: DecideArgs) -> Result<()> {
    let word = match kind {
        RulingKind::Pin => "pinned",
        RulingKind::Deny => "denied",
    };
    let item = args.item;
    if args.remove {
        if !store.undecide(&item).await? {
            bail!("nothing was decided about `{item}`");
        }
        table::say(format!("`{item}` is no longer {word}; the next night decides by value"));
        return Ok(());
    }
    let ruling = Ruling { kind, by: user(), because: args.reason };
    store.decide(&Decision { target: item.clone(), ruling, decided: Context::clock().now() }).await?;
    table::say(format!("`{item}` is {word} from the next night on"));
    Ok(())
}
