//! What a look at the copies of a secret led to.

/// What a look at the copies of one secret found and did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Were wrong, and are right now.
    pub mended: Vec<String>,
    /// Are wrong, and stay so until a person acts or the next rotation.
    pub left: Vec<String>,
    /// Could not be looked at or mended now; why.
    pub failed: Vec<(String, &'static str)>,
    /// The secret's own current value is not the one that keyrota knows.
    pub own_edited: bool,
}

impl Looked {
    /// Whether there is anything to tell.
    pub fn is_quiet(&self) -> bool {
        *self == Self::default()
    }
}
