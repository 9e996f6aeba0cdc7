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

/// Whether `der` is one whole structure such as a key, a certificate or a PKCS #12 file: a SEQUENCE of
/// two or more whole elements that begins with a number or another SEQUENCE. No key drawn at random
/// has that form by chance.
pub(crate) fn is_document(der: &[u8]) -> bool {
    let Ok(content) = sequence(der) else {
        return false;
    };
    let first = content.first();
    let begins = first.is_some_and(|tag| [INTEGER, SEQUENCE].contains(tag));
    let mut reader = Reader(content);
    let mut elements = 0;
    while let Some(tag) = reader.0.first() {
        if reader.take(*tag).is_err() {
            return false;
        }
        elements += 1;
    }
    begins && elements >= 2 && content.len() >= DOCUMENT_BYTES_MIN
}

/// A PKCS #8 private key of version 1 (RFC 5208); OpenSSL reads no other.
pub(crate) fn pkcs8(der: &[u8]) -> Result<Kind, Broken> {
    inner(
        || {
            let mut key = Reader(sequence(der)?);
            let version = key.take(INTEGER)?;
            let algorithm = key.take(SEQUENCE)?;
            let private = key.take(OCTET_STRING)?;
            if version == [1] {
                return Ok(Kind::Other(
                    "a key in PKCS #8 version 2, which OpenSSL 3.0 does not read,",
                ));
            }
            key.optional(CONTEXT_0)?; // attributes
            key.end()?;
            match named(algorithm)? {
                Kind::Rsa { .. } => pkcs1_private(private),
                Kind::P256 => ec_private(private, Some(Kind::P256)),
                Kind::Ed25519 => {
                    let mut private = Reader(private);
                    let seed = private.take(OCTET_STRING)?;
                    private.end()?;
                    match seed.len() {
                        32 => Ok(Kind::Ed25519),
                        _ => Err(Broken::Damaged),
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
            if key.take(INTEGER)? != [0] {
                return Ok(Kind::Other("an RSA key of more than two primes"));
            }
            let (modulus, exponent) = (key.take(INTEGER)?, key.take(INTEGER)?);
            // The private exponent, the primes and what follows from them.
            for _ in 0..6 {
                key.take(INTEGER)?;
            }
            key.end()?;
            if !is_rsa_exponent(exponent) {
                return Err(Broken::Damaged);
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
    inner(|| ec_private(der, None), der)
}

/// The private key of a curve, which may be `known` from around it. The public half is optional.
fn ec_private(der: &[u8], known: Option<Kind>) -> Result<Kind, Broken> {
    let mut key = Reader(sequence(der)?);
    if key.take(INTEGER)? != [1] {
        return Err(Broken::Damaged);
    }
    let scalar = key.take(OCTET_STRING)?;
    let stated = match key.optional(CONTEXT_0)? {
        Some(parameters) => Some(curve_of(&mut Reader(parameters))?),
        None => None,
    };
    let kind = match (known, stated) {
        (None, None) => Kind::Other("an EC key that does not name its curve"),
        (Some(known), Some(stated)) if known != stated => return Err(Broken::Damaged),
        (Some(kind), _) | (None, Some(kind)) => kind,
    };
    let public = key.optional(CONTEXT_1)?;
    key.end()?;
    if kind != Kind::P256 {
        return Ok(kind);
    }
    if !is_p256_scalar(scalar) {
        return Err(Broken::Damaged);
    }
    let Some(public) = public else {
        return Ok(kind);
    };
    // Uncompressed and compressed points (SEC 1 section 2.3.3); the first octet counts unused bits.
    match Reader(public).take(BIT_STRING)? {
        [0, 4, point @ ..] if point.len() == 64 => Ok(kind),
        [0, 2 | 3, point @ ..] if point.len() == 32 => Ok(kind),
        [0, 6 | 7, ..] => Ok(Kind::Other("an EC key with a hybrid point")),
        _ => Err(Broken::Damaged),
    }
}

/// An RSA key's public exponent: odd, at least 3, and no longer than libraries take.
pub(crate) fn is_rsa_exponent(number: &[u8]) -> bool {
    (2..=33).contains(&bits(number)) && number.last().is_some_and(|last| last % 2 == 1)
}

/// A private key on P-256: 32 octets, not zero, and below the order of the group.
pub(crate) fn is_p256_scalar(scalar: &[u8]) -> bool {
    scalar.len() == P256_ORDER.len() && bits(scalar) > 0 && *scalar < P256_ORDER[..]
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
const NULL: u8 = 0x05;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;
/// The smallest document there is, a public Ed25519 key, has 42.
const DOCUMENT_BYTES_MIN: usize = 40;
#[rustfmt::skip] // one number, in the lines that the standard (SEC 2 section 2.4.2) prints
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// `Short` is a statement about the whole: inside a key of the right length it means damage.
fn inner(read: impl FnOnce() -> Result<Kind, Broken>, der: &[u8]) -> Result<Kind, Broken> {
    sequence(der)?;
    read().map_err(|_| Broken::Damaged)
}

/// The kind an AlgorithmIdentifier names; the bits of an RSA key are not in it.
fn named(algorithm: &[u8]) -> Result<Kind, Broken> {
    let mut algorithm = Reader(algorithm);
    let kind = match algorithm.take(OID)? {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => {
            algorithm.take(NULL)?;
            Kind::Rsa { bits: 0 }
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a] => {
            return Ok(Kind::Other("an RSA key for PSS only"));
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => return curve_of(&mut algorithm),
        [0x2b, 0x65, 0x70] => Kind::Ed25519,
        [0x2b, 0x65, 0x71] => Kind::Other("an Ed448 key"),
        [0x2b, 0x65, 0x6e | 0x6f] => Kind::Other("a key for key agreement (X25519, X448)"),
        _ => return Ok(Kind::Other("a key of another algorithm")),
    };
    algorithm.end()?;
    Ok(kind)
}

/// The curve that stands next: a name, or everything that defines it.
fn curve_of(reader: &mut Reader<'_>) -> Result<Kind, Broken> {
    if reader.0.first() == Some(&SEQUENCE) {
        return Ok(Kind::Other(
            "an EC key that writes its curve out instead of naming it",
        ));
    }
    Ok(curve(reader.take(OID)?))
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

    /// The content of the next element, if it has this tag.
    fn optional(&mut self, tag: u8) -> Result<Option<&'d [u8]>, Broken> {
        match self.0.first() {
            Some(found) if *found == tag => self.take(tag).map(Some),
            _ => Ok(None),
        }
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
mod tests;
