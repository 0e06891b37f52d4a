//! How long it takes to find the item of the whitelist that a key belongs to.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use clap::Args;
use larder_model::whitelist::ITEMS_MAX;
use larder_model::{IoSpeed, Location, LocationIndex, Whitelist, WhitelistItem};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::record::{median, show};

/// Measures lookups of keys in whitelists of 100,000 and 1,000,000 items.
#[derive(Args)]
pub(crate) struct Settings {
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Write the result to bench/RESULTS.md.
    #[arg(long)]
    record: bool,
}

const ITEMS: [usize; 2] = [100_000, ITEMS_MAX];
/// Partitions of each table.
const PARTITIONS: usize = 100;
/// Lookups of a round: of distinct keys in random order, so that hardly any finds its place in the processor's caches.
const LOOKUPS: usize = 200_000;
/// What a lookup among 100,000 items may take.
const NANOSECONDS_MAX: f64 = 1000.0;

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut text = String::from(
        "| items | key on the list | key in no item | made once, for each whitelist |\n| ---: | ---: | ---: | ---: |\n",
    );
    let mut slowest = Vec::new();
    for items in ITEMS {
        let whitelist = whitelist(items)?;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let began = Instant::now();
        let index = LocationIndex::new(&whitelist);
        let made = began.elapsed().as_secs_f64();
        let mut on_it: Vec<String> = (0..items).map(|item| format!("{}part-0.parquet", folder(item))).collect();
        on_it.shuffle(&mut rng);
        on_it.truncate(LOOKUPS);
        let absent: Vec<String> =
            (0..LOOKUPS).map(|_| format!("{}part-0.parquet", folder(items + rng.random_range(0..items)))).collect();
        let measure = |keys: &[String], found: bool| {
            let round = || {
                let began = Instant::now();
                let hits = keys.iter().filter(|key| black_box(index.find("lake", key)).is_some()).count();
                assert_eq!(hits, if found { keys.len() } else { 0 });
                began.elapsed().as_secs_f64() * 1e9 / keys.len() as f64
            };
            median((0..settings.rounds).map(|_| round()).collect())
        };
        let (hit, miss) = (measure(&on_it, true), measure(&absent, false));
        slowest.push(hit.max(miss));
        writeln!(text, "| {items} | {hit:.0} ns | {miss:.0} ns | {:.0} ms |", made * 1e3)?;
    }
    let verdict = if slowest[0] <= NANOSECONDS_MAX { "reached" } else { "**missed**" };
    writeln!(text, "\n- To reach: a lookup among 100,000 items in {NANOSECONDS_MAX} ns: {verdict}")?;
    let how = format!(
        "{LOOKUPS} keys of two folders below the table's, in random order; medians of {} rounds",
        settings.rounds
    );
    show(&text, "lookups", "## Lookups in the whitelist", settings.record.then_some(how.as_str()))
}

fn folder(item: usize) -> String {
    format!("warehouse/bench.db/table_{}/dt={:04}/", item / PARTITIONS, item % PARTITIONS)
}

fn whitelist(items: usize) -> anyhow::Result<Whitelist> {
    let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
    let item = |item: usize| -> anyhow::Result<WhitelistItem> {
        let name = format!("lake.bench.table_{}/dt={:04}", item / PARTITIONS, item % PARTITIONS);
        Ok(WhitelistItem {
            item: name.parse()?,
            locations: vec![Location { bucket: "lake".to_owned(), prefix: folder(item) }],
            bytes: 1 << 20,
            objects: 1,
            value_seconds: 1.0,
            reason: String::new(),
        })
    };
    Ok(Whitelist {
        format: larder_model::whitelist::FORMAT,
        version: 1,
        created: Default::default(),
        night: Default::default(),
        horizon_days: 7,
        budget_bytes: u64::MAX,
        cut_density: 0.0,
        origin: speed,
        ssd: speed,
        reason: String::new(),
        cause: None,
        columns: Default::default(),
        items: (0..items).map(item).collect::<anyhow::Result<_>>()?,
    })
}
