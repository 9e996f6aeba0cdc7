//! The few ASN.1 structures around private keys: PKCS#8 (RFC 5208) and PKCS#1 (RFC 8017), and the text
//! armour that is written around them (RFC 7468). Everything borrows or is wiped: a general parser would
//! leave copies of the key behind. Texts are read by the gate.

use data_encoding::BASE64;
use zeroize::Zeroizing;

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
            let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            prop_assert_eq!(BASE64.decode(body.as_bytes()).unwrap(), bytes);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 0..64_usize) {
            // A plausible beginning, so that the walk gets somewhere.
            let mut der = vec![SEQUENCE, 0x82, 0, 60, INTEGER, 1, 0, SEQUENCE, 20];
            der.extend(&bytes);
            der.truncate(cut);
            let _ = (pkcs1_of_pkcs8(&der), rsa_numbers(&der));
        }
    }
}
