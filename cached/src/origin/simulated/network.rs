//! The network before a simulated remote: each request waits for its first byte, each stream has its own speed, all streams
//! share one link, and a small part of the requests is much slower than the rest.
//!
//! It knows neither stores nor protocols: who answers a request asks it to wait, and passes the bytes by a [`Pace`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::LogNormal;
use tokio::time::{Instant, sleep, sleep_until};

/// Bytes travel in pieces of this size: small enough to be paced evenly, large enough that a timer costs nothing.
pub(super) const PIECE_BYTES: usize = 128 << 10;

/// Bytes that arrived while the reader was busy wait for it: a reader this late still keeps its stream's full speed.
/// This also evens out the timer, which ticks in milliseconds.
pub(super) const BUFFERED: Duration = Duration::from_millis(4);

/// How far away the simulated origin is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedRemoteSettings {
    /// The median wait for a request's first byte; the waits are distributed lognormally around it.
    pub first_byte_median: Duration,
    /// The sigma of that distribution: 0.2 puts two thirds of the requests within 20% of the median.
    pub first_byte_sigma: f64,
    /// The share of requests that are slow.
    pub slow_share: f64,
    /// How many times longer a slow request's first byte takes.
    pub slow_factor: f64,
    /// The speed of one stream.
    pub stream_bytes_per_second: u64,
    /// The speed of all streams together.
    pub link_bytes_per_second: u64,
    /// The seed of the waits: the same seed gives the same waits in the order of requests.
    pub seed: u64,
}

impl SimulatedRemoteSettings {
    /// The same origin at its busy hour: its tail is ten times as heavy, so that one request of ten is a slow one.
    pub fn at_busy_hour(self) -> Self {
        Self { slow_share: (self.slow_share * 10.0).min(1.0), ..self }
    }
}

impl Default for SimulatedRemoteSettings {
    fn default() -> Self {
        Self {
            first_byte_median: Duration::from_millis(30),
            first_byte_sigma: 0.2,
            slow_share: 0.01,
            slow_factor: 10.0,
            stream_bytes_per_second: 80_000_000,
            link_bytes_per_second: 400_000_000,
            seed: 1,
        }
    }
}

/// What a [`SimulatedRemote`] was asked for since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimulatedTraffic {
    /// Requests of any kind.
    pub requests: u64,
    /// Bytes of objects that left it.
    pub bytes_sent: u64,
}

/// What lies between clients and the far side.
#[derive(Debug)]
pub struct Network {
    settings: SimulatedRemoteSettings,
    dice: Mutex<Dice>,
    /// When the shared link has carried everything that it was given so far.
    link_free_at: Mutex<Option<Instant>>,
    requests: AtomicU64,
    bytes_sent: AtomicU64,
}

#[derive(Debug)]
struct Dice {
    rng: ChaCha8Rng,
    first_byte_seconds: LogNormal<f64>,
}

impl Network {
    /// One that carries what `settings` say.
    pub fn new(settings: SimulatedRemoteSettings) -> Self {
        let median_seconds = settings.first_byte_median.as_secs_f64().max(1e-9);
        let first_byte_seconds = LogNormal::new(median_seconds.ln(), settings.first_byte_sigma)
            .expect("the median is above zero and sigma is a finite number of the settings");
        Self {
            settings,
            dice: Mutex::new(Dice { rng: ChaCha8Rng::seed_from_u64(settings.seed), first_byte_seconds }),
            link_free_at: Mutex::new(None),
            requests: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
        }
    }

    /// What is simulated, in one line for people to read before they believe a figure.
    pub fn describe(&self) -> String {
        let settings = &self.settings;
        format!(
            "first byte after {:?} at the median (lognormal, sigma {}; {}% of requests take {}x), {} MB/s per stream, \
             {} MB/s over all streams; get, head, list and put alike",
            settings.first_byte_median,
            settings.first_byte_sigma,
            settings.slow_share * 100.0,
            settings.slow_factor,
            settings.stream_bytes_per_second / 1_000_000,
            settings.link_bytes_per_second / 1_000_000,
        )
    }

    /// What it was asked for so far.
    pub fn traffic(&self) -> SimulatedTraffic {
        SimulatedTraffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
        }
    }

    /// The next request's wait for its first byte.
    pub(super) fn draw_first_byte(&self) -> Duration {
        let mut dice = self.dice.lock();
        let distribution = dice.first_byte_seconds;
        let seconds: f64 = dice.rng.sample(distribution);
        let slow = dice.rng.random_bool(self.settings.slow_share);
        Duration::from_secs_f64(if slow { seconds * self.settings.slow_factor } else { seconds })
    }

    /// One request: waits as long as its first byte takes.
    pub async fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let wait = self.draw_first_byte();
        sleep(wait).await;
    }

    /// When the shared link will have carried these bytes too.
    fn link_carries(&self, now: Instant, bytes: usize) -> Instant {
        let mut free_at = self.link_free_at.lock();
        let done = free_at.map_or(now, |at| at.max(now)) + transfer(bytes, self.settings.link_bytes_per_second);
        *free_at = Some(done);
        done
    }
}

/// The speed of one stream: an absolute schedule, so that late timers do not add up.
#[derive(Debug)]
pub struct Pace {
    network: Arc<Network>,
    /// When everything that passed so far has arrived.
    arrived: Instant,
}

impl Pace {
    /// A stream whose first byte is there at `now`.
    pub fn new(network: Arc<Network>, now: Instant) -> Self {
        Self { network, arrived: now }
    }

    /// When the next `bytes` will have arrived, for a reader that asks for them at `now`.
    pub(super) fn arrival(&mut self, now: Instant, bytes: usize) -> Instant {
        let earliest = now.checked_sub(BUFFERED).unwrap_or(now);
        let own = self.arrived.max(earliest) + transfer(bytes, self.network.settings.stream_bytes_per_second);
        let shared = self.network.link_carries(now, bytes);
        self.arrived = own.max(shared);
        self.arrived
    }

    /// Waits until the next `bytes` have gone to the far side, piece by piece.
    pub async fn receive(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let piece = bytes.min(PIECE_BYTES);
            sleep_until(self.arrival(Instant::now(), piece)).await;
            bytes -= piece;
        }
    }

    /// Waits until the next `bytes` have come from the far side, and counts them.
    pub async fn send(&mut self, bytes: usize) {
        self.receive(bytes).await;
        self.network.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

fn transfer(bytes: usize, bytes_per_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bytes_per_second.max(1) as f64)
}
