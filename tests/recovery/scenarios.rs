//! The kinds, with waits of a second: what is ordered, and what must be true of each.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use keyrota::state::Outcome;
use serde_json::{Value, json};

use super::bed::{Bed, Scenario, World, env_file, told};
use super::film::{Film, Promise, Shot};
use crate::support::evidence::{document, versions};

const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "1s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

const SECOND: Duration = Duration::from_secs(1);

/// A session key, its public set in a file that verifiers keep for a second.
pub static JWT: Scenario = Scenario {
    secret: "session",
    world: |_| {
        World::of(format!(
            r#"{HEAD}
[secrets.session]
kind = "jwt"
algorithm = "EdDSA"
token_ttl = "1s"
jwks_max_age = "1s"
env = "JWT_SIGNING_KEY"
env_kid = "JWT_KID"
[[secrets.session.consumers]]
kind = "jwks"
path = "out/jwks.json"
"#
        ))
    },
    before: &[(&["rotate", "session", "--wait"], "")],
    order: (&["rotate", "session", "--wait"], ""),
    carry_on: &["rotate", "session", "--wait"],
    outcomes: &[Outcome::Rotated],
    keeps_previous: false,
    targets: &["out/jwks.json"],
    judge: judge_jwt,
};

/// A key that one program signs with and another verifies with; each reads a file of its own.
pub static SIGNING_KEY: Scenario = Scenario {
    secret: "webhook",
    world: |_| {
        World::of(format!(
            r#"{HEAD}
[secrets.webhook]
kind = "signing-key"
signature_ttl = "1s"
env = "KEY"
env_fallback = "KEY_FALLBACK"
{TWO_FILES}"#
        ))
    },
    before: &[(&["rotate", "webhook", "--wait"], "")],
    order: (&["rotate", "webhook", "--wait"], ""),
    carry_on: &["rotate", "webhook", "--wait"],
    outcomes: &[Outcome::Rotated],
    keeps_previous: false,
    targets: TARGETS,
    judge: judge_signing_key,
};

/// The same, but the key comes from its issuer. A value that was not stored when the process died
/// is gone: then nothing changed.
pub static ISSUED: Scenario = Scenario {
    secret: "webhook",
    world: |_| {
        World::of(format!(
            r#"{HEAD}
[secrets.webhook]
kind = "signing-key"
origin = "imported"
signature_ttl = "1s"
env = "KEY"
env_fallback = "KEY_FALLBACK"
[[secrets.webhook.consumers]]
kind = "file"
path = "out/signer.env"
format = "dotenv"
"#
        ))
    },
    before: &[(
        &["import", "webhook", "--stdin"],
        "b3a1d7c2f05e49c8a7b6d4e3f2a19088",
    )],
    order: (
        &["rotate", "webhook", "--value-stdin", "--wait"],
        "77e0c9d84b5f4a2e9c1d6b3a8f7e5d42",
    ),
    carry_on: &["rotate", "webhook", "--wait"],
    outcomes: &[Outcome::Rotated, Outcome::Abandoned],
    keeps_previous: false,
    targets: &["out/signer.env"],
    judge: |bed, _, current| {
        if let Ok(file) = std::fs::read(bed.keyrota.path("out/signer.env")) {
            assert_eq!(env_file(&file), [("KEY".to_owned(), current.to_owned())]);
        }
    },
};

/// A token that a program reads from a file when it is told to.
pub static RANDOM: Scenario = Scenario {
    secret: "token",
    world: |dir| World::of(token(dir)),
    before: &[(&["rotate", "token", "--wait"], "")],
    order: (&["rotate", "token", "--wait"], ""),
    carry_on: &["rotate", "token", "--wait"],
    outcomes: &[Outcome::Rotated],
    keeps_previous: false,
    targets: &["out/app.env"],
    judge: judge_token,
};

/// The same, when there is none yet.
pub static FIRST: Scenario = Scenario {
    before: &[],
    secret: "token",
    world: |dir| World::of(token(dir)),
    order: (&["rotate", "token", "--wait"], ""),
    carry_on: &["rotate", "token", "--wait"],
    outcomes: &[Outcome::Rotated],
    keeps_previous: false,
    targets: &["out/app.env"],
    judge: judge_token,
};

/// A value that exists and that everybody has.
pub static IMPORT: Scenario = Scenario {
    before: &[],
    secret: "token",
    world: |dir| World::of(token(dir)),
    order: (
        &["import", "token", "--stdin"],
        "sW3nF8qL0xZ7vB2mK5tR9yC4hJ6dG1pA",
    ),
    carry_on: &["import", "token", "--stdin"],
    outcomes: &[Outcome::Imported],
    keeps_previous: false,
    targets: &["out/app.env"],
    judge: |bed, _, current| {
        assert_eq!(current, "sW3nF8qL0xZ7vB2mK5tR9yC4hJ6dG1pA");
        assert!(told(bed).is_empty(), "everybody has it: nobody is told");
        assert!(!bed.keyrota.path("out/app.env").exists());
    },
};

const TARGETS: &[&str] = &["out/signer.env", "out/verifier.env"];
const TWO_FILES: &str = r#"[[secrets.webhook.consumers]]
kind = "file"
path = "out/signer.env"
format = "dotenv"
[[secrets.webhook.consumers]]
kind = "file"
path = "out/verifier.env"
format = "dotenv"
"#;

fn token(dir: &Path) -> String {
    let told = dir.join("out/told.jsonl");
    format!(
        r#"{HEAD}
[secrets.token]
kind = "random"
refresh = "0s"
env = "TOKEN"
[[secrets.token.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
[[secrets.token.consumers]]
kind = "command"
argv = ["/usr/bin/tee", "-a", {told:?}]
value = true
"#
    )
}

/// Signer and verifiers read at different moments: tokens verify all the same.
fn judge_jwt(bed: &Bed, film: &Film, current: &str) {
    let home = bed.home();
    let signers: Vec<Shot> = film
        .of(&home.join("development.age"))
        .iter()
        .map(|shot| {
            let mut shot = shot.clone();
            shot.bytes = shot.bytes.as_ref().map(|sealed| {
                let document = document(&home, sealed);
                let versions = versions(&document, "session");
                let current = versions.iter().find(|v| v["stage"] == "current").unwrap();
                let seen = json!({"key": current["value"], "kid": current["public"]["kid"]});
                seen.to_string().into_bytes().into()
            });
            shot
        })
        .collect();
    let meetings = Promise {
        used: &signers,
        accepted: film.of(&bed.keyrota.path("out/jwks.json")),
        used_for: SECOND + SECOND, // refresh, token_ttl
        accepted_for: SECOND,      // jwks_max_age
        accepts: &token_verifies,
    }
    .keep();
    assert!(meetings >= 4, "{meetings}: both keys, before and after");
    let set = std::fs::read(bed.keyrota.path("out/jwks.json")).unwrap();
    let set: JwkSet = serde_json::from_slice(&set).unwrap();
    assert_eq!(set.keys.len(), 1, "the old key is withdrawn");
    assert!(current.starts_with("-----BEGIN PRIVATE KEY-----"));
}

fn token_verifies(signer: &[u8], verifier: &[u8]) -> bool {
    let signer: Value = serde_json::from_slice(signer).unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(signer["kid"].as_str().unwrap().to_owned());
    let key = EncodingKey::from_ed_pem(signer["key"].as_str().unwrap().as_bytes()).unwrap();
    let token = jsonwebtoken::encode(&header, &json!({"sub": "me"}), &key).unwrap();

    let set: JwkSet = serde_json::from_slice(verifier).unwrap();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    set.find(&kid).is_some_and(|jwk| {
        let key = DecodingKey::from_jwk(jwk).unwrap();
        jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok()
    })
}

/// Both programs sign and verify, each by its own file: whatever one signs with, the other accepts.
fn judge_signing_key(bed: &Bed, film: &Film, current: &str) {
    let [signer, verifier] = ["out/signer.env", "out/verifier.env"].map(|f| bed.keyrota.path(f));
    for (used, accepted) in [(&signer, &verifier), (&verifier, &signer)] {
        let meetings = Promise {
            used: film.of(used),
            accepted: film.of(accepted),
            used_for: SECOND + SECOND, // refresh, signature_ttl
            accepted_for: SECOND,      // refresh
            accepts: &|user, reader| {
                let signs: BTreeMap<_, _> = env_file(user).into_iter().collect();
                env_file(reader).iter().any(|(_, key)| *key == signs["KEY"])
            },
        }
        .keep();
        assert!(meetings >= 4, "{meetings}: both keys, before and after");
        let last = env_file(&std::fs::read(used).unwrap());
        assert_eq!(last, [("KEY".to_owned(), current.to_owned())]);
    }
}

fn judge_token(bed: &Bed, _: &Film, current: &str) {
    let file = std::fs::read(bed.keyrota.path("out/app.env")).unwrap();
    assert_eq!(env_file(&file), [("TOKEN".to_owned(), current.to_owned())]);
    let id = bed.evidence().rotations[0].id.to_string();
    let told = told(bed);
    let of_this: Vec<_> = told.iter().filter(|t| t["rotation"] == id).collect();
    assert!(!of_this.is_empty(), "the program was told");
    for call in of_this {
        assert_eq!(call["round"], "switch");
        assert_eq!(call["variables"]["TOKEN"], current);
    }
}
