//! Errors name a kind and a fixed sentence; never text from outside.
//!
//! `context` is `&'static str`, so it cannot hold a value, a URL or a server's words. Whoever
//! decides what to do next reads only the kind.

use std::fmt;

/// What a provider's failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Not reachable, sealed, read-only for now: provably no effect; try again later.
    Unavailable,
    /// Asked too often: provably no effect; try again later, more slowly.
    Throttled,
    /// Credentials or permissions: a person must change something.
    Denied,
    /// The place, or the version named, does not exist.
    NotFound,
    /// The place exists but its current version is deleted and can be brought back.
    SoftDeleted,
    /// Somebody else's version stands where ours was expected; nothing was changed.
    Conflict,
    /// The request can never succeed: too large, bad name, wrong kind of store, damaged document.
    Invalid,
    /// The request may or may not have taken effect (timeout, reset, a lost reply). Observe.
    Ambiguous,
}

impl ErrorKind {
    /// A word for logs, audit entries and JSON; stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::SoftDeleted => "soft-deleted",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// A provider's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderError {
    /// What it means; the machine reads only this.
    pub kind: ErrorKind,
    /// What a person reads: a fixed sentence that says what was tried and what to do.
    pub context: &'static str,
}

impl ProviderError {
    /// An error of `kind`.
    pub const fn new(kind: ErrorKind, context: &'static str) -> Self {
        Self { kind, context }
    }

    /// The same failure of a call whose first part took effect: no kind that says "no effect" fits it.
    #[must_use]
    pub const fn after_effect(self) -> Self {
        Self::new(ErrorKind::Ambiguous, self.context)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.context, self.kind.as_str())
    }
}

impl std::error::Error for ProviderError {}

/// A rotator's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotatorError {
    /// Provably no effect; the same call may succeed later.
    Retry(&'static str),
    /// Provably no effect: a limit of the target's leaves no place for now. It is waited for, as long as it takes.
    Held(&'static str),
    /// The effect may or may not have happened. Observe.
    Ambiguous(&'static str),
    /// Provably no effect, and it never will have one with this value or this configuration.
    Refused(&'static str),
    /// As [`Refused`](Self::Refused), because the target turned the stored value away: a server may
    /// lock an account after a few of these, so they are counted.
    Rejected(&'static str),
}

impl fmt::Display for RotatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(c) | Self::Held(c) => write!(f, "{c} (will be tried again)"),
            Self::Ambiguous(c) => write!(f, "{c} (unknown whether it took effect)"),
            Self::Refused(c) | Self::Rejected(c) => write!(f, "{c} (refused)"),
        }
    }
}

impl std::error::Error for RotatorError {}

/// A consumer's failure. Deliveries are repeated, so an unknown outcome is a `Retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryError {
    /// Not acknowledged; deliver again.
    Retry(&'static str),
    /// It will never be acknowledged as configured; a person must change something.
    Refused(&'static str),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(c) => write!(f, "{c} (will be tried again)"),
            Self::Refused(c) => write!(f, "{c} (refused)"),
        }
    }
}

impl std::error::Error for DeliveryError {}
