//! A place that follows a secret: what it is called, where it is, what stands there.

use std::sync::Arc;

use keyrota_contract::{
    ErrorKind, Native, Place, Provider, ProviderError, SecretValue, Stage, Version, VersionInfo,
    VersionRef,
};
use uuid::Uuid;

use crate::config::model::{Environment, Kept, PlaceRole, Secret, Template};
use crate::engine::exposure;
use crate::engine::providers::Providers;

/// A place that follows a secret.
pub struct Copy<'a> {
    /// Its name as a listener: stable as long as it is in the same place.
    pub key: String,
    /// Where it is.
    pub place: Place,
    /// What keeps it.
    pub provider: Arc<dyn Provider>,
    pub(super) shows: Shows<'a>,
}

/// What stands there.
pub(super) enum Shows<'a> {
    /// This of the current version.
    Current(&'a Template),
    /// Pending if there is one, else previous, else a filler; or nothing, if it is to `omit` that.
    Fallback { omit: bool },
}

/// What stands for the fingerprint of nothing.
pub(in crate::engine) const ABSENT: &str = "absent";

/// A secret's copies as listeners, in the order in which they are notified: the key, and what the
/// copy shows where. The key has the provider's name only, and the schedule may lead that to
/// another store.
pub(in crate::engine) fn listeners<'a>(
    env: &'a Environment,
    secret: &'a Secret,
) -> impl Iterator<Item = (String, String)> + 'a {
    secret.places().filter_map(|kept| {
        let shows = match kept.role {
            PlaceRole::Own => return None,
            PlaceRole::Fallback => format!("{:?}", secret.fallback.as_ref().map(|f| f.omit)),
            PlaceRole::Copy(n) => format!("{:?}", secret.copies.get(n).map(|c| &c.render)),
        };
        let provider = env.providers.iter().find(|p| p.name == kept.provider);
        let place = provider.map(|p| (p.kind.word, p.settings.place(kept.path)));
        Some((key(&kept), format!("{shows} {place:?}")))
    })
}

/// The keys of those listeners.
pub fn keys(secret: &Secret) -> impl Iterator<Item = String> {
    let copies = secret
        .places()
        .filter(|kept| !matches!(kept.role, PlaceRole::Own));
    copies.map(|kept| key(&kept))
}

/// The places that follow `secret`. No I/O.
pub fn of<'a>(secret: &'a Secret, providers: &Providers) -> Vec<Copy<'a>> {
    let places = secret.places();
    let shown = places.filter_map(|kept| match kept.role {
        PlaceRole::Own => None,
        PlaceRole::Fallback => {
            let omit = secret.fallback.as_ref()?.omit;
            Some((kept, Shows::Fallback { omit }))
        }
        PlaceRole::Copy(n) => Some((kept, Shows::Current(&secret.copies.get(n)?.render))),
    });
    shown
        .map(|(kept, shows)| Copy {
            key: key(&kept),
            place: Place {
                path: kept.path.to_owned(),
                field: kept.field.map(str::to_owned),
            },
            provider: providers.get(kept.provider),
            shows,
        })
        .collect()
}

fn key(kept: &Kept<'_>) -> String {
    let word = match kept.role {
        PlaceRole::Fallback => "fallback",
        PlaceRole::Own | PlaceRole::Copy(_) => "copy",
    };
    let field = kept.field.map(|field| format!(" {field}"));
    let (provider, path) = (kept.provider, kept.path);
    format!("{word}:{provider}:{path}{}", field.unwrap_or_default())
}

/// What is current at the place of a copy.
pub(in crate::engine) struct Found {
    pub native: Native,
    pub ours: Option<Uuid>,
    pub value: SecretValue,
}

impl Copy<'_> {
    /// What of the current version stands there; `None` at the place of a fallback.
    pub(in crate::engine) fn template(&self) -> Option<&Template> {
        match &self.shows {
            Shows::Current(template) => Some(template),
            Shows::Fallback { .. } => None,
        }
    }

    /// Whether this is what it shows of a version.
    pub(super) fn shows_of(&self, version: &Version, value: &SecretValue) -> bool {
        match &self.shows {
            Shows::Fallback { .. } => version.value.same_as(value),
            Shows::Current(template) => {
                exposure::render(template, version).is_ok_and(|text| text.same_as(value))
            }
        }
    }

    pub(in crate::engine) async fn found(
        &self,
        versions: &[VersionInfo],
    ) -> Result<Option<Found>, ProviderError> {
        let current = versions.iter().find(|v| v.stages.contains(&Stage::Current));
        let Some(current) = current else {
            return Ok(None);
        };
        // By name: what is compared is what the compare-and-set will name.
        let version = VersionRef::Native(current.native.clone());
        let value = self.provider.read(&self.place, &version).await?;
        let value = value.ok_or(ProviderError::new(
            ErrorKind::Unavailable,
            "the current version of a copy went away while it was read",
        ))?;
        Ok(Some(Found {
            native: current.native.clone(),
            ours: current.ours,
            value,
        }))
    }
}
