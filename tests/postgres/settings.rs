//! What `ALTER ROLE … SET`, `ALTER DATABASE … SET` and connection limits may say: no rotation depends
//! on a setting, and a limit is waited for.

use keyrota_contract::{Probe, Quiet, Rotator, RotatorError, Target, Which};

use super::bed::{Bed, attempt};
use crate::support::postgres::Postgres as Server;

/// Operators that are found before the server's own where `search_path` names their schema first.
const OPERATORS: &str = "
CREATE SCHEMA bent; GRANT USAGE ON SCHEMA bent TO public;
CREATE FUNCTION bent.eq(name, name) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'bent'; END $$;
CREATE FUNCTION bent.eq(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'bent'; END $$;
CREATE FUNCTION bent.eq(oid, oid) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'bent'; END $$;
CREATE FUNCTION bent.eq(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'bent'; END $$;
CREATE OPERATOR bent.= (LEFTARG = name, RIGHTARG = name, FUNCTION = bent.eq);
CREATE OPERATOR bent.= (LEFTARG = text, RIGHTARG = text, FUNCTION = bent.eq);
CREATE OPERATOR bent.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = bent.eq);
CREATE OPERATOR bent.= (LEFTARG = int, RIGHTARG = int, FUNCTION = bent.eq);
CREATE FUNCTION bent.current_setting(text, bool) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'bent'; END $$;
CREATE FUNCTION bent.pg_backend_pid() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'bent'; END $$;
";

/// Each alone; those of the last together.
const SETTINGS: [&[&str]; 13] = [
    &["statement_timeout = '1ms'"],
    &["lock_timeout = '1ms'"],
    &["idle_in_transaction_session_timeout = '1ms'"],
    &["idle_session_timeout = '150ms'"],
    &["default_transaction_read_only = on"],
    &[
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
    ],
    &["search_path = bent, pg_catalog"],
    &["standard_conforming_strings = off"],
    &["exit_on_error = on"],
    &["client_min_messages = debug5"],
    &["synchronous_commit = off"],
    &["application_name = 'another'"],
    &[
        "password_encryption = 'md5'",
        "client_encoding = 'LATIN1'",
        "datestyle = 'SQL, DMY'",
        "timezone = 'Pacific/Chatham'",
        "transform_null_equals = on",
        "quote_all_identifiers = on",
        "row_security = off",
        "stats_fetch_consistency = snapshot",
    ],
];

/// A whole rotation, step by step.
async fn rotates(bed: &mut Bed, at: &str) {
    let rotator = bed.rotator();
    let report = rotator.preflight(&bed.m).await;
    report.unwrap_or_else(|e| panic!("{at}: preflight: {e}"));
    bed.mint();
    let id = attempt();
    let installed = rotator.install(Which::Pending, id, &bed.m).await;
    installed.unwrap_or_else(|e| panic!("{at}: install: {e}"));
    assert_eq!(rotator.quiesce(id, &bed.m).await, Quiet::Quiet, "{at}");
    assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted, "{at}");
    bed.promote();
    let refused = rotator.refuse(Which::Previous, &bed.m).await;
    refused.unwrap_or_else(|e| panic!("{at}: refuse: {e}"));
    assert_eq!(bed.probe(Which::Previous).await, Probe::Rejected, "{at}");
}

#[tokio::test]
async fn no_setting_of_a_role_or_a_database_matters() {
    let itself = Bed::one(Server::shared(), false).await;
    let by_admin = Bed::two(Server::shared()).await;
    for (mut bed, roles, groups) in [
        (itself, "a", &SETTINGS[..]),
        (by_admin, "a b admin", &[&SETTINGS.concat()[..]][..]),
    ] {
        bed.sql(OPERATORS).await;
        for group in groups {
            let each = |word: &str| {
                let roles = roles.split(' ');
                roles
                    .flat_map(|role| group.iter().map(move |setting| (role, setting)))
                    .map(|(role, setting)| format!("ALTER ROLE {{{role}}} {word} {setting};"))
                    .collect::<String>()
            };
            bed.sql(&each("SET")).await;
            rotates(&mut bed, group[0]).await;
            for role in roles.split(' ') {
                bed.sql(&format!("ALTER ROLE {{{role}}} RESET ALL")).await;
                if roles != "a" && role != "admin" {
                    bed.sql(&format!("ALTER ROLE {{{role}}} SET role = {{owner}}"))
                        .await;
                }
            }
        }
        for setting in SETTINGS.concat() {
            let set = bed.named(&format!("ALTER DATABASE {{db}} SET {setting}"));
            bed.server.run("postgres", set).await.unwrap();
        }
        rotates(&mut bed, "the database").await;
    }
}

/// An error ends its statement and not the session: else nobody would know what the server said.
#[tokio::test]
async fn a_refused_change_is_known_whatever_the_role_sets() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.sql("REVOKE USAGE ON SCHEMA keyrota_roles FROM {admin}; ALTER ROLE {admin} SET exit_on_error = on")
        .await;
    bed.mint();
    let rotator = bed.rotator();
    let installed = rotator.install(Which::Pending, attempt(), &bed.m).await;
    let refused = matches!(installed, Err(RotatorError::Refused(_)));
    assert!(refused, "{installed:?}");
}

/// Who is at a limit now will not be later.
#[tokio::test]
async fn a_limit_is_waited_for() {
    let itself = Bed::one(Server::shared(), false).await;
    let by_admin = Bed::two(Server::shared()).await;
    for (mut bed, user) in [(itself, "a"), (by_admin, "admin")] {
        for (limit, back) in [
            (
                "ALTER ROLE {user} CONNECTION LIMIT 1",
                "ALTER ROLE {user} CONNECTION LIMIT -1",
            ),
            (
                "ALTER DATABASE {db} CONNECTION LIMIT 1",
                "ALTER DATABASE {db} CONNECTION LIMIT -1",
            ),
        ] {
            let user = if user == "a" {
                bed.user(0)
            } else {
                bed.admin()
            };
            let limit = limit.replace("{user}", &user);
            let held = session(&bed, user == bed.user(0)).await;
            bed.sql(&limit).await;
            let looked = bed.rotator().preflight(&bed.m).await;
            let waits = |e: &RotatorError| matches!(e, RotatorError::Held(s) if s.contains("CONNECTION LIMIT"));
            assert!(looked.as_ref().is_err_and(waits), "{limit}: {looked:?}");
            drop(held);
            // One connection at a time is enough.
            rotates(&mut bed, &limit).await;
            bed.sql(&back.replace("{user}", &user)).await;
        }
    }
}

/// A session of the user's or the administrator's.
async fn session(bed: &Bed, user: bool) -> sqlx::PgConnection {
    use sqlx::ConnectOptions;
    let login = if user {
        bed.settings.login(&bed.m.current.as_ref().unwrap().value)
    } else {
        keyrota::rotators::database::admin_login(&bed.m.uses["database-admin"].value)
    };
    let login = login.unwrap();
    sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(bed.server.port())
        .database(&bed.database)
        .username(&login.user)
        .password(&login.password)
        .ssl_mode(sqlx::postgres::PgSslMode::Require)
        .connect()
        .await
        .unwrap()
}
