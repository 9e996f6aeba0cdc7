//! The audit log: what happened, in a form that cannot be changed unnoticed.
//!
//! An entry becomes immutable bytes once ([`entry`], [`canonical`]); each entry's hash covers those
//! bytes and the hash before ([`chain`]); now and then the head is signed ([`checkpoint`]) and the
//! signed note is also kept outside the database ([`anchors`]). [`verify`] walks over the entries
//! and says what is wrong; a MAC beside each entry shows that a host with the seed wrote it ([`Vouch`]); [`export`] hands them to somebody who has only the public key.
//!
//! What this cannot show: an attacker who writes to the database can cut off the entries after the last checkpoint,
//! and one who holds the seed and all copies of the checkpoints can write another history.

pub mod anchors;
mod bounded;
pub mod canonical;
pub mod chain;
pub mod checkpoint;
pub mod entry;
pub mod export;
mod lines;
mod report;
mod signers;
pub mod verify;
mod vouch;

pub use checkpoint::{Checkpoint, NoteError, VerifyingKey};
pub use entry::{Actor, NewEntry, Object, Origin, Outcome, Phase, Position, VersionNote};
pub use export::{Exporter, Format, verify_export};
pub use report::{Dangling, FINDINGS_MAX, Finding, Problem, Report, UNSIGNED};
pub use signers::Signers;
pub use verify::Verifier;
pub use vouch::Vouch;

/// The head of a log: how many entries it has, and the hash of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The log's id.
    pub chain: uuid::Uuid,
    /// How many entries there are; the last one's `seq`.
    pub size: i64,
    /// The last entry's hash; [`chain::genesis`] while there is none.
    pub hash: chain::Hash,
}

/// An entry as it is stored, sound or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub seq: i64,
    /// The hash of the entry before.
    pub prev_hash: Vec<u8>,
    /// Its hash.
    pub hash: Vec<u8>,
    /// Its bytes.
    pub body: Vec<u8>,
    /// Its MAC; an export has none.
    pub mac: Option<Vec<u8>>,
    /// What the database repeats to search by; an export has none.
    pub copies: Option<Copies>,
}

/// What the database repeats of an entry beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// Microseconds since 1970 UTC.
    pub ts_us: i64,
    /// The event.
    pub event: String,
    /// The environment.
    pub env: Option<String>,
    /// The secret.
    pub secret: Option<String>,
    /// The rotation.
    pub rotation: Option<String>,
}

#[cfg(test)]
mod tests;
