//! The MACs of requests, and the signature over the log's head.

use data_encoding::HEXLOWER;
use uuid::Uuid;

use super::commit::read_head;
use super::db::Arg;
use super::{StateError, Store, prove};
use crate::audit::{Checkpoint, Signers, Vouch};
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
        prove::check(&mut tx, &head, &Signers::own(keys), None).await?;
        let note = Checkpoint::of(&head).sign(keys);
        tx.run(
            "INSERT INTO checkpoint (size, note) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[Arg::Int(head.size), Arg::Text(&note)],
        )
        .await?;
        tx.commit().await?;
        Ok(note)
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
