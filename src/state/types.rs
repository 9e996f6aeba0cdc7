//! What the state database holds: rows, and the changes that one commit makes to them.
//!
//! None of these types has a field for a value. What stands for a value is its fingerprint.

use uuid::Uuid;

/// Who holds, or asks for, a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The host's name from `keyrota.toml`, or the machine's.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// Chosen at random when the process starts: pids and host names return, this does not.
    pub instance: Uuid,
}

/// Who holds a lock that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its host.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// When it was taken, in milliseconds since 1970 UTC; by the database's clock on Postgres.
    pub since_ms: i64,
}

/// A secret as it was last known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The environment.
    pub env: String,
    /// The secret's name in it.
    pub name: String,
    /// `postgres`, `jwt`, …
    pub kind: String,
    /// The current version, if keyrota wrote it.
    pub version: Option<Uuid>,
    /// The provider's name for the current version.
    pub native: Option<String>,
    /// The fingerprint of the current value; `None` until one was seen.
    pub fingerprint: Option<String>,
    /// When the current value became current, as far as keyrota knows; milliseconds since 1970 UTC.
    pub changed_ms: Option<i64>,
    /// When keyrota first recorded the secret; milliseconds since 1970 UTC.
    pub first_seen_ms: i64,
    /// The last turn that was taken, as civil time in the schedule's zone (`2026-11-29T03:00`).
    pub turn_done: Option<String>,
    /// Rotations that failed since the last one that succeeded.
    pub failures: u32,
}

impl Secret {
    /// A secret of which nothing is known yet but that it exists.
    pub fn new(env: &str, name: &str, kind: &str, first_seen_ms: i64) -> Self {
        Self {
            env: env.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            version: None,
            native: None,
            fingerprint: None,
            changed_ms: None,
            first_seen_ms,
            turn_done: None,
            failures: 0,
        }
    }
}

/// How a rotation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The new value is current and the old one is refused.
    Rotated,
    /// Nothing changed for readers.
    Abandoned,
    /// What existed was adopted.
    Imported,
}

impl Outcome {
    /// The word in the database, in `history --json` and in the audit log; stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::Abandoned => "abandoned",
            Self::Imported => "imported",
        }
    }

    /// The outcome that [`Outcome::as_str`] calls so.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Rotated, Self::Abandoned, Self::Imported]
            .into_iter()
            .find(|o| o.as_str() == word)
    }
}

/// One rotation: its record, and the columns by which it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Its id (UUIDv7): also the idempotency key of its effects.
    pub id: Uuid,
    /// The environment.
    pub env: String,
    /// The secret.
    pub secret: String,
    /// The account it changes in a target (`postgres://db:5432 app`), if it changes one: while it
    /// is under way no other rotation, of whatever secret, may name the same.
    pub account: Option<String>,
    /// What began it: `schedule`, `command`, `import`, …
    pub trigger: String,
    /// Why, in a person's words.
    pub reason: Option<String>,
    /// Who: `uid:1000 alice`, `daemon`.
    pub actor: String,
    /// The phase in the record, as a word.
    pub phase: String,
    /// How it ended; `None` while it is under way.
    pub outcome: Option<Outcome>,
    /// When it began; milliseconds since 1970 UTC.
    pub started_ms: i64,
    /// When it ended; milliseconds since 1970 UTC.
    pub ended_ms: Option<i64>,
    /// The version it makes.
    pub version: Option<Uuid>,
    /// The fingerprint of the candidate.
    pub fingerprint: Option<String>,
    /// The record, as JSON text. Never holds a value.
    pub record: String,
    /// How often the row was written: 0 when inserted. An update carries the revision it was read
    /// at and stores one more; bump your own copy after the commit, or read it again.
    pub revision: i64,
}

/// The last exposure that a consumer acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The environment.
    pub env: String,
    /// The secret.
    pub secret: String,
    /// The consumer, by a name that is stable across edits of the schedule.
    pub consumer: String,
    /// The rotation it was told of; `None` if it was told outside one.
    pub rotation: Option<Uuid>,
    /// `announce`, `switch` or `withdraw`.
    pub round: String,
    /// A fingerprint of everything it was shown: equal means that there is nothing to tell.
    pub exposure_fp: String,
    /// When it acknowledged; milliseconds since 1970 UTC.
    pub acked_ms: i64,
}

/// One change in a commit. A commit makes all of its changes or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Begins a rotation (stored with revision 0). [`StateError::Running`](super::StateError::Running)
    /// if one is under way for the same secret or the same account.
    InsertRotation(Rotation),
    /// Writes a rotation that is under way and stands at the revision given.
    /// [`StateError::Stale`](super::StateError::Stale) if it has ended or moved on. Environment,
    /// secret, trigger, actor and start never change.
    UpdateRotation(Rotation),
    /// Writes a secret; `first_seen_ms` of a known one stays what it was.
    PutSecret(Secret),
    /// Replaces what a consumer last acknowledged.
    PutDelivery(Acknowledged),
    /// Forgets what a consumer acknowledged: it is told again next time.
    DropDelivery {
        /// The environment.
        env: String,
        /// The secret.
        secret: String,
        /// The consumer.
        consumer: String,
    },
    /// Sets a fact.
    PutFact {
        /// Its name.
        key: String,
        /// What is so.
        value: String,
    },
    /// Forgets a fact. One that is not there: done.
    DropFact {
        /// Its name.
        key: String,
    },
    /// Sets a fact that belongs to whoever sets it first.
    /// [`StateError::Claimed`](super::StateError::Claimed) if it is already set to something else.
    ClaimFact {
        /// Its name.
        key: String,
        /// What is so.
        value: String,
    },
}

/// What entries of the audit log are about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// A secret: the environment and its name.
    Secret(&'a str, &'a str),
    /// A rotation.
    Rotation(Uuid),
}
