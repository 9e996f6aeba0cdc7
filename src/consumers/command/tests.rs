#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use keyrota_contract::Exposure;
use tempfile::TempDir;
use tokio::time::Instant;

use super::super::testing::{delivery, showing};
use super::*;
use crate::child::PATIENCE;

/// A directory with one script in it.
struct Script {
    dir: TempDir,
    path: PathBuf,
}

impl Script {
    fn new(body: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook");
        // Written under another name first: a file just written cannot be executed while any
        // child forked meanwhile still holds it open (ETXTBSY).
        let source = dir.path().join("source");
        std::fs::write(&source, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o700)).unwrap();
        let copied = std::process::Command::new("cp")
            .arg("-p")
            .arg(&source)
            .arg(&path)
            .status();
        assert!(copied.unwrap().success());
        Self { dir, path }
    }

    fn consumer(&self, value: bool, timeout: Duration) -> CommandConsumer {
        let argv = vec![
            self.path.to_str().unwrap().to_owned(),
            self.dir.path().to_str().unwrap().to_owned(),
        ];
        CommandConsumer::new(CommandConfig {
            argv,
            value,
            timeout,
        })
        .unwrap()
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    async fn run(&self, exposure: &Exposure) -> Result<Ack, DeliveryError> {
        self.consumer(true, Duration::from_secs(20))
            .deliver(&delivery(exposure))
            .await
    }
}

const HALF: Duration = Duration::from_millis(500);

#[tokio::test]
async fn what_the_program_gets() {
    let script = Script::new(
        "cat > $1/stdin; tr '\\0' '\\n' < /proc/$$/cmdline > $1/args; env > $1/env; pwd > $1/pwd",
    );
    let exposure = showing([("A", Some("it's \"x\"\n")), ("B", None)]);
    let consumer = script.consumer(true, Duration::from_secs(20));
    consumer.preflight().await.unwrap();
    assert_eq!(consumer.deliver(&delivery(&exposure)).await, Ok(Ack::Told));
    let message: serde_json::Value = serde_json::from_str(&script.file("stdin")).unwrap();
    assert_eq!(
        message,
        serde_json::json!({
            "v": 1, "rotation": "00000000-0000-0000-0000-000000000001", "environment": "staging",
            "secret": "token", "round": "switch", "fingerprint": "f1",
            "version": "00000000-0000-0000-0000-000000000002",
            "variables": {"A": "it's \"x\"\n", "B": null},
        })
    );
    assert!(script.file("stdin").ends_with("}\n"));
    assert!(!script.file("args").contains("it's"));
    let mut names: Vec<_> = script
        .file("env")
        .lines()
        .filter_map(|l| l.split('=').next().map(str::to_owned))
        .collect();
    // PWD, OLDPWD, SHLVL and _ are the shell's own.
    names.retain(|n| !["PWD", "OLDPWD", "SHLVL", "_"].contains(&n.as_str()));
    names.sort();
    assert_eq!(names, ["LANG", "PATH"]);
    assert_eq!(script.file("pwd"), "/\n");

    let silent = script.consumer(false, Duration::from_secs(20));
    assert_eq!(silent.deliver(&delivery(&exposure)).await, Ok(Ack::Told));
    let message: serde_json::Value = serde_json::from_str(&script.file("stdin")).unwrap();
    assert!(message.get("variables").is_none() && message["secret"] == "token");
}

#[tokio::test]
async fn what_it_answers() {
    for (body, expected) in [
        ("exit 0", "told"),
        ("exit 64", "refused"),
        ("exit 65", "refused"),
        ("exit 78", "refused"),
        ("exit 75", "retry"),
        ("exit 1", "retry"),
        ("exit 126", "retry"),
        ("kill -9 $$", "retry"),
        // Deaf, and with more to read than a pipe takes.
        ("exec 0<&-; exit 0", "told"),
        // More to say than we keep.
        (
            "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 0",
            "told",
        ),
        // Leaves somebody behind who holds all three pipes.
        ("sleep 15 & exit 0", "told"),
    ] {
        let script = Script::new(body);
        let long = "x".repeat(200_000);
        let started = Instant::now();
        let answer = match script.run(&showing([("A", Some(&long))])).await {
            Ok(Ack::Told) => "told",
            Ok(Ack::Unchanged) => "unchanged",
            Err(DeliveryError::Retry(_)) => "retry",
            Err(DeliveryError::Refused(_)) => "refused",
        };
        assert_eq!(answer, expected, "{body}");
        assert!(started.elapsed() < Duration::from_secs(10), "{body}");
    }
}

/// Whether a process lives; a zombie does not.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|s| !s.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

async fn wait_for(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen in five seconds");
}

const FAMILY: &str = "sh -c 'sleep 60 & echo $! > $0/grandchild; wait' $1 & echo $! > $1/child; ";

#[tokio::test]
async fn after_the_timeout_the_whole_group_ends() {
    let script = Script::new(&format!("{FAMILY} echo $$ > $1/leader; wait"));
    let started = Instant::now();
    let answer = script
        .consumer(false, HALF)
        .deliver(&delivery(&showing([])))
        .await;
    assert!(matches!(answer, Err(DeliveryError::Retry(s)) if s.contains("timeout")));
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "it listened to SIGTERM"
    );
    for who in ["leader", "child", "grandchild"] {
        wait_for(|| !lives(&script.file(who))).await;
    }
}

#[tokio::test]
async fn who_does_not_listen_to_sigterm_is_killed_after_five_seconds() {
    let script = Script::new(&format!(
        "trap 'echo got > $1/term' TERM; {FAMILY} echo $$ > $1/leader; while :; do sleep 1; done"
    ));
    let started = Instant::now();
    let answer = script
        .consumer(false, HALF)
        .deliver(&delivery(&showing([])))
        .await;
    assert!(matches!(answer, Err(DeliveryError::Retry(_))));
    let took = started.elapsed();
    assert!(
        took >= HALF + PATIENCE && took < HALF + PATIENCE + Duration::from_secs(3),
        "{took:?}"
    );
    assert_eq!(script.file("term"), "got\n");
    for who in ["leader", "child", "grandchild"] {
        wait_for(|| !lives(&script.file(who))).await;
    }
}

#[tokio::test]
async fn a_delivery_that_is_given_up_leaves_nobody_behind() {
    let script = Script::new(&format!("{FAMILY} echo $$ > $1/leader; wait"));
    let consumer = script.consumer(false, Duration::from_secs(60));
    let exposure = showing([]);
    let told = tokio::time::timeout(
        Duration::from_secs(1),
        consumer.deliver(&delivery(&exposure)),
    )
    .await;
    assert!(told.is_err());
    for who in ["leader", "child", "grandchild"] {
        wait_for(|| !lives(&script.file(who))).await;
    }
}

#[tokio::test]
async fn programs_that_others_could_change_are_refused() {
    let script = Script::new("exit 0");
    let consumer = script.consumer(true, Duration::from_secs(5));
    for (mode, word) in [
        (0o700, ""),
        (0o755, ""),
        (0o722, "writable"),
        (0o600, "executable"),
    ] {
        std::fs::set_permissions(&script.path, std::fs::Permissions::from_mode(mode)).unwrap();
        for outcome in [
            consumer.preflight().await,
            consumer.deliver(&delivery(&showing([]))).await.map(|_| ()),
        ] {
            match outcome {
                Ok(()) => assert_eq!(word, "", "{mode:o}"),
                Err(DeliveryError::Refused(s)) => {
                    assert!(!word.is_empty() && s.contains(word), "{mode:o}: {s}")
                }
                Err(e) => panic!("{mode:o}: {e}"),
            }
        }
    }
    std::fs::set_permissions(&script.path, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(script.dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(
        matches!(consumer.preflight().await, Err(DeliveryError::Refused(s)) if s.contains("directory"))
    );
    std::fs::set_permissions(script.dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::remove_file(&script.path).unwrap();
    assert!(
        matches!(consumer.preflight().await, Err(DeliveryError::Refused(s)) if s.contains("exist"))
    );
}

/// Everything that is logged, for one test.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_the_words_and_not_the_values() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let canary = "CANARY+0123456789/abc";
    let script = Script::new("cat; echo; echo it went wrong >&2; exit 3");
    assert!(script.run(&showing([("A", Some(canary))])).await.is_err());
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for word in [
        "it went wrong",
        "[redacted]",
        "code=3",
        "secret=\"token\"",
        "round=\"switch\"",
    ] {
        assert!(logged.contains(word), "{word}: {logged}");
    }
    assert!(
        !logged.contains("CANARY") && !logged.contains("0123456789"),
        "{logged}"
    );
}

#[test]
fn configurations() {
    let new = |argv: &[&str], timeout| {
        let argv = argv.iter().map(|a| (*a).to_owned()).collect();
        CommandConsumer::new(CommandConfig {
            argv,
            value: false,
            timeout,
        })
        .is_ok()
    };
    assert!(new(&["/bin/true"], HALF));
    assert!(
        !new(&[], HALF)
            && !new(&["true"], HALF)
            && !new(&["./true"], HALF)
            && !new(&["/bin/true"], Duration::ZERO)
    );
}

#[test]
fn the_message_was_never_copied() {
    let value = "\u{1}".repeat(1000);
    let exposure = showing([("A", Some(&value)), ("B", None)]);
    let message = compose(&delivery(&exposure), true).unwrap();
    let head = compose(&delivery(&exposure), false).unwrap();
    assert!(
        message.capacity() <= head.len() + 6 * value.len() + 256,
        "the buffer grew"
    );
    let binary = Exposure {
        variables: vec![keyrota_contract::Variable {
            name: "A".to_owned(),
            value: Some(keyrota_contract::SecretValue::copy_of(b"\xff")),
        }],
        jwks: None,
    };
    assert!(matches!(
        compose(&delivery(&binary), true),
        Err(DeliveryError::Refused(_))
    ));
    assert!(compose(&delivery(&binary), false).is_ok());
}
