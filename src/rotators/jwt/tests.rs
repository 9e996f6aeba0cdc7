#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use proptest::prelude::*;

use super::super::jwks::Jwks;
use super::super::testing::{Seeded, now, text, value, version, with_current, with_pending};
use super::*;

const HS256: Algorithm = Algorithm::Hs256 { bytes: 32 };
const RS256: Algorithm = Algorithm::Rs256 { bits: 2048 };
const ALL: [(Algorithm, Format); 7] = [
    (HS256, Format::Raw),
    (RS256, Format::Pem),
    (RS256, Format::Jwk),
    (Algorithm::Es256, Format::Pem),
    (Algorithm::Es256, Format::Jwk),
    (Algorithm::EdDsa, Format::Pem),
    (Algorithm::EdDsa, Format::Jwk),
];

#[test]
fn formats_that_cannot_hold_the_key() {
    for algorithm in [HS256, RS256, Algorithm::Es256, Algorithm::EdDsa] {
        for format in [Format::Raw, Format::Pem, Format::Jwk] {
            let known = ALL.contains(&(algorithm, format));
            assert_eq!(
                Jwt::new(algorithm, format).is_ok(),
                known,
                "{algorithm:?} {format:?}"
            );
        }
    }
}

#[test]
fn sizes() {
    for (bytes, taken) in [(31, false), (32, true), (64, true), (1025, false)] {
        assert_eq!(
            Jwt::new(Algorithm::Hs256 { bytes }, Format::Raw).is_ok(),
            taken,
            "{bytes}"
        );
    }
    for (bits, taken) in [
        (1024, false),
        (2047, false),
        (2048, true),
        (3072, true),
        (5000, false),
    ] {
        assert_eq!(
            Jwt::new(Algorithm::Rs256 { bits }, Format::Pem).is_ok(),
            taken,
            "{bits}"
        );
    }
    let large = Jwt::new(Algorithm::Rs256 { bits: 3072 }, Format::Pem).unwrap();
    let minted = large.create(&Material::default(), &mut Seeded(1)).unwrap();
    let modulus = Jwks::of([&minted.public]).unwrap().keys()[0]
        .n
        .clone()
        .unwrap();
    assert_eq!(modulus.len(), 512);
    let long = Jwt::new(Algorithm::Hs256 { bytes: 48 }, Format::Raw).unwrap();
    assert_eq!(
        text(
            &long
                .create(&Material::default(), &mut Seeded(1))
                .unwrap()
                .value
        )
        .len(),
        64
    );
}

#[test]
fn what_is_made_is_accepted_adopted_and_published() {
    for (algorithm, format) in ALL {
        let kind = Jwt::new(algorithm, format).unwrap();
        let minted = kind.create(&Material::default(), &mut Seeded(11)).unwrap();
        let public = minted.public.clone();
        assert_eq!(
            kind.public(&minted.value, &Public::new()).get(JWK),
            public.get(JWK)
        );
        let again = kind
            .adopt(value(&text(&minted.value)), &mut Seeded(11))
            .unwrap();
        if algorithm == HS256 {
            assert_eq!(text(&minted.value).len(), 43);
            assert_eq!(public.keys().collect::<Vec<_>>(), [KID]);
            assert_ne!(
                again.public, public,
                "a random id is never derived from the key"
            );
        } else {
            assert_eq!(again.public, public);
            let jwks = Jwks::of([&public]).unwrap();
            assert_eq!(jwks.keys()[0].kid, public[KID]);
        }
        let m = with_current(version(minted));
        assert_eq!(now(kind.preflight(&m)).unwrap(), Report::default());
        assert_eq!(now(kind.probe(Which::Current, &m)), Probe::Accepted);
        assert_eq!(now(kind.probe(Which::Pending, &m)), Probe::Unknown);
    }
}

/// The canary is every piece of the private half, in the encodings a JWK or a log would use.
#[test]
fn no_private_half_reaches_the_public_parts() {
    for (algorithm, format) in ALL {
        let kind = Jwt::new(algorithm, format).unwrap();
        let minted = kind.create(&Material::default(), &mut Seeded(12)).unwrap();
        let shown = format!(
            "{:?} {:?}",
            minted,
            kind.public(&minted.value, &minted.public)
        );
        let made = text(&minted.value);
        let pieces: Vec<&str> = match format {
            Format::Raw => vec![&made],
            Format::Pem => made
                .lines()
                .filter(|l| !l.starts_with('-') && l.len() > 40)
                .collect(),
            Format::Jwk => {
                let (_, private) = made.split_once("\"d\":").unwrap();
                private.split('"').filter(|p| p.len() > 20).collect()
            }
        };
        assert!(!pieces.is_empty());
        for piece in pieces {
            assert!(!shown.contains(piece), "{algorithm:?} {format:?}");
        }
    }
}

#[test]
fn an_imported_jwk_keeps_the_kid_that_tokens_name() {
    let kind = Jwt::new(Algorithm::EdDsa, Format::Jwk).unwrap();
    let minted = kind.create(&Material::default(), &mut Seeded(13)).unwrap();
    let renamed = text(&minted.value).replace(&minted.public[KID], "2024-key");
    let adopted = kind.adopt(value(&renamed), &mut Seeded(1)).unwrap();
    assert_eq!(adopted.public[KID], "2024-key");
    assert!(adopted.public[JWK].contains(r#""kid":"2024-key""#));
}

#[test]
fn a_stored_kid_stays_in_the_completed_parts() {
    let kind = Jwt::new(Algorithm::EdDsa, Format::Pem).unwrap();
    let minted = kind.create(&Material::default(), &mut Seeded(14)).unwrap();
    let stored = Public::from([(KID.to_owned(), "2024-key".to_owned())]);
    let public = kind.public(&minted.value, &stored);
    assert_eq!(public[KID], "2024-key");
    assert_eq!(Jwks::of([&public]).unwrap().keys()[0].kid, "2024-key");
    assert_eq!(kind.public(&value("damaged"), &stored), stored);
}

#[test]
fn the_public_key_of_another_is_noticed() {
    for (algorithm, format) in ALL.into_iter().skip(1) {
        let kind = Jwt::new(algorithm, format).unwrap();
        let a = kind.create(&Material::default(), &mut Seeded(15)).unwrap();
        let b = kind.create(&Material::default(), &mut Seeded(16)).unwrap();
        let m = with_pending(version(Minted {
            value: a.value,
            public: b.public,
        }));
        assert_eq!(
            now(kind.probe(Which::Pending, &m)),
            Probe::Rejected,
            "{algorithm:?}"
        );
        let m = Material {
            current: m.pending,
            ..Material::default()
        };
        let refused = now(kind.preflight(&m)).unwrap_err();
        assert!(matches!(refused, RotatorError::Refused(s) if s.contains("another key")));
    }
}

#[test]
fn a_key_of_another_algorithm_or_format_is_refused() {
    let made: Vec<String> = ALL
        .iter()
        .map(|(a, f)| {
            Jwt::new(*a, *f)
                .unwrap()
                .create(&Material::default(), &mut Seeded(17))
                .unwrap()
        })
        .map(|m| text(&m.value))
        .collect();
    for (i, (algorithm, format)) in ALL.into_iter().enumerate().skip(1) {
        let kind = Jwt::new(algorithm, format).unwrap();
        for (j, other) in made.iter().enumerate().filter(|(j, _)| *j != i) {
            let outcome = kind.adopt(value(other), &mut Seeded(1));
            assert!(
                matches!(outcome, Err(RotatorError::Refused(_))),
                "{i} took {j}"
            );
        }
    }
}

#[test]
fn short_symmetric_keys_are_not_adopted_but_can_be_rotated_away() {
    let kind = Jwt::new(HS256, Format::Raw).unwrap();
    for weak in ["secret", "0123456789012345678901234567890", &"a".repeat(64)] {
        assert!(kind.adopt(value(weak), &mut Seeded(1)).is_err(), "{weak}");
        let m = with_current(version(Minted {
            value: value(weak),
            public: Public::new(),
        }));
        assert_eq!(now(kind.preflight(&m)).unwrap().warnings.len(), 1, "{weak}");
        assert_eq!(now(kind.probe(Which::Current, &m)), Probe::Accepted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is given, nothing of it comes back in an error, and nothing panics.
    #[test]
    fn adopting_never_panics_and_never_echoes(
        canary in "[A-Z]{12}",
        before in r#"(\{"kty":"OKP","crv":"Ed25519","d":"|-----BEGIN PRIVATE KEY-----\n|\PC{0,20})"#,
        after in r#"("\}|\n-----END PRIVATE KEY-----|\PC{0,20})"#,
    ) {
        let given = format!("{before}{canary}{after}");
        for (algorithm, format) in ALL {
            let kind = Jwt::new(algorithm, format).unwrap();
            if let Err(e) = kind.adopt(value(&given), &mut Seeded(1)) {
                let (display, debug) = (e.to_string(), format!("{e:?}"));
                prop_assert!(!display.contains(&canary) && !debug.contains(&canary));
            }
        }
    }
}
