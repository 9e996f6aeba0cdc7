//! What is written down.

use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// This instant plus `ms` milliseconds, saturating.
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms))
    }
}

/// When a step is taken, and the dice for the jitter of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub now: Time,
    /// Any number; equal dice give equal delays.
    pub dice: u64,
}

/// Whether the target accepts two values at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// Two: the old value works until it is refused.
    Dual,
    /// One: setting the new value ends the old one.
    Replace,
}

/// A consumer, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name, stable over restarts and edits of the file.
    pub key: String,
    /// Whether the rotation waits for it. One that is not required is tried once a pass and let go
    /// when it refuses.
    pub required: bool,
    /// A digest of how it is notified. When the schedule gives it another one, it is notified again.
    pub definition: String,
}

/// What the file and the kind ask of this rotation, taken down when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// There is no current value yet: nothing to announce, to overlap with or to retire.
    pub first: bool,
    /// A server must be told (false for keys that live only in programs).
    pub target: bool,
    /// Of the target; keys that live only in programs are dual.
    pub overlap: Overlap,
    /// Consumers get the candidate as accepted before anyone uses it.
    pub announce: bool,
    /// Settle begins only when the public document shows the candidate.
    pub observe_published: bool,
    /// Wait between the last announcement and the first use, in milliseconds; 0 with `Replace`.
    pub settle_ms: u64,
    /// Wait between the last switch and the end of the old value, in milliseconds.
    pub grace_ms: u64,
    /// A person must confirm before grace begins.
    pub confirm: bool,
    /// The refused previous value stays readable until the next promote.
    pub keep_previous: bool,
    /// Tries of an effect before its failure counts as permanent, where there is a way back.
    pub attempts_max: u32,
    /// The consumers, in the order in which they are notified.
    pub listeners: Vec<Listener>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The new value is current and the old one is gone or refused.
    Rotated,
    /// The old value is current and the candidate is gone or refused.
    Abandoned,
}

/// What one consumer has answered in the round under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// To be told in this pass.
    Due,
    /// It failed in this pass; the next pass tells it again.
    Failed,
    /// It failed in an earlier pass; to be told in this one.
    Again,
    /// It has it.
    Acknowledged,
    /// It refused for good.
    Refused,
}

/// A round of deliveries under way: the listeners of the policy when it began, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling(pub Vec<(Listener, Told)>);

/// Where a rotation stands. A deadline lives inside the phase that waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Looking, without any effect.
    Preflight,
    /// Minting the candidate and writing it as pending.
    Create,
    /// Making the target accept the candidate.
    Set(Setting),
    /// Proving the candidate.
    Test,
    /// Consumers are told to accept the candidate.
    Announce(Announcing),
    /// Waiting until every verifier surely accepts it.
    Settle {
        /// When the last consumer had been told.
        since: Time,
        /// Not before this instant.
        until: Time,
    },
    /// Making it current.
    Finish(Finishing),
    /// Consumers are told to use it.
    Switch(Telling),
    /// Waiting for a person.
    Confirm,
    /// Waiting until nobody uses the old one.
    Grace {
        /// When the last consumer had switched, or a person confirmed.
        since: Time,
        /// Not before this instant.
        until: Time,
    },
    /// Ending the old one.
    Retire(Retiring),
    /// Making the only slot of a target hold the current value again.
    Restore(Restoring),
    /// Taking the candidate back.
    Undo(Undoing),
    /// A way forward or back failed for good; a person must look.
    Stuck {
        /// The phase that failed; `Resume` goes back to it.
        was: Box<Phase>,
    },
    /// Over.
    Done(Outcome),
}

/// Steps of [`Phase::Set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Install the candidate.
    Install,
    /// After doubt: end what the last try may still be doing.
    Quiesce,
    /// After doubt: is the candidate accepted?
    ProbePending,
    /// After doubt: the candidate is refused; is the current value still accepted?
    ProbeCurrent,
}

/// Steps of [`Phase::Announce`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announcing {
    /// Consumers are being told.
    Tell(Telling),
    /// The public document does not show the candidate yet.
    Observe,
}

/// Steps of [`Phase::Finish`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finishing {
    /// Make the candidate current.
    Promote,
    /// A person wants it back: is it current already?
    Observe,
    /// The schedule added or changed listeners: they accept the candidate before it is current,
    /// unless it is current already.
    Late(Telling),
}

/// Steps of [`Phase::Retire`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retiring {
    /// Consumers are told to drop the old one.
    Withdraw(Telling),
    /// The target is told to refuse it.
    Refuse,
    /// Is it refused?
    Check,
    /// It is destroyed in the provider.
    Destroy,
}

/// Steps of [`Phase::Restore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restoring {
    /// End what an earlier try may still be doing.
    Quiesce,
    /// Install the current value.
    Install,
    /// Is it accepted?
    Check,
}

/// Steps of [`Phase::Undo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undoing {
    /// Consumers that accept the candidate are told to drop it.
    Withdraw(Telling),
    /// End what an earlier try may still be doing.
    Quiesce,
    /// The target is told to refuse the candidate.
    Refuse,
    /// Is it refused?
    Check,
    /// It is destroyed in the provider.
    Destroy,
}

/// The durable state of one rotation.
///
/// Everything a restarted process, or another host, needs to go on. No value, nothing derived from
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked.
    pub policy: Policy,
    /// Where it stands.
    pub phase: Phase,
    /// An effect was begun and nothing is known of it yet.
    pub in_flight: bool,
    /// Used-up tries of this phase.
    pub tries: u32,
    /// Failures in a row; the exponent of the backoff.
    pub failures: u32,
    /// Not before this instant, after a failure.
    pub retry_at: Option<Time>,
    /// A candidate may stand in the provider.
    pub created: bool,
    /// The target may have been told the candidate.
    pub installed: bool,
    /// Consumers may have been told to accept the candidate.
    pub announced: bool,
    /// An install had an unknown outcome and was not made quiet since.
    pub doubt: bool,
    /// A person ended the waits of this rotation: none begins again, whatever the file says.
    pub hurried: bool,
    /// A promote was begun, and nothing has proved since then that it had no effect.
    #[serde(default)]
    pub promoting: bool,
    /// A person confirmed.
    pub confirmed: bool,
    /// The target may reject the old value already, or the provider may have lost it.
    pub ending: bool,
}

impl Record {
    /// A rotation that has done nothing yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            phase: Phase::Preflight,
            in_flight: false,
            tries: 0,
            failures: 0,
            retry_at: None,
            created: false,
            installed: false,
            announced: false,
            doubt: false,
            hurried: false,
            promoting: false,
            confirmed: false,
            ending: false,
        }
    }

    /// Moves every instant that is waited for by `ms`, after the clock was set by so much: what is
    /// left of a wait stays as it was.
    pub fn shift(&mut self, ms: i64) {
        let shifted = |time: &mut Time| time.0 = time.0.saturating_add(ms);
        self.retry_at.iter_mut().for_each(shifted);
        if let Phase::Settle { since, until } | Phase::Grace { since, until } = &mut self.phase {
            shifted(since);
            shifted(until);
        }
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            Phase::Done(outcome) => Some(outcome),
            _ => None,
        }
    }
}

impl Phase {
    /// The round under way, also one that a person must look at.
    pub fn telling(&self) -> Option<&Telling> {
        match self {
            Self::Announce(Announcing::Tell(telling))
            | Self::Finish(Finishing::Late(telling))
            | Self::Switch(telling)
            | Self::Retire(Retiring::Withdraw(telling))
            | Self::Undo(Undoing::Withdraw(telling)) => Some(telling),
            Self::Stuck { was } => was.telling(),
            _ => None,
        }
    }

    /// The phase's name, without its step; stable, for status, audit and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Create => "create",
            Self::Set(_) => "set",
            Self::Test => "test",
            Self::Announce(_) => "announce",
            Self::Settle { .. } => "settle",
            Self::Finish(_) => "finish",
            Self::Switch(_) => "switch",
            Self::Confirm => "confirm",
            Self::Grace { .. } => "grace",
            Self::Retire(_) => "retire",
            Self::Restore(_) => "restore",
            Self::Undo(_) => "undo",
            Self::Stuck { .. } => "stuck",
            Self::Done(_) => "done",
        }
    }
}
