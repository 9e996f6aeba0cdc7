//! A program of the administrator's changes a secret: any server, one contract.
//!
//! The contract, phase by phase and with its exit codes, is `examples/README.md`: people write
//! programs after it. What this side promises beyond it:
//!
//! - The value is made here and stored before the program hears of it; it is never the program's.
//! - A call that changes something holds the lock file, which the program inherits with everything
//!   it starts. After a crash of ours the lock tells whether an earlier call still lives, and
//!   through it such a call is found and ended. Where several hosts share the state a lock of one
//!   host tells nothing; then the program itself must know, and say so in the phase `quiesce`.
//! - An unknown exit code, a signal and a timeout are an unknown outcome.

mod call;
mod kind;
mod settings;

use std::time::Duration;

use async_trait::async_trait;
use keyrota_contract::{
    Entropy, Material, Minted, Overlap, Probe, Public, Quiet, Report, Rotator, RotatorError,
    SecretValue, Target, Which,
};
use uuid::Uuid;

use super::material::pick;
use crate::child::{NotStarted, end_holders, lock_within};
use call::{Call, Phase};

pub use kind::KIND;
pub use settings::{Command, Settings, SettingsError, Slots};

impl Command {
    /// One call that may change something.
    async fn change(
        &self,
        phase: Phase,
        which: Which,
        rotation: Option<Uuid>,
        m: &Material,
    ) -> Result<(), RotatorError> {
        if pick(which, m).is_none() {
            return Err(RotatorError::Retry(
                "the provider does not show the value for this call",
            ));
        }
        let lock = match &self.lock {
            None => None,
            Some(path) => Some(lock_within(path, MOMENT).await.ok_or(RotatorError::Retry(
                "an earlier call of the program, or something it started, is still alive, or its lock file cannot be made",
            ))?),
        };
        let call = Call::about(phase, which, rotation, m);
        match self.call(&call, lock.as_ref()).await?.end.code() {
            Some(0 | 76) => Ok(()),
            Some(75) => Err(RotatorError::Retry(
                "the program asks to be called again later (exit 75)",
            )),
            Some(64 | 65 | 78) => Err(RotatorError::Refused(
                "the program refused for good (exit 64, 65 or 78)",
            )),
            _ => Err(RotatorError::Ambiguous(
                "the program failed, was ended by a signal or took longer than its timeout",
            )),
        }
    }

    /// Whether the target accepts the value of `which`, which is `value`. A sentence if the program
    /// will never answer that.
    async fn ask(
        &self,
        which: Which,
        value: &SecretValue,
        rotation: Option<Uuid>,
        m: &Material,
    ) -> Result<Probe, &'static str> {
        let phase = match self.slots {
            Slots::Dual => Phase::Verify,
            Slots::Single => Phase::Query,
        };
        let call = Call::asking(phase, which, value, rotation, m);
        let ended = match self.call(&call, None).await {
            Ok(ended) => ended,
            Err(RotatorError::Refused(sentence)) => return Err(sentence),
            Err(_) => return Ok(Probe::Unknown),
        };
        match (ended.end.code(), self.slots) {
            (Some(64 | 78), _) => Err(
                "the program does not answer verify (slots = dual) or query (slots = single): exit 64 or 78",
            ),
            (Some(0), Slots::Dual) => Ok(Probe::Accepted),
            (Some(65), Slots::Dual) => Ok(Probe::Rejected),
            (Some(77), Slots::Dual) => Ok(Probe::Blocked),
            (Some(0), Slots::Single) => Ok(ended
                .stdout
                .map_or(Probe::Unknown, |heard| call::accepted(which, &heard))),
            _ => Ok(Probe::Unknown),
        }
    }

    /// The phases that are optional in general: whether the program knows this one.
    async fn optional(&self, phase: Phase, m: &Material) -> Result<bool, RotatorError> {
        let call = Call::optional(phase, m);
        match self.call(&call, None).await?.end.code() {
            Some(0 | 76) => Ok(true),
            Some(64) => Ok(false),
            Some(65 | 77 | 78) => Err(RotatorError::Refused(
                "the program's preflight says that it cannot work as configured (exit 65, 77 or 78)",
            )),
            _ => Err(RotatorError::Retry("the program's preflight failed")),
        }
    }

    async fn preflight_calls(&self, m: &Material) -> Result<(), RotatorError> {
        if self.lock.is_none() && !self.optional(Phase::Quiesce, m).await? {
            return Err(RotatorError::Refused(
                "several hosts share the state, and the program does not know the phase quiesce",
            ));
        }
        self.optional(Phase::Preflight, m).await?;
        let Some(current) = &m.current else {
            return Ok(());
        };
        let asked = self.ask(Which::Current, &current.value, None, m).await;
        match asked.map_err(RotatorError::Refused)? {
            Probe::Accepted => Ok(()),
            Probe::Rejected => Err(RotatorError::Refused(
                "the current value is not accepted; import the one that is: keyrota import",
            )),
            Probe::Blocked => Err(RotatorError::Retry(
                "the current value is right, but a lock or a limit blocks it",
            )),
            Probe::Unknown => Err(RotatorError::Retry(
                "the program did not say whether the current value is accepted",
            )),
        }
    }
}

#[async_trait]
impl Rotator for Command {
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError> {
        self.program.check().map_err(RotatorError::Refused)?;
        self.preflight_calls(m).await?;
        self.values.preflight(m).await
    }

    fn create(&self, m: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        self.values.create(m, entropy)
    }

    fn adopt(&self, value: SecretValue, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        self.values.adopt(value, entropy)
    }

    async fn probe(&self, which: Which, m: &Material) -> Probe {
        match pick(which, m) {
            None => Probe::Unknown,
            Some(version) => self
                .ask(which, &version.value, call::rotation(m), m)
                .await
                .unwrap_or(Probe::Unknown),
        }
    }

    fn public(&self, value: &SecretValue, stored: &Public) -> Public {
        self.values.public(value, stored)
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }
}

#[async_trait]
impl Target for Command {
    fn overlap(&self) -> Overlap {
        match self.slots {
            Slots::Dual => Overlap::Dual,
            Slots::Single => Overlap::Replace,
        }
    }

    fn uses(&self) -> &[String] {
        &self.uses
    }

    fn account(&self) -> String {
        // Nobody but the program knows what it changes.
        format!("command {}/{}", self.environment, self.secret)
    }

    async fn control(&self, m: &Material) -> Probe {
        let wrong = SecretValue::copy_of(WRONG);
        self.ask(Which::Pending, &wrong, None, m)
            .await
            .unwrap_or(Probe::Unknown)
    }

    async fn install(&self, which: Which, attempt: Uuid, m: &Material) -> Result<(), RotatorError> {
        let phase = match (self.slots, which) {
            (Slots::Single, _) => Phase::Activate,
            (Slots::Dual, Which::Pending) => Phase::Accept,
            // It was never refused.
            (Slots::Dual, Which::Current | Which::Previous) => return Ok(()),
        };
        self.change(phase, which, Some(attempt), m).await
    }

    async fn quiesce(&self, attempt: Uuid, m: &Material) -> Quiet {
        let quiet = match &self.lock {
            Some(path) => end_holders(path).await.is_some(),
            None => {
                let call = Call::quiesce(attempt, m);
                let ended = self.call(&call, None).await;
                ended.is_ok_and(|ended| ended.end.code() == Some(0))
            }
        };
        if quiet { Quiet::Quiet } else { Quiet::Unknown }
    }

    async fn refuse(&self, which: Which, m: &Material) -> Result<(), RotatorError> {
        match (self.slots, which) {
            // Activating another value refused it.
            (Slots::Single, _) => Ok(()),
            (Slots::Dual, Which::Current) => {
                Err(RotatorError::Refused("the current value is never revoked"))
            }
            (Slots::Dual, _) => {
                self.change(Phase::Revoke, which, call::rotation(m), m)
                    .await
            }
        }
    }
}

impl From<NotStarted> for RotatorError {
    fn from(e: NotStarted) -> Self {
        match e {
            NotStarted::Refused(sentence) => Self::Refused(sentence),
            NotStarted::Retry(sentence) => Self::Retry(sentence),
        }
    }
}

/// Nobody's value: a target that accepts it accepts anything.
const WRONG: &[u8] = b"keyrota-asks-with-a-value-that-is-wrong";
/// How long a lock that should be free may be held by a child that is on its way.
const MOMENT: Duration = Duration::from_secs(2);
