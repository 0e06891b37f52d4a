//! The daemon's wiring: S3 endpoint, admin API, whitelist follower, nightly schedule, heartbeat, shutdown.
//!
//! [`start`] is given everything from outside, bound sockets and clock included, so that the demo runs the very daemon
//! that `larder serve` does.

mod gauges;
mod health;
mod heart;
mod settings;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::{Context as _, Result};
use larder_cached::{BucketSettings, Engine, EngineParts, Origins};
use larder_model::Clock;
use larder_planner_hook::metastore::{MetastoreProxy, MetastoreSettings};
use larder_planner_hook::{ResolveBucket, ResolveState};
use larder_web::Access;
use larder_whitelist::logs::{Place, Places};
use larder_whitelist::metastore::MetastoreAddresses;
use larder_whitelist::night::Demand;
use larder_whitelist::{
    ApiState, BeforeNight, CatalogBucket, EventBucket, Landing, Metastore, Night, NightRunner, SharedWhitelist,
    Simulation, Spool, Store, StoreSettings, Taker, TouchedItems,
};
use tokio::sync::watch::channel;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use self::health::Health;
use self::heart::Heart;
use crate::config::Config;
use crate::hook;
use crate::hook::probe::Probe;
use crate::traces::Traces;

/// What each part has to end and to write after the grace period, which belongs to the requests under way.
const FLUSH_TIME: Duration = Duration::from_secs(5);

/// How often an origin is asked for a new whitelist.
const TAKE_EVERY: Duration = Duration::from_secs(5);

/// What a daemon is made of.
pub(crate) struct Parts {
    /// The file that the configuration was read from; `None` for one that was made otherwise.
    pub(crate) file: Option<PathBuf>,
    /// As from `larder.toml`; the listen addresses are those of the sockets below.
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) s3: TcpListener,
    pub(crate) admin: TcpListener,
    /// For the metastore proxy, where one is configured.
    pub(crate) metastore: Option<TcpListener>,
    /// For the proxy of the Iceberg catalog, where one is configured.
    pub(crate) iceberg: Option<TcpListener>,
    /// How often the store is asked for a new whitelist.
    pub(crate) follow_every: Duration,
    /// Whether the daemon runs nights by `nightly.schedule`.
    pub(crate) runs_nights: bool,
    /// How long requests under way may take to finish at shutdown.
    pub(crate) grace: Duration,
}

/// A daemon that runs.
pub(crate) struct Daemon {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Store,
    heart: Arc<Heart>,
    pub(crate) s3: SocketAddr,
    pub(crate) admin: SocketAddr,
    spool: Spool,
    stop: CancellationToken,
    tasks: Vec<(&'static str, JoinHandle<()>)>,
    grace: Duration,
}

/// Starts a daemon. What it needs and cannot have is an error that names it; nothing is left running then.
pub(crate) async fn start(parts: Parts) -> Result<Daemon> {
    let Parts { file, config, origins, clock, s3, admin, metastore, iceberg, follow_every, runs_nights, grace } = parts;
    let (s3_address, admin_address) = (s3.local_addr()?, admin.local_addr()?);
    let admin_url = admin_url(&config, admin_address);
    let access = Access::new(&config.admin, config.hook.token.is_some(), Arc::clone(&clock))?;
    let stop = CancellationToken::new();
    let store = Store::open(&config.store).await?;
    let whitelist_from = config.store.whitelist_from.as_deref();
    let from = whitelist_from.map(|place| shared_whitelist(place, &origins)).transpose()?;
    let mut taker = from.map(|shared| Taker::new(shared, store.clone()));
    if let Some(taker) = &mut taker
        && store.version_in_force().await?.is_none()
    {
        taker.look().await;
    }
    let whitelist = larder_whitelist::follow(store.clone(), follow_every, stop.clone()).await;
    let worker = format!("{}-{}", host_name(), admin_address.port());
    let engine = Engine::start(EngineParts {
        cache: config.cache.clone(),
        origins: origins.clone(),
        clock: Arc::clone(&clock),
        whitelist: whitelist.clone(),
        access_log: config.logs.access.then(|| config.logs.path.join("access")),
        worker: worker.clone(),
    })
    .await?;
    let spool = Spool::start(config.logs.path.clone());

    let (healthy, is_healthy) = channel(true);
    let own_url = hook::own_url(s3_address, config.s3.tls.is_some());
    let probe = Probe::new(own_url.clone(), healthy)?;
    let endpoint = hook::endpoint(&config, s3_address);
    let mappings = hook::mappings(&config, &endpoint)?;
    let resolve = ResolveState::new(
        whitelist.clone(),
        origins.iter().map(|origin| ResolveBucket {
            name: origin.name().to_owned(),
            origin: origin.url().to_owned(),
            rules: origin.rules().clone(),
        }),
        endpoint.clone(),
        config.cache.admit == larder_cached::Admit::All,
        is_healthy.clone(),
    );
    let metastore = metastore.map(|listener| {
        let proxy = MetastoreProxy::new(&config.metastore, resolve.clone(), Arc::clone(&clock), stop.clone());
        (listener, proxy)
    });
    let iceberg = match iceberg {
        Some(listener) => Some((listener, hook::iceberg(&config, &endpoint, resolve.clone(), stop.clone())?)),
        None => None,
    };
    let touched = TouchedItems::new(event_buckets(&origins));
    let tables = metastore_of(&config, places(&config, &origins));
    let night = || night(&config, &store, &origins, &clock, None, tables.clone());
    let nights = nights(night()?, &engine, &spool, &stop);
    let state = ApiState {
        store: store.clone(),
        whitelist: whitelist.clone(),
        spool: spool.clone(),
        touched: touched.clone(),
        clock: Arc::clone(&clock),
        nights: nights.clone(),
        simulation: Simulation::default(),
    };
    let api = larder_cached::router(Arc::clone(&engine), stop.clone())
        .merge(larder_whitelist::router(state))
        .merge(larder_planner_hook::router(resolve))
        .merge(larder_planner_hook::mappings_router(mappings.clone()))
        .merge(larder_web::session_router(access.clone()))
        .merge(settings::router(&worker, file.as_deref(), &config));
    let (api, openapi) = OpenApiRouter::with_openapi(description()).nest("/api/v1", api).split_for_parts();
    let night_finished = Arc::new(AtomicI64::new(0));
    let health = Health {
        engine: Arc::clone(&engine),
        healthy: is_healthy.clone(),
        night_finished: Arc::clone(&night_finished),
        store: store.clone(),
        metastore: metastore.as_ref().map(|(_, proxy)| proxy.metrics()),
        iceberg: iceberg.as_ref().map(|(_, proxy)| proxy.metrics()),
    };
    let pages = health::router(health).merge(api).merge(larder_web::router(openapi));

    let mut tasks = Vec::new();
    tasks.push(("the look at the s3 endpoint", tokio::spawn(probe.run(stop.clone()))));
    if let Some(file) = config.hook.mapping_file.clone() {
        let keeping = hook::file::keep(file, own_url, mappings.subscribe(), stop.clone());
        tasks.push(("Trino's mapping file", tokio::spawn(keeping)));
    }
    if let Some(place) = config.store.whitelist_to.as_deref() {
        let keeping = shared_whitelist(place, &origins)?.keep(whitelist.clone(), stop.clone());
        tasks.push(("the whitelist for other workers", tokio::spawn(keeping)));
    }
    let following = hook::follow(mappings, store.clone(), whitelist, is_healthy, stop.clone());
    tasks.push(("Trino's mapping", tokio::spawn(following)));
    let s3 = tokio::net::TcpListener::from_std(s3)?;
    let admin = tokio::net::TcpListener::from_std(admin)?;
    let (settings, serving, stopping) = (config.s3.clone(), Arc::clone(&engine), stop.clone());
    tasks.push((
        "the s3 endpoint",
        tokio::spawn(async move {
            if let Err(error) = larder_cached::serve_s3(s3, &settings, serving, stopping.clone(), grace).await {
                tracing::error!(error = format!("{:#}", anyhow::Error::from(error)), "the s3 endpoint does not serve");
                stopping.cancel();
            }
        }),
    ));
    let stopping = stop.clone();
    tasks.push((
        "the admin api",
        tokio::spawn(async move {
            let served = axum::serve(admin, larder_web::guarded(pages, access))
                .with_graceful_shutdown(stopping.cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "the admin api does not serve");
            }
        }),
    ));
    if let Some(endpoint) = config.traces.endpoint.as_deref()
        && let Some(reads) = engine.watch_reads(config.traces.one_in)
    {
        let traces = Traces::new(endpoint, &worker)?;
        tasks.push(("the traces", tokio::spawn(traces.send(reads, stop.clone()))));
    }
    if let Some((listener, proxy)) = metastore {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tasks.push(("the metastore proxy", tokio::spawn(proxy.serve(listener, grace))));
    }
    if let Some((listener, proxy)) = iceberg {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tasks.push(("the iceberg proxy", tokio::spawn(proxy.serve(listener, grace))));
    }
    if let Some(tables) = tables.clone() {
        let learning = tables.run(config.metastore.read_every, stop.clone());
        tasks.push(("what the metastore says of tables", tokio::spawn(learning)));
    }
    let heart =
        Heart::new(store.clone(), Arc::clone(&engine), Arc::clone(&clock), worker, admin_url.clone(), night_finished);
    let heart = Arc::new(heart);
    tasks.push(("the heartbeat", tokio::spawn(Arc::clone(&heart).beat_on(stop.clone()))));
    if runs_nights {
        let (night, stopping, worker) = (night()?, stop.clone(), admin_url.clone());
        tasks.push((
            "the preload to resume",
            tokio::spawn(async move {
                match stopping.run_until_cancelled(night.resume_preload(&worker)).await {
                    Some(Ok(true)) => tracing::info!("goes on with the preload that was under way at the last end"),
                    Some(Err(problem)) => tracing::warn!(problem, "an unfinished preload waits for the next night"),
                    Some(Ok(false)) | None => {}
                }
            }),
        ));
    }
    if let Some(taker) = taker {
        let taking = taker.run(night()?, admin_url.clone(), TAKE_EVERY, stop.clone());
        tasks.push(("the whitelist from elsewhere", tokio::spawn(taking)));
    } else if runs_nights {
        let landing = Landing::new(night()?, touched);
        tasks.push(("the look for landings", tokio::spawn(landing.run(stop.clone()))));
    }
    if runs_nights && whitelist_from.is_none() && !config.nightly.schedule.is_empty() {
        let schedule = larder_whitelist::schedule::parse(&config.nightly.schedule)?;
        tasks.push((
            "the nightly schedule",
            tokio::spawn(larder_whitelist::schedule::run(schedule, Arc::clone(&clock), stop.clone(), move || {
                // One that somebody asked for stands for the one that is due.
                nights.begin(None, false).unwrap_or_else(|| Box::pin(std::future::ready(())))
            })),
        ));
    }
    Ok(Daemon { engine, store, heart, s3: s3_address, admin: admin_address, spool, stop, tasks, grace })
}

impl Daemon {
    /// Waits until what was read and asked so far can be read from the logs.
    pub(crate) async fn flush_logs(&self) {
        flush_logs(&self.engine, &self.spool).await;
    }

    /// Tells the store now what was done, which it is told every half minute else.
    pub(crate) async fn beat(&self) -> Result<()> {
        Ok(self.heart.beat().await?)
    }

    /// Resolves when the daemon cannot go on.
    pub(crate) async fn failed(&self) {
        self.stop.cancelled().await;
    }

    /// Stops accepting, lets requests under way finish within the grace period, and flushes logs, tiers and store.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // One period for all of them, however many are late.
        let deadline = Instant::now() + self.grace + FLUSH_TIME;
        for (name, task) in self.tasks {
            if tokio::time::timeout_at(deadline, task).await.is_err() {
                tracing::warn!(task = name, "still at work at the end of the grace period");
            }
        }
        if let Err(error) = self.spool.close().await {
            tracing::error!(%error, "query events that waited to be written are lost");
        }
        self.engine.close(deadline.saturating_duration_since(Instant::now())).await;
        // What was done since the last beat.
        match tokio::time::timeout(FLUSH_TIME, self.heart.beat()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the store does not take the last heartbeat"),
            Err(_) => tracing::warn!("the store does not take the last heartbeat in time"),
        }
        if tokio::time::timeout(FLUSH_TIME, self.store.close()).await.is_err() {
            tracing::warn!("the store's connections are still in use; what was committed is safe");
        }
    }
}

/// The buckets as the storages' own events name them.
fn event_buckets(origins: &Origins) -> Vec<EventBucket> {
    let of = |origin: &Arc<larder_cached::Origin>| {
        let (_, path) = origin.url().split_once("://")?;
        let origin_bucket = path.split('/').next().filter(|name| !name.is_empty())?.to_owned();
        Some(EventBucket { origin_bucket, prefix: origin.prefix().to_string(), rules: origin.rules().clone() })
    };
    origins.iter().filter_map(of).collect()
}

/// The object that `[store]` names for whitelists.
pub(crate) fn shared_whitelist(place: &str, origins: &Origins) -> Result<SharedWhitelist> {
    let found = StoreSettings::bucket_and_key(place).and_then(|(bucket, key)| Some((origins.get(bucket)?, key)));
    let (origin, key) = found.with_context(|| format!("[store] `{place}` is in no bucket"))?;
    Ok(SharedWhitelist { place: place.to_owned(), store: Arc::clone(origin.store()), path: origin.path(key)? })
}

/// The metastore that is asked where the tables of these buckets lie, if one is configured.
pub(crate) fn metastore_of(config: &Config, places: Places) -> Option<Arc<Metastore>> {
    let MetastoreSettings { connect, stall, read_every, .. } = config.metastore;
    let addresses = config.metastore.addresses();
    let asks = !addresses.is_empty() && !read_every.is_zero();
    asks.then(|| Metastore::new(MetastoreAddresses { addresses, connect, stall }, places))
}

/// The buckets, as URLs name them.
pub(crate) fn places(config: &Config, origins: &Origins) -> Places {
    let place = |bucket: &BucketSettings| {
        let origin = origins.get(&bucket.name)?;
        Some(Place {
            bucket: bucket.name.clone(),
            origin: origin.url().to_owned(),
            catalog: bucket.catalog.as_ref().unwrap_or(&bucket.name).clone(),
            rules: origin.rules().clone(),
        })
    };
    Places::new(config.buckets.iter().filter_map(place).collect(), None)
}

/// The night that these parts would run. `workers` are admin URLs; `None` for those that the store has seen.
pub(crate) fn night(
    config: &Config,
    store: &Store,
    origins: &Origins,
    clock: &Arc<dyn Clock>,
    workers: Option<Vec<String>>,
    metastore: Option<Arc<Metastore>>,
) -> Result<Night> {
    let catalog = origins.iter().map(|origin| CatalogBucket {
        name: origin.name().to_owned(),
        store: Arc::clone(origin.store()),
        prefix: origin.prefix().clone(),
        rules: origin.rules().clone(),
    });
    Ok(Night {
        store: store.clone(),
        clock: Arc::clone(clock),
        logs: config.logs.path.clone(),
        engine: config.nightly.log_engine()?,
        catalog: catalog.collect(),
        metastore,
        settings: config.nightly.clone(),
        write_bytes_max: config.nightly.wear_bytes(config.cache.ssd.capacity),
        demand: Demand {
            fills: config.cache.admit == larder_cached::Admit::All,
            ssd_bytes: config.cache.ssd.capacity.as_u64(),
        },
        workers,
        worker_token: config.admin.own_token()?,
    })
}

/// The nights of this daemon. What was read and asked until one begins, it finds in the logs.
fn nights(night: Night, engine: &Arc<Engine>, spool: &Spool, stop: &CancellationToken) -> NightRunner {
    let (engine, spool) = (Arc::clone(engine), spool.clone());
    let before: BeforeNight = Arc::new(move || {
        let (engine, spool) = (Arc::clone(&engine), spool.clone());
        Box::pin(async move { flush_logs(&engine, &spool).await })
    });
    NightRunner::new(night, before, stop.clone())
}

async fn flush_logs(engine: &Engine, spool: &Spool) {
    engine.flush_access_log().await;
    if let Err(error) = spool.flush().await {
        tracing::warn!(%error, "query events still wait to be written");
    }
}

fn description() -> utoipa::openapi::OpenApi {
    let info = utoipa::openapi::InfoBuilder::new()
        .title("Larder admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Whitelist, tables, residency, preload, resolve and live figures of one worker."))
        .build();
    utoipa::openapi::OpenApiBuilder::new().info(info).build()
}

/// Where nights on other workers reach this one.
fn admin_url(config: &Config, admin: SocketAddr) -> String {
    config.admin.url.clone().unwrap_or_else(|| match admin.ip().is_unspecified() {
        true => format!("http://{}:{}", host_name(), admin.port()),
        false => format!("http://{admin}"),
    })
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if name.is_empty() { "worker".to_owned() } else { name }
}
