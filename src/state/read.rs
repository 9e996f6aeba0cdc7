//! What is known.

use uuid::Uuid;

use super::commit::id;
use super::db::{Arg, DbRow, Tx};
use super::{Acknowledged, Outcome, Rotation, Secret, StateError, Store};
use crate::audit::{Copies, Head, Row};

/// The columns of a rotation, as [`rotation`] reads them; a macro, because statements are literals.
macro_rules! rotations {
    ($rest:literal) => {
        concat!(
            "SELECT id, env, secret, account, begun_by, reason, actor, phase, outcome, started_ms, ended_ms, version, \
             fingerprint, record, revision FROM rotation ",
            $rest
        )
    };
}

/// The columns of a secret, as [`secret`] reads them.
macro_rules! secrets {
    ($rest:literal) => {
        concat!(
            "SELECT env, name, kind, version, native, fingerprint, changed_ms, first_seen_ms, turn_done, failures \
             FROM secret ",
            $rest
        )
    };
}

/// The columns of an audit entry, as [`entry`] reads them.
macro_rules! entries {
    ($rest:literal) => {
        concat!(
            "SELECT seq, prev_hash, hash, body, ts_us, event, env, secret, rotation, mac FROM audit ",
            $rest
        )
    };
}
pub(super) use entries;

impl Store {
    /// One secret, if it was ever recorded.
    pub async fn secret(&self, env: &str, name: &str) -> Result<Option<Secret>, StateError> {
        let sql = secrets!("WHERE env = $1 AND name = $2");
        let rows = self.rows(sql, &[Arg::Text(env), Arg::Text(name)]).await?;
        rows.first().map(secret).transpose()
    }

    /// All recorded secrets of an environment, by name.
    pub async fn secrets(&self, env: &str) -> Result<Vec<Secret>, StateError> {
        let rows = self
            .rows(secrets!("WHERE env = $1 ORDER BY name"), &[Arg::Text(env)])
            .await?;
        rows.iter().map(secret).collect()
    }

    /// One rotation.
    pub async fn rotation(&self, id: Uuid) -> Result<Option<Rotation>, StateError> {
        let rows = self
            .rows(rotations!("WHERE id = $1"), &[Arg::Text(&id.to_string())])
            .await?;
        rows.first().map(rotation).transpose()
    }

    /// The rotation of a secret that is under way. [`StateError::Altered`] if it is not as keyrota wrote it; a store
    /// without keys cannot tell.
    pub async fn open_rotation(
        &self,
        env: &str,
        secret: &str,
    ) -> Result<Option<Rotation>, StateError> {
        let sql = rotations!("WHERE env = $1 AND secret = $2 AND outcome IS NULL");
        let mut tx = self.db.read().await?;
        let row = tx.row(sql, &[Arg::Text(env), Arg::Text(secret)]).await?;
        let open = row.as_ref().map(rotation).transpose()?;
        self.as_written(&mut tx, (env, secret), open.as_ref())
            .await?;
        Ok(open)
    }

    /// All rotations of an environment that are under way, oldest first, whoever wrote them.
    pub async fn open_rotations(&self, env: &str) -> Result<Vec<Rotation>, StateError> {
        let sql = rotations!("WHERE env = $1 AND outcome IS NULL ORDER BY started_ms, id");
        self.rows(sql, &[Arg::Text(env)])
            .await?
            .iter()
            .map(rotation)
            .collect()
    }

    /// The rotations of a secret, under way and past, newest first, at most `limit`.
    pub async fn rotations(
        &self,
        env: &str,
        secret: &str,
        limit: u32,
    ) -> Result<Vec<Rotation>, StateError> {
        let sql =
            rotations!("WHERE env = $1 AND secret = $2 ORDER BY started_ms DESC, id DESC LIMIT $3");
        let rows = self
            .rows(
                sql,
                &[Arg::Text(env), Arg::Text(secret), Arg::Int(limit.into())],
            )
            .await?;
        rows.iter().map(rotation).collect()
    }

    /// What the consumers of a secret acknowledged last, by name.
    pub async fn deliveries(
        &self,
        env: &str,
        secret: &str,
    ) -> Result<Vec<Acknowledged>, StateError> {
        let sql =
            "SELECT env, secret, consumer, rotation, round, exposure_fp, acked_ms FROM delivery
                   WHERE env = $1 AND secret = $2 ORDER BY consumer";
        let rows = self.rows(sql, &[Arg::Text(env), Arg::Text(secret)]).await?;
        rows.iter()
            .map(|r| {
                Ok(Acknowledged {
                    env: r.text(0)?,
                    secret: r.text(1)?,
                    consumer: r.text(2)?,
                    rotation: r.maybe_text(3)?.as_deref().map(id).transpose()?,
                    round: r.text(4)?,
                    exposure_fp: r.text(5)?,
                    acked_ms: r.int(6)?,
                })
            })
            .collect()
    }

    /// A fact, if it is set. [`StateError::Altered`] if it steers keyrota and is not as keyrota wrote it; a store
    /// without keys cannot tell.
    pub async fn fact(&self, key: &str) -> Result<Option<String>, StateError> {
        let mut tx = self.db.read().await?;
        let sql = "SELECT value FROM facts WHERE key = $1";
        let row = tx.row(sql, &[Arg::Text(key)]).await?;
        let value = row.map(|r| r.text(0)).transpose()?;
        self.fact_as_written(&mut tx, key, value.as_deref()).await?;
        Ok(value)
    }

    /// The head of the audit log.
    pub async fn head(&self) -> Result<Head, StateError> {
        let rows = self
            .rows("SELECT chain, seq, hash FROM audit_head WHERE id = 1", &[])
            .await?;
        head(rows.first().ok_or(StateError::Corrupt)?)
    }

    /// Entries of the audit log with `seq >= from`, in order, at most `limit`: ask again from the
    /// last one's `seq + 1` until none come. They are what is stored, whether or not it is sound.
    pub async fn entries(&self, from: i64, limit: u32) -> Result<Vec<Row>, StateError> {
        let sql = entries!("WHERE seq >= $1 ORDER BY seq LIMIT $2");
        self.rows(sql, &[Arg::Int(from), Arg::Int(limit.into())])
            .await?
            .iter()
            .map(entry)
            .collect()
    }

    /// The last entries of the audit log, at most `limit`, in order.
    pub async fn latest_entries(&self, limit: u32) -> Result<Vec<Row>, StateError> {
        let rows = self
            .rows(
                entries!("ORDER BY seq DESC LIMIT $1"),
                &[Arg::Int(limit.into())],
            )
            .await?;
        rows.iter().rev().map(entry).collect()
    }

    /// The signed notes kept in the database, by size.
    pub async fn checkpoints(&self) -> Result<Vec<String>, StateError> {
        notes(&mut self.db.read().await?).await
    }

    async fn rows(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<DbRow>, StateError> {
        self.db.read().await?.rows(sql, args).await
    }
}

pub(super) async fn all_open(tx: &mut Tx) -> Result<Vec<Rotation>, StateError> {
    let rows = tx.rows(rotations!("WHERE outcome IS NULL"), &[]).await?;
    rows.iter().map(rotation).collect()
}

pub(super) async fn notes(tx: &mut Tx) -> Result<Vec<String>, StateError> {
    let rows = tx
        .rows("SELECT note FROM checkpoint ORDER BY size, note", &[])
        .await?;
    rows.iter().map(|r| r.text(0)).collect()
}

pub(super) fn head(row: &DbRow) -> Result<Head, StateError> {
    let hash = row.bytes(2)?.try_into().map_err(|_| StateError::Corrupt)?;
    Ok(Head {
        chain: id(&row.text(0)?)?,
        size: row.int(1)?,
        hash,
    })
}

pub(super) fn entry(r: &DbRow) -> Result<Row, StateError> {
    Ok(Row {
        seq: r.int(0)?,
        prev_hash: r.bytes(1)?,
        hash: r.bytes(2)?,
        body: r.bytes(3)?,
        mac: r.maybe_bytes(9)?,
        copies: Some(Copies {
            ts_us: r.int(4)?,
            event: r.text(5)?,
            env: r.maybe_text(6)?,
            secret: r.maybe_text(7)?,
            rotation: r.maybe_text(8)?,
        }),
    })
}

fn secret(r: &DbRow) -> Result<Secret, StateError> {
    Ok(Secret {
        env: r.text(0)?,
        name: r.text(1)?,
        kind: r.text(2)?,
        version: r.maybe_text(3)?.as_deref().map(id).transpose()?,
        native: r.maybe_text(4)?,
        fingerprint: r.maybe_text(5)?,
        changed_ms: r.maybe_int(6)?,
        first_seen_ms: r.int(7)?,
        turn_done: r.maybe_text(8)?,
        failures: u32::try_from(r.int(9)?).map_err(|_| StateError::Corrupt)?,
    })
}

fn rotation(r: &DbRow) -> Result<Rotation, StateError> {
    Ok(Rotation {
        id: id(&r.text(0)?)?,
        env: r.text(1)?,
        secret: r.text(2)?,
        account: r.maybe_text(3)?,
        trigger: r.text(4)?,
        reason: r.maybe_text(5)?,
        actor: r.text(6)?,
        phase: r.text(7)?,
        outcome: r
            .maybe_text(8)?
            .map(|o| Outcome::parse(&o).ok_or(StateError::Corrupt))
            .transpose()?,
        started_ms: r.int(9)?,
        ended_ms: r.maybe_int(10)?,
        version: r.maybe_text(11)?.as_deref().map(id).transpose()?,
        fingerprint: r.maybe_text(12)?,
        record: r.text(13)?,
        revision: r.int(14)?,
    })
}
