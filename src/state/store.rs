//! An open state database.

use std::path::PathBuf;

use super::db::Db;
use super::hand::Hand;

/// An open state database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) db: Db,
    /// The file of SQLite, beside which the lock files stand.
    pub(super) file: Option<PathBuf>,
    /// What is needed to write; a store that only reads has none.
    pub(super) hand: Option<Hand>,
}
