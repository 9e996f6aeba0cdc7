//! The requests to Parameter Store, one function each.

use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use keyrota_contract::{ErrorKind, ProviderError, SecretValue};

use super::description::Description;
use super::history::{self, DESTROYED, History, Version};
use super::{NOT_TEXT, SsmProvider, Tier, invalid, sibling_of};
use crate::config::load;
use crate::error::{Doing, classify, code};

/// A put waits so long for its turn at most; then it is told to come back.
const TURN_MAX: Duration = Duration::from_secs(8);

impl SsmProvider {
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

    pub(super) async fn history(&self, name: &str) -> Result<History, ProviderError> {
        History::read(self.client().await, name, false).await
    }

    /// The candidate's parameter, with its values: they come with the ids, in one answer.
    pub(super) async fn sibling(&self, name: &str) -> Result<History, ProviderError> {
        History::read(self.client().await, &sibling_of(name), true).await
    }

    pub(super) async fn get(&self, selector: &str) -> Result<Option<SecretValue>, ProviderError> {
        let request = self.client().await.get_parameter().name(selector);
        match request.with_decryption(true).send().await {
            Ok(found) => {
                let value = found.parameter.and_then(|p| p.value);
                let value = value.ok_or(invalid("AWS answers with a parameter without a value"))?;
                Ok(Some(SecretValue::new(value.into_bytes())))
            }
            Err(e) => match classify(Doing::Looking, &e) {
                e if e.kind == ErrorKind::NotFound => Ok(None),
                e => Err(e),
            },
        }
    }

    pub(super) async fn get_version(
        &self,
        name: &str,
        version: &Version,
    ) -> Result<Option<SecretValue>, ProviderError> {
        self.get(&format!("{name}:{}", version.number)).await
    }

    /// Puts a new version, which looks like the one `over` which it is put, and says its number.
    pub(super) async fn put(
        &self,
        name: &str,
        value: &SecretValue,
        description: &Description,
        like: Option<&Version>,
        overwrite: bool,
    ) -> Result<i64, ProviderError> {
        let text = value.expose_to(|bytes| std::str::from_utf8(bytes).map(str::to_owned));
        let text = text.map_err(|_| NOT_TEXT)?;
        // What a put leaves out falls back to AWS' defaults: another key, the smaller tier.
        let key = self.config.kms_key_id.clone();
        let key = key.or_else(|| like.and_then(|v| v.key.clone()));
        let advanced = self.tier == Tier::Advanced || like.is_some_and(|v| v.advanced);
        let client = self.client().await;
        self.wait_for_turn().await?;
        let request = client
            .put_parameter()
            .name(name)
            .value(text)
            .description(description.to_text())
            .r#type(ParameterType::SecureString)
            .overwrite(overwrite)
            .set_key_id(key)
            .set_allowed_pattern(like.and_then(|v| v.allowed_pattern.clone()))
            .set_tier(advanced.then_some(ParameterTier::Advanced));
        let put = request.send().await;
        Ok(put.map_err(|e| classify(Doing::Changing, &e))?.version())
    }

    pub(super) async fn wait_for_turn(&self) -> Result<(), ProviderError> {
        let turn = self
            .limiter
            .lock()
            .unwrap_or_else(|held| held.into_inner())
            .turn(self.began.elapsed(), TURN_MAX);
        let wait = turn.ok_or(ProviderError::new(
            ErrorKind::Throttled,
            "too many parameters are to be written at once",
        ))?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    pub(super) async fn delete_sibling(&self, name: &str) -> Result<(), ProviderError> {
        let request = self
            .client()
            .await
            .delete_parameter()
            .name(sibling_of(name));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(e) => match classify(Doing::Changing, &e) {
                e if e.kind == ErrorKind::NotFound => Ok(()),
                e => Err(e),
            },
        }
    }

    /// Ends the role of a version and of all before it.
    pub(super) async fn mark_destroyed(
        &self,
        name: &str,
        version: &Version,
    ) -> Result<(), ProviderError> {
        let request = self.client().await.label_parameter_version();
        let request = request.name(name).parameter_version(version.number);
        let labelled = request.labels(DESTROYED).send().await;
        let labelled = labelled.map_err(|e| classify(Doing::Changing, &e))?;
        match labelled.invalid_labels().is_empty() {
            true => Ok(()),
            false => Err(invalid("Parameter Store does not take keyrota's label")),
        }
    }

    /// The oldest of a hundred versions cannot be dropped while it carries a label. Ours is not
    /// needed any more once the version after it has become previous.
    pub(super) async fn free_the_window(
        &self,
        name: &str,
        named: &History,
    ) -> Result<(), ProviderError> {
        let oldest = named.versions.first().map_or(0, |v| v.number);
        let full = named.versions.len() >= history::WINDOW;
        if !full || named.destroyed_up_to() != oldest {
            return Ok(());
        }
        let request = self.client().await.unlabel_parameter_version();
        let request = request.name(name).parameter_version(oldest);
        match request.labels(DESTROYED).send().await {
            Ok(_) => Ok(()),
            Err(e) if code(&e) == Some("ParameterVersionNotFound") => Ok(()),
            Err(e) => Err(classify(Doing::Changing, &e)),
        }
    }
}
