//! The metastores behind the proxy: the first that takes a connection has it, those that failed lately are tried last.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_model::Clock;
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// For how long a metastore that could not be reached is tried last.
const AVOIDED_FOR: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Upstreams {
    addresses: Vec<String>,
    /// When each could not be reached last.
    failed: Mutex<Vec<Option<Instant>>>,
    connect: Duration,
    clock: Arc<dyn Clock>,
}

impl Upstreams {
    /// `connect` is how long one may take to accept a connection.
    pub(crate) fn new(addresses: Vec<String>, connect: Duration, clock: Arc<dyn Clock>) -> Self {
        let failed = Mutex::new(vec![None; addresses.len()]);
        Self { addresses, failed, connect, clock }
    }

    /// A connection to one of them, and its address. `on_failure` is told of each that could not be reached; there is
    /// nothing when none could.
    pub(crate) async fn connect(&self, on_failure: impl Fn(&str, io::Error)) -> Option<(TcpStream, &str)> {
        let order = order(&self.failed.lock(), self.clock.instant());
        for at in order {
            let address = &self.addresses[at];
            let connected = match tokio::time::timeout(self.connect, TcpStream::connect(address)).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
            };
            match connected {
                Ok(stream) => {
                    self.failed.lock()[at] = None;
                    return Some((stream, address));
                }
                Err(error) => {
                    self.failed.lock()[at] = Some(self.clock.instant());
                    on_failure(address, error);
                }
            }
        }
        None
    }
}

/// In which order metastores are tried: as configured, those that failed lately behind the others.
fn order(failed: &[Option<Instant>], now: Instant) -> Vec<usize> {
    let lately = |at: &usize| failed[*at].is_some_and(|failed| now.saturating_duration_since(failed) < AVOIDED_FOR);
    let (last, first): (Vec<usize>, Vec<usize>) = (0..failed.len()).partition(lately);
    [first, last].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_lately_is_tried_last_and_not_for_ever() {
        let begun = Instant::now();
        let now = begun + Duration::from_secs(60);
        assert_eq!(order(&[None, None, None], now), [0, 1, 2]);
        assert_eq!(order(&[Some(now), None, Some(now)], now), [1, 0, 2]);
        assert_eq!(order(&[Some(begun), None], now), [0, 1]);
    }
}
