//! The state database: what keyrota must not forget.
//!
//! SQLite by default, Postgres when several hosts share the work; the same tables, statements and
//! tests for both. There is one way to change anything: [`Store::commit`], a transaction that
//! checks the lock's epoch, makes the changes and appends the audit entries, or does nothing.
//!
//! # Layout
//! - `types`: rows and changes; `error`: what can go wrong
//! - `location`, `open`, `rights`: where it is, how it is reached, the schema, what its user lacks
//! - `db`: one way to talk to both databases
//! - `lock`: who rotates; `commit`: what changes; `read`: what is known; `log`: the audit log as a whole
//! - `prove`: what is proven before keyrota goes on, `accept`: a person goes on all the same, `vouch`: what it takes to write
//! - `rows`: the rotations under way and facts that the head of the log names
//!
//! # Locks
//! A transaction that writes locks the log's head first (`audit_head`), then the row of its own lock, then the rows that
//! it changes. So two of them never wait for each other in a circle.
//!
//! The store never asks the time: it is an argument. Locks on Postgres are the exception, and they
//! go by the database's clock, which is the only one that all hosts share.

mod accept;
mod commit;
mod db;
mod error;
mod location;
mod lock;
mod log;
mod open;
mod pool;
mod prove;
mod reach;
mod read;
mod rights;
mod rows;
mod types;
mod vouch;

use std::path::PathBuf;

pub use accept::{Acceptance, EVENT as ACCEPTED};
pub use commit::Written;
pub use error::{LockError, Running, StateError};
pub use location::{DEFAULT_NAME, Location, Server};
pub use lock::{LOCK_TTL, Lock, ServerClock};
pub use log::{ExportFailure, Verified};
pub use open::Access;
pub use prove::speak_of_a_log;
pub use types::{Acknowledged, Change, Held, Holder, Outcome, Rotation, Secret};
pub use vouch::Asked;
use vouch::Hand;

/// An open state database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    db: db::Db,
    /// The file of SQLite, beside which the lock files stand.
    file: Option<PathBuf>,
    /// What is needed to write; a store that only reads has none.
    hand: Option<Hand>,
}
