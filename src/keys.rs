//! The host's seed and the two keys derived from it: one for fingerprints, one for checkpoints.
//!
//! All hosts of one state carry the same seed, so fingerprints compare and checkpoints verify
//! everywhere. The key id is public: it stands in every fingerprint and in the state, and a host
//! with another seed is found by it.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_lc_rs::{digest, hkdf, hmac};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use keyrota_contract::{Entropy, SecretValue};
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

/// The bytes of a seed.
pub const SEED_BYTES: usize = 32;

/// The 32 bytes from which a host's keys come. Wiped when dropped; has no `Debug` of its content.
pub struct Seed(Zeroizing<[u8; SEED_BYTES]>);

/// What a host derives from its seed.
pub struct Keys {
    id: String,
    fingerprints: hmac::Key,
    checkpoints: Ed25519KeyPair,
}

/// Why a seed is not usable. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysError {
    /// There is no such file.
    Missing,
    /// A symbolic link, a directory, a device: not a file that can be vouched for.
    NotAFile,
    /// It belongs to neither this process's user nor root.
    Owner,
    /// Its group or others may read or write it.
    Mode,
    /// It is not exactly 32 bytes long.
    Length,
    /// It is all zeros.
    Zero,
    /// It could not be opened or read.
    Unreadable,
}

impl Seed {
    /// Reads a seed from a file that only its owner, this process's user or root, can read.
    /// Symbolic links are not followed.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        // NONBLOCK: opening a FIFO must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| match e {
            rustix::io::Errno::LOOP => KeysError::NotAFile,
            e if e.kind() == ErrorKind::NotFound => KeysError::Missing,
            _ => KeysError::Unreadable,
        })?;
        let file = File::from(fd);
        // Everything is asked of the open file, so that nothing can be swapped in between.
        let meta = file.metadata().map_err(|_| KeysError::Unreadable)?;
        if !meta.is_file() {
            return Err(KeysError::NotAFile);
        }
        if meta.uid() != rustix::process::geteuid().as_raw() && meta.uid() != 0 {
            return Err(KeysError::Owner);
        }
        if meta.mode() & 0o077 != 0 {
            return Err(KeysError::Mode);
        }
        let mut bytes = Zeroizing::new([0; SEED_BYTES + 1]);
        let mut filled = 0;
        while filled < bytes.len() {
            match (&file).read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(KeysError::Unreadable),
            }
        }
        Self::from_bytes(&bytes[..filled])
    }

    /// Takes a seed that was handed over as a credential.
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
            checkpoints,
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, KeysError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        if bytes.len() != seed.len() {
            return Err(KeysError::Length);
        }
        if bytes.iter().all(|b| *b == 0) {
            return Err(KeysError::Zero);
        }
        seed.copy_from_slice(bytes);
        Ok(Self(seed))
    }
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
            Self::Missing => "the seed does not exist; make one with: openssl rand 32",
            Self::NotAFile => "the seed is not a regular file (symbolic links are not followed)",
            Self::Owner => "the seed belongs to another user",
            Self::Mode => "the seed can be read or written by others; set its mode to 0600",
            Self::Length => "the seed is not exactly 32 bytes; make one with: openssl rand 32",
            Self::Zero => "the seed is all zeros",
            Self::Unreadable => "the seed cannot be read",
        })
    }
}

impl std::error::Error for KeysError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::os::unix::fs::PermissionsExt;

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
    }

    #[test]
    fn a_seed_that_others_can_reach_or_that_is_not_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seed");
        let write = |bytes: &[u8], mode: u32| {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let read = || Seed::read(&path).map(|_| ());
        assert_eq!(read(), Err(KeysError::Missing));
        write(&[7; 32], 0o600);
        assert_eq!(Seed::read(&path).unwrap().keys().id(), seed(7).keys().id());
        for mode in [0o640, 0o604, 0o620, 0o602, 0o660, 0o644, 0o601] {
            write(&[7; 32], mode);
            assert_eq!(read(), Err(KeysError::Mode), "{mode:o}");
        }
        for bytes in [&[7; 31][..], &[7; 33], &[], &[7; 64]] {
            write(bytes, 0o600);
            assert_eq!(read(), Err(KeysError::Length), "{}", bytes.len());
        }
        write(&[0; 32], 0o600);
        assert_eq!(read(), Err(KeysError::Zero));

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(Seed::read(&link).map(|_| ()), Err(KeysError::NotAFile));
        assert_eq!(Seed::read(dir.path()).map(|_| ()), Err(KeysError::NotAFile));
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(Seed::read(&fifo).map(|_| ()), Err(KeysError::NotAFile));
        if rustix::process::geteuid().is_root() {
            write(&[7; 32], 0o600);
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            assert_eq!(read(), Err(KeysError::Owner));
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
    const PINNED_PUBLIC: &str = "60331f620842411c7006cf94e07ea8096ed5c55058f2d493f0f63d2670b2ad7c";
}
