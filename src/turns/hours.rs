//! When a rotation may start: windows and blackouts.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::schedule::instant;

/// Hours of every day in which a rotation may start, as the clock on the wall shows them:
/// half-open, and across midnight where `to` is earlier than `from`.
///
/// In a fold the clock decides: what it shows twice is open twice. A window that lies wholly in a
/// gap does not open on that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: Time,
    to: Time,
}

impl Window {
    /// A window; `None` if it is empty (`from` equals `to`).
    pub fn new(from: Time, to: Time) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }

    /// Whether a clock that shows `time` is inside.
    pub fn shows(&self, time: Time) -> bool {
        if self.from < self.to {
            self.from <= time && time < self.to
        } else {
            self.from <= time || time < self.to
        }
    }
}

/// A span of civil time in which no rotation starts, half-open. It wins over a window. In a fold
/// it begins at the earlier instant and ends at the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blackout {
    from: DateTime,
    to: DateTime,
}

impl Blackout {
    /// A blackout; `None` if it ends before it begins, or at once.
    pub fn new(from: DateTime, to: DateTime) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }
}

/// Whether a rotation may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Allowed,
    /// It may not; the next time it may.
    Closed {
        /// The first allowed instant.
        until: Timestamp,
    },
}

/// Whether a rotation may start at `now`. Without window and blackouts it always may.
pub fn gate(
    window: Option<Window>,
    blackouts: &[Blackout],
    zone: &TimeZone,
    now: Timestamp,
) -> Gate {
    let hours = Hours::new(window, blackouts, zone);
    match hours.opens(now) {
        until if until > now => Gate::Closed { until },
        _ => Gate::Allowed,
    }
}

/// Window and blackouts in a zone.
pub(super) struct Hours<'a> {
    window: Option<Window>,
    blackouts: Vec<(Timestamp, Timestamp)>,
    zone: &'a TimeZone,
}

impl<'a> Hours<'a> {
    pub(super) fn new(window: Option<Window>, blackouts: &[Blackout], zone: &'a TimeZone) -> Self {
        let span = |b: &Blackout| Some((instant(zone, b.from)?, last_instant(zone, b.to)?));
        Self {
            window,
            blackouts: blackouts.iter().filter_map(span).collect(),
            zone,
        }
    }

    /// The first instant at or after `from` that is open; the end of time if there is none.
    pub(super) fn opens(&self, from: Timestamp) -> Timestamp {
        let mut at = from;
        while !self.is_open(at) && at < Timestamp::MAX {
            // A blackout may last for years: go straight to its end.
            let ends = self
                .blackouts
                .iter()
                .filter(|(from, to)| *from <= at && at < *to)
                .map(|(_, to)| *to);
            at = ends.max().unwrap_or_else(|| self.changes(at));
        }
        at
    }

    /// The first instant after `open` that is closed; the end of time if there is none.
    pub(super) fn closes(&self, open: Timestamp) -> Timestamp {
        let mut at = self.changes(open);
        while self.is_open(at) && at < Timestamp::MAX {
            at = self.changes(at);
        }
        at
    }

    fn is_open(&self, at: Timestamp) -> bool {
        let shows = |window: Window| window.shows(self.zone.to_datetime(at).time());
        self.window.is_none_or(shows)
            && !self
                .blackouts
                .iter()
                .any(|(from, to)| *from <= at && at < *to)
    }

    /// The first instant after `at` where anything can change: an edge of a blackout or a window,
    /// or a step of the clock, which may carry it over an edge. Nothing changes between two of them.
    fn changes(&self, at: Timestamp) -> Timestamp {
        let mut edges: Vec<Timestamp> = self
            .blackouts
            .iter()
            .flat_map(|(from, to)| [*from, *to])
            .collect();
        if let Some(window) = self.window {
            let today = self.zone.to_datetime(at).date();
            let days = [today.yesterday().ok(), Some(today), today.tomorrow().ok()];
            let shown = days
                .into_iter()
                .flatten()
                .flat_map(|day| [window.from, window.to].map(|time| day.to_datetime(time)));
            edges.extend(
                shown
                    .flat_map(|civil| [instant(self.zone, civil), last_instant(self.zone, civil)])
                    .flatten(),
            );
            edges.extend(self.zone.following(at).next().map(|step| step.timestamp()));
        }
        edges
            .into_iter()
            .filter(|edge| *edge > at)
            .min()
            .unwrap_or(Timestamp::MAX)
    }
}

/// As [`instant`], but the later of the two in a fold.
fn last_instant(zone: &TimeZone, civil: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(civil) {
        fold if matches!(fold.offset(), AmbiguousOffset::Fold { .. }) => fold.later().ok(),
        _ => instant(zone, civil),
    }
}
