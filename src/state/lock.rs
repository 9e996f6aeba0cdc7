//! Who rotates: a row with an epoch that never resets, and on SQLite a file lock beside it.
//!
//! The row's epoch is what protects: a commit that carries an older one is refused, so a process
//! that was paused, or presumed dead, cannot do harm when it wakes. How a dead holder is noticed
//! differs. On SQLite all processes are on one host, and the kernel drops a dead one's file lock at
//! once. On Postgres the row expires, by the database's clock, unless it is renewed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keyrota_local::FileLock;

use super::db::{Arg, Tx};
use super::open::{beside, lock_failure};
use super::{Held, Holder, LockError, StateError, Store};
use crate::audit::anchors::file_word;

/// How long a lock on Postgres outlives its last renewal or commit. Renew at a third of it.
pub const LOCK_TTL: Duration = Duration::from_secs(90);

const TTL_MS: i64 = 90_000;

/// Beside the time, whether the session came from the server's own host: by a socket, or from an
/// address that is the server's too.
const SERVER_CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    CASE WHEN inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr() THEN 1::bigint ELSE 0::bigint END";

/// What the clock of the state's server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerClock {
    /// In milliseconds since 1970 UTC.
    pub ms: i64,
    /// Whether it is this host's clock.
    pub here: bool,
}

impl ServerClock {
    /// The time of a clock that is not this host's: a second source. A server in a container of this
    /// host has an address of its own, and is taken for one.
    pub fn apart(self) -> Option<i64> {
        (!self.here).then_some(self.ms)
    }
}

/// A lock that is held. Dropped without [`Store::release`] it is as if the process had died.
#[derive(Debug)]
pub struct Lock {
    pub(super) name: String,
    pub(super) holder: Holder,
    pub(super) epoch: i64,
    /// Kept open: closing it drops the file lock.
    file: Option<FileLock>,
    safe_until_ms: AtomicI64,
}

impl Lock {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who holds it: us.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Its epoch: higher than that of every holder before.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Until when nobody else can have it, in milliseconds since 1970 UTC by the clock that
    /// [`Store::lock`] and [`Store::renew`] were given; `None` where it lasts as long as we live.
    /// Do not begin an effect that may last longer.
    pub fn safe_until_ms(&self) -> Option<i64> {
        self.file
            .is_none()
            .then(|| self.safe_until_ms.load(Ordering::Relaxed))
    }
}

impl Store {
    /// Takes a lock that is free, or whose holder is dead, or says who holds it. Never waits.
    pub async fn lock(&self, name: &str, holder: &Holder, now_ms: i64) -> Result<Lock, LockError> {
        let file = match &self.file {
            Some(database) => match exclusive(database, name).await? {
                Some(file) => Some(file),
                None => {
                    return Err(LockError::Held(
                        self.holder_or_unknown(name, holder, now_ms).await?,
                    ));
                }
            },
            None => None,
        };
        let mut tx = self.db.write().await?;
        // Postgres: whoever inserts or updates the row first makes the other wait and then see it.
        let sql = tx.pick(
            "INSERT INTO lock (name, holder, host, pid, epoch, since_ms, expires_ms) VALUES ($1, $2, $3, $4, 1, $5, 0)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, host = excluded.host, pid = excluded.pid,
                 epoch = lock.epoch + 1, since_ms = excluded.since_ms
             RETURNING epoch",
            "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms)
             INSERT INTO lock (name, holder, host, pid, epoch, since_ms, expires_ms)
                 SELECT $1, $2, $3, $4, 1, ms, ms + $5 FROM clock
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, host = excluded.host, pid = excluded.pid,
                 epoch = lock.epoch + 1, since_ms = excluded.since_ms, expires_ms = excluded.expires_ms
                 WHERE lock.expires_ms <= excluded.since_ms
             RETURNING epoch",
        );
        let instance = holder.instance.to_string();
        let time = if file.is_some() { now_ms } else { TTL_MS };
        let args = [
            Arg::Text(name),
            Arg::Text(&instance),
            Arg::Text(&holder.host),
            Arg::Int(holder.pid.into()),
            Arg::Int(time),
        ];
        let Some(row) = tx.row(sql, &args).await? else {
            drop(tx);
            return Err(LockError::Held(
                self.holder_or_unknown(name, holder, now_ms).await?,
            ));
        };
        let epoch = row.int(0)?;
        tx.commit().await?;
        Ok(Lock {
            name: name.to_owned(),
            holder: holder.clone(),
            epoch,
            file,
            // From before the question was asked, so that it ends here before it ends there.
            safe_until_ms: AtomicI64::new(now_ms.saturating_add(TTL_MS)),
        })
    }

    /// Asks for a lock every `poll` until it is had, or until `now` reaches `until_ms`; then the
    /// last answer. `now` gives milliseconds since 1970 UTC. Transient failures are waited out, too.
    pub async fn lock_wait(
        &self,
        name: &str,
        holder: &Holder,
        now: &(dyn Fn() -> i64 + Sync),
        poll: Duration,
        until_ms: Option<i64>,
    ) -> Result<Lock, LockError> {
        loop {
            let answer = self.lock(name, holder, now()).await;
            match &answer {
                Err(LockError::Held(_)) => {}
                Err(LockError::State(e)) if e.is_transient() => {}
                _ => return answer,
            }
            if until_ms.is_some_and(|until| now() >= until) {
                return answer;
            }
            tokio::time::sleep(poll).await;
        }
    }

    /// Keeps a lock for another [`LOCK_TTL`]; [`StateError::Fenced`] if it is no longer ours. On
    /// SQLite it only looks.
    pub async fn renew(&self, lock: &Lock, now_ms: i64) -> Result<(), StateError> {
        let mut tx = self.db.write().await?;
        fence(&mut tx, lock).await?;
        tx.commit().await?;
        lock.safe_until_ms
            .store(now_ms.saturating_add(TTL_MS), Ordering::Relaxed);
        Ok(())
    }

    /// Gives a lock back, so that the next asker has it at once. Not ours any more: nothing to do.
    pub async fn release(&self, lock: Lock) -> Result<(), StateError> {
        let mut tx = self.db.write().await?;
        let instance = lock.holder.instance.to_string();
        tx.run(
            "UPDATE lock SET holder = '', expires_ms = 0 WHERE name = $1 AND holder = $2 AND epoch = $3",
            &[Arg::Text(&lock.name), Arg::Text(&instance), Arg::Int(lock.epoch)],
        )
        .await?;
        tx.commit().await
        // Here `lock` is dropped, and the file lock with it: after the row, so that nobody who gets
        // the file finds us in it.
    }

    /// The clock of the state's server; `None` where the state is a file.
    pub async fn server_clock(&self) -> Result<Option<ServerClock>, StateError> {
        if self.file.is_some() {
            return Ok(None);
        }
        let mut tx = self.db.read().await?;
        let row = tx
            .row(SERVER_CLOCK, &[])
            .await?
            .ok_or(StateError::Corrupt)?;
        let (ms, here) = (row.int(0)?, row.int(1)? != 0);
        Ok(Some(ServerClock { ms, here }))
    }

    /// Who holds a lock now, if anyone.
    pub async fn held(&self, name: &str) -> Result<Option<Held>, StateError> {
        if let Some(database) = &self.file {
            let path = lock_path(database, name);
            if !FileLock::is_held(&path).map_err(lock_failure)? {
                return Ok(None);
            }
        }
        let mut tx = self.db.read().await?;
        let sql = tx.pick(
            "SELECT host, pid, since_ms FROM lock WHERE name = $1 AND holder <> ''",
            "SELECT host, pid, since_ms FROM lock WHERE name = $1 AND holder <> ''
                 AND expires_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        );
        let Some(row) = tx.row(sql, &[Arg::Text(name)]).await? else {
            return Ok(None);
        };
        let pid = u32::try_from(row.int(1)?).map_err(|_| StateError::Corrupt)?;
        Ok(Some(Held {
            host: row.text(0)?,
            pid,
            since_ms: row.int(2)?,
        }))
    }

    /// Whoever was in our way; between a holder's file lock and its row there is a moment in which
    /// only the kernel knows.
    async fn holder_or_unknown(
        &self,
        name: &str,
        us: &Holder,
        now_ms: i64,
    ) -> Result<Held, StateError> {
        let unknown = || Held {
            host: us.host.clone(),
            pid: 0,
            since_ms: now_ms,
        };
        Ok(self.held(name).await?.unwrap_or_else(unknown))
    }
}

/// Proves, and until the end of the transaction ensures, that the lock is ours. An expired lock
/// that nobody took over still is; it is renewed on the way.
pub(super) async fn fence(tx: &mut Tx, lock: &Lock) -> Result<(), StateError> {
    let sql = tx.pick(
        "UPDATE lock SET expires_ms = 0 WHERE name = $1 AND holder = $2 AND epoch = $3 AND $4 > 0",
        "UPDATE lock SET expires_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $4
             WHERE name = $1 AND holder = $2 AND epoch = $3",
    );
    let instance = lock.holder.instance.to_string();
    let args = [
        Arg::Text(&lock.name),
        Arg::Text(&instance),
        Arg::Int(lock.epoch),
        Arg::Int(TTL_MS),
    ];
    if tx.run(sql, &args).await? == 1 {
        Ok(())
    } else {
        Err(StateError::Fenced)
    }
}

/// The file lock, if nobody has it. The kernel drops it when the process ends, however it ends;
/// children do not inherit it (close on exec).
async fn exclusive(database: &Path, name: &str) -> Result<Option<FileLock>, StateError> {
    let path = lock_path(database, name);
    // More than once: [`Store::held`] has the file for the blink of an eye.
    for _ in 0..4 {
        if let Some(lock) = FileLock::try_take(&path).map_err(lock_failure)? {
            return Ok(Some(lock));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(None)
}

fn lock_path(database: &Path, name: &str) -> PathBuf {
    beside(database, &format!("{}.lock", file_word(name)))
}
