//! What holds for all kinds.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use keyrota_contract::{Material, Minted, Probe, Public, Rotator, Which};
use proptest::prelude::*;

use super::testing::{Seeded, now, text, value, version, with_current};
use super::*;

fn kinds() -> Vec<Box<dyn Rotator>> {
    use signing_key::{Encoding, Origin, SigningKey};
    let external = |format| {
        Box::new(external::External {
            format,
            min_bytes: 8,
        })
    };
    let generated = Origin::Generated {
        bytes: 32,
        encoding: Encoding::Base64,
    };
    vec![
        Box::new(random::Random::new(32, (b'a'..=b'z').collect()).unwrap()),
        Box::new(SigningKey::new(generated, "sign-").unwrap()),
        Box::new(SigningKey::new(Origin::Imported, "sign-").unwrap()),
        Box::new(jwt::Jwt::new(jwt::Algorithm::EdDsa, jwt::Format::Jwk).unwrap()),
        external(external::Format::Raw),
        external(external::Format::Url),
        external(external::Format::Json),
        external(external::Format::RdsJson),
    ]
}

#[test]
fn none_of_them_has_a_server_to_tell() {
    assert!(kinds().iter().all(|kind| kind.target().is_none()));
}

#[test]
fn what_is_made_is_never_made_again() {
    for kind in kinds() {
        let mut entropy = Seeded(21);
        let mut make = || kind.create(&Material::default(), &mut entropy);
        let (Ok(first), Ok(second)) = (make(), make()) else {
            continue;
        };
        assert!(!first.value.same_as(&second.value));
        assert!(first.value.is_text());
    }
}

proptest! {
    /// Nothing of a value comes back in an error, a report or a public part; what is adopted is
    /// kept as it is, and passes the same kind's probe.
    #[test]
    fn adopting_never_panics_never_echoes_never_changes(
        canary in "[A-Z0-9]{24}",
        before in r#"(sign-|https://|\{"username":"a","host":"b","password":"|\PC{0,12})"#,
        after in r#"("\}|\n|\PC{0,12})"#,
    ) {
        let given = format!("{before}{canary}{after}");
        for kind in kinds() {
            let shown = match kind.adopt(value(&given), &mut Seeded(1)) {
                Err(e) => format!("{e} {e:?}"),
                Ok(minted) => {
                    prop_assert_eq!(text(&minted.value), given.clone());
                    let shown = format!("{minted:?}");
                    let m = with_current(version(minted));
                    prop_assert_eq!(now(kind.probe(Which::Current, &m)), Probe::Accepted);
                    shown
                }
            };
            let m = with_current(version(Minted { value: value(&given), public: Public::new() }));
            let report = format!("{:?}", now(kind.preflight(&m)));
            prop_assert!(!shown.contains(&canary) && !report.contains(&canary));
        }
    }
}
