//! Mistakes in a file of variables.

use std::fmt;

use super::{ENV_FILE_BYTES_MAX, Skipped, line};
use crate::unusual::Unusual;

/// A mistake in a file, and where. It is shown without anything that stands in the file, except the
/// name of a [duplicate](What::Duplicate).
#[derive(Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// The line, from 1.
    pub line: u32,
    /// The byte in that line, from 1.
    pub column: u32,
    /// The mistake.
    pub what: What,
    /// The variables whose values it spoils. Not shown: a broken line may be a piece of a value.
    pub(super) variables: Vec<String>,
}

/// A mistake in a file of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// There is no `=` in the line.
    NoAssignment,
    /// The name is none, or none that every program can read.
    BadName,
    /// The name stands in quotes.
    QuotedName,
    /// A character that looks like white space, or like nothing, beside a name or a value.
    Unusual(Unusual),
    /// The name stands in an earlier line as well.
    Duplicate {
        /// The name that stands twice.
        name: String,
        /// The line it stood in first.
        first_line: u32,
    },
    /// The line above ends with a backslash, and some programs join the two.
    Continued,
    /// The quote opened here is never closed.
    Unterminated,
    /// A quote that programs close at different places.
    QuoteEnd,
    /// Something other than a comment follows the closing quote.
    AfterQuote,
    /// A PEM key over several lines without quotes.
    UnquotedPem,
    /// An unquoted value begins with `#` or a backtick, or ends with a backslash.
    Ambiguous,
    /// A backslash in quotes that programs read differently.
    Escape,
    /// A NUL byte, which no environment can carry.
    Nul,
    /// Not UTF-8, but this encoding.
    Encoding(&'static str),
    /// The file is larger than [`ENV_FILE_BYTES_MAX`].
    TooLarge,
}

impl What {
    /// Whether nothing can be known about the rest of the file.
    pub(super) fn stops(&self) -> bool {
        matches!(
            self,
            What::Unterminated | What::QuoteEnd | What::Encoding(_) | What::TooLarge
        )
    }
}

impl LineProblem {
    /// The mistake spoils the value of this variable.
    pub(super) fn of(mut self, name: &str) -> Self {
        self.variables.push(name.to_owned());
        self
    }

    /// The mistake spoils the variable that the text begins with, if it does: to python-dotenv a
    /// name alone says that it is not set.
    pub(super) fn of_first_word(self, text: &str) -> Self {
        let text = line::without_export(text);
        let word = text.split(|c: char| line::is_space(c) || c == '#').next();
        match word.and_then(|word| line::plain(word.as_bytes())) {
            Some(name) => self.of(name),
            None => self,
        }
    }

    /// Whether a reader who wants only these variables has to know.
    pub(super) fn concerns(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        self.what.stops() || self.variables.iter().any(|name| wanted(name))
    }

    /// The line, for a reader who passes over it.
    pub(super) fn skipped(&self) -> Skipped {
        let sets = !matches!(self.what, What::NoAssignment | What::BadName);
        Skipped {
            line: self.line,
            variable: self.variables.first().filter(|_| sets).cloned(),
        }
    }
}

impl fmt::Debug for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        let sentence = match &self.what {
            What::NoAssignment => {
                "not a variable: write NAME=value, or # before a comment; \
                 a value with several lines must be in double quotes"
            }
            What::BadName => "not a name: use letters, digits and _, and no digit first",
            What::QuotedName => "the name is in quotes: remove them",
            What::Unusual(unusual) => {
                return write!(
                    f,
                    "{unusual}, which programs read differently: delete it, or quote the value"
                );
            }
            What::Duplicate { name, first_line } => {
                return write!(
                    f,
                    "{name} is set a second time: line {first_line} sets it already"
                );
            }
            What::Continued => {
                "the line above ends with a backslash, and some programs join the two lines: \
                 put the value above in quotes"
            }
            What::Unterminated => "this quote is never closed",
            What::QuoteEnd => {
                "programs close this quote at different places: use double quotes, with \\\" for a \
                 quote and \\\\ for a backslash in them"
            }
            What::AfterQuote => {
                "text after the closing quote: quote the whole value, or escape the quote in it"
            }
            What::UnquotedPem => "a key with several lines must be in double quotes",
            What::Ambiguous => "programs read this value differently: put it in single quotes",
            What::Escape => {
                "programs read this backslash differently: use double quotes, and \\\\ for a backslash"
            }
            What::Nul => "a NUL byte: this is not a text file",
            What::Encoding(encoding) => {
                return write!(
                    f,
                    "the file is {encoding} text: save it as UTF-8 (iconv -f {encoding} -t UTF-8)"
                );
            }
            What::TooLarge => {
                return write!(
                    f,
                    "the file is larger than {ENV_FILE_BYTES_MAX} bytes: this is not a file of variables"
                );
            }
        };
        f.write_str(sentence)
    }
}

impl std::error::Error for LineProblem {}
