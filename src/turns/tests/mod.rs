#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod dialects;
mod due;
mod grammar;
mod hours;
mod table;
mod zones;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Schedule, Turn};

/// A zone of the bundled database: the same rules on every machine.
fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The turns after `from`, up to and including `until`.
fn turns(schedule: &Schedule, zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<Turn> {
    let first = schedule.next(zone, from);
    let all = std::iter::successors(first, |turn| schedule.next(zone, turn.at));
    all.take_while(|turn| turn.at <= until).collect()
}
