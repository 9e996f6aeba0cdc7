//! The strict reading of five cron fields.
//!
//! The crate `cron` counts weekdays from Sunday = 1, wants a seconds field, and answers a mistake
//! with a parser's words. Everything it could misunderstand is settled here: what passes is handed
//! to it in its own numbering, and what does not is refused with what to write instead.

use super::error::{ParseError, error};
use super::field::{FIELDS, values};

/// Reads a schedule and returns it in the words of the crate `cron`: six fields, the first of
/// which is the second 0, weekdays from 1 (Sunday) to 7.
pub(super) fn normalise(text: &str) -> Result<String, ParseError> {
    let words = words(text);
    let Some(&(first_at, first)) = words.first() else {
        return Err(error(
            0,
            "the schedule is empty",
            format!("write {EXAMPLE}; leave the key out to rotate only when asked"),
        ));
    };
    if first.starts_with('@') {
        return alias(first_at, first, words.get(1));
    }
    let fields: [(usize, &str); 5] = match words.as_slice().try_into() {
        Ok(fields) => fields,
        Err(_) => return Err(wrong_count(&words)),
    };
    let mut read = Vec::new();
    for (field, (at, word)) in FIELDS.iter().zip(fields) {
        read.push(field.read(at, word)?);
    }
    let [_, _, (day_at, day), (_, month), (weekday_at, weekday)] = fields;
    if day != "*" && weekday != "*" {
        let every_day = (1..=31).all(|day| values(&read[2]).any(|value| value == day));
        return Err(both_days(weekday_at, [day, month, weekday], every_day));
    }
    let first = values(&read[2]).min().unwrap_or(1);
    let longest = values(&read[3]).map(days_in_month).max().unwrap_or(31);
    if first > longest {
        return Err(never(day_at, day, month, longest));
    }
    let normal: Vec<String> = FIELDS
        .iter()
        .zip(&read)
        .map(|(field, items)| field.normal(items))
        .collect();
    Ok(format!("0 {}", normal.join(" ")))
}

const EXAMPLE: &str =
    "five fields (minute hour day-of-month month weekday), as in \"0 3 * * SUN\", or @daily";

const ALIASES: [(&str, &str); 7] = [
    ("@hourly", "0 0 * * * *"),
    ("@daily", "0 0 0 * * *"),
    ("@midnight", "0 0 0 * * *"),
    ("@weekly", "0 0 0 * * 1"),
    ("@monthly", "0 0 0 1 * *"),
    ("@yearly", "0 0 0 1 1 *"),
    ("@annually", "0 0 0 1 1 *"),
];

/// The words of a text and where each begins.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut next: usize = 0;
    let split = text.split([' ', '\t']).map(|word| {
        let at = next;
        next = next.saturating_add(word.len()).saturating_add(1);
        (at, word)
    });
    split.filter(|(_, word)| !word.is_empty()).collect()
}

fn alias(at: usize, word: &str, more: Option<&(usize, &str)>) -> Result<String, ParseError> {
    let lower = word.to_ascii_lowercase();
    let known = ALIASES.map(|(name, _)| name).join(" ");
    match (ALIASES.iter().find(|(name, _)| *name == lower), more) {
        (Some((_, normal)), None) => Ok((*normal).to_owned()),
        (Some((name, _)), Some((more_at, _))) => Err(error(
            *more_at,
            format!("{name} cannot be combined with other fields"),
            "leave out what follows".to_owned(),
        )),
        (None, _) if lower == "@reboot" => Err(error(
            at,
            "@reboot is not supported: nothing rotates because a machine was started",
            format!("write one of {known}"),
        )),
        (None, _) if lower == "@every" => Err(error(
            at,
            "@every is not supported: it would count from the start of the daemon",
            format!("write a civil schedule, as in \"*/30 * * * *\", or one of {known}"),
        )),
        (None, _) => Err(error(
            at,
            format!("{word} is not supported"),
            format!("write one of {known}"),
        )),
    }
}

fn wrong_count(words: &[(usize, &str)]) -> ParseError {
    let five = |five: &[(usize, &str)]| {
        five.iter()
            .map(|(_, word)| *word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    // Seconds stand in front and years behind, so the rearmost five that make sense are meant.
    let few = if words.len() <= 7 { words } else { &[] };
    let help = match few
        .windows(5)
        .rev()
        .map(five)
        .find(|five| normalise(five).is_ok())
    {
        Some(five) => format!("there are no seconds and no years here: write \"{five}\""),
        None => format!("write {EXAMPLE}"),
    };
    let at = words.get(5).or(words.last()).map_or(0, |(at, _)| *at);
    error(at, format!("expected 5 fields, got {}", words.len()), help)
}

fn both_days(at: usize, [day, month, weekday]: [&str; 3], every_day: bool) -> ParseError {
    if every_day {
        return error(
            at,
            format!("day-of-month {day} makes the weekday meaningless: every day matches it"),
            format!("write * for the day-of-month: \"* {month} {weekday}\""),
        );
    }
    error(
        at,
        "day-of-month and weekday are both restricted: some crons then want both, others either",
        format!("write * for one of them: \"{day} {month} *\" or \"* {month} {weekday}\""),
    )
}

fn days_in_month(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A day that none of the months has: the schedule would be valid, and silent for ever.
fn never(at: usize, day: &str, month: &str, longest: u32) -> ParseError {
    error(
        at,
        format!("the schedule never fires: no month of \"{month}\" has a day {day}"),
        format!("write a day up to {longest}, or 1 for the first day of the next month"),
    )
}
