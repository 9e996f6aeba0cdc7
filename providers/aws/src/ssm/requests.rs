//! The requests to Parameter Store, one function each.

use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use keyrota_contract::{ErrorKind, ProviderError, SecretValue, lag};

use super::description::Description;
use super::history::{self, DESTROYED, History, Slots, Version};
use super::wrote::{self, Wrote};
use super::{NOT_TEXT, SsmProvider, Tier, invalid, sibling_of};
use crate::config::load;
use crate::error::{Doing, classify, code};

/// A put waits so long for its turn at most; then it is told to come back.
const TURN_MAX: Duration = Duration::from_secs(8);

/// A value with its version's number; `None` if it is not there.
type Found = Option<(i64, SecretValue)>;

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
        self.history_with(name, false).await
    }

    async fn history_with(&self, name: &str, values: bool) -> Result<History, ProviderError> {
        let client = self.client().await;
        let read = || History::read(client, name, values);
        self.wrote.shown(name, read, Wrote::lags).await
    }

    /// The candidate's parameter, with its values: they come with the ids, in one answer.
    pub(super) async fn sibling(&self, name: &str) -> Result<History, ProviderError> {
        self.history_with(&sibling_of(name), true).await
    }

    /// What readers get.
    pub(super) async fn get(&self, name: &str) -> Result<Option<SecretValue>, ProviderError> {
        let read = || self.get_once(name);
        let lags = |wrote: &Wrote, found: &Found| {
            wrote.lags_behind(found.as_ref().map_or(0, |(number, _)| *number))
        };
        let found = self.wrote.shown(name, read, lags).await?;
        Ok(found.map(|(_, value)| value))
    }

    pub(super) async fn get_version(
        &self,
        name: &str,
        version: &Version,
    ) -> Result<Option<SecretValue>, ProviderError> {
        let selector = format!("{name}:{}", version.number);
        let read = || self.get_once(&selector);
        // The history shows it, so this answer is from before.
        let lags = |wrote: &Wrote, found: &Found| found.is_none() && wrote.has_put();
        let found = self.wrote.shown(name, read, lags).await?;
        Ok(found.map(|(_, value)| value))
    }

    async fn get_once(&self, selector: &str) -> Result<Found, ProviderError> {
        let request = self.client().await.get_parameter().name(selector);
        match request.with_decryption(true).send().await {
            Ok(found) => {
                let number = found.parameter.as_ref().map_or(0, |p| p.version);
                let value = found.parameter.and_then(|p| p.value);
                let value = value.ok_or(invalid("AWS answers with a parameter without a value"))?;
                Ok(Some((number, SecretValue::new(value.into_bytes()))))
            }
            Err(e) => match classify(Doing::Looking, &e) {
                e if e.kind == ErrorKind::NotFound => Ok(None),
                e => Err(e),
            },
        }
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

    /// Puts what readers use.
    pub(super) async fn put_named(
        &self,
        name: &str,
        value: &SecretValue,
        description: &Description,
        over: Option<&Version>,
    ) -> Result<i64, ProviderError> {
        let put = self.put(name, value, description, over, over.is_some());
        let number = put.await?;
        self.wrote.note(name, |wrote| wrote.put(number));
        Ok(number)
    }

    /// Writes the candidate's parameter, over another candidate of keyrota's or where there is none.
    pub(super) async fn put_pending(
        &self,
        name: &str,
        value: &SecretValue,
        description: &Description,
        slots: &Slots,
    ) -> Result<(), ProviderError> {
        let (there, like) = (slots.pending.latest(), slots.named.latest());
        let sibling = sibling_of(name);
        let id = description.id;
        self.wrote.note(&sibling, |wrote| wrote.begins(id));
        let put = self.put(&sibling, value, description, like, there.is_some());
        let now = Some((put.await?, description.id));
        let before = wrote::state(there);
        self.wrote
            .note(&sibling, |wrote| wrote.replaced(before, now));
        Ok(())
    }

    /// The candidate's parameter, which AWS has just said to be there.
    pub(super) async fn existing_sibling(&self, name: &str) -> Result<History, ProviderError> {
        let read = || self.sibling(name);
        let there = lag::shown(read, |history| history.latest().is_none()).await?;
        Ok(there.unwrap_or_default())
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

    pub(super) async fn delete_sibling(
        &self,
        name: &str,
        there: &Version,
    ) -> Result<(), ProviderError> {
        let sibling = sibling_of(name);
        self.wrote.note(&sibling, |wrote| wrote.begins(None));
        let request = self.client().await.delete_parameter().name(&sibling);
        if let Err(e) = request.send().await {
            match classify(Doing::Changing, &e) {
                e if e.kind == ErrorKind::NotFound => {}
                e => return Err(e),
            }
        }
        let before = wrote::state(Some(there));
        self.wrote
            .note(&sibling, |wrote| wrote.replaced(before, None));
        Ok(())
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
            true => {
                let number = version.number;
                self.wrote.note(name, |wrote| wrote.marked(number));
                Ok(())
            }
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
        self.wrote.note(name, |wrote| wrote.unmarked(oldest));
        match request.labels(DESTROYED).send().await {
            Ok(_) => Ok(()),
            Err(e) if code(&e) == Some("ParameterVersionNotFound") => Ok(()),
            Err(e) => Err(classify(Doing::Changing, &e)),
        }
    }
}
