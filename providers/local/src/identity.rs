//! Keys of age documents: identities open them, recipients are whom they are sealed for.
//!
//! Only X25519, the kind that `age-keygen` makes and every age program reads. Identity files may
//! hold comments and several keys; all of them are tried.

use std::fmt;

use age::secrecy::ExposeSecret;
use age::x25519;
use keyrota_contract::SecretValue;

/// Why keys were not taken. Lines are counted from 1; nothing of what stands there is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError {
    /// The identity file is not UTF-8 text.
    NotText,
    /// The identity file holds no key.
    NoKey,
    /// The identity file is itself protected with a passphrase, which nobody is there to type.
    Passphrase,
    /// A recipient (`age1…`) stands where the identity belongs.
    PublicKey {
        /// The line of the file.
        line: usize,
    },
    /// A key of another kind than X25519: a plugin's, an SSH key, a post-quantum key.
    OtherKind {
        /// The line of the file.
        line: usize,
    },
    /// A line that is no key: cut off, or mistyped.
    Malformed {
        /// The line of the file.
        line: usize,
    },
    /// A recipient that is no X25519 public key (`age1…`).
    BadRecipient {
        /// Its number in the list, counted from 1.
        number: usize,
    },
    /// None of the recipients belongs to our identity: what we seal we could never open again.
    LockedOut,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("the identity file is not text; make one with age-keygen"),
            Self::NoKey => f.write_str("the identity file holds no AGE-SECRET-KEY-1 line; make one with age-keygen"),
            Self::Passphrase => f.write_str("the identity file is protected with a passphrase; store it decrypted, mode 0600"),
            Self::PublicKey { line } => write!(f, "identity file, line {line}: this is a public key; the identity is the AGE-SECRET-KEY-1 line"),
            Self::OtherKind { line } => write!(f, "identity file, line {line}: not an X25519 key; make one with age-keygen"),
            Self::Malformed { line } => write!(f, "identity file, line {line}: damaged or mistyped key"),
            Self::BadRecipient { number } => write!(f, "recipient {number}: not an X25519 public key (age1…)"),
            Self::LockedOut => f.write_str("none of the recipients belongs to the identity: keyrota could not read what it writes; add the identity's own recipient"),
        }
    }
}

impl std::error::Error for IdentityError {}

/// The secret keys of one identity file.
pub struct Identities(Vec<x25519::Identity>);

impl Identities {
    /// Reads an identity file as `age-keygen` writes it.
    pub fn parse(file: &[u8]) -> Result<Self, IdentityError> {
        let text = std::str::from_utf8(file).map_err(|_| IdentityError::NotText)?;
        if text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")
            || text.starts_with("age-encryption.org/")
        {
            return Err(IdentityError::Passphrase);
        }
        let keys = text
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let identities = keys
            .map(|(line, text)| parse_key(line, text))
            .collect::<Result<Vec<_>, _>>()?;
        if identities.is_empty() {
            Err(IdentityError::NoKey)
        } else {
            Ok(Self(identities))
        }
    }

    /// The public keys, as text, in the file's order.
    pub fn recipients(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|identity| identity.to_public().to_string())
            .collect()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &x25519::Identity> {
        self.0.iter()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identities(redacted)")
    }
}

/// A new identity file and the recipient that belongs to it.
#[derive(Debug)]
pub struct NewIdentity {
    /// The text of the file, in the form `age-keygen` gives it.
    pub file: SecretValue,
    /// The public key.
    pub recipient: String,
}

/// Makes an identity for development and `init`. The randomness is the system's, taken by the age
/// library: it offers no way to hand it in.
pub fn generate() -> NewIdentity {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let key = identity.to_string();
    let comment = format!("# public key: {recipient}\n");
    let mut file = Vec::with_capacity(comment.len() + key.expose_secret().len() + 1);
    file.extend_from_slice(comment.as_bytes());
    file.extend_from_slice(key.expose_secret().as_bytes());
    file.push(b'\n');
    NewIdentity {
        file: SecretValue::new(file),
        recipient,
    }
}

/// Whom a document is sealed for: `texts`, which must include one of `ours`; all of `ours` when
/// `texts` is empty.
pub fn recipients(
    texts: &[String],
    ours: &Identities,
) -> Result<Vec<x25519::Recipient>, IdentityError> {
    let own: Vec<_> = ours.0.iter().map(x25519::Identity::to_public).collect();
    if texts.is_empty() {
        return Ok(own);
    }
    let parse = |(n, text): (usize, &String)| {
        text.trim()
            .parse::<x25519::Recipient>()
            .map_err(|_| IdentityError::BadRecipient { number: n + 1 })
    };
    let recipients = texts
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<Vec<_>, _>>()?;
    if recipients.iter().any(|r| own.contains(r)) {
        Ok(recipients)
    } else {
        Err(IdentityError::LockedOut)
    }
}

fn parse_key(line: usize, text: &str) -> Result<x25519::Identity, IdentityError> {
    if text.starts_with("AGE-SECRET-KEY-1") {
        return text.parse().map_err(|_| IdentityError::Malformed { line });
    }
    let other = ["AGE-PLUGIN-", "AGE-SECRET-KEY-PQ-", "-----BEGIN "];
    if other.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(IdentityError::OtherKind { line });
    }
    if text.starts_with("age1") {
        return Err(IdentityError::PublicKey { line });
    }
    Err(IdentityError::Malformed { line })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn text() -> (String, String) {
        let new = generate();
        (
            new.file
                .expose_to(|b| String::from_utf8(b.to_vec()).unwrap()),
            new.recipient,
        )
    }

    #[test]
    fn generated_files_are_read_back() {
        let (one, one_public) = text();
        let (two, two_public) = text();
        let both = Identities::parse(format!("\n# mine\r\n{one}\n  {two}").as_bytes()).unwrap();
        assert_eq!(both.recipients(), [one_public, two_public]);
        assert_eq!(format!("{both:?}"), "Identities(redacted)");
    }

    #[test]
    fn each_mistake_has_its_own_answer() {
        let (file, public) = text();
        let key = file.lines().nth(1).unwrap();
        let cut = &key[..key.len() - 1];
        for (given, expected) in [
            ("", IdentityError::NoKey),
            ("# only a comment\n", IdentityError::NoKey),
            ("\n\nhunter2", IdentityError::Malformed { line: 3 }),
            (cut, IdentityError::Malformed { line: 1 }),
            (&public, IdentityError::PublicKey { line: 1 }),
            (
                "AGE-PLUGIN-YUBIKEY-1QQ",
                IdentityError::OtherKind { line: 1 },
            ),
            (
                "AGE-SECRET-KEY-PQ-1QQ",
                IdentityError::OtherKind { line: 1 },
            ),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----",
                IdentityError::OtherKind { line: 1 },
            ),
            (
                "-----BEGIN AGE ENCRYPTED FILE-----",
                IdentityError::Passphrase,
            ),
        ] {
            let error = Identities::parse(given.as_bytes()).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("hunter2") && !error.to_string().contains(cut));
        }
        assert_eq!(
            Identities::parse(b"\xff").unwrap_err(),
            IdentityError::NotText
        );
    }

    #[test]
    fn recipients_must_include_our_own() {
        let (file, public) = text();
        let ours = Identities::parse(file.as_bytes()).unwrap();
        let (_, theirs) = text();
        assert_eq!(recipients(&[], &ours).unwrap().len(), 1);
        assert_eq!(
            recipients(&[theirs.clone(), public.clone()], &ours)
                .unwrap()
                .len(),
            2
        );
        let error = |texts: &[String]| recipients(texts, &ours).err();
        assert_eq!(error(&[theirs]), Some(IdentityError::LockedOut));
        assert_eq!(
            error(&[public, "age1x".into()]),
            Some(IdentityError::BadRecipient { number: 2 })
        );
    }
}
