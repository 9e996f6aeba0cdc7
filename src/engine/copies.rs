//! Copies: further places that follow a secret, and the place of its fallback.
//!
//! To the machine a copy is a listener like any other, told before the consumers and always waited
//! for; here it is a place of a provider, written as the secret itself is: a version as pending,
//! then a compare-and-set. What somebody else wrote there is told and in the audit log before it is
//! written over.

mod write;

use std::sync::Arc;

use keyrota_contract::{
    ErrorKind, Material, Native, Place, Provider, ProviderError, SecretValue, Stage, Version,
    VersionInfo, VersionRef,
};
use keyrota_rotation::{Phase, Reply, Round};
use uuid::Uuid;

use super::exposure;
use super::parts::flaw;
use super::perform::Job;
use super::performed::{Learnt, Performed};
use super::providers::Providers;
use crate::audit::{self, Actor, NewEntry};
use crate::config::model::{Environment, Kept, PlaceRole, Secret, Template};
use crate::state::{self, Change};
use write::is_of;

/// How the text begins that stands at `fallback_path` while there is no fallback. No encoding of a
/// key has a colon, so no reader takes it for one; what follows nobody can guess, so that nothing
/// can be forged where one does.
pub const FILLER: &str = "keyrota:no-key:";

/// A place that follows a secret.
pub struct Copy<'a> {
    /// Its name as a listener: stable as long as it is in the same place.
    pub key: String,
    /// Where it is.
    pub place: Place,
    /// What keeps it.
    pub provider: Arc<dyn Provider>,
    shows: Shows<'a>,
}

/// What stands there.
enum Shows<'a> {
    /// This of the current version.
    Current(&'a Template),
    /// Pending if there is one, else previous, else a filler; or nothing, if it is to `omit` that.
    Fallback { omit: bool },
}

/// What stands for the fingerprint of nothing.
pub(super) const ABSENT: &str = "absent";

/// A secret's copies as listeners, in the order in which they are notified: the key, and what the
/// copy shows where. The key has the provider's name only, and the schedule may lead that to
/// another store.
pub(super) fn listeners<'a>(
    env: &'a Environment,
    secret: &'a Secret,
) -> impl Iterator<Item = (String, String)> + 'a {
    secret.places().filter_map(|kept| {
        let shows = match kept.role {
            PlaceRole::Own => return None,
            PlaceRole::Fallback => format!("{:?}", secret.fallback.as_ref().map(|f| f.omit)),
            PlaceRole::Copy(n) => format!("{:?}", secret.copies.get(n).map(|c| &c.render)),
        };
        let provider = env.providers.iter().find(|p| p.name == kept.provider);
        let place = provider.map(|p| (p.kind.word, p.settings.place(kept.path)));
        Some((key(&kept), format!("{shows} {place:?}")))
    })
}

/// The keys of those listeners.
pub fn keys(secret: &Secret) -> impl Iterator<Item = String> {
    let copies = secret
        .places()
        .filter(|kept| !matches!(kept.role, PlaceRole::Own));
    copies.map(|kept| key(&kept))
}

/// The places that follow `secret`. No I/O.
pub fn of<'a>(secret: &'a Secret, providers: &Providers) -> Vec<Copy<'a>> {
    let places = secret.places();
    let shown = places.filter_map(|kept| match kept.role {
        PlaceRole::Own => None,
        PlaceRole::Fallback => {
            let omit = secret.fallback.as_ref()?.omit;
            Some((kept, Shows::Fallback { omit }))
        }
        PlaceRole::Copy(n) => Some((kept, Shows::Current(&secret.copies.get(n)?.render))),
    });
    shown
        .map(|(kept, shows)| Copy {
            key: key(&kept),
            place: Place {
                path: kept.path.to_owned(),
                field: kept.field.map(str::to_owned),
            },
            provider: providers.get(kept.provider),
            shows,
        })
        .collect()
}

fn key(kept: &Kept<'_>) -> String {
    let word = match kept.role {
        PlaceRole::Fallback => "fallback",
        PlaceRole::Own | PlaceRole::Copy(_) => "copy",
    };
    let field = kept.field.map(|field| format!(" {field}"));
    let (provider, path) = (kept.provider, kept.path);
    format!("{word}:{provider}:{path}{}", field.unwrap_or_default())
}

/// What is current at the place of a copy.
pub(super) struct Found {
    pub native: Native,
    ours: Option<Uuid>,
    pub value: SecretValue,
}

impl Job<'_> {
    /// Whether every copy could be written; nothing is.
    pub(super) async fn copies_ready(&self, material: &Material) -> Result<(), Performed> {
        for copy in &self.parts.copies {
            let versions = copy.provider.preflight(&copy.place).await?;
            let foreign = |v: &VersionInfo| v.stages.contains(&Stage::Pending) && v.ours.is_none();
            if versions.iter().any(foreign) {
                return Err(Performed::failed(
                    Reply::Refused,
                    "somebody else's pending version stands at the place of a copy: a rotation by other means may be under way",
                ));
            }
            if let Some(flaw) = flaw(&versions) {
                return Err(Performed::failed(Reply::Refused, flaw));
            }
            if let (Shows::Current(template), Some(current)) = (&copy.shows, &material.current) {
                exposure::render(template, current).map_err(|_| no_field())?;
            }
            if let Some(found) = copy.found(&versions).await? {
                self.refuse_unknown(copy, &found, material).await?;
            }
        }
        Ok(())
    }

    /// Makes a copy what it has to be in this round.
    pub(super) async fn tell_copy(
        &self,
        round: Round,
        copy: &Copy<'_>,
    ) -> Result<Performed, Performed> {
        if round == Round::Announce && matches!(copy.shows, Shows::Current(_)) {
            // Nothing that it shows changes before the switch.
            return Ok(Performed::done(Learnt::Nothing));
        }
        let material = self.material().await?;
        let wanted = self.wanted(round, copy, &material)?;
        let versions = copy.provider.describe(&copy.place).await?;
        let found = copy.found(&versions).await?;
        if !is_as_wanted(found.as_ref(), wanted.as_ref()) {
            if let Some(found) = &found {
                self.refuse_unknown(copy, found, &material).await?;
                self.tell_drift(round, copy, found).await?;
            }
            self.make_copy(copy, found.map(|f| f.native), wanted.as_ref())
                .await?;
        }
        if wanted.is_none() {
            self.end_candidate(copy).await?;
        }
        let retires = matches!(self.journal.machine.phase, Phase::Retire(_));
        if retires || matches!(copy.shows, Shows::Fallback { .. }) {
            self.end_previous(copy, retires.then_some(&material))
                .await?;
        }
        Ok(Performed::done(Learnt::Acknowledged {
            consumer: copy.key.clone(),
            round,
            exposure_fp: self.copy_print(copy, wanted.as_ref()),
        }))
    }

    /// What has to stand at a copy in this round; `None`: nothing.
    fn wanted(
        &self,
        round: Round,
        copy: &Copy<'_>,
        m: &Material,
    ) -> Result<Option<SecretValue>, Performed> {
        let (Shows::Current(template), Some(current)) = (&copy.shows, &m.current) else {
            let fallback = match (&copy.shows, round) {
                (Shows::Current(_), _) => {
                    return Err(Performed::failed(
                        Reply::Retry,
                        "the secret has no current value that a copy could follow",
                    ));
                }
                (Shows::Fallback { .. }, Round::Announce) => m.pending.as_ref(),
                (Shows::Fallback { .. }, Round::Switch) => m.previous.as_ref(),
                (Shows::Fallback { .. }, Round::Withdraw) => None,
            };
            return Ok(match fallback {
                Some(version) => Some(version.value.expose_to(SecretValue::copy_of)),
                None => self.filler(copy, self.id),
            });
        };
        let text = exposure::render(template, current).map_err(|_| no_field())?;
        Ok(Some(text))
    }

    /// The same for every try of one rotation; without the host's seed nobody can work it out.
    /// `None` where nothing is to stand there.
    pub(super) fn filler(&self, copy: &Copy<'_>, rotation: Uuid) -> Option<SecretValue> {
        if matches!(copy.shows, Shows::Fallback { omit: true }) {
            return None;
        }
        let seed = SecretValue::copy_of(rotation.as_bytes());
        let name = format!("{}\0{}\0filler", self.secret.name, copy.key);
        let drawn = self
            .engine
            .keys
            .fingerprint(&self.engine.env.name, &name, &seed);
        let random = drawn.rsplit(':').next().unwrap_or_default();
        Some(SecretValue::new(format!("{FILLER}{random}").into_bytes()))
    }

    /// A place that keyrota never wrote is not written over, unless it holds what it would hold: it
    /// may be there by a mistake in the file.
    async fn refuse_unknown(
        &self,
        copy: &Copy<'_>,
        found: &Found,
        m: &Material,
    ) -> Result<(), Performed> {
        if found.ours.is_some() || self.copy_seen(copy).await?.is_some() {
            return Ok(());
        }
        let mut known = [&m.current, &m.previous, &m.pending].into_iter().flatten();
        match known.any(|version| copy.shows_of(version, &found.value)) {
            true => Ok(()),
            false => Err(Performed::failed(
                Reply::Refused,
                "the place of a copy holds a value that keyrota never wrote: is the path right? remove what stands there, or put the current value there",
            )),
        }
    }

    /// Somebody else wrote there since keyrota last did: told, and in the log, before anything is
    /// written over it; and once, also after a crash.
    async fn tell_drift(
        &self,
        round: Round,
        copy: &Copy<'_>,
        found: &Found,
    ) -> Result<(), Performed> {
        let print = self.copy_print(copy, Some(&found.value));
        let known = self.copy_seen(copy).await?;
        // A version of this rotation that an earlier process made and could not write down.
        let unrecorded = matches!(copy.shows, Shows::Fallback { .. })
            && found.ours.is_some_and(|id| is_of(id, self.id));
        if known.is_none() || known.as_ref() == Some(&print) || unrecorded {
            return Ok(());
        }
        tracing::warn!(
            secret = %self.secret.name,
            copy = %copy.key,
            "a copy was written by somebody else since keyrota last did: it is set right again"
        );
        let engine = self.engine;
        let mut object = super::entries::object(&engine.env.name, self.secret);
        object.path = Some(copy.place.path.clone());
        let entry = NewEntry::new("drift.detected", audit::Phase::Observation, Actor::system())
            .object(object)
            .rotation(self.id)
            .before(None, known)
            .after(Some(found.native.0.clone()), Some(print.clone()))
            .detail("copy", copy.key.as_str());
        let seen = Change::PutDelivery(state::Acknowledged {
            env: engine.env.name.clone(),
            secret: self.secret.name.clone(),
            consumer: copy.key.clone(),
            rotation: Some(self.id),
            round: round.name().to_owned(),
            exposure_fp: print,
            acked_ms: engine.now().0,
        });
        engine
            .commit(&[seen], &[entry])
            .await
            .map_err(|_| Performed::failed(Reply::Retry, "the state cannot be written"))
    }

    /// The fingerprint of what keyrota last wrote at the place of a copy, or last found there.
    async fn copy_seen(&self, copy: &Copy<'_>) -> Result<Option<String>, Performed> {
        let (store, env) = (&self.engine.store, &self.engine.env.name);
        let all = store.deliveries(env, &self.secret.name).await;
        let all = all.map_err(|_| Performed::failed(Reply::Retry, "the state cannot be read"))?;
        let seen = all.into_iter().find(|d| d.consumer == copy.key);
        Ok(seen.map(|seen| seen.exposure_fp))
    }

    /// A fingerprint of its own: equal values of two places do not look equal.
    pub(super) fn copy_print(&self, copy: &Copy<'_>, value: Option<&SecretValue>) -> String {
        let Some(value) = value else {
            return ABSENT.to_owned();
        };
        let name = format!("{}\0{}", self.secret.name, copy.key);
        let env = &self.engine.env.name;
        self.engine.keys.fingerprint(env, &name, value)
    }
}

impl Copy<'_> {
    /// What of the current version stands there; `None` at the place of a fallback.
    pub(super) fn template(&self) -> Option<&Template> {
        match &self.shows {
            Shows::Current(template) => Some(template),
            Shows::Fallback { .. } => None,
        }
    }

    /// Whether this is what it shows of a version.
    fn shows_of(&self, version: &Version, value: &SecretValue) -> bool {
        match &self.shows {
            Shows::Fallback { .. } => version.value.same_as(value),
            Shows::Current(template) => {
                exposure::render(template, version).is_ok_and(|text| text.same_as(value))
            }
        }
    }

    pub(super) async fn found(
        &self,
        versions: &[VersionInfo],
    ) -> Result<Option<Found>, ProviderError> {
        let current = versions.iter().find(|v| v.stages.contains(&Stage::Current));
        let Some(current) = current else {
            return Ok(None);
        };
        // By name: what is compared is what the compare-and-set will name.
        let version = VersionRef::Native(current.native.clone());
        let value = self.provider.read(&self.place, &version).await?;
        let value = value.ok_or(ProviderError::new(
            ErrorKind::Unavailable,
            "the current version of a copy went away while it was read",
        ))?;
        Ok(Some(Found {
            native: current.native.clone(),
            ours: current.ours,
            value,
        }))
    }
}

/// Whether a copy is what it has to be.
pub(super) fn is_as_wanted(found: Option<&Found>, wanted: Option<&SecretValue>) -> bool {
    match (found, wanted) {
        (Some(found), Some(wanted)) => found.value.same_as(wanted),
        (None, None) => true,
        _ => false,
    }
}

pub(super) fn no_field() -> Performed {
    Performed::failed(
        Reply::Refused,
        "the value has no such field as the render of a copy names",
    )
}
