//! Values made elsewhere: kept, checked and told, never minted.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use keyrota_contract::{
    Entropy, Material, Minted, Probe, Public, Report, Rotator, RotatorError, SecretValue, Target,
    Which,
};
use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};

use super::material::{adopted, probed};
use super::shape;

mod kind;
pub use kind::KIND;

/// What the value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `scheme://host…`.
    Url,
    /// A JSON object.
    Json,
    /// Any text on one line.
    Raw,
    /// A JSON object with the texts `username`, `password` and `host`, as RDS keeps it.
    RdsJson,
}

/// A value that somebody else makes.
#[derive(Debug, Clone)]
pub struct External {
    /// Its form.
    pub format: Format,
    /// The least length in bytes; 0 if nothing is stated. An empty value is never taken.
    pub min_bytes: usize,
}

impl External {
    fn check(&self, value: &SecretValue) -> Result<(), &'static str> {
        value.expose_to(|bytes| {
            if bytes.is_empty() {
                return Err("the value is empty");
            }
            if bytes.len() < self.min_bytes {
                return Err("the value is shorter than min_bytes");
            }
            match self.format {
                Format::Raw => shape::check_text(bytes).map(|_| ()),
                Format::Url => shape::check_text(bytes).and_then(check_url),
                Format::Json => serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(bytes)
                    .map(|_| ())
                    .map_err(|_| "the value is not a JSON object"),
                Format::RdsJson => serde_json::from_slice::<RdsJson>(bytes).map(|_| ()).map_err(|_| {
                    "the value is not a JSON object with the texts username, password and host"
                }),
            }
        })
    }
}

#[async_trait]
impl Rotator for External {
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError> {
        // Without one this is its import: nothing else begins a rotation of this kind.
        if let Some(current) = &m.current {
            self.check(&current.value).map_err(RotatorError::Refused)?;
        }
        Ok(Report::default())
    }

    fn create(&self, _: &Material, _: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        Err(RotatorError::Refused(
            "this value is made elsewhere: take it over with `keyrota import`",
        ))
    }

    fn adopt(&self, value: SecretValue, _: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let checked = self.check(&value);
        adopted(value, checked)
    }

    async fn probe(&self, which: Which, m: &Material) -> Probe {
        probed(which, m, |v| self.check(&v.value))
    }

    fn public(&self, _: &SecretValue, stored: &Public) -> Public {
        stored.clone()
    }

    fn target(&self) -> Option<&dyn Target> {
        None
    }
}

/// The form of RFC 3986 a program can be given; whether its scheme is the right one is the gate's
/// business. Written here because a parser's error would quote the URL, password included.
fn check_url(text: &str) -> Result<(), &'static str> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("the value is not a URL: no scheme://")?;
    let scheme_is_word = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !scheme_is_word {
        return Err("the value is not a URL: the scheme is not a word");
    }
    if !rest
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
    {
        return Err("the URL contains a character that must be percent-encoded");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if authority.matches('@').count() > 1 {
        return Err("the URL has more than one @ before its host; percent-encode the password");
    }
    if host.is_empty() || host.starts_with(':') {
        return Err("the URL names no host");
    }
    Ok(())
}

/// Only asks whether the members are there: nothing of the document is copied.
#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "being there is all that is asked of them")]
struct RdsJson {
    username: Present,
    password: Present,
    host: Present,
}

/// A text that is not empty.
struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct IsText;
        impl Visitor<'_> for IsText {
            type Value = Present;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Present, E> {
                if text.is_empty() {
                    Err(E::custom("empty"))
                } else {
                    Ok(Present)
                }
            }
        }
        d.deserialize_str(IsText)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::super::testing::{Seeded, now, value, version, with_current};
    use super::*;

    fn outcome(format: Format, min_bytes: usize, text: &str) -> &'static str {
        match (External { format, min_bytes }).adopt(value(text), &mut Seeded(1)) {
            Ok(_) => "",
            Err(RotatorError::Refused(sentence)) => sentence,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn formats() {
        use Format::{Json, Raw, RdsJson, Url};
        for (format, text, word) in [
            (Raw, "any text will do", ""),
            (Raw, "text\n", "line break"),
            (Raw, "", "empty"),
            (
                Url,
                "postgres://app:p%40ss@db.internal:5432/app?sslmode=verify-full",
                "",
            ),
            (Url, "https://[2001:db8::1]/", ""),
            (Url, "db.internal:5432", "no scheme"),
            (Url, "1http://host", "scheme"),
            (Url, "https:///path", "no host"),
            (Url, "https://user:pass@/path", "no host"),
            (Url, "https://user:p@ss@host/", "more than one @"),
            (Url, "https://user:p ss@host/", "percent-encoded"),
            (Json, "{\"a\": [1, 2]}", ""),
            (Json, "{\"a\": ", "not a JSON"),
            (Json, "{} {}", "not a JSON"),
            (Json, "[1]", "not a JSON"),
            (
                RdsJson,
                r#"{"username":"a","password":"b","host":"c","port":5432}"#,
                "",
            ),
            (
                RdsJson,
                r#"{"username":"a","password":"","host":"c"}"#,
                "password",
            ),
            (RdsJson, r#"{"username":"a","host":"c"}"#, "password"),
            (
                RdsJson,
                r#"{"username":"a","password":7,"host":"c"}"#,
                "password",
            ),
            (RdsJson, "[]", "object"),
        ] {
            let sentence = outcome(format, 1, text);
            assert_eq!(sentence.is_empty(), word.is_empty(), "{text:?}: {sentence}");
            assert!(sentence.contains(word), "{text:?}: {sentence}");
        }
    }

    #[test]
    fn min_bytes_counts_bytes() {
        assert_eq!(outcome(Format::Raw, 4, "éé"), "");
        assert!(outcome(Format::Raw, 5, "éé").contains("min_bytes"));
    }

    #[test]
    fn it_is_never_made_and_a_damaged_current_is_refused() {
        let kind = External {
            format: Format::Json,
            min_bytes: 1,
        };
        let refused = kind.create(&Material::default(), &mut Seeded(1));
        assert!(matches!(refused, Err(RotatorError::Refused(_))));
        let m = with_current(version(Minted {
            value: value("not json"),
            public: Public::new(),
        }));
        assert!(now(kind.preflight(&m)).is_err());
        assert_eq!(now(kind.probe(Which::Current, &m)), Probe::Rejected);
        assert!(now(kind.preflight(&Material::default())).is_ok());
    }
}
