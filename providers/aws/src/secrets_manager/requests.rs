//! The requests to Secrets Manager, one function each.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueFluentBuilder;
use aws_sdk_secretsmanager::primitives::Blob;
use keyrota_contract::{ErrorKind, Native, ProviderError, SecretValue, Stage};
use uuid::Uuid;

use super::labels::{self, Replicas, Secret};
use super::{NO_SUCH_VERSION, REPLICA_FAILED, SOFT_DELETED, STALE, SecretsManagerProvider};
use crate::config::load;
use crate::error::{Doing, classify, code};

/// How long replicas in other regions are waited for: with its calls a promote stays within the
/// time that keyrota gives an effect, and is repeated if that was not enough.
const REPLICAS_ASKED: u32 = 16;
const REPLICAS_PAUSE: Duration = Duration::from_millis(500);

impl SecretsManagerProvider {
    pub(super) async fn client(&self) -> &Client {
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
    pub(super) async fn look(&self, path: &str) -> Result<Option<Secret>, ProviderError> {
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

    pub(super) async fn get_version(
        &self,
        at: &str,
        id: &str,
    ) -> Result<Option<SecretValue>, ProviderError> {
        let request = self.client().await.get_secret_value().version_id(id);
        self.get(at, request, None).await
    }

    pub(super) async fn get_stage(
        &self,
        at: &str,
        label: &str,
        stage: Stage,
    ) -> Result<Option<SecretValue>, ProviderError> {
        let request = self.client().await.get_secret_value().version_stage(label);
        self.get(at, request, Some(stage)).await
    }

    /// Makes the secret. Its first version is current, whatever is asked.
    pub(super) async fn create(
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

    pub(super) async fn put(
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
    pub(super) async fn relabel(
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
    pub(super) async fn replicas_follow(
        &self,
        at: &str,
        first: Replicas,
    ) -> Result<(), ProviderError> {
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

fn absent_is_none<T>(e: ProviderError) -> Result<Option<T>, ProviderError> {
    match e.kind {
        ErrorKind::NotFound => Ok(None),
        _ => Err(e),
    }
}
