//! A problem of a file. It never holds a value from the file: a value is repeated only where it is
//! provably one of our own words (see `plain`).

use std::path::{Path, PathBuf};

use super::values::Spot;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing that needs this file starts.
    Error,
    /// Worth a look.
    Warning,
}

impl Severity {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file it is in.
    pub file: PathBuf,
    /// Where; line 0: the file as a whole.
    pub spot: Spot,
    /// The key it is about, as `secrets.name.key`; empty for the file as a whole.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// What to write; never empty for an error.
    pub help: String,
    /// The other end of a contradiction.
    pub related: Option<Related>,
}

/// The other end of a contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The file it is in.
    pub file: PathBuf,
    /// Where.
    pub spot: Spot,
    /// What stands there.
    pub what: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(
        file: &Path,
        spot: Spot,
        at: impl Into<String>,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            spot,
            at: at.into(),
            what: what.into(),
            help: help.into(),
            related: None,
        }
    }

    /// The same, but as a warning.
    pub fn into_warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }

    /// The same, naming the other end.
    pub fn related_to(self, file: &Path, spot: Spot, what: impl Into<String>) -> Self {
        Self {
            related: Some(Related {
                file: file.to_owned(),
                spot,
                what: what.into(),
            }),
            ..self
        }
    }

    /// The key and what is wrong with it, in one line.
    pub fn message(&self) -> String {
        if self.at.is_empty() {
            self.what.clone()
        } else {
            format!("{}: {}", self.at, self.what)
        }
    }
}
