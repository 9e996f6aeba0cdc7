//! The turns of a schedule in a zone.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cron::TimeUnitSpec;
use jiff::civil::{Date, DateTime, Time, time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::dialects;
use super::error::ParseError;
use super::text;

/// One turn: what the clock on the wall was meant to show, and when that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The civil time the schedule names; the key under which a turn is done. Its text
    /// (`2026-11-01T01:30:00`) reads back as the same value.
    pub civil: DateTime,
    /// The instant it comes at.
    pub at: Timestamp,
}

/// Five cron fields, or one of `@hourly @daily @midnight @weekly @monthly @yearly @annually`.
#[derive(Clone)]
pub struct Schedule {
    text: String,
    /// Keeps the days; asked for civil dates only. Its own iterators want a zone, and go wrong in it.
    matcher: cron::Schedule,
    /// The times of a day that matches, ascending, never empty.
    times: Vec<Time>,
}

impl Schedule {
    /// Reads a schedule: minute, hour, day-of-month, month, weekday. Names count in any case, 0
    /// and 7 are Sunday. Refused, with the reason: what classic crons disagree about, and what
    /// would never fire.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        let normal =
            text::normalise(source).map_err(|why| dialects::foreign(source).unwrap_or(why))?;
        let matcher = cron::Schedule::from_str(&normal)
            .expect("the strict reading lets nothing through that cron refuses");
        let minutes = || matcher.minutes().iter();
        let times = matcher
            .hours()
            .iter()
            .flat_map(|h| minutes().map(move |m| time(h as i8, m as i8, 0, 0)))
            .collect();
        Ok(Self {
            text: source.trim().to_owned(),
            matcher,
            times,
        })
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first turn after `after`; `None` beyond the year 9999.
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Turn> {
        let mut civil = zone.to_datetime(after);
        loop {
            civil = self.civil_after(civil)?;
            let at = instant(zone, civil)?;
            // In the second pass through a fold, civil times that already came follow once more.
            if at > after {
                return Some(Turn { civil, at });
            }
        }
    }

    /// The last turn that has come at `now`; `None` before the year -9999.
    pub fn latest(&self, zone: &TimeZone, now: Timestamp) -> Option<Turn> {
        // In the second pass through a fold, civil times later than the clock shows came in the first.
        let shown = zone.to_datetime(now);
        let stepped = zone.preceding(now.checked_add(NANOSECOND).ok()?).next();
        let before_step = stepped.and_then(|step| step.timestamp().checked_sub(NANOSECOND).ok());
        let shown_before = before_step.map_or(shown, |instant| zone.to_datetime(instant));
        let mut civil = self.civil_until(shown.max(shown_before))?;
        let mut at = instant(zone, civil)?;
        while at > now {
            civil = self.civil_before(civil)?;
            at = instant(zone, civil)?;
        }
        // Of several civil times that come at one instant, the first names the turn.
        while let Some(earlier) = self
            .civil_before(civil)
            .filter(|c| instant(zone, *c) == Some(at))
        {
            civil = earlier;
        }
        Some(Turn { civil, at })
    }

    /// The shortest time between two turns that follow each other after `from`, over 400 days (so
    /// that both changes of the clock lie in it), but at least one gap and at most 10 000 turns.
    pub fn shortest_gap(&self, zone: &TimeZone, from: Timestamp) -> Option<Duration> {
        const TURNS_MAX: usize = 10_000;
        let end = from
            .checked_add(SignedDuration::from_hours(400 * 24))
            .ok()?;
        let mut last = self.next(zone, from)?;
        let mut shortest: Option<SignedDuration> = None;
        for _ in 1..TURNS_MAX {
            let Some(turn) = self.next(zone, last.at) else {
                break;
            };
            if turn.at > end && shortest.is_some() {
                break;
            }
            let gap = turn.at.duration_since(last.at);
            shortest = Some(shortest.map_or(gap, |s| s.min(gap)));
            last = turn;
        }
        shortest.and_then(|gap| gap.try_into().ok())
    }

    /// The first matching civil time after `after`.
    fn civil_after(&self, after: DateTime) -> Option<DateTime> {
        let mut day = after.date();
        let passed = self.times.partition_point(|time| *time <= after.time());
        if let (true, Some(time)) = (self.matches(day), self.times.get(passed)) {
            return Some(day.to_datetime(*time));
        }
        loop {
            day = day.tomorrow().ok()?;
            if self.matches(day) {
                return Some(day.to_datetime(*self.times.first()?));
            }
            if !self.matcher.months().includes(day.month() as u32) {
                day = day.last_of_month();
            }
        }
    }

    /// The last matching civil time at or before `until`.
    fn civil_until(&self, until: DateTime) -> Option<DateTime> {
        let mut day = until.date();
        let come = self.times.partition_point(|time| *time <= until.time());
        if let (true, Some(time)) = (self.matches(day), self.times[..come].last()) {
            return Some(day.to_datetime(*time));
        }
        loop {
            day = day.yesterday().ok()?;
            if self.matches(day) {
                return Some(day.to_datetime(*self.times.last()?));
            }
            if !self.matcher.months().includes(day.month() as u32) {
                day = day.first_of_month();
            }
        }
    }

    fn civil_before(&self, before: DateTime) -> Option<DateTime> {
        self.civil_until(before.checked_sub(NANOSECOND).ok()?)
    }

    fn matches(&self, day: Date) -> bool {
        let weekday = day.weekday().to_sunday_one_offset();
        self.matcher.months().includes(day.month() as u32)
            && self.matcher.days_of_month().includes(day.day() as u32)
            && self.matcher.days_of_week().includes(weekday as u32)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.matcher == other.matcher
    }
}

impl Eq for Schedule {}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({:?})", self.text)
    }
}

/// When a civil time comes: in a gap the first instant after it, in a fold the earlier of the two.
/// `None` only at the ends of the calendar (years -9999 and 9999).
pub fn instant(zone: &TimeZone, civil: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let AmbiguousOffset::Gap { after, .. } = ambiguous.offset() else {
        return ambiguous.earlier().ok();
    };
    // Read with the offset from after the gap, a time in it lies before the gap's end, by less
    // than the gap is long. A zone may also step without a change of offset; that is not it.
    let before = ambiguous.earlier().ok()?;
    zone.following(before)
        .find(|step| step.offset() == after)
        .map(|step| step.timestamp())
}

const NANOSECOND: SignedDuration = SignedDuration::from_nanos(1);
