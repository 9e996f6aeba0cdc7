//! Values that several tables of a file hold: places in the text, references to sensitive inputs,
//! variables and their templates.

use std::path::PathBuf;

/// Where something stands in its file, for problems that are found later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// First byte, from 0.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Where a sensitive input is found. The file holds only this, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `$CREDENTIALS_DIRECTORY/<name>`; the name has no slash in it.
    Credential(String),
    /// A file of mode 0600 or 0400 with the right owner.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

impl Reference {
    /// For people.
    pub fn in_words(&self) -> String {
        match self {
            Self::Credential(name) => format!("the credential {name}"),
            Self::File(path) => format!("the file {}, mode 0600 or 0400", path.display()),
            Self::Env(name) => format!("the variable {name}"),
        }
    }
}

/// Text with `{field}` in it; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The parts, in order; two literals are never neighbours.
    pub parts: Vec<Part>,
}

/// One part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text as it is.
    Literal(String),
    /// `value`, `kid`, or a member of the secret's format.
    Field(String),
}

impl Template {
    /// `{field}` and nothing else.
    pub fn of(field: &str) -> Self {
        Self {
            parts: vec![Part::Field(field.to_owned())],
        }
    }
}

/// One variable made from a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name: `[A-Za-z_][A-Za-z0-9_]*`.
    pub name: String,
    /// Which version it shows.
    pub role: Role,
    /// How it is written. For [`Role::Fallback`], `{value}` is the fallback's value.
    pub template: Template,
    /// Where it stands.
    pub spot: Spot,
}

/// Which part of a secret a variable shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The current value.
    Value,
    /// The current key's id.
    Kid,
    /// Pending if there is one, else previous, else the variable is absent.
    Fallback,
}
