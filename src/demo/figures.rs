//! Arithmetic on what was measured.

use larder_model::admin::StatReport;

/// The middle of some figures; zero for none.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        n if n % 2 == 1 => figures[n / 2],
        n => (figures[n / 2 - 1] + figures[n / 2]) / 2.0,
    }
}

/// The share of the bytes sent between two looks that came from memory or SSD; zero when none were sent.
pub(crate) fn hit_ratio(before: &StatReport, after: &StatReport) -> f64 {
    let hit = |stat: &StatReport| stat.bytes_memory + stat.bytes_ssd;
    let all = |stat: &StatReport| hit(stat) + stat.bytes_origin + stat.bytes_direct;
    let sent = all(after) - all(before);
    if sent == 0 { 0.0 } else { (hit(after) - hit(before)) as f64 / sent as f64 }
}

/// What the daemon read from the origin so far, whatever for.
pub(crate) fn origin_bytes(stat: &StatReport) -> u64 {
    stat.origin_bytes_demand + stat.origin_bytes_preload + stat.bytes_direct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn hits_are_bytes_from_memory_and_ssd() {
        let before = StatReport { bytes_memory: 100, bytes_direct: 100, ..StatReport::default() };
        let after = StatReport { bytes_memory: 150, bytes_ssd: 10, bytes_direct: 140, ..StatReport::default() };
        assert_eq!(hit_ratio(&before, &after), 0.6);
        assert_eq!(hit_ratio(&after, &after), 0.0);
    }
}
