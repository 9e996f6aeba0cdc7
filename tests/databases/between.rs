//! What stands between keyrota and a database: a pooler, a wire that breaks, somebody else's lock.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::bed::{Bed, Server, login};
use crate::support::evidence::block_on;
use crate::support::pooler::Pooler;
use crate::support::postgres::Postgres;

/// The application logs in at a pooler, all the time; keyrota changes passwords behind it.
#[test]
fn a_pooler_that_asks_the_server() {
    for mode in ["transaction", "session"] {
        let server = Arc::new(Postgres::start());
        let mut bed = Bed::two(Server::Postgres(server.clone()));
        let (asker, password) = (bed.user("asker"), "asks-for-verifiers");
        bed.sql(&format!(
            "CREATE ROLE {asker} LOGIN PASSWORD '{password}'; GRANT SELECT ON pg_shadow TO {asker}"
        ));
        let pooler = Pooler::asking(&server, mode, &asker, password);
        bed.plan.port = pooler.port;
        bed.write_schedule();
        let mut bed = bed.imported();
        // Without the server's own address changes would go through the pooler.
        bed.told(20, "with `server`");

        let direct = format!("server = \"127.0.0.1:{}\"", server.port());
        bed.plan.lines = format!("grace = \"1s\"\n{direct}");
        bed.write_schedule();
        let mut logins = 0;
        for _ in 0..3 {
            let mut rotating = rotate(&bed);
            let ended = loop {
                if let Some(ended) = rotating.try_wait().unwrap() {
                    break ended;
                }
                assert_eq!(at_pooler(&bed, &pooler), Ok(()), "{mode}");
                logins += 1;
            };
            assert!(ended.success(), "{mode}: {ended:?}");
        }
        println!("{mode}: {logins} logins through the pooler in 3 rotations, 0 refused");
        assert!(logins > 10);
        assert_eq!(at_pooler(&bed, &pooler), Ok(()));
        bed.run(&["audit", "verify"]).code(0);
    }
}

/// A login of the application, with the value that is current before and after it.
fn at_pooler(bed: &Bed, pooler: &Pooler) -> Result<(), String> {
    let Server::Postgres(server) = &bed.server else {
        unreachable!("it is a Postgres")
    };
    let (user, password) = login(&bed.value("current").unwrap());
    let psql = std::process::Command::new("psql")
        .args(["-X", "-A", "-t", "-c", "SELECT 1"])
        .arg(format!(
            "host=127.0.0.1 port={} dbname={} user={user} sslmode=verify-full sslrootcert={}",
            pooler.port,
            bed.name,
            server.ca_file().display()
        ))
        .env("PGPASSWORD", password)
        .output()
        .unwrap();
    match psql.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8(psql.stderr).unwrap()),
    }
}

/// The wire breaks at any moment of a rotation.
#[test]
fn a_wire_that_breaks() {
    for server in super::shared() {
        let (bed, wire) = Bed::two(server).behind_a_wire();
        for step in 1..=12 {
            let before = bed.value("current");
            let mut rotating = rotate(&bed);
            sleep(Duration::from_millis(90) * step);
            wire.cut();
            rotating.wait().unwrap();
            bed.sound();
            let status = bed.run(&["status", "database", "--json"]).json();
            let under_way = !status["secrets"][0]["rotation"].is_null();
            if under_way || bed.value("current") == before {
                bed.run(&["rotate", "database", "--wait"]).code(0);
            }
            assert_ne!(bed.value("current"), before, "after {step} steps");
            bed.sound();
        }
    }
}

/// The wire breaks while the change waits on the server for somebody's lock, where it would take
/// effect as soon as the lock is gone: it is ended first, and only then the values are tried.
#[test]
fn a_wire_that_breaks_after_the_change_was_sent() {
    let server = Arc::new(Postgres::start());
    let (bed, wire) = Bed::two(Server::Postgres(server.clone())).behind_a_wire();
    let somebody = lock(&server, &bed);
    let mut rotating = rotate(&bed);
    until(|| waiting(&server) == 1);
    wire.cut();
    until(|| waiting(&server) == 0);
    drop(somebody);
    assert!(rotating.wait().unwrap().success());
    let log = bed.run(&["audit", "list", "--json"]).code(0).stdout;
    let lost = "the connection was lost after the change was sent";
    assert!(log.contains(lost), "{log}");
    assert_eq!(login(&bed.value("current").unwrap()).0, bed.user("b"));
    bed.sound();
}

/// Somebody changes the same user at the same time, and takes long.
#[test]
fn a_lock_of_somebody_elses() {
    let server = Postgres::shared();
    let bed = Bed::two(Server::Postgres(server.clone())).imported();
    let somebody = lock(&server, &bed);
    bed.told(21, "a lock is in the way");
    bed.sound();
    drop(somebody);
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

/// Somebody rotates by hand while keyrota does: the candidate would end what they have just set.
#[test]
fn a_current_value_of_somebody_elses() {
    for server in super::shared() {
        let bed = Bed::one(server).imported();
        let mut command = bed.keyrota.command(&["rotate", "database"]);
        let killed = command.env("KEYROTA_KILL", "after-outcome:2").output(); // preflight, create
        assert_eq!(killed.unwrap().status.code(), None);
        bed.set_password("a", "by-hand");
        let by_hand = bed.url("a", "by-hand");
        bed.write_by_hand("current", &by_hand);
        bed.told(
            20,
            "another tool changed the current value after this rotation began",
        );
        assert_eq!(bed.value("current"), Some(by_hand));
        bed.sound();
        bed.run(&["rotate", "database", "--wait"]).code(0);
        bed.sound();
    }
}

/// Somebody writes into the place of the candidate after it was tested: what becomes current is what
/// was tested, or nothing.
#[test]
fn a_candidate_of_somebody_elses() {
    let bed = Bed::two(super::postgres()).imported();
    let mut command = bed.keyrota.command(&["rotate", "database"]);
    let killed = command.env("KEYROTA_KILL", "after-outcome:4").output(); // preflight, create, install, test
    assert_eq!(killed.unwrap().status.code(), None);
    let tested = bed.value("pending").unwrap();
    bed.write_by_hand("pending", &bed.url("b", "by-hand"));
    bed.told(
        22,
        "the pending version in the provider is not the one that was written",
    );
    assert_eq!(login(&bed.value("current").unwrap()).0, bed.user("a"));
    bed.sound();
    bed.write_by_hand("pending", &tested);
    bed.run(&["resume", "database"]).code(0);
    assert_eq!(bed.value("current"), Some(tested));
    bed.sound();
}

/// Before the server knew it: it may name any user.
#[test]
fn a_candidate_of_somebody_elses_is_not_installed() {
    let bed = Bed::two(super::postgres()).imported();
    let mut command = bed.keyrota.command(&["rotate", "database"]);
    let killed = command.env("KEYROTA_KILL", "after-outcome:2").output(); // preflight, create
    assert_eq!(killed.unwrap().status.code(), None);
    let current = bed.value("current").unwrap();
    bed.write_by_hand("pending", &bed.url("a", "by-hand"));
    bed.told(
        20,
        "the pending version in the provider is not the one that was written",
    );
    assert_eq!(bed.value("current").as_deref(), Some(&*current));
    assert_eq!(
        bed.client(&current),
        Ok(()),
        "nothing was told to the server"
    );
    assert_eq!(bed.value("pending"), None);
    bed.sound();
}

/// The way back cannot be gone: what the server accepts is known to nobody. A person ends that, and
/// the secret is not held up.
#[test]
fn a_candidate_that_is_lost_is_given_up_by_a_person() {
    let bed = Bed::two(super::postgres()).imported();
    let mut command = bed.keyrota.command(&["rotate", "database"]);
    let killed = command.env("KEYROTA_KILL", "after-outcome:3").output(); // preflight, create, install
    assert_eq!(killed.unwrap().status.code(), None);
    let current = bed.value("current").unwrap();
    bed.write_by_hand("pending", &bed.url("b", "by-hand"));
    bed.told(
        22,
        "the pending version in the provider is not the one that was written",
    );
    bed.run(&["resume", "database"]).code(22);
    bed.run(&["abandon", "database"]).code(20);
    assert_eq!(bed.value("pending"), None);
    assert_eq!(bed.client(&current), Ok(()));
    bed.sound();
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

/// Holds the row of the user that is changed next, as long as it lives.
struct Somebody {
    _runtime: tokio::runtime::Runtime,
    _connection: PgConnection,
}

fn lock(server: &Postgres, bed: &Bed) -> Somebody {
    let script = format!("BEGIN; ALTER ROLE {} CONNECTION LIMIT -1", bed.user("b"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connection = runtime.block_on(async {
        let mut connection = server.connect(&bed.name).await;
        let sent = sqlx::raw_sql(AssertSqlSafe(script));
        sent.execute(&mut connection).await.unwrap();
        connection
    });
    Somebody {
        _runtime: runtime,
        _connection: connection,
    }
}

/// Changes of keyrota's that wait for a lock.
fn waiting(server: &Postgres) -> i64 {
    const ASK: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name LIKE 'keyrota/%' AND wait_event_type = 'Lock'";
    block_on(async {
        let mut connection = server.connect("postgres").await;
        let row = sqlx::raw_sql(ASK).fetch_one(&mut connection).await.unwrap();
        row.get(0)
    })
}

fn rotate(bed: &Bed) -> Child {
    let mut command = bed.keyrota.command(&["rotate", "database", "--wait"]);
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.spawn().unwrap()
}

fn until(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not end");
        sleep(Duration::from_millis(20));
    }
}
