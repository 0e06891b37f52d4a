//! What the daemon says to people: a sentence, and what it says as a code with its figures. A page in another language says
//! it from those, and a program need not read sentences.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A saying in words, and as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Said<T> {
    /// In English.
    pub words: String,
    /// As a code with its figures.
    #[serde(flatten)]
    pub what: T,
}

impl<T: fmt::Display> From<T> for Said<T> {
    fn from(what: T) -> Self {
        Self { words: what.to_string(), what }
    }
}

impl<T> fmt::Display for Said<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
