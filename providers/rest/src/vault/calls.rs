//! The reads and writes of a path. A read does not end with what is older than keyrota's own write.

use keyrota_contract::{ErrorKind, Place, ProviderError, SecretValue, lag};
use uuid::Uuid;
use vaultrs::api::kv2::requests::{
    DeleteSecretMetadataRequest, DestroySecretVersionsRequest, ReadSecretRequest,
};
use vaultrs::api::kv2::responses::ReadSecretMetadataResponse;

use super::document::{self, Held, Pending};
use super::requests::{Plain, PutVersion};
use super::seen::{self, Seen};
use super::wire::Effect;
use super::{PENDING, VaultProvider, field, no_room, sibling, stale};

impl VaultProvider {
    /// The metadata of a path; `None` if there is no such path.
    pub(super) async fn metadata(
        &self,
        path: &str,
    ) -> Result<Option<ReadSecretMetadataResponse>, ProviderError> {
        let read = || seen::metadata(&self.session, &self.mount, path);
        let wrote = &self.wrote;
        wrote.shown(path, read, |w, m| w.lags_in(m.as_ref())).await
    }

    /// One version of a path, or its newest.
    pub(super) async fn data(
        &self,
        path: &str,
        version: Option<u64>,
    ) -> Result<Held, ProviderError> {
        let read = || self.data_once(path, version);
        let wrote = &self.wrote;
        wrote.shown(path, read, |w, h| w.lags(version, h)).await
    }

    async fn data_once(&self, path: &str, version: Option<u64>) -> Result<Held, ProviderError> {
        let read = || ReadSecretRequest {
            mount: self.mount.clone(),
            path: path.to_owned(),
            version,
        };
        Held::from_reply(self.session.ask(Effect::None, read).await?)
    }

    /// The value of a version that may be gone.
    pub(super) async fn value_at(
        &self,
        at: &Place,
        version: u64,
    ) -> Result<Option<SecretValue>, ProviderError> {
        match self.data(&at.path, Some(version)).await? {
            Held::Here(document) => document.value(field(at)).map(Some),
            Held::SoftDeleted(_) | Held::Gone(_) => Ok(None),
        }
    }

    /// Writes down which version holds whose value. Other people's custom metadata stay.
    pub(super) async fn record(
        &self,
        at: &Place,
        seen: &Seen,
        id: Uuid,
    ) -> Result<(), ProviderError> {
        let version = seen.version();
        let custom = seen.custom_with(version, id).ok_or(no_room())?;
        let put = Plain::put_metadata(&self.mount, &at.path, &custom);
        let reply = self.session.ask(Effect::Change, || put.clone()).await?;
        reply.done(Effect::Change)?;
        self.wrote.note(&at.path, |w| w.recorded(version, id));
        Ok(())
    }

    pub(super) async fn delete_sibling(
        &self,
        at: &Place,
        seen: &Seen,
    ) -> Result<(), ProviderError> {
        let path = sibling(at);
        let delete = || DeleteSecretMetadataRequest {
            mount: self.mount.clone(),
            path: path.clone(),
        };
        self.wrote.note(&path, |w| w.begins(None));
        let reply = self.session.ask(Effect::Change, delete).await?;
        reply.done(Effect::Change)?;
        let before = seen.sibling_state();
        self.wrote.note(&path, |w| w.replaced(before, None));
        Ok(())
    }

    pub(super) async fn erase(&self, at: &Place, versions: Vec<u64>) -> Result<(), ProviderError> {
        let destroy = || DestroySecretVersionsRequest {
            mount: self.mount.clone(),
            path: at.path.clone(),
            versions: versions.clone(),
        };
        let reply = self.session.ask(Effect::Change, destroy).await?;
        reply.done(Effect::Change)?;
        self.wrote.note(&at.path, |w| w.erased(&versions));
        Ok(())
    }

    /// Writes the next version of a place.
    pub(super) async fn put_named(
        &self,
        at: &Place,
        seen: &Seen,
        data: zeroize::Zeroizing<Vec<u8>>,
    ) -> Result<u64, ProviderError> {
        let put = PutVersion::new(&self.mount, &at.path, seen.version(), data);
        let version = self.put(put).await?;
        self.wrote.note(&at.path, |w| w.version(version));
        Ok(version)
    }

    /// Writes a candidate.
    pub(super) async fn put_candidate(
        &self,
        at: &Place,
        seen: &Seen,
        id: Uuid,
        candidate: zeroize::Zeroizing<Vec<u8>>,
    ) -> Result<(), ProviderError> {
        let path = sibling(at);
        let put = PutVersion::new(&self.mount, &path, seen.sibling_version, candidate);
        self.wrote.note(&path, |w| w.begins(Some(id)));
        let version = self.put(put).await?;
        let before = seen.sibling_state();
        let now = Some((version, Some(id)));
        self.wrote.note(&path, |w| w.replaced(before, now));
        Ok(())
    }

    /// A check-and-set. A refused one is a `Conflict` if another version stands there: the server
    /// answers every mistake with the same status. Its words only say that a look has to show another
    /// version: one that does not is older than the refusal.
    async fn put(&self, put: PutVersion) -> Result<u64, ProviderError> {
        let reply = self.session.ask(Effect::Change, || put.clone()).await?;
        if reply.status == 400 && !reply.is_upgrading() {
            let read = || seen::metadata(&self.session, &self.mount, &put.path);
            let newest = |m: &Option<ReadSecretMetadataResponse>| {
                m.as_ref().map_or(0, |m| m.current_version)
            };
            let moved = reply.is_other_version();
            let now = lag::shown(read, |m| moved && newest(m) <= put.cas).await?;
            let newest = newest(&now.ok_or(lag::LAGS)?);
            if newest != put.cas {
                if !put.path.ends_with(PENDING) {
                    self.wrote.note(&put.path, |w| w.version(newest));
                }
                return Err(stale());
            }
        }
        let reply = reply.done(Effect::Change)?;
        document::version_of(&reply)
    }

    /// Whether a candidate that was refused stands there by an earlier try.
    pub(super) async fn stands(
        &self,
        at: &Place,
        seen: &Seen,
        id: Uuid,
        value: &SecretValue,
    ) -> Result<bool, ProviderError> {
        let path = sibling(at);
        let read = || self.data(&path, None);
        let older = |held: &Held| held.number() <= seen.sibling_version;
        let Held::Here(there) = lag::shown(read, older).await?.ok_or(lag::LAGS)? else {
            return Ok(false);
        };
        let there = Pending::from_document(&there)?;
        Ok(there.id == id && there.holds(value))
    }

    /// After a refused switch: the place as the server has it, if an earlier try of this switch was what
    /// moved it.
    pub(super) async fn switched_before(
        &self,
        at: &Place,
        to: Uuid,
        refused: ProviderError,
    ) -> Result<Seen, ProviderError> {
        if refused.kind != ErrorKind::Conflict {
            return Err(refused);
        }
        let seen = self.look(at).await?;
        match seen.current_id() == Some(to) {
            true => Ok(seen),
            false => Err(refused),
        }
    }
}
