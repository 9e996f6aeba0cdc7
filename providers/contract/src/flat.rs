//! Stores that know only names and values, and what makes providers of them.
//!
//! Beside a secret `NAME`, which holds exactly what its readers read, stand up to three siblings:
//!
//! ```text
//! NAME_KEYROTA_PENDING    the candidate             keyrota1:ID:PUBLIC:VALUE
//! NAME_KEYROTA_CURRENT    whose value NAME holds    keyrota1:ID:PUBLIC:VALUE
//! NAME_KEYROTA_PREVIOUS   what NAME held before     keyrota1:ID or -:PUBLIC:VALUE
//! ```
//!
//! `NAME` decides: the version whose value equals it is the current one, so that a single put is
//! the switch, and a process that dies on either side of it leaves nothing to guess. A promote puts
//! the previous, then the record of current, then `NAME`, looks once more, and deletes the pending.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Capabilities, ErrorKind, Native, Place, Promote, Provider, ProviderError, Public, SecretValue,
    Stage, VersionInfo, VersionRef,
};

mod envelope;
use envelope::Envelope;
pub use envelope::{decode as decode_public, encode as encode_public};

/// A store of names and values. What is put is what the next `get` answers: a store that needs
/// time to show it waits inside [`Flat::put`].
#[async_trait]
pub trait Flat: Send + Sync {
    /// The value under `name`; `None` if there is none.
    async fn get(&self, name: &str) -> Result<Option<SecretValue>, ProviderError>;

    /// Puts `value` under `name`, whatever was there.
    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), ProviderError>;

    /// Removes `name`. Absent: done.
    async fn delete(&self, name: &str) -> Result<(), ProviderError>;
}

/// What the store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlatLimits {
    /// The largest value under one name, in bytes; at least 4,096.
    pub value_bytes_max: usize,
    /// Whether values that are not UTF-8 come back as they went in.
    pub binary: bool,
}

impl FlatLimits {
    /// What [`FlatProvider`] can do with such a store.
    pub const fn capabilities(self) -> Capabilities {
        Capabilities {
            promote: Promote::LastWins,
            keeps_previous: true,
            value_bytes_max: self
                .value_bytes_max
                .saturating_sub(envelope::OVERHEAD_BYTES_MAX),
            binary: self.binary,
            public_parts: true,
            first_is_current: false,
            fixed_values: false,
            reads_lag: false,
            removes: false,
        }
    }
}

/// Which sibling of a name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sibling {
    /// Holds the candidate.
    Pending,
    /// Says whose value the name itself holds.
    Current,
    /// Holds what the name held before.
    Previous,
}

/// A [`Flat`] store as a [`Provider`]: [`Promote::LastWins`], keeps previous and public parts.
///
/// Its native version names are our ids, and `foreign` for a current value that keyrota did not
/// write: two foreign values after each other cannot be told apart by `from`.
pub struct FlatProvider<F> {
    store: F,
    limits: FlatLimits,
    sibling: fn(&str, Sibling) -> String,
}

impl<F: Flat> FlatProvider<F> {
    /// `store` with siblings named by suffixes in capitals, which every store of variables allows.
    pub fn new(store: F, limits: FlatLimits) -> Self {
        Self {
            store,
            limits,
            sibling: by_suffix,
        }
    }

    /// The same with siblings elsewhere: where readers do not get them as variables.
    pub fn with_siblings(self, sibling: fn(&str, Sibling) -> String) -> Self {
        Self { sibling, ..self }
    }

    async fn load(&self, name: &str) -> Result<Slots, ProviderError> {
        Ok(Slots {
            pending: self.load_sibling(name, Sibling::Pending).await?,
            record: self.load_sibling(name, Sibling::Current).await?,
            previous: self.load_sibling(name, Sibling::Previous).await?,
            // Last: what was read before it can only be older, and then its value does not match.
            value: self.store.get(name).await?,
        })
    }

    async fn load_sibling(
        &self,
        name: &str,
        which: Sibling,
    ) -> Result<Option<Envelope>, ProviderError> {
        let Some(value) = self.store.get(&(self.sibling)(name, which)).await? else {
            return Ok(None);
        };
        let foreign = ProviderError::new(
            ErrorKind::Conflict,
            "another tool wrote to a name that keyrota reserves (…_KEYROTA_…)",
        );
        value.expose_to(Envelope::open).ok_or(foreign).map(Some)
    }

    async fn put_sibling(
        &self,
        name: &str,
        which: Sibling,
        e: &Envelope,
    ) -> Result<(), ProviderError> {
        self.store
            .put(&(self.sibling)(name, which), &e.seal())
            .await
    }

    async fn delete_sibling(&self, name: &str, which: Sibling) -> Result<(), ProviderError> {
        self.store.delete(&(self.sibling)(name, which)).await
    }

    /// Writes down whose value is current, before the slot that shows it is given away.
    async fn keep_record(&self, name: &str, slots: &Slots) -> Result<(), ProviderError> {
        match slots.current() {
            Some(current)
                if current.id.is_some()
                    && slots.record.as_ref().is_none_or(|r| r.id != current.id) =>
            {
                self.put_sibling(name, Sibling::Current, &current).await
            }
            _ => Ok(()),
        }
    }

    fn refuse_unkeepable(&self, value: &SecretValue, public: &Public) -> Result<(), ProviderError> {
        if !value.fits(self.capabilities().value_bytes_max) {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                "the value is larger than this store takes",
            ));
        }
        if !self.limits.binary && !value.is_text() {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                "this store keeps text only, and the value is not UTF-8",
            ));
        }
        if !envelope::public_fits(public) {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                "the public parts are larger than this store takes",
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl<F: Flat> Provider for FlatProvider<F> {
    fn capabilities(&self) -> Capabilities {
        self.limits.capabilities()
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        // A store of names cannot be asked whether it would take a put.
        self.describe(at).await
    }

    /// Its reads never lag.
    fn recall(&self, _: &Place, _: crate::Recalled<'_>) {}

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let slots = self.load(name_of(at)?).await?;
        let staged = [
            (Stage::Pending, slots.pending()),
            (Stage::Current, slots.current()),
            (Stage::Previous, slots.previous()),
        ];
        Ok(staged
            .into_iter()
            .filter_map(|(stage, version)| Some((stage, version?)))
            .map(|(stage, version)| VersionInfo {
                native: version.native(),
                ours: version.id,
                stages: vec![stage],
                created: None,
                flaw: None,
                public: version.public,
            })
            .collect())
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        let name = name_of(at)?;
        if *v == VersionRef::Stage(Stage::Current) {
            return self.store.get(name).await;
        }
        let slots = self.load(name).await?;
        Ok(slots
            .stage_of(v)
            .and_then(|stage| slots.at_stage(stage))
            .map(|version| version.value))
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError> {
        let name = name_of(at)?;
        self.refuse_unkeepable(value, public)?;
        let slots = self.load(name).await?;
        let pending = Envelope::of(Some(id), public, value);
        if let Some(there) = slots
            .stage_of(&VersionRef::Ours(id))
            .and_then(|stage| slots.at_stage(stage))
        {
            return match there.value.same_as(value) {
                true => Ok(pending.native()),
                false => Err(ProviderError::new(
                    ErrorKind::Conflict,
                    "this version id has another value already",
                )),
            };
        }
        self.keep_record(name, &slots).await?;
        self.put_sibling(name, Sibling::Pending, &pending).await?;
        Ok(pending.native())
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        let name = name_of(at)?;
        let slots = self.load(name).await?;
        let current = slots.current();
        if current.as_ref().and_then(|c| c.id) == Some(to) {
            self.keep_record(name, &slots).await?;
        } else {
            let Some(pending) = slots.pending().filter(|p| p.id == Some(to)) else {
                return Err(ProviderError::new(
                    ErrorKind::NotFound,
                    "no such version to promote",
                ));
            };
            if current.as_ref().map(Envelope::native).as_ref() != from {
                return Err(stale());
            }
            if let Some(current) = &current {
                self.put_sibling(name, Sibling::Previous, current).await?;
            }
            self.put_sibling(name, Sibling::Current, &pending).await?;
            self.store.put(name, &pending.value).await?;
            if !self
                .store
                .get(name)
                .await?
                .is_some_and(|now| now.same_as(&pending.value))
            {
                return Err(stale());
            }
        }
        if slots.pending.as_ref().is_some_and(|p| p.id == Some(to)) {
            self.delete_sibling(name, Sibling::Pending).await?;
        }
        Ok(Native(to.to_string()))
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        let name = name_of(at)?;
        let slots = self.load(name).await?;
        match slots.stage_of(v) {
            None => Ok(()),
            Some(Stage::Current) => Err(ProviderError::new(
                ErrorKind::Conflict,
                "the current version is not destroyed",
            )),
            Some(Stage::Pending) => self.delete_sibling(name, Sibling::Pending).await,
            Some(Stage::Previous) => self.delete_sibling(name, Sibling::Previous).await,
        }
    }
}

/// What stands under a name and its siblings.
struct Slots {
    value: Option<SecretValue>,
    pending: Option<Envelope>,
    record: Option<Envelope>,
    previous: Option<Envelope>,
}

impl Slots {
    /// The version whose value the name holds. The record comes first: it alone is written to say
    /// so. In the middle of a promote it names the next one already, and then the previous matches.
    fn current(&self) -> Option<Envelope> {
        let value = self.value.as_ref()?;
        let known = [&self.record, &self.previous, &self.pending];
        let known = known.into_iter().flatten().find(|e| e.value.same_as(value));
        Some(known.map_or_else(|| Envelope::of(None, &Public::new(), value), Envelope::copy))
    }

    fn pending(&self) -> Option<Envelope> {
        self.unless_current(&self.pending)
    }

    fn previous(&self) -> Option<Envelope> {
        self.unless_current(&self.previous)
    }

    fn unless_current(&self, slot: &Option<Envelope>) -> Option<Envelope> {
        let slot = slot.as_ref()?;
        let same = self
            .current()
            .is_some_and(|c| c.id == slot.id && c.value.same_as(&slot.value));
        (!same).then(|| slot.copy())
    }

    fn at_stage(&self, stage: Stage) -> Option<Envelope> {
        match stage {
            Stage::Pending => self.pending(),
            Stage::Current => self.current(),
            Stage::Previous => self.previous(),
        }
    }

    fn stage_of(&self, v: &VersionRef) -> Option<Stage> {
        [Stage::Current, Stage::Pending, Stage::Previous]
            .into_iter()
            .find(|stage| {
                self.at_stage(*stage).is_some_and(|e| match v {
                    VersionRef::Ours(id) => e.id == Some(*id),
                    VersionRef::Stage(wanted) => wanted == stage,
                    VersionRef::Native(native) => e.native() == *native,
                })
            })
    }
}

fn by_suffix(name: &str, which: Sibling) -> String {
    match which {
        Sibling::Pending => format!("{name}_KEYROTA_PENDING"),
        Sibling::Current => format!("{name}_KEYROTA_CURRENT"),
        Sibling::Previous => format!("{name}_KEYROTA_PREVIOUS"),
    }
}

fn name_of(at: &Place) -> Result<&str, ProviderError> {
    match at.field {
        None => Ok(&at.path),
        Some(_) => Err(ProviderError::new(
            ErrorKind::Invalid,
            "this store keeps one value per name: remove `field`",
        )),
    }
}

fn stale() -> ProviderError {
    ProviderError::new(
        ErrorKind::Conflict,
        "another version is current than the one expected",
    )
}

#[cfg(test)]
mod tests;
