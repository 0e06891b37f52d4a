//! The data path's metrics: names, units and labels in one place. Label values are enums, so their number is bounded.

mod latency;

use std::sync::atomic::AtomicU64;

use larder_model::admin::{TierErrorCount, TierErrorKind};
use larder_model::{Route, Tier, Usage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use self::latency::LatencyHistogram;

/// Why the origin was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A client waits for it.
    Demand,
    /// A preload.
    Preload,
}

impl Cause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Preload => "preload",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierRoute {
    tier: &'static str,
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierKind {
    tier: &'static str,
    kind: &'static str,
}

impl TierKind {
    fn new(tier: Tier, kind: TierErrorKind) -> Self {
        Self { tier: tier.as_str(), kind: kind.as_str() }
    }
}

/// Counters and gauges of the data path. The hot ones are held here one by one: counting takes no lock and no lookup.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) gets: Counter,
    pub(crate) get_errors: Counter,
    pub(crate) redirects: Counter,
    pub(crate) bytes_memory: Counter,
    pub(crate) bytes_ssd: Counter,
    pub(crate) bytes_origin: Counter,
    pub(crate) bytes_direct: Counter,
    get_seconds: [LatencyHistogram; 3],
    pub(crate) origin_demand: Counter,
    pub(crate) origin_preload: Counter,
    pub(crate) origin_direct: Counter,
    pub(crate) origin_requests: Counter,
    pub(crate) fill_retries: Counter,
    pub(crate) fill_hedges: Counter,
    pub(crate) saved_io_seconds: Counter<f64, AtomicU64>,
    pub(crate) missed_io_seconds: Counter<f64, AtomicU64>,
    tier_errors: Family<TierKind, Counter>,
    pub(crate) fills_in_flight: Gauge,
    pub(crate) access_records_dropped: Counter,
    tier_bytes: Family<TierLabel, Gauge>,
    whitelist_version: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("larder");
        let get_bytes = Family::<TierRoute, Counter>::default();
        let get_seconds = Family::<TierLabel, LatencyHistogram>::default();
        let origin_bytes = Family::<CauseLabel, Counter>::default();
        let bytes = |tier: Tier, route: Route| {
            get_bytes.get_or_create_owned(&TierRoute { tier: tier.as_str(), route: route.as_str() })
        };
        let seconds = |tier: Tier| get_seconds.get_or_create_owned(&TierLabel { tier: tier.as_str() });
        let origin = |cause| origin_bytes.get_or_create_owned(&CauseLabel { cause });
        let metrics = Self {
            gets: Counter::default(),
            get_errors: Counter::default(),
            redirects: Counter::default(),
            bytes_memory: bytes(Tier::Memory, Route::Cached),
            bytes_ssd: bytes(Tier::Ssd, Route::Cached),
            bytes_origin: bytes(Tier::Origin, Route::Cached),
            bytes_direct: bytes(Tier::Origin, Route::Direct),
            get_seconds: [seconds(Tier::Memory), seconds(Tier::Ssd), seconds(Tier::Origin)],
            origin_demand: origin(Cause::Demand.as_str()),
            origin_preload: origin(Cause::Preload.as_str()),
            origin_direct: origin("direct"),
            origin_requests: Counter::default(),
            fill_retries: Counter::default(),
            fill_hedges: Counter::default(),
            saved_io_seconds: Counter::default(),
            missed_io_seconds: Counter::default(),
            tier_errors: Family::default(),
            fills_in_flight: Gauge::default(),
            access_records_dropped: Counter::default(),
            tier_bytes: Family::default(),
            whitelist_version: Gauge::default(),
            registry: Registry::default(),
        };
        // A failure that is the first of its kind must be seen as one: a counter that begins with it never rises.
        for kind in TierErrorKind::ALL {
            metrics.tier_errors.get_or_create_owned(&TierKind::new(Tier::Ssd, kind));
        }
        registry.register("get_requests", "GET requests served", metrics.gets.clone());
        registry.register("get_errors", "GET requests that failed", metrics.get_errors.clone());
        registry.register(
            "redirects",
            "GET requests answered with a redirect to the origin",
            metrics.redirects.clone(),
        );
        registry.register_with_unit("get", "Bytes sent to clients", Unit::Bytes, get_bytes);
        registry.register_with_unit("get", "Seconds a GET took, by its slowest tier", Unit::Seconds, get_seconds);
        registry.register_with_unit("origin", "Bytes read from origins", Unit::Bytes, origin_bytes);
        registry.register("origin_requests", "Requests to origins by fills", metrics.origin_requests.clone());
        registry.register("fill_retries", "Fills tried again after they broke off", metrics.fill_retries.clone());
        registry.register("fill_hedges", "Second requests beside slow ones", metrics.fill_hedges.clone());
        registry.register_with_unit(
            "saved_io",
            "IO time saved by reads from memory and SSD",
            Unit::Seconds,
            metrics.saved_io_seconds.clone(),
        );
        registry.register_with_unit(
            "missed_io",
            "IO time that reads from the origin would have saved on the SSD",
            Unit::Seconds,
            metrics.missed_io_seconds.clone(),
        );
        registry.register("tier_errors", "Tier failures, each served as a miss", metrics.tier_errors.clone());
        registry.register("fills_in_flight", "Fills under way", metrics.fills_in_flight.clone());
        registry.register(
            "access_records_dropped",
            "Access records lost because the log could not keep up",
            metrics.access_records_dropped.clone(),
        );
        registry.register_with_unit("tier", "Bytes a tier holds", Unit::Bytes, metrics.tier_bytes.clone());
        registry.register("whitelist_version", "The whitelist in force", metrics.whitelist_version.clone());
        Self { registry, ..metrics }
    }

    pub(crate) fn tier_error(&self, tier: Tier, kind: TierErrorKind) {
        self.tier_errors.get_or_create(&TierKind::new(tier, kind)).inc();
    }

    /// What went wrong within the tiers since the start, each kind by itself, also what never did. Memory has no kinds.
    pub(crate) fn tier_errors(&self) -> Vec<TierErrorCount> {
        let tier = Tier::Ssd;
        let count = |kind| self.tier_errors.get_or_create(&TierKind::new(tier, kind)).get();
        TierErrorKind::ALL.into_iter().map(|kind| TierErrorCount { tier, kind, count: count(kind) }).collect()
    }

    pub(crate) fn observe_get(&self, slowest: Tier, seconds: f64) {
        let at = match slowest {
            Tier::Memory => 0,
            Tier::Ssd => 1,
            Tier::Peer | Tier::Origin => 2,
        };
        self.get_seconds[at].observe(seconds);
    }

    /// What was done since the start.
    pub(crate) fn usage(&self) -> Usage {
        let [memory, ssd, origin] = self.get_seconds.each_ref().map(LatencyHistogram::counts);
        Usage {
            requests: self.gets.get(),
            errors: self.get_errors.get(),
            bytes_memory: self.bytes_memory.get(),
            bytes_ssd: self.bytes_ssd.get(),
            bytes_origin: self.bytes_origin.get(),
            bytes_direct: self.bytes_direct.get(),
            origin_bytes_demand: self.origin_demand.get(),
            origin_bytes_preload: self.origin_preload.get(),
            saved_seconds: self.saved_io_seconds.get(),
            missed_seconds: self.missed_io_seconds.get(),
            memory,
            ssd,
            origin,
        }
    }

    pub(crate) fn origin_bytes(&self, cause: Cause) -> &Counter {
        match cause {
            Cause::Demand => &self.origin_demand,
            Cause::Preload => &self.origin_preload,
        }
    }

    /// The text form, with the gauges that are read rather than counted.
    pub(crate) fn text(&self, memory_bytes: u64, ssd_bytes: u64, whitelist_version: u64) -> String {
        for (tier, bytes) in [(Tier::Memory, memory_bytes), (Tier::Ssd, ssd_bytes)] {
            self.tier_bytes
                .get_or_create(&TierLabel { tier: tier.as_str() })
                .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        self.whitelist_version.set(i64::try_from(whitelist_version).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a string does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_design() {
        let metrics = Metrics::new();
        metrics.bytes_memory.inc_by(5);
        metrics.observe_get(Tier::Memory, 0.001);
        metrics.tier_error(Tier::Ssd, TierErrorKind::Read);
        let text = metrics.text(1, 2, 3);
        for line in [
            "larder_get_bytes_total{tier=\"memory\",route=\"cached\"} 5",
            "larder_get_seconds_bucket{le=\"0.0005\",tier=\"memory\"} 0",
            "larder_origin_bytes_total{cause=\"preload\"} 0",
            "larder_saved_io_seconds_total 0",
            "larder_tier_bytes{tier=\"ssd\"} 2",
            "larder_tier_errors_total{tier=\"ssd\",kind=\"read\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn tier_errors_are_counted_by_kind_from_zero_on() {
        let metrics = Metrics::new();
        metrics.tier_error(Tier::Ssd, TierErrorKind::Checksum);
        metrics.tier_error(Tier::Ssd, TierErrorKind::Checksum);
        let counts: Vec<_> = metrics.tier_errors().iter().map(|error| (error.kind.as_str(), error.count)).collect();
        let expected = ["read", "write", "checksum", "length", "journal", "free", "queue_full", "not_admitted"];
        assert_eq!(counts, expected.map(|kind| (kind, if kind == "checksum" { 2 } else { 0 })));
        for kind in expected {
            let line = format!("larder_tier_errors_total{{tier=\"ssd\",kind=\"{kind}\"}} ");
            assert!(metrics.text(0, 0, 0).contains(&line), "{line}");
        }
    }
}
