//! The requests to Secrets Manager, one function each.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueFluentBuilder;
use aws_sdk_secretsmanager::primitives::Blob;
use keyrota_contract::{ErrorKind, Native, ProviderError, SecretValue, Stage, lag};
use uuid::Uuid;

use super::labels::{self, CURRENT, PREVIOUS, Replicas, Secret};
use super::wrote::Wrote;
use super::{
    NO_SUCH_VERSION, REPLICA_FAILED, SOFT_DELETED, STALE, SecretsManagerProvider, invalid,
};
use crate::config::load;
use crate::error::{Doing, classify, code};

/// How long replicas in other regions are waited for: with its calls a promote stays within the
/// time that keyrota gives an effect, and is repeated if that was not enough.
const REPLICAS_ASKED: u32 = 16;
const REPLICAS_PAUSE: Duration = Duration::from_millis(500);

type Found = Option<GetSecretValueOutput>;

/// Where in a secret its value is: readers look in one of the two only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `SecretString`.
    Text,
    /// `SecretBinary`.
    Bytes,
}

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
        let lags = |wrote: &Wrote, seen: &Option<Secret>| wrote.lags(seen.as_ref());
        let read = || self.look_once(path);
        self.wrote.shown(path, read, lags).await
    }

    async fn look_once(&self, path: &str) -> Result<Option<Secret>, ProviderError> {
        let request = self.client().await.describe_secret().secret_id(path);
        match request.send().await {
            Ok(found) if found.deleted_date().is_some() => Err(SOFT_DELETED),
            Ok(found) => Ok(Some(Secret::of(found))),
            Err(e) => absent_is_none(classify(Doing::Looking, &e)),
        }
    }

    /// The version that `request` asks for.
    async fn get(
        &self,
        path: &str,
        request: GetSecretValueFluentBuilder,
    ) -> Result<Option<GetSecretValueOutput>, ProviderError> {
        match request.secret_id(path).send().await {
            Ok(found) => {
                self.note_form(path, &found);
                Ok(Some(found))
            }
            Err(e) if code(&e) == Some("InvalidRequestException") => {
                let e = classify(Doing::Looking, &e);
                // Marked for deletion, or a version without a value: the description knows.
                self.look(path).await?;
                Err(e)
            }
            Err(e) => absent_is_none(classify(Doing::Looking, &e)),
        }
    }

    fn note_form(&self, path: &str, found: &GetSecretValueOutput) {
        let is_current = found.version_stages().iter().any(|label| label == CURRENT);
        if let (true, Some(version)) = (is_current, found.version_id()) {
            let form = match found.secret_string {
                Some(_) => Form::Text,
                None => Form::Bytes,
            };
            let mut forms = self.forms.lock().unwrap_or_else(|held| held.into_inner());
            forms.insert(path.to_owned(), (version.to_owned(), form));
        }
    }

    /// In which form the readers of a secret find its value; `None`: there is none yet.
    pub(super) async fn form(
        &self,
        at: &str,
        secret: &Secret,
    ) -> Result<Option<Form>, ProviderError> {
        let Some(current) = secret.at(Stage::Current) else {
            return Ok(None);
        };
        let seen = || {
            let forms = self.forms.lock().unwrap_or_else(|held| held.into_inner());
            let of_current = forms.get(at).filter(|(version, _)| version == current);
            of_current.map(|(_, form)| *form)
        };
        if let Some(form) = seen() {
            return Ok(Some(form));
        }
        self.get_stage(at, CURRENT, Stage::Current).await?;
        // An answer about another version is older than the description, or newer.
        seen().map(Some).ok_or(lag::LAGS)
    }

    pub(super) async fn get_version(
        &self,
        at: &str,
        id: &str,
    ) -> Result<Option<SecretValue>, ProviderError> {
        let client = self.client().await;
        let read = || self.get(at, client.get_secret_value().version_id(id));
        let lags = |wrote: &Wrote, found: &Found| match found {
            Some(found) => {
                let mut labels = found.version_stages().iter();
                labels.any(|label| wrote.was(label, Some(id)))
            }
            None => wrote.has_made(id),
        };
        value_of(self.wrote.shown(at, read, lags).await?, None)
    }

    pub(super) async fn get_stage(
        &self,
        at: &str,
        label: &str,
        stage: Stage,
    ) -> Result<Option<SecretValue>, ProviderError> {
        let client = self.client().await;
        let read = || self.get(at, client.get_secret_value().version_stage(label));
        let lags = |wrote: &Wrote, found: &Found| {
            wrote.was(label, found.as_ref().and_then(|found| found.version_id()))
        };
        value_of(self.wrote.shown(at, read, lags).await?, Some(stage))
    }

    /// Makes the secret. Its first version is current, whatever is asked.
    pub(super) async fn create(
        &self,
        at: &str,
        id: Uuid,
        value: &SecretValue,
    ) -> Result<Native, ProviderError> {
        let (text, bytes) = payload(value, None)?;
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
        let native = stored_as(id, made.version_id())?;
        self.wrote
            .note(at, |wrote| wrote.made(&native.0, CURRENT, None));
        Ok(native)
    }

    pub(super) async fn put(
        &self,
        at: &str,
        id: Uuid,
        value: &SecretValue,
        form: Option<Form>,
        (label, from): (&'static str, Option<&str>),
    ) -> Result<Native, ProviderError> {
        let (text, bytes) = payload(value, form)?;
        let request = self
            .client()
            .await
            .put_secret_value()
            .secret_id(at)
            .client_request_token(id.to_string())
            .version_stages(label)
            .set_secret_string(text)
            .set_secret_binary(bytes);
        let new = id.to_string();
        self.wrote
            .note(at, |wrote| wrote.begins(label, Some(new.as_str())));
        let put = request.send().await;
        let put = put.map_err(|e| classify(Doing::Changing, &e))?;
        let native = stored_as(id, put.version_id())?;
        self.wrote
            .note(at, |wrote| wrote.made(&native.0, label, from));
        Ok(native)
    }

    /// Moves a label: off `from`, onto `to`. Done already: done. `before` is the secret as it was.
    pub(super) async fn relabel(
        &self,
        at: &str,
        before: &Secret,
        label: &'static str,
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
        self.wrote.note(at, |wrote| {
            wrote.begins(label, to);
            if label == CURRENT {
                // AWS moves this one along.
                wrote.begins(PREVIOUS, from);
            }
        });
        if let Err(e) = request.send().await {
            if code(&e) != Some("InvalidParameterException") {
                return Err(classify(Doing::Changing, &e));
            }
            // The label is not where it was: this call's own earlier try, or somebody else. A look that
            // shows it there is older than this answer.
            let holds = |seen: &Option<Secret>| {
                let holder = seen.as_ref().and_then(|now| now.holder(label));
                holder == from && holder != to
            };
            let now = lag::shown(|| self.look(at), holds).await?.flatten();
            if now.ok_or(NO_SUCH_VERSION)?.holder(label) != to {
                return Err(STALE);
            }
        }
        self.wrote
            .note(at, |wrote| wrote.moved_of(before, label, from, to));
        Ok(())
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

/// A value in the form that its readers know. A first one is text where it can be, so that AWS' own programs
/// show it.
fn payload(
    value: &SecretValue,
    form: Option<Form>,
) -> Result<(Option<String>, Option<Blob>), ProviderError> {
    value.expose_to(|bytes| match (std::str::from_utf8(bytes), form) {
        (Ok(text), Some(Form::Text) | None) => Ok((Some(text.to_owned()), None)),
        (_, Some(Form::Bytes)) | (Err(_), None) => Ok((None, Some(Blob::new(bytes)))),
        (Err(_), Some(Form::Text)) => Err(invalid(
            "the secret holds text (SecretString), and the new value is none: its readers would find nothing; name another path",
        )),
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

/// The value, if its version has a role, and the one that was asked for.
fn value_of(found: Found, stage: Option<Stage>) -> Result<Option<SecretValue>, ProviderError> {
    let Some(found) = found else {
        return Ok(None);
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

fn absent_is_none<T>(e: ProviderError) -> Result<Option<T>, ProviderError> {
    match e.kind {
        ErrorKind::NotFound => Ok(None),
        _ => Err(e),
    }
}
