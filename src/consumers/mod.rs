//! Consumers are told of new, pending and withdrawn values: one file per kind, and below it `kind`, which
//! describes it: its keys, what it is shown, how it is built. [`KINDS`] lists them.
//!
//! # Layout
//! - [`file`]: environment files and files that hold one value; [`jwks`]: the public key set
//! - [`command`]: a program of the administrator's
//! - `envfile`, `jsonfile`: edits of a text that leave everything else as it was, pure
//! - `owner`: user and group names; `written`, `failure`: the keys and the failures of kinds that write one

pub mod command;
mod envfile;
mod failure;
pub mod file;
mod jsonfile;
pub mod jwks;
mod owner;
mod written;

#[cfg(test)]
mod testing;

use crate::config::registry::ConsumerKind;

/// The kinds of consumer, in the order in which they are listed.
pub const KINDS: &[&ConsumerKind] = &[&file::KIND, &command::KIND, &jwks::KIND];
