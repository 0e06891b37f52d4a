//! Whether the SSD is fit for use, decided from how its last calls went.

use std::time::{Duration, Instant};

use larder_model::admin::TierState;
use parking_lot::Mutex;

/// So many failed calls in a row put the SSD out of use.
const FAILURES_MAX: u32 = 8;
/// How long it is left alone before it is tried again.
const REST: Duration = Duration::from_secs(5);
/// Reads that took longer than the origin's would have, less those that did not, until reads go around the SSD.
const SLOW_READS_MAX: u32 = 64;
/// A read that takes less is not slow, however near the origin is.
const SLOW_MIN: Duration = Duration::from_millis(50);

/// How the SSD fares.
#[derive(Debug)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    slow_reads: u32,
    unfit: Option<(TierState, Instant)>,
}

impl Health {
    /// Of a tier that is opened at `now`.
    pub(super) fn opening(now: Instant) -> Self {
        Self { state: Mutex::new(State { unfit: Some((TierState::Opening, now)), ..State::default() }) }
    }

    /// All that was there is taken up.
    pub(super) fn opened(&self) {
        let mut state = self.state.lock();
        state.unfit = state.unfit.filter(|(state, _)| *state != TierState::Opening);
    }

    /// It cannot be opened, and will not be tried again.
    pub(super) fn lost(&self, error: &std::io::Error, now: Instant) {
        tracing::error!(%error, "the ssd tier cannot be opened: it is left out until the next start");
        self.state.lock().unfit = Some((TierState::OutOfUse, now));
    }

    pub(super) fn state(&self) -> TierState {
        self.state.lock().unfit.map_or(TierState::InUse, |(state, _)| state)
    }

    /// Whether blocks may be read from it.
    pub(super) fn readable(&self) -> bool {
        !matches!(self.state(), TierState::Slow | TierState::OutOfUse)
    }

    /// Whether blocks may be written to it.
    pub(super) fn writable(&self) -> bool {
        matches!(self.state(), TierState::InUse | TierState::Slow)
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

    /// A read took so long, where the origin usually takes `origin`.
    pub(super) fn took(&self, read: Duration, origin: Duration, now: Instant) {
        let mut state = self.state.lock();
        if read < origin.max(SLOW_MIN) {
            state.slow_reads = state.slow_reads.saturating_sub(1);
            return;
        }
        state.slow_reads += 1;
        if state.slow_reads >= SLOW_READS_MAX && state.unfit.is_none() {
            tracing::warn!(?read, ?origin, "the ssd tier is slower than the origin: reads go around it");
            state.unfit = Some((TierState::Slow, now));
        }
    }

    /// Whether an unfit SSD has rested and should be tried.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.state.lock().unfit.is_some_and(|(_, since)| now.duration_since(since) >= REST)
    }

    /// It was tried, and is fit again. One that was slow has to prove itself sooner.
    pub(super) fn healed(&self) {
        tracing::info!("the ssd tier is in use again");
        let mut state = self.state.lock();
        *state = State { slow_reads: state.slow_reads / 2, ..State::default() };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    fn fit(now: Instant) -> Health {
        let health = Health::opening(now);
        health.opened();
        health
    }

    #[test]
    fn failures_in_a_row_put_it_out_of_use_until_it_is_tried() {
        let now = Instant::now();
        let health = fit(now);
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
    fn reads_go_around_an_ssd_that_is_slower_than_the_origin() {
        let now = Instant::now();
        let health = fit(now);
        let [fast, origin, slow] = [1, 100, 200].map(Duration::from_millis);
        for _ in 0..1000 {
            health.took(slow, origin, now);
            health.took(fast, origin, now);
        }
        assert_eq!(health.state(), TierState::InUse, "as many are fast as are slow");
        let reads_until_slow = || {
            let reads = (1..).find(|_| {
                health.took(slow, origin, now);
                health.state() == TierState::Slow
            });
            reads.expect("it is found slow")
        };
        assert_eq!(reads_until_slow(), SLOW_READS_MAX);
        assert!(!health.readable() && health.writable() && health.is_due(now + REST));
        health.healed();
        assert!(health.readable());
        assert_eq!(reads_until_slow(), SLOW_READS_MAX / 2);
        // A near origin makes no SSD slow.
        let health = fit(Instant::now());
        (0..1000).for_each(|_| health.took(Duration::from_millis(20), Duration::ZERO, now));
        assert_eq!(health.state(), TierState::InUse);
    }

    #[test]
    fn a_full_disk_is_read_but_not_written() {
        let now = Instant::now();
        let health = fit(now);
        health.failed(&Error::from(ErrorKind::StorageFull), now);
        assert_eq!(health.state(), TierState::Full);
        assert!(health.readable() && !health.writable());
    }
}
