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
        (
            "kty=RSA n:256 e=AQAB d:256 p:128 q:128 dp:128 dq:128 qi:128 kid=a",
            PRIVATE,
            Rs256,
        ),
        (
            "kty=RSA n:256 e=AQAB d:256 p:128 q:128 dp:128 dq:128 qi:128",
            None,
            Rs256,
        ),
        ("kty=RSA n:256 e:3 alg=RS256 use=sig", PUBLIC, Rs256),
        ("kty=EC crv=P-256 x:32 y:32 d:32", PRIVATE, Es256),
        ("kty=OKP crv=Ed25519 x:32 d:32 alg=EdDSA", PRIVATE, EdDsa),
        ("kty=OKP crv=Ed25519 x:32 alg=EdDSA", PUBLIC, EdDsa),
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
            "kty=RSA n:256 e=AQAB d:256 p:128 q:128 dp:128 dq:128 qi:128 alg=PS256",
            PRIVATE,
            Rs256,
            WrongKeyKind,
            "its alg",
        ),
        (
            "kty=RSA n:256 e=AQAB d:256 p:128 q:128 dp:128 dq:128 qi:128 use=enc",
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
            "kty=RSA n:128 e=AQAB d:128 p:64 q:64 dp:64 dq:64 qi:64",
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
