//! Exit codes, and what a command says when it fails.

use std::fmt;

use keyrota_contract::ErrorKind;
use keyrota_rotation::{Outcome, Phase};

use crate::engine::view::ViewError;
use crate::engine::{EngineError, Remedy, Stop};
use crate::state::{LockError, StateError};

/// Done; also when only a grace remains.
pub const DONE: u8 = 0;
/// The environment is not fit to start.
pub const UNFIT: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// Waiting: settle, window, a person's confirmation.
pub const WAITING: u8 = 10;
/// Abandoned; nothing changed.
pub const ABANDONED: u8 = 20;
/// Begun, and can be resumed.
pub const RESUMABLE: u8 = 21;
/// A person must look.
pub const PERSON: u8 = 22;
/// Another process is at it.
pub const RUNNING: u8 = 23;
/// Not begun; may work later.
pub const TRANSIENT: u8 = 75;
/// Files, keys or settings are wrong (`EX_CONFIG`).
pub const CONFIG: u8 = 78;

/// Why a command ends without having done what it was asked.
#[derive(Debug)]
pub struct Failed {
    /// One of the codes above.
    pub code: u8,
    /// For a person: what is wrong and what to do. Empty if it was told already.
    pub say: String,
}

impl Failed {
    /// A failure with `code`.
    pub fn new(code: u8, say: impl Into<String>) -> Self {
        Self {
            code,
            say: say.into(),
        }
    }

    /// A failure of files, keys or settings.
    pub fn config(say: impl Into<String>) -> Self {
        Self::new(CONFIG, say)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.say)
    }
}

impl From<StateError> for Failed {
    fn from(e: StateError) -> Self {
        let code = match &e {
            StateError::Refused(_)
            | StateError::Newer { .. }
            | StateError::Older { .. }
            | StateError::Missing
            | StateError::Denied
            | StateError::Untrusted
            | StateError::Lacks(_)
            | StateError::Forbidden => CONFIG,
            StateError::Fenced | StateError::Stale | StateError::Running(_) => RUNNING,
            StateError::Claimed(_)
            | StateError::Corrupt
            | StateError::Unvouched(_)
            | StateError::Altered(_) => PERSON,
            StateError::Full
            | StateError::ReadOnly
            | StateError::Io
            | StateError::Busy
            | StateError::Unavailable => TRANSIENT,
        };
        Self::new(code, format!("state: {e}"))
    }
}

impl From<LockError> for Failed {
    fn from(e: LockError) -> Self {
        match e {
            LockError::Held(held) => Self::new(
                RUNNING,
                format!(
                    "another keyrota is at work here: pid {} on {}. Wait for it with --wait, or let it finish",
                    held.pid, held.host
                ),
            ),
            LockError::State(e) => e.into(),
        }
    }
}

impl From<EngineError> for Failed {
    fn from(e: EngineError) -> Self {
        match e {
            EngineError::State(e) => e.into(),
            EngineError::Provider(e) => Self::new(of_provider(e.kind), format!("provider: {e}")),
            EngineError::Parts(_) | EngineError::NoSecret(_) => Self::config(e.to_string()),
            EngineError::UnreadableRecord => Self::new(PERSON, e.to_string()),
            EngineError::Illegal(_) => Self::new(USAGE, e.to_string()),
        }
    }
}

impl From<ViewError> for Failed {
    fn from(e: ViewError) -> Self {
        let code = match &e {
            ViewError::Provider(_, why) => of_provider(why.kind),
            ViewError::Parts(_) | ViewError::Field(_) => CONFIG,
        };
        Self::new(code, e.to_string())
    }
}

/// The exit code of a provider's error outside a rotation.
fn of_provider(kind: ErrorKind) -> u8 {
    match Remedy::of(kind) {
        Remedy::Wait => TRANSIENT,
        Remedy::Person => PERSON,
        Remedy::Settings => CONFIG,
    }
}

/// The exit code of a drive that ended at `stop` in `phase`.
pub fn of_stop(stop: Stop, phase: Option<&str>) -> u8 {
    match stop {
        Stop::Over(Outcome::Rotated) => DONE,
        Stop::Over(Outcome::Abandoned) => ABANDONED,
        Stop::Wait { .. } if phase == Some(GRACE) => DONE,
        Stop::Wait { .. } | Stop::Confirm => WAITING,
        Stop::Retry { .. } | Stop::Interrupted => RESUMABLE,
        Stop::Person => PERSON,
    }
}

/// The name of the phase in which nothing is left to do but to wait.
pub const GRACE: &str = "grace";

/// The code for several secrets: the most urgent one.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    const URGENCY: [u8; 9] = [
        PERSON, RESUMABLE, ABANDONED, RUNNING, TRANSIENT, WAITING, USAGE, CONFIG, DONE,
    ];
    let rank = |code: u8| URGENCY.iter().position(|c| *c == code).unwrap_or(0);
    codes
        .into_iter()
        .min_by_key(|code| rank(*code))
        .unwrap_or(DONE)
}

/// A phase as a person reads it while waiting.
pub fn in_words(phase: &Phase) -> &'static str {
    match phase {
        Phase::Preflight => "looking whether it can be done",
        Phase::Create => "making the new value",
        Phase::Set(_) => "setting it in the target",
        Phase::Test => "testing it",
        Phase::Announce(_) => "telling verifiers to accept it",
        Phase::Settle { .. } => "settling: until every verifier accepts it",
        Phase::Finish(_) => "making it current",
        Phase::Switch(_) => "telling consumers to use it",
        Phase::Confirm => "waiting for a person's confirmation",
        Phase::Grace { .. } => "grace: until no program uses the old one",
        Phase::Retire(_) => "retiring the old one",
        Phase::Restore(_) => "restoring the old value",
        Phase::Undo(_) => "taking the new value back",
        Phase::Stuck { .. } => "stuck: a person must look",
        Phase::Done(Outcome::Rotated) => "rotated",
        Phase::Done(Outcome::Abandoned) => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_provider_error_has_its_code() {
        for (kind, code) in [
            (ErrorKind::Unavailable, TRANSIENT),
            (ErrorKind::Throttled, TRANSIENT),
            (ErrorKind::Ambiguous, TRANSIENT),
            (ErrorKind::NotFound, PERSON),
            (ErrorKind::SoftDeleted, PERSON),
            (ErrorKind::Conflict, PERSON),
            (ErrorKind::Denied, CONFIG),
            (ErrorKind::Invalid, CONFIG),
        ] {
            assert_eq!(of_provider(kind), code, "{kind:?}");
        }
    }

    #[test]
    fn the_most_urgent_code_wins() {
        assert_eq!(worst([]), DONE);
        assert_eq!(worst([DONE, WAITING]), WAITING);
        assert_eq!(worst([WAITING, TRANSIENT, DONE]), TRANSIENT);
        assert_eq!(worst([RUNNING, ABANDONED, RESUMABLE]), RESUMABLE);
        assert_eq!(worst([RESUMABLE, PERSON, DONE]), PERSON);
    }
}
