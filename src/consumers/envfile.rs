//! Environment files: one variable is set or removed, every other byte stays.
//!
//! # What is written
//! The three readers agree on nothing, so a value is written in the first form all readers of its
//! dialect understand alike:
//!
//! | value | systemd (`EnvironmentFile=`) and dotenv | docker (`--env-file`) |
//! |---|---|---|
//! | empty, or only letters, digits and `_./:@%+,=-` | as it is | as it is |
//! | without `'` and `\` | `'…'`, line breaks included | as it is; no line breaks |
//! | any other | `"…"` with `\` before each of `"` `\` `$` and `` ` `` | as it is; no line breaks |
//!
//! systemd, sh and bash read the first three rows back exactly; so do the dotenv libraries for the
//! first two rows. Of the last row they have different ideas (Node's unescapes nothing, Python's
//! not the dollar sign), and Python's also expands `${…}` within `'…'` unless told not to.
//! Docker's reader takes everything behind the first `=` literally, quotes too.
//!
//! # What is recognised
//! systemd: the state machine of its `env-file.c` (values over several lines in quotes or with a
//! backslash at the end; comments with `#` or `;`). dotenv: also `export NAME=`, and a comment
//! after a value. docker: lines.

use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

/// Whose rules the file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Systemd,
    Dotenv,
    Docker,
}

/// `text` with `name` set to `value`, or without it. All occurrences change: some readers take the
/// first, others the last.
pub(super) fn set(
    dialect: Dialect,
    text: &[u8],
    name: &str,
    value: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, EditError> {
    if !is_name(name) {
        return Err(EditError::Name);
    }
    let value = value.map(|v| encode(dialect, v)).transpose()?;
    let entries = scan(dialect, text)?;
    let hits = entries.iter().filter(|e| e.name(text) == name.as_bytes());
    let found = hits.clone().count();
    let room = value
        .as_ref()
        .map_or(0, |v| (found + 1) * (v.len() + 1) + name.len() + 3);
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + room));
    let mut copied = 0;
    for entry in hits {
        match &value {
            None => {
                out.extend_from_slice(&text[copied..entry.all.start]);
                copied = entry.all.end;
            }
            Some(value) => {
                out.extend_from_slice(&text[copied..entry.value.start]);
                if !entry.equals {
                    out.push(b'=');
                }
                out.extend_from_slice(value);
                copied = entry.value.end;
            }
        }
    }
    out.extend_from_slice(&text[copied..]);
    if let (0, Some(value)) = (found, value) {
        if !matches!(out.last(), None | Some(b'\n')) {
            out.push(b'\n');
        }
        // systemd before 254 continues a comment that ends in a backslash on the next line.
        if out.ends_with(b"\\\n") {
            out.push(b'\n');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(&value);
        out.push(b'\n');
    }
    Ok(out)
}

/// Whether the text can be edited at all.
pub(super) fn check(dialect: Dialect, text: &[u8]) -> Result<(), EditError> {
    scan(dialect, text).map(|_| ())
}

/// Why a file is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EditError {
    Name,
    NotText,
    Control,
    LineBreak,
    Unterminated,
    Encoding,
}

impl EditError {
    /// What a person reads.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Name => "a variable's name has other characters than letters, digits and _",
            Self::NotText => {
                "the value is not UTF-8 text, which is all an environment file can hold"
            }
            Self::Control => {
                "the value has a control character that readers of the file would drop"
            }
            Self::LineBreak => {
                "docker's format has no way to write a value of several lines; \
                 use format = \"dotenv\" or \"raw\""
            }
            Self::Unterminated => {
                "the file ends within a quoted or continued value; repair it first"
            }
            Self::Encoding => "the file is UTF-16 or UTF-32 text; save it as UTF-8 first",
        }
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// One assignment: where it stands, with its line break; its name; what stands for its value.
struct Entry {
    all: Range<usize>,
    name: Range<usize>,
    value: Range<usize>,
    /// Docker's `NAME` alone has none, and means the caller's own variable.
    equals: bool,
}

impl Entry {
    fn name<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[self.name.clone()]
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.starts_with(|c: char| !c.is_ascii_digit())
}

fn encode(dialect: Dialect, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, EditError> {
    let text = std::str::from_utf8(value).map_err(|_| EditError::NotText)?;
    if text.contains('\0') {
        return Err(EditError::NotText);
    }
    if dialect == Dialect::Docker && text.contains(['\n', '\r']) {
        return Err(EditError::LineBreak);
    }
    if text.chars().any(is_dropped) {
        return Err(EditError::Control);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(2 * value.len() + 2));
    let bare = |b: u8| b.is_ascii_alphanumeric() || b"_./:@%+,=-".contains(&b);
    if dialect == Dialect::Docker || value.iter().all(|b| bare(*b)) {
        out.extend_from_slice(value);
    } else if !value.iter().any(|b| b"'\\".contains(b)) {
        out.push(b'\'');
        out.extend_from_slice(value);
        out.push(b'\'');
    } else {
        out.push(b'"');
        for b in value {
            if b"\"\\$`".contains(b) {
                out.push(b'\\');
            }
            out.push(*b);
        }
        out.push(b'"');
    }
    Ok(out)
}

/// What systemd drops a variable for (`env_value_is_valid`, `unichar_is_valid`), and dotenv
/// libraries turn into something else (a carriage return).
fn is_dropped(c: char) -> bool {
    let control = c.is_ascii_control() && c != '\t' && c != '\n';
    let noncharacter = ('\u{fdd0}'..='\u{fdef}').contains(&c) || u32::from(c) & 0xfffe == 0xfffe;
    control || noncharacter
}

fn scan(dialect: Dialect, text: &[u8]) -> Result<Vec<Entry>, EditError> {
    if keyrota_gate::other_encoding(text).is_some() {
        return Err(EditError::Encoding);
    }
    let mut at = if text.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let mut entries = Vec::new();
    while at < text.len() {
        let start = at;
        let line = start..line_end(dialect, text, start);
        let begin = skip(text, start..line.end, is_blank);
        let comment = match text.get(begin) {
            Some(b'#') => true,
            Some(b';') => dialect == Dialect::Systemd,
            _ => begin == line.end,
        };
        let equals = text[begin..line.end]
            .iter()
            .position(|b| *b == b'=')
            .map(|i| begin + i);
        let name = match (dialect, text[begin..line.end].strip_prefix(b"export")) {
            (Dialect::Dotenv, Some([b' ' | b'\t', ..])) => {
                skip(text, begin + 6..line.end, is_blank)
            }
            _ => begin,
        };
        let value = match equals {
            _ if comment => None,
            None => None,
            Some(equals) => {
                let first = equals + 1;
                let solid = skip(text, first..line.end, is_blank);
                Some(match dialect {
                    Dialect::Docker => first..trim_cr(text, first..line.end),
                    Dialect::Systemd => solid..systemd_end(text, solid)?,
                    // A comment alone is no value: the value goes before the blanks.
                    Dialect::Dotenv if solid > first && text.get(solid) == Some(&b'#') => {
                        first..first
                    }
                    Dialect::Dotenv => solid..dotenv_end(text, solid)?,
                })
            }
        };
        let end = line_end(dialect, text, value.as_ref().map_or(line.end, |v| v.end));
        at = end + usize::from(end < text.len());
        let bare = trim_cr(text, line.clone());
        let name = name..trim_end(text, name..equals.unwrap_or(bare));
        let all = start..at;
        if let Some(value) = value {
            entries.push(Entry {
                all,
                name,
                value,
                equals: true,
            });
        } else if dialect == Dialect::Docker && !comment {
            let value = name.end..bare;
            entries.push(Entry {
                all,
                name,
                value,
                equals: false,
            });
        }
    }
    Ok(entries)
}

/// Where systemd's parser ends a value that begins at `at`: at a line break outside of quotes that
/// no backslash precedes.
fn systemd_end(text: &[u8], mut at: usize) -> Result<usize, EditError> {
    // A quote begins a quoted part only where a value, or the next part of one, may begin.
    let mut fresh = true;
    while let Some(b) = text.get(at) {
        match b {
            b'\n' | b'\r' => return Ok(at),
            b'\'' | b'"' if fresh => at = closing_quote(text, at)?,
            b'\\' => {
                at += 1;
                fresh = false;
                if at == text.len() {
                    return Err(EditError::Unterminated);
                }
            }
            b' ' | b'\t' => {}
            _ => fresh = false,
        }
        at += 1;
    }
    Ok(at)
}

/// Where a dotenv value that begins at `at` ends, a comment behind it not included.
fn dotenv_end(text: &[u8], mut at: usize) -> Result<usize, EditError> {
    if !matches!(text.get(at), Some(b'\'' | b'"' | b'`')) {
        let line = at..trim_cr(text, at..line_end(Dialect::Dotenv, text, at));
        let comment = (line.start..line.end)
            .find(|i| text[*i] == b'#' && *i > line.start && is_blank(text[i - 1]));
        return Ok(trim_end(text, line.start..comment.unwrap_or(line.end)));
    }
    // Parts may follow each other without a space, as in a shell: 'a'"b".
    while let Some(b) = text.get(at).filter(|b| !is_blank(**b) && **b != b'\n') {
        if matches!(b, b'\'' | b'"' | b'`') {
            at = closing_quote(text, at)?;
        }
        at += 1;
    }
    // What is behind a blank and no comment belongs to the value, whatever it means to a reader:
    // left standing, it would belong to the new value.
    let line_end = trim_end(text, at..line_end(Dialect::Dotenv, text, at));
    let comment = text[skip(text, at..line_end, is_blank)..line_end].first() == Some(&b'#');
    Ok(if comment { at } else { line_end })
}

/// The index of the quote that ends the part whose first quote is at `open`.
fn closing_quote(text: &[u8], open: usize) -> Result<usize, EditError> {
    let quote = text[open];
    let mut at = open + 1;
    while let Some(b) = text.get(at) {
        match b {
            b'\\' if quote == b'"' => at += 1,
            b if *b == quote => return Ok(at),
            _ => {}
        }
        at += 1;
    }
    Err(EditError::Unterminated)
}

/// The index of the next line break, or the end. Only for systemd a lone `\r` is one.
fn line_end(dialect: Dialect, text: &[u8], from: usize) -> usize {
    let breaks = |b: &u8| *b == b'\n' || (*b == b'\r' && dialect == Dialect::Systemd);
    text[from..]
        .iter()
        .position(breaks)
        .map_or(text.len(), |i| from + i)
}

fn trim_cr(text: &[u8], line: Range<usize>) -> usize {
    line.end - usize::from(text[line].ends_with(b"\r"))
}

fn trim_end(text: &[u8], range: Range<usize>) -> usize {
    range.start + text[range].trim_ascii_end().len()
}

fn skip(text: &[u8], range: Range<usize>, what: impl Fn(u8) -> bool) -> usize {
    range.start + text[range].iter().take_while(|b| what(**b)).count()
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

#[cfg(test)]
mod tests;
