//! Rotators change one kind of secret and prove the new value: one file or folder per kind, and in it
//! `kind`, which describes it: its keys, what follows from them, how it is built. [`KINDS`] lists them.
//!
//! Keys and tokens live only in programs: no server has to be told, so [`Rotator::target`] is `None`
//! for them, and a probe judges the stored bytes themselves. A database's login is tried.
//!
//! # Layout
//! - [`jwt`]: keys that sign tokens; [`signing_key`]: keys that sign messages; [`random`]: tokens
//! - [`command`]: a program of the administrator's changes it
//! - [`external`]: kept and checked, made elsewhere
//! - [`jwks`]: the public key set; [`published`]: whether the world sees a key in it
//! - [`database`]: what the database kinds share: the login inside a value, new passwords
//! - [`postgres`]: logins of a Postgres server
//! - [`mysql`]: accounts of MySQL and MariaDB
//! - `key`, `der`: private keys as PEM or JWK, which `keyrota_gate` reads; `shape`: what all texts have in common
//!
//! [`Rotator::target`]: keyrota_contract::Rotator::target

pub mod command;
pub mod database;
mod der;
pub mod external;
pub mod jwks;
pub mod jwt;
mod key;
pub mod mysql;
pub mod postgres;
pub mod published;
pub mod random;
mod shape;
pub mod signing_key;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::config::registry::SecretKind;
use keyrota_contract::{
    Material, Minted, Probe, Public, RotatorError, SecretValue, Version, Which,
};

/// The kinds of secret, in the order in which they are listed.
pub const KINDS: &[&SecretKind] = &[
    &jwt::KIND,
    &signing_key::KIND,
    &random::KIND,
    &postgres::KIND,
    &mysql::KIND,
    &command::KIND,
    &external::KIND,
];

/// What no file says: its reader refuses such settings.
const NOT_TAKEN: &str = "the kind does not take these settings";

/// The version an effect is about, if the engine could read one.
fn pick(which: Which, m: &Material) -> Option<&Version> {
    match which {
        Which::Current => m.current.as_ref(),
        Which::Pending => m.pending.as_ref(),
        Which::Previous => m.previous.as_ref(),
    }
}

/// What somebody else made, with nothing public about it, if `checked` says that it is sound.
fn adopted(value: SecretValue, checked: Result<(), &'static str>) -> Result<Minted, RotatorError> {
    checked.map_err(RotatorError::Refused)?;
    Ok(Minted {
        value,
        public: Public::new(),
    })
}

/// The probe of a kind that no server knows: what is stored is `check`ed.
fn probed(
    which: Which,
    m: &Material,
    check: impl FnOnce(&Version) -> Result<(), &'static str>,
) -> Probe {
    match pick(which, m).map(check) {
        None => Probe::Unknown,
        Some(Ok(())) => Probe::Accepted,
        Some(Err(_)) => Probe::Rejected,
    }
}
