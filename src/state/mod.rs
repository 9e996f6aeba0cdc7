//! The state database.
mod error;
#[allow(missing_docs)]
mod signatures;
mod types;

pub use error::{LockError, Running, StateError};
pub use signatures::*;
pub use types::{Acknowledged, Change, Held, Holder, Outcome, Rotation, Secret};
