//! `keyrota check`.

use super::run_with;
use crate::support::keyrota::Keyrota;

/// Nothing that it names exists: a check must not miss it.
const PROVIDER: &str = r#"
[defaults]
refresh = "10m"
[providers.main]
kind = "file"
path = "/nonexistent/keyrota.age"
recipients = ["age1cgu5tm4zcfvje259v24f723j58rmkst4999v3cyv4dqyn7cqtqhs3sy8rp"]
identity = { credential = "age-identity" }
"#;

const SECRETS: &str = r#"
[secrets.database-url]
kind = "external"
format = "url"
env = "DATABASE_URL"

[env.JWT_SECRET]
min_length = 16
"#;

fn with(tables: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    let schedule = format!("environment = \"production\"\n{PROVIDER}{tables}");
    keyrota.write("schedules/production.toml", &schedule);
    keyrota
}

const FIT: [(&str, &str); 2] = [
    ("DATABASE_URL", "postgres://app:kW8vq2Lx0@db.internal/app"),
    ("JWT_SECRET", "kW8vq2Lx0pZr41nT"),
];

#[test]
fn unfit_is_told_on_standard_error_all_at_once() {
    let keyrota = with(SECRETS);
    let variables = [("JWT_SECRET", "changeme")];
    let ran = run_with(&keyrota, &variables, &["check"]).code(1);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "keyrota: production is not fit to start: 2 problems\n  \
         DATABASE_URL   missing      set it from secret \"database-url\"\n  \
         JWT_SECRET     placeholder  replace the example value\n"
    );
    let ran = run_with(&keyrota, &variables, &["check", "--json"]).code(1);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        concat!(
            r#"{"schema_version":1,"environment":"production","fit":false,"problems":["#,
            r#"{"variable":"DATABASE_URL","code":"missing","secret":"database-url","#,
            r#""remedy":"set it from secret \"database-url\""},"#,
            r#"{"variable":"JWT_SECRET","code":"placeholder","remedy":"replace the example value"}]}"#,
            "\n"
        )
    );
}

#[test]
fn fit_is_silent_unless_a_program_asks() {
    let keyrota = with(SECRETS);
    let ran = run_with(&keyrota, &FIT, &["check"]).code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let ran = run_with(&keyrota, &FIT, &["check", "--json"]).code(0);
    assert_eq!(ran.stdout, "");
    let fit = r#"{"schema_version":1,"environment":"production","fit":true,"problems":[]}"#;
    assert_eq!(ran.stderr, format!("{fit}\n"));
}

#[test]
fn a_file_alone_decides_and_is_never_repeated() {
    let keyrota = with(SECRETS);
    keyrota.write(
        "app.env",
        "# comment\nexport DATABASE_URL='mysql//zq4v8zq4v8'\n\nJWT_SECRET=zq4v8\n",
    );
    let ran = run_with(&keyrota, &FIT, &["check", "--env-file", "app.env"]).code(1);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    assert!(lines[1].starts_with("  DATABASE_URL   wrong-format "));
    assert!(lines[1].ends_with(" (line 2)"), "{ran:?}");
    assert!(lines[2].starts_with("  JWT_SECRET     too-short "));
    assert!(lines[2].ends_with(" (line 4)"), "{ran:?}");
    assert!(!ran.stderr.contains("zq4v8"), "{ran:?}");

    // The process's own variables do not help it.
    keyrota.write("app.env", "JWT_SECRET=kW8vq2Lx0pZr41nT\n");
    let ran = run_with(&keyrota, &FIT, &["check", "--env-file", "app.env"]).code(1);
    assert!(ran.stderr.contains("DATABASE_URL   missing"), "{ran:?}");

    keyrota.write(
        "app.env",
        "DATABASE_URL\nJWT_SECRET=\"zq4v8ab\" x\n 'JWT_SECRET'=1\n",
    );
    let ran = run_with(&keyrota, &FIT, &["check", "--env-file", "app.env"]).code(78);
    let places: Vec<&str> = ran
        .stderr
        .lines()
        .map(|l| {
            l.split(": ")
                .skip_while(|w| *w != "app.env")
                .nth(1)
                .unwrap()
        })
        .collect();
    let expected = ["line 1, column 1", "line 2, column 22", "line 3, column 2"];
    assert_eq!(places, expected, "{ran:?}");
    assert!(!ran.stderr.contains("zq4v8"), "{ran:?}");
    let ran = keyrota.run(&["check", "--env-file", "none.env"]).code(78);
    assert_eq!(ran.stderr, "keyrota: none.env: entity not found\n");
}

/// A file is shared with programs that have other names for their variables.
#[test]
fn what_the_schedule_does_not_name_is_skipped_with_a_note() {
    let keyrota = with(SECRETS);
    let fit = FIT.map(|(name, value)| format!("{name}={value}\n"));
    let foreign = "spring.datasource.url=zq4v8\na-b=`zq4v8`\n\nOTHER=#zq4v8\n";
    let text = format!("{foreign}{}X='zq4v8'zq4v8\n", fit.concat());
    keyrota.write("app.env", &text);
    let args = ["check", "--env-file", "app.env"];
    let ran = run_with(&keyrota, &[], &args).code(0);
    let note = "app.env: skipped lines 1-2, 4 and 7: no variable of the schedule, and programs read them differently\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", note));
    let ran = run_with(&keyrota, &[], &["check", "--json", "--env-file", "app.env"]).code(0);
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(!ran.stderr.contains("zq4v8"), "{ran:?}");
    let answer: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    let skipped = serde_json::json!([
        {"line": 1}, {"line": 2}, {"line": 4, "variable": "OTHER"}, {"line": 7, "variable": "X"}
    ]);
    assert_eq!(answer["skipped"], skipped);

    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(keyrota.path("app.env"), utf16).unwrap();
    let ran = run_with(&keyrota, &[], &args).code(78);
    assert!(
        ran.stderr
            .contains("the file is UTF-16LE text: save it as UTF-8"),
        "{ran:?}"
    );
}

#[test]
fn names_only_looks_at_no_value() {
    let keyrota = with(&format!("{SECRETS}[env.DEBUG]\nforbidden = true\n"));
    keyrota.write("example.env", "DATABASE_URL=\nJWT_SECRET=changeme\n");
    let args = ["check", "--names-only", "--env-file", "example.env"];
    keyrota.run(&args).code(0);
    keyrota.run(&[args[0], args[2], args[3]]).code(1);
    keyrota.write("example.env", "JWT_SECRET=changeme\nDEBUG=\n");
    let ran = keyrota.run(&args).code(1);
    let codes: Vec<_> = ran
        .stderr
        .lines()
        .skip(1)
        .map(|l| l.split_whitespace().nth(1))
        .collect();
    assert_eq!(codes, [Some("missing"), Some("forbidden")], "{ran:?}");
}

#[test]
fn one_of_several_programs_is_named() {
    let programs =
        "[programs.web]\nenv = [\"DATABASE_URL\"]\n[programs.jobs]\nenv = [\"JWT_SECRET\"]\n";
    let keyrota = with(&format!("{SECRETS}{programs}"));
    let ran = run_with(&keyrota, &FIT, &["check"]).code(2);
    assert_eq!(
        ran.stderr,
        "keyrota: production: say which program: --program web or jobs\n"
    );
    run_with(&keyrota, &FIT[..1], &["check", "--program", "web"]).code(0);
    run_with(&keyrota, &FIT[..1], &["check", "--program", "jobs"]).code(1);
    run_with(&keyrota, &FIT, &["check", "--program", "cron"]).code(78);
}

#[test]
fn only_its_own_file_has_to_be_sound() {
    let keyrota = with(SECRETS);
    keyrota.write("schedules/staging.toml", "environment = [\n");
    run_with(&keyrota, &FIT, &["--env", "production", "check"]).code(0);
    run_with(&keyrota, &FIT, &["--env", "staging", "check"]).code(78);
    // Two environments and none named: which one is not guessed.
    run_with(&keyrota, &FIT, &["check"]).code(78);
}

#[test]
fn a_key_of_another_environment_is_refused() {
    let key = |prefix: &str| {
        format!(
            "{PROVIDER}[secrets.hook]\nkind = \"signing-key\"\nprefix = \"{prefix}\"\nverifiers = \"self\"\nenv = \"HOOK\"\n"
        )
    };
    let keyrota = Keyrota::in_temp();
    for (name, prefix) in [("production", "sk-prod-"), ("staging", "sk-stage-")] {
        // Two environments may not share a document.
        let text = format!("environment = \"{name}\"\n{}", key(prefix));
        let text = text.replace("/nonexistent/", &format!("/nonexistent/{name}/"));
        keyrota.write(&format!("schedules/{name}.toml"), &text);
    }
    let hex = "f00dfeed8c1d2b7a9e3461c05d8f7b2a6e914c3d0b5a7f8293e1d4c6b8a09f57";
    let checked = |prefix: &str| {
        let value = format!("{prefix}{hex}");
        run_with(
            &keyrota,
            &[("HOOK", value.as_str())],
            &["--env", "production", "check"],
        )
    };
    checked("sk-prod-").code(0);
    let ran = checked("sk-stage-").code(1);
    assert!(ran.stderr.contains("foreign-prefix"), "{ran:?}");
    let ran = checked("sk-").code(1);
    assert!(ran.stderr.contains("wrong-prefix"), "{ran:?}");
    assert!(!ran.stderr.contains("f00dfeed"), "{ran:?}");
}
