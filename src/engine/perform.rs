//! One effect, done at the edge.
//!
//! Nothing here decides. Each function asks a provider, a rotator or a consumer, and turns the
//! answer into a [`Reply`]; what was learnt on the way goes into the journal with the outcome.

use keyrota_contract::{ErrorKind, Native, Probe, ProviderError, SecretValue, Stage, VersionRef};
use keyrota_rotation::{Effect, Probed, Reply, Which};

use super::budget;
use super::job::{Job, role};
use super::parts::flaw;
use super::performed::{Learnt, Performed};
use crate::rotators::jwks::KID;

impl Job<'_> {
    /// Does `effect`. Safe to call again after any crash.
    pub(super) async fn perform(&self, effect: &Effect) -> Performed {
        let result = match effect {
            Effect::Preflight => self.preflight().await,
            Effect::Create => self.create().await,
            Effect::Install(which) => self.install(*which).await,
            Effect::Quiesce => self.quiesce().await,
            Effect::Probe(which) => self.probe(*which).await,
            Effect::Deliver { round, listener } => self.deliver(*round, listener).await,
            Effect::ObservePublished => self.observe_published().await,
            Effect::Promote => self.promote().await,
            Effect::ObserveCurrent => self.observe_current().await,
            Effect::Refuse(which) => self.refuse(*which).await,
            Effect::Destroy(which) => self.destroy(*which).await,
        };
        result.unwrap_or_else(|failed| failed)
    }

    async fn preflight(&self) -> Result<Performed, Performed> {
        // First of all: a right that only a later step needs is missed before anything was done.
        let versions = self.parts.provider.preflight(&self.parts.place).await?;
        let versions = self.engine.after_last(self.secret, self.parts, versions);
        let versions = versions.await.map_err(Performed::unread)?;
        let foreign = |v: &&keyrota_contract::VersionInfo| {
            v.stages.contains(&Stage::Pending) && v.ours.is_none()
        };
        if versions.iter().any(|v| foreign(&v)) {
            return Err(Performed::failed(
                Reply::Refused,
                "another tool has a pending version here; it may be rotating this secret",
            ));
        }
        if let Some(flaw) = flaw(&versions) {
            return Err(Performed::failed(Reply::Refused, flaw));
        }
        let native = versions
            .iter()
            .find(|v| v.stages.contains(&Stage::Current))
            .map(|v| v.native.clone());
        let policy = &self.journal.machine.policy;
        if native.is_none() && policy.target && self.parts.provider.capabilities().first_is_current
        {
            // Readers would have it before the target.
            return Err(Performed::failed(
                Reply::Refused,
                "the provider shows a first value to readers at once, before the target knows it: store the one that works now (keyrota import)",
            ));
        }
        if policy.target {
            self.spare_the_account().await?;
        }
        let mut material = self.material_of(&versions).await?;
        let fingerprint = material.current.as_ref().map(|v| self.print(&v.value));
        if self.parts.rotator.target().is_some() && !self.journal.machine.policy.target {
            // An import: it was judged before it began, and what it replaces no longer works.
            material.current = None;
        }
        let report = self.parts.rotator.preflight(&material).await?;
        for warning in report.warnings {
            tracing::warn!(secret = %self.secret.name, "{warning}");
        }
        if !self.journal.machine.policy.listeners.is_empty() {
            self.copies_ready(&material).await?;
        }
        for consumer in &self.parts.consumers {
            if consumer.required {
                consumer.told.preflight().await?;
            }
        }
        // Last: it costs a refused login, and what it showed is remembered only with the rest.
        let refuses = self.control(report.server.as_deref(), &material).await?;
        Ok(Performed {
            turned_away: refuses.is_some(),
            ..Performed::done(Learnt::Base {
                native,
                fingerprint,
                refuses,
            })
        })
    }

    async fn probe(&self, which: Which) -> Result<Performed, Performed> {
        if !budget::expects_refusal(&self.journal.machine.phase) {
            self.spare_the_account().await?;
        }
        let material = self.material().await?;
        if which == Which::Previous && material.previous.is_none() {
            // Whoever removed it from the provider did what retiring does last.
            return Ok(Performed::probed(
                Probed::Rejected,
                "it is gone from the provider",
            ));
        }
        if which == Which::Pending {
            self.candidate_is_as_written(&material)?;
        }
        Ok(
            match self.parts.rotator.probe(role(which), &material).await {
                Probe::Accepted => Performed::probed(Probed::Accepted, ""),
                Probe::Blocked => Performed::probed(
                    Probed::Blocked,
                    "the value is right, but a lock or a limit blocks it",
                ),
                Probe::Rejected => Performed::probed(Probed::Rejected, "the value is not accepted"),
                Probe::Unknown => {
                    Performed::probed(Probed::Unknown, "nothing could be learnt of the value")
                }
            },
        )
    }

    async fn observe_published(&self) -> Result<Performed, Performed> {
        let (Some(published), Some(kid)) = (&self.parts.published, self.journal.public.get(KID))
        else {
            return Ok(Performed::done(Learnt::Nothing));
        };
        match published.shows(kid).await {
            Ok(true) => Ok(Performed::done(Learnt::Nothing)),
            Ok(false) => Err(Performed::failed(
                Reply::Retry,
                "the public key set does not show the new kid yet",
            )),
            Err(why) => Err(Performed::failed(Reply::Retry, why.sentence())),
        }
    }

    async fn promote(&self) -> Result<Performed, Performed> {
        let from = self.journal.from.clone().map(Native);
        let (provider, place) = (&self.parts.provider, &self.parts.place);
        // What becomes current is what was tested.
        let candidate = provider.read(place, &VersionRef::Ours(self.id)).await;
        let candidate = candidate.map_err(|e| Performed::from(e).before_switch())?;
        if let Some(candidate) = candidate {
            let judged = self.is_as_written(&candidate);
            judged.map_err(Performed::before_switch)?;
        }
        let promoted = provider.promote(place, self.id, from.as_ref()).await;
        let native = promoted.map_err(|e| match e.kind {
            // A store that detects afterwards reports this after the switch.
            ErrorKind::Conflict => e.into(),
            _ => self.unless_behind(e, ErrorKind::NotFound).before_switch(),
        })?;
        self.engine.kill.after_effect();
        let current = provider.read(place, &VersionRef::Stage(Stage::Current));
        let current = current.await.map_err(ProviderError::after_effect)?;
        let ours = |v: &SecretValue| self.fingerprint.is_none_or(|print| print == self.print(v));
        let Some(current) = current.filter(ours) else {
            return Err(Performed::failed(
                Reply::Ambiguous,
                "the provider does not show the promoted version as current yet",
            ));
        };
        self.parts.remember(&native, &current);
        Ok(Performed::done(Learnt::Promoted { native }))
    }

    async fn observe_current(&self) -> Result<Performed, Performed> {
        let versions = self.described().await?;
        let current = versions
            .into_iter()
            .find(|v| v.ours == Some(self.id) && v.stages.contains(&Stage::Current));
        Ok(match current {
            Some(ours) => Performed {
                // A promote whose answer was lost: what it would have taught is learnt here.
                learnt: Learnt::Promoted {
                    native: ours.native,
                },
                ..Performed::probed(Probed::Accepted, "")
            },
            None => Performed::probed(Probed::Rejected, "the candidate is not current"),
        })
    }

    async fn destroy(&self, which: Which) -> Result<Performed, Performed> {
        let version = match (which, &self.journal.from) {
            (Which::Pending, _) => VersionRef::Ours(self.id),
            // By name, not by stage: if somebody else wrote meanwhile, previous is not what it was.
            (Which::Previous, Some(from)) => VersionRef::Native(Native(from.clone())),
            (Which::Previous, None) => return Ok(Performed::done(Learnt::Nothing)),
            (Which::Current, _) => unreachable!("the machine never destroys the current version"),
        };
        if which == Which::Pending {
            // To end what a look does not show yet would be to leave it.
            self.wait_for_candidate().await?;
        }
        let destroyed = self.parts.provider.destroy(&self.parts.place, &version);
        let destroyed = destroyed.await;
        destroyed.map_err(|e| match which {
            // Of a look at which it still is current.
            Which::Previous => self.unless_behind(e, ErrorKind::Conflict),
            _ => e.into(),
        })?;
        self.engine.kill.after_effect();
        Ok(Performed::done(Learnt::Nothing))
    }
}
