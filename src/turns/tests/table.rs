//! The cases in which cron implementations differ, one by one.

use jiff::tz::TimeZone;

use super::{at, schedule, turns, zone};

/// `turns`: `civil key > local time it comes at`.
#[track_caller]
fn check(zone_name: &str, text: &str, from: &str, until: &str, expected: &[&str]) {
    let zone = zone(zone_name);
    let found: Vec<String> = turns(&schedule(text), &zone, at(from), at(until))
        .iter()
        .map(|t| {
            format!(
                "{} > {}",
                t.civil.strftime("%d %H:%M"),
                t.at.to_zoned(zone.clone()).strftime("%d %H:%M %:z")
            )
        })
        .collect();
    assert_eq!(found, expected, "{zone_name} {text}");
}

#[test]
fn a_gap_is_not_skipped() {
    let day = ("2026-03-08T05:00:00Z", "2026-03-09T12:00:00Z");
    check(
        "America/New_York",
        "30 2 * * *",
        day.0,
        day.1,
        &["08 02:30 > 08 03:00 -04:00", "09 02:30 > 09 02:30 -04:00"],
    );
    check(
        "America/New_York",
        "30 1,2,3 * * *",
        day.0,
        "2026-03-08T12:00:00Z",
        &[
            "08 01:30 > 08 01:30 -05:00",
            "08 02:30 > 08 03:00 -04:00",
            "08 03:30 > 08 03:30 -04:00",
        ],
    );
    // Weekly, so that a skipped day would be a skipped week.
    check(
        "Europe/Berlin",
        "30 2 * * SUN",
        "2026-03-28T00:00:00Z",
        "2026-03-30T00:00:00Z",
        &["29 02:30 > 29 03:00 +02:00"],
    );
    check(
        "Europe/London",
        "30 1 * * *",
        "2026-03-29T00:00:00Z",
        "2026-03-29T20:00:00Z",
        &["29 01:30 > 29 02:00 +01:00"],
    );
    // Midnight itself is missing.
    check(
        "Africa/Cairo",
        "0 0 * * *",
        "2026-04-23T12:00:00Z",
        "2026-04-24T12:00:00Z",
        &["24 00:00 > 24 01:00 +03:00"],
    );
    check(
        "America/Santiago",
        "0 0 * * *",
        "2026-09-05T12:00:00Z",
        "2026-09-06T12:00:00Z",
        &["06 00:00 > 06 01:00 -03:00"],
    );
    // Two hours, and half of one.
    check(
        "Antarctica/Troll",
        "30 1,2 * * *",
        "2026-03-29T00:00:00Z",
        "2026-03-29T12:00:00Z",
        &["29 01:30 > 29 03:00 +02:00"],
    );
    check(
        "Australia/Lord_Howe",
        "15 2 * * *",
        "2026-10-03T12:00:00Z",
        "2026-10-04T12:00:00Z",
        &["04 02:15 > 04 02:30 +11:00"],
    );
}

#[test]
fn a_gap_makes_several_civil_times_one_turn() {
    check(
        "America/New_York",
        "*/30 * * * *",
        "2026-03-08T06:15:00Z",
        "2026-03-08T08:00:00Z",
        &[
            "08 01:30 > 08 01:30 -05:00",
            "08 02:00 > 08 03:00 -04:00",
            "08 03:30 > 08 03:30 -04:00",
            "08 04:00 > 08 04:00 -04:00",
        ],
    );
}

#[test]
fn a_fold_does_not_repeat() {
    let day = ("2026-11-01T04:00:00Z", "2026-11-01T12:00:00Z");
    check(
        "America/New_York",
        "30 1 * * *",
        day.0,
        day.1,
        &["01 01:30 > 01 01:30 -04:00"],
    );
    check(
        "America/New_York",
        "30 1,2 * * *",
        day.0,
        day.1,
        &["01 01:30 > 01 01:30 -04:00", "01 02:30 > 01 02:30 -05:00"],
    );
    check(
        "America/New_York",
        "*/30 * * * *",
        "2026-11-01T04:45:00Z",
        "2026-11-01T07:30:00Z",
        &[
            "01 01:00 > 01 01:00 -04:00",
            "01 01:30 > 01 01:30 -04:00",
            "01 02:00 > 01 02:00 -05:00",
            "01 02:30 > 01 02:30 -05:00",
        ],
    );
    // Asked in the middle of the second pass (01:10 EST): nothing from the past.
    check(
        "America/New_York",
        "*/30 * * * *",
        "2026-11-01T06:10:00Z",
        "2026-11-01T07:00:00Z",
        &["01 02:00 > 01 02:00 -05:00"],
    );
    check(
        "Europe/Berlin",
        "30 2 * * *",
        "2026-10-24T12:00:00Z",
        "2026-10-25T12:00:00Z",
        &["25 02:30 > 25 02:30 +02:00"],
    );
    check(
        "Australia/Lord_Howe",
        "45 1 * * *",
        "2026-04-04T12:00:00Z",
        "2026-04-05T12:00:00Z",
        &["05 01:45 > 05 01:45 +11:00"],
    );
    // Midnight twice: the day begins once.
    check(
        "America/Santiago",
        "30 23 * * *",
        "2026-04-04T12:00:00Z",
        "2026-04-05T12:00:00Z",
        &["04 23:30 > 04 23:30 -03:00"],
    );
}

#[test]
fn weekdays_count_from_sunday_as_zero_and_seven() {
    for (text, day) in [
        ("0 0 * * 1", "02"),
        ("0 0 * * 0", "01"),
        ("0 0 * * 7", "01"),
        ("0 0 * * sat", "07"),
    ] {
        let turn = schedule(text)
            .next(&TimeZone::UTC, at("2026-10-31T12:00:00Z"))
            .unwrap();
        assert_eq!(turn.civil.strftime("%d").to_string(), day, "{text}");
    }
}

/// Samoa left out Friday 2011-12-30: the weekly turn of that day comes when the next day begins.
#[test]
fn a_date_that_does_not_exist() {
    check(
        "Pacific/Apia",
        "0 0 * * *",
        "2011-12-29T00:00:00Z",
        "2011-12-31T12:00:00Z",
        &[
            "29 00:00 > 29 00:00 -10:00",
            "30 00:00 > 31 00:00 +14:00",
            "01 00:00 > 01 00:00 +14:00",
        ],
    );
    check(
        "Pacific/Apia",
        "30 3 * * FRI",
        "2011-12-28T00:00:00Z",
        "2011-12-31T12:00:00Z",
        &["30 03:30 > 31 00:00 +14:00"],
    );
}

/// Morocco puts its clock back for Ramadan and forward after it; Nepal stands at +05:45.
#[test]
fn unusual_offsets() {
    check(
        "Africa/Casablanca",
        "30 2 * * *",
        "2026-02-14T12:00:00Z",
        "2026-02-15T12:00:00Z",
        &["15 02:30 > 15 02:30 +01:00"],
    );
    check(
        "Africa/Casablanca",
        "30 2 * * *",
        "2026-03-21T12:00:00Z",
        "2026-03-22T12:00:00Z",
        &["22 02:30 > 22 03:00 +01:00"],
    );
    check(
        "Asia/Kathmandu",
        "0 3 * * *",
        "2026-06-01T00:00:00Z",
        "2026-06-02T00:00:00Z",
        &["02 03:00 > 02 03:00 +05:45"],
    );
}

#[test]
fn the_latest_turn_is_the_last_that_next_gave() {
    let cases = [
        (
            "America/New_York",
            "*/30 * * * *",
            "2026-11-01T06:10:00Z",
            "01 01:30",
        ),
        (
            "America/New_York",
            "*/30 * * * *",
            "2026-11-01T06:59:59Z",
            "01 01:30",
        ),
        (
            "America/New_York",
            "*/30 * * * *",
            "2026-11-01T07:00:00Z",
            "01 02:00",
        ),
        (
            "America/New_York",
            "*/30 * * * *",
            "2026-03-08T07:00:00Z",
            "08 02:00",
        ),
        (
            "America/New_York",
            "*/30 * * * *",
            "2026-03-08T06:59:59Z",
            "08 01:30",
        ),
        (
            "Pacific/Apia",
            "0 0 * * *",
            "2011-12-30T10:00:00Z",
            "30 00:00",
        ),
        (
            "Europe/Berlin",
            "0 3 * * SUN",
            "2026-11-21T12:00:00Z",
            "15 03:00",
        ),
        (
            "Europe/Berlin",
            "0 0 29 2 *",
            "2026-11-21T12:00:00Z",
            "29 00:00",
        ),
    ];
    for (zone_name, text, now, key) in cases {
        let turn = schedule(text).latest(&zone(zone_name), at(now)).unwrap();
        assert_eq!(
            turn.civil.strftime("%d %H:%M").to_string(),
            key,
            "{zone_name} {text} {now}"
        );
    }
}

#[test]
fn the_shortest_gap_knows_of_summer_time() {
    let minutes = |zone_name, text| {
        let gap = schedule(text)
            .shortest_gap(&zone(zone_name), at("2026-06-01T00:00:00Z"))
            .unwrap();
        gap.as_secs() / 60
    };
    assert_eq!(minutes("UTC", "@daily"), 24 * 60);
    assert_eq!(minutes("Europe/Berlin", "@daily"), 23 * 60);
    assert_eq!(minutes("UTC", "@hourly"), 60);
    assert_eq!(minutes("America/New_York", "30 * * * *"), 30);
    assert_eq!(minutes("UTC", "@monthly"), 28 * 24 * 60);
    assert_eq!(minutes("UTC", "@yearly"), 365 * 24 * 60);
    assert_eq!(minutes("UTC", "0 0 29 2 *"), (4 * 365 + 1) * 24 * 60);
    assert_eq!(minutes("UTC", "*/7 * * * *"), 4);
}
