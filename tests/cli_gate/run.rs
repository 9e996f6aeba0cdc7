//! `keyrota run`.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use keyrota_contract::testing::machine_has;

use super::run_with;
use crate::support::keyrota::{Keyrota, Ran};

/// One secret of every kind that keyrota mints, in every form.
const ALL: &str = r#"
environment = "development"
[defaults]
refresh = "0s"
skew = "1s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"

[secrets.pem]
kind = "jwt"
algorithm = "EdDSA"
token_ttl = "1h"
jwks_max_age = "1s"
env = "PEM"
env_kid = "PEM_KID"
[secrets.jwk]
kind = "jwt"
algorithm = "ES256"
format = "jwk"
token_ttl = "1h"
jwks_max_age = "1s"
env = "JWK"
env_kid = "JWK_KID"
[secrets.raw]
kind = "jwt"
algorithm = "HS256"
format = "raw"
token_ttl = "1h"
accept_invalidation = true
env = "RAW"
[secrets.hook]
kind = "signing-key"
prefix = "sk-dev-"
encoding = "base64"
signature_ttl = "1h"
env = "HOOK"
env_fallback = "HOOK_OLD"
[secrets.hook64]
kind = "signing-key"
encoding = "base64url"
verifiers = "self"
env = "HOOK64"
[secrets.token]
kind = "random"
env = "TOKEN"
[secrets.digits]
kind = "random"
length = 60
alphabet = "0-9"
env = "DIGITS"

[env.LOG_LEVEL]
one_of = ["info", "debug"]
default = "info"
"#;

fn with(schedule: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", schedule);
    keyrota
}

/// With a first version of everything.
fn minted() -> Keyrota {
    let keyrota = with(ALL);
    keyrota.run(&["rotate", "--all"]).code(0);
    keyrota
}

fn value_of(keyrota: &Keyrota, variable: &str) -> String {
    let ran = keyrota
        .run(&["run", "--", "printenv", "-0", variable])
        .code(0);
    ran.stdout.strip_suffix('\0').unwrap().to_owned()
}

#[test]
fn a_program_gets_what_the_document_holds() {
    let keyrota = minted();
    let opened = Command::new("age")
        .args([
            "-d",
            "-i",
            ".keyrota/keys/age-identity",
            ".keyrota/development.age",
        ])
        .current_dir(keyrota.dir())
        .output();
    if !machine_has("the program age", opened.is_ok()) {
        return;
    }
    let opened = opened.unwrap();
    assert!(opened.status.success());
    let mut values = serde_json::Deserializer::from_slice(&opened.stdout).into_iter();
    let document: serde_json::Value = values.next().unwrap().unwrap();
    let kept = |secret: &str| {
        let versions = &document["secrets"][format!("development/{secret}")]["versions"];
        versions[0].clone()
    };
    for (secret, variable) in [
        ("pem", "PEM"),
        ("jwk", "JWK"),
        ("raw", "RAW"),
        ("hook", "HOOK"),
        ("hook64", "HOOK64"),
        ("token", "TOKEN"),
        ("digits", "DIGITS"),
    ] {
        assert_eq!(
            value_of(&keyrota, variable),
            kept(secret)["value"],
            "{secret}"
        );
    }
    assert_eq!(value_of(&keyrota, "PEM_KID"), kept("pem")["public"]["kid"]);
    assert_eq!(value_of(&keyrota, "JWK_KID"), kept("jwk")["public"]["kid"]);
    assert_eq!(value_of(&keyrota, "LOG_LEVEL"), "info");
}

#[test]
fn without_values_nothing_is_started() {
    let keyrota = with(ALL);
    let ran = keyrota.run(&["run", "--", "touch", "started"]).code(78);
    assert!(ran.stderr.contains("keyrota rotate --all"), "{ran:?}");
    keyrota.run(&["rotate", "pem"]).code(0);
    let ran = keyrota
        .run(&["run", "--json", "--", "touch", "started"])
        .code(1);
    assert_eq!(ran.stdout, "");
    let told: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(told["fit"], false);
    let missing: Vec<_> = told["problems"].as_array().unwrap().iter().collect();
    assert_eq!(missing.len(), 7, "{ran:?}");
    assert!(missing.iter().all(|p| p["code"] == "missing"));
    assert!(!keyrota.path("started").exists());
}

#[test]
fn keyrota_becomes_the_program() {
    let keyrota = minted();
    let sh = |script: &str| keyrota.command(&["run", "--", "sh", "-c", script]);
    // The same process, so that whoever started it can signal and await it.
    let child = sh("echo $$").stdout(std::process::Stdio::piped()).spawn();
    let child = child.unwrap();
    let id = child.id().to_string();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), id);
    assert_eq!(sh("exit 42").status().unwrap().code(), Some(42));
    assert_eq!(sh("kill -TERM $$").status().unwrap().signal(), Some(15));
    // A writer whose reader went away dies of it, as it would without keyrota.
    assert_eq!(sh("kill -PIPE $$").status().unwrap().signal(), Some(13));
    let ran = keyrota.run_with_stdin(&["run", "--", "cat"], "through");
    assert_eq!(ran.code(0).stdout, "through");
}

#[test]
fn what_cannot_be_started_has_its_own_codes() {
    let keyrota = minted();
    let ran = keyrota
        .run(&["run", "--", "no-such-program", "an-argument"])
        .code(127);
    assert_eq!(
        ran.stderr,
        "keyrota: no-such-program cannot be started: entity not found\n"
    );
    keyrota.write("plain", "text");
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(keyrota.path("plain"), mode).unwrap();
    keyrota.run(&["run", "--", "./plain"]).code(126);
    // Nothing to start is a mistake in the command line.
    keyrota.run(&["run"]).code(2);
    // The document cannot be read: keyrota failed, not the program.
    keyrota.write(".keyrota/development.age", "not a document");
    keyrota.run(&["run", "--", "true"]).code(125);
}

#[test]
fn masks_and_limits_are_the_callers() {
    let keyrota = minted();
    let here = "umask; ulimit -Sc; ulimit -Hc; ulimit -Sl; ulimit -Hl";
    let binary = env!("CARGO_BIN_EXE_keyrota");
    let script = format!("umask 026; {here}; {binary} run -- sh -c '{here}'");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .current_dir(keyrota.dir())
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 10, "{lines:?}");
    assert_eq!(lines[0], "0026");
    assert_eq!(lines[..5], lines[5..]);
}

/// The names of what a program was given.
fn names(ran: &Ran) -> Vec<&str> {
    let entries = ran.stdout.split_terminator('\0');
    entries.filter_map(|e| Some(e.split_once('=')?.0)).collect()
}

#[test]
fn what_is_keyrotas_own_or_anothers_is_not_handed_on() {
    let keyrota = minted();
    let identity = std::fs::read_to_string(keyrota.path(".keyrota/keys/age-identity")).unwrap();
    let recipient = identity
        .lines()
        .find_map(|l| Some(l.split_once("public key: ")?.1));
    let door = format!(
        "path = \".keyrota/development.age\"\nrecipients = [\"{}\"]\nidentity = {{ env = \"DOOR_KEY\" }}\n",
        recipient.unwrap()
    );
    let programs = "[programs.web]\nenv = [\"TOKEN\", \"HOOK\", \"HOOK_OLD\"]\n[programs.jobs]\nenv = [\"DIGITS\", \"LOG_LEVEL\"]\n";
    let schedule = ALL.replace("path = \".keyrota/development.age\"\n", &door) + programs;
    keyrota.write("schedules/development.toml", &schedule);
    let variables = [
        ("DOOR_KEY", identity.as_str()),
        ("KEYROTA_LOG", "error"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials/x"),
        // Left over by somebody: web may not see the first two, and the third is of no version.
        ("DIGITS", "1"),
        ("LOG_LEVEL", "debug"),
        ("HOOK_OLD", "sk-dev-old"),
        ("UNRELATED", "stays"),
    ];
    let ran = run_with(
        &keyrota,
        &variables,
        &["run", "--program", "web", "--", "env", "-0"],
    )
    .code(0);
    let given = names(&ran);
    for (variable, _) in &variables[..6] {
        assert!(!given.contains(variable), "{variable}");
    }
    for variable in [
        "UNRELATED",
        "TOKEN",
        "HOOK",
        "PATH",
        "KEYROTA_ENV",
        "KEYROTA_SCHEDULES",
    ] {
        assert!(given.contains(&variable), "{variable}");
    }
    let pristine = ["run", "--program", "jobs", "--pristine", "--", "env", "-0"];
    let ran = run_with(&keyrota, &variables, &pristine).code(0);
    let mut given = names(&ran);
    given.sort_unstable();
    let expected: Vec<&str> = ["DIGITS", "HOME", "LOG_LEVEL", "PATH"]
        .into_iter()
        .filter(|name| *name != "HOME" || std::env::var_os("HOME").is_some())
        .collect();
    assert_eq!(given, expected);
    assert!(ran.stdout.contains("LOG_LEVEL=debug\0"));
    assert!(!ran.stdout.contains("DIGITS=1\0"));
}

#[test]
fn existing_values_are_replaced_unless_they_are_to_stay() {
    let keyrota = minted();
    let theirs = [
        ("TOKEN", "kW8vq2Lx0pZr41nTkW8vq2Lx0pZr41nTxB"),
        ("JWK_KID", "theirs"),
    ];
    let print = ["--", "printenv", "TOKEN"];
    let ran = run_with(&keyrota, &theirs, &[&["run"], &print[..]].concat()).code(0);
    assert_ne!(ran.stdout.trim(), theirs[0].1);
    // The key id of one key never meets another key: neither is taken.
    let keep = [&["run", "--keep-existing"], &print[..]].concat();
    let ran = run_with(&keyrota, &theirs, &keep).code(1);
    assert_eq!(
        ran.stderr,
        "keyrota: development is not fit to start: 1 problem\n  JWK   missing  set it from secret \"jwk\"\n"
    );
    let ran = run_with(&keyrota, &theirs[..1], &keep).code(0);
    assert_eq!(ran.stdout.trim(), theirs[0].1);
}

#[test]
fn a_fallback_is_given_while_there_is_one() {
    let keyrota = minted();
    let before = value_of(&keyrota, "HOOK");
    keyrota.run(&["rotate", "hook"]).code(10);
    // Announced: the pending key is accepted, and not used yet.
    assert_eq!(value_of(&keyrota, "HOOK"), before);
    let pending = value_of(&keyrota, "HOOK_OLD");
    assert!(pending.starts_with("sk-dev-") && pending != before);
}
