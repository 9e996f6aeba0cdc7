//! Keys that sign messages and requests (webhooks, cookies, Inngest): random bytes in an encoding,
//! behind a prefix; or made by their issuer and only taken over.

use async_trait::async_trait;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use keyrota_contract::{
    Entropy, Material, Minted, Probe, Public, Report, Rotator, RotatorError, SecretValue, Target,
    Which,
};
use zeroize::Zeroizing;

use super::material::{adopted, probed};
use super::shape;

mod kind;
pub use kind::KIND;

/// How the random bytes are written after the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// RFC 4648 section 4, padded.
    Base64,
    /// RFC 4648 section 5, not padded.
    Base64Url,
}

/// Who makes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// keyrota.
    Generated {
        /// How many random bytes; at least 16, or [`SigningKey::new`] refuses.
        bytes: usize,
        /// How they are written.
        encoding: Encoding,
    },
    /// Its issuer. keyrota asks for it, keeps it, tells it and retires it.
    Imported,
}

/// A key that signs and verifies messages.
#[derive(Debug, Clone)]
pub struct SigningKey {
    origin: Origin,
    prefix: String,
}

impl SigningKey {
    /// A kind of key; `None` for fewer than 16 or more than 1024 random bytes, or a prefix that is
    /// not printable ASCII without spaces.
    pub fn new(origin: Origin, prefix: impl Into<String>) -> Option<Self> {
        let prefix = prefix.into();
        let sized = match origin {
            Origin::Generated { bytes, .. } => BYTES.contains(&bytes),
            Origin::Imported => true,
        };
        (sized && prefix.bytes().all(|b| b.is_ascii_graphic())).then_some(Self { origin, prefix })
    }

    /// The rules for a key that exists: more cannot be asked of what somebody else made.
    fn check(&self, value: &SecretValue) -> Result<(), &'static str> {
        shape::judge(value, |text| {
            let body = text.strip_prefix(self.prefix.as_str()).ok_or(
                "the key does not begin with the prefix the schedule states; is it another environment's?",
            )?;
            shape::check_unguessable(body)
        })
    }

    fn has_shape(&self, text: &str) -> bool {
        let Origin::Generated { bytes, encoding } = self.origin else {
            return true;
        };
        let Some(body) = text.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let decoded = match encoding {
            Encoding::Hex => HEXLOWER_PERMISSIVE.decode(body.as_bytes()),
            Encoding::Base64 => BASE64.decode(body.as_bytes()),
            Encoding::Base64Url => BASE64URL_NOPAD.decode(body.as_bytes()),
        };
        decoded.map(Zeroizing::new).is_ok_and(|d| d.len() == bytes)
    }
}

#[async_trait]
impl Rotator for SigningKey {
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError> {
        let mut report = Report::default();
        // An unsound current key is a reason to rotate, never one to refuse it.
        if let Some(current) = &m.current {
            if self.check(&current.value).is_err() {
                report
                    .warnings
                    .push("the current key lacks the prefix, or is too short or too regular");
            } else if shape::judge(&current.value, |t| {
                self.has_shape(t).then_some(()).ok_or("")
            })
            .is_err()
            {
                report
                    .warnings
                    .push("the current key has another length or encoding");
            }
        }
        Ok(report)
    }

    fn create(&self, _: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let Origin::Generated { bytes, encoding } = self.origin else {
            return Err(RotatorError::Refused(
                "only its issuer makes this key: make one there and give it to `keyrota rotate NAME --value-stdin`",
            ));
        };
        let mut random = Zeroizing::new(vec![0; bytes]);
        entropy.fill(&mut random);
        let encoding = match encoding {
            Encoding::Hex => HEXLOWER,
            Encoding::Base64 => BASE64,
            Encoding::Base64Url => BASE64URL_NOPAD,
        };
        // One buffer of the final size: a growing one would leave copies behind.
        let mut value = vec![0; self.prefix.len() + encoding.encode_len(bytes)];
        let (prefix, body) = value.split_at_mut(self.prefix.len());
        prefix.copy_from_slice(self.prefix.as_bytes());
        encoding.encode_mut(&random, body);
        Ok(Minted {
            value: SecretValue::new(value),
            public: Public::new(),
        })
    }

    fn adopt(&self, value: SecretValue, _: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let checked = self.check(&value);
        adopted(value, checked)
    }

    async fn probe(&self, which: Which, m: &Material) -> Probe {
        probed(which, m, |v| self.check(&v.value))
    }

    fn public(&self, _: &SecretValue, stored: &Public) -> Public {
        stored.clone()
    }

    fn target(&self) -> Option<&dyn Target> {
        None
    }
}

/// 128 bits is the floor of every generated value; nobody's HMAC gains from more than a block.
const BYTES: std::ops::RangeInclusive<usize> = 16..=1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::super::testing::{Seeded, now, text, value, version, with_current, with_pending};
    use super::*;

    fn generated(encoding: Encoding) -> SigningKey {
        SigningKey::new(
            Origin::Generated {
                bytes: 32,
                encoding,
            },
            "signkey-prod-",
        )
        .unwrap()
    }

    #[test]
    fn the_three_encodings() {
        for (encoding, length) in [
            (Encoding::Hex, 64),
            (Encoding::Base64, 44),
            (Encoding::Base64Url, 43),
        ] {
            let kind = generated(encoding);
            let minted = kind.create(&Material::default(), &mut Seeded(3)).unwrap();
            let made = text(&minted.value);
            let body = made.strip_prefix("signkey-prod-").unwrap();
            assert_eq!(body.len(), length);
            assert!(kind.has_shape(&made));
            assert!(kind.has_shape(&made) && !kind.has_shape(&made[..made.len() - 2]));
            let m = with_pending(version(minted));
            assert_eq!(now(kind.probe(Which::Pending, &m)), Probe::Accepted);
        }
        let hex = text(
            &generated(Encoding::Hex)
                .create(&Material::default(), &mut Seeded(3))
                .unwrap()
                .value,
        );
        let mut expected = [0; 32];
        Seeded(3).fill(&mut expected);
        assert_eq!(hex, format!("signkey-prod-{}", HEXLOWER.encode(&expected)));
    }

    #[test]
    fn an_imported_key_is_never_made() {
        let kind = SigningKey::new(Origin::Imported, "signkey-prod-").unwrap();
        let refused = kind
            .create(&Material::default(), &mut Seeded(3))
            .unwrap_err();
        assert!(matches!(refused, RotatorError::Refused(s) if s.contains("--value-stdin")));
    }

    #[test]
    fn adopting_checks_prefix_length_and_regularity() {
        let kind = SigningKey::new(Origin::Imported, "signkey-prod-").unwrap();
        let body = "b2ed992186a5cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c";
        for (text, word) in [
            (format!("signkey-prod-{body}"), ""),
            (format!("signkey-test-{body}"), "prefix"),
            ("signkey-prod-".to_owned(), "too short"),
            ("signkey-prod-changeme".to_owned(), "too short"),
            (format!("signkey-prod-{}", "a".repeat(64)), "too regular"),
            (format!("signkey-prod-{body}\n"), "line break"),
        ] {
            let outcome = kind.adopt(value(&text), &mut Seeded(1));
            match outcome {
                Ok(_) => assert_eq!(word, "", "{text} was adopted"),
                Err(RotatorError::Refused(s)) => {
                    assert!(!word.is_empty() && s.contains(word), "{text}: {s}")
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_current_key_of_another_shape_is_a_warning() {
        let kind = generated(Encoding::Hex);
        for old in ["changeme", "signkey-prod-Zm9vYmFyYmF6cXV4eHl6enk"] {
            let m = with_current(version(Minted {
                value: value(old),
                public: Public::new(),
            }));
            assert_eq!(now(kind.preflight(&m)).unwrap().warnings.len(), 1, "{old}");
        }
    }

    #[test]
    fn few_bytes_and_odd_prefixes_are_refused() {
        let of = |bytes| Origin::Generated {
            bytes,
            encoding: Encoding::Hex,
        };
        assert!(SigningKey::new(of(15), "").is_none());
        assert!(SigningKey::new(of(16), "").is_some());
        assert!(SigningKey::new(of(32), "two words").is_none());
        assert!(SigningKey::new(Origin::Imported, "line\nbreak").is_none());
    }
}
