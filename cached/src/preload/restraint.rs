//! How much a preload holds back for the sake of those who read. Pure.
//!
//! The sign that readers suffer is how long the origin takes to begin its answers to them, against what it took them
//! while nothing was preloaded, and whether reads wait for a place among the requests to it. Then the preload halves its
//! share of the time; while nobody suffers, it takes a tenth more of it back at each look.

/// Answers to readers that may take so many times as long as without a preload before the preload holds back.
const SLOWER_MAX: f64 = 1.5;
/// And so much longer at least, in seconds: below that a timer tells as much as the origin.
const LATER_MIN: f64 = 0.002;
/// A preload always goes on a little, or it would never end where readers never pause.
const SHARE_MIN: f64 = 0.05;
const RECOVERY: f64 = 0.1;

/// How readers fare.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Demand {
    /// Seconds until the origin begins its answers to readers while nothing is preloaded; `None` while too few are known.
    pub(crate) usual_seconds: Option<f64>,
    /// The same, of the last answers; `None` where nobody has read for a while.
    pub(crate) recent_seconds: Option<f64>,
    /// Whether reads wait for a place among the requests to the origin.
    pub(crate) waits: bool,
}

impl Demand {
    fn suffers(&self) -> bool {
        let slower = match (self.usual_seconds, self.recent_seconds) {
            (Some(usual), Some(recent)) => recent > (usual * SLOWER_MAX).max(usual + LATER_MIN),
            _ => false,
        };
        slower || self.waits
    }
}

/// The share of the time that a preload takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Restraint {
    share: f64,
}

impl Default for Restraint {
    fn default() -> Self {
        Self { share: 1.0 }
    }
}

impl Restraint {
    /// Looks at how readers fare, and tells how long to pause after `worked_seconds` of loading.
    pub(crate) fn pause_seconds(&mut self, demand: Demand, worked_seconds: f64) -> f64 {
        self.share =
            if demand.suffers() { (self.share / 2.0).max(SHARE_MIN) } else { (self.share + RECOVERY).min(1.0) };
        worked_seconds * (1.0 / self.share - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(usual: f64, recent: f64) -> Demand {
        Demand { usual_seconds: Some(usual), recent_seconds: Some(recent), waits: false }
    }

    #[test]
    fn a_preload_holds_back_while_readers_suffer_and_comes_back_slowly() {
        let mut restraint = Restraint::default();
        assert_eq!(restraint.pause_seconds(demand(0.030, 0.031), 1.0), 0.0, "nobody suffers");
        let pauses = [(); 6].map(|()| restraint.pause_seconds(demand(0.030, 0.060), 1.0));
        assert_eq!(pauses, [1.0, 3.0, 7.0, 15.0, 19.0, 19.0], "it never stops altogether");
        let recovery = [(); 11].map(|()| restraint.pause_seconds(demand(0.030, 0.030), 1.0));
        assert!(recovery.windows(2).all(|pair| pair[1] < pair[0] || pair[1] == 0.0), "{recovery:?}");
        assert!(recovery[8] > 0.0 && recovery[10] == 0.0, "{recovery:?}");
    }

    #[test]
    fn readers_who_wait_for_a_place_are_a_sign_of_their_own() {
        let waits = Demand { waits: true, ..Demand::default() };
        assert_eq!(Restraint::default().pause_seconds(waits, 1.0), 1.0);
    }

    #[test]
    fn what_is_not_known_is_no_reason_to_hold_back() {
        for demand in [
            Demand::default(),
            Demand { usual_seconds: None, ..demand(0.0, 5.0) },
            Demand { recent_seconds: None, ..demand(0.030, 0.0) },
            demand(0.0001, 0.0015),
        ] {
            assert_eq!(Restraint::default().pause_seconds(demand, 1.0), 0.0, "{demand:?}");
        }
    }
}
