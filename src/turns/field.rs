//! The strict reading of five cron fields.
//!
//! The crate `cron` counts weekdays from Sunday = 1, wants a seconds field, and answers a mistake
//! with a parser's words. Everything it could misunderstand is settled here: what passes is handed
//! to it in its own numbering, and what does not is refused with what to write instead.

use std::fmt;

/// Why a schedule was refused. A schedule is no secret, so its text may be repeated here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub help: String,
    /// Where in the text, in bytes from its start.
    pub offset: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.help)
    }
}

impl std::error::Error for ParseError {}

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
        return Err(both_days(
            weekday_at,
            day,
            values(&read[2]).count() >= 31,
            weekday,
        ));
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

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
        hint: "0 to 59",
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
        hint: "0 to 23 (midnight is 0)",
    },
    Field {
        name: "day-of-month",
        min: 1,
        max: 31,
        names: &[],
        hint: "1 to 31",
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
        hint: "1 to 12 or JAN to DEC",
    },
    Field {
        name: "weekday",
        min: 0,
        max: 7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        hint: "0 to 7 or SUN to SAT (0 and 7 are Sunday)",
    },
];

/// One of the five fields: what it is called and what may stand in it.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// The first name stands for `min`.
    names: &'static [&'static str],
    hint: &'static str,
}

/// `start-end/step`; a single value is a range of one, without a step.
struct Item {
    start: u32,
    end: u32,
    step: Option<u32>,
}

/// All values of a field; a value that is named twice comes twice.
fn values(items: &[Item]) -> impl Iterator<Item = u32> {
    items
        .iter()
        .flat_map(|item| (item.start..=item.end).step_by(item.step.unwrap_or(1) as usize))
}

impl Field {
    fn read(&self, at: usize, word: &str) -> Result<Vec<Item>, ParseError> {
        let mut items = Vec::new();
        let mut item_at = at;
        for text in word.split(',') {
            if text == "*" && text != word {
                return Err(error(
                    item_at,
                    format!(
                        "{} {word}: * in a list makes the rest of it meaningless",
                        self.name
                    ),
                    "write * alone, or leave it out".to_owned(),
                ));
            }
            items.push(self.item(item_at, text)?);
            item_at += text.len() + 1;
        }
        Ok(items)
    }

    /// The field in the words of the crate `cron`.
    fn normal(&self, items: &[Item]) -> String {
        let words: Vec<String> = if self.name == "weekday" {
            values(items).map(|day| (day % 7 + 1).to_string()).collect()
        } else {
            items
                .iter()
                .map(|i| format!("{}-{}/{}", i.start, i.end, i.step.unwrap_or(1)))
                .collect()
        };
        words.join(",")
    }

    fn item(&self, at: usize, text: &str) -> Result<Item, ParseError> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        let (start, end) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.last()),
            Some((start, end)) => {
                let end_at = at + start.len() + 1;
                (self.value(at, start)?, self.range_end(end_at, end)?)
            }
            None => {
                let value = self.value(at, range)?;
                (value, value)
            }
        };
        let step = match step {
            Some(step) => Some(self.step(at + range.len() + 1, step)?),
            None => None,
        };
        if start > end {
            return Err(self.reversed(at, text, start, end, step));
        }
        match step {
            Some(step) if !range.contains(['*', '-']) => Err(error(
                at,
                format!("{} {text} has a step without a range", self.name),
                format!("write {start}-{}/{step}, or */{step}", self.max),
            )),
            Some(step) if step > end - start => Err(error(
                at,
                format!(
                    "{} {text}: the step {step} is larger than the range {start}-{end}",
                    self.name
                ),
                format!("only {start} would ever match: write {start}, or a smaller step"),
            )),
            _ => Ok(Item { start, end, step }),
        }
    }

    /// The last value that is not another name of the first.
    fn last(&self) -> u32 {
        if self.name == "weekday" { 6 } else { self.max }
    }

    /// The end of a range, where the name SUN means the Sunday after Saturday: `FRI-SUN`.
    fn range_end(&self, at: usize, text: &str) -> Result<u32, ParseError> {
        let end = self.value(at, text)?;
        let by_name = !text.starts_with(|c: char| c.is_ascii_digit());
        Ok(if self.name == "weekday" && end == 0 && by_name {
            7
        } else {
            end
        })
    }

    fn value(&self, at: usize, text: &str) -> Result<u32, ParseError> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            // A number too long for the type is certainly out of range.
            return match text.parse::<u32>() {
                Ok(value) if (self.min..=self.max).contains(&value) => Ok(value),
                _ => Err(error(
                    at,
                    format!("{} {text} is out of range", self.name),
                    format!("write {}", self.hint),
                )),
            };
        }
        match self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text))
        {
            Some(index) => Ok(self.min + index as u32),
            None => Err(self.unknown(at, text)),
        }
    }

    fn step(&self, at: usize, text: &str) -> Result<u32, ParseError> {
        match text.parse::<u32>() {
            Ok(0) => Err(error(
                at,
                format!("{}: the step is zero", self.name),
                "write a step of 1 or more".to_owned(),
            )),
            Ok(step) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(step),
            _ => Err(error(
                at,
                format!("{}: \"{text}\" is not a step", self.name),
                "write a whole number after the slash, as in */15".to_owned(),
            )),
        }
    }

    fn reversed(
        &self,
        at: usize,
        text: &str,
        start: u32,
        end: u32,
        step: Option<u32>,
    ) -> ParseError {
        let last = self.last();
        let instead = match step {
            // 7-2 is Sunday to Tuesday, and 0-2 says the same.
            _ if start > last => format!("{}-{end}", start - 7),
            None => [(start, last), (self.min, end)]
                .map(|(a, b)| {
                    if a == b {
                        a.to_string()
                    } else {
                        format!("{a}-{b}")
                    }
                })
                .join(","),
            Some(step) => {
                let size = last + 1 - self.min;
                let wrapped = (start..=end + size).step_by(step as usize);
                wrapped
                    .map(|v| ((v - self.min) % size + self.min).to_string())
                    .collect::<Vec<_>>()
                    .join(",")
            }
        };
        error(
            at,
            format!("{} {text} runs backwards", self.name),
            format!("write {instead}"),
        )
    }

    fn unknown(&self, at: usize, text: &str) -> ParseError {
        let upper = text.to_ascii_uppercase();
        let what = format!("{}: \"{text}\" is not supported", self.name);
        let help = if text.is_empty() {
            return error(
                at,
                format!("{}: a value is missing", self.name),
                format!("write {}", self.hint),
            );
        } else if upper.starts_with('H') {
            "H is Jenkins' hash: write a number and spread the secrets with jitter = \"20m\""
                .to_owned()
        } else if upper.contains('?') {
            "? is Quartz' word for any: write *".to_owned()
        } else if upper.contains('#') {
            "# (the n-th weekday of a month) does not exist here: write days of the month, as in 1-7".to_owned()
        } else if let Some(name) = self.names.iter().find(|name| upper.starts_with(**name)) {
            format!("write {name}")
        } else if upper.ends_with('W') {
            "W (the nearest working day) does not exist here: write a weekday, as in MON".to_owned()
        } else if upper.ends_with('L') {
            "L (the last day) does not exist here: write 1 for the first day of the next month"
                .to_owned()
        } else {
            return error(
                at,
                format!("{}: \"{text}\" is not understood", self.name),
                format!("write {}", self.hint),
            );
        };
        error(at, what, help)
    }
}

/// The words of a text and where each begins.
fn words(text: &str) -> Vec<(usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split([' ', '\t'])
        .filter(|w| !w.is_empty())
        .map(|w| (w.as_ptr() as usize - start, w))
        .collect()
}

fn alias(at: usize, word: &str, more: Option<&(usize, &str)>) -> Result<String, ParseError> {
    let lower = word.to_ascii_lowercase();
    let known = ALIASES.map(|(name, _)| name).join(" ");
    match (ALIASES.iter().find(|(name, _)| *name == lower), more) {
        (Some((_, normal)), None) => Ok((*normal).to_owned()),
        (Some((name, _)), Some((more_at, _))) => Err(error(
            *more_at,
            format!("{name} stands alone"),
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
    let count = words.len();
    let help = match words {
        [_, rest @ ..] | [_, rest @ .., _] if rest.len() == 5 => {
            let five = rest.iter().map(|(_, w)| *w).collect::<Vec<_>>().join(" ");
            format!("there are no seconds and no years here: write \"{five}\"")
        }
        _ => format!("write {EXAMPLE}"),
    };
    let at = words.get(5).or(words.last()).map_or(0, |(at, _)| *at);
    error(at, format!("expected 5 fields, got {count}"), help)
}

fn both_days(at: usize, day: &str, every_day: bool, weekday: &str) -> ParseError {
    if every_day {
        return error(
            at,
            format!("day-of-month {day} makes the weekday meaningless: every day matches it"),
            format!("write * for the day-of-month: \"* * {weekday}\""),
        );
    }
    error(
        at,
        "day-of-month and weekday are both restricted: some crons then want both, others either",
        format!("write * for one of them: \"{day} * *\" or \"* * {weekday}\""),
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

fn error(offset: usize, what: impl Into<String>, help: String) -> ParseError {
    ParseError {
        what: what.into(),
        help,
        offset,
    }
}
