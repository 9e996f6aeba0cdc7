//! Random tokens: so many characters of an alphabet, each equally likely.

use std::fmt;

use async_trait::async_trait;
use keyrota_contract::{
    Entropy, Material, Minted, Probe, Public, Report, Rotator, RotatorError, SecretValue, Target,
    Which,
};

use super::material::{adopted, probed};
use super::shape;

pub mod kind;
pub use kind::KIND;

/// Makes tokens of `length` characters of an alphabet.
#[derive(Debug, Clone)]
pub struct Random {
    length: usize,
    alphabet: Vec<u8>,
}

impl Random {
    /// Tokens of `length` characters of `alphabet`, which holds each once, in any order.
    ///
    /// # Errors
    /// [`RandomError`] names the first rule that is broken. The rules make a value fit for a
    /// variable, a shell's double quotes, a URL's password and a header: printable ASCII, no space,
    /// no quotes, no backslash; and at least 128 bits.
    pub fn new(length: usize, alphabet: Vec<u8>) -> Result<Self, RandomError> {
        for (i, b) in alphabet.iter().enumerate() {
            if !b.is_ascii_graphic() || FORBIDDEN.contains(b) {
                return Err(RandomError::Forbidden(char::from(*b)));
            }
            if alphabet[..i].contains(b) {
                return Err(RandomError::Twice(char::from(*b)));
            }
        }
        if alphabet.len() < 2 {
            return Err(RandomError::TooFew);
        }
        let bits = (length as f64 * (alphabet.len() as f64).log2()) as usize;
        if bits < BITS_MIN {
            // The division rounds down, so one more character is always enough.
            let needed = (BITS_MIN as f64 / (alphabet.len() as f64).log2()) as usize + 1;
            return Err(RandomError::TooShort { bits, needed });
        }
        if length > LENGTH_MAX {
            return Err(RandomError::TooLong);
        }
        Ok(Self { length, alphabet })
    }

    fn has_shape(&self, text: &str) -> bool {
        text.len() == self.length && text.bytes().all(|b| self.alphabet.contains(&b))
    }
}

/// Why an alphabet or a length is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RandomError {
    /// Fewer than two characters.
    TooFew,
    /// This character occurs twice, and would be more likely than others.
    Twice(char),
    /// This character needs escaping somewhere, or cannot be seen.
    Forbidden(char),
    /// So many bits; `needed` characters would do.
    TooShort {
        /// What the length and the alphabet give, rounded down.
        bits: usize,
        /// A length with at least 128 bits.
        needed: usize,
    },
    /// More than 4096 characters.
    TooLong,
}

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew => f.write_str("an alphabet has at least two characters"),
            Self::Twice(c) => write!(f, "the alphabet has {c:?} twice"),
            Self::Forbidden(c) => write!(
                f,
                "{c:?} is not allowed: printable ASCII without space, quotes and backslash"
            ),
            Self::TooShort { bits, needed } => write!(
                f,
                "this gives {bits} bits, at least {BITS_MIN} are needed: length = {needed}"
            ),
            Self::TooLong => write!(f, "at most {LENGTH_MAX} characters"),
        }
    }
}

impl std::error::Error for RandomError {}

#[async_trait]
impl Rotator for Random {
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError> {
        let mut report = Report::default();
        // A weak current value is a reason to rotate, never one to refuse it.
        if let Some(current) = &m.current {
            let fits = shape::judge(&current.value, |text| {
                self.has_shape(text).then_some(()).ok_or("another shape")
            });
            if fits.is_err() {
                report
                    .warnings
                    .push("the current value has another length or alphabet");
            }
        }
        Ok(report)
    }

    fn create(&self, _: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let mut value = Vec::with_capacity(self.length);
        let mut bytes = zeroize::Zeroizing::new([0_u8; 64]);
        // Rejection sampling: a byte above the largest multiple of the alphabet's size would make
        // the first characters likelier, so it is thrown away.
        let n = self.alphabet.len();
        let limit = 256 - 256 % n;
        while value.len() < self.length {
            entropy.fill(bytes.as_mut_slice());
            let fair = bytes.iter().map(|b| usize::from(*b)).filter(|b| *b < limit);
            let wanted = self.length - value.len();
            value.extend(fair.map(|b| self.alphabet[b % n]).take(wanted));
        }
        Ok(Minted {
            value: SecretValue::new(value),
            public: Public::new(),
        })
    }

    fn adopt(&self, value: SecretValue, _: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        // What exists may have another shape: adopting it is how it comes to be replaced. A key of a
        // pair is another thing altogether.
        let checked = shape::judge(&value, |text| {
            keyrota_gate::drawn(text).map_err(|unfit| unfit.why)
        });
        adopted(value, checked)
    }

    async fn probe(&self, which: Which, m: &Material) -> Probe {
        probed(which, m, |v| shape::judge(&v.value, |_| Ok(())))
    }

    fn public(&self, _: &SecretValue, stored: &Public) -> Public {
        stored.clone()
    }

    fn target(&self) -> Option<&dyn Target> {
        None
    }
}

const FORBIDDEN: &[u8] = b"\"'`\\";
const BITS_MIN: usize = 128;
const LENGTH_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::super::testing::{Seeded, now, text, value, version, with_current};
    use super::*;

    /// The characters of a regular expression's bracket: `A-Za-z`.
    fn range(expression: &str) -> Vec<u8> {
        let mut rest = expression.as_bytes();
        let mut all = Vec::new();
        while let [from, more @ ..] = rest {
            rest = match more {
                [b'-', to, more @ ..] => {
                    all.extend(*from..=*to);
                    more
                }
                _ => {
                    all.push(*from);
                    more
                }
            };
        }
        all
    }

    #[test]
    fn alphabets() {
        for (alphabet, expected) in [
            ("", Some(RandomError::TooFew)),
            ("a", Some(RandomError::TooFew)),
            ("aba", Some(RandomError::Twice('a'))),
            ("a b", Some(RandomError::Forbidden(' '))),
            ("a\"b", Some(RandomError::Forbidden('"'))),
            ("a'b", Some(RandomError::Forbidden('\''))),
            ("a\\b", Some(RandomError::Forbidden('\\'))),
            ("a`b", Some(RandomError::Forbidden('`'))),
            ("a\nb", Some(RandomError::Forbidden('\n'))),
            ("a\0b", Some(RandomError::Forbidden('\0'))),
            ("aé", Some(RandomError::Forbidden('\u{c3}'))),
            ("ab", None),
            ("!#$%&()*+,-./:;<=>?@[]^_{|}~", None),
        ] {
            assert_eq!(
                Random::new(128, alphabet.into()).err(),
                expected,
                "{alphabet:?}"
            );
        }
    }

    #[test]
    fn fewer_than_128_bits_are_refused_with_a_length_that_fits() {
        for alphabet in ["01", "0-9", "a-f0-9", "A-Za-z0-9_-", "A-Za-z"] {
            let Err(RandomError::TooShort { needed, .. }) = Random::new(3, range(alphabet)) else {
                panic!("three characters of {alphabet} were taken")
            };
            assert!(
                Random::new(needed, range(alphabet)).is_ok(),
                "{alphabet} {needed}"
            );
        }
        assert!(Random::new(32, range("0-9a-f")).is_ok());
        assert!(Random::new(31, range("0-9a-f")).is_err());
        assert_eq!(
            Random::new(5000, range("0-9a-f")).unwrap_err(),
            RandomError::TooLong
        );
    }

    /// 62 does not divide 256: without the rejection the first eight characters come 1.25 times as
    /// often, and chi-square is above 1000.
    #[test]
    fn every_character_is_equally_likely() {
        let random = Random::new(4096, range("A-Za-z0-9")).unwrap();
        let mut entropy = Seeded(42);
        let mut counts = std::collections::BTreeMap::new();
        let mut total = 0.0;
        for _ in 0..50 {
            for c in text(
                &random
                    .create(&Material::default(), &mut entropy)
                    .unwrap()
                    .value,
            )
            .chars()
            {
                *counts.entry(c).or_insert(0_u32) += 1;
                total += 1.0;
            }
        }
        assert_eq!(counts.len(), 62);
        let expected = total / 62.0;
        let chi2: f64 = counts
            .values()
            .map(|c| (f64::from(*c) - expected).powi(2) / expected)
            .sum();
        // 61 degrees of freedom: above 111 in one of ten thousand seeds.
        assert!(chi2 < 111.0, "{chi2}");
    }

    #[test]
    fn values_have_the_shape_and_differ() {
        let random = Random::new(32, range("A-Za-z0-9_-")).unwrap();
        let mut entropy = Seeded(7);
        let a = random.create(&Material::default(), &mut entropy).unwrap();
        let b = random.create(&Material::default(), &mut entropy).unwrap();
        assert!(random.has_shape(&text(&a.value)));
        assert!(!a.value.same_as(&b.value));
        assert!(a.public.is_empty());
        let report = now(random.preflight(&with_current(version(a)))).unwrap();
        assert_eq!(report, Report::default());
    }

    #[test]
    fn a_current_value_of_another_shape_is_a_warning_and_can_be_adopted() {
        let random = Random::new(32, range("A-Za-z0-9_-")).unwrap();
        let old = random.adopt(value("tr0ub4dor"), &mut Seeded(1)).unwrap();
        let m = with_current(version(old));
        assert_eq!(now(random.preflight(&m)).unwrap().warnings.len(), 1);
        assert_eq!(now(random.probe(Which::Current, &m)), Probe::Accepted);
        assert_eq!(now(random.probe(Which::Pending, &m)), Probe::Unknown);
        assert!(random.adopt(value("pasted\n"), &mut Seeded(1)).is_err());
    }
}
