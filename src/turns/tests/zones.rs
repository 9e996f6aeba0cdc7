//! Properties over every zone.

use std::collections::BTreeSet;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::{at, schedule, turns, zone};
use crate::turns::{Schedule, Turn};

/// The second opinion: asked in UTC, where civil time is all there is.
pub(super) fn croner(text: &str) -> Cron {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .unwrap()
}

const SCHEDULES: [&str; 5] = [
    "*/20 * * * *",
    "0 * * * *",
    "0 0 * * *",
    "30 2 * * *",
    "45 1 * * SUN",
];

/// The days around every step of every clock of 2026 and 2027, and Samoa's lost day: there alone
/// can zones differ from each other.
#[test]
fn every_zone_keeps_the_rules_around_every_step() {
    let schedules = SCHEDULES.map(schedule);
    let database = TimeZoneDatabase::bundled();
    let mut steps = 0;
    let mut seen = BTreeSet::new();
    for name in database.available() {
        let zone = database.get(name.as_str()).unwrap();
        for (from, until) in [
            ("2011-12-01T00:00:00Z", "2012-01-15T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
        ] {
            for step in zone
                .following(at(from))
                .take_while(|step| step.timestamp() < at(until))
            {
                // Links and zones that agree need one look.
                let before = step
                    .timestamp()
                    .checked_sub(SignedDuration::from_secs(1))
                    .unwrap();
                if !seen.insert((step.timestamp(), zone.to_offset(before), step.offset())) {
                    continue;
                }
                steps += 1;
                let wall = Wall::around(&zone, step.timestamp());
                for schedule in &schedules {
                    let context = format!(
                        "{} {} around {}",
                        name.as_str(),
                        schedule.as_str(),
                        step.timestamp()
                    );
                    keeps_the_rules(&context, &zone, schedule, &wall);
                }
            }
        }
    }
    assert!(steps > 100, "only {steps} steps");
}

/// The clock on the wall, minute by minute: the latest civil time it has shown by then.
struct Wall(Vec<(Timestamp, DateTime)>);

impl Wall {
    fn around(zone: &TimeZone, step: Timestamp) -> Self {
        let mut latest = DateTime::MIN;
        let minutes = (-48 * 60..=48 * 60).map(|n| {
            let instant = step.checked_add(SignedDuration::from_mins(n)).unwrap();
            latest = latest.max(zone.to_datetime(instant));
            (instant, latest)
        });
        Self(minutes.collect())
    }

    /// The rule without the words gap and fold: the first instant at which the clock has shown
    /// this time or a later one.
    fn shows(&self, civil: DateTime) -> Option<Timestamp> {
        self.0
            .get(self.0.partition_point(|(_, latest)| *latest < civil))
            .map(|(instant, _)| *instant)
    }
}

fn keeps_the_rules(context: &str, zone: &TimeZone, schedule: &Schedule, wall: &Wall) {
    let from = wall.0[0].0;
    let until = wall.0[wall.0.len() - 1].0;
    let turns = turns(schedule, zone, from, until);

    // Strictly increasing, in instants and in civil keys, and never at or before `from`.
    assert!(turns.iter().all(|turn| turn.at > from), "{context}");
    assert!(
        turns.is_sorted_by(|a, b| a.at < b.at && a.civil < b.civil),
        "{context}"
    );

    // Every civil time of the second opinion came exactly once, when the clock first showed it.
    let croner = croner(schedule.as_str());
    let clock = zone.to_datetime(from).to_zoned(TimeZone::UTC).unwrap();
    let civil_times = croner.iter_after(clock).map(|zoned| zoned.datetime());
    let mut expected: Vec<Turn> = civil_times
        .map_while(|civil| {
            Some(Turn {
                civil,
                at: wall.shows(civil)?,
            })
        })
        .collect();
    expected.dedup_by_key(|turn| turn.at);
    assert_eq!(turns, expected, "{context}");

    // Asked at any moment, the next and the latest turn are neighbours in that list.
    for minutes in (0..96 * 60).step_by(71) {
        let now = from
            .checked_add(SignedDuration::from_mins(minutes))
            .unwrap();
        let come = turns.partition_point(|turn| turn.at <= now);
        if let (Some(latest), Some(next)) = (come.checked_sub(1).map(|i| turns[i]), turns.get(come))
        {
            assert_eq!(
                schedule.latest(zone, now),
                Some(latest),
                "{context} at {now}"
            );
            assert_eq!(schedule.next(zone, now), Some(*next), "{context} at {now}");
        }
    }
}

#[test]
fn a_daily_job_runs_once_for_every_date() {
    let names = [
        "America/New_York",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "America/Santiago",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Europe/London",
        "Europe/Berlin",
    ];
    for name in names {
        let zone = zone(name);
        for text in ["0 0 * * *", "30 2 * * *", "59 23 * * *"] {
            let from = at("2026-01-01T12:00:00Z");
            let turns = turns(&schedule(text), &zone, from, at("2028-01-02T12:00:00Z"));
            let dates: Vec<Date> = turns.iter().map(|turn| turn.civil.date()).collect();
            let expected: Vec<Date> = dates[0].series(1.day()).take(dates.len()).collect();
            assert_eq!(dates, expected, "{name} {text}");
            assert!(dates.len() >= 730, "{name} {text}");
            // And on the day the clock shows, since no date is lost in these years.
            assert!(
                turns
                    .iter()
                    .all(|turn| zone.to_datetime(turn.at).date() == turn.civil.date()),
                "{name} {text}"
            );
        }
    }
}
