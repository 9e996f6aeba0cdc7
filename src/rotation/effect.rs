//! What can be done, and what can come of it.

use crate::record::{Outcome, Time};

/// One of the versions of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What readers use.
    Current,
    /// The candidate.
    Pending,
    /// What readers used before.
    Previous,
}

/// Why consumers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Accept the candidate as well.
    Announce,
    /// Use the new value; accept the old one as well.
    Switch,
    /// Accept the current value only.
    Withdraw,
}

impl Round {
    /// The round's name; stable, for the state, audit and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Switch => "switch",
            Self::Withdraw => "withdraw",
        }
    }
}

/// One thing done at the edge. Every effect may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look whether everything later can be done.
    Preflight,
    /// Find the candidate under its id, or mint one and write it; read it back equal.
    Create,
    /// Make the target accept a version.
    Install(Which),
    /// End what an earlier install may still be doing.
    Quiesce,
    /// Try a version where the application would.
    Probe(Which),
    /// Tell one consumer.
    Deliver {
        /// Why.
        round: Round,
        /// Whom: [`crate::Listener::key`].
        listener: String,
    },
    /// See whether the public document shows the candidate.
    ObservePublished,
    /// Make the candidate current, by compare-and-set.
    Promote,
    /// Is the candidate the provider's current version? Accepted: yes. Rejected: no.
    ObserveCurrent,
    /// Make the target refuse a version.
    Refuse(Which),
    /// Remove a version from the provider.
    Destroy(Which),
}

impl Effect {
    /// The effect's name; stable, for audit and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Create => "create",
            Self::Install(_) => "install",
            Self::Quiesce => "quiesce",
            Self::Probe(_) => "probe",
            Self::Deliver { .. } => "deliver",
            Self::ObservePublished => "observe-published",
            Self::Promote => "promote",
            Self::ObserveCurrent => "observe-current",
            Self::Refuse(_) => "refuse",
            Self::Destroy(_) => "destroy",
        }
    }
}

impl Effect {
    /// Whether the answer is [`Reply::Probed`] rather than [`Reply::Done`].
    pub fn asks(&self) -> bool {
        matches!(self, Self::Probe(_) | Self::ObserveCurrent)
    }
}

/// What a probe showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// The value works.
    Accepted,
    /// The value is right; a lock or a limit stands in the way.
    Blocked,
    /// The value is wrong.
    Rejected,
    /// Nothing was learnt.
    Unknown,
}

/// What came of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It was done, now or earlier.
    Done,
    /// A probe's answer.
    Probed(Probed),
    /// It was not done; it may be tried again.
    Retry,
    /// It was not begun: something has to be waited for first. Not counted as a try.
    Held,
    /// It may have been done.
    Ambiguous,
    /// It was begun by a process that is gone, so it may have been done. Not counted as a try.
    Lost,
    /// It was not done and never will be.
    Refused,
}

/// A person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// What the file asked for has been done outside.
    Confirm,
    /// Try again now.
    Resume,
    /// Take the candidate back.
    Abandon,
    /// End the grace.
    RetireNow,
    /// The old value is in wrong hands: no more waits.
    Compromised,
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The effect that was begun has an answer.
    Reply(Reply),
    /// A deadline has passed.
    Wake,
    /// A person decided.
    Decided(Decision),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Todo {
    /// Begin this effect.
    Effect(Effect),
    /// An effect was begun by a process that is gone: answer it with [`Reply::Lost`].
    Recover,
    /// A deadline has passed: step with [`Event::Wake`].
    Wake,
    /// Nothing before this instant.
    Wait {
        /// When.
        until: Time,
        /// Whether a failure is the reason, and not a planned wait.
        retry: bool,
    },
    /// Nothing until a person confirms.
    Confirm,
    /// Nothing until a person looks.
    Person,
    /// Nothing any more.
    Over(Outcome),
}
