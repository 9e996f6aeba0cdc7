//! The rows that steer keyrota, bound to the head of the log.
//!
//! The head of the log names a digest of every rotation under way and of every fact that steers: the trusted
//! time, the time that a person accepted, and requests. A MAC over the head covers these digests with the number
//! and the hash of the newest entry. So keyrota notices a row that another program changed, added, deleted or put
//! back from an earlier time: it is not the one that the head names. An older head does not fit the log.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use serde_json::json;

use super::db::{Arg, Tx};
use super::{Change, Rotation, StateError, Store, columns, walk};
use crate::audit::{Finding, Head, Problem, Vouch};

/// Facts that begin with one of these steer keyrota.
const STEERING: [&str; 3] = ["clock/", "clock-accepted/", "request/"];
/// Of these, what a person left for another process.
const LEFT: [&str; 2] = ["clock-accepted/", "request/"];

/// The digests that the head of the log names, by what they are of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rows(BTreeMap<String, String>);

/// What is wrong with the head, if its MAC is.
pub(super) fn forged_head(head: &Head) -> Finding {
    let detail = "the head of the log is not what keyrota wrote after this entry";
    Finding::new(head.size, Problem::Unvouched, detail)
}

/// What is wrong with the log's head or the rows that it names, by itself; `None`: nothing.
pub(super) async fn wrong(
    tx: &mut Tx,
    head: &Head,
    vouch: &Vouch,
) -> Result<Option<Finding>, StateError> {
    let Some(named) = Rows::named(tx, head, vouch).await? else {
        return Ok(Some(forged_head(head)));
    };
    let detail = "a rotation under way, the trusted time or a request is not what keyrota wrote with this entry";
    let differs = Rows::stored(tx).await? != named;
    Ok(differs.then(|| Finding::new(head.size, Problem::Unvouched, detail)))
}

impl Rows {
    /// What the head names; `None`: its MAC is wrong.
    pub async fn named(
        tx: &mut Tx,
        head: &Head,
        vouch: &Vouch,
    ) -> Result<Option<Self>, StateError> {
        let sql = "SELECT named, mac FROM audit_head WHERE id = 1";
        let row = tx.row(sql, &[]).await?.ok_or(StateError::Corrupt)?;
        let (text, mac) = (row.text(0)?, row.bytes(1)?);
        let rows = serde_json::from_str(&text).ok().map(Self);
        // A new state is made before the keys are known.
        let new = head.size == 0 && mac.is_empty() && text == "{}";
        Ok(rows.filter(|_| new || vouch.heads(head, &text, &mac)))
    }

    /// What the head would name if all rows were as keyrota wrote them.
    pub async fn stored(tx: &mut Tx) -> Result<Self, StateError> {
        let mut rows = Self::default();
        for rotation in columns::all_open(tx).await? {
            rows.put_rotation(&rotation);
        }
        let facts = tx.rows("SELECT key, value FROM facts", &[]).await?;
        for fact in facts {
            rows.put_fact(&fact.text(0)?, &fact.text(1)?);
        }
        Ok(rows)
    }

    /// Writes the head, these rows, and the MAC over both.
    pub async fn write(&self, tx: &mut Tx, head: &Head, vouch: &Vouch) -> Result<(), StateError> {
        let text = serde_json::to_string(&self.0).expect("a map of texts has a JSON form");
        let mac = vouch.head(head, &text);
        let sql = "UPDATE audit_head SET seq = $1, hash = $2, named = $3, mac = $4 WHERE id = 1";
        let args = [
            Arg::Int(head.size),
            Arg::Bytes(&head.hash),
            Arg::Text(&text),
            Arg::Bytes(&mac),
        ];
        tx.run(sql, &args).await.map(|_| ())
    }

    /// Follows a change that was made.
    pub fn follow(&mut self, change: &Change) {
        match change {
            // An import is over when it is written.
            Change::InsertRotation(rotation) if rotation.outcome.is_some() => {}
            Change::InsertRotation(rotation) => self.put_rotation(&Rotation {
                revision: 0,
                ..rotation.clone()
            }),
            Change::UpdateRotation(rotation) => self.put_rotation(&Rotation {
                revision: rotation.revision.saturating_add(1),
                ..rotation.clone()
            }),
            Change::PutFact { key, value } | Change::ClaimFact { key, value } => {
                self.put_fact(key, value);
            }
            Change::DropFact { key } => {
                self.0.remove(&of_fact(key));
            }
            Change::PutSecret(_) | Change::PutDelivery(_) | Change::DropDelivery { .. } => {}
        }
    }

    /// The names of what differs between two.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let ours = self
            .0
            .iter()
            .filter(|(key, is)| other.0.get(*key) != Some(is));
        let gone = other.0.keys().filter(|key| !self.0.contains_key(*key));
        ours.map(|(key, _)| key).chain(gone).map(String::as_str)
    }

    fn put_rotation(&mut self, r: &Rotation) {
        let key = of_rotation(&r.env, &r.secret);
        match r.outcome {
            None => self.0.insert(key, digest_of_rotation(r)),
            Some(_) => self.0.remove(&key),
        };
    }

    fn put_fact(&mut self, key: &str, value: &str) {
        if steers(key) {
            self.0.insert(of_fact(key), digest_of(value));
        }
    }
}

impl Store {
    /// The secrets of an environment with a rotation under way: by the rows, and by what the head names, so that
    /// a row which another program took away counts. A store without keys knows the rows alone.
    pub async fn under_way(&self, env: &str) -> Result<BTreeSet<String>, StateError> {
        let mut tx = self.db.read().await?;
        let sql = "SELECT secret FROM rotation WHERE env = $1 AND outcome IS NULL";
        let rows = tx.rows(sql, &[Arg::Text(env)]).await?;
        let mut secrets: BTreeSet<String> = rows
            .iter()
            .map(|row| row.text(0))
            .collect::<Result<_, _>>()?;
        if let Some(hand) = &self.hand {
            let head = walk::head(&mut tx).await?;
            let named = Rows::named(&mut tx, &head, &Vouch::of(&hand.keys)).await?;
            let named = named.ok_or_else(|| StateError::Unvouched(forged_head(&head)))?;
            let prefix = of_rotation(env, "");
            let named = named.0.keys().filter_map(|key| key.strip_prefix(&prefix));
            secrets.extend(named.map(str::to_owned));
        }
        Ok(secrets)
    }

    /// Refuses a rotation under way that is not the one that the head names; also one that is gone.
    pub(super) async fn as_written(
        &self,
        tx: &mut Tx,
        (env, secret): (&str, &str),
        rotation: Option<&Rotation>,
    ) -> Result<(), StateError> {
        let (key, is) = (of_rotation(env, secret), rotation.map(digest_of_rotation));
        self.named_as(tx, &key, is, "the record of its rotation")
            .await
    }

    /// Refuses a fact that steers and is not the one that the head names; also one that is gone.
    pub(super) async fn fact_as_written(
        &self,
        tx: &mut Tx,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), StateError> {
        if !steers(key) {
            return Ok(());
        }
        let what = match LEFT.iter().any(|left| key.starts_with(left)) {
            true => "a request",
            false => "the trusted time",
        };
        self.named_as(tx, &of_fact(key), value.map(digest_of), what)
            .await
    }

    /// A store without keys cannot judge, and changes nothing.
    async fn named_as(
        &self,
        tx: &mut Tx,
        key: &str,
        is: Option<String>,
        what: &'static str,
    ) -> Result<(), StateError> {
        let Some(hand) = &self.hand else {
            return Ok(());
        };
        let head = walk::head(tx).await?;
        let named = Rows::named(tx, &head, &Vouch::of(&hand.keys)).await?;
        let named = named.ok_or_else(|| StateError::Unvouched(forged_head(&head)))?;
        match named.0.get(key) == is.as_ref() {
            true => Ok(()),
            false => Err(StateError::Altered(what)),
        }
    }
}

/// Deletes what a person left for another process, unless `named` says that it is genuine: it can be left again.
pub(super) async fn drop_forged_requests(tx: &mut Tx, named: &Rows) -> Result<(), StateError> {
    for fact in tx.rows("SELECT key, value FROM facts", &[]).await? {
        let (key, value) = (fact.text(0)?, fact.text(1)?);
        let left = LEFT.iter().any(|left| key.starts_with(left));
        if left && named.0.get(&of_fact(&key)) != Some(&digest_of(&value)) {
            tx.run("DELETE FROM facts WHERE key = $1", &[Arg::Text(&key)])
                .await?;
        }
    }
    Ok(())
}

fn steers(key: &str) -> bool {
    STEERING.iter().any(|prefix| key.starts_with(prefix))
}

fn of_rotation(env: &str, secret: &str) -> String {
    format!("rotation/{env}/{secret}")
}

fn of_fact(key: &str) -> String {
    format!("fact/{key}")
}

fn digest_of_rotation(r: &Rotation) -> String {
    let columns = json!([
        r.id,
        r.env,
        r.secret,
        r.account,
        r.trigger,
        r.reason,
        r.actor,
        r.phase,
        r.started_ms,
        r.version,
        r.fingerprint,
        r.record,
        r.revision
    ]);
    digest_of(&columns.to_string())
}

fn digest_of(text: &str) -> String {
    BASE64.encode(digest(&SHA256, text.as_bytes()).as_ref())
}
