//! The one reader of private keys: the gate, `import`, the rotators and read-back all ask it, so a text
//! is fit for all of them or for none.
//!
//! It takes what OpenSSL and the libraries behind PyJWT both read, and nothing that one of them
//! refuses. It reads the form and the sizes. Whether the halves of a key belong together takes the
//! arithmetic of a crypto library, and a boot gate has none: the rotators prove that besides.

use std::fmt;

use zeroize::Zeroizing;

use crate::format::key::{Kind, Unfit, serves, wrong_part};
use crate::format::{der, jwk, pem};
use crate::problem::Code;
use crate::rule::{Algorithm, KeyPart};

/// How a private key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// PKCS #8, PKCS #1 or SEC 1 in PEM (RFC 7468).
    Pem,
    /// One JSON Web Key (RFC 7517).
    Jwk,
}

/// A private key as its text holds it; wiped when dropped.
pub struct PrivateKey {
    /// The bytes of the key.
    pub bytes: KeyBytes,
    /// The id that a JWK states.
    pub kid: Option<String>,
}

/// The bytes of a private key, by its container.
pub enum KeyBytes {
    /// The DER of `PRIVATE KEY`.
    Pkcs8(Zeroizing<Vec<u8>>),
    /// The DER of `RSA PRIVATE KEY`.
    Pkcs1(Zeroizing<Vec<u8>>),
    /// The DER of `EC PRIVATE KEY`.
    Sec1(Zeroizing<Vec<u8>>),
    /// The members of a JWK.
    Jwk(Box<JwkNumbers>),
}

/// The decoded members of a private JWK, without leading zeros in those of RSA; empty where the kind
/// of key has none.
#[derive(Default)]
#[expect(missing_docs, reason = "RFC 7518 section 6 describes every member")]
pub struct JwkNumbers {
    pub x: Zeroizing<Vec<u8>>,
    pub y: Zeroizing<Vec<u8>>,
    pub n: Zeroizing<Vec<u8>>,
    pub e: Zeroizing<Vec<u8>>,
    pub d: Zeroizing<Vec<u8>>,
    pub p: Zeroizing<Vec<u8>>,
    pub q: Zeroizing<Vec<u8>>,
    pub dp: Zeroizing<Vec<u8>>,
    pub dq: Zeroizing<Vec<u8>>,
    pub qi: Zeroizing<Vec<u8>>,
    pub k: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

/// Reads the one private key in `text`; with an algorithm, a key that serves it.
///
/// # Errors
/// [`Unfit`]: why the text is no such key.
pub fn private_key(
    text: &str,
    form: KeyForm,
    algorithm: Option<Algorithm>,
) -> Result<PrivateKey, Unfit> {
    match form {
        KeyForm::Pem => of_pem(text, algorithm),
        KeyForm::Jwk => jwk::private(text, algorithm),
    }
}

fn of_pem(text: &str, algorithm: Option<Algorithm>) -> Result<PrivateKey, Unfit> {
    if algorithm == Some(Algorithm::Hs256) {
        return Err(wrong_kind(
            "HS256 needs a symmetric key, which has no PEM form",
        ));
    }
    let mut private = None;
    let mut public = false;
    let mut several = false;
    for block in pem::blocks(text)? {
        match block.part() {
            Some(KeyPart::Private) => several |= private.replace(block).is_some(),
            Some(KeyPart::Public) => public = true,
            None => {}
        }
    }
    let Some(block) = private else {
        return Err(match public {
            true => wrong_part(KeyPart::Private),
            false => wrong_kind("it holds no key, only certificates or other blocks"),
        });
    };
    if several {
        return Err(wrong_kind(
            "it holds two private keys: leave the one that signs",
        ));
    }
    if public {
        return Err(wrong_kind(
            "a public key is beside the private one, and some programs use the first: remove it",
        ));
    }
    let (kind, wrap): (Kind, fn(_) -> _) = match (block.encrypted, block.label) {
        (true, _) | (_, "ENCRYPTED PRIVATE KEY") => {
            return Err(wrong_kind(
                "the key is encrypted with a passphrase: decrypt it (openssl pkey) before it is set",
            ));
        }
        (_, "PRIVATE KEY") => (block.read(der::pkcs8)?, KeyBytes::Pkcs8),
        (_, "RSA PRIVATE KEY") => (block.read(der::pkcs1_private)?, KeyBytes::Pkcs1),
        (_, "EC PRIVATE KEY") => (block.read(der::sec1)?, KeyBytes::Sec1),
        (_, "OPENSSH PRIVATE KEY") => {
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
    serves(kind, algorithm)?;
    Ok(PrivateKey {
        bytes: wrap(block.der),
        kid: None,
    })
}

pub(crate) fn wrong_kind(why: &'static str) -> Unfit {
    Unfit::new(Code::WrongKeyKind, why)
}
