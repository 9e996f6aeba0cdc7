//! When a secret's turn comes, and whether one rotation is over before the next begins.

use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use toml::value::{Datetime, Offset};

use crate::turns;

use super::around::Around;
use super::keys::{self, Key};
use super::model::{Blackout, Spot, TurnPolicy, Waits, Window};
use super::read::{Reader, Section, join};
use super::words::{say_duration, write_duration};

/// Reads everything about turns; contradictions are reported with what fits.
pub fn policy(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    waits: &Waits,
    around: &Around<'_>,
) -> TurnPolicy {
    let policy = TurnPolicy {
        schedule: s.text("schedule").map(str::to_owned),
        not_before: not_before(reader, s, around.timezone),
        window: window(reader, s),
        blackouts: blackouts(reader, s),
        jitter: s.duration("jitter").unwrap_or_default(),
    };
    let (spot, at) = (s.spot_of("jitter"), join(&s.at, "jitter"));
    if let Some(window) = policy.window
        && policy.jitter > length(window)
    {
        let open = length(window);
        let what = format!(
            "is longer than the window, which is open for {}",
            say_duration(open)
        );
        reader.error(
            spot,
            &at,
            what,
            format!("write at most \"{}h\"", (open.as_secs() / 3600).max(1)),
        );
    }
    let gap = policy
        .schedule
        .as_deref()
        .and_then(|text| gap(reader, s, text, around));
    let Some(gap) = gap else { return policy };
    if policy.jitter.saturating_mul(2) > gap {
        let what = format!(
            "is more than half of the {} between two rotations",
            say_duration(gap)
        );
        reader.error(
            spot,
            &at,
            what,
            format!("write at most \"{}m\"", gap.as_secs() / 120),
        );
    }
    overlap(reader, s, waits, gap, around);
    if let Some(age) = s.duration("max_age").filter(|age| *age < gap) {
        let what = format!(
            "{} is shorter than the {} between two rotations: it would always be exceeded",
            say_duration(age),
            say_duration(gap)
        );
        let help = format!(
            "write \"{}\" or more, or a schedule that rotates more often",
            write_duration(
                gap.saturating_add(waits.settle)
                    .saturating_add(policy.jitter)
            )
        );
        reader.error(s.spot_of("max_age"), &join(&s.at, "max_age"), what, help);
    }
    policy
}

/// The shortest time between two turns; reports a schedule that cannot be read.
fn gap(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    text: &str,
    around: &Around<'_>,
) -> Option<Duration> {
    match turns::Schedule::parse(text) {
        Ok(schedule) => around.gaps.of(&schedule, around),
        Err(e) => {
            let (spot, at) = (s.spot_of("schedule"), join(&s.at, "schedule"));
            // The complaint repeats words of the text: only if they can be nothing but a schedule.
            match is_cron_like(text) || !e.quotes {
                true => reader.error(spot, &at, e.what, e.help),
                false => reader.error(spot, &at, "is not a schedule", "write five fields (minute hour day month weekday), as in \"0 3 * * SUN\", or @monthly"),
            }
            None
        }
    }
}

/// A turn that comes before the last rotation retired its old value would find it still at work.
fn overlap(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    waits: &Waits,
    gap: Duration,
    around: &Around<'_>,
) {
    let length = waits.settle.saturating_add(waits.grace);
    if gap >= length || s.get("refresh").is_none() {
        return;
    }
    const FITTING: &[&str] = &[
        "@hourly",
        "0 */6 * * *",
        "0 3 * * *",
        "0 3 * * SUN",
        "0 3 1 * *",
        "0 3 1 */3 *",
        "0 3 1 */6 *",
        "@yearly",
    ];
    let fits = |text: &&&str| {
        let schedule = turns::Schedule::parse(text).ok();
        schedule
            .and_then(|s| around.gaps.of(&s, around))
            .is_some_and(|gap| gap >= length)
    };
    let what = format!(
        "the schedule rotates every {}, but a rotation takes {}: settle {} + grace {}",
        say_duration(gap),
        say_duration(length),
        say_duration(waits.settle),
        say_duration(waits.grace)
    );
    let help = match FITTING.iter().find(fits) {
        Some(fitting) => format!("write \"{fitting}\", or shorten what grace is made of"),
        None => "leave the schedule out and rotate when asked, or shorten what grace is made of"
            .to_owned(),
    };
    reader.error(s.spot_of("schedule"), &join(&s.at, "schedule"), what, help);
}

fn is_cron_like(text: &str) -> bool {
    let fields = text.trim_start_matches('@');
    let odd = |c: char| !(c.is_ascii_alphanumeric() || " \t*,/-?#".contains(c));
    let runs = fields.split(|c: char| !c.is_ascii_alphanumeric());
    let plain = |run: &str| {
        run.len() <= 9
            && (run.bytes().all(|b| b.is_ascii_digit()) && run.len() <= 4
                || run.bytes().all(|b| b.is_ascii_alphabetic()) && is_calendar(run))
    };
    text.len() <= 80 && !fields.contains(odd) && runs.filter(|r| !r.is_empty()).all(plain)
}

/// Names of days and months, `@` names, and the letters of other dialects.
fn is_calendar(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let names = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "sun",
        "mon", "tue", "wed", "thu", "fri", "sat",
    ];
    let named = [
        "hourly", "daily", "midnight", "weekly", "monthly", "yearly", "annually", "reboot",
        "every", "h", "l", "w",
    ];
    names.iter().any(|n| word.starts_with(n)) || named.contains(&word.as_str())
}

fn window(reader: &mut Reader<'_>, s: &Section<'_>) -> Option<Window> {
    let (spot, node) = s.get("window")?;
    let at = join(&s.at, "window");
    let keys: Vec<&'static Key> = keys::SPAN_OF_DAY.iter().collect();
    let inner = reader.section(node.get_ref().as_table()?, &keys, spot, &at, &[]);
    let window = Window {
        from: inner.clock("from")?,
        to: inner.clock("to")?,
    };
    if window.from == window.to {
        reader.error(
            spot,
            &at,
            "is empty: it ends when it begins",
            "leave it out if any time will do",
        );
        return None;
    }
    Some(window)
}

fn length(w: Window) -> Duration {
    let seconds = w.from.duration_until(w.to).as_secs();
    Duration::from_secs(seconds.rem_euclid(86_400).unsigned_abs())
}

fn blackouts(reader: &mut Reader<'_>, s: &Section<'_>) -> Vec<Blackout> {
    let items = s
        .get("blackouts")
        .and_then(|(_, node)| node.get_ref().as_array());
    let keys: Vec<&'static Key> = keys::SPAN_OF_TIME.iter().collect();
    let mut blackouts = Vec::new();
    for (i, item) in items.into_iter().flatten().enumerate() {
        let at = format!("{}[{i}]", join(&s.at, "blackouts"));
        let Some(table) = item.get_ref().as_table() else {
            continue;
        };
        let spot = reader.spot(item);
        let inner = reader.section(table, &keys, spot, &at, &[]);
        let mut moment = |key: &str| match civil_of(inner.get(key)?.1.get_ref().as_datetime()?)? {
            (time, None) => Some(time),
            (_, Some(_)) => {
                reader.error(
                    inner.spot_of(key),
                    &join(&at, key),
                    "has an offset, but blackouts are read in the file's zone",
                    "write 2026-12-24 or 2026-12-24T18:00:00",
                );
                None
            }
        };
        let (Some(from), Some(to)) = (moment("from"), moment("to")) else {
            continue;
        };
        if from >= to {
            reader.error(
                spot,
                &at,
                "ends before it begins",
                "write from = the first day inside, to = the first day outside",
            );
        } else {
            blackouts.push(Blackout { from, to });
        }
    }
    blackouts
}

fn not_before(reader: &mut Reader<'_>, s: &Section<'_>, zone: &TimeZone) -> Option<Timestamp> {
    let (spot, node) = s.get("not_before")?;
    let at = |spot: Spot, reader: &mut Reader<'_>| {
        reader.error(
            spot,
            &join(&s.at, "not_before"),
            "is not a date that exists",
            "write 2026-11-29",
        );
        None
    };
    let Some((time, offset)) = node.get_ref().as_datetime().and_then(civil_of) else {
        return at(spot, reader);
    };
    let instant = match offset {
        Some(offset) => TimeZone::UTC
            .to_timestamp(time)
            .ok()
            .and_then(|t| t.checked_sub(offset).ok()),
        None => turns::instant(zone, time),
    };
    instant.or_else(|| at(spot, reader))
}

/// A TOML date as civil time (midnight if it has no time), and its offset.
fn civil_of(d: &Datetime) -> Option<(civil::DateTime, Option<SignedDuration>)> {
    let small = |n: u8| i8::try_from(n).ok();
    let date = d.date?;
    let date = civil::Date::new(
        i16::try_from(date.year).ok()?,
        small(date.month)?,
        small(date.day)?,
    )
    .ok()?;
    let time = match d.time {
        Some(t) => civil::Time::new(
            small(t.hour)?,
            small(t.minute)?,
            small(t.second.unwrap_or(0))?.min(59),
            0,
        )
        .ok()?,
        None => civil::Time::midnight(),
    };
    let offset = d.offset.map(|o| match o {
        Offset::Z => SignedDuration::ZERO,
        Offset::Custom { minutes } => SignedDuration::from_mins(i64::from(minutes)),
    });
    Some((date.to_datetime(time), offset))
}
