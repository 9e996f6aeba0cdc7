//! Which program changes a secret, and what it changes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::super::random::{Random, RandomError};
use crate::child::Program;

/// How many values the program's target accepts at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// Two: a value is accepted, verified, and later revoked.
    Dual,
    /// One: a value is activated and ends the one before; the program answers `query`.
    Single,
}

/// Which program, and what it changes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The environment's name.
    pub environment: String,
    /// The secret's name.
    pub secret: String,
    /// The program, by its absolute path, and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// How many values its target accepts at once.
    pub slots: Slots,
    /// How long one call may take; ending it may take 6 s more. A preflight makes up to three calls,
    /// a change one (after 2 s at most for the lock), a probe one. Ending what outlived a keyrota
    /// takes 11 s at most, whatever this is.
    pub timeout: Duration,
    /// How many characters a value has.
    pub length: usize,
    /// The characters of a value, each once.
    pub alphabet: Vec<u8>,
    /// The secrets whose values the program needs beside its own.
    pub uses: Vec<String>,
    /// The lock file of this secret, in an existing directory that only this user may write; it is
    /// made when it is needed and never removed. `None` where several hosts share the state: then
    /// the program must know the phase `quiesce`.
    pub lock: Option<PathBuf>,
}

/// Why settings are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsError {
    /// No program, a relative path, no time: a sentence.
    Program(&'static str),
    /// The length or the alphabet.
    Value(RandomError),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(sentence) => f.write_str(sentence),
            Self::Value(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SettingsError {}

/// Changes a secret by calling a program.
#[derive(Debug)]
pub struct Command {
    pub(super) environment: String,
    pub(super) secret: String,
    pub(super) program: Program,
    pub(super) slots: Slots,
    pub(super) values: Random,
    pub(super) uses: Vec<String>,
    pub(super) lock: Option<PathBuf>,
}

impl Command {
    /// A rotator; whether the program can be run shows in its preflight.
    ///
    /// # Errors
    /// [`SettingsError`]: the first setting that cannot be.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            program: Program::new(settings.argv, settings.timeout)
                .map_err(SettingsError::Program)?,
            values: Random::new(settings.length, settings.alphabet)
                .map_err(SettingsError::Value)?,
            environment: settings.environment,
            secret: settings.secret,
            slots: settings.slots,
            uses: settings.uses,
            lock: settings.lock,
        })
    }
}
