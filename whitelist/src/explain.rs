//! Explaining: why an item is in or out, in every figure, and what would change it.
//!
//! The figures are those of the last choice, as it was made; what would change a verdict is found by choosing again among
//! the same candidates ([`crate::choice::change`]).

use std::collections::{HashMap, HashSet};

use larder_model::{ItemName, Said, Whitelist, WhitelistItem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::choice::{Change, Fate, Ranking, Ruling};
use crate::realised::ItemDay;
use crate::store::decisions::Rulings;
use crate::store::{CandidateRow, LastChoice, Store, StoreError, VersionStatus};

/// Why an item, or each item of a table, is in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The name that was asked for.
    pub asked: ItemName,
    /// The version in force; zero for none.
    pub version: u64,
    /// Why that version exists.
    pub version_reason: String,
    /// What the last choice came to; `None` before the first night.
    pub choice: Option<ChoiceFigures>,
    /// The item; or, for a table with partitions, each of them, the densest first.
    pub items: Vec<ItemExplanation>,
}

/// What the last choice came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChoiceFigures {
    /// The version that came of it, or that it left in force.
    pub version: u64,
    /// The bytes that items might take together.
    pub budget_bytes: u64,
    /// The bytes that they took.
    pub taken_bytes: u64,
    /// The price of space, in seconds per byte.
    pub cut_density: f64,
    /// How many items were weighed.
    pub candidates: u64,
    /// The place by density of the last item that its value brought in; zero when there was none.
    pub cut_rank: u64,
}

/// Why one item is in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemExplanation {
    /// The item.
    pub item: ItemName,
    /// Whether the version in force holds it.
    pub whitelisted: bool,
    /// Why, in words: from the version in force where that holds it, else from the last night's verdict.
    pub reason: String,
    /// What the last night weighed, and how it decided.
    pub verdict: Option<CandidateRow>,
    /// What became of it when the last choice is made again; `None` beyond the densest few of a table with many partitions.
    #[serde(default)]
    pub fate: Option<Fate>,
    /// What would change that, everything else being as it was. Of a table with many partitions, for the densest only:
    /// ask for the item itself.
    pub changes: Vec<Said<Change>>,
    /// What it was expected to save on the last days that it was whitelisted, and what it saved, the newest first; at most
    /// 7. Of a table with many partitions, for the densest only.
    #[serde(default)]
    pub days: Vec<ItemDay>,
    /// What people decided by now; the next night obeys it.
    pub ruling: Option<Ruling>,
}

/// Items of one table that are explained at once.
const EXPLAINED_MAX: u32 = 10_000;

/// Items whose changes are looked for at once: each means choosing again some dozens of times.
const CHANGES_MAX: usize = 10;

/// Days of an item that are shown.
const DAYS_MAX: u32 = 7;

/// Items whose days are looked up at once.
const DAYS_OF_MAX: usize = 10;

/// Why an item, or each item of a table, is in or out of the whitelist `in_force`.
pub async fn explain(store: &Store, in_force: Option<&Whitelist>, asked: &ItemName) -> Result<Explanation, StoreError> {
    let is_item = |item: &ItemName| item == asked || (asked.partition.is_empty() && item.table == asked.table);
    let verdicts = if asked.partition.is_empty() {
        store.candidates_of(&asked.table, EXPLAINED_MAX).await?
    } else {
        store.candidate(asked).await?.into_iter().collect()
    };
    let held: HashMap<&ItemName, &WhitelistItem> = in_force
        .iter()
        .flat_map(|whitelist| &whitelist.items)
        .filter(|item| is_item(&item.item))
        .map(|item| (&item.item, item))
        .collect();
    let version = in_force.map_or(0, |whitelist| whitelist.version);
    let rulings = Rulings::new(store.decisions().await?);
    let last = store.last_choice().await?;
    let waits = match &last {
        Some(last) => store.version(last.version).await?.is_some_and(|row| row.status == VersionStatus::Proposed),
        None => false,
    };
    let names = verdicts.iter().take(CHANGES_MAX).map(|row| row.item.clone()).collect();
    let (choice, mut again) = match last {
        Some(last) if !verdicts.is_empty() => choose_again(store, last, names).await?,
        _ => (None, HashMap::new()),
    };
    let mut items: Vec<ItemExplanation> = Vec::with_capacity(verdicts.len());
    for verdict in verdicts {
        let held = held.get(&verdict.item);
        let reason = match (held, verdict.taken, &choice) {
            (Some(held), _, _) => held.reason.clone(),
            (None, false, _) => verdict.reason.clone(),
            (None, true, Some(choice)) if waits => {
                format!("version {} proposes it ({}), and waits to be approved", choice.version, verdict.reason)
            }
            (None, true, _) => {
                format!("the last night chose it ({}), but version {version} does not hold it", verdict.reason)
            }
        };
        let (fate, changes) =
            again.remove(&verdict.item).map_or((None, Vec::new()), |(fate, changes)| (Some(fate), changes));
        items.push(ItemExplanation {
            item: verdict.item.clone(),
            whitelisted: held.is_some(),
            reason,
            ruling: rulings.of(&verdict.item).cloned(),
            fate,
            changes,
            days: Vec::new(),
            verdict: Some(verdict),
        });
    }
    let explained: HashSet<ItemName> = items.iter().map(|known| known.item.clone()).collect();
    for (name, held) in held {
        if !explained.contains(name) && items.len() < EXPLAINED_MAX as usize {
            let (item, reason, ruling) = (name.clone(), held.reason.clone(), rulings.of(name).cloned());
            items.push(ItemExplanation {
                item,
                whitelisted: true,
                reason,
                verdict: None,
                fate: None,
                changes: Vec::new(),
                days: Vec::new(),
                ruling,
            });
        }
    }
    for explained in items.iter_mut().take(DAYS_OF_MAX) {
        explained.days = store.realised_of(&explained.item, DAYS_MAX).await?;
    }
    Ok(Explanation {
        asked: asked.clone(),
        version,
        version_reason: in_force.map(|whitelist| whitelist.reason.clone()).unwrap_or_default(),
        choice,
        items,
    })
}

/// Makes the last choice again: what becomes of some items, and what would change that.
async fn choose_again(
    store: &Store,
    last: LastChoice,
    asked: HashSet<ItemName>,
) -> Result<(Option<ChoiceFigures>, HashMap<ItemName, (Fate, Vec<Said<Change>>)>), StoreError> {
    let candidates = store.weighed().await?;
    // A million candidates take seconds: not on the threads that serve reads.
    let chosen = tokio::task::spawn_blocking(move || {
        let ranking = Ranking::with_caps(&candidates, &last.caps);
        let choice = ranking.choose(last.budget_bytes);
        let wanted = candidates.iter().enumerate().filter(|(_, candidate)| asked.contains(&candidate.item));
        let changes = wanted.map(|(at, candidate)| {
            let changes = ranking.changes(at, last.budget_bytes);
            let fate = Fate::of(choice.verdicts[at].outcome, &last.caps);
            (candidate.item.clone(), (fate, changes.into_iter().map(Said::from).collect()))
        });
        let figures = ChoiceFigures {
            version: last.version,
            budget_bytes: last.budget_bytes,
            taken_bytes: choice.taken_bytes,
            cut_density: last.cut_density,
            candidates: candidates.len() as u64,
            cut_rank: choice.last_taken_rank() as u64,
        };
        (Some(figures), changes.collect())
    });
    Ok(chosen.await.expect("choosing does not panic"))
}
