//! IO time: what a read costs from a given tier.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Seconds a read takes from one place: `overhead + bytes / speed`, both measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IoSpeed {
    /// Seconds before the first byte, per request.
    pub overhead_seconds: f64,
    /// Bytes per second after that; above zero.
    pub bytes_per_second: f64,
}

impl IoSpeed {
    /// The IO time of `requests` reads of `bytes` in all, in seconds.
    pub fn seconds(&self, requests: u64, bytes: u64) -> f64 {
        requests as f64 * self.overhead_seconds + bytes as f64 / self.bytes_per_second
    }
}

/// What is assumed of an origin until it is measured: object storage within one region.
pub const ASSUMED_ORIGIN: IoSpeed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };

/// What is assumed of the SSD until it is measured: a modest NVMe drive, checksums and HTTP included.
pub const ASSUMED_SSD: IoSpeed = IoSpeed { overhead_seconds: 0.0003, bytes_per_second: 1e9 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overhead_is_paid_per_request_and_bytes_once() {
        let speed = IoSpeed { overhead_seconds: 0.5, bytes_per_second: 100.0 };
        assert_eq!(speed.seconds(2, 300), 4.0);
    }
}
