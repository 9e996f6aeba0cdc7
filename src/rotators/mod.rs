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
//! - `material`: the version that an effect is about; what stands for a server where there is none
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
mod material;
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
