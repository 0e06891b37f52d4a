//! The factors of a value, as an explanation shows them. The choice carries them and reads none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One of the figures that a value is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Factor {
    /// What it is called, such as `requests`.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it is counted in, such as `bytes`; empty for a bare number.
    pub unit: String,
    /// What it means, in words.
    pub words: String,
}

impl Factor {
    /// A factor; a figure that is none becomes zero, because JSON cannot say it.
    pub fn new(name: &str, value: f64, unit: &str, words: &str) -> Self {
        let value = if value.is_finite() { value } else { 0.0 };
        Self { name: name.to_owned(), value, unit: unit.to_owned(), words: words.to_owned() }
    }
}
