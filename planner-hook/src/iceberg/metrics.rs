//! The proxy's metrics: names, units and labels in one place.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::tables::Verdict;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// What the proxy counts.
#[derive(Debug)]
pub struct IcebergMetrics {
    registry: Registry,
    pub(crate) requests: Counter,
    pub(crate) refused: Counter,
    pub(crate) connect_errors: Counter,
    pub(crate) broken: Counter,
    tables: Family<VerdictLabel, Counter>,
}

impl IcebergMetrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("larder_iceberg");
        let errors = Family::<KindLabel, Counter>::default();
        let metrics = Self {
            requests: Counter::default(),
            refused: Counter::default(),
            connect_errors: errors.get_or_create_owned(&KindLabel { kind: "connect" }),
            broken: errors.get_or_create_owned(&KindLabel { kind: "broken" }),
            tables: Family::default(),
            registry: Registry::default(),
        };
        // A counter that begins with what it counts first never rises.
        for verdict in ["cached", "unlisted"] {
            metrics.tables.get_or_create_owned(&VerdictLabel { verdict });
        }
        registry.register("requests", "Requests that clients made of the catalog", metrics.requests.clone());
        registry.register("refused", "Requests answered 503 because there were too many", metrics.refused.clone());
        registry.register("tables", "Tables answered, by what was decided of them", metrics.tables.clone());
        registry.register("upstream_errors", "Requests that the catalog did not take or broke off", errors);
        Self { registry, ..metrics }
    }

    pub(crate) fn table(&self, verdict: Verdict) {
        let verdict = match verdict {
            Verdict::Cached => "cached",
            Verdict::Unlisted => "unlisted",
            Verdict::Elsewhere => "elsewhere",
            Verdict::Vended => "vended",
            Verdict::NotUnderstood => "not_understood",
            Verdict::TooLarge => "too_large",
        };
        self.tables.get_or_create(&VerdictLabel { verdict }).inc();
    }

    /// The text form, without the line that ends it: other parts' metrics follow.
    pub fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode_registry(&mut text, &self.registry)
            .expect("writing to a string does not fail");
        text
    }
}
