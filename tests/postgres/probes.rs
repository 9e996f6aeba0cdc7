//! What a login shows: never more than it does.

use keyrota_contract::{Probe, Rotator, Target, Which};

use super::bed::{Bed, FIRST};
use crate::support::postgres::Postgres as Server;

#[tokio::test]
async fn each_answer_of_the_server() {
    let bed = Bed::one(Server::shared(), false).await;
    for (sql, back, expected) in [
        ("SELECT", "SELECT;", Probe::Accepted),
        ("ALTER ROLE {a} PASSWORD 'x'", "", Probe::Rejected),
        ("ALTER ROLE {a} PASSWORD NULL", "", Probe::Rejected),
        (
            "ALTER ROLE {a} RENAME TO {db}_gone",
            "ALTER ROLE {db}_gone RENAME TO {a};",
            Probe::Rejected,
        ),
        (
            "ALTER ROLE {a} VALID UNTIL '2001-01-01'",
            "ALTER ROLE {a} VALID UNTIL 'infinity';",
            Probe::Rejected,
        ),
        (
            "ALTER ROLE {a} NOLOGIN",
            "ALTER ROLE {a} LOGIN;",
            Probe::Blocked,
        ),
        (
            "ALTER ROLE {a} CONNECTION LIMIT 0",
            "ALTER ROLE {a} CONNECTION LIMIT -1;",
            Probe::Blocked,
        ),
        (
            "REVOKE CONNECT ON DATABASE {db} FROM {a}, public",
            "GRANT CONNECT ON DATABASE {db} TO {a};",
            Probe::Blocked,
        ),
    ] {
        bed.sql(sql).await;
        assert_eq!(bed.probe(Which::Current).await, expected, "{sql}");
        bed.sql(&format!("{back} ALTER ROLE {{a}} PASSWORD '{FIRST}'"))
            .await;
        assert_eq!(
            bed.probe(Which::Current).await,
            Probe::Accepted,
            "after {sql}"
        );
    }
    // A database's limit, and one that takes nobody.
    for (sql, back) in [
        (
            "ALTER DATABASE {db} CONNECTION LIMIT 0",
            "ALTER DATABASE {db} CONNECTION LIMIT -1",
        ),
        (
            "ALTER DATABASE {db} ALLOW_CONNECTIONS false",
            "ALTER DATABASE {db} ALLOW_CONNECTIONS true",
        ),
        (
            "ALTER DATABASE {db} RENAME TO {db}_x",
            "ALTER DATABASE {db}_x RENAME TO {db}",
        ),
    ] {
        bed.server.run("postgres", bed.named(sql)).await.unwrap();
        assert_eq!(bed.probe(Which::Current).await, Probe::Blocked, "{sql}");
        bed.server.run("postgres", bed.named(back)).await.unwrap();
    }
    assert_eq!(bed.probe(Which::Current).await, Probe::Accepted);
    assert_eq!(bed.probe(Which::Pending).await, Probe::Unknown);
}

#[tokio::test]
async fn what_is_not_the_password_is_unknown() {
    let bed = Bed::one(Server::shared(), false).await;
    let with = |change: &dyn Fn(&mut keyrota::rotators::database::Settings)| {
        let mut settings = bed.settings.clone();
        change(&mut settings);
        keyrota::rotators::postgres::Postgres::new(settings)
    };
    let other = Server::start();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for (rotator, why) in [
        (with(&|s| s.ca_file = None), "no CA"),
        (with(&|s| s.ca_file = Some(other.ca_file())), "another CA"),
        (with(&|s| s.ca_file = Some("/nowhere".into())), "no CA file"),
        (
            with(&|s| s.endpoint.port = free),
            "nobody there, and the value names another port",
        ),
        (
            with(&|s| s.server = Some(endpoint(s, free))),
            "nobody at the second place",
        ),
        (
            with(&|s| s.users = keyrota::rotators::database::Users::One("x".into())),
            "not ours",
        ),
    ] {
        assert_eq!(
            rotator.probe(Which::Current, &bed.m).await,
            Probe::Unknown,
            "{why}"
        );
    }
}

fn endpoint(
    settings: &keyrota::rotators::database::Settings,
    port: u16,
) -> keyrota::rotators::database::Endpoint {
    keyrota::rotators::database::Endpoint {
        port,
        ..settings.endpoint.clone()
    }
}

#[tokio::test]
async fn a_server_that_takes_any_password_is_caught() {
    let trust = "hostssl all +trusted 127.0.0.1/32 trust";
    let bed = Bed::two(Server::with("", trust).into()).await;
    assert_eq!(bed.rotator().control(&bed.m).await, Probe::Rejected);
    // Also when it is only the one whose turn is next.
    bed.sql("CREATE ROLE trusted; GRANT trusted TO {b}").await;
    assert_eq!(bed.rotator().control(&bed.m).await, Probe::Accepted);
    // Whatever stops it comes after the password.
    bed.sql("ALTER ROLE {b} NOLOGIN").await;
    assert_eq!(bed.rotator().control(&bed.m).await, Probe::Accepted);
}

#[tokio::test]
async fn a_rule_and_a_full_server_say_nothing() {
    let rules = "hostssl barred all 127.0.0.1/32 reject";
    let settings = "max_connections = 5\nsuperuser_reserved_connections = 2\nmax_wal_senders = 0\n\
                    autovacuum = off";
    let server: std::sync::Arc<_> = Server::with(settings, rules).into();
    let bed = Bed::one(server.clone(), false).await;
    let mut barred = bed.settings.clone();
    server
        .run("postgres", "CREATE DATABASE barred".into())
        .await
        .unwrap();
    barred.endpoint.database = "barred".into();
    let value = bed.value(&bed.user(0), FIRST).value.expose_to(|b| {
        String::from_utf8(b.to_vec())
            .unwrap()
            .replace(&format!("/{}", bed.database), "/barred")
    });
    let m = keyrota_contract::Material {
        current: Some(super::bed::version(value)),
        ..Default::default()
    };
    let barred = keyrota::rotators::postgres::Postgres::new(barred);
    assert_eq!(barred.probe(Which::Current, &m).await, Probe::Unknown);
    assert_eq!(barred.control(&m).await, Probe::Unknown);

    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(server.connect("postgres").await);
    }
    // What is left is for superusers, which is said after the password was right.
    assert_eq!(bed.probe(Which::Current).await, Probe::Blocked);
    assert_eq!(bed.rotator().control(&bed.m).await, Probe::Rejected);
    for _ in 0..2 {
        open.push(server.connect("postgres").await);
    }
    assert_eq!(bed.probe(Which::Current).await, Probe::Unknown);
}
