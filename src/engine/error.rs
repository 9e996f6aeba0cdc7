//! Why the engine stopped working.

use std::fmt;

use keyrota_contract::ProviderError;
use keyrota_rotation::Illegal;

use crate::config::registry::BuildError;
use crate::state::StateError;

/// Why the engine stopped working. What was begun is safe: the state says how far it came.
#[derive(Debug)]
pub enum EngineError {
    /// The state failed.
    State(StateError),
    /// A part cannot be put together.
    Parts(BuildError),
    /// A provider failed outside a rotation.
    Provider(ProviderError),
    /// A stored record is of another version, or damaged.
    UnreadableRecord,
    /// A person decided what makes no sense now.
    Illegal(Illegal),
    /// The schedule names no such secret.
    NoSecret(String),
}

impl EngineError {
    /// Whether it concerns the state itself, so that nothing can be done for any secret. All else
    /// concerns one secret, and the others still have their turn.
    pub fn is_of_state(&self) -> bool {
        match self {
            Self::State(
                StateError::Running(_) | StateError::Claimed(_) | StateError::Altered(_),
            ) => false,
            Self::State(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(e) => write!(f, "state: {e}"),
            Self::Parts(e) => e.fmt(f),
            Self::Provider(e) => write!(f, "provider: {e}"),
            Self::UnreadableRecord => {
                f.write_str("the record of a rotation was written by another version of keyrota, or is damaged: nothing was done")
            }
            Self::Illegal(e) => e.fmt(f),
            Self::NoSecret(name) => write!(f, "the schedule has no secret {name:?}"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<StateError> for EngineError {
    fn from(e: StateError) -> Self {
        Self::State(e)
    }
}

impl From<BuildError> for EngineError {
    fn from(e: BuildError) -> Self {
        Self::Parts(e)
    }
}

impl From<ProviderError> for EngineError {
    fn from(e: ProviderError) -> Self {
        Self::Provider(e)
    }
}
