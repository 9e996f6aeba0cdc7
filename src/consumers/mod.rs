//! Consumers are told of new, pending and withdrawn values: one file per kind, and below it `kind`, which
//! describes it: its keys, what it is shown, how it is built. [`KINDS`] lists them.
//!
//! # Layout
//! - [`file`]: environment files and files that hold one value; [`jwks`]: the public key set
//! - [`command`]: a program of the administrator's
//! - `envfile`, `jsonfile`: edits of a text that leave everything else as it was, pure
//! - `owner`: user and group names; `written`: the keys of kinds that write a file

pub mod command;
mod envfile;
pub mod file;
mod jsonfile;
pub mod jwks;
mod owner;
mod written;

#[cfg(test)]
mod testing;

use keyrota_contract::DeliveryError;

use crate::config::registry::ConsumerKind;

use keyrota_local::FileError;

/// The kinds of consumer, in the order in which they are listed.
pub const KINDS: &[&ConsumerKind] = &[&file::KIND, &command::KIND, &jwks::KIND];

/// A file that was not written: somebody must change something, unless it may pass by itself.
fn file_failed(e: FileError) -> DeliveryError {
    match e {
        FileError::Mounted => DeliveryError::Refused(
            "a single file is mounted at this name, and a mounted file cannot be replaced; mount its directory \
             instead, or write = \"in-place\" for a `file` consumer",
        ),
        e if e.may_pass() => DeliveryError::Retry(e.sentence()),
        e => DeliveryError::Refused(e.sentence()),
    }
}
