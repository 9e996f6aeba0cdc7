//! What an edited schedule changes in a rotation under way.
//!
//! A listener that was added or changed has not been notified as the schedule now asks. It is
//! notified in the round that its phase relies on, before anything goes on, and a wait that relies
//! on that round begins again. A listener that was removed is waited for no longer.

use crate::record::{
    Announcing, Finishing, Listener, Moment, Phase, Policy, Record, Retiring, Telling, Told,
    Undoing,
};

/// How the schedule changed one listener of a rotation under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is defined in another way, or has become required.
    Changed,
    /// The schedule does not name it any more.
    Removed,
}

impl Change {
    /// The change in words; stable, for the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added to the schedule",
            Self::Changed => "changed in the schedule",
            Self::Removed => "removed from the schedule",
        }
    }
}

/// One listener that the schedule changed, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// [`Listener::key`].
    pub listener: String,
    /// What happened to it.
    pub change: Change,
}

impl Record {
    /// The record under an edited schedule, and the listeners that the edit changed.
    ///
    /// Listeners are taken over as the module says. Waits may only grow, also the one that is
    /// running; after [`crate::Decision::Compromised`] or [`crate::Decision::RetireNow`] they stay
    /// as that decision left them. Adopting the same schedule twice changes nothing.
    ///
    /// # Panics
    ///
    /// When an effect is in flight: its reply belongs to the listeners from before the edit, so it
    /// is answered first.
    #[must_use]
    pub fn adopt(mut self, edited: &Policy, at: Moment) -> (Self, Vec<Edit>) {
        assert!(!self.in_flight, "the effect in flight is answered first");
        let edits = edits(&self.policy.listeners, &edited.listeners);
        self.policy.listeners.clone_from(&edited.listeners);
        self.lengthen(edited);
        let fresh: Vec<&str> = edits
            .iter()
            .filter(|e| e.change != Change::Removed)
            .map(|e| e.listener.as_str())
            .collect();
        let phase = self.reopened(&self.phase, &fresh);
        let next = match (&phase, fresh.is_empty()) {
            // Still for a person to look at.
            (Phase::Stuck { .. }, _) => self.at_step(phase),
            (_, true) => self.at_step(phase).round_or_same(at),
            (reopened, false) if *reopened == self.phase => self,
            (_, false) => self.go(phase).round_or_same(at),
        };
        (next, edits)
    }

    fn lengthen(&mut self, edited: &Policy) {
        if self.hurried {
            return;
        }
        let policy = &mut self.policy;
        policy.settle_ms = policy.settle_ms.max(edited.settle_ms);
        policy.grace_ms = policy.grace_ms.max(edited.grace_ms);
        match &mut self.phase {
            Phase::Settle { since, until } => *until = (*until).max(since.plus(policy.settle_ms)),
            Phase::Grace { since, until } => *until = (*until).max(since.plus(policy.grace_ms)),
            _ => {}
        }
    }

    /// The phase in which the `fresh` listeners are notified, coming from `phase`.
    fn reopened(&self, phase: &Phase, fresh: &[&str]) -> Phase {
        let edited = |round: &Telling| round.edited(&self.policy.listeners, fresh);
        // Every listener but the fresh ones has acknowledged the round that is reopened.
        let late = || Telling::late(&self.policy.listeners, fresh);
        // A person ended the grace, or the old value may be rejected already.
        let no_wait = self.hurried || self.ending;
        match phase {
            Phase::Stuck { was } => Phase::Stuck {
                was: Box::new(self.reopened(was, fresh)),
            },
            Phase::Announce(Announcing::Tell(round)) => {
                Phase::Announce(Announcing::Tell(edited(round)))
            }
            Phase::Finish(Finishing::Late(round)) => Phase::Finish(Finishing::Late(edited(round))),
            Phase::Switch(round) => Phase::Switch(edited(round)),
            Phase::Undo(Undoing::Withdraw(round)) => Phase::Undo(Undoing::Withdraw(edited(round))),
            Phase::Retire(Retiring::Withdraw(round)) if fresh.is_empty() || no_wait => {
                Phase::Retire(Retiring::Withdraw(edited(round)))
            }
            same if fresh.is_empty() => same.clone(),
            Phase::Announce(Announcing::Observe) | Phase::Settle { .. } => {
                Phase::Announce(Announcing::Tell(late()))
            }
            Phase::Finish(Finishing::Promote) if self.policy.announce && !self.policy.first => {
                Phase::Finish(Finishing::Late(late()))
            }
            Phase::Retire(_) if no_wait => Phase::Retire(Retiring::Withdraw(late())),
            // The old value still works, so its readers get the whole grace.
            Phase::Confirm | Phase::Grace { .. } => Phase::Switch(late()),
            // And some of the others may have dropped the old value already.
            Phase::Retire(_) => Phase::Switch(Telling::of(&self.policy.listeners)),
            same => same.clone(),
        }
    }

    /// In a round: where it leads now.
    pub(crate) fn round_or_same(self, at: Moment) -> Self {
        let in_round = !matches!(self.phase, Phase::Finish(_)) && self.phase.telling().is_some();
        if in_round { self.round(at) } else { self }
    }
}

/// What is different in `after`; the order alone is no difference.
fn edits(before: &[Listener], after: &[Listener]) -> Vec<Edit> {
    let find = |all: &[Listener], key: &str| all.iter().find(|l| l.key == key).cloned();
    let edit = |listener: &Listener, change| Edit {
        listener: listener.key.clone(),
        change,
    };
    let removed = before
        .iter()
        .filter(|l| find(after, &l.key).is_none())
        .map(|l| edit(l, Change::Removed));
    let fresh = after.iter().filter_map(|l| match find(before, &l.key) {
        None => Some(edit(l, Change::Added)),
        Some(was) if was.definition != l.definition || (l.required && !was.required) => {
            Some(edit(l, Change::Changed))
        }
        Some(_) => None,
    });
    removed.chain(fresh).collect()
}

impl Telling {
    /// This round over `listeners`: the `fresh` ones are to be notified, the others stay as they are.
    fn edited(&self, listeners: &[Listener], fresh: &[&str]) -> Self {
        Self::over(listeners, fresh, |key| {
            let found = self.0.iter().find(|(l, _)| l.key == key);
            found.map_or(Told::Again, |(_, told)| *told)
        })
    }

    /// A round that was complete, over `listeners`: only the `fresh` ones are to be notified.
    fn late(listeners: &[Listener], fresh: &[&str]) -> Self {
        Self::over(listeners, fresh, |_| Told::Acknowledged)
    }

    /// Those behind a fresh one are notified again, as behind one that failed: a program is
    /// reloaded after its file was written.
    fn over(listeners: &[Listener], fresh: &[&str], others: impl Fn(&str) -> Told) -> Self {
        let told = |l: &Listener| match fresh.contains(&l.key.as_str()) {
            true => Told::Again,
            false => others(&l.key),
        };
        Self(listeners.iter().map(|l| (l.clone(), told(l))).collect())
    }
}
