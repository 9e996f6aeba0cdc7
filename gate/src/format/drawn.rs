//! What a value drawn at random never is: a key pair, half of one, or a certificate in any clothes.
//!
//! Whoever knows the public half of a pair could sign with it, were it taken for a symmetric key.

use crate::format::key::Unfit;
use crate::format::{der, encoding};
use crate::problem::Code;

/// Checks that `value` can have been drawn at random. The rotators ask the same of what they adopt.
///
/// # Errors
/// [`Unfit`]: what it is instead.
pub fn drawn(value: &str) -> Result<(), Unfit> {
    if value.chars().any(char::is_control) && !is_pem(value) {
        return Err(Unfit::new(
            Code::WrongFormat,
            "it holds a line break or another control character",
        ));
    }
    let holds_key = is_pem(value) || is_ssh(value) || is_jwk(value);
    if holds_key
        || decoded(value).is_some_and(|bytes| is_pem_bytes(&bytes) || der::is_document(&bytes))
    {
        return Err(Unfit::new(
            Code::WrongKeyKind,
            "it is a private key, a public key or a certificate, and a random value is wanted: \
             who knows the public half could sign with it",
        ));
    }
    Ok(())
}

fn is_pem(value: &str) -> bool {
    is_pem_bytes(value.as_bytes())
}

fn is_pem_bytes(value: &[u8]) -> bool {
    let holds = |marker: &[u8]| {
        let mut windows = value.windows(marker.len());
        windows.any(|window| window.eq_ignore_ascii_case(marker))
    };
    holds(b"-----begin ") || holds(b"-----end ")
}

fn is_ssh(value: &str) -> bool {
    let kinds = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"];
    let mut words = value.split(' ');
    let first = words.next().unwrap_or_default();
    kinds.iter().any(|kind| first.starts_with(kind))
        && words.next().is_some_and(|blob| blob.starts_with("AAAA"))
}

fn is_jwk(value: &str) -> bool {
    value
        .trim_start_matches('"')
        .trim_start()
        .starts_with(['{', '['])
        && ["kty", "keys"].iter().any(|member| value.contains(member))
}

/// The bytes of a value in hex, base64 or base64url.
fn decoded(value: &str) -> Option<Vec<u8>> {
    let bytes = encoding::hex(value).or_else(|_| encoding::base64(value));
    bytes.or_else(|_| encoding::base64url(value)).ok()
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL, HEXLOWER};
    use proptest::prelude::*;

    use super::*;
    use crate::format::testkeys::{self as keys, pem};

    #[test]
    fn a_pair_is_found_in_every_clothing() {
        let ders = [
            ("PUBLIC KEY", keys::ed25519_public()),
            ("PUBLIC KEY", keys::p256_public()),
            ("PUBLIC KEY", keys::rsa_public(256)),
            ("RSA PUBLIC KEY", keys::rsa_pkcs1_public(256)),
            ("PRIVATE KEY", keys::ed25519_private()),
            ("EC PRIVATE KEY", keys::p256_sec1()),
        ];
        for (label, der) in ders {
            let pem = pem(label, &der);
            for text in [
                pem.clone(),
                pem.replace('\n', "\\n"),
                pem.replace('\n', " "),
                pem.replace('\n', ""),
                pem.to_lowercase(),
                BASE64.encode(pem.as_bytes()),
                BASE64.encode(&der),
                BASE64URL.encode(&der),
                HEXLOWER.encode(&der),
            ] {
                assert!(
                    drawn(&text).is_err_and(|unfit| unfit.code == Code::WrongKeyKind),
                    "{text}"
                );
            }
        }
        for text in [
            r#"{"kty":"EC","crv":"P-256"}"#,
            r#"{"keys":[]}"#,
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHo me@host",
            "ecdsa-sha2-nistp256 AAAAE2VjZHNh",
        ] {
            assert!(drawn(text).is_err(), "{text}");
        }
        assert!(drawn("two\nlines").is_err_and(|unfit| unfit.code == Code::WrongFormat));
    }

    proptest! {
        #[test]
        fn what_was_drawn_passes(bytes in prop::collection::vec(any::<u8>(), 16..80)) {
            // The beginning of a SEQUENCE of the right length is not enough.
            let mut like = bytes.clone();
            like[0] = 0x30;
            like[1] = u8::try_from(bytes.len() - 2).unwrap_or(0);
            like[2] = 0x7f;
            for bytes in [bytes, like] {
                prop_assert_eq!(drawn(&BASE64.encode(&bytes)), Ok(()));
                prop_assert_eq!(drawn(&HEXLOWER.encode(&bytes)), Ok(()));
            }
        }
    }
}
