#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use keyrota_contract::{Entropy, Material};

use super::*;
use crate::config;

const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

struct Sevens;

impl Entropy for Sevens {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// A secret of a real schedule.
fn secret(lines: &str) -> Secret {
    let directory = tempfile::tempdir().unwrap();
    let schedules = directory.path().join("schedules");
    std::fs::create_dir(&schedules).unwrap();
    let text = format!("{HEAD}[secrets.a]\n{}\n", lines.replace("; ", "\n"));
    std::fs::write(schedules.join("development.toml"), text).unwrap();
    let mut loaded = config::load(
        &schedules,
        None,
        jiff::Timestamp::UNIX_EPOCH,
        &crate::kinds::registry(),
    );
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    loaded.environments.remove(0).secrets.remove(0)
}

const PAIR: &str =
    "kind = 'jwt'; algorithm = 'EdDSA'; token_ttl = '5m'; jwks_max_age = '5m'; env = 'KEY'";
const HMAC: &str =
    "kind = 'jwt'; algorithm = 'HS256'; token_ttl = '5m'; accept_invalidation = true; env = 'KEY'";

#[test]
fn a_key_id_is_kept_or_refused_and_never_dropped() {
    let long = "k".repeat(257);
    for (lines, kid, keeps_public, says) in [
        (format!("{PAIR}; env_kid = 'KID'"), "prod-2023-04", true, ""),
        (format!("{HMAC}; env_kid = 'KID'"), "prod-2023-04", true, ""),
        (
            format!("{PAIR}; format = 'jwk'; env_kid = 'KID'"),
            "OWN",
            true,
            "",
        ),
        // It follows from the value: no variable and no provider has to carry it.
        (PAIR.to_owned(), "OWN", false, ""),
        (format!("{PAIR}; format = 'jwk'"), "OWN", false, ""),
        (
            format!("{PAIR}; env_kid = 'KID'"),
            "prod-2023-04",
            false,
            "no public parts",
        ),
        (PAIR.to_owned(), "prod-2023-04", true, "env_kid"),
        (HMAC.to_owned(), "prod-2023-04", true, "env_kid"),
        (
            format!("{PAIR}; format = 'jwk'; env_kid = 'KID'"),
            "other",
            true,
            "another kid",
        ),
        (format!("{PAIR}; env_kid = 'KID'"), "", true, "empty"),
        (format!("{PAIR}; env_kid = 'KID'"), &long, true, "256 bytes"),
        (
            format!("{PAIR}; env_kid = 'KID'"),
            "a\nb",
            true,
            "control character",
        ),
        (
            format!("{PAIR}; env_kid = 'KID'"),
            "a ",
            true,
            "white space",
        ),
        (
            "kind = 'random'; env = 'KEY'".to_owned(),
            "a",
            true,
            "kind jwt",
        ),
    ] {
        let secret = secret(&lines);
        let rotator = secret.rotator("development", None).unwrap();
        let minted = rotator.create(&Material::default(), &mut Sevens).unwrap();
        let kid = match kid {
            "OWN" => minted.public[KID].clone(),
            kid => kid.to_owned(),
        };
        match (keep_kid(&secret, keeps_public, &minted, &kid), says) {
            (Ok(()), "") => {
                // What the engine then asks the rotator for.
                let stated = Public::from([(KID.to_owned(), kid.clone())]);
                let public = rotator.public(&minted.value, &stated);
                assert_eq!(public[KID], kid, "{lines}");
                let published = public.get("jwk");
                assert!(published.is_none_or(|jwk| jwk.contains(&format!("\"{kid}\""))));
            }
            (Err(why), says) => assert!(!says.is_empty() && why.contains(says), "{lines}: {why}"),
            (Ok(()), says) => panic!("{lines} took {kid}, not: {says}"),
        }
    }
}

#[test]
fn a_key_is_claimed_for_all_and_its_id_for_one_secret() {
    let rotator = secret(PAIR).rotator("development", None).unwrap();
    let made = |public: &Public| -> Vec<(String, String)> {
        let all = claims("production", "a", public, "print").into_iter();
        all.map(|claim| (claim.key, claim.value)).collect()
    };
    let minted = rotator.create(&Material::default(), &mut Sevens).unwrap();
    let print = minted.public[KID].clone();
    let of_key = (format!("kid/{print}"), "production/a".to_owned());
    let of_id = |kid: &str, key: &str| (format!("kid/production/a/{kid}"), key.to_owned());
    // Also a thumbprint is an id: another key cannot have it.
    assert_eq!(
        made(&minted.public),
        [of_key.clone(), of_id(&print, &print)]
    );
    let stated = Public::from([(KID.to_owned(), "prod-2023".to_owned())]);
    let public = rotator.public(&minted.value, &stated);
    assert_eq!(made(&public), [of_key, of_id("prod-2023", &print)]);
    // A symmetric key has no thumbprint.
    assert_eq!(made(&stated), [of_id("prod-2023", "print")]);
    assert!(made(&Public::new()).is_empty());
}
