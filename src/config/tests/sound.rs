//! What comes out of files without mistakes.

use std::path::Path;
use std::time::Duration;

use super::{lines, read};
use crate::config::model::{Required, Role, Secret, Source, Template, WhenAbsent};
use crate::config::registry::Sharing;

const HEAD: &str = r#"environment = "development"
timezone = "Europe/Berlin"
[defaults]
refresh = "1h"
[providers.local]
kind = "file"
path = ".keyrota/d.age"
"#;

fn secret(body: &str) -> Secret {
    let (environment, problems) = read("development", &format!("{HEAD}[secrets.a]\n{body}"));
    assert!(problems.is_empty(), "{}", lines(&problems));
    environment.secrets.into_iter().next().unwrap()
}

fn minutes(secret: &Secret) -> (u64, u64) {
    (
        secret.waits.settle.as_secs() / 60,
        secret.waits.grace.as_secs() / 60,
    )
}

#[test]
fn waits_are_the_sums_of_the_file() {
    let week = 7 * 24 * 60;
    let jwt = "kind = 'jwt'\ntoken_ttl = '7d'\nalgorithm = ";
    let cases: &[(String, bool, (u64, u64))] = &[
        (format!("{jwt}'EdDSA'"), true, (11, week + 61)),
        (
            format!("{jwt}'EdDSA'\nskew = '5m'\njwks_max_age = '1h'"),
            true,
            (65, week + 65),
        ),
        (
            format!("{jwt}'EdDSA'\nenv_fallback = 'F'"),
            true,
            (61, week + 61),
        ),
        (
            format!("{jwt}'HS256'\nenv_fallback = 'F'"),
            true,
            (61, week + 61),
        ),
        (
            format!("{jwt}'HS256'\naccept_invalidation = true"),
            false,
            (0, 60),
        ),
        (
            "kind = 'signing-key'\nenv_fallback = 'F'\nsignature_ttl = '5m'".to_owned(),
            true,
            (61, 66),
        ),
        (
            "kind = 'signing-key'\nenv_fallback = 'F'\nverifiers = 'self'".to_owned(),
            false,
            (0, 61),
        ),
        ("kind = 'random'".to_owned(), false, (0, 60)),
        ("kind = 'random'\ngrace = '2h'".to_owned(), false, (0, 120)),
        ("kind = 'external'".to_owned(), false, (0, 0)),
    ];
    for (body, announce, waits) in cases {
        let secret = secret(body);
        assert_eq!(
            (secret.facts.announce, minutes(&secret)),
            (*announce, *waits),
            "{body}"
        );
    }
    assert_eq!(
        secret("kind = 'random'").waits.grace_from,
        Source::Derived("refresh")
    );
    assert_eq!(
        secret("kind = 'random'\ngrace = '2h'").waits.grace_from,
        Source::Stated
    );
}

#[test]
fn defaults_and_places() {
    let plain = secret("kind = 'random'");
    assert_eq!(
        (plain.provider.as_str(), plain.path.as_str()),
        ("local", "development/a")
    );
    assert_eq!(plain.when_absent, WhenAbsent::Create);
    let drawn = format!("{:?}", plain.settings);
    assert_eq!(plain.facts.rule.min_length, Some(32));
    assert_eq!(drawn.matches(", ").count(), 62, "{drawn}");
    assert_eq!(
        secret("kind = 'random'\npath = 'x/{secret}/{{y}}'").path,
        "x/a/{y}"
    );
    let external = secret("kind = 'external'\nmin_bytes = 8\nmax_age = '90d'");
    assert_eq!(external.when_absent, WhenAbsent::Refuse);
    assert_eq!(external.max_age, Some(Duration::from_secs(90 * 86_400)));
}

#[test]
fn variables_and_consumers() {
    let secret = secret(
        "kind = 'jwt'\nalgorithm = 'ES256'\ntoken_ttl = '1h'\nenv = 'KEY'\nenv_kid = 'KID'\n\
         [[secrets.a.consumers]]\nkind = 'file'\npath = 'app.env'\nformat = 'systemd'\nowner = 'app:www'\nmode = '0640'\n\
         [[secrets.a.consumers]]\nkind = 'command'\nargv = ['/bin/true', 'x']\nrequired = false\n\
         [[secrets.a.consumers]]\nkind = 'jwks'\npath = '/srv/jwks.json'\n",
    );
    let form = format!("{:?}", secret.facts.rule.format);
    assert!(form.contains("Pem") && form.contains("Es256"), "{form}");
    assert!(secret.facts.has_public_key());
    let env: Vec<_> = secret
        .env
        .iter()
        .map(|v| (v.name.as_str(), v.role))
        .collect();
    assert_eq!(env, [("KEY", Role::Value), ("KID", Role::Kid)]);
    assert_eq!(secret.env[1].template, Template::of("kid"));
    let [file, command, jwks] = &secret.consumers[..] else {
        panic!("three consumers")
    };
    assert_eq!(
        (file.kind.word, command.kind.word, jwks.kind.word),
        ("file", "command", "jwks")
    );
    let written = file.facts.file.as_ref().unwrap();
    assert_eq!(written.path, Path::new("/srv/app/app.env"));
    let Sharing::Entries(entries) = &written.sharing else {
        panic!("a file with entries")
    };
    assert_eq!(
        (entries.owner.as_deref(), entries.mode),
        (Some("app:www"), 0o640)
    );
    assert_eq!(file.facts.variables, secret.env);
    assert!(!command.required);
    assert!(jwks.facts.key_set && !file.facts.key_set);
    assert!(jwks.facts.definition.contains("644"));
}

#[test]
fn dates_are_read_in_the_zone() {
    let turn = secret(
        "kind = 'random'\nnot_before = 2026-11-29\nwindow = { from = '22:00', to = '04:30' }",
    )
    .turn;
    assert_eq!(turn.not_before.unwrap().to_string(), "2026-11-28T23:00:00Z");
    assert_eq!(turn.window.unwrap().to.to_string(), "04:30:00");
    let turn = secret("kind = 'random'\nnot_before = 2026-11-29T01:00:00+01:00").turn;
    assert_eq!(turn.not_before.unwrap().to_string(), "2026-11-29T00:00:00Z");
}

#[test]
fn boot_rules() {
    let rules = "[env.A]\nformat = 'url'\nschemes = ['https']\n[env.B]\ndefault = 'x'\n\
                 [env.C]\nrequired_if = { variable = 'B', equals = 'y' }\n[env.D]\nrequired_if = 'A'\n";
    let (environment, problems) = read("development", &format!("{HEAD}{rules}"));
    assert!(problems.is_empty(), "{}", lines(&problems));
    let required: Vec<_> = environment
        .boot
        .iter()
        .map(|r| r.required.clone())
        .collect();
    let when = |variable: &str, equals: Option<&str>| Required::If {
        variable: variable.to_owned(),
        equals: equals.map(str::to_owned),
    };
    assert_eq!(
        required,
        [
            Required::Always,
            Required::Optional,
            when("B", Some("y")),
            when("A", None)
        ]
    );
    assert_eq!(environment.timezone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(environment.digest.len(), 64);
}

/// Links of older names, zones without a city and fixed offsets are names as well.
#[test]
fn every_name_of_the_iana_database_is_a_time_zone() {
    let bundled = jiff::tz::TimeZoneDatabase::bundled();
    let mut names: std::collections::BTreeSet<String> =
        bundled.available().map(|name| name.to_string()).collect();
    assert!(names.len() > 590 && names.contains("US/Eastern") && names.contains("Etc/GMT+5"));
    // What this machine has beyond that, in a newer edition.
    let root = Path::new("/usr/share/zoneinfo");
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let zone = || std::fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"TZif"));
            if path.is_dir() {
                directories.extend((!["posix", "right"].contains(&name.as_str())).then_some(path));
            } else if !["posixrules", "localtime"].contains(&name.as_str()) && zone() {
                names.insert(name);
            }
        }
    }
    for name in names {
        let text = format!("environment = 'development'\ntimezone = '{name}'\n");
        let (environment, problems) = read("development", &text);
        assert!(
            !lines(&problems).contains("time zone"),
            "{name}: {}",
            lines(&problems)
        );
        assert_eq!(environment.timezone_name, name);
    }
    for (name, help) in [
        ("+02:00", "an offset has no summer time"),
        ("UTC+2", "an offset has no summer time"),
        ("CEST", "write Area/City"),
        ("right/Europe/Berlin", "write Area/City"),
        ("posixrules", "write Area/City"),
        ("Europe/Berlinn", "did you mean \"Europe/Berlin\""),
    ] {
        let text = format!("environment = 'development'\ntimezone = '{name}'\n");
        let told = lines(&read("development", &text).1);
        assert!(told.contains(help), "{name}: {told}");
    }
}
