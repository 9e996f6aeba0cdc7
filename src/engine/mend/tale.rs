//! What the state remembers of a copy that was wrong.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the state remembers of a copy that was wrong, beside what stood there.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Tale {
    /// The rotation that last told the copy: a later one begins anew.
    pub(super) rotation: Option<Uuid>,
    /// When mending was begun, in milliseconds since 1970 UTC.
    pub(super) tries: Vec<i64>,
    /// The id of a mending whose end nobody wrote down.
    pub(super) mending: Option<Uuid>,
    /// It is left to a person.
    pub(super) left: bool,
}
