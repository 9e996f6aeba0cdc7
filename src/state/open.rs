//! Opening: the file or the server, and the schema.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyrota_contract::Entropy;
use keyrota_local::trusted::{self, Why};
use keyrota_local::{FileError, FileLock};
use rustix::fs::{Mode, OFlags};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use uuid::Uuid;

use super::db::{Arg, Db, Tx};
use super::failure::failure;
use super::hand::Hand;
use super::pool::CONNECT;
use super::reach::{Access, postgres};
use super::rights::Place;
use super::{Location, StateError, Store};
use crate::audit::chain;
use crate::keys::Keys;
use crate::trust::{self, Untrusted};

/// The migrations of each database, in order; a schema's version is how many of them it has had.
const SQLITE: &[&str] = &[include_str!("migrations/sqlite/0001_state.sql")];
const POSTGRES: &[&str] = &[include_str!("migrations/postgres/0001_state.sql")];

const BUSY: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the state for reading and writing. What is missing is made: the directory (0700), the
    /// file (0600), the schema; several processes may do so at once. `entropy` names a new log.
    pub async fn open(
        at: &Location,
        access: Access<'_>,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, StateError> {
        let mut chain = [0; 16];
        entropy.fill(&mut chain);
        let chain = uuid::Builder::from_random_bytes(chain).into_uuid();
        match at {
            Location::Sqlite(path) => {
                prepare(path)?;
                // Switching to WAL and migrating are not safe against another process's first start.
                let guard = guard(path).await?;
                let db = sqlite(path, true).await?;
                migrate(&db, chain).await?;
                drop(guard);
                Ok(Self {
                    db,
                    file: Some(path.clone()),
                    hand: None,
                })
            }
            Location::Postgres(server) => {
                let db = postgres(server, access, true).await?;
                migrate(&db, chain).await?;
                Ok(Self {
                    db,
                    file: None,
                    hand: None,
                })
            }
        }
    }

    /// Opens the state for reading, whoever holds its locks. Creates nothing:
    /// [`StateError::Missing`] if there is none yet, [`StateError::Older`] if it has to be migrated.
    pub async fn open_read_only(at: &Location, access: Access<'_>) -> Result<Self, StateError> {
        let store = match at {
            Location::Sqlite(path) => {
                vouch(path)?;
                Self {
                    db: sqlite(path, false).await?,
                    file: Some(path.clone()),
                    hand: None,
                }
            }
            Location::Postgres(server) => Self {
                db: postgres(server, access, false).await?,
                file: None,
                hand: None,
            },
        };
        let mut tx = store.db.read().await?;
        let place = Place::look(&mut tx).await?;
        match (version(&mut tx, place.as_ref(), false).await?, known(&tx)) {
            (None, _) => Err(StateError::Missing),
            (Some(found), known) if found < known => Err(StateError::Older { found, known }),
            (Some(found), known) if found > known => Err(StateError::Newer { found, known }),
            _ => Ok(store),
        }
    }

    /// The same state, with the keys that vouch for what is written to it and sign its log, and the
    /// directory of checkpoints that the log has to fit. Nothing is written without keys.
    pub fn vouched(mut self, keys: &Keys, outside: Option<&Path>) -> Self {
        self.hand = Some(Hand::new(keys, outside));
        self
    }

    /// Closes all connections; on SQLite the write-ahead log is folded into the file.
    pub async fn close(self) {
        self.db.close().await;
    }
}

/// Where something that belongs to the database stands: `state.db` and `open.lock` to
/// `state.db.open.lock`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

async fn guard(path: &Path) -> Result<FileLock, StateError> {
    let path = beside(path, "open.lock");
    let step = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(lock) = FileLock::try_take(&path).map_err(lock_failure)? {
            return Ok(lock);
        }
        if waited >= CONNECT {
            return Err(StateError::Busy);
        }
        tokio::time::sleep(step).await;
        waited = waited.saturating_add(step);
    }
}

/// A lock file that cannot be used.
pub(super) fn lock_failure(e: FileError) -> StateError {
    match e {
        FileError::NotFound => StateError::Missing,
        FileError::Full => StateError::Full,
        FileError::ReadOnly | FileError::Denied => StateError::ReadOnly,
        FileError::Io => StateError::Io,
        other => StateError::Refused(other.sentence()),
    }
}

/// Makes the directory and an empty file, whatever the umask, or vouches for those that are there.
fn prepare(path: &Path) -> Result<(), StateError> {
    let parent = parent(path);
    if !parent.exists() {
        trust::above(parent).map_err(refused)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|e| disk_failure(&e))?;
        // Another user may have been faster, where everybody may write.
        let made = trust::directory(parent, OFlags::RDONLY).map_err(refused)?;
        rustix::fs::fchmod(&made.fd, Mode::RWXU).map_err(|e| disk_failure(&e.into()))?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        // A umask can only take away; this gives back.
        Ok(fd) => {
            rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR).map_err(|e| disk_failure(&e.into()))?
        }
        Err(rustix::io::Errno::EXIST) => {}
        Err(e) => return Err(disk_failure(&e.into())),
    }
    vouch(path)
}

/// Only we may write the file or replace it. It is looked at without being opened: closing any
/// descriptor of it would drop the locks that SQLite holds in this process (POSIX, fcntl).
fn vouch(path: &Path) -> Result<(), StateError> {
    let us = rustix::process::geteuid();
    let file = std::fs::symlink_metadata(path).map_err(|e| disk_failure(&e))?;
    if !file.is_file() {
        return Err(StateError::Refused(
            "the state database is not a regular file (links are not followed)",
        ));
    }
    if file.uid() != us.as_raw() && !us.is_root() {
        return Err(StateError::Refused(
            "the state database belongs to another user",
        ));
    }
    if file.mode() & 0o077 != 0 {
        return Err(StateError::Refused(
            "the state database can be reached by others; set its mode to 0600",
        ));
    }
    let directory = OFlags::PATH | OFlags::DIRECTORY;
    let directory = trusted::open(parent(path), directory).map_err(lock_failure)?;
    match directory.changeable() {
        // root looks at the state of a service that has a user of its own.
        Some(changeable) if us.is_root() && changeable.why == Why::Owner(file.uid()) => {}
        Some(changeable) => return Err(refused(Untrusted::Changeable(changeable))),
        None => {}
    }
    // Not in a sticky directory either: SQLite reads files beside the database by their names.
    match directory.extensible() {
        Some(_) => Err(StateError::Refused(
            "others can write to the state database's directory; set its mode to 0700",
        )),
        None => Ok(()),
    }
}

fn refused(why: Untrusted) -> StateError {
    match why {
        Untrusted::File(e) => lock_failure(e),
        Untrusted::Changeable(changeable) => {
            tracing::warn!("the state's directory: {}", trust::refusal(&changeable));
            StateError::Refused(
                "another user could replace the state database; the log names the directory and what corrects it",
            )
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn disk_failure(e: &std::io::Error) -> StateError {
    use std::io::ErrorKind::{
        NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    match e.kind() {
        NotFound => StateError::Missing,
        StorageFull | QuotaExceeded => StateError::Full,
        ReadOnlyFilesystem | PermissionDenied => StateError::ReadOnly,
        _ => StateError::Io,
    }
}

async fn sqlite(path: &Path, writable: bool) -> Result<Db, StateError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(BUSY.saturating_mul(3))
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let writer = if writable {
        let options = options.clone().journal_mode(SqliteJournalMode::Wal);
        // One connection: writers queue here, fairly, instead of fighting over the file.
        Some(
            pool()
                .max_connections(1)
                .connect_with(options)
                .await
                .map_err(|e| failure(&e))?,
        )
    } else {
        None
    };
    let readers = pool()
        .max_connections(4)
        .connect_with(options.read_only(true))
        .await
        .map_err(|e| failure(&e))?;
    Ok(Db::Sqlite { writer, readers })
}

/// The schema's version; `None` if it has no tables.
async fn version(
    tx: &mut Tx,
    place: Option<&Place>,
    writes: bool,
) -> Result<Option<i64>, StateError> {
    let exists = tx.pick(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
        "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'keyrota' AND tablename = 'schema_version'",
    );
    let exists = tx
        .row(exists, &[])
        .await?
        .ok_or(StateError::Corrupt)?
        .int(0)?;
    if exists == 0 {
        return Ok(None);
    }
    if let Some(place) = place {
        place.may_use(tx, writes).await?;
    }
    tx.row("SELECT max(version) FROM schema_version", &[])
        .await?
        .ok_or(StateError::Corrupt)?
        .maybe_int(0)
}

fn known(tx: &Tx) -> i64 {
    let migrations = match tx {
        Tx::Sqlite(_) => SQLITE,
        Tx::Postgres(_) => POSTGRES,
    };
    i64::try_from(migrations.len()).expect("the migrations can be counted by hand")
}

/// Brings the schema up to date in one transaction. Two that start at once: the second waits, and
/// finds it done.
async fn migrate(db: &Db, chain: Uuid) -> Result<(), StateError> {
    let mut tx = db.read().await?;
    let place = Place::look(&mut tx).await?;
    let found = version(&mut tx, place.as_ref(), true).await?;
    if found == Some(known(&tx)) {
        return Ok(());
    }
    drop(tx);

    let mut tx = db.write().await?;
    if let Tx::Postgres(_) = tx {
        // Held by the transaction, not the session: it works behind a pooler.
        tx.row("SELECT pg_advisory_xact_lock(7234015991)", &[])
            .await?;
    }
    let place = Place::look(&mut tx).await?;
    let (found, known) = (version(&mut tx, place.as_ref(), true).await?, known(&tx));
    if let Some(found) = found.filter(|v| *v > known) {
        return Err(StateError::Newer { found, known });
    }
    if let Some(place) = &place {
        place.may_migrate(&mut tx, found, known).await?;
    }
    if found.is_none() {
        // An administrator may have made it, and given no right to make another.
        if place.is_some_and(|place| !place.schema) {
            tx.script("CREATE SCHEMA keyrota").await?;
        }
        tx.script(
            "CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY); INSERT INTO schema_version VALUES (0)",
        )
        .await?;
    }
    let migrations = if let Tx::Sqlite(_) = tx {
        SQLITE
    } else {
        POSTGRES
    };
    for (version, script) in (1..)
        .zip(migrations)
        .filter(|(version, _)| *version > found.unwrap_or(0))
    {
        tx.script(script).await?;
        tx.run(
            "INSERT INTO schema_version VALUES ($1)",
            &[Arg::Int(version)],
        )
        .await?;
        if version == 1 {
            let name = chain.to_string();
            let hash = chain::genesis(chain);
            tx.run(
                "INSERT INTO audit_head (id, chain, seq, hash, named, mac) VALUES (1, $1, 0, $2, '{}', $3)",
                &[Arg::Text(&name), Arg::Bytes(&hash), Arg::Bytes(&[])],
            )
            .await?;
        }
    }
    tx.commit().await
}
