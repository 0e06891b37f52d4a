//! The proxy's metrics: names, units and labels in one place.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::stream::Side;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SideLabel {
    side: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Counters of one side of all connections.
#[derive(Debug)]
pub(crate) struct SideMetrics {
    pub(crate) bytes: Counter,
    pub(crate) locations: Counter,
    pub(crate) not_understood: Counter,
}

/// What the proxy counts. Counting takes no lock and no lookup.
#[derive(Debug)]
pub struct MetastoreMetrics {
    registry: Registry,
    pub(crate) calls: Counter,
    pub(crate) connections: Gauge,
    pub(crate) refused: Counter,
    pub(crate) connect_errors: Counter,
    pub(crate) broken: Counter,
    requests: SideMetrics,
    answers: SideMetrics,
}

impl MetastoreMetrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("larder_metastore");
        let bytes = Family::<SideLabel, Counter>::default();
        let locations = Family::<SideLabel, Counter>::default();
        let not_understood = Family::<SideLabel, Counter>::default();
        let errors = Family::<KindLabel, Counter>::default();
        let side = |side| {
            let label = SideLabel { side };
            SideMetrics {
                bytes: bytes.get_or_create_owned(&label),
                locations: locations.get_or_create_owned(&label),
                not_understood: not_understood.get_or_create_owned(&label),
            }
        };
        let metrics = Self {
            calls: Counter::default(),
            connections: Gauge::default(),
            refused: Counter::default(),
            connect_errors: errors.get_or_create_owned(&KindLabel { kind: "connect" }),
            broken: errors.get_or_create_owned(&KindLabel { kind: "broken" }),
            requests: side("requests"),
            answers: side("answers"),
            registry: Registry::default(),
        };
        registry.register("calls", "Calls that clients made of the metastore", metrics.calls.clone());
        registry.register("connections", "Clients connected to the metastore proxy", metrics.connections.clone());
        registry.register("refused", "Connections closed because there were too many", metrics.refused.clone());
        registry.register("locations", "Locations rewritten: to the cache in answers, back in requests", locations);
        registry.register(
            "not_understood",
            "Messages, or the rest of a connection, that passed as they came",
            not_understood,
        );
        registry.register("upstream_errors", "Connections to metastores that failed or broke off", errors);
        registry.register_with_unit("passed", "Bytes received", Unit::Bytes, bytes);
        Self { registry, ..metrics }
    }

    pub(crate) fn side(&self, side: Side) -> &SideMetrics {
        match side {
            Side::Requests => &self.requests,
            Side::Answers => &self.answers,
        }
    }

    /// The text form, without the line that ends it: other parts' metrics follow.
    pub fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode_registry(&mut text, &self.registry)
            .expect("writing to a string does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_documentation() {
        let metrics = MetastoreMetrics::new();
        metrics.calls.inc();
        metrics.side(Side::Answers).locations.inc_by(3);
        metrics.side(Side::Requests).bytes.inc_by(5);
        let text = metrics.text();
        for line in [
            "larder_metastore_calls_total 1",
            "larder_metastore_locations_total{side=\"answers\"} 3",
            "larder_metastore_passed_bytes_total{side=\"requests\"} 5",
            "larder_metastore_upstream_errors_total{kind=\"connect\"} 0",
            "larder_metastore_not_understood_total{side=\"requests\"} 0",
            "larder_metastore_connections 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("# EOF"), "{text}");
    }
}
