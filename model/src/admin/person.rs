//! Who asks the admin API. `web` finds out; the handlers of the other crates read it from the request's extensions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// The name of the token, the name that the reverse proxy says, or `local` where there is no sign-in.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

impl Person {
    /// Whoever reaches a daemon that has no sign-in: someone on its own machine.
    pub fn local() -> Self {
        Self { name: "local".to_owned(), role: Role::Operator }
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything, and hand in query events.
    Reader,
    /// Change things, too.
    Operator,
}
