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

/// The days around every step of every clock from 2024 to 2027, and Samoa's lost day: there alone
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
            ("2024-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
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
                for schedule in &schedules {
                    keeps_the_rules(name.as_str(), &zone, schedule, step.timestamp());
                }
            }
        }
    }
    assert!(steps > 200, "only {steps} steps");
}

fn keeps_the_rules(name: &str, zone: &TimeZone, schedule: &Schedule, step: Timestamp) {
    let context = format!("{name} {} around {step}", schedule.as_str());
    let from = step.checked_sub(SignedDuration::from_hours(36)).unwrap();
    let until = step.checked_add(SignedDuration::from_hours(36)).unwrap();
    let turns = turns(schedule, zone, from, until);

    // Strictly increasing, in instants and in civil keys.
    assert!(turns.iter().all(|turn| turn.at > from), "{context}");
    assert!(
        turns.is_sorted_by(|a, b| a.at < b.at && a.civil < b.civil),
        "{context}"
    );

    // Every civil time of the second opinion came exactly once, at the instant the rule says.
    let mut civil_times: Vec<DateTime> = Vec::new();
    let mut clock = zone.to_datetime(from).to_zoned(TimeZone::UTC).unwrap();
    let croner = croner(schedule.as_str());
    while let Ok(next) = croner.find_next_occurrence(&clock, false) {
        if by_minutes(zone, next.datetime()).is_none_or(|instant| instant > until) {
            break;
        }
        civil_times.push(next.datetime());
        clock = next;
    }
    let mut expected: Vec<Turn> = civil_times
        .iter()
        .map(|civil| Turn {
            civil: *civil,
            at: by_minutes(zone, *civil).unwrap(),
        })
        .collect();
    expected.retain(|turn| turn.at > from);
    expected.dedup_by_key(|turn| turn.at);
    assert_eq!(turns, expected, "{context}");

    // Asked at any moment, the next and the latest turn are neighbours in that list.
    for minutes in (0..72 * 60).step_by(47) {
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

/// The rule without the words gap and fold: the first instant at which the clock shows the civil
/// time or a later one, found by looking at the clock minute by minute, from far enough before.
fn by_minutes(zone: &TimeZone, civil: DateTime) -> Option<Timestamp> {
    let as_utc = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let mut low = as_utc.checked_sub(SignedDuration::from_hours(27)).ok()?;
    let high = as_utc.checked_add(SignedDuration::from_hours(27)).ok()?;
    // Quarter hours first: no zone of today steps, or stands, at anything finer.
    while low < high && zone.to_datetime(low) < civil {
        low = low.checked_add(SignedDuration::from_mins(15)).ok()?;
    }
    low = low.checked_sub(SignedDuration::from_mins(15)).ok()?;
    while zone.to_datetime(low) < civil {
        low = low.checked_add(SignedDuration::from_mins(1)).ok()?;
    }
    Some(low)
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
