//! The engine: the parts of the data path, wired together once.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use larder_model::admin::{PreloadStop, StatReport, TierState, TierUse, WorkerStatus};
use larder_model::io_time::{ASSUMED_ORIGIN, ASSUMED_SSD};
use larder_model::{ByteSize, Clock, ObjectName, Route, Tier, Usage, Whitelist};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access_log::{AccessLog, AccessRecord};
use crate::block::name_id;
use crate::fill::Fills;
use crate::listing::Listings;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::online::{ColdRead, ColdReads};
use crate::origin::Origins;
use crate::preload::Preloads;
use crate::preload::written::Written;
use crate::residency::Residency;
use crate::route::{Columns, RouteTable};
use crate::settings::CacheSettings;
use crate::ssd::Disk;
use crate::tiers::{Tiers, TiersError};
use crate::upload::Uploads;
use crate::watch::Watch;

/// What the engine is made of.
#[derive(Debug)]
pub struct EngineParts {
    /// `[cache]`.
    pub cache: CacheSettings,
    /// The buckets.
    pub origins: Origins,
    /// Stamps access records.
    pub clock: Arc<dyn Clock>,
    /// The whitelist in force, as it changes.
    pub whitelist: watch::Receiver<Option<Arc<Whitelist>>>,
    /// The folder that access records are written below, one folder a day; without, reads are not logged.
    pub access_log: Option<PathBuf>,
    /// This machine's name in the records.
    pub worker: String,
}

/// An engine that does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The tiers cannot be set up.
    #[error(transparent)]
    Tiers(#[from] TiersError),
    /// The access log cannot be written.
    #[error("the access log in `{path}` is not writable")]
    AccessLog {
        /// The folder.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
    /// What is known of objects cannot be kept.
    #[error("what is known of objects cannot be kept in `{path}`")]
    Metadata {
        /// The folder.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
    /// Uploads cannot be staged.
    #[error("uploads cannot be staged in `{path}`")]
    Uploads {
        /// The folder.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
}

/// The data path.
#[derive(Debug)]
pub struct Engine {
    pub(crate) origins: Origins,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tiers: Arc<Tiers>,
    pub(crate) fills: Fills,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) listings: Listings,
    pub(crate) uploads: Uploads,
    pub(crate) preloads: Preloads,
    pub(crate) written: Written,
    pub(crate) residency: Residency,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Arc<AccessLog>,
    routes: Arc<ArcSwap<RouteTable>>,
    /// Whether what is not on the whitelist may have a share.
    adapts: bool,
    cold_reads: ColdReads,
    follower: JoinHandle<()>,
    /// Who follows reads one by one, if somebody does.
    pub(crate) watch: OnceLock<Watch>,
    started: Instant,
}

impl Engine {
    /// Opens the tiers (blocks from before are found again) and starts following the whitelist.
    pub async fn start(parts: EngineParts) -> Result<Arc<Self>, StartError> {
        Self::start_through(parts, |disk| disk).await
    }

    /// The same, with a disk before the real one.
    pub(crate) async fn start_through(
        parts: EngineParts,
        through: impl FnOnce(Arc<dyn Disk>) -> Arc<dyn Disk>,
    ) -> Result<Arc<Self>, StartError> {
        let EngineParts { cache, origins, clock, whitelist, access_log, worker } = parts;
        let metrics = Arc::new(Metrics::new());
        let routes = Arc::new(ArcSwap::from_pointee(RouteTable::new(cache.admit, whitelist.borrow().clone())));
        let tiers = Arc::new(Tiers::open(&cache, Arc::clone(&routes), Arc::clone(&metrics), through)?);
        let log = match access_log {
            Some(path) => AccessLog::start(path.clone(), worker, Arc::clone(&metrics))
                .map_err(|source| StartError::AccessLog { path, source })?,
            None => AccessLog::off(Arc::clone(&metrics)),
        };
        let log = Arc::new(log);
        let uploads_folder = cache.ssd.path.join("uploads");
        let uploads = Uploads::open(uploads_folder.clone())
            .map_err(|source| StartError::Uploads { path: uploads_folder, source })?;
        let follower = tokio::spawn(follow(cache.admit, whitelist, Arc::clone(&routes), Arc::clone(&tiers)));
        let metadata = Metadata::open(cache.metadata_objects_max, Arc::clone(&tiers), &cache.ssd.path)
            .map_err(|source| StartError::Metadata { path: cache.ssd.path.clone(), source })?;
        let metadata = Arc::new(metadata);
        let fills = Fills::new(
            &cache,
            Arc::clone(&tiers),
            Arc::clone(&metadata),
            Arc::clone(&metrics),
            Arc::clone(&log),
            Arc::clone(&clock),
        );
        Ok(Arc::new(Self {
            fills,
            listings: Listings::new(Arc::clone(&metadata), Arc::clone(&clock)),
            metadata,
            uploads,
            preloads: Preloads::default(),
            written: Written::open(cache.ssd.path.join("preload-written")),
            residency: Residency::default(),
            origins,
            clock,
            tiers,
            metrics,
            log,
            routes,
            adapts: cache.ssd.adaptive_percent > 0,
            cold_reads: ColdReads::new(),
            follower,
            watch: OnceLock::new(),
            started: Instant::now(),
        }))
    }

    /// Ends what is under way, at most within `grace`, and flushes access log and tiers.
    pub async fn close(&self, grace: Duration) {
        self.follower.abort();
        self.preloads.stop(PreloadStop::Shutdown);
        self.fills.close(grace).await;
        self.log.close().await;
        self.tiers.ssd().close().await;
    }

    /// Waits until every access so far can be read from the log's files.
    pub async fn flush_access_log(&self) {
        self.log.flush().await;
    }

    /// The buckets.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// How the SSD tier fares.
    pub fn ssd_state(&self) -> TierState {
        self.tiers.ssd().state()
    }

    /// The route of one read: cold objects go through the tiers too while they are worth a place in the adaptive share.
    pub(crate) fn route(&self, bucket: &str, key: &str) -> Route {
        let routes = self.routes.load();
        let Some(whitelist) = routes.cold(bucket, key) else { return Route::Cached };
        let name = name_id(bucket, key);
        let worth_it = self.adapts && self.cold_reads.worth_admitting(name, whitelist, self.clock.now());
        if worth_it { Route::Cached } else { Route::Direct }
    }

    /// The columns that are held of the item that an object is on the whitelist for; all, where it is on none.
    pub(crate) fn columns(&self, name: &ObjectName) -> Columns {
        self.routes.load().columns(&name.bucket, &name.key)
    }

    /// Whether all keys that begin with `prefix` are in one folder that the whitelist names, and that whitelist's version.
    pub(crate) fn names_all(&self, bucket: &str, prefix: &str) -> (bool, u64) {
        let routes = self.routes.load();
        (routes.names_all(bucket, prefix), routes.whitelist().map_or(0, |whitelist| whitelist.version))
    }

    /// The whitelist in force.
    pub fn whitelist(&self) -> Option<Arc<Whitelist>> {
        self.routes.load().whitelist().cloned()
    }

    /// Remembers a read of a cold object, which may earn it a place.
    pub(crate) fn remember_cold(&self, access: &AccessRecord) {
        let name = &access.object.name;
        if self.adapts
            && let Some(whitelist) = self.routes.load().cold(&name.bucket, &name.key)
        {
            let bytes = access.bytes_memory + access.bytes_ssd + access.bytes_origin;
            let saved = whitelist.origin.seconds(1, bytes) - whitelist.ssd.seconds(1, bytes);
            let read = ColdRead { bytes, object_bytes: access.object.state.size, saved_seconds: saved.max(0.0) };
            self.cold_reads.record(name_id(&name.bucket, &name.key), read, access.time);
        }
    }

    /// Counts a read that ended.
    pub(crate) fn count_served(&self, access: &AccessRecord) {
        self.remember_cold(access);
        let metrics = &self.metrics;
        let slowest = match access.route {
            Route::Direct => {
                metrics.bytes_direct.inc_by(access.bytes_origin);
                Tier::Origin
            }
            Route::Cached => {
                metrics.bytes_memory.inc_by(access.bytes_memory);
                metrics.bytes_ssd.inc_by(access.bytes_ssd);
                metrics.bytes_origin.inc_by(access.bytes_origin);
                if access.bytes_origin > 0 {
                    Tier::Origin
                } else if access.bytes_ssd > 0 {
                    Tier::Ssd
                } else {
                    Tier::Memory
                }
            }
        };
        metrics.observe_get(slowest, access.seconds);
        let routes = self.routes.load();
        let (origin, ssd) =
            routes.whitelist().map_or((ASSUMED_ORIGIN, ASSUMED_SSD), |whitelist| (whitelist.origin, whitelist.ssd));
        let hit = access.bytes_memory + access.bytes_ssd;
        if slowest != Tier::Origin && hit > 0 {
            // A slow client does not make the origin look better: what is saved is never negative.
            metrics.saved_io_seconds.inc_by((origin.seconds(1, hit) - access.seconds).max(0.0));
        }
        if access.bytes_origin > 0 {
            let missed = origin.seconds(1, access.bytes_origin) - ssd.seconds(1, access.bytes_origin);
            metrics.missed_io_seconds.inc_by(missed.max(0.0));
        }
    }

    /// What was done since the start.
    pub fn usage(&self) -> Usage {
        self.metrics.usage()
    }

    /// Live counters.
    pub fn stat(&self) -> StatReport {
        let metrics = &self.metrics;
        StatReport {
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            get_requests: metrics.gets.get(),
            get_errors: metrics.get_errors.get(),
            bytes_memory: metrics.bytes_memory.get(),
            bytes_ssd: metrics.bytes_ssd.get(),
            bytes_origin: metrics.bytes_origin.get(),
            bytes_direct: metrics.bytes_direct.get(),
            origin_bytes_demand: metrics.origin_demand.get(),
            origin_bytes_preload: metrics.origin_preload.get(),
            saved_io_seconds: metrics.saved_io_seconds.get(),
            fills_in_flight: u64::try_from(metrics.fills_in_flight.get()).unwrap_or(0),
            memory_used_bytes: self.tiers.memory_used_bytes(),
            ssd_used_bytes: self.tiers.ssd().used(),
            whitelist_version: self.whitelist().map_or(0, |whitelist| whitelist.version),
            tier_errors: metrics.tier_errors().iter().map(|error| error.count).sum(),
            tables: self.log.hottest(100),
        }
    }

    /// How this worker fares, for its heartbeat. `version` is the program's, `started` when it began to serve.
    pub fn worker_status(&self, version: &str, started: DateTime<Utc>) -> WorkerStatus {
        WorkerStatus {
            version: version.to_owned(),
            started,
            whitelist_version: self.whitelist().map_or(0, |whitelist| whitelist.version),
            requests: self.metrics.gets.get(),
            errors: self.metrics.get_errors.get(),
            tiers: self.tier_use(),
            tier_errors: self.metrics.tier_errors(),
            access_records_dropped: self.metrics.access_records_dropped.get(),
            preloading: self.preload_status(false).status.running,
        }
    }

    /// Changes the SSD tier's capacity while it serves, and returns when the tier takes no more than that.
    pub async fn resize_ssd(&self, capacity: ByteSize) -> Result<TierUse, TiersError> {
        self.tiers.resize_ssd(capacity).await?;
        Ok(self.ssd_use())
    }

    /// How full each tier is.
    pub fn tier_use(&self) -> Vec<TierUse> {
        let memory = TierUse {
            tier: Tier::Memory,
            used_bytes: self.tiers.memory_used_bytes(),
            capacity_bytes: self.tiers.memory_capacity_bytes(),
            state: TierState::InUse,
        };
        vec![memory, self.ssd_use()]
    }

    fn ssd_use(&self) -> TierUse {
        TierUse {
            tier: Tier::Ssd,
            used_bytes: self.tiers.ssd().used(),
            capacity_bytes: self.tiers.ssd().capacity(),
            state: self.ssd_state(),
        }
    }

    /// The metrics in Prometheus' text form.
    pub fn metrics_text(&self) -> String {
        let version = self.whitelist().map_or(0, |whitelist| whitelist.version);
        self.metrics.text(self.tiers.memory_used_bytes(), self.tiers.ssd().used(), version)
    }
}

/// Swaps the route table in when a new whitelist comes into force. It ends when the sender is gone.
async fn follow(
    admit: crate::settings::Admit,
    mut whitelist: watch::Receiver<Option<Arc<Whitelist>>>,
    routes: Arc<ArcSwap<RouteTable>>,
    tiers: Arc<Tiers>,
) {
    while whitelist.changed().await.is_ok() {
        let newest = whitelist.borrow_and_update().clone();
        if let Some(newest) = &newest {
            tracing::info!(version = newest.version, items = newest.items.len(), "a new whitelist is in force");
        }
        routes.store(Arc::new(RouteTable::new(admit, newest)));
        tiers.follow_whitelist();
    }
}
