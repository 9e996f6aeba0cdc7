//! The canary: values that are known here are looked for in everything that keyrota says, writes
//! and starts while it does all that it can do, told to tell all it can tell.

mod witness;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::evidence::document;
use crate::support::keyrota::Keyrota;
use crate::support::leaks::Leaks;
use witness::{Seen, Witness};

/// What a person gives. The marks are such as need quoting, escaping and encoding.
const KEY: &str = "c4n4ry0123456789abcdef0123456789abcdef01";
const NEXT_KEY: &str = "c4n4ryfedcba9876543210fedcba9876543210fe";
const PARTNER: &str = "canary/p@ss+word %41\"quoted\"\\backslash=&ü";
const UNFIT: &str = "canary-changeme-0f6c1a";
const PASSWORD: &str = "canary-p4ssw0rd-9d3e";
const MISPLACED: &str = "canary-AKIA7Q2ZP0R4V8XNJ3LW";
const GIVEN: [(&str, &str); 6] = [
    ("an imported key", KEY),
    ("the next imported key", NEXT_KEY),
    ("an external token", PARTNER),
    ("a value that is unfit", UNFIT),
    ("a password in an address", PASSWORD),
    ("a value in a schedule", MISPLACED),
];

/// A variable of keyrota's own environment that nobody it starts may see.
const OURS: (&str, &str) = ("a variable of keyrota's", "canary-inherited-5b8e2f");

const SCHEDULE: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.session]
kind = "jwt"
algorithm = "EdDSA"
token_ttl = "0s"
jwks_max_age = "0s"
env = "SESSION_KEY"
[[secrets.session.consumers]]
kind = "jwks"
path = ".keyrota/jwks.json"
[secrets.legacy]
kind = "jwt"
algorithm = "HS256"
token_ttl = "0s"
env = "LEGACY_KEY"
env_fallback = "LEGACY_FALLBACK"
SHOUT
[secrets.cert]
kind = "jwt"
algorithm = "ES256"
format = "jwk"
token_ttl = "0s"
jwks_max_age = "0s"
env = "CERT_KEY"
SHOUT
[secrets.webhook]
kind = "signing-key"
prefix = "sk_"
encoding = "base64"
env = "WEBHOOK_KEY"
env_fallback = "WEBHOOK_FALLBACK"
SHOUT
[secrets.token]
kind = "random"
length = 40
alphabet = "A-Za-z0-9_-"
env = "TOKEN"
SHOUT
[secrets.issued]
kind = "signing-key"
origin = "imported"
env = "ISSUED_KEY"
env_fallback = "ISSUED_FALLBACK"
SHOUT
[secrets.partner]
kind = "external"
env = "PARTNER"
[secrets.deaf]
kind = "random"
env = "DEAF"
FAIL
"#;

/// Told a value, it prints it in every form it can think of, then lingers to be looked at.
const SHOUT: &str = r#"#!/bin/sh
IFS= read -r line
printf '%s\n' "$line"; printf '%s\n' "$line" >&2
printf '%s' "$line" | base64 -w0; printf 'x%s' "$line" | base64 -w0 >&2; printf 'xy%s' "$line" | base64 -w0
printf '%s' "$line" | od -An -v -tx1 | tr -d ' \n'
sleep 0.1
exit "$1"
"#;

#[test]
fn no_value_is_anywhere_but_where_it_belongs() {
    let stage = Stage::new();
    let witness = Witness::start();
    let all = ["session", "legacy", "cert", "webhook", "token", "deaf"];

    stage.says(&["import", "issued", "--stdin"], KEY, 0);
    stage.says(&["import", "issued", "--stdin"], NEXT_KEY, 22);
    stage.says(&["import", "partner", "--stdin"], PARTNER, 0);
    // What fits and differs needs a person; what does not fit is a mistake.
    for (name, code) in [("session", 78), ("issued", 22), ("cert", 78)] {
        stage.says(&["import", name, "--stdin"], UNFIT, code);
    }
    stage.keyrota.write(
        "given.env",
        &format!("TOKEN={UNFIT}\n= {UNFIT}\nPARTNER='{UNFIT}\n"),
    );
    stage.says(&["import", "--env-file", "given.env"], "", 78);
    for _ in 0..2 {
        for name in all {
            // What a consumer refuses stands still; everything else goes through.
            let code = if name == "deaf" { 22 } else { 0 };
            stage.says(&["rotate", name, "--reason", "canary"], "", code);
            stage.says(&["rotate", name, "--wait"], "", code);
        }
    }
    stage.says(&["rotate", "token", "--value-stdin"], UNFIT, 78);
    stage.says(&["rotate", "issued", "--value-stdin"], UNFIT, 0);
    stage.says(
        &["rotate", "issued", "--value-stdin", "--wait"],
        NEXT_KEY,
        0,
    );
    // It is current by now: there is nothing to take back.
    stage.says(&["abandon", "deaf"], "", 2);
    stage.says(&["resume", "deaf"], "", 22);
    let state = format!("postgres://keyrota:{PASSWORD}@db.example/keyrota");
    stage.says(&["--state", &state, "rotate", "token"], "", 78);
    for (args, code) in LOOKS {
        stage.says(args, "", *code);
        let elsewhere = args
            .iter()
            .map(|a| if *a == "out" { "out.json" } else { a });
        let json: Vec<&str> = ["--json"].into_iter().chain(elsewhere).collect();
        stage.says(&json, "", *code);
    }
    stage.check_environment(&["check", "--env-file", "given.env"], 78);
    stage.check_environment(&["run", "--", "/bin/true"], 1);
    let schedule =
        std::fs::read_to_string(stage.keyrota.path("schedules/development.toml")).unwrap();
    for wrong in [
        format!("{schedule}\n[secrets.x]\nkind = \"random\"\npassword = \"{MISPLACED}\"\n"),
        format!("{schedule}\n[secrets.x]\nkind = \"{MISPLACED}\"\n"),
        format!("{schedule}\n[secrets.x]\nkind = \"random\"\nprefix = \"{MISPLACED}\" oops\n"),
    ] {
        stage.keyrota.write("schedules/development.toml", &wrong);
        stage.says(&["rotate", "--all"], "", 78);
        stage.says(&["validate"], "", 78);
    }

    let seen = witness.stop();
    let values = stage.values();
    assert!(
        values.len() >= 2 * all.len() + GIVEN.len(),
        "{}",
        values.len()
    );
    stage.judge(&values, &seen);
}

/// What only looks. Some of it is not fit, which is said as well.
const LOOKS: &[(&[&str], i32)] = &[
    (&["validate"], 0),
    (&["check"], 1),
    (&["status"], 0),
    (&["plan"], 0),
    (&["plan", "token"], 0),
    (&["history", "token"], 0),
    (&["jwks"], 0),
    (&["audit", "list"], 0),
    (&["audit", "verify"], 0),
    (&["audit", "checkpoint"], 0),
    (&["audit", "export", "--to", "out"], 0),
    (&["run", "--", "/bin/true"], 1),
    (&["rotate", "--all", "--dry-run"], 0),
    (&["providers"], 0),
    (&["schema"], 0),
];

/// A directory, everything that was said in it, and everything that was ever kept in it.
struct Stage {
    keyrota: Keyrota,
    said: std::cell::RefCell<Vec<(String, Vec<u8>)>>,
    kept: std::cell::RefCell<BTreeMap<String, String>>,
}

impl Stage {
    fn new() -> Self {
        let keyrota = Keyrota::in_temp();
        let program = keyrota.path("shout");
        keyrota.write("shout", SHOUT);
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::create_dir(keyrota.path("tmp")).unwrap();
        let mut schedule = SCHEDULE.to_owned();
        for (word, code) in [("SHOUT", "0"), ("FAIL", "78")] {
            let secret = |line: &str| line.strip_prefix("[secrets.").map(|l| l.replace(']', ""));
            let mut name = String::new();
            schedule = schedule
                .lines()
                .map(|line| {
                    name = secret(line).unwrap_or(name.clone());
                    match line == word {
                        true => format!(
                            "[[secrets.{name}.consumers]]\nkind = \"command\"\nargv = [{program:?}, \"{code}\"]\nvalue = true\n"
                        ),
                        false => format!("{line}\n"),
                    }
                })
                .collect();
        }
        keyrota.write("schedules/development.toml", &schedule);
        Self {
            keyrota,
            said: Default::default(),
            kept: Default::default(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.keyrota.command(args);
        command
            .env("KEYROTA_LOG", "trace")
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("SSL_CERT_FILE", OURS.1)
            .env("TMPDIR", self.keyrota.path("tmp"));
        command
    }

    /// Runs it, hears it out, and remembers what the document holds now.
    #[track_caller]
    fn says(&self, args: &[&str], stdin: &str, code: i32) {
        self.hear(self.command(args), args, stdin, code);
    }

    /// With an environment that holds values, fit ones and others.
    #[track_caller]
    fn check_environment(&self, args: &[&str], code: i32) {
        let mut command = self.command(args);
        command.env("PARTNER", PARTNER).env("TOKEN", UNFIT);
        self.hear(command, args, "", code);
    }

    #[track_caller]
    fn hear(&self, mut command: Command, args: &[&str], stdin: &str, code: i32) {
        use std::io::Write;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that wants no input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let ended = output.status.code().unwrap_or(-1);
        let what = args.join(" ").replace(PASSWORD, "…");
        assert_eq!(
            ended,
            code,
            "{what}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut said = self.said.borrow_mut();
        said.push((format!("stdout of {what}"), output.stdout));
        said.push((format!("stderr of {what}"), output.stderr));
        drop(said);
        self.remember();
    }

    fn remember(&self) {
        let home = self.keyrota.path(".keyrota");
        let Ok(sealed) = std::fs::read(home.join("development.age")) else {
            return;
        };
        let document = document(&home, &sealed);
        for (path, secret) in document["secrets"].as_object().unwrap() {
            for version in secret["versions"].as_array().unwrap() {
                let value = version["value"].as_str().unwrap().to_owned();
                let name = format!("{path} {}", version["id"]);
                self.kept.borrow_mut().insert(name, value);
            }
        }
    }

    /// Everything that must not be found, by name.
    fn values(&self) -> Vec<(String, Vec<u8>)> {
        let keys = self.keyrota.path(".keyrota/keys");
        let identity = std::fs::read_to_string(keys.join("age-identity")).unwrap();
        let identity = identity.lines().find(|l| l.starts_with("AGE-SECRET-KEY"));
        let mut all = vec![
            (
                "the seed".to_owned(),
                std::fs::read(keys.join("seed")).unwrap(),
            ),
            ("the identity".to_owned(), identity.unwrap().into()),
        ];
        all.extend(
            [OURS]
                .iter()
                .chain(&GIVEN)
                .map(|(n, v)| ((*n).to_owned(), (*v).into())),
        );
        for (name, value) in self.kept.borrow().iter() {
            all.push((name.clone(), value.clone().into_bytes()));
            // Of a private JWK, the private member is the value.
            let jwk = serde_json::from_str::<serde_json::Value>(value).ok();
            if let Some(d) = jwk.as_ref().and_then(|jwk| jwk["d"].as_str()) {
                all.push((format!("{name}, d"), d.into()));
            }
        }
        all
    }

    fn judge(&self, values: &[(String, Vec<u8>)], seen: &[Seen]) {
        let values: Vec<_> = values.iter().map(|(n, v)| (n.as_str(), v)).collect();
        let leaks = Leaks::of(&values);
        let mut found = Vec::new();
        for (place, text) in self.said.borrow().iter() {
            found.extend(leaks.in_text(place, text));
        }
        let home = self.keyrota.path(".keyrota");
        found.extend(leaks.below(self.keyrota.dir(), &|path: &Path| {
            [
                home.join("keys"),
                home.join("development.age"),
                self.keyrota.path("given.env"),
                self.keyrota.path("schedules"),
            ]
            .contains(&path.to_owned())
        }));

        let about = |name: &str| seen.iter().filter(|s| s.is(name)).collect::<Vec<_>>();
        let (ours, theirs) = (about("keyrota"), about("shout"));
        assert!(
            ours.len() >= 10 && theirs.len() >= 10,
            "processes were seen"
        );
        for process in theirs {
            found.extend(leaks.in_text("a consumer's arguments", &process.arguments));
            found.extend(leaks.in_text("a consumer's environment", &process.environment));
        }
        for process in ours {
            // What the test itself said on the command line and in the environment.
            let [arguments, environment] = [&process.arguments, &process.environment].map(|b| {
                String::from_utf8_lossy(b)
                    .replace(PASSWORD, "")
                    .replace(OURS.1, "")
                    .replace(PARTNER, "")
                    .replace(UNFIT, "")
            });
            found.extend(leaks.in_text("keyrota's arguments", arguments.as_bytes()));
            found.extend(leaks.in_text("keyrota's environment", environment.as_bytes()));
        }
        found.sort();
        found.dedup();
        assert!(found.is_empty(), "{found:#?}");
        let left: Vec<_> = std::fs::read_dir(self.keyrota.path("tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "temporary files are left: {left:?}");
        println!(
            "{} values in {} texts and {} processes: none",
            values.len(),
            self.said.borrow().len(),
            seen.len()
        );
    }
}
