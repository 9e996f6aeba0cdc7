//! Schedules of other programs: each gets the sentence that helps.
//!
//! What is said here repeats no word of the text: a text that is no schedule at all may be a secret in
//! the wrong place. Only a schedule made of the text's numbers and names of days is proposed, and only
//! if it can be read.

use jiff::tz::TimeZone;
use keyrota_gate::Unusual;

use super::error::{ParseError, error};
use super::text::normalise;

/// What is wrong with a text that another program would take for a schedule.
pub(super) fn foreign(text: &str) -> Option<ParseError> {
    let bare = text.trim();
    let lower = bare.to_ascii_lowercase();
    let found = unusual(text)
        .or_else(|| zone(bare))
        .or_else(|| call(&lower))
        .or_else(|| every(bare))
        .or_else(|| word(&lower))
        .or_else(|| quartz(bare))
        .or_else(|| shape(&lower))?;
    Some(ParseError {
        quotes: false,
        ..found
    })
}

/// Digits, spaces, dashes and stars of another script, in what is a schedule otherwise.
fn unusual(text: &str) -> Option<ParseError> {
    let (at, first) = Unusual::first_in(text)?;
    let plain: String = text
        .chars()
        .filter_map(|c| Unusual::of(c).map_or(Some(c), |unusual| unusual.meant))
        .collect();
    let readable = normalise(&plain).is_ok() || foreign(&plain).is_some();
    readable.then(|| {
        let help = format!("write \"{}\"", plain.trim());
        let help = if normalise(&plain).is_ok() {
            help
        } else {
            "write it in ASCII".to_owned()
        };
        error(at, format!("the schedule has {first}"), help)
    })
}

/// `TZ=Europe/Berlin 0 3 * * *`.
fn zone(text: &str) -> Option<ParseError> {
    let (key, rest) = text.split_once('=')?;
    if !["TZ", "CRON_TZ"]
        .iter()
        .any(|one| one.eq_ignore_ascii_case(key))
    {
        return None;
    }
    let (zone, schedule) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let zone = zone.trim_matches(['"', '\'', ':', ';']);
    let known = TimeZone::get(zone).is_ok();
    let help = match normalise(schedule) {
        Ok(_) if known => format!(
            "write timezone = \"{zone}\" at the top of the file, and schedule = \"{}\"",
            schedule.trim()
        ),
        _ => "write timezone = \"Area/City\" at the top of the file, and only the five fields here"
            .to_owned(),
    };
    Some(error(
        0,
        "a schedule has no time zone of its own: the file has one",
        help,
    ))
}

/// `rate(5 minutes)`, `cron(0 3 * * ? *)` and `at(…)` of AWS.
fn call(lower: &str) -> Option<ParseError> {
    let (name, rest) = lower.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    match name.trim() {
        "rate" => {
            let help = interval(inner)
                .flatten()
                .map_or_else(civil, |fits| format!("write \"{fits}\""));
            let what = "rate() is EventBridge's: it counts from the moment it was set";
            Some(error(0, what, help))
        }
        "cron" => {
            let fields: Vec<&str> = inner.split_ascii_whitespace().collect();
            let five = fields.get(..5).and_then(from_sunday_one);
            let help = five.map_or_else(civil, |five| format!("write \"{five}\""));
            Some(error(
                0,
                "cron() is EventBridge's: it has a year, and counts weekdays from 1",
                help,
            ))
        }
        "at" => Some(error(
            0,
            "at() is EventBridge's: it comes once",
            "write not_before = 2026-12-24 for one date".to_owned(),
        )),
        _ => None,
    }
}

/// `@every 1h30m`, `every 6 hours`, `24h`, `P1D`.
fn every(text: &str) -> Option<ParseError> {
    let lower = text.to_ascii_lowercase();
    let at = lower.strip_prefix("@every");
    let rest = at.or_else(|| lower.strip_prefix("every "));
    // Units keep their case: both texts have the same length.
    let counted = rest.map_or(text, |rest| {
        text.split_at(text.len().saturating_sub(rest.len())).1
    });
    let counted = iso(counted.trim()).map_or_else(|| interval(counted), |long| interval(&long));
    if rest.is_none() && counted.is_none() {
        return None;
    }
    let what = match at {
        Some(_) => "@every is not supported: it would count from the start of the daemon",
        None => "an interval is no schedule: it would count from the start of the daemon",
    };
    let fits = counted.flatten();
    let help = fits.map_or_else(civil, |fits| format!("write \"{fits}\""));
    Some(error(0, what, help))
}

/// `P1M` and `PT1M` of ISO 8601 in words: before the `T`, `M` counts months.
fn iso(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let counted = lower.strip_prefix('p')?;
    let (date, time) = counted.split_once('t').unwrap_or((counted, ""));
    Some(date.replace('m', "months") + time)
}

/// `daily`, as systemd has it, and `@reboot`.
fn word(lower: &str) -> Option<ParseError> {
    let help = match lower.trim_start_matches('@') {
        "minutely" => "* * * * *",
        "hourly" if !lower.starts_with('@') => "@hourly",
        "daily" | "midnight" if !lower.starts_with('@') => "@daily",
        "weekly" if !lower.starts_with('@') => "@weekly",
        "monthly" if !lower.starts_with('@') => "@monthly",
        "quarterly" => "0 0 1 */3 *",
        "semiannually" | "semi-annually" => "0 0 1 */6 *",
        "yearly" | "annually" if !lower.starts_with('@') => "@yearly",
        _ => return None,
    };
    Some(error(
        0,
        "the name of a schedule begins with @",
        format!("write \"{help}\""),
    ))
}

/// `0 0 3 ? * MON *`: seconds in front, a year behind, `?` for any, weekdays from Sunday = 1.
fn quartz(text: &str) -> Option<ParseError> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if !(6..=7).contains(&fields.len()) || !fields.contains(&"?") {
        return None;
    }
    let five = from_sunday_one(fields.get(1..6)?)?;
    let what = "this is a schedule of Quartz: it has seconds, ? for any, and counts weekdays from Sunday = 1";
    Some(error(0, what, format!("write \"{five}\"")))
}

/// Forms that no five fields have.
fn shape(lower: &str) -> Option<ParseError> {
    let fields = lower.split_ascii_whitespace().count();
    let clock =
        |word: &str| word.contains(':') && word.bytes().all(|b| b.is_ascii_digit() || b == b':');
    let calendar = lower.contains("*-*") || lower.split([' ', ',']).any(clock);
    if let Some(at) = lower.find("h(").filter(|_| fields == 5) {
        let what = "H is Jenkins' hash: it is not supported";
        let help = "write a number, and spread the secrets with jitter = \"20m\"";
        Some(error(at, what, help.to_owned()))
    } else if fields == 5 && lower.contains('~') {
        let what = "~ is a random value: it is not supported";
        let help = "write a number, and spread the secrets with jitter = \"20m\"";
        Some(error(0, what, help.to_owned()))
    } else if calendar {
        Some(error(
            0,
            "this is a calendar expression of systemd or a time of day",
            civil(),
        ))
    } else if lower.starts_with("freq=") || lower.starts_with("rrule:") {
        Some(error(0, "this is a recurrence rule of a calendar", civil()))
    } else {
        None
    }
}

fn civil() -> String {
    "write five fields (minute hour day-of-month month weekday), as in \"0 3 * * SUN\", or @daily"
        .to_owned()
}

/// Five fields whose weekday is counted from Sunday = 1, in ours.
fn from_sunday_one(five: &[&str]) -> Option<String> {
    const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let [minute, hour, day, month, weekday] = five.try_into().ok()?;
    let named: String = weekday
        .chars()
        .map(|c| match c.to_digit(10) {
            Some(digit @ 1..=7) => DAYS[digit.saturating_sub(1) as usize].to_owned(),
            _ => c.to_string(),
        })
        .collect();
    let any = |field: &str| {
        if field == "?" {
            "*".to_owned()
        } else {
            field.to_owned()
        }
    };
    // A step counts in numbers: those of names would be other ones.
    if weekday.contains('/') {
        return None;
    }
    let text = [minute, hour, day, month, &named].map(any).join(" ");
    normalise(&text).is_ok().then_some(text)
}

/// The schedule that comes as often as `5 minutes`, `1h30m` or `1 month`, if there is one. `None`: this is
/// no interval.
fn interval(text: &str) -> Option<Option<String>> {
    let (mut months, mut minutes): (u32, u32) = (0, 0);
    // Months to one program, minutes to another.
    let mut doubtful = false;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (digits, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after.trim_start(), |c| c.is_ascii_alphabetic());
        let count: u32 = digits.parse().ok()?;
        doubtful |= unit == "M";
        let (size, sum) = match unit.to_ascii_lowercase().as_str() {
            "m" | "min" | "mins" | "minute" | "minutes" => (1, &mut minutes),
            "h" | "hour" | "hours" => (60, &mut minutes),
            "d" | "day" | "days" => (24 * 60, &mut minutes),
            "w" | "week" | "weeks" => (7 * 24 * 60, &mut minutes),
            "month" | "months" => (1, &mut months),
            "y" | "year" | "years" => (12, &mut months),
            "s" | "sec" | "second" | "seconds" if count.is_multiple_of(60) => {
                minutes = minutes.checked_add(count.checked_div(60)?)?;
                (0, &mut minutes)
            }
            _ => return None,
        };
        *sum = sum.checked_add(count.checked_mul(size)?)?;
        rest = after.trim_start();
    }
    let text = match (months, minutes) {
        _ if doubtful => return Some(None),
        (1, 0) => "@monthly".to_owned(),
        (3, 0) => "0 0 1 */3 *".to_owned(),
        (12, 0) => "@yearly".to_owned(),
        (0, 1) => "* * * * *".to_owned(),
        (0, 60) => "@hourly".to_owned(),
        (0, 1_440) => "@daily".to_owned(),
        (0, 10_080) => "@weekly".to_owned(),
        (0, 40_320 | 41_760 | 43_200 | 44_640) => "@monthly".to_owned(),
        (0, 2 | 3 | 4 | 5 | 6 | 10 | 12 | 15 | 20 | 30) => format!("*/{minutes} * * * *"),
        (0, 120 | 180 | 240 | 360 | 480 | 720) => {
            format!("0 */{} * * *", minutes.checked_div(60)?)
        }
        _ => return Some(None),
    };
    Some(Some(text))
}

/// The characters of one kind that a text begins with, and the rest.
fn split(text: &str, kind: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !kind(c)).unwrap_or(text.len()))
}
