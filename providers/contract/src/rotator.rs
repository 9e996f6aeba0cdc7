//! Rotators change one kind of secret and prove the new value.

use std::collections::BTreeMap;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Public, RotatorError, SecretValue};

/// Randomness, as an argument, so that a test decides it.
pub trait Entropy: Send {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// One version with its value, read by the engine for the length of one effect.
#[derive(Debug)]
pub struct Version {
    /// Our id, if keyrota wrote it.
    pub id: Option<Uuid>,
    /// The value.
    pub value: SecretValue,
    /// Its public parts (`kid`, `jwk`).
    pub public: Public,
}

/// The values a rotator works with.
#[derive(Debug, Default)]
pub struct Material {
    /// What readers use.
    pub current: Option<Version>,
    /// The candidate.
    pub pending: Option<Version>,
    /// What readers used before.
    pub previous: Option<Version>,
    /// The secrets named by [`Target::uses`]: admin credentials.
    pub uses: BTreeMap<String, Version>,
}

/// Which of the versions in [`Material`] an effect is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The value readers use.
    Current,
    /// The candidate.
    Pending,
    /// The value readers used before.
    Previous,
}

/// A fresh value and what may be known of it.
#[derive(Debug)]
pub struct Minted {
    /// The value.
    pub value: SecretValue,
    /// Its public parts; `kid` for keys that have one.
    pub public: Public,
}

/// What a preflight wants a person to know although it passed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Fixed sentences.
    pub warnings: Vec<&'static str>,
    /// Which server answered, for kinds that have one, in a name that it keeps when its address
    /// changes: the same name needs no second [`Target::control`] within a day.
    pub server: Option<String>,
}

/// What a login, or a signature, shows. A refused login is not a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The value works.
    Accepted,
    /// The value is right, and something else (a lock, a limit) stands in the way.
    Blocked,
    /// The value is wrong.
    Rejected,
    /// Nothing was learnt.
    Unknown,
}

/// Whether an earlier attempt is provably over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// It cannot take effect any more.
    Quiet,
    /// It may still.
    Unknown,
}

/// Whether a target accepts the old and the new value at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Two at once: alternating users, two keys.
    Dual,
    /// One: setting the new value ends the old one.
    Replace,
}

/// Changes one kind of secret.
#[async_trait]
pub trait Rotator: Send + Sync {
    /// Looks, and changes nothing: is the current value sound, can every later step be done?
    /// `Refused` ends the rotation before it begins.
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError>;

    /// Makes a candidate. Pure but for `entropy`; losing the result is harmless.
    fn create(&self, m: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError>;

    /// Takes a value made elsewhere as candidate: checks its form and derives its public parts.
    fn adopt(&self, value: SecretValue, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError>;

    /// Tries a value where the application would use it. Never changes anything.
    async fn probe(&self, which: Which, m: &Material) -> Probe;

    /// The public parts of a stored value: what was stored beside it, completed by what the value
    /// itself shows (a JWK thumbprint). Never derived from a symmetric key.
    fn public(&self, value: &SecretValue, stored: &Public) -> Public;

    /// The server that has to be told, if there is one. `None` for keys that live only in programs.
    fn target(&self) -> Option<&dyn Target>;
}

/// A server that must accept a new value before it can be used, and refuse the old one after.
#[async_trait]
pub trait Target: Send + Sync {
    /// Whether it accepts two values at once.
    fn overlap(&self) -> Overlap;

    /// The secrets whose values it needs in [`Material::uses`].
    fn uses(&self) -> &[String];

    /// The accounts it changes, as `postgres://db.internal:5432 app_a app_b`: no two rotations may
    /// change the same one at a time.
    fn account(&self) -> String;

    /// Tries a value that cannot be right, where [`Rotator::probe`] tries the others. A server that
    /// accepts it accepts anything, and every probe of it would lie.
    async fn control(&self, m: &Material) -> Probe;

    /// Makes the target accept a value. Repeating it with the same value is harmless; an unknown
    /// outcome is `Ambiguous`, and then [`Target::quiesce`] and a probe come before anything else.
    async fn install(&self, which: Which, attempt: Uuid, m: &Material) -> Result<(), RotatorError>;

    /// Ends what `attempt` may still be doing and says whether it is provably over.
    async fn quiesce(&self, attempt: Uuid, m: &Material) -> Quiet;

    /// Makes the target refuse a value that is not current. Already refused: done.
    async fn refuse(&self, which: Which, m: &Material) -> Result<(), RotatorError>;
}
