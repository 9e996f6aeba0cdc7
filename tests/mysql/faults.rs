//! A change that is broken off, waits, or meets another.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Probe::{Accepted, Rejected};
use keyrota_contract::Which::{Current, Pending};
use keyrota_contract::{Quiet, RotatorError, Target};
use sqlx::Connection;
use sqlx::mysql::MySqlConnection;

use super::bed::{Bed, OLD, attempt};
use crate::support::mariadb::Mariadb;

/// As a backup would: nobody changes an account while it lasts. On a server of one's own.
async fn lock(bed: &Bed) -> MySqlConnection {
    let password = bed.server.password();
    let password = password.expose_to(|p| String::from_utf8(p.to_vec()).unwrap());
    let mut session = bed.server.connect("admin", &password).await.unwrap();
    sqlx::raw_sql("LOCK TABLES mysql.global_priv READ, mysql.user READ")
        .execute(&mut session)
        .await
        .unwrap();
    session
}

/// The statement stands in the server and its client is gone: what a crash leaves behind.
#[tokio::test]
async fn an_attempt_whose_client_is_gone_is_ended() {
    let bed = Bed::two(Arc::new(Mariadb::start(&[]))).await;
    let mut m = bed.material();
    bed.create(&mut m);
    let held = lock(&bed).await;
    let rotator = bed.rotator();
    let id = attempt();
    let hung = tokio::time::timeout(Duration::from_secs(2), rotator.install(Pending, id, &m));
    assert!(hung.await.is_err(), "it waits for the lock");
    assert!(
        bed.server.statements().contains("ALTER USER"),
        "it was sent"
    );

    assert_eq!(rotator.quiesce(id, &m).await, Quiet::Quiet);
    held.close().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        bed.probe(Pending, &m).await,
        Rejected,
        "it never comes back"
    );
    assert_eq!(bed.probe(Current, &m).await, Accepted);
    rotator.install(Pending, id, &m).await.unwrap();
    assert_eq!(bed.probe(Pending, &m).await, Accepted);
    assert_eq!(rotator.quiesce(id, &m).await, Quiet::Quiet, "long over");
}

/// The same while its client still listens: it hears of an unknown outcome.
#[tokio::test]
async fn an_attempt_that_is_killed_is_ambiguous() {
    let bed = Bed::two(Arc::new(Mariadb::start(&[]))).await;
    let mut m = bed.material();
    bed.create(&mut m);
    let held = lock(&bed).await;
    let rotator = bed.rotator();
    let id = attempt();
    let (done, quiet) = tokio::join!(rotator.install(Pending, id, &m), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        // Ended, not waited out.
        tokio::time::timeout(Duration::from_secs(5), rotator.quiesce(id, &m)).await
    });
    assert!(matches!(done, Err(RotatorError::Ambiguous(_))), "{done:?}");
    assert_eq!(quiet, Ok(Quiet::Quiet));
    held.close().await.unwrap();
    assert_eq!(bed.probe(Pending, &m).await, Rejected);
}

/// The server itself ends what waits too long, whether or not anybody still listens.
#[tokio::test]
async fn a_lock_is_not_waited_for_long() {
    let bed = Bed::two(Arc::new(Mariadb::start(&[]))).await;
    let mut m = bed.material();
    bed.create(&mut m);
    let held = lock(&bed).await;
    let rotator = bed.rotator();
    let id = attempt();
    let done = rotator.install(Pending, id, &m).await;
    assert!(
        matches!(done, Err(RotatorError::Ambiguous(why)) if why.contains("broke off")),
        "{done:?}"
    );
    assert_eq!(rotator.quiesce(id, &m).await, Quiet::Quiet);
    held.close().await.unwrap();
    assert_eq!(bed.probe(Pending, &m).await, Rejected);
    rotator.install(Pending, id, &m).await.unwrap();
}

/// Without an administrator it is the user itself that ends its earlier attempt.
#[tokio::test]
async fn a_user_that_changes_itself_ends_its_own_attempt() {
    let mut bed = Bed::one(Arc::new(Mariadb::start(&[]))).await;
    bed.settings.one_at_a_time = true;
    let mut m = bed.material();
    bed.create(&mut m);
    let held = lock(&bed).await;
    let rotator = bed.rotator();
    let id = attempt();
    let hung = tokio::time::timeout(Duration::from_secs(2), rotator.install(Pending, id, &m));
    assert!(hung.await.is_err());
    assert_eq!(rotator.quiesce(id, &m).await, Quiet::Quiet);
    held.close().await.unwrap();
    assert_eq!(bed.probe(Pending, &m).await, Rejected);
    rotator.install(Pending, id, &m).await.unwrap();
    assert_eq!(bed.probe(Current, &m).await, Rejected);
}

/// The server dies with the statement inside, and comes back: one of the two works, and a repeat ends it.
#[tokio::test]
async fn a_server_that_crashes_keeps_what_it_acknowledged() {
    let mut bed = Bed::two(Arc::new(Mariadb::start(&[]))).await;
    let mut m = bed.material();
    bed.create(&mut m);
    bed.install(Pending, &m).await.unwrap();
    Arc::get_mut(&mut bed.server).unwrap().crash_and_restart();
    assert_eq!(bed.probe(Pending, &m).await, Accepted);
    assert_eq!(bed.probe(Current, &m).await, Accepted);

    bed.rotator().refuse(Pending, &m).await.unwrap();
    let held = lock(&bed).await;
    let (rotator, id) = (bed.rotator(), attempt());
    let server = Arc::get_mut(&mut bed.server).unwrap();
    let (done, ()) = tokio::join!(rotator.install(Pending, id, &m), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.crash_and_restart();
    });
    assert!(matches!(done, Err(RotatorError::Ambiguous(_))), "{done:?}");
    drop(held);
    assert_eq!(rotator.quiesce(id, &m).await, Quiet::Quiet);
    assert_eq!(bed.probe(Pending, &m).await, Rejected);
    assert_eq!(bed.probe(Current, &m).await, Accepted);
    rotator.install(Pending, id, &m).await.unwrap();
    assert_eq!(bed.probe(Pending, &m).await, Accepted);
}

/// Twenty at once, with one value: none fails for good, and the value works.
#[tokio::test]
async fn the_same_change_from_many_sides() {
    let bed = Bed::two(Mariadb::shared()).await;
    let mut m = bed.material();
    bed.create(&mut m);
    let (m, rotator) = (Arc::new(m), Arc::new(bed.rotator()));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (m, rotator) = (m.clone(), rotator.clone());
        all.spawn(async move { rotator.install(Pending, attempt(), &m).await });
    }
    for done in all.join_all().await {
        assert!(
            matches!(done, Ok(()) | Err(RotatorError::Retry(_))),
            "{done:?}"
        );
    }
    assert_eq!(bed.probe(Pending, &m).await, Accepted);
    assert_eq!(bed.probe(Current, &m).await, Accepted);
    assert_eq!(bed.login(&m.current).1, OLD);
}
