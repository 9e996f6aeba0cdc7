//! One field of a schedule.

use super::error::{ParseError, error};

/// The five fields, in their order.
pub(super) const FIELDS: [Field; 5] = [
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
pub(super) struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// The first name stands for `min`.
    names: &'static [&'static str],
    hint: &'static str,
}

/// `start-end/step`; a single value is a range of one, without a step.
pub(super) struct Item {
    start: u32,
    end: u32,
    step: Option<u32>,
}

/// All values of a field; a value that is named twice comes twice.
pub(super) fn values(items: &[Item]) -> impl Iterator<Item = u32> {
    items
        .iter()
        .flat_map(|item| (item.start..=item.end).step_by(item.step.unwrap_or(1) as usize))
}

impl Field {
    /// The field's items; every mistake with its place, `at` being the field's own.
    pub(super) fn read(&self, at: usize, word: &str) -> Result<Vec<Item>, ParseError> {
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
            item_at = item_at.saturating_add(text.len()).saturating_add(1);
        }
        Ok(items)
    }

    /// The field in the words of the crate `cron`.
    pub(super) fn normal(&self, items: &[Item]) -> String {
        let words: Vec<String> = if self.name == "weekday" {
            values(items)
                .map(|day| (day % 7).saturating_add(1).to_string())
                .collect()
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
                let end_at = at.saturating_add(start.len()).saturating_add(1);
                (self.value(at, start)?, self.range_end(end_at, end)?)
            }
            None => {
                let value = self.value(at, range)?;
                (value, value)
            }
        };
        let step = match step {
            Some(step) => {
                let step_at = at.saturating_add(range.len()).saturating_add(1);
                Some(self.step(step_at, step)?)
            }
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
            Some(step) if step > end.saturating_sub(start) => Err(error(
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
            Some(index) => Ok(self.min.saturating_add(index as u32)),
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
            _ if start > last => format!(
                "{}-{end}{}",
                start.saturating_sub(7),
                step.map_or(String::new(), |s| format!("/{s}"))
            ),
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
                let size = last.saturating_sub(self.min).saturating_add(1);
                let wrapped = (start..=end.saturating_add(size)).step_by(step as usize);
                wrapped
                    .map(|v| if v > last { v.saturating_sub(size) } else { v })
                    .map(|v| v.to_string())
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
