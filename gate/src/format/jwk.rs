//! One key as a JWK (RFC 7517, RFC 7518 §6, RFC 8037).

use serde_json::{Map, Value};

use crate::format::der::bits;
use crate::format::encoding::base64url;
use crate::format::key::{Kind, serves, wrong_part};
use crate::format::scalar;
use crate::problem::{Code, Fault};
use crate::rule::{Algorithm, KeyPart};

pub(crate) fn check(
    value: &str,
    part: Option<KeyPart>,
    algorithm: Option<Algorithm>,
) -> Result<(), Fault> {
    if value.contains("-----BEGIN ") {
        return Err(Fault::format("it is PEM, and a JWK is wanted"));
    }
    let Value::Object(jwk) = scalar::parse(value)? else {
        return Err(Fault::format("it is not a JWK: it must be a JSON object"));
    };
    if jwk.contains_key("keys") {
        return Err(Fault::format(
            "it is a set of keys: set one of them, the JWK alone",
        ));
    }
    let shape = shape(&jwk)?;
    let secret = jwk.contains_key(shape.secret);
    match part {
        Some(KeyPart::Private) if !secret && shape.public.is_empty() => {
            return Err(lacking(&[shape.secret]));
        }
        Some(KeyPart::Private) if !secret => return Err(wrong_part(KeyPart::Private)),
        Some(KeyPart::Public) if secret => return Err(wrong_part(KeyPart::Public)),
        _ => {}
    }
    // The other primes and exponents may all be absent, but not some of them (RFC 7518 §6.3.2).
    let primes = if shape.extra.iter().any(|name| jwk.contains_key(*name)) {
        shape.extra
    } else {
        &[]
    };
    let own: &[&str] = if secret || shape.public.is_empty() {
        &[shape.secret]
    } else {
        &[]
    };
    let names = [shape.public, own, primes].concat();
    let lacks: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !jwk.contains_key(*name))
        .collect();
    if !lacks.is_empty() {
        return Err(lacking(&lacks));
    }
    let mut length_bits = 0;
    for name in names {
        let bytes = member(&jwk, name)?;
        if shape
            .member_bytes
            .is_some_and(|length| bytes.len() != length)
        {
            return Err(Fault::new(
                Code::HalfKey,
                format!("its member {name} has the wrong length: it was cut or joined"),
            ));
        }
        // The modulus of an RSA key, the whole of a symmetric one.
        match name {
            "n" => length_bits = bits(&bytes),
            "k" => length_bits = bytes.len() * 8,
            _ => {}
        }
    }
    let kind = match shape.kind {
        Kind::Rsa { .. } => Kind::Rsa { bits: length_bits },
        Kind::Symmetric { .. } => Kind::Symmetric { bits: length_bits },
        kind => kind,
    };
    serves(kind, algorithm)?;
    check_purpose(&jwk, algorithm)
}

/// The key id that a JWK states; `None` for anything else.
pub(crate) fn kid(value: &str) -> Option<String> {
    // Most keys are PEM: not worth a JSON parser.
    if !value.trim_start().starts_with('{') {
        return None;
    }
    let document: Value = serde_json::from_str(value).ok()?;
    document.get("kid")?.as_str().map(str::to_owned)
}

/// Which members a kind of key has.
struct Shape {
    kind: Kind,
    public: &'static [&'static str],
    secret: &'static str,
    extra: &'static [&'static str],
    /// The length of every member, where the curve fixes it.
    member_bytes: Option<usize>,
}

fn shape(jwk: &Map<String, Value>) -> Result<Shape, Fault> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let curved = |kind, public, member_bytes| Shape {
        kind,
        public,
        secret: "d",
        extra: &[],
        member_bytes,
    };
    Ok(match (text("kty"), text("crv")) {
        (Some("oct"), _) => Shape {
            kind: Kind::Symmetric { bits: 0 },
            public: &[],
            secret: "k",
            extra: &[],
            member_bytes: None,
        },
        (Some("RSA"), _) => Shape {
            kind: Kind::Rsa { bits: 0 },
            public: &["n", "e"],
            secret: "d",
            extra: &["p", "q", "dp", "dq", "qi"],
            member_bytes: None,
        },
        (Some("EC"), Some("P-256")) => curved(Kind::P256, &["x", "y"], Some(32)),
        (Some("OKP"), Some("Ed25519")) => curved(Kind::Ed25519, &["x"], Some(32)),
        (Some("EC"), Some(_)) => curved(
            Kind::Other("an EC key on another curve than P-256"),
            &["x", "y"],
            None,
        ),
        (Some("OKP"), Some(_)) => curved(
            Kind::Other("a key on another curve than Ed25519"),
            &["x"],
            None,
        ),
        (Some("EC" | "OKP"), None) => return Err(lacking(&["crv"])),
        (Some(_), _) => return Err(Fault::format("its kty must be oct, RSA, EC or OKP")),
        (None, _) => return Err(lacking(&["kty"])),
    })
}

fn member(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Fault> {
    let text = jwk.get(name).and_then(Value::as_str);
    let bytes = text
        .and_then(|text| base64url(text).ok())
        .filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| Fault::format(format!("its member {name} is not base64url")))
}

/// `alg` and `use`, where the key states them, must not contradict what it is wanted for.
fn check_purpose(jwk: &Map<String, Value>, algorithm: Option<Algorithm>) -> Result<(), Fault> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let Some(algorithm) = algorithm else {
        return Ok(());
    };
    let name = algorithm.as_str();
    // RFC 9864 gives EdDSA on this curve its own name.
    let same = |alg: &str| alg == name || algorithm == Algorithm::EdDsa && alg == "Ed25519";
    if text("alg").is_some_and(|alg| !same(alg)) {
        return Err(Fault::new(
            Code::WrongKeyKind,
            format!("its alg is another one than {name}"),
        ));
    }
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return Err(Fault::new(
            Code::WrongKeyKind,
            "its use is not sig: the key is not meant for signatures",
        ));
    }
    Ok(())
}

fn lacking(names: &[&str]) -> Fault {
    Fault::new(Code::HalfKey, format!("the JWK lacks {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use proptest::prelude::*;

    use super::*;
    use crate::format::testkeys::bytes;

    const PRIVATE: Option<KeyPart> = Some(KeyPart::Private);
    const PUBLIC: Option<KeyPart> = Some(KeyPart::Public);

    /// A JWK of words `name=text` or `name:length`, the latter so many bytes.
    fn jwk(members: &str) -> String {
        let member = |word: &str| match word.split_once(':') {
            Some((name, length)) => {
                let count = length.parse().unwrap_or(0);
                format!("\"{name}\":\"{}\"", BASE64URL_NOPAD.encode(&bytes(count)))
            }
            None => format!("\"{}\"", word.replace('=', "\":\"")),
        };
        let members: Vec<String> = members.split_whitespace().map(member).collect();
        format!("{{{}}}", members.join(","))
    }

    #[test]
    fn sound_keys() {
        use Algorithm::{EdDsa, Es256, Hs256, Rs256};
        let cases = [
            ("kty=oct k:32 kid=a", PRIVATE, Hs256),
            ("kty=RSA n:256 e:3 d:256", PRIVATE, Rs256),
            (
                "kty=RSA n:256 e:3 d:256 p:128 q:128 dp:128 dq:128 qi:128",
                None,
                Rs256,
            ),
            ("kty=RSA n:256 e:3 alg=RS256 use=sig", PUBLIC, Rs256),
            ("kty=EC crv=P-256 x:32 y:32 d:32", PRIVATE, Es256),
            ("kty=OKP crv=Ed25519 x:32 d:32 alg=EdDSA", PRIVATE, EdDsa),
            ("kty=OKP crv=Ed25519 x:32 alg=Ed25519", PUBLIC, EdDsa),
        ];
        for (members, part, algorithm) in cases {
            assert_eq!(
                check(&jwk(members), part, Some(algorithm)),
                Ok(()),
                "{members}"
            );
            assert_eq!(check(&jwk(members), None, None), Ok(()), "{members}");
        }
        assert_eq!(
            check(&jwk("kty=EC crv=P-384 x:48 y:48"), PUBLIC, None),
            Ok(())
        );
    }

    #[test]
    fn faults() {
        use Algorithm::{EdDsa, Es256, Hs256, Rs256};
        use Code::{HalfKey, TooShort, WrongFormat, WrongKeyKind};
        let cases = [
            (
                "kty=OKP crv=Ed25519 x:32",
                PRIVATE,
                EdDsa,
                WrongKeyKind,
                "public half",
            ),
            (
                "kty=OKP crv=Ed25519 x:32 d:32",
                PUBLIC,
                EdDsa,
                WrongKeyKind,
                "private key",
            ),
            ("kty=oct k:32", PUBLIC, Hs256, WrongKeyKind, "private key"),
            (
                "kty=oct k:32",
                PRIVATE,
                Es256,
                WrongKeyKind,
                "symmetric key, and ES256",
            ),
            (
                "kty=EC crv=P-384 x:48 y:48 d:48",
                PRIVATE,
                Es256,
                WrongKeyKind,
                "another curve",
            ),
            (
                "kty=OKP crv=X25519 x:32 d:32",
                PRIVATE,
                EdDsa,
                WrongKeyKind,
                "another curve",
            ),
            (
                "kty=RSA n:256 e:3 d:256 alg=PS256",
                PRIVATE,
                Rs256,
                WrongKeyKind,
                "its alg",
            ),
            (
                "kty=RSA n:256 e:3 d:256 use=enc",
                PRIVATE,
                Rs256,
                WrongKeyKind,
                "its use",
            ),
            (
                "kty=EC crv=P-256 x:32 d:32",
                PRIVATE,
                Es256,
                HalfKey,
                "lacks y",
            ),
            (
                "kty=RSA n:256 e:3 d:256 p:128",
                PRIVATE,
                Rs256,
                HalfKey,
                "lacks q, dp, dq, qi",
            ),
            ("kty=oct", PRIVATE, Hs256, HalfKey, "lacks k"),
            ("kty=EC x:32", PRIVATE, Es256, HalfKey, "lacks crv"),
            ("k:32", PRIVATE, Hs256, HalfKey, "lacks kty"),
            (
                "kty=EC crv=P-256 x:32 y:32 d:31",
                PRIVATE,
                Es256,
                HalfKey,
                "member d has the wrong length",
            ),
            (
                "kty=oct k:31",
                PRIVATE,
                Hs256,
                TooShort,
                "at least 256 bits, and this key has 248",
            ),
            (
                "kty=RSA n:128 e:3 d:128",
                PRIVATE,
                Rs256,
                TooShort,
                "at least 2048 bits",
            ),
            (
                "kty=oct k=+/+/",
                PRIVATE,
                Hs256,
                WrongFormat,
                "member k is not base64url",
            ),
            (
                "kty=oct k=",
                PRIVATE,
                Hs256,
                WrongFormat,
                "member k is not base64url",
            ),
            ("kty=AKP k:32", PRIVATE, Hs256, WrongFormat, "kty must be"),
            ("keys=x", PRIVATE, Hs256, WrongFormat, "set of keys"),
        ];
        for (members, part, algorithm, code, says) in cases {
            let fault = check(&jwk(members), part, Some(algorithm)).err();
            let fits = fault
                .as_ref()
                .is_some_and(|fault| fault.code == code && fault.remedy.contains(says));
            assert!(fits, "{members}: {fault:?}");
        }
        for (value, says) in [
            ("-----BEGIN PRIVATE KEY-----", "it is PEM"),
            ("[]", "JSON object"),
            ("{", "too early"),
        ] {
            let fault = check(value, None, None).err();
            assert!(
                fault
                    .as_ref()
                    .is_some_and(|fault| fault.remedy.contains(says)),
                "{value}: {fault:?}"
            );
        }
    }

    #[test]
    fn only_a_jwk_states_its_kid() {
        assert_eq!(kid(&jwk("kty=oct kid=2026-08")), Some("2026-08".into()));
        assert_eq!(kid(&jwk("kty=oct")), None);
        assert_eq!(kid("-----BEGIN PRIVATE KEY-----"), None);
    }

    proptest! {
        #[test]
        fn no_value_is_repeated(canary in "[A-Z]{12}", member in "(k|d|x|alg|use|crv|kid)") {
            let value = format!(r#"{{"kty":"oct","{member}":"{canary}","crv":"{canary}","n":1}}"#);
            for algorithm in [None, Some(Algorithm::Hs256), Some(Algorithm::EdDsa)] {
                if let Err(fault) = check(&value, None, algorithm) {
                    prop_assert!(!fault.remedy.contains(&canary));
                }
            }
        }
    }
}
