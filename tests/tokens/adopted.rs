//! A key that a service has already, with the key id that its living tokens carry: after `import`, and
//! in the grace of the next rotation, verifiers find it by that id.

use std::thread::sleep;
use std::time::Duration;

use super::bed::{Bed, kid};
use super::{ACCEPTED, LONG_SECONDS};

/// Not what keyrota would derive from any key.
const OLD: &str = "prod-2023-04";

#[test]
fn rs256_in_pem_keeps_its_id() {
    check("RS256", "pem");
}

#[test]
fn eddsa_in_pem_keeps_its_id() {
    check("EdDSA", "pem");
}

#[test]
fn es256_in_jwk_keeps_its_id() {
    check("ES256", "jwk");
}

#[test]
fn hs256_keeps_its_id() {
    check("HS256", "raw");
}

fn check(alg: &'static str, format: &str) {
    let elsewhere = Bed::new(alg, format);
    elsewhere.rotate(&["--wait"]).code(0);
    let derived = elsewhere.variable("KID");
    // Where the key itself states its id, it is the same one.
    let key = elsewhere.variable("KEY").replace(&derived, OLD);
    let bed = Bed::new(alg, format);
    let old = bed.before(&key, OLD).sign(LONG_SECONDS);
    assert_eq!(kid(&old), OLD);

    bed.import(&key, OLD).code(0);
    let mut imported = bed.now_untold();
    assert_eq!(imported.verdicts(&old), [ACCEPTED], "after import");
    assert_eq!(bed.variable("KID"), OLD);
    assert_eq!(kid(&imported.program.sign(LONG_SECONDS)), OLD);
    // Again, and nothing is new.
    bed.import(&key, OLD).code(0);

    bed.rotate(&[]).code(10);
    assert_eq!(bed.now().verdicts(&old), [ACCEPTED], "before the switch");
    while bed.rotate(&[]).code == 10 {
        sleep(Duration::from_millis(100));
    }
    let mut grace = bed.now();
    bed.grace_until();
    assert_eq!(grace.verdicts(&old), [ACCEPTED], "in the grace");
    let new = grace.program.sign(LONG_SECONDS);
    assert_eq!(grace.verdicts(&new), [ACCEPTED]);
    assert_ne!(kid(&new), OLD);
}

#[test]
fn a_key_id_is_recorded_in_place_only_if_it_is_the_one_that_is_there() {
    let elsewhere = Bed::new("EdDSA", "pem");
    elsewhere.rotate(&["--wait"]).code(0);
    let key = elsewhere.variable("KEY");
    let bed = Bed::new("EdDSA", "pem");
    let refused = |options: &[&str], says: &str| {
        let ran = bed.import_with(options, &key).code(78).json();
        let note = ran["results"][0]["note"].to_string();
        assert!(note.contains(says), "{note}");
    };
    refused(&["--stdin", "--kid", " "], "white space");
    bed.import_with(&["--stdin", "--kid", OLD], &key).code(0);
    for from in ["--stdin", "--in-place"] {
        bed.import_with(&[from, "--kid", OLD], &key).code(0);
        refused(&[from, "--kid", "prod-2024-01"], "another key id");
    }
    assert_eq!(bed.variable("KID"), OLD);
}

#[test]
fn a_key_id_names_one_key_of_a_secret_and_may_be_given_again() {
    let [first, second] = [0, 1].map(|_| {
        let elsewhere = Bed::new("EdDSA", "pem");
        elsewhere.rotate(&["--wait"]).code(0);
        elsewhere.variable("KEY")
    });
    let bed = Bed::new("EdDSA", "pem");
    let stated = ["--stdin", "--kid", OLD];
    bed.import_with(&stated, &first).code(0);
    // Said before the provider is compared: nothing was begun.
    let ran = bed.import_with(&stated, &second).code(78).json();
    let note = ran["results"][0]["note"].as_str().unwrap();
    assert!(note.contains("another key with this key id"), "{note}");
    // The same key by the same name, in a rotation of its own.
    bed.with_line("path = \"moved\"");
    let ran = bed.import_with(&stated, &first).code(0).json();
    assert_eq!(ran["results"][0]["result"], "imported");
    assert_eq!(bed.variable("KID"), OLD);
}

#[test]
fn an_import_that_derives_the_key_id_says_so() {
    let elsewhere = Bed::new("EdDSA", "pem");
    elsewhere.rotate(&["--wait"]).code(0);
    let key = elsewhere.variable("KEY");
    let note = |kid: &[&str]| {
        let bed = Bed::new("EdDSA", "pem");
        let ran = bed.import_with(&[&["--stdin"], kid].concat(), &key);
        let ran = ran.code(0).json();
        assert_eq!(ran["results"][0]["result"], "imported");
        ran["results"][0]["note"].as_str().map(str::to_owned)
    };
    let said = note(&[]).expect("it says what will happen");
    assert!(
        said.contains("--kid") && said.contains("thumbprint"),
        "{said}"
    );
    assert_eq!(note(&["--kid", OLD]), None);
}
