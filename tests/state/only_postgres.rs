//! What only a server can do: refuse us, be an impostor, go away.

use keyrota::state::{Access, Change, Location, Server, StateError, Store};
use keyrota::world::SystemEntropy;
use keyrota_contract::SecretValue;
use sqlx::Row;

use super::bed::{Bed, at, entry, holder, keys};
use crate::support::postgres::{ADMIN, Postgres};

fn server(bed: &Bed) -> (&Postgres, Server) {
    let (Bed::Postgres(postgres, _), Location::Postgres(server)) = (bed, bed.location()) else {
        panic!("not a server")
    };
    (postgres, server)
}

async fn open(
    server: Server,
    password: Option<&SecretValue>,
    ca: bool,
    postgres: &Postgres,
) -> Result<Store, StateError> {
    let ca_file = ca.then(|| postgres.ca_file());
    let access = Access {
        password,
        ca_file: ca_file.as_deref(),
    };
    Store::open(&Location::Postgres(server), access, &mut SystemEntropy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_verified_and_so_are_we() {
    let bed = Bed::postgres().await;
    let (postgres, good) = server(&bed);
    let right = postgres.password();
    let wrong = SecretValue::copy_of(b"hunter2");
    let to = |host: &str| Server {
        host: host.to_owned(),
        ..good.clone()
    };
    for (at, password, ca, expected) in [
        (to("localhost"), Some(&right), false, StateError::Untrusted), // nobody vouches for it
        (to("localhost"), Some(&wrong), true, StateError::Denied),
        (to("localhost"), None, true, StateError::Denied),
        (to("127.0.0.2"), Some(&right), true, StateError::Unavailable),
        (
            Server {
                port: 1,
                ..good.clone()
            },
            Some(&right),
            true,
            StateError::Unavailable,
        ),
        (
            Server {
                database: "none".to_owned(),
                ..good.clone()
            },
            Some(&right),
            true,
            StateError::Refused("the database named in the state's address does not exist"),
        ),
    ] {
        let e = open(at.clone(), password, ca, postgres)
            .await
            .map(|_| ())
            .unwrap_err();
        assert_eq!(e, expected, "{at:?}");
    }
    for host in [
        "localhost",
        "127.0.0.1",
        postgres.socket().to_str().unwrap(),
    ] {
        open(to(host), Some(&right), true, postgres).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_commit_is_on_the_disk_whatever_the_default() {
    let bed = Bed::postgres().await;
    let store = bed.open().await;
    store.close().await;
    let (postgres, at_server) = server(&bed);
    let database = at_server.database.clone();
    // The table tells what was in force when it was written to.
    bed.run(
        "CREATE TABLE seen (setting TEXT);
         CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO keyrota.seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
         CREATE TRIGGER look BEFORE INSERT ON facts FOR EACH ROW EXECUTE FUNCTION look();",
    )
    .await
    .unwrap();
    bed.run(&format!(
        "ALTER DATABASE {database} SET synchronous_commit = off"
    ))
    .await
    .unwrap();
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let change = [Change::PutFact {
        key: "a".to_owned(),
        value: "1".to_owned(),
    }];
    store.commit(&lock, &change, &[], at(1)).await.unwrap();
    let mut connection = postgres.connect(&database).await;
    let seen = sqlx::query("SELECT setting FROM keyrota.seen")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(seen.get::<String, _>(0), "on");
    // The control: without us it is off.
    let off = sqlx::query("SHOW synchronous_commit")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(off.get::<String, _>(0), "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_in_a_session_that_a_pooler_could_mix_up() {
    let bed = Bed::postgres().await;
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    store
        .commit(&lock, &[], &[entry("x")], at(1))
        .await
        .unwrap();
    store.secrets("prod").await.unwrap();
    let (postgres, at_server) = server(&bed);
    let mut connection = postgres.connect(&at_server.database).await;
    let locks = sqlx::query(
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'advisory'",
    );
    assert_eq!(
        locks
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .get::<i64, _>(0),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_is_unavailable_meanwhile() {
    let bed = Bed::postgres().await;
    let store = bed.open().await;
    let (_, at_server) = server(&bed);
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'keyrota'",
        at_server.database
    );
    bed.run(&end).await.unwrap();
    // A connection that was ended is noticed before it is used, and replaced.
    store
        .append(&holder(1), &[entry("x")], at(1))
        .await
        .unwrap();
    drop(bed);
    let alone = Postgres::start();
    let (ca, password) = (alone.ca_file(), alone.password());
    let location = Location::Postgres(Server {
        host: "localhost".to_owned(),
        port: alone.port(),
        user: ADMIN.to_owned(),
        database: "postgres".to_owned(),
    });
    let access = Access {
        password: Some(&password),
        ca_file: Some(&ca),
    };
    let store = Store::open(&location, access, &mut SystemEntropy)
        .await
        .unwrap()
        .vouched(&keys(), None);
    drop(alone);
    let e = store
        .append(&holder(1), &[entry("x")], at(1))
        .await
        .unwrap_err();
    assert_eq!(e, StateError::Unavailable);
    assert!(e.is_transient());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_shows_a_clock_and_whether_it_is_this_hosts() {
    let bed = Bed::postgres().await;
    let shown = bed.open().await.server_clock().await.unwrap().unwrap();
    let here = jiff::Timestamp::now().as_millisecond();
    assert!((here - shown.ms).abs() < 60_000, "{here} {shown:?}");
    assert_eq!(
        shown.apart(),
        None,
        "a server on this host is no second source"
    );
    let sqlite = Bed::sqlite().open().await;
    assert_eq!(sqlite.server_clock().await.unwrap(), None);
}

/// What the database's owner, or the role's, may have set for every session.
#[tokio::test(flavor = "multi_thread")]
async fn no_setting_of_the_database_matters() {
    let bed = Bed::postgres().await;
    let Bed::Postgres(postgres, name) = &bed else {
        panic!("not a server")
    };
    for setting in [
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "search_path = nowhere",
        "synchronous_commit = off",
        "standard_conforming_strings = off",
        "client_min_messages = debug5",
        "bytea_output = 'escape'",
        "timezone = 'Pacific/Chatham'",
    ] {
        let set = format!("ALTER DATABASE {name} SET {setting}");
        postgres.run("postgres", set).await.unwrap();
    }
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let entries = [entry("x")];
    store.commit(&lock, &[], &entries, at(1)).await.unwrap();
    store.close().await;
    bed.try_open(true).await.unwrap();
}
