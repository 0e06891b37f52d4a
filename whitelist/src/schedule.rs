//! The built-in schedule: runs a night whenever the cron pattern says so.

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use croner::Cron;
use larder_model::Clock;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// A pattern that is no cron pattern: fix it in the configuration.
#[derive(Debug, Error)]
#[error(
    "nightly.schedule: `{pattern}` is not a cron pattern ({problem}); write minute, hour, day, month, weekday, such as `30 2 * * *`"
)]
pub struct ScheduleError {
    pattern: String,
    problem: String,
}

/// The longest time to sleep without looking at the clock, which may be set while the daemon runs.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Reads a cron pattern: five fields, in UTC.
pub fn parse(pattern: &str) -> Result<Cron, ScheduleError> {
    let failed = |problem: String| ScheduleError { pattern: pattern.to_owned(), problem };
    if pattern.split_whitespace().count() != 5 && !pattern.trim_start().starts_with('@') {
        return Err(failed("it must have five fields".into()));
    }
    Cron::from_str(pattern).map_err(|error| failed(error.to_string()))
}

/// Runs `night` at each time that `schedule` names, until `shutdown`. A night that is due while another runs is left
/// out; a night under way at shutdown is abandoned, which is safe, because a night may be killed anywhere.
pub async fn run<F, N>(schedule: Cron, clock: Arc<dyn Clock>, shutdown: CancellationToken, night: N)
where
    N: FnMut() -> F,
    F: Future<Output = ()>,
{
    run_looking(schedule, clock, shutdown, night, LOOK_EVERY).await;
}

async fn run_looking<F, N>(
    schedule: Cron,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    mut night: N,
    look_every: Duration,
) where
    N: FnMut() -> F,
    F: Future<Output = ()>,
{
    loop {
        let next = match schedule.find_next_occurrence(&clock.now(), false) {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the schedule names no further night; none will run until a restart");
                return;
            }
        };
        tracing::info!(%next, "the next night is scheduled");
        loop {
            let left = (next - clock.now()).to_std().unwrap_or(Duration::ZERO);
            if left.is_zero() {
                break;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(left.min(look_every)) => {}
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = night() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use chrono::{DateTime, Utc};
    use larder_model::ManualClock;

    use super::*;

    #[test]
    fn patterns_that_are_none_are_refused_with_an_example() {
        for pattern in ["", "every night", "61 2 * * *", "* * * *", "0 0 0 0 0 0 0"] {
            assert!(parse(pattern).unwrap_err().to_string().contains("30 2 * * *"), "{pattern}");
        }
        parse("30 2 * * *").unwrap();
        parse("*/15 1-3 * * MON-FRI").unwrap();
    }

    #[tokio::test]
    async fn a_night_runs_when_it_is_due_and_not_again_at_once() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let clock = Arc::new(ManualClock::new(at("2026-11-20T02:29:50Z")));
        let (shutdown, nights) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
        let (counted, look) = (nights.clone(), Duration::from_millis(2));
        let schedule = parse("30 2 * * *").unwrap();
        let night = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(())
        };
        let running = tokio::spawn(run_looking(schedule, clock.clone(), shutdown.clone(), night, look));
        let until = async |count| {
            let wait = async {
                while nights.load(Ordering::SeqCst) < count {
                    tokio::time::sleep(look).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
            // Long enough for a night that should not run to do so.
            tokio::time::sleep(look * 10).await;
            assert_eq!(nights.load(Ordering::SeqCst), count);
        };
        until(0).await;
        clock.set(at("2026-11-20T02:30:00Z"));
        until(1).await;
        clock.set(at("2026-11-21T02:30:01Z"));
        until(2).await;
        shutdown.cancel();
        running.await.unwrap();
    }
}
