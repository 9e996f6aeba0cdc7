//! Which rights a provider has to give, and for what. Pure.
//!
//! `keyrota policy` prints them as a policy, `keyrota plan --setup` in words: both from here.

use crate::config::gate_rules::sees;
use crate::config::model::{Environment, Kept, PlaceRole, Program, Provider, Secret};
use crate::config::registry::rights::{Asked, Giver, Policy, Right, Touched};

/// Who is given the rights.
#[derive(Debug, Clone, Copy)]
pub enum Use<'a> {
    /// Whoever rotates: the daemon, `keyrota rotate`.
    Rotate,
    /// A person who also stores the values of `external` secrets, with `keyrota import`.
    Import,
    /// Whoever only starts a program, or one of several, with `keyrota run`.
    Read(Option<&'a Program>),
}

/// Of these secrets, the places that `whom` touches at this provider: copies too, which nobody reads
/// back for a program.
fn touched<'s>(provider: &Provider, secrets: &[&'s Secret], whom: Use<'_>) -> Vec<Touched<'s>> {
    let of = |secret: &&'s Secret, kept: Kept<'s>| {
        let own = kept.role == PlaceRole::Own;
        let external = !secret.facts.rotates();
        let written = match whom {
            Use::Rotate => Some(!external),
            Use::Import => Some(true),
            Use::Read(program) => {
                let shown = own && secret.env.iter().any(|v| sees(program, &v.name));
                shown.then_some(false)
            }
        };
        written.map(|written| Touched {
            secret: &secret.name,
            path: kept.path,
            written,
        })
    };
    let places = |secret: &&'s Secret| {
        let secret: &'s Secret = secret;
        secret.places().map(move |kept| (secret, kept))
    };
    let all = secrets.iter().flat_map(places);
    let here = all.filter(|(_, kept)| kept.provider == provider.name);
    here.filter_map(|(secret, kept)| of(&secret, kept))
        .collect()
}

/// For what `whom` asks this provider.
pub fn asked<'a>(
    provider: &'a Provider,
    secrets: &[&'a Secret],
    whom: Use<'_>,
    account: Option<&'a str>,
) -> Asked<'a> {
    Asked {
        provider: &provider.name,
        places: touched(provider, secrets, whom),
        reads: matches!(whom, Use::Read(_)),
        account,
    }
}

/// What is needed from this provider, in the order of the steps. Nothing where the system gives the
/// rights.
pub fn rights(provider: &Provider, asked: &Asked<'_>) -> Vec<Right> {
    match provider.settings.rights() {
        Giver::Service(policy) if !asked.places.is_empty() => policy.rights(asked),
        _ => Vec::new(),
    }
}

/// What this provider has to give before the first rotation of these secrets, a line each.
pub fn in_words(
    env: &Environment,
    provider: &Provider,
    policy: &dyn Policy,
    secrets: &[&Secret],
) -> Vec<String> {
    let asked = asked(provider, secrets, Use::Rotate, None);
    let words = policy.in_words(&rights(provider, &asked));
    let printed = format!(
        "its policy: keyrota --env {} policy --provider {}",
        env.name, provider.name
    );
    match words.is_empty() {
        true => words,
        false => words.into_iter().chain([printed]).collect(),
    }
}
