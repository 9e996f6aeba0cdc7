//! Bytes sealed for recipients: the age format, binary, as stock `age` reads and writes it.

use std::fmt;
use std::io::{Read, Write};

use age::x25519;
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::identity::Identities;

/// Why sealed bytes were not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedError {
    /// The file does not begin as an age file does.
    NotAge,
    /// Text (`-----BEGIN AGE…`) instead of the binary form.
    Armored,
    /// A later version of the age format.
    NewerAge,
    /// Protected with a passphrase instead of recipients.
    Passphrase,
    /// Sealed for recipients that our identity is not among.
    WrongIdentity,
    /// Cut off or altered: the authentication of the header or of the content failed.
    Damaged,
}

impl SealedError {
    /// What a person reads.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotAge => "the document is not an age file; not overwritten",
            Self::Armored => {
                "the document is an armored age file; decrypt it and encrypt it again without --armor; not overwritten"
            }
            Self::NewerAge => {
                "the document has a newer age format than this keyrota reads; not overwritten"
            }
            Self::Passphrase => {
                "the document is encrypted with a passphrase; encrypt it for recipients; not overwritten"
            }
            Self::WrongIdentity => {
                "the document is encrypted for other identities than the configured one; not overwritten"
            }
            Self::Damaged => {
                "the document is truncated or altered: its authentication failed; restore it from a backup; not overwritten"
            }
        }
    }
}

impl fmt::Display for SealedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for SealedError {}

/// `plain` for `recipients`, of which there must be one at least.
pub(crate) fn seal(plain: &[u8], recipients: &[x25519::Recipient]) -> Vec<u8> {
    let recipients = recipients.iter().map(|r| r as &dyn age::Recipient);
    let encryptor =
        Encryptor::with_recipients(recipients).expect("X25519 recipients agree, and there is one");
    let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 1024 + 1024);
    let mut writer = encryptor
        .wrap_output(&mut sealed)
        .expect("a vector takes every write");
    writer.write_all(plain).expect("a vector takes every write");
    writer.finish().expect("a vector takes every write");
    sealed
}

/// What [`seal`] was given.
pub(crate) fn open(
    sealed: &[u8],
    identities: &Identities,
) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    if sealed.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
        return Err(SealedError::Armored);
    }
    if !sealed.starts_with(b"age-encryption.org/") {
        return Err(SealedError::NotAge);
    }
    if !sealed.starts_with(b"age-encryption.org/v1\n") {
        return Err(SealedError::NewerAge);
    }
    let decryptor = Decryptor::new(sealed).map_err(classify)?;
    if decryptor.is_scrypt() {
        return Err(SealedError::Passphrase);
    }
    let mut reader = decryptor.decrypt(identities.iter()).map_err(classify)?;
    // The plain text is shorter than the sealed one, so the buffer never grows.
    let mut plain = Zeroizing::new(vec![0; sealed.len()]);
    let mut filled = 0;
    loop {
        match reader.read(&mut plain[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(_) => return Err(SealedError::Damaged),
        }
    }
    plain.truncate(filled);
    Ok(plain)
}

fn classify(e: DecryptError) -> SealedError {
    match e {
        DecryptError::NoMatchingKeys => SealedError::WrongIdentity,
        DecryptError::UnknownFormat => SealedError::NewerAge,
        _ => SealedError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::identity::{generate, recipients};

    fn keys() -> Identities {
        generate().file.expose_to(Identities::parse).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_each_recipient_and_nobody_else() {
        let (a, b, c) = (keys(), keys(), keys());
        let both = recipients(&[a.recipients(), b.recipients()].concat(), &a).unwrap();
        for plain in [vec![], vec![7; 10], vec![7; 200_000]] {
            let sealed = seal(&plain, &both);
            assert_eq!(*open(&sealed, &a).unwrap(), plain);
            assert_eq!(*open(&sealed, &b).unwrap(), plain);
            assert_eq!(open(&sealed, &c).unwrap_err(), SealedError::WrongIdentity);
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let ours = keys();
        let sealed = seal(b"{\"secret\": 1}", &recipients(&[], &ours).unwrap());
        for end in 0..sealed.len() {
            assert!(open(&sealed[..end], &ours).is_err(), "cut at {end}");
        }
        for n in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[n] ^= 1;
            assert!(open(&altered, &ours).is_err(), "altered at {n}");
        }
        let mut longer = sealed.clone();
        longer.push(0);
        assert_eq!(open(&longer, &ours).unwrap_err(), SealedError::Damaged);
    }

    #[test]
    fn each_wrong_file_has_its_own_answer() {
        let ours = keys();
        for (bytes, expected) in [
            (&b""[..], SealedError::NotAge),
            (b"{\"keyrota\":1}", SealedError::NotAge),
            (
                b"-----BEGIN AGE ENCRYPTED FILE-----\n",
                SealedError::Armored,
            ),
            (b"age-encryption.org/v2\n", SealedError::NewerAge),
            (b"age-encryption.org/v1\n", SealedError::Damaged),
        ] {
            assert_eq!(open(bytes, &ours).unwrap_err(), expected);
        }
        let mut by_passphrase = vec![];
        let encryptor = Encryptor::with_user_passphrase("a passphrase".to_string().into());
        encryptor
            .wrap_output(&mut by_passphrase)
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(
            open(&by_passphrase, &ours).unwrap_err(),
            SealedError::Passphrase
        );
    }
}
