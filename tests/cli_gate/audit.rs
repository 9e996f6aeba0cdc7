//! `keyrota audit`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use crate::support::keyrota::{Keyrota, Ran};

pub(super) const SCHEDULE: &str = r#"
environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.token]
kind = "random"
env = "TOKEN"
[secrets.slow]
kind = "signing-key"
signature_ttl = "1h"
env = "SLOW"
env_fallback = "SLOW_OLD"
"#;

/// A log with some history, and a checkpoint after it.
fn history() -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    for _ in 0..2 {
        keyrota.run(&["rotate", "token"]).code(0);
    }
    keyrota.run(&["audit", "checkpoint"]).code(0);
    keyrota
}

/// Changes the database behind keyrota's back.
fn tamper(keyrota: &Keyrota, script: impl Into<String>) {
    let script = script.into();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(keyrota.path(".keyrota/state.db"))
        .disable_statement_logging();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        let open = "DROP TRIGGER IF EXISTS audit_no_update; DROP TRIGGER IF EXISTS audit_no_delete; \
                    DROP TRIGGER IF EXISTS checkpoint_no_update; DROP TRIGGER IF EXISTS checkpoint_no_delete";
        for script in [open, script.as_str()] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned()))
                .execute(&mut connection)
                .await
                .unwrap();
        }
        connection.close().await.unwrap();
    });
}

fn verified(keyrota: &Keyrota) -> Ran {
    keyrota.run(&["audit", "verify"])
}

#[test]
fn the_log_says_who_did_what() {
    let keyrota = history();
    let ran = keyrota.run(&["audit", "list", "--secret", "token"]).code(0);
    assert!(ran.stdout.lines().count() > 10, "{ran:?}");
    assert!(
        ran.stdout
            .lines()
            .all(|l| l.contains("  development/token  "))
    );

    let ran = keyrota
        .run(&["audit", "list", "--limit", "2", "--json"])
        .code(0);
    let answer = ran.json();
    assert_eq!(answer["schema_version"], 1);
    let entries = answer["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["event"], "audit.checkpoint");
    assert_eq!(entries[1]["actor"]["type"], "operator");
    let last = entries[1]["seq"].as_i64().unwrap();

    let ran = keyrota
        .run(&["audit", "list", "--from", "2", "--limit", "3"])
        .code(0);
    let first = |l: &str| l.split_whitespace().next().unwrap().parse::<i64>().unwrap();
    let places: Vec<_> = ran.stdout.lines().map(first).collect();
    assert_eq!(places, [2, 3, 4]);

    let rotation = keyrota
        .run(&["audit", "list", "--secret", "token", "--json"])
        .json();
    let id = rotation["entries"][0]["rotation"]
        .as_str()
        .unwrap()
        .to_owned();
    let one = keyrota
        .run(&["audit", "list", "--rotation", &id, "--json"])
        .json();
    let all = |list: &serde_json::Value| list["entries"].as_array().unwrap().len();
    assert!(all(&one) > 3 && all(&one) < all(&rotation));
    // The last ones are meant, when there are more.
    let tail = keyrota.run(&[
        "audit", "list", "--secret", "token", "--limit", "1", "--json",
    ]);
    assert!(tail.json()["entries"][0]["seq"].as_i64().unwrap() > last - 5);
}

#[test]
fn a_sound_log_says_how_far_it_is_signed() {
    let keyrota = history();
    let answer = keyrota.run(&["audit", "verify", "--json"]).code(0).json();
    let entries = answer["entries"].as_i64().unwrap();
    assert_eq!(answer["sound"], true);
    assert_eq!(answer["signed_up_to"]["state"], entries);
    assert_eq!(answer["signed_up_to"]["outside"], entries);
    assert_eq!(answer["findings"].as_array().unwrap().len(), 0);

    keyrota.run(&["audit", "verify", "--from", "5"]).code(0);
    let beyond = (entries + 1).to_string();
    keyrota.run(&["audit", "verify", "--from", &beyond]).code(2);
    // With the public key alone, where the seed is not.
    let key = keyrota.run(&["audit", "pubkey"]).code(0).stdout;
    let seed = keyrota.path(".keyrota/keys/seed");
    std::fs::remove_file(&seed).unwrap();
    verified(&keyrota).code(78);
    keyrota
        .run(&["audit", "verify", "--pubkey", key.trim()])
        .code(0);
    // Somebody else's key believes none of it.
    std::fs::write(&seed, [7; 32]).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&seed, std::fs::Permissions::from_mode(0o600)).unwrap();
    verified(&keyrota).code(35);
    keyrota.run(&["audit", "pubkey"]).code(78);
    keyrota.run(&["audit", "checkpoint"]).code(78);
}

#[test]
fn every_kind_of_tampering_has_its_code() {
    for (code, script) in [
        (
            30,
            "UPDATE audit SET body = replace(body, 'token', 'taken') WHERE seq = 5",
        ),
        (31, "DELETE FROM audit WHERE seq = 5"),
        (
            33,
            "UPDATE audit SET seq = -1 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; \
             UPDATE audit SET seq = 6 WHERE seq = -1",
        ),
        // Cut off, in the database without a trace: only the note outside knows.
        (
            34,
            "DELETE FROM checkpoint WHERE size > 5; DELETE FROM audit WHERE seq > 5; \
             UPDATE audit_head SET seq = 5, hash = (SELECT hash FROM audit WHERE seq = 5)",
        ),
        (36, "UPDATE audit SET secret = 'other' WHERE seq = 5"),
        (38, "UPDATE audit SET mac = zeroblob(32) WHERE seq = 5"),
        (39, "DELETE FROM checkpoint"),
        (
            35,
            "UPDATE checkpoint SET note = replace(note, 'keyrota/', 'keyrotb/')",
        ),
    ] {
        let keyrota = history();
        tamper(&keyrota, script);
        let ran = verified(&keyrota).code(code);
        assert!(
            ran.stdout.ends_with("findings\n") || ran.stdout.ends_with("1 finding\n"),
            "{ran:?}"
        );
        let answer = keyrota
            .run(&["audit", "verify", "--json"])
            .code(code)
            .json();
        assert_eq!(answer["exit"], code);
    }
}

/// Whatever is not an effect of a rotation was caused by a person, the clock or the schedule.
#[test]
fn what_a_person_or_the_clock_causes_is_signed_at_once() {
    let keyrota = history();
    for (args, code) in [
        (vec!["rotate", "slow"], 0),
        (vec!["rotate", "slow"], 0),
        (vec!["retire", "slow", "--now", "--reason", "CHG-1"], 0),
        (vec!["rotate", "token"], 0),
    ] {
        keyrota.run(&args).code(code);
        let list = keyrota.run(&["audit", "list", "--limit", "1000", "--json"]);
        let list = list.json();
        let entries = list["entries"].as_array().unwrap();
        let effect =
            |e: &serde_json::Value| ["intent", "outcome"].contains(&e["phase"].as_str().unwrap());
        let signed: Vec<_> = entries
            .iter()
            .filter_map(|e| e["signed"].as_i64())
            .collect();
        for (at, entry) in entries.iter().enumerate() {
            let next = entries.get(at + 1);
            // The next entry of another commit names the checkpoint that came between.
            let seq = entry["seq"].as_i64().unwrap();
            let followed = next.is_none_or(|n| n["ts_us"] == entry["ts_us"]);
            if !effect(entry) && !followed {
                assert!(signed.contains(&seq), "{entry} was not signed");
            }
        }
        let answer = keyrota.run(&["audit", "verify", "--json"]).code(0).json();
        let last = entries.iter().rfind(|e| !effect(e)).unwrap();
        assert!(answer["signed_up_to"]["state"].as_i64() >= last["seq"].as_i64());
        assert_eq!(
            answer["signed_up_to"]["state"],
            answer["signed_up_to"]["outside"]
        );
    }
}

/// Somebody who writes to the database, and has not the seed, adds to its history.
#[test]
fn a_forged_end_of_the_log_is_not_signed_by_any_command() {
    for forged in [
        "UPDATE audit SET mac = zeroblob(0)",
        "UPDATE audit SET mac = prev_hash",
    ] {
        let keyrota = history();
        for _ in 0..2 {
            keyrota.run(&["rotate", "slow"]).code(0);
        }
        // The newest checkpoint covers the end: it is gone, in the state and outside it.
        let kept = std::fs::read_to_string(checkpoints(&keyrota)).unwrap();
        let (before, _) = kept.trim_end().rsplit_once('\n').unwrap();
        std::fs::write(checkpoints(&keyrota), format!("{before}\n")).unwrap();
        let before = std::fs::read(checkpoints(&keyrota)).unwrap();
        tamper(
            &keyrota,
            format!(
                "DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint);
                 {forged} WHERE seq = (SELECT max(seq) FROM audit)"
            ),
        );
        verified(&keyrota).code(38);
        for args in [
            &["rotate", "token"][..],
            &["rotate", "--due"],
            &["resume", "slow"],
            &["retire", "slow", "--now", "--reason", "x"],
            &["audit", "checkpoint"],
            &["audit", "export", "--to", "out"],
            &["clock", "--accept", "--reason", "x"],
        ] {
            let ran = keyrota.run(args).code(22);
            assert!(ran.stderr.contains("audit verify"), "{ran:?}");
        }
        assert_eq!(std::fs::read(checkpoints(&keyrota)).unwrap(), before);
    }
}

fn checkpoints(keyrota: &Keyrota) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(keyrota.path(".keyrota/checkpoints")).unwrap();
    files.next().unwrap().unwrap().path()
}

#[test]
fn what_was_signed_outlives_the_database() {
    let keyrota = history();
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(keyrota.path(&format!(".keyrota/{file}")));
    }
    let ran = verified(&keyrota).code(34);
    assert!(ran.stderr.contains("there are checkpoints"), "{ran:?}");
    // Nothing goes on as if nothing had been, and nothing is made.
    let ran = keyrota.run(&["rotate", "token"]).code(22);
    assert!(ran.stderr.contains("keyrota audit accept"), "{ran:?}");
    assert!(!keyrota.path(".keyrota/state.db").exists());
    verified(&keyrota).code(34);
    // Until a person says so: a new log, that names what it replaces.
    keyrota.run(&["audit", "accept"]).code(2);
    keyrota
        .run(&["audit", "accept", "--reason", "the disk is lost"])
        .code(0);
    keyrota.run(&["rotate", "token"]).code(0);
    let ran = verified(&keyrota).code(0);
    assert!(ran.stdout.contains("entry 1 accepts"), "{ran:?}");
    let first = keyrota.run(&["audit", "list", "--from", "1", "--limit", "1"]);
    assert!(first.stdout.contains("the disk is lost"), "{first:?}");
    // Once.
    let ran = keyrota.run(&["audit", "accept", "--reason", "again", "--json"]);
    assert_eq!(ran.code(0).json()["accepted"], true);
}

#[test]
fn an_export_proves_itself() {
    let keyrota = history();
    let key = keyrota.run(&["audit", "pubkey"]).code(0).stdout;
    keyrota.write("key.pub", &key);
    for form in ["jsonl", "csv"] {
        keyrota
            .run(&["audit", "export", "--format", form, "--to", form])
            .code(0);
        let last = keyrota
            .run(&["audit", "list", "--limit", "1", "--json"])
            .json();
        assert_eq!(last["entries"][0]["event"], "audit.export");
        // Elsewhere: no schedule, no state, no keys.
        let elsewhere = Keyrota::in_temp();
        let directory = keyrota.path(form);
        let file = keyrota.path("key.pub");
        let at = |path: &Path| path.to_str().unwrap().to_owned();
        let args = [
            "audit",
            "verify",
            "--export",
            &at(&directory),
            "--pubkey",
            &at(&file),
        ];
        let ran = elsewhere.run(&args).code(0);
        assert!(ran.stdout.ends_with("sound\n"), "{ran:?}");
        let seq = last["entries"][0]["seq"].as_i64().unwrap();
        assert!(
            ran.stdout.starts_with(&format!("{seq} entries\n")),
            "{ran:?}"
        );

        let log = directory.join(format!("audit.{form}"));
        let mut bytes = std::fs::read(&log).unwrap();
        let at_word = bytes.windows(11).position(|w| w == b"development").unwrap();
        bytes[at_word] ^= 1;
        std::fs::write(&log, &bytes).unwrap();
        let ran = elsewhere.run(&args);
        assert!([30, 36].contains(&ran.code), "{ran:?}");
        std::fs::remove_file(&log).unwrap();
        elsewhere.run(&args).code(34);
        std::fs::write(directory.join("manifest.json"), "{}").unwrap();
        elsewhere.run(&args).code(35);
    }
    let export = |more: &[&str]| keyrota.run(&[&["audit", "export", "--to"], more].concat());
    export(&["part", "--from", "3", "--until", "6"]).code(0);
    let verify = ["audit", "verify", "--export", "part", "--pubkey", "key.pub"];
    assert!(
        keyrota
            .run(&verify)
            .code(0)
            .stdout
            .starts_with("4 entries\n")
    );
    export(&["part"]).code(78);
    export(&["other", "--from", "3", "--until", "1000"]).code(2);
    assert!(!keyrota.path("other").exists());
    // Nothing is signed that is not sound.
    tamper(
        &keyrota,
        "UPDATE audit SET body = replace(body, 'token', 'taken') WHERE seq = 5",
    );
    export(&["unsound"]).code(30);
    assert!(!keyrota.path("unsound/manifest.json").exists());
    // An export is verified with a key that is named, or not at all.
    keyrota
        .run(&["audit", "verify", "--export", "part"])
        .code(2);
}

/// Ends a process with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn whoever_holds_the_lock_the_log_can_be_read_and_signed() {
    let keyrota = history();
    keyrota.run(&["rotate", "slow"]).code(0);
    let mut waiting: Command = keyrota.command(&["rotate", "slow", "--wait"]);
    let mut running = Running(
        waiting
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    // It sits in its grace of an hour, with the lock.
    let held = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        keyrota.run(&["rotate", "token", "--dry-run"]).code == 23
    });
    assert!(held);
    assert!(running.0.try_wait().unwrap().is_none());
    keyrota.run(&["audit", "list"]).code(0);
    keyrota.run(&["audit", "checkpoint"]).code(0);
    keyrota.run(&["audit", "export", "--to", "out"]).code(0);
    verified(&keyrota).code(0);
}

#[test]
fn without_a_log_nothing_is_made() {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    let ran = keyrota.run(&["audit", "list"]).code(0);
    assert_eq!(ran.stdout, "");
    for args in [
        &["audit", "verify"][..],
        &["audit", "pubkey"],
        &["audit", "checkpoint"],
        &["audit", "export", "--to", "out"],
    ] {
        keyrota.run(args).code(78);
    }
    assert!(!keyrota.path(".keyrota").exists() && !keyrota.path("out").exists());
}
