//! Providers keep values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{ErrorKind, ProviderError, SecretValue};

/// Where in a provider a secret stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The provider's own name for it: a path, a parameter name, a key. Slashes are ordinary.
    pub path: String,
    /// One field of a secret that has several; its siblings are kept as they are.
    pub field: Option<String>,
}

impl Place {
    /// The whole secret at `path`.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            field: None,
        }
    }
}

/// The role of a version, in AWS' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Written, and not yet what readers use.
    Pending,
    /// What readers use.
    Current,
    /// What readers used before.
    Previous,
}

/// The provider's own name for a version: an opaque, printable word without a value in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Native(pub String);

impl fmt::Display for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which version is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRef {
    /// The version written under this id by [`Provider::write`].
    Ours(Uuid),
    /// The version that holds this stage now.
    Stage(Stage),
    /// The version the provider calls so.
    Native(Native),
}

/// What may be known of a version by anyone: a kid, a creation date. Never a value or part of one.
pub type Public = BTreeMap<String, String>;

/// A version without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// The provider's name for it.
    pub native: Native,
    /// Our id, if [`Provider::write`] made it.
    pub ours: Option<Uuid>,
    /// The stages it holds; empty for a version that is merely still there.
    pub stages: Vec<Stage>,
    /// When it was made, in milliseconds since 1970 UTC, if the provider says.
    pub created: Option<i64>,
    /// Why keyrota must not adopt it or write over it as it is: it is kept in a form that does not protect
    /// it, and a write would not keep that form. A fixed sentence that says what to do.
    pub flaw: Option<&'static str>,
    /// What was stored beside it; empty where [`Capabilities::public_parts`] is false.
    pub public: Public,
}

/// How safely a provider can make a pending version current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promote {
    /// One operation moves both stages; nobody sees a state in between, and a stale `from` fails.
    Atomic,
    /// A compare-and-set: a stale `from` fails, but the pending slot is emptied by a second call.
    CheckAndSet,
    /// A foreign write in between is noticed only afterwards, and reported as `Conflict`.
    DetectAfter,
    /// A stale `from` fails when it is looked at; a foreign write in the instant between that look
    /// and ours is overwritten, and nobody can tell. Stores that know only names and values.
    LastWins,
}

/// What a provider can do; fixed, known without any I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// See [`Promote`].
    pub promote: Promote,
    /// Whether the old value stays readable as [`Stage::Previous`] after a promote.
    pub keeps_previous: bool,
    /// The largest value it takes, in bytes.
    pub value_bytes_max: usize,
    /// Whether values that are not UTF-8 can be kept.
    pub binary: bool,
    /// Whether [`Public`] parts are kept beside a value.
    pub public_parts: bool,
    /// Whether the first version of an empty place is current at once, whatever is asked (AWS
    /// Secrets Manager). Such a version cannot be destroyed; its promote finds nothing to do.
    pub first_is_current: bool,
    /// Whether the value of a current or previous version never changes under its name
    /// ([`VersionInfo::native`]) and date, so that it need not be read twice. Not so where a person
    /// may edit it in place. A candidate is remembered as what was written; its promote reads it.
    pub fixed_values: bool,
    /// Whether a read may show for a while what stood before a write, of this process or another.
    pub reads_lag: bool,
    /// Whether [`Provider::remove`] takes a current value away, and never a newer one.
    pub removes: bool,
}

/// Keeps values. Every method may be called again with the same arguments, after a crash or a lost
/// reply, by this process or another, and then answers as if it had been called once.
///
/// A timeout belongs to the implementation: a call that may have taken effect and did not answer is
/// [`Ambiguous`](crate::ErrorKind::Ambiguous), never a hang.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What this provider can do. No I/O.
    fn capabilities(&self) -> Capabilities;

    /// Whether every method could do its work at `at` now, as far as the store can be asked without
    /// an effect: rights that only a later step needs, settings that would lose a version. The
    /// sentence of an error names what is missing. An absent place is no error. Otherwise the
    /// answer is [`describe`](Self::describe)'s, which whoever looks before an effect needs too.
    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError>;

    /// Says what another process of keyrota wrote at `at` a short while ago: reads that are older than that
    /// lag, as those that are older than this process' own writes do. A provider whose reads never lag
    /// does nothing. No I/O.
    fn recall(&self, at: &Place, wrote: crate::Recalled<'_>);

    /// All versions at `at`, without values; an absent place is an empty list. Versions holding a
    /// stage are always listed; others may be missing.
    ///
    /// Each stage is held by one version at most, and the current version holds no other stage,
    /// whatever label or sibling a crash in the middle of a promote left behind.
    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError>;

    /// The value of one version; `None` if that version, or the place, does not exist. A current
    /// version that is soft-deleted is an error, not `None`: it must not be created again.
    /// A destroyed version is `None`, also where the store erases it only later.
    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError>;

    /// Stores `value` as pending under `id`. Current and previous stay as they are; a pending
    /// version of another id is replaced only if it is ours and never became current.
    ///
    /// The same `id` with the same value: nothing happens. The same `id` with another value:
    /// `Conflict`, the first value stays. An id that was destroyed is not used again. A value over
    /// the limit, or binary where that is not kept: `Invalid`, nothing is written.
    ///
    /// `public` is dropped where [`Capabilities::public_parts`] is false.
    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError>;

    /// Makes the version written under `to` current, if the current one is `from` (`None`: if
    /// there is none). What was current becomes previous where previous is kept.
    ///
    /// Already current: done, whatever `from` says. Another current than `from`: `Conflict`,
    /// nothing changed. No version `to`: `NotFound`. What fails after the switch is `Ambiguous`, or
    /// `Conflict` with [`Promote::DetectAfter`].
    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError>;

    /// Empties a place whose current version is `expected`: it and what was before it are erased.
    /// A candidate stays, and can become current. Absent: done. Another current: `Conflict`, nothing
    /// changed. Where [`Capabilities::removes`] is false: `Invalid`.
    async fn remove(&self, at: &Place, expected: &Native) -> Result<(), ProviderError> {
        let _ = (at, expected);
        Err(ProviderError::new(
            ErrorKind::Invalid,
            "the store cannot take a current value away without the risk to take a newer one",
        ))
    }

    /// Ends a version that is pending or previous: it loses its stage, and its value is erased, at
    /// once or, where the store cannot erase one version, in the store's own time. Absent: done.
    /// The current version: `Conflict`.
    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError>;
}

/// A shared provider is a provider.
#[async_trait]
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        (**self).preflight(at).await
    }

    fn recall(&self, at: &Place, wrote: crate::Recalled<'_>) {
        (**self).recall(at, wrote);
    }

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        (**self).describe(at).await
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        (**self).read(at, v).await
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError> {
        (**self).write(at, id, value, public).await
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        (**self).promote(at, to, from).await
    }

    async fn remove(&self, at: &Place, expected: &Native) -> Result<(), ProviderError> {
        (**self).remove(at, expected).await
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        (**self).destroy(at, v).await
    }
}
