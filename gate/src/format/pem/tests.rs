use proptest::prelude::*;

use super::*;
use crate::format::testkeys::{self as keys, pem};

const PRIVATE: Option<KeyPart> = Some(KeyPart::Private);
const PUBLIC: Option<KeyPart> = Some(KeyPart::Public);

fn code(value: &str, part: Option<KeyPart>, algorithm: Option<Algorithm>) -> Option<Code> {
    check_key(value, part, algorithm)
        .err()
        .map(|fault| fault.code)
}

fn private() -> String {
    pem("PRIVATE KEY", &keys::ed25519_private())
}

#[test]
fn sound_keys() {
    use Algorithm::{EdDsa, Es256, Rs256};
    let cases = [
        (private(), PRIVATE, EdDsa),
        (pem("PUBLIC KEY", &keys::ed25519_public()), PUBLIC, EdDsa),
        (pem("PRIVATE KEY", &keys::p256_private()), PRIVATE, Es256),
        (pem("EC PRIVATE KEY", &keys::p256_sec1()), PRIVATE, Es256),
        (pem("PUBLIC KEY", &keys::p256_public()), None, Es256),
        (pem("PRIVATE KEY", &keys::rsa_private(256)), None, Rs256),
        (
            pem("RSA PRIVATE KEY", &keys::rsa_pkcs1_private(256)),
            PRIVATE,
            Rs256,
        ),
        (
            pem("RSA PUBLIC KEY", &keys::rsa_pkcs1_public(512)),
            PUBLIC,
            Rs256,
        ),
    ];
    for (value, part, algorithm) in cases {
        assert_eq!(
            check_key(&value, part, Some(algorithm)),
            Ok(()),
            "{algorithm:?} {part:?}"
        );
        assert_eq!(
            check_key(&value.replace('\n', "\r\n"), part, None),
            Ok(()),
            "{algorithm:?} with CRLF"
        );
        assert_eq!(
            check_key(value.trim(), part, None),
            Ok(()),
            "{algorithm:?} without the last line break"
        );
    }
    let parameters = pem(
        "EC PARAMETERS",
        &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
    );
    let with_parameters = parameters + &pem("EC PRIVATE KEY", &keys::p256_sec1());
    assert_eq!(check_key(&with_parameters, PRIVATE, Some(Es256)), Ok(()));
}

#[test]
fn the_wrong_kind() {
    use Algorithm::{EdDsa, Es256, Hs256, Rs256};
    let wrong = Some(Code::WrongKeyKind);
    let public = pem("PUBLIC KEY", &keys::ed25519_public());
    let certificate = pem("CERTIFICATE", &keys::p256_public());
    assert_eq!(code(&public, PRIVATE, None), wrong);
    assert_eq!(code(&private(), PUBLIC, None), wrong);
    assert_eq!(code(&(public + &private()), PUBLIC, None), wrong);
    assert_eq!(code(&certificate, PUBLIC, None), wrong);
    assert_eq!(code(&private(), PRIVATE, Some(Es256)), wrong);
    assert_eq!(code(&private(), PRIVATE, Some(Hs256)), wrong);
    assert_eq!(
        code(
            &pem("PRIVATE KEY", &keys::p256_private()),
            PRIVATE,
            Some(EdDsa)
        ),
        wrong
    );
    assert_eq!(
        code(
            &pem("PRIVATE KEY", &keys::p256_private()),
            PRIVATE,
            Some(Rs256)
        ),
        wrong
    );
    assert_eq!(
        code(&pem("ENCRYPTED PRIVATE KEY", &[0x30, 0]), PRIVATE, None),
        wrong
    );
    assert_eq!(
        code(&pem("OPENSSH PRIVATE KEY", &[0x30, 0]), PRIVATE, None),
        wrong
    );
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----";
    assert_eq!(code(legacy, PRIVATE, None), wrong);
    let small = pem("PRIVATE KEY", &keys::rsa_private(128));
    assert_eq!(code(&small, PRIVATE, Some(Rs256)), Some(Code::TooShort));
}

#[test]
fn halves() {
    let whole = private();
    let body = whole.lines().nth(1).unwrap_or_default();
    let half = Some(Code::HalfKey);
    assert_eq!(
        code(
            &whole.replace("-----END PRIVATE KEY-----", ""),
            PRIVATE,
            None
        ),
        half
    );
    assert_eq!(
        code(
            &whole.replace("-----BEGIN PRIVATE KEY-----", ""),
            PRIVATE,
            None
        ),
        half
    );
    assert_eq!(
        code(&whole.replace("END PRIVATE", "END PUBLIC"), PRIVATE, None),
        half
    );
    assert_eq!(code(&whole.replace(&body[24..], ""), PRIVATE, None), half);
    assert_eq!(code(&whole.replace(body, ""), PRIVATE, None), half);
    assert_eq!(code("-----BEGIN PRIVATE KEY-----", PRIVATE, None), half);
    assert_eq!(code("-----BEGIN PRIV", PRIVATE, None), half);
}

#[test]
fn broken_lines() {
    let says = |value: &str, part: &str| {
        let fault = check_key(value, PRIVATE, None).err();
        assert!(
            fault
                .as_ref()
                .is_some_and(|fault| fault.code == Code::WrongFormat && fault.why.contains(part)),
            "{fault:?}"
        );
    };
    says(&private().replace('\n', "\\n"), "two characters \\n");
    says(&private().replace('\n', " "), "line breaks were lost");
    says(&private().replace('\n', ""), "line breaks were lost");
    says("{\"kty\":\"OKP\"}", "it is JSON");
    says("hR4mZk9wQ1", "no BEGIN line");
    says(&private().replace('M', "!"), "not base64");
    says(&pem("PRIVATE KEY", &keys::ed25519_public()), "damaged");
}

#[test]
fn certificates() {
    let chain = pem("CERTIFICATE", &[0x30, 2, 5, 0]).repeat(2);
    assert_eq!(check_certificates(&chain), Ok(()));
    let codes = |value: &str| check_certificates(value).err().map(|fault| fault.code);
    assert_eq!(
        codes(&(chain.clone() + &private())),
        Some(Code::WrongKeyKind)
    );
    assert_eq!(
        codes(&pem("PUBLIC KEY", &keys::p256_public())),
        Some(Code::WrongKeyKind)
    );
    let short = chain + &pem("CERTIFICATE", &[0x30, 3, 5, 0]);
    let fault = check_certificates(&short)
        .err()
        .map(|fault| (fault.code, fault.remedy));
    let remedy =
        "PEM block 3: the PEM block is cut short: it announces more bytes than it has".to_owned();
    assert_eq!(fault, Some((Code::HalfKey, remedy)));
}

proptest! {
    #[test]
    fn nothing_panics(value in "(-----(BEGIN|END) (PRIVATE|PUBLIC) KEY-----|[A-Za-z=\n\\\\ -]{0,12}){0,6}") {
        let _ = check_key(&value, None, None);
        let _ = check_certificates(&value);
    }

    #[test]
    fn no_cut_key_passes(from in 0usize..118, to in 0usize..118) {
        let whole = private();
        let cut = &whole[from.min(to)..from.max(to)];
        prop_assert!(check_key(cut, None, None).is_err());
    }
}
