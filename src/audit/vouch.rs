//! Message authentication codes: they show that a host with the seed wrote an entry, or the head of the log.
//!
//! A checkpoint signs the log now and then. The MAC of each entry covers what comes after it. It is an HMAC and
//! no signature, so only a host with the seed can check it, in a microsecond. An auditor with the public key
//! alone relies on checkpoints.

use std::fmt;

use aws_lc_rs::hmac;

use super::Head;
use super::chain::Hash;

/// The bytes of a MAC.
pub const MAC_BYTES: usize = 32;

const ENTRY: &[u8] = b"keyrota-entry-v1\0";
const HEAD: &[u8] = b"keyrota-head-v1\0";

/// The key of the MACs (HMAC-SHA-256), derived from the seed. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Vouch(hmac::Key);

impl Vouch {
    /// The key with these bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The MAC of the entry with this hash. The hash covers the log, the place, the bytes and all
    /// entries before.
    pub fn entry(&self, hash: &Hash) -> [u8; MAC_BYTES] {
        self.mac(&[ENTRY, hash].concat())
    }

    /// Whether `mac` is that of the entry with this hash.
    pub fn vouches(&self, hash: &Hash, mac: &[u8]) -> bool {
        hmac::verify(&self.0, &[ENTRY, hash].concat(), mac).is_ok()
    }

    /// The MAC of the head of the log, and of what the state names beside it.
    pub fn head(&self, head: &Head, named: &str) -> [u8; MAC_BYTES] {
        self.mac(&message(head, named))
    }

    /// Whether `mac` is that of this head.
    pub fn heads(&self, head: &Head, named: &str, mac: &[u8]) -> bool {
        hmac::verify(&self.0, &message(head, named), mac).is_ok()
    }

    fn mac(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let tag = hmac::sign(&self.0, message);
        tag.as_ref()
            .try_into()
            .expect("an HMAC-SHA-256 has 32 bytes")
    }
}

/// All parts but the last have fixed lengths, so no two heads have the same bytes.
fn message(head: &Head, named: &str) -> Vec<u8> {
    [
        HEAD,
        head.chain.as_bytes(),
        &head.size.to_be_bytes(),
        &head.hash,
        named.as_bytes(),
    ]
    .concat()
}

impl fmt::Debug for Vouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vouch(redacted)")
    }
}
