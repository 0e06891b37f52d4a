//! What `/metrics` says of the daemon as a whole, read when somebody asks: names, units and labels in one place.

use std::sync::atomic::AtomicU64;

use larder_cached::Engine;
use larder_model::admin::TierState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    tier: &'static str,
    state: &'static str,
}

/// How a tier may fare, as the metric's label says it.
const STATES: [(TierState, &str); 5] = [
    (TierState::Opening, "opening"),
    (TierState::InUse, "in_use"),
    (TierState::Full, "full"),
    (TierState::Slow, "slow"),
    (TierState::OutOfUse, "out_of_use"),
];

/// The text form, without the line that ends it: other parts' metrics follow. `night_finished_ms` is when the last night ended,
/// in milliseconds since 1970; zero for none. `healthy` says whether the S3 endpoint answers.
pub(super) fn text(engine: &Engine, night_finished_ms: i64, healthy: bool) -> String {
    let mut registry = Registry::with_prefix("larder");
    let capacity = Family::<TierLabel, Gauge>::default();
    let state = Family::<StateLabel, Gauge>::default();
    for tier in engine.tier_use() {
        let name = tier.tier.as_str();
        let bytes = i64::try_from(tier.capacity_bytes).unwrap_or(i64::MAX);
        capacity.get_or_create(&TierLabel { tier: name }).set(bytes);
        for (is, label) in STATES {
            state.get_or_create(&StateLabel { tier: name, state: label }).set(i64::from(tier.state == is));
        }
    }
    registry.register_with_unit("tier_capacity", "Bytes a tier may hold", Unit::Bytes, capacity);
    registry.register("tier_state", "1 for the state that a tier is in", state);
    let created = Gauge::<f64, AtomicU64>::default();
    if let Some(whitelist) = engine.whitelist() {
        created.set(whitelist.created.timestamp_millis() as f64 / 1000.0);
    }
    let help = "When the whitelist in force was made; 0 while there is none";
    registry.register_with_unit("whitelist_created_timestamp", help, Unit::Seconds, created);
    let finished = Gauge::<f64, AtomicU64>::default();
    finished.set(night_finished_ms as f64 / 1000.0);
    let help = "When the last night ended, also one that changed nothing; 0 while there was none";
    registry.register_with_unit("night_finished_timestamp", help, Unit::Seconds, finished);
    let answers = Gauge::<i64>::default();
    answers.set(i64::from(healthy));
    let help = "1 while the S3 endpoint answers; else engines are sent to the storage";
    registry.register("endpoint_answers", help, answers);
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "What runs", build);
    let mut text = String::new();
    prometheus_client::encoding::text::encode_registry(&mut text, &registry)
        .expect("writing to a string does not fail");
    text
}
