//! The table of transitions.

use std::fmt;

use crate::effect::{Effect, Event, Probed, Reply, Which};
use crate::record::{
    Announcing, Finishing, Moment, Outcome, Overlap, Phase, Record, Restoring, Retiring, Setting,
    Telling, Told, Undoing,
};
use crate::rounds::Standing;

/// An event that cannot happen in the record's phase. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegal {
    /// What happened.
    pub event: Event,
    /// Where.
    pub phase: &'static str,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot happen in phase {}", self.event, self.phase)
    }
}

impl std::error::Error for Illegal {}

impl Record {
    /// Marks the present effect as begun. The result is written down before the effect starts.
    #[must_use]
    pub fn begin(mut self) -> Self {
        match self.effect() {
            Some(Effect::Create) => self.created = true,
            Some(Effect::Install(Which::Pending)) => self.installed = true,
            Some(Effect::Promote) => self.promoting = true,
            Some(Effect::Deliver { .. }) if matches!(self.phase, Phase::Announce(_)) => {
                self.announced = true;
            }
            Some(Effect::Refuse(Which::Previous) | Effect::Destroy(Which::Previous)) => {
                self.ending = true;
            }
            _ => {}
        }
        self.in_flight = true;
        self
    }

    /// The record after `event`.
    pub fn step(mut self, event: Event, at: Moment) -> Result<Self, Illegal> {
        let illegal = Illegal {
            event,
            phase: self.phase.name(),
        };
        match event {
            Event::Reply(reply) => {
                let asked = self
                    .effect()
                    .filter(|_| self.in_flight)
                    .map(|effect| effect.asks());
                let fits = match reply {
                    Reply::Done => asked == Some(false),
                    Reply::Probed(_) => asked == Some(true),
                    Reply::Retry
                    | Reply::Held
                    | Reply::Ambiguous
                    | Reply::Lost
                    | Reply::Refused => asked.is_some(),
                };
                if !fits {
                    return Err(illegal);
                }
                self.in_flight = false;
                self.retry_at = None;
                if matches!(
                    reply,
                    Reply::Done | Reply::Probed(Probed::Accepted | Probed::Rejected)
                ) {
                    self.failures = 0;
                }
                Ok(self.reply(reply, at))
            }
            Event::Wake if !self.in_flight => self.wake(at).ok_or(illegal),
            Event::Decided(decision) if !self.in_flight => self.decide(decision, at).ok_or(illegal),
            Event::Wake | Event::Decided(_) => Err(illegal),
        }
    }

    /// One line per phase, step and answer. What is not named is an unknown or a passing failure.
    fn reply(self, reply: Reply, at: Moment) -> Self {
        use crate::effect::Probed::{Accepted, Blocked, Rejected};
        use Reply::{Ambiguous, Done, Lost, Probed, Refused};

        match (self.phase.clone(), reply) {
            (_, Reply::Held) => self.again(reply, at),

            (Phase::Preflight, Done) => self.go(Phase::Create),
            // For good and at once, so nothing was changed: nothing has to be changed back, and what
            // refuses the new value (a policy) may refuse the way back as well.
            (Phase::Set(Setting::Install), Refused) if !self.doubt && self.tries == 0 => {
                self.not_installed().fall_back(at)
            }
            (Phase::Preflight | Phase::Create | Phase::Set(_) | Phase::Test, Refused) => {
                self.fall_back(at)
            }
            (Phase::Preflight, _) => self.try_again(reply, at, Self::fall_back),

            (Phase::Create, Done) if self.policy.target => self.go(Phase::Set(Setting::Install)),
            (Phase::Create, Done) => self.go(Phase::Test),
            (Phase::Create, _) => self.try_again(reply, at, Self::fall_back),

            (Phase::Set(Setting::Install), Done) => self.go(Phase::Test),
            (Phase::Set(Setting::Install), Ambiguous | Lost) => self
                .doubting()
                .counted(reply)
                .at_step(Phase::Set(Setting::Quiesce)),
            (Phase::Set(Setting::Install), _) => self.try_again(reply, at, Self::fall_back),
            (Phase::Set(Setting::Quiesce), Done) => {
                self.quiet().at_step(Phase::Set(Setting::ProbePending))
            }
            (Phase::Set(Setting::ProbePending), Probed(Accepted | Blocked)) => self.go(Phase::Test),
            (Phase::Set(Setting::ProbePending), Probed(Rejected)) if self.policy.first => {
                self.install_again(at)
            }
            (Phase::Set(Setting::ProbePending), Probed(Rejected)) => {
                self.at_step(Phase::Set(Setting::ProbeCurrent))
            }
            (Phase::Set(Setting::ProbeCurrent), Probed(Accepted | Blocked)) => {
                self.install_again(at)
            }
            // Neither value works: nothing more is guessed, the way back is tried.
            (Phase::Set(Setting::ProbeCurrent), Probed(Rejected)) => self.fall_back(at),
            (Phase::Set(_), _) => self.again(reply, at),

            (Phase::Test, Probed(Accepted)) if self.policy.first || !self.policy.announce => {
                self.finish()
            }
            (Phase::Test, Probed(Accepted)) => self.announce(at),
            // Also a refusal: a pooler's cache or a replica may be behind.
            (Phase::Test, _) => self.try_again(reply, at, Self::fall_back),

            (Phase::Announce(Announcing::Tell(telling)), _) => {
                self.told(telling, reply, at, |t| Phase::Announce(Announcing::Tell(t)))
            }
            (Phase::Announce(Announcing::Observe), Done) => self.settle(at),
            (Phase::Announce(Announcing::Observe), Refused) => self.fall_back(at),
            // However long the caches in front of it keep the old document.
            (Phase::Announce(Announcing::Observe), _) => self.again(reply, at),

            (Phase::Finish(Finishing::Promote), Done) => self.switch(at),
            (Phase::Finish(Finishing::Observe | Finishing::Late(_)), Probed(Accepted)) => {
                self.switch(at)
            }
            (Phase::Finish(Finishing::Late(late)), Probed(Rejected)) => {
                self.go(Phase::Announce(Announcing::Tell(late))).round(at)
            }
            (Phase::Finish(Finishing::Observe), Probed(Rejected)) => {
                let mut unpromoted = self;
                unpromoted.promoting = false;
                unpromoted.fall_back(at)
            }
            // A first value replaces none: if it provably did not become current, nothing is lost.
            (Phase::Finish(Finishing::Promote), Refused) if self.policy.first => {
                self.at_step(Phase::Finish(Finishing::Observe))
            }
            (Phase::Finish(_), Refused) => self.stuck(at),
            (Phase::Finish(_), _) => self.again(reply, at),

            (Phase::Switch(telling), _) => self.told(telling, reply, at, Phase::Switch),

            (Phase::Retire(Retiring::Withdraw(telling)), _) => {
                self.told(telling, reply, at, |t| Phase::Retire(Retiring::Withdraw(t)))
            }
            (Phase::Retire(_) | Phase::Restore(_), Refused) => self.stuck(at),
            (Phase::Retire(Retiring::Refuse), Done) => self.at_step(Phase::Retire(Retiring::Check)),
            (Phase::Retire(Retiring::Check), Probed(Rejected)) => self.destroy_previous(),
            (Phase::Retire(Retiring::Check), Probed(Accepted | Blocked)) => {
                let refuse = if self.policy.overlap == Overlap::Dual {
                    Retiring::Refuse
                } else {
                    Retiring::Check
                };
                self.at_step(Phase::Retire(refuse))
                    .try_again(reply, at, Self::stuck)
            }
            (Phase::Retire(Retiring::Destroy), Done) => self.go(Phase::Done(Outcome::Rotated)),
            (Phase::Retire(_), _) => self.again(reply, at),

            (Phase::Restore(Restoring::Quiesce), Done) => {
                self.quiet().at_step(Phase::Restore(Restoring::Install))
            }
            (Phase::Restore(Restoring::Install), Done) => {
                self.at_step(Phase::Restore(Restoring::Check))
            }
            (Phase::Restore(Restoring::Install), Ambiguous | Lost) => self
                .doubting()
                .at_step(Phase::Restore(Restoring::Quiesce))
                .again(reply, at),
            (Phase::Restore(Restoring::Check), Probed(Accepted | Blocked)) => self.undo(at),
            (Phase::Restore(Restoring::Check), Probed(Rejected)) => self
                .at_step(Phase::Restore(Restoring::Install))
                .try_again(reply, at, Self::stuck),
            (Phase::Restore(_), _) => self.again(reply, at),

            (Phase::Undo(Undoing::Withdraw(telling)), _) => {
                self.told(telling, reply, at, |t| Phase::Undo(Undoing::Withdraw(t)))
            }
            (Phase::Undo(_), Refused) => self.stuck(at),
            (Phase::Undo(Undoing::Quiesce), Done) => self.quiet().undo_target(),
            (Phase::Undo(Undoing::Refuse), Done) => self.at_step(Phase::Undo(Undoing::Check)),
            (Phase::Undo(Undoing::Check), Probed(Rejected)) => {
                self.at_step(Phase::Undo(Undoing::Destroy))
            }
            (Phase::Undo(Undoing::Check), Probed(Accepted | Blocked)) => {
                self.undo_target().try_again(reply, at, Self::stuck)
            }
            (Phase::Undo(Undoing::Destroy), Done) => self.go(Phase::Done(Outcome::Abandoned)),
            (Phase::Undo(_), _) => self.again(reply, at),

            (
                Phase::Settle { .. }
                | Phase::Confirm
                | Phase::Grace { .. }
                | Phase::Stuck { .. }
                | Phase::Done(_),
                _,
            ) => {
                unreachable!(
                    "{reply:?} in {}: these phases have no effect",
                    self.phase.name()
                )
            }
        }
    }

    /// A round goes on, ends, or fails.
    fn told(
        mut self,
        mut telling: Telling,
        reply: Reply,
        at: Moment,
        phase: fn(Telling) -> Phase,
    ) -> Self {
        match reply {
            Reply::Done => telling.acknowledge(),
            Reply::Refused => telling.fail(Told::Refused),
            // The same consumer is told again at once.
            Reply::Lost => {}
            Reply::Retry | Reply::Held | Reply::Ambiguous | Reply::Probed(_) => {
                telling.fail(Told::Failed);
            }
        }
        self.phase = phase(telling);
        self.round(at)
    }

    /// Where the round of the present phase leads.
    pub(crate) fn round(mut self, at: Moment) -> Self {
        let (Phase::Announce(Announcing::Tell(telling))
        | Phase::Switch(telling)
        | Phase::Retire(Retiring::Withdraw(telling))
        | Phase::Undo(Undoing::Withdraw(telling))) = &mut self.phase
        else {
            unreachable!("{} has no round", self.phase.name())
        };
        let refused = telling.is_refused();
        let standing = telling.standing();
        if standing == Standing::Failing {
            telling.again();
        }
        match (&self.phase, standing) {
            // There is a way back: no use in trying the others any longer.
            (Phase::Announce(_), _) if refused => self.fall_back(at),
            (_, Standing::Telling) => self,
            (Phase::Announce(_), Standing::Failing) => {
                self.try_again(Reply::Retry, at, Self::fall_back)
            }
            (_, Standing::Failing) => self.again(Reply::Retry, at),
            (_, Standing::Refused) => self.stuck(at),
            (Phase::Announce(_), _) if self.policy.observe_published => {
                self.go(Phase::Announce(Announcing::Observe))
            }
            (Phase::Announce(_), _) => self.settle(at),
            (Phase::Switch(_), _) if self.policy.first => self.go(Phase::Done(Outcome::Rotated)),
            (Phase::Switch(_), _) if self.policy.confirm && !self.confirmed => {
                self.go(Phase::Confirm)
            }
            (Phase::Switch(_), _) => self.grace(at),
            (Phase::Undo(_), _) => self.undo_target(),
            (_, _) => self.refuse_previous(),
        }
    }
}
