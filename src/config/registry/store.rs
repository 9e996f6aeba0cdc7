//! What describes a kind of provider: its word, its keys, what it can do, who gives the rights on what
//! it stores, and how it is built.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use keyrota_contract::{Capabilities, Provider};
use keyrota_local::{FileProvider, IdentityError};

use super::super::input::InputError;
use super::super::keys::Key;
use super::super::read::{Reader, Section};
use super::super::values::Reference;
use super::rights::Giver;

/// A kind of provider, before any file is read.
#[derive(Debug)]
pub struct StoreKind {
    /// What stands at `kind`.
    pub word: &'static str,
    /// What people call it in a sentence.
    pub name: &'static str,
    /// Its keys: decoding, the JSON Schema and `keyrota providers` are made from them. Who leaves out
    /// a key that has a default reads it at the end of the key's line: "…; 3 when absent."
    pub keys: &'static [&'static [Key]],
    /// What it can do, whatever its settings.
    pub capabilities: Capabilities,
    /// Reads a section that has these keys, each of the right type. What is wrong is told to the
    /// reader, and what is returned then is never used. No I/O.
    pub read: fn(&mut Reader<'_>, &Section<'_>, &Reading<'_>) -> Arc<dyn Settings>,
}

/// Where a section stands.
pub struct Reading<'a> {
    /// `development`, `production`, …
    pub environment: &'a str,
    /// Relative paths in the file resolve from it.
    pub root: &'a Path,
}

/// What is wrong, and what to do: two fixed sentences.
pub type Problem = (&'static str, &'static str);

/// A `[providers.NAME]` that has been read. Everything but [`Settings::build`] is without I/O.
pub trait Settings: fmt::Debug + Send + Sync {
    /// A path as it is compared with others, whichever provider names it: what is behind this one, and
    /// the path there. Two that answer the same are one place.
    fn place<'p>(&self, path: &'p str) -> (String, &'p str);

    /// Why nothing can be kept at a path.
    fn path_problem(&self, path: &str) -> Option<Problem>;

    /// Whether what stands at a path can have several fields.
    fn has_fields(&self) -> bool;

    /// What it opens its own doors with.
    fn inputs(&self) -> Vec<&Reference>;

    /// Who gives the rights on what is kept there.
    fn rights(&self) -> Giver<'_>;

    /// Makes the provider; what it logs in with is read, and nothing is asked of the store.
    fn build(&self, how: &Building<'_>) -> Result<Built, BuildError>;

    /// The document that is opened with the identity which keyrota makes in development: this is of the
    /// kind `file` alone, and every other has none.
    fn made_document(&self) -> Option<&Path> {
        None
    }
}

/// What a provider is built for.
pub struct Building<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// This host.
    pub host: &'a str,
    /// Where development keeps the identity that keyrota made.
    pub made_identity: &'a Path,
}

impl Building<'_> {
    /// The table that an error is about.
    pub fn table(&self) -> String {
        format!("providers.{}", self.name)
    }
}

/// A provider, built.
pub enum Built {
    /// A store.
    Store(Arc<dyn Provider>),
    /// A document, whose generation the state remembers.
    Document(Arc<FileProvider>),
}

/// A part that cannot be put together.
#[derive(Debug)]
pub enum BuildError {
    /// A key, a token or a password cannot be read; which table wants it.
    Input(String, InputError),
    /// The identity of a file provider does not fit; which provider.
    Identity(String, IdentityError),
    /// The configuration passed `validate`, and the part still refuses it; which, and why.
    Refused(String, &'static str),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(who, why) => write!(f, "{who}: {why}"),
            Self::Identity(who, why) => write!(f, "{who}: {why}"),
            Self::Refused(who, why) => write!(f, "{who}: {why}"),
        }
    }
}

impl std::error::Error for BuildError {}
