//! All of it together.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp};

use super::{at, schedule, zone};
use crate::turns::{Blackout, Due, Policy, Window, jitter};

fn policy(text: &str) -> Policy {
    Policy {
        schedule: schedule(text),
        zone: zone("Europe/Berlin"),
        not_before: None,
        jitter: Duration::ZERO,
        window: None,
        blackouts: Vec::new(),
    }
}

fn windowed(text: &str, from: &str, to: &str) -> Policy {
    let window = Window::new(from.parse::<Time>().unwrap(), to.parse::<Time>().unwrap());
    Policy {
        window,
        ..policy(text)
    }
}

fn civil(text: &str) -> Option<DateTime> {
    Some(text.parse().unwrap())
}

/// `now CIVIL`, `INSTANT CIVIL` or `never`.
fn say(due: Due) -> String {
    match due {
        Due::Now(turn) => format!("now {}", turn.civil),
        Due::At(start, turn) => format!("{start} {}", turn.civil),
        Due::Never => "never".to_owned(),
    }
}

/// Winter in Berlin: local time is an hour ahead. 2026-11-01 is a Sunday.
#[test]
fn says_when() {
    let weekly = policy("0 3 * * SUN");
    let jittered = Policy {
        jitter: Duration::from_secs(13 * 60),
        ..weekly.clone()
    };
    let later = Policy {
        not_before: Some(at("2026-11-29T00:00:00Z")),
        ..weekly.clone()
    };
    let early = windowed("0 0 * * SUN", "02:00", "05:00");
    let spread = Policy {
        jitter: Duration::from_secs(20 * 60),
        ..early.clone()
    };
    let narrow = Policy {
        jitter: Duration::from_secs(20 * 60),
        ..windowed("0 3 * * SUN", "02:00", "03:15")
    };
    let holidays = Blackout::new(
        "2026-11-08T00:00".parse().unwrap(),
        "2026-11-09T12:00".parse().unwrap(),
    )
    .unwrap();
    let closed = Policy {
        blackouts: vec![holidays],
        ..weekly.clone()
    };
    let new = "2026-11-02T00:00:00Z";
    let done_1 = civil("2026-11-01T03:00:00");
    let cases = [
        // New, imported or restarted: the turn of the day before does not count.
        (
            &weekly,
            None,
            new,
            new,
            "2026-11-08T02:00:00Z 2026-11-08T03:00:00",
        ),
        (
            &weekly,
            None,
            "2026-11-08T02:00:00Z",
            "2026-11-08T02:00:00Z",
            "2026-11-15T02:00:00Z 2026-11-15T03:00:00",
        ),
        (
            &weekly,
            None,
            new,
            "2026-11-08T01:59:59.999Z",
            "2026-11-08T02:00:00Z 2026-11-08T03:00:00",
        ),
        (
            &weekly,
            None,
            new,
            "2026-11-08T02:00:00Z",
            "now 2026-11-08T03:00:00",
        ),
        (
            &weekly,
            done_1,
            new,
            "2026-11-08T02:00:00Z",
            "now 2026-11-08T03:00:00",
        ),
        // Done is done, also after a restart, and with the clock put back an hour or a month.
        (
            &weekly,
            civil("2026-11-08T03:00:00"),
            new,
            "2026-11-08T02:00:01Z",
            "2026-11-15T02:00:00Z 2026-11-15T03:00:00",
        ),
        (
            &weekly,
            civil("2026-11-08T03:00:00"),
            new,
            "2026-11-08T01:00:00Z",
            "2026-11-15T02:00:00Z 2026-11-15T03:00:00",
        ),
        (
            &weekly,
            civil("2026-11-08T03:00:00"),
            "2026-10-01T00:00:00Z",
            "2026-10-08T02:00:00Z",
            "2026-11-15T02:00:00Z 2026-11-15T03:00:00",
        ),
        // Four weeks down: one catch-up, named by the newest turn.
        (
            &weekly,
            done_1,
            new,
            "2026-12-02T12:00:00Z",
            "now 2026-11-29T03:00:00",
        ),
        (
            &weekly,
            civil("2026-11-29T03:00:00"),
            new,
            "2026-12-02T12:00:01Z",
            "2026-12-06T02:00:00Z 2026-12-06T03:00:00",
        ),
        // A success since then (by hand) leaves nothing to catch up.
        (
            &weekly,
            done_1,
            "2026-12-01T12:00:00Z",
            "2026-12-02T12:00:00Z",
            "2026-12-06T02:00:00Z 2026-12-06T03:00:00",
        ),
        (
            &jittered,
            done_1,
            new,
            "2026-11-08T02:00:00Z",
            "2026-11-08T02:13:00Z 2026-11-08T03:00:00",
        ),
        (
            &jittered,
            done_1,
            new,
            "2026-11-08T02:13:00Z",
            "now 2026-11-08T03:00:00",
        ),
        // Turns before the date are not put off to it; one at the date counts.
        (
            &later,
            done_1,
            new,
            "2026-11-30T00:00:00Z",
            "now 2026-11-29T03:00:00",
        ),
        (
            &later,
            done_1,
            new,
            "2026-11-29T00:00:00Z",
            "2026-11-29T02:00:00Z 2026-11-29T03:00:00",
        ),
        (
            &later,
            done_1,
            new,
            "2026-11-20T00:00:00Z",
            "2026-11-29T02:00:00Z 2026-11-29T03:00:00",
        ),
        // A turn outside the window waits for it to open; missed, for the next opening.
        (
            &early,
            None,
            new,
            "2026-11-07T23:00:00Z",
            "2026-11-08T01:00:00Z 2026-11-08T00:00:00",
        ),
        (
            &early,
            None,
            new,
            "2026-11-08T01:00:00Z",
            "now 2026-11-08T00:00:00",
        ),
        (
            &early,
            None,
            new,
            "2026-11-08T12:00:00Z",
            "2026-11-09T01:00:00Z 2026-11-08T00:00:00",
        ),
        (
            &early,
            None,
            new,
            "2026-11-09T01:00:00Z",
            "now 2026-11-08T00:00:00",
        ),
        (
            &spread,
            None,
            new,
            "2026-11-08T01:00:00Z",
            "2026-11-08T01:20:00Z 2026-11-08T00:00:00",
        ),
        (
            &spread,
            None,
            new,
            "2026-11-09T01:00:00Z",
            "2026-11-09T01:20:00Z 2026-11-08T00:00:00",
        ),
        (
            &spread,
            None,
            new,
            "2026-11-09T01:20:00Z",
            "now 2026-11-08T00:00:00",
        ),
        // A jitter that would miss the end of the window is shortened (20 min mod 15 min).
        (
            &narrow,
            None,
            new,
            "2026-11-08T02:00:00Z",
            "2026-11-08T02:05:00Z 2026-11-08T03:00:00",
        ),
        (
            &closed,
            done_1,
            new,
            "2026-11-08T02:00:00Z",
            "2026-11-09T11:00:00Z 2026-11-08T03:00:00",
        ),
        (
            &closed,
            done_1,
            new,
            "2026-11-09T11:00:00Z",
            "now 2026-11-08T03:00:00",
        ),
    ];
    for (policy, done, since, now, expected) in cases {
        assert_eq!(
            say(policy.due(done, at(since), at(now))),
            expected,
            "{policy:?} {done:?} since {since}, now {now}"
        );
    }
}

#[test]
fn never_at_the_end_of_time() {
    assert_eq!(
        policy("@yearly").due(None, Timestamp::MAX, Timestamp::MAX),
        Due::Never
    );
}

/// A jitter longer than the gap between turns does not put off every turn.
#[test]
fn an_oversized_jitter_starves_nothing() {
    let policy = Policy {
        jitter: Duration::from_secs(3600),
        ..policy("*/5 * * * *")
    };
    let since = at("2026-11-02T00:00:00Z");
    let now = at("2026-11-02T01:05:00Z");
    assert_eq!(say(policy.due(None, since, now)), "now 2026-11-02T02:05:00");
}

/// A daemon that looks now and then, sleeps, restarts and has its clock put back: each civil
/// time is done at most once, each run starts while it may, and after a long sleep there is one.
#[test]
fn a_year_of_looking_at_the_clock() {
    let policy = Policy {
        jitter: Duration::from_secs(600),
        ..windowed("0 1,3 * * *", "01:30", "04:00")
    };
    let window = policy.window.unwrap();
    let mut now = at("2026-01-01T12:00:00Z");
    let since = now;
    let mut done: Option<DateTime> = None;
    let mut runs = BTreeSet::new();
    let mut count = 0;
    let mut asked = 0;
    while now < at("2027-01-01T00:00:00Z") {
        asked += 1;
        if let Due::Now(turn) = policy.due(done, since, now) {
            assert!(runs.insert(turn.civil), "{turn:?} twice");
            assert!(
                window.shows(policy.zone.to_datetime(now).time()),
                "{turn:?} at {now}"
            );
            assert!(
                done.is_none_or(|done| turn.civil > done),
                "{turn:?} after {done:?}"
            );
            done = Some(turn.civil);
            count += 1;
        }
        // Every hundredth look the clock is put back by an hour; twice the machine sleeps for days.
        let step = match asked {
            300 | 3_000 => SignedDuration::from_hours(100),
            n if n % 100 == 0 => SignedDuration::from_mins(-60),
            _ => SignedDuration::from_mins(41),
        };
        now = now.checked_add(step).unwrap();
    }
    // Two turns a day; the one at 01:00 waits for 01:30 and is done before the one at 03:00.
    assert!((700..=730).contains(&count), "{count} runs");
}

#[test]
fn jitter_is_fixed_bounded_and_spread() {
    let max = Duration::from_secs(1200);
    let offset = jitter("production", "database-url", max);
    assert_eq!(offset, jitter("production", "database-url", max));
    // A changed formula would move every rotation of every installation.
    assert_eq!(offset, Duration::from_millis(532_741));
    assert_ne!(offset, jitter("staging", "database-url", max));
    assert_ne!(jitter("a", "bc", max), jitter("ab", "c", max));
    assert_eq!(
        jitter("production", "database-url", Duration::ZERO),
        Duration::ZERO
    );
    let mut minutes = [0; 20];
    for n in 0..2000 {
        let offset = jitter("production", &format!("secret-{n}"), max);
        assert!(offset < max);
        minutes[(offset.as_secs() / 60) as usize] += 1;
    }
    assert!(
        minutes.iter().all(|n| (60..=140).contains(n)),
        "{minutes:?}"
    );
}
