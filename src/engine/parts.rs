//! From the checked model to the things that act: the only place that knows every kind.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keyrota_contract::{
    Consumer, Native, Place, Provider, ProviderError, Public, Rotator, SecretValue, Stage, Version,
    VersionInfo, VersionRef,
};
use keyrota_rotation::Effect;

use super::copies::place::{self as copies, Copy};
use super::listeners;
use super::providers::Providers;
use super::remembered::Remembered;
use crate::config::model::{self, Environment, Secret};
use crate::config::registry::{BuildError, ConsumerFacts, Use};
use crate::rotators::published::Published;

/// One consumer of a secret.
pub struct Listener<'a> {
    /// Its name: stable as long as it is told in the same place.
    pub key: String,
    /// Whether a rotation waits for it.
    pub required: bool,
    /// A digest of how it is notified.
    pub definition: String,
    /// What its kind says of it.
    pub facts: &'a ConsumerFacts,
    /// The thing that tells it.
    pub told: Box<dyn Consumer>,
}

/// Everything that acts for one secret.
pub struct Parts<'a> {
    /// Where it is kept.
    pub place: Place,
    /// What keeps it.
    pub provider: Arc<dyn Provider>,
    /// What changes it.
    pub rotator: Box<dyn Rotator>,
    /// The places that follow it.
    pub copies: Vec<Copy<'a>>,
    /// Who is told, in the file's order.
    pub consumers: Vec<Listener<'a>>,
    /// Where its public key is seen by its verifiers.
    pub published: Option<Published>,
    /// The secrets that its rotation needs.
    used: Vec<Used>,
    /// What was read of it.
    remembered: Remembered,
    /// The longest call of the program that changes it.
    program: Option<Duration>,
}

/// What a rotator may take to end an earlier attempt, beyond what any effect may take.
const QUIET_MAX: Duration = Duration::from_secs(20);
/// What a copy may take beyond what any effect may take: it is looked at, written, made current, read.
const COPY_MAX: Duration = Duration::from_secs(30);
/// What ends a program by itself needs a moment for that.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// A secret that another one's rotation needs: where it is kept.
struct Used {
    secret: String,
    place: Place,
    provider: Arc<dyn Provider>,
    /// Its value, once it was read.
    value: OnceLock<SecretValue>,
}

impl<'a> Parts<'a> {
    /// Of one secret of `env`. No I/O.
    pub fn new(
        env: &Environment,
        secret: &'a Secret,
        providers: &Providers,
    ) -> Result<Self, BuildError> {
        let who = format!("secrets.{}", secret.name);
        let refused = |why| BuildError::Refused(who.clone(), why);
        let published = secret.facts.published.as_ref().map(|set| {
            Published::new(&set.url, set.ca_file.clone(), set.private)
                .map_err(|why| refused(why.sentence()))
        });
        let published = published.transpose()?;
        Ok(Self {
            place: place(secret),
            provider: providers.get(&secret.provider),
            rotator: secret.rotator(&env.name, providers.locks.as_deref())?,
            copies: copies::of(secret, providers),
            consumers: secret
                .consumers
                .iter()
                .map(|c| listener(c).map_err(refused))
                .collect::<Result<_, _>>()?,
            published,
            used: used(env, secret, providers),
            remembered: Remembered::default(),
            program: secret.facts.program,
        })
    }

    /// The secrets that its rotation needs, read once; one that has no value is left out. If one is
    /// changed meanwhile, the login with it fails, and the next try reads it again.
    pub async fn uses(&self) -> Result<BTreeMap<String, Version>, ProviderError> {
        let mut uses = BTreeMap::new();
        for used in &self.used {
            if used.value.get().is_none() {
                let current = VersionRef::Stage(Stage::Current);
                if let Some(value) = used.provider.read(&used.place, &current).await? {
                    used.value.get_or_init(|| value);
                }
            }
            if let Some(value) = used.value.get() {
                let version = Version {
                    id: None,
                    value: value.expose_to(SecretValue::copy_of),
                    public: Public::new(),
                };
                uses.insert(used.secret.clone(), version);
            }
        }
        Ok(uses)
    }

    /// Remembers what was just written and read back, or seen to be current.
    pub(super) fn remember(&self, native: &Native, value: &SecretValue) {
        if self.provider.capabilities().fixed_values {
            self.remembered.keep(native, None, value);
        }
    }

    /// One version with its value and its public parts; `None` if it does not exist.
    pub async fn version(&self, which: &VersionRef) -> Result<Option<Version>, ProviderError> {
        let all = self.provider.describe(&self.place).await?;
        self.load(&all, which).await
    }

    /// The same, of versions that were asked for already: a store far away is asked once for
    /// everything that is to be known of a place.
    pub async fn load(
        &self,
        all: &[VersionInfo],
        which: &VersionRef,
    ) -> Result<Option<Version>, ProviderError> {
        let info = find(all, which);
        let by = match (which, info) {
            // What holds a stage is always listed.
            (VersionRef::Stage(_), None) => return Ok(None),
            // Stores find a version by its id more easily than a candidate by its stage.
            (VersionRef::Stage(Stage::Pending), Some(VersionInfo { ours: Some(id), .. })) => {
                &VersionRef::Ours(*id)
            }
            _ => which,
        };
        let fixed = info.filter(|_| self.provider.capabilities().fixed_values);
        let value = match fixed.and_then(|info| self.remembered.value(info)) {
            Some(value) => value,
            None => {
                let Some(value) = self.provider.read(&self.place, by).await? else {
                    return Ok(None);
                };
                // Whoever writes between look and read puts a newer value under the older name;
                // no promote from that name succeeds any more.
                if let Some(info) = fixed {
                    self.remembered.keep(&info.native, info.created, &value);
                }
                value
            }
        };
        let stored = info.map(|i| i.public.clone()).unwrap_or_default();
        let public = self.rotator.public(&value, &stored);
        Ok(Some(Version {
            id: info.and_then(|i| i.ours),
            value,
            public,
        }))
    }

    /// What readers are shown: the current version, and pending if there is one, else previous.
    pub async fn shown(&self) -> Result<(Option<Version>, Option<Version>), ProviderError> {
        let all = self.provider.describe(&self.place).await?;
        let at = async |stage| self.load(&all, &VersionRef::Stage(stage)).await;
        let current = at(Stage::Current).await?;
        let fallback = match at(Stage::Pending).await? {
            Some(pending) => Some(pending),
            None => at(Stage::Previous).await?,
        };
        Ok((current, fallback))
    }

    /// How much longer than others this effect may take.
    pub fn patience(&self, effect: &Effect) -> Duration {
        let Effect::Deliver { listener, .. } = effect else {
            return match (effect, self.program) {
                // A session that waits for a standby is given time to end.
                (Effect::Quiesce, None) => QUIET_MAX,
                (_, None)
                | (
                    Effect::Create | Effect::Promote | Effect::ObserveCurrent | Effect::Destroy(_),
                    _,
                ) => Duration::ZERO,
                (Effect::Preflight, Some(timeout)) => {
                    timeout.saturating_add(LAST_MOMENT).saturating_mul(4)
                }
                // It looks at the current value first.
                (Effect::Refuse(_), Some(timeout)) => {
                    timeout.saturating_add(LAST_MOMENT).saturating_mul(2)
                }
                (_, Some(timeout)) => timeout.saturating_add(LAST_MOMENT),
            };
        };
        if self.copies.iter().any(|c| c.key == *listener) {
            // Another store, with limits of its own for each of several calls.
            return COPY_MAX;
        }
        let consumer = self.consumers.iter().find(|c| c.key == *listener);
        let limit = consumer.and_then(|c| c.facts.time_limit);
        limit.map_or(Duration::ZERO, |limit| limit.saturating_add(LAST_MOMENT))
    }
}

/// Why what is current must not be adopted or written over.
pub(super) fn flaw(all: &[VersionInfo]) -> Option<&'static str> {
    find(all, &VersionRef::Stage(Stage::Current)).and_then(|v| v.flaw)
}

fn find<'v>(all: &'v [VersionInfo], which: &VersionRef) -> Option<&'v VersionInfo> {
    all.iter().find(|v| match which {
        VersionRef::Ours(id) => v.ours == Some(*id),
        VersionRef::Stage(stage) => v.stages.contains(stage),
        VersionRef::Native(native) => v.native == *native,
    })
}

fn place(secret: &Secret) -> Place {
    Place {
        path: secret.path.clone(),
        field: secret.field.clone(),
    }
}

fn used(env: &Environment, secret: &Secret, providers: &Providers) -> Vec<Used> {
    let named = |used: &Use| env.secrets.iter().find(|s| s.name == used.secret);
    let used = secret.facts.uses.iter().filter_map(named);
    used.map(|used| Used {
        secret: used.name.clone(),
        place: place(used),
        provider: providers.get(&used.provider),
        value: OnceLock::new(),
    })
    .collect()
}

fn listener<'a>(consumer: &'a model::Consumer) -> Result<Listener<'a>, &'static str> {
    Ok(Listener {
        key: consumer.key(),
        required: consumer.required,
        definition: listeners::definition(consumer),
        facts: &consumer.facts,
        told: consumer.settings.build()?,
    })
}
