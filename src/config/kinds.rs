//! What only one kind of secret has.

use super::model::{
    Algorithm, DatabaseFormat, Encoding, External, ExternalFormat, Jwt, JwtFormat, Kind,
    SigningKey, Verifiers,
};
use super::reach::{self, Reach};
use super::read::{Reader, Section, join};
use super::registry::{Lines, SecretFacts};
use super::words::is_url;
use super::{random, target};

use std::path::Path;
use std::time::Duration;

/// Reads the keys of a kind; the word is one of those built in.
pub fn kind(
    reader: &mut Reader<'_>,
    word: &str,
    section: &Section<'_>,
    fallback: bool,
    root: &Path,
) -> Kind {
    match word {
        "postgres" => Kind::Postgres(target::postgres(reader, section, root)),
        "mysql" => Kind::Mysql(target::mysql(reader, section, root)),
        "command" => Kind::Command(target::command(reader, section)),
        "jwt" => Kind::Jwt(jwt(reader, section, fallback, root)),
        "signing-key" => Kind::SigningKey(signing_key(reader, section, fallback)),
        "random" => Kind::Random(random::random(reader, section)),
        _ => Kind::External(external(section)),
    }
}

/// What the rest of keyrota has to know of a kind.
pub fn facts(kind: &Kind) -> SecretFacts {
    SecretFacts {
        word: kind.as_str(),
        fields: fields(kind),
        lines: match kind {
            Kind::Jwt(jwt) if jwt.format == JwtFormat::Pem => Lines::Several,
            Kind::External(External { format, .. }) => match format {
                ExternalFormat::Json | ExternalFormat::RdsJson => Lines::Any,
                ExternalFormat::Raw | ExternalFormat::Url => Lines::One,
            },
            Kind::Postgres(d) | Kind::Mysql(d) if d.format == DatabaseFormat::RdsJson => Lines::Any,
            _ => Lines::One,
        },
        has_public_key: matches!(kind, Kind::Jwt(jwt) if jwt.algorithm.is_asymmetric()),
    }
}

/// The fields a template may name; empty: whatever members the value turns out to have.
fn fields(kind: &Kind) -> &'static [&'static str] {
    match kind {
        Kind::Jwt(_) => &["value", "kid", "fallback"],
        Kind::SigningKey(_) => &["value", "fallback"],
        Kind::Random(_) | Kind::Command(_) => &["value"],
        Kind::Postgres(d) | Kind::Mysql(d) => match d.format {
            DatabaseFormat::Url => URL_FIELDS,
            DatabaseFormat::RdsJson => RDS_FIELDS,
        },
        Kind::External(e) => match e.format {
            ExternalFormat::Raw => &["value"],
            ExternalFormat::Url => URL_FIELDS,
            ExternalFormat::RdsJson => RDS_FIELDS,
            ExternalFormat::Json => &[],
        },
    }
}

pub(super) const URL_FIELDS: &[&str] = &[
    "value", "scheme", "username", "password", "host", "port", "path",
];
pub(super) const RDS_FIELDS: &[&str] = &[
    "value",
    "engine",
    "username",
    "password",
    "host",
    "port",
    "dbname",
    "dbInstanceIdentifier",
];

fn jwt(reader: &mut Reader<'_>, s: &Section<'_>, fallback: bool, root: &Path) -> Jwt {
    let algorithm = match s.text("algorithm") {
        Some("HS256") => Algorithm::Hs256,
        Some("RS256") => Algorithm::Rs256,
        Some("ES256") => Algorithm::Es256,
        _ => Algorithm::EdDsa,
    };
    let symmetric = !algorithm.is_asymmetric();
    let format = match s.text("format") {
        Some("raw") => JwtFormat::Raw,
        Some("jwk") => JwtFormat::Jwk,
        Some(_) => JwtFormat::Pem,
        None if symmetric => JwtFormat::Raw,
        None => JwtFormat::Pem,
    };
    let known = s.get("algorithm").is_some();
    let mut refuse = |key: &str, when: bool, what: &str, help: &str| {
        if known && when && s.get(key).is_some() {
            reader.error(s.spot_of(key), &join(&s.at, key), what, help);
        }
    };
    let alg = algorithm.as_str();
    refuse(
        "format",
        symmetric && format == JwtFormat::Pem,
        "an HS256 key has no PEM form",
        "write format = \"raw\" or \"jwk\"",
    );
    refuse(
        "format",
        !symmetric && format == JwtFormat::Raw,
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
        algorithm != Algorithm::Rs256,
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
    Jwt {
        algorithm,
        format,
        bytes: if symmetric {
            s.count("bytes").unwrap_or(32)
        } else {
            0
        },
        bits: if algorithm == Algorithm::Rs256 {
            bits
        } else {
            0
        },
        token_ttl: s.duration("token_ttl").unwrap_or_default(),
        jwks_max_age: match symmetric {
            true => Duration::ZERO,
            false => s
                .duration("jwks_max_age")
                .unwrap_or(Duration::from_secs(600)),
        },
        jwks_url: url.map(str::to_owned),
        jwks_ca_file: s.text("jwks_ca_file").map(|path| root.join(path)),
        jwks_private: private,
        accept_invalidation: accept,
    }
}

fn signing_key(reader: &mut Reader<'_>, s: &Section<'_>, fallback: bool) -> SigningKey {
    let verifiers = match s.text("verifiers") {
        Some("self") => Verifiers::SelfOnly,
        Some(_) => Verifiers::Fallback,
        None if fallback => Verifiers::Fallback,
        None => Verifiers::SelfOnly,
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
    SigningKey {
        bytes: s.count("bytes").unwrap_or(32),
        encoding: match s.text("encoding") {
            Some("base64") => Encoding::Base64,
            Some("base64url") => Encoding::Base64Url,
            _ => Encoding::Hex,
        },
        prefix: prefix.to_owned(),
        verifiers,
        signature_ttl: s.duration("signature_ttl").unwrap_or_default(),
    }
}

fn external(s: &Section<'_>) -> External {
    let format = match s.text("format") {
        Some("url") => ExternalFormat::Url,
        Some("json") => ExternalFormat::Json,
        Some("rds-json") => ExternalFormat::RdsJson,
        _ => ExternalFormat::Raw,
    };
    External {
        format,
        min_bytes: s.count("min_bytes").unwrap_or(0),
    }
}
