//! Files of variables, in the dialect that Docker, systemd and the dotenv libraries have in common.
//!
//! * A line is `NAME=value`, empty, or a comment that begins with `#` or `;`. `export` before the name
//!   and white space around name and `=` mean nothing. A byte order mark at the start of the file is
//!   skipped; lines end with LF or CRLF, and a CR before LF is never part of a value.
//! * A name has letters, digits and `_`, and does not begin with a digit. Twice the same name is a
//!   mistake: the dialects disagree on which one counts.
//! * An unquoted value is taken as it stands, without the white space around it, up to the end of the
//!   line or to a `#` after white space. Backslash and `$` mean nothing in it, so that `C:\app` and
//!   `pa$$word` survive. A `#` or a backtick at its beginning and a backslash at its end are mistakes:
//!   some read a comment, a quote, a line that goes on.
//! * `'…'` is literal. In `"…"`, `\n \r \t \\ \" \$` and `` \` `` are what they are in a shell, a
//!   backslash at the end of a line joins it with the next, and before anything else it stands for
//!   itself. Both may span lines, as key files do. After the closing quote only a comment may follow.
//! * Nothing is expanded: `$NAME` and `$(command)` stay as they are (and the gate then reports them).
//!
//! What the dialects read differently is refused, with its line and column, instead of guessed.

use std::collections::HashMap;
use std::fmt;

/// The largest file that is read: no environment is larger, and many other files are.
pub const ENV_FILE_BYTES_MAX: usize = 1 << 20;

/// One variable of a file. `Debug` leaves the value out, and it is overwritten when dropped.
pub struct Entry {
    /// The name.
    pub name: String,
    /// The line, from 1, on which the name stands.
    pub line: u32,
    value: Wiped,
}

impl Entry {
    /// The value, without its quotes. It is secret: the only value this library gives away.
    pub fn value(&self) -> &[u8] {
        &self.value.0
    }

    /// The value, for one who will wipe it.
    pub fn into_value(mut self) -> Vec<u8> {
        std::mem::take(&mut self.value.0)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, line, .. } = self;
        f.debug_struct("Entry")
            .field("name", name)
            .field("line", line)
            .finish_non_exhaustive()
    }
}

/// A mistake in a file, and where: nothing of a value is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineProblem {
    /// The line, from 1.
    pub line: u32,
    /// The byte in that line, from 1.
    pub column: u32,
    /// The mistake.
    pub what: What,
}

/// A mistake in a file of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// There is no `=` in the line.
    NoAssignment,
    /// The name is none, or none that every program can read.
    BadName,
    /// The name stands in an earlier line as well.
    Duplicate {
        /// The name that stands twice.
        name: String,
        /// The line it stood in first.
        first_line: u32,
    },
    /// The quote opened here is never closed.
    Unterminated,
    /// Something other than a comment follows the closing quote.
    AfterQuote,
    /// A PEM key over several lines without quotes.
    UnquotedPem,
    /// An unquoted value begins with `#` or a backtick, or ends with a backslash.
    Ambiguous,
    /// A NUL byte, which no environment can carry.
    Nul,
    /// The file is larger than [`ENV_FILE_BYTES_MAX`].
    TooLarge,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        match &self.what {
            What::NoAssignment => {
                f.write_str("not a variable: write NAME=value, or # before a comment")
            }
            What::BadName => {
                f.write_str("not a name: use letters, digits and _, and no digit first")
            }
            What::Duplicate { name, first_line } => {
                write!(
                    f,
                    "{name} is set a second time: it stands in line {first_line} already"
                )
            }
            What::Unterminated => f.write_str("this quote is never closed"),
            What::AfterQuote => f.write_str(
                "text after the closing quote: quote the whole value, or escape the quote in it",
            ),
            What::UnquotedPem => {
                f.write_str("a key over several lines must stand in double quotes")
            }
            What::Ambiguous => {
                f.write_str("programs read this value differently: put it in single quotes")
            }
            What::Nul => f.write_str("a NUL byte: this is not a text file"),
            What::TooLarge => write!(
                f,
                "the file is larger than {ENV_FILE_BYTES_MAX} bytes: this is not a file of variables"
            ),
        }
    }
}

impl std::error::Error for LineProblem {}

/// The variables of a file, in its order: `NAME=value` lines as Docker, systemd and the dotenv
/// libraries have them in common, with comments, `export`, `'…'`, and `"…"` with escapes and line
/// breaks. Nothing is expanded. What those programs read differently is a mistake.
///
/// # Errors
///
/// Every mistake in the file, in its order, up to a quote that is never closed: what follows one
/// cannot be told apart from its value.
pub fn parse_env_file(bytes: &[u8]) -> Result<Vec<Entry>, Vec<LineProblem>> {
    let mut parser = Parser {
        rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
        line: 1,
        column: 1,
        entries: Vec::new(),
        seen: HashMap::new(),
        problems: Vec::new(),
    };
    if bytes.len() > ENV_FILE_BYTES_MAX {
        return Err(vec![parser.here(What::TooLarge)]);
    }
    while !parser.rest.is_empty() {
        if let Err(problem) = parser.assignment() {
            let stop = problem.what == What::Unterminated;
            parser.problems.push(problem);
            if stop {
                break;
            }
            parser.skip_line();
        }
    }
    if parser.problems.is_empty() {
        Ok(parser.entries)
    } else {
        Err(parser.problems)
    }
}

/// Bytes of a value, also of one that a mistake ends early.
struct Wiped(Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        // Best effort: without `unsafe`, hiding the buffer from the optimiser keeps the writes.
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

struct Parser<'f> {
    rest: &'f [u8],
    line: u32,
    column: u32,
    entries: Vec<Entry>,
    /// The line in which each name stood first.
    seen: HashMap<&'f str, u32>,
    problems: Vec<LineProblem>,
}

impl<'f> Parser<'f> {
    /// Reads one assignment, comment or empty line with its end; after an error the reader stands
    /// somewhere in the line of the mistake.
    fn assignment(&mut self) -> Result<(), LineProblem> {
        self.skip_blanks();
        if self.at_line_end() || matches!(self.peek(), Some(b'#' | b';')) {
            self.skip_line();
            return Ok(());
        }
        if self.rest.starts_with(b"export ") || self.rest.starts_with(b"export\t") {
            self.advance("export".len());
            self.skip_blanks();
        }
        let (line, name_at) = (self.line, self.here(What::BadName));
        let name = self.name()?;
        self.advance(1);
        let value = self.value()?;
        if let Some(first_line) = self.seen.get(name).copied() {
            // Read on in the next line: this one is understood.
            self.problems.push(LineProblem {
                what: What::Duplicate {
                    name: name.to_owned(),
                    first_line,
                },
                ..name_at
            });
        } else {
            self.seen.insert(name, line);
            self.entries.push(Entry {
                name: name.to_owned(),
                line,
                value,
            });
        }
        Ok(())
    }

    /// Reads a name up to its `=`.
    fn name(&mut self) -> Result<&'f str, LineProblem> {
        let line = self.rest_of_line();
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
            return Err(self.here(What::NoAssignment));
        };
        let name = line[..equals].trim_ascii_end();
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let sound = !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(fits);
        let name = std::str::from_utf8(name).ok().filter(|_| sound);
        let name = name.ok_or_else(|| self.here(What::BadName))?;
        self.advance(equals);
        Ok(name)
    }

    /// Reads a value with the end of its line.
    fn value(&mut self) -> Result<Wiped, LineProblem> {
        let blanks = self.skip_blanks();
        let value = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
            // A comment for some, a colour or a password for others.
            Some(b'#') if blanks == 0 => return Err(self.here(What::Ambiguous)),
            _ => self.unquoted()?,
        };
        self.skip_line();
        Ok(value)
    }

    fn unquoted(&mut self) -> Result<Wiped, LineProblem> {
        let line = self.rest_of_line();
        let comment =
            |at: &usize| line[*at] == b'#' && (*at == 0 || line[*at - 1].is_ascii_whitespace());
        let end = (0..line.len()).find(comment).unwrap_or(line.len());
        let value = line[..end].trim_ascii();
        if let Some(at) = value.iter().position(|byte| *byte == 0) {
            self.advance(at);
            return Err(self.here(What::Nul));
        }
        if value.starts_with(b"-----BEGIN ") && !contains(value, b"-----END ") {
            let problem = self.here(What::UnquotedPem);
            self.skip_pem();
            return Err(problem);
        }
        if value.starts_with(b"`") || value.ends_with(b"\\") {
            return Err(self.here(What::Ambiguous));
        }
        Ok(Wiped(value.to_vec()))
    }

    fn quoted(&mut self, quote: u8) -> Result<Wiped, LineProblem> {
        let unterminated = self.here(What::Unterminated);
        self.advance(1);
        // As long as it can get, so that it never moves and leaves a copy behind.
        let capacity = self.closing(quote).ok_or(unterminated.clone())?;
        let mut value = Wiped(Vec::with_capacity(capacity));
        loop {
            let byte = self.peek().ok_or_else(|| unterminated.clone())?;
            match byte {
                0 => return Err(self.here(What::Nul)),
                b'\r' if self.rest.get(1) == Some(&b'\n') => {}
                b'\\' if quote == b'"' => {
                    self.advance(1);
                    self.escape(&mut value.0);
                }
                byte if byte == quote => break,
                byte => value.0.push(byte),
            }
            self.advance(1);
        }
        self.advance(1);
        let blanks = self.skip_blanks();
        match self.peek() {
            Some(b'#') if blanks > 0 => Ok(value),
            _ if self.at_line_end() => Ok(value),
            _ => Err(self.here(What::AfterQuote)),
        }
    }

    /// Adds what a backslash and the byte at hand stand for. That byte is skipped by the caller.
    fn escape(&mut self, value: &mut Vec<u8>) {
        match self.peek() {
            Some(b'n') => value.push(b'\n'),
            Some(b'r') => value.push(b'\r'),
            Some(b't') => value.push(b'\t'),
            Some(b'\n') => {}
            Some(b'\r') if self.rest.get(1) == Some(&b'\n') => self.advance(1),
            Some(byte @ (b'\\' | b'"' | b'$' | b'`')) => value.push(byte),
            Some(byte) => value.extend([b'\\', byte]),
            None => {}
        }
    }

    /// How far away the closing quote is.
    fn closing(&self, quote: u8) -> Option<usize> {
        let mut escaped = false;
        self.rest.iter().position(|byte| {
            let closes = *byte == quote && !escaped;
            escaped = quote == b'"' && *byte == b'\\' && !escaped;
            closes
        })
    }

    /// Skips the lines of a key up to the one before its END line's end.
    fn skip_pem(&mut self) {
        while !self.rest.is_empty() && !contains(self.rest_of_line(), b"-----END ") {
            self.skip_line();
        }
    }

    fn skip_line(&mut self) {
        self.advance(self.rest_of_line().len());
        if self.peek() == Some(b'\r') {
            self.advance(1);
        }
        self.advance(1);
    }

    /// Skips spaces and tabs, and says how many.
    fn skip_blanks(&mut self) -> usize {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let blanks = self.rest.iter().take_while(blank).count();
        self.advance(blanks);
        blanks
    }

    /// The rest of the line without its end, LF or CRLF.
    fn rest_of_line(&self) -> &'f [u8] {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    fn at_line_end(&self) -> bool {
        self.rest_of_line().is_empty()
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        for byte in passed {
            if *byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.rest = rest;
    }

    fn here(&self, what: What) -> LineProblem {
        LineProblem {
            line: self.line,
            column: self.column,
            what,
        }
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests;
