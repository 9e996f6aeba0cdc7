//! The provider `aws-ssm`: one SecureString per place in Systems Manager Parameter Store.
//!
//! ```text
//! NAME                    what readers use; its older versions are the store's history
//! NAME/.keyrota/pending   the candidate, a SecureString of its own
//! ```
//!
//! Our id stands in each version's `Description`, behind whatever a person wrote there. Parameter
//! Store has no compare-and-set: a promote looks, puts, and compares the version number it is told.
//! Whether the number is the next one shows afterwards whether somebody else wrote in between, and
//! then both values are in the history.
//!
//! No version can be erased alone. What is destroyed is marked with the label `keyrota-destroyed`,
//! on the newest such version: that one and all before it count as absent.

use std::sync::Mutex;

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use keyrota_contract::{
    Capabilities, ErrorKind, Native, Place, Promote, Provider, ProviderError, Public, Recalled,
    SecretValue, Stage, VersionInfo, VersionRef, Written,
};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::{AwsConfig, Given};
use crate::error::{conflict, invalid};

mod description;
mod history;
mod limiter;
mod preflight;
mod requests;
mod wrote;
use description::Description;
use history::{History, Slots, Version};
use limiter::Limiter;
use wrote::Wrote;

/// What every parameter can do; [`Tier::Advanced`] takes larger values.
pub const CAPABILITIES: Capabilities = Capabilities {
    promote: Promote::DetectAfter,
    keeps_previous: true,
    value_bytes_max: Tier::Standard.value_bytes_max(),
    binary: false,
    public_parts: true,
    first_is_current: false,
    fixed_values: true,
    reads_lag: true,
    removes: false,
};

/// How many parameters AWS lets one account put in a second and region, unless it is asked for more.
pub const WRITES_PER_SECOND: u32 = 3;

/// The kinds of parameters, which differ in size and price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tier {
    /// 4 KiB, without charge.
    #[default]
    Standard,
    /// 8 KiB, charged by the month. A parameter never goes back.
    Advanced,
}

impl Tier {
    /// The largest value.
    pub const fn value_bytes_max(self) -> usize {
        match self {
            Self::Standard => 4_096,
            Self::Advanced => 8_192,
        }
    }
}

/// What is special to Parameter Store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SsmConfig {
    /// What a parameter that is made or overwritten has at least.
    pub tier: Tier,
    /// How many puts a second: [`WRITES_PER_SECOND`], or what AWS has granted.
    pub writes_per_second: u32,
}

impl Default for SsmConfig {
    fn default() -> Self {
        Self {
            tier: Tier::default(),
            writes_per_second: WRITES_PER_SECOND,
        }
    }
}

/// Keeps values in AWS Systems Manager Parameter Store.
pub struct SsmProvider {
    config: AwsConfig,
    tier: Tier,
    given: Given,
    client: OnceCell<Client>,
    limiter: Mutex<Limiter>,
    wrote: Written<Wrote>,
    began: Instant,
}

impl SsmProvider {
    /// One for a region and whoever asks. No I/O: the first call reads the environment and the
    /// shared configuration files.
    pub fn new(config: AwsConfig, ssm: SsmConfig) -> Self {
        Self {
            config,
            tier: ssm.tier,
            given: Given::default(),
            client: OnceCell::new(),
            limiter: Mutex::new(Limiter::new(ssm.writes_per_second)),
            wrote: Written::default(),
            began: Instant::now(),
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

    async fn look(&self, name: &str) -> Result<Slots, ProviderError> {
        Ok(Slots {
            pending: self.sibling(name).await?,
            // Last: a promote that ends in between is seen.
            named: self.history(name).await?,
        })
    }

    /// After a promote: whether only keyrota wrote between `from` and now. The number of the put,
    /// if this call did it, mostly says so at once.
    async fn detect(
        &self,
        name: &str,
        to: Uuid,
        from: Option<&Native>,
        now: i64,
    ) -> Result<bool, ProviderError> {
        let Some(from) = from.map_or(Some(0), |n| n.0.parse::<i64>().ok()) else {
            return Ok(true);
        };
        let between = now.saturating_sub(from).saturating_sub(1);
        if between <= 0 {
            return Ok(true);
        }
        // Another try of ours may have come late; anything else in between is somebody else's.
        let named = self.history(name).await?;
        let others = named.versions.iter();
        let others = others.filter(|v| v.number > from && v.number < now);
        let known = i64::try_from(others.clone().count());
        Ok(known == Ok(between) && others.into_iter().all(|v| v.description.id == Some(to)))
    }
}

#[async_trait]
impl Provider for SsmProvider {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            value_bytes_max: self.tier.value_bytes_max(),
            ..CAPABILITIES
        }
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let name = name_of(at)?;
        let slots = self.look(&name).await?;
        self.may_rotate(&name, &slots).await?;
        Ok(slots.infos())
    }

    fn recall(&self, at: &Place, wrote: Recalled<'_>) {
        let Ok(name) = name_of(at) else { return };
        match wrote {
            Recalled::Candidate(id) => self.wrote.note(&sibling_of(&name), |w| w.expects(id)),
            Recalled::Current { native, .. } => {
                if let Ok(number) = native.0.parse() {
                    self.wrote.note(&name, |w| w.put(number));
                }
            }
        }
    }

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        Ok(self.look(&name_of(at)?).await?.infos())
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        let name = name_of(at)?;
        if *v == VersionRef::Stage(Stage::Current) {
            return self.get(&name).await;
        }
        let slots = match v {
            VersionRef::Stage(Stage::Previous) | VersionRef::Native(_)
                if !history::names_pending(v) =>
            {
                Slots {
                    pending: History::default(),
                    named: self.history(&name).await?,
                }
            }
            _ => {
                let pending = self.sibling(&name).await?;
                let candidate = pending.latest();
                let ours = candidate.and_then(|v| v.description.id);
                match v {
                    // An id means one value, wherever it stands.
                    VersionRef::Ours(id) if ours == Some(*id) => {
                        return Ok(candidate.and_then(Version::value));
                    }
                    VersionRef::Stage(Stage::Pending) if candidate.is_none() => return Ok(None),
                    _ => {}
                }
                Slots {
                    pending,
                    named: self.history(&name).await?,
                }
            }
        };
        match slots.find(v) {
            None => Ok(None),
            Some((Stage::Pending, version)) => Ok(version.value()),
            Some((_, version)) => self.get_version(&name, version).await,
        }
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError> {
        let name = name_of(at)?;
        self.refuse_unkeepable(value)?;
        let slots = self.look(&name).await?;
        slots.refuse_others()?;
        let user_text = slots.named.latest().map(|v| v.description.text.clone());
        let description = Description::new(user_text, id, public).ok_or(invalid(
            "the public parts are larger than a parameter's description takes",
        ))?;
        let native = Native(history::pending_native(id));
        if let Some((stage, there)) = slots.find(&VersionRef::Ours(id)) {
            let stands = match stage {
                Stage::Pending => there.value(),
                _ => self.get_version(&name, there).await?,
            };
            let same = stands.is_some_and(|stands| stands.same_as(value));
            return match (same, stage) {
                (false, _) => Err(conflict("this version id has another value already")),
                (true, Stage::Pending) => Ok(native),
                (true, _) => Ok(Native(there.number.to_string())),
            };
        }
        let put = self.put_pending(&name, value, &description, &slots).await;
        let Err(e) = put else {
            return Ok(native);
        };
        if e.kind != ErrorKind::Conflict {
            return Err(e);
        }
        // Made in between: by an earlier try that came late, or by somebody else.
        let now = self.existing_sibling(&name).await?;
        let same = |v: &Version| {
            v.description.id == Some(id) && v.value().is_some_and(|there| there.same_as(value))
        };
        now.latest().is_some_and(same).then_some(native).ok_or(e)
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        let name = name_of(at)?;
        let slots = self.look(&name).await?;
        let candidate = slots.pending.latest();
        let candidate = candidate.filter(|v| v.description.id == Some(to));
        let current = slots.named.latest();
        let number = match (current, candidate) {
            (Some(current), None) if current.description.id == Some(to) => {
                return Ok(Native(current.number.to_string()));
            }
            // Put already, and not yet compared.
            (Some(current), Some(_)) if current.description.id == Some(to) => current.number,
            (_, None) => {
                return Err(ProviderError::new(
                    ErrorKind::NotFound,
                    "no such version to promote",
                ));
            }
            (current, Some(candidate)) => {
                let now = current.map(|v| Native(v.number.to_string()));
                if now.as_ref() != from {
                    return Err(STALE);
                }
                slots.refuse_others()?;
                let value = candidate
                    .value()
                    .ok_or(invalid("the candidate has no value"))?;
                self.free_the_window(&name, &slots.named).await?;
                let description = &candidate.description;
                self.put_named(&name, &value, description, current).await?
            }
        };
        let alone = self.detect(&name, to, from, number).await;
        let alone = alone.map_err(ProviderError::after_effect)?;
        // The candidate goes in any case: its value is current, and a repetition is not told again.
        if let Some(candidate) = candidate {
            let deleted = self.delete_sibling(&name, candidate).await;
            deleted.map_err(ProviderError::after_effect)?;
        }
        match alone {
            true => Ok(Native(number.to_string())),
            false => Err(conflict(
                "another tool wrote the parameter at the same moment; both values are in its history, and that of keyrota is current",
            )),
        }
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        let name = name_of(at)?;
        let slots = Slots {
            // Without values: whoever may not open them may still take them away.
            pending: self.history(&sibling_of(&name)).await?,
            named: self.history(&name).await?,
        };
        match slots.find(v) {
            None => Ok(()),
            Some((Stage::Current, _)) => Err(conflict("the current version is not destroyed")),
            Some((Stage::Pending, version)) => match version.description.id {
                Some(_) => self.delete_sibling(&name, version).await,
                None => Err(history::FOREIGN_PENDING),
            },
            Some((Stage::Previous, version)) => self.mark_destroyed(&name, version).await,
        }
    }
}

impl SsmProvider {
    fn refuse_unkeepable(&self, value: &SecretValue) -> Result<(), ProviderError> {
        if !value.fits(self.tier.value_bytes_max()) {
            return Err(invalid(match self.tier {
                Tier::Standard => {
                    "the value is larger than 4,096 bytes (`tier = \"advanced\"` takes 8,192)"
                }
                Tier::Advanced => "the value is larger than 8,192 bytes",
            }));
        }
        if !value.is_text() {
            return Err(NOT_TEXT);
        }
        match value.fits(0) {
            true => Err(invalid("Parameter Store does not keep an empty value")),
            false => Ok(()),
        }
    }
}

/// A parameter's full name: AWS takes a name with levels only with a slash before the first.
fn name_of(at: &Place) -> Result<String, ProviderError> {
    match at.field {
        Some(_) => Err(invalid(
            "keyrota keeps one value per parameter: remove `field`",
        )),
        None => Ok(full_name(&at.path)),
    }
}

/// `a/b` as AWS wants it, `/a/b`.
pub fn full_name(path: &str) -> String {
    match path.contains('/') && !path.starts_with('/') {
        true => format!("/{path}"),
        false => path.to_owned(),
    }
}

fn sibling_of(name: &str) -> String {
    format!("/{}/.keyrota/pending", name.trim_start_matches('/'))
}

/// Where nothing ever stands: the right to delete is asked for here, so that an answer that comes
/// late can take no candidate away.
fn nothing_of(name: &str) -> String {
    format!("/{}/.keyrota/nothing", name.trim_start_matches('/'))
}

const STALE: ProviderError = conflict("another version is current than the one expected");
const NOT_TEXT: ProviderError =
    invalid("Parameter Store keeps text only, and the value is not UTF-8");

#[cfg(test)]
mod tests;
