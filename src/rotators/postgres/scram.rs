//! The verifier that a Postgres server keeps in place of a password (RFC 5802, RFC 7677): made here,
//! so that no statement, and so no log of the server, ever holds the password.
//!
//! The salt is derived, not drawn. Every try to install a version sends the same verifier: nothing
//! has to be kept beside the pending value, and a pooler that passes verifiers through sees one
//! change, not one per try. A salt only has to differ between passwords, and the ids do.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use data_encoding::BASE64;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What Postgres itself takes.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("it is not zero");

/// The salt for one version of one user's password.
pub(super) fn salt(version: Uuid, user: &str) -> [u8; 16] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"keyrota scram\0");
    hash.update(version.as_bytes());
    hash.update(user.as_bytes());
    let mut salt = [0; 16];
    salt.copy_from_slice(&hash.finish().as_ref()[..16]);
    salt
}

/// `SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>`. `None` for a password that SASLprep refuses
/// (RFC 4013: control characters, mixed directions): programs do not agree about its bytes.
pub(super) fn verifier(password: &str, salt: &[u8]) -> Option<Zeroizing<String>> {
    let prepared = stringprep::saslprep(password).ok()?;
    let mut salted = Zeroizing::new([0_u8; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ITERATIONS,
        salt,
        prepared.as_bytes(),
        salted.as_mut_slice(),
    );
    if let std::borrow::Cow::Owned(prepared) = prepared {
        drop(Zeroizing::new(prepared));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, salted.as_slice());
    let client_key = hmac::sign(&key, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let server_key = hmac::sign(&key, b"Server Key");
    Some(Zeroizing::new(format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        BASE64.encode(salt),
        BASE64.encode(stored_key.as_ref()),
        BASE64.encode(server_key.as_ref()),
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`. The exchange shows what the keys sign,
    /// so both keys of our verifier are checked against its proof and its signature.
    #[test]
    fn the_exchange_of_the_rfc_is_reproduced() {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let ours = verifier("pencil", &salt).unwrap();
        let (head, keys) = ours.rsplit_once('$').unwrap();
        assert_eq!(head, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==");
        let (stored, server) = keys.split_once(':').unwrap();
        let stored = BASE64.decode(stored.as_bytes()).unwrap();
        let server = BASE64.decode(server.as_bytes()).unwrap();

        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let message = format!(
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}"
        );
        let sign =
            |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
        let signature = BASE64.encode(sign(&server).as_ref());
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        // ClientKey = ClientProof XOR HMAC(StoredKey, message), and StoredKey = H(ClientKey).
        let proof = BASE64
            .decode(b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let mask = sign(&stored);
        let client: Vec<u8> = proof
            .iter()
            .zip(mask.as_ref())
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(digest::digest(&digest::SHA256, &client).as_ref(), stored);
    }

    #[test]
    fn a_salt_belongs_to_a_version_and_a_user() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(salt(a, "u"), salt(a, "u"));
        assert_ne!(salt(a, "u"), salt(b, "u"));
        assert_ne!(salt(a, "u"), salt(a, "v"));
    }

    #[test]
    fn a_password_is_prepared() {
        // RFC 4013, section 3: a soft hyphen is nothing, a no-break space is a space.
        assert_eq!(verifier("I\u{ad}X", b"s"), verifier("IX", b"s"));
        assert_eq!(verifier("a\u{a0}b", b"s"), verifier("a b", b"s"));
        assert_ne!(verifier("user", b"s"), verifier("USER", b"s"));
        assert!(verifier("a\u{7}", b"s").is_none());
    }
}
