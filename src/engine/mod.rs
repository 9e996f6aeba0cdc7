//! Performs one effect at a time: the only caller of providers, rotators and consumers.
//!
//! The machine (`keyrota_rotation`) decides, this module does. Every change of a record is one
//! transaction with its audit entries, fenced by the lock; every effect is preceded by such a
//! transaction with its intent, and followed by one with its outcome. So there is no recovery code:
//! a process that finds an effect begun asks the machine what to do about it.
//!
//! # Layout
//! - `core`: the engine, one environment with its lock; `takeover`: what it checks first
//! - `start`: how a rotation begins; `policy`: what the schedule asks of it
//! - `drive`: one rotation, from where it stands to where it has to wait
//! - `job`, `perform`: one effect; `target`: on a server, `deliver`: notifying a consumer, `listeners`: all who are notified, `copies`: further places, `mend`, `looked`: those between rotations; `performed`: what came of it; `failure`: what failures mean; `lag`: answers older than what was written; `exposure`: what programs see of a secret, pure
//! - [`clock`]: which time is trusted, pure; `watch_clock`: the same at work
//! - `budget`: how many logins may be refused before it waits, pure
//! - `journal`: what the state keeps of a rotation; `entries`: what the audit log keeps
//! - [`parts`], [`providers`]: from the checked model to the things that act; `remembered`: values that were read already
//! - [`adopt`]: import; [`view`]: what is current, for `run`, `jwks` and `status`
//! - [`forecast`]: what would happen if nothing failed, and when, pure
//! - [`daemon`]: follows the schedules; [`request`]: decisions for a process at work; `kill`: kill points for tests

pub mod adopt;
mod budget;
pub mod clock;
pub mod copies;
mod core;
pub mod daemon;
mod deliver;
mod drive;
mod entries;
mod error;
pub mod exposure;
mod failure;
pub mod forecast;
mod job;
pub mod journal;
mod kill;
pub mod lag;
mod listeners;
mod looked;
pub mod mend;
mod mint;
pub mod parts;
mod perform;
mod performed;
mod policy;
pub mod providers;
mod remembered;
pub mod request;
mod start;
mod takeover;
mod target;
pub mod view;
pub mod watch_clock;

pub use core::{Engine, Given, Stop, Surroundings, Watch};
pub use error::EngineError;
pub use failure::Remedy;
pub use policy::planned;
pub use start::{Begin, NotBegun, Order};
