//! What a verification says.

use std::fmt;

/// What is wrong; each has an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// The entry's bytes, or its hash, are not what was written.
    Modified,
    /// The entry is missing.
    Gap,
    /// The entry stands twice, or the log is not the one that was signed at this size.
    Fork,
    /// The entry stands in another's place.
    Reordered,
    /// The log is shorter than a checkpoint, or its own head, says: cut off, or an older copy.
    Shorter,
    /// A checkpoint is not signed by the key it claims.
    BadSignature,
    /// What the database repeats of the entry, or of the head, is not what the entry says.
    Copy,
    /// No host with the seed vouches for the entry.
    Unvouched,
    /// A checkpoint that was kept in the state is gone.
    Unkept,
}

impl Problem {
    /// The exit code of `audit verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Modified => 30,
            Self::Gap => 31,
            Self::Fork => 32,
            Self::Reordered => 33,
            Self::Shorter => 34,
            Self::BadSignature => 35,
            Self::Copy => 36,
            Self::Unvouched => 38,
            Self::Unkept => 39,
        }
    }

    /// A word for JSON; stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::Reordered => "reordered",
            Self::Shorter => "shorter",
            Self::BadSignature => "bad-signature",
            Self::Copy => "copy-differs",
            Self::Unvouched => "not-vouched-for",
            Self::Unkept => "checkpoint-gone",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The entry; for checkpoints their size, 0 where even that is unknown.
    pub seq: i64,
    /// What is wrong with it.
    pub problem: Problem,
    /// A fixed sentence.
    pub detail: &'static str,
}

impl Finding {
    /// A finding.
    pub fn new(seq: i64, problem: Problem, detail: &'static str) -> Self {
        Self {
            seq,
            problem,
            detail,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: {}", self.seq, self.detail)
    }
}

/// An intent whose outcome was never written: a crash, or a rotation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dangling {
    /// The intent's entry.
    pub seq: i64,
    /// Its event.
    pub event: String,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, by entry; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// Open intents; a warning.
    pub dangling: Vec<Dangling>,
    /// How many entries were seen.
    pub entries: i64,
    /// The size of the largest checkpoint that fits. What comes after it could be cut off unnoticed.
    pub vouched: Option<i64>,
    /// The entry with which a person accepted what is wrong before it, and how much that is.
    pub accepted: Option<(i64, usize)>,
    /// No signature says anything about the log: another one could stand in its place.
    pub unsigned: bool,
}

/// The exit code of `audit verify` when nothing is wrong and nothing is signed.
pub const UNSIGNED: u8 = 37;

/// A log that is wrong from some place on is not reported entry by entry for ever.
pub const FINDINGS_MAX: usize = 1000;

impl Report {
    /// 0, [`UNSIGNED`], or the code of the first finding.
    pub fn exit_code(&self) -> u8 {
        match self.findings.first() {
            Some(first) => first.problem.exit_code(),
            None if self.unsigned => UNSIGNED,
            None => 0,
        }
    }
}
