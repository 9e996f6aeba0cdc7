//! What is known.

use uuid::Uuid;

use super::columns::{entries, entry, head, id, notes, rotation, rotations, secret, secrets};
use super::db::{Arg, DbRow};
use super::{About, Acknowledged, Rotation, Secret, StateError, Store};
use crate::audit::{Head, Row};

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

    /// Entries about a secret or a rotation, in order, at most `limit`: from `from` on, or the last ones. What they
    /// are about is the database's copy, which a verification compares with the entry.
    pub async fn entries_about(
        &self,
        about: About<'_>,
        from: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Row>, StateError> {
        let rotation = match about {
            About::Secret(..) => String::new(),
            About::Rotation(id) => id.to_string(),
        };
        let sql = match (about, from) {
            (About::Secret(..), Some(_)) => {
                entries!("WHERE env = $1 AND secret = $2 AND seq >= $3 ORDER BY seq LIMIT $4")
            }
            (About::Secret(..), None) => {
                entries!("WHERE env = $1 AND secret = $2 AND seq >= $3 ORDER BY seq DESC LIMIT $4")
            }
            (About::Rotation(_), Some(_)) => {
                entries!("WHERE rotation = $1 AND seq >= $2 ORDER BY seq LIMIT $3")
            }
            (About::Rotation(_), None) => {
                entries!("WHERE rotation = $1 AND seq >= $2 ORDER BY seq DESC LIMIT $3")
            }
        };
        let mut args = match about {
            About::Secret(env, secret) => vec![Arg::Text(env), Arg::Text(secret)],
            About::Rotation(_) => vec![Arg::Text(&rotation)],
        };
        args.extend([Arg::Int(from.unwrap_or(i64::MIN)), Arg::Int(limit.into())]);
        let rows = self.rows(sql, &args).await?;
        let mut rows = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by_key(|row| row.seq);
        Ok(rows)
    }

    /// The signed notes kept in the database, by size.
    pub async fn checkpoints(&self) -> Result<Vec<String>, StateError> {
        notes(&mut self.db.read().await?).await
    }

    async fn rows(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<DbRow>, StateError> {
        self.db.read().await?.rows(sql, args).await
    }
}
