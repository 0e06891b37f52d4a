//! The clock that components receive, so that tests and the demo can move time themselves.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, Utc};

/// Tells the calendar time, and the time that ages are measured by: never subtract two calendar times.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// The time now, by a clock that nobody sets.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that stands still until it is set: the demo lives through a month of days with it.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<DateTime<Utc>>,
    begun: (DateTime<Utc>, Instant),
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { now: Mutex::new(now), begun: (now, Instant::now()) }
    }

    /// Moves the clock, forwards or backwards.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// As far from the clock's making as its calendar time is, and never before it.
    fn instant(&self) -> Instant {
        let (calendar, begun) = self.begun;
        begun + (self.now() - calendar).to_std().unwrap_or_default()
    }
}
