//! Message authentication codes: what shows that a host with the seed wrote an entry or a request.
//!
//! A checkpoint signs the log now and then; the MAC covers what comes after it. It is an HMAC and no
//! signature: whoever signs or verifies with the seed can check it, and it costs a microsecond. An
//! auditor with the public key alone relies on checkpoints.

use std::fmt;

use aws_lc_rs::hmac;
use uuid::Uuid;

use super::chain::Hash;

/// The bytes of a MAC.
pub const MAC_BYTES: usize = 32;

const ENTRY: &[u8] = b"keyrota-entry-v1\0";
const REQUEST: &[u8] = b"keyrota-request-v1\0";

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

    /// The MAC of a request that is left in the state of the log `chain` under `key`.
    pub fn request(&self, chain: Uuid, key: &str, value: &str) -> [u8; MAC_BYTES] {
        self.mac(&request(chain, key, value))
    }

    /// Whether `mac` is that of this request.
    pub fn asks(&self, chain: Uuid, key: &str, value: &str, mac: &[u8]) -> bool {
        hmac::verify(&self.0, &request(chain, key, value), mac).is_ok()
    }

    fn mac(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let tag = hmac::sign(&self.0, message);
        tag.as_ref()
            .try_into()
            .expect("an HMAC-SHA-256 has 32 bytes")
    }
}

/// Names hold no NUL, so no two requests have the same bytes.
fn request(chain: Uuid, key: &str, value: &str) -> Vec<u8> {
    [
        REQUEST,
        chain.as_bytes(),
        key.as_bytes(),
        b"\0",
        value.as_bytes(),
    ]
    .concat()
}

impl fmt::Debug for Vouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vouch(redacted)")
    }
}
