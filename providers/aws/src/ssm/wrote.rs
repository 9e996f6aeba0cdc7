//! What keyrota wrote under a name of Parameter Store, and which answers are older than that.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::history::{History, Version};

/// What stood under a name: the number and our id of its newest version; `None`: no parameter.
pub(super) type State = Option<(i64, Option<Uuid>)>;

/// What keyrota wrote under one name.
#[derive(Default)]
pub(super) struct Wrote {
    /// The number of a version that was put. A parameter's numbers only grow.
    number: i64,
    /// The newest version that was marked as destroyed.
    destroyed: i64,
    /// What keyrota's writes replaced: a candidate is deleted and made again, and its numbers with it.
    past: BTreeSet<State>,
    /// The candidate that another process wrote.
    candidate: Option<Uuid>,
}

impl Wrote {
    /// A version was put under a name that readers use.
    pub(super) fn put(&mut self, number: i64) {
        self.number = self.number.max(number);
    }

    /// The candidate's parameter is about to be one of this id, or none. The answer may be lost: what it
    /// leads to is not older from now on.
    pub(super) fn begins(&mut self, to: Option<Uuid>) {
        self.candidate = None;
        self.past.retain(|past| match (past, to) {
            (None, None) => false,
            (Some((_, Some(id))), Some(to)) => *id != to,
            _ => true,
        });
    }

    /// The candidate's parameter was `from`, and is `to`.
    pub(super) fn replaced(&mut self, from: State, to: State) {
        self.past.insert(from);
        self.past.remove(&to);
    }

    /// Another process wrote this candidate.
    pub(super) fn expects(&mut self, id: Uuid) {
        self.candidate = Some(id);
    }

    pub(super) fn marked(&mut self, number: i64) {
        self.destroyed = self.destroyed.max(number);
    }

    /// It is about to be unmarked.
    pub(super) fn unmarked(&mut self, number: i64) {
        if self.destroyed == number {
            self.destroyed = 0;
        }
    }

    pub(super) fn has_put(&self) -> bool {
        self.number > 0
    }

    /// Whether a history is from before the last write.
    pub(super) fn lags(&self, history: &History) -> bool {
        let newest = history.latest().map_or(0, |v| v.number);
        newest < self.number
            || history.destroyed_up_to() < self.destroyed
            || self.past.contains(&state(history.latest()))
            || self.is_before_candidate(state(history.latest()))
    }

    /// Another tool's has no id of ours, and is not older.
    fn is_before_candidate(&self, state: State) -> bool {
        let other = |id| match state {
            Some((_, shown)) => shown.is_some_and(|shown| shown != id),
            None => true,
        };
        self.candidate.is_some_and(other)
    }

    /// The same of one value, which came with its version's number; 0: there is none.
    pub(super) fn lags_behind(&self, number: i64) -> bool {
        number < self.number
    }
}

pub(super) fn state(version: Option<&Version>) -> State {
    version.map(|v| (v.number, v.description.id))
}
