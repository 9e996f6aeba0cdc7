//! The signatures that the rest is written against; bodies follow in the next commits.
#![allow(unused_variables, clippy::todo)]
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyrota_contract::{Entropy, SecretValue};

use super::*;
use crate::audit::{Head, NewEntry};

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file on this host.
    Sqlite(PathBuf),
    /// A server; never with a password.
    Postgres(Server),
}
/// A Postgres server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub database: String,
}
impl Location {
    /// `postgres://user@host:port/db`, `postgres://user@/db?host=/socket/dir`, `sqlite:/path` or a path.
    pub fn parse(url: &str) -> Result<Self, StateError> {
        todo!()
    }
}
/// What reaching a server takes beside its address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access<'a> {
    pub password: Option<&'a SecretValue>,
    pub ca_file: Option<&'a Path>,
}
#[derive(Debug, Clone)]
pub struct Store(());
/// A lock that is held.
#[derive(Debug)]
pub struct Lock(());
impl Lock {
    pub fn name(&self) -> &str {
        todo!()
    }
    pub fn epoch(&self) -> i64 {
        todo!()
    }
    /// Until when (caller's clock, ms) no one else can have it; `None`: as long as we live (SQLite).
    pub fn safe_until_ms(&self) -> Option<i64> {
        todo!()
    }
}
impl Store {
    /// Opens for writing, creates and migrates.
    pub async fn open(
        at: &Location,
        access: Access<'_>,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, StateError> {
        todo!()
    }
    /// Opens for reading only; creates nothing.
    pub async fn open_read_only(at: &Location, access: Access<'_>) -> Result<Self, StateError> {
        todo!()
    }
    pub async fn close(self) {
        todo!()
    }

    pub async fn lock(&self, name: &str, holder: &Holder, now_ms: i64) -> Result<Lock, LockError> {
        todo!()
    }
    /// Asks every `poll` until it is had or `now()` reaches `until_ms`.
    pub async fn lock_wait(
        &self,
        name: &str,
        holder: &Holder,
        now: &(dyn Fn() -> i64 + Sync),
        poll: Duration,
        until_ms: Option<i64>,
    ) -> Result<Lock, LockError> {
        todo!()
    }
    /// Must be called well within [`LOCK_TTL`] on Postgres; `Fenced` when it is lost.
    pub async fn renew(&self, lock: &Lock, now_ms: i64) -> Result<(), StateError> {
        todo!()
    }
    pub async fn release(&self, lock: Lock) -> Result<(), StateError> {
        todo!()
    }
    /// Who holds it now, if anyone.
    pub async fn held(&self, name: &str) -> Result<Option<Held>, StateError> {
        todo!()
    }

    /// One transaction: fence, changes, entries.
    pub async fn commit(
        &self,
        lock: &Lock,
        changes: &[Change],
        entries: &[NewEntry],
        now: jiff::Timestamp,
    ) -> Result<Head, StateError> {
        todo!()
    }
    /// Entries without a lock: what a process says about itself.
    pub async fn append(
        &self,
        who: &Holder,
        entries: &[NewEntry],
        now: jiff::Timestamp,
    ) -> Result<Head, StateError> {
        todo!()
    }

    pub async fn secret(&self, env: &str, name: &str) -> Result<Option<Secret>, StateError> {
        todo!()
    }
    pub async fn secrets(&self, env: &str) -> Result<Vec<Secret>, StateError> {
        todo!()
    }
    pub async fn rotation(&self, id: uuid::Uuid) -> Result<Option<Rotation>, StateError> {
        todo!()
    }
    pub async fn open_rotation(
        &self,
        env: &str,
        secret: &str,
    ) -> Result<Option<Rotation>, StateError> {
        todo!()
    }
    pub async fn open_rotations(&self, env: &str) -> Result<Vec<Rotation>, StateError> {
        todo!()
    }
    /// Newest first.
    pub async fn rotations(
        &self,
        env: &str,
        secret: &str,
        limit: u32,
    ) -> Result<Vec<Rotation>, StateError> {
        todo!()
    }
    pub async fn deliveries(
        &self,
        env: &str,
        secret: &str,
    ) -> Result<Vec<Acknowledged>, StateError> {
        todo!()
    }
    pub async fn fact(&self, key: &str) -> Result<Option<String>, StateError> {
        todo!()
    }
    pub async fn head(&self) -> Result<Head, StateError> {
        todo!()
    }
    /// Up to `limit` entries from `from` on, in order.
    pub async fn entries(&self, from: i64, limit: u32) -> Result<Vec<Row>, StateError> {
        todo!()
    }
}
/// How long a lock on Postgres outlives its last renewal.
pub const LOCK_TTL: Duration = Duration::from_secs(90);
/// One stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub seq: i64,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
    pub body: Vec<u8>,
    pub ts_us: i64,
    pub event: String,
    pub secret: Option<String>,
    pub rotation: Option<String>,
}
