//! Keys and certificates as PEM (RFC 7468), and the ways in which an environment breaks them.

use crate::format::der::{self, Broken};
use crate::format::encoding;
use crate::format::key::{Kind, serves, wrong_part};
use crate::problem::{Code, Fault};
use crate::rule::{Algorithm, KeyPart};

/// A key, which may stand beside its certificates or the parameters of its curve.
pub(crate) fn check_key(
    value: &str,
    part: Option<KeyPart>,
    algorithm: Option<Algorithm>,
) -> Result<(), Fault> {
    if algorithm == Some(Algorithm::Hs256) {
        return Err(wrong_kind(
            "HS256 needs a symmetric key, which has no PEM form",
        ));
    }
    let blocks = blocks(value)?;
    let holds = |wanted: KeyPart| blocks.iter().find(|block| block.part() == Some(wanted));
    let (private, public) = (holds(KeyPart::Private), holds(KeyPart::Public));
    let block = match (part, private, public) {
        (Some(KeyPart::Public), Some(_), _) => return Err(wrong_part(KeyPart::Public)),
        (Some(KeyPart::Private), None, Some(_)) => return Err(wrong_part(KeyPart::Private)),
        (_, Some(block), _) | (_, None, Some(block)) => block,
        (_, None, None) => {
            return Err(wrong_kind(
                "it holds no key, only certificates or other blocks",
            ));
        }
    };
    serves(block.kind()?, algorithm)
}

/// One or more certificates; private keys beside them are refused.
pub(crate) fn check_certificates(value: &str) -> Result<(), Fault> {
    let blocks = blocks(value)?;
    if blocks
        .iter()
        .any(|block| block.part() == Some(KeyPart::Private))
    {
        return Err(wrong_kind(
            "a private key stands beside the certificates, and must not be here",
        ));
    }
    for block in &blocks {
        if block.label != "CERTIFICATE" {
            return Err(wrong_kind("it holds something other than certificates"));
        }
        der::sequence(&block.der).map_err(|broken| block.broken(broken))?;
    }
    Ok(())
}

struct Block<'v> {
    label: &'v str,
    /// From 1, to tell which of several is broken.
    number: usize,
    encrypted: bool,
    der: Vec<u8>,
}

impl Block<'_> {
    fn part(&self) -> Option<KeyPart> {
        match self.label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Some(KeyPart::Public),
            label if label.ends_with("PRIVATE KEY") => Some(KeyPart::Private),
            _ => None,
        }
    }

    fn kind(&self) -> Result<Kind, Fault> {
        if self.encrypted || self.label == "ENCRYPTED PRIVATE KEY" {
            return Err(wrong_kind(
                "the key is encrypted with a passphrase: decrypt it (openssl pkey) before it is set",
            ));
        }
        let read = match self.label {
            "PRIVATE KEY" => der::pkcs8,
            "PUBLIC KEY" => der::spki,
            "RSA PRIVATE KEY" => der::pkcs1_private,
            "RSA PUBLIC KEY" => der::pkcs1_public,
            "EC PRIVATE KEY" => der::sec1,
            "OPENSSH PRIVATE KEY" => {
                return Err(wrong_kind(
                    "the key is in OpenSSH's own form: convert it (ssh-keygen -p -m PKCS8)",
                ));
            }
            _ => {
                return Err(wrong_kind(
                    "it is a private key of an unknown form: convert it to PKCS #8 (openssl pkey)",
                ));
            }
        };
        read(&self.der).map_err(|broken| self.broken(broken))
    }

    fn broken(&self, broken: Broken) -> Fault {
        let number = self.number;
        match broken {
            Broken::Short => half(format!(
                "PEM block {number} is cut short: it announces more bytes than it has"
            )),
            Broken::Damaged => Fault::format(format!(
                "PEM block {number} is damaged: its content is not what its label says"
            )),
        }
    }
}

/// All blocks of the value; text before and between them is allowed, as RFC 7468 §2 has it.
fn blocks(value: &str) -> Result<Vec<Block<'_>>, Fault> {
    if value.contains("-----") && value.contains("\\n") {
        let remedy = "it holds the two characters \\n where line breaks belong: set it with real line breaks";
        return Err(Fault::format(remedy));
    }
    let mut blocks = Vec::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("-----BEGIN ") {
        no_end_in(before)?;
        let (block, after) = block(after, blocks.len() + 1)?;
        blocks.push(block);
        rest = after;
    }
    no_end_in(rest)?;
    if blocks.is_empty() {
        return Err(Fault::format(match value.trim_start().starts_with('{') {
            true => "it is JSON, and a key as PEM is wanted",
            false => "it is not PEM: there is no BEGIN line",
        }));
    }
    Ok(blocks)
}

fn no_end_in(text: &str) -> Result<(), Fault> {
    if text.contains("-----END ") {
        return Err(half(
            "it has an END line without a BEGIN line: the first part is missing",
        ));
    }
    Ok(())
}

/// The block whose label `text` begins with, and what follows it.
fn block(text: &str, number: usize) -> Result<(Block<'_>, &str), Fault> {
    let cut = || {
        half(format!(
            "PEM block {number} has a BEGIN line without an END line: the last part is missing"
        ))
    };
    let (label, text) = text.split_once("-----").ok_or_else(cut)?;
    let (body, after) = text.split_once("-----END ").ok_or_else(cut)?;
    if body.contains("-----BEGIN ") {
        return Err(cut());
    }
    let (end, after) = after.split_once("-----").ok_or_else(cut)?;
    if end != label {
        return Err(half(format!(
            "PEM block {number} ends with another label than it begins with: halves of two keys"
        )));
    }
    if !(body.starts_with('\n') || body.starts_with("\r\n")) {
        let remedy =
            "its line breaks were lost: set it with real line breaks, not joined into one line";
        return Err(Fault::format(remedy));
    }
    // Headers (RFC 1421) stand before the first empty line; only encrypted keys have them today.
    let encrypted = body.contains("Proc-Type: 4,ENCRYPTED");
    let text: String = if encrypted {
        String::new()
    } else {
        body.split_whitespace().collect()
    };
    if text.is_empty() && !encrypted {
        return Err(half(format!("PEM block {number} is empty")));
    }
    let damaged = |_| {
        Fault::format(format!(
            "PEM block {number} is damaged: its lines are not base64"
        ))
    };
    let der = encoding::base64(&text).map_err(damaged)?;
    Ok((
        Block {
            label,
            number,
            encrypted,
            der,
        },
        after,
    ))
}

fn half(remedy: impl Into<String>) -> Fault {
    Fault::new(Code::HalfKey, remedy)
}

fn wrong_kind(remedy: &str) -> Fault {
    Fault::new(Code::WrongKeyKind, remedy)
}

#[cfg(test)]
mod tests {
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
                fault.as_ref().is_some_and(
                    |fault| fault.code == Code::WrongFormat && fault.remedy.contains(part)
                ),
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
        let remedy = "PEM block 3 is cut short: it announces more bytes than it has".to_owned();
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
}
