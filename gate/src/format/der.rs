//! Just enough DER (X.690) to tell which key a PEM block holds, and whether all of it is there.

use crate::format::key::Kind;

/// Why a key could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It says that it is longer than it is.
    Short,
    /// It is something else, or was changed.
    Damaged,
}

/// The content of the one SEQUENCE that `der` consists of.
pub(crate) fn sequence(der: &[u8]) -> Result<&[u8], Broken> {
    let mut reader = Reader(der);
    if der.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Broken::Damaged);
    }
    let content = reader.take(SEQUENCE)?;
    reader.end().map(|()| content)
}

/// A PKCS #8 private key (RFC 5958).
pub(crate) fn pkcs8(der: &[u8]) -> Result<Kind, Broken> {
    inner(
        || {
            let mut key = Reader(sequence(der)?);
            key.take(INTEGER)?;
            let algorithm = key.take(SEQUENCE)?;
            let private = key.take(OCTET_STRING)?;
            match named(algorithm)? {
                Kind::Rsa { .. } => pkcs1_private(private),
                Kind::P256 => sec1_scalar(private, 32).map(|()| Kind::P256),
                Kind::Ed25519 => {
                    let seed = Reader(private).take(OCTET_STRING)?;
                    if seed.len() == 32 {
                        Ok(Kind::Ed25519)
                    } else {
                        Err(Broken::Damaged)
                    }
                }
                other => Ok(other),
            }
        },
        der,
    )
}

/// A public key (SubjectPublicKeyInfo, RFC 5280 §4.1.2.7).
pub(crate) fn spki(der: &[u8]) -> Result<Kind, Broken> {
    inner(
        || {
            let mut key = Reader(sequence(der)?);
            let algorithm = key.take(SEQUENCE)?;
            // The first octet counts unused bits; keys have none.
            let Some((0, public)) = key
                .take(BIT_STRING)?
                .split_first()
                .map(|(unused, rest)| (*unused, rest))
            else {
                return Err(Broken::Damaged);
            };
            match (named(algorithm)?, public.len()) {
                (Kind::Rsa { .. }, _) => pkcs1_public(public),
                // A point is 65 octets long, or 33 when compressed (SEC 1 §2.3.3).
                (Kind::P256, 65 | 33) => Ok(Kind::P256),
                (Kind::Ed25519, 32) => Ok(Kind::Ed25519),
                (Kind::P256 | Kind::Ed25519, _) => Err(Broken::Damaged),
                (other, _) => Ok(other),
            }
        },
        der,
    )
}

/// `RSA PRIVATE KEY` (RFC 8017 A.1.2).
pub(crate) fn pkcs1_private(der: &[u8]) -> Result<Kind, Broken> {
    inner(
        || {
            let mut key = Reader(sequence(der)?);
            key.take(INTEGER)?;
            let modulus = key.take(INTEGER)?;
            // The exponents, the primes and what follows from them: eight numbers in all.
            for _ in 0..7 {
                key.take(INTEGER)?;
            }
            Ok(Kind::Rsa {
                bits: bits(modulus),
            })
        },
        der,
    )
}

/// `RSA PUBLIC KEY` (RFC 8017 A.1.1).
pub(crate) fn pkcs1_public(der: &[u8]) -> Result<Kind, Broken> {
    inner(
        || {
            let mut key = Reader(sequence(der)?);
            let modulus = key.take(INTEGER)?;
            key.take(INTEGER)?;
            Ok(Kind::Rsa {
                bits: bits(modulus),
            })
        },
        der,
    )
}

/// `EC PRIVATE KEY` (RFC 5915), which names its curve in `[0]`.
pub(crate) fn sec1(der: &[u8]) -> Result<Kind, Broken> {
    inner(
        || {
            let mut key = Reader(sequence(der)?);
            key.take(INTEGER)?;
            let scalar = key.take(OCTET_STRING)?;
            let Ok(parameters) = key.take(CONTEXT_0) else {
                return Ok(Kind::Other("an EC key that does not name its curve"));
            };
            match curve(Reader(parameters).take(OID)?) {
                Kind::P256 if scalar.len() != 32 => Err(Broken::Damaged),
                kind => Ok(kind),
            }
        },
        der,
    )
}

/// The length of a big-endian number in bits.
pub(crate) fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match &number[zeros..] {
        [] => 0,
        [first, rest @ ..] => rest.len() * 8 + (8 - first.leading_zeros() as usize),
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;

/// `Short` is a statement about the whole: inside a key of the right length it means damage.
fn inner(read: impl FnOnce() -> Result<Kind, Broken>, der: &[u8]) -> Result<Kind, Broken> {
    sequence(der)?;
    read().map_err(|_| Broken::Damaged)
}

fn sec1_scalar(der: &[u8], length: usize) -> Result<(), Broken> {
    let mut key = Reader(sequence(der)?);
    key.take(INTEGER)?;
    if key.take(OCTET_STRING)?.len() == length {
        Ok(())
    } else {
        Err(Broken::Damaged)
    }
}

/// The kind an AlgorithmIdentifier names; the bits of an RSA key are not in it.
fn named(algorithm: &[u8]) -> Result<Kind, Broken> {
    let mut algorithm = Reader(algorithm);
    Ok(match algorithm.take(OID)? {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => Kind::Rsa { bits: 0 },
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a] => {
            Kind::Other("an RSA key for PSS only")
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => curve(algorithm.take(OID)?),
        [0x2b, 0x65, 0x70] => Kind::Ed25519,
        [0x2b, 0x65, 0x71] => Kind::Other("an Ed448 key"),
        [0x2b, 0x65, 0x6e | 0x6f] => Kind::Other("a key for key agreement (X25519, X448)"),
        _ => Kind::Other("a key of another algorithm"),
    })
}

fn curve(oid: &[u8]) -> Kind {
    match oid {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Kind::P256,
        [0x2b, 0x81, 0x04, 0x00, 0x22] => Kind::Other("an EC key on P-384"),
        [0x2b, 0x81, 0x04, 0x00, 0x23] => Kind::Other("an EC key on P-521"),
        [0x2b, 0x81, 0x04, 0x00, 0x0a] => Kind::Other("an EC key on secp256k1"),
        _ => Kind::Other("an EC key on another curve"),
    }
}

/// Reads one element after another.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Result<&'d [u8], Broken> {
        let (found, rest) = self.0.split_first().ok_or(Broken::Short)?;
        if *found != tag {
            return Err(Broken::Damaged);
        }
        let (first, mut rest) = rest.split_first().ok_or(Broken::Short)?;
        let mut length = usize::from(*first);
        if length >= 0x80 {
            // The long form: so many octets of length. No key needs more than three.
            let octets = length - 0x80;
            if !(1..=3).contains(&octets) {
                return Err(Broken::Damaged);
            }
            let (digits, after) = rest.split_at_checked(octets).ok_or(Broken::Short)?;
            length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length).ok_or(Broken::Short)?;
        self.0 = after;
        Ok(content)
    }

    fn end(self) -> Result<(), Broken> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Broken::Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::testkeys as keys;

    type Parser = fn(&[u8]) -> Result<Kind, Broken>;

    #[test]
    fn every_form_is_recognised() {
        let rsa = Kind::Rsa { bits: 2048 };
        let cases: [(Parser, Vec<u8>, Kind); 9] = [
            (pkcs8, keys::ed25519_private(), Kind::Ed25519),
            (pkcs8, keys::p256_private(), Kind::P256),
            (pkcs8, keys::rsa_private(256), rsa),
            (spki, keys::ed25519_public(), Kind::Ed25519),
            (spki, keys::p256_public(), Kind::P256),
            (spki, keys::rsa_public(256), rsa),
            (pkcs1_private, keys::rsa_pkcs1_private(256), rsa),
            (
                pkcs1_public,
                keys::rsa_pkcs1_public(128),
                Kind::Rsa { bits: 1024 },
            ),
            (sec1, keys::p256_sec1(), Kind::P256),
        ];
        for (index, (parse, der, kind)) in cases.into_iter().enumerate() {
            assert_eq!(parse(&der), Ok(kind), "case {index}");
            for end in 0..der.len() {
                assert_eq!(
                    parse(&der[..end]),
                    Err(Broken::Short),
                    "case {index} cut at {end}"
                );
            }
            let longer = [der.as_slice(), &[0]].concat();
            assert_eq!(
                parse(&longer),
                Err(Broken::Damaged),
                "case {index} with a byte too many"
            );
        }
    }

    #[test]
    fn bits_are_counted_without_leading_zeros() {
        assert_eq!(
            (
                bits(&[]),
                bits(&[0]),
                bits(&[0, 1]),
                bits(&[0x80, 0]),
                bits(&[0, 0xff])
            ),
            (0, 0, 1, 16, 8)
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(mut der in prop::collection::vec(any::<u8>(), 0..80), sequence in any::<bool>()) {
            if sequence && der.len() >= 2 {
                der[0] = SEQUENCE;
                der[1] = u8::try_from(der.len() - 2).unwrap_or(0);
            }
            for parse in [pkcs8, spki, pkcs1_private, pkcs1_public, sec1] {
                let _ = parse(&der);
            }
        }
    }
}
