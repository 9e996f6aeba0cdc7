//! Message authentication codes: they show that a host with the seed wrote an entry, or the head of the log.
//!
//! A checkpoint signs the log now and then. The MAC of each entry covers what comes after it. It is an HMAC and
//! no signature, so only a host with the seed can check it, in a microsecond. An auditor with the public key
//! alone relies on checkpoints.

use super::Head;
use super::chain::Hash;
use crate::keys::{Keys, MAC_BYTES, MacKey};

const ENTRY: &[u8] = b"keyrota-entry-v1\0";
const HEAD: &[u8] = b"keyrota-head-v1\0";

/// Makes and checks the MACs of the log with the key of a host.
#[derive(Debug, Clone)]
pub struct Vouch(MacKey);

impl Vouch {
    /// With the key of this host.
    pub fn of(keys: &Keys) -> Self {
        Self(keys.macs().clone())
    }

    /// The MAC of the entry with this hash. The hash covers the log, the place, the bytes and all
    /// entries before.
    pub fn entry(&self, hash: &Hash) -> [u8; MAC_BYTES] {
        self.0.mac(&[ENTRY, hash].concat())
    }

    /// Whether `mac` is that of the entry with this hash.
    pub fn vouches(&self, hash: &Hash, mac: &[u8]) -> bool {
        self.0.is_mac(&[ENTRY, hash].concat(), mac)
    }

    /// The MAC of the head of the log, and of what the state names beside it.
    pub fn head(&self, head: &Head, named: &str) -> [u8; MAC_BYTES] {
        self.0.mac(&message(head, named))
    }

    /// Whether `mac` is that of this head.
    pub fn heads(&self, head: &Head, named: &str, mac: &[u8]) -> bool {
        self.0.is_mac(&message(head, named), mac)
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
