//! One effect of one rotation, and what every effect needs.

use keyrota_contract::{Material, Native, SecretValue, Stage, Version, VersionInfo, VersionRef};
use keyrota_rotation::{Reply, Which};
use uuid::Uuid;

use super::core::{Engine, Given};
use super::journal::Journal;
use super::parts::Parts;
use super::performed::Performed;
use crate::config::model::Secret;

/// One effect of one rotation, with all it may touch.
pub(super) struct Job<'a> {
    pub engine: &'a Engine,
    pub secret: &'a Secret,
    pub parts: &'a Parts<'a>,
    /// The rotation's id, which is also the candidate's version id and every idempotency key.
    pub id: Uuid,
    pub journal: &'a Journal,
    /// The fingerprint of the candidate, once it is written.
    pub fingerprint: Option<&'a str>,
    /// What a person gave for this rotation, if this process has it.
    pub given: Option<Given<'a>>,
}

impl Job<'_> {
    pub(super) async fn fact(&self, key: &str) -> Result<Option<String>, Performed> {
        self.engine
            .store
            .fact(key)
            .await
            .map_err(|why| Performed::unread(why.into()))
    }

    /// The candidate is there, and nobody else's value is taken for it.
    pub(super) fn candidate_is_as_written(&self, material: &Material) -> Result<(), Performed> {
        match &material.pending {
            Some(pending) => self.is_as_written(&pending.value),
            None => Err(Performed::failed(
                Reply::Refused,
                "the pending version is gone from the provider",
            )),
        }
    }

    pub(super) fn is_as_written(&self, candidate: &SecretValue) -> Result<(), Performed> {
        match self.fingerprint {
            Some(expected) if expected != self.print(candidate) => Err(Performed::failed(
                Reply::Refused,
                "the pending version in the provider is not the one that was written",
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn print(&self, value: &SecretValue) -> String {
        self.engine
            .keys
            .fingerprint(&self.engine.env.name, &self.secret.name, value)
    }

    /// What an effect works with, looked at afresh for each one.
    pub(super) async fn material(&self) -> Result<Material, Performed> {
        let all = self.described().await?;
        self.material_of(&all).await
    }

    /// Of what stands in the provider, as it was described.
    pub(super) async fn material_of(&self, all: &[VersionInfo]) -> Result<Material, Performed> {
        let load = async |which| self.parts.load(all, &which).await;
        let ours = VersionRef::Ours(self.id);
        let listed = all.iter().any(|v| v.ours == Some(self.id));
        let is_current = |from: &String| {
            let current = all.iter().find(|v| v.stages.contains(&Stage::Current));
            current.is_some_and(|v| v.native.0 == *from)
        };
        let current = load(VersionRef::Stage(Stage::Current)).await?;
        Ok(Material {
            pending: match &current {
                // The switch is done.
                Some(current) if current.id == Some(self.id) => Some(copy_of(current)),
                // Not made yet.
                _ if self.fingerprint.is_none() && !listed => None,
                _ => load(ours).await?,
            },
            // Before the switch, what the provider calls previous belongs to an earlier rotation.
            previous: match &self.journal.from {
                Some(from) if is_current(from) => current.as_ref().map(copy_of),
                Some(from) => load(VersionRef::Native(Native(from.clone()))).await?,
                None => None,
            },
            current,
            uses: self.parts.uses().await?,
        })
    }
}

fn copy_of(version: &Version) -> Version {
    Version {
        id: version.id,
        value: version.value.expose_to(SecretValue::copy_of),
        public: version.public.clone(),
    }
}

/// The contract's word for the machine's.
pub(super) fn role(which: Which) -> keyrota_contract::Which {
    match which {
        Which::Current => keyrota_contract::Which::Current,
        Which::Pending => keyrota_contract::Which::Pending,
        Which::Previous => keyrota_contract::Which::Previous,
    }
}
