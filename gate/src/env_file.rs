//! Files of variables, in the dialect that Docker, systemd and the dotenv libraries have in common.
//!
//! * A line is `NAME=value`, empty, or a comment that begins with `#` or `;`. `export` before the name
//!   and white space around name and `=` mean nothing. A byte order mark at the start of the file is
//!   skipped; lines end with LF, CRLF or CR, which are all LF within a value.
//! * A name has letters, digits and `_`, and does not begin with a digit. Twice the same name is a
//!   mistake: the dialects disagree on which one counts.
//! * An unquoted value is taken as it stands, without the white space around it, up to the end of the
//!   line or to a `#` after white space. Backslash and `$` mean nothing in it, so that `C:\app` and
//!   `pa$$word` survive. A `#` or a backtick at its beginning and a backslash at its end are mistakes:
//!   some read a comment, a quote, a line that goes on. So is white space that is not ASCII.
//! * `'…'` is literal. In `"…"`, `\n \r \t \\ \" \$` and `` \` `` are what they are in a shell, a
//!   backslash at the end of a line joins it with the next, and before anything else it stands for
//!   itself. Both may span lines, as key files do. After the closing quote only a comment may follow.
//!   `\\` and `\'` within `'…'` and `\' \a \b \f \v` within `"…"` are mistakes: some decode them.
//! * Nothing is expanded: `$NAME` and `$(command)` stay as they are (and the gate then reports them).
//!
//! What the dialects read differently is refused, with its line and column, instead of guessed, where
//! it concerns a variable that is wanted. Other lines are passed over as python-dotenv does.

use std::fmt;

use parser::Parser;
pub use problem::{LineProblem, What};

mod line;
mod parser;
mod problem;

/// The largest file that is read: no environment is larger, and many other files are.
pub const ENV_FILE_BYTES_MAX: usize = 1 << 20;

/// What a file holds.
#[derive(Debug)]
pub struct EnvFile {
    /// The variables, in their order.
    pub entries: Vec<Entry>,
    /// The lines that were passed over: not variables, or not written so that every program reads
    /// the same. They set no variable that was wanted.
    pub skipped: Vec<Skipped>,
}

/// A line that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The line, from 1.
    pub line: u32,
    /// The variable that the line sets. `None` without a `=` behind a name: such a line may be a piece of a
    /// value.
    pub variable: Option<String>,
}

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

/// The variables of a file, in its order: `NAME=value` lines as Docker, systemd and the dotenv
/// libraries have them in common, with comments, `export`, `'…'`, and `"…"` with escapes and line
/// breaks. Nothing is expanded. What those programs read differently is a mistake. A mistake in a
/// line that sets no `wanted` variable is passed over, if the next line can be found and not every
/// line is like that.
///
/// # Errors
///
/// Every other mistake in the file, in its order.
pub fn parse_env_file(
    bytes: &[u8],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<EnvFile, Vec<LineProblem>> {
    let parser = Parser::read(bytes);
    let stray = |problem: &LineProblem| problem.what == What::NoAssignment;
    let other = parser.entries.is_empty() && parser.problems.iter().all(stray);
    let (told, passed): (Vec<_>, Vec<_>) = parser
        .problems
        .into_iter()
        .partition(|problem| other || problem.concerns(wanted));
    if told.is_empty() {
        let mut skipped: Vec<Skipped> = passed.iter().map(LineProblem::skipped).collect();
        skipped.dedup_by_key(|skipped| skipped.line);
        Ok(EnvFile {
            entries: parser.entries,
            skipped,
        })
    } else {
        Err(told)
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

#[cfg(test)]
mod tests;
