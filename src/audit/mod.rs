//! The audit log: what happened, in a form that cannot be changed unnoticed.
//!
//! Everything here is pure but for the two edges that touch files, `anchors` and `export`.

pub mod canonical;
pub mod entry;

pub use entry::{Actor, NewEntry, Object, Origin, Outcome, Phase, Position, VersionNote};

/// The head of a log: how many entries it has, and the hash of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The log's id.
    pub chain: uuid::Uuid,
    /// How many entries there are; the last one's `seq`.
    pub size: i64,
    /// The last entry's hash; the empty log has one of its own.
    pub hash: [u8; 32],
}
