//! The choice: which items to hold under a budget, and in words why each is in or out.
//!
//! Items are taken by density, gain per byte, until the budget is full; one that does not fit is passed over and the
//! smaller ones behind it still get their chance. That is within one item of the best that any choice could do. The gain
//! of an item that is held now is its value; of any other, its value less what loading it costs. So an item is replaced
//! only by one whose gain pays the reload ([`load`] says what that is).
//!
//! What people decided comes first: pins take their space before value is looked at, a denied item is never taken, and
//! no more is taken by value than the [`caps`] on tables and owners leave.
//!
//! Everything that explains a choice is read off its verdicts, or found by choosing again with something changed
//! ([`change`]), so that an explanation cannot differ from what was done.

pub mod caps;
pub mod change;
pub mod factor;
mod fate;
pub mod load;
mod reason;

use std::cmp::Ordering;

use larder_model::ItemName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::caps::Slots;
pub use self::caps::{Cap, CapOf, Caps, TablePattern};
pub use self::change::Change;
pub use self::factor::Factor;
pub use self::fate::Fate;
pub use self::reason::Reason;

/// An item that could be held.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The table and partition.
    pub item: ItemName,
    /// What holding it takes.
    pub bytes: u64,
    /// What holding it saves; see [`crate::value`].
    pub value_seconds: f64,
    /// What loading it costs, in seconds; see [`load`]. It counts only where the item is not held.
    pub load_seconds: f64,
    /// Whether the version in force holds it.
    pub held: bool,
    /// What people decided about it.
    pub ruling: Option<Ruling>,
}

impl Candidate {
    /// What taking it gains, in seconds: its value, less its loading where it is not held.
    pub fn gain_seconds(&self) -> f64 {
        let gain = if self.held { self.value_seconds } else { self.value_seconds - self.load_seconds };
        if gain.is_finite() { gain } else { 0.0 }
    }

    /// Gain per byte, in seconds per byte. An empty item has none.
    pub fn density(&self) -> f64 {
        if self.bytes == 0 { 0.0 } else { self.gain_seconds() / self.bytes as f64 }
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// One for each candidate, in the candidates' order.
    pub verdicts: Vec<Verdict>,
    /// Positions of the candidates taken, the densest first.
    pub taken: Vec<usize>,
    /// The bytes of those together; never more than the budget.
    pub taken_bytes: u64,
    /// The value of those together, in seconds.
    pub taken_value_seconds: f64,
    /// The bytes of those that are not held now and so must be loaded.
    pub loaded_bytes: u64,
    /// The density of the last item taken by its value: the price of space. Zero when everything of value fitted. When
    /// there was value but room for none of it, the density of the best item left out. Items that a cap keeps out say
    /// nothing about the price.
    pub cut_density: f64,
}

impl Choice {
    /// The place by density of the last item that its value brought in; zero when there was none.
    pub fn last_taken_rank(&self) -> usize {
        let taken = self.verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Taken);
        taken.map(|verdict| verdict.rank).max().unwrap_or(0)
    }
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
        self.outcome.is_taken()
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
    /// Out: denser items had taken what a cap on its table or owner allows.
    Capped {
        /// The cap's place among the [`Caps`].
        cap: usize,
        /// The bytes that the cap had left.
        left: u64,
    },
    /// Out: it alone is larger than the budget.
    TooLarge,
    /// Out: it is not held, and holding it saves less than loading it costs.
    NotWorthLoading,
    /// Out: holding it saves nothing.
    NoValue,
    /// Out: the origin holds no bytes of it.
    Empty,
}

impl Outcome {
    /// Whether the item is held.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Pinned | Self::Taken)
    }
}

/// Candidates sorted by density, for choices under several budgets.
#[derive(Debug)]
pub struct Ranking<'a> {
    candidates: &'a [Candidate],
    /// Positions of candidates, the densest first.
    by_density: Vec<usize>,
    /// Those of them that people decided about, in the same order.
    ruled: Vec<usize>,
    slots: Slots<'a>,
}

/// Chooses among `candidates` under `budget_bytes`. Equal input gives an equal choice, whatever the input's order.
pub fn choose(candidates: &[Candidate], budget_bytes: u64) -> Choice {
    Ranking::new(candidates).choose(budget_bytes)
}

impl<'a> Ranking<'a> {
    /// Sorts the candidates. Equal densities are settled by value, then by name, so that no choice depends on chance.
    pub fn new(candidates: &'a [Candidate]) -> Self {
        const NONE: &Caps = &Caps(Vec::new());
        Self::with_caps(candidates, NONE)
    }

    /// The same, where tables and owners have caps.
    pub fn with_caps(candidates: &'a [Candidate], caps: &Caps) -> Self {
        let mut by_density: Vec<usize> = (0..candidates.len()).collect();
        by_density.sort_by(|a, b| denser_first(&candidates[*a], &candidates[*b]));
        let ruled = by_density.iter().copied().filter(|at| candidates[*at].ruling.is_some()).collect();
        Self { candidates, by_density, ruled, slots: Slots::new(candidates, caps) }
    }

    /// Chooses under a budget.
    pub fn choose(&self, budget_bytes: u64) -> Choice {
        let mut room = self.room(budget_bytes);
        let mut outcomes: Vec<Option<Outcome>> = vec![None; self.candidates.len()];
        for &position in &self.ruled {
            outcomes[position] = self.by_ruling(position, &mut room);
        }
        let (mut last_taken, mut best_left_out) = (None, None);
        for &position in &self.by_density {
            let outcome = *outcomes[position].get_or_insert_with(|| self.by_value(position, &mut room));
            let density = self.candidates[position].density();
            match outcome {
                Outcome::Taken => last_taken = Some(density),
                Outcome::NoRoom(_) | Outcome::TooLarge => best_left_out = best_left_out.or(Some(density)),
                _ => {}
            }
        }
        let mut verdicts = vec![Verdict { rank: 0, outcome: Outcome::Empty }; self.candidates.len()];
        for (place, &position) in self.by_density.iter().enumerate() {
            let outcome = outcomes[position].unwrap_or(Outcome::Empty);
            verdicts[position] = Verdict { rank: place + 1, outcome };
        }
        let taken: Vec<usize> = self.by_density.iter().copied().filter(|at| verdicts[*at].is_taken()).collect();
        let of_taken = || taken.iter().map(|at| &self.candidates[*at]);
        Choice {
            taken_bytes: budget_bytes - room.left,
            taken_value_seconds: of_taken().map(|candidate| candidate.value_seconds).sum(),
            loaded_bytes: of_taken().filter(|candidate| !candidate.held).map(|candidate| candidate.bytes).sum(),
            cut_density: best_left_out.map_or(0.0, |best: f64| last_taken.unwrap_or(best)).max(0.0),
            verdicts,
            taken,
        }
    }

    fn room(&self, budget_bytes: u64) -> Room {
        Room { budget: budget_bytes, left: budget_bytes, of_slots: self.slots.bytes() }
    }

    /// The outcome where a person decided, `None` where value decides.
    fn by_ruling(&self, position: usize, room: &mut Room) -> Option<Outcome> {
        let candidate = &self.candidates[position];
        let outcome = match candidate.ruling.as_ref()?.kind {
            RulingKind::Deny => Outcome::Denied,
            RulingKind::Pin if candidate.bytes == 0 => Outcome::Empty,
            // A pin stands above caps, and counts towards them.
            RulingKind::Pin if candidate.bytes <= room.left => {
                room.take(candidate.bytes, self.slots.of(candidate));
                Outcome::Pinned
            }
            RulingKind::Pin => Outcome::PinnedNoRoom(room.left),
        };
        Some(outcome)
    }

    fn by_value(&self, position: usize, room: &mut Room) -> Outcome {
        let candidate = &self.candidates[position];
        if candidate.bytes == 0 {
            Outcome::Empty
        } else if candidate.density() <= 0.0 {
            if candidate.value_seconds > 0.0 { Outcome::NotWorthLoading } else { Outcome::NoValue }
        } else {
            let outcome = self.by_room(candidate, room);
            if outcome == Outcome::Taken {
                room.take(candidate.bytes, self.slots.of(candidate));
            }
            outcome
        }
    }

    /// Whether what is left has room for a candidate; takes nothing.
    fn by_room(&self, candidate: &Candidate, room: &Room) -> Outcome {
        let full = |slot: &&usize| room.of_slots[**slot] < candidate.bytes;
        if candidate.bytes > room.budget {
            Outcome::TooLarge
        } else if let Some(&slot) = self.slots.of(candidate).iter().find(full) {
            Outcome::Capped { cap: self.slots.cap(slot), left: room.of_slots[slot] }
        } else if candidate.bytes <= room.left {
            Outcome::Taken
        } else {
            Outcome::NoRoom(room.left)
        }
    }
}

/// What is left of the budget and of the caps.
#[derive(Debug, Clone)]
struct Room {
    budget: u64,
    left: u64,
    of_slots: Vec<u64>,
}

impl Room {
    fn take(&mut self, bytes: u64, slots: &[usize]) {
        self.left -= bytes;
        for slot in slots {
            self.of_slots[*slot] = self.of_slots[*slot].saturating_sub(bytes);
        }
    }
}

fn denser_first(a: &Candidate, b: &Candidate) -> Ordering {
    let value = b.value_seconds.total_cmp(&a.value_seconds);
    b.density().total_cmp(&a.density()).then(value).then_with(|| a.item.cmp(&b.item))
}

#[cfg(test)]
mod tests;
