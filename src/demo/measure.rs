//! The measurement at the end: each template on local files, direct, cold through the cache, and after a preload.
//!
//! All four are the same engine with the same settings and a session of its own per run. *Local* reads the lake's
//! files. *Direct* hands the simulated remote to the engine as its store, without HTTP or signatures: that favours
//! direct. *Cold* goes through Larder after everything under the lake was dropped: blocks, metadata and listings.
//! *Preloaded* goes through Larder after a preload of the whitelist in force. Templates that read what is not on it
//! show what a cold read costs then. Runs are interleaved, and every answer is compared with the local one.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::engine::Engine;
use super::figures::{hit_ratio, median};
use super::screen::Screen;
use super::templates::{Period, TEMPLATES, Template};
use super::tiers;
use crate::admin::Admin;

/// The engine over each of the three stores.
#[derive(Debug)]
pub(crate) struct Engines {
    /// Over the lake's files.
    pub(crate) local: Engine,
    /// Over the simulated remote.
    pub(crate) direct: Engine,
    /// Over Larder's S3 endpoint.
    pub(crate) larder: Engine,
}

/// What one template takes, in milliseconds: medians.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) template: &'static Template,
    pub(crate) local_ms: f64,
    pub(crate) direct_ms: f64,
    pub(crate) cold_ms: f64,
    pub(crate) preloaded_ms: f64,
    /// The share of the bytes it read that were in memory or on the SSD after the preload.
    pub(crate) held: f64,
}

impl Measured {
    /// How many times faster than direct it is after the preload.
    pub(crate) fn speed_up(&self) -> f64 {
        self.direct_ms / self.preloaded_ms
    }

    /// Whether it mostly waits for storage: on local files it takes less than a fifth of its direct time. For others no
    /// cache could reach five times.
    pub(crate) fn io_bound(&self) -> bool {
        self.local_ms * 5.0 <= self.direct_ms
    }

    /// Whether all it reads was preloaded.
    pub(crate) fn fully_held(&self) -> bool {
        self.held > 0.999
    }
}

/// The runs of one template, in milliseconds.
#[derive(Debug, Default)]
struct Runs {
    local: Vec<f64>,
    direct: Vec<f64>,
    cold: Vec<f64>,
    preloaded: Vec<f64>,
    held: Vec<f64>,
}

/// Measures every template for `period`, `rounds` times each way.
pub(crate) async fn measure(
    engines: &Engines,
    admin: &Admin,
    period: Period,
    rounds: usize,
    screen: &Screen,
) -> Result<Vec<Measured>> {
    let bar = screen.bar("measure", (2 * rounds * TEMPLATES.len()) as u64);
    let mut runs: Vec<Runs> = TEMPLATES.iter().map(|_| Runs::default()).collect();
    for round in 0..rounds {
        for (template, runs) in in_turn(round, &mut runs) {
            bar.set_message(template.name);
            let sql = template.sql(&period);
            let expected = timed(&engines.local, &sql, &mut runs.local, None).await?;
            timed(&engines.direct, &sql, &mut runs.direct, Some(&expected)).await?;
            tiers::empty(admin).await?;
            timed(&engines.larder, &sql, &mut runs.cold, Some(&expected)).await?;
            bar.inc(1);
        }
    }
    tiers::empty(admin).await?;
    tiers::preload(admin).await?;
    for round in 0..rounds {
        for (template, runs) in in_turn(round, &mut runs) {
            bar.set_message(template.name);
            let sql = template.sql(&period);
            let expected = timed(&engines.local, &sql, &mut runs.local, None).await?;
            timed(&engines.direct, &sql, &mut runs.direct, Some(&expected)).await?;
            let before = admin.stat().await?;
            timed(&engines.larder, &sql, &mut runs.preloaded, Some(&expected)).await?;
            runs.held.push(hit_ratio(&before, &admin.stat().await?));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(TEMPLATES
        .iter()
        .zip(runs)
        .map(|(template, runs)| Measured {
            template,
            local_ms: median(runs.local),
            direct_ms: median(runs.direct),
            cold_ms: median(runs.cold),
            preloaded_ms: median(runs.preloaded),
            held: median(runs.held),
        })
        .collect())
}

/// The templates, beginning with another one each round, so that none is always the one that finds a cold listing.
fn in_turn(round: usize, runs: &mut [Runs]) -> impl Iterator<Item = (&'static Template, &mut Runs)> {
    let first = round % TEMPLATES.len();
    let mut turns: Vec<_> = TEMPLATES.iter().zip(runs).collect();
    turns.rotate_left(first);
    turns.into_iter()
}

/// Runs a query, notes how long it took, and gives its answer, which must be the expected one.
async fn timed(engine: &Engine, sql: &str, times: &mut Vec<f64>, expected: Option<&String>) -> Result<String> {
    let prepared = engine.session()?;
    let begun = Instant::now();
    let answer = engine.query_in(&prepared, sql).await?;
    times.push(begun.elapsed().as_secs_f64() * 1e3);
    let answer = answer.text()?;
    ensure!(expected.is_none_or(|expected| *expected == answer), "another answer than on local files: {sql}");
    Ok(answer)
}
