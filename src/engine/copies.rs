//! Copies: further places that follow a secret, and the place of its fallback.
//!
//! To the machine a copy is a listener like any other, told before the consumers and always waited
//! for; here it is a place of a provider, written as the secret itself is: a version as pending,
//! then a compare-and-set. What somebody else wrote there is told and in the audit log before it is
//! written over.

pub(super) mod place;
mod write;

use keyrota_contract::{Material, SecretValue, Stage, VersionInfo};
use keyrota_rotation::{Phase, Reply, Round};
use uuid::Uuid;

use super::exposure;
use super::job::Job;
use super::parts::flaw;
use super::performed::{Learnt, Performed};
use crate::audit::{self, Actor, NewEntry};
use crate::state::{self, Change};
use place::Shows;
pub(super) use place::{ABSENT, Found};
pub use place::{Copy, keys, of};
use write::is_of;

/// How the text begins that stands at `fallback_path` while there is no fallback. No encoding of a
/// key has a colon, so no reader takes it for one; what follows nobody can guess, so that nothing
/// can be forged where one does.
pub const FILLER: &str = "keyrota:no-key:";

impl Job<'_> {
    /// Whether every copy could be written; nothing is.
    pub(super) async fn copies_ready(&self, material: &Material) -> Result<(), Performed> {
        for copy in &self.parts.copies {
            let versions = copy.provider.preflight(&copy.place).await?;
            let foreign = |v: &VersionInfo| v.stages.contains(&Stage::Pending) && v.ours.is_none();
            if versions.iter().any(foreign) {
                return Err(Performed::failed(
                    Reply::Refused,
                    "another tool has a pending version at the place of a copy; it may be rotating it",
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
                "the place of a copy holds a value that keyrota never wrote. Check the path; then remove that value, or replace it by the current one",
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
            "another tool changed a copy; keyrota repairs it"
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
