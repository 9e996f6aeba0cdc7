//! The provider `aws-secrets-manager`: one secret per place, its versions with AWS' own labels.
//!
//! ```text
//! AWSCURRENT                    what readers use; AWS' own programs read it without asking for more
//! AWSPENDING, KEYROTA_PENDING   the candidate; the second where AWS rotates the secret itself, as
//!                               AWS starts no rotation while the first stands on another version
//! AWSPREVIOUS                   what was current; AWS moves it along with AWSCURRENT
//! ```
//!
//! Our id is the version id, sent as `ClientRequestToken`: AWS does a request with a known token and
//! the same value only once. Ids of keyrota are UUIDs of version 7, and those that AWS and its
//! programs draw are of version 4; so it is known whose a version is.
//!
//! Every request names a label or a version: one without moves AWSCURRENT, or reads whatever stands
//! there. A version without one of these labels counts as absent; AWS erases it in its own time.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use keyrota_contract::{
    Capabilities, ErrorKind, Native, Place, Promote, Provider, ProviderError, Public, Recalled,
    SecretValue, Stage, VersionInfo, VersionRef, Written, lag,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::config::{AwsConfig, Given};
use crate::error::{conflict, invalid};

mod labels;
mod preflight;
mod requests;
mod wrote;
use labels::{CURRENT, KEYROTA_PENDING, PENDING, PREVIOUS, Replicas, Secret, ours};
use requests::Form;
use wrote::Wrote;

/// What every secret can do.
pub const CAPABILITIES: Capabilities = Capabilities {
    promote: Promote::CheckAndSet,
    keeps_previous: true,
    value_bytes_max: 65_536,
    binary: true,
    // Labels and tags are too short and too few for a public key beside every version.
    public_parts: false,
    first_is_current: true,
    fixed_values: true,
    reads_lag: true,
    removes: false,
};

/// Keeps values in AWS Secrets Manager.
pub struct SecretsManagerProvider {
    config: AwsConfig,
    given: Given,
    client: OnceCell<Client>,
    wrote: Written<Wrote>,
    /// In which form the current version of a secret was seen to be.
    forms: Mutex<BTreeMap<String, (String, Form)>>,
}

impl SecretsManagerProvider {
    /// One for a region and whoever asks. No I/O: the first call reads the environment and the
    /// shared configuration files.
    pub fn new(config: AwsConfig) -> Self {
        Self {
            config,
            given: Given::default(),
            client: OnceCell::new(),
            wrote: Written::default(),
            forms: Mutex::default(),
        }
    }

    /// The same with a key given in code, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn with_key(self, id: &str, secret: &str, token: Option<&str>) -> Self {
        Self {
            given: Given::key(id, secret, token),
            ..self
        }
    }
}

#[async_trait]
impl Provider for SecretsManagerProvider {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let path = path_of(at)?;
        let secret = self.look(path).await?;
        if secret.is_none() {
            self.may_read(path).await?;
        }
        self.may_relabel(path).await?;
        Ok(secret.map_or_else(Vec::new, |s| s.infos()))
    }

    fn recall(&self, at: &Place, wrote: Recalled<'_>) {
        let Ok(at) = path_of(at) else { return };
        self.wrote.note(at, |w| match wrote {
            Recalled::Candidate(id) => w.expects(&id.to_string()),
            Recalled::Current { native, replaced } => {
                w.switched(replaced.map(|replaced| replaced.0.as_str()), &native.0);
            }
        });
    }

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let secret = self.look(path_of(at)?).await?;
        Ok(secret.map_or_else(Vec::new, |s| s.infos()))
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        let at = path_of(at)?;
        match v {
            VersionRef::Ours(id) => self.get_version(at, &id.to_string()).await,
            VersionRef::Native(id) => self.get_version(at, &id.0).await,
            VersionRef::Stage(Stage::Current) => self.get_stage(at, CURRENT, Stage::Current).await,
            VersionRef::Stage(Stage::Previous) => {
                self.get_stage(at, PREVIOUS, Stage::Previous).await
            }
            // Under which of two labels is known by looking only; mostly there is none.
            VersionRef::Stage(Stage::Pending) => {
                let secret = self.look(at).await?;
                match secret.as_ref().and_then(|s| s.at(Stage::Pending)) {
                    Some(pending) => self.get_version(at, pending).await,
                    None => Ok(None),
                }
            }
        }
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        _: &Public,
    ) -> Result<Native, ProviderError> {
        let at = path_of(at)?;
        if !value.fits(CAPABILITIES.value_bytes_max) {
            return Err(invalid("the value is larger than 65,536 bytes"));
        }
        if value.fits(0) {
            return Err(invalid("Secrets Manager does not keep an empty value"));
        }
        let Some(secret) = self.look(at).await? else {
            return self.create(at, id, value).await;
        };
        let native = id.to_string();
        if secret.role(&native).is_some() {
            // AWS itself ignores a known token with the same value, and refuses it with another.
            // It is listed, so an answer without it is older.
            let read = || self.get_version(at, &native);
            let there = lag::shown(read, Option::is_none).await?.flatten();
            return match there.ok_or(lag::LAGS)?.same_as(value) {
                true => Ok(Native(native)),
                false => Err(conflict("this version id has another value already")),
            };
        }
        secret.refuse_others()?;
        if secret.replicas == Replicas::Failed {
            return Err(REPLICA_FAILED);
        }
        let form = self.form(at, &secret).await?;
        let label = secret.pending_label();
        if let (KEYROTA_PENDING, Some(stale)) = (label, secret.pending_under(PENDING)) {
            // A candidate from before AWS' own rotation was turned on; it would hold that up.
            self.relabel(at, &secret, PENDING, Some(stale), None)
                .await?;
        }
        let from = secret.holder(label);
        self.put(at, id, value, form, (label, from)).await
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        let at = path_of(at)?;
        let id = to.to_string();
        let secret = self.look(at).await?.ok_or(NO_SUCH_VERSION)?;
        let mut replicas = secret.replicas;
        if secret.at(Stage::Current) != Some(&id) {
            secret.role(&id).ok_or(NO_SUCH_VERSION)?;
            let from = from.map(|from| from.0.as_str());
            if secret.at(Stage::Current) != from {
                return Err(STALE);
            }
            secret.refuse_others()?;
            self.replicas_follow(at, replicas).await?;
            if let (Some(_), true) = (from, secret.holder(PENDING) == from) {
                // AWS' own rotation left it on what it made current. Behind the switch it would
                // stand for a candidate that nobody works on.
                self.relabel(at, &secret, PENDING, from, None).await?;
            }
            self.relabel(at, &secret, CURRENT, from, Some(&id)).await?;
            if secret.replicated {
                replicas = Replicas::Behind;
            }
        }
        let tidied = self.tidy(at, &secret, &id, replicas).await;
        tidied.map_err(ProviderError::after_effect)?;
        Ok(Native(id))
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        let at = path_of(at)?;
        let Some(secret) = self.look(at).await? else {
            return Ok(());
        };
        let id = match v {
            VersionRef::Ours(id) => Some(id.to_string()),
            VersionRef::Native(id) => Some(id.0.clone()),
            VersionRef::Stage(stage) => secret.at(*stage).map(str::to_owned),
        };
        let Some(id) = id else {
            return Ok(());
        };
        match secret.role(&id) {
            None => return Ok(()),
            Some(Stage::Current) => return Err(conflict("the current version is not destroyed")),
            Some(Stage::Pending) if ours(&id).is_none() => secret.refuse_others()?,
            Some(_) => {}
        }
        for label in [PENDING, KEYROTA_PENDING, PREVIOUS] {
            if secret.holder(label) == Some(&id) {
                self.replicas_follow(at, secret.replicas).await?;
                self.relabel(at, &secret, label, Some(&id), None).await?;
            }
        }
        self.wrote.note(at, |wrote| wrote.ended(&id));
        Ok(())
    }
}

impl SecretsManagerProvider {
    /// What is left of a promote after the switch.
    async fn tidy(
        &self,
        at: &str,
        before: &Secret,
        id: &str,
        replicas: Replicas,
    ) -> Result<(), ProviderError> {
        self.replicas_follow(at, replicas).await?;
        for label in [PENDING, KEYROTA_PENDING] {
            if before.holder(label) == Some(id) {
                match self.relabel(at, before, label, Some(id), None).await {
                    // Another candidate has the label by now.
                    Err(e) if e.kind == ErrorKind::Conflict => {}
                    told => told?,
                }
            }
        }
        Ok(())
    }
}

fn path_of(at: &Place) -> Result<&str, ProviderError> {
    match at.field {
        None => Ok(&at.path),
        Some(_) => Err(invalid(
            "keyrota keeps one value per secret of Secrets Manager: remove `field`",
        )),
    }
}

const STALE: ProviderError = conflict("another version is current than the one expected");
const NO_SUCH_VERSION: ProviderError =
    ProviderError::new(ErrorKind::NotFound, "no such version to promote");
const SOFT_DELETED: ProviderError = ProviderError::new(
    ErrorKind::SoftDeleted,
    "the secret is scheduled for deletion; restore it, or choose another path",
);
const REPLICA_FAILED: ProviderError = ProviderError::new(
    ErrorKind::Unavailable,
    "a replica of the secret in another region has failed; repair or remove it",
);

#[cfg(test)]
mod tests;
