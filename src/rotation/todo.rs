//! From a record to the next thing to do.

use crate::effect::{Effect, Round, Todo, Which};
use crate::record::{
    Announcing, Finishing, Phase, Record, Restoring, Retiring, Setting, Telling, Time, Undoing,
};

impl Record {
    /// What to do now. Asking twice gives the same answer.
    pub fn todo(&self, now: Time) -> Todo {
        if self.in_flight {
            return Todo::Recover;
        }
        match &self.phase {
            Phase::Done(outcome) => return Todo::Over(*outcome),
            Phase::Stuck { .. } => return Todo::Person,
            Phase::Confirm => return Todo::Confirm,
            Phase::Settle { until, .. } | Phase::Grace { until, .. } => {
                return if now < *until {
                    Todo::Wait {
                        until: *until,
                        retry: false,
                    }
                } else {
                    Todo::Wake
                };
            }
            _ => {}
        }
        if let Some(until) = self.retry_at.filter(|until| now < *until) {
            return Todo::Wait { until, retry: true };
        }
        self.effect().map_or(Todo::Person, Todo::Effect)
    }

    /// The effect of the present step; `None` where the phase waits.
    pub fn effect(&self) -> Option<Effect> {
        Some(match &self.phase {
            Phase::Preflight => Effect::Preflight,
            Phase::Create => Effect::Create,
            Phase::Set(Setting::Install) => Effect::Install(Which::Pending),
            Phase::Set(Setting::Quiesce)
            | Phase::Restore(Restoring::Quiesce)
            | Phase::Undo(Undoing::Quiesce) => Effect::Quiesce,
            Phase::Set(Setting::ProbePending) | Phase::Test | Phase::Undo(Undoing::Check) => {
                Effect::Probe(Which::Pending)
            }
            Phase::Set(Setting::ProbeCurrent) | Phase::Restore(Restoring::Check) => {
                Effect::Probe(Which::Current)
            }
            Phase::Announce(Announcing::Tell(telling)) => return deliver(Round::Announce, telling),
            Phase::Announce(Announcing::Observe) => Effect::ObservePublished,
            Phase::Finish(Finishing::Promote) => Effect::Promote,
            Phase::Finish(Finishing::Observe | Finishing::Late(_)) => Effect::ObserveCurrent,
            Phase::Switch(telling) => return deliver(Round::Switch, telling),
            Phase::Retire(Retiring::Withdraw(telling))
            | Phase::Undo(Undoing::Withdraw(telling)) => {
                return deliver(Round::Withdraw, telling);
            }
            Phase::Retire(Retiring::Refuse) => Effect::Refuse(Which::Previous),
            Phase::Retire(Retiring::Check) => Effect::Probe(Which::Previous),
            Phase::Retire(Retiring::Destroy) => Effect::Destroy(Which::Previous),
            Phase::Restore(Restoring::Install) => Effect::Install(Which::Current),
            Phase::Undo(Undoing::Refuse) => Effect::Refuse(Which::Pending),
            Phase::Undo(Undoing::Destroy) => Effect::Destroy(Which::Pending),
            Phase::Settle { .. }
            | Phase::Confirm
            | Phase::Grace { .. }
            | Phase::Stuck { .. }
            | Phase::Done(_) => return None,
        })
    }
}

fn deliver(round: Round, telling: &Telling) -> Option<Effect> {
    telling.next().map(|listener| Effect::Deliver {
        round,
        listener: listener.key.clone(),
    })
}
