//! Keys that sign tokens (RFC 7519): HS256, RS256, ES256, EdDSA.
//!
//! # What the value is
//! - `raw` (HS256): the base64url form of random bytes, 43 characters for 32 of them. *The text itself* is the
//!   key: programs use its bytes as they stand and decode nothing, as with any other variable.
//! - `pem`: PKCS#8 version 1, unencrypted, without a line break at the end.
//! - `jwk`: one private JWK in compact JSON, with `kid`, `alg` and `use`.
//!
//! # The kid
//! Of an asymmetric key the RFC 7638 thumbprint, so that one kid can never name two keys; an
//! imported JWK keeps its own, because tokens in the field name it. Of an HS256 key a random word:
//! a hash of a symmetric key would help to guess it.

use std::fmt;

use async_trait::async_trait;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use keyrota_contract::{
    Entropy, Material, Minted, Probe, Public, Report, Rotator, RotatorError, SecretValue, Target,
    Version, Which,
};
use keyrota_gate::KeyForm;
use zeroize::Zeroizing;

use super::jwks::{JWK, KID, PublicJwk};
use super::key::{self, Key};
use super::material::probed;
use super::shape;

mod kind;
pub use kind::KIND;

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256 {
        /// How many random bytes are made; at least 32.
        bytes: usize,
    },
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256 {
        /// The size that is made: 2048, 3072, 4096 or 8192.
        bits: usize,
    },
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// How the private key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The key is the text; HS256 only.
    Raw,
    /// PKCS#8 in PEM.
    Pem,
    /// A private JSON Web Key.
    Jwk,
}

/// A key that signs tokens.
#[derive(Debug, Clone)]
pub struct Jwt(Form);

#[derive(Debug, Clone)]
enum Form {
    Symmetric {
        bytes: usize,
    },
    Pair {
        algorithm: key::Algorithm,
        jwk: bool,
    },
}

impl Jwt {
    /// A kind of key.
    ///
    /// # Errors
    /// [`JwtError`]: HS256 goes with `raw`, the others with `pem` or `jwk`; sizes as stated at
    /// [`Algorithm`].
    pub fn new(algorithm: Algorithm, format: Format) -> Result<Self, JwtError> {
        let algorithm = match (algorithm, format) {
            (Algorithm::Hs256 { bytes }, Format::Raw) if BYTES.contains(&bytes) => {
                return Ok(Self(Form::Symmetric { bytes }));
            }
            (Algorithm::Hs256 { .. }, Format::Raw) => return Err(JwtError::Bytes),
            (Algorithm::Hs256 { .. }, _) | (_, Format::Raw) => return Err(JwtError::Format),
            (Algorithm::Rs256 { bits }, _) => {
                key::Algorithm::Rs256(key::size(bits).ok_or(JwtError::Bits)?)
            }
            (Algorithm::Es256, _) => key::Algorithm::Es256,
            (Algorithm::EdDsa, _) => key::Algorithm::EdDsa,
        };
        Ok(Self(Form::Pair {
            algorithm,
            jwk: format == Format::Jwk,
        }))
    }
}

/// Why there is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtError {
    /// The format cannot hold a key of the algorithm.
    Format,
    /// Too few or too many bytes for HS256.
    Bytes,
    /// A size RSA keys are not made in.
    Bits,
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "HS256 keys are raw; RS256, ES256 and EdDSA keys are pem or jwk",
            Self::Bytes => "HS256 keys are made of 32 to 1024 bytes",
            Self::Bits => "RSA keys are made with 2048, 3072, 4096 or 8192 bits",
        })
    }
}

impl std::error::Error for JwtError {}

#[async_trait]
impl Rotator for Jwt {
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError> {
        let mut report = Report::default();
        match (&m.current, &self.0) {
            (None, _) => {}
            // A short key is a reason to rotate, never one to refuse it.
            (Some(current), Form::Symmetric { .. }) => {
                if check_symmetric(&current.value).is_err() {
                    report
                        .warnings
                        .push("the current key is shorter than 32 bytes, or too regular");
                }
            }
            // This one is needed in working order: its public half stays published in the grace.
            (Some(current), Form::Pair { algorithm, jwk }) => {
                prove(*algorithm, *jwk, current).map_err(RotatorError::Refused)?;
            }
        }
        Ok(report)
    }

    fn create(&self, _: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let (algorithm, jwk) = match self.0 {
            Form::Pair { algorithm, jwk } => (algorithm, jwk),
            Form::Symmetric { bytes } => return Ok(create_symmetric(bytes, entropy)),
        };
        let mut made = || {
            let key = Key::generate(algorithm, entropy)?;
            let text = if jwk { key.to_jwk()? } else { key.to_pem()? };
            Some((SecretValue::copy_of(text.as_bytes()), key.public()?))
        };
        let (value, public) = made().ok_or(RotatorError::Retry("the key could not be made"))?;
        Ok(Minted {
            value,
            public: parts(&public),
        })
    }

    fn adopt(&self, value: SecretValue, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let public = match self.0 {
            Form::Symmetric { .. } => check_symmetric(&value).map(|()| random_kid(entropy)),
            Form::Pair { algorithm, jwk } => read(algorithm, jwk, &value).and_then(|key| {
                let public = key.public().ok_or(UNSOUND)?;
                if key.matches(&public) {
                    Ok(parts(&public))
                } else {
                    Err(UNSOUND)
                }
            }),
        };
        Ok(Minted {
            value,
            public: public.map_err(RotatorError::Refused)?,
        })
    }

    async fn probe(&self, which: Which, m: &Material) -> Probe {
        probed(which, m, |version| match self.0 {
            // Short ones work, and are in use: only what no program could hold is wrong.
            Form::Symmetric { .. } => shape::judge(&version.value, |_| Ok(())),
            Form::Pair { algorithm, jwk } => prove(algorithm, jwk, version),
        })
    }

    fn public(&self, value: &SecretValue, stored: &Public) -> Public {
        let mut public = stored.clone();
        if let Form::Pair { algorithm, jwk } = self.0
            && let Ok(Some(shown)) = read(algorithm, jwk, value).map(|key| key.public())
        {
            // A kid that was stored has been published; it stays.
            let kid = public
                .get(KID)
                .cloned()
                .unwrap_or_else(|| shown.kid.clone());
            public.extend(parts(&PublicJwk { kid, ..shown }));
        }
        public
    }

    fn target(&self) -> Option<&dyn Target> {
        None
    }
}

/// Reads the value, signs with it, and verifies with its public half; the one stored beside the
/// value, if there is one, must be of the same key.
fn prove(algorithm: key::Algorithm, jwk: bool, version: &Version) -> Result<(), &'static str> {
    let key = read(algorithm, jwk, &version.value)?;
    let public = match version.public.get(JWK) {
        Some(stored) => PublicJwk::parse(stored)
            .map_err(|_| "the public key stored beside the private one cannot be published")?,
        None => key.public().ok_or(UNSOUND)?,
    };
    if !key.matches(&public) {
        return Err("the public key stored beside the private one belongs to another key");
    }
    Ok(())
}

fn read(algorithm: key::Algorithm, jwk: bool, value: &SecretValue) -> Result<Key, &'static str> {
    let form = if jwk { KeyForm::Jwk } else { KeyForm::Pem };
    value.expose_to(|bytes| {
        let text = std::str::from_utf8(bytes).map_err(|_| "the value is not UTF-8 text")?;
        Key::read(algorithm, form, text)
    })
}

fn create_symmetric(bytes: usize, entropy: &mut dyn Entropy) -> Minted {
    let mut random = Zeroizing::new(vec![0; bytes]);
    entropy.fill(&mut random);
    let mut value = vec![0; BASE64URL_NOPAD.encode_len(bytes)];
    BASE64URL_NOPAD.encode_mut(&random, &mut value);
    Minted {
        value: SecretValue::new(value),
        public: random_kid(entropy),
    }
}

/// RFC 7518 section 3.2: no shorter than the hash.
fn check_symmetric(value: &SecretValue) -> Result<(), &'static str> {
    shape::judge(value, |text| {
        if text.len() < 32 {
            return Err("an HS256 key has at least 32 bytes");
        }
        shape::check_unguessable(text)
    })
}

fn random_kid(entropy: &mut dyn Entropy) -> Public {
    let mut kid = [0_u8; 16];
    entropy.fill(&mut kid);
    Public::from([(KID.to_owned(), HEXLOWER.encode(&kid))])
}

fn parts(public: &PublicJwk) -> Public {
    Public::from([
        (KID.to_owned(), public.kid.clone()),
        (JWK.to_owned(), public.to_json()),
    ])
}

/// RFC 7518 section 3.2; nobody's HMAC gains from more than a block.
const BYTES: std::ops::RangeInclusive<usize> = 32..=1024;
const UNSOUND: &str = "the key does not verify what it signed";

#[cfg(test)]
mod tests;
