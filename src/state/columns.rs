//! The columns of rotations, secrets and entries, and what is read from them.

use uuid::Uuid;

use super::db::{DbRow, Tx};
use super::{Outcome, Rotation, Secret, StateError};
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
pub(super) use {entries, rotations, secrets};

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

pub(super) fn secret(r: &DbRow) -> Result<Secret, StateError> {
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

pub(super) fn rotation(r: &DbRow) -> Result<Rotation, StateError> {
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

/// Reads an id that was written by us.
pub(super) fn id(text: &str) -> Result<Uuid, StateError> {
    Uuid::parse_str(text).map_err(|_| StateError::Corrupt)
}
