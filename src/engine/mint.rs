//! The candidate: minted, or taken as a person gave it, with the key id by which others know it.

use keyrota_contract::{
    ErrorKind, Material, Minted, Public, RotatorError, SecretValue, Version, VersionInfo,
    VersionRef,
};
use keyrota_gate::{KeyForm, check_kid, private_key};
use keyrota_rotation::Reply;

use super::job::Job;
use super::parts::Parts;
use super::performed::{Learnt, Performed};
use super::{Engine, Given, lag};
use crate::config::gate_rules;
use crate::config::model::{Role, Secret};
use crate::rotators::jwks::{JWK, KID, PublicJwk};
use crate::state::{Change, StateError};

impl Job<'_> {
    pub(super) async fn create(&self) -> Result<Performed, Performed> {
        let all = self.parts.provider.describe(&self.parts.place).await?;
        let (value, public) = match self.made(&all).await? {
            // Written before a crash or a lost reply: adopted, never made a second time.
            Some(made) => made,
            None => self.make(&all).await?,
        };
        Ok(Performed::done(Learnt::Candidate {
            fingerprint: self.print(&value),
            public,
        }))
    }

    /// What an earlier try of this rotation wrote.
    async fn made(&self, all: &[VersionInfo]) -> Result<Option<(SecretValue, Public)>, Performed> {
        if !all.iter().any(|v| v.ours == Some(self.id)) {
            return Ok(None);
        }
        let ours = VersionRef::Ours(self.id);
        let Some(Version { value, public, .. }) = self.parts.load(all, &ours).await? else {
            return Ok(None);
        };
        if self.given.is_some_and(|given| !given.is(&value, &public)) {
            return Err(Performed::failed(
                Reply::Refused,
                "an earlier try had stored another value or key id; it is taken back: give the new one again",
            ));
        }
        // Another secret may have claimed it since, while nobody went on with this rotation.
        self.unclaimed(&value, &public).await?;
        Ok(Some((value, public)))
    }

    /// Refuses a key, or a key id, that belongs to something else.
    async fn unclaimed(&self, value: &SecretValue, public: &Public) -> Result<(), Performed> {
        match self.engine.claimed(self.secret, value, public).await {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(Performed::failed(Reply::Refused, why)),
            Err(_) => Err(Performed::failed(Reply::Retry, STATE)),
        }
    }

    async fn make(&self, all: &[VersionInfo]) -> Result<(SecretValue, Public), Performed> {
        let (provider, place) = (&self.parts.provider, &self.parts.place);
        let material = self.material_of(all).await?;
        let Minted { value, public } = self.mint(&material)?;
        self.unclaimed(&value, &public).await?;
        let current = material.current;
        if current.is_some_and(|current| current.value.same_as(&value)) {
            return Err(Performed::failed(
                Reply::Refused,
                "the new value is the current one",
            ));
        }
        let native = match provider.write(place, self.id, &value, &public).await {
            Err(refused) if refused.kind == ErrorKind::Conflict => {
                // The look before may be older than what an earlier try wrote.
                let all = lag::of_earlier_try(self, refused).await?;
                return self.made(&all).await?.ok_or(lag::lags());
            }
            written => written?,
        };
        self.engine.kill.after_effect();
        let read = provider.read(place, &VersionRef::Ours(self.id)).await?;
        if !read.is_some_and(|read| read.same_as(&value)) {
            return Err(Performed::failed(
                Reply::Ambiguous,
                "the provider does not give back what was written to it",
            ));
        }
        self.parts.remember(&native, &value);
        Ok((value, public))
    }

    fn mint(&self, material: &Material) -> Result<Minted, Performed> {
        let rotator = &self.parts.rotator;
        if let Some(given) = self.given {
            let unmeant = given
                .value
                .expose_to(|bytes| gate_rules::unmeant(self.secret, bytes));
            if let Some(why) = unmeant.first() {
                return Err(Performed::failed(Reply::Refused, why));
            }
            return Ok(self.engine.adopted(self.secret, self.parts, given)?);
        }
        if self.journal.given {
            return Err(Performed::failed(
                Reply::Refused,
                "the value a person gave was not stored before the process ended: give it again",
            ));
        }
        Ok(self
            .engine
            .with_entropy(|entropy| rotator.create(material, entropy))?)
    }
}

impl Given<'_> {
    /// Whether it is this value, with the key id that is beside it.
    pub(super) fn is(&self, value: &SecretValue, public: &Public) -> bool {
        self.value.same_as(value) && self.has_kid(public)
    }

    /// Whether the key id in `public` is the one it came with, if it came with one.
    pub(super) fn has_kid(&self, public: &Public) -> bool {
        self.kid
            .is_none_or(|kid| public.get(KID).is_some_and(|known| known == kid))
    }
}

impl Engine {
    /// Why this cannot become a version of a secret: its key or its key id belongs to something else.
    pub(super) async fn claimed(
        &self,
        secret: &Secret,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Option<&'static str>, StateError> {
        let (env, name) = (&self.env.name, &secret.name);
        let fingerprint = self.keys.fingerprint(env, name, value);
        for claim in claims(env, name, public, &fingerprint) {
            let known = self.store.fact(&claim.key).await?;
            if known.is_some_and(|known| known != claim.value) {
                return Ok(Some(claim.taken));
            }
        }
        Ok(None)
    }

    /// The candidate that a given value becomes. Living tokens carry the key id that it came with, so
    /// that one is kept, not the one that keyrota would derive.
    pub(super) fn adopted(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
        given: Given<'_>,
    ) -> Result<Minted, RotatorError> {
        let copy = given.value.expose_to(SecretValue::copy_of);
        let minted = self.with_entropy(|entropy| parts.rotator.adopt(copy, entropy))?;
        let Some(kid) = given.kid else {
            return Ok(minted);
        };
        let keeps_public = parts.provider.capabilities().public_parts;
        keep_kid(secret, keeps_public, &minted, kid).map_err(RotatorError::Refused)?;
        let stated = Public::from([(KID.to_owned(), kid.to_owned())]);
        Ok(Minted {
            public: parts.rotator.public(&minted.value, &stated),
            value: minted.value,
        })
    }
}

/// Checks that a key id which came with a value is still its id after the import.
fn keep_kid(
    secret: &Secret,
    keeps_public: bool,
    minted: &Minted,
    kid: &str,
) -> Result<(), &'static str> {
    let Some(key) = secret.facts.key else {
        return Err("only a secret of kind jwt has a key id: import it without one");
    };
    check_kid(kid)?;
    let own = match key.form {
        Some(KeyForm::Jwk) => kid_in(&minted.value),
        Some(KeyForm::Pem) | None => None,
    };
    if own.is_some_and(|own| own != kid) {
        return Err(
            "the JWK states another kid than the key id that came with it: find out which one the tokens in use carry, \
             and correct the other",
        );
    }
    if minted.public.get(KID).is_some_and(|derived| derived == kid) {
        return Ok(()); // it follows from the value itself
    }
    if !hands_out_kid(secret) {
        return Err(
            "the schedule gives programs no key id for it, so this one would be lost: add env_kid = \"NAME\" to the secret",
        );
    }
    if !keeps_public {
        return Err(
            "its provider keeps no public parts, so this key id would be lost: write the key as a JWK with this kid \
             (format = \"jwk\"), or use a provider that keeps public parts (keyrota providers)",
        );
    }
    Ok(())
}

fn kid_in(jwk: &SecretValue) -> Option<String> {
    jwk.expose_to(|bytes| {
        let text = std::str::from_utf8(bytes).ok()?;
        private_key(text, KeyForm::Jwk, None).ok()?.kid
    })
}

/// Whether a variable or a consumer of the secret gets its key id.
fn hands_out_kid(secret: &Secret) -> bool {
    let given = secret.consumers.iter().flat_map(|c| &c.facts.variables);
    let mut all = given.chain(&secret.env);
    all.any(|variable| variable.role == Role::Kid)
}

/// A fact that a version of a secret claims; the first claim of a name is the only one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The name of the fact.
    key: String,
    /// Its value.
    value: String,
    /// What is wrong if the fact has another value.
    taken: &'static str,
}

impl Claim {
    /// The change of the state that makes it.
    pub(super) fn into_change(self) -> Change {
        Change::ClaimFact {
            key: self.key,
            value: self.value,
        }
    }
}

/// What a version of a secret claims.
///
/// A thumbprint names one key, which belongs to one secret of one environment. A key id, whether it is a
/// thumbprint or a word that services chose, names one key of a secret (RFC 7517, section 4.5).
pub(super) fn claims(env: &str, secret: &str, public: &Public, fingerprint: &str) -> Vec<Claim> {
    let shown = public.get(JWK).and_then(|jwk| PublicJwk::parse(jwk).ok());
    let thumbprint = shown.and_then(|jwk| jwk.thumbprint());
    let of_key = thumbprint.as_ref().map(|print| Claim {
        key: format!("kid/{print}"),
        value: format!("{env}/{secret}"),
        taken: KEY_IS_TAKEN,
    });
    let of_id = public.get(KID).map(|kid| Claim {
        key: format!("kid/{env}/{secret}/{kid}"),
        // A key that is written in another way is the same key.
        value: thumbprint.clone().unwrap_or_else(|| fingerprint.to_owned()),
        taken: KID_IS_TAKEN,
    });
    of_key.into_iter().chain(of_id).collect()
}

const STATE: &str = "the state cannot be read";
const KEY_IS_TAKEN: &str =
    "another secret or environment uses this key already: give each of them a key of its own";
const KID_IS_TAKEN: &str = "this secret had another key with this key id, and verifiers could not distinguish the two: \
     find out which key id the tokens in use carry, and give that one";

#[cfg(test)]
mod tests;
