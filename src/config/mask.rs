//! Shows a line of a file without showing what it may hold. Someone will paste a password into a
//! schedule, make a typo beside it, and post the error: so a value is masked unless it is provably
//! harmless, never the other way round.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use super::keys;
use super::model::Spot;
use super::source::Source;

/// What stands for a masked value, whatever its length.
const MASK: char = '…';

/// More of a line than this does not help.
const LINE_BYTES_MAX: usize = 240;

/// Whether a value may be shown: our own words and near misses of them, numbers of up to four
/// digits with a unit, times of day, dates, cron fields, `@` names, `{fields}`.
pub fn is_plain(value: &str) -> bool {
    if value.is_empty() || value.len() > 40 {
        return value.is_empty();
    }
    let digits = value.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let quantity =
        digits.len() <= 4 && value.len() - digits.len() <= 3 && all(digits, |c| c.is_ascii_digit());
    let clock = value.len() <= 16
        && value.contains(['-', ':'])
        && all(value, |c| c.is_ascii_digit() || "-:T".contains(c));
    let cron = value.contains('*')
        && value.contains(' ')
        && all(value, |c| c.is_ascii_digit() || "*/,- ".contains(c));
    let fields = value.starts_with('{') && keys::is_field_only(value);
    quantity || clock || cron || fields || keys::words().any(|word| near(value, word))
}

/// A name from a file as it may stand in a message; long or random ones are not repeated.
pub fn name(name: &str) -> String {
    if is_name(name) {
        name.to_owned()
    } else {
        MASK.to_string()
    }
}

/// The best of `known` for something misspelt.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score =
        |word: &str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &word.to_lowercase());
    let best = known.into_iter().min_by_key(|word| score(word))?;
    (score(best) <= 1 + best.len() / 4 && score(best) < best.len()).then_some(best)
}

fn near(value: &str, word: &str) -> bool {
    let ours = all(value, |c| c.is_ascii_alphanumeric() || "-_@".contains(c));
    value == word
        || (ours
            && word.len() >= 4
            && value.len() <= word.len() + 2
            && strsim::damerau_levenshtein(value, word) <= 2)
}

fn all(text: &str, f: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(f)
}

fn is_name(word: &str) -> bool {
    let plain = word.len() <= 48 && all(word, |c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let mixed = word.chars().any(|c| c.is_ascii_lowercase())
        && word.chars().any(|c| c.is_ascii_uppercase());
    plain && !(word.len() >= 16 && (digits >= 4 || (mixed && digits > 0)))
}

/// A masked line and where the problem is in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Masked {
    /// The line.
    pub text: String,
    /// The problem, in bytes of `text`.
    pub span: Range<usize>,
}

/// Which lines of each source lie inside a multi-line string: worked out once.
#[derive(Debug, Default)]
pub struct Masks(HashMap<PathBuf, Vec<bool>>);

impl Masks {
    /// The first line of a spot, masked.
    pub fn line(&mut self, source: &Source, spot: Spot) -> Masked {
        let inside = self
            .0
            .entry(source.file.clone())
            .or_insert_with(|| inside_strings(&source.text));
        let (line, first) = source.line(spot.line);
        let hidden = inside
            .get(spot.line.max(1) as usize - 1)
            .copied()
            .unwrap_or(true);
        let mut masker = Masker {
            out: String::new(),
            map: vec![0; line.len() + 1],
        };
        if hidden {
            masker.hide(0..line.len())
        } else {
            masker.line(line)
        }
        masker.map[line.len()] = masker.out.len();
        let at = |byte: usize| masker.map[byte.saturating_sub(first).min(line.len())];
        let start = at(spot.start);
        let end = at(spot.end).max((start + 1).min(masker.out.len()));
        let start = floor(&masker.out, start);
        let end = ceil(&masker.out, end.max(start));
        crop(masker.out, start..end)
    }
}

struct Masker {
    out: String,
    /// For each byte of the line, its place in `out`.
    map: Vec<usize>,
}

impl Masker {
    fn line(&mut self, line: &str) {
        let start = line.len() - line.trim_start().len();
        self.show(line, 0..start);
        let rest = &line[start..];
        if rest.starts_with('[') && rest.contains(']') {
            self.values(line, start..line.len());
        } else if let Some(equals) = rest.find('=') {
            let key = &rest[..equals];
            let known = key
                .trim()
                .split('.')
                .all(|part| is_name(part.trim().trim_matches('"')));
            if known {
                self.show(line, start..start + equals)
            } else {
                self.hide(start..start + equals)
            }
            self.values(line, start + equals..line.len());
        } else if rest.starts_with(['"', '{', '}', ']']) {
            self.values(line, start..line.len());
        } else {
            self.hide(start..line.len());
        }
    }

    /// Punctuation is shown, words only if harmless; a comment ends it.
    fn values(&mut self, line: &str, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let rest = &line[at..range.end];
            let c = rest.chars().next().unwrap_or(MASK);
            let end = match c {
                '#' => return self.hide(at..range.end),
                '"' | '\'' => at + string_end(rest, c),
                c if " \t=,[]{}.".contains(c) => at + 1,
                _ => {
                    at + rest
                        .find(|c: char| " \t=,[]{}#\"'".contains(c))
                        .unwrap_or(rest.len())
                        .max(c.len_utf8())
                }
            };
            let word = &line[at..end];
            let inner = word.trim_matches(c);
            let shown = match c {
                '"' | '\'' if word.len() >= 2 && word.ends_with(c) => is_plain(inner),
                '"' | '\'' => false,
                c if " \t=,[]{}.".contains(c) => true,
                _ => is_plain(word) || is_key(line, at, end),
            };
            if shown {
                self.show(line, at..end)
            } else {
                self.hide(at..end)
            }
            at = end;
        }
    }

    fn show(&mut self, line: &str, range: Range<usize>) {
        for (offset, c) in line[range.clone()].char_indices() {
            for byte in 0..c.len_utf8() {
                self.map[range.start + offset + byte] = self.out.len();
            }
            self.out.push(if c.is_control() { ' ' } else { c });
        }
    }

    fn hide(&mut self, range: Range<usize>) {
        for byte in range.clone() {
            self.map[byte] = self.out.len();
        }
        if !range.is_empty() && !self.out.ends_with(MASK) {
            self.out.push(MASK);
        }
    }
}

/// Bare words that are names by their place: before `=`, or in a header.
fn is_key(line: &str, start: usize, end: usize) -> bool {
    let header = line.trim_start().starts_with('[') && !line[..start].contains(['"', '=']);
    let before_equals = line[end..].trim_start().starts_with('=');
    (header || before_equals) && line[start..end].split('.').all(is_name)
}

/// The length of a quoted string, quotes included; the rest of the line if it does not end there.
fn string_end(text: &str, quote: char) -> usize {
    if text.chars().take(3).filter(|c| *c == quote).count() == 3 {
        return text.len();
    }
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// For each line, whether it begins inside a multi-line string.
fn inside_strings(text: &str) -> Vec<bool> {
    let mut open: Option<&str> = None;
    text.split('\n')
        .map(|line| {
            let began_inside = open.is_some();
            let mut rest = line;
            while !rest.is_empty() {
                rest = match open {
                    Some(quote) => match rest.find(quote) {
                        Some(end) => {
                            open = None;
                            &rest[end + 3..]
                        }
                        None => "",
                    },
                    None if rest.starts_with("\"\"\"") || rest.starts_with("'''") => {
                        open = Some(if rest.starts_with('"') {
                            "\"\"\""
                        } else {
                            "'''"
                        });
                        &rest[3..]
                    }
                    None => match rest.chars().next() {
                        Some('#') => "",
                        Some(c @ ('"' | '\'')) => &rest[string_end(rest, c)..],
                        c => &rest[c.map_or(0, char::len_utf8)..],
                    },
                };
            }
            began_inside
        })
        .collect()
}

/// A very long line is shown around its problem only.
fn crop(text: String, span: Range<usize>) -> Masked {
    if text.len() <= LINE_BYTES_MAX {
        return Masked { text, span };
    }
    let from = floor(&text, span.start.saturating_sub(LINE_BYTES_MAX / 4));
    let to = ceil(&text, (from + LINE_BYTES_MAX).min(text.len()));
    let span = span.start - from..span.end.min(to) - from;
    Masked {
        text: text[from..to].to_owned(),
        span,
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
