//! What describes a kind of secret.

/// What the rest of keyrota has to know of a secret that has been read.
#[derive(Debug, Clone)]
pub struct SecretFacts {
    /// The word of its kind.
    pub word: &'static str,
    /// The fields that templates may name; empty: whatever members the value turns out to have.
    pub fields: &'static [&'static str],
    /// How many lines its values have.
    pub lines: Lines,
    /// Whether verifiers hold a public half of it.
    pub has_public_key: bool,
}

/// How many lines a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// One.
    One,
    /// One or several, as its issuer writes it.
    Any,
    /// Several: a PEM key.
    Several,
}
