//! What can go wrong with the state, told apart by what to do next.
//!
//! No variant carries the database's own words: a constraint error quotes the row.

use std::fmt;

use super::Held;
use crate::audit::Finding;

/// A failure of the state database. After any of these nothing of the commit was stored, except for
/// [`StateError::Unavailable`]: a commit whose answer was lost may stand, so read before repeating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// The state was asked for where it cannot be: a password in the URL, a missing CA file, a
    /// directory others can write to. A fixed sentence; a person must change something.
    Refused(&'static str),
    /// There is no state database yet, and this opening does not create one.
    Missing,
    /// The schema is newer than this binary: use the newer binary.
    Newer {
        /// The version found.
        found: i64,
        /// The newest version this binary knows.
        known: i64,
    },
    /// The schema is older than this binary and this opening may not change it: run a command that
    /// may, such as the daemon, once.
    Older {
        /// The version found.
        found: i64,
        /// The version this binary needs.
        known: i64,
    },
    /// The lock is no longer ours: another process took it over. Stop at once and clean up nothing.
    Fenced,
    /// The rotation has moved on or ended since it was read.
    Stale,
    /// Another rotation is under way.
    Running(Running),
    /// The fact belongs to another secret or host already; its name.
    Claimed(String),
    /// The log is not what keyrota wrote: nothing is signed, and nothing is begun.
    Unvouched(Finding),
    /// A row of the state is not what keyrota wrote, and keyrota does not follow it. Which one, in words.
    Altered(&'static str),
    /// The disk (or quota) is full.
    Full,
    /// The database can only be read: file system, permissions, or a replica.
    ReadOnly,
    /// The disk failed.
    Io,
    /// Somebody else kept the database busy for too long; try again.
    Busy,
    /// The server could not be reached, or went away; try again.
    Unavailable,
    /// The server refused the login.
    Denied,
    /// The server's certificate is not trusted for its name.
    Untrusted,
    /// keyrota's user lacks rights; the statements that grant them.
    Lacks(String),
    /// keyrota's user has lost a right since the state was opened.
    Forbidden,
    /// What is stored is not what keyrota stores: a damaged file, a foreign schema, a lost row.
    Corrupt,
}

/// Which rule forbids a second rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// One rotation per secret.
    Secret,
    /// One rotation per account in a target.
    Account,
}

/// Why a lock could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockError {
    /// Somebody holds it.
    Held(Held),
    /// The state failed.
    State(StateError),
}

impl From<StateError> for LockError {
    fn from(e: StateError) -> Self {
        Self::State(e)
    }
}

impl StateError {
    /// Whether the same call may succeed later without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }

    /// A word for logs, audit entries and metrics; stable.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Missing => "missing",
            Self::Newer { .. } => "newer",
            Self::Older { .. } => "older",
            Self::Fenced => "fenced",
            Self::Stale => "stale",
            Self::Running(_) => "running",
            Self::Claimed(_) => "claimed",
            Self::Unvouched(_) => "unvouched",
            Self::Altered(_) => "altered",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::Io => "io",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Untrusted => "untrusted",
            Self::Lacks(_) => "lacks",
            Self::Forbidden => "forbidden",
            Self::Corrupt => "corrupt",
        }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Missing => f.write_str("there is no state database here yet"),
            Self::Newer { found, known } => write!(
                f,
                "the state has schema version {found}, this keyrota knows {known}: use the newer keyrota"
            ),
            Self::Older { found, known } => write!(
                f,
                "the state has schema version {found}, this keyrota needs {known}: start the daemon, or any command that rotates, once"
            ),
            Self::Fenced => f.write_str("the lock was taken over by another process"),
            Self::Stale => f.write_str("the rotation was changed by another process"),
            Self::Running(Running::Secret) => {
                f.write_str("a rotation of this secret is already under way")
            }
            Self::Running(Running::Account) => {
                f.write_str("a rotation of the same account is already under way")
            }
            Self::Claimed(key) => write!(f, "{key} belongs to another secret or host"),
            Self::Unvouched(finding) => write!(
                f,
                "the log is not what keyrota wrote: {finding}. keyrota changes nothing. If an older copy of the state was \
                 put back, put the newest one back. Look with `keyrota audit verify`; to continue all the same: \
                 `keyrota audit accept --reason TEXT`"
            ),
            Self::Altered(what) => write!(
                f,
                "{what} is not what keyrota wrote: another program changed it, or put an older one back. keyrota does not \
                 follow it. Put the newest state back; to accept what is stored now: `keyrota audit accept --reason TEXT`"
            ),
            Self::Full => f.write_str("the disk under the state database is full"),
            Self::ReadOnly => f.write_str("the state database cannot be written to"),
            Self::Io => f.write_str("the disk under the state database failed"),
            Self::Busy => f.write_str("the state database is busy"),
            Self::Unavailable => f.write_str("the state database does not answer"),
            Self::Denied => f.write_str(
                "the server refuses the login. Check the user in `state`, the password in state_password, and the server's pg_hba.conf",
            ),
            Self::Untrusted => f.write_str(
                "the server's certificate is not trusted for its name. Name its authority by state_ca_file, and the host as the certificate does",
            ),
            Self::Lacks(statements) => write!(
                f,
                "keyrota's user lacks rights in this database. An administrator can grant them: {statements}"
            ),
            Self::Forbidden => f.write_str(
                "keyrota's user has lost a right in this database. Any command that rotates names it",
            ),
            Self::Corrupt => f.write_str("the state database does not hold what keyrota stored"),
        }
    }
}

impl std::error::Error for StateError {}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(h) => write!(f, "{} (pid {}) holds the lock", h.host, h.pid),
            Self::State(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for LockError {}
