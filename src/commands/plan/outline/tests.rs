#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use keyrota_rotation::{Outcome, Phase};

use super::super::document::document;
use super::super::text::text;
use super::*;

const FILE: &str = r#"
environment = "production"
timezone = "Europe/Berlin"
[defaults]
refresh = "10m"
[providers.local]
kind = "file"
path = "p.age"
recipients = ["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"]
identity = { credential = "age" }
[secrets.token]
kind = "random"
length = 32
alphabet = "A-Za-z0-9"
schedule = "30 2 * * *"
window = { from = "02:00", to = "05:00" }
grace = "1h"
[[secrets.token.consumers]]
kind = "command"
argv = ["/bin/reload", "it"]
required = false
[secrets.inngest]
kind = "signing-key"
origin = "imported"
prefix = "signkey-prod-"
signature_ttl = "5m"
env = "INNGEST"
env_fallback = "INNGEST_FALLBACK"
confirm = { after = "switch", ask = "Promote the key | in the dashboard" }
[secrets.partner]
kind = "external"
env = "PARTNER"
"#;

fn env() -> Environment {
    let source = crate::config::Source::new("schedules/production.toml", FILE);
    let (env, wrong) = crate::config::environment::decode(
        &source,
        "production",
        Path::new("/srv"),
        now(),
        &crate::kinds::registry(),
    );
    assert_eq!(wrong, []);
    env
}

/// Two nights before summer time begins, in the afternoon.
fn now() -> Timestamp {
    "2026-03-27T15:00:00Z".parse().unwrap()
}

fn known(fingerprint: Option<&str>) -> Known {
    let seen = now().as_millisecond() - 1000;
    let mut secret = state::Secret::new("production", "token", "random", seen);
    secret.fingerprint = fingerprint.map(str::to_owned);
    Known {
        secret: Some(secret),
        under_way: None,
    }
}

fn of<'a>(env: &'a Environment, name: &str, known: &Known) -> Outline<'a> {
    let secret = env.secrets.iter().find(|s| s.name == name).unwrap();
    outline(env, secret, known, 3, now()).unwrap()
}

#[test]
fn turns_are_told_in_civil_time_and_as_instants() {
    let env = env();
    let told: Vec<_> = of(&env, "token", &known(Some("f")))
        .turns
        .iter()
        .map(|t| (t.turn.civil.to_string(), t.starts.to_string(), t.due))
        .collect();
    let expected = [
        ("2026-03-28T02:30:00", "2026-03-28T01:30:00Z"),
        // There is no 02:30 that night.
        ("2026-03-29T02:30:00", "2026-03-29T01:00:00Z"),
        ("2026-03-30T02:30:00", "2026-03-30T00:30:00Z"),
    ];
    assert_eq!(
        told,
        expected.map(|(civil, at)| (civil.to_owned(), at.to_owned(), false))
    );
}

#[test]
fn a_missed_turn_waits_for_the_window_and_is_told_first() {
    let env = env();
    let mut known = known(Some("f"));
    let seen = known.secret.as_mut().unwrap();
    seen.first_seen_ms -= 3 * 86_400_000;
    let outline = of(&env, "token", &known);
    let first = &outline.turns[0];
    assert_eq!(first.turn.civil.to_string(), "2026-03-27T02:30:00");
    assert_eq!(first.starts.to_string(), "2026-03-28T01:00:00Z");

    let night: Timestamp = "2026-03-28T02:00:00Z".parse().unwrap();
    let outline = super::outline(&env, outline.secret, &known, 2, night).unwrap();
    let due: Vec<_> = outline.turns.iter().map(|t| t.due).collect();
    assert_eq!(due, [true, false]);
    assert!(text(&env, &[outline], night).starts_with("production (Europe/Berlin): due: token\n"));
}

#[test]
fn what_begins_it_and_where_it_stands() {
    let env = env();
    let unseen = Known::default();
    let begins = ["token", "inngest", "partner"].map(|name| of(&env, name, &unseen).begins);
    assert_eq!(begins, [Begins::Schedule, Begins::Given, Begins::Never]);
    assert!(of(&env, "partner", &unseen).forecast.is_none());

    let waits = |known: &Known| {
        let outline = of(&env, "token", known);
        let steps = outline.forecast.as_ref().unwrap().steps.iter();
        let told = steps
            .filter(|s| s.phase == "grace")
            .map(|s| what(&outline, s));
        (outline.stands, told.collect::<Vec<_>>())
    };
    let stated = vec!["wait 1h (grace, as stated)".to_owned()];
    assert_eq!(waits(&unseen), (Stands::Unseen, stated.clone()));
    assert_eq!(waits(&known(Some("f"))), (Stands::Current, stated));
    assert_eq!(waits(&known(None)), (Stands::First, Vec::new()));

    let mut record = Record::new(engine::planned(&env, &env.secrets[0], false).unwrap());
    record.phase = Phase::Grace {
        since: Time(0),
        until: Time(now().as_millisecond() + 90_000),
    };
    let known = Known {
        under_way: Some(record),
        ..known(Some("f"))
    };
    assert_eq!(
        waits(&known),
        (Stands::UnderWay, vec!["wait 1m 30s more".to_owned()])
    );
    let end = of(&env, "token", &known).forecast.unwrap();
    assert_eq!(end.outcome, Some(Outcome::Rotated));
}

#[test]
fn consumers_are_told_in_order_and_by_name() {
    let env = env();
    let told = text(&env, &[of(&env, "token", &Known::default())], now());
    assert!(
        told.contains(
            "switch     notify command:/bin/reload it (not waited for): use the new value"
        ),
        "{told}"
    );
    assert!(
        told.contains("rotates by 30 2 * * *, begun between 02:00 and 05:00\n"),
        "{told}"
    );
}

#[test]
fn the_document_says_where_each_wait_comes_from() {
    let env = env();
    let outlines: Vec<_> = ["token", "inngest", "partner"]
        .into_iter()
        .map(|name| of(&env, name, &Known::default()))
        .collect();
    let told = document(&env, &outlines, now());
    for line in [
        "| settle: before the new value is used | 11m | refresh + skew |",
        "| grace: before the old value dies | 16m | signature\\_ttl + refresh + skew |",
        "| grace: before the old value dies | 1h | grace, as stated |",
        "| 2026-03-29T02:30:00 | 2026-03-29T01:00:00Z |",
        "1. command:/bin/reload it (not waited for)",
        "1. +11m **confirm**: a person: Promote the key \\| in the dashboard",
        "| partner | external | local at production/partner | never | - | - |",
    ] {
        assert!(told.lines().any(|l| l == line), "{line}\n{told}");
    }
}
