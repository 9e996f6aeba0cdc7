//! Changes that hang, race or are refused; and what the server writes down of them.

use std::time::Duration;

use keyrota_contract::{Probe, Quiet, Rotator, RotatorError, Target, Which};
use sqlx::Connection;

use super::bed::{Bed, FIRST, attempt};
use crate::support::postgres::Postgres as Server;

/// A standby that does not answer: the server waits after it has committed, and shows nobody what it
/// committed. Without quiesce the old value would be believed to be the one that counts.
#[tokio::test]
async fn a_change_that_hangs_is_ended_before_it_is_judged() {
    for admin in [false, true] {
        let mut bed = Bed::one(Server::start().into(), admin).await;
        // A role's own setting must not turn the wait, and so the durability, off.
        bed.sql("ALTER ROLE {a} SET synchronous_commit = off").await;
        if admin {
            bed.sql("ALTER ROLE {admin} SET synchronous_commit = off")
                .await;
        }
        bed.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            .await;
        bed.server
            .run("postgres", "SELECT pg_reload_conf()".into())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        bed.mint();
        let (rotator, id) = (bed.rotator(), attempt());
        let install = rotator.install(Which::Pending, id, &bed.m);
        let given_up = tokio::time::timeout(Duration::from_secs(2), install).await;
        assert!(
            given_up.is_err(),
            "it did not wait for the standby: {given_up:?}"
        );
        assert_eq!(bed.probe(Which::Pending).await, Probe::Rejected);
        assert_eq!(bed.probe(Which::Current).await, Probe::Accepted);

        assert_eq!(rotator.quiesce(id, &bed.m).await, Quiet::Quiet);
        assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted);
        assert_eq!(bed.probe(Which::Current).await, Probe::Rejected);
    }
}

/// The same, seen by the one who waits: the change is not called failed.
#[tokio::test]
async fn a_session_that_is_ended_while_it_waits_is_ambiguous() {
    let mut bed = Bed::one(Server::start().into(), true).await;
    bed.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .await;
    bed.server
        .run("postgres", "SELECT pg_reload_conf()".into())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    bed.mint();
    let (rotator, id) = (bed.rotator(), attempt());
    let (installed, quiet) = tokio::join!(rotator.install(Which::Pending, id, &bed.m), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        rotator.quiesce(id, &bed.m).await
    });
    assert!(
        matches!(installed, Err(RotatorError::Ambiguous(_))),
        "{installed:?}"
    );
    assert_eq!(quiet, Quiet::Quiet);
    assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted);
}

/// Ended while it waits for a lock, with a last word: nothing was done, but the word does not say so.
#[tokio::test]
async fn a_session_that_is_ended_with_a_word_is_ambiguous() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.mint();
    let mut other = bed.server.connect("postgres").await;
    let alter = format!("BEGIN; ALTER ROLE \"{}\" PASSWORD 'x'", bed.user(1));
    sqlx::raw_sql(sqlx::AssertSqlSafe(alter))
        .execute(&mut other)
        .await
        .unwrap();
    let (rotator, id) = (bed.rotator(), attempt());
    let (installed, quiet) = tokio::join!(rotator.install(Which::Pending, id, &bed.m), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        rotator.quiesce(id, &bed.m).await
    });
    other.close().await.unwrap();
    assert!(
        matches!(installed, Err(RotatorError::Ambiguous(_))),
        "{installed:?}"
    );
    assert_eq!(quiet, Quiet::Quiet);
    assert_eq!(bed.probe(Which::Pending).await, Probe::Rejected);
}

#[tokio::test]
async fn who_may_not_end_a_session_does_not_know() {
    let bed = Bed::one(Server::shared(), true).await;
    let id = attempt();
    let mut session = bed.server.connect("postgres").await;
    let name = format!("SET application_name = 'keyrota/{id}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(name))
        .execute(&mut session)
        .await
        .unwrap();
    assert_eq!(bed.rotator().quiesce(id, &bed.m).await, Quiet::Unknown);
    assert_eq!(bed.rotator().quiesce(attempt(), &bed.m).await, Quiet::Quiet);
    session.close().await.unwrap();
}

#[tokio::test]
async fn changes_at_the_same_time() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.mint();
    let rotator = std::sync::Arc::new(bed.rotator());
    let m = std::sync::Arc::new(bed.m);
    let all: Vec<_> = (0..12)
        .map(|_| {
            let (rotator, m) = (rotator.clone(), m.clone());
            tokio::spawn(async move { rotator.install(Which::Pending, attempt(), &m).await })
        })
        .collect();
    let mut done = 0;
    for one in all {
        match one.await.unwrap() {
            Ok(()) => done += 1,
            Err(RotatorError::Retry(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(done > 0);
    assert_eq!(rotator.probe(Which::Pending, &m).await, Probe::Accepted);
}

#[tokio::test]
async fn a_lock_is_not_waited_for_for_ever() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.mint();
    let mut other = bed.server.connect("postgres").await;
    let alter = format!("BEGIN; ALTER ROLE \"{}\" PASSWORD 'x'", bed.user(1));
    sqlx::raw_sql(sqlx::AssertSqlSafe(alter))
        .execute(&mut other)
        .await
        .unwrap();
    let installed = bed
        .rotator()
        .install(Which::Pending, attempt(), &bed.m)
        .await;
    assert!(
        matches!(installed, Err(RotatorError::Retry(s)) if s.contains("lock")),
        "{installed:?}"
    );
    other.close().await.unwrap();
    bed.rotator()
        .install(Which::Pending, attempt(), &bed.m)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_server_does_not_permit() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.mint();
    for (sql, words) in [
        (
            "REVOKE USAGE ON SCHEMA keyrota_roles FROM {admin}",
            "not permit",
        ),
        (
            "GRANT USAGE ON SCHEMA keyrota_roles TO {admin}; DROP OWNED BY {b}; DROP ROLE {b}",
            "does not exist",
        ),
    ] {
        bed.sql(sql).await;
        let installed = bed
            .rotator()
            .install(Which::Pending, attempt(), &bed.m)
            .await;
        assert!(
            matches!(installed, Err(RotatorError::Refused(s)) if s.contains(words)),
            "{installed:?}"
        );
    }
    bed.sql("ALTER ROLE {admin} NOLOGIN").await;
    let installed = bed
        .rotator()
        .install(Which::Pending, attempt(), &bed.m)
        .await;
    assert!(
        matches!(installed, Err(RotatorError::Retry(_))),
        "{installed:?}"
    );
}

/// With everything that makes a server talkative, nothing in its log is a password.
#[tokio::test]
async fn the_servers_log_has_no_password() {
    let settings = "log_statement = 'all'\nlog_min_error_statement = debug5\nlog_min_messages = debug1\n\
                    log_min_duration_statement = 0\nlog_connections = on";
    let mut bed = Bed::two(Server::with(settings, "").into()).await;
    // What the bed itself has set in clear is there; so is what this test would miss otherwise.
    assert!(bed.server.log().contains(FIRST));
    bed.mint();
    let rotator = bed.rotator();
    rotator.preflight(&bed.m).await.unwrap();
    rotator.control(&bed.m).await;
    rotator
        .install(Which::Pending, attempt(), &bed.m)
        .await
        .unwrap();
    assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted);
    bed.sql("REVOKE USAGE ON SCHEMA keyrota_roles FROM {admin}")
        .await;
    rotator
        .install(Which::Pending, attempt(), &bed.m)
        .await
        .unwrap_err();
    let pending = &bed.m.pending.as_ref().unwrap().value;
    let password = bed.settings.login(pending).unwrap().password;
    let log = bed.server.log();
    assert!(log.contains("PASSWORD 'SCRAM-SHA-256$4096:"));
    assert!(
        log.contains("permission denied"),
        "the failed statement was not logged"
    );
    assert!(!log.contains(password.as_str()));
}
