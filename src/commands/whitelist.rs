//! `larder whitelist ...`: works on the store directly, with or without a daemon.

use anyhow::{Context as _, Result, bail};
use larder_model::{ItemName, Whitelist};
use larder_planner_hook::{SnippetEngine, SnippetParts};
use larder_whitelist::explain::{Explanation, ItemExplanation};
use larder_whitelist::people::{self, Actor};
use larder_whitelist::publish;
use larder_whitelist::store::{VersionRow, VersionStatus};
use larder_whitelist::{RulingKind, Store};

use super::nightly::{self, Shown};
use super::{Context, table, user};
use crate::cli::{DecideArgs, Engine, WhitelistCommand};
use crate::config::Config;

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
        WhitelistCommand::History { json } => {
            history(&store.versions(HISTORY_MAX).await?, store.version_in_force().await?, json)?;
        }
        WhitelistCommand::Explain { item, json } => explain(&store, &item, json).await?,
        WhitelistCommand::Plan { date, json } => {
            let origins = Context::origins(&config)?;
            let metastore = Context::metastore(&config, &origins);
            let night = crate::serve::night(&config, &store, &origins, &clock, None, metastore)?;
            let shown = Shown::new();
            let planned = night.plan(date, &user(), &|progress| shown.show(progress)).await;
            shown.clear();
            let (proposal, report) = planned?;
            if json {
                return table::json(&proposal);
            }
            nightly::print(&report)?;
            let (from, to) = (store.version_in_force().await?.unwrap_or(0), proposal.version);
            table::say(format!("\n  larder whitelist diff {from} {to}\n  larder whitelist approve {to}"));
        }
        WhitelistCommand::Approve { version, reason } => {
            let published = people::approve(&store, &*clock, Actor { who: &user(), because: &reason }, version).await?;
            in_force(&published);
            Context::share(&config, &store).await?;
        }
        WhitelistCommand::Rollback { version, reason } => {
            let published =
                people::rollback(&store, &*clock, Actor { who: &user(), because: &reason }, version).await?;
            in_force(&published);
            Context::share(&config, &store).await?;
        }
        WhitelistCommand::Snippet { engine } => {
            print_snippet(&config, store.whitelist_in_force().await?.as_ref(), engine);
        }
        WhitelistCommand::Pin(args) => decide(&store, RulingKind::Pin, args).await?,
        WhitelistCommand::Deny(args) => decide(&store, RulingKind::Deny, args).await?,
    }
    Ok(())
}

fn print_snippet(config: &Config, whitelist: Option<&Whitelist>, engine: Engine) {
    let engine = match engine {
        Engine::Trino => SnippetEngine::Trino,
        Engine::Spark => SnippetEngine::Spark,
        Engine::Duckdb => SnippetEngine::DuckDb,
    };
    let key = config.hook.key.clone().or_else(|| config.s3.keys.first().map(|key| key.id.clone()));
    let parts = SnippetParts {
        endpoint: crate::hook::endpoint(config, config.s3.listen),
        admin: format!("http://{}", config.admin.listen),
        key: key.unwrap_or_else(|| "the key".to_owned()),
        buckets: config.buckets.iter().map(|bucket| (bucket.name.clone(), bucket.origin.clone())).collect(),
        mapping_file: config.hook.mapping_file.clone(),
        whitelist,
    };
    table::say(larder_planner_hook::snippet(engine, &parts).trim_end());
}

fn in_force(published: &Whitelist) {
    table::say(format!("version {} is in force: {}", published.version, published.reason));
    table::say("the next night drops what left and preloads what came; `larder preload` preloads it now");
}

async fn version_or_in_force(store: &Store, version: Option<u64>) -> Result<Whitelist> {
    match version {
        Some(version) => {
            let absent = || format!("there is no version {version}, or its items were let go");
            store.whitelist(version).await?.with_context(absent)
        }
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
    for (name, held) in &whitelist.columns {
        table::say(format!(
            "of {name} {} columns, {:.0}% of its bytes, {:.0}% of its value: {}",
            held.columns.len(),
            held.byte_share * 100.0,
            held.value_share * 100.0,
            held.columns.join(", ")
        ));
    }
    if !whitelist.columns.is_empty() {
        table::say("");
    }
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
        Some(version) => Some(version),
        None => store.published_before(to.version).await?,
    };
    // Zero is the empty whitelist before the first version.
    let from = match from {
        None | Some(0) => None,
        from => Some(version_or_in_force(store, from).await?),
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

fn history(versions: &[VersionRow], in_force: Option<u64>, json: bool) -> Result<()> {
    if json {
        return table::json(&versions);
    }
    let rows = versions.iter().map(|row| {
        vec![
            row.version.to_string(),
            match row.status {
                VersionStatus::Published if in_force == Some(row.version) => "in force",
                VersionStatus::Published => "published",
                VersionStatus::Proposed if in_force.is_some_and(|in_force| in_force > row.version) => "overtaken",
                VersionStatus::Proposed => "proposed",
            }
            .to_owned(),
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
    let explanation = larder_whitelist::explain::explain(store, in_force.as_ref(), item).await?;
    if explanation.items.is_empty() {
        bail!("`{item}` is not known: no night has seen reads of it, nor objects of it in any bucket");
    }
    if json {
        return table::json(&explanation);
    }
    print_explanation(&explanation);
    Ok(())
}

fn print_explanation(explanation: &Explanation) {
    table::say(format!("version {}: {}", explanation.version, explanation.version_reason));
    if let Some(choice) = &explanation.choice {
        table::say(format!(
            "the last choice: {} of {}; cut at {}, rank {} of {}",
            table::size(choice.taken_bytes),
            table::size(choice.budget_bytes),
            table::density(choice.cut_density),
            choice.cut_rank,
            choice.candidates
        ));
    }
    table::say("");
    if let [item] = explanation.items.as_slice() {
        return print_item(item);
    }
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
}

/// One item in every figure.
fn print_item(item: &ItemExplanation) {
    table::say(format!("{} is {}: {}", item.item, if item.whitelisted { "in" } else { "out" }, item.reason));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, figure: String, words: &str| {
        rows.push(vec![format!("  {name}"), figure, words.to_owned()]);
    };
    if let Some(verdict) = &item.verdict {
        row("size", table::size(verdict.bytes), &format!("{} objects", verdict.objects));
        row("queries", verdict.queries.to_string(), "that named it over the history");
        for factor in &verdict.factors {
            let figure = match factor.unit.as_str() {
                "bytes" => table::size(factor.value as u64),
                "seconds" => table::seconds(factor.value),
                _ => format!("{:.3}", factor.value).trim_end_matches('0').trim_end_matches('.').to_owned(),
            };
            row(&factor.name, figure, &factor.words);
        }
        row("value", table::seconds(verdict.value_seconds), "what holding it saves");
        let paid = if verdict.held { "not charged: it is held" } else { "what loading it costs" };
        row("loading", table::seconds(verdict.load_seconds), paid);
        let gain = verdict.value_seconds - if verdict.held { 0.0 } else { verdict.load_seconds };
        row("density", table::density(gain / verdict.bytes.max(1) as f64), "what each GiB of it gains");
        row("rank", verdict.rank.to_string(), "by density");
    }
    if let Some(ruling) = &item.ruling {
        row("decided", ruling.kind.as_str().to_owned(), &format!("by {}: {}", ruling.by, ruling.because));
    }
    table::print(&["", ">", ""], rows);
    for change in &item.changes {
        table::say(format!("  {}", change.words));
    }
    if item.days.is_empty() {
        return;
    }
    table::say("");
    let days = item.days.iter().map(|day| {
        let seconds = [day.predicted_seconds, day.read_seconds, day.realised_seconds].map(table::seconds);
        [vec![format!("  {}", day.day)], seconds.to_vec()].concat()
    });
    table::print(&["  DAY", ">PREDICTED", ">READ", ">SAVED"], days);
}

async fn decide(store: &Store, kind: RulingKind, args: DecideArgs) -> Result<()> {
    let word = match kind {
        RulingKind::Pin => "pinned",
        RulingKind::Deny => "denied",
    };
    let (clock, who) = (Context::clock(), user());
    let actor = Actor { who: &who, because: &args.reason };
    let item = args.item;
    if args.remove {
        if !people::undecide(store, &*clock, actor, &item).await? {
            bail!("nothing was decided about `{item}`");
        }
        table::say(format!("`{item}` is no longer {word}; the next night decides by value"));
        return Ok(());
    }
    people::decide(store, &*clock, actor, item.clone(), kind).await?;
    table::say(format!("`{item}` is {word} from the next night on"));
    Ok(())
}
