//! `kind = "jwt"` in a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Rotator;
use keyrota_gate::{Algorithm as Alg, Format as Form, KeyForm, KeyPart, Rule};

use super::{Algorithm, Format, Jwt};
use crate::config::keys::{FALLBACK, KID, ORIGIN, TURNS, WHEN_ABSENT};
use crate::config::reach::{self, Reach};
use crate::config::read::{Count, Field, Reader, Section};
use crate::config::registry::{
    BuildingSecret, KeyFacts, Lines, NOT_TAKEN, PublicSet, ReadingSecret, SecretFacts, SecretKind,
    SecretRead, SecretSettings, Sum,
};
use crate::config::words::is_url;
use crate::{table, words};

/// A key that signs JSON web tokens.
pub static KIND: SecretKind = SecretKind {
    word: "jwt",
    keys: &[Keys::KEYS, KID, FALLBACK, TURNS, ORIGIN, WHEN_ABSENT],
    read,
};

table! {
    struct Keys<'t> {
        /// The alg of its tokens.
        required algorithm: Alg,
        /// How the private key is written. Default: pem; raw for HS256.
        optional format: Format,
        /// Length of an HS256 key.
        default("32") bytes: Count<32, 1024>,
        /// Length of an RS256 key: 2048, 3072, 4096 or 8192.
        default("2048") bits: Count<2048, 8192>,
        /// The longest life of a token.
        required token_ttl: Duration,
        /// How long verifiers may keep the public set.
        default("10m") jwks_max_age: Duration,
        /// Where verifiers read the public set: settle begins when the kid is seen there.
        optional jwks_url: &'t str,
        /// The authorities that may vouch for the server of jwks_url; the system's when absent.
        optional jwks_ca_file: &'t str,
        /// jwks_url may lead to this host or a private network.
        default("false") jwks_private: bool,
        /// HS256 without env_fallback: tokens in use are rejected after the switch.
        default("false") accept_invalidation: bool,
    }
}

words!(Alg {
    "HS256" => Self::Hs256,
    "RS256" => Self::Rs256,
    "ES256" => Self::Es256,
    "EdDSA" => Self::EdDsa,
});

words!(Format {
    "pem" => Self::Pem,
    "jwk" => Self::Jwk,
    "raw" => Self::Raw,
});

/// RFC 7518 §3.2: a key of HS256 has at least the size of its hash.
const HS256_BYTES_MIN: usize = 32;

#[derive(Debug)]
struct Settings {
    algorithm: Algorithm,
    format: Format,
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, around: &ReadingSecret<'_>) -> SecretRead {
    let keys = Keys::read(s);
    let fallback = around.fallback;
    let algorithm = *keys.algorithm;
    let symmetric = algorithm == Alg::Hs256;
    let format = keys.format.unwrap_or(match symmetric {
        true => Format::Raw,
        false => Format::Pem,
    });
    if keys.algorithm.is_stated {
        check(reader, s, &keys, format, fallback);
    }
    let max_age = match symmetric {
        true => Duration::ZERO,
        false => *keys.jwks_max_age,
    };
    let published = Sum {
        words: "jwks_max_age + skew",
        fixed: max_age,
        skew: true,
        ..Sum::ZERO
    };
    let facts = SecretFacts {
        lines: match format {
            Format::Pem => Lines::Several,
            Format::Jwk | Format::Raw => Lines::One,
        },
        announce: !symmetric || fallback,
        settle: match (symmetric, fallback) {
            (false, true) => vec![published, Sum::REFRESH_AND_SKEW],
            (false, false) => vec![published],
            (true, _) => vec![Sum::REFRESH_AND_SKEW],
        },
        grace: match *keys.accept_invalidation {
            true => Sum::REFRESH,
            false => Sum {
                words: "token_ttl + refresh + skew",
                fixed: *keys.token_ttl,
                ..Sum::REFRESH_AND_SKEW
            },
        },
        key: Some(KeyFacts {
            is_asymmetric: !symmetric,
            form: match format {
                Format::Pem => Some(KeyForm::Pem),
                Format::Jwk => Some(KeyForm::Jwk),
                Format::Raw => None,
            },
        }),
        published: keys.jwks_url.map(|url| PublicSet {
            url: url.to_owned(),
            ca_file: keys.jwks_ca_file.map(|path| around.root.join(path)),
            private: *keys.jwks_private,
        }),
        published_max_age: max_age,
        ..SecretFacts::new(&["value", "kid", "fallback"], rule(algorithm, format))
    };
    let (bytes, bits) = (keys.bytes.length(), keys.bits.length());
    let settings = Settings {
        algorithm: match algorithm {
            Alg::Hs256 => Algorithm::Hs256 { bytes },
            Alg::Rs256 => Algorithm::Rs256 { bits },
            Alg::Es256 => Algorithm::Es256,
            Alg::EdDsa => Algorithm::EdDsa,
        },
        format,
    };
    SecretRead {
        facts,
        settings: Arc::new(settings),
    }
}

/// What does not go together.
fn check(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    keys: &Keys<'_>,
    format: Format,
    fallback: bool,
) {
    fn refuse<T>(reader: &mut Reader<'_>, field: &Field<T>, when: bool, what: &str, help: &str) {
        if when && field.is_stated {
            reader.refuse(field, what, help);
        }
    }
    let symmetric = *keys.algorithm == Alg::Hs256;
    let alg = match *keys.algorithm {
        Alg::Hs256 => "HS256",
        Alg::Rs256 => "RS256",
        Alg::Es256 => "ES256",
        Alg::EdDsa => "EdDSA",
    };
    let (what, help) = match symmetric {
        true => (
            "an HS256 key has no PEM form".to_owned(),
            "write format = \"raw\" or \"jwk\"",
        ),
        false => (
            format!("an {alg} key has no raw form"),
            "write format = \"pem\" or \"jwk\"",
        ),
    };
    let wrong = match symmetric {
        true => Format::Pem,
        false => Format::Raw,
    };
    refuse(reader, &keys.format, format == wrong, &what, help);
    let what = format!("does not apply to {alg}");
    let help = "remove it; bytes is for HS256";
    refuse(reader, &keys.bytes, !symmetric, &what, help);
    let help = "remove it; bits is for RS256";
    refuse(
        reader,
        &keys.bits,
        *keys.algorithm != Alg::Rs256,
        &what,
        help,
    );
    let usual = [2048, 3072, 4096, 8192].contains(&keys.bits.0);
    let help = "write 2048, 3072, 4096 or 8192";
    refuse(reader, &keys.bits, !usual, "is not a usual key size", help);
    let what = "an HS256 key is never published";
    let help = "remove it; verifiers read env and env_fallback";
    refuse(reader, &keys.jwks_url, symmetric, what, help);
    refuse(reader, &keys.jwks_ca_file, symmetric, what, help);
    refuse(reader, &keys.jwks_private, symmetric, what, help);
    refuse(reader, &keys.jwks_max_age, symmetric, what, help);
    public_set(reader, keys);
    let accept = *keys.accept_invalidation;
    let what = format!("does not apply to {alg}: its verifiers learn of both keys");
    refuse(
        reader,
        &keys.accept_invalidation,
        !symmetric,
        &what,
        "remove it",
    );
    let what = "contradicts env_fallback";
    let help = "remove one of the two: with a fallback nothing is invalidated";
    let contradicts = symmetric && accept && fallback;
    refuse(reader, &keys.accept_invalidation, contradicts, what, help);
    if symmetric && !accept && !fallback && !reader.broken {
        let help =
            "add env_fallback = \"NAME\" (verifiers accept both), or accept_invalidation = true";
        reader.error(
            s.spot,
            &s.at,
            "tokens signed with the old key would be rejected at each rotation",
            help,
        );
    }
}

/// Where verifiers read the public set.
fn public_set(reader: &mut Reader<'_>, keys: &Keys<'_>) {
    let Some(url) = *keys.jwks_url else {
        let (what, help) = (
            "says nothing without jwks_url",
            "add jwks_url, or remove it",
        );
        if keys.jwks_ca_file.is_stated {
            reader.refuse(&keys.jwks_ca_file, what, help);
        }
        if keys.jwks_private.is_stated {
            reader.refuse(&keys.jwks_private, what, help);
        }
        return;
    };
    let (what, help) = match is_url(url).then(|| reach::of_url(url)) {
        None => (
            "has to be an https URL",
            "write https://host/path; http only for localhost",
        ),
        Some(Some(Reach::Never)) => (
            "leads to a link-local address or a metadata service",
            "write the address that verifiers read",
        ),
        Some(Some(Reach::Private)) if !*keys.jwks_private => (
            "leads to this host or a private network",
            "add jwks_private = true if verifiers read the set there",
        ),
        Some(_) => return,
    };
    reader.refuse(&keys.jwks_url, what, help);
}

fn rule(algorithm: Alg, format: Format) -> Rule {
    let part = Some(KeyPart::Private);
    let algorithm = Some(algorithm);
    let any = Rule::new("");
    match format {
        Format::Pem => Rule {
            format: Some(Form::Pem { part, algorithm }),
            ..any
        },
        Format::Jwk => Rule {
            format: Some(Form::Jwk { part, algorithm }),
            ..any
        },
        Format::Raw => Rule {
            min_bytes: Some(HS256_BYTES_MIN),
            random: true,
            ..any
        },
    }
}

impl SecretSettings for Settings {
    fn build(&self, _: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        let jwt = Jwt::new(self.algorithm, self.format).map_err(|_| NOT_TAKEN)?;
        Ok(Box::new(jwt))
    }

    fn setup(&self, _: bool) -> Vec<String> {
        Vec::new()
    }
}
