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
