//! What is current: for programs, for verifiers, for people. Changes nothing, needs no state.

use keyrota_contract::{ErrorKind, ProviderError, Public, Stage, Variable, VersionRef};

use super::exposure::{self, Shown};
use super::parts::Parts;
use super::providers::Providers;
use crate::config::model::{Environment, Secret};
use crate::config::registry::BuildError;
use crate::rotators::jwks::Jwks;

/// Why a variable cannot be made.
#[derive(Debug)]
pub enum ViewError {
    /// The provider failed; for which secret.
    Provider(String, ProviderError),
    /// The parts do not fit together.
    Parts(BuildError),
    /// A template names a field that the value does not have.
    Field(exposure::NoSuchField),
}

impl std::fmt::Display for ViewError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Provider(secret, why) => write!(f, "secret {secret:?}: {why}"),
            Self::Parts(why) => why.fmt(f),
            Self::Field(missing) => write!(
                f,
                "{}: the stored value has no field {:?}",
                missing.variable, missing.field
            ),
        }
    }
}

impl std::error::Error for ViewError {}

/// The variables that programs see now, of those `wanted` says yes to. A document is opened once, however
/// many secrets are in it.
pub async fn variables(
    env: &Environment,
    providers: &Providers,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Variable>, ViewError> {
    let mut all = Vec::new();
    let _once: Vec<_> = providers.files.values().map(|f| f.one_look()).collect();
    for secret in &env.secrets {
        let vars: Vec<_> = secret
            .env
            .iter()
            .filter(|v| wanted(&v.name))
            .cloned()
            .collect();
        if vars.is_empty() {
            continue;
        }
        let parts = Parts::new(env, secret, providers).map_err(ViewError::Parts)?;
        let failed = |why| ViewError::Provider(secret.name.clone(), why);
        let (current, fallback) = parts.shown().await.map_err(failed)?;
        let shown = Shown {
            current: current.as_ref(),
            fallback: fallback.as_ref(),
        };
        all.extend(exposure::variables(&vars, shown).map_err(ViewError::Field)?);
    }
    Ok(all)
}

/// The public key set of an environment, as JSON: every asymmetric key that signs, will sign, or
/// has signed tokens that may still live. With `only`, of that secret alone.
pub async fn jwks(
    env: &Environment,
    providers: &Providers,
    only: Option<&str>,
) -> Result<String, ViewError> {
    let mut all = Vec::new();
    let _once: Vec<_> = providers.files.values().map(|f| f.one_look()).collect();
    for secret in env
        .secrets
        .iter()
        .filter(|s| is_asymmetric(s) && only.is_none_or(|o| o == s.name))
    {
        let parts = Parts::new(env, secret, providers).map_err(ViewError::Parts)?;
        let failed = |why| ViewError::Provider(secret.name.clone(), why);
        all.extend(public_keys(&parts).await.map_err(failed)?);
    }
    key_set(&all).map_err(|why| ViewError::Provider(env.name.clone(), why))
}

/// The public parts of all stages of one secret: standby, current, previous.
pub(super) async fn public_keys(parts: &Parts<'_>) -> Result<Vec<Public>, ProviderError> {
    let mut all = Vec::new();
    let known = parts.provider.describe(&parts.place).await?;
    for stage in [Stage::Pending, Stage::Current, Stage::Previous] {
        if let Some(version) = parts.load(&known, &VersionRef::Stage(stage)).await? {
            all.push(version.public);
        }
    }
    Ok(all)
}

/// As a JWK set.
pub(super) fn key_set(all: &[Public]) -> Result<String, ProviderError> {
    // A key may be told twice, by its stage and by the rotation under way.
    let mut once: Vec<&Public> = Vec::new();
    for public in all {
        if !once.contains(&public) {
            once.push(public);
        }
    }
    let set = Jwks::of(once).map_err(|_| {
        ProviderError::new(
            ErrorKind::Invalid,
            "a stored public key is not a JWK that may be published",
        )
    })?;
    Ok(set.to_json())
}

/// Whether the secret has a public half.
pub fn is_asymmetric(secret: &Secret) -> bool {
    secret.facts.has_public_key()
}
