//! Why a candidate is in or out, in words.

use std::fmt;

use larder_model::ByteSize;

use super::{Candidate, Caps, Outcome, Ruling, RulingKind, Verdict};

/// Why a candidate is in or out, in words.
#[derive(Debug, Clone, Copy)]
pub struct Reason<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// Its verdict.
    pub verdict: &'a Verdict,
    /// The caps that the choice kept.
    pub caps: &'a Caps,
    /// How many candidates there were.
    pub of: usize,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { candidate, verdict, caps, of } = self;
        let bytes = ByteSize(candidate.bytes);
        if let Some(Ruling { kind, by, because }) = &candidate.ruling {
            let word = if *kind == RulingKind::Pin { "pinned" } else { "denied" };
            write!(f, "{word} by {by} because {because}")?;
        } else if candidate.value_seconds > 0.0 {
            write!(f, "saves {:.1} s", candidate.value_seconds)?;
            if candidate.held {
                write!(f, ", held now")?;
            } else if candidate.load_seconds > 0.0 {
                write!(f, " for {:.1} s of loading", candidate.load_seconds)?;
            }
            write!(f, ", rank {} of {of} by value per byte", verdict.rank)?;
        }
        match verdict.outcome {
            Outcome::Pinned | Outcome::Denied => Ok(()),
            Outcome::Taken => write!(f, ", above the cut"),
            Outcome::NoRoom(left) => write!(f, ", below the cut: {bytes} do not fit into {} left", ByteSize(left)),
            Outcome::PinnedNoRoom(left) => write!(f, ", but {bytes} do not fit into {} left", ByteSize(left)),
            Outcome::Capped { cap, left } => {
                write!(f, ", but {} is full: {bytes} do not fit into {} left", caps.0[cap], ByteSize(left))
            }
            Outcome::TooLarge => write!(f, ", but its {bytes} are more than the whole budget"),
            Outcome::NotWorthLoading => write!(f, ", but that is less than loading it costs"),
            Outcome::NoValue => {
                write!(f, "no value: what is expected to be read of it would be no faster from the SSD")
            }
            Outcome::Empty if candidate.ruling.is_some() => write!(f, ", but the origin holds no bytes of it"),
            Outcome::Empty if candidate.value_seconds > 0.0 => write!(f, ", but the origin holds no bytes of it"),
            Outcome::Empty => write!(f, "the origin holds no bytes of it"),
        }
    }
}
