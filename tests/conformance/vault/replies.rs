//! Replies that no healthy server gives: told apart, and never followed elsewhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyrota_contract::{ErrorKind, Place, Provider};
use keyrota_rest::vault::{Auth, VaultConfig, VaultProvider};

use super::{id, sentence, write};
use crate::support::openbao::input;

const MOUNT: &str = r#"{"data":{"path":"kv/","type":"kv","options":{"version":"2"}}}"#;
const TOKEN: &str = r#"{"data":{"ttl":0,"renewable":false}}"#;
const ABSENT: (u16, &str) = (404, r#"{"errors":[]}"#);

/// Answers reads as an empty store does, and changes with `answer`.
fn empty(answer: (u16, String)) -> impl Fn(&str) -> (u16, String) + Send + Sync + 'static {
    move |line| match line {
        l if l.contains("/internal/ui/mounts/") => (200, MOUNT.to_owned()),
        l if l.contains("/lookup-self") => (200, TOKEN.to_owned()),
        l if l.starts_with("GET") => (ABSENT.0, ABSENT.1.to_owned()),
        _ => answer.clone(),
    }
}

/// A provider that asks [`server`].
pub(super) fn fake(
    answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
) -> (VaultProvider, Arc<Mutex<Vec<String>>>) {
    let (address, asked) = server(answer);
    (asking(address), asked)
}

/// A server that answers each request's first line with `answer`. It ends with the test's process;
/// what it was asked is kept.
pub(super) fn server(
    answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let answer = Arc::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, seen, answer) = (stream.unwrap(), seen.clone(), answer.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut writer = stream;
                loop {
                    let mut head = String::new();
                    let mut length = 0;
                    loop {
                        let mut line = String::new();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                        let lower = line.to_lowercase();
                        if let Some(n) = lower.strip_prefix("content-length:") {
                            length = n.trim().parse().unwrap();
                        }
                        if line == "\r\n" {
                            break;
                        }
                        head.push_str(&line);
                    }
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    let first = head.lines().next().unwrap().to_owned();
                    let (status, body) = answer(&first);
                    seen.lock().unwrap().push(first);
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nlocation: /v1/elsewhere\r\nretry-after: 18446744073709551615\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if writer.write_all(head.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, asked)
}

/// A provider that asks there, and has written nothing yet.
pub(super) fn asking(address: String) -> VaultProvider {
    let provider = VaultProvider::new(VaultConfig {
        address,
        mount: "kv".into(),
        namespace: None,
        authorities: None,
        auth: Auth::Token(input("s.token")),
        timeout: Duration::from_secs(10),
    });
    provider.unwrap()
}

#[tokio::test]
async fn every_refusal_of_a_change_means_one_thing() {
    let errors = |text: &str| format!("{{\"errors\":[\"{text}\"]}}");
    for (status, body, kind, said) in [
        (
            429,
            errors("request path: rate limit quota exceeded"),
            ErrorKind::Throttled,
            "how often",
        ),
        (
            503,
            errors("Vault is sealed"),
            ErrorKind::Unavailable,
            "sealed",
        ),
        (
            503,
            errors("error: standby"),
            ErrorKind::Unavailable,
            "standby",
        ),
        (
            503,
            "<html>busy</html>".into(),
            ErrorKind::Ambiguous,
            "outcome",
        ),
        (
            500,
            errors("internal error"),
            ErrorKind::Ambiguous,
            "outcome",
        ),
        (502, "bad gateway".into(), ErrorKind::Ambiguous, "outcome"),
        (504, String::new(), ErrorKind::Ambiguous, "outcome"),
        (
            501,
            String::new(),
            ErrorKind::Unavailable,
            "not initialized",
        ),
        (
            412,
            errors("required index state not present"),
            ErrorKind::Unavailable,
            "caught up",
        ),
        (413, String::new(), ErrorKind::Invalid, "larger"),
        (
            400,
            errors("something odd"),
            ErrorKind::Invalid,
            "malformed",
        ),
        (
            400,
            errors("Upgrading from non-versioned to versioned data"),
            ErrorKind::Unavailable,
            "set up",
        ),
        (403, errors("permission denied"), ErrorKind::Denied, "right"),
        (
            405,
            errors("unsupported operation"),
            ErrorKind::Invalid,
            "key/value",
        ),
        (
            404,
            errors("no handler for route"),
            ErrorKind::NotFound,
            "mount",
        ),
        (307, String::new(), ErrorKind::Unavailable, "standby"),
        (200, "not json".into(), ErrorKind::Ambiguous, "which"),
        (
            200,
            "x".repeat((1 << 20) + 1),
            ErrorKind::Ambiguous,
            "outcome",
        ),
    ] {
        let (p, asked) = fake(empty((status, body)));
        let failed = write(&p, &Place::new("app/x"), 1, "one").await.unwrap_err();
        assert_eq!(failed.kind, kind, "{status} {failed:?}");
        assert!(failed.context.contains(said), "{status} {failed:?}");
        let asked = asked.lock().unwrap();
        let changes = asked.iter().filter(|line| !line.starts_with("GET"));
        assert_eq!(
            changes.count(),
            1,
            "{status}: sent once, whatever was answered"
        );
        assert!(
            !asked.iter().any(|line| line.contains("elsewhere")),
            "followed"
        );
    }
}

#[tokio::test]
async fn what_is_none_of_vaults_answers_is_no_absence() {
    let (p, _) = fake(empty((200, String::new())));
    let at = Place::new("app/x");
    assert_eq!(p.describe(&at).await.unwrap(), []);
    assert!(sentence(p.promote(&at, id(1), None).await).contains("no such version"));
    assert!(p.destroy(&at, &super::PREVIOUS).await.is_ok());
}
