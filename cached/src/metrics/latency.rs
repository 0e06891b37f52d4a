//! A histogram of seconds that can be read back, and that no lock guards: every GET counts into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_model::Latency;
use larder_model::usage::{LATENCY_BOUNDS_SECONDS, LATENCY_BUCKETS};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Atomic;
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Counts by [`LATENCY_BOUNDS_SECONDS`]. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct LatencyHistogram(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: [AtomicU64; LATENCY_BUCKETS],
    /// The bits of a double.
    seconds: AtomicU64,
}

impl LatencyHistogram {
    pub(crate) fn observe(&self, seconds: f64) {
        self.0.counts[Latency::bucket(seconds)].fetch_add(1, Ordering::Relaxed);
        Atomic::<f64>::inc_by(&self.0.seconds, seconds);
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Latency {
        Latency(std::array::from_fn(|at| self.0.counts[at].load(Ordering::Relaxed)))
    }
}

impl EncodeMetric for LatencyHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = self.counts();
        // Prometheus has no quantiles of a histogram whose last bucket is not `+Inf`.
        let bounds = LATENCY_BOUNDS_SECONDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.0).collect();
        encoder.encode_histogram::<NoLabelSet>(Atomic::<f64>::get(&self.0.seconds), counts.requests(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for LatencyHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn clones_count_together() {
        let histogram = LatencyHistogram::default();
        histogram.clone().observe(0.002);
        histogram.observe(99.0);
        let counts = histogram.counts();
        assert_eq!(counts.requests(), 2);
        assert_eq!(counts.0[LATENCY_BUCKETS - 1], 1);
        assert_eq!(Atomic::<f64>::get(&histogram.0.seconds), 99.002);
    }

    #[test]
    fn the_last_bucket_is_infinite() {
        let mut registry = Registry::default();
        registry.register("latency", "Seconds", LatencyHistogram::default());
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("latency_bucket{le=\"+Inf\"} 0"), "{text}");
    }
}
