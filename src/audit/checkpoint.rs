//! Checkpoints: the head of the log in a signed note.
//!
//! The form is that of <https://c2sp.org/tlog-checkpoint> in <https://c2sp.org/signed-note>, so
//! that others' tools can read it: origin, size, base64 of a hash, a blank line, signatures. Our
//! hash is the head of a chain, not the root of a tree. The origin is `keyrota/<log id>`, and it is
//! the key's name, too: a public key says which log it vouches for.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use uuid::Uuid;

use super::Head;
use super::chain::Hash;
use crate::keys::Keys;

/// The number of Ed25519 among the signature types of C2SP signed notes.
const ED25519_TYPE: u8 = 0x01;

/// A statement about a log: it has `size` entries, and the last one's hash is `hash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub chain: Uuid,
    /// How many entries.
    pub size: i64,
    /// The last one's hash.
    pub hash: Hash,
    /// Further signed lines; an export says here what it holds.
    pub extensions: Vec<String>,
}

/// A public key that may vouch for one log. Its text form is a C2SP vkey, `name+id+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    chain: Uuid,
    public: [u8; 32],
}

/// Why a note is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteError {
    /// It is not a note, or not one of a checkpoint.
    Malformed,
    /// It is about another log.
    OtherLog,
    /// None of its signatures is by a key that was asked for.
    UnknownKey,
    /// A signature by a known key does not fit the text.
    BadSignature,
}

impl Checkpoint {
    /// The statement about `head`.
    pub fn of(head: &Head) -> Self {
        Self {
            chain: head.chain,
            size: head.size,
            hash: head.hash,
            extensions: Vec::new(),
        }
    }

    /// The signed note.
    pub fn sign(&self, keys: &Keys) -> String {
        let text = self.text();
        let key = VerifyingKey::new(self.chain, keys.public());
        let mut signature = key.id().to_vec();
        signature.extend_from_slice(&keys.sign(text.as_bytes()));
        format!(
            "{text}\n\u{2014} {} {}\n",
            key.name(),
            BASE64.encode(&signature)
        )
    }

    /// Reads a note and believes it only if one of `keys` signed it. Signatures by other keys are
    /// passed over; a wrong one by a known key condemns the note.
    pub fn verify(note: &str, keys: &[VerifyingKey]) -> Result<Self, NoteError> {
        let (text, signatures) = note.split_once("\n\n").ok_or(NoteError::Malformed)?;
        let text = format!("{text}\n");
        let checkpoint = Self::parse(&text)?;
        let signatures = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let mut signed = false;
        for line in signatures.split('\n') {
            let (name, signature) = line
                .strip_prefix("\u{2014} ")
                .and_then(|l| l.split_once(' '))
                .ok_or(NoteError::Malformed)?;
            let signature = BASE64
                .decode(signature.as_bytes())
                .map_err(|_| NoteError::Malformed)?;
            let (id, signature) = signature.split_at_checked(4).ok_or(NoteError::Malformed)?;
            if let Some(key) = keys.iter().find(|k| k.name() == name && k.id() == id) {
                UnparsedPublicKey::new(&ED25519, key.public)
                    .verify(text.as_bytes(), signature)
                    .map_err(|_| NoteError::BadSignature)?;
                if key.chain != checkpoint.chain {
                    return Err(NoteError::OtherLog);
                }
                signed = true;
            }
        }
        if signed {
            Ok(checkpoint)
        } else {
            Err(NoteError::UnknownKey)
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            name(self.chain),
            self.size,
            BASE64.encode(&self.hash)
        );
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// There is one way to write a checkpoint, so what is read must come out the same when written.
    fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        let mut next = || lines.next().ok_or(NoteError::Malformed);
        let (origin, size, hash) = (next()?, next()?, next()?);
        let checkpoint = Self {
            chain: chain_of(origin).ok_or(NoteError::Malformed)?,
            size: size.parse().map_err(|_| NoteError::Malformed)?,
            hash: BASE64
                .decode(hash.as_bytes())
                .ok()
                .and_then(|h| h.try_into().ok())
                .ok_or(NoteError::Malformed)?,
            extensions: lines.map(str::to_owned).collect(),
        };
        if checkpoint.size >= 0 && checkpoint.text() == text {
            Ok(checkpoint)
        } else {
            Err(NoteError::Malformed)
        }
    }
}

impl VerifyingKey {
    /// The key `public` as vouching for the log `chain`.
    pub fn new(chain: Uuid, public: [u8; 32]) -> Self {
        Self { chain, public }
    }

    /// Reads a vkey; `None` if it is not one, or not for a log of keyrota.
    pub fn parse(vkey: &str) -> Option<Self> {
        // The base64 may hold a plus sign; a name and an id do not.
        let mut parts = vkey.trim().splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(key.as_bytes()).ok()?;
        let (kind, public) = bytes.split_first()?;
        let key = Self::new(chain_of(name)?, public.try_into().ok()?);
        (*kind == ED25519_TYPE && HEXLOWER.encode(&key.id()) == id).then_some(key)
    }

    /// The log it vouches for.
    pub fn chain(&self) -> Uuid {
        self.chain
    }

    fn name(&self) -> String {
        name(self.chain)
    }

    fn typed(&self) -> Vec<u8> {
        [&[ED25519_TYPE], self.public.as_slice()].concat()
    }

    /// The first 4 bytes of `SHA-256(name || "\n" || type || public key)`.
    fn id(&self) -> [u8; 4] {
        let text = [self.name().as_bytes(), b"\n", &self.typed()].concat();
        digest(&SHA256, &text).as_ref()[..4]
            .try_into()
            .expect("four of 32 bytes")
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}+{}+{}",
            self.name(),
            HEXLOWER.encode(&self.id()),
            BASE64.encode(&self.typed())
        )
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a signed checkpoint",
            Self::OtherLog => "a checkpoint of another log",
            Self::UnknownKey => "a checkpoint that the given key did not sign",
            Self::BadSignature => "a checkpoint with a wrong signature",
        })
    }
}

impl std::error::Error for NoteError {}

fn name(chain: Uuid) -> String {
    format!("keyrota/{chain}")
}

fn chain_of(name: &str) -> Option<Uuid> {
    let chain = Uuid::parse_str(name.strip_prefix("keyrota/")?).ok()?;
    (self::name(chain) == name).then_some(chain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use keyrota_contract::SecretValue;

    use super::*;
    use crate::keys::Seed;

    fn keys(byte: u8) -> Keys {
        Seed::from_credential(&SecretValue::copy_of(&[byte; 32]))
            .unwrap()
            .keys()
    }

    fn checkpoint() -> Checkpoint {
        let chain = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
        Checkpoint {
            chain,
            size: 123,
            hash: [9; 32],
            extensions: Vec::new(),
        }
    }

    #[test]
    fn a_note_is_believed_from_the_public_key_alone() {
        let (c, keys) = (checkpoint(), keys(1));
        let key = VerifyingKey::new(c.chain, keys.public());
        assert_eq!(VerifyingKey::parse(&key.to_string()), Some(key.clone()));
        assert_eq!(
            Checkpoint::verify(&c.sign(&keys), std::slice::from_ref(&key)),
            Ok(c.clone())
        );
        let with = Checkpoint {
            extensions: vec!["export 1".to_owned()],
            ..c
        };
        assert_eq!(Checkpoint::verify(&with.sign(&keys), &[key]), Ok(with));
    }

    #[test]
    fn every_changed_byte_of_a_note_is_noticed() {
        let (c, keys) = (checkpoint(), keys(1));
        let (note, key) = (c.sign(&keys), VerifyingKey::new(c.chain, keys.public()));
        for i in 0..note.len() {
            for bit in [1, 2, 16, 128] {
                let mut bytes = note.clone().into_bytes();
                bytes[i] ^= bit;
                let Ok(text) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(
                    Checkpoint::verify(&text, std::slice::from_ref(&key)).is_err(),
                    "byte {i}: {text:?}"
                );
            }
        }
    }

    #[test]
    fn other_keys_and_other_logs_do_not_vouch() {
        let c = checkpoint();
        let (ours, theirs) = (
            VerifyingKey::new(c.chain, keys(1).public()),
            VerifyingKey::new(c.chain, keys(2).public()),
        );
        assert_eq!(
            Checkpoint::verify(&c.sign(&keys(2)), std::slice::from_ref(&ours)),
            Err(NoteError::UnknownKey)
        );
        // A second signature, by a key that is asked for, is found behind one that is not.
        let both = c.sign(&keys(2)) + c.sign(&keys(1)).split_once("\n\n").unwrap().1;
        assert_eq!(
            Checkpoint::verify(&both, std::slice::from_ref(&ours)),
            Ok(c.clone())
        );
        assert_eq!(Checkpoint::verify(&both, &[ours, theirs]), Ok(c.clone()));
        let other = VerifyingKey::new(Uuid::nil(), keys(1).public());
        assert_eq!(
            Checkpoint::verify(&c.sign(&keys(1)), &[other]),
            Err(NoteError::UnknownKey)
        );
    }
}
