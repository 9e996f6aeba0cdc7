//! What is said before anything is changed.

use keyrota_contract::{Rotator, RotatorError};
use sqlx::Connection;

use super::bed::{Bed, FIRST};
use crate::support::postgres::Postgres as Server;

fn sentence(error: RotatorError) -> (&'static str, &'static str) {
    match error {
        RotatorError::Refused(s) => ("refused", s),
        RotatorError::Rejected(s) => ("rejected", s),
        RotatorError::Retry(s) => ("retry", s),
        RotatorError::Held(s) => ("held", s),
        RotatorError::Ambiguous(s) => ("ambiguous", s),
    }
}

#[tokio::test]
async fn two_users() {
    let bed = Bed::two(Server::shared()).await;
    for (sql, back, kind, words) in [
        (
            "ALTER ROLE {a} NOLOGIN",
            "ALTER ROLE {a} LOGIN",
            "refused",
            "NOLOGIN",
        ),
        (
            "ALTER ROLE {b} NOLOGIN",
            "ALTER ROLE {b} LOGIN",
            "refused",
            "NOLOGIN",
        ),
        (
            "ALTER ROLE {a} VALID UNTIL '2001-01-01'",
            "ALTER ROLE {a} VALID UNTIL 'infinity'",
            "refused",
            "VALID UNTIL of",
        ),
        (
            "ALTER ROLE {b} VALID UNTIL '2001-01-01'",
            "ALTER ROLE {b} VALID UNTIL 'infinity'",
            "refused",
            "VALID UNTIL of",
        ),
        (
            "ALTER ROLE {b} CONNECTION LIMIT 0",
            "ALTER ROLE {b} CONNECTION LIMIT -1",
            "refused",
            "LIMIT 0",
        ),
        (
            "ALTER ROLE {b} RENAME TO {db}_x",
            "ALTER ROLE {db}_x RENAME TO {b}",
            "refused",
            "does not exist",
        ),
        (
            "ALTER ROLE {b} RESET role",
            "ALTER ROLE {b} SET role = {owner}",
            "refused",
            "owner role",
        ),
        (
            "REVOKE {owner} FROM {b}",
            "GRANT {owner} TO {b}",
            "refused",
            "owner role",
        ),
        (
            "GRANT pg_monitor TO {a}",
            "REVOKE pg_monitor FROM {a}",
            "refused",
            "same roles",
        ),
        (
            "CREATE TABLE x (); GRANT SELECT ON x TO {a}",
            "DROP TABLE x",
            "refused",
            "grant it to",
        ),
        (
            "REVOKE USAGE ON SCHEMA keyrota_roles FROM {admin}",
            "GRANT USAGE ON SCHEMA keyrota_roles TO {admin}",
            "refused",
            "may not set",
        ),
        (
            "ALTER ROLE {b} SUPERUSER",
            "ALTER ROLE {b} NOSUPERUSER",
            "refused",
            "may not set",
        ),
        (
            "ALTER ROLE {admin} PASSWORD 'x'",
            "ALTER ROLE {admin} PASSWORD 'the administrator''s'",
            "refused",
            "administrator's login",
        ),
        (
            "ALTER ROLE {admin} CONNECTION LIMIT 0",
            "ALTER ROLE {admin} CONNECTION LIMIT -1",
            "held",
            "CONNECTION LIMIT",
        ),
        (
            "ALTER ROLE {a} PASSWORD 'x'",
            "ALTER ROLE {a} PASSWORD '{first}'",
            "rejected",
            "changed elsewhere",
        ),
        (
            "REVOKE CONNECT ON DATABASE {db} FROM {owner}, public; GRANT CONNECT ON DATABASE {db} TO {admin}",
            "GRANT CONNECT ON DATABASE {db} TO {owner}",
            "refused",
            "(CONNECT)",
        ),
    ] {
        bed.sql(sql).await;
        let (is, said) = sentence(bed.rotator().preflight(&bed.m).await.unwrap_err());
        assert!(is == kind && said.contains(words), "{sql}: {is}: {said}");
        bed.sql(&back.replace("{first}", FIRST)).await;
        bed.rotator()
            .preflight(&bed.m)
            .await
            .unwrap_or_else(|e| panic!("after {sql}: {e}"));
    }
}

#[tokio::test]
async fn warnings() {
    let bed = Bed::two(Server::shared()).await;
    for (sql, back, words) in [
        (
            "ALTER ROLE {b} VALID UNTIL '2999-01-01'",
            "ALTER ROLE {b} VALID UNTIL 'infinity'",
            "VALID UNTIL",
        ),
        (
            "ALTER ROLE {b} CONNECTION LIMIT 9",
            "ALTER ROLE {b} CONNECTION LIMIT -1",
            "limits",
        ),
        (
            "ALTER ROLE {b} SET work_mem = '5MB'",
            "ALTER ROLE {b} RESET work_mem",
            "settings",
        ),
        (
            "CREATE TABLE x (); ALTER TABLE x OWNER TO {a}",
            "DROP TABLE x",
            "owns",
        ),
        (
            "CREATE TABLE x (); GRANT SELECT ON x TO {b}",
            "DROP TABLE x",
            "idle user was granted",
        ),
    ] {
        bed.sql(sql).await;
        let report = bed
            .rotator()
            .preflight(&bed.m)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(report.warnings.len(), 1, "{sql}: {:?}", report.warnings);
        assert!(
            report.warnings[0].contains(words),
            "{sql}: {:?}",
            report.warnings
        );
        bed.sql(back).await;
    }
}

#[tokio::test]
async fn an_inactive_user_with_sessions_is_waited_for() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.sql("ALTER ROLE {b} PASSWORD 'left over'").await;
    let session = options(&bed, &bed.user(1), "left over").await;
    let (is, said) = sentence(bed.rotator().preflight(&bed.m).await.unwrap_err());
    assert!(
        is == "retry" && said.contains("still has sessions"),
        "{is}: {said}"
    );
    session.close().await.unwrap();
    // The other way round it is the application itself.
    let session = options(&bed, &bed.user(0), FIRST).await;
    for _ in 0..50 {
        if bed.rotator().preflight(&bed.m).await.is_ok() {
            break;
        }
    }
    bed.rotator().preflight(&bed.m).await.unwrap();
    session.close().await.unwrap();

    bed.settings.admin = None;
    let (is, said) = sentence(bed.rotator().preflight(&bed.m).await.unwrap_err());
    assert!(
        is == "refused" && said.contains("name its secret by admin"),
        "{is}: {said}"
    );
}

async fn options(bed: &Bed, user: &str, password: &str) -> sqlx::PgConnection {
    use sqlx::ConnectOptions;
    sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(bed.server.port())
        .database(&bed.database)
        .username(user)
        .password(password)
        .ssl_mode(sqlx::postgres::PgSslMode::VerifyFull)
        .ssl_root_cert(bed.server.ca_file())
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn one_user() {
    let mut bed = Bed::one(Server::shared(), false).await;
    bed.m.current = Some(bed.value("somebody", FIRST));
    let (is, said) = sentence(bed.rotator().preflight(&bed.m).await.unwrap_err());
    assert!(
        is == "refused" && said.contains("does not name"),
        "{is}: {said}"
    );
    bed.m.current = Some(bed.value(&bed.user(0), "wrong"));
    let (is, said) = sentence(bed.rotator().preflight(&bed.m).await.unwrap_err());
    assert!(
        is == "rejected" && said.contains("changed elsewhere"),
        "{is}: {said}"
    );
    bed.m.current = Some(bed.value(&bed.user(0), "\u{7}"));
    let (is, said) = sentence(bed.rotator().preflight(&bed.m).await.unwrap_err());
    assert!(is == "refused" && said.contains("SASLprep"), "{is}: {said}");
    bed.m.current = None; // its import
    let report = bed.rotator().preflight(&bed.m).await.unwrap();
    assert_eq!(report, keyrota_contract::Report::default());
}
