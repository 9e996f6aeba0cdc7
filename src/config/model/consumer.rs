//! Consumers: who is told.

use std::path::PathBuf;
use std::time::Duration;

use super::{EnvVar, Owner, Spot};

/// One `[[secrets.<name>.consumers]]`.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// What it is.
    pub kind: ConsumerKind,
    /// Whether the rotation waits for its acknowledgement.
    pub required: bool,
    /// Which host delivers; `None`: any.
    pub host: Option<String>,
    /// Where it stands.
    pub spot: Spot,
}

/// The consumers that are built in.
#[derive(Debug, Clone)]
pub enum ConsumerKind {
    /// Writes values into a file.
    File(FileConsumer),
    /// Calls a program.
    Command(CommandConsumer),
    /// Writes the public key set into a file.
    Jwks(JwksConsumer),
}

impl ConsumerKind {
    /// The word in the file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Jwks(_) => "jwks",
        }
    }
}

/// `kind = "file"`.
#[derive(Debug, Clone)]
pub struct FileConsumer {
    /// The file.
    pub path: PathBuf,
    /// Its dialect.
    pub format: EnvFileFormat,
    /// What it is given: the secret's variables unless the file says `keys`. One for `raw`.
    pub keys: Vec<EnvVar>,
    /// Who owns it.
    pub owner: Option<Owner>,
    /// Its permission bits; 0600 unless stated.
    pub mode: u32,
    /// `write = "in-place"`: overwritten, not replaced.
    pub in_place: bool,
}

/// The dialects of environment files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvFileFormat {
    /// `EnvironmentFile=` of systemd.
    Systemd,
    /// What a shell and most dotenv libraries read alike.
    Dotenv,
    /// `docker run --env-file`.
    Docker,
    /// The whole file is one value.
    Raw,
    /// One JSON object.
    Json,
}

/// `kind = "command"`.
#[derive(Debug, Clone)]
pub struct CommandConsumer {
    /// The program (absolute) and its arguments; no shell.
    pub argv: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether the values are on its standard input too.
    pub value: bool,
}

/// `kind = "jwks"`.
#[derive(Debug, Clone)]
pub struct JwksConsumer {
    /// The file.
    pub path: PathBuf,
    /// Who owns it.
    pub owner: Option<Owner>,
    /// Its permission bits; 0644 unless stated: the set is public.
    pub mode: u32,
}
