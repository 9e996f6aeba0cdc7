#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use keyrota_rotation::{Outcome, Overlap, Policy, Record, Time};
use uuid::Uuid;

use super::look::{Need, look};
use super::*;
use crate::config::Source;
use crate::config::model::Environment;
use crate::engine::journal::Journal;
use crate::state::{self, Rotation};

const FILE: &str = r#"
environment = "production"
[defaults]
refresh = "1m"
[providers.local]
kind = "file"
path = "p.age"
recipients = ["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"]
identity = { credential = "age" }
[secrets.token]
kind = "random"
length = 32
alphabet = "A-Za-z0-9"
schedule = "0 3 * * *"
grace = "1h"
max_age = "10d"
[secrets.inngest]
kind = "signing-key"
origin = "imported"
prefix = "signkey-prod-"
env = "INNGEST"
env_fallback = "INNGEST_FALLBACK"
confirm = { after = "switch", ask = "Promote the key in the dashboard" }
max_age = "90d"
[secrets.partner]
kind = "external"
max_age = "90d"
"#;

const DAY_MS: i64 = 86_400_000;

fn env() -> Environment {
    let source = Source::new("schedules/production.toml", FILE);
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

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn seen(name: &str, age_ms: i64) -> Seen {
    let mut secret = state::Secret::new("production", name, "random", 0);
    secret.changed_ms = Some(now().as_millisecond() - age_ms);
    secret.fingerprint = Some("v1:ab".to_owned());
    Seen {
        secret: Some(secret),
        latest: Vec::new(),
        copies: Default::default(),
    }
}

fn rotation(phase: keyrota_rotation::Phase, failure: Option<&str>) -> Rotation {
    let mut machine = Record::new(Policy {
        first: false,
        target: false,
        overlap: Overlap::Dual,
        announce: false,
        observe_published: false,
        settle_ms: 0,
        grace_ms: 0,
        confirm: false,
        keep_previous: false,
        attempts_max: 3,
        listeners: Vec::new(),
    });
    machine.phase = phase;
    let outcome = match machine.outcome() {
        None => None,
        Some(Outcome::Rotated) => Some(state::Outcome::Rotated),
        Some(Outcome::Abandoned) => Some(state::Outcome::Abandoned),
    };
    let mut journal = Journal::new("random local production/token".to_owned(), machine);
    journal.failure = failure.map(str::to_owned);
    Rotation {
        id: Uuid::from_u128(7),
        env: "production".to_owned(),
        secret: "token".to_owned(),
        account: None,
        trigger: "schedule".to_owned(),
        reason: None,
        actor: "daemon".to_owned(),
        phase: journal.machine.phase.name().to_owned(),
        outcome,
        started_ms: 0,
        ended_ms: outcome.map(|_| now().as_millisecond() - DAY_MS),
        version: None,
        fingerprint: None,
        record: journal.to_text(),
        revision: 0,
    }
}

fn phase(word: &str) -> keyrota_rotation::Phase {
    use keyrota_rotation::Phase;
    let until = Time(now().as_millisecond() + 300_000);
    match word {
        "confirm" => Phase::Confirm,
        "grace" => Phase::Grace {
            since: Time(0),
            until,
        },
        "stuck" => Phase::Stuck {
            was: Box::new(Phase::Preflight),
        },
        "abandoned" => Phase::Done(Outcome::Abandoned),
        _ => Phase::Test,
    }
}

#[test]
fn nothing_known_is_no_reason_to_worry() {
    let env = env();
    let look = look(&env, &env.secrets[0], &Seen::default(), now());
    assert!(matches!(look.next, Next::At(at, _) if at > now()));
    assert_eq!((look.need, look.age), (None, Age::Unlimited));
}

#[test]
fn the_age_is_judged_at_four_fifths_and_at_the_limit() {
    let env = env();
    for (age_ms, age) in [
        (8 * DAY_MS - 1, Age::Within),
        (8 * DAY_MS, Age::Soon),
        (10 * DAY_MS - 1, Age::Soon),
        (10 * DAY_MS, Age::Over),
    ] {
        let look = look(&env, &env.secrets[0], &seen("token", age_ms), now());
        assert_eq!(look.age, age, "{age_ms}");
        assert_eq!(look.need.is_some(), age == Age::Over, "{age_ms}");
    }
    let of = |n: usize, name: &str| {
        look(&env, &env.secrets[n], &seen(name, 90 * DAY_MS), now())
            .need
            .unwrap()
    };
    let need = of(1, "inngest");
    assert_eq!(need.why, "older than 90d");
    let command = "keyrota --env production rotate inngest --value-stdin";
    assert!(need.what.ends_with(command), "{need:?}");
    let command = "keyrota --env production import partner --in-place";
    assert!(of(2, "partner").what.ends_with(command));
}

#[test]
fn a_grace_says_until_when() {
    let env = env();
    let mut seen = seen("token", DAY_MS);
    seen.latest = vec![
        rotation(phase("grace"), None),
        rotation(phase("abandoned"), Some("denied")),
    ];
    let look = look(&env, &env.secrets[0], &seen, now());
    assert_eq!(
        state(&look, now()),
        "grace until 2026-11-29T12:05:00Z (in 5m)"
    );
    assert_eq!(last(&look, now()), "abandoned 1d ago: denied");
    assert_eq!(look.need, None);
    let json = as_json("production", None, &[look], now(), (None, false));
    let told = &json["secrets"][0];
    assert_eq!(told["rotation"]["waits_for"], "grace");
    assert_eq!(told["rotation"]["until"], "2026-11-29T12:05:00Z");
    assert_eq!(told["last"]["outcome"], "abandoned");
    assert_eq!(told["age_seconds"], 86_400);
}

#[test]
fn a_person_is_told_what_to_do() {
    let env = env();
    let of = |at: usize, phase_word: &str, failure| {
        let mut seen = seen("token", DAY_MS);
        seen.latest = vec![rotation(phase(phase_word), failure)];
        look(&env, &env.secrets[at], &seen, now()).need
    };
    let need = |why: &str, what: &str| {
        Some(Need {
            why: why.to_owned(),
            what: what.to_owned(),
        })
    };
    assert_eq!(
        of(1, "confirm", None),
        need(
            "Promote the key in the dashboard",
            "when it is done: keyrota --env production confirm inngest"
        )
    );
    assert_eq!(
        of(0, "stuck", Some("the provider refuses")),
        need(
            "the provider refuses",
            "when that is corrected: keyrota --env production resume token"
        )
    );
    assert_eq!(of(0, "test", Some("it passes")), None);

    let mut failing = seen("token", DAY_MS);
    failing.secret.as_mut().unwrap().failures = 3;
    failing.latest = vec![rotation(phase("abandoned"), Some("denied"))];
    let look = look(&env, &env.secrets[0], &failing, now());
    assert_eq!(
        look.need.unwrap().why,
        "3 rotations failed in a row: denied"
    );
}

#[test]
fn a_record_of_another_version_is_told_and_not_guessed_at() {
    let env = env();
    let mut seen = seen("token", DAY_MS);
    let mut row = rotation(phase("grace"), None);
    row.record = r#"{"v":99}"#.to_owned();
    seen.latest = vec![row];
    let look = look(&env, &env.secrets[0], &seen, now());
    assert_eq!(state(&look, now()), "grace: waits for a person");
    assert!(look.need.unwrap().why.contains("another version"));
}

#[test]
fn the_overview_has_a_line_for_each_secret() {
    let env = env();
    let looks: Vec<_> = env
        .secrets
        .iter()
        .map(|s| look(&env, s, &Seen::default(), now()))
        .collect();
    let text = overview(&looks, now());
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains("2026-11-30T03:00:00Z (in 15h)"), "{text}");
    assert!(text.contains("when asked"), "{text}");
}
