//! The verifier that a Postgres server keeps in place of a password (RFC 5802, RFC 7677): made here,
//! so that no statement, and so no log of the server, ever holds the password.
//!
//! The salt is derived, not drawn. Every try to install a version sends the same verifier: nothing
//! has to be kept beside the pending value, and a pooler that passes verifiers through sees one
//! change, not one per try. A salt only has to differ between passwords, and the ids do.

use std::borrow::Cow;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use data_encoding::BASE64;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The iterations that Postgres takes where nothing asks for more.
pub(super) const DEFAULT: NonZeroU32 = NonZeroU32::new(4096).expect("it is not zero");
/// More would keep the processor busy for seconds, at every login too.
pub(super) const MOST: u32 = 1_000_000;

/// The iterations of a new verifier: as many as the server, its users or their present verifiers ask
/// for. keyrota takes at least Postgres' default and at most [`MOST`], whatever a server says.
pub(super) fn iterations(asked: i64) -> NonZeroU32 {
    let least = i64::from(DEFAULT.get());
    let taken = asked.clamp(least, MOST.into());
    u32::try_from(taken)
        .ok()
        .and_then(NonZeroU32::new)
        .unwrap_or(DEFAULT)
}

/// Whether SASLprep takes a password (RFC 4013: no control characters, no mixed directions).
/// Programs do not agree about the bytes of any other.
pub(super) fn takes(password: &str) -> bool {
    match stringprep::saslprep(password) {
        Ok(Cow::Owned(prepared)) => drop(Zeroizing::new(prepared)),
        Ok(Cow::Borrowed(_)) => {}
        Err(_) => return false,
    }
    true
}

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

/// A verifier that no password fits: nobody knows the input of SHA-256 whose hash is zero. A role without
/// a verifier would not do. A server with `password_encryption = md5` asks for the md5 of its password
/// before it refuses it, and keyrota sends none. It is the same for every try, as other verifiers are.
pub(super) fn refusing(user: &str, iterations: NonZeroU32) -> String {
    let salt = BASE64.encode(&salt(Uuid::nil(), user));
    let zero = BASE64.encode(&[0; 32]);
    format!("SCRAM-SHA-256${iterations}:{salt}${zero}:{zero}")
}

/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. `None` for a password that SASLprep
/// does not [take](takes).
pub(super) fn verifier(
    password: &str,
    salt: &[u8],
    iterations: NonZeroU32,
) -> Option<Zeroizing<String>> {
    let prepared = stringprep::saslprep(password).ok()?;
    let mut salted = Zeroizing::new([0_u8; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        prepared.as_bytes(),
        salted.as_mut_slice(),
    );
    if let Cow::Owned(prepared) = prepared {
        drop(Zeroizing::new(prepared));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, salted.as_slice());
    let client_key = hmac::sign(&key, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let server_key = hmac::sign(&key, b"Server Key");
    Some(Zeroizing::new(format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
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
        let ours = verifier("pencil", &salt, DEFAULT).unwrap();
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
        let verifier = |password| verifier(password, b"s", DEFAULT);
        assert_eq!(verifier("I\u{ad}X"), verifier("IX"));
        assert_eq!(verifier("a\u{a0}b"), verifier("a b"));
        assert_ne!(verifier("user"), verifier("USER"));
        assert!(verifier("a\u{7}").is_none());
        assert!(!takes("a\u{7}"));
        assert!(takes("I\u{ad}X"));
    }

    #[test]
    fn what_is_asked_for_is_taken_within_bounds() {
        for (asked, expected) in [
            (i64::MIN, 4096),
            (-1, 4096),
            (0, 4096),
            (4096, 4096),
            (4097, 4097),
            (65_536, 65_536),
            (1_000_000, 1_000_000),
            (1_000_001, 1_000_000),
            (i64::from(u32::MAX) + 4097, 1_000_000),
            (i64::MAX, 1_000_000),
        ] {
            assert_eq!(iterations(asked).get(), expected, "{asked}");
        }
    }

    /// Computed by Python: hashlib.pbkdf2_hmac and hmac.
    #[test]
    fn a_verifier_says_and_has_its_iterations() {
        let many = NonZeroU32::new(15_000).unwrap();
        let ours = verifier("pencil", b"0123456789abcdef", many).unwrap();
        assert_eq!(
            *ours,
            "SCRAM-SHA-256$15000:MDEyMzQ1Njc4OWFiY2RlZg==$8utdwiGJEjSEq+kTCUWOX8x0GXO5koCayvYEnOgAa0k=:BsY2UjCh7FMBJtiXsvc58nOEXAaA6642gg1FDvDJkcY="
        );
    }
}
