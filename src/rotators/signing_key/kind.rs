//! `kind = "signing-key"` in a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Rotator;
use keyrota_gate::{Format as Form, Rule};

use super::{Encoding, Origin, SigningKey};
use crate::config::keys::{FALLBACK, ORIGIN, TURNS, WHEN_ABSENT};
use crate::config::read::{Count, Reader, Section};
use crate::config::registry::{
    BuildingSecret, NOT_TAKEN, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
    Sum,
};
use crate::{table, words};

/// A symmetric key that signs anything but tokens.
pub static KIND: SecretKind = SecretKind {
    word: "signing-key",
    keys: &[Keys::KEYS, FALLBACK, TURNS, ORIGIN, WHEN_ABSENT],
    read,
};

table! {
    struct Keys<'t> {
        /// Random bytes before encoding.
        default("32") bytes: Count<16, 1024>,
        /// How they are written.
        default("hex") encoding: Encoding,
        /// Fixed text before them.
        optional prefix: &'t str,
        /// Who checks: readers of env and env_fallback, or the signer itself.
        optional verifiers: Verifiers,
        /// How long a signature may still be presented.
        default("0s") signature_ttl: Duration,
    }
}

words!(Encoding {
    "hex" => Self::Hex,
    "base64" => Self::Base64,
    "base64url" => Self::Base64Url,
});

/// Who checks signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verifiers {
    /// Readers that accept the current and the fallback value.
    Fallback,
    /// The one process that also signs.
    Itself,
}

words!(Verifiers {
    "fallback" => Self::Fallback,
    "self" => Self::Itself,
});

/// The length of an imported key's text after its prefix: 128 bits, if every byte of it were random.
const IMPORTED_BYTES_MIN: usize = 16;

#[derive(Debug)]
struct Settings {
    origin: Origin,
    prefix: String,
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, around: &ReadingSecret<'_>) -> SecretRead {
    let keys = Keys::read(s);
    let fallback = around.fallback;
    let with_fallback = match *keys.verifiers {
        Some(verifiers) => verifiers == Verifiers::Fallback,
        None => fallback,
    };
    if !fallback && !reader.broken {
        match *keys.verifiers {
            Some(Verifiers::Itself) => reader.warn(
                s.spot,
                &s.at,
                "signatures from before a rotation are rejected after it: there is no env_fallback",
                "add env_fallback = \"NAME\", unless nothing signed outlives a restart",
            ),
            Some(Verifiers::Fallback) => reader.refuse(
                &keys.verifiers,
                "readers have no fallback to accept",
                "add env_fallback = \"NAME\"",
            ),
            None if keys.verifiers.is_there => {}
            None => {
                let help = "add env_fallback = \"NAME\" (readers accept both), or verifiers = \"self\" (one process signs and verifies)";
                reader.error(
                    s.spot,
                    &s.at,
                    "set env_fallback or verifiers: keyrota must know who verifies",
                    help,
                );
            }
        }
    }
    let prefix = keys.prefix.unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"\"'\\`$".contains(&b);
    if prefix.len() > 64 || !prefix.bytes().all(is_plain) {
        let help = "use up to 64 visible ASCII characters without quotes, backslash and $";
        reader.refuse(&keys.prefix, "is not a good prefix", help);
    }
    let bytes = keys.bytes.length();
    let encoding = *keys.encoding;
    let form = match encoding {
        Encoding::Hex => Form::Hex,
        Encoding::Base64 => Form::Base64,
        Encoding::Base64Url => Form::Base64Url,
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
            fixed: *keys.signature_ttl,
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
