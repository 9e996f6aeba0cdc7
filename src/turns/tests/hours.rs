//! Windows and blackouts.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{at, zone};
use crate::turns::{Blackout, Gate, Window, gate};

fn window(from: &str, to: &str) -> Window {
    Window::new(from.parse::<Time>().unwrap(), to.parse::<Time>().unwrap()).unwrap()
}

fn blackout(from: &str, to: &str) -> Blackout {
    Blackout::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
}

#[test]
fn what_is_empty_is_no_window() {
    let noon: Time = "12:00".parse().unwrap();
    assert_eq!(Window::new(noon, noon), None);
    let date = "2026-12-20T00:00".parse().unwrap();
    assert_eq!(Blackout::new(date, date), None);
}

#[test]
fn opens_and_closes() {
    let night = Some(window("22:00", "04:00"));
    let early = Some(window("02:00", "05:00"));
    let holidays = blackout("2026-12-20T00:00", "2027-01-04T00:00");
    type Case<'a> = (
        &'a str,
        Option<Window>,
        &'a [Blackout],
        &'a str,
        Option<&'a str>,
    );
    let cases: &[Case<'_>] = &[
        ("UTC", None, &[], "2026-06-01T12:00:00Z", None),
        (
            "UTC",
            early,
            &[],
            "2026-06-01T01:59:59.999Z",
            Some("2026-06-01T02:00:00Z"),
        ),
        ("UTC", early, &[], "2026-06-01T02:00:00Z", None),
        ("UTC", early, &[], "2026-06-01T04:59:59.999Z", None),
        (
            "UTC",
            early,
            &[],
            "2026-06-01T05:00:00Z",
            Some("2026-06-02T02:00:00Z"),
        ),
        ("UTC", night, &[], "2026-06-01T23:00:00Z", None),
        ("UTC", night, &[], "2026-06-02T03:59:00Z", None),
        (
            "UTC",
            night,
            &[],
            "2026-06-02T04:00:00Z",
            Some("2026-06-02T22:00:00Z"),
        ),
        ("UTC", None, &[holidays], "2026-12-19T23:59:59Z", None),
        (
            "UTC",
            None,
            &[holidays],
            "2026-12-20T00:00:00Z",
            Some("2027-01-04T00:00:00Z"),
        ),
        (
            "UTC",
            early,
            &[holidays],
            "2026-12-25T03:00:00Z",
            Some("2027-01-04T02:00:00Z"),
        ),
        (
            "UTC",
            night,
            &[holidays],
            "2026-12-25T03:00:00Z",
            Some("2027-01-04T00:00:00Z"),
        ),
        // Two blackouts that touch are one.
        (
            "UTC",
            None,
            &[holidays, blackout("2027-01-04T00:00", "2027-01-05T00:00")],
            "2026-12-25T03:00:00Z",
            Some("2027-01-05T00:00:00Z"),
        ),
        // Berlin loses 02:00 to 03:00: the window opens at 03:00, and one that lies inside waits for a day.
        (
            "Europe/Berlin",
            early,
            &[],
            "2026-03-29T00:30:00Z",
            Some("2026-03-29T01:00:00Z"),
        ),
        (
            "Europe/Berlin",
            Some(window("02:00", "03:00")),
            &[],
            "2026-03-29T00:30:00Z",
            Some("2026-03-30T00:00:00Z"),
        ),
        // Berlin shows 02:00 to 03:00 twice: open both times, and closed in between where the clock says so.
        (
            "Europe/Berlin",
            Some(window("02:00", "02:30")),
            &[],
            "2026-10-25T00:10:00Z",
            None,
        ),
        (
            "Europe/Berlin",
            Some(window("02:00", "02:30")),
            &[],
            "2026-10-25T00:40:00Z",
            Some("2026-10-25T01:00:00Z"),
        ),
        (
            "Europe/Berlin",
            Some(window("02:30", "04:00")),
            &[],
            "2026-10-25T01:10:00Z",
            Some("2026-10-25T01:30:00Z"),
        ),
        // A blackout takes the wider reading of both its ends.
        (
            "Europe/Berlin",
            None,
            &[blackout("2026-10-25T02:10", "2026-10-25T02:40")],
            "2026-10-25T00:10:00Z",
            Some("2026-10-25T01:40:00Z"),
        ),
        // Dated 3 March in a zone: not UTC's 3 March.
        (
            "America/New_York",
            None,
            &[blackout("2026-03-03T00:00", "2026-03-04T00:00")],
            "2026-03-03T04:59:00Z",
            None,
        ),
        (
            "America/New_York",
            None,
            &[blackout("2026-03-03T00:00", "2026-03-04T00:00")],
            "2026-03-03T05:00:00Z",
            Some("2026-03-04T05:00:00Z"),
        ),
    ];
    for (zone_name, window, blackouts, now, until) in cases {
        let expected = until.map_or(Gate::Allowed, |until| Gate::Closed { until: at(until) });
        assert_eq!(
            gate(*window, blackouts, &zone(zone_name), at(now)),
            expected,
            "{zone_name} {window:?} {blackouts:?} {now}"
        );
    }
}

/// Minute by minute over both steps of the clock: the gate says what the clock on the wall says.
#[test]
fn the_gate_agrees_with_the_clock_on_the_wall() {
    let windows = [
        ("02:00", "05:00"),
        ("22:00", "02:15"),
        ("02:15", "02:45"),
        ("03:00", "02:00"),
        ("00:00", "00:30"),
    ];
    for name in [
        "America/New_York",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "Europe/Berlin",
        "Asia/Kathmandu",
    ] {
        let zone = zone(name);
        for (from, to) in windows {
            let window = window(from, to);
            for step in zone
                .following(at("2026-01-01T00:00:00Z"))
                .take(2)
                .map(|step| step.timestamp())
                .chain([at("2026-06-01T00:00:00Z")])
            {
                agrees(&zone, window, step);
            }
        }
    }
}

fn agrees(zone: &TimeZone, window: Window, around: Timestamp) {
    let minute = |n: i64| around.checked_add(SignedDuration::from_mins(n)).unwrap();
    let shown: Vec<bool> = (-1500..=3000)
        .map(|n| window.shows(zone.to_datetime(minute(n)).time()))
        .collect();
    for n in (-1500..=1500).step_by(5) {
        let now = (n + 1500) as usize;
        let expected = match shown[now..].iter().position(|open| *open) {
            Some(0) => Gate::Allowed,
            Some(wait) => Gate::Closed {
                until: minute(n + wait as i64),
            },
            None => panic!("a window that stays closed for a day"),
        };
        assert_eq!(
            gate(Some(window), &[], zone, minute(n)),
            expected,
            "{window:?} {}",
            minute(n)
        );
    }
}
