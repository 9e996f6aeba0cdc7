//! A failed rule.

use std::fmt;

/// One variable that is not as its rule wants it. It holds no value and no part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name of the variable.
    pub variable: String,
    /// What is wrong, for programs.
    pub code: Code,
    /// The secret that the variable is filled from, if keyrota keeps it.
    pub secret: Option<String>,
    /// What is wrong and what to do, in one line, for people.
    pub remedy: String,
}

/// What is wrong with a variable. The names that [`Code::as_str`] gives are stable: scripts match on
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// It is not set, and it is required.
    Missing,
    /// It is set to nothing, which most programs take for a value.
    Empty,
    /// It is set, and must not be.
    Forbidden,
    /// It is not UTF-8.
    NotUtf8,
    /// It holds a NUL byte, which no environment can carry.
    Nul,
    /// It begins with a byte order mark.
    ByteOrderMark,
    /// It holds a carriage return: a file with Windows line ends.
    CarriageReturn,
    /// It stands in quotes that nothing will take off.
    Quoted,
    /// White space or a line break stands before or after it.
    Whitespace,
    /// It is an example, or a reference that was never resolved.
    Placeholder,
    /// It lacks the prefix of this environment.
    WrongPrefix,
    /// It carries the prefix of another environment.
    ForeignPrefix,
    /// It is none of the allowed values.
    NotOneOf,
    /// It cannot be read as what it should be.
    WrongFormat,
    /// A key or certificate of which a part is missing.
    HalfKey,
    /// A sound key, but not the wanted one: public for private, or another algorithm.
    WrongKeyKind,
    /// It is shorter than its rule or its algorithm allows.
    TooShort,
    /// It is long enough, but predictable.
    LowEntropy,
    /// It does not match the pattern of its rule.
    Pattern,
    /// Current and fallback hold the same value.
    EqualsFallback,
    /// It is a key id, but of another key.
    KidMismatch,
}

impl Code {
    /// Every code, in the order in which they are declared.
    pub const ALL: [Code; 21] = [
        Code::Missing,
        Code::Empty,
        Code::Forbidden,
        Code::NotUtf8,
        Code::Nul,
        Code::ByteOrderMark,
        Code::CarriageReturn,
        Code::Quoted,
        Code::Whitespace,
        Code::Placeholder,
        Code::WrongPrefix,
        Code::ForeignPrefix,
        Code::NotOneOf,
        Code::WrongFormat,
        Code::HalfKey,
        Code::WrongKeyKind,
        Code::TooShort,
        Code::LowEntropy,
        Code::Pattern,
        Code::EqualsFallback,
        Code::KidMismatch,
    ];

    /// The stable name: lower-case words joined by hyphens.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Missing => "missing",
            Code::Empty => "empty",
            Code::Forbidden => "forbidden",
            Code::NotUtf8 => "not-utf8",
            Code::Nul => "nul",
            Code::ByteOrderMark => "byte-order-mark",
            Code::CarriageReturn => "carriage-return",
            Code::Quoted => "quoted",
            Code::Whitespace => "whitespace",
            Code::Placeholder => "placeholder",
            Code::WrongPrefix => "wrong-prefix",
            Code::ForeignPrefix => "foreign-prefix",
            Code::NotOneOf => "not-one-of",
            Code::WrongFormat => "wrong-format",
            Code::HalfKey => "half-key",
            Code::WrongKeyKind => "wrong-key-kind",
            Code::TooShort => "too-short",
            Code::LowEntropy => "low-entropy",
            Code::Pattern => "pattern",
            Code::EqualsFallback => "equals-fallback",
            Code::KidMismatch => "kid-mismatch",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A problem before it is known whose it is: what one test of a value found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) remedy: String,
}

impl Fault {
    pub(crate) fn new(code: Code, remedy: impl Into<String>) -> Self {
        Self {
            code,
            remedy: remedy.into(),
        }
    }

    pub(crate) fn format(remedy: impl Into<String>) -> Self {
        Self::new(Code::WrongFormat, remedy)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_plain_name() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(names.iter().all(|name| name.bytes().all(plain)));
    }
}
