//! Rotators change one kind of secret and prove the new value: one file per kind.
//!
//! The kinds here live only in programs: no server has to be told, so [`Rotator::target`] is
//! `None` for all of them, and a probe judges the stored bytes themselves.
//!
//! # Layout
//! - [`jwt`]: keys that sign tokens; [`signing_key`]: keys that sign messages; [`random`]: tokens
//! - [`external`]: kept and checked, made elsewhere
//! - [`jwks`]: the public key set; [`published`]: whether the world sees a key in it
//! - [`database`]: what the database kinds share: the login inside a value, new passwords
//! - [`mysql`]: accounts of MySQL and MariaDB
//! - `key`, `der`, `private_jwk`: private keys as PEM or JWK; `shape`: what all texts have in common
//!
//! [`Rotator::target`]: keyrota_contract::Rotator::target

pub mod database;
mod der;
pub mod external;
pub mod jwks;
pub mod jwt;
mod key;
pub mod mysql;
mod private_jwk;
pub mod published;
pub mod random;
mod shape;
pub mod signing_key;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use keyrota_contract::{Material, Version, Which};

/// The version an effect is about, if the engine could read one.
fn pick(which: Which, m: &Material) -> Option<&Version> {
    match which {
        Which::Current => m.current.as_ref(),
        Which::Pending => m.pending.as_ref(),
        Which::Previous => m.previous.as_ref(),
    }
}
