//! Consumers are told of new, pending and withdrawn values: one file per kind.
//!
//! # Layout
//! - [`file`]: environment files and files that hold one value; [`jwks`]: the public key set
//! - [`command`]: a program of the administrator's
//! - `envfile`, `jsonfile`: edits of a text that leave everything else as it was, pure
//! - `owner`: user and group names

pub mod command;
mod envfile;
pub mod file;
mod jsonfile;
pub mod jwks;
mod owner;

#[cfg(test)]
mod testing;

use keyrota_contract::DeliveryError;

use keyrota_local::FileError;

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
