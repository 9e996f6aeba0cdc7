//! `kind = "jwt"` in a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Rotator;
use keyrota_gate::{Algorithm as Alg, Format as Form, KeyForm, KeyPart, Rule};

use super::{Algorithm, Format, Jwt};
use crate::config::keys::{FALLBACK, Key, ORIGIN, TURNS, Ty, WHEN_ABSENT, may, must};
use crate::config::reach::{self, Reach};
use crate::config::read::{Reader, Section, join};
use crate::config::registry::{
    BuildingSecret, KeyFacts, Lines, NOT_TAKEN, PublicSet, ReadingSecret, SecretFacts, SecretKind,
    SecretRead, SecretSettings, Sum,
};
use crate::config::words::is_url;

/// A key that signs JSON web tokens.
pub static KIND: SecretKind = SecretKind {
    word: "jwt",
    keys: &[KEYS, FALLBACK, TURNS, ORIGIN, WHEN_ABSENT],
    read,
};

const KEYS: &[Key] = &[
    must(
        "algorithm",
        Ty::Word(&["HS256", "RS256", "ES256", "EdDSA"]),
        "The alg of its tokens.",
    ),
    may(
        "format",
        Ty::Word(&["pem", "jwk", "raw"]),
        "How the private key is written: pem when absent, raw for HS256.",
    ),
    may(
        "bytes",
        Ty::Count(32, 1024),
        "Length of an HS256 key; 32 when absent.",
    ),
    may(
        "bits",
        Ty::Count(2048, 8192),
        "Length of an RS256 key: 2048 (when absent), 3072, 4096 or 8192.",
    ),
    must("token_ttl", Ty::Duration, "The longest life of a token."),
    may(
        "jwks_max_age",
        Ty::Duration,
        "How long verifiers may keep the public set; 10m when absent.",
    ),
    may(
        "jwks_url",
        Ty::Text,
        "Where verifiers read the public set: settle begins when the kid is seen there.",
    ),
    may(
        "jwks_ca_file",
        Ty::Text,
        "The authorities that may vouch for the server of jwks_url; the system's when absent.",
    ),
    may(
        "jwks_private",
        Ty::Flag,
        "jwks_url may lead to this host or a private network.",
    ),
    may(
        "accept_invalidation",
        Ty::Flag,
        "HS256 without env_fallback: living tokens die at the switch.",
    ),
    may(
        "env_kid",
        Ty::Variable,
        "The variable that shows the key's id.",
    ),
];

/// RFC 7518 §3.2: a key of HS256 has at least the size of its hash.
const HS256_BYTES_MIN: usize = 32;

#[derive(Debug)]
struct Settings {
    algorithm: Algorithm,
    format: Format,
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, around: &ReadingSecret<'_>) -> SecretRead {
    let fallback = around.fallback;
    let algorithm = match s.text("algorithm") {
        Some("HS256") => Alg::Hs256,
        Some("RS256") => Alg::Rs256,
        Some("ES256") => Alg::Es256,
        _ => Alg::EdDsa,
    };
    let symmetric = algorithm == Alg::Hs256;
    let format = match s.text("format") {
        Some("raw") => Format::Raw,
        Some("jwk") => Format::Jwk,
        Some(_) => Format::Pem,
        None if symmetric => Format::Raw,
        None => Format::Pem,
    };
    let known = s.get("algorithm").is_some();
    let mut refuse = |key: &str, when: bool, what: &str, help: &str| {
        if known && when && s.get(key).is_some() {
            reader.error(s.spot_of(key), &join(&s.at, key), what, help);
        }
    };
    let alg = s.text("algorithm").unwrap_or_default();
    refuse(
        "format",
        symmetric && format == Format::Pem,
        "an HS256 key has no PEM form",
        "write format = \"raw\" or \"jwk\"",
    );
    refuse(
        "format",
        !symmetric && format == Format::Raw,
        &format!("an {alg} key has no raw form"),
        "write format = \"pem\" or \"jwk\"",
    );
    refuse(
        "bytes",
        !symmetric,
        &format!("does not apply to {alg}"),
        "remove it; bytes is for HS256",
    );
    refuse(
        "bits",
        algorithm != Alg::Rs256,
        &format!("does not apply to {alg}"),
        "remove it; bits is for RS256",
    );
    for key in ["jwks_url", "jwks_ca_file", "jwks_private", "jwks_max_age"] {
        refuse(
            key,
            symmetric,
            "an HS256 key is never published",
            "remove it; verifiers read env and env_fallback",
        );
    }
    refuse(
        "accept_invalidation",
        !symmetric,
        &format!("does not apply to {alg}: its verifiers learn of both keys"),
        "remove it",
    );
    let bits = s.count("bits").unwrap_or(2048);
    refuse(
        "bits",
        ![2048, 3072, 4096, 8192].contains(&bits),
        "is not a usual key size",
        "write 2048, 3072, 4096 or 8192",
    );
    let url = s.text("jwks_url");
    refuse(
        "jwks_url",
        url.is_some_and(|u| !is_url(u)),
        "has to be an https URL",
        "write https://host/path; http only for localhost",
    );
    let private = s.flag("jwks_private").unwrap_or(false);
    let reach = url.filter(|u| is_url(u)).and_then(reach::of_url);
    refuse(
        "jwks_url",
        reach == Some(Reach::Never),
        "leads to a link-local address or a metadata service",
        "write the address that verifiers read",
    );
    refuse(
        "jwks_url",
        reach == Some(Reach::Private) && !private,
        "leads to this host or a private network",
        "add jwks_private = true if verifiers read the set there",
    );
    for key in ["jwks_ca_file", "jwks_private"] {
        refuse(
            key,
            url.is_none(),
            "says nothing without jwks_url",
            "add jwks_url, or remove it",
        );
    }
    let accept = s.flag("accept_invalidation").unwrap_or(false);
    refuse(
        "accept_invalidation",
        symmetric && accept && fallback,
        "contradicts env_fallback",
        "remove one of the two: with a fallback nothing is invalidated",
    );
    if known && symmetric && !accept && !fallback && !reader.broken {
        let help =
            "add env_fallback = \"NAME\" (verifiers accept both), or accept_invalidation = true";
        reader.error(
            s.spot,
            &s.at,
            "living HS256 tokens would be refused at each switch",
            help,
        );
    }
    let max_age = match symmetric {
        true => Duration::ZERO,
        false => s
            .duration("jwks_max_age")
            .unwrap_or(Duration::from_secs(600)),
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
        grace: match accept {
            true => Sum::REFRESH,
            false => Sum {
                words: "token_ttl + refresh + skew",
                fixed: s.duration("token_ttl").unwrap_or_default(),
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
        published: url.map(|url| PublicSet {
            url: url.to_owned(),
            ca_file: s.text("jwks_ca_file").map(|path| around.root.join(path)),
            private,
        }),
        published_max_age: max_age,
        ..SecretFacts::new(&["value", "kid", "fallback"], rule(algorithm, format))
    };
    let bytes = s.count("bytes").unwrap_or(32) as usize;
    let bits = bits as usize;
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
