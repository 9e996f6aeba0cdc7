//! The reader of a file of variables: every variable and every mistake in it.

use std::collections::HashMap;

use super::problem::{LineProblem, What};
use super::{ENV_FILE_BYTES_MAX, Entry, Wiped, line};
use crate::unusual::{self, Unusual};

pub(super) struct Parser<'f> {
    rest: &'f [u8],
    line: u32,
    column: u32,
    pub(super) entries: Vec<Entry>,
    /// The line in which each name stood first.
    seen: HashMap<&'f str, u32>,
    pub(super) problems: Vec<LineProblem>,
    /// The first mistake in the value at hand, whose end is still to be found.
    flaw: Option<LineProblem>,
    /// The line after an unquoted value, and whose value it is.
    below: Option<(u32, &'f str)>,
    /// The line after one that ends with a backslash.
    continued: u32,
}

impl<'f> Parser<'f> {
    pub(super) fn read(bytes: &'f [u8]) -> Self {
        let mut parser = Parser {
            rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            line: 1,
            column: 1,
            entries: Vec::new(),
            seen: HashMap::new(),
            problems: Vec::new(),
            flaw: None,
            below: None,
            continued: 0,
        };
        if bytes.len() > ENV_FILE_BYTES_MAX {
            parser.problems.push(parser.here(What::TooLarge));
            return parser;
        }
        if let Some(encoding) = unusual::other_encoding(bytes) {
            parser.problems.push(parser.here(What::Encoding(encoding)));
            return parser;
        }
        while !parser.rest.is_empty() {
            if let Err(problem) = parser.assignment() {
                let stop = problem.what.stops();
                parser.problems.push(problem);
                if stop {
                    break;
                }
                parser.skip_line();
            }
        }
        parser
    }

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
        let value = self.value();
        // A value that ends at an unknown place matters more than its name.
        let value = match (value, name) {
            (Err(problem), _) if problem.what.stops() => return Err(problem),
            (_, Err(problem)) => Err(problem),
            (Err(problem), Ok(name)) => Err(problem.of(name)),
            (Ok(value), Ok(name)) => Ok((name, value)),
        };
        self.skip_line();
        let problem = |what, name: &str| {
            LineProblem {
                what,
                ..name_at.clone()
            }
            .of(name)
        };
        let (name, value) = match value {
            Ok(pair) => pair,
            Err(problem) => {
                // Read on in the next line: where this one ends is known.
                self.problems.push(problem);
                return Ok(());
            }
        };
        if self.continued == line {
            self.problems.push(problem(What::Continued, name));
        }
        if let Some(first_line) = self.seen.get(name).copied() {
            let name_twice = name.to_owned();
            self.problems.push(problem(
                What::Duplicate {
                    name: name_twice,
                    first_line,
                },
                name,
            ));
        } else {
            self.seen.insert(name, line);
            self.entries.push(Entry {
                name: name.to_owned(),
                line,
                value,
            });
        }
        if self.line == line + 1 {
            self.below = Some((self.line, name));
        }
        Ok(())
    }

    /// Reads a name up to its `=`. The outer error is one of a line whose value nobody reads.
    fn name(&mut self) -> Result<Result<&'f str, LineProblem>, LineProblem> {
        let line = self.rest_of_line();
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
            let mut problem = self.here(What::NoAssignment);
            if let Some((_, name)) = self.below.filter(|(at, _)| *at == self.line) {
                problem = problem.of(name);
            }
            return Err(problem.of_first_word(&String::from_utf8_lossy(line)));
        };
        let name = line[..equals].trim_ascii_end();
        if let Some(name) = line::plain(name) {
            self.advance(equals);
            return Ok(Ok(name));
        }
        let text = String::from_utf8_lossy(name);
        let problem = self.bad_name(&text);
        // python-dotenv reads no value behind these, but begins anew in the next line.
        let name = line::without_export(&text);
        let quoted = name.strip_prefix('\'').map(|rest| rest.strip_suffix('\''));
        match quoted {
            Some(Some(inner)) if !inner.is_empty() && !inner.contains('\'') => {}
            // It reads on to the next quote, wherever that is.
            Some(_) => return Err(self.here(What::QuoteEnd)),
            None if name.is_empty() || name.contains(line::is_space) || name.contains('#') => {
                return Err(problem.of_first_word(name));
            }
            None => {}
        }
        self.advance(equals);
        Ok(Err(problem))
    }

    /// Says why this is no name; and whose it is, for one in quotes or beside invisible characters.
    fn bad_name(&self, text: &str) -> LineProblem {
        let around =
            |c: char| c.is_ascii_whitespace() || "'\"".contains(c) || Unusual::of(c).is_some();
        let name = line::without_export(text).trim_matches(around);
        let name = line::without_export(name).trim_matches(around);
        let what = match Unusual::first_in(text) {
            Some((_, unusual)) => What::Unusual(unusual),
            None => What::QuotedName,
        };
        match line::plain(name.as_bytes()) {
            Some(name) => self.here(what).of(name),
            None => self.here(What::BadName),
        }
    }

    /// Reads a value, and stays in its last line.
    fn value(&mut self) -> Result<Wiped, LineProblem> {
        let blanks = self.skip_blanks();
        self.flaw = None;
        if let Some((unusual, _)) = line::first(self.rest_of_line()).filter(|(u, _)| u.is_space()) {
            self.flaw(What::Unusual(unusual));
            while let Some((_, length)) =
                line::first(self.rest_of_line()).filter(|(u, _)| u.is_space())
            {
                self.advance(length);
                self.skip_blanks();
            }
        }
        let value = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
            // A comment for some, a colour or a password for others.
            Some(b'#') if blanks == 0 => return Err(self.here(What::Ambiguous)),
            _ => self.unquoted()?,
        };
        match self.flaw.take() {
            Some(problem) => Err(problem),
            None => Ok(value),
        }
    }

    fn unquoted(&mut self) -> Result<Wiped, LineProblem> {
        let line = self.rest_of_line();
        let comment = |at: &usize| line[*at] == b'#' && line::ends_with_space(&line[..*at]);
        let end = (0..line.len()).find(|at| line[*at] == b'#' && *at == 0 || comment(at));
        let value = line::without_blanks(&line[..end.unwrap_or(line.len())]);
        if let Some(at) = value.iter().position(|byte| *byte == 0) {
            self.advance(at);
            return Err(self.here(What::Nul));
        }
        if value.starts_with(b"-----BEGIN ") && !line::contains(value, b"-----END ") {
            let problem = self.here(What::UnquotedPem);
            self.skip_pem();
            return Err(problem);
        }
        if value.starts_with(b"`") {
            let closed = value.len() > 1 && value[1..].contains(&b'`');
            return Err(self.here(if closed {
                What::Ambiguous
            } else {
                What::QuoteEnd
            }));
        }
        if line.ends_with(b"\\") {
            self.continued = self.line + 1;
        }
        if value.ends_with(b"\\") {
            return Err(self.here(What::Ambiguous));
        }
        if let Some(space) = line::last_space(value) {
            return Err(self.here(What::Unusual(space)));
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
                0 => self.flaw(What::Nul),
                b'\r' if self.rest.get(1) == Some(&b'\n') => {}
                b'\r' => value.0.push(b'\n'),
                b'\\' if quote == b'"' => {
                    self.advance(1);
                    self.escape(&mut value.0);
                }
                b'\\' if self.rest.get(1) == Some(&b'\'') => return Err(self.here(What::QuoteEnd)),
                b'\\' if self.rest.get(1) == Some(&b'\\') => {
                    self.flaw(What::Escape);
                    self.advance(1);
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
            Some(b'\r') if self.rest.get(1) == Some(&b'\n') => self.advance(1),
            Some(b'\n' | b'\r') => {}
            Some(byte @ (b'\\' | b'"' | b'$' | b'`')) => value.push(byte),
            Some(b'\'' | b'a' | b'b' | b'f' | b'v') => self.flaw(What::Escape),
            Some(0) => self.flaw(What::Nul),
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

    /// Skips the lines of a key up to its END line, if there is one.
    fn skip_pem(&mut self) {
        if line::contains(self.rest, b"-----END ") {
            while !line::contains(self.rest_of_line(), b"-----END ") {
                self.skip_line();
            }
        }
    }

    fn skip_line(&mut self) {
        self.advance(self.rest_of_line().len());
        let crlf = self.rest.starts_with(b"\r\n");
        self.advance(1 + usize::from(crlf));
    }

    /// Skips spaces and tabs, and says how many.
    fn skip_blanks(&mut self) -> usize {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let blanks = self.rest.iter().take_while(blank).count();
        self.advance(blanks);
        blanks
    }

    /// The rest of the line without its end.
    fn rest_of_line(&self) -> &'f [u8] {
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let end = self.rest.iter().position(ends);
        &self.rest[..end.unwrap_or(self.rest.len())]
    }

    fn at_line_end(&self) -> bool {
        self.rest_of_line().is_empty()
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.rest.len());
        for at in 0..bytes {
            let cr = self.rest[at] == b'\r' && self.rest.get(at + 1) != Some(&b'\n');
            if self.rest[at] == b'\n' || cr {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.rest = &self.rest[bytes..];
    }

    /// Remembers a mistake in a value whose end is still to be found.
    fn flaw(&mut self, what: What) {
        if self.flaw.is_none() {
            self.flaw = Some(self.here(what));
        }
    }

    fn here(&self, what: What) -> LineProblem {
        LineProblem {
            line: self.line,
            column: self.column,
            what,
            variables: Vec::new(),
        }
    }
}
