//! What `init_connect`, the server's defaults and limits may say: no rotation depends on a setting of
//! the session, and a limit is waited for.

use std::sync::Arc;

use keyrota_contract::Probe::{Accepted, Rejected};
use keyrota_contract::Which::{Current, Pending, Previous};
use keyrota_contract::{Quiet, Rotator, RotatorError, Target};

use super::bed::{Bed, attempt, promote};
use crate::support::mariadb::Mariadb;

/// What a session finds set when it begins.
const SETTINGS: [&str; 12] = [
    "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
    "sql_select_limit = 0",
    "sql_select_limit = 1",
    "sql_quote_show_create = 0",
    "autocommit = 0",
    "tx_read_only = 1",
    "tx_isolation = 'SERIALIZABLE'",
    "max_statement_time = 0.0001",
    "lock_wait_timeout = 1",
    "wait_timeout = 1",
    "character_set_client = latin1, character_set_results = latin1, collation_connection = latin1_bin",
    "sql_safe_updates = 1, sql_big_selects = 0, max_join_size = 1",
];

/// A whole rotation, step by step.
async fn rotates(bed: &Bed, m: &mut keyrota_contract::Material, at: &str) {
    assert_eq!(bed.complaint(m).await, "", "{at}");
    bed.create(m);
    let id = attempt();
    let installed = bed.rotator().install(Pending, id, m).await;
    installed.unwrap_or_else(|e| panic!("{at}: install: {e}"));
    assert_eq!(bed.rotator().quiesce(id, m).await, Quiet::Quiet, "{at}");
    assert_eq!(bed.probe(Pending, m).await, Accepted, "{at}");
    promote(m);
    let refused = bed.rotator().refuse(Previous, m).await;
    refused.unwrap_or_else(|e| panic!("{at}: refuse: {e}"));
    assert_eq!(bed.probe(Previous, m).await, Rejected, "{at}");
}

/// One user that changes itself, and two that an administrator changes.
async fn beds(server: &Arc<Mariadb>) -> [Bed; 2] {
    let mut itself = Bed::one(server.clone()).await;
    itself.settings.one_at_a_time = true;
    [itself, Bed::two(server.clone()).await]
}

#[tokio::test]
async fn nothing_that_a_session_begins_with_matters() {
    let server = Arc::new(Mariadb::start(&[]));
    for bed in beds(&server).await {
        let mut m = bed.material();
        for setting in SETTINGS {
            let init = format!("SET SESSION {setting}").replace('\'', "\\'");
            bed.run(&format!("SET GLOBAL init_connect = '{init}'"))
                .await;
            rotates(&bed, &mut m, setting).await;
        }
        bed.run("SET GLOBAL init_connect = ''").await;
        for (set, back) in [
            ("SET GLOBAL tx_read_only = 1", "SET GLOBAL tx_read_only = 0"),
            ("SET GLOBAL autocommit = 0", "SET GLOBAL autocommit = 1"),
            (
                "SET GLOBAL max_statement_time = 0.0001",
                "SET GLOBAL max_statement_time = 0",
            ),
        ] {
            bed.run(set).await;
            rotates(&bed, &mut m, set).await;
            bed.run(back).await;
        }
        let users = ["a", "b", "k"].map(|u| format!("{}@'127.0.0.1'", bed.user(u)));
        for user in &users {
            bed.run(&format!("ALTER USER {user} WITH MAX_STATEMENT_TIME 0.0001"))
                .await;
        }
        rotates(&bed, &mut m, "MAX_STATEMENT_TIME").await;
    }
}

/// Who is at a limit now will not be later.
#[tokio::test]
async fn a_limit_is_waited_for() {
    let server = Arc::new(Mariadb::start(&["--max-user-connections=100"]));
    for (bed, user) in beds(&server).await.into_iter().zip(["a", "k"]) {
        let mut m = bed.material();
        let account = format!("{}@'127.0.0.1'", bed.user(user));
        for (limit, back) in [
            (
                format!("ALTER USER {account} WITH MAX_USER_CONNECTIONS 1"),
                format!("ALTER USER {account} WITH MAX_USER_CONNECTIONS 0"),
            ),
            (
                "SET GLOBAL max_user_connections = 1".to_owned(),
                "SET GLOBAL max_user_connections = 100".to_owned(),
            ),
            (
                "SET GLOBAL max_connections = 10".to_owned(),
                "SET GLOBAL max_connections = 151".to_owned(),
            ),
        ] {
            let (name, password) = match user {
                "a" => bed.login(&m.current),
                _ => (bed.user("k"), super::bed::OLD.to_owned()),
            };
            let mut held = vec![server.connect(&name, &password).await.unwrap()];
            bed.run(&limit).await;
            while held.len() < 12 {
                match server.connect(&name, &password).await {
                    Ok(session) => held.push(session),
                    Err(_) => break,
                }
            }
            let looked = bed.rotator().preflight(&m).await;
            let waits = matches!(looked, Err(RotatorError::Held(_)));
            assert!(waits, "{limit}: {looked:?}");
            drop(held);
            // One connection at a time is enough.
            rotates(&bed, &mut m, &limit).await;
            bed.run(&back).await;
        }
        assert_eq!(bed.probe(Current, &m).await, Accepted);
    }
}
