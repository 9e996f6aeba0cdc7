//! Servers with the right certificate that want a password, or send without end.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keyrota::rotators::database::{Endpoint, Form, Method, Settings, Users};
use keyrota::rotators::mysql::Mysql;
use keyrota_contract::{Material, Probe, Rotator, RotatorError, SecretValue, Which};

use super::bed::version;
use crate::support::hostile::{
    Client, Heard, Hostile, Script, Talk, cut_short, flood, greeting, packet, recite, spoken,
};

const CANARY: &str = "canary-Of-A-user-7";
const ENOUGH: usize = 128 * 1024 * 1024;

fn rotator(hostile: &Hostile) -> (Mysql, Material) {
    let port = hostile.port;
    let settings = Settings {
        users: Users::One("app".into()),
        form: Form::Url(format!(
            "mysql://{{user}}:{{password}}@127.0.0.1:{port}/app"
        )),
        endpoint: Endpoint {
            host: "127.0.0.1".into(),
            port,
            database: "app".into(),
        },
        server: None,
        ca_file: Some(hostile.ca_file()),
        admin: None,
        methods: vec![Method::Scram],
        one_at_a_time: true,
    };
    let url = format!("mysql://app:{CANARY}@127.0.0.1:{port}/app");
    let m = Material {
        current: Some(version(SecretValue::new(url.into_bytes()))),
        ..Material::default()
    };
    (Mysql::new(settings), m)
}

async fn probe(hostile: &Hostile) -> Probe {
    let (rotator, m) = rotator(hostile);
    rotator.probe(Which::Current, &m).await
}

/// What a server greets with, what it says to the login, and whether it has the password then. MySQL
/// itself asks for it, by `caching_sha2_password`, when it has not seen the user for a while.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_methods_of_the_list_are_answered() {
    let switch = |method: &str, salt: &[u8]| {
        packet(
            2,
            &[b"\xfe", method.as_bytes(), b"\0", salt, b"\0"].concat(),
        )
    };
    let salt = b"abcdefghijklmnopqrst";
    let (native, sha2) = ("mysql_native_password", "caching_sha2_password");
    for (greets, said, sent) in [
        ("mysql_clear_password", Vec::new(), false),
        ("mysql_old_password", Vec::new(), false),
        ("dialog", Vec::new(), false),
        ("client_ed25519", Vec::new(), false),
        (native, Vec::new(), false),
        (native, switch("mysql_clear_password", salt), false),
        (native, switch("mysql_clear_password", b""), false),
        (sha2, switch("mysql_clear_password", salt), false),
        (native, switch("dialog", salt), false),
        (native, switch("mysql_old_password", salt), false),
        (native, switch("client_ed25519", salt), false),
        (native, packet(2, b"\x01\x04"), false),
        (sha2, Vec::new(), false),
        (sha2, packet(2, b"\x01\x04"), true),
    ] {
        let hostile = Hostile::mysql(greets, move |client: &mut Client, heard: &Heard| {
            let _ = client.write_all(&said);
            let _ = client.flush();
            heard.read(client);
        });
        let heard = tokio::time::timeout(Duration::from_secs(3), probe(&hostile)).await;
        assert_ne!(heard.ok(), Some(Probe::Accepted), "{greets}");
        assert_eq!(hostile.heard(CANARY.as_bytes()), sent, "{greets}");
    }
}

/// A message that does not end, wherever a server may send one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_end_is_left() {
    let sent = Arc::new(AtomicUsize::new(0));
    let whole = |sent: &Arc<AtomicUsize>| {
        let sent = sent.clone();
        move |client: &mut dyn Write| {
            let mut piece = packet(2, &[]);
            piece[..3].copy_from_slice(&[0xff; 3]);
            piece.resize(0xff_ffff + 4, b'x');
            for _ in 0..ENOUGH / piece.len() {
                if client.write_all(&piece).is_err() {
                    return;
                }
                sent.fetch_add(piece.len(), Ordering::Relaxed);
            }
        }
    };
    let (login, answer) = (whole(&sent), whole(&sent));
    let plain = sent.clone();
    for hostile in [
        Hostile::plain(move |client, _| {
            let _ = client.write_all(&[0xff, 0xff, 0xff, 0]);
            plain.fetch_add(flood(client, ENOUGH), Ordering::Relaxed);
        }),
        Hostile::mysql("mysql_native_password", move |client, _| login(client)),
        Hostile::mysql("mysql_native_password", move |client, heard| {
            let _ = client.write_all(&packet(2, b"\0\0\0\x02\0\0\0"));
            let _ = client.flush();
            heard.read(client);
            answer(client);
        }),
    ] {
        sent.store(0, Ordering::Relaxed);
        let begun = Instant::now();
        assert_eq!(probe(&hostile).await, Probe::Unknown);
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{:?}",
            begun.elapsed()
        );
        let most = 40 * 1024 * 1024;
        assert!(sent.load(Ordering::Relaxed) < most, "{sent:?}");
    }
}

/// A server that greets with these bytes, and goes.
fn greets(greeting: &[u8]) -> Hostile {
    let bytes = packet(0, greeting);
    Hostile::plain(move |client, _| drop(client.write_all(&bytes)))
}

/// A login, and a row in answer to the first question.
fn session() -> Talk {
    let column = b"\x03def\0\0\0\x0eCURRENT_USER()\0\x0c\x2d\0\0\x01\0\0\xfd\0\0\x1f\0\0".to_vec();
    vec![
        vec![(2, b"\0\0\0\x02\0\0\0".to_vec())],
        vec![
            (1, b"\x01".to_vec()),
            (2, column),
            (3, b"\x05app@%".to_vec()),
            (4, b"\xfe\0\0\x02\0\0\0".to_vec()),
        ],
    ]
}

/// Known examples, and what is said of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_makes_the_driver_panic_is_an_unknown_outcome() {
    let script = Script::default();
    *script.lock().unwrap() = vec![packet(2, b"\x01")];
    for hostile in [
        greets(&[0x0a, 0]),
        Hostile::mysql("caching_sha2_password", recite(&script)),
    ] {
        let (rotator, m) = rotator(&hostile);
        assert_eq!(rotator.probe(Which::Current, &m).await, Probe::Unknown);
        let looked = rotator.preflight(&m).await.unwrap_err();
        assert!(
            matches!(looked, RotatorError::Retry(why) if why.contains("that the driver cannot read")),
            "{looked:?}"
        );
    }
}

/// The greeting, and every message of a login and of an answer, cut at every length.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_that_ends_early_is_believed_or_ends_the_program() {
    let whole = greeting("mysql_native_password");
    let cut = Arc::new(Mutex::new(Vec::new()));
    let bytes = cut.clone();
    let hostile = Hostile::plain(move |client, _| drop(client.write_all(&bytes.lock().unwrap())));
    for length in 0..=whole.len() {
        *cut.lock().unwrap() = packet(0, &whole[..length]);
        assert_eq!(probe(&hostile).await, Probe::Unknown, "{length}");
    }
    let script = Script::default();
    let hostile = Hostile::mysql("caching_sha2_password", recite(&script));
    let says = |talk: &Talk| *script.lock().unwrap() = spoken(talk, packet);
    says(&session());
    assert_eq!(probe(&hostile).await, Probe::Accepted);
    let mut talks: Vec<_> = cut_short(&session()).collect();
    for reply in [
        &b"\xff\x15\x04#28000Access denied"[..],
        b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0",
        b"\xfemysql_native_password\0abcdefghijklmnopqrst\0",
        b"\xfesha256_password\0abcdefghijklmnopqrst\0",
        b"\x01\x03",
        b"\x01\x04",
    ] {
        talks.extend(cut_short(&vec![vec![(2, reply.to_vec())]]));
    }
    for talk in &talks {
        says(talk);
        // A column's or an end's last bytes decide nothing.
        let row_is_whole = talk.get(1).is_some_and(|answer| answer[2].1.len() == 6);
        let heard = probe(&hostile).await;
        assert!(heard != Probe::Accepted || row_is_whole, "{talk:?}");
    }
}
