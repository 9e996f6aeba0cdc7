//! How answers look: tables, spans of time, text that came from elsewhere. Pure but for [`print`] and
//! its kind.

use std::borrow::Cow;
use std::io;

use jiff::Timestamp;

use super::exit::{self, Failed};
use super::progress::second;
use crate::config::did_you_mean;
use crate::config::model::{Environment, Secret};
use crate::output;

/// Writes an answer for people to standard output.
pub fn print(answer: &str) -> Result<(), Failed> {
    written(output::answer(answer))
}

/// Writes what another program reads (SQL, a policy, a script) to standard output.
pub fn print_data(data: &str) -> Result<(), Failed> {
    written(output::data(data))
}

/// One JSON document, on one line.
pub fn print_json(answer: &serde_json::Value) -> Result<(), Failed> {
    written(output::json(&format!("{answer}\n")))
}

/// How writing to standard output went.
pub fn written(result: io::Result<()>) -> Result<(), Failed> {
    result.map_err(|e| Failed::new(exit::TRANSIENT, format!("standard output: {}", e.kind())))
}

/// Rows with their columns aligned, the last one ragged; no rows, no text. A cell is one line,
/// whatever it holds.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[Cow<'_, str>; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| output::line(cell)))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let pad = width - cell.chars().count();
            line.push_str(cell);
            line.push_str(&" ".repeat(pad + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A moment, and how far it is from `now`: `2026-11-29T03:00:00Z (in 5m)`.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", second(at), relative(at, now))
}

/// The same, of milliseconds since 1970 UTC.
pub fn moment_ms(at_ms: i64, now: Timestamp) -> String {
    moment(timestamp(at_ms), now)
}

/// How far a moment is from `now`, in its two largest units at most: `in 5m`, `3d 2h ago`, `now`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {}", span(seconds.unsigned_abs())),
        _ => format!("{} ago", span(seconds.unsigned_abs())),
    }
}

/// A number of seconds, in its two largest units at most: `45s`, `2h 5m`, `90d`.
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
    let Some(largest) = UNITS.iter().position(|(size, _)| seconds >= *size) else {
        return "0s".to_owned();
    };
    let (size, unit) = UNITS[largest];
    let mut said = format!("{}{unit}", seconds / size);
    if let Some((smaller, unit)) = UNITS.get(largest + 1)
        && seconds % size >= *smaller
    {
        said.push_str(&format!(" {}{unit}", seconds % size / smaller));
    }
    said
}

/// Milliseconds since 1970 UTC as a moment; the ends of the calendar for what lies beyond.
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Text as one cell of a Markdown table, without any markup of its own.
pub fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in output::line(text).chars() {
        if "\\`*_{}[]<>#|!~&$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A secret of the schedule by name.
pub fn secret<'a>(env: &'a Environment, name: &str) -> Result<&'a Secret, Failed> {
    let found = env.secrets.iter().find(|s| s.name == name);
    found.ok_or_else(|| {
        let names = env.secrets.iter().map(|s| s.name.as_str());
        let hint = match did_you_mean(name, names) {
            Some(meant) => format!("; did you mean {meant:?}?"),
            None => "; keyrota status lists them".to_owned(),
        };
        Failed::config(format!(
            "the schedule of {} has no secret {name:?}{hint}",
            env.name
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_two_units() {
        let said = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (3_659, "1h"),
            (7_500, "2h 5m"),
            (86_399, "23h 59m"),
            (90 * 86_400, "90d"),
            (90 * 86_400 + 7_200, "90d 2h"),
        ];
        for (seconds, text) in said {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_moment_is_absolute_and_relative() {
        let now: Timestamp = "2026-11-29T03:00:00.9Z".parse().expect("a moment");
        assert_eq!(
            moment_ms(now.as_millisecond() + 300_000, now),
            "2026-11-29T03:05:00Z (in 5m)"
        );
        assert_eq!(
            moment_ms(now.as_millisecond() - 86_400_000, now),
            "2026-11-28T03:00:00Z (1d ago)"
        );
        assert_eq!(relative(now, now), "now");
    }

    #[test]
    fn columns_are_aligned_and_no_line_ends_in_blanks() {
        let rows = [["a", "é", "x"], ["long", "b", ""]].map(|r| r.map(str::to_owned));
        assert_eq!(table(&rows), "a     é  x\nlong  b\n");
    }

    #[test]
    fn text_of_others_cannot_pose_as_ours() {
        let rows = [["a\u{1b}[2J\nb", "c"], ["d", "e\u{202e}"]].map(|r| r.map(str::to_owned));
        assert_eq!(table(&rows), "a\\x1b[2J\\nb  c\nd            e\\u{202e}\n");
        assert_eq!(
            cell("a|b\n<img> [x](y) `c`"),
            r"a\|b\\n\<img\> \[x\](y) \`c\`"
        );
    }
}
