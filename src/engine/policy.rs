//! What the schedule asks of a rotation, for the machine.

use keyrota_contract::Target;
use keyrota_rotation::{Overlap, Policy};

use super::listeners;
use crate::config::model::{Environment, Secret};
use crate::config::registry::BuildError;

/// Tries of an effect before a rotation that can still be taken back is given up: with the
/// machine's backoff, about a quarter of an hour.
const ATTEMPTS_MAX: u32 = 10;

/// What the file asks of a rotation of `secret` that begins now; `first` if there is no current
/// value. Needs no provider, no keys and no state.
pub fn planned(env: &Environment, secret: &Secret, first: bool) -> Result<Policy, BuildError> {
    let rotator = secret.rotator(&env.name, None)?;
    Ok(policy(env, secret, rotator.target(), first, "command"))
}

/// What the file asks of a rotation of `secret` that `trigger` begins, or began.
pub(super) fn policy(
    env: &Environment,
    secret: &Secret,
    target: Option<&dyn Target>,
    first: bool,
    trigger: &str,
) -> Policy {
    // What is imported is in use already: nobody has anything to learn, no server neither.
    let import = trigger == "import";
    let target = target.filter(|_| !import);
    let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    Policy {
        first,
        target: target.is_some(),
        overlap: match target.map(|t| t.overlap()) {
            Some(keyrota_contract::Overlap::Replace) => Overlap::Replace,
            _ => Overlap::Dual,
        },
        announce: secret.facts.announce,
        observe_published: secret.facts.published.is_some(),
        // What an import replaces, nobody can use any more.
        settle_ms: if import { 0 } else { ms(secret.waits.settle) },
        grace_ms: if import { 0 } else { ms(secret.waits.grace) },
        confirm: secret.confirm.is_some(),
        keep_previous: target.is_some(),
        attempts_max: ATTEMPTS_MAX,
        listeners: if import {
            Vec::new()
        } else {
            listeners::of(env, secret)
        },
    }
}
