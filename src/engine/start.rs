//! How a rotation begins, and how one that was begun goes on.

use jiff::civil::DateTime;
use keyrota_contract::{ErrorKind, ProviderError, Stage, Target};
use keyrota_rotation::{Decision, Moment, Phase, Record};
use uuid::Uuid;

use super::drive::Run;
use super::job::Job;
use super::journal::{Journal, place};
use super::parts::{Parts, flaw};
use super::policy::policy;
use super::{Engine, EngineError, Given, Stop, entries};
use crate::audit::{self, Actor, NewEntry};
use crate::config::model::{Secret, WhenAbsent};
use crate::state::{Change, Rotation};

/// Who wants a rotation, and why.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// `command`, `schedule`, `import`.
    pub trigger: &'static str,
    /// A person's words.
    pub reason: Option<&'a str>,
    /// `uid:1000 (claims USER=alice)`, `daemon`.
    pub actor: &'a str,
    /// The turn this is.
    pub turn: Option<DateTime>,
    /// The old value is in wrong hands: no settle, no grace.
    pub compromised: bool,
    /// A person begins it outside its window, or in a blackout.
    pub forced: bool,
    /// What a person gave, for kinds that keyrota does not mint and for imports.
    pub given: Option<Given<'a>>,
}

/// What beginning led to.
#[derive(Debug)]
pub enum Begin {
    /// A rotation, begun or gone on with.
    Drive {
        /// Its id.
        id: Uuid,
        /// Where it stands.
        stop: Stop,
    },
    /// None, and why.
    Not(NotBegun),
}

/// Why no rotation was begun. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    /// keyrota keeps it and never changes it.
    External,
    /// Only its issuer makes it, and nobody gave a value.
    Imported,
    /// A value was given for a kind that keyrota mints itself.
    Minted,
    /// The provider holds nothing yet, and this is not the way to make the first.
    Absent,
    /// The provider holds nothing yet, and only a person can give the first.
    MustImport,
    /// It failed too often in a row: its turns are not taken any more.
    Failing,
    /// A rotation that has its value already is under way; the value that was given was not used.
    UnderWay,
}

impl NotBegun {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::External => "external: kept and checked, never rotated by keyrota",
            Self::Imported => {
                "its issuer makes it: pipe the new value into `keyrota rotate NAME --value-stdin`"
            }
            Self::Minted => {
                "keyrota makes this value itself: leave --value-stdin out, or adopt an existing one with `keyrota import`"
            }
            Self::Failing => {
                "its last rotations failed (keyrota history NAME): correct the cause, then `keyrota rotate NAME`"
            }
            Self::UnderWay => {
                "an earlier rotation is still under way and the value given was not used: wait for its end (keyrota status), then give it again"
            }
            Self::MustImport => {
                "nothing is stored yet, and keyrota does not make the first: `keyrota plan NAME --setup` shows what has to be there, `keyrota import NAME --stdin` takes it"
            }
            Self::Absent => {
                "nothing is stored yet: make the first with `keyrota rotate NAME`, or adopt one with `keyrota import`"
            }
        }
    }
}

impl Engine {
    /// Begins a rotation, or goes on with the one that is under way, and drives it as far as it
    /// goes now.
    pub async fn rotate(&self, name: &str, order: &Order<'_>) -> Result<Begin, EngineError> {
        let secret = self.secret(name)?;
        let parts = self.parts(secret)?;
        self.recall(secret, &parts).await?;
        if let Some(row) = self.store.open_rotation(&self.env.name, name).await? {
            let mut run = Run::open(self, secret, &parts, row).await?;
            if let Some(given) = order.given
                && !run.takes(given)
            {
                return Ok(Begin::Not(NotBegun::UnderWay));
            }
            let phase = &run.journal().machine.phase;
            let only_retires = matches!(phase, Phase::Grace { .. } | Phase::Retire(_));
            // A person is needed for what is stuck, and it ends with that answer.
            if order.compromised && !matches!(phase, Phase::Stuck { .. }) {
                run.decide(Decision::Compromised, order.actor, order.reason)
                    .await?;
            }
            let (id, stop) = (run.row().id, run.go(order.given).await?);
            // What became current before the grace is what is in wrong hands now.
            if !(order.compromised && only_retires && matches!(stop, Stop::Over(_))) {
                return Ok(Begin::Drive { id, stop });
            }
        }
        let import = order.trigger == "import";
        match (secret.facts.rotates(), secret.imported, order.given) {
            (false, _, _) if !import => return Ok(Begin::Not(NotBegun::External)),
            (_, true, None) => return Ok(Begin::Not(NotBegun::Imported)),
            (_, false, Some(_)) if !import => return Ok(Begin::Not(NotBegun::Minted)),
            _ => {}
        }
        let first = !self.stands(secret, &parts).await?;
        let may_create = order.trigger != "schedule"
            && (secret.when_absent == WhenAbsent::Create || order.given.is_some());
        if first && !may_create {
            return Ok(Begin::Not(match secret.when_absent {
                WhenAbsent::Create => NotBegun::Absent,
                WhenAbsent::Refuse => NotBegun::MustImport,
            }));
        }
        self.finish_mending(secret).await?;
        let row = self.begin(secret, &parts, first, order).await?;
        let mut run = Run::new(self, secret, &parts, row)?;
        let (id, stop) = (run.row().id, run.go(order.given).await?);
        Ok(Begin::Drive { id, stop })
    }

    async fn begin(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
        first: bool,
        order: &Order<'_>,
    ) -> Result<Rotation, EngineError> {
        let now = self.now();
        let policy = policy(
            &self.env,
            secret,
            parts.rotator.target(),
            first,
            order.trigger,
        );
        let mut machine = Record::new(policy);
        if order.compromised {
            let at = Moment { now, dice: 0 };
            machine = machine
                .step(keyrota_rotation::Event::Decided(Decision::Compromised), at)
                .map_err(EngineError::Illegal)?;
        }
        let mut journal = Journal::new(place(secret), machine);
        journal.given = order.given.is_some();
        let id = self.new_id();
        let row = Rotation {
            id,
            env: self.env.name.clone(),
            secret: secret.name.clone(),
            account: parts.rotator.target().map(Target::account),
            trigger: order.trigger.to_owned(),
            reason: order.reason.map(str::to_owned),
            actor: order.actor.to_owned(),
            phase: journal.machine.phase.name().to_owned(),
            outcome: None,
            started_ms: now.0,
            ended_ms: None,
            version: None,
            fingerprint: None,
            record: journal.to_text(),
            revision: 0,
        };
        let mut known = self.secret_row(secret).await?;
        if let Some(turn) = order.turn {
            known.turn_done = Some(turn.to_string());
        }
        let entry = self.planned(secret, order).rotation(id);
        self.keep_lock().await?;
        self.commit(
            &[
                Change::PutSecret(known),
                Change::InsertRotation(row.clone()),
            ],
            &[entry],
        )
        .await?;
        Ok(row)
    }

    fn planned(&self, secret: &Secret, order: &Order<'_>) -> NewEntry {
        let actor = match order.trigger {
            "schedule" => Actor::schedule(),
            _ => Actor::operator(order.actor),
        };
        let mut entry = NewEntry::new("rotation.planned", audit::Phase::System, actor)
            .object(entries::object(&self.env.name, secret))
            .reason(order.reason.unwrap_or(order.trigger))
            .detail("trigger", order.trigger);
        if let Some(turn) = order.turn {
            entry = entry.detail("turn", turn.to_string());
        }
        if order.forced {
            entry = entry.detail("forced", "outside its window, or in a blackout");
        }
        if order.compromised {
            entry = entry.detail("compromised", "no settle, no grace");
        }
        entry
    }

    /// Looks whether a rotation could be done, and changes nothing: the sentence that says why not.
    pub async fn dry_run(&self, name: &str) -> Result<Result<(), &'static str>, EngineError> {
        let secret = self.secret(name)?;
        let parts = self.parts(secret)?;
        self.recall(secret, &parts).await?;
        if !secret.facts.rotates() {
            return Ok(Err(NotBegun::External.advice()));
        }
        let first = !self.stands(secret, &parts).await?;
        let target = parts.rotator.target();
        let machine = Record::new(policy(&self.env, secret, target, first, "command"));
        let journal = Journal::new(place(secret), machine);
        let job = Job {
            engine: self,
            secret,
            parts: &parts,
            id: Uuid::nil(),
            journal: &journal,
            fingerprint: None,
            given: None,
        };
        let looked = job.perform(&keyrota_rotation::Effect::Preflight).await;
        Ok(match looked.failure {
            Some(why) => Err(why),
            None => Ok(()),
        })
    }

    /// Whether there is a current version. Where the look is denied, preflight says which right it needs.
    async fn stands(&self, secret: &Secret, parts: &Parts<'_>) -> Result<bool, EngineError> {
        let looked = parts.provider.describe(&parts.place).await;
        if looked.as_ref().is_err_and(|e| e.kind == ErrorKind::Denied) {
            parts.provider.preflight(&parts.place).await?;
        }
        let all = self.after_last(secret, parts, looked?).await?;
        if let Some(flaw) = flaw(&all) {
            return Err(ProviderError::new(ErrorKind::Invalid, flaw).into());
        }
        Ok(all.iter().any(|v| v.stages.contains(&Stage::Current)))
    }

    /// Goes on with the rotation of a secret that is under way, if one is.
    pub async fn go_on(&self, name: &str) -> Result<Option<(Uuid, Stop)>, EngineError> {
        let Some(row) = self.store.open_rotation(&self.env.name, name).await? else {
            return Ok(None);
        };
        let secret = self.secret(name)?;
        let parts = self.parts(secret)?;
        self.recall(secret, &parts).await?;
        let mut run = Run::open(self, secret, &parts, row).await?;
        let (id, stop) = (run.row().id, run.go(None).await?);
        Ok(Some((id, stop)))
    }

    /// A person decides about the rotation under way; it then goes as far as it can. `None` if
    /// there is none.
    pub async fn decide(
        &self,
        name: &str,
        decision: Decision,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Option<(Uuid, Stop)>, EngineError> {
        let secret = self.secret(name)?;
        let Some(row) = self.store.open_rotation(&self.env.name, name).await? else {
            return Ok(None);
        };
        let parts = self.parts(secret)?;
        self.recall(secret, &parts).await?;
        let mut run = Run::open(self, secret, &parts, row).await?;
        run.decide(decision, by, reason).await?;
        let (id, stop) = (run.row().id, run.go(None).await?);
        Ok(Some((id, stop)))
    }
}
