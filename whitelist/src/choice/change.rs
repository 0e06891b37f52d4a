//! What would change a verdict: each answer is found by choosing again with one thing changed.

use std::fmt;

use larder_model::{ByteSize, ItemName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Outcome, Ranking};

/// One change that would turn a verdict, everything else being as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It would be taken with so many bytes more budget.
    MoreBudget {
        /// The bytes.
        bytes: u64,
    },
    /// It would leave with so many bytes less budget.
    LessBudget {
        /// The bytes.
        bytes: u64,
    },
    /// It would be taken if the cap that keeps it out were so many bytes higher.
    HigherCap {
        /// The bytes.
        bytes: u64,
    },
    /// It would be taken if it saved so much.
    MoreValue {
        /// What it would have to save, in seconds.
        value_seconds: f64,
        /// How many times its reads that is; `None` where it saves nothing now.
        factor: Option<f64>,
    },
    /// It would leave if it saved less than this.
    LessValue {
        /// What it has to save, in seconds.
        value_seconds: f64,
        /// Which part of its reads that is.
        factor: f64,
    },
    /// It would be taken if another item were denied.
    Denial {
        /// The other item.
        item: ItemName,
    },
    /// It would be taken, or left out, if nobody had decided about it.
    NoRuling {
        /// Whether it would be taken.
        taken: bool,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoreBudget { bytes } => write!(f, "would be taken with {} more budget", ByteSize(*bytes)),
            Self::LessBudget { bytes } => write!(f, "would leave with {} less budget", ByteSize(*bytes)),
            Self::HigherCap { bytes } => write!(f, "would be taken if its cap were {} higher", ByteSize(*bytes)),
            Self::MoreValue { value_seconds, factor: Some(factor) } => {
                write!(f, "would be taken with {factor:.2}x its reads, which save {value_seconds:.3} s")
            }
            Self::MoreValue { value_seconds, factor: None } if *value_seconds < 0.0005 => {
                write!(f, "would be taken if it saved anything")
            }
            Self::MoreValue { value_seconds, factor: None } => {
                write!(f, "would be taken if it saved {value_seconds:.3} s; it saves nothing now")
            }
            Self::LessValue { value_seconds, factor } => {
                write!(f, "would leave if its reads fell below {factor:.2}x, which save {value_seconds:.3} s")
            }
            Self::Denial { item } => write!(f, "would be taken if `{item}` were denied"),
            Self::NoRuling { taken: true } => write!(f, "would be taken by its value if nobody had decided about it"),
            Self::NoRuling { taken: false } => write!(f, "would be left out if nobody had decided about it"),
        }
    }
}

/// Items whose denial is tried, from the least dense on.
const DENIALS_MAX: usize = 64;

/// A value at the edge of a verdict is moved over it by this part of itself: ties are settled by other things than value.
const EDGE: f64 = 1e-9;

impl Ranking<'_> {
    /// What would change the verdict about the candidate at `asked`, under this budget.
    pub fn changes(&self, asked: usize, budget_bytes: u64) -> Vec<Change> {
        let candidate = &self.candidates[asked];
        let outcome = self.outcome(asked, budget_bytes, But::Nothing);
        match outcome {
            Outcome::Empty => Vec::new(),
            Outcome::Pinned | Outcome::Denied => self.without_ruling(asked, budget_bytes).into_iter().collect(),
            Outcome::PinnedNoRoom(_) | Outcome::TooLarge => self.more_budget(asked, budget_bytes).into_iter().collect(),
            Outcome::Taken => {
                let less_value = self.needed_value(asked, budget_bytes).filter(|needed| *needed > 0.0).map(|needed| {
                    Change::LessValue { value_seconds: needed, factor: needed / candidate.value_seconds }
                });
                less_value.into_iter().chain(self.less_budget(asked, budget_bytes)).collect()
            }
            Outcome::NoRoom(_) | Outcome::Capped { .. } | Outcome::NotWorthLoading | Outcome::NoValue => {
                let value = self.needed_value(asked, budget_bytes).map(|needed| {
                    let value_seconds = needed * (1.0 + EDGE) + f64::MIN_POSITIVE;
                    let read = candidate.value_seconds > 0.0;
                    Change::MoreValue { value_seconds, factor: read.then(|| value_seconds / candidate.value_seconds) }
                });
                let budget = self.more_budget(asked, budget_bytes);
                let cap = self.higher_cap(asked, budget_bytes);
                let denial = self.denial(asked, budget_bytes);
                budget.into_iter().chain(cap).chain(value).chain(denial).collect()
            }
        }
    }

    /// The outcome of one candidate, as [`Ranking::choose`] finds it, but with one thing changed.
    fn outcome(&self, asked: usize, budget_bytes: u64, but: But) -> Outcome {
        let mut room = self.room(budget_bytes);
        if let But::HigherCap { slot, bytes } = but {
            room.of_slots[slot] = room.of_slots[slot].saturating_add(bytes);
        }
        let decides_value = |at: usize| self.candidates[at].ruling.is_none() || (but == But::Unruled && at == asked);
        let weighed = |at: usize| but != But::Denied(at);
        for &position in self.ruled.iter().filter(|at| weighed(**at) && !decides_value(**at)) {
            let outcome = self.by_ruling(position, &mut room);
            if let Some(outcome) = outcome.filter(|_| position == asked) {
                return outcome;
            }
        }
        for &position in self.by_density.iter().filter(|at| weighed(**at) && decides_value(**at)) {
            let outcome = self.by_value(position, &mut room);
            if position == asked {
                return outcome;
            }
        }
        unreachable!("every candidate is ranked");
    }

    fn unruled(&self) -> impl Iterator<Item = &usize> {
        self.by_density.iter().filter(|at| self.candidates[**at].ruling.is_none())
    }

    /// The value that the candidate needs to be taken: that of the place in the ranking behind which there is no room for
    /// it. `None` where no value would do.
    fn needed_value(&self, asked: usize, budget_bytes: u64) -> Option<f64> {
        let candidate = &self.candidates[asked];
        let loading = if candidate.held { 0.0 } else { candidate.load_seconds };
        let mut room = self.room(budget_bytes);
        for &position in &self.ruled {
            self.by_ruling(position, &mut room);
        }
        if self.by_room(candidate, &room) != Outcome::Taken {
            return None;
        }
        for &position in self.unruled().filter(|at| **at != asked) {
            self.by_value(position, &mut room);
            if self.by_room(candidate, &room) != Outcome::Taken {
                let density = self.candidates[position].density();
                return Some(density * candidate.bytes as f64 + loading);
            }
        }
        Some(loading)
    }

    fn more_budget(&self, asked: usize, budget_bytes: u64) -> Option<Change> {
        // With room for everything it is taken, unless something else than room keeps it out.
        let all = self.candidates.iter().fold(0_u64, |sum, candidate| sum.saturating_add(candidate.bytes));
        let is_taken = |budget| self.outcome(asked, budget, But::Nothing).is_taken();
        if all <= budget_bytes || !is_taken(all) {
            return None;
        }
        // What is missing now is enough unless another item takes it first; then it is looked for.
        let missing = match self.outcome(asked, budget_bytes, But::Nothing) {
            Outcome::NoRoom(left) | Outcome::PinnedNoRoom(left) => self.candidates[asked].bytes - left,
            _ => 0,
        };
        let enough = Some(budget_bytes.saturating_add(missing)).filter(|budget| is_taken(*budget));
        let enough = enough.unwrap_or_else(|| boundary(budget_bytes, all, is_taken));
        Some(Change::MoreBudget { bytes: enough - budget_bytes })
    }

    fn less_budget(&self, asked: usize, budget_bytes: u64) -> Option<Change> {
        let is_taken = |budget| self.outcome(asked, budget, But::Nothing).is_taken();
        let mut room = self.room(budget_bytes);
        for &position in &self.ruled {
            self.by_ruling(position, &mut room);
        }
        for &position in self.unruled().take_while(|at| **at != asked) {
            self.by_value(position, &mut room);
        }
        // A byte less than what is left beside it is enough unless that frees room before it; then it is looked for.
        let beside = room.left.checked_sub(self.candidates[asked].bytes)?;
        let short = budget_bytes.checked_sub(beside + 1).filter(|budget| !is_taken(*budget));
        let short = short.unwrap_or_else(|| boundary(0, budget_bytes, is_taken) - 1);
        Some(Change::LessBudget { bytes: budget_bytes - short })
    }

    fn higher_cap(&self, asked: usize, budget_bytes: u64) -> Option<Change> {
        let Outcome::Capped { cap, .. } = self.outcome(asked, budget_bytes, But::Nothing) else { return None };
        let slot = *self.slots.of(&self.candidates[asked]).iter().find(|slot| self.slots.cap(**slot) == cap)?;
        let is_taken = |bytes| self.outcome(asked, budget_bytes, But::HigherCap { slot, bytes }).is_taken();
        is_taken(budget_bytes).then(|| Change::HigherCap { bytes: boundary(0, budget_bytes, is_taken) })
    }

    fn denial(&self, asked: usize, budget_bytes: u64) -> Option<Change> {
        let (mut room, mut before) = (self.room(budget_bytes), Vec::new());
        for &position in &self.ruled {
            if self.by_ruling(position, &mut room).is_some_and(Outcome::is_taken) {
                before.push(position);
            }
        }
        for &position in self.unruled().take_while(|at| **at != asked) {
            if self.by_value(position, &mut room).is_taken() {
                before.push(position);
            }
        }
        let frees_enough = |at: &&usize| self.candidates[**at].bytes + room.left >= self.candidates[asked].bytes;
        let mut tried = before.iter().rev().filter(frees_enough).take(DENIALS_MAX);
        let denied = tried.find(|at| self.outcome(asked, budget_bytes, But::Denied(**at)).is_taken())?;
        Some(Change::Denial { item: self.candidates[*denied].item.clone() })
    }

    fn without_ruling(&self, asked: usize, budget_bytes: u64) -> Option<Change> {
        let is_taken = |but| self.outcome(asked, budget_bytes, but).is_taken();
        let taken = is_taken(But::Unruled);
        (taken != is_taken(But::Nothing)).then_some(Change::NoRuling { taken })
    }
}

/// The one thing that is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum But {
    Nothing,
    /// The candidate there is denied.
    Denied(usize),
    /// Nobody decided about the candidate that is asked for.
    Unruled,
    /// The slot's cap is so many bytes higher.
    HigherCap {
        slot: usize,
        bytes: u64,
    },
}

/// The least number above `out` at which `is_in` turns true on the way to `inside`, where it holds. Where it turns more
/// than once, one of those.
fn boundary(mut out: u64, mut inside: u64, is_in: impl Fn(u64) -> bool) -> u64 {
    while inside - out > 1 {
        let middle = out + (inside - out) / 2;
        if is_in(middle) { inside = middle } else { out = middle }
    }
    inside
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::tests::{candidate, ruled_by};
    use super::super::{Candidate, Cap, CapOf, Caps, RulingKind};
    use super::*;

    fn words(candidates: &[Candidate], caps: &Caps, budget: u64, at: usize) -> Vec<String> {
        Ranking::with_caps(candidates, caps).changes(at, budget).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_verdict_says_what_would_change_it() {
        let candidates = [
            candidate("dense", 60, 600.0),
            candidate("small", 30, 150.0),
            candidate("big", 40, 160.0),
            candidate("idle", 10, 0.0),
            candidate("empty", 0, 10.0),
            ruled_by(RulingKind::Deny, candidate("denied", 10, 90.0)),
        ];
        let words = |at| words(&candidates, &Caps::default(), 100, at);
        assert_eq!(
            words(2),
            [
                "would be taken with 30 B more budget",
                "would be taken with 1.25x its reads, which save 200.000 s",
                "would be taken if `a.b.small` were denied"
            ]
        );
        // Into the 10 bytes that are left goes what saves anything.
        assert_eq!(words(3), ["would be taken if it saved anything"]);
        assert_eq!(
            words(1),
            ["would leave if its reads fell below 0.80x, which save 120.000 s", "would leave with 11 B less budget"]
        );
        assert_eq!(words(5), ["would be taken by its value if nobody had decided about it"]);
        assert!(words(4).is_empty());
    }

    #[test]
    fn a_cap_that_keeps_an_item_out_is_named() {
        let cap = Cap { of: CapOf::Owner("web".into()), tables: vec!["a.b.w*".parse().unwrap()], bytes: 50 };
        let candidates = [candidate("w1", 40, 400.0), candidate("w2", 30, 90.0), candidate("x", 30, 30.0)];
        let words = words(&candidates, &Caps(vec![cap]), 100, 1);
        assert_eq!(words[0], "would be taken if its cap were 20 B higher");
        assert!(words[1].starts_with("would be taken with 3.33x its reads"), "{words:?}");
        assert_eq!(words[2], "would be taken if `a.b.w1` were denied");
    }

    /// Makes the change, and chooses anew.
    fn after(change: &Change, candidates: &[Candidate], caps: &Caps, budget: u64, at: usize) -> bool {
        let (mut candidates, mut caps, mut budget) = (candidates.to_vec(), caps.clone(), budget);
        match change {
            Change::MoreBudget { bytes } => budget += bytes,
            Change::LessBudget { bytes } => budget -= bytes,
            Change::HigherCap { bytes } => caps.0[0].bytes += bytes,
            Change::MoreValue { value_seconds, .. } => candidates[at].value_seconds = *value_seconds,
            Change::LessValue { value_seconds, .. } => candidates[at].value_seconds = value_seconds * (1.0 - EDGE),
            Change::Denial { item } => {
                let denied = candidates.iter().position(|candidate| candidate.item == *item).unwrap();
                candidates[denied] = ruled_by(RulingKind::Deny, candidates[denied].clone());
            }
            Change::NoRuling { .. } => candidates[at].ruling = None,
        }
        Ranking::with_caps(&candidates, &caps).choose(budget).verdicts[at].is_taken()
    }

    #[test]
    fn what_is_said_to_change_a_verdict_changes_it() {
        let mut seen = 0;
        for seed in 0..400 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let candidates: Vec<Candidate> = (0..random.random_range(1..12))
                .map(|i| {
                    let value = f64::from(random.random_range(0..20));
                    let made = Candidate {
                        held: random.random_range(0..3) == 0,
                        load_seconds: f64::from(random.random_range(0..4)),
                        ..candidate(&format!("t{i}"), random.random_range(0..9), value)
                    };
                    match random.random_range(0..8) {
                        0 => ruled_by(RulingKind::Pin, made),
                        1 => ruled_by(RulingKind::Deny, made),
                        _ => made,
                    }
                })
                .collect();
            let (budget, cap) = (random.random_range(0..40), random.random_range(0..20));
            let tables = vec!["a.b.t1*".parse().unwrap(), "a.b.t2".parse().unwrap()];
            let caps = Caps(vec![Cap { of: CapOf::Owner("o".into()), tables, bytes: cap }]);
            let ranking = Ranking::with_caps(&candidates, &caps);
            let choice = ranking.choose(budget);
            for (at, verdict) in choice.verdicts.iter().enumerate() {
                for change in ranking.changes(at, budget) {
                    let turned = after(&change, &candidates, &caps, budget, at) != verdict.is_taken();
                    assert!(turned, "seed {seed}, {} ({verdict:?}): {change}", candidates[at].item);
                    seen += 1;
                }
            }
        }
        assert!(seen > 1000, "{seen} changes were tried");
    }
}
