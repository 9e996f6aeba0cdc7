//! What can keep values: each kind of provider whole, in a file of its own. What it is called, what a
//! schedule says of it, what may be kept there, what it can do, who gives the rights on it, and how it
//! is built. [`KINDS`] is the registry; nothing outside this folder knows one kind from another.
//!
//! Reading a section is pure, as all of [`crate::config`] is; only [`Settings::build`] reads a key or
//! a token. A store's protocol stands in the crate of its dependencies, `providers/*`, unless it needs
//! none that this crate has not.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use keyrota_contract::{Capabilities, Provider};
use keyrota_local::FileProvider;

use crate::config::keys::{Key, Kinds};
use crate::config::model::Reference;
use crate::config::read::{Reader, Section};
use crate::engine::parts::PartsError;

#[cfg(feature = "aws")]
mod aws;
mod file;
pub mod rights;
#[cfg(test)]
mod tests;
#[cfg(feature = "vault")]
mod vault;

use rights::Giver;

/// The registry: the kinds of this build, in the order in which they are told.
pub const KINDS: &[&StoreKind] = &[
    &file::KIND,
    #[cfg(feature = "aws")]
    &aws::SECRETS_MANAGER,
    #[cfg(feature = "aws")]
    &aws::PARAMETER_STORE,
    #[cfg(feature = "vault")]
    &vault::KIND,
];

/// The words of kinds that this build leaves out: known, and refused as such.
const LEFT_OUT: &[&str] = &[
    #[cfg(not(feature = "aws"))]
    "aws-secrets-manager",
    #[cfg(not(feature = "aws"))]
    "aws-ssm",
    #[cfg(not(feature = "vault"))]
    "vault",
];

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
    fn build(&self, how: &Building<'_>) -> Result<Built, PartsError>;

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

/// `[providers.*]`, as the readers of files want it.
pub static PROVIDERS: Kinds = Kinds {
    noun: "provider",
    common: &[],
    built: &KEYS,
    planned: LEFT_OUT,
};

static KEYS: [(&str, &[&[Key]]); KINDS.len()] = {
    let mut all: [(&str, &[&[Key]]); KINDS.len()] = [("", &[]); KINDS.len()];
    let mut n = 0;
    while n < KINDS.len() {
        all[n] = (KINDS[n].word, KINDS[n].keys);
        n += 1;
    }
    all
};

/// The kind of this word, if it is built in.
pub fn kind(word: &str) -> Option<&'static StoreKind> {
    KINDS.iter().copied().find(|kind| kind.word == word)
}
