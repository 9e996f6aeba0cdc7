//! keyrota's providers that live on this host, and the file handling under them.
//!
//! # Layout
//! - [`mod@file`]: the provider `file`, an age document with all secrets of one environment
//! - [`identity`]: age keys; [`sealed`]: bytes sealed for them; `authentic`: who sealed them; `document`: what is sealed
//! - [`atomic`]: files replaced whole or not at all; orphans swept
//! - [`in_place`]: files overwritten where they are, where they cannot be replaced
//! - [`trusted`]: paths opened component by component, and who else can change them
//! - [`mod@private`]: keys, tokens and passwords read from files
//! - [`lock`]: a lock between processes; [`error`]: what can be wrong with a file

pub mod atomic;
mod authentic;
// Generations come from files.
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
mod document;
pub mod error;
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
pub mod file;
pub mod identity;
pub mod in_place;
pub mod lock;
pub mod private;
pub mod sealed;
pub mod trusted;

pub use error::FileError;
pub use file::{CAPABILITIES, DocumentInfo, FileProvider, OneLook};
pub use identity::{Identities, IdentityError};
pub use lock::FileLock;
