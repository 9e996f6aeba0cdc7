//! Why a schedule was refused.

use std::fmt;

/// Why a schedule was refused. A schedule is no secret, so its text may be repeated here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub help: String,
    /// Where in the text, in bytes from its start.
    pub offset: usize,
    /// Whether words of the text are repeated.
    pub quotes: bool,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.help)
    }
}

impl std::error::Error for ParseError {}

pub(super) fn error(offset: usize, what: impl Into<String>, help: String) -> ParseError {
    ParseError {
        what: what.into(),
        help,
        offset,
        quotes: true,
    }
}
