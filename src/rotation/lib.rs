//! The rotation machine: decisions, and nothing else.
//!
//! A [`Record`] is the durable state of one rotation; it holds names and times, never a value.
//! [`Record::todo`] says what to do now, [`Record::begin`] marks an effect as begun, and
//! [`Record::step`] takes what came of it. Whoever drives the machine (daemon, one-shot command,
//! simulator) writes the record down after every change and before every effect; after a crash it
//! reads the record, answers `Reply::Lost` for an effect that was begun, and goes on.
//!
//! ```text
//! Preflight → Create → Set → Test → Announce → Settle → Finish → Switch → Confirm → Grace → Retire → Done(rotated)
//!     │          │      └──┬──┴───────┴─────────┘          │        │                          │
//!     │          │         ▼ for good, one value at a time └────────┴───────── for good ───────┤
//!     │          │      Restore ──────────────────────────────────────── for good ─────────────┤
//!     ▼          ▼         ▼                                                                   ▼
//!  Done(abandoned) ◄──── Undo ────────────────────────────────────────── for good ─────────► Stuck
//! ```
//!
//! Set applies only where a server must be told ([`Policy::target`]); Announce and Settle only
//! where somebody verifies; Confirm only where the file asks for it. A first version has nothing to
//! overlap with and is done after Switch.
//!
//! Deliberately absent: clocks, randomness, input and output, async, values. Time and dice are
//! arguments ([`Moment`]).
//!
//! # Layout
//! - [`record`]: what is written down
//! - [`effect`]: what can be done, and what can come of it
//! - `todo`: from a record to the next thing to do
//! - `step`: the table of transitions
//! - `moves`: how a phase is entered and left, and what a person may decide
//! - [`edit`]: what an edited schedule changes in the middle
//! - `rounds`: telling several consumers, some of which fail
//! - `backoff`: how long to wait before the next try

// Numbers from servers, files and databases must never make arithmetic panic.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod edit;
pub mod effect;
pub mod record;

mod backoff;
mod moves;
mod rounds;
mod step;
mod todo;

pub use edit::{Change, Edit};
pub use effect::{Decision, Effect, Event, Probed, Reply, Round, Todo, Which};
pub use record::{
    Announcing, Finishing, Listener, Moment, Outcome, Overlap, Phase, Policy, Record, Restoring,
    Retiring, Setting, Telling, Time, Told, Undoing,
};
pub use step::Illegal;
