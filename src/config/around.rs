//! What the readers of one secret have to know of its file.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::effort;
use super::registry::Registry;
use crate::turns;

/// What a secret's reader has to know of its file.
pub struct Around<'a> {
    /// The environment's name.
    pub environment: &'a str,
    /// The kinds that there are.
    pub registry: &'a Registry,
    /// Relative paths resolve from it.
    pub root: &'a Path,
    /// The zone of schedules.
    pub timezone: &'a TimeZone,
    /// Which turns are looked at.
    pub now: Timestamp,
    /// All providers the file names, sound or not.
    pub providers: &'a [String],
    /// The same, to look one up.
    pub provider_names: HashSet<&'a str>,
    /// The shortest time between two turns of the schedules that were met.
    pub gaps: Gaps,
}

/// The shortest time between two turns of each schedule, worked out once per file.
#[derive(Debug, Default)]
pub struct Gaps(RefCell<HashMap<String, Option<Duration>>>);

impl Gaps {
    /// Of one schedule.
    pub fn of(&self, schedule: &turns::Schedule, around: &Around<'_>) -> Option<Duration> {
        let mut known = self.0.borrow_mut();
        if let Some(gap) = known.get(schedule.as_str()) {
            return *gap;
        }
        effort::spend(1_000);
        let gap = schedule.shortest_gap(around.timezone, around.now);
        known.insert(schedule.as_str().to_owned(), gap);
        gap
    }
}
