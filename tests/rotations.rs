//! Whole rotations by the real binary: programs that fail, files that are edited and people who
//! decide in the middle of them.

use std::os::unix::fs::PermissionsExt;

use crate::support::evidence::{document, value_at, versions};
use crate::support::keyrota::{Keyrota, Ran};

const HEAD: &str = r#"environment = "development"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

/// A directory with one secret, told to programs that write down that they were called.
fn bed(secret: &str, programs: &[&str]) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    let dir = keyrota.dir().display().to_string();
    let mut text = format!("{HEAD}{secret}");
    for name in programs {
        let program = format!(
            "#!/bin/sh\necho {name} >> {dir}/calls\n[ ! -e {dir}/{name}.exit ] || exit $(cat {dir}/{name}.exit)\n"
        );
        keyrota.write(name, &program);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(keyrota.path(name), mode).unwrap();
        text.push_str(&format!(
            "[[secrets.token.consumers]]\nkind = \"command\"\nargv = [\"{dir}/{name}\"]\n"
        ));
    }
    keyrota.write("schedules/development.toml", &text);
    keyrota
}

/// The programs that were called since this was asked last, in order.
fn calls(keyrota: &Keyrota) -> Vec<String> {
    let path = keyrota.path("calls");
    let all = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    all.lines().map(str::to_owned).collect()
}

const TOKEN: &str = "[secrets.token]\nkind = \"random\"\nrefresh = \"0s\"\n";

#[test]
fn a_program_is_told_of_every_rotation_also_of_a_secret_without_variables() {
    let keyrota = bed(TOKEN, &["reload"]);
    for _ in 0..3 {
        keyrota.run(&["rotate", "token"]).code(0);
        assert_eq!(calls(&keyrota), ["reload"]);
    }
}

#[test]
fn who_stands_behind_one_that_failed_is_called_again_and_the_reason_is_kept() {
    let keyrota = bed(&format!("{TOKEN}env = \"TOKEN\"\n"), &["write", "reload"]);
    keyrota.write("write.exit", "75");
    let ran = keyrota.run(&["rotate", "token"]).code(21);
    assert!(ran.stdout.contains("exit 75"), "{}", ran.stdout);
    assert_eq!(calls(&keyrota), ["write", "reload"]);
    std::fs::remove_file(keyrota.path("write.exit")).unwrap();
    keyrota.run(&["resume", "token", "--wait"]).code(0);
    assert_eq!(calls(&keyrota), ["write", "reload"]);
}

/// What `rotate NAME` says, as words of its answer.
fn result(ran: &crate::support::keyrota::Ran) -> String {
    ran.json()["results"][0]["result"]
        .as_str()
        .unwrap()
        .to_owned()
}

const WITH_GRACE: &str = "[secrets.token]\nkind = \"random\"\nrefresh = \"1h\"\nenv = \"TOKEN\"\n";

#[test]
fn a_compromised_value_gets_no_grace_however_often_it_is_tried() {
    let keyrota = bed(WITH_GRACE, &["reload"]);
    keyrota.run(&["rotate", "token"]).code(0);
    keyrota.write("reload.exit", "75");
    let hurry = [
        "rotate",
        "token",
        "--compromised",
        "--accept-invalidation",
        "--reason",
        "seen",
    ];
    keyrota.run(&hurry).code(21);
    std::fs::remove_file(keyrota.path("reload.exit")).unwrap();
    let ran = keyrota.run(&["resume", "token", "--json"]).code(0);
    assert_eq!(result(&ran), "rotated");
}

#[test]
fn a_value_that_is_compromised_in_its_retirement_is_rotated_again() {
    let keyrota = bed(WITH_GRACE, &["reload"]);
    keyrota.run(&["rotate", "token"]).code(0);
    keyrota.run(&["rotate", "token"]).code(0);
    let hurry = [
        "rotate",
        "token",
        "--compromised",
        "--accept-invalidation",
        "--reason",
        "seen",
    ];
    keyrota.run(&hurry).code(0);
    let history = keyrota.run(&["history", "token", "--json"]).code(0).json();
    assert_eq!(history["rotations"].as_array().unwrap().len(), 3);
    // The effect of a dead process does not stand in the way.
    let mut killed = keyrota.command(&["rotate", "token"]);
    killed
        .env("KEYROTA_KILL", "after-intent:3")
        .status()
        .unwrap();
    keyrota.run(&hurry).code(0);
}

#[test]
fn what_is_under_way_is_gone_on_with_also_by_due() {
    let keyrota = bed(&TOKEN.replace("0s", "1s"), &["reload"]);
    keyrota.run(&["rotate", "token"]).code(0);
    keyrota.run(&["rotate", "token"]).code(0);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let ran = keyrota.run(&["rotate", "--due", "--json"]).code(0);
    assert_eq!(result(&ran), "rotated");
    let none = keyrota.run(&["rotate", "--due", "--json"]).code(0).json();
    assert_eq!(none["results"].as_array().unwrap().len(), 0);
}

#[test]
fn a_rotation_under_way_does_not_follow_its_secret_elsewhere() {
    let keyrota = bed(WITH_GRACE, &["reload"]);
    keyrota.run(&["rotate", "token"]).code(0);
    keyrota.run(&["rotate", "token"]).code(0);
    let path = keyrota.path("schedules/development.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (edited, code) in [
        (text.replace("refresh", "path = \"elsewhere\"\nrefresh"), 78),
        (text.replace("[secrets.token", "[secrets.other"), 78),
        (text.clone(), 0),
    ] {
        std::fs::write(&path, edited).unwrap();
        keyrota
            .run(&["retire", "token", "--now", "--reason", "test"])
            .code(code);
    }
}

#[test]
fn a_secret_that_vanishes_from_the_schedule_in_the_middle_is_told() {
    let keyrota = bed(WITH_GRACE, &["reload"]);
    keyrota.run(&["rotate", "token"]).code(0);
    keyrota.run(&["rotate", "token"]).code(0);
    let path = keyrota.path("schedules/development.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text.replace("[secrets.token", "[secrets.other")).unwrap();
    let ran = keyrota.run(&["rotate", "other"]).code(0);
    assert!(ran.stderr.contains("put it back"), "{}", ran.stderr);
}

#[test]
fn what_is_asked_for_by_name_and_not_begun_is_no_success() {
    let keyrota = bed("[secrets.token]\nkind = \"external\"\n", &[]);
    keyrota.run(&["rotate", "token"]).code(78);
    keyrota.run(&["rotate", "--all"]).code(0);
    let minted = bed(TOKEN, &[]);
    let given = minted.run_with_stdin(&["rotate", "token", "--value-stdin"], "value");
    given.code(78);
}

#[test]
fn a_decision_reaches_a_one_shot_command_that_waits() {
    let token = TOKEN.replace("0s", "2s");
    let other = format!(
        "{}env = \"OTHER\"\n",
        WITH_GRACE
            .replace("token", "other")
            .replace("env = \"TOKEN\"\n", "")
    );
    let keyrota = bed(&format!("{other}{token}"), &["reload"]);
    keyrota.run(&["rotate", "--all"]).code(0);
    keyrota.run(&["rotate", "other"]).code(0);
    let mut at_work = keyrota
        .command(&["rotate", "token", "--wait"])
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(800));
    // `retire` has nothing to wait with; `abandon` makes no sense in a grace.
    keyrota.run(&["abandon", "other", "--wait"]).code(2);
    keyrota
        .run(&["retire", "other", "--now", "--reason", "test"])
        .code(0);
    assert!(at_work.wait().unwrap().success());
    let history = keyrota.run(&["history", "other", "--json"]).code(0).json();
    assert_eq!(history["rotations"][0]["outcome"], "rotated");
}

#[test]
fn why_a_given_value_was_not_taken_is_told() {
    let imported = "[secrets.token]\nkind = \"signing-key\"\norigin = \"imported\"\nprefix = \"made-\"\nverifiers = \"self\"\nsignature_ttl = \"1s\"\nrefresh = \"1s\"\nskew = \"1s\"\nenv = \"KEY\"\n";
    let keyrota = bed(imported, &[]);
    let ran = keyrota.run_with_stdin(&["rotate", "token", "--value-stdin", "--json"], "unmade");
    let ran = ran.code(20);
    let note = ran.json()["results"][0]["note"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!note.starts_with("the old value"), "{note}");
    assert!(!ran.stdout.contains("unmade"), "{}", ran.stdout);
}

/// Spoils what the state keeps of a rotation, as a disk or another version would.
fn spoil(keyrota: &Keyrota, secret: &str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(keyrota.path(".keyrota/state.db"))
        .disable_statement_logging();
    crate::support::evidence::block_on(async {
        let mut connection = options.connect().await.unwrap();
        let spoilt =
            sqlx::query("UPDATE rotation SET record = '{}' WHERE secret = $1 AND outcome IS NULL")
                .bind(secret)
                .execute(&mut connection)
                .await
                .unwrap();
        assert_eq!(spoilt.rows_affected(), 1);
        connection.close().await.unwrap();
    });
}

#[test]
fn one_secrets_error_does_not_end_the_others() {
    let two = "[secrets.first]\nkind = \"random\"\nrefresh = \"2s\"\nenv = \"FIRST\"\n\
               [secrets.token]\nkind = \"random\"\nrefresh = \"4s\"\nenv = \"TOKEN\"\n";
    let keyrota = bed(two, &[]);
    keyrota.run(&["rotate", "--all", "--wait"]).code(0);
    let at_work = keyrota
        .command(&["rotate", "first", "token", "--wait", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Both are in their grace by then.
    let waiting = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let text = keyrota.run(&["status", "--json"]).json().to_string();
        text.matches("\"waits_for\":\"grace\"").count() == 2
    });
    assert!(waiting);
    spoil(&keyrota, "first");
    let ran = Ran::of(at_work.wait_with_output().unwrap()).code(22);
    let results = ran.json()["results"].clone();
    assert_eq!(results[0]["result"], "failed", "{ran:?}");
    assert_eq!(results[1]["result"], "rotated", "{ran:?}");
    // What was begun in the state is closed also where a decision fails.
    keyrota.run(&["resume", "first"]).code(22);
    assert!(!keyrota.path(".keyrota/state.db-wal").exists());
    let ran = keyrota.run(&["rotate", "--all", "--json"]).code(22);
    assert_eq!(ran.json()["results"][1]["secret"], "token", "{ran:?}");
}

#[test]
fn the_state_follows_a_kind_that_was_edited() {
    use keyrota::state::{Access, Location, Store};
    let keyrota = bed(TOKEN, &[]);
    let kind = || {
        crate::support::evidence::block_on(async {
            let at = Location::Sqlite(keyrota.path(".keyrota/state.db"));
            let store = Store::open_read_only(&at, Access::default()).await.unwrap();
            let known = store.secret("development", "token").await.unwrap();
            known.unwrap().kind
        })
    };
    keyrota.run(&["rotate", "token"]).code(0);
    assert_eq!(kind(), "random");
    let key = TOKEN.replace("random", "signing-key") + "verifiers = \"self\"\nenv = \"KEY\"\n";
    keyrota.write("schedules/development.toml", &format!("{HEAD}{key}"));
    keyrota.run(&["rotate", "token"]).code(0);
    assert_eq!(kind(), "signing-key");
}

#[test]
fn what_others_make_follows_by_import_and_what_keyrota_makes_does_not() {
    let keyrota = bed(
        "[secrets.partner]\nkind = \"external\"\nenv = \"PARTNER\"\n[secrets.token]\nkind = \"random\"\nrefresh = \"0s\"\n",
        &[],
    );
    let [first, second] = ["pay-live-5mQ2cX8vR1tL7nB4", "pay-live-8tL1nB7vR4cX2mQ5"];
    for (secret, value, code, result) in [
        ("partner", first, 0, "imported"),
        ("partner", second, 0, "imported"),
        ("partner", second, 0, "known"),
        ("token", first, 0, "imported"),
        ("token", second, 22, "differs"),
    ] {
        let ran = keyrota.run_with_stdin(&["import", secret, "--stdin", "--json"], value);
        assert_eq!(ran.code(code).json()["results"][0]["result"], result);
    }
    let home = keyrota.path(".keyrota");
    let sealed = std::fs::read(home.join("development.age")).unwrap();
    let kept = document(&home, &sealed);
    for (secret, value) in [("partner", second), ("token", first)] {
        assert_eq!(value_at(&kept, secret, "current").unwrap(), value);
        assert_eq!(versions(&kept, secret).len(), 1, "{secret}");
    }
    keyrota.run(&["audit", "verify"]).code(0);
}
