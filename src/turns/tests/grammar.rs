//! What is read, what is refused, and with which words.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{schedule, turns};
use crate::turns::Schedule;

#[test]
fn accepts_and_reads() {
    let from: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap(); // a Monday
    let cases: &[(&str, &[&str])] = &[
        (
            "0 3 * * SUN",
            &["2026-06-07T03:00:00", "2026-06-14T03:00:00"],
        ),
        ("0 3 * * 0", &["2026-06-07T03:00:00", "2026-06-14T03:00:00"]),
        ("0 3 * * 7", &["2026-06-07T03:00:00", "2026-06-14T03:00:00"]),
        ("0 3 * * 1", &["2026-06-01T03:00:00", "2026-06-08T03:00:00"]),
        (
            "0 3 * * fri-sun",
            &[
                "2026-06-05T03:00:00",
                "2026-06-06T03:00:00",
                "2026-06-07T03:00:00",
                "2026-06-12T03:00:00",
            ],
        ),
        (
            "0 3 * * 5-7",
            &[
                "2026-06-05T03:00:00",
                "2026-06-06T03:00:00",
                "2026-06-07T03:00:00",
                "2026-06-12T03:00:00",
            ],
        ),
        (
            "0 3 * * */3",
            &[
                "2026-06-03T03:00:00",
                "2026-06-06T03:00:00",
                "2026-06-07T03:00:00",
            ],
        ),
        (
            "  0\t4 1 * *  ",
            &["2026-06-01T04:00:00", "2026-07-01T04:00:00"],
        ),
        (
            "0 0 29 feb *",
            &["2028-02-29T00:00:00", "2032-02-29T00:00:00"],
        ),
        (
            "0 0 31 * *",
            &[
                "2026-07-31T00:00:00",
                "2026-08-31T00:00:00",
                "2026-10-31T00:00:00",
            ],
        ),
        (
            "0 0 30 2,4 *",
            &["2027-04-30T00:00:00", "2028-04-30T00:00:00"],
        ),
        (
            "5,50-59/5 23 * * *",
            &[
                "2026-06-01T23:05:00",
                "2026-06-01T23:50:00",
                "2026-06-01T23:55:00",
                "2026-06-02T23:05:00",
            ],
        ),
        ("@hourly", &["2026-06-01T01:00:00", "2026-06-01T02:00:00"]),
        ("@Daily", &["2026-06-02T00:00:00", "2026-06-03T00:00:00"]),
        ("@midnight", &["2026-06-02T00:00:00"]),
        ("@weekly", &["2026-06-07T00:00:00", "2026-06-14T00:00:00"]),
        ("@monthly", &["2026-07-01T00:00:00", "2026-08-01T00:00:00"]),
        ("@yearly", &["2027-01-01T00:00:00", "2028-01-01T00:00:00"]),
        ("@annually", &["2027-01-01T00:00:00"]),
    ];
    for (text, expected) in cases {
        let schedule = schedule(text);
        let mut after = from;
        for civil in *expected {
            let turn = schedule.next(&TimeZone::UTC, after).unwrap();
            assert_eq!(turn.civil.to_string(), *civil, "{text}");
            after = turn.at;
        }
    }
}

#[test]
fn refuses_with_the_place_and_a_remedy() {
    let cases = [
        ("", 0, "the schedule is empty", "five fields"),
        (" \t ", 0, "the schedule is empty", "five fields"),
        (
            "0 3 * *",
            6,
            "expected 5 fields, got 4",
            "minute hour day-of-month month weekday",
        ),
        (
            "0 0 3 * * SUN",
            10,
            "expected 5 fields, got 6",
            "write \"0 3 * * SUN\"",
        ),
        (
            "0 0 3 * * SUN 2026",
            10,
            "expected 5 fields, got 7",
            "write \"0 3 * * SUN\"",
        ),
        (
            "0 0 0 0 3 * * SUN",
            10,
            "expected 5 fields, got 8",
            "five fields",
        ),
        ("60 * * * *", 0, "minute 60 is out of range", "0 to 59"),
        ("0 24 * * *", 2, "hour 24 is out of range", "midnight is 0"),
        ("* * 0 * *", 4, "day-of-month 0 is out of range", "1 to 31"),
        (
            "* * 1,32 * *",
            6,
            "day-of-month 32 is out of range",
            "1 to 31",
        ),
        ("* * * 13 *", 6, "month 13 is out of range", "JAN to DEC"),
        ("* * * 0 *", 6, "month 0 is out of range", "JAN to DEC"),
        (
            "* * * * 8",
            8,
            "weekday 8 is out of range",
            "0 and 7 are Sunday",
        ),
        (
            "99999999999 * * * *",
            0,
            "minute 99999999999 is out of range",
            "0 to 59",
        ),
        ("*/0 * * * *", 2, "minute: the step is zero", "1 or more"),
        (
            "*/61 * * * *",
            0,
            "minute */61: the step 61 is larger than the range 0-59",
            "write 0",
        ),
        (
            "0 8-10/3 * * *",
            2,
            "hour 8-10/3: the step 3 is larger than the range 8-10",
            "write 8",
        ),
        (
            "5/15 * * * *",
            0,
            "minute 5/15 has a step without a range",
            "write 5-59/15",
        ),
        ("*/x * * * *", 2, "minute: \"x\" is not a step", "*/15"),
        ("*/+5 * * * *", 2, "minute: \"+5\" is not a step", "*/15"),
        ("*/ * * * *", 2, "minute: \"\" is not a step", "*/15"),
        (
            "5-1 * * * *",
            0,
            "minute 5-1 runs backwards",
            "write 5-59,0-1",
        ),
        (
            "0 22-2 * * *",
            2,
            "hour 22-2 runs backwards",
            "write 22-23,0-2",
        ),
        ("0 23-0 * * *", 2, "hour 23-0 runs backwards", "write 23,0"),
        (
            "0 20-4/3 * * *",
            2,
            "hour 20-4/3 runs backwards",
            "write 20,23,2",
        ),
        (
            "0 0 * NOV-FEB *",
            6,
            "month NOV-FEB runs backwards",
            "write 11-12,1-2",
        ),
        (
            "0 0 * * FRI-MON",
            8,
            "weekday FRI-MON runs backwards",
            "write 5-6,0-1",
        ),
        ("0 0 * * 7-2", 8, "weekday 7-2 runs backwards", "write 0-2"),
        ("0 0 30 2 *", 4, "the schedule never fires", "up to 29"),
        (
            "0 0 31 4,6,9,11 *",
            4,
            "the schedule never fires",
            "up to 30",
        ),
        (
            "0 0 31 FEB-APR/2 *",
            4,
            "the schedule never fires",
            "up to 30",
        ),
        (
            "0 0 1-15,1-16 6 1",
            16,
            "both restricted",
            "\"1-15,1-16 6 *\" or \"* 6 1\"",
        ),
        (
            "0 0 * * 7-4/2",
            8,
            "weekday 7-4/2 runs backwards",
            "write 0-4/2",
        ),
        (
            "0 0 13 * FRI",
            9,
            "both restricted",
            "\"13 * *\" or \"* * FRI\"",
        ),
        (
            "0 0 1-31 * 1",
            11,
            "makes the weekday meaningless",
            "\"* * 1\"",
        ),
        ("@reboot", 0, "@reboot is not supported", "@hourly @daily"),
        ("@every 5m", 0, "@every is not supported", "*/5 * * * *"),
        (
            "@fortnightly",
            0,
            "@fortnightly is not supported",
            "@hourly @daily",
        ),
        (
            "@daily 5",
            7,
            "@daily cannot be combined with other fields",
            "leave out",
        ),
        ("H 3 * * *", 0, "minute: \"H\" is not supported", "jitter"),
        ("0 H(0-7) * * *", 2, "is not supported", "jitter"),
        (
            "0 3 ? * MON",
            4,
            "day-of-month: \"?\" is not supported",
            "write *",
        ),
        (
            "0 3 L * *",
            4,
            "day-of-month: \"L\" is not supported",
            "first day of the next month",
        ),
        (
            "0 3 15W * *",
            4,
            "day-of-month: \"15W\" is not supported",
            "weekday",
        ),
        (
            "0 3 * * FRI#2",
            8,
            "weekday: \"FRI#2\" is not supported",
            "days of the month",
        ),
        (
            "0 3 * * 5L",
            8,
            "weekday: \"5L\" is not supported",
            "write 1",
        ),
        (
            "0 3 * * Monday",
            8,
            "weekday: \"Monday\" is not supported",
            "write MON",
        ),
        (
            "0 3 * * MOM",
            8,
            "weekday: \"MOM\" is not understood",
            "SUN to SAT",
        ),
        (
            "0 three * * *",
            2,
            "hour: \"three\" is not understood",
            "0 to 23",
        ),
        (
            "0 *,5 * * *",
            2,
            "* in a list makes the rest of it meaningless",
            "write * alone",
        ),
        ("0,,5 * * * *", 2, "minute: a value is missing", "0 to 59"),
        ("1- * * * *", 2, "minute: a value is missing", "0 to 59"),
        ("-5 * * * *", 0, "minute: a value is missing", "0 to 59"),
        ("٣ * * * *", 0, "U+0663", "write \"3 * * * *\""),
        ("0 3 * * SUN\n", 8, "weekday: \"SUN\n\" is not", "write SUN"),
    ];
    for (text, offset, what, help) in cases {
        let error = Schedule::parse(text).unwrap_err();
        assert!(error.what.contains(what), "{text:?}: {error}");
        assert!(error.help.contains(help), "{text:?}: {error}");
        assert_eq!(error.offset, offset, "{text:?}: {error}");
    }
}

/// What a remedy proposes in quotation marks is itself accepted where it is a whole schedule.
#[test]
fn every_mistake_of_count_is_repaired_by_its_own_remedy() {
    for text in ["0 0 3 * * SUN", "0 3 * * SUN 2026", "0 0 3 * * SUN 2026"] {
        let help = Schedule::parse(text).unwrap_err().help;
        let proposed = help.split('"').nth(1).unwrap();
        assert_eq!(schedule(proposed), schedule("0 3 * * SUN"));
    }
}

/// One field, mostly right.
fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
    let value = min..=max + 1;
    let item = prop_oneof![
        3 => Just("*".to_owned()),
        3 => value.clone().prop_map(|v| v.to_string()),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{a}-{b}")),
        2 => (value.clone(), value.clone(), 0..9_u32).prop_map(|(a, b, s)| format!("{a}-{b}/{s}")),
        1 => (1..70_u32).prop_map(|s| format!("*/{s}")),
        1 => "[A-Za-z0-9?#*,/-]{0,5}",
        1 => "(0|1|4294967295|4294967296|99999999999999999999)(-4294967295)?(/4294967295)?",
    ];
    proptest::collection::vec(item, 1..3).prop_map(|items| items.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The strict reading and the crate behind it agree on what is a schedule (no panic), the
    /// place of an error lies in the text, and what is accepted is read as croner reads it.
    #[test]
    fn reads_what_croner_reads(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 7),
        which in 0..3_u8,
    ) {
        let (day, weekday) = match which {
            0 => (day, "*".to_owned()),
            1 => ("*".to_owned(), weekday),
            _ => ("*".to_owned(), "*".to_owned()),
        };
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        match Schedule::parse(&text) {
            Err(error) => prop_assert!(error.offset <= text.len() && text.is_char_boundary(error.offset)),
            Ok(schedule) => {
                let from: Timestamp = "2027-12-30T22:11:00Z".parse().unwrap();
                let croner = super::zones::croner(&text);
                let mut civil = from.to_zoned(TimeZone::UTC);
                for _ in 0..20 {
                    civil = croner.find_next_occurrence(&civil, false).unwrap();
                    let after = civil.timestamp().checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
                    let until = schedule.next(&TimeZone::UTC, after).unwrap();
                    prop_assert_eq!(until.civil, civil.datetime(), "{}", &text);
                }
                let ours = turns(&schedule, &TimeZone::UTC, from, civil.timestamp());
                prop_assert_eq!(ours.len(), 20, "{}", &text);
            }
        }
    }

    #[test]
    fn never_panics(text in "\\PC{0,40}") {
        let _ = Schedule::parse(&text);
    }
}
