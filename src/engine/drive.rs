//! Drives one rotation: writes down the intent, does the effect, writes down what came of it.

use std::time::Duration;

use keyrota_rotation::{
    Decision, Edit, Effect, Event, Moment, Outcome, Phase, Probed, Reply, Time, Todo,
};

use super::job::Job;
use super::journal::{Journal, place};
use super::mint::{Claim, claims};
use super::parts::Parts;
use super::performed::{Learnt, Performed};
use super::policy::policy;
use super::{Engine, EngineError, Given, Stop, budget, entries};
use crate::audit::Actor;
use crate::config::model::Secret;
use crate::config::registry::BuildError;
use crate::state::{self, Change, Rotation};

/// An effect that takes longer than this is of unknown outcome; consumers have their own limits,
/// which are shorter or are added to it.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A rotation under way, in memory as it is in the state.
pub(super) struct Run<'a> {
    engine: &'a Engine,
    secret: &'a Secret,
    parts: &'a Parts<'a>,
    row: Rotation,
    journal: Journal,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        secret: &'a Secret,
        parts: &'a Parts<'a>,
        row: Rotation,
    ) -> Result<Self, EngineError> {
        let journal = Journal::from_text(&row.record).map_err(|_| EngineError::UnreadableRecord)?;
        if journal.at != place(secret) {
            return Err(EngineError::Parts(BuildError::Refused(
                format!("secrets.{}", secret.name),
                "its kind, provider or path was edited while its rotation is under way: put it back until that has ended (keyrota status)",
            )));
        }
        Ok(Self {
            engine,
            secret,
            parts,
            row,
            journal,
        })
    }

    /// A rotation that an earlier call began, under today's schedule. An effect that a dead process
    /// began is answered first: its reply belongs to the schedule of that process.
    pub(super) async fn open(
        engine: &'a Engine,
        secret: &'a Secret,
        parts: &'a Parts<'a>,
        row: Rotation,
    ) -> Result<Self, EngineError> {
        let mut run = Self::new(engine, secret, parts, row)?;
        if run.journal.machine.in_flight {
            run.recover().await?;
        }
        run.adopt_edits().await?;
        Ok(run)
    }

    /// Does everything that can be done now. Stops before the next effect when asked to.
    pub(super) async fn go(&mut self, given: Option<Given<'_>>) -> Result<Stop, EngineError> {
        loop {
            let now = self.engine.now();
            match self.journal.machine.todo(now) {
                Todo::Over(outcome) => return Ok(Stop::Over(outcome)),
                Todo::Confirm => return Ok(Stop::Confirm),
                Todo::Person => return Ok(Stop::Person),
                Todo::Wait { until, retry: true } => return Ok(Stop::Retry { until }),
                Todo::Wait {
                    until,
                    retry: false,
                } => return Ok(Stop::Wait { until }),
                _ if self.engine.stopping() => return Ok(Stop::Interrupted),
                Todo::Recover => self.recover().await?,
                Todo::Wake => {
                    let woken = self.step(Event::Wake)?;
                    let entry = entries::phase(&self.subject(), "rotation.wake");
                    self.write(woken, Vec::new(), vec![entry]).await?;
                }
                Todo::Effect(effect) => self.effect(&effect, given).await?,
            }
            self.engine
                .watch
                .moved(&self.secret.name, &self.journal.machine.phase);
        }
    }

    /// An effect was begun by a process that is gone.
    async fn recover(&mut self) -> Result<(), EngineError> {
        let effect = self.journal.machine.effect();
        let lost = Performed::failed(Reply::Lost, "the process ended in the middle of it");
        self.outcome(effect.as_ref(), lost).await
    }

    /// Whether a value that a person gives is the one of this rotation: the one that is still
    /// missing, or the one that it has.
    pub(super) fn takes(&self, given: Given<'_>) -> bool {
        match &self.row.fingerprint {
            Some(has) => {
                let (env, secret) = (&self.row.env, &self.row.secret);
                let print = self.engine.keys.fingerprint(env, secret, given.value);
                *has == print && given.has_kid(&self.journal.public)
            }
            None => self.journal.given,
        }
    }

    /// A person decides something.
    pub(super) async fn decide(
        &mut self,
        decision: Decision,
        by: &str,
        reason: Option<&str>,
    ) -> Result<(), EngineError> {
        let decided = self.step(Event::Decided(decision))?;
        let entry = entries::decision(&self.subject(), decision, by, reason);
        self.write(decided, Vec::new(), vec![entry]).await
    }

    /// Takes over what an edited schedule says; writes only if that changes something.
    async fn adopt_edits(&mut self) -> Result<(), EngineError> {
        let machine = &self.journal.machine;
        let edited = policy(
            &self.engine.env,
            self.secret,
            self.parts.rotator.target(),
            machine.policy.first,
            &self.row.trigger,
        );
        let (adopted, edits) = machine.clone().adopt(&edited, self.moment());
        if adopted == *machine {
            return Ok(());
        }
        // Whoever began the rotation need not be the one who edited the schedule.
        let mut entry = entries::phase(&self.subject(), "rotation.edited");
        (entry.actor, entry.reason) = (Actor::system(), None);
        let log = if edits.is_empty() {
            vec![entry]
        } else {
            let about = |edit: &Edit| {
                let entry = entry.clone().detail("consumer", edit.listener.as_str());
                entry.detail("change", edit.change.as_str())
            };
            edits.iter().map(about).collect()
        };
        if adopted.phase.name() != machine.phase.name() {
            // Why the listener failed that the schedule no longer names.
            self.journal.failure = None;
        }
        self.write(adopted, Vec::new(), log).await
    }

    async fn effect(
        &mut self,
        effect: &Effect,
        given: Option<Given<'_>>,
    ) -> Result<(), EngineError> {
        let kill = &self.engine.kill;
        kill.before_intent();
        self.engine.keep_lock().await?;
        let begun = self.journal.machine.clone().begin();
        let intent = entries::intent(&self.subject(), effect);
        let before = self.journal.promoting_ms;
        if matches!(effect, Effect::Promote) {
            // Its answer may be lost, and a look that is older than it says that it did nothing.
            self.journal.promoting_ms = Some(self.engine.now().0);
        }
        self.write(begun, Vec::new(), vec![intent]).await?;
        kill.after_intent();
        let job = Job {
            engine: self.engine,
            secret: self.secret,
            parts: self.parts,
            id: self.row.id,
            journal: &self.journal,
            fingerprint: self.row.fingerprint.as_deref(),
            given,
        };
        let limit = EFFECT_TIMEOUT.saturating_add(self.parts.patience(effect));
        let performed = tokio::time::timeout(limit, job.perform(effect))
            .await
            .unwrap_or(Performed::failed(Reply::Ambiguous, "no answer in time"));
        kill.after_reply();
        if performed.unchanged {
            self.journal.promoting_ms = before;
        }
        self.outcome(Some(effect), performed).await?;
        kill.after_outcome();
        Ok(())
    }

    async fn outcome(
        &mut self,
        effect: Option<&Effect>,
        performed: Performed,
    ) -> Result<(), EngineError> {
        let next = self.step(Event::Reply(performed.reply))?;
        let mut changes = Vec::new();
        // In a round, why one consumer failed is still true when the next one has been told.
        let round_goes_on = matches!(effect, Some(Effect::Deliver { .. }))
            && [self.journal.machine.phase.name(), "stuck"].contains(&next.phase.name());
        // On the way back, why it is taken back is what a person wants to know.
        let goes_back = matches!(
            self.journal.machine.phase,
            Phase::Restore(_) | Phase::Undo(_)
        );
        // That it is not current is known then; why it did not become it is what counts.
        let looked = matches!(effect, Some(Effect::ObserveCurrent))
            && performed.reply == Reply::Probed(Probed::Rejected);
        // What is meant to be refused, and is, is no failure.
        let meant = performed.reply == Reply::Probed(Probed::Rejected)
            && budget::expects_refusal(&self.journal.machine.phase);
        let failure = performed.failure.filter(|why| !why.is_empty() && !meant);
        if !looked && (failure.is_some() || !(round_goes_on || goes_back)) {
            self.journal.failure = failure.map(str::to_owned);
        }
        match &performed.learnt {
            Learnt::Nothing => {}
            Learnt::Base {
                native,
                fingerprint,
                refuses,
            } => {
                if let Some((key, value)) = refuses.clone() {
                    changes.push(Change::PutFact { key, value });
                }
                self.journal.from = native.as_ref().map(|n| n.0.clone());
                self.journal.from_fingerprint.clone_from(fingerprint);
            }
            Learnt::Candidate {
                fingerprint,
                public,
            } => {
                self.journal.wrote_ms = Some(self.engine.now().0);
                self.row.version = Some(self.row.id);
                self.row.fingerprint = Some(fingerprint.clone());
                self.journal.public.clone_from(public);
                let claims = claims(&self.row.env, &self.row.secret, public, fingerprint);
                changes.extend(claims.into_iter().map(Claim::into_change));
            }
            Learnt::Promoted { native } => {
                self.journal.wrote_ms = Some(self.engine.now().0);
                let mut secret = self.engine.secret_row(self.secret).await?;
                secret.version = Some(self.row.id);
                secret.native = Some(native.0.clone());
                secret.fingerprint.clone_from(&self.row.fingerprint);
                secret.changed_ms = Some(self.engine.now().0);
                changes.push(Change::PutSecret(secret));
            }
            Learnt::Acknowledged {
                consumer,
                exposure_fp,
                round,
            } => {
                changes.push(Change::PutDelivery(state::Acknowledged {
                    env: self.row.env.clone(),
                    secret: self.row.secret.clone(),
                    consumer: consumer.clone(),
                    rotation: Some(self.row.id),
                    round: round.name().to_owned(),
                    exposure_fp: exposure_fp.clone(),
                    acked_ms: self.engine.now().0,
                }));
            }
        }
        changes.extend(self.refusal(&performed).await?);
        let mut log = vec![entries::outcome(&self.subject(), effect, &performed)];
        if let Learnt::Base { fingerprint, .. } = &performed.learnt {
            log.extend(self.drift(fingerprint.as_deref()).await?);
        }
        let before = self.journal.machine.phase.name();
        match &next.phase {
            Phase::Stuck { .. } if before != "stuck" => {
                log.push(entries::phase(&self.subject(), "rotation.stuck"))
            }
            _ => {}
        }
        self.write(next, changes, log).await
    }

    /// A login that was refused against expectation is counted: a server may lock the account.
    async fn refusal(&self, performed: &Performed) -> Result<Option<Change>, EngineError> {
        let unexpected = !budget::expects_refusal(&self.journal.machine.phase);
        let (true, Some(account), true) = (performed.turned_away, &self.row.account, unexpected)
        else {
            return Ok(None);
        };
        let key = budget::fact(account);
        let known = self.engine.store.fact(&key).await?;
        let value = budget::with_refusal(known.as_deref(), self.engine.now().0);
        Ok(Some(Change::PutFact { key, value }))
    }

    /// Somebody else wrote the current value since keyrota last did: it is told, and it is the one
    /// that this rotation starts from.
    async fn drift(
        &self,
        found: Option<&str>,
    ) -> Result<Option<crate::audit::NewEntry>, EngineError> {
        let known = self.engine.secret_row(self.secret).await?.fingerprint;
        if known.is_none() || known.as_deref() == found {
            return Ok(None);
        }
        tracing::warn!(secret = %self.secret.name, "another tool changed the current value");
        Ok(Some(entries::drift(
            &self.subject(),
            known,
            found.map(str::to_owned),
        )))
    }

    fn step(&self, event: Event) -> Result<keyrota_rotation::Record, EngineError> {
        self.journal
            .machine
            .clone()
            .step(event, self.moment())
            .map_err(EngineError::Illegal)
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.engine.now(),
            dice: self.engine.dice(),
        }
    }

    /// Record change and audit entries, in one transaction; a rotation that ends is closed in it.
    async fn write(
        &mut self,
        machine: keyrota_rotation::Record,
        mut changes: Vec<Change>,
        mut log: Vec<crate::audit::NewEntry>,
    ) -> Result<(), EngineError> {
        self.journal.machine = machine;
        self.row.phase = self.journal.machine.phase.name().to_owned();
        if let Some(outcome) = self.journal.machine.outcome()
            && self.row.outcome.is_none()
        {
            self.row.ended_ms = Some(self.engine.now().0);
            self.row.outcome = Some(match (outcome, self.row.trigger.as_str()) {
                (Outcome::Abandoned, _) => state::Outcome::Abandoned,
                (Outcome::Rotated, "import") => state::Outcome::Imported,
                (Outcome::Rotated, _) => state::Outcome::Rotated,
            });
            // A first version without consumers is over with its promote, which wrote the secret too.
            let promoted = changes
                .iter()
                .position(|c| matches!(c, Change::PutSecret(_)));
            let mut secret = match promoted.map(|at| changes.remove(at)) {
                Some(Change::PutSecret(secret)) => secret,
                _ => self.engine.secret_row(self.secret).await?,
            };
            secret.failures = match outcome {
                Outcome::Rotated => 0,
                // What a person took back without a failure is none.
                Outcome::Abandoned => {
                    let failed = u32::from(self.journal.failure.is_some());
                    secret.failures.saturating_add(failed)
                }
            };
            changes.push(Change::PutSecret(secret));
            log.push(entries::done(&self.subject(), outcome));
        }
        self.row.record = self.journal.to_text();
        changes.push(Change::UpdateRotation(self.row.clone()));
        changes.push(self.engine.trusted_now());
        let next = self.journal.machine.todo(self.engine.now());
        let waits = matches!(next, Todo::Wait { .. } | Todo::Confirm | Todo::Person);
        self.engine.commit_under(&changes, &log, waits).await?;
        self.row.revision = self.row.revision.saturating_add(1);
        Ok(())
    }

    pub(super) fn row(&self) -> &Rotation {
        &self.row
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What its entries are about.
    fn subject(&self) -> entries::Subject<'_> {
        entries::Subject {
            secret: self.secret,
            row: &self.row,
            journal: &self.journal,
            until: self.until(),
        }
    }

    fn until(&self) -> Option<Time> {
        match self.journal.machine.phase {
            Phase::Settle { until, .. } | Phase::Grace { until, .. } => Some(until),
            _ => self.journal.machine.retry_at,
        }
    }
}
