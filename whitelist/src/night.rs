//! A night: from the logs of the day to a whitelist that the workers hold.
//!
//! ```text
//! ingest -> speed -> catalog -> value -> choose -> publish -> drop -> preload -> report
//! ```
//!
//! Every step can be done again: days whose files have not changed are not read again, a choice that changes nothing
//! publishes nothing, a worker is told again what to drop until it has said that it did, and a preload passes over what
//! is resident. So a night may be killed anywhere and run again, and run twice. Two at once do not interleave: the
//! second finds the first one's lease and says so.

mod columns;
mod decide;
mod earned;
mod foresee;
mod ingest;
mod narrow;
pub(crate) mod rehearsal;
mod report;
mod runner;
mod warning;
mod weigh;
mod workers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use larder_model::io_time::{ASSUMED_ORIGIN, ASSUMED_SSD};
use larder_model::whitelist::Cause;
use larder_model::{Clock, IoSpeed, ItemName, Location, Whitelist, WhitelistItem};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use self::decide::{Decided, Limits, without_denied};
pub use self::foresee::Demand;
use self::foresee::Foresight;
pub use self::report::{ItemNotLoaded, NightReport, PreloadSummary, WorkerReport};
pub use self::runner::{BeforeNight, NightAsked, NightNow, NightRunner};
pub use self::warning::{BudgetSize, NightOutcome, Refusal, Warning};
use self::weigh::weigh;
use crate::accesses::{AccessError, LogEngine};
use crate::catalog::{BucketReport, CatalogBucket, list, rewritten};
use crate::footers::Footers;
use crate::metastore::Metastore;
use crate::publish::diff;
use crate::realised::saved_seconds;
use crate::settings::NightlySettings;
use crate::speed::SpeedReport;
use crate::store::decisions::Rulings;
use crate::store::{CatalogItem, Lease, Store, StoreError, StoredNight, Verdicts, VersionStatus};

/// Everything a night needs.
#[derive(Debug, Clone)]
pub struct Night {
    /// What is remembered between nights.
    pub store: Store,
    /// Tells which day it is.
    pub clock: Arc<dyn Clock>,
    /// The logs' folder, with `access/` and `queries/` in it.
    pub logs: PathBuf,
    /// What aggregates the logs.
    pub engine: LogEngine,
    /// The buckets that hold the tables.
    pub catalog: Vec<CatalogBucket>,
    /// Says which tables there are and where, if there is one.
    pub metastore: Option<Arc<Metastore>>,
    /// History, budget, window, rate.
    pub settings: NightlySettings,
    /// What a worker's preloads may write to its SSD within a day, in bytes.
    pub write_bytes_max: u64,
    /// What the room that the whitelist leaves is used for.
    pub demand: Demand,
    /// Admin URLs of the workers to preload; `None` for those that the store has seen within a day.
    pub workers: Option<Vec<String>>,
    /// What the workers' admin APIs want to be told, where they have a sign-in.
    pub worker_token: Option<String>,
}

/// What a night does, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NightStep {
    /// It reads the logs of days that are new or have changed.
    Ingest,
    /// It measures the tiers' speeds.
    Speed,
    /// It lists the buckets.
    Catalog,
    /// It weighs and chooses.
    Choose,
    /// It keeps a proposal.
    Propose,
    /// It publishes.
    Publish,
    /// The workers drop what left, and load what is missing.
    Preload,
}

impl NightStep {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Speed => "speed",
            Self::Catalog => "catalog",
            Self::Choose => "choose",
            Self::Propose => "propose",
            Self::Publish => "publish",
            Self::Preload => "drop and preload",
        }
    }
}

/// How far a night is, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A step began.
    Step(NightStep),
    /// A day of so many is being aggregated.
    Day {
        /// The day.
        day: NaiveDate,
        /// Days that are done.
        done: usize,
        /// Days to do.
        total: usize,
    },
    /// A worker's preload went on.
    Preload {
        /// The worker's admin URL.
        worker: String,
        /// Bytes loaded or found resident.
        bytes_done: u64,
        /// Bytes of all items listed so far.
        bytes_total: u64,
        /// Items that are done, failed or left out.
        items_done: usize,
        /// All items.
        items_total: usize,
    },
}

/// Told how far a night is.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Why a night did not come to its end. What it did before the step that failed stays done; run it again.
#[derive(Debug, Error)]
pub enum NightError {
    /// The store failed, or another night is under way.
    #[error("the night failed to {step}")]
    Store {
        /// What it was about to do.
        step: &'static str,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The logs could not be aggregated.
    #[error("the night failed to ingest the logs")]
    Ingest(#[source] AccessError),
    /// Another night took this one for dead and went on in its place.
    #[error("the night was taken over by another while it was about to {0}")]
    TakenOver(&'static str),
}

fn at(step: &'static str) -> impl Fn(StoreError) -> NightError {
    move |source| NightError::Store { step, source }
}

/// Buckets listed at a time.
const LISTINGS_MAX: usize = 4;

impl Night {
    /// Runs the night whose last day of logs is `date`: yesterday where none is given. Its report keeps who `asked` for it.
    pub async fn run(
        &self,
        date: Option<NaiveDate>,
        asked: Option<NightAsked>,
        progress: OnProgress<'_>,
    ) -> Result<NightReport, NightError> {
        let (id, lease) = self.take_lease().await?;
        let done = self.run_holding(&lease, self.begin(id, date, asked), progress).await;
        // Also after a failure, so that the next try need not wait until this one is taken for dead.
        lease.release().await.map_err(at("release its lease"))?;
        done
    }

    /// Computes what a night would publish, and keeps it as a proposal that waits for approval. No worker is told.
    pub async fn plan(
        &self,
        date: Option<NaiveDate>,
        by: &str,
        progress: OnProgress<'_>,
    ) -> Result<(Whitelist, NightReport), NightError> {
        let (id, lease) = self.take_lease().await?;
        let done = self.propose(self.begin(id, date, None), by, progress).await;
        lease.release().await.map_err(at("release its lease"))?;
        done
    }

    async fn run_holding(
        &self,
        lease: &Lease,
        mut report: NightReport,
        progress: OnProgress<'_>,
    ) -> Result<NightReport, NightError> {
        let (draft, verdicts) = self.compute(&mut report, progress).await?;
        if !lease.is_held().await.map_err(at("check its lease"))? {
            return Err(NightError::TakenOver("publish"));
        }
        progress(Progress::Step(NightStep::Publish));
        let in_force = self.publish(draft, &verdicts, &mut report).await?;
        self.keep(&mut report).await?;
        if let Some(whitelist) = in_force {
            progress(Progress::Step(NightStep::Preload));
            self.tell_workers(&whitelist, &mut report, progress).await?;
        }
        self.keep(&mut report).await?;
        Ok(report)
    }

    async fn propose(
        &self,
        mut report: NightReport,
        by: &str,
        progress: OnProgress<'_>,
    ) -> Result<(Whitelist, NightReport), NightError> {
        let (draft, _) = self.compute(&mut report, progress).await?;
        progress(Progress::Step(NightStep::Propose));
        let draft = draft.because(Cause::Plan { by: by.to_owned() });
        let in_force = self.in_force(&mut report).await?;
        report.compare(in_force.as_ref(), &draft);
        let proposal = self.store.add_version(draft, VersionStatus::Proposed, None).await;
        let proposal = proposal.map_err(at("keep the proposal"))?;
        report.version = proposal.version;
        report.outcome = Some(NightOutcome::Proposed { version: proposal.version }.into());
        report.finished = self.clock.now();
        Ok((proposal, report))
    }

    async fn take_lease(&self) -> Result<(String, Lease), NightError> {
        let id = uuid::Uuid::new_v4().to_string();
        let holder = format!("a night ({id}, process {})", std::process::id());
        self.store.may_publish().map_err(at("begin"))?;
        let lease = self.store.lease("whitelist", &holder).await.map_err(at("begin"))?;
        Ok((id, lease))
    }

    fn begin(&self, id: String, date: Option<NaiveDate>, asked: Option<NightAsked>) -> NightReport {
        let now = self.clock.now();
        let night = date.unwrap_or_else(|| now.date_naive() - Days::new(1));
        NightReport { asked, ..NightReport::new(id, night, now, self.settings.budget.as_u64()) }
    }

    /// Everything up to the choice.
    async fn compute(
        &self,
        report: &mut NightReport,
        progress: OnProgress<'_>,
    ) -> Result<(Whitelist, Verdicts), NightError> {
        progress(Progress::Step(NightStep::Ingest));
        let mut footers = Footers::new(&self.catalog);
        self.ingest(report, &mut footers, progress).await?;
        progress(Progress::Step(NightStep::Speed));
        report.origin = self.speed("origin", ASSUMED_ORIGIN, report.night).await?;
        report.ssd = self.speed("ssd", ASSUMED_SSD, report.night).await?;
        let (hits, hit_seconds) = self.store.hits_on(report.night).await.map_err(at("read the day's hits"))?;
        report.realised_seconds = saved_seconds(hits, hit_seconds, report.origin.speed);
        progress(Progress::Step(NightStep::Catalog));
        if let Some(metastore) = &self.metastore
            && let Err(problem) = metastore.learn_anew().await
        {
            report.warn(Warning::MetastoreUnread { problem });
        }
        self.list_buckets(report).await?;
        progress(Progress::Step(NightStep::Choose));
        let rulings = Rulings::new(self.store.decisions().await.map_err(at("read the decisions"))?);
        let history =
            self.store.history(self.first_day(report.night), report.night).await.map_err(at("read the history"))?;
        let catalog = self.store.catalog().await.map_err(at("read the catalog"))?;
        let is_unlisted = catalog.is_empty() && report.buckets.iter().any(|bucket| bucket.problem.is_some());
        // An empty whitelist sends every read straight to the origin. Not knowing is no reason for that.
        report.refusal = if is_unlisted {
            Some(Refusal::NothingListed)
        } else if !rulings.has_pin() && history.iter().all(|item| item.reads.bytes == 0) {
            Some(Refusal::NothingRead)
        } else {
            None
        };
        let in_force = self.in_force(report).await?;
        let foresight = self.foresee(report, &catalog, in_force.as_ref()).await?;
        let columns = self.table_columns(report, self.first_day(report.night), &catalog, &mut footers).await?;
        let weighed = weigh(history, catalog, &rulings, &foresight);
        let limits = Limits {
            budget_bytes: report.budget_bytes,
            write_bytes_max: self.write_bytes_max,
            caps: self.settings.caps(),
        };
        let decided = Decided::new(weighed, in_force.as_ref(), report.origin.speed, limits, &columns);
        report.count(&decided, in_force.as_ref());
        report.count_columns(&decided, &columns);
        let draft = match in_force.and_then(|in_force| without_denied(&in_force, &rulings, report)) {
            // Not knowing what is read is no reason to go on holding what somebody has denied.
            Some(left) if report.refusal.take().is_some() => left,
            _ => decided.draft(report, self.clock.now()),
        };
        Ok((draft, decided.verdicts()))
    }

    /// Learns the history day by day, and compares the last of them with what those before say of it. Of a day without a row
    /// of any log nothing is known: it is not learned.
    async fn foresee(
        &self,
        report: &mut NightReport,
        catalog: &[CatalogItem],
        in_force: Option<&Whitelist>,
    ) -> Result<Foresight, NightError> {
        let sizes = catalog.iter().filter(|item| !item.prefixes.is_empty());
        let sizes = sizes.map(|item| (item.item.clone(), item.objects, item.bytes));
        let mut foresight = Foresight::new(sizes, report.origin.speed, report.ssd.speed, self.demand);
        let first = self.first_day(report.night);
        let rewrites = self.store.rewrites(first, report.night).await.map_err(at("read what was written anew"))?;
        for day in self.store.days(first, report.night).await.map_err(at("read the days"))? {
            if day.log_rows == 0 {
                continue;
            }
            let items = self.store.day_items(day.day).await.map_err(at("read the history"))?;
            if day.day == report.night {
                self.compare(report, &foresight, &items).await?;
            }
            foresight.observe_rewrites(day.day, rewrites.get(&day.day).map_or(&[], Vec::as_slice));
            foresight.observe(day.day, &items, in_force);
        }
        foresight.look_from(report.night);
        Ok(foresight)
    }

    fn first_day(&self, night: NaiveDate) -> NaiveDate {
        night - Days::new(self.settings.history_days().max(1) - 1)
    }

    async fn speed(&self, tier: &str, assumed: IoSpeed, night: NaiveDate) -> Result<SpeedReport, NightError> {
        let measured = self.store.last_speed(tier, night).await.map_err(at("read the speeds"))?;
        Ok(match measured {
            Some((day, measured)) => SpeedReport {
                speed: measured.speed,
                measured: true,
                basis: format!("measured on {day} from {} reads", measured.samples),
            },
            None => SpeedReport {
                speed: assumed,
                measured: false,
                basis: "assumed: the history holds too few reads of different sizes to measure it".into(),
            },
        })
    }

    async fn list_buckets(&self, report: &mut NightReport) -> Result<(), NightError> {
        let names: Vec<&str> = self.catalog.iter().map(|bucket| bucket.name.as_str()).collect();
        self.store.keep_only_buckets(&names).await.map_err(at("forget buckets"))?;
        let listing = |bucket| async move { (bucket, list(bucket).await) }.boxed();
        let listings: Vec<BoxFuture<'_, _>> = self.catalog.iter().map(listing).collect();
        let before = self.store.catalog().await.map_err(at("read the catalog"))?;
        let mut listings = futures::stream::iter(listings).buffered(LISTINGS_MAX);
        while let Some((bucket, listed)) = listings.next().await {
            match listed {
                Ok((items, found)) => {
                    let before = before.iter().filter(|item| item.bucket == bucket.name);
                    let rewrites = self.store.add_rewrites(report.night, &rewritten(before, &items)).await;
                    rewrites.map_err(at("keep what was written anew"))?;
                    self.store.replace_catalog(&bucket.name, &items).await.map_err(at("keep a bucket's catalog"))?;
                    report.buckets.push(found);
                }
                Err(problem) => {
                    tracing::warn!(
                        bucket = bucket.name,
                        problem,
                        "a bucket cannot be listed; its last known sizes count"
                    );
                    let bucket = bucket.name.clone();
                    report.warn(Warning::BucketNotListed { bucket: bucket.clone(), problem: problem.clone() });
                    report.buckets.push(BucketReport { bucket, problem: Some(problem), ..BucketReport::default() });
                }
            }
        }
        Ok(())
    }

    /// The whitelist in force. One that cannot be read is as good as none: the night replaces it.
    async fn in_force(&self, report: &mut NightReport) -> Result<Option<Whitelist>, NightError> {
        match self.store.whitelist_in_force().await {
            Ok(whitelist) => Ok(whitelist),
            Err(broken @ StoreError::Data { .. }) => {
                let warning = Warning::ListBroken { problem: broken.to_string() }.into();
                if !report.warnings.contains(&warning) {
                    report.warnings.push(warning);
                }
                Ok(None)
            }
            Err(error) => Err(at("read the whitelist in force")(error)),
        }
    }

    /// Publishes the draft if it differs from what is in force, and returns what is in force then.
    async fn publish(
        &self,
        draft: Whitelist,
        verdicts: &Verdicts,
        report: &mut NightReport,
    ) -> Result<Option<Whitelist>, NightError> {
        let in_force = self.in_force(report).await?;
        report.compare(in_force.as_ref(), &draft);
        let refused = report.refusal.map(|refusal| {
            report.warn(Warning::NotPublished { refusal });
            NightOutcome::NotPublished { refusal }
        });
        let unchanged = || {
            let keeps = in_force.as_ref().is_some_and(|document| is_same(document, &draft));
            keeps.then_some(NightOutcome::Unchanged)
        };
        if let Some(outcome) = refused.or_else(unchanged) {
            report.version = in_force.as_ref().map_or(0, |whitelist| whitelist.version);
            self.store.set_verdicts(verdicts, report.version).await.map_err(at("keep the verdicts"))?;
            report.outcome = Some(outcome.into());
            return Ok(in_force);
        }
        if self.settings.approval {
            self.propose_once(draft, verdicts, report).await?;
            return Ok(in_force);
        }
        let published = self.store.add_version(draft, VersionStatus::Published, Some(verdicts)).await;
        let published = published.map_err(at("publish"))?;
        report.version = published.version;
        report.published = true;
        report.outcome = Some(NightOutcome::Published { version: published.version }.into());
        tracing::info!(version = published.version, items = published.items.len(), "published a whitelist");
        Ok(Some(published))
    }

    /// Keeps the draft for a person to approve, unless that is what waits already.
    async fn propose_once(
        &self,
        draft: Whitelist,
        verdicts: &Verdicts,
        report: &mut NightReport,
    ) -> Result<(), NightError> {
        let newest = self.store.versions(1).await.map_err(at("read the proposals"))?;
        let waiting = newest.first().filter(|row| row.status == VersionStatus::Proposed).map(|row| row.version);
        let proposed = match waiting {
            Some(version) => self.store.whitelist(version).await.map_err(at("read the proposals"))?,
            None => None,
        };
        if let Some(same) = proposed.filter(|document| is_same(document, &draft)) {
            self.store.set_verdicts(verdicts, same.version).await.map_err(at("keep the verdicts"))?;
            report.version = same.version;
            report.outcome = Some(NightOutcome::StillProposed { version: same.version }.into());
            return Ok(());
        }
        let proposal = self.store.add_version(draft, VersionStatus::Proposed, Some(verdicts)).await;
        report.version = proposal.map_err(at("keep the proposal"))?.version;
        report.outcome = Some(NightOutcome::Proposed { version: report.version }.into());
        tracing::info!(version = report.version, "proposed a whitelist");
        Ok(())
    }

    async fn keep(&self, report: &mut NightReport) -> Result<(), NightError> {
        report.finished = self.clock.now();
        let (id, night, started) = (report.id.clone(), report.night, report.started);
        let stored = StoredNight { id, night, started, report: report.clone() };
        self.store.put_night(&stored).await.map_err(at("keep its report"))
    }
}

/// Whether two documents hold the same items under the same budget.
fn is_same(a: &Whitelist, b: &Whitelist) -> bool {
    let diff = diff(Some(a), b);
    let columns = |list: &Whitelist| -> Vec<_> {
        list.columns.iter().map(|(table, held)| (table.clone(), held.columns.clone())).collect()
    };
    let is_same_list = diff.added.is_empty() && diff.removed.is_empty() && diff.changed.is_empty();
    a.budget_bytes == b.budget_bytes && is_same_list && columns(a) == columns(b)
}

/// Locations by bucket, for dropping what left.
fn locations_of<'a>(items: impl Iterator<Item = &'a WhitelistItem>) -> BTreeMap<&'a Location, &'a ItemName> {
    items.flat_map(|item| item.locations.iter().map(move |location| (location, &item.item))).collect()
}

#[cfg(test)]
mod tests;
