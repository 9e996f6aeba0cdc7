//! Tokens of every algorithm, in a library that shares no code with keyrota: signed with the key that
//! `keyrota run` hands to a program, verified with what verifiers read — the set that `keyrota jwks`
//! prints and the one in the consumer's file; of HS256, the key and its fallback.
//!
//! A rotation is stopped wherever it waits, and a program is started as one would be then. At the end
//! all of them verify each other's tokens.

mod adopted;
mod bed;
mod published;

use std::thread::{sleep, spawn};
use std::time::Duration;

use bed::{Bed, kid, unix_now};

#[test]
fn rs256_in_pem() {
    check("RS256", "pem");
}

#[test]
fn rs256_in_jwk() {
    check("RS256", "jwk");
}

#[test]
fn es256_in_pem() {
    check("ES256", "pem");
}

#[test]
fn es256_in_jwk() {
    check("ES256", "jwk");
}

#[test]
fn eddsa_in_pem() {
    check("EdDSA", "pem");
}

#[test]
fn eddsa_in_jwk() {
    check("EdDSA", "jwk");
}

#[test]
fn hs256_as_it_stands() {
    check("HS256", "raw");
}

/// As the schedule says.
const TOKEN_TTL_SECONDS: u64 = 4;

/// For tokens that are judged by their keys alone: longer than a test takes.
const LONG_SECONDS: u64 = 600;

fn check(alg: &'static str, format: &str) {
    let bed = Bed::new(alg, format);
    bed.rotate(&["--wait"]).code(0);
    let mut before = bed.now();
    bed.rotate(&[]).code(10);
    let mut settle = bed.now();

    // The last token of the old key, from a program that does not know of the switch.
    let (last, expires) = loop {
        let expires = unix_now() + TOKEN_TTL_SECONDS;
        let last = before.program.sign(TOKEN_TTL_SECONDS);
        let ran = bed.rotate(&[]);
        if ran.code != 10 {
            ran.code(0);
            break (last, expires);
        }
        sleep(Duration::from_millis(100));
    };
    // Nobody ends the grace yet.
    let mut grace = bed.now();
    let until = bed.grace_until();
    assert!(until >= expires, "the key would die before its last token");

    let mut retiring = bed.start_rotate(&["--wait"]);
    let retired_at = spawn(move || {
        assert!(retiring.wait().unwrap().success());
        unix_now()
    });
    loop {
        let verdicts = bed.now().verdicts(&last);
        if unix_now() >= expires {
            break;
        }
        assert_eq!(verdicts, [ACCEPTED], "it lives");
    }
    assert!(retired_at.join().unwrap() >= until, "grace was cut short");
    let mut after = bed.now();

    // A program keeps the key it was started with, and an announced key does not sign.
    let old = [&mut before, &mut settle].map(|moment| moment.program.sign(LONG_SECONDS));
    let new = [&mut grace, &mut after].map(|moment| moment.program.sign(LONG_SECONDS));
    assert_eq!(kid(&old[0]), kid(&old[1]));
    assert_eq!(kid(&new[0]), kid(&new[1]));
    assert_ne!(kid(&old[0]), kid(&new[0]));

    let unknown = match alg {
        "HS256" => "InvalidSignatureError", // by none of the keys it has
        _ => "no such key",
    };
    for token in &old {
        assert_eq!(before.verdicts(token), [ACCEPTED]);
        assert_eq!(settle.verdicts(token), [ACCEPTED]);
        assert_eq!(grace.verdicts(token), [ACCEPTED]);
        assert_eq!(after.verdicts(token), [unknown], "it is retired");
    }
    for token in &new {
        assert_eq!(before.verdicts(token), [unknown], "why it is announced");
        assert_eq!(settle.verdicts(token), [ACCEPTED]);
        assert_eq!(grace.verdicts(token), [ACCEPTED]);
        assert_eq!(after.verdicts(token), [ACCEPTED]);
    }

    // A verifier that accepts anything would have passed so far.
    let (head, _) = new[0].rsplit_once('.').unwrap();
    let (_, signature) = old[0].rsplit_once('.').unwrap();
    let forged = format!("{head}.{signature}");
    assert_eq!(grace.verdicts(&forged), ["InvalidSignatureError"]);
}

const ACCEPTED: &str = "accepted";
