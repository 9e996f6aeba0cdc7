//! The state database: what keyrota must not forget.
//!
//! SQLite by default, Postgres when several hosts share the work; the same tables, statements and
//! tests for both. There is one way to change anything: [`Store::commit`], a transaction that
//! checks the lock's epoch, makes the changes and appends the audit entries, or does nothing.
//!
//! # Layout
//! - `types`: rows and changes; `error`: what can go wrong
//! - `location`, `open`, `reach`, `rights`: where it is, how it is reached, the schema, what its user lacks
//! - `db`, `pool`: one way to talk to both databases; `failure`: what their errors mean; `store`: an open one
//! - `lock`: who rotates; `commit`: what changes; `read`: what is known; `log`: the audit log as a whole
//! - `columns`: rows as they are stored; `walk`: entries page by page; `notes`: signed notes that do not fit
//! - `prove`: what is proven before keyrota goes on, `accept`, `accepted`: a person goes on all the same,
//!   `hand`: what it takes to write, `vouch`: what
//!   a person left
//! - `rows`: the rotations under way and facts that the head of the log names
//!
//! # Locks
//! A transaction that writes locks the log's head first (`audit_head`), then the row of its own lock, then the rows that
//! it changes. So two of them never wait for each other in a circle.
//!
//! The store never asks the time: it is an argument. Locks on Postgres are the exception, and they
//! go by the database's clock, which is the only one that all hosts share.

mod accept;
mod accepted;
mod columns;
mod commit;
mod db;
mod error;
mod failure;
mod hand;
mod location;
mod lock;
mod log;
mod notes;
mod open;
mod pool;
mod prove;
mod reach;
mod read;
mod rights;
mod rows;
mod store;
mod types;
mod vouch;
mod walk;

pub use accept::Acceptance;
pub use accepted::EVENT as ACCEPTED;
pub use commit::Written;
pub use error::{LockError, Running, StateError};
pub use location::{DEFAULT_NAME, Location, Server};
pub use lock::{LOCK_TTL, Lock, ServerClock};
pub use log::{ExportFailure, Verified};
pub use prove::speak_of_a_log;
pub use reach::Access;
pub use store::Store;
pub use types::{About, Acknowledged, Change, Held, Holder, Outcome, Rotation, Secret};
pub use vouch::Asked;
