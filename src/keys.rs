//! The host's seed and the three keys derived from it: for fingerprints, checkpoints and entries of the log.
//!
//! All hosts of one state carry the same seed, so fingerprints compare and checkpoints verify
//! everywhere. The key id is public: it stands in every fingerprint and in the state, and a host
//! with another seed is found by it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_lc_rs::{digest, hkdf, hmac};
use data_encoding::{
    BASE32_NOPAD, BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE,
};
use keyrota_contract::{Entropy, SecretValue};
use zeroize::Zeroizing;

/// The bytes of a seed.
pub const SEED_BYTES: usize = 32;

/// The 32 bytes from which a host's keys come. Wiped when dropped; has no `Debug` of its content.
pub struct Seed(Zeroizing<[u8; SEED_BYTES]>);

/// What a host derives from its seed.
#[derive(Clone)]
pub struct Keys {
    id: String,
    fingerprints: hmac::Key,
    checkpoints: Arc<Ed25519KeyPair>,
    macs: MacKey,
}

/// The bytes of a MAC.
pub const MAC_BYTES: usize = 32;

/// A key of message authentication codes (HMAC-SHA-256). `Debug` shows nothing of it.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The MAC of a message. What is authenticated has to say what it is, so that no message of one
    /// kind passes for one of another.
    pub fn mac(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let tag = hmac::sign(&self.0, message);
        tag.as_ref()
            .try_into()
            .expect("an HMAC-SHA-256 has 32 bytes")
    }

    /// Whether `mac` is that of the message; takes the same time wherever they differ.
    pub fn is_mac(&self, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.0, message, mac).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(redacted)")
    }
}

/// Why a seed is not usable. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysError {
    /// It is not 32 bytes, in none of the forms.
    Length,
    /// Its 32 characters are the text form of fewer bytes, or a raw seed.
    Ambiguous,
    /// It is all zeros.
    Zero,
}

impl Seed {
    /// Takes a seed from a file, a credential or a variable: 32 raw bytes, or 32 bytes as hex, base64
    /// or base64url, with or without padding and a line break at the end.
    pub fn from_credential(value: &SecretValue) -> Result<Self, KeysError> {
        value.expose_to(Self::from_bytes)
    }

    /// A fresh seed.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        entropy.fill(seed.as_mut_slice());
        Self(seed)
    }

    /// Lends the bytes to `f`, which writes them to the seed's file.
    pub fn expose_to<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(self.0.as_slice())
    }

    /// Derives the keys (HKDF-SHA256, RFC 5869, one `info` for each).
    pub fn keys(&self) -> Keys {
        let root =
            hkdf::Salt::new(hkdf::HKDF_SHA256, b"keyrota-keys-v1").extract(self.0.as_slice());
        let derive = |info: &[u8]| {
            let mut out = Zeroizing::new([0; 32]);
            root.expand(&[info], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(out.as_mut_slice()))
                .expect("32 bytes are one block of HKDF-SHA256");
            out
        };
        let checkpoints = Ed25519KeyPair::from_seed_unchecked(derive(b"checkpoint").as_slice())
            .expect("an Ed25519 seed is any 32 bytes");
        let hash = digest::digest(&digest::SHA256, checkpoints.public_key().as_ref());
        Keys {
            id: HEXLOWER.encode(&hash.as_ref()[..4]),
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, derive(b"fingerprint").as_slice()),
            checkpoints: Arc::new(checkpoints),
            macs: MacKey(hmac::Key::new(
                hmac::HMAC_SHA256,
                derive(b"entry").as_slice(),
            )),
        }
    }

    fn from_bytes(given: &[u8]) -> Result<Self, KeysError> {
        let decoded = decoded(given);
        let bytes = match (given.len(), &decoded) {
            // Random bytes are text by accident once in 2^64 seeds.
            (SEED_BYTES, Some(_)) => return Err(KeysError::Ambiguous),
            (SEED_BYTES, None) => given,
            (_, Some(decoded)) if decoded.len() == SEED_BYTES => decoded,
            _ => return Err(KeysError::Length),
        };
        if bytes.iter().all(|b| *b == 0) {
            return Err(KeysError::Zero);
        }
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        seed.copy_from_slice(bytes);
        Ok(Self(seed))
    }
}

/// What a text form stands for. Of two forms that both decode, only hex can have 64 characters for
/// 32 bytes, and only base64 43 or 44: their lengths keep them apart.
fn decoded(given: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = Some(given.trim_ascii_end()).filter(|text| !text.is_empty())?;
    let forms = [
        HEXLOWER_PERMISSIVE,
        BASE64,
        BASE64_NOPAD,
        BASE64URL,
        BASE64URL_NOPAD,
    ];
    let all = forms.iter().filter_map(|form| form.decode(text).ok());
    let mut all = all.map(Zeroizing::new);
    let first = all.next()?;
    if first.len() == SEED_BYTES {
        return Some(first);
    }
    Some(all.find(|bytes| bytes.len() == SEED_BYTES).unwrap_or(first))
}

impl Keys {
    /// The key id: the first 4 bytes of the SHA-256 of the public key, in hex. Public.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What stands for `value` wherever a value must not: `hfp1:<key id>:<base32>`, the first 16
    /// bytes of an HMAC-SHA-256.
    ///
    /// It is keyed, so that nobody can try out passwords on the log, and it covers the name, so
    /// that equal values of two secrets do not look equal. Names hold no NUL (the schedule's rules).
    pub fn fingerprint(&self, env: &str, secret: &str, value: &SecretValue) -> String {
        let mut mac = hmac::Context::with_key(&self.fingerprints);
        for part in [
            b"keyrota-fp-v1".as_slice(),
            env.as_bytes(),
            secret.as_bytes(),
        ] {
            mac.update(part);
            mac.update(&[0]);
        }
        value.expose_to(|bytes| mac.update(bytes));
        format!(
            "hfp1:{}:{}",
            self.id,
            BASE32_NOPAD.encode(&mac.sign().as_ref()[..16])
        )
    }

    /// The public key of checkpoints (Ed25519, RFC 8032).
    pub fn public(&self) -> [u8; 32] {
        self.checkpoints
            .public_key()
            .as_ref()
            .try_into()
            .expect("an Ed25519 public key has 32 bytes")
    }

    /// The key of the MACs in the state. Only hosts with the seed have it.
    pub fn macs(&self) -> &MacKey {
        &self.macs
    }

    /// The Ed25519 signature of `message` by the checkpoint key.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.checkpoints
            .sign(message)
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.id)
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the seed is not 32 bytes, neither raw nor as hex, base64 or base64url",
            Self::Ambiguous => {
                "the seed is 32 characters of text, which can be 32 raw bytes or the text form of fewer; \
                 take 32 random bytes, or their 64 hex digits"
            }
            Self::Zero => "the seed is all zeros",
        })
    }
}

impl std::error::Error for KeysError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn seed(byte: u8) -> Seed {
        Seed::from_credential(&SecretValue::copy_of(&[byte; 32])).unwrap()
    }

    #[test]
    fn fingerprints_tell_values_names_and_seeds_apart() {
        let keys = seed(7).keys();
        let value = |s: &str| SecretValue::copy_of(s.as_bytes());
        let base = keys.fingerprint("prod", "db", &value("hunter2"));
        assert_eq!(base, keys.fingerprint("prod", "db", &value("hunter2")));
        assert!(
            base.starts_with(&format!("hfp1:{}:", keys.id())) && base.len() == 5 + 8 + 1 + 26,
            "{base}"
        );
        let others = [
            keys.fingerprint("prod", "db", &value("hunter3")),
            keys.fingerprint("prod", "d", &value("b\0hunter2")),
            keys.fingerprint("pro", "ddb", &value("hunter2")),
            keys.fingerprint("prod", "db2", &value("hunter2")),
            seed(8).keys().fingerprint("prod", "db", &value("hunter2")),
        ];
        for other in others {
            assert_ne!(base, other);
        }
    }

    /// Derivation may never change: every fingerprint and checkpoint ever written hangs on it. The
    /// expected words were computed with Python's hmac, hashlib and `cryptography`.
    #[test]
    fn derivation_is_pinned() {
        let keys = seed(1).keys();
        assert_eq!(keys.id(), PINNED_ID);
        assert_eq!(
            keys.fingerprint("production", "jwt", &SecretValue::copy_of(b"value")),
            PINNED_FINGERPRINT
        );
        assert_eq!(HEXLOWER.encode(&keys.public()), PINNED_PUBLIC);
        let mac = keys
            .macs()
            .mac(&[b"keyrota-entry-v1\0".as_slice(), &[9; 32]].concat());
        assert_eq!(HEXLOWER.encode(&mac), PINNED_MAC);
        assert!(!format!("{:?}", keys.macs()).contains(&HEXLOWER.encode(&mac)[..8]));
    }

    #[test]
    fn a_seed_is_32_bytes_raw_or_in_one_text_form() {
        let take = |given: &[u8]| {
            Seed::from_credential(&SecretValue::copy_of(given)).map(|s| s.keys().id().to_owned())
        };
        // Bytes whose base64 has +, / and padding.
        let raw: Vec<u8> = (0..32).map(|i: u8| 0xfb_u8.wrapping_sub(i * 5)).collect();
        let expected = take(&raw).unwrap();
        let hex = HEXLOWER.encode(&raw);
        let forms = [
            hex.clone(),
            hex.to_uppercase(),
            BASE64.encode(&raw),
            BASE64_NOPAD.encode(&raw),
            BASE64URL.encode(&raw),
            BASE64URL_NOPAD.encode(&raw),
        ];
        assert!(forms[2].contains(['+', '/']) && forms[4].contains(['-', '_']));
        for form in &forms {
            for end in ["", "\n", "\r\n", " \n"] {
                let given = format!("{form}{end}");
                assert_eq!(take(given.as_bytes()), Ok(expected.clone()), "{given:?}");
            }
        }
        // A raw seed stays what it is, whatever its bytes look like at the end.
        for raw in [[7; 32], [b'\n'; 32], *b"correct horse battery staple 1 \n"] {
            assert!(take(&raw).is_ok());
        }
        let mixed = format!("-{}", &forms[2][1..]);
        assert!(mixed.contains(['+', '/']));
        for (given, expected) in [
            (&[7; 31][..], KeysError::Length),
            (&[7; 33], KeysError::Length),
            (&[], KeysError::Length),
            (&[7; 64], KeysError::Length),
            (&hex.as_bytes()[..62], KeysError::Length),
            (format!("{hex}00").as_bytes(), KeysError::Length),
            (format!(" {hex}").as_bytes(), KeysError::Length),
            (format!("0x{hex}").as_bytes(), KeysError::Length),
            (mixed.as_bytes(), KeysError::Length),
            (&hex.as_bytes()[..32], KeysError::Ambiguous),
            (BASE64.encode(&raw[..24]).as_bytes(), KeysError::Ambiguous),
            (
                BASE64URL.encode(&raw[..23]).as_bytes(),
                KeysError::Ambiguous,
            ),
            (&[0; 32], KeysError::Zero),
            ("0".repeat(64).as_bytes(), KeysError::Zero),
            ("A".repeat(43).as_bytes(), KeysError::Zero),
        ] {
            let shown = String::from_utf8_lossy(given);
            assert_eq!(take(given), Err(expected), "{shown:?}");
        }
    }

    #[test]
    fn nothing_of_the_seed_is_printed() {
        let seed = seed(0xA5);
        assert_eq!(format!("{seed:?}"), "Seed(redacted)");
        assert!(!format!("{:?}", seed.keys()).contains("a5a5"));
    }

    const PINNED_ID: &str = "cc0070ba";
    const PINNED_FINGERPRINT: &str = "hfp1:cc0070ba:HYEDDTKIG3KOPGQ3UDK3GXOMRE";
    const PINNED_MAC: &str = "b97bd7d079754ac936097b7a6fb8d4683137b03a9b8408f4f41ec6d9890f00bb";
    const PINNED_PUBLIC: &str = "60331f620842411c7006cf94e07ea8096ed5c55058f2d493f0f63d2670b2ad7c";
}
