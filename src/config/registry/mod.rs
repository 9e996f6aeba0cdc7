//! What describes the kinds of provider, secret and consumer. Each kind is a value; the readers of
//! files, the engine and the commands know no kind but through it.

use super::keys::{Catalog, Family, Kinds};

mod consumer;
pub mod rights;
mod secret;
mod store;

pub use consumer::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, Entries, ForSecret, Readers,
    Sharing, WrittenFile,
};
pub use secret::{
    BuildingSecret, KeyFacts, Lines, Maker, NOT_TAKEN, PublicSet, ReadingSecret, SecretFacts,
    SecretKind, SecretRead, SecretSettings, Sum, Use,
};
pub use store::{BuildError, Building, Built, Problem, Reading, Settings, StoreKind};

/// The kinds that files may name. It is a value: a test can make a shorter one, and a program of its
/// own can add kinds.
#[derive(Debug, Default)]
pub struct Registry {
    stores: Vec<&'static StoreKind>,
    secrets: Vec<&'static SecretKind>,
    consumers: Vec<&'static ConsumerKind>,
    catalog: Catalog,
}

impl Registry {
    /// The same with one more kind of provider, listed after the others.
    pub fn with_provider(mut self, kind: &'static StoreKind) -> Self {
        self.stores.push(kind);
        self.catalog.add(Family::Provider, (kind.word, kind.keys));
        self
    }

    /// The same with one more kind of secret, listed after the others.
    pub fn with_secret(mut self, kind: &'static SecretKind) -> Self {
        self.secrets.push(kind);
        self.catalog.add(Family::Secret, (kind.word, kind.keys));
        self
    }

    /// The same with one more kind of consumer, listed after the others.
    pub fn with_consumer(mut self, kind: &'static ConsumerKind) -> Self {
        self.consumers.push(kind);
        self.catalog.add(Family::Consumer, (kind.word, kind.keys));
        self
    }

    /// The same without kinds of these words: files may know them, and readers refuse them as not built in.
    pub fn without(mut self, family: Family, words: &'static [&'static str]) -> Self {
        self.catalog.leave_out(family, words);
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

    /// The kind of secret of this word, if it is built in.
    pub fn secret(&self, word: &str) -> Option<&'static SecretKind> {
        self.secrets.iter().copied().find(|kind| kind.word == word)
    }

    /// The kind of consumer of this word, if it is built in.
    pub fn consumer(&self, word: &str) -> Option<&'static ConsumerKind> {
        self.consumers
            .iter()
            .copied()
            .find(|kind| kind.word == word)
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
