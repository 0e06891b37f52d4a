//! How fast an origin answers, as its last requests showed: how long a stretch is worth a request of its own, and when an
//! answer is late enough to ask again.

use std::time::Duration;

use larder_model::IoSpeed;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How many requests are remembered.
const SAMPLES: usize = 128;
/// Before there are so many, nothing is said.
const SAMPLES_MIN: usize = 20;
/// Shorter transfers say more about timers than about the origin.
const TRANSFER_BYTES_MIN: u64 = 256 << 10;
/// Hedges that a request earns. The budget is what keeps a slow origin from being asked twice for everything.
const HEDGES_PER_REQUEST: f64 = 0.05;
/// Hedges that may be saved up.
const HEDGES_MAX: f64 = 8.0;
/// The share of requests that answer sooner than it takes for a hedge, and how much later than them it is sent.
const PATIENCE: (f64, f64) = (0.95, 1.5);
/// No hedge is sent sooner: an origin as near as that has no tail worth a request.
const PATIENCE_MIN: Duration = Duration::from_millis(5);

/// What the last requests took.
#[derive(Debug)]
pub(crate) struct Pace {
    samples: Mutex<Samples>,
    hedges: Mutex<f64>,
    dice: Mutex<ChaCha8Rng>,
}

#[derive(Debug, Default)]
struct Samples {
    /// Seconds to the first byte.
    first_byte: Ring,
    /// Bytes a second after it.
    speed: Ring,
}

/// The newest samples, in no order.
#[derive(Debug, Default)]
struct Ring {
    values: Vec<f64>,
    next: usize,
}

impl Ring {
    fn push(&mut self, value: f64) {
        if self.values.len() < SAMPLES {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
            self.next = (self.next + 1) % SAMPLES;
        }
    }

    /// The value that this share of the samples does not exceed; `None` while there are few.
    fn quantile(&self, share: f64) -> Option<f64> {
        if self.values.len() < SAMPLES_MIN {
            return None;
        }
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(((sorted.len() - 1) as f64 * share) as usize).copied()
    }
}

impl Default for Pace {
    fn default() -> Self {
        // Workers that fail together must differ; one that is looked into may be run again.
        let dice = ChaCha8Rng::seed_from_u64(std::process::id().into());
        Self { samples: Mutex::default(), hedges: Mutex::default(), dice: Mutex::new(dice) }
    }
}

impl Pace {
    /// A wait of at most `longest` before a request is tried again: those that failed together do not come back
    /// together.
    pub(crate) fn jitter(&self, longest: Duration) -> Duration {
        self.dice.lock().random_range(Duration::ZERO..=longest)
    }

    /// Remembers a request that was answered.
    pub(crate) fn record(&self, first_byte: Duration, bytes: u64, transfer: Duration) {
        let mut samples = self.samples.lock();
        samples.first_byte.push(first_byte.as_secs_f64());
        if bytes >= TRANSFER_BYTES_MIN {
            samples.speed.push(bytes as f64 / transfer.as_secs_f64().max(1e-6));
        }
    }

    /// The bytes that take as long as the wait for the first of them. Splitting a stretch into requests of this length
    /// saves up to half its time; shorter ones would save little more and cost more requests. `None` while little is
    /// known.
    pub(crate) fn worthwhile_bytes(&self) -> Option<u64> {
        let usual = self.usual()?;
        Some((usual.overhead_seconds * usual.bytes_per_second) as u64)
    }

    /// What a request usually costs; `None` while little is known.
    pub(crate) fn usual(&self) -> Option<IoSpeed> {
        let samples = self.samples.lock();
        let overhead_seconds = samples.first_byte.quantile(0.5)?;
        Some(IoSpeed { overhead_seconds, bytes_per_second: samples.speed.quantile(0.5)? })
    }

    /// How long an answer may take before it is late; `None` while little is known.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let usual = self.samples.lock().first_byte.quantile(PATIENCE.0)?;
        Some(Duration::from_secs_f64(usual * PATIENCE.1).max(PATIENCE_MIN))
    }

    /// A request was sent, which earns a part of a hedge.
    pub(crate) fn earn_hedge(&self) {
        let mut hedges = self.hedges.lock();
        *hedges = (*hedges + HEDGES_PER_REQUEST).min(HEDGES_MAX);
    }

    /// Takes a hedge from the budget, if there is one.
    pub(crate) fn spend_hedge(&self) -> bool {
        let mut hedges = self.hedges.lock();
        let affordable = *hedges >= 1.0;
        if affordable {
            *hedges -= 1.0;
        }
        affordable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_worth_a_request_when_it_takes_as_long_as_the_first_byte() {
        let pace = Pace::default();
        assert_eq!((pace.worthwhile_bytes(), pace.patience()), (None, None));
        for _ in 0..SAMPLES {
            pace.record(Duration::from_millis(30), 8_000_000, Duration::from_millis(100));
        }
        assert_eq!(pace.worthwhile_bytes(), Some(2_400_000));
        assert_eq!(pace.patience(), Some(Duration::from_millis(45)));
        // What was long ago is forgotten.
        for _ in 0..SAMPLES {
            pace.record(Duration::from_millis(1), 8_000_000, Duration::from_millis(10));
        }
        assert_eq!((pace.worthwhile_bytes(), pace.patience()), (Some(800_000), Some(PATIENCE_MIN)));
    }

    #[test]
    fn few_slow_answers_do_not_stretch_the_patience() {
        let pace = Pace::default();
        for i in 0..100 {
            pace.record(Duration::from_millis(if i % 50 == 0 { 300 } else { 30 }), 1, Duration::ZERO);
        }
        assert_eq!(pace.patience(), Some(Duration::from_millis(45)));
        assert_eq!(pace.worthwhile_bytes(), None, "short transfers say nothing about speed");
    }

    #[test]
    fn hedges_are_a_twentieth_of_the_requests() {
        let pace = Pace::default();
        let hedges = (0..1000).filter(|_| {
            pace.earn_hedge();
            pace.spend_hedge()
        });
        assert!((48..=50).contains(&hedges.count()));
        (0..10_000).for_each(|_| pace.earn_hedge());
        assert_eq!((0..100).filter(|_| pace.spend_hedge()).count(), HEDGES_MAX as usize);
    }
}
