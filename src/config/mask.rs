//! Shows a line of a file without showing what it may hold. Someone will paste a password into a
//! schedule, make a typo beside it, and post the error: so a value is masked unless it is provably
//! harmless, never the other way round.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use super::effort;
use super::keys::Catalog;
use super::plain::{MASK, is_name, is_plain};
use super::source::Source;
use super::values::Spot;

/// More of a line than this does not help.
const LINE_BYTES_MAX: usize = 240;

/// A masked line and where the problem is in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Masked {
    /// The line.
    pub text: String,
    /// The problem, in bytes of `text`.
    pub span: Range<usize>,
}

/// The lines of each source, read once however many problems they have.
#[derive(Debug)]
pub struct Masks<'r> {
    /// Our own words.
    words: &'r [&'static str],
    sources: HashMap<PathBuf, Lines>,
}

/// One source.
#[derive(Debug)]
struct Lines {
    /// Lines that begin inside a multi-line string.
    inside: Vec<bool>,
    /// The pieces of each line that was asked for.
    pieces: HashMap<u32, Vec<Piece>>,
}

/// A part of a line, in bytes, and how it is judged.
type Piece = (Range<usize>, Judge);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    Shown,
    Hidden,
    /// Shown if harmless without its quotes.
    Quoted(char),
    /// Shown if harmless.
    Word,
    /// A name by its place; shown if it is the name of something.
    Name,
}

impl<'r> Masks<'r> {
    /// Shows the words of these kinds, whatever the file.
    pub fn new(kinds: &'r Catalog) -> Self {
        Self {
            words: kinds.words(),
            sources: HashMap::new(),
        }
    }

    /// The first line of a spot, masked. Of a long line, the part around the spot.
    pub fn line(&mut self, source: &Source, spot: Spot) -> Masked {
        let lines = self.sources.entry(source.file.clone()).or_insert_with(|| {
            effort::spend(source.text.len());
            Lines {
                inside: inside_strings(&source.text),
                pieces: HashMap::new(),
            }
        });
        let (line, first) = source.line(spot.line);
        let index = spot.line.max(1) as usize - 1;
        let hidden = lines.inside.get(index).copied().unwrap_or(true);
        let pieces = lines.pieces.entry(spot.line).or_insert_with(|| {
            effort::spend(line.len());
            match hidden {
                true => vec![(0..line.len(), Judge::Hidden)],
                false => pieces(line),
            }
        });
        let at = |byte: usize| byte.saturating_sub(first).min(line.len());
        let window = window(line, at(spot.start));
        let mut masker = Masker {
            words: self.words,
            out: String::new(),
            map: vec![0; window.len() + 1],
            from: window.start,
        };
        let begin = pieces.partition_point(|(range, _)| range.end <= window.start);
        for (range, judge) in &pieces[begin..] {
            if range.start >= window.end {
                break;
            }
            masker.piece(line, range, *judge, &window);
        }
        masker.map[window.len()] = masker.out.len();
        let at = |byte: usize| {
            let inside = at(byte).clamp(window.start, window.end) - window.start;
            masker.map[inside]
        };
        let start = at(spot.start);
        let end = at(spot.end).max((start + 1).min(masker.out.len()));
        let start = floor(&masker.out, start);
        let end = ceil(&masker.out, end.max(start));
        Masked {
            text: masker.out,
            span: start..end,
        }
    }
}

/// The part of a line that is shown: all of it, or what lies around `at`.
fn window(line: &str, at: usize) -> Range<usize> {
    if line.len() <= LINE_BYTES_MAX {
        return 0..line.len();
    }
    let from = floor(line, at.saturating_sub(LINE_BYTES_MAX / 4));
    from..ceil(line, (from + LINE_BYTES_MAX).min(line.len()))
}

/// Takes a line apart, from left to right, each byte once.
fn pieces(line: &str) -> Vec<Piece> {
    let start = line.len() - line.trim_start().len();
    let mut pieces = vec![(0..start, Judge::Shown)];
    let rest = &line[start..];
    if rest.starts_with('[') && rest.contains(']') {
        values(line, start, true, &mut pieces);
    } else if let Some(equals) = rest.find('=') {
        let key = &rest[..equals];
        let known = key
            .trim()
            .split('.')
            .all(|part| is_name(part.trim().trim_matches('"')));
        let judge = if known { Judge::Shown } else { Judge::Hidden };
        pieces.push((start..start + equals, judge));
        values(line, start + equals, false, &mut pieces);
    } else if rest.starts_with(['"', '{', '}', ']']) {
        values(line, start, false, &mut pieces);
    } else {
        pieces.push((start..line.len(), Judge::Hidden));
    }
    pieces
}

/// Punctuation is shown, words only if harmless; a comment ends it. Bare words before `=` are names,
/// and so are those of a header.
fn values(line: &str, from: usize, mut header: bool, pieces: &mut Vec<Piece>) {
    const MARKS: &str = " \t=,[]{}.";
    let (first, mut at) = (pieces.len(), from);
    while let Some(c) = line[at..].chars().next() {
        let rest = &line[at..];
        let (length, judge) = match c {
            '#' => (rest.len(), Judge::Hidden),
            '"' | '\'' => (string_end(rest, c), Judge::Quoted(c)),
            c if MARKS.contains(c) => (1, Judge::Shown),
            _ => {
                let end = rest.find(|c: char| MARKS.contains(c) || "#\"'".contains(c));
                let judge = if header { Judge::Name } else { Judge::Word };
                (end.unwrap_or(rest.len()), judge)
            }
        };
        header &= !matches!(c, '"' | '=');
        pieces.push((at..at + length, judge));
        at += length;
    }
    let mut before_equals = false;
    for (range, judge) in pieces[first..].iter_mut().rev() {
        match (*judge, &line[range.clone()]) {
            (Judge::Shown, " " | "\t") => {}
            (Judge::Shown, mark) => before_equals = mark == "=",
            (Judge::Word, _) if before_equals => {
                *judge = Judge::Name;
                before_equals = false;
            }
            _ => before_equals = false,
        }
    }
}

struct Masker<'r> {
    words: &'r [&'static str],
    out: String,
    /// For each byte of what is shown of the line, its place in `out`.
    map: Vec<usize>,
    /// The first of these bytes.
    from: usize,
}

impl Masker<'_> {
    fn piece(&mut self, line: &str, range: &Range<usize>, judge: Judge, window: &Range<usize>) {
        let word = &line[range.clone()];
        let shown = match judge {
            Judge::Shown => true,
            Judge::Hidden => false,
            Judge::Quoted(c) => {
                word.len() >= 2 && word.ends_with(c) && is_plain(word.trim_matches(c), self.words)
            }
            Judge::Word => is_plain(word, self.words),
            Judge::Name => is_plain(word, self.words) || word.split('.').all(is_name),
        };
        let part = range.start.max(window.start)..range.end.min(window.end);
        effort::spend(part.len());
        match shown {
            true => self.show(line, part),
            false => self.hide(part),
        }
    }

    fn show(&mut self, line: &str, range: Range<usize>) {
        for (offset, c) in line[range.clone()].char_indices() {
            for byte in 0..c.len_utf8() {
                self.map[range.start - self.from + offset + byte] = self.out.len();
            }
            self.out.push(if c.is_control() { ' ' } else { c });
        }
    }

    fn hide(&mut self, range: Range<usize>) {
        for byte in range.clone() {
            self.map[byte - self.from] = self.out.len();
        }
        if !range.is_empty() && !self.out.ends_with(MASK) {
            self.out.push(MASK);
        }
    }
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
