//! Consumers are told.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{DeliveryError, SecretValue};

/// Why a consumer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Round {
    /// The pending key is to be accepted; the current one is still used.
    Announce,
    /// The new value is current; the old one is still accepted.
    Switch,
    /// The old value (or an abandoned candidate) is no longer to be accepted.
    Withdraw,
}

impl Round {
    /// A word for logs, audit entries and JSON; stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Switch => "switch",
            Self::Withdraw => "withdraw",
        }
    }
}

/// One environment variable as a program sees it.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; `None`: it must be absent.
    pub value: Option<SecretValue>,
}

/// What a program is to see now. The same rotation and round always give the same exposure.
#[derive(Debug, Default)]
pub struct Exposure {
    /// The variables of the secret, in the file's order, rendered for this consumer.
    pub variables: Vec<Variable>,
    /// The public key set, as JSON text, for consumers that publish one.
    pub jwks: Option<String>,
}

/// One thing to tell one consumer.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// Why.
    pub round: Round,
    /// Which environment.
    pub environment: &'a str,
    /// Which secret.
    pub secret: &'a str,
    /// The rotation: with `round`, the idempotency key.
    pub rotation: Uuid,
    /// The version that is current now.
    pub version: Option<Uuid>,
    /// The fingerprint of the current version.
    pub fingerprint: &'a str,
    /// What to show.
    pub exposure: &'a Exposure,
}

/// A consumer's yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// It has what it was told.
    Told,
    /// It had it already; nothing was changed.
    Unchanged,
}

/// Is told of new, pending and withdrawn values.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Whether this consumer could be told now: the program exists, the directory is writable.
    /// Changes nothing.
    async fn preflight(&self) -> Result<(), DeliveryError>;

    /// Tells it. May be called again with the same delivery after a crash or a lost answer.
    async fn deliver(&self, d: &Delivery<'_>) -> Result<Ack, DeliveryError>;
}
