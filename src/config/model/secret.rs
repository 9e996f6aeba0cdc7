//! Secrets: what they are, when their turn comes, how long they wait, what a program sees of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, civil};
use keyrota_contract::Rotator;

use super::super::registry::{BuildError, BuildingSecret, SecretFacts, SecretKind, SecretSettings};
use super::{Consumer, CopyTo, EnvVar, FallbackPlace, Spot};

/// `[secrets.<name>]`.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The name in this file.
    pub name: String,
    /// What it is.
    pub kind: &'static SecretKind,
    /// What its kind says of it.
    pub facts: SecretFacts,
    /// What its rotator is built from.
    pub settings: Arc<dyn SecretSettings>,
    /// The provider that keeps it; one of [`Environment::providers`].
    pub provider: String,
    /// Its path there, `{environment}` and `{secret}` filled in.
    pub path: String,
    /// Which field of what stands at the path, where it has several.
    pub field: Option<String>,
    /// When its turn comes.
    pub turn: TurnPolicy,
    /// How long each wait of a rotation is.
    pub waits: Waits,
    /// A person must act after the switch before the grace starts.
    pub confirm: Option<Confirm>,
    /// Older than this is reported (at 80 % and at the limit).
    pub max_age: Option<Duration>,
    /// What `rotate` does when the provider holds nothing yet.
    pub when_absent: WhenAbsent,
    /// Only its issuer makes it: keyrota takes it from a person and never mints it.
    pub imported: bool,
    /// The variables a program sees of it: values first, then kid, then fallback.
    pub env: Vec<EnvVar>,
    /// Further places that follow it.
    pub copies: Vec<CopyTo>,
    /// A place beside it that holds what readers accept as well.
    pub fallback: Option<FallbackPlace>,
    /// The consumers, in the order in which they are notified.
    pub consumers: Vec<Consumer>,
    /// Where it stands.
    pub spot: Spot,
}

impl Secret {
    /// Whether keyrota makes its values: not where others, or only its issuer, do.
    pub fn is_minted(&self) -> bool {
        !self.imported && self.facts.rotates()
    }

    /// What changes it, in the environment of this name. `locks`: where a program may be locked. No I/O.
    ///
    /// # Errors
    /// [`BuildError::Refused`]: settings that no reader of files lets through.
    pub fn rotator(
        &self,
        environment: &str,
        locks: Option<&Path>,
    ) -> Result<Box<dyn Rotator>, BuildError> {
        let how = BuildingSecret {
            environment,
            secret: &self.name,
            locks,
        };
        let built = self.settings.build(&how);
        built.map_err(|why| BuildError::Refused(format!("secrets.{}", self.name), why))
    }
}

/// When a secret's turn comes.
#[derive(Debug, Clone, Default)]
pub struct TurnPolicy {
    /// Five fields or an `@` name, checked by `turns::Schedule::parse`; `None`: only when asked.
    pub schedule: Option<String>,
    /// No turn before this moment.
    pub not_before: Option<Timestamp>,
    /// Rotations begin only inside it.
    pub window: Option<Window>,
    /// Rotations never begin inside these.
    pub blackouts: Vec<Blackout>,
    /// Each turn is put off by a fixed share of this, to spread secrets.
    pub jitter: Duration,
}

/// A daily half-open span of civil time; crosses midnight when `to` is not after `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First moment inside.
    pub from: civil::Time,
    /// First moment outside.
    pub to: civil::Time,
}

/// A half-open span of civil time in the environment's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blackout {
    /// First moment inside.
    pub from: civil::DateTime,
    /// First moment outside.
    pub to: civil::DateTime,
}

/// How long each wait of a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// From the last acknowledged announcement until the key may be used.
    pub settle: Duration,
    /// Whether `settle` was written in the file or follows from the other sums.
    pub settle_from: Source,
    /// From the last acknowledged switch until the old value dies.
    pub grace: Duration,
    /// Whether `grace` was written in the file or follows from the other sums.
    pub grace_from: Source,
    /// Until every reader surely re-read a changed value.
    pub refresh: Duration,
    /// How far two clocks may differ.
    pub skew: Duration,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The file states it.
    Stated,
    /// It follows from what the file states: by this sum, in the file's words.
    Derived(&'static str),
}

/// `confirm = { after = "switch", ask = "…" }`: there is no other place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// What the person has to do, in the file's words.
    pub ask: String,
}

/// What `rotate` does when the provider holds no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAbsent {
    /// Make the first one.
    Create,
    /// Refuse, and name `keyrota import`.
    Refuse,
}
