//! The commands that only look, from a first schedule to past rotations, with the real binary.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::keyrota::Keyrota;

/// Two secrets: one that a rotation ends at once, one with a grace that outlasts the test.
const SCHEDULE: &str = r#"
environment = "development"
[defaults]
refresh = "1s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.session]
kind = "jwt"
algorithm = "ES256"
token_ttl = "1h"
jwks_max_age = "0s"
schedule = "0 3 1 * *"
[[secrets.session.consumers]]
kind = "jwks"
path = "jwks.json"
[secrets.token]
kind = "random"
length = 32
alphabet = "a-z0-9"
max_age = "30d"
[secrets.partner]
kind = "external"
env = "PARTNER"
"#;

pub fn rotated() -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    keyrota.run(&["init"]).code(0);
    keyrota.run(&["rotate", "--all"]).code(0);
    keyrota
}

fn secret<'a>(status: &'a Value, name: &str) -> &'a Value {
    let mut all = status["secrets"].as_array().unwrap().iter();
    all.find(|s| s["name"] == name).unwrap()
}

#[test]
fn without_a_schedule_there_is_a_way_on() {
    let keyrota = Keyrota::in_temp();
    for args in [&["rotate", "--all"][..], &["status"], &["plan"]] {
        let ran = keyrota.run(args).code(78);
        assert!(ran.stderr.contains("keyrota init"), "{ran:?}");
        assert_eq!(ran.stdout, "");
    }
    keyrota.write("schedules/.gitkeep", "");
    let ran = keyrota.run(&["validate"]).code(78);
    assert!(ran.stdout.contains("keyrota init"), "{ran:?}");
}

#[test]
fn before_the_first_rotation_everything_can_be_looked_at() {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    let status = keyrota.run(&["status"]).code(0);
    assert!(
        status
            .stdout
            .starts_with("development: nothing is recorded yet\n")
    );
    let history = keyrota.run(&["history", "token", "--json"]).code(0).json();
    assert_eq!(history["rotations"], json!([]));
    let plan = keyrota.run(&["plan", "token", "--json"]).code(0).json();
    assert_eq!(plan["secrets"][0]["stands"], "unseen");
    keyrota.run(&["plan", "--setup"]).code(0);
    // Looking leaves nothing behind.
    assert!(!keyrota.path(".keyrota").exists());
}

#[test]
fn status_tells_what_the_rotations_left() {
    let keyrota = rotated();
    keyrota.run(&["rotate", "session"]).code(0);
    let status = keyrota.run(&["status", "--json"]).code(0).json();
    assert_eq!(status["schema_version"], 1);
    assert_eq!(status["locked_by"], Value::Null);
    let token = secret(&status, "token");
    assert_eq!(token["last"]["outcome"], "rotated");
    assert_eq!(token["rotation"], Value::Null);
    assert_eq!(token["age"], "within");
    let session = secret(&status, "session");
    assert_eq!(session["rotation"]["waits_for"], "grace");
    assert_eq!(session["phase"], "grace");
    assert!(
        session["next_turn"]
            .as_str()
            .unwrap()
            .ends_with("-01T03:00:00")
    );
    assert_eq!(secret(&status, "partner")["changed"], Value::Null);

    let text = keyrota.run(&["status"]).code(0).stdout;
    assert!(text.contains("grace until 20"), "{text}");
    assert!(
        text.contains("(in 1h)") || text.contains("(in 59m"),
        "{text}"
    );
    let one = keyrota.run(&["status", "token"]).code(0).stdout;
    assert!(one.contains(token["version"].as_str().unwrap()), "{one}");
    assert!(!one.contains("session"), "{one}");
    let wrong = keyrota.run(&["status", "tokn"]).code(78);
    assert!(
        wrong.stderr.contains("did you mean \"token\"?"),
        "{wrong:?}"
    );
    keyrota.run(&["status", "--check"]).code(0);
}

#[test]
fn a_person_who_is_needed_is_told_what_to_do() {
    let keyrota = Keyrota::in_temp();
    let asks = r#"
[secrets.issued]
kind = "signing-key"
origin = "imported"
verifiers = "self"
signature_ttl = "0s"
env = "ISSUED"
confirm = { after = "switch", ask = "Promote it in the dashboard" }
"#;
    keyrota.write("schedules/development.toml", &format!("{SCHEDULE}{asks}"));
    let value = |byte: u8| format!("{}\n", format!("{byte:02x}c4").repeat(16));
    let give = ["rotate", "issued", "--value-stdin"];
    keyrota.run_with_stdin(&give, &value(0x5a)).code(0);
    keyrota.run(&["status", "--check"]).code(0);
    keyrota.run_with_stdin(&give, &value(0xb7)).code(10);
    let status = keyrota
        .run(&["status", "--check", "--json"])
        .code(22)
        .json();
    let needs = &secret(&status, "issued")["needs"];
    assert_eq!(needs["why"], "Promote it in the dashboard");
    let text = keyrota.run(&["status"]).code(0).stdout;
    let told = needs["do"].as_str().unwrap();
    assert!(text.contains(told), "{text}");
    // What is told is what works.
    let command: Vec<&str> = told.split("keyrota ").nth(1).unwrap().split(' ').collect();
    assert_eq!(command, ["--env", "development", "confirm", "issued"]);
    keyrota.run(&command).code(0);
    keyrota.run(&["status", "--check"]).code(0);
}

#[test]
fn status_and_history_work_beside_a_daemon() {
    let keyrota = rotated();
    let mut daemon = keyrota
        .command(&["--env", "development", "daemon"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let held = loop {
        let status = keyrota.run(&["status", "--json"]).code(0).json();
        if status["locked_by"] != Value::Null || begun.elapsed() > Duration::from_secs(20) {
            break status["locked_by"].clone();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let history = keyrota.run(&["history", "token"]);
    let text = keyrota.run(&["status"]);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(held["pid"], daemon.id());
    assert!(history.code(0).stdout.contains("rotated"));
    let pid = format!("pid {} on ", daemon.id());
    assert!(text.stdout.contains(&pid), "{text:?}");
}

#[test]
fn history_is_a_table_a_document_and_json() {
    let keyrota = rotated();
    let args = ["rotate", "session", "--reason", "drill | of\nMay"];
    keyrota.run(&args).code(0);
    let all = keyrota
        .run(&["history", "session", "--json"])
        .code(0)
        .json();
    let outcomes: Vec<_> = all["rotations"].as_array().unwrap().iter().collect();
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0]["outcome"], Value::Null);
    assert_eq!(outcomes[0]["reason"], "drill | of\nMay");
    assert_eq!(outcomes[1]["outcome"], "rotated");
    assert_eq!(all["more"], false);

    let text = keyrota.run(&["history", "session"]).code(0).stdout;
    assert_eq!(text.lines().count(), 3, "{text}");
    let args = ["history", "session", "--limit", "1", "--format", "markdown"];
    let document = keyrota.run(&args).code(0).stdout;
    assert!(document.starts_with("# Rotations of session in development\n"));
    assert!(document.contains("| drill \\| of\\\\nMay |"), "{document}");
    assert!(document.contains("Older rotations exist"), "{document}");
    let limit = keyrota.run(&["history", "session", "--limit", "0"]);
    assert_eq!(limit.code(2).stdout, "");
    keyrota.run(&["history", "nobody"]).code(78);
}

#[test]
fn the_plan_is_what_is_then_done() {
    let keyrota = rotated();
    let plan = keyrota.run(&["plan", "session", "--json"]).code(0).json();
    let planned = &plan["secrets"][0];
    assert_eq!(planned["stands"], "current");
    assert_eq!(planned["turns"].as_array().unwrap().len(), 3);
    let phases = |plan: &Value| {
        let steps = plan["secrets"][0]["steps"].as_array().unwrap().iter();
        steps
            .map(|s| s["phase"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let before = phases(&plan);
    assert_eq!(before.first().map(String::as_str), Some("preflight"));
    keyrota.run(&["rotate", "session"]).code(0);
    let plan = keyrota.run(&["plan", "session", "--json"]).code(0).json();
    assert_eq!(plan["secrets"][0]["stands"], "under-way");
    // What remains is the end of what was planned.
    let remain = phases(&plan);
    assert_eq!(remain.first().map(String::as_str), Some("grace"));
    assert!(before.ends_with(&remain), "{before:?} {remain:?}");

    let document = keyrota
        .run(&["plan", "--format", "markdown", "--next", "1"])
        .code(0)
        .stdout;
    assert!(document.starts_with("# Rotation plan of development\n"));
    assert!(
        document.contains(
            "| grace: before the old value dies | 1h 1s | token\\_ttl + refresh + skew |"
        )
    );
}

#[test]
fn a_schedule_that_nobody_saw_yet_counts_from_now() {
    let keyrota = rotated();
    // As if all values were years old, and the schedule had just been written.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        use sqlx::{ConnectOptions, Connection};
        let state =
            sqlx::sqlite::SqliteConnectOptions::new().filename(keyrota.path(".keyrota/state.db"));
        let mut state = state.connect().await.unwrap();
        let update = "UPDATE secret SET changed_ms = 0, first_seen_ms = 0";
        sqlx::query(update).execute(&mut state).await.unwrap();
        state.close().await.unwrap();
    });
    let status = keyrota.run(&["status", "--json"]).code(0).json();
    assert_eq!(secret(&status, "session")["due"], false);
    assert_eq!(secret(&status, "token")["age"], "over");
    let plan = keyrota.run(&["plan", "--json"]).code(0).json();
    assert_eq!(secret(&plan, "session")["turns"][0]["due"], false);
    // And so says who rotates.
    let due = keyrota.run(&["rotate", "--due"]).code(0);
    assert!(due.stdout.contains("nothing is due"), "{due:?}");
}

#[test]
fn jwks_is_the_published_set() {
    let keyrota = rotated();
    let set = keyrota.run(&["jwks"]).code(0).json();
    let file = std::fs::read_to_string(keyrota.path("jwks.json")).unwrap();
    assert_eq!(set, serde_json::from_str::<Value>(&file).unwrap());
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    assert_eq!(set["keys"][0].get("d"), None);
    keyrota.run(&["rotate", "session"]).code(0);
    let two = keyrota
        .run(&["jwks", "--secret", "session", "--json"])
        .code(0)
        .json();
    assert_eq!(two["keys"].as_array().unwrap().len(), 2);
    assert_eq!(two["schema_version"], 1);
    keyrota.run(&["jwks", "--secret", "token"]).code(78);
}

#[test]
fn validate_reads_every_file() {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    let sound = keyrota.run(&["validate"]).code(0);
    assert_eq!(
        sound.stdout,
        "sound: 1 environment with 3 secrets (development)\n"
    );

    keyrota.write(
        "schedules/staging.toml",
        "environment = \"staging\"\nsecert = 1\n",
    );
    keyrota.write(
        "keyrota.toml",
        "hots = \"ops-1\"\nschedules = \"schedules\"\n",
    );
    let args = ["--config", "keyrota.toml", "validate"];
    let text = keyrota.run(&args).code(78).stdout;
    assert!(
        text.contains("keyrota.toml:1:1") && text.contains("staging.toml:2:1"),
        "{text}"
    );
    let json = keyrota
        .run(&["--config", "keyrota.toml", "--json", "validate"])
        .code(78)
        .json();
    assert_eq!(
        (&json["valid"], &json["schema_version"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(
        json["environments"],
        json!([{"name": "development", "secrets": 3}])
    );
    let github = keyrota
        .run(&["validate", "--format", "github"])
        .code(78)
        .stdout;
    assert!(
        github.starts_with("::error file=schedules/staging.toml,line=2,col=1::"),
        "{github}"
    );
    // The problems of others are not asked for.
    keyrota.run(&["validate", "--env", "development"]).code(0);
    keyrota
        .run(&["validate", "--env", "development", "--env", "staging"])
        .code(78);
    keyrota.run(&["validate", "--env", "production"]).code(78);
}

#[test]
fn what_is_built_in_can_be_asked_for_anywhere() {
    let keyrota = Keyrota::in_temp();
    let providers = keyrota.run(&["providers", "--json"]).code(0).json();
    assert_eq!(
        providers["providers"][0]["capabilities"]["promote"],
        "atomic"
    );
    let schema = keyrota.run(&["schema"]).code(0).json();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = keyrota.run(&["completions", shell]).code(0).stdout;
        assert!(script.contains("schedules"), "{shell}");
    }
    keyrota.run(&["completions", "tcsh"]).code(2);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let keyrota = Keyrota::in_temp();
    let mut child = keyrota
        .command(&["schema"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
