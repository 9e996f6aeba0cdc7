//! Servers with the right certificate that want a password, or send without end.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyrota::rotators::database::{Endpoint, Form, Method, Settings, Users};
use keyrota::rotators::postgres::Postgres;
use keyrota::state::{Access, Location, Server, StateError, Store};
use keyrota::world::SystemEntropy;
use keyrota_contract::{Material, Probe, Rotator, RotatorError, SecretValue, Target, Which};

use super::bed::{attempt, version};
use crate::support::hostile::{Client, Heard, Hostile, flood, message};

const CANARY: &str = "canary-Of-A-user-7";
const ADMIN: &str = "canary-Of-the-admin-7";
/// More than the whole login may have, and an answer.
const ENOUGH: usize = 64 * 1024 * 1024;

/// Says one thing, and reads on.
fn says(bytes: Vec<u8>) -> impl Fn(&mut Client, &Heard) + Send + Sync {
    move |client, heard| {
        let _ = client.write_all(&bytes);
        let _ = client.flush();
        while heard.read(client).is_some() {}
    }
}

pub(super) fn asks(code: u32, more: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes()[..], more].concat())
}

pub(super) fn settings(hostile: &Hostile, admin: bool, methods: &[Method]) -> Settings {
    let port = hostile.port;
    Settings {
        users: Users::One("app".into()),
        form: Form::Url(format!(
            "postgres://{{user}}:{{password}}@127.0.0.1:{port}/app"
        )),
        endpoint: Endpoint {
            host: "127.0.0.1".into(),
            port,
            database: "app".into(),
        },
        server: None,
        ca_file: Some(hostile.ca_file()),
        admin: admin.then(|| "admin".into()),
        methods: methods.to_vec(),
        one_at_a_time: false,
    }
}

pub(super) fn material(hostile: &Hostile) -> Material {
    let url = |user, password| {
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/app",
            hostile.port
        )
    };
    let mut m = Material {
        current: Some(version(url("app", CANARY))),
        pending: Some(version(url("app", CANARY))),
        ..Material::default()
    };
    m.uses.insert("admin".into(), version(url("k", ADMIN)));
    m
}

async fn state(hostile: &Hostile, password: bool) -> StateError {
    let server = Server {
        host: "localhost".to_owned(),
        port: hostile.port,
        user: "keyrota".to_owned(),
        database: "keyrota".to_owned(),
    };
    let (ca_file, secret) = (hostile.ca_file(), SecretValue::copy_of(CANARY.as_bytes()));
    let access = Access {
        password: password.then_some(&secret),
        ca_file: Some(&ca_file),
    };
    let opened = Store::open(&Location::Postgres(server), access, &mut SystemEntropy).await;
    opened.map(|_| ()).unwrap_err()
}

/// What the server asks for; whether the user's password was sent, asked for by which list.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_gets_no_password() {
    use Method::{Md5, Password, Scram};
    let scram = asks(10, b"SCRAM-SHA-256\0\0");
    for (what, said, methods, sent) in [
        ("clear", asks(3, b""), &[Scram][..], false),
        ("clear", asks(3, b""), &[Scram, Md5], false),
        ("md5", asks(5, b"salt"), &[Scram], false),
        ("md5", asks(5, b"salt"), &[Scram, Password], false),
        ("scram", scram.clone(), &[Md5], false),
        ("nothing", asks(0, b""), &[Scram], false),
        ("nothing", asks(0, b""), &[Scram, Md5, Password], false),
        ("kerberos", asks(7, b""), &[Scram, Md5, Password], false),
        ("unknown", asks(99, b""), &[Scram, Md5, Password], false),
        (
            "scram, then clear",
            [scram.clone(), asks(3, b"")].concat(),
            &[Scram],
            false,
        ),
        ("clear", asks(3, b""), &[Scram, Password], true),
        ("md5", asks(5, b"salt"), &[Md5], true),
    ] {
        let hostile = Hostile::postgres(says(said));
        let m = material(&hostile);
        let spoke = |hostile: &Hostile| {
            [CANARY, ADMIN, "md5"]
                .iter()
                .any(|text| hostile.heard(text.as_bytes()))
        };
        for admin in [false, true] {
            let rotator = Postgres::new(settings(&hostile, admin, methods));
            if sent {
                let probing = rotator.probe(Which::Current, &m);
                let _ = tokio::time::timeout(Duration::from_secs(1), probing).await;
                continue;
            }
            assert_eq!(
                rotator.probe(Which::Current, &m).await,
                Probe::Unknown,
                "{what}"
            );
            let looked = rotator.preflight(&m).await.unwrap_err();
            match what {
                "clear" | "md5" | "scram" | "scram, then clear" => {
                    let RotatorError::Refused(why) = looked else {
                        panic!("{what}: {looked:?}");
                    };
                    assert!(why.contains("require_auth"), "{what}: {why}");
                }
                "nothing" => assert!(looked.to_string().contains("trust or peer"), "{looked}"),
                _ => assert!(
                    matches!(looked, RotatorError::Retry(_)),
                    "{what}: {looked:?}"
                ),
            }
            let installed = rotator.install(Which::Pending, attempt(), &m).await;
            assert!(
                matches!(installed, Err(RotatorError::Retry(_))),
                "{what}: {installed:?}"
            );
        }
        assert_eq!(spoke(&hostile), sent, "{what} {methods:?}");
        if sent {
            continue;
        }
        // The password that is wrong everywhere protects nothing: its md5 may be had.
        let control = match what {
            "nothing" => Probe::Accepted,
            _ => Probe::Unknown,
        };
        let rotator = Postgres::new(settings(&hostile, false, methods));
        assert_eq!(rotator.control(&m).await, control, "{what}");
        let heard = [CANARY, ADMIN, "md5"].map(|text| hostile.heard(text.as_bytes()));
        assert_eq!(heard, [false, false, what == "md5"], "{what} {methods:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_states_password_is_not_for_every_server() {
    for (said, word) in [
        (asks(3, b""), "clear text"),
        (asks(5, b"salt"), "md5"),
        (asks(0, b""), "without a password"),
    ] {
        let hostile = Hostile::postgres(says(said));
        let refused = state(&hostile, true).await;
        assert!(
            matches!(refused, StateError::Refused(why) if why.contains(word)),
            "{refused:?}"
        );
        assert!(
            !hostile.heard(CANARY.as_bytes()) && !hostile.heard(b"md5"),
            "{word}"
        );
    }
}

/// One message that does not end, or messages that do not end, wherever a server may send.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_end_is_left() {
    type Act = Box<dyn Fn(&mut Client) + Send + Sync>;
    let huge = |kind: u8| [&[kind][..], &0x7fff_ffff_u32.to_be_bytes()].concat();
    let head =
        move |kind: u8| -> Act { Box::new(move |client| drop(client.write_all(&huge(kind)))) };
    let small = |kind: u8, body: &'static [u8]| -> Act {
        Box::new(move |client| {
            let many = message(kind, body).repeat(1000);
            for _ in 0..ENOUGH / many.len() {
                if client.write_all(&many).is_err() {
                    return;
                }
            }
        })
    };
    let session = |then: Act| -> Act {
        // Let in, for the test's own list; then an answer to the first question.
        Box::new(move |client| {
            let mut bytes = [0; 4096];
            let _ = client.write_all(&asks(3, b""));
            let _ = std::io::Read::read(client, &mut bytes);
            let _ = client.write_all(&[asks(0, b""), message(b'Z', b"I")].concat());
            let _ = std::io::Read::read(client, &mut bytes);
            then(client);
        })
    };
    const LOGIN: usize = 4 * 1024 * 1024;
    const ANSWER: usize = 24 * 1024 * 1024;
    let notice = b"SWARNING\0C01000\0Mx\0\0";
    for (what, act, most) in [
        ("one notice", head(b'N'), LOGIN),
        ("one error", head(b'E'), LOGIN),
        ("one question", head(b'R'), LOGIN),
        ("one setting", head(b'S'), LOGIN),
        ("many settings", small(b'S', b"a\0b\0"), LOGIN),
        ("many notices", small(b'N', notice), LOGIN),
        ("a session with one row", session(head(b'D')), ANSWER),
        (
            "a session with many notices",
            session(small(b'N', notice)),
            ANSWER,
        ),
        (
            "a session with many settings",
            session(small(b'S', b"a\0b\0")),
            ANSWER,
        ),
        (
            "a session with many rows",
            session(small(b'D', b"\0\x01\0\0\0\x01x")),
            ANSWER,
        ),
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let hostile = Hostile::postgres(move |client, _| {
            act(client);
            count.fetch_add(flood(client, ENOUGH), Ordering::Relaxed);
        });
        let rotator = Postgres::new(settings(&hostile, false, &[Method::Password]));
        let begun = Instant::now();
        let heard = rotator.probe(Which::Current, &material(&hostile)).await;
        assert_eq!(heard, Probe::Unknown, "{what}");
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{what}: {:?}",
            begun.elapsed()
        );
        assert!(sent.load(Ordering::Relaxed) < most, "{what}: {sent:?}");
    }
    // Before there is any encryption, and in its place.
    for first in [&b"S"[..], b"N", b"E", b""] {
        let hostile = Hostile::plain(move |client, _| {
            let _ = client.write_all(first);
            flood(client, ENOUGH);
        });
        let rotator = Postgres::new(settings(&hostile, false, &[Method::Scram]));
        let heard = rotator.probe(Which::Current, &material(&hostile)).await;
        assert_eq!(heard, Probe::Unknown);
    }
    // The state's server.
    let hostile = Hostile::postgres(|client, _| {
        let _ = client.write_all(&[b'N', 0x7f, 0xff, 0xff, 0xff]);
        flood(client, ENOUGH);
    });
    let refused = state(&hostile, true).await;
    assert!(
        matches!(refused, StateError::Refused(why) if why.contains("stopped reading")),
        "{refused:?}"
    );
}
