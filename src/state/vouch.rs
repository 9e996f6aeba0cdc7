//! What is proven before a checkpoint is signed, and the MACs of requests.
//!
//! A signature over a forged log would make it genuine. So what signs first verifies all entries since
//! the checkpoint before: their chain, their places and their MACs. That is cheap, since a checkpoint
//! is made often; the whole log is for `audit verify`.

use data_encoding::HEXLOWER;
use uuid::Uuid;

use super::commit::read_head;
use super::db::{Arg, Tx};
use super::{StateError, Store, log};
use crate::audit::{Checkpoint, Finding, Head, Problem, Signers, Verifier, Vouch};
use crate::keys::Keys;

/// What somebody left in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A host with the seed did.
    Genuine(String),
    /// Its MAC is wrong, or it has none: it is not to be followed.
    Forged,
}

impl Store {
    /// Signs the head of the log, keeps the signed note and returns it: to be kept outside the
    /// database as well ([`anchors::append`](crate::audit::anchors::append)).
    ///
    /// Refuses with [`StateError::Unvouched`] if an entry since the last checkpoint is not sound, or if
    /// that checkpoint does not fit.
    pub async fn checkpoint(&self, keys: &Keys) -> Result<String, StateError> {
        let mut tx = self.db.write().await?;
        let head = read_head(&mut tx).await?;
        since_signed(&mut tx, &head, &Signers::own(keys)).await?;
        let note = Checkpoint::of(&head).sign(keys);
        tx.run(
            "INSERT INTO checkpoint (size, note) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[Arg::Int(head.size), Arg::Text(&note)],
        )
        .await?;
        tx.commit().await?;
        Ok(note)
    }

    /// Proves the log since its last checkpoint, and that this one fits: for the start of a process.
    pub async fn prove(&self, keys: &Keys) -> Result<(), StateError> {
        let mut tx = self.db.read().await?;
        let head = log::head(&mut tx).await?;
        since_signed(&mut tx, &head, &Signers::own(keys)).await
    }

    /// What was left under `key` by [`Store::ask`]. A store without keys does not judge it.
    pub async fn asked(&self, key: &str) -> Result<Option<Asked>, StateError> {
        let Some(text) = self.fact(key).await? else {
            return Ok(None);
        };
        let chain = self.head().await?.chain;
        let opened = text.split_once(' ').and_then(|(mac, value)| {
            let mac = HEXLOWER.decode(mac.as_bytes()).ok()?;
            let vouch = self.vouch.as_ref();
            let genuine = vouch.is_none_or(|vouch| vouch.asks(chain, key, value, &mac));
            genuine.then(|| value.to_owned())
        });
        Ok(Some(opened.map_or(Asked::Forged, Asked::Genuine)))
    }
}

/// A request as the state keeps it.
pub(super) fn sealed(vouch: &Vouch, chain: Uuid, key: &str, value: &str) -> String {
    let mac = vouch.request(chain, key, value);
    format!("{} {value}", HEXLOWER.encode(&mac))
}

/// Proves the entries since the newest checkpoint that the state keeps, and that one.
async fn since_signed(tx: &mut Tx, head: &Head, signers: &Signers) -> Result<(), StateError> {
    let newest = "SELECT note FROM checkpoint ORDER BY size DESC, note LIMIT 1";
    let note = tx.row(newest, &[]).await?;
    let note = note.map(|row| row.text(0)).transpose()?;
    let mut verifier = Verifier::new(head.chain, 1);
    let mut from = i64::MIN;
    if let Some(note) = note {
        let unfit = |seq, problem, detail| {
            Err(StateError::Unvouched(Finding {
                seq,
                problem,
                detail,
            }))
        };
        let signed = match signers.judge(&note, head.chain) {
            Ok(signed) if signed.chain == head.chain => signed,
            Ok(_) => return unfit(0, Problem::Fork, "a checkpoint is about another log"),
            Err(_) => {
                let detail = "a checkpoint is not signed by this host's key";
                return unfit(0, Problem::BadSignature, detail);
            }
        };
        if !log::fits(tx, head, &signed).await? {
            let (problem, detail) = match signed.size > head.size {
                true => (
                    Problem::Shorter,
                    "the log is shorter than a checkpoint says",
                ),
                false => (
                    Problem::Fork,
                    "the log up to here is not the one that was signed",
                ),
            };
            return unfit(signed.size, problem, detail);
        }
        verifier = Verifier::after(&signed);
        // An entry since then names this checkpoint, and no other.
        verifier.kept([signed.size]);
        from = signed.size.saturating_add(1);
    } else {
        verifier.kept([]);
    }
    verifier.vouch(signers.vouch().cloned());
    log::walk(tx, from, &mut verifier).await?;
    match verifier.finish(Some(head)).findings.into_iter().next() {
        Some(finding) => Err(StateError::Unvouched(finding)),
        None => Ok(()),
    }
}
