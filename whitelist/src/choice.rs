//! The choice: which items to hold under a budget, and in words why each is in or out.
//!
//! Items are taken by density, value per byte, until the budget is full; one that does not fit is passed over and the
//! smaller ones behind it still get their chance. That is within one item of the best that any choice could do. What
//! people decided comes first: pins take their space before value is looked at, and a denied item is never taken.
//!
//! Everything that explains a choice is read off its verdicts, so that an explanation cannot differ from what was done.

use std::cmp::Ordering;
use std::fmt;

use larder_model::{ByteSize, ItemName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An item that could be held.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The table and partition.
    pub item: ItemName,
    /// Its size at the origin.
    pub bytes: u64,
    /// What holding it saves; see [`crate::value`].
    pub value_seconds: f64,
    /// What people decided about it.
    pub ruling: Option<Ruling>,
}

impl Candidate {
    /// Value per byte, in seconds per byte. An empty item has none.
    pub fn density(&self) -> f64 {
        if self.bytes == 0 || !self.value_seconds.is_finite() { 0.0 } else { self.value_seconds / self.bytes as f64 }
    }
}

/// A decision by a person about an item, which stands above its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ruling {
    /// Hold it, or never hold it.
    pub kind: RulingKind,
    /// Who said so.
    pub by: String,
    /// Why, in that person's words.
    pub because: String,
}

/// Hold or never hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RulingKind {
    /// Hold it, whatever its value.
    Pin,
    /// Never hold it, whatever its value.
    Deny,
}

impl RulingKind {
    /// The word in the store and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Deny => "deny",
        }
    }
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// One for each candidate, in the candidates' order.
    pub verdicts: Vec<Verdict>,
    /// Positions of the candidates taken, the densest first.
    pub taken: Vec<usize>,
    /// The bytes of those together; never more than the budget.
    pub taken_bytes: u64,
    /// The value of those together, in seconds.
    pub taken_value_seconds: f64,
    /// The density of the last item taken by its value: the price of space. Zero when everything of value fitted. When
    /// there was value but room for none of it, the density of the best item left out.
    pub cut_density: f64,
}

/// What became of one candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Its place by density, from 1, among all candidates.
    pub rank: usize,
    /// In or out, and why.
    pub outcome: Outcome,
}

impl Verdict {
    /// Whether the item is held.
    pub fn is_taken(&self) -> bool {
        matches!(self.outcome, Outcome::Pinned | Outcome::Taken)
    }
}

/// In or out, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// In: a person pinned it.
    Pinned,
    /// In: its density earned it the space.
    Taken,
    /// Out: a person denied it.
    Denied,
    /// Out: denser items had taken the space. Holds the bytes that were left.
    NoRoom(u64),
    /// Out: a person pinned it, but pins before it had taken the space. Holds the bytes that were left.
    PinnedNoRoom(u64),
    /// Out: it alone is larger than the budget.
    TooLarge,
    /// Out: holding it saves nothing.
    NoValue,
    /// Out: the origin holds no bytes of it.
    Empty,
}

/// Candidates sorted by density, for choices under several budgets.
#[derive(Debug)]
pub struct Ranking<'a> {
    candidates: &'a [Candidate],
    /// Positions of candidates, the densest first.
    by_density: Vec<usize>,
}

/// Chooses among `candidates` under `budget_bytes`. Equal input gives an equal choice, whatever the input's order.
pub fn choose(candidates: &[Candidate], budget_bytes: u64) -> Choice {
    Ranking::new(candidates).choose(budget_bytes)
}

impl<'a> Ranking<'a> {
    /// Sorts the candidates. Equal densities are settled by value, then by name, so that no choice depends on chance.
    pub fn new(candidates: &'a [Candidate]) -> Self {
        let mut by_density: Vec<usize> = (0..candidates.len()).collect();
        by_density.sort_by(|a, b| denser_first(&candidates[*a], &candidates[*b]));
        Self { candidates, by_density }
    }

    /// Chooses under a budget.
    pub fn choose(&self, budget_bytes: u64) -> Choice {
        let mut room = Room { budget: budget_bytes, left: budget_bytes };
        let mut outcomes: Vec<Option<Outcome>> = vec![None; self.candidates.len()];
        for &position in &self.by_density {
            outcomes[position] = ruled(&self.candidates[position], &mut room);
        }
        let (mut last_taken, mut best_left_out) = (None, None);
        for &position in &self.by_density {
            let candidate = &self.candidates[position];
            let outcome = *outcomes[position].get_or_insert_with(|| by_value(candidate, &mut room));
            match outcome {
                Outcome::Taken => last_taken = Some(candidate.density()),
                Outcome::NoRoom(_) | Outcome::TooLarge => best_left_out = best_left_out.or(Some(candidate.density())),
                _ => {}
            }
        }
        let mut verdicts = vec![Verdict { rank: 0, outcome: Outcome::Empty }; self.candidates.len()];
        for (place, &position) in self.by_density.iter().enumerate() {
            let outcome = outcomes[position].unwrap_or(Outcome::Empty);
            verdicts[position] = Verdict { rank: place + 1, outcome };
        }
        let taken: Vec<usize> = self.by_density.iter().copied().filter(|at| verdicts[*at].is_taken()).collect();
        Choice {
            taken_bytes: budget_bytes - room.left,
            taken_value_seconds: taken.iter().map(|at| self.candidates[*at].value_seconds).sum(),
            cut_density: best_left_out.map_or(0.0, |best| last_taken.unwrap_or(best)),
            verdicts,
            taken,
        }
    }
}

struct Room {
    budget: u64,
    left: u64,
}

impl Room {
    fn take(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.left;
        if fits {
            self.left -= bytes;
        }
        fits
    }
}

fn denser_first(a: &Candidate, b: &Candidate) -> Ordering {
    let value = b.value_seconds.total_cmp(&a.value_seconds);
    b.density().total_cmp(&a.density()).then(value).then_with(|| a.item.cmp(&b.item))
}

/// The outcome where a person decided, `None` where value decides.
fn ruled(candidate: &Candidate, room: &mut Room) -> Option<Outcome> {
    let outcome = match candidate.ruling.as_ref()?.kind {
        RulingKind::Deny => Outcome::Denied,
        RulingKind::Pin if candidate.bytes == 0 => Outcome::Empty,
        RulingKind::Pin if room.take(candidate.bytes) => Outcome::Pinned,
        RulingKind::Pin => Outcome::PinnedNoRoom(room.left),
    };
    Some(outcome)
}

fn by_value(candidate: &Candidate, room: &mut Room) -> Outcome {
    if candidate.bytes == 0 {
        Outcome::Empty
    } else if candidate.density() <= 0.0 {
        Outcome::NoValue
    } else if candidate.bytes > room.budget {
        Outcome::TooLarge
    } else if room.take(candidate.bytes) {
        Outcome::Taken
    } else {
        Outcome::NoRoom(room.left)
    }
}

/// Why a candidate is in or out, in words.
#[derive(Debug, Clone, Copy)]
pub struct Reason<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// Its verdict.
    pub verdict: &'a Verdict,
    /// How many candidates there were.
    pub of: usize,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { candidate, verdict, of } = self;
        let bytes = ByteSize(candidate.bytes);
        if let Some(Ruling { kind, by, because }) = &candidate.ruling {
            let word = if *kind == RulingKind::Pin { "pinned" } else { "denied" };
            write!(f, "{word} by {by} because {because}")?;
        } else if candidate.value_seconds > 0.0 {
            write!(f, "saves {:.1} s, rank {} of {of} by value per byte", candidate.value_seconds, verdict.rank)?;
        }
        match verdict.outcome {
            Outcome::Pinned | Outcome::Denied => Ok(()),
            Outcome::Taken => write!(f, ", above the cut"),
            Outcome::NoRoom(left) => write!(f, ", below the cut: {bytes} do not fit into {} left", ByteSize(left)),
            Outcome::PinnedNoRoom(left) => write!(f, ", but {bytes} do not fit into {} left", ByteSize(left)),
            Outcome::TooLarge => write!(f, ", but its {bytes} are more than the whole budget"),
            Outcome::NoValue => {
                write!(f, "no value: nothing read of it in the history would have been faster from the SSD")
            }
            Outcome::Empty if candidate.ruling.is_some() => write!(f, ", but the origin holds no bytes of it"),
            Outcome::Empty if candidate.value_seconds > 0.0 => write!(f, ", but the origin holds no bytes of it"),
            Outcome::Empty => write!(f, "the origin holds no bytes of it"),
        }
    }
}

#[cfg(test)]
mod tests;
