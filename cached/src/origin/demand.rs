//! How those fare who read from an origin: how long it takes to begin its answers to them, usually and of late, and
//! whether they wait for a place among the requests to it. A preload holds back by this.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::preload::restraint::Demand;

/// Answers that are remembered of the time without preloads, and of late.
const USUAL_SAMPLES: usize = 128;
const RECENT_SAMPLES: usize = 8;
/// Before there are so many, nothing is said.
const USUAL_MIN: usize = 8;
const RECENT_MIN: usize = 3;
/// What was longer ago says nothing of how readers fare now.
const RECENT: Duration = Duration::from_secs(30);

/// How readers fare at one origin.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    answers: Mutex<Answers>,
    /// Preloads under way.
    preloads: AtomicUsize,
    /// Reads that wait for a place.
    waiting: AtomicUsize,
}

/// Seconds until the first byte.
#[derive(Debug, Default)]
struct Answers {
    usual: VecDeque<f64>,
    recent: VecDeque<(Instant, f64)>,
}

/// Counts as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn counted(counter: &AtomicUsize) -> Counted<'_> {
    counter.fetch_add(1, Ordering::Relaxed);
    Counted(counter)
}

impl Readers {
    /// A preload goes on while this lives: what readers see then is not what they usually see.
    pub(crate) fn preloading(&self) -> Counted<'_> {
        counted(&self.preloads)
    }

    /// A read waits for its place while this lives.
    pub(crate) fn waiting(&self) -> Counted<'_> {
        counted(&self.waiting)
    }

    /// The origin began its answer to a reader.
    pub(crate) fn answered(&self, first_byte: Duration, now: Instant) {
        let mut answers = self.answers.lock();
        let seconds = first_byte.as_secs_f64();
        if self.preloads.load(Ordering::Relaxed) == 0 {
            answers.usual.truncate(USUAL_SAMPLES - 1);
            answers.usual.push_front(seconds);
        }
        answers.recent.truncate(RECENT_SAMPLES - 1);
        answers.recent.push_front((now, seconds));
    }

    /// How readers fare now.
    pub(crate) fn demand(&self, now: Instant) -> Demand {
        let answers = self.answers.lock();
        let recent = answers.recent.iter().filter(|(at, _)| now.saturating_duration_since(*at) <= RECENT);
        Demand {
            usual_seconds: median(answers.usual.iter().copied(), USUAL_MIN),
            recent_seconds: median(recent.map(|(_, seconds)| *seconds), RECENT_MIN),
            waits: self.waiting.load(Ordering::Relaxed) > 0,
        }
    }
}

/// `None` of fewer than `least`.
fn median(values: impl Iterator<Item = f64>, least: usize) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    (sorted.len() >= least).then(|| sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_usually_see_is_what_they_see_without_a_preload() {
        let (readers, now) = (Readers::default(), Instant::now());
        assert_eq!(readers.demand(now), Demand::default());
        for _ in 0..USUAL_MIN {
            readers.answered(Duration::from_millis(30), now);
        }
        let preload = readers.preloading();
        for _ in 0..RECENT_SAMPLES {
            readers.answered(Duration::from_millis(90), now);
        }
        let seen = Demand { usual_seconds: Some(0.030), recent_seconds: Some(0.090), waits: false };
        assert_eq!(readers.demand(now), seen);
        let later = now + RECENT + Duration::from_secs(1);
        assert_eq!(readers.demand(later), Demand { recent_seconds: None, ..seen }, "nobody has read since");
        drop(preload);
        for _ in 0..USUAL_SAMPLES {
            readers.answered(Duration::from_millis(50), later);
        }
        assert_eq!(readers.demand(later).usual_seconds, Some(0.050), "what was long ago is forgotten");
        let waiting = readers.waiting();
        assert!(readers.demand(later).waits);
        drop(waiting);
        assert!(!readers.demand(later).waits);
    }
}
