//! Whether the SSD is fit for use, decided from how its last calls went.

use std::time::{Duration, Instant};

use larder_model::admin::TierState;
use parking_lot::Mutex;

/// So many failed calls in a row put the SSD out of use.
const FAILURES_MAX: u32 = 8;
/// How long it is left alone before it is tried again.
const REST: Duration = Duration::from_secs(5);

/// How the SSD fares.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    unfit: Option<(TierState, Instant)>,
}

impl Health {
    pub(super) fn state(&self) -> TierState {
        self.state.lock().unfit.map_or(TierState::InUse, |(state, _)| state)
    }

    /// Whether blocks may be read from it.
    pub(super) fn readable(&self) -> bool {
        self.state() != TierState::OutOfUse
    }

    /// Whether blocks may be written to it.
    pub(super) fn writable(&self) -> bool {
        self.state() == TierState::InUse
    }

    /// A call went well.
    pub(super) fn worked(&self) {
        self.state.lock().failures = 0;
    }

    /// A call failed at `now`.
    pub(super) fn failed(&self, error: &std::io::Error, now: Instant) {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let mut state = self.state.lock();
        let next = if matches!(error.kind(), StorageFull | QuotaExceeded) {
            TierState::Full
        } else {
            state.failures += 1;
            if state.failures < FAILURES_MAX {
                return;
            }
            TierState::OutOfUse
        };
        if state.unfit.is_none_or(|(now, _)| now != next) {
            match next {
                TierState::Full => tracing::warn!(%error, "the disk of the ssd tier is full: nothing more is admitted"),
                _ => tracing::error!(%error, "the ssd tier fails: it is left out, reads go to the origin"),
            }
        }
        state.unfit = Some((next, now));
    }

    /// Whether an unfit SSD has rested and should be tried.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.state.lock().unfit.is_some_and(|(_, since)| now.duration_since(since) >= REST)
    }

    /// It was tried, and is fit again.
    pub(super) fn healed(&self) {
        tracing::info!("the ssd tier is in use again");
        *self.state.lock() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn failures_in_a_row_put_it_out_of_use_until_it_is_tried() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..100 {
            health.failed(&Error::other("io"), now);
            health.worked();
        }
        assert_eq!(health.state(), TierState::InUse);
        for _ in 0..FAILURES_MAX {
            health.failed(&Error::other("io"), now);
        }
        assert_eq!(health.state(), TierState::OutOfUse);
        assert!(!health.readable() && !health.is_due(now) && health.is_due(now + REST));
        health.healed();
        assert!(health.readable() && health.writable());
    }

    #[test]
    fn a_full_disk_is_read_but_not_written() {
        let (health, now) = (Health::default(), Instant::now());
        health.failed(&Error::from(ErrorKind::StorageFull), now);
        assert_eq!(health.state(), TierState::Full);
        assert!(health.readable() && !health.writable());
    }
}
