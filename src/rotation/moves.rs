//! How a phase is entered and left, and what a person may decide.

use crate::backoff::retry_at;
use crate::effect::{Decision, Reply};
use crate::record::{
    Announcing, Finishing, Moment, Outcome, Overlap, Phase, Record, Restoring, Retiring, Setting,
    Telling, Undoing,
};

impl Record {
    /// Enters a phase: its tries are counted afresh.
    pub(crate) fn go(mut self, phase: Phase) -> Self {
        self.tries = 0;
        self.failures = 0;
        self.retry_at = None;
        self.phase = phase;
        self
    }

    /// Another step of the same phase: its tries are still counted.
    pub(crate) fn at_step(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    /// The same step again, later; as often as it takes.
    pub(crate) fn again(mut self, reply: Reply, at: Moment) -> Self {
        if reply != Reply::Lost {
            self.failures = self.failures.saturating_add(1);
            self.retry_at = Some(retry_at(&self.phase, self.failures, at));
        }
        self
    }

    /// The same step again, later; `exhausted` when its tries are used up.
    pub(crate) fn try_again(
        self,
        reply: Reply,
        at: Moment,
        exhausted: fn(Self, Moment) -> Self,
    ) -> Self {
        let counted = self.counted(reply);
        if counted.tries >= counted.policy.attempts_max && reply != Reply::Lost {
            exhausted(counted, at)
        } else {
            counted.again(reply, at)
        }
    }

    /// One try is used up; not by a crash, which says nothing about the effect.
    pub(crate) fn counted(mut self, reply: Reply) -> Self {
        if reply != Reply::Lost {
            self.tries = self.tries.saturating_add(1);
        }
        self
    }

    /// An install may still take effect.
    pub(crate) fn doubting(mut self) -> Self {
        self.doubt = true;
        self
    }

    /// No install can take effect any more.
    pub(crate) fn quiet(mut self) -> Self {
        self.doubt = false;
        self
    }

    /// The target provably has not got the candidate.
    pub(crate) fn not_installed(mut self) -> Self {
        self.installed = false;
        self
    }

    /// Provably not installed: the same candidate again, if tries are left.
    pub(crate) fn install_again(self, at: Moment) -> Self {
        if self.tries >= self.policy.attempts_max {
            self.fall_back(at)
        } else {
            self.at_step(Phase::Set(Setting::Install))
                .again(Reply::Retry, at)
        }
    }

    /// Tells everybody to accept the candidate.
    pub(crate) fn announce(self, at: Moment) -> Self {
        let telling = Telling::of(&self.policy.listeners);
        self.go(Phase::Announce(Announcing::Tell(telling)))
            .round(at)
    }

    /// Everybody was told; waits until they surely act on it. With one value at a time nothing is
    /// gained by waiting, and the application would be locked out for as long.
    pub(crate) fn settle(self, at: Moment) -> Self {
        if self.policy.settle_ms == 0 || self.policy.overlap == Overlap::Replace {
            return self.finish();
        }
        let until = at.now.plus(self.policy.settle_ms);
        self.go(Phase::Settle {
            since: at.now,
            until,
        })
    }

    /// Makes the candidate current.
    pub(crate) fn finish(self) -> Self {
        self.go(Phase::Finish(Finishing::Promote))
    }

    /// Tells everybody to use it.
    pub(crate) fn switch(self, at: Moment) -> Self {
        let telling = Telling::of(&self.policy.listeners);
        self.go(Phase::Switch(telling)).round(at)
    }

    /// Waits until nobody uses the old one.
    pub(crate) fn grace(self, at: Moment) -> Self {
        if self.policy.grace_ms == 0 {
            return self.retire(at);
        }
        let until = at.now.plus(self.policy.grace_ms);
        self.go(Phase::Grace {
            since: at.now,
            until,
        })
    }

    /// Ends the old one, everywhere it was accepted: consumers first, so that nobody still uses
    /// what the target is about to refuse.
    fn retire(self, at: Moment) -> Self {
        let telling = Telling::of(&self.policy.listeners);
        self.go(Phase::Retire(Retiring::Withdraw(telling)))
            .round(at)
    }

    /// After the withdraw: the target.
    pub(crate) fn refuse_previous(self) -> Self {
        match (self.policy.target, self.policy.overlap) {
            (false, _) => self.destroy_previous(),
            (true, Overlap::Dual) => self.go(Phase::Retire(Retiring::Refuse)),
            // Setting the new value has ended the old one; that is only checked.
            (true, Overlap::Replace) => self.go(Phase::Retire(Retiring::Check)),
        }
    }

    /// After the target: the provider.
    pub(crate) fn destroy_previous(self) -> Self {
        if self.policy.keep_previous {
            self.go(Phase::Done(Outcome::Rotated))
        } else {
            self.go(Phase::Retire(Retiring::Destroy))
        }
    }

    /// Gives the candidate up. The target's only slot is given back first.
    pub(crate) fn fall_back(self, at: Moment) -> Self {
        if self.promoting {
            return self.go(Phase::Finish(Finishing::Observe));
        }
        if self.installed && self.policy.overlap == Overlap::Replace && !self.policy.first {
            self.go(Phase::Restore(Restoring::Quiesce))
        } else {
            self.undo(at)
        }
    }

    /// Takes the candidate back, in the order in which it could still be used: consumers, target,
    /// provider.
    pub(crate) fn undo(self, at: Moment) -> Self {
        if self.announced {
            let telling = Telling::of(&self.policy.listeners);
            self.go(Phase::Undo(Undoing::Withdraw(telling))).round(at)
        } else {
            self.undo_target()
        }
    }

    /// The target's part of [`Record::undo`].
    pub(crate) fn undo_target(self) -> Self {
        if !self.created {
            return self.go(Phase::Done(Outcome::Abandoned));
        }
        let step = match self.policy.overlap {
            _ if !self.installed => Undoing::Destroy,
            _ if self.doubt => Undoing::Quiesce,
            Overlap::Dual => Undoing::Refuse,
            Overlap::Replace => Undoing::Check,
        };
        let undoing_already = matches!(
            self.phase,
            Phase::Undo(Undoing::Quiesce | Undoing::Refuse | Undoing::Check)
        );
        if undoing_already {
            self.at_step(Phase::Undo(step))
        } else {
            self.go(Phase::Undo(step))
        }
    }

    /// A person must look.
    pub(crate) fn stuck(self, _: Moment) -> Self {
        let was = Box::new(self.phase.clone());
        self.go(Phase::Stuck { was })
    }

    /// A deadline has passed; `None` where none has.
    pub(crate) fn wake(self, at: Moment) -> Option<Self> {
        match self.phase {
            Phase::Settle { until, .. } if until <= at.now => Some(self.finish()),
            Phase::Grace { until, .. } if until <= at.now => Some(self.retire(at)),
            _ => None,
        }
    }

    /// What a person decides; `None` where it makes no sense.
    pub(crate) fn decide(self, decision: Decision, at: Moment) -> Option<Self> {
        match (decision, &self.phase) {
            (Decision::Confirm, Phase::Confirm) => {
                let mut confirmed = self;
                confirmed.confirmed = true;
                Some(confirmed.grace(at))
            }
            (Decision::Resume, Phase::Stuck { was }) => {
                let was = was.as_ref().clone();
                // The listener that refused may have left the schedule since.
                Some(self.go(was.ask_refused()).round_or_same(at))
            }
            (Decision::Resume, _) if self.retry_at.is_some() => Some(Self {
                retry_at: None,
                ..self
            }),
            (
                Decision::Abandon,
                Phase::Preflight
                | Phase::Create
                | Phase::Set(_)
                | Phase::Test
                | Phase::Announce(_)
                | Phase::Settle { .. },
            ) => Some(self.fall_back(at)),
            // It may be current already, so that is observed first.
            (Decision::Abandon, Phase::Finish(_)) => {
                Some(self.go(Phase::Finish(Finishing::Observe)))
            }
            (Decision::Abandon, Phase::Stuck { was }) => match **was {
                Phase::Finish(_) => Some(self.go(Phase::Finish(Finishing::Observe))),
                // The way back failed for good. Whoever looked has ended the candidate by hand, or
                // lives with it: what is current works, and the next rotation is not held up.
                Phase::Undo(Undoing::Destroy) => Some(self.go(Phase::Done(Outcome::Abandoned))),
                Phase::Undo(Undoing::Withdraw(_)) => Some(self.undo_target()),
                Phase::Undo(Undoing::Refuse | Undoing::Check) => {
                    Some(self.go(Phase::Undo(Undoing::Destroy)))
                }
                // An install may still land: that is waited for.
                _ => None,
            },
            (Decision::RetireNow, Phase::Grace { .. }) => {
                let mut hurried = self;
                hurried.hurried = true;
                hurried.policy.grace_ms = 0;
                Some(hurried.retire(at))
            }
            (Decision::Compromised, Phase::Stuck { .. } | Phase::Done(_)) => None,
            (Decision::Compromised, _) => {
                let mut hurried = self;
                hurried.hurried = true;
                hurried.policy.settle_ms = 0;
                hurried.policy.grace_ms = 0;
                hurried.policy.observe_published = false;
                Some(match hurried.phase {
                    Phase::Announce(Announcing::Observe) | Phase::Settle { .. } => hurried.finish(),
                    Phase::Grace { .. } => hurried.retire(at),
                    _ => hurried,
                })
            }
            _ => None,
        }
    }
}

impl Phase {
    /// Consumers that refused are asked once more.
    fn ask_refused(mut self) -> Self {
        if let Self::Announce(Announcing::Tell(telling))
        | Self::Switch(telling)
        | Self::Retire(Retiring::Withdraw(telling))
        | Self::Undo(Undoing::Withdraw(telling)) = &mut self
        {
            telling.ask_refused();
        }
        self
    }
}
