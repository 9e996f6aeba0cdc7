//! The few ASN.1 structures around private keys: PKCS#8 (RFC 5208, RFC 5958) and PKCS#1 (RFC 8017),
//! and the text armour around them (RFC 7468). Everything borrows or is wiped: a general parser
//! would leave copies of the key behind.

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// What a PEM text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// `PRIVATE KEY`: PKCS#8.
    Pkcs8,
    /// `RSA PRIVATE KEY`: PKCS#1.
    Rsa,
    /// `EC PRIVATE KEY`: RFC 5915.
    Ec,
}

/// The one key in a PEM text: its label and DER bytes. `None` if there is not exactly one.
pub(super) fn from_pem(text: &str) -> Option<(Label, Zeroizing<Vec<u8>>)> {
    let rest = text.trim().strip_prefix("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, end) = rest.split_once("-----END ")?;
    let kind = match label {
        "PRIVATE KEY" => Label::Pkcs8,
        "RSA PRIVATE KEY" => Label::Rsa,
        "EC PRIVATE KEY" => Label::Ec,
        _ => return None,
    };
    if end.strip_suffix("-----") != Some(label) {
        return None;
    }
    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    base64.extend(body.bytes().filter(|b| !b.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; BASE64.decode_len(base64.len()).ok()?]);
    let written = BASE64.decode_mut(&base64, &mut der).ok()?;
    der.truncate(written);
    Some((kind, der))
}

/// PKCS#8 bytes as text, in lines of 64, without a line break at the end: stores and shells that
/// trim would change a value that ended in one.
pub(super) fn to_pem(pkcs8: &[u8]) -> Zeroizing<String> {
    let mut body = Zeroizing::new(vec![0; BASE64.encode_len(pkcs8.len())]);
    BASE64.encode_mut(pkcs8, &mut body);
    let mut pem = Zeroizing::new(String::with_capacity(
        2 * ARMOUR + body.len() + body.len() / 64 + 2,
    ));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in body.chunks(64) {
        pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----");
    pem
}

/// The object identifiers of a PKCS#8 key: its algorithm and, for elliptic curves, the curve.
pub(super) fn pkcs8_algorithm(der: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut key = Reader(der).enter(SEQUENCE)?;
    key.next(INTEGER)?;
    let mut algorithm = key.enter(SEQUENCE)?;
    Some((algorithm.next(OBJECT)?, algorithm.next(OBJECT)))
}

/// The PKCS#1 key inside a PKCS#8 one.
pub(super) fn pkcs1_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let mut key = Reader(der).enter(SEQUENCE)?;
    key.next(INTEGER)?;
    key.next(SEQUENCE)?;
    key.next(OCTETS)
}

/// `n e d p q dp dq qi` of a two-prime PKCS#1 key, big-endian without leading zeros.
pub(super) fn rsa_numbers(pkcs1: &[u8]) -> Option<[&[u8]; 8]> {
    let mut key = Reader(pkcs1).enter(SEQUENCE)?;
    if key.next(INTEGER)? != [0] {
        return None; // more than two primes
    }
    let mut numbers = [&[][..]; 8];
    for number in &mut numbers {
        let bytes = key.next(INTEGER)?;
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        *number = &bytes[zeros..];
    }
    Some(numbers)
}

/// 1.2.840.113549.1.1.1
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// 1.2.840.10045.2.1
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// 1.2.840.10045.3.1.7
pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// 1.3.101.112
pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Walks over DER; `None` at the first surprise.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element, which must have this tag.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => (usize::from(*rest.first()?), &rest[1..]),
            0x82 => (
                usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
                &rest[2..],
            ),
            _ => return None, // no key is longer than 64 KiB
        };
        if found != tag || length > rest.len() {
            return None;
        }
        let (content, rest) = rest.split_at(length);
        self.0 = rest;
        Some(content)
    }

    fn enter(&mut self, tag: u8) -> Option<Self> {
        self.next(tag).map(Self)
    }
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// No less than either armour line.
const ARMOUR: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_survive_the_armour(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
            let pem = to_pem(&bytes);
            prop_assert!(pem.capacity() <= 2 * ARMOUR + pem.len(), "the buffer grew");
            let (label, der) = from_pem(&pem).unwrap();
            prop_assert_eq!(label, Label::Pkcs8);
            prop_assert_eq!(&der[..], &bytes[..]);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 0..64_usize) {
            // A plausible beginning, so that the walk gets somewhere.
            let mut der = vec![SEQUENCE, 0x82, 0, 60, INTEGER, 1, 0, SEQUENCE, 20];
            der.extend(&bytes);
            der.truncate(cut);
            let _ = (pkcs8_algorithm(&der), pkcs1_of_pkcs8(&der), rsa_numbers(&der));
        }

        #[test]
        fn no_text_panics(text in "(-----BEGIN |PRIVATE KEY|-----|\n|-----END |[A-Za-z0-9+/=]{0,9}){0,9}") {
            let _ = from_pem(&text);
        }
    }

    #[test]
    fn one_key_and_nothing_else() {
        let pem = "-----BEGIN PRIVATE KEY-----\r\nAAAA\r\n-----END PRIVATE KEY-----\n";
        assert_eq!(from_pem(pem).unwrap().1[..], [0, 0, 0]);
        for bad in [
            pem.replace("PRIVATE", "PUBLIC"),
            pem.replace("PRIVATE", "ENCRYPTED PRIVATE"),
            pem.replacen("PRIVATE", "EC PRIVATE", 1),
            format!("{pem}{pem}"),
            format!("x{pem}"),
            pem.replace("\r\n", "\\n"),
            pem.replace("AAAA", "AAA"),
        ] {
            assert!(from_pem(&bad).is_none(), "{bad}");
        }
    }
}
