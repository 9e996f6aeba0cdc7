//! `kill -9` of the real process at every place that the code names, with values kept far away: a login of
//! two Postgres users, and a key that signs tokens. A program that logs in all the time never notices; a
//! token signed with what is current verifies, whatever died.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use keyrota_contract::Stage;
use serde_json::{Value, json};

use super::bed::{Bed, Stores, admin, turns};
use crate::recovery::databases::on_postgres;
use crate::recovery::logins::{Login, Logins};
use crate::recovery::{EFFECTS_MAX, POINTS, on_two_threads};

/// As `[defaults]` of the bed has it.
const REFRESH: Duration = Duration::from_secs(1);

#[test]
fn two_postgres_users_with_their_login_in_secrets_manager() {
    every_death("sm", &LOGIN);
}

#[test]
fn two_postgres_users_with_their_login_in_parameter_store() {
    every_death("ssm", &LOGIN);
}

#[test]
fn two_postgres_users_with_their_login_in_vault() {
    every_death("vault", &LOGIN);
}

#[test]
fn a_signing_key_in_secrets_manager() {
    every_death("sm", &KEY);
}

#[test]
fn a_signing_key_in_parameter_store() {
    every_death("ssm", &KEY);
}

#[test]
fn a_signing_key_in_vault() {
    every_death("vault", &KEY);
}

/// What is rotated.
struct Kind {
    name: &'static str,
    /// Login: preflight, create, install, probe, promote, tell, withdraw, refuse, check. Key: preflight,
    /// create, probe, announce, promote, tell, withdraw, destroy.
    effects: u32,
    /// How many of them die after the store, or a consumer, has done something.
    written: u32,
    /// A bed with its first value at this path, and what it is tried with.
    make: fn(Arc<Stores>, &str, &str) -> (Bed, Login),
}

const LOGIN: Kind = Kind {
    name: "postgres, two users",
    effects: 9,
    written: 3,
    make: |stores, provider, path| {
        let ground = on_postgres(2);
        let elsewhere = admin("admin", "local", "admin");
        let secret = ground.secret(NAME, &turns("admin", provider, path));
        let bed = Bed::new(stores, &(elsewhere + &secret));
        bed.import(NAME, "admin", &ground);
        (bed, ground.login)
    },
};

const KEY: Kind = Kind {
    name: "jwt",
    effects: 8,
    written: 3,
    make: |stores, provider, path| {
        let secret = format!(
            "[secrets.{NAME}]\nkind = \"jwt\"\nprovider = \"{provider}\"\npath = \"{path}\"\nalgorithm = \"EdDSA\"\n\
             token_ttl = \"0s\"\njwks_max_age = \"0s\"\nrefresh = \"0s\"\nskew = \"0s\"\nenv = \"KEY\"\n\
             [[secrets.{NAME}.consumers]]\nkind = \"jwks\"\npath = \"out/jwks.json\"\n"
        );
        let bed = Bed::new(stores, &secret);
        let set = bed.keyrota.path("out/jwks.json");
        (
            bed,
            Arc::new(move |key| verifies(key, &std::fs::read(&set).unwrap())),
        )
    },
};

const NAME: &str = "database";

/// Whether a token that is signed with a key verifies with one of a public set.
fn verifies(key: &str, set: &[u8]) -> Result<(), String> {
    let key = EncodingKey::from_ed_pem(key.as_bytes()).unwrap();
    let header = Header::new(Algorithm::EdDSA);
    let token = jsonwebtoken::encode(&header, &json!({"sub": "me"}), &key).unwrap();
    let set: JwkSet = serde_json::from_slice(set).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let mut keys = set
        .keys
        .iter()
        .map(|jwk| DecodingKey::from_jwk(jwk).unwrap());
    let takes = |key| jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok();
    keys.any(takes)
        .then_some(())
        .ok_or("no key of the set".to_owned())
}

fn every_death(provider: &'static str, kind: &'static Kind) {
    let stores = Stores::start();
    let logins = Arc::new(AtomicU32::new(0));
    // Two at a time: a server that is too busy to answer is another test's matter.
    let kills = on_two_threads(POINTS.into_iter().map(|point| {
        let (stores, logins) = (stores.clone(), logins.clone());
        move || {
            let (kills, done) = deaths_at(point, provider, kind, stores);
            logins.fetch_add(done, Ordering::Relaxed);
            kills
        }
    }));
    let logins = logins.load(Ordering::Relaxed);
    let name = kind.name;
    println!("{name}, {provider}: {kills} kills, {logins} logins, 0 violations");
    assert!(kills >= 4 * kind.effects + kind.written, "{kills} kills");
}

/// Kills at one point, the n-th time for each n until the process ends by itself: how often it
/// died, and how often the program logged in.
fn deaths_at(
    point: &'static str,
    provider: &'static str,
    kind: &Kind,
    stores: Arc<Stores>,
) -> (u32, u32) {
    let path = format!("{point}/{NAME}");
    let (bed, works) = (kind.make)(stores.clone(), provider, &path);
    let first = begun(&mut bed.command(&["rotate", NAME, "--wait"]));
    assert!(first.status.success(), "{first:?}");
    let value = |stage| stores.value(provider, &path, stage);
    let rotations = || {
        let history = bed.run(&["history", NAME, "--json"]);
        let history = history.code(0).json();
        let all = history["rotations"].as_array().unwrap();
        assert!(
            all[1..]
                .iter()
                .all(|r| r["outcome"] == "rotated" || r["outcome"] == "imported")
        );
        all.len()
    };
    let file = bed.keyrota.path("out/app.env");
    let has_program = std::fs::read(&file).unwrap() != b"";
    let program = has_program.then(|| {
        let login = ("DATABASE_URL".to_owned(), works.clone());
        Logins::start(file, vec![login], REFRESH)
    });
    let mut kills = 0;
    for n in 1..EFFECTS_MAX {
        let case = format!("{provider} {point}:{n}");
        let (before, old) = (rotations(), value(Stage::Current).unwrap());
        let mut rotate = bed.command(&["rotate", NAME, "--wait"]);
        rotate.env("KEYROTA_KILL", format!("{point}:{n}"));
        let ended = begun(&mut rotate);
        let killed = ended.status.signal() == Some(9);
        assert!(killed || ended.status.success(), "{case}: {ended:?}");
        let seen = value(Stage::Current).unwrap();
        assert_eq!(works(&seen), Ok(()), "{case}: what is current works");
        let pending = value(Stage::Pending);
        let mut new = seen.clone();
        if killed {
            kills += 1;
            let ended = begun(&mut bed.command(&["rotate", NAME, "--wait"]));
            assert!(ended.status.success(), "{case}: {ended:?}");
            new = value(Stage::Current).unwrap();
            assert_eq!(works(&new), Ok(()), "{case}: what is current works");
            // Killed when all was done: what followed was a turn of its own.
            let known = match rotations() - before {
                1 => seen == old || seen == new,
                turns => turns == 2 && seen != old && seen != new,
            };
            assert!(known, "{case}: a third value");
            let adopted = pending.is_none_or(|pending| pending == new);
            assert!(adopted, "{case}: a second candidate");
        }
        assert_ne!(new, old, "{case}");
        assert!(works(&old).is_err(), "{case}: the old one is refused");
        assert_eq!(value(Stage::Pending), None, "{case}: a candidate is left");
        if !killed {
            break;
        }
    }
    bed.run(&["audit", "verify"]).code(0);
    let count = program.map(Logins::stop).unwrap_or_default();
    assert!(
        count.gaps.is_empty(),
        "{provider} {point}: {:?}",
        count.gaps
    );
    let most = if point == "after-effect" {
        kind.written
    } else {
        kind.effects
    };
    assert!(kills >= most, "{provider} {point}: {kills} kills");
    (kills, count.done)
}

/// Runs a command as an operator does: again, where nothing was begun because a store is too busy.
fn begun(command: &mut Command) -> Output {
    for _ in 0..5 {
        let ended = command.stdin(Stdio::null()).output().unwrap();
        if ended.status.code() != Some(75) {
            return ended;
        }
    }
    panic!("the store never answers");
}
