//! Whose turn it is. Pure: the time is an argument, and nothing here waits or writes.
//!
//! A schedule is five cron fields, read as *civil* time: what a clock on the wall of the
//! environment's zone shows. The crate `cron` keeps the sets of minutes, hours and days that
//! match; `jiff` maps civil times to instants. Given a zone, `cron` itself skips a day at the
//! start of summer time and fires twice at its end, so it never sees one.
//!
//! # Rules
//! - A civil time that a zone skips (a *gap*) comes at the first instant after the gap.
//! - A civil time that a zone repeats (a *fold*) comes once, at the earlier instant. So an hourly
//!   schedule pauses during the repeated hour.
//! - Turns are strictly increasing; several civil times that come at one instant are one turn,
//!   named by the first of them. The civil time is what callers persist as "done": unlike an
//!   instant it survives a new edition of the zone's rules.
//! - Turns at or before `since` do not count, however a secret came to be: nothing rotates because
//!   it is new, imported, or because the daemon was started. Of the turns that were missed
//!   after it, one is caught up, however many there were.
//!
//! # Layout
//! - `text`, `field`: the strict reading of the five fields, with a remedy for every mistake
//! - `dialects`: schedules of other programs, and what to write instead
//! - [`schedule`]: [`Schedule`], [`Turn`]: the next and the latest turn in a zone
//! - [`hours`]: [`Window`], [`Blackout`], [`gate`]: when a rotation may start
//! - [`due`]: [`Policy`], [`Due`], [`jitter`]: all of it together

mod dialects;
pub mod due;
mod error;
mod field;
pub mod hours;
pub mod schedule;
mod text;

#[cfg(test)]
mod tests;

pub use due::{Due, Policy, jitter};
pub use error::ParseError;
pub use hours::{Blackout, Gate, Window, gate};
pub use schedule::{Schedule, Turn, instant};
