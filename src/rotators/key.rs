//! Private signature keys: made, proven, written as PEM or JWK. The gate's reader reads them.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rsa::{KeyPairComponents, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use keyrota_contract::Entropy;
use keyrota_gate::{JwkNumbers, KeyBytes, KeyForm};
use zeroize::Zeroizing;

use super::der;
use super::jwks::PublicJwk;

/// The algorithms with a public half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// With the size a new key gets.
    Rs256(KeySize),
    Es256,
    EdDsa,
}

/// The sizes that RSA keys are made in.
pub(super) fn size(bits: usize) -> Option<KeySize> {
    match bits {
        2048 => Some(KeySize::Rsa2048),
        3072 => Some(KeySize::Rsa3072),
        4096 => Some(KeySize::Rsa4096),
        8192 => Some(KeySize::Rsa8192),
        _ => None,
    }
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    fn in_gate(self) -> keyrota_gate::Algorithm {
        match self {
            Self::Rs256(_) => keyrota_gate::Algorithm::Rs256,
            Self::Es256 => keyrota_gate::Algorithm::Es256,
            Self::EdDsa => keyrota_gate::Algorithm::EdDsa,
        }
    }

    fn in_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256(_) => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// Why a text is not the key that was expected; a fixed sentence.
type Complaint = &'static str;

/// A private key that has been read and found consistent.
pub(super) struct Key {
    algorithm: Algorithm,
    /// PKCS#1 for RSA, PKCS#8 version 1 for the others: what `jsonwebtoken` signs with.
    private: Zeroizing<Vec<u8>>,
    /// The id that a private JWK brings along: tokens in the field name it.
    kid: Option<String>,
}

impl Key {
    /// Makes a key.
    ///
    /// RSA primes come from the library's own generator, which takes no other source; everything
    /// else is decided by `entropy`.
    pub(super) fn generate(algorithm: Algorithm, entropy: &mut dyn Entropy) -> Option<Self> {
        let private = match algorithm {
            Algorithm::Rs256(size) => {
                let pair = RsaKeyPair::generate(size).ok()?;
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                der::pkcs1_of_pkcs8(pkcs8.as_ref())?.to_vec()
            }
            Algorithm::Es256 => {
                let mut scalar = Zeroizing::new([0_u8; 32]);
                // Not below the group's order once in 2^32: then other bytes are taken, since
                // reducing would prefer small scalars.
                let pair = (0..8).find_map(|_| {
                    entropy.fill(scalar.as_mut_slice());
                    PrivateKey::from_private_key(&ECDH_P256, scalar.as_slice()).ok()
                })?;
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                pkcs8.as_ref().to_vec()
            }
            Algorithm::EdDsa => {
                let mut seed = Zeroizing::new([0_u8; 32]);
                entropy.fill(seed.as_mut_slice());
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).ok()?;
                pair.to_pkcs8v1().ok()?.as_ref().to_vec()
            }
        };
        Some(Self {
            algorithm,
            private: Zeroizing::new(private),
            kid: None,
        })
    }

    /// Reads a text by the rules of [`keyrota_gate::private_key`], and proves that its halves belong
    /// together.
    pub(super) fn read(algorithm: Algorithm, form: KeyForm, text: &str) -> Result<Self, Complaint> {
        let found = keyrota_gate::private_key(text, form, Some(algorithm.in_gate()));
        let found = found.map_err(|unfit| unfit.why)?;
        let private = match (algorithm, &found.bytes) {
            (Algorithm::Rs256(_), KeyBytes::Pkcs8(bytes)) => {
                rsa(der::pkcs1_of_pkcs8(bytes).ok_or(DAMAGED)?)?
            }
            (Algorithm::Rs256(_), KeyBytes::Pkcs1(bytes)) => rsa(bytes)?,
            (Algorithm::Rs256(_), KeyBytes::Jwk(numbers)) => rsa_of(numbers).ok_or(DAMAGED)?,
            (Algorithm::Es256, KeyBytes::Pkcs8(bytes) | KeyBytes::Sec1(bytes)) => {
                ec(EcdsaKeyPair::from_private_key_der(P256, bytes))?
            }
            (Algorithm::Es256, KeyBytes::Jwk(numbers)) => {
                let point = [&[4], &numbers.x[..], &numbers.y[..]].concat();
                ec(EcdsaKeyPair::from_private_key_and_public_key(
                    P256, &numbers.d, &point,
                ))?
            }
            (Algorithm::EdDsa, KeyBytes::Pkcs8(bytes)) => ed(Ed25519KeyPair::from_pkcs8(bytes))?,
            (Algorithm::EdDsa, KeyBytes::Jwk(numbers)) => ed(
                Ed25519KeyPair::from_seed_and_public_key(&numbers.d, &numbers.x),
            )?,
            _ => return Err(DAMAGED), // the gate's reader gives each algorithm its containers only
        };
        Ok(Self {
            algorithm,
            private,
            kid: found.kid,
        })
    }

    /// PKCS#8 version 1 in PEM.
    pub(super) fn to_pem(&self) -> Option<Zeroizing<String>> {
        if !matches!(self.algorithm, Algorithm::Rs256(_)) {
            return Some(der::to_pem(&self.private));
        }
        let pkcs8: Pkcs8V1Der<'_> = RsaKeyPair::from_der(&self.private).ok()?.as_der().ok()?;
        Some(der::to_pem(pkcs8.as_ref()))
    }

    /// A private JWK in compact JSON: the public members first.
    pub(super) fn to_jwk(&self) -> Option<Zeroizing<String>> {
        let public = self.public()?.to_json();
        // Base64 is a third longer, and seven RSA numbers are shorter than the whole key.
        let room = public.len() + 2 * self.private.len() + 128;
        let mut json = Zeroizing::new(String::with_capacity(room));
        json.push_str(public.strip_suffix('}')?);
        let mut push = |name: &str, bytes: &[u8]| {
            let mut text = Zeroizing::new(vec![0; BASE64URL_NOPAD.encode_len(bytes.len())]);
            BASE64URL_NOPAD.encode_mut(bytes, &mut text);
            for part in [
                ",\"",
                name,
                "\":\"",
                std::str::from_utf8(&text).expect("base64 is ASCII"),
                "\"",
            ] {
                json.push_str(part);
            }
        };
        match self.algorithm {
            Algorithm::Rs256(_) => {
                let [_, _, private @ ..] = der::rsa_numbers(&self.private)?;
                for (name, bytes) in ["d", "p", "q", "dp", "dq", "qi"].into_iter().zip(private) {
                    push(name, bytes);
                }
            }
            Algorithm::Es256 => {
                let scalar: EcPrivateKeyBin<'_> = self.ec()?.private_key().as_be_bytes().ok()?;
                push("d", scalar.as_ref());
            }
            Algorithm::EdDsa => {
                let seed: Curve25519SeedBin<'_> = self.ed()?.seed().ok()?.as_be_bytes().ok()?;
                push("d", seed.as_ref());
            }
        }
        json.push('}');
        Some(json)
    }

    /// The public half, named by its RFC 7638 thumbprint, or by the id it came with.
    pub(super) fn public(&self) -> Option<PublicJwk> {
        let encode = |bytes: &[u8]| Some(BASE64URL_NOPAD.encode(bytes));
        let mut jwk = PublicJwk {
            kty: "OKP".to_owned(),
            kid: String::new(),
            alg: self.algorithm.name().to_owned(),
            usage: "sig".to_owned(),
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        match self.algorithm {
            Algorithm::Rs256(_) => {
                let [n, e, ..] = der::rsa_numbers(&self.private)?;
                "RSA".clone_into(&mut jwk.kty);
                (jwk.n, jwk.e) = (encode(n), encode(e));
            }
            Algorithm::Es256 => {
                let pair = self.ec()?;
                let (x, y) = pair.public_key().as_ref().get(1..65)?.split_at(32);
                "EC".clone_into(&mut jwk.kty);
                (jwk.crv, jwk.x, jwk.y) = (Some("P-256".to_owned()), encode(x), encode(y));
            }
            Algorithm::EdDsa => {
                jwk.crv = Some("Ed25519".to_owned());
                jwk.x = encode(self.ed()?.public_key().as_ref());
            }
        }
        jwk.kid = match &self.kid {
            Some(kid) => kid.clone(),
            None => jwk.thumbprint()?,
        };
        Some(jwk)
    }

    /// Whether what this key signs verifies under `public`: the stored private bytes against
    /// exactly what the world is shown, through a library that programs use.
    pub(super) fn matches(&self, public: &PublicJwk) -> bool {
        let signer = match self.algorithm {
            Algorithm::Rs256(_) => EncodingKey::from_rsa_der(&self.private),
            Algorithm::Es256 => EncodingKey::from_ec_der(&self.private),
            Algorithm::EdDsa => EncodingKey::from_ed_der(&self.private),
        };
        let algorithm = self.algorithm.in_jsonwebtoken();
        let message = b"keyrota proves a key";
        let check = || {
            let jwk: Jwk = serde_json::from_str(&public.to_json()).ok()?;
            let verifier = DecodingKey::from_jwk(&jwk).ok()?;
            let signature = jsonwebtoken::crypto::sign(message, &signer, algorithm).ok()?;
            jsonwebtoken::crypto::verify(&signature, message, &verifier, algorithm).ok()
        };
        public.alg == self.algorithm.name() && check() == Some(true)
    }

    fn ec(&self) -> Option<EcdsaKeyPair> {
        EcdsaKeyPair::from_pkcs8(P256, &self.private).ok()
    }

    fn ed(&self) -> Option<Ed25519KeyPair> {
        Ed25519KeyPair::from_pkcs8(&self.private).ok()
    }
}

fn rsa(pkcs1: &[u8]) -> Result<Zeroizing<Vec<u8>>, Complaint> {
    der::rsa_numbers(pkcs1).ok_or(DAMAGED)?;
    RsaKeyPair::from_der(pkcs1).map_err(|_| DAMAGED)?;
    Ok(Zeroizing::new(pkcs1.to_vec()))
}

fn rsa_of(numbers: &JwkNumbers) -> Option<Zeroizing<Vec<u8>>> {
    let pair = RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: &numbers.n[..],
            e: &numbers.e[..],
        },
        d: &numbers.d[..],
        p: &numbers.p[..],
        q: &numbers.q[..],
        dP: &numbers.dp[..],
        dQ: &numbers.dq[..],
        qInv: &numbers.qi[..],
    });
    let pkcs8: Pkcs8V1Der<'_> = pair.ok()?.as_der().ok()?;
    let pkcs1 = der::pkcs1_of_pkcs8(pkcs8.as_ref())?;
    Some(Zeroizing::new(pkcs1.to_vec()))
}

fn ec(pair: Result<EcdsaKeyPair, KeyRejected>) -> Result<Zeroizing<Vec<u8>>, Complaint> {
    let pkcs8 = pair.map_err(|_| DAMAGED)?.to_pkcs8v1();
    Ok(Zeroizing::new(
        pkcs8.map_err(|_| DAMAGED)?.as_ref().to_vec(),
    ))
}

fn ed(pair: Result<Ed25519KeyPair, KeyRejected>) -> Result<Zeroizing<Vec<u8>>, Complaint> {
    let pkcs8 = pair.map_err(|_| DAMAGED)?.to_pkcs8v1();
    Ok(Zeroizing::new(
        pkcs8.map_err(|_| DAMAGED)?.as_ref().to_vec(),
    ))
}

const DAMAGED: Complaint = "the private key is damaged, or its halves do not belong together";
const P256: &EcdsaSigningAlgorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;

#[cfg(test)]
mod tests;
