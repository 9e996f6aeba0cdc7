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

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueFluentBuilder;
use aws_sdk_secretsmanager::primitives::Blob;
use keyrota_contract::{
    Capabilities, ErrorKind, Native, Place, Promote, Provider, ProviderError, Public, SecretValue,
    Stage, VersionInfo, VersionRef,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::config::{AwsConfig, Given, load};
use crate::error::{Doing, classify, code};

mod labels;
use labels::{CURRENT, KEYROTA_PENDING, PENDING, PREVIOUS, Replicas, Secret, ours};

/// What every secret can do.
pub const CAPABILITIES: Capabilities = Capabilities {
    promote: Promote::CheckAndSet,
    keeps_previous: true,
    value_bytes_max: 65_536,
    binary: true,
    // Labels and tags are too short and too few for a public key beside every version.
    public_parts: false,
    first_is_current: true,
};

/// How long replicas in other regions are waited for: with its calls a promote stays within the
/// time that keyrota gives an effect, and is repeated if that was not enough.
const REPLICAS_ASKED: u32 = 16;
const REPLICAS_PAUSE: Duration = Duration::from_millis(500);

/// Keeps values in AWS Secrets Manager.
pub struct SecretsManagerProvider {
    config: AwsConfig,
    given: Given,
    client: OnceCell<Client>,
}

impl SecretsManagerProvider {
    /// One for a region and whoever asks. No I/O: the first call reads the environment and the
    /// shared configuration files.
    pub fn new(config: AwsConfig) -> Self {
        Self {
            config,
            given: Given::default(),
            client: OnceCell::new(),
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

    async fn client(&self) -> &Client {
        let make = || async {
            let sdk = load(&self.config, &self.given).await;
            let mut service = Builder::from(&sdk);
            if let Some(url) = &self.config.endpoint_url {
                service = service.endpoint_url(url);
            }
            Client::from_conf(service.build())
        };
        self.client.get_or_init(make).await
    }

    /// What stands at `path`, without values; `None` if nothing does.
    async fn look(&self, path: &str) -> Result<Option<Secret>, ProviderError> {
        let request = self.client().await.describe_secret().secret_id(path);
        match request.send().await {
            Ok(found) if found.deleted_date().is_some() => Err(SOFT_DELETED),
            Ok(found) => Ok(Some(Secret::of(found))),
            Err(e) => absent_is_none(classify(Doing::Looking, &e)),
        }
    }

    /// The value that `request` asks for, if its version has a role.
    async fn get(
        &self,
        path: &str,
        request: GetSecretValueFluentBuilder,
        stage: Option<Stage>,
    ) -> Result<Option<SecretValue>, ProviderError> {
        let found = match request.secret_id(path).send().await {
            Ok(found) => found,
            Err(e) if code(&e) == Some("InvalidRequestException") => {
                let e = classify(Doing::Looking, &e);
                // Marked for deletion, or a version without a value: the description knows.
                self.look(path).await?;
                return Err(e);
            }
            Err(e) => return absent_is_none(classify(Doing::Looking, &e)),
        };
        let role = labels::role(found.version_stages());
        if role.is_none() || stage.is_some_and(|stage| role != Some(stage)) {
            return Ok(None);
        }
        match (found.secret_string, found.secret_binary) {
            (Some(text), _) => Ok(Some(SecretValue::new(text.into_bytes()))),
            (None, Some(bytes)) => Ok(Some(SecretValue::new(bytes.into_inner()))),
            (None, None) => Err(ProviderError::new(
                ErrorKind::Invalid,
                "AWS answers with a version that has no value",
            )),
        }
    }

    async fn get_version(&self, at: &str, id: &str) -> Result<Option<SecretValue>, ProviderError> {
        let request = self.client().await.get_secret_value().version_id(id);
        self.get(at, request, None).await
    }

    async fn get_stage(
        &self,
        at: &str,
        label: &str,
        stage: Stage,
    ) -> Result<Option<SecretValue>, ProviderError> {
        let request = self.client().await.get_secret_value().version_stage(label);
        self.get(at, request, Some(stage)).await
    }

    /// Makes the secret. Its first version is current, whatever is asked.
    async fn create(
        &self,
        at: &str,
        id: Uuid,
        value: &SecretValue,
    ) -> Result<Native, ProviderError> {
        let (text, bytes) = payload(value);
        let request = self
            .client()
            .await
            .create_secret()
            .name(at)
            .client_request_token(id.to_string())
            .set_kms_key_id(self.config.kms_key_id.clone())
            .set_secret_string(text)
            .set_secret_binary(bytes);
        let made = request.send().await;
        let made = made.map_err(|e| classify(Doing::Changing, &e))?;
        stored_as(id, made.version_id())
    }

    async fn put(
        &self,
        at: &str,
        id: Uuid,
        value: &SecretValue,
        label: &str,
    ) -> Result<Native, ProviderError> {
        let (text, bytes) = payload(value);
        let request = self
            .client()
            .await
            .put_secret_value()
            .secret_id(at)
            .client_request_token(id.to_string())
            .version_stages(label)
            .set_secret_string(text)
            .set_secret_binary(bytes);
        let put = request.send().await;
        let put = put.map_err(|e| classify(Doing::Changing, &e))?;
        stored_as(id, put.version_id())
    }

    /// Moves a label: off `from`, onto `to`. Done already: done.
    async fn relabel(
        &self,
        at: &str,
        label: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(), ProviderError> {
        let request = self
            .client()
            .await
            .update_secret_version_stage()
            .secret_id(at)
            .version_stage(label)
            .set_remove_from_version_id(from.map(str::to_owned))
            .set_move_to_version_id(to.map(str::to_owned));
        let Err(e) = request.send().await else {
            return Ok(());
        };
        if code(&e) != Some("InvalidParameterException") {
            return Err(classify(Doing::Changing, &e));
        }
        // The label is not where it was: this call's own earlier try, or somebody else.
        let now = self.look(at).await?.ok_or(NO_SUCH_VERSION)?;
        match now.holder(label) == to {
            true => Ok(()),
            false => Err(STALE),
        }
    }

    /// Waits until every replica has what the last call changed: two moves of labels after each
    /// other are known to leave a replica behind for good.
    async fn replicas_follow(&self, at: &str, first: Replicas) -> Result<(), ProviderError> {
        let mut replicas = first;
        for _ in 0..REPLICAS_ASKED {
            match replicas {
                Replicas::InSync => return Ok(()),
                Replicas::Failed => return Err(REPLICA_FAILED),
                Replicas::Behind => tokio::time::sleep(REPLICAS_PAUSE).await,
            }
            replicas = self.look(at).await?.ok_or(NO_SUCH_VERSION)?.replicas;
        }
        Err(ProviderError::new(
            ErrorKind::Unavailable,
            "the secret's replicas in other regions have not followed yet",
        ))
    }
}

#[async_trait]
impl Provider for SecretsManagerProvider {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
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
            let there = self.get_version(at, &native).await?;
            return match there.is_some_and(|there| there.same_as(value)) {
                true => Ok(Native(native)),
                false => Err(conflict("another value stands under this version id")),
            };
        }
        secret.refuse_others()?;
        if secret.replicas == Replicas::Failed {
            return Err(REPLICA_FAILED);
        }
        let label = secret.pending_label();
        if let (KEYROTA_PENDING, Some(stale)) = (label, secret.pending_under(PENDING)) {
            // A candidate from before AWS' own rotation was turned on; it would hold that up.
            self.relabel(at, PENDING, Some(stale), None).await?;
        }
        self.put(at, id, value, label).await
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
            self.relabel(at, CURRENT, from, Some(&id)).await?;
            if secret.replicated {
                replicas = Replicas::Behind;
            }
        }
        self.replicas_follow(at, replicas).await?;
        for label in [PENDING, KEYROTA_PENDING] {
            if secret.holder(label) == Some(&id) {
                self.relabel(at, label, Some(&id), None).await?;
            }
        }
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
                self.relabel(at, label, Some(&id), None).await?;
            }
        }
        Ok(())
    }
}

/// A value as AWS keeps it: text where it is text, so that AWS' own programs show it.
fn payload(value: &SecretValue) -> (Option<String>, Option<Blob>) {
    value.expose_to(|bytes| match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(Blob::new(bytes))),
    })
}

fn stored_as(id: Uuid, told: Option<&str>) -> Result<Native, ProviderError> {
    let id = id.to_string();
    match told == Some(&id) {
        true => Ok(Native(id)),
        false => Err(ProviderError::new(
            ErrorKind::Ambiguous,
            "AWS' answer names another version than the one that was written",
        )),
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

fn absent_is_none<T>(e: ProviderError) -> Result<Option<T>, ProviderError> {
    match e.kind {
        ErrorKind::NotFound => Ok(None),
        _ => Err(e),
    }
}

const fn invalid(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Invalid, context)
}

const fn conflict(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Conflict, context)
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
    "a replica of the secret in another region has failed; mend or remove it",
);

#[cfg(test)]
mod tests;
