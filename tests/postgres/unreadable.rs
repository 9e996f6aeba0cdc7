//! Servers whose messages end early or hold less than they say. The driver panics at some of them; keyrota
//! calls each an unknown outcome, and goes on.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use keyrota::rotators::database::Method;
use keyrota::rotators::postgres::Postgres;
use keyrota::state::{Access, Location, Server, StateError, Store};
use keyrota::world::SystemEntropy;
use keyrota_contract::{Probe, Rotator, RotatorError, Target, Which};
use rustix::process::{Pid, Signal, kill_process};

use super::bed::attempt;
use super::hostile::{asks, material, settings};
use crate::support::hostile::{Hostile, Script, Talk, cut_short, message, packet, recite, spoken};
use crate::support::keyrota::{Keyrota, Ran};

fn question(code: u32, more: &[u8]) -> (u8, Vec<u8>) {
    (b'R', asks(code, more)[5..].to_vec())
}

fn proof(first: &str, last: &str) -> Talk {
    vec![
        vec![question(10, b"SCRAM-SHA-256\0\0")],
        vec![question(11, first.as_bytes())],
        vec![question(12, last.as_bytes())],
    ]
}

/// A login by password, and a row in answer to the first question.
fn session(row: &[u8]) -> Talk {
    let column = b"\0\x01session_user\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
    vec![
        vec![question(3, b"")],
        vec![
            question(0, b""),
            (b'S', b"server_version\x0017.2\0".to_vec()),
            (b'K', b"\0\0\0\x01\0\0\0\x02".to_vec()),
            (b'Z', b"I".to_vec()),
        ],
        vec![
            (b'N', b"SWARNING\0C01000\0Mx\0\0".to_vec()),
            (b'T', column.to_vec()),
            (b'D', row.to_vec()),
            (b'C', b"SELECT 1\0".to_vec()),
            (b'Z', b"I".to_vec()),
        ],
    ]
}

const ROW: &[u8] = b"\0\x01\0\0\0\x03app";
const NO_FIELD: &[u8] = b"\0\0";
const SERVER_FIRST: &str = "r=abcdefgh,s=c2FsdHNhbHQ=,i=1";
const SERVER_LAST: &str = "v=c2lnbmF0dXJl";

struct Liar {
    script: Script,
    hostile: Hostile,
    rotator: Postgres,
}

impl Liar {
    fn new() -> Self {
        let script = Script::default();
        let hostile = Hostile::postgres(recite(&script));
        let methods = [Method::Scram, Method::Password];
        let rotator = Postgres::new(settings(&hostile, false, &methods));
        Self {
            script,
            hostile,
            rotator,
        }
    }

    fn says(&self, talk: &Talk) {
        *self.script.lock().unwrap() = spoken(talk, message);
    }

    async fn probe(&self, talk: &Talk) -> Probe {
        self.says(talk);
        let m = material(&self.hostile);
        self.rotator.probe(Which::Current, &m).await
    }
}

/// Known examples, and what is said of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_makes_the_driver_panic_is_an_unknown_outcome() {
    let liar = Liar::new();
    let m = material(&liar.hostile);
    for talk in [
        proof(",,", SERVER_LAST),
        proof("r=a,,i=1", SERVER_LAST),
        session(NO_FIELD),
    ] {
        assert_eq!(liar.probe(&talk).await, Probe::Unknown, "{talk:?}");
        let looked = liar.rotator.preflight(&m).await.unwrap_err();
        let RotatorError::Retry(why) = looked else {
            panic!("{talk:?}: {looked:?}");
        };
        assert!(
            why.contains("that the driver cannot read") || why.contains("strange"),
            "{talk:?}: {why}"
        );
        let installed = liar.rotator.install(Which::Pending, attempt(), &m).await;
        let unknown = [
            Err(RotatorError::Retry(why)),
            Err(RotatorError::Retry("the server did not answer a question")),
        ];
        assert!(unknown.contains(&installed), "{talk:?}: {installed:?}");
    }
}

/// Every message of a login and of an answer, cut at every length, and SCRAM without its fields.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_that_ends_early_is_believed_or_ends_the_program() {
    let liar = Liar::new();
    assert_eq!(liar.probe(&session(ROW)).await, Probe::Accepted);
    let mut talks: Vec<_> = cut_short(&session(ROW)).collect();
    talks.extend(cut_short(&proof(SERVER_FIRST, SERVER_LAST)));
    for first in [
        "",
        ",",
        "r",
        "s",
        "i",
        "r=",
        "s=,",
        "i=,,",
        "r=a,s",
        "r=a,s=!,i=1",
        "r=a,s=YQ==,i=x",
        "r=a,s=YQ==,i=99999999999",
        "e=no,,",
        "\u{fffd},\u{fffd}",
    ] {
        talks.push(proof(first, SERVER_LAST));
    }
    for last in ["", "v", "v=", "v=!", ",,", "e=", "x=,v=", "v=,,"] {
        talks.push(proof(SERVER_FIRST, last));
    }
    // What a cut leaves is still true of these: nothing is asked of them.
    let harmless = |talk: &Talk| {
        talk[1..].iter().flatten().any(|(kind, body)| {
            matches!(
                (*kind, body.len()),
                (b'C', 0..9) | (b'N', 0..20) | (b'S', 0..20)
            )
        })
    };
    for talk in &talks {
        let heard = liar.probe(talk).await;
        assert!(
            heard == Probe::Unknown || heard == Probe::Accepted && harmless(talk),
            "{heard:?}: {talk:?}"
        );
    }
}

/// The state's server, by a socket of this host: its first row has no field.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_with_such_a_server_does_not_answer() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
    let script = Script::default();
    let said = script.clone();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let short = Some(Duration::from_millis(100));
            client.set_read_timeout(short).unwrap();
            let pieces = said.lock().unwrap().clone();
            for piece in pieces {
                let _ = client.read(&mut [0; 4096]);
                let _ = client.write_all(&piece);
            }
        }
    });
    let mut talk = session(NO_FIELD);
    let answer = talk.pop().unwrap();
    talk.remove(0);
    let ready = (b'Z', b"T".to_vec());
    talk.push(vec![(b'C', b"BEGIN\0".to_vec()), ready.clone()]);
    talk.push(vec![
        (b'1', Vec::new()),
        (b't', vec![0, 0]),
        answer[1].clone(),
        ready.clone(),
    ]);
    talk.push(vec![
        (b'2', Vec::new()),
        answer[2].clone(),
        answer[3].clone(),
        ready,
    ]);
    let server = Server {
        host: directory.path().to_str().unwrap().to_owned(),
        port: 5432,
        user: "keyrota".to_owned(),
        database: "keyrota".to_owned(),
    };
    *script.lock().unwrap() = spoken(&talk, message);
    let at = Location::Postgres(server);
    let opened = Store::open(&at, Access::default(), &mut SystemEntropy).await;
    assert_eq!(opened.map(|_| ()).unwrap_err(), StateError::Unavailable);
}

/// A command says so and ends with its own exit code; the daemon tries again until it is stopped.
#[test]
fn the_program_goes_on() {
    let script = Script::default();
    *script.lock().unwrap() = spoken(&proof(",,", SERVER_LAST), message);
    let postgres = Hostile::postgres(recite(&script));
    let mysql = Hostile::plain(|client, _| {
        let _ = client.write_all(&packet(0, &[0x0a, 0]));
    });
    for (kind, hostile) in [("postgres", postgres), ("mysql", mysql)] {
        let (keyrota, port, ca_file) = (Keyrota::in_temp(), hostile.port, hostile.ca_file());
        let schedule = |secret: &str| {
            let text = format!(
                "environment = \"development\"\n[defaults]\nrefresh = \"0s\"\nprovider = \"local\"\n\
                 [providers.local]\nkind = \"file\"\npath = \".keyrota/development.age\"\n\
                 [secrets.database]\n{secret}\n"
            );
            keyrota.write("schedules/development.toml", &text);
        };
        let value = format!("{kind}://app:canary-7@127.0.0.1:{port}/app");
        let import = || keyrota.run_with_stdin(&["import", "database", "--stdin"], &value);
        keyrota.run(&["init"]).code(0);
        // Kept before it belonged to a database.
        schedule("kind = \"external\"\nformat = \"url\"");
        import().code(0);
        schedule(&format!(
            "kind = \"{kind}\"\nstrategy = \"single-user\"\nusers = [\"app\"]\naccept_gap = true\n\
             url = \"{kind}://{{user}}:{{password}}@127.0.0.1:{port}/app\"\nca_file = {ca_file:?}"
        ));
        let says_so = |ran: &Ran| {
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(said.contains("that the driver cannot read"), "{ran:?}");
            for word in ["panicked", "mistake in the program", "canary", "sqlx"] {
                assert!(!said.contains(word), "{word}: {ran:?}");
            }
        };
        says_so(&import().code(78));
        says_so(&keyrota.run(&["rotate", "database"]).code(21));
        let daemon = keyrota
            .command(&["--env", "development", "daemon"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let failures = || {
            let status = keyrota.run(&["status", "--json"]).code(0).json();
            status["secrets"][0]["rotation"]["failures"].as_i64()
        };
        let begun = Instant::now();
        while failures() < Some(3) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{kind}");
            std::thread::sleep(Duration::from_millis(100));
        }
        says_so(&stopped(daemon).code(0));
    }
}

fn stopped(daemon: Child) -> Ran {
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    Ran::of(daemon.wait_with_output().unwrap())
}
