//! `schedules/<environment>.toml` and `keyrota.toml`, to a checked model; every problem at once.
//!
//! # Layout
//! - [`load()`]: a directory of schedules, with what is wrong between them ([`mod@cross`])
//! - [`environment`]: one file; below it `secret` (`kinds`, `random`, `place`, `waits`, `turn`), `consumer`,
//!   `boot`, `provider`; `around`: what they know of their file; `templates`: texts with fields
//! - [`registry`]: what describes a kind of provider; the kinds themselves are in `src/stores`
//! - [`mod@host`]: the file `keyrota.toml`; [`input`]: keys, tokens and passwords that a file refers to
//! - [`gate_rules`]: from an environment to what the gate asks of a program
//! - [`model`]: what comes out
//! - `keys`: every key of every file, once; `read`: a spanned tree against those tables;
//!   `words`: the small languages inside strings
//! - [`reach`]: which addresses a `jwks_url` may lead to
//! - [`schema`]: the same tables as JSON Schema
//! - [`diagnostic`]: problems; [`render`]: the same as text, for GitHub, as JSON; `mask`: lines without
//!   values; `plain`: which words may be repeated
//!
//! Decoding is pure: [`environment::decode`] takes text and a time. [`load()`] and [`host::load`] read
//! files; only [`input`] reads a value that a file refers to, and only when it is asked to.

mod around;
mod boot;
mod consumer;
pub mod cross;
pub mod diagnostic;
mod effort;
pub mod environment;
pub mod gate_rules;
pub mod host;
pub mod input;
pub mod keys;
mod load;
mod mask;
pub mod model;
mod place;
pub(crate) mod plain;
mod provider;
pub mod reach;
pub mod read;
pub mod registry;
pub mod render;
pub mod schema;
mod secret;
pub mod source;
pub mod templates;
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
mod turn;
pub mod values;
// Durations and times of day come from files.
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
mod waits;
pub(crate) mod words;

#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Severity};
pub use keys::{Family, Key, Kinds};
pub use load::{Loaded, load};
pub use plain::did_you_mean;
pub use registry::Registry;
pub use source::Source;
pub use words::say_duration;
