//! The hash chain: each entry's hash covers its bytes, its place, and the hash before it.

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

const DOMAIN: &[u8] = b"keyrota-chain-v1\0";

/// What stands in the place of the hash before the first entry:
/// `SHA-256("keyrota-chain-v1\0" || chain)`, so that no two logs begin alike.
pub fn genesis(chain: Uuid) -> Hash {
    sha256(&[DOMAIN, chain.as_bytes()])
}

/// The hash of the entry `seq`:
/// `SHA-256("keyrota-chain-v1\0" || chain || be64(seq) || prev || SHA-256(0x00 || body))`.
///
/// The chain's id goes in as its 16 bytes. The zero byte keeps leaves apart from the inner nodes
/// of a Merkle tree (RFC 6962, section 2.1), should one ever be built over them.
pub fn hash(chain: Uuid, seq: i64, prev: &[u8], body: &[u8]) -> Hash {
    let leaf = sha256(&[&[0], body]);
    sha256(&[DOMAIN, chain.as_bytes(), &seq.to_be_bytes(), prev, &leaf])
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context
        .finish()
        .as_ref()
        .try_into()
        .expect("a SHA-256 hash has 32 bytes")
}
