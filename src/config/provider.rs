//! `[providers.*]`, and whether they can keep what they are to keep.

use std::collections::HashMap;
use std::path::Path;

use super::keys::Family;
use super::model::{Provider, Role, Secret};
use super::read::{Reader, Section, check_name, join, tables};
use super::registry::{Reading, Registry};

/// Reads them all; also the names of those that cannot be read.
pub fn all(
    reader: &mut Reader<'_>,
    top: &Section<'_>,
    root: &Path,
    environment: &str,
    registry: &Registry,
) -> (Vec<Provider>, Vec<String>) {
    let reading = Reading { environment, root };
    let mut names = Vec::new();
    let mut providers = Vec::new();
    for (spot, name, table) in tables(reader, top, "providers") {
        let at = join("providers", name);
        check_name(reader, spot, name, &at);
        names.push(name.to_owned());
        let Some((word, section)) = reader.kind(table, Family::Provider, spot, &at) else {
            continue;
        };
        if let Some(kind) = registry.store(word) {
            providers.push(Provider {
                name: name.to_owned(),
                kind,
                settings: (kind.read)(reader, &section, &reading),
                spot,
            });
        }
    }
    (providers, names)
}

/// Every place is one that its provider has, and what is shown of a secret is kept there.
pub fn keeps(reader: &mut Reader<'_>, providers: &[Provider], secrets: &[Secret]) {
    let named: HashMap<&str, &Provider> = providers.iter().map(|p| (p.name.as_str(), p)).collect();
    let of = |name: &str| named.get(name).copied();
    for secret in secrets {
        let at = join("secrets", &secret.name);
        for kept in secret.places() {
            let Some(provider) = of(kept.provider) else {
                continue;
            };
            let at = format!("{at}{}", kept.role.key());
            // What is not written at all has been told.
            let written = Some(kept.path).filter(|path| !path.is_empty());
            if let Some((what, help)) = written.and_then(|p| provider.settings.path_problem(p)) {
                reader.error(kept.spot, &join(&at, "path"), what, help);
            }
            if kept.field.is_some() && !provider.settings.has_fields() {
                let what = "its provider keeps one value per path";
                let help = "remove it; it is for secrets of several fields in Vault";
                reader.error(kept.spot, &join(&at, "field"), what, help);
            }
        }
        if let (Some(fallback), Some(provider)) = (&secret.fallback, of(&secret.provider))
            && fallback.omit
            && !provider.kind.capabilities.removes
        {
            let what = format!(
                "{} cannot take an entry away again when there is no fallback",
                provider.kind.name
            );
            let help =
                "write fallback_idle = \"filler\": the place then contains text that is no key";
            reader.error(fallback.idle, &join(&at, "fallback_idle"), what, help);
        }
        let drawn = secret.facts.key.is_some_and(|key| !key.is_asymmetric);
        let shown = secret.env.iter().any(|v| v.role == Role::Kid);
        if let Some(provider) = of(&secret.provider)
            && !provider.kind.capabilities.public_parts
            && drawn
            && shown
        {
            let what = format!(
                "shows a kid that {} does not keep beside the key",
                provider.kind.name
            );
            let help = "keep it with a provider that keeps public parts (see `keyrota providers`), use ES256 or EdDSA, or remove env_kid";
            reader.error(secret.spot, &at, what, help);
        }
    }
}
