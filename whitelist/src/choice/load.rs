//! What loading an item costs: the time of reading it from the origin, discounted because it is off-peak, and the wear of
//! writing it to the SSD.
//!
//! Wear has no price of its own: a drive is rated for so many bytes a day, and what stays within that costs nothing. Where
//! a night would write more, the price of a byte is raised until it does not, which leaves out first what gains least by
//! being loaded.

use larder_model::IoSpeed;

use super::{Candidate, Caps, Choice, Ranking};

/// What a second of the origin's time costs when nobody waits for it: the price at which the simulator, too, counts what
/// is loaded ahead. A choice: at zero items would be replaced for nothing, at one as if people waited.
pub const OFF_PEAK: f64 = 0.2;

/// A preload reads an object in requests of at most this many bytes.
const REQUEST_BYTES: u64 = 8 << 20;

/// How often the price of wear is halved in on.
const STEPS: u32 = 40;

/// What loading so many objects of so many bytes together costs, in seconds, wear aside.
pub fn load_seconds(objects: u64, bytes: u64, origin: IoSpeed) -> f64 {
    let requests = bytes.div_ceil(REQUEST_BYTES).max(objects);
    let seconds = OFF_PEAK * origin.seconds(requests, bytes);
    if seconds.is_finite() { seconds.max(0.0) } else { 0.0 }
}

/// Chooses so that what must be loaded is at most `write_bytes_max`, pins aside, and returns the price of a written byte
/// that does it, in seconds. The price is added to what loading each candidate costs.
pub fn choose_within_wear(
    candidates: &mut [Candidate],
    caps: &Caps,
    budget_bytes: u64,
    write_bytes_max: u64,
) -> (Choice, f64) {
    let unpriced: Vec<f64> = candidates.iter().map(|candidate| candidate.load_seconds).collect();
    // At this price nothing that is not held gains by being loaded.
    let densities = candidates.iter().filter(|it| it.bytes > 0).map(|it| it.value_seconds / it.bytes as f64);
    let prohibitive = densities.filter(|density| density.is_finite()).fold(0.0, f64::max);
    let mut at = |price: f64| {
        for (candidate, load_seconds) in candidates.iter_mut().zip(&unpriced) {
            candidate.load_seconds = load_seconds + price * candidate.bytes as f64;
        }
        Ranking::with_caps(candidates, caps).choose(budget_bytes)
    };
    let free = at(0.0);
    if free.loaded_bytes <= write_bytes_max {
        return (free, 0.0);
    }
    let (mut low, mut high) = (0.0, prohibitive);
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        if at(middle).loaded_bytes <= write_bytes_max { high = middle } else { low = middle }
    }
    (at(high), high)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candidate, taken};
    use super::super::{Candidate, Caps, choose};
    use super::*;

    const ORIGIN: IoSpeed = IoSpeed { overhead_seconds: 0.5, bytes_per_second: 1e6 };

    #[test]
    fn loading_costs_the_origins_time_at_a_discount() {
        assert_eq!(load_seconds(1, 2_000_000, ORIGIN), OFF_PEAK * (0.5 + 2.0));
        // Small files cost a request each, long ones several.
        assert_eq!(load_seconds(10, 2_000_000, ORIGIN), OFF_PEAK * (5.0 + 2.0));
        assert_eq!(load_seconds(1, 3 * REQUEST_BYTES, ORIGIN), OFF_PEAK * (1.5 + 3.0 * REQUEST_BYTES as f64 / 1e6));
        let broken = IoSpeed { overhead_seconds: f64::NAN, bytes_per_second: 0.0 };
        assert_eq!(load_seconds(1, 1, broken), 0.0);
    }

    #[test]
    fn an_item_is_replaced_only_when_the_gain_pays_the_reload() {
        let held = Candidate { held: true, ..candidate("held", 100, 100.0) };
        let rival = |value| Candidate { load_seconds: 20.0, ..candidate("rival", 100, value) };
        for (value, stays) in [(110.0, true), (119.0, true), (121.0, false)] {
            let candidates = [held.clone(), rival(value)];
            let winner = taken(&candidates, &choose(&candidates, 100));
            assert_eq!(winner, [if stays { "held" } else { "rival" }], "{value}");
        }
        // Into free room it comes as soon as it pays its own loading, and then it stays.
        assert!(choose(&[rival(19.0)], 100).taken.is_empty());
        assert_eq!(choose(&[rival(21.0)], 100).taken_bytes, 100);
        assert_eq!(choose(&[Candidate { held: true, ..rival(1.0) }], 100).taken_bytes, 100);
    }

    #[test]
    fn wear_stays_within_the_rating_and_leaves_out_what_gains_least() {
        let mut candidates: Vec<Candidate> =
            (0..10).map(|i| candidate(&format!("t{i}"), 10, f64::from(10 + i))).collect();
        candidates[0].held = true;
        let (free, price) = choose_within_wear(&mut candidates, &Caps::default(), 1000, 90);
        assert_eq!((free.loaded_bytes, price), (90, 0.0));
        let (choice, price) = choose_within_wear(&mut candidates, &Caps::default(), 1000, 35);
        assert_eq!(taken(&candidates, &choice), ["t0", "t9", "t8", "t7"], "what is held costs no write");
        assert!(choice.loaded_bytes == 30 && price > 1.6 && price < 1.8, "{price}");
        let (choice, _) = choose_within_wear(&mut candidates, &Caps::default(), 1000, 0);
        assert_eq!(choice.loaded_bytes, 0);
    }
}
