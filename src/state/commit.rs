//! The one way to change the state: the log is proven, the rows change, the entries are appended and, where it
//! matters, the new head is signed, all in one transaction.

use jiff::Timestamp;

use super::db::{Arg, Tx};
use super::hand::Hand;
use super::lock::fence;
use super::rows::{Rows, forged_head};
use super::{Acknowledged, Change, Holder, Lock, Rotation, Secret, StateError, Store, prove};
use crate::audit::{Checkpoint, Head, NewEntry, Origin, Position, Vouch, chain};

impl Store {
    /// Makes all changes and appends all entries, in one transaction, if `lock` is still ours; or
    /// does nothing. `now` is stamped on the entries. The new head of the log.
    ///
    /// [`StateError::Unvouched`] if the log is not sound since its newest checkpoint. After
    /// [`StateError::Unavailable`] it is unknown whether the commit stands: read, then decide.
    pub async fn commit(
        &self,
        lock: &Lock,
        changes: &[Change],
        entries: &[NewEntry],
        now: Timestamp,
    ) -> Result<Head, StateError> {
        let writing = self.begin(false).await?;
        let written = writing.commit(lock, changes, entries, now).await?;
        Ok(written.head)
    }

    /// As [`Store::commit`], and signs the new head in the same transaction.
    pub async fn commit_signed(
        &self,
        lock: &Lock,
        changes: &[Change],
        entries: &[NewEntry],
        now: Timestamp,
    ) -> Result<Written, StateError> {
        let writing = self.begin(true).await?;
        writing.commit(lock, changes, entries, now).await
    }

    /// Appends entries without a lock. Nothing signs them yet.
    pub async fn append(
        &self,
        who: &Holder,
        entries: &[NewEntry],
        now: Timestamp,
    ) -> Result<Head, StateError> {
        let writing = self.begin(false).await?;
        Ok(writing.end(who, None, entries, now).await?.head)
    }

    /// Appends what a person did, without a lock, and signs the new head in the same transaction.
    pub async fn append_signed(
        &self,
        who: &Holder,
        entries: &[NewEntry],
        now: Timestamp,
    ) -> Result<Written, StateError> {
        let writing = self.begin(true).await?;
        writing.end(who, None, entries, now).await
    }

    /// Leaves a request for the process that holds the lock: sets the fact `key`, appends `entry` and signs, in one transaction and without a lock of one's own. See [`Store::asked`].
    pub async fn ask(
        &self,
        who: &Holder,
        key: &str,
        value: &str,
        entry: &NewEntry,
        now: Timestamp,
    ) -> Result<Written, StateError> {
        let mut writing = self.begin(true).await?;
        let change = Change::PutFact {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        writing.apply(&change).await?;
        let entries = std::slice::from_ref(entry);
        writing.end(who, None, entries, now).await
    }

    /// Signs the head of the log and keeps the signed note in the state.
    pub async fn checkpoint(&self) -> Result<Written, StateError> {
        self.begin(true).await?.sign().await
    }

    /// Begins a transaction that writes: locks the head of the log, and proves the log behind it.
    async fn begin(&self, signs: bool) -> Result<Writing<'_>, StateError> {
        let mut tx = self.db.write().await?;
        let hand = self.hand()?;
        let head = read_head(&mut tx).await?;
        let signs = prove::before(&mut tx, &head, hand, signs).await?;
        let rows = Rows::named(&mut tx, &head, &Vouch::of(&hand.keys)).await?;
        let rows = rows.ok_or_else(|| StateError::Unvouched(forged_head(&head)))?;
        Ok(Writing {
            tx,
            hand,
            head,
            rows,
            signs,
        })
    }

    pub(super) fn hand(&self) -> Result<&Hand, StateError> {
        self.hand.as_ref().ok_or(StateError::ReadOnly)
    }
}

/// What a transaction led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The new head of the log.
    pub head: Head,
    /// The signed note over it, to be kept outside the database as well ([`Store::keep`]). `None`: the
    /// transaction was not to be signed, or the checkpoints outside could not be read.
    pub note: Option<String>,
}

/// A transaction that writes; the log behind its head is proven.
struct Writing<'s> {
    tx: Tx,
    hand: &'s Hand,
    head: Head,
    rows: Rows,
    signs: bool,
}

impl Writing<'_> {
    async fn commit(
        mut self,
        lock: &Lock,
        changes: &[Change],
        entries: &[NewEntry],
        now: Timestamp,
    ) -> Result<Written, StateError> {
        fence(&mut self.tx, lock).await?;
        for change in changes {
            self.apply(change).await?;
        }
        self.end(&lock.holder, Some(lock.epoch), entries, now).await
    }

    async fn apply(&mut self, change: &Change) -> Result<(), StateError> {
        apply(&mut self.tx, change).await?;
        self.rows.follow(change);
        Ok(())
    }

    async fn end(
        mut self,
        who: &Holder,
        epoch: Option<i64>,
        entries: &[NewEntry],
        now: Timestamp,
    ) -> Result<Written, StateError> {
        let vouch = &Vouch::of(&self.hand.keys);
        self.head = append(&mut self.tx, self.head, vouch, who, epoch, entries, now).await?;
        self.rows.write(&mut self.tx, &self.head, vouch).await?;
        self.sign().await
    }

    async fn sign(mut self) -> Result<Written, StateError> {
        let head = self.head;
        let note = match self.signs {
            true => Some(sign(&mut self.tx, self.hand, &head).await?),
            false => None,
        };
        self.tx.commit().await?;
        self.hand.wrote(&head);
        Ok(Written { head, note })
    }
}

/// Signs the head and keeps the signed note.
pub(super) async fn sign(tx: &mut Tx, hand: &Hand, head: &Head) -> Result<String, StateError> {
    let note = Checkpoint::of(head).sign(&hand.keys);
    let sql = "INSERT INTO checkpoint (size, note) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.run(sql, &[Arg::Int(head.size), Arg::Text(&note)])
        .await?;
    Ok(note)
}

async fn apply(tx: &mut Tx, change: &Change) -> Result<(), StateError> {
    match change {
        Change::InsertRotation(r) => insert_rotation(tx, r).await,
        Change::UpdateRotation(r) => update_rotation(tx, r).await,
        Change::PutSecret(s) => put_secret(tx, s).await,
        Change::PutDelivery(a) => put_delivery(tx, a).await,
        Change::DropDelivery {
            env,
            secret,
            consumer,
        } => {
            let sql = "DELETE FROM delivery WHERE env = $1 AND secret = $2 AND consumer = $3";
            tx.run(
                sql,
                &[Arg::Text(env), Arg::Text(secret), Arg::Text(consumer)],
            )
            .await
            .map(|_| ())
        }
        Change::PutFact { key, value } => {
            let sql = "INSERT INTO facts (key, value) VALUES ($1, $2)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            tx.run(sql, &[Arg::Text(key), Arg::Text(value)])
                .await
                .map(|_| ())
        }
        Change::DropFact { key } => {
            tx.run("DELETE FROM facts WHERE key = $1", &[Arg::Text(key)])
                .await?;
            Ok(())
        }
        Change::ClaimFact { key, value } => {
            // The update changes nothing; it makes Postgres wait for, and see, another claimer.
            let sql = "INSERT INTO facts (key, value) VALUES ($1, $2)
                       ON CONFLICT (key) DO UPDATE SET value = facts.value RETURNING value";
            let row = tx
                .row(sql, &[Arg::Text(key), Arg::Text(value)])
                .await?
                .ok_or(StateError::Corrupt)?;
            if row.text(0)? == *value {
                Ok(())
            } else {
                Err(StateError::Claimed(key.clone()))
            }
        }
    }
}

async fn insert_rotation(tx: &mut Tx, r: &Rotation) -> Result<(), StateError> {
    let (id, version) = (r.id.to_string(), r.version.map(|v| v.to_string()));
    let sql = "INSERT INTO rotation (id, env, secret, account, begun_by, reason, actor, phase, outcome, started_ms,
                   ended_ms, version, fingerprint, record, revision)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0)";
    let args = [
        Arg::Text(&id),
        Arg::Text(&r.env),
        Arg::Text(&r.secret),
        Arg::MaybeText(r.account.as_deref()),
        Arg::Text(&r.trigger),
        Arg::MaybeText(r.reason.as_deref()),
        Arg::Text(&r.actor),
        Arg::Text(&r.phase),
        Arg::MaybeText(r.outcome.map(|o| o.as_str())),
        Arg::Int(r.started_ms),
        Arg::MaybeInt(r.ended_ms),
        Arg::MaybeText(version.as_deref()),
        Arg::MaybeText(r.fingerprint.as_deref()),
        Arg::Text(&r.record),
    ];
    tx.run(sql, &args).await.map(|_| ())
}

async fn update_rotation(tx: &mut Tx, r: &Rotation) -> Result<(), StateError> {
    let (id, version) = (r.id.to_string(), r.version.map(|v| v.to_string()));
    let sql = "UPDATE rotation SET account = $3, reason = $4, phase = $5, outcome = $6, ended_ms = $7, version = $8,
                   fingerprint = $9, record = $10, revision = revision + 1
               WHERE id = $1 AND revision = $2 AND outcome IS NULL";
    let args = [
        Arg::Text(&id),
        Arg::Int(r.revision),
        Arg::MaybeText(r.account.as_deref()),
        Arg::MaybeText(r.reason.as_deref()),
        Arg::Text(&r.phase),
        Arg::MaybeText(r.outcome.map(|o| o.as_str())),
        Arg::MaybeInt(r.ended_ms),
        Arg::MaybeText(version.as_deref()),
        Arg::MaybeText(r.fingerprint.as_deref()),
        Arg::Text(&r.record),
    ];
    if tx.run(sql, &args).await? == 1 {
        Ok(())
    } else {
        Err(StateError::Stale)
    }
}

async fn put_secret(tx: &mut Tx, s: &Secret) -> Result<(), StateError> {
    let version = s.version.map(|v| v.to_string());
    let sql = "INSERT INTO secret (env, name, kind, version, native, fingerprint, changed_ms, first_seen_ms, turn_done,
                   failures)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
               ON CONFLICT (env, name) DO UPDATE SET kind = excluded.kind, version = excluded.version,
                   native = excluded.native, fingerprint = excluded.fingerprint, changed_ms = excluded.changed_ms,
                   turn_done = excluded.turn_done, failures = excluded.failures";
    let args = [
        Arg::Text(&s.env),
        Arg::Text(&s.name),
        Arg::Text(&s.kind),
        Arg::MaybeText(version.as_deref()),
        Arg::MaybeText(s.native.as_deref()),
        Arg::MaybeText(s.fingerprint.as_deref()),
        Arg::MaybeInt(s.changed_ms),
        Arg::Int(s.first_seen_ms),
        Arg::MaybeText(s.turn_done.as_deref()),
        Arg::Int(s.failures.into()),
    ];
    tx.run(sql, &args).await.map(|_| ())
}

async fn put_delivery(tx: &mut Tx, a: &Acknowledged) -> Result<(), StateError> {
    let rotation = a.rotation.map(|r| r.to_string());
    let sql = "INSERT INTO delivery (env, secret, consumer, rotation, round, exposure_fp, acked_ms)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (env, secret, consumer) DO UPDATE SET rotation = excluded.rotation, round = excluded.round,
                   exposure_fp = excluded.exposure_fp, acked_ms = excluded.acked_ms";
    let args = [
        Arg::Text(&a.env),
        Arg::Text(&a.secret),
        Arg::Text(&a.consumer),
        Arg::MaybeText(rotation.as_deref()),
        Arg::Text(&a.round),
        Arg::Text(&a.exposure_fp),
        Arg::Int(a.acked_ms),
    ];
    tx.run(sql, &args).await.map(|_| ())
}

/// Appends to the log behind its locked head, so that two appends cannot follow the same entry. The new head,
/// which is still to be written.
pub(super) async fn append(
    tx: &mut Tx,
    mut head: Head,
    vouch: &Vouch,
    who: &Holder,
    epoch: Option<i64>,
    entries: &[NewEntry],
    now: Timestamp,
) -> Result<Head, StateError> {
    let origin = Origin {
        host: who.host.clone(),
        pid: who.pid,
        instance: who.instance,
        epoch,
    };
    let signed = newest_signed(tx, &head).await?;
    for entry in entries {
        let at = Position {
            chain: head.chain,
            seq: head.size.checked_add(1).ok_or(StateError::Corrupt)?,
            ts_us: now.as_microsecond(),
            signed,
        };
        let body = entry.body(&at, &origin);
        let hash = chain::hash(at.chain, at.seq, &head.hash, &body);
        let mac = vouch.entry(&hash);
        let rotation = entry.rotation.map(|r| r.to_string());
        let sql =
            "INSERT INTO audit (seq, prev_hash, hash, body, ts_us, event, env, secret, rotation, mac)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let args = [
            Arg::Int(at.seq),
            Arg::Bytes(&head.hash),
            Arg::Bytes(&hash),
            Arg::Bytes(&body),
            Arg::Int(at.ts_us),
            Arg::Text(entry.event),
            Arg::MaybeText(entry.object.env.as_deref()),
            Arg::MaybeText(entry.object.secret.as_deref()),
            Arg::MaybeText(rotation.as_deref()),
            Arg::Bytes(&mac),
        ];
        tx.run(sql, &args).await?;
        head = Head {
            chain: head.chain,
            size: at.seq,
            hash,
        };
    }
    Ok(head)
}

/// The size of the newest checkpoint that the state keeps. A larger one than the log cannot be ours.
async fn newest_signed(tx: &mut Tx, head: &Head) -> Result<Option<i64>, StateError> {
    let sql = "SELECT max(size) FROM checkpoint WHERE size <= $1";
    let row = tx.row(sql, &[Arg::Int(head.size)]).await?;
    row.ok_or(StateError::Corrupt)?.maybe_int(0)
}

/// The head; locked until the end of a transaction that writes.
pub(super) async fn read_head(tx: &mut Tx) -> Result<Head, StateError> {
    let sql = tx.pick(
        "SELECT chain, seq, hash FROM audit_head WHERE id = 1",
        "SELECT chain, seq, hash FROM audit_head WHERE id = 1 FOR UPDATE",
    );
    super::columns::head(&tx.row(sql, &[]).await?.ok_or(StateError::Corrupt)?)
}
