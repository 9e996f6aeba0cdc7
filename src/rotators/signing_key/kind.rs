//! `kind = "signing-key"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Rotator;
use keyrota_gate::{Format as Form, Rule};

use super::{Encoding, Origin, SigningKey};
use crate::config::keys::{FALLBACK, Key, ORIGIN, TURNS, Ty, WHEN_ABSENT, may};
use crate::config::read::{Reader, Section, join};
use crate::config::registry::{
    BuildingSecret, NOT_TAKEN, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
    Sum,
};

/// A symmetric key that signs anything but tokens.
pub static KIND: SecretKind = SecretKind {
    word: "signing-key",
    keys: &[KEYS, FALLBACK, TURNS, ORIGIN, WHEN_ABSENT],
    read,
};

const KEYS: &[Key] = &[
    may(
        "bytes",
        Ty::Count(16, 1024),
        "Random bytes before encoding; 32 when absent.",
    ),
    may(
        "encoding",
        Ty::Word(&["hex", "base64", "base64url"]),
        "How they are written; hex when absent.",
    ),
    may("prefix", Ty::Text, "Fixed text before them."),
    may(
        "verifiers",
        Ty::Word(&["fallback", "self"]),
        "Who checks: readers of env and env_fallback, or the signer itself.",
    ),
    may(
        "signature_ttl",
        Ty::Duration,
        "How long a signature may still be presented; 0s when absent.",
    ),
];

/// The length of an imported key's text after its prefix: 128 bits, if every byte of it were random.
const IMPORTED_BYTES_MIN: usize = 16;

#[derive(Debug)]
struct Settings {
    origin: Origin,
    prefix: String,
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, around: &ReadingSecret<'_>) -> SecretRead {
    let fallback = around.fallback;
    let with_fallback = match s.text("verifiers") {
        Some("self") => false,
        Some(_) => true,
        None => fallback,
    };
    if !fallback && !reader.broken {
        match s.text("verifiers") {
            Some("self") => {
                let what =
                    "what was signed before a turn is refused after it: there is no env_fallback";
                reader.warn(
                    s.spot,
                    &s.at,
                    what,
                    "add env_fallback = \"NAME\", unless nothing signed outlives a restart",
                );
            }
            None if s.has("verifiers") => {}
            Some(_) => reader.error(
                s.spot_of("verifiers"),
                &join(&s.at, "verifiers"),
                "readers have no fallback to accept",
                "add env_fallback = \"NAME\"",
            ),
            None => {
                let help = "add env_fallback = \"NAME\" (readers accept both), or verifiers = \"self\" (one process signs and verifies)";
                reader.error(
                    s.spot,
                    &s.at,
                    "who verifies? neither env_fallback nor verifiers is there",
                    help,
                );
            }
        }
    }
    let prefix = s.text("prefix").unwrap_or_default();
    if prefix.len() > 64
        || prefix
            .bytes()
            .any(|b| !b.is_ascii_graphic() || b"\"'\\`$".contains(&b))
    {
        let help = "use up to 64 visible ASCII characters without quotes, backslash and $";
        reader.error(
            s.spot_of("prefix"),
            &join(&s.at, "prefix"),
            "is not a good prefix",
            help,
        );
    }
    let bytes = s.count("bytes").unwrap_or(32) as usize;
    let (encoding, form) = match s.text("encoding") {
        Some("base64") => (Encoding::Base64, Form::Base64),
        Some("base64url") => (Encoding::Base64Url, Form::Base64Url),
        _ => (Encoding::Hex, Form::Hex),
    };
    let rule = Rule {
        prefix: Some(prefix.to_owned()).filter(|p| !p.is_empty()),
        // How its issuer writes an imported key is the issuer's business.
        format: (!around.imported).then_some(form),
        min_bytes: Some(match around.imported {
            true => IMPORTED_BYTES_MIN,
            false => bytes,
        }),
        random: true,
        ..Rule::new("")
    };
    let facts = SecretFacts {
        announce: with_fallback,
        settle: match with_fallback {
            true => vec![Sum::REFRESH_AND_SKEW],
            false => Vec::new(),
        },
        grace: Sum {
            words: "signature_ttl + refresh + skew",
            fixed: s.duration("signature_ttl").unwrap_or_default(),
            ..Sum::REFRESH_AND_SKEW
        },
        ..SecretFacts::new(&["value", "fallback"], rule)
    };
    let settings = Settings {
        origin: match around.imported {
            true => Origin::Imported,
            false => Origin::Generated { bytes, encoding },
        },
        prefix: prefix.to_owned(),
    };
    SecretRead {
        facts,
        settings: Arc::new(settings),
    }
}

impl SecretSettings for Settings {
    fn build(&self, _: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        let key = SigningKey::new(self.origin, self.prefix.clone());
        Ok(Box::new(key.ok_or(NOT_TAKEN)?))
    }

    fn setup(&self, _: bool) -> Vec<String> {
        Vec::new()
    }
}
