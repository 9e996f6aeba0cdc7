//! What describes a kind of provider: its word, its keys, what it can do, who gives the rights on what
//! it stores, and how it is built. A kind is a value of [`StoreKind`]; the readers of files, the
//! engine and the commands know no kind but through it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use keyrota_contract::{Capabilities, Provider};
use keyrota_local::{FileProvider, IdentityError};

use super::input::InputError;
use super::keys::{Catalog, Family, Key, Kinds};
use super::read::{Reader, Section};
use super::values::Reference;

pub mod rights;

use rights::Giver;

/// The kinds that files may name. It is a value: a test can make a shorter one.
#[derive(Debug)]
pub struct Registry {
    stores: Vec<&'static StoreKind>,
    catalog: Catalog,
}

impl Registry {
    /// A registry of these kinds of provider, in the order in which they are listed. `left_out`: the
    /// words of kinds that files may know and this build has not; readers refuse them as such.
    pub fn new(stores: &[&'static StoreKind], left_out: &'static [&'static str]) -> Self {
        let empty = Self {
            stores: Vec::new(),
            catalog: Catalog::new(left_out),
        };
        stores.iter().fold(empty, |all, kind| all.with(kind))
    }

    /// The same and one more kind of provider.
    pub fn with(mut self, kind: &'static StoreKind) -> Self {
        self.stores.push(kind);
        self.catalog.add((kind.word, kind.keys));
        self
    }

    /// The kinds of provider.
    pub fn stores(&self) -> &[&'static StoreKind] {
        &self.stores
    }

    /// The kind of provider of this word, if it is built in.
    pub fn store(&self, word: &str) -> Option<&'static StoreKind> {
        self.stores.iter().copied().find(|kind| kind.word == word)
    }

    /// The kinds of one family, as the readers of files want them.
    pub fn kinds(&self, family: Family) -> &Kinds {
        self.catalog.of(family)
    }

    /// The words and keys of all kinds, as the readers of files want them.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

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
