//! keyrota rotates secrets without an outage.
//!
//! # Layout
//! - [`config`]: `schedules/*.toml` and `keyrota.toml`, to a checked model; every problem at once
//! - [`turns`]: whose turn it is: cron fields, civil time, windows, jitter; pure
//! - `keyrota_rotation` (src/rotation): the rotation machine; pure
//! - [`engine`]: performs one effect at a time; recovery; the only caller of what follows
//! - [`rotators`], [`consumers`]: one file per kind; [`kinds`]: all kinds of this build
//! - [`stores`]: what can keep values, one file per kind; their protocols are crates under `providers/`
//! - `child`: programs of the administrator's, for both
//! - [`state`]: the state database: records, locks, deliveries
//! - [`audit`]: entries, chain, checkpoints, verification, export
//! - [`keys`]: the host's seed and what is derived from it: fingerprints, checkpoint signatures
//! - `trust`: files that say what to run, read or connect to, which nobody else may change
//! - `wire`: the way to a database server, which it can neither misuse nor flood
//! - [`world`]: the only home of real time and randomness
//! - [`output`]: standard output, standard error and the log; escapes what a terminal would obey
//! - [`commands`]: the command line, one file per subcommand
//! - [`process`]: the life of the process

// Modules with this lint read numbers from servers, files and databases: none may make arithmetic panic.
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
pub mod audit;
mod child;
pub mod commands;
pub mod config;
pub mod consumers;
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
pub mod engine;
pub mod keys;
pub mod kinds;
pub mod output;
pub mod process;
pub mod rotators;
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
pub mod state;
pub mod stores;
mod trust;
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
pub mod turns;
#[cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
mod wire;
pub mod world;
