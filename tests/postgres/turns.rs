//! Whole rotations, driven by hand as the machine drives them.

use std::sync::Arc;

use keyrota::rotators::database::Form;
use keyrota::rotators::postgres::setup::setup_sql;
use keyrota_contract::{Overlap, Probe, Quiet, Rotator, RotatorError, SecretValue, Target, Which};

use super::bed::{Bed, attempt, version};
use crate::support::postgres::Postgres as Server;

#[tokio::test]
async fn two_users_take_turns() {
    take_turns(Server::shared()).await;
}

/// No step before the first rotation or after a retirement is asked for an md5, which it would not send.
#[tokio::test]
async fn two_users_take_turns_where_md5_is_the_default() {
    take_turns(Server::of_md5().into()).await;
}

async fn take_turns(server: Arc<Server>) {
    let mut bed = Bed::two(server).await;
    let rotator = bed.rotator();
    assert_eq!(rotator.overlap(), Overlap::Dual);
    assert_eq!(
        rotator.account(),
        format!(
            "postgres://127.0.0.1:{} {} {}",
            bed.server.port(),
            bed.user(0),
            bed.user(1)
        )
    );
    for n in 0..3 {
        assert_eq!(rotator.control(&bed.m).await, Probe::Rejected);
        let report = rotator.preflight(&bed.m).await.unwrap();
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        assert!(report.server.unwrap().starts_with("postgres 7"));
        bed.mint();
        assert_eq!(bed.probe(Which::Pending).await, Probe::Rejected);

        let id = attempt();
        rotator.install(Which::Pending, id, &bed.m).await.unwrap();
        rotator.install(Which::Pending, id, &bed.m).await.unwrap();
        assert_eq!(rotator.quiesce(id, &bed.m).await, Quiet::Quiet);
        assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted);
        assert_eq!(bed.probe(Which::Current).await, Probe::Accepted);

        bed.promote();
        let made = format!("CREATE TABLE made_{n} (); SELECT session_user");
        let said = bed.psql(bed.m.current.as_ref().unwrap(), &made).unwrap();
        assert!(said.ends_with(&bed.user((n + 1) % 2)), "{said}");
        rotator.refuse(Which::Previous, &bed.m).await.unwrap();
        rotator.refuse(Which::Previous, &bed.m).await.unwrap();
        assert_eq!(bed.probe(Which::Previous).await, Probe::Rejected);
        assert_eq!(bed.probe(Which::Current).await, Probe::Accepted);
        let said = bed
            .psql(bed.m.previous.as_ref().unwrap(), "SELECT 1")
            .unwrap_err();
        assert!(said.contains("password authentication failed"), "{said}");
    }
    // Whoever made it: it is the owner role's, and each user can change it.
    let alter = "ALTER TABLE made_0 ADD x int; ALTER TABLE made_1 ADD x int";
    bed.psql(bed.m.current.as_ref().unwrap(), alter).unwrap();
}

#[tokio::test]
async fn the_active_user_is_never_changed() {
    let mut bed = Bed::two(Server::shared()).await;
    let rotator = bed.rotator();
    bed.m.previous = Some(bed.value(&bed.user(0), "an older one"));
    bed.m.pending = Some(bed.value(&bed.user(0), "a mistake"));
    for which in [Which::Current, Which::Pending, Which::Previous] {
        let installed = rotator.install(which, attempt(), &bed.m).await;
        assert!(
            matches!(installed, Err(RotatorError::Refused(_))),
            "{which:?}: {installed:?}"
        );
        let refused = rotator.refuse(which, &bed.m).await;
        assert!(
            matches!(refused, Err(RotatorError::Refused(_))),
            "{which:?}: {refused:?}"
        );
    }
    bed.m.pending = Some(bed.value("postgres", "not ours"));
    let installed = rotator.install(Which::Pending, attempt(), &bed.m).await;
    assert!(
        matches!(installed, Err(RotatorError::Refused(_))),
        "{installed:?}"
    );
    assert_eq!(bed.probe(Which::Current).await, Probe::Accepted);
}

#[tokio::test]
async fn a_candidate_is_given_up() {
    let mut bed = Bed::two(Server::shared()).await;
    let rotator = bed.rotator();
    bed.mint();
    rotator
        .install(Which::Pending, attempt(), &bed.m)
        .await
        .unwrap();
    rotator.refuse(Which::Pending, &bed.m).await.unwrap();
    assert_eq!(bed.probe(Which::Pending).await, Probe::Rejected);
    assert_eq!(bed.probe(Which::Current).await, Probe::Accepted);
}

#[tokio::test]
async fn one_user_changes_itself_or_is_changed() {
    for admin in [false, true] {
        let mut bed = Bed::one(Server::shared(), admin).await;
        let rotator = bed.rotator();
        assert_eq!(rotator.overlap(), Overlap::Replace);
        assert_eq!(rotator.uses().len(), usize::from(admin));
        for n in 0..2 {
            assert_eq!(rotator.control(&bed.m).await, Probe::Rejected);
            let report = rotator.preflight(&bed.m).await.unwrap();
            assert!(report.warnings.is_empty(), "{:?}", report.warnings);
            bed.mint();
            let id = attempt();
            // The second time it is logged in with what the first time set.
            rotator.install(Which::Pending, id, &bed.m).await.unwrap();
            rotator.install(Which::Pending, id, &bed.m).await.unwrap();
            assert_eq!(rotator.quiesce(id, &bed.m).await, Quiet::Quiet);
            assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted);
            assert_eq!(bed.probe(Which::Current).await, Probe::Rejected);
            if n == 0 {
                // The way back: a password made by hand, with more than ASCII in it.
                rotator.install(Which::Current, id, &bed.m).await.unwrap();
                assert_eq!(bed.probe(Which::Current).await, Probe::Accepted);
                assert_eq!(bed.probe(Which::Pending).await, Probe::Rejected);
                bed.psql(bed.m.current.as_ref().unwrap(), "SELECT 1")
                    .unwrap();
                rotator.refuse(Which::Pending, &bed.m).await.unwrap();
            } else {
                bed.promote();
                bed.psql(bed.m.current.as_ref().unwrap(), "SELECT 1")
                    .unwrap();
                rotator.refuse(Which::Previous, &bed.m).await.unwrap();
            }
        }
    }
}

/// A role that becomes another at login may not change itself as that other.
#[tokio::test]
async fn one_user_with_an_owner_role_changes_itself() {
    let mut bed = Bed::one(Server::shared(), false).await;
    bed.sql(
        "CREATE ROLE {owner}; GRANT {owner} TO {a}; ALTER ROLE {a} SET role = {owner}; \
             ALTER ROLE {a} SET default_transaction_read_only = on",
    )
    .await;
    bed.rotator().preflight(&bed.m).await.unwrap();
    bed.mint();
    bed.rotator()
        .install(Which::Pending, attempt(), &bed.m)
        .await
        .unwrap();
    assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted);
    // And may end its own sessions.
    let id = attempt();
    let script = format!("SET application_name = 'keyrota/{id}'; SELECT pg_sleep(60)");
    let (hung, quiet) = tokio::join!(
        tokio::task::spawn_blocking({
            let login = bed
                .settings
                .login(&bed.m.pending.as_ref().unwrap().value)
                .unwrap();
            let version = bed.value(&login.user, &login.password);
            let mut psql = bed.client(&version, &script);
            move || psql.output().unwrap().status.success()
        }),
        async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            bed.rotator().quiesce(id, &bed.m).await
        }
    );
    assert_eq!(quiet, Quiet::Quiet);
    assert!(!hung.unwrap());
}

#[tokio::test]
async fn an_object_keeps_what_is_not_ours() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.settings.form = Form::RdsJson;
    let old = format!(
        r#"{{"engine":"postgres","host":"127.0.0.1","port":{},"username":"{}","password":"{}","x":1.50}}"#,
        bed.server.port(),
        bed.user(0),
        super::bed::FIRST
    );
    bed.m.current = Some(version(old.clone()));
    bed.rotator().preflight(&bed.m).await.unwrap();
    bed.mint();
    bed.rotator()
        .install(Which::Pending, attempt(), &bed.m)
        .await
        .unwrap();
    assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted);
    let text = |v: &SecretValue| v.expose_to(|b| String::from_utf8(b.to_vec()).unwrap());
    let new = text(&bed.m.pending.as_ref().unwrap().value);
    assert!(
        new.ends_with(r#","x":1.50}"#) && new.starts_with(&old[..40]),
        "another form"
    );
    assert!(new.contains(&format!(r#""username":"{}""#, bed.user(1))));
}

/// As a person would: through psql, on an empty server, names as proposed.
#[tokio::test]
async fn the_setup_runs_in_psql() {
    let server = Server::start();
    let bed = Bed::two(server.into()).await;
    bed.sql("DROP OWNED BY {a}, {b}, {admin}, {owner}; DROP ROLE {a}, {b}, {admin}, {owner}")
        .await;
    let script = setup_sql(&bed.settings).join("\n");
    let mut superuser = bed.value("admin", "");
    superuser.value = bed
        .server
        .password()
        .expose_to(|p| bed.value("admin", std::str::from_utf8(p).unwrap()).value);
    bed.psql(&superuser, &script).unwrap();
    bed.sql(&format!(
        "ALTER ROLE {{a}} PASSWORD '{}'",
        super::bed::FIRST
    ))
    .await;
    bed.sql("ALTER ROLE keyrota_admin PASSWORD 'the administrator''s'")
        .await;
    let mut m = keyrota_contract::Material {
        current: bed.m.current,
        ..Default::default()
    };
    let admin = r#"{"username":"keyrota_admin","password":"the administrator's"}"#;
    m.uses
        .insert("database-admin".into(), version(admin.into()));
    let report = keyrota::rotators::postgres::Postgres::new(bed.settings)
        .preflight(&m)
        .await
        .unwrap();
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}
