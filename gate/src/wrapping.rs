//! Residue around a value: what was meant for a shell or a file, and reached the program instead.
//!
//! `docker --env-file` hands on quotes and carriage returns as they stand, `echo` into a secret adds
//! a line break, an editor adds a byte order mark. Each is peeled off, so that the value itself can
//! still be checked and everything is told in one run.

use crate::problem::{Code, Fault};

/// What a format allows around a value.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    /// White space around it and carriage returns in it mean nothing, as in PEM and JSON.
    pub(crate) space: bool,
    /// Quotes are part of it, as around a JSON string.
    pub(crate) quotes: bool,
}

/// The value without its residue; what was found is added to `faults`.
pub(crate) fn peel<'v>(value: &'v str, allowed: Tolerance, faults: &mut Vec<Fault>) -> &'v str {
    let mut inner = value;
    if let Some(rest) = inner.strip_prefix('\u{feff}') {
        inner = rest;
        let remedy =
            "it begins with a byte order mark: save the file it comes from as UTF-8 without one";
        faults.push(Fault::new(Code::ByteOrderMark, remedy));
    }
    if !allowed.space {
        let line_end = inner
            .strip_suffix("\r\n")
            .or_else(|| inner.strip_suffix('\r'));
        if inner.contains('\r') {
            let remedy =
                "it holds a carriage return: convert the file it comes from to Unix line ends";
            faults.push(Fault::new(Code::CarriageReturn, remedy));
        }
        inner = line_end.unwrap_or(inner);
        if let Some(remedy) = surrounding_space(inner) {
            faults.push(Fault::new(Code::Whitespace, remedy));
        }
    }
    // In text of several lines the first keeps its indentation: it may be what breaks the value.
    inner = match allowed.space {
        true => without_empty_lines(inner).trim_end_matches(is_space),
        false => inner.trim(),
    };
    if !allowed.quotes
        && let Some(content) = unquoted(inner.trim_start())
    {
        inner = content;
        let remedy = "the value includes the quotes around it: remove them where it is set";
        faults.push(Fault::new(Code::Quoted, remedy));
    }
    inner
}

/// The value from its first line on that holds something.
fn without_empty_lines(value: &str) -> &str {
    let blank = value.len() - value.trim_start_matches(is_space).len();
    match value[..blank].rfind('\n') {
        Some(at) => &value[at + 1..],
        None => value,
    }
}

/// White space of ASCII: readers of keys and JSON know no other.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace()
}

fn surrounding_space(value: &str) -> Option<&'static str> {
    let before = value.starts_with(char::is_whitespace);
    let after = value.ends_with(char::is_whitespace);
    match (before, after) {
        (false, false) => None,
        (false, true) if value.ends_with('\n') => {
            Some("it ends with a line break: write it without one (printf %s, not echo)")
        }
        (false, true) => Some("it ends with white space: remove it where it is set"),
        (true, _) => Some("it begins with white space: remove it where it is set"),
    }
}

/// What stands between the quotes. Only a pair counts: one quote may well be part of a password.
fn unquoted(value: &str) -> Option<&str> {
    const PAIRS: [(char, char); 4] = [('"', '"'), ('\'', '\''), ('“', '”'), ('‘', '’')];
    PAIRS
        .iter()
        .find_map(|&(open, close)| value.strip_prefix(open)?.strip_suffix(close))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Tolerance = Tolerance {
        space: false,
        quotes: false,
    };

    fn peeled(value: &str, allowed: Tolerance) -> (&str, Vec<Code>) {
        let mut faults = Vec::new();
        let inner = peel(value, allowed, &mut faults);
        (inner, faults.iter().map(|fault| fault.code).collect())
    }

    #[test]
    fn residue_is_named_and_peeled() {
        use Code::{ByteOrderMark, CarriageReturn, Quoted, Whitespace};
        let cases: [(&str, &str, &[Code]); 13] = [
            ("value", "value", &[]),
            ("two words", "two words", &[]),
            ("\"value\"", "value", &[Quoted]),
            ("'value'", "value", &[Quoted]),
            ("“value”", "value", &[Quoted]),
            ("\"", "\"", &[]),
            ("'tis", "'tis", &[]),
            ("value\n", "value", &[Whitespace]),
            (" value", "value", &[Whitespace]),
            ("value\r", "value", &[CarriageReturn]),
            ("value\r\n", "value", &[CarriageReturn]),
            ("\"value\"\r", "value", &[CarriageReturn, Quoted]),
            (
                "\u{feff}'value' \r\n",
                "value",
                &[ByteOrderMark, CarriageReturn, Whitespace, Quoted],
            ),
        ];
        for (value, inner, codes) in cases {
            assert_eq!(peeled(value, STRICT), (inner, codes.to_vec()), "{value:?}");
        }
    }

    #[test]
    fn a_format_may_allow_it() {
        let json = Tolerance {
            space: true,
            quotes: true,
        };
        assert_eq!(peeled("\"text\"\r\n", json), ("\"text\"", vec![]));
        let pem = Tolerance {
            space: true,
            quotes: false,
        };
        assert_eq!(
            peeled("\"-----\r\n-----\"\n", pem),
            ("-----\r\n-----", vec![Code::Quoted])
        );
    }
}
