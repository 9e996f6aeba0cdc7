//! What describes a kind of consumer: its word, its keys, what it is shown and writes, and how it is
//! built.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Consumer;

use super::super::keys::Key;
use super::super::read::{Reader, Section};
use super::super::values::EnvVar;
use super::secret::SecretFacts;

/// A kind of consumer, before any file is read.
#[derive(Debug)]
pub struct ConsumerKind {
    /// What stands at `kind`.
    pub word: &'static str,
    /// Its keys, beside those that every consumer has.
    pub keys: &'static [&'static [Key]],
    /// Reads a section that has these keys, each of the right type. What is wrong is told to the
    /// reader, and what is returned then is never used. No I/O.
    pub read: fn(&mut Reader<'_>, &Section<'_>, &ForSecret<'_>) -> ConsumerRead,
}

/// The secret whose consumer is read.
pub struct ForSecret<'a> {
    /// Relative paths in the file resolve from it.
    pub root: &'a Path,
    /// The variables of the secret.
    pub env: &'a [EnvVar],
    /// The word of its kind.
    pub kind: &'a str,
    /// What its kind says of it.
    pub secret: &'a SecretFacts,
}

/// A consumer that has been read.
#[derive(Debug, Clone)]
pub struct ConsumerRead {
    /// What the rest of keyrota has to know of it.
    pub facts: ConsumerFacts,
    /// What it is built from.
    pub settings: Arc<dyn ConsumerSettings>,
}

/// What a consumer is built from.
pub trait ConsumerSettings: fmt::Debug + Send + Sync {
    /// Makes the consumer. No I/O: whether it can deliver shows in its preflight.
    ///
    /// # Errors
    /// A sentence about the settings that no reader of files lets through.
    fn build(&self) -> Result<Box<dyn Consumer>, &'static str>;
}

/// What the rest of keyrota has to know of a consumer.
#[derive(Debug, Clone)]
pub struct ConsumerFacts {
    /// Where it delivers. With the word of its kind this is its name in the state: a consumer that
    /// delivers elsewhere is another one.
    pub at: String,
    /// How it delivers, beside `at` and its variables: under another text it is notified again.
    pub definition: String,
    /// The variables it gets.
    pub variables: Vec<EnvVar>,
    /// Whether it gets the public key set.
    pub key_set: bool,
    /// When its readers have the value that it was given.
    pub readers: Readers,
    /// Whether it is left alone when a round shows it nothing new. One that is not compares itself.
    pub skips_known: bool,
    /// The file that it writes.
    pub file: Option<WrittenFile>,
    /// How long one delivery may take; `None`: no longer than any other effect.
    pub time_limit: Option<Duration>,
    /// What has to be there before the first rotation.
    pub setup: String,
}

/// When the readers of a consumer have the value that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// As soon as it acknowledges.
    Notified,
    /// When they read what it wrote, by themselves or because a later consumer makes them.
    Later,
    /// Whenever `jwks_max_age` says: they verify with the public key set.
    Verifiers,
}

/// A file that a consumer writes.
#[derive(Debug, Clone)]
pub struct WrittenFile {
    /// Absolute.
    pub path: PathBuf,
    /// Whether other consumers may write it too.
    pub sharing: Sharing,
}

/// Whether several consumers may write one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sharing {
    /// No: each would replace the other's text.
    Never,
    /// No: it holds one value.
    OneValue,
    /// Those that agree on all of this, each with names of its own.
    Entries(Entries),
}

/// A file with entries of several consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// The format.
    pub format: String,
    /// `user:group`.
    pub owner: Option<String>,
    /// Permission bits.
    pub mode: u32,
    /// Whether it is overwritten where it is.
    pub in_place: bool,
}
