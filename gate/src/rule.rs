//! What is asked of one variable.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

/// The size of a compiled pattern: a few characters of a file of strangers can ask for gigabytes.
const PATTERN_BYTES_MAX: usize = 128 * 1024;

/// What is asked of one variable. Everything but the name is optional; [`Rule::new`] asks only that
/// the variable is set, not empty, and free of residue and placeholders.
///
/// A rule is part of a schedule, so nothing in it is secret.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of the variable.
    pub variable: String,
    /// The secret that fills it, if keyrota keeps it. The value is then held to stricter tests: a
    /// bare `test` or `password` is a fair setting, but never a secret.
    pub secret: Option<String>,
    /// When it must be set.
    pub required: Required,
    /// It must not be set at all; all else in the rule is then ignored.
    pub forbidden: bool,
    /// The value that stands in when the variable is not set.
    pub default: Option<String>,
    /// What the value must be readable as. Where there is a [prefix](Rule::prefix), the rest.
    pub format: Option<Format>,
    /// The least number of characters of the whole value.
    pub min_length: Option<usize>,
    /// The least number of bytes after the prefix, decoded where `format` is an encoding (hex,
    /// base64), else as they stand.
    pub min_bytes: Option<usize>,
    /// The value was drawn by a random source: one that looks composed or repeats itself is refused.
    pub random: bool,
    /// The only allowed values, if there are any. An empty one among them allows an empty variable.
    pub one_of: Vec<String>,
    /// What the whole value must match.
    pub pattern: Option<Pattern>,
    /// How the value begins in this environment.
    pub prefix: Option<String>,
    /// How it begins in other environments, where it must therefore not come from.
    pub foreign_prefixes: Vec<String>,
    /// This variable is the fallback of another, and must not hold the same value: a reader that
    /// accepts twice the same key has no overlap.
    pub fallback_of: Option<String>,
    /// This variable is the key id of the key in another. Only a JWK says its own id; of any other
    /// key nothing can be compared.
    pub kid_of: Option<String>,
}

impl Rule {
    /// A variable that must be set.
    pub fn new(variable: impl Into<String>) -> Self {
        Self {
            variable: variable.into(),
            secret: None,
            required: Required::Always,
            forbidden: false,
            default: None,
            format: None,
            min_length: None,
            min_bytes: None,
            random: false,
            one_of: Vec::new(),
            pattern: None,
            prefix: None,
            foreign_prefixes: Vec::new(),
            fallback_of: None,
            kid_of: None,
        }
    }

    /// Every variable that the rule looks at: its own first.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let condition = match &self.required {
            Required::If(Condition::Present(variable) | Condition::Equals { variable, .. }) => {
                Some(variable)
            }
            Required::Always | Required::Optional => None,
        };
        let others = [self.fallback_of.as_ref(), self.kid_of.as_ref(), condition];
        std::iter::once(&self.variable)
            .chain(others.into_iter().flatten())
            .map(String::as_str)
    }
}

/// When a variable must be set. One that is not required is still checked when it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Required {
    /// Always.
    Always,
    /// When the condition about another variable holds.
    If(Condition),
    /// Never.
    Optional,
}

/// A condition about another variable, whose default counts as its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is set and not empty.
    Present(String),
    /// It is set to exactly this.
    Equals {
        /// The other variable.
        variable: String,
        /// The value it is compared with.
        value: String,
    },
}

/// What a value must be readable as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A URL with an authority (RFC 3986).
    Url {
        /// The allowed schemes, without `://`; none listed: any.
        schemes: Vec<String>,
    },
    /// A whole number that fits into 64 bits.
    Integer,
    /// `true`, `false`, `yes`, `no`, `on`, `off`, `1` or `0`, in any case.
    Boolean,
    /// 1 to 65535.
    Port,
    /// One address, without a display name.
    Email,
    /// An even number of hexadecimal digits.
    Hex,
    /// Base64 (RFC 4648 §4), padded or not.
    Base64,
    /// Base64 for URLs (RFC 4648 §5), padded or not.
    Base64Url,
    /// A JSON document; where members are listed, an object that has them all.
    Json {
        /// The names of the members that must be there and not be empty.
        members: Vec<String>,
    },
    /// A key as PEM (RFC 7468), with line breaks.
    Pem {
        /// Which half is wanted; absent: either.
        part: Option<KeyPart>,
        /// The algorithm it must serve; absent: any.
        algorithm: Option<Algorithm>,
    },
    /// A key as one JWK (RFC 7517).
    Jwk {
        /// Which half is wanted; absent: either.
        part: Option<KeyPart>,
        /// The algorithm it must serve; absent: any.
        algorithm: Option<Algorithm>,
    },
    /// One or more certificates as PEM.
    Certificate,
}

impl Format {
    /// The names a schedule may use for `format`, as [`Format::named`] knows them.
    pub const NAMES: [&str; 16] = [
        "url",
        "integer",
        "boolean",
        "port",
        "email",
        "hex",
        "base64",
        "base64url",
        "json",
        "pem",
        "private-pem",
        "public-pem",
        "jwk",
        "private-jwk",
        "public-jwk",
        "certificate",
    ];

    /// The format of that name, without further demands.
    pub fn named(name: &str) -> Option<Self> {
        let pem = |part| Format::Pem {
            part,
            algorithm: None,
        };
        let jwk = |part| Format::Jwk {
            part,
            algorithm: None,
        };
        Some(match name {
            "url" => Format::Url {
                schemes: Vec::new(),
            },
            "integer" => Format::Integer,
            "boolean" => Format::Boolean,
            "port" => Format::Port,
            "email" => Format::Email,
            "hex" => Format::Hex,
            "base64" => Format::Base64,
            "base64url" => Format::Base64Url,
            "json" => Format::Json {
                members: Vec::new(),
            },
            "pem" => pem(None),
            "private-pem" => pem(Some(KeyPart::Private)),
            "public-pem" => pem(Some(KeyPart::Public)),
            "jwk" => jwk(None),
            "private-jwk" => jwk(Some(KeyPart::Private)),
            "public-jwk" => jwk(Some(KeyPart::Public)),
            "certificate" => Format::Certificate,
            _ => return None,
        })
    }
}

/// A half of a key. A symmetric key is its private half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// It signs, and must stay where it is.
    Private,
    /// It verifies, and anyone may have it.
    Public,
}

/// A signature algorithm (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256; at least 32 bytes.
    Hs256,
    /// RSA PKCS #1 v1.5 with SHA-256; at least 2048 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The name in the `alg` header of a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }
}

/// A regular expression that the *whole* value must match, compiled once. The syntax is that of the
/// crate `regex-lite`: no Unicode classes, no look-around, linear time.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles `source`.
    ///
    /// # Errors
    ///
    /// [`PatternError`] if it is no regular expression, or too large a one.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        // Compiled alone first: in a group, a stray `)` would close the group.
        let compile = |source: &str| {
            let mut builder = RegexBuilder::new(source);
            builder.size_limit(PATTERN_BYTES_MAX).build()
        };
        compile(source)
            .and_then(|_| compile(&format!("^(?:{source})$")))
            .map(Self)
            .map_err(|error| PatternError(error.to_string()))
    }

    pub(crate) fn matches(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), f)
    }
}

/// A pattern that is no regular expression. It says why; a pattern is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a regular expression: {}", self.0)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn every_name_is_known_and_no_other() {
        assert!(
            Format::NAMES
                .iter()
                .all(|name| Format::named(name).is_some())
        );
        assert_eq!(Format::named("URL"), None);
    }

    #[test]
    fn a_pattern_has_a_bounded_size() {
        assert!(Pattern::new("[A-Za-z0-9_-]{20,256}").is_ok());
        for large in ["[a-z]{900}{100}", "(a{1000}){1000}", "(?:x{500}|y{500}){9}"] {
            assert!(Pattern::new(large).is_err(), "{large}");
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_value() {
        let pattern = Pattern::new("ab|cd").unwrap();
        assert!(pattern.matches("ab") && pattern.matches("cd"));
        assert!(!pattern.matches("abx") && !pattern.matches("xcd") && !pattern.matches("ab\n"));
    }

    #[test]
    fn a_pattern_cannot_escape_its_anchors() {
        assert!(Pattern::new("a)|(?:b").is_err());
        assert!(
            Pattern::new("[")
                .unwrap_err()
                .to_string()
                .starts_with("not a regular expression: ")
        );
    }
}
