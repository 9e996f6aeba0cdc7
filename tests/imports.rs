//! `keyrota import`: what a service has already becomes known, and nobody notices.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::evidence::{document, value_at, versions};
use crate::support::keyrota::{Keyrota, Ran};

const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

const ISSUED: &str = r#"[secrets.issued]
kind = "signing-key"
origin = "imported"
prefix = "PREFIX"
verifiers = "self"
signature_ttl = "0s"
env = "ISSUED"
"#;

fn with(secrets: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", &format!("{HEAD}{secrets}"));
    keyrota
}

fn outcomes(keyrota: &Keyrota, secret: &str) -> Vec<String> {
    let ran = keyrota.run(&["history", secret, "--json"]).code(0).json();
    let rotations = ran["rotations"].as_array().unwrap().iter();
    let outcome = |r: &serde_json::Value| r["outcome"].as_str().unwrap().to_owned();
    rotations.map(outcome).collect()
}

#[test]
fn what_nobody_means_is_refused_before_anything_is_stored() {
    let keyrota = with(
        "[secrets.token]\nkind = \"random\"\nenv = \"TOKEN\"\n\
         [secrets.hook]\nkind = \"signing-key\"\nprefix = \"sk-\"\nverifiers = \"self\"\nenv = \"HOOK\"\n\
         [secrets.database]\nkind = \"external\"\nformat = \"url\"\nenv = \"DATABASE_URL\"\n\
         [secrets.partner]\nkind = \"external\"\nenv = \"PARTNER\"\n\
         [secrets.fit]\nkind = \"random\"\nenv = \"FIT\"\n",
    );
    keyrota.write(
        "old.env",
        "FIT=kW8vq2Lx0pZr41nT\nTOKEN=changeme\nHOOK=sk-replace-with-a-long-random-string\n\
         DATABASE_URL=postgres://app:changeme@db/app\nPARTNER='\"zq4v8\"'\n",
    );
    let ran = keyrota
        .run(&["import", "--env-file", "old.env", "--json"])
        .code(78);
    let unfit: Vec<_> = ran.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["name"].as_str().unwrap().to_owned(), l["result"].clone()))
        .collect();
    let names: Vec<&str> = unfit.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["token", "hook", "database", "partner"], "{ran:?}");
    assert!(unfit.iter().all(|(_, result)| result == "unfit"));
    for value in ["changeme", "random-string", "zq4v8"] {
        assert!(!ran.stdout.contains(value) && !ran.stderr.contains(value));
    }
    assert!(!keyrota.path(".keyrota/development.age").exists());

    for (given, word) in [
        ("changeme", "example"),
        ("${PARTNER}", "reference"),
        ("op://vault/partner/token", "reference"),
        ("'zq4v8tok'", "quotes"),
        ("zq4v8tok\r", "carriage return"),
        (" zq4v8tok", "white space"),
        ("zq4v8tok\n\n", "line break"),
        ("zq4v8\0tok", "NUL"),
        ("\u{feff}zq4v8tok", "byte order mark"),
    ] {
        for secret in ["token", "partner"] {
            let ran = keyrota.run_with_stdin(&["import", secret, "--stdin"], given);
            let ran = ran.code(78);
            assert!(ran.stdout.contains(word), "{given:?}: {ran:?}");
            assert!(!ran.stdout.contains("zq4v8") && !ran.stderr.contains("zq4v8"));
        }
    }
    // All that is wrong with one value is told at once.
    let twice = keyrota.run_with_stdin(&["import", "token", "--stdin"], "\u{feff}'zq4v8'");
    assert_eq!(twice.code(78).stdout.lines().count(), 2);
    assert!(!keyrota.path(".keyrota/development.age").exists());
    assert!(outcomes(&keyrota, "token").is_empty());
}

#[test]
fn what_may_be_in_use_is_taken_however_poor_it_is() {
    let keyrota = with(
        "[secrets.token]\nkind = \"random\"\nenv = \"TOKEN\"\n\
         [secrets.database]\nkind = \"external\"\nformat = \"url\"\nenv = \"DATABASE_URL\"\n\
         [secrets.other]\nkind = \"external\"\nformat = \"url\"\nenv = \"OTHER_URL\"\n\
         [secrets.password]\nkind = \"external\"\nenv = \"DB_PASSWORD\"\n\
         [secrets.account]\nkind = \"external\"\nformat = \"json\"\nenv = \"ACCOUNT\"\n",
    );
    for (secret, value) in [
        ("token", "tr0ub4dor"),
        (
            "database",
            "postgres://app:%40:%2F%25%23%3Fq@db.internal/app",
        ),
        ("other", "mysql://app:4:/%#?q@db.internal/app"),
        ("password", "@:/%#?\"'x"),
        ("account", " {\"key\": \"a b\"}\r\n"),
    ] {
        keyrota
            .run_with_stdin(&["import", secret, "--stdin"], value)
            .code(0);
        assert_eq!(outcomes(&keyrota, secret), ["imported"]);
    }
}

/// A value that was no example under one schedule may be one under the next.
#[test]
fn what_the_provider_holds_is_held_to_the_same_rules() {
    let keyrota = with("[secrets.issued]\nkind = \"random\"\nenv = \"ISSUED\"\n");
    let value = "acme-replace-with-a-long-random-string";
    keyrota
        .run_with_stdin(&["import", "issued", "--stdin"], value)
        .code(0);
    let in_place = ["import", "issued", "--in-place"];
    keyrota.run(&in_place).code(0);
    let schedule = format!("{HEAD}{}", ISSUED.replace("PREFIX", "acme-"));
    keyrota.write("schedules/development.toml", &schedule);
    let ran = keyrota.run(&in_place).code(78);
    assert!(ran.stdout.contains("example"), "{ran:?}");
}

#[test]
fn a_rotation_does_not_take_it_either() {
    let keyrota = with(&ISSUED.replace("prefix = \"PREFIX\"\n", ""));
    let first = "9f86d081884c7d659a2feaa0c55ad015";
    let give = ["rotate", "issued", "--value-stdin", "--json"];
    keyrota.run_with_stdin(&give, first).code(0);
    for given in [
        "'3c9909afec25354d551dae21590bb26e'",
        "\u{feff}3c9909afec25354d551dae21590bb26e",
        "replace-with-a-long-random-string",
    ] {
        let ran = keyrota.run_with_stdin(&give, given).code(20);
        let note = ran.json()["results"][0]["note"].to_string();
        assert!(note.contains("still current"), "{note}");
    }
    let shown = keyrota.run(&["run", "--", "printenv", "ISSUED"]).code(0);
    assert_eq!(shown.stdout.trim(), first);
}

/// What a service of some years has: keys of every kind, settings, leftovers.
const SERVICE: &str = r#"[secrets.session]
kind = "jwt"
algorithm = "EdDSA"
refresh = "1s"
token_ttl = "0s"
jwks_max_age = "0s"
env = "SESSION_KEY"
env_kid = "SESSION_KID"
[[secrets.session.consumers]]
kind = "file"
path = "FILE"
format = "json"
[secrets.service]
kind = "jwt"
algorithm = "ES256"
format = "jwk"
token_ttl = "0s"
jwks_max_age = "0s"
env = "SERVICE_JWK"
[secrets.legacy]
kind = "jwt"
algorithm = "HS256"
format = "raw"
token_ttl = "0s"
accept_invalidation = true
env = "LEGACY_JWT_SECRET"
[secrets.webhook]
kind = "signing-key"
prefix = "whsec-"
signature_ttl = "0s"
env = "WEBHOOK_KEY"
env_fallback = "WEBHOOK_KEY_OLD"
[[secrets.webhook.consumers]]
kind = "command"
argv = ["TOLD"]
[secrets.cookie]
kind = "signing-key"
encoding = "base64"
signature_ttl = "0s"
verifiers = "self"
env = "COOKIE_KEY"
env_fallback = "COOKIE_KEY_OLD"
[secrets.jobs]
kind = "signing-key"
origin = "imported"
prefix = "signkey-prod-"
signature_ttl = "0s"
env = "JOBS_SIGNING_KEY"
env_fallback = "JOBS_SIGNING_KEY_OLD"
[secrets.internal]
kind = "random"
env = "INTERNAL_TOKEN"
[[secrets.internal.consumers]]
kind = "command"
argv = ["TOLD"]
[secrets.cron]
kind = "random"
env = "CRON_TOKEN"
[secrets.salt]
kind = "random"
length = 48
alphabet = "0-9a-f"
env = "CSRF_SALT"
[secrets.database]
kind = "external"
format = "url"
env = "DATABASE_URL"
[secrets.cache]
kind = "external"
format = "url"
env = "REDIS_URL"
[secrets.payments]
kind = "external"
min_bytes = 20
env = "PAYMENTS_KEY"
[secrets.storage]
kind = "external"
format = "json"
env = "STORAGE_ACCOUNT"
[secrets.reports]
kind = "external"
format = "rds-json"
env = { REPORTS_USER = "{username}", REPORTS_PASSWORD = "{password}" }
[env.LOG_LEVEL]
one_of = ["debug", "info", "warn"]
[env.PORT]
format = "port"
[env.PUBLIC_URL]
format = "url"
schemes = ["https"]
[env.ADMIN_EMAIL]
format = "email"
[env.WORKERS]
format = "integer"
[env.RELEASE]
pattern = "v[0-9]+"
[env.SENTRY_DSN]
required = false
"#;

/// The settings of the same service: nobody's secrets.
const SETTINGS: [(&str, &str); 6] = [
    ("LOG_LEVEL", "info"),
    ("PORT", "8080"),
    ("PUBLIC_URL", "https://app.example.org/"),
    ("ADMIN_EMAIL", "ops@app.internal"),
    ("WORKERS", "4"),
    ("RELEASE", "v12"),
];

/// Twenty-five variables as they stand in a file that grew.
fn env_file(session: &str, service: &str) -> String {
    let settings = SETTINGS.map(|(name, value)| format!("{name}={value}\n"));
    format!(
        "# the service, by hand since 2021\n\
         SESSION_KEY=\"{session}\"\n\
         SESSION_KID=2021-03\n\
         SERVICE_JWK='{service}'\n\
         export LEGACY_JWT_SECRET=vY2kq8ZtR4mW7xNb3cJ6hF9sD1gL5pQ0\n\n\
         WEBHOOK_KEY=whsec-9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad016\n\
         WEBHOOK_KEY_OLD=whsec-2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n\
         ; cookies\n\
         COOKIE_KEY = \"q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\"   # rotated once\n\
         JOBS_SIGNING_KEY=signkey-prod-3c9909afec25354d551dae21590bb26e\n\
         INTERNAL_TOKEN='Lx0pZr41nTkW8vq2Lx0p#r41nT kW8vq2'\n\
         CRON_TOKEN=Zr41nTkW8vq2Lx0pZr41nTkW8vq2Lx0p\n\
         CSRF_SALT=0123abcd4567ef890a1b2c3d4e5f60718293a4b5c6d7e8f9\n\
         DATABASE_URL=postgres://app:s%40lt%2Fp%3A%23x@db.internal:5432/app?sslmode=verify-full\n\
         REDIS_URL=\"rediss://:kW8vq2Lx0@cache.internal:6379/0\"\n\
         PAYMENTS_KEY=rk_live_51Hx0pZr41nTkW8vq2L\n\
         STORAGE_ACCOUNT='{{\"type\": \"service\", \"key\": \"k\\nW8\"}}'\n\
         REPORTS_USER=reports\n\
         REPORTS_PASSWORD='@:/%#?'\n\
         {}\
         NODE_ENV=production\n\
         OLD_VENDOR_KEY=gone-since-2022\n",
        settings.concat()
    )
}

/// A key in the form a schedule wants, as somebody else would have made it.
fn foreign(secret: &str, variable: &str) -> String {
    let table = SERVICE.split("\n[secrets.").find(|t| t.contains(variable));
    let table = table.unwrap().split("\n[[").next().unwrap();
    let table = table.trim_start_matches("[secrets.");
    let elsewhere = with(&format!("[secrets.{table}\n"));
    elsewhere.run(&["rotate", secret]).code(0);
    let ran = elsewhere.run(&["run", "--", "printenv", "-0", variable]);
    ran.code(0).stdout.trim_end_matches('\0').to_owned()
}

/// Whether the service would start with what keyrota gives it.
fn fit(keyrota: &Keyrota) -> Ran {
    let binary = env!("CARGO_BIN_EXE_keyrota");
    let mut command = keyrota.command(&["run", "--", binary, "check"]);
    command.envs(SETTINGS);
    Ran::of(command.output().unwrap())
}

#[test]
fn a_service_of_twenty_five_variables_moves_in() {
    let keyrota = Keyrota::in_temp();
    let told = keyrota.path("told");
    keyrota.write("tell", &format!("#!/bin/sh\necho >> {}\n", told.display()));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(keyrota.path("tell"), mode).unwrap();
    let file = keyrota.path("session.json");
    let schedule = SERVICE
        .replace("TOLD", keyrota.path("tell").to_str().unwrap())
        .replace("FILE", file.to_str().unwrap());
    keyrota.write("schedules/development.toml", &format!("{HEAD}{schedule}"));
    let (session, service) = (
        foreign("session", "SESSION_KEY"),
        foreign("service", "SERVICE_JWK"),
    );
    let text = env_file(&session, &service);
    let others = "spring.url=zq4v8\nMORE=`zq4v8`\n";
    keyrota.write("old.env", &format!("{text}{others}"));
    let given: BTreeMap<String, Vec<u8>> = keyrota_gate::parse_env_file(text.as_bytes(), &|_| true)
        .unwrap()
        .entries
        .into_iter()
        .map(|e| (e.name.clone(), e.into_value()))
        .collect();
    assert_eq!(given.len(), 25);

    let ran = keyrota
        .run(&["import", "--env-file", "old.env", "--json"])
        .code(0)
        .json();
    let line = text.lines().count() + 1;
    let skipped = json!([{"line": line}, {"line": line + 1, "variable": "MORE"}]);
    assert_eq!(ran["skipped"], skipped);
    let names = |result: &str| -> Vec<String> {
        let lines = ran["results"].as_array().unwrap().iter();
        let lines = lines.filter(|l| l["result"] == result);
        lines
            .map(|l| l["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let secrets: Vec<(&str, &str)> = vec![
        ("session", "SESSION_KEY"),
        ("service", "SERVICE_JWK"),
        ("legacy", "LEGACY_JWT_SECRET"),
        ("webhook", "WEBHOOK_KEY"),
        ("cookie", "COOKIE_KEY"),
        ("jobs", "JOBS_SIGNING_KEY"),
        ("internal", "INTERNAL_TOKEN"),
        ("cron", "CRON_TOKEN"),
        ("salt", "CSRF_SALT"),
        ("database", "DATABASE_URL"),
        ("cache", "REDIS_URL"),
        ("payments", "PAYMENTS_KEY"),
        ("storage", "STORAGE_ACCOUNT"),
    ];
    let expected: Vec<&str> = secrets.iter().map(|(name, _)| *name).collect();
    let imported = names("imported");
    assert_eq!(imported[1], "SESSION_KID", "it stays the key's id");
    assert_eq!([&imported[..1], &imported[2..]].concat(), expected);
    let left = names("not-taken");
    assert_eq!(
        left[..3],
        ["WEBHOOK_KEY_OLD", "REPORTS_USER", "REPORTS_PASSWORD"]
    );
    assert_eq!(left[3..9], SETTINGS.map(|(name, _)| name));
    assert_eq!(left[9..], ["NODE_ENV", "OLD_VENDOR_KEY"]);
    // Made of parts: its whole is given by itself. Until then the gate says what is missing.
    let unfit = fit(&keyrota).code(1);
    assert_eq!(unfit.stderr.matches(" missing ").count(), 2, "{unfit:?}");
    let whole = r#"{"username":"reports","password":"@:/%#?","host":"db.internal","port":5432}"#;
    keyrota
        .run_with_stdin(&["import", "reports", "--stdin"], whole)
        .code(0);
    fit(&keyrota).code(0);

    // Nobody was told, nothing was rotated, every byte is as it was.
    assert!(!told.exists() && !file.exists());
    let sealed = std::fs::read(keyrota.path(".keyrota/development.age")).unwrap();
    let kept = document(&keyrota.path(".keyrota"), &sealed);
    for (secret, variable) in &secrets {
        let value = value_at(&kept, secret, "current").unwrap();
        assert_eq!(value.as_bytes(), given[*variable], "{secret}");
        assert_eq!(versions(&kept, secret).len(), 1, "{secret}");
        assert_eq!(outcomes(&keyrota, secret), ["imported"]);
    }
    let again = keyrota.run(&["import", "--env-file", "old.env", "--json"]);
    let known = again.code(0).json()["results"].to_string();
    assert_eq!(known.matches("\"known\"").count(), secrets.len());

    // From here on they are keyrota's.
    let minted = [
        "session", "service", "legacy", "webhook", "cookie", "internal", "cron", "salt",
    ];
    keyrota
        .run(&[&["rotate", "--wait"], &minted[..]].concat())
        .code(0);
    assert!(std::fs::read_to_string(&told).unwrap().lines().count() > 1);
    for secret in minted {
        assert_eq!(outcomes(&keyrota, secret), ["rotated", "imported"]);
    }
    fit(&keyrota).code(0);
    keyrota.run(&["audit", "verify"]).code(0);
}
