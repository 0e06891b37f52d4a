//! How fast the origin and the SSD are: overhead and speed, fitted to what the access log measured.
//!
//! Reads are grouped by size (half-octave bins), and each bin is stood for by its median bytes and median seconds, so
//! the slow tail that every remote storage has does not count. Through the bins goes a Theil-Sen line, weighted by their
//! samples: the median of the slopes between all pairs is the time per byte, the median of what it leaves over is the
//! overhead. Whatever a quarter of the samples say, the rest decides.
//!
//! There is one speed for all origins together, because the whitelist states one.

use larder_model::IoSpeed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reads of about one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizeBin {
    /// How many there were.
    pub samples: u64,
    /// The median of their bytes.
    pub bytes: f64,
    /// The median of their seconds.
    pub seconds: f64,
}

/// A measured speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The speed.
    pub speed: IoSpeed,
    /// From how many reads.
    pub samples: u64,
}

/// The speed that a night reckons with, and where it is from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpeedReport {
    /// The speed.
    #[serde(flatten)]
    pub speed: IoSpeed,
    /// Whether it was measured; else it is an assumption.
    pub measured: bool,
    /// Where it is from, in words.
    pub basis: String,
}

/// A bin with fewer samples says nothing.
const BIN_SAMPLES_MIN: u64 = 5;

/// Fewer samples in all are no measurement.
const SAMPLES_MIN: u64 = 20;

/// The largest bin must be this many times the smallest: from reads of one size, overhead cannot be told from speed.
const SIZE_RATIO_MIN: f64 = 4.0;

/// Fits overhead and speed. `None` where the reads are too few, too alike, or contradict the model (larger reads take no
/// longer), so that nothing can be concluded.
pub fn fit(bins: &[SizeBin]) -> Option<Measured> {
    let sound = |bin: &&SizeBin| {
        bin.samples >= BIN_SAMPLES_MIN && bin.bytes >= 1.0 && bin.seconds > 0.0 && bin.seconds.is_finite()
    };
    let bins: Vec<SizeBin> = bins.iter().filter(sound).copied().collect();
    let samples = bins.iter().map(|bin| bin.samples).sum();
    let smallest = bins.iter().map(|bin| bin.bytes).fold(f64::INFINITY, f64::min);
    let largest = bins.iter().map(|bin| bin.bytes).fold(0.0, f64::max);
    if samples < SAMPLES_MIN || largest < smallest * SIZE_RATIO_MIN {
        return None;
    }
    let mut slopes = Vec::new();
    for (at, a) in bins.iter().enumerate() {
        for b in &bins[at + 1..] {
            if a.bytes != b.bytes {
                // A pair of distant sizes tells the slope better than a pair of near ones, which tell mostly noise.
                let weight = (a.samples.min(b.samples) as f64) * (a.bytes - b.bytes).abs();
                slopes.push(((b.seconds - a.seconds) / (b.bytes - a.bytes), weight));
            }
        }
    }
    let seconds_per_byte = weighted_median(&mut slopes)?;
    if seconds_per_byte <= 0.0 {
        return None;
    }
    let mut overheads: Vec<(f64, f64)> =
        bins.iter().map(|bin| (bin.seconds - bin.bytes * seconds_per_byte, overhead_weight(bin, smallest))).collect();
    // A fit can undershoot by a little; no read is answered before it is asked.
    let overhead_seconds = weighted_median(&mut overheads)?.max(0.0);
    Some(Measured { speed: IoSpeed { overhead_seconds, bytes_per_second: 1.0 / seconds_per_byte }, samples })
}

/// Small reads are mostly overhead and tell it best; of a large one, a small error of the slope is a large error here.
fn overhead_weight(bin: &SizeBin, smallest: f64) -> f64 {
    bin.samples as f64 * smallest / bin.bytes
}

/// The value that half of the weight lies below.
fn weighted_median(values: &mut [(f64, f64)]) -> Option<f64> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    values.iter().find_map(|(value, weight)| {
        below += weight;
        (below >= half).then_some(*value)
    })
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Bins the way the log's statement makes them: half octaves, medians.
    fn bins_of(reads: &[(f64, f64)]) -> Vec<SizeBin> {
        let mut by_bin: std::collections::BTreeMap<i64, Vec<(f64, f64)>> = Default::default();
        for read in reads {
            by_bin.entry((read.0.log2() * 2.0).floor() as i64).or_default().push(*read);
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        by_bin
            .into_values()
            .map(|reads| SizeBin {
                samples: reads.len() as u64,
                bytes: median(reads.iter().map(|read| read.0).collect()),
                seconds: median(reads.iter().map(|read| read.1).collect()),
            })
            .collect()
    }

    #[test]
    fn a_slow_tail_and_noise_do_not_move_the_fit() {
        for seed in 0..20 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let reads: Vec<(f64, f64)> = (0..5000)
                .map(|_| {
                    let bytes = 2f64.powf(random.random_range(12.0..23.0));
                    let tail = if random.random_bool(0.01) { 10.0 } else { 1.0 };
                    (bytes, (0.03 * random.random_range(0.8..1.25) + bytes / 80e6) * tail)
                })
                .collect();
            let speed = fit(&bins_of(&reads)).unwrap().speed;
            assert!((0.027..0.033).contains(&speed.overhead_seconds), "seed {seed}: {speed:?}");
            assert!((72e6..88e6).contains(&speed.bytes_per_second), "seed {seed}: {speed:?}");
        }
    }

    #[test]
    fn one_broken_bin_among_many_is_outvoted() {
        let bin = |bytes: f64, seconds: f64| SizeBin { samples: 100, bytes, seconds };
        let mut bins: Vec<SizeBin> =
            (12..23).map(|power| 2f64.powi(power)).map(|bytes| bin(bytes, 0.01 + bytes / 100e6)).collect();
        bins[4].seconds = 50.0;
        let speed = fit(&bins).unwrap().speed;
        assert!((0.009..0.011).contains(&speed.overhead_seconds), "{speed:?}");
        assert!((90e6..110e6).contains(&speed.bytes_per_second), "{speed:?}");
    }

    #[test]
    fn what_cannot_be_concluded_is_not() {
        let bin = |samples, bytes, seconds| SizeBin { samples, bytes, seconds };
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&[bin(1000, 1e6, 0.05)]), None, "one size");
        assert_eq!(fit(&[bin(1000, 1e6, 0.05), bin(1000, 2e6, 0.06)]), None, "too alike");
        assert_eq!(fit(&[bin(6, 1e4, 0.05), bin(6, 1e6, 0.06)]), None, "too few");
        assert_eq!(fit(&[bin(500, 1e4, 0.05), bin(500, 1e6, 0.01)]), None, "larger reads are faster");
        assert_eq!(fit(&[bin(500, 1e4, f64::NAN), bin(500, 1e6, 0.0)]), None, "no times");
        assert!(fit(&[bin(500, 1e4, 0.05), bin(500, 1e6, 0.06)]).is_some());
    }

    #[test]
    fn overhead_is_never_negative() {
        let bin = |bytes, seconds| SizeBin { samples: 50, bytes, seconds };
        let measured = fit(&[bin(1e4, 1e-6), bin(1e6, 0.02), bin(4e6, 0.08)]).unwrap();
        assert_eq!(measured.speed.overhead_seconds, 0.0);
    }
}
