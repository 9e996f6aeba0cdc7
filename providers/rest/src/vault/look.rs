//! Looks at a place, and says which version somebody means.

use keyrota_contract::{Place, ProviderError, SecretValue, Stage, VersionInfo, VersionRef};
use vaultrs::api::kv2::responses::ReadSecretMetadataResponse;

use super::document::{Held, Pending};
use super::seen::{Current, Seen};
use super::{VaultProvider, check_path, field, native, pending_native, sibling};

/// How many versions that others made are looked through for a value of ours.
const FOREIGN_MAX: u64 = 8;

/// What a [`VersionRef`] means at a place.
pub(super) enum Named {
    Pending,
    Version(u64),
}

impl VaultProvider {
    pub(super) async fn look(&self, at: &Place) -> Result<Seen, ProviderError> {
        check_path(&at.path)?;
        self.know_the_mount().await?;
        let meta = self.metadata(&at.path).await?;
        self.look_beside(at, meta).await
    }

    /// The same, where the metadata are known already.
    pub(super) async fn look_beside(
        &self,
        at: &Place,
        meta: Option<ReadSecretMetadataResponse>,
    ) -> Result<Seen, ProviderError> {
        let candidate = self.data(&sibling(at), None).await?;
        let mut seen = Seen::new(meta, candidate)?;
        let Some(newest) = seen.to_be_judged() else {
            return Ok(seen);
        };
        match self.data(&at.path, Some(newest)).await? {
            Held::Gone(_) => seen.current = Current::Absent,
            Held::SoftDeleted(_) => seen.current = Current::SoftDeleted,
            Held::Here(_) if seen.is_recorded(newest) => {}
            Held::Here(document) => {
                // A field that is missing or no text is nobody's.
                if let Ok(value) = document.value(field(at)) {
                    let since = self.unchanged_since(at, &seen, &value).await?;
                    seen.judge(&value, since);
                }
            }
        }
        Ok(seen)
    }

    /// The versions that hold a stage.
    pub(super) async fn list(
        &self,
        at: &Place,
        seen: &Seen,
    ) -> Result<Vec<VersionInfo>, ProviderError> {
        let mut all = Vec::new();
        if let Some(pending) = seen.pending() {
            all.push(VersionInfo {
                native: pending_native(pending.id),
                ours: Some(pending.id),
                stages: vec![Stage::Pending],
                created: None,
                flaw: None,
                public: pending.public.clone(),
            });
        }
        let stages = [
            (Stage::Current, seen.current_version()?),
            (Stage::Previous, self.previous(at, seen).await?),
        ];
        for (stage, version) in stages {
            let Some(version) = version else { continue };
            all.push(VersionInfo {
                native: native(version),
                ours: seen.id_of(version),
                stages: vec![stage],
                created: seen.created(version),
                flaw: None,
                public: seen.public(version),
            });
        }
        Ok(all)
    }

    /// What stands at the sibling path, whatever became of it.
    pub(super) async fn candidate(&self, at: &Place) -> Result<Option<Pending>, ProviderError> {
        check_path(&at.path)?;
        self.know_the_mount().await?;
        match self.data(&sibling(at), None).await? {
            Held::Here(document) => Pending::from_document(&document).map(Some),
            Held::SoftDeleted(_) | Held::Gone(_) => Ok(None),
        }
    }

    /// The last recorded version, if nobody changed our field since.
    async fn unchanged_since(
        &self,
        at: &Place,
        seen: &Seen,
        value: &SecretValue,
    ) -> Result<Option<u64>, ProviderError> {
        let Some((recorded, _)) = seen.last_record() else {
            return Ok(None);
        };
        // A record of a version that the metadata do not have yet says nothing about it.
        if seen
            .version()
            .checked_sub(recorded)
            .is_none_or(|n| n > FOREIGN_MAX)
        {
            return Ok(None);
        }
        for version in (recorded..seen.version()).rev() {
            match self.data(&at.path, Some(version)).await? {
                Held::Here(document)
                    if document.value(field(at)).is_ok_and(|v| v.same_as(value)) => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(recorded))
    }

    /// A version that is over, and its neighbours with the same value: who changes another field makes
    /// further versions of ours, and what was written over by somebody is written again.
    pub(super) async fn alike(
        &self,
        at: &Place,
        seen: &Seen,
        version: u64,
    ) -> Result<Vec<u64>, ProviderError> {
        let around = seen.there(version.saturating_sub(FOREIGN_MAX), seen.since());
        let around: Vec<u64> = around.filter(|n| *n != version).collect();
        let mut all = vec![version];
        if around.is_empty() {
            return Ok(all);
        }
        let Some(old) = self.value_at(at, version).await? else {
            return Ok(all);
        };
        for neighbour in around {
            // A field that is missing or no text is nobody's.
            if let Held::Here(document) = self.data(&at.path, Some(neighbour)).await?
                && document.value(field(at)).is_ok_and(|v| v.same_as(&old))
            {
                all.push(neighbour);
            }
        }
        Ok(all)
    }

    /// The version before the current one, if it is still there.
    pub(super) async fn previous(
        &self,
        at: &Place,
        seen: &Seen,
    ) -> Result<Option<u64>, ProviderError> {
        match seen.previous() {
            None => Ok(None),
            Some((version, true)) => Ok(Some(version)),
            // It has a time to be deleted at, and the server's clock alone says whether that was.
            Some((version, false)) => {
                let here = matches!(self.data(&at.path, Some(version)).await?, Held::Here(_));
                Ok(here.then_some(version))
            }
        }
    }

    pub(super) async fn resolve(
        &self,
        at: &Place,
        seen: &Seen,
        v: &VersionRef,
    ) -> Result<Option<Named>, ProviderError> {
        let version = match v {
            VersionRef::Stage(Stage::Pending) => {
                return Ok(seen.pending().map(|_| Named::Pending));
            }
            VersionRef::Stage(Stage::Current) => seen.current_version()?,
            VersionRef::Stage(Stage::Previous) => self.previous(at, seen).await?,
            VersionRef::Ours(id) if seen.pending().is_some_and(|p| p.id == *id) => {
                return Ok(Some(Named::Pending));
            }
            VersionRef::Ours(id) => seen.version_of(*id),
            VersionRef::Native(native)
                if seen
                    .pending()
                    .is_some_and(|p| pending_native(p.id) == *native) =>
            {
                return Ok(Some(Named::Pending));
            }
            VersionRef::Native(native) => native.0.parse().ok().filter(|n| seen.is_there(*n)),
        };
        Ok(version.map(Named::Version))
    }
}
