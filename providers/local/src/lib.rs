//! keyrota's providers that live on this host, and the file handling under them.
//!
//! # Layout
//! - [`atomic`]: files replaced whole or not at all; private files read; orphans swept
//! - [`error`]: what can be wrong with a file
//! - [`lock`]: a lock between processes

pub mod atomic;
pub mod error;
pub mod lock;

pub use error::FileError;
pub use lock::FileLock;
