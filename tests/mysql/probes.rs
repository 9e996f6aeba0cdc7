//! What each answer to a login means.

use keyrota::rotators::database::Endpoint;
use keyrota_contract::Probe::{Accepted, Blocked, Rejected, Unknown};
use keyrota_contract::Which::{Current, Pending};
use keyrota_contract::{Rotator, Target};

use super::bed::{Bed, OLD};
use crate::support::mariadb::Mariadb;

/// What comes after a right password only, and says nothing to a wrong one.
#[tokio::test]
async fn a_right_password_may_be_blocked() {
    let bed = Bed::one(Mariadb::shared()).await;
    let mut m = bed.material();
    m.pending = Some(bed.value("a", "a wrong password"));
    let a = format!("{}@'127.0.0.1'", bed.user("a"));
    let name = &bed.name;
    for (block, unblock) in [
        (
            format!("ALTER USER {a} ACCOUNT LOCK"),
            format!("ALTER USER {a} ACCOUNT UNLOCK"),
        ),
        (
            format!("ALTER USER {a} PASSWORD EXPIRE"),
            format!(
                "ALTER USER {a} IDENTIFIED BY '{}'",
                OLD.replace('\\', "\\\\").replace('\'', "\\'")
            ),
        ),
        (
            format!("ALTER USER {a} WITH MAX_CONNECTIONS_PER_HOUR 1"),
            format!("ALTER USER {a} WITH MAX_CONNECTIONS_PER_HOUR 0"),
        ),
        (
            format!("REVOKE ALL ON {name}.* FROM {a}"),
            format!("GRANT ALL ON {name}.* TO {a}"),
        ),
    ] {
        bed.run(&block).await;
        bed.probe(Current, &m).await; // uses up the one connection of that hour
        assert_eq!(bed.probe(Current, &m).await, Blocked, "{block}");
        assert_eq!(bed.probe(Pending, &m).await, Rejected, "{block}");
        assert_ne!(bed.complaint(&m).await, "", "{block}");
        bed.run(&unblock).await;
        assert_eq!(bed.probe(Current, &m).await, Accepted, "{unblock}");
    }
    bed.run(&format!("DROP DATABASE {name}")).await;
    assert_eq!(bed.probe(Current, &m).await, Blocked);
    assert_eq!(bed.probe(Pending, &m).await, Rejected);
    assert!(bed.complaint(&m).await.contains("database"));
}

#[tokio::test]
async fn no_value_and_no_login() {
    let bed = Bed::one(Mariadb::shared()).await;
    let mut m = bed.material();
    assert_eq!(bed.probe(Pending, &m).await, Unknown);
    m.pending = Some(super::bed::version(keyrota_contract::SecretValue::copy_of(
        b"nonsense",
    )));
    assert_eq!(bed.probe(Pending, &m).await, Unknown);
    let broken = m.pending.take().unwrap().value;
    let mut entropy = keyrota::world::SystemEntropy;
    assert!(bed.rotator().adopt(broken, &mut entropy).is_err());
    let right = m.current.take().unwrap().value;
    assert!(bed.rotator().adopt(right, &mut entropy).is_ok());
    let other = bed.value("b", "another user's").value;
    assert!(bed.rotator().adopt(other, &mut entropy).is_err());
}

/// Three wrong passwords, and the server says the same to a right one.
#[tokio::test]
async fn too_many_wrong_passwords_and_too_many_sessions_say_nothing() {
    let server = std::sync::Arc::new(Mariadb::start(&["--max-password-errors=3"]));
    let bed = Bed::two(server).await;
    let mut m = bed.material();
    m.pending = Some(bed.value("a", "a wrong password"));
    for _ in 0..3 {
        assert_eq!(bed.probe(Pending, &m).await, Rejected);
    }
    assert_eq!(bed.probe(Pending, &m).await, Unknown);
    assert_eq!(bed.probe(Current, &m).await, Unknown);
    assert!(bed.complaint(&m).await.contains("too many wrong passwords"));
    bed.run("FLUSH PRIVILEGES").await;
    assert_eq!(bed.probe(Current, &m).await, Accepted);

    bed.run("SET GLOBAL max_connections = 10").await;
    let mut open = Vec::new();
    let (user, password) = bed.login(&m.current);
    while let Ok(connection) = bed.server.connect(&user, &password).await {
        open.push(connection);
    }
    assert!(open.len() >= 9);
    assert_eq!(bed.probe(Current, &m).await, Unknown);
}

#[tokio::test]
async fn no_server_and_a_wrong_certificate() {
    let mut bed = Bed::one(Mariadb::shared()).await;
    let m = bed.material();
    let other = Mariadb::start(&[]);
    let right = bed.settings.clone();
    bed.settings.ca_file = Some(other.ca_file());
    assert_eq!(bed.probe(Current, &m).await, Unknown);
    assert!(bed.complaint(&m).await.contains("TLS"));
    bed.settings.ca_file = Some("/nowhere/ca.pem".into());
    assert!(bed.complaint(&m).await.contains("TLS"));

    bed.settings = right;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bed.settings.server = Some(Endpoint {
        port: nobody.local_addr().unwrap().port(),
        ..bed.settings.endpoint.clone()
    });
    drop(nobody);
    assert_eq!(bed.probe(Current, &m).await, Unknown);
    assert_eq!(bed.rotator().control(&m).await, Unknown);
}

/// The server behind the endpoint has another opinion: it is waited for.
#[tokio::test]
async fn the_endpoint_and_the_server_must_agree() {
    let mut bed = Bed::one(Mariadb::shared()).await;
    let m = bed.material();
    let name = &bed.name;
    bed.settings.server = Some(bed.settings.endpoint.clone());
    assert_eq!(bed.probe(Current, &m).await, Accepted);
    assert_eq!(bed.rotator().control(&m).await, Rejected);
    // Another server that knows the user by another password.
    let other = Mariadb::start(&[]);
    let a = format!("{}@'127.0.0.1'", bed.user("a"));
    let sql = format!(
        "CREATE DATABASE {name}; CREATE USER {a} IDENTIFIED BY 'other'; GRANT ALL ON {name}.* TO {a}"
    );
    other.run(sql).await.unwrap();
    let both = std::fs::read_to_string(bed.server.ca_file()).unwrap()
        + &std::fs::read_to_string(other.ca_file()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), both).unwrap();
    bed.settings.ca_file = Some(file.path().to_owned());
    bed.settings.server = Some(Endpoint {
        port: other.port(),
        ..bed.settings.endpoint.clone()
    });
    assert_eq!(bed.probe(Current, &m).await, Blocked);
}

/// Whoever answers instead of the user (here an anonymous one, by a more specific host), it is not
/// the user's password that was tried.
#[tokio::test]
async fn another_account_answers() {
    let server = std::sync::Arc::new(Mariadb::start(&[]));
    let bed = Bed::one(server).await;
    let mut m = bed.material();
    let (name, a) = (&bed.name, bed.user("a"));
    bed.run(&format!(
        "RENAME USER {a}@'127.0.0.1' TO {a}@'%';
         CREATE USER ''@'127.0.0.1' IDENTIFIED BY 'anonymous'; GRANT ALL ON {name}.* TO ''@'127.0.0.1';
         FLUSH PRIVILEGES"
    ))
    .await;
    assert_eq!(bed.probe(Current, &m).await, Rejected);
    m.current = Some(bed.value("a", "anonymous"));
    assert_eq!(bed.probe(Current, &m).await, Unknown);
    assert!(bed.complaint(&m).await.contains("anonymous"));
}
